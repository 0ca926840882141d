"""The daemon as a process and as a server: starting, draining, hostile clients."""

import os
import pathlib
import re
import select
import signal
import socket
import tempfile
import threading
import time

import checks
import client
import harness
import pytest

PLAIN = "workers: 2\nupstreams: { demo: { url: '$DEMO', timeout: 20s } }\n"
SHORT = PLAIN + "limits: { headerTime: 300ms, bodyTime: 300ms, idleTime: 400ms, sendTime: 400ms }\n"


def call(url, **members):
    """A one-request batch as a document."""
    return harness.compact(
        {"requests": [{"id": "x", "upstream": "demo", "url": url, **members}], "merge": "keyed"})


def post(document, *fields):
    """A POST /batch as bytes."""
    lines = ["POST /batch HTTP/1.1", "Host: a", *fields, f"Content-Length: {len(document)}"]
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + document


def descriptors(daemon, upstream):
    """How many descriptors it has open, its connections kept to the upstream left out."""
    process = pathlib.Path(f"/proc/{daemon.process.pid}")
    kept = f"0100007F:{upstream.address[1]:04X}"
    rows = [line.split() for line in (process / "net" / "tcp").read_text().splitlines()[1:]]
    # The table is of all processes: sockets are told apart by their inodes.
    sockets = {f"socket:[{row[9]}]" for row in rows if row[2] == kept and row[3] == "01"}
    count = 0
    for entry in (process / "fd").iterdir():
        try:
            count += os.readlink(entry) not in sockets
        except FileNotFoundError:
            pass  # closed meanwhile
    return count


# The end.

@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_stops_at_once_when_idle(gatherd, number):
    """Nothing in flight: nothing to wait for."""
    daemon = gatherd(PLAIN)
    daemon.fetch("POST", "/batch", {}, call("/posts/1"))
    started = time.monotonic()
    daemon.signal(number)
    assert daemon.wait() == 0 and time.monotonic() - started < 5
    daemon.stop()


def test_drains_what_is_in_flight(gatherd, upstream):
    """A request in flight is answered, new connections are refused, the exit code is 0."""
    daemon = gatherd(PLAIN)
    with daemon.connect() as busy, daemon.connect() as idle:
        idle.send(post(call("/posts/1")))
        assert idle.receive().status == 200
        busy.send(post(call("/delay/700")))
        upstream.wait_stats("inFlight", 1)
        daemon.signal(signal.SIGTERM)
        assert idle.closed()
        harness.wait_until(lambda: refuses(daemon), "new connections to be refused")
        reply = busy.receive()
        assert reply.status == 200 and reply.json() == {"x": {"delay": 700}}
        assert reply.header("connection").lower() == "close" and busy.closed()
    daemon.stop()


def refuses(daemon):
    """Whether it takes no more connections."""
    try:
        daemon.connect().sock.close()
        return False
    except (ConnectionRefusedError, ConnectionResetError):
        return True  # reset: it waited in the backlog of a listener that closes


def test_drain_time_exceeded(gatherd, upstream):
    """After the drain time it ends anyway, and the client is not left hanging."""
    daemon = gatherd(PLAIN + "drain: 300ms")
    with daemon.connect() as connection:
        connection.send(post(call("/hang", timeout="60s")[:-1] + b',"timeout":"60s"}'))
        upstream.wait_stats("inFlight", 1)
        started = time.monotonic()
        daemon.signal(signal.SIGTERM)
        connection.rest()
        assert daemon.wait() == 0 and 0.25 < time.monotonic() - started < 5
    upstream.wait_stats("aborted", 1)
    daemon.stop()


def test_second_sigterm(gatherd, upstream):
    """Asking twice changes nothing for the worse: it ends, with 0."""
    daemon = gatherd(PLAIN + "drain: 5s")
    with daemon.connect() as connection:
        connection.send(post(call("/delay/500")))
        upstream.wait_stats("inFlight", 1)
        daemon.signal(signal.SIGTERM)
        harness.wait_until(lambda: refuses(daemon), "new connections to be refused")
        daemon.signal(signal.SIGTERM)
        assert daemon.wait() == 0
    daemon.stop()


def test_sigterm_with_open_connections_of_every_kind(gatherd, upstream):
    """Half a header, half a body, a fresh one, one in flight: none keeps it from ending."""
    daemon = gatherd(PLAIN + "drain: 1s")
    document = call("/delay/100")
    with daemon.connect() as fresh, daemon.connect() as header, daemon.connect() as body, \
            daemon.connect() as busy:
        header.send(b"GET /bat")
        body.send(post(document)[:-5])
        busy.send(post(document))
        upstream.wait_stats("inFlight", 1)
        daemon.signal(signal.SIGTERM)
        assert busy.receive().status == 200
        assert daemon.wait() == 0
        assert fresh.closed()
    daemon.stop()


# Listeners and workers.

def test_two_workers_share_connections(gatherd, upstream):
    """Connections are spread: each worker keeps its own upstream connection."""
    daemon = gatherd(PLAIN)
    connections = [daemon.connect() for _ in range(8)]
    for connection in connections:
        connection.send(post(call("/posts/1")))
        assert connection.receive().status == 200
    assert sorted(upstream.stats()["requestsPerConnection"]) == [4, 4]
    for connection in connections:
        connection.sock.close()


@pytest.mark.parametrize("workers", ["auto", "1", "5"])
def test_worker_counts(gatherd, workers):
    """Any number of workers serves."""
    daemon = gatherd(f"workers: {workers}\nupstreams: {{ demo: {{ url: '$DEMO' }} }}")
    threads = [threading.Thread(target=daemon.fetch, args=("POST", "/batch", {}, call("/posts/1")))
               for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert daemon.fetch("POST", "/batch", {}, call("/posts/1")).json()["x"]["id"] == 1


@pytest.fixture
def short_path():
    """A directory whose name is short enough for a socket."""
    with tempfile.TemporaryDirectory(prefix="gatherd-") as directory:
        yield pathlib.Path(directory)


def test_unix_socket(gatherd, short_path):
    """A unix socket and TCP side by side; the socket file goes at the end."""
    path = short_path / "http.sock"
    daemon = gatherd(f'listen: ["127.0.0.1:0", "unix:{path}"]\n' + PLAIN)
    assert str(path) in daemon.listening()
    for address in (str(path), daemon.address):
        reply = client.fetch(address, "POST", "/batch", {}, call("/posts/1"))
        assert reply.json()["x"]["id"] == 1
    daemon.stop()
    assert not path.exists()


def test_stale_unix_socket_is_replaced(gatherd, short_path):
    """A socket file that nobody listens on is no obstacle; a live one is."""
    path = short_path / "http.sock"
    with socket.socket(socket.AF_UNIX) as left_over:
        left_over.bind(str(path))
    daemon = gatherd(f'listen: "unix:{path}"\n' + PLAIN)
    assert client.fetch(str(path), "POST", "/batch", {}, call("/posts/1")).status == 200
    second = short_path / "second.yaml"
    second.write_text(f'listen: "unix:{path}"')
    done = harness.run("--config", second)
    assert done.returncode == 1 and "in use" in done.stderr
    assert client.fetch(str(path), "POST", "/batch", {}, call("/posts/1")).status == 200
    daemon.stop()


def test_several_ports(gatherd):
    """Every address of the list is served."""
    daemon = gatherd('listen: ["127.0.0.1:0", "127.0.0.1:0"]\n' + PLAIN)
    harness.wait_until(lambda: len(daemon.listening()) == 2, "both listeners")
    for address in daemon.listening():
        assert client.fetch(address, "POST", "/batch", {}, call("/posts/1")).status == 200


# Slow and silent clients.

def ends(connection):
    """What it sends before it closes, within the connection's time."""
    data = connection.rest()
    assert data == b"" or data.startswith(b"HTTP/1.1 408 "), data
    return data


def test_slow_header(gatherd):
    """A byte now and then does not extend the time for a header."""
    daemon = gatherd(SHORT)
    started = time.monotonic()
    with daemon.connect() as connection:
        connection.send(b"GET /")
        while not readable(connection):
            assert time.monotonic() - started < 4
            try:
                connection.send(b"x")
            except OSError:
                break
        ends(connection)
    assert time.monotonic() - started > 0.25


def readable(connection, within=0.04):
    """Whether something, or the end, arrives in time."""
    return bool(select.select([connection.sock], [], [], within)[0])


@pytest.mark.parametrize("sent, told", [
    (b"", False), (b"POST /batch HTTP/1.1\r\nHost: a\r\n", True), (post(call("/posts/1"))[:-5], True),
    (b"POST /batch HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{", True)])
def test_client_that_falls_silent(gatherd, upstream, sent, told):
    """Half a header or half a body is 408 at the deadline; a connection that says nothing is closed."""
    daemon = gatherd(SHORT)
    with daemon.connect(5) as connection:
        connection.send(sent)
        assert bool(ends(connection)) == told
    assert upstream.stats()["connections"] == 0


def test_idle_connection_is_closed(gatherd):
    """A kept connection is closed after its idle time, and not before."""
    daemon = gatherd(SHORT)
    with daemon.connect(5) as connection:
        for _ in range(3):
            connection.send(post(call("/posts/1")))
            assert connection.receive().status == 200
            time.sleep(0.1)
        assert connection.closed()


def test_request_longer_than_the_clients_deadlines(gatherd):
    """None of these times limits how long an upstream may take."""
    daemon = gatherd(SHORT)
    assert daemon.fetch("POST", "/batch", {}, call("/delay/900")).json() == {"x": {"delay": 900}}


def test_client_that_does_not_read(gatherd):
    """A client that takes nothing of its reply is closed after the send time."""
    daemon = gatherd(SHORT)
    requests = [{"id": f"r{number}", "upstream": "demo", "url": "/bytes/7000000", "dedupe": False}
                for number in range(3)]
    document = harness.compact({"requests": requests, "merge": "array"})
    with daemon.connect() as lazy:
        lazy.send(post(document))
        lazy.take(1000)
        harness.wait_until(lambda: unread_is_gone(daemon, lazy), "the connection to be given up", 10)
        assert len(lazy.rest()) < 20_000_000
    with daemon.connect() as eager:
        eager.send(post(document))
        assert len(eager.receive().body) == 21_000_004


def test_client_that_reads_slowly(gatherd):
    """The send time is for a client that takes nothing, not for one that takes its time."""
    daemon = gatherd(SHORT)
    requests = [{"id": f"r{number}", "upstream": "demo", "url": "/bytes/7000000", "dedupe": False}
                for number in range(3)]
    with daemon.connect() as slow:
        slow.send(post(harness.compact({"requests": requests, "merge": "array"})))
        for _ in range(8):
            slow.take(2_000_000)
            time.sleep(0.25)
        slow.take(5_000_004)


def unread_is_gone(daemon, connection):
    """Whether the daemon has closed its end of a connection."""
    port = connection.sock.getsockname()[1]
    ours = f"0100007F:{daemon.port:04X} 0100007F:{port:04X} 01 "
    return ours not in pathlib.Path("/proc/net/tcp").read_text()


def test_descriptors_do_not_leak(gatherd):
    """Clients that come and go in every way leave nothing behind."""
    upstream = harness.DemoUpstream()
    daemon = gatherd(SHORT.replace("$DEMO", upstream.url))
    for _ in range(4):
        daemon.fetch("POST", "/batch", {}, call("/posts/1"))
    before = descriptors(daemon, upstream)
    for number in range(60):
        connection = daemon.connect()
        data = post(call("/bytes/300000" if number % 2 else "/delay/20"))
        connection.send(data if number % 3 else data[:30])
        if number % 5 == 0:
            connection.reset()
        else:
            connection.sock.close()
    harness.wait_until(lambda: descriptors(daemon, upstream) <= before, "descriptors to be closed",
                       5)
    assert daemon.fetch("POST", "/batch", {}, call("/posts/1")).status == 200
    daemon.stop()
    upstream.stop()


@pytest.mark.parametrize("sent", [b"", b"POST /batch HTTP/1.1\r\nHost: a\r\n", post(call("/x"))[:-5]])
def test_client_that_leaves_half_way(gatherd, upstream, sent):
    """A client that closes in the middle of its request is let go at once, not at a deadline."""
    daemon = gatherd(PLAIN)
    daemon.fetch("GET", "/nothing")
    before = descriptors(daemon, upstream)
    for _ in range(20):
        with daemon.connect() as connection:
            connection.send(sent)
    daemon.fetch("GET", "/nothing")
    harness.wait_until(lambda: descriptors(daemon, upstream) <= before, "descriptors", 5)


def test_connection_limit(gatherd):
    """Beyond limits.connections a newcomer waits or is turned away; the others go on."""
    daemon = gatherd(PLAIN + "limits: { connections: 2 }")
    with daemon.connect() as first, daemon.connect() as second:
        for connection in (first, second):
            connection.send(post(call("/posts/1")))
            assert connection.receive().status == 200
        with daemon.connect(1) as third:
            try:
                third.send(post(call("/posts/1")))
                assert third.rest()[:12] in (b"", b"HTTP/1.1 503")
            except OSError:
                pass
        first.send(post(call("/posts/2")))
        assert first.receive().json()["x"]["id"] == 2
    harness.wait_until(lambda: answers(daemon), "room for a newcomer")


def answers(daemon):
    """Whether a new connection gets an answer."""
    try:
        return daemon.fetch("POST", "/batch", {}, call("/posts/1")).status == 200
    except (AssertionError, OSError):
        return False


# HTTP as it is not written.

INNER = b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"


@pytest.mark.parametrize("sent", [
    b"POST /batch HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"POST /batch HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 5\r\n\r\n{} \r\n",
    b"POST /batch HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\n{}",
    b"POST /batch HTTP/1.1\r\nHost: a\r\nContent-Length : 5\r\n\r\n{}   ",
    b"POST /batch HTTP/1.1\r\nHost: a\r\nContent-Length: +2\r\n\r\n{}",
    b"POST /batch HTTP/1.1\r\nHost: a\r\nContent-Length: 2, 2\r\n\r\n{}",
    b"POST /batch HTTP/1.1\r\nHost: a\r\nContent-Length: 0x2\r\n\r\n{}",
    b"POST /batch HTTP/1.1\r\nHost: a\r\nContent-Length: -2\r\n\r\n{}",
    b"POST /batch HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    b"POST /batch HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    b"POST /batch HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"GET /batch HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    b"GET /batch HTTP/1.1\r\n\r\n",
    b"GET /batch HTTP/1.1\r\nHost: a b\r\n\r\n",
    b"GET /batch HTTP/1.1\r\nHost: a\r\nX[]: 1\r\n\r\n",
    b"GET /batch HTTP/1.1\r\nHost: a\r\nX\x01Y: 1\r\n\r\n",
    b"G(T /batch HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET /a%00b HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET http://a@b/batch HTTP/1.1\r\nHost: a\r\n\r\n",
])
def test_requests_that_two_servers_would_read_differently(gatherd, upstream, sent):
    """400, the connection closed, and what follows is not taken for a second request."""
    daemon = gatherd(PLAIN)
    with daemon.connect(5) as connection:
        connection.send(sent + INNER)
        data = connection.rest()
    # libmicrohttpd 0.9 doubles the head of what it refuses itself (a malformed length); only
    # another status would be a reply to the second request.
    heads = re.findall(rb"HTTP/1\.1 (\d+) ", data)
    assert heads and set(heads) == {b"400"}, data
    assert upstream.stats()["connections"] == 0


@pytest.mark.parametrize("sent", [
    b"CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n", b"GET / HTTP/2.0\r\nHost: a\r\n\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 200,
    b"GET /a b HTTP/1.1\r\nHost: a\r\n\r\n", b"\x00" * 64 + b"\r\n\r\n", b"GET\r\n\r\n", b"\r\n" * 50,
])
def test_things_that_are_no_requests(gatherd, upstream, sent):
    """An error or a closed connection, and the daemon lives on."""
    daemon = gatherd(SHORT)
    with daemon.connect(5) as connection:
        connection.send(sent)
        data = connection.rest()
    assert data == b"" or data.split(b" ")[1][:1] in (b"4", b"5"), data
    assert upstream.stats()["connections"] == 0
    assert daemon.fetch("POST", "/batch", {}, call("/posts/1")).status == 200


def test_header_at_its_limit(gatherd):
    """16 KiB of header are fine, even when the reply has much to say; one byte more is 431."""
    daemon = gatherd(PLAIN)
    requests = [{"id": f"{number:0>64}", "upstream": "demo", "url": "/posts/1", "dedupe": False}
                for number in range(32)]
    document = harness.compact({"requests": requests, "merge": "keyed"})

    def request(size, fields):
        filler = [f"X-Filler-{number}: " for number in range(fields)]
        filler[-1] += "x" * (size - head_length(post(document, *filler)))
        return post(document, *filler)

    for fields in (1, 15, 90):
        for size, status in ((16384, 200), (16385, 431)):
            with daemon.connect(5) as connection:
                connection.send(request(size, fields))
                assert connection.receive().status == status, (fields, size)


def test_little_room_for_the_reply_header(gatherd):
    """Beside the largest head with the most fields a long reply header becomes a 502."""
    daemon = gatherd(PLAIN)
    requests = [{"id": f"{number:0>64}", "upstream": "demo", "url": "/posts/1", "dedupe": False}
                for number in range(32)]
    document = harness.compact({"requests": requests, "merge": "keyed"})
    filler = [f"X-Filler-{number}: " for number in range(95)]
    filler[-1] += "x" * (16384 - head_length(post(document, *filler)))
    with daemon.connect(5) as connection:
        for _ in range(2):
            connection.send(post(document, *filler))
            assert connection.receive().status == 502


def head_length(request):
    return request.index(b"\r\n\r\n") + 4


def test_one_large_field(gatherd):
    """One field of 40 KiB is 431 too, a target of 40 KiB 414 or 431."""
    daemon = gatherd(PLAIN)
    for sent, statuses in (
            (b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 40960 + b"\r\n\r\n", (431,)),
            (b"GET /" + b"x" * 40960 + b" HTTP/1.1\r\nHost: a\r\n\r\n", (414, 431)),
            (b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X: 1\r\n" * 6000 + b"\r\n", (431,))):
        with daemon.connect(5) as connection:
            connection.send(sent)
            assert connection.receive().status in statuses
            assert connection.closed()


def test_pipelined_requests_are_answered_in_order(gatherd):
    """Three requests in one packet: three replies, in their order."""
    daemon = gatherd(PLAIN)
    with daemon.connect() as connection:
        connection.send(post(call("/delay/150")) + post(call("/posts/1")) + post(call("/status/404")))
        assert connection.receive().json() == {"x": {"delay": 150}}
        assert connection.receive().json()["x"]["id"] == 1
        checks.failed(connection.receive(), 502, "upstream_status")


def test_keep_alive_and_close(gatherd):
    """A connection serves until the client says close; errors do not end it."""
    daemon = gatherd(PLAIN)
    with daemon.connect() as connection:
        for url in ("/posts/1", "/status/500", "/posts/2"):
            connection.send(post(call(url)))
            connection.receive()
        connection.send(b"GET /nothing HTTP/1.1\r\nHost: a\r\n\r\n")
        assert connection.receive().status == 404
        connection.send(post(b"{"))
        assert connection.receive().status == 400
        connection.send(post(call("/posts/3"), "Connection: close"))
        assert connection.receive().json()["x"]["id"] == 3 and connection.closed()


def test_http_1_0(gatherd):
    """An old client gets its answer and the end."""
    daemon = gatherd(PLAIN)
    with daemon.connect() as connection:
        connection.send(post(call("/posts/1")).replace(b"HTTP/1.1", b"HTTP/1.0"))
        data = connection.rest()
    assert data.split(b" ")[1] == b"200" and b'"id": 1' in data


def test_expect(gatherd):
    """100-continue is honoured, another expectation is 417."""
    daemon = gatherd(PLAIN)
    document = call("/posts/1")
    head, _, body = post(document, "Expect: 100-continue").partition(b"\r\n\r\n")
    with daemon.connect() as connection:
        connection.send(head + b"\r\n\r\n")
        assert connection.take_until(b"\r\n\r\n").startswith(b"HTTP/1.1 100 ")
        connection.send(body)
        assert connection.receive().json()["x"]["id"] == 1
    with daemon.connect() as connection:
        connection.send(post(document, "Expect: miracles"))
        assert connection.receive().status == 417


def test_document_too_large_is_refused_before_it_is_sent(gatherd):
    """413 comes from Content-Length alone."""
    daemon = gatherd(PLAIN)
    with daemon.connect() as connection:
        connection.send(b"POST /batch HTTP/1.1\r\nHost: a\r\nContent-Length: 2000000\r\n\r\n")
        checks.problem(connection.receive(), 413)


def test_many_clients_at_once(gatherd, upstream):
    """Two hundred connections, each with three calls of 200 ms, all answered."""
    daemon = gatherd(PLAIN)
    parts = [{"id": f"r{number}", "upstream": "demo", "url": "/delay/200", "dedupe": False} for number in range(3)]
    document = post(harness.compact({"requests": parts, "merge": "array"}))
    connections = [daemon.connect(30) for _ in range(200)]
    for connection in connections:
        connection.send(document)
    for connection in connections:
        assert connection.receive().json() == [{"delay": 200}] * 3
        connection.sock.close()
    assert upstream.stats()["requests"] == 600
