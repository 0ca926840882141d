"""The end of the daemon: what may not delay it, and what becomes of requests at its very last moment."""

import contextlib
import re
import signal
import socket
import threading
import time

import frozen
import harness
import pytest

PLAIN = "workers: 2\nupstreams: { demo: { url: '$DEMO', timeout: 60s } }\n"
MANY = ("workers: 2\nadmin: '127.0.0.1:0'\nupstreams:\n" +
        "".join(f"  u{number}: {{ url: 'http://127.0.0.1:1' }}\n" for number in range(3000)))


def slow(url="/hang"):
    """A batch whose call takes long."""
    return harness.compact({"requests": [{"id": "x", "upstream": "demo", "url": url}],
                            "merge": "keyed", "timeout": "60s"})


def prompt(end_takes):
    """Whether an end after the 300 ms of draining waits for nothing more: what waits by design
    takes the 500 ms of a last flush, and every time; what a busy machine delays, now and then."""
    return any(end_takes() < 0.3 + 0.5 for _ in range(3))


@contextlib.contextmanager
def storm(daemon, every):
    """SIGHUP again and again, until the daemon has ended."""
    over = threading.Event()

    def blow():
        while not over.wait(every) and daemon.process.returncode is None:
            daemon.signal(signal.SIGHUP)

    thread = threading.Thread(target=blow)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


@pytest.fixture
def manager(tmp_path):
    """The receiving end of NOTIFY_SOCKET; what it was told is in `seen`."""
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    sock.bind(str(tmp_path / "notify"))
    sock.setblocking(False)
    yield sock
    sock.close()


def told(manager):
    """All messages that wait."""
    messages = []
    with contextlib.suppress(BlockingIOError):
        while True:
            messages.append(manager.recv(4096).decode())
    return messages


def test_reloads_do_not_hold_up_a_stop(gatherd, upstream, manager):
    """They are not answered any more; the drain time and a little more is all it takes."""
    daemon = gatherd(PLAIN + "drain: 600ms\n", env={"NOTIFY_SOCKET": manager.getsockname()})
    with daemon.connect() as busy:
        busy.request("POST", "/batch", {}, slow())
        upstream.wait_stats("inFlight", 1)
        daemon.signal(signal.SIGTERM)
        daemon.wait_log("stopping")
        began = time.monotonic()
        with storm(daemon, 0.001):
            assert daemon.wait() == 0
        assert time.monotonic() - began < 3
    messages = told(manager)
    after = messages[messages.index("STOPPING=1"):]
    assert not [text for text in after if text.startswith(("READY", "RELOADING"))], after
    assert len([text for text in after if text.startswith("EXTEND_TIMEOUT_USEC=")]) == 2
    assert "reloaded" not in daemon.log()
    daemon.stop()


def test_a_storm_of_reloads_starves_nobody(gatherd, manager):
    """A reload takes longer than the next one lets it: pings, pages and the end get their turn."""
    daemon = gatherd(MANY, env={"NOTIFY_SOCKET": manager.getsockname(), "WATCHDOG_USEC": "1000000"})
    with storm(daemon, 0.001):
        daemon.wait_log("configuration reloaded", 5)
        told(manager)
        harness.wait_until(lambda: "WATCHDOG=1" in told(manager), "a ping")
        assert daemon.admin("/-/healthy").status == 200
        daemon.signal(signal.SIGTERM)
        assert daemon.wait() == 0
    daemon.stop()


def test_a_reload_at_the_start_waits(gatherd, tmp_path, fill):
    """SIGHUP while the configuration is being read does not end the process."""
    log_path = tmp_path / "log"
    with open(log_path, "wb") as log:
        process = harness.subprocess.Popen([harness.BINARY, "--config", "/dev/stdin"],
                                           stdin=harness.subprocess.PIPE, stdout=log, stderr=log)
    status = harness.pathlib.Path(f"/proc/{process.pid}/status")
    try:
        harness.wait_until(lambda: int(re.search(r"SigBlk:\s+(\w+)", status.read_text())[1], 16) & 1,
                           "SIGHUP to be blocked", 5)
        process.send_signal(signal.SIGHUP)
        process.stdin.write(fill(PLAIN).encode())
        process.stdin.close()
        # A pipe gives its text only once, and a reload waits for nobody.
        harness.wait_until(lambda: "stays as it was" in log_path.read_text() or process.poll(),
                           "the reload")
        assert "/dev/stdin: is not a file" in log_path.read_text()
    finally:
        process.terminate()
        assert process.wait(harness.PATIENCE) == 0


def test_a_manager_that_does_not_read(gatherd, manager):
    """Its queue is full: the daemon goes on, and stops when it is told."""
    daemon = gatherd(PLAIN, env={"NOTIFY_SOCKET": manager.getsockname()})
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as other:
        other.setblocking(False)
        with pytest.raises(BlockingIOError):
            while True:
                other.sendto(b"STATUS=", manager.getsockname())
    daemon.signal(signal.SIGHUP)
    daemon.wait_log("configuration reloaded")
    daemon.signal(signal.SIGTERM)
    assert daemon.wait(5) == 0
    daemon.stop()


def test_a_name_lookup_that_hangs_is_left_behind(gatherd):
    """Nobody waits for its answer any more."""
    daemon = gatherd(PLAIN + "resolver: { threads: 1 }\n")
    began = time.monotonic()
    with frozen.frozen(daemon, "resolve"):
        daemon.signal(signal.SIGTERM)
        daemon.wait_log("a name lookup that does not end is left behind")
    assert daemon.wait() == 0 and time.monotonic() - began < 3
    daemon.stop()


# The end of the drain time.

def test_what_was_cut_off_is_counted(gatherd, upstream):
    """Calls that did not end, and requests that did not arrive; the exit status is still 0."""
    daemon = gatherd(PLAIN + "drain: 200ms\n")
    with daemon.connect() as busy, daemon.connect() as half, daemon.connect() as stream:
        busy.request("POST", "/batch", {}, slow())
        stream.request("POST", "/batch", {"Accept": "application/x-ndjson"}, slow("/hang?s"))
        half.send(b"POST /batch HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n{")
        upstream.wait_stats("inFlight", 2)
        daemon.signal(signal.SIGTERM)
        assert busy.receive().status == 503 and half.receive().status == 503
        stream.rest()
        assert daemon.wait() == 0
    assert re.search(r"warning: stopped: 3 requests were cut off after the drain time "
                     r"duration_us=\d+ requests_cut=3\n", daemon.log())
    assert "everything in flight has ended" not in daemon.log()
    daemon.stop()


@pytest.mark.parametrize("sent, interim", [
    (b"POST /batch HTTP/1.1\r\nHost: a\r\nContent-Length: 90\r\n\r\n{", False),
    (b"POST /batch HTTP/1.1\r\nHost: a\r\nContent-Length: 90\r\nExpect: 100-continue\r\n\r\n", True),
    (b"POST /batch HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{", False),
    (b"POST /batch HTTP/1.1\r\nHost: a\r\nContent-Le", False),
])
def test_a_request_that_still_arrives_at_the_end(gatherd, sent, interim):
    """Who sends it is told, and the end is not held up by what has been said."""
    def end_takes():
        daemon = gatherd(PLAIN + "drain: 300ms\n")
        with daemon.connect() as late:
            late.send(sent)
            if interim:
                assert late.take_until(b"\r\n\r\n").startswith(b"HTTP/1.1 100 ")
            daemon.signal(signal.SIGTERM)
            began = time.monotonic()
            reply = late.receive()
            assert reply.status == 503 and reply.json()["detail"] == "the daemon is stopping"
            assert reply.header("Connection") == "close" and late.closed()
            late.sock.close()
            assert daemon.wait() == 0
            took = time.monotonic() - began
        daemon.stop()
        return took

    assert prompt(end_takes)


def test_a_request_that_comes_after_the_drain_time(gatherd, upstream):
    """On a connection that is still there nothing is begun any more."""
    daemon = gatherd(PLAIN + "drain: 300ms\n")
    with daemon.connect() as late, daemon.connect() as lazy:
        late.send(b"POST /batch HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n")
        lazy.send(b"GET /nothing HTTP/1.1\r\nHost: a\r\n\r\n")
        daemon.signal(signal.SIGTERM)
        assert late.receive().status == 503
        with contextlib.suppress(OSError):
            late.send(b"123456789" + b"GET /nothing HTTP/1.1\r\nHost: a\r\n\r\n")
        assert daemon.wait() == 0
    assert upstream.stats()["requests"] == 0
    daemon.stop()


def test_connections_without_a_request_hold_nothing_up(gatherd):
    """drainIdle is longer than drain: they are closed with it, not later."""
    def end_takes():
        daemon = gatherd(PLAIN + "drain: 300ms\ndrainIdle: 10s\n")
        with daemon.connect() as fresh, daemon.connect() as idle:
            idle.request("GET", "/nothing")
            assert idle.receive().status == 404
            began = time.monotonic()
            daemon.signal(signal.SIGTERM)
            assert daemon.wait() == 0
            took = time.monotonic() - began
            assert fresh.closed() and idle.closed()
        assert "everything in flight has ended" in daemon.log()
        daemon.stop()
        return took

    assert prompt(end_takes)


def test_a_fresh_connection_is_kept_for_a_moment(gatherd):
    """Even with `drainIdle: 0`: its client has just connected, and could not know."""
    daemon = gatherd(PLAIN + "drainIdle: 0\n")
    with daemon.connect() as idle, daemon.connect() as fresh:
        idle.request("GET", "/nothing")
        assert idle.receive().status == 404
        began = time.monotonic()
        daemon.signal(signal.SIGTERM)
        assert idle.closed() and fresh.closed() and time.monotonic() - began >= 0.1
        assert daemon.wait() == 0
    daemon.stop()


def test_the_socket_file_of_the_next_daemon_stays(gatherd, tmp_path):
    """Another one has bound the path meanwhile."""
    path = tmp_path / "socket"
    daemon = gatherd(f"listen: 'unix:{path}'\n" + PLAIN)
    path.unlink()
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(path))
        daemon.stop()
        assert path.exists()
