"""The daemon under a service manager that is ten lines of this file: notifications, passed
sockets, restarts under load. A real systemd is in tests/systemd."""

import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time

import frozen
import harness
import pytest

sys.path.insert(0, str(harness.ROOT / "tests" / "systemd"))

import load  # noqa: E402

PLAIN = "workers: 2\nupstreams: { demo: { url: '$DEMO' } }\n"
ENDPOINT = PLAIN + """
endpoints:
  - path: /two
    merge: keyed
    requests: [ { id: a, upstream: demo, url: /posts/1 } ]
  - path: /two
    method: POST
    merge: keyed
    requests: [ { id: a, upstream: demo, url: /posts/1 } ]
"""


class Manager:
    """The receiving end of NOTIFY_SOCKET."""

    def __init__(self, directory):
        self.path = str(directory / "notify")
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.sock.bind(self.path)
        self.sock.settimeout(harness.PATIENCE)
        self.seen = []

    def next(self):
        """The next message."""
        self.seen.append(self.sock.recv(4096).decode())
        return self.seen[-1]

    def until(self, pattern):
        """Reads until a message matches, which is returned."""
        while True:
            found = re.fullmatch(pattern, self.next())
            if found:
                return found

    def close(self):
        """The manager goes."""
        self.sock.close()


@pytest.fixture
def manager(tmp_path):
    """A service manager."""
    made = Manager(tmp_path)
    yield made
    made.close()


def managed(gatherd, manager, text=PLAIN, **env):
    """A daemon that reports to the manager."""
    return gatherd(text, env={"NOTIFY_SOCKET": manager.path, **env})


# Notifications.

def test_a_life_as_the_manager_sees_it(gatherd, manager, fill, tmp_path):
    """READY, RELOADING and READY again, STOPPING with more time, in this order."""
    daemon = managed(gatherd, manager)
    assert manager.next() == "READY=1"
    assert manager.next() == ("STATUS=Serving with 2 workers: 0 requests served, 0 in flight, "
                              "0 connections")
    daemon.signal(signal.SIGHUP)
    moment = int(re.fullmatch(r"RELOADING=1\nMONOTONIC_USEC=(\d+)", manager.next())[1])
    assert 0 <= time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000 - moment < 15e6
    assert manager.next() == "READY=1"
    daemon.config.write_text(fill("nonsense: 1\n"))
    daemon.signal(signal.SIGHUP)
    assert manager.next().startswith("RELOADING=1\n")
    assert "the new configuration has 1 fault, the old one is in force" in manager.next()
    assert manager.next() == "READY=1"
    daemon.stop()
    assert manager.next() == "STOPPING=1"
    assert manager.next() == "EXTEND_TIMEOUT_USEC=15000000"
    assert re.fullmatch(r"STATUS=Stopping: \d+ connections are still open", manager.next())
    assert manager.next() == "EXTEND_TIMEOUT_USEC=10000000"  # for what comes after the workers


def test_the_status_shows_figures(gatherd, manager, upstream):
    """Requests served and in flight, connections, within a few seconds."""
    daemon = managed(gatherd, manager, PLAIN.replace("' }", "', timeout: 20s }"))
    for _ in range(3):
        assert daemon.get("/nothing").status == 404
    with daemon.connect() as busy:
        busy.request("GET", f"/batch?merge=array&url={upstream.url}/posts/1")
        assert busy.receive().status == 403
        document = harness.compact(
            {"requests": [{"id": "a", "upstream": "demo", "url": "/delay/9000"}], "timeout": "20s"})
        busy.request("POST", "/batch", {}, document)
        manager.until("STATUS=Serving with 2 workers: 4 requests served, 1 in flight, 1 connections")


def test_the_watchdog_is_pinged_while_every_worker_answers(gatherd, manager):
    """One thread that stands still is enough for no more pings; then they come again."""
    daemon = managed(gatherd, manager, WATCHDOG_USEC="400000")
    for _ in range(3):
        manager.until("WATCHDOG=1")
    with frozen.frozen(daemon, "worker-1"):
        daemon.wait_log("worker 1 does not answer", 2)
        manager.sock.setblocking(False)
        with pytest.raises(BlockingIOError):
            while True:
                manager.next()
        before = len(manager.seen)
        daemon.wait_log("worker 1 does not answer", 4)
        with pytest.raises(BlockingIOError):
            while True:
                manager.next()
        assert "WATCHDOG=1" not in manager.seen[before:]
        manager.sock.settimeout(harness.PATIENCE)
    manager.until("WATCHDOG=1")


# Passed sockets.

def test_sockets_by_name(passing, tmp_path):
    """Each entry takes its own; the unix socket's file outlives the daemon."""
    one = passing('listen: ["systemd:local", systemd]\n' + ENDPOINT)
    address = one.listen("http")
    path = one.listen("local", str(tmp_path / "socket"))
    one.start()
    assert harness.client.fetch(address, "GET", "/two").status == 200
    assert harness.client.fetch(path, "GET", "/two").status == 200
    assert f"listening on unix:{path} (systemd:local)" in one.log()
    one.stop()
    with socket.socket(socket.AF_UNIX) as waiting:  # queued for the next daemon
        waiting.connect(path)
        waiting.sendall(b"GET /two HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        one.start()
        waiting.settimeout(harness.PATIENCE)
        assert waiting.recv(100).startswith(b"HTTP/1.1 200")
    one.stop()


def test_a_passed_socket_is_known_by_its_address(passing):
    """The address in the file is not opened a second time; what nobody takes is reported."""
    one = passing("listen: 127.0.0.1:$PORT\n" + ENDPOINT)
    address = one.listen("http")
    unused = one.listen("spare")
    one.config.write_text(one.config.read_text().replace("$PORT", str(address[1])))
    one.start()
    assert harness.client.fetch(address, "GET", "/two").status == 200
    assert f'the socket "spare" (127.0.0.1:{unused[1]}), and no entry of listen' in one.log()
    one.stop()


def test_a_socket_for_the_admin_pages(passing):
    """It is taken by its name before `systemd` takes the rest for clients."""
    one = passing("listen: systemd\nadmin: systemd:pages\n" + ENDPOINT)
    pages, clients = one.listen("pages"), one.listen("http")
    one.start()
    assert harness.client.fetch(pages, "GET", "/-/ready").status == 200
    assert harness.client.fetch(pages, "GET", "/two").status == 404
    assert harness.client.fetch(clients, "GET", "/two").status == 200
    assert harness.client.fetch(clients, "GET", "/-/ready").status == 404
    one.stop()


@pytest.mark.parametrize("listen, words", [
    ("systemd:admin", 'no socket of that name; the first of 1 is "http"'),
    ('[systemd, "systemd:http"]', "other entries have all sockets"),
])
def test_sockets_that_are_missing(passing, listen, words):
    """A name that was not passed is an error."""
    one = passing(f"listen: {listen}\n" + PLAIN)
    one.listen("http")
    assert one.start() == 1
    assert words in one.log()


def test_no_sockets_at_all(gatherd, tmp_path, fill):
    """Not started by systemd."""
    config = tmp_path / "file.yaml"
    config.write_text(fill('listen: "systemd:http"\n' + PLAIN))
    done = harness.run("--config", config)
    assert done.returncode == 1 and "systemd passed no sockets" in done.stderr
    assert harness.run("--config", config, "--check-config").returncode == 0


def test_descriptors_that_are_not_there(tmp_path, fill):
    """LISTEN_FDS promises more than there is."""
    config = tmp_path / "file.yaml"
    config.write_text(fill(PLAIN))
    done = subprocess.run(
        ["bash", "-c", 'exec 3<&- 4<&-; LISTEN_PID=$$ LISTEN_FDS=2 exec "$@"', "sh", harness.BINARY,
         "--config", str(config)], capture_output=True, text=True, timeout=15, check=False)
    assert done.returncode == 1 and "sockets that systemd passed cannot be used" in done.stderr


# No request is lost.

def in_background(address, requests, over):
    """Clients in a thread; their report comes when it is joined."""
    clients = load.Load(f"{address[0]}:{address[1]}", 12, "/two", '"id"')
    reports = []
    thread = threading.Thread(
        target=lambda: reports.append(clients.run(requests, over.is_set)))
    thread.start()
    return thread, reports


def test_restarts_on_a_passed_socket_lose_nothing(passing):
    """Daemons take turns while clients ask."""
    one = passing("listen: systemd\n" + ENDPOINT)
    address = one.listen("http")
    one.start()
    over = threading.Event()
    thread, reports = in_background(address, 1000, over)
    for _ in range(4):
        time.sleep(0.2)
        one.stop()
        one.start()
    over.set()
    thread.join(60)
    one.stop()
    [report] = reports
    assert report["failed"] == 0 and report["closes"] > 0, report


def test_reloads_under_load_lose_nothing(gatherd):
    """Every connection stays open through them."""
    daemon = gatherd(ENDPOINT)
    over = threading.Event()
    thread, reports = in_background(daemon.address, 1000, over)
    for times in range(1, 11):
        daemon.signal(signal.SIGHUP)
        daemon.wait_log("configuration reloaded", times)
    over.set()
    thread.join(60)
    [report] = reports
    assert report["failed"] == 0 and report["retried"] == 0, report
    assert report["closes"] == 0 and report["connections"] == 12, report


def test_a_request_at_the_idle_deadline_is_answered(gatherd):
    """It was sent before the connection was closed, so it counts, even if it is read later."""
    daemon = gatherd(PLAIN + "limits: { idleTime: 300ms }\n")
    with daemon.connect() as connection:
        connection.request("GET", "/nothing")
        assert connection.receive().status == 404
        daemon.signal(signal.SIGSTOP)
        time.sleep(0.5)  # the deadline passes
        connection.request("GET", "/nothing")
        daemon.signal(signal.SIGCONT)
        assert connection.receive().status == 404


@pytest.mark.parametrize("wait", [0, 800])
def test_how_long_idle_connections_are_kept_when_stopping(gatherd, wait):
    """drainIdle: what comes within it is answered, and is the last on its connection."""
    daemon = gatherd(PLAIN + f"drainIdle: {wait}ms\n")
    with daemon.connect() as late, daemon.connect() as idle:
        for connection in (late, idle):
            connection.request("GET", "/nothing")
            assert connection.receive().header("Connection") is None
        began = time.monotonic()
        daemon.signal(signal.SIGTERM)
        daemon.wait_log("stopping")
        if wait:
            late.request("GET", "/nothing")
            assert late.receive().header("Connection") == "close"
        assert idle.closed() and time.monotonic() - began >= wait / 1000
    assert daemon.wait() == 0
    daemon.stop()


# CPUs.

def test_workers_follow_the_affinity(tmp_path, fill):
    """One CPU, one worker."""
    config = tmp_path / "file.yaml"
    config.write_text(fill("workers: auto\n"))
    log_path = tmp_path / "log"
    cpu = min(os.sched_getaffinity(0))
    with open(log_path, "wb") as log:
        process = subprocess.Popen(["taskset", "--cpu-list", str(cpu), harness.BINARY, "--config",
                                    str(config)], stdout=log, stderr=log)
    harness.wait_until(lambda: "ready: " in log_path.read_text() or process.poll() is not None,
                       "the daemon")
    process.terminate()
    assert process.wait(harness.PATIENCE) == 0
    assert "ready: 1 workers" in log_path.read_text()
    assert re.search(r"everything in flight has ended duration_us=\d+", log_path.read_text())
