"""What clients may send and how: targets, fields, half-closed connections."""

import socket
import time

import checks
import harness
import pytest

PLAIN = "workers: 1\nupstreams: { demo: { url: '$DEMO', timeout: 20s } }\n"


def get(target, *fields):
    """A GET as bytes."""
    return ("\r\n".join([f"GET {target} HTTP/1.1", "Host: a", *fields]) + "\r\n\r\n").encode()


# Query members.

@pytest.mark.parametrize("count, status", [(100, 404), (101, 414), (677, 414), (3000, 414)])
def test_query_members(gatherd, count, status):
    """100 members are looked at; more are 414 at once, not silence."""
    daemon = gatherd(PLAIN)
    with daemon.connect(5) as connection:
        started = time.monotonic()
        connection.send(get("/nothing?" + "&".join(["a=1"] * count)))
        answer = connection.receive()
        assert time.monotonic() - started < 1
        checks.problem(answer, status)
        if status == 414:
            assert "100" in answer.json()["detail"] and connection.closed()
        else:
            connection.send(get("/nothing"))
            assert connection.receive().status == 404


def test_most_members_and_fields_and_a_long_reply_head(gatherd):
    """100 members, 100 fields and much to say about the reply fit together."""
    daemon = gatherd(PLAIN + "endpoints: [ { path: '/p/{n}', requests: [ "
                     "{ id: a, upstream: demo, url: '/posts/{n}' } ], merge: array } ]")
    members = ["merge=array"] + [f"url=/p/{number}" for number in range(1, 33)]
    members += ["timeout=9s"] + [""] * (99 - len(members))
    fields = [f"X-{number}: " + "y" * 60 for number in range(99)]
    with daemon.connect(5) as connection:
        connection.send(get("/batch?" + "&".join(members), *fields))
        answer = connection.receive()
        assert answer.status == 200 and len(answer.json()) == 32


def test_refused_members_with_a_body(gatherd):
    """414 also reaches a client that goes on sending its body."""
    daemon = gatherd(PLAIN)
    with daemon.connect(5) as connection:
        connection.send(b"POST /batch?" + b"&" * 100 + b" HTTP/1.1\r\nHost: a\r\n"
                        b"Content-Length: 500000\r\n\r\n" + b"x" * 500000)
        assert connection.receive().status == 414
        assert connection.rest() == b""


def test_refused_members_of_a_client_that_waits(gatherd):
    """Who asks whether to send a body is told no, and nothing else."""
    daemon = gatherd(PLAIN)
    with daemon.connect(5) as connection:
        connection.send(b"POST /batch?" + b"&" * 100 + b" HTTP/1.1\r\nHost: a\r\n"
                        b"Content-Length: 5\r\nExpect: 100-continue\r\n\r\n")
        assert connection.receive().status == 414 and connection.closed()


# Fields.

@pytest.mark.parametrize("count, status", [(100, 404), (101, 431)])
def test_field_count(gatherd, count, status):
    """100 fields pass; what is wrong with 101 is said."""
    daemon = gatherd(PLAIN)
    with daemon.connect(5) as connection:
        connection.send(get("/nothing", *["X: 1"] * (count - 1)))
        answer = connection.receive()
        checks.problem(answer, status)
        if status == 431:
            assert "more than 100 fields" in answer.json()["detail"]


# Half-closed connections.

def sends_and_closes_its_side(connection, data):
    """Request and FIN together."""
    connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 1)
    connection.send(data)
    connection.sock.shutdown(socket.SHUT_WR)


@pytest.mark.parametrize("kept", [False, True])
def test_half_closed_with_the_request(gatherd, kept):
    """A reply that is available at once is sent, then the connection ends."""
    daemon = gatherd(PLAIN)
    for _ in range(20):
        with daemon.connect(5) as connection:
            if kept:
                connection.send(get("/nothing"))
                assert connection.receive().status == 404
            started = time.monotonic()
            sends_and_closes_its_side(connection, get("/nothing"))
            assert connection.receive().status == 404
            assert connection.closed() and time.monotonic() - started < 1


def test_half_closed_with_a_body(gatherd):
    """A complete body is read to its end before the half-closed connection is judged."""
    daemon = gatherd(PLAIN)
    body = b" " * 900_000 + b"{"
    with daemon.connect(5) as connection:
        connection.send(b"POST /batch HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % len(body))
        sends_and_closes_its_side(connection, body)
        assert connection.receive().status == 400
        assert connection.closed(1)


def test_half_closed_with_pipelined_requests(gatherd):
    """All of them are answered."""
    daemon = gatherd(PLAIN)
    with daemon.connect(5) as connection:
        sends_and_closes_its_side(connection, get("/nothing") * 10)
        for _ in range(10):
            assert connection.receive().status == 404
        assert connection.closed(1)


def test_half_closed_while_upstreams_work(gatherd, upstream):
    """A client that closes its side does not wait for upstreams: the work is cancelled."""
    daemon = gatherd(PLAIN)
    document = harness.compact({"requests": [{"id": "x", "upstream": "demo", "url": "/hang"}]})
    with daemon.connect(5) as connection:
        connection.request("POST", "/batch", {}, document)
        upstream.wait_stats("inFlight", 1)
        connection.sock.shutdown(socket.SHUT_WR)
        upstream.wait_stats("aborted", 1)
        assert connection.closed()


# Absolute-form targets.

ABSOLUTE = PLAIN + """hosts: [api.example]
endpoints:
  - { path: /, requests: [ { id: a, upstream: demo, url: /posts/1 } ], merge: keyed }
  - path: /q
    forward: { query: [n] }
    merge: keyed
    requests: [ { id: a, upstream: demo, url: "/posts/{n}" } ]
"""


@pytest.mark.parametrize("target, fields, status", [
    ("http://api.example/", [], 200),
    ("http://api.example", [], 200),
    ("HTTP://API.example:8080", [], 200),
    ("http://api.example?n=2", [], 200),
    ("http://api.example/q?n=2", [], 200),
    ("http://other.example/", ["Host: api.example"], 421),
    ("http://api.example/", ["Origin: http://api.example"], 200),
    ("http://api.example/", ["Origin: http://other.example"], 403),
    ("http://user@api.example/", [], 400),
    ("http://user:secret@api.example/", [], 400),
    ("http:///q", [], 400),
    ("http://api.example:8x/", [], 400),
    ("https://api.example/", [], 400),
    ("ftp://api.example/", [], 400),
    ("http://api.example/a/../q", [], 400),
    ("http:/q", [], 400),
    ("http://api.example/#f", [], 400),
])
def test_absolute_form(gatherd, target, fields, status):
    """The authority of an absolute target counts instead of Host; the rest is routed."""
    daemon = gatherd(ABSOLUTE)
    hosts = [] if any(field.startswith("Host:") for field in fields) else ["Host: other.example"]
    lines = [f"GET {target} HTTP/1.1", *hosts, *fields]
    with daemon.connect(5) as connection:
        connection.send(("\r\n".join(lines) + "\r\n\r\n").encode())
        answer = connection.receive()
    assert answer.status == status, answer
    if status == 200:
        assert answer.json()["a"]["id"] == (2 if "/q" in target else 1)


# Methods.

def test_wrong_method(gatherd):
    """405 names the method and what is allowed instead."""
    daemon = gatherd(PLAIN)
    answer = daemon.fetch("DELETE", "/batch")
    checks.problem(answer, 405)
    detail = answer.json()["detail"]
    assert "DELETE" in detail and answer.header("allow") in detail
