"""Streams to clients that do not read: bounded memory, nobody else held up, nothing lost."""

import json
import random
import socket
import threading
import time

import client
import harness
import pytest
import servers
from streams import EVENTS, NDJSON, Stream, events_of

CONFIG = """
workers: $WORKERS
limits: { requests: 200, replyBody: 16MiB, sendTime: $SEND, clientBuffer: $BUFFER }
upstreams: { gated: { url: "$GATED", timeout: 60s }, demo: { url: "$DEMO" } }
"""
MIB = 1 << 20
BIG = 8 * MIB
STALLED = MIB  # what the sockets between may hold, with room to spare


def big(number, size=BIG):
    """A JSON string of about `size` bytes, different for every number."""
    return b'"' + random.Random(number).randbytes(size // 2).hex().encode() + b'"'


def slow_client(daemon):
    """A connection with a small receive buffer."""
    connection = client.Connection.__new__(client.Connection)
    connection.sock = socket.socket()
    connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 262144)
    connection.sock.settimeout(60)
    connection.sock.connect(daemon.address)
    connection.buffer = b""
    return connection


def wait_first_byte(stream, mark):
    """Until a part's first bytes are at the client, unread: what is too much waits by then."""
    def arrived():
        return mark in stream.connection.sock.recv(4096, socket.MSG_PEEK)
    harness.wait_until(arrived, "the first part to begin")


def wait_stalled(parts):
    """Until nobody has been able to send anything for half a second."""
    seen = None
    end = time.monotonic() + 30
    while time.monotonic() < end:
        now = [part.sent for part in parts]
        if now == seen and all(now):
            return now
        seen = now
        time.sleep(0.5)
    raise AssertionError(f"the upstreams go on: {seen}")


def begin(daemon, gated, names, accept=NDJSON, size=BIG, **members):
    """A stream whose first part is there and is more than may wait; the others are held."""
    gated.add("first", big(0))
    for number, name in enumerate(names):
        gated.add(name, big(number + 1, size), held=True)
    stream = Stream(daemon, gated.requests("first", *names), accept, slow_client(daemon),
                    **{"timeout": "60s", **members})
    wait_first_byte(stream, b'"first"' if accept is NDJSON else b"id: first")
    return stream


def start(gatherd, gated, workers=1, send="60s", buffer="256KiB"):
    """A daemon for these tests."""
    return gatherd(CONFIG, WORKERS=workers, SEND=send, BUFFER=buffer, GATED=gated.url)


@pytest.mark.parametrize("accept", [NDJSON, EVENTS], ids=["ndjson", "events"])
def test_reading_stops_and_goes_on(gatherd, gated, accept):
    """The upstreams' sends block, others are served meanwhile, and all of it arrives."""
    daemon = start(gatherd, gated)
    names = ["p1", "p2", "p3"]
    with begin(daemon, gated, names, accept) as stream:
        gated.release(*names)
        stalled = wait_stalled([gated.parts[name] for name in names])
        assert max(stalled) < STALLED, stalled
        gated.add("other", b'{"served": true}')
        for _ in range(20):
            reply = daemon.batch(gated.requests("other"), merge="keyed")
            assert reply.json() == {"other": {"served": True}}
        stream.head()
        text = stream.rest()
        if accept is NDJSON:
            values = [json.loads(line) for line in text.splitlines()]
            bodies = {line.split(b'"')[3].decode(): line for line in text.splitlines()[:-1]}
        else:
            events = events_of(text.decode())
            values = [json.loads(data) for _, _, data in events]
            bodies = {last: data.encode() for kind, last, data in events if kind == "response"}
        assert values[-1]["summary"]["ok"] == 4
        for name in ["first", *names]:
            assert bodies[name].endswith(b',"body":' + gated.parts[name].body + b"}"), name
        stream.connection.request("GET", "/nowhere")
        assert stream.connection.receive().status == 404


def test_calls_on_siblings_stop_too(gatherd, gated):
    """A wide fan-out over two workers: no upstream gets rid of its reply."""
    daemon = start(gatherd, gated, workers=2)
    names = [f"p{number}" for number in range(69)]
    with begin(daemon, gated, names, size=640 * 1024) as stream:
        harness.wait_until(lambda: all(gated.parts[name].asked.is_set() for name in names),
                           "all calls to be made")
        gated.release(*names)
        stalled = wait_stalled([gated.parts[name] for name in names])
        assert max(stalled) < len(gated.parts["p0"].body), stalled
        stream.head()
        lines = stream.rest().splitlines()
        summary = json.loads(lines[-1])["summary"]
        assert summary["ok"] == 70, summary["errors"][:3]
        for line in lines[:-1]:
            name = line.split(b'"')[3].decode()
            assert line.endswith(b',"body":' + gated.parts[name].body + b"}"), name


def test_small_buffer_goes_back_and_forth(gatherd, gated):
    """Paused and resumed many times, with a client that reads a little at a time."""
    daemon = start(gatherd, gated, buffer="1KiB")
    names = [f"p{number}" for number in range(60)]
    for number, name in enumerate(names):
        gated.add(name, big(number, 40000))
    with Stream(daemon, gated.requests(*names), NDJSON, slow_client(daemon)) as stream:
        stream.head()
        lines = stream.rest().splitlines()
    for line in lines[:-1]:
        name = line.split(b'"')[3].decode()
        assert line.endswith(b',"body":' + gated.parts[name].body + b"}"), name
    assert json.loads(lines[-1])["summary"]["ok"] == 60


def test_deadlines_go_on(gatherd, gated):
    """A part that is not read in time has failed, and the client learns it later."""
    daemon = start(gatherd, gated)
    with begin(daemon, gated, ["p1"], timeout="1s") as stream:
        gated.release("p1")
        assert gated.parts["p1"].gone.wait(10)
        stream.head()
        values = [json.loads(line) for line in stream.rest().splitlines()]
        assert [value.get("status") for value in values[:2]] == [200, 504]
        assert values[2]["summary"]["status"] == 504


def test_a_client_that_takes_nothing_is_cut_off(gatherd, gated):
    """sendTime holds while bytes wait, and ends what runs for the client."""
    daemon = start(gatherd, gated, send="300ms")
    with begin(daemon, gated, ["p1"]) as stream:
        gated.release("p1")
        assert gated.parts["p1"].gone.wait(10)
        assert b'"summary"' not in stream.connection.rest()


@pytest.mark.parametrize("how", ["close", "reset"])
def test_client_leaves_while_paused(gatherd, gated, how):
    """The upstream's blocked send ends at once."""
    daemon = start(gatherd, gated)
    with begin(daemon, gated, ["p1"]) as stream:
        gated.release("p1")
        wait_stalled([gated.parts["p1"]])
        if how == "reset":
            stream.connection.reset()
    assert gated.parts["p1"].gone.wait(5)


def test_upstream_breaks_while_paused(gatherd, gated):
    """A connection that is reset while nobody reads it: the part fails, nothing spins."""
    daemon = start(gatherd, gated)
    with begin(daemon, gated, ["p1"]) as stream:
        gated.release("p1")
        wait_stalled([gated.parts["p1"]])
        for sock in gated.socks:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            sock.shutdown(socket.SHUT_RDWR)
        used = cpu_time(daemon)
        time.sleep(0.5)
        assert cpu_time(daemon) - used < 0.25
        stream.head()
        values = [json.loads(line) for line in stream.rest().splitlines()]
        assert values[1]["status"] == 502 and values[2]["summary"]["failed"] == 1


def cpu_time(daemon):
    """Seconds of CPU that the daemon has used."""
    with open(f"/proc/{daemon.process.pid}/stat", encoding="ascii") as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100


def resident(daemon):
    """Its memory in bytes."""
    with open(f"/proc/{daemon.process.pid}/status", encoding="ascii") as file:
        return int(file.read().split("VmRSS:")[1].split()[0]) * 1024


def test_memory_is_bounded(gatherd, gated):
    """Fifteen parts of 8 MiB for a client that reads nothing: no more than the first is kept."""
    daemon = start(gatherd, gated)
    names = [f"p{number}" for number in range(15)]
    before = resident(daemon)
    with begin(daemon, gated, names):
        gated.release(*names)
        wait_stalled([gated.parts[name] for name in names])
        assert resident(daemon) - before < 8 * BIG


def test_many_streams_at_once(gatherd, gated):
    """Readers and a client that does not read share workers; nobody waits for it."""
    daemon = start(gatherd, gated, workers=2)
    for number in range(10):
        gated.add(f"s{number}", big(number, 200000))
    done = []
    with begin(daemon, gated, ["p1"]) as stuck:
        gated.release("p1")

        def reader():
            reply = daemon.batch(gated.requests(*[f"s{n}" for n in range(10)]), NDJSON)
            done.append(json.loads(reply.body.splitlines()[-1])["summary"]["ok"])

        threads = [threading.Thread(target=reader) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        assert done == [10] * 6
        stuck.head()
        assert json.loads(stuck.rest().splitlines()[-1])["summary"]["ok"] == 2


def test_http2_is_read_on(gatherd, tmp_path):
    """Calls over HTTP/2 share a connection, so none of them stops: all arrives, others are served."""
    sizes = {f"{number}.json": big(number, 2 * MIB) for number in range(4)}
    (tmp_path / "root").mkdir()
    for name, body in sizes.items():
        (tmp_path / "root" / name).write_bytes(body)
    (tmp_path / "root" / "small.json").write_bytes(b'"small"')
    (tmp_path / "server").mkdir()
    server = servers.Nghttpd(tmp_path / "server", tmp_path / "root")
    try:
        daemon = gatherd('upstreams: { two: { url: "%s", http: 2, timeout: 60s } }\n' % server.url)
        requests = [{"id": name[0], "upstream": "two", "url": "/" + name} for name in sizes]
        with Stream(daemon, requests, NDJSON, slow_client(daemon), timeout="60s") as stream:
            wait_first_byte(stream, b'{"id":')
            reply = daemon.batch([{"id": "a", "upstream": "two", "url": "/small.json"}],
                                 merge="keyed")
            assert reply.json() == {"a": "small"}
            stream.head()
            lines = stream.rest().splitlines()
            assert json.loads(lines[-1])["summary"]["ok"] == 4
            for line in lines[:-1]:
                body = sizes[line.split(b'"')[3].decode() + ".json"]
                assert line.endswith(b',"body":' + body + b"}")
    finally:
        server.stop()
