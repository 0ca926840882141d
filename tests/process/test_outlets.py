"""Readers of what the daemon writes that stop: they hold nothing up, and what they miss is counted."""

import contextlib
import fcntl
import os
import re
import signal
import socket
import subprocess
import threading

import client
import harness
import pytest

PAGE = 4096
CONFIG = """
listen: 'unix:$DIR/http'
admin: 'unix:$DIR/admin'
workers: 1
drain: 1s
upstreams: { it: { url: 'http://127.0.0.1:1' } }
"""


class Standard:
    """The daemon's standard error, and the end of it that may read."""

    def __init__(self, kind):
        if kind == "socket":
            self.reader, self.writer = (end.detach() for end in socket.socketpair())
        else:
            self.reader, self.writer = os.pipe()
            fcntl.fcntl(self.writer, fcntl.F_SETPIPE_SZ, PAGE)
        os.set_blocking(self.reader, False)

    def fill(self):
        """Leaves no room, as a reader that stopped would."""
        os.set_blocking(self.writer, False)
        for size in (PAGE, 1):
            with contextlib.suppress(BlockingIOError):
                while True:
                    os.write(self.writer, b"x" * size)
        os.set_blocking(self.writer, True)

    def read(self):
        """What is there now."""
        got = b""
        with contextlib.suppress(BlockingIOError):
            while data := os.read(self.reader, 1 << 16):
                got += data
        return got.decode()

    def close(self):
        """Both ends."""
        os.close(self.reader)
        os.close(self.writer)


@pytest.fixture(params=["pipe", "socket"])
def standard(request):
    """A standard error that a test reads when it likes."""
    made = Standard(request.param)
    yield made
    made.close()


@pytest.fixture
def start(tmp_path, standard):
    """Starts daemons on a unix socket with that standard error."""
    started = []

    def begin(more=""):
        config = tmp_path / "x.yaml"
        config.write_text((CONFIG + more).replace("$DIR", str(tmp_path)))
        process = subprocess.Popen([harness.BINARY, "--config", str(config)],
                                   stdin=subprocess.DEVNULL, stderr=standard.writer)
        started.append(process)

        def serves():
            assert process.poll() is None, standard.read()
            with contextlib.suppress(OSError, AssertionError):
                return client.fetch(str(tmp_path / "admin"), "GET", "/-/ready", timeout=1).status == 200
        harness.wait_until(serves, "the daemon")
        return process

    yield begin
    for process in started:
        process.kill()
        process.wait()


def ends(process):
    """It takes a SIGTERM."""
    process.send_signal(signal.SIGTERM)
    assert process.wait(harness.PATIENCE) == 0


def test_a_log_that_nobody_reads_stops_nobody(start, standard, tmp_path):
    """Neither the start, nor requests, admin pages and reloads, nor the end."""
    standard.fill()
    process = start("logLevel: debug\n")
    for _ in range(3):
        process.send_signal(signal.SIGHUP)
        assert client.fetch(str(tmp_path / "http"), "GET", "/no").status == 404
        assert client.fetch(str(tmp_path / "admin"), "GET", "/-/healthy").status == 200
    ends(process)


def test_what_the_log_lost_is_said(start, standard):
    """In the next line that is read."""
    standard.fill()
    process = start()
    standard.read()
    process.send_signal(signal.SIGHUP)
    said = []
    harness.wait_until(lambda: said.append(standard.read()) or "\n" in "".join(said), "a line")
    assert re.fullmatch(r"gatherd: configuration reloaded duration_us=\d+ lines_lost=[1-9]\d*\n",
                        "".join(said))
    ends(process)
    assert "lines_lost" not in standard.read()


def test_an_access_log_beside_it(start, standard, tmp_path):
    """Both go there; full by the one, it holds up neither."""
    process = start("accessLog: { to: stderr }\n")
    with client.Connection(str(tmp_path / "http")) as connection:
        for _ in range(1500):
            connection.request("GET", "/no", {})
            assert connection.receive().status == 404
    process.send_signal(signal.SIGHUP)
    assert client.fetch(str(tmp_path / "admin"), "GET", "/-/healthy").status == 200
    ends(process)
    assert all(re.fullmatch(r'gatherd: .*|\{"time".*\}', line)
               for line in standard.read().splitlines())


def test_a_fifo_whose_reader_stops(gatherd, gated, tmp_path, fill):
    """Losses are told in time, slow requests too, and another target is taken at once."""
    gated.add("x", held=True)
    fifo, path = tmp_path / "fifo", tmp_path / "file"
    os.mkfifo(fifo)
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    text = ("workers: 1\nupstreams: { gated: { url: '$IT' } }\n"
            "accessLog: { to: '$FILE', slow: 50ms, format: '%{status} " + "x" * 4000 + "' }\n")
    daemon = gatherd(text, IT=gated.url, FILE=fifo)
    with daemon.connect() as connection:
        for _ in range(400):
            connection.request("GET", "/nowhere", {})
            assert connection.receive().status == 404
    daemon.wait_log(r"the access log lost \d+ lines: its reader has stopped")
    timer = threading.Timer(0.1, gated.release, ["x"])
    timer.start()
    assert daemon.batch(gated.requests("x")).status == 200
    timer.join()
    daemon.wait_log("slow request: ")
    daemon.reload(fill(text, IT=gated.url, FILE=path), "configuration reloaded")
    daemon.get("/nowhere")
    harness.wait_until(lambda: path.exists() and path.read_bytes().count(b"\n") == 1, "a line")
    daemon.stop()
    read = 0
    while data := os.read(reader, 1 << 16):
        read += data.count(b"\n")
    os.close(reader)
    lost = sum(map(int, re.findall(r"the access log lost (\d+) lines", daemon.log())))
    assert lost > 300 and read + lost == 401


def test_a_reader_that_is_slow_gets_everything(gatherd, tmp_path):
    """It is waited for, and lines wait in between."""
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    fcntl.fcntl(reader, fcntl.F_SETPIPE_SZ, PAGE)
    daemon = gatherd("workers: 1\naccessLog: { to: '$FILE' }\n", FILE=fifo)
    lines = 0
    with daemon.connect() as connection:
        for number in range(1000):
            connection.request("GET", "/nowhere", {})
            assert connection.receive().status == 404
            if number % 10 == 9:
                with contextlib.suppress(BlockingIOError):
                    lines += os.read(reader, PAGE).count(b"\n")

    def more():
        nonlocal lines
        with contextlib.suppress(BlockingIOError):
            lines += os.read(reader, PAGE).count(b"\n")
        return lines == 1000
    harness.wait_until(more, "every line")
    os.close(reader)
    daemon.stop()
    assert "lost" not in daemon.log()


def test_a_fifo_that_nobody_reads_is_named(tmp_path):
    """As what it is."""
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "x.yaml").write_text(f"listen: '127.0.0.1:0'\naccessLog: {{ to: {tmp_path}/fifo }}\n")
    done = harness.run("--config", tmp_path / "x.yaml")
    assert done.returncode == 1
    assert "fifo cannot be opened: it is a FIFO that nobody reads" in done.stderr
