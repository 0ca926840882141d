"""Several workers on one fan-out, and calls of all of them in one queue."""

import pathlib
import select
import signal
import threading
import time

import checks
import frozen
import harness
import pytest

WIDE = """
workers: 2
limits: { requests: 200 }
upstreams: { demo: { url: "$DEMO", timeout: 20s } }
"""
WAITING = """
workers: 2
upstreams: { demo: { url: "$DEMO", timeout: 5s, maxInFlight: 2, maxWaiting: 3 } }
"""


def calls(urls, **members):
    """Requests on the demo upstream, one per URL."""
    return [{"id": f"r{number}", "upstream": "demo", "url": url, "dedupe": False, **members}
            for number, url in enumerate(urls)]


def schedule(daemon):
    """CPU time and run delay so far of each worker's thread, in nanoseconds, by its name."""
    tasks = (pathlib.Path("/proc") / str(daemon.process.pid) / "task").iterdir()
    found = {(task / "comm").read_text().strip(): (task / "schedstat").read_text().split()
             for task in tasks}
    return {name: [int(figure) for figure in figures[:2]] for name, figures in found.items()
            if name.startswith("worker-")}


def time_of_workers(daemon):
    """CPU time in nanoseconds so far of each worker."""
    return {name: cpu for name, (cpu, _) in schedule(daemon).items()}


def start(daemon, requests, **members):
    """Sends a batch on a connection of its own, which is returned."""
    connection = daemon.connect()
    connection.request("POST", "/batch", {"Content-Type": "application/json"},
                       harness.compact({"requests": requests, **members}))
    return connection


# Slices.

def test_wide_fan_out(gatherd, upstream):
    """A hundred calls over two workers: all replies, in the declared order."""
    daemon = gatherd(WIDE)
    urls = [f"/posts/{number}" for number in range(1, 101)]
    for merge in ("array", "keyed"):
        answer = daemon.batch(calls(urls), merge=merge)
        checks.tally(answer)
        parts = answer.json()
        if merge == "keyed":
            assert list(parts) == [f"r{number}" for number in range(100)]
            parts = list(parts.values())
        assert [part["id"] for part in parts] == list(range(1, 101))
    assert upstream.stats()["requests"] == 200


def test_one_worker_does_it_alone(gatherd, upstream):
    """The same with one worker."""
    daemon = gatherd(WIDE.replace("workers: 2", "workers: 1"))
    answer = daemon.batch(calls([f"/posts/{n}" for n in range(1, 101)]), merge="array")
    assert [part["id"] for part in answer.json()] == list(range(1, 101))


def test_both_workers_take_part(gatherd):
    """One client's wide fan-outs use both threads; its small ones use one."""
    daemon = gatherd(WIDE)
    harness.wait_until(lambda: len(time_of_workers(daemon)) == 2, "both workers")
    for count, both in ((60, False), (100, True)):
        document = harness.compact({"requests": calls(["/posts/1"] * count), "merge": "array"})
        with daemon.connect() as connection:
            before = time_of_workers(daemon)
            for _ in range(30):
                connection.request("POST", "/batch", {}, document)
                assert len(connection.receive().json()) == count
            spent = [now - before[task] for task, now in time_of_workers(daemon).items()]
        assert (min(spent) * 5 > max(spent)) == both, (count, spent)


def test_failures_keep_their_places(gatherd):
    """What fails on the other worker is reported where it was declared."""
    daemon = gatherd(WIDE)
    urls = ["/status/500" if number in (3, 70) else "/posts/1" for number in range(100)]
    answer = daemon.batch(calls(urls), merge="keyed", policy="allSettled")
    assert checks.tally(answer) == ("partial", 100, 98, 2, 0)
    assert [error["id"] for error in answer.json()["_meta"]["errors"]] == ["r3", "r70"]


def test_first_failure_cancels_both_halves(gatherd, upstream):
    """The batch ends at the first failure; calls on the other worker are cancelled too."""
    daemon = gatherd(WIDE)
    for place in (0, 99):
        upstream.reset()
        urls = ["/hang"] * 100
        urls[place] = "/status/500"
        started = time.monotonic()
        answer = daemon.batch(calls(urls), merge="keyed", timeout="20s")
        checks.failed(answer, 502, "upstream_status", f"r{place}")
        upstream.wait_stats("inFlight", 0)
        assert time.monotonic() - started < 5


@pytest.mark.parametrize("leave", ["close", "reset"])
def test_client_gone(gatherd, upstream, leave):
    """A client that leaves takes the calls of both workers with it, at once."""
    daemon = gatherd(WIDE)
    connection = start(daemon, calls(["/hang"] * 100), timeout="20s")
    upstream.wait_stats("inFlight", 100)
    started = time.monotonic()
    if leave == "reset":
        connection.reset()
    else:
        connection.sock.close()
    upstream.wait_stats("aborted", 100)
    assert time.monotonic() - started < 2
    assert daemon.batch(calls(["/posts/1"] * 100)).status == 200


def test_batch_deadline(gatherd, upstream):
    """At the batch's deadline what is there is merged, the rest is cancelled."""
    daemon = gatherd(WIDE)
    urls = ["/posts/1" if number % 2 else "/hang" for number in range(100)]
    answer = daemon.batch(calls(urls), merge="keyed", timeout="400ms", onTimeout="partial")
    assert checks.tally(answer)[:4] == ("partial", 100, 50, 50)
    upstream.wait_stats("aborted", 50)


def test_drain_with_slices(gatherd, upstream):
    """A stopping daemon finishes wide fan-outs; whichever worker has the client."""
    daemon = gatherd(WIDE)
    waiting = [start(daemon, calls(["/delay/600"] * 100), merge="array") for _ in range(2)]
    upstream.wait_stats("inFlight", 200)
    daemon.signal(signal.SIGTERM)
    for connection in waiting:
        reply = connection.receive()
        assert reply.status == 200 and reply.json() == [{"delay": 600}] * 100
    assert daemon.wait() == 0
    daemon.stop()


def test_drain_time_exceeded_with_slices(gatherd, upstream):
    """After the drain time the calls on both workers are cancelled, and it ends."""
    daemon = gatherd(WIDE + "drain: 300ms\n")
    waiting = [start(daemon, calls(["/hang"] * 100), timeout="20s") for _ in range(2)]
    upstream.wait_stats("inFlight", 200)
    started = time.monotonic()
    daemon.signal(signal.SIGTERM)
    for connection in waiting:
        connection.rest()
    assert daemon.wait() == 0 and time.monotonic() - started < 5
    upstream.wait_stats("aborted", 200)
    daemon.stop()


def test_stopping_under_wide_load(gatherd):
    """SIGTERM at any moment of wide fan-outs: replies or a closed connection, exit code 0."""
    daemon = gatherd(WIDE)
    document = harness.compact({"requests": calls(["/posts/1"] * 100), "merge": "array"})
    wrong = []

    def ask():
        try:
            with daemon.connect() as connection:
                while True:
                    connection.request("POST", "/batch", {}, document)
                    if connection.receive().status != 200:
                        wrong.append("a reply that is no 200")
        except (OSError, AssertionError):
            pass  # the daemon has stopped

    threads = [threading.Thread(target=ask) for _ in range(6)]
    for thread in threads:
        thread.start()
    time.sleep(0.5)
    daemon.signal(signal.SIGTERM)
    assert daemon.wait() == 0
    for thread in threads:
        thread.join(10)
    assert not wrong
    daemon.stop()


# The waiting queue.

def in_threads(count, work):
    """Runs work(number) at once so many times; the results in order."""
    results = [None] * count

    def run(number):
        results[number] = work(number)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    return results


def test_waiting_holds_the_limit(gatherd, upstream):
    """Two at a time, three wait, the sixth is refused; from one client or from five."""
    daemon = gatherd(WAITING)
    started = time.monotonic()
    answer = daemon.batch(calls(["/delay/200"] * 6), policy="allSettled", merge="keyed")
    assert checks.tally(answer) == ("partial", 6, 5, 1, 0)
    [error] = answer.json()["_meta"]["errors"]
    assert (error["id"], error["code"], error["status"]) == ("r5", "connection_limit_reached", 503)
    assert 0.6 <= time.monotonic() - started < 3
    answers = in_threads(5, lambda _: daemon.batch(calls(["/delay/100"])).status)
    assert answers == [200] * 5
    assert upstream.stats()["peakInFlight"] == 2
    assert upstream.stats()["requests"] == 10


def test_waiting_is_in_order(gatherd, upstream):
    """First come, first served, whichever worker a call is on."""
    daemon = gatherd(WAITING.replace("maxInFlight: 2", "maxInFlight: 1"))
    first = start(daemon, calls(["/delay/800"]))
    upstream.wait_stats("inFlight", 1)
    connections, order = [], []
    for number in range(3):
        connections.append(start(daemon, calls([f"/delay/15{number}"])))
        time.sleep(0.1)  # the order of arrival is what is tested
    threads = [threading.Thread(target=lambda n=n: (connections[n].receive(), order.append(n)))
               for n in (2, 1, 0)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert order == [0, 1, 2]
    assert first.receive().status == 200
    assert upstream.stats()["peakInFlight"] == 1


def test_waiting_has_its_timeout(gatherd, upstream):
    """A call's time runs while it waits; then it is 503, was never sent, and is gone."""
    daemon = gatherd(WAITING)
    blockers = start(daemon, calls(["/delay/2500", "/delay/2500"]))
    upstream.wait_stats("inFlight", 2)
    started = time.monotonic()
    answer = daemon.batch(calls(["/posts/1"], timeout="200ms"), merge="keyed")
    error = checks.failed(answer, 503, "connection_limit_reached", "r0")
    assert 0.15 < time.monotonic() - started < 2.3
    assert error["attempts"] == 0 and "waited for a free place" in error["detail"]
    assert daemon.batch(calls(["/posts/1"] * 3), merge="array").status == 200  # three wait
    assert blockers.receive().status == 200
    assert upstream.stats()["requests"] == 5


def queue_has_room(daemon, count):
    """Whether so many more calls may wait now."""
    answer = daemon.batch(calls(["/posts/1"] * count, timeout="1ms"), merge="keyed",
                          policy="allSettled")
    return answer.body.decode().count("waited for a free place") == count


def test_waiting_ends_with_the_client(gatherd, upstream):
    """Who has left does not keep a place in the queue, and is not called for."""
    daemon = gatherd(WAITING)
    blockers = start(daemon, calls(["/delay/4000", "/delay/4000"]))
    upstream.wait_stats("inFlight", 2)
    assert queue_has_room(daemon, 3)
    gone = []

    def is_full():
        gone.append(start(daemon, calls(["/posts/3"])))
        return not queue_has_room(daemon, 1)

    harness.wait_until(is_full, "a full queue", 3)
    for connection in gone:
        connection.reset()
    harness.wait_until(lambda: queue_has_room(daemon, 3), "an empty queue", 3)
    assert upstream.stats()["requests"] == 2
    assert blockers.receive().status == 200


def test_waiting_over_a_reload(gatherd, fill, upstream):
    """Calls that wait survive a reload; a higher limit lets them in."""
    daemon = gatherd(WAITING)
    blockers = start(daemon, calls(["/delay/2500", "/delay/2500"]))
    upstream.wait_stats("inFlight", 2)
    waiting = start(daemon, calls(["/delay/100"] * 3), merge="array")
    time.sleep(0.2)
    assert upstream.stats()["requests"] == 2
    started = time.monotonic()
    daemon.reload(fill(WAITING.replace("maxInFlight: 2", "maxInFlight: 5")),
                  "configuration reloaded")
    assert waiting.receive().json() == [{"delay": 100}] * 3
    assert time.monotonic() - started < 2
    assert upstream.stats()["peakInFlight"] == 5
    assert blockers.receive().status == 200


def test_wide_fan_out_through_a_narrow_gate(gatherd, upstream):
    """A hundred calls of two workers, five at a time."""
    daemon = gatherd(WIDE.replace("timeout: 20s", "timeout: 20s, maxInFlight: 5, maxWaiting: 95"))
    answer = daemon.batch(calls([f"/posts/{n}" for n in range(1, 101)]), merge="array")
    assert [part["id"] for part in answer.json()] == list(range(1, 101))
    assert upstream.stats()["peakInFlight"] == 5


def test_drain_while_calls_wait(gatherd, upstream):
    """What waits when the daemon is told to stop still gets its turn."""
    daemon = gatherd(WAITING)
    connection = start(daemon, calls(["/delay/300"] * 5), merge="array")
    upstream.wait_stats("inFlight", 2)
    daemon.signal(signal.SIGTERM)
    assert connection.receive().json() == [{"delay": 300}] * 5
    assert daemon.wait() == 0
    daemon.stop()


# What is seen of them.

WATCHED = 'admin: "127.0.0.1:0"\nworkers: 1\n'


def insist(daemon, over):
    """Sends requests as fast as they are taken, in one connection, until it is over."""
    requests = b"GET /nothing HTTP/1.1\r\nHost: a\r\n\r\n" * 1000
    with daemon.connect() as connection:
        connection.sock.setblocking(False)
        rest = memoryview(requests)
        while not over.is_set():
            readable, writable, _ = select.select([connection.sock], [connection.sock], [], 1)
            if readable:
                assert connection.sock.recv(1 << 20)
            if writable:
                rest = rest[connection.sock.send(rest):] or memoryview(requests)


def test_a_worker_that_serves_does_not_look_stuck(gatherd):
    """Clients that send ahead keep it from waiting for two seconds, not from coming round."""
    daemon = gatherd(WATCHED)
    over = threading.Event()
    clients = [threading.Thread(target=insist, args=(daemon, over)) for _ in range(4)]
    for thread in clients:
        thread.start()
    served, longest = daemon.metrics().sum("gatherd_worker_requests_total"), 0
    end = time.monotonic() + 2
    while time.monotonic() < end:
        page = daemon.metrics()
        longest = max(longest, page.value("gatherd_worker_turn_seconds", worker="0"))
    over.set()
    for thread in clients:
        thread.join(10)
    assert page.sum("gatherd_worker_requests_total") - served > 5000
    assert longest < 1.5


def test_shows_what_the_kernel_knows_of_workers(gatherd):
    """CPU time and the time without one: what /proc says, for each thread."""
    daemon = gatherd(WATCHED.replace("workers: 1", "workers: 2"))
    for _ in range(100):
        assert daemon.get("/nothing").status == 404
    harness.wait_until(lambda: all(cpu > 0 for cpu in time_of_workers(daemon).values()), "work")
    before, page, after = schedule(daemon), daemon.metrics(), schedule(daemon)
    assert set(before) == {"worker-0", "worker-1"}
    for name in before:
        for place, metric in enumerate(("cpu", "run_delay")):
            shown = page.value(f"gatherd_worker_{metric}_seconds_total", worker=name[-1])
            assert before[name][place] // 1000 <= round(shown * 1e6) <= after[name][place] // 1000


def test_a_worker_that_stands_still_is_seen(gatherd):
    """Also one that has nothing to do, and without a service manager."""
    daemon = gatherd(WATCHED.replace("workers: 1", "workers: 2"), env={"NOTIFY_SOCKET": ""})
    with frozen.frozen(daemon, "worker-1"):
        daemon.wait_log("worker 1 does not answer")
        ready, page = daemon.admin("/-/ready"), daemon.metrics()
        assert ready.status == 503 and ready.body == b"worker 1 does not answer\n"
        assert page.value("gatherd_ready") == 0
        assert page.value("gatherd_worker_silent_seconds", worker="1") >= 3
        assert page.value("gatherd_worker_silent_seconds", worker="0") < 3
        assert page.value("gatherd_worker_turn_seconds", worker="1") == 0
        assert page.value("gatherd_worker_mailbox_messages", worker="1") == 1  # the question
        assert page.value("gatherd_worker_mailbox_messages", worker="0") <= 1
    harness.wait_until(lambda: daemon.admin("/-/ready").status == 200, "its answer")
    page = daemon.metrics()
    assert page.value("gatherd_worker_silent_seconds", worker="1") < 3
    assert "worker 0 does not answer" not in daemon.log()
