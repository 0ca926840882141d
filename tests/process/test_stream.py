"""Streams: parts leave as they complete, in both formats, on /batch and on endpoints."""

import json
import signal

import client
import harness
import pytest
import streams
from streams import EVENTS, NDJSON, Stream, parts_of

CONFIG = """
workers: 2
origins: ["http://page.example"]
limits: { requests: 200, sendTime: 300ms }
stream: { heartbeat: 100ms }
upstreams:
  gated: { url: "$GATED", timeout: 10s }
  demo: { url: "$DEMO", timeout: 10s }
endpoints:
  - path: /inner
    merge: keyed
    requests: [{ id: x, upstream: gated, url: /one }]
  - path: /pair
    merge: shallow
    requests:
      - { id: first, upstream: gated, url: /one }
      - { id: second, upstream: gated, url: /two }
  - path: /alone
    method: POST
    merge: raw
    requests: [{ id: only, upstream: demo, method: POST, url: /echo, body: "{$request.body}" }]
  - path: /strict
    merge: keyed
    policy: all
    requests:
      - { id: bad, upstream: gated, url: /bad }
      - { id: slow, upstream: gated, url: /slow }
"""


@pytest.fixture
def daemon(gatherd, gated):
    """A daemon in front of the gated upstream."""
    return gatherd(CONFIG, GATED=gated.url)


def fetch(daemon, requests, accept, **members):
    """A whole stream: (reply, items, summary)."""
    reply = daemon.batch(requests, accept, **members)
    return reply, *parts_of(reply)


@pytest.mark.parametrize("accept", [NDJSON, {"Accept": "application/ndjson"}, EVENTS],
                         ids=["x-ndjson", "ndjson", "events"])
def test_format(daemon, gated, accept):
    """Items as in an envelope, the summary last, the header fit for proxies."""
    gated.add("one", b' {"n": 1.50} ')
    gated.add("two", b"caf\xc3\xa9\nline", "text/plain; charset=utf-8")
    gated.add("three", b"\x00\xff\n", "image/png")
    gated.add("four", b'{"why":"no"}', status=404)
    names = ["one", "two", "three", "four"]
    requests = gated.requests(*names) + [{"id": "none", "upstream": "gated", "url": "/unknown"}]
    reply, items, summary = fetch(daemon, requests, accept)
    envelope = daemon.batch(requests).json()["responses"]
    for item in envelope + items:
        if item["id"] == "none":
            item["body"].pop("elapsedMs")
    assert {item["id"]: item for item in items} == {item["id"]: item for item in envelope}
    assert {key: summary[key] for key in ("status", "partial", "total", "ok", "failed", "skipped")} \
        == {"status": 200, "partial": True, "total": 5, "ok": 3, "failed": 2, "skipped": 0}
    assert [(error["id"], error["code"]) for error in summary["errors"]] == [
        ("four", "upstream_status"), ("none", "connection_terminated")]
    assert reply.header("content-type") == accept["Accept"]
    assert reply.header("cache-control") == "no-store"
    assert reply.header("x-accel-buffering") == "no"
    assert reply.header("content-length") is None and reply.header("content-encoding") is None


def test_order_of_completion(daemon, gated):
    """The last declared comes first, while the others still run."""
    for name in ("a", "b", "c"):
        gated.add(name, b'"%s"' % name.encode(), held=True)
    with Stream(daemon, gated.requests("a", "b", "c")) as stream:
        stream.head()
        for name in ("c", "a", "b"):
            gated.release(name)
            assert stream.line()["body"] == name
        assert stream.line()["summary"]["ok"] == 3 and stream.rest() == b""


def test_events_leave_at_once_with_heartbeats(daemon, gated):
    """An event and comments arrive while a part is held."""
    gated.add("a", b"1", held=True)
    gated.add("b", b"2", held=True)
    with Stream(daemon, gated.requests("a", "b"), EVENTS) as stream:
        stream.head()
        assert stream.until(b"\n\n") == b":\n\n" and stream.until(b"\n\n") == b":\n\n"
        gated.release("b")
        assert b"id: b\ndata: " in stream.until(b"event: response\nid: b\ndata: ")
        stream.until(b"\n\n")
        gated.release("a")
        assert streams.events_of(stream.rest().decode())[-1][0] == "done"


def test_the_header_waits_for_nothing(gatherd, gated):
    """Neither for a part nor for a heartbeat."""
    daemon = gatherd(CONFIG.replace("heartbeat: 100ms", "heartbeat: 1m"), GATED=gated.url)
    gated.add("a", b"1", held=True)
    with Stream(daemon, gated.requests("a"), EVENTS) as stream:
        stream.head()
        gated.release("a")


def test_ndjson_has_no_heartbeat_and_quiet_is_no_fault(daemon, gated):
    """A stream with nothing to send outlives sendTime without a byte."""
    gated.add("a", b"1", held=True)
    with Stream(daemon, gated.requests("a")) as stream:
        stream.head()
        stream.connection.sock.settimeout(1.0)
        with pytest.raises(TimeoutError):
            stream.chunk()
        stream.connection.sock.settimeout(client.TIMEOUT)
        gated.release("a")
        assert stream.line()["body"] == 1 and stream.line()["summary"]["status"] == 200


BREAKS = [b'{\n  "a": [1,\r\n2],\r "b": "\\n\\r"\n}', b"[\n\n\n]", b"\n1\r"]


@pytest.mark.parametrize("accept", [NDJSON, EVENTS], ids=["ndjson", "events"])
def test_line_breaks_in_json(daemon, gated, accept):
    """Line breaks between tokens neither end a line nor change a value."""
    for number, body in enumerate(BREAKS):
        gated.add(f"p{number}", body)
    _, items, _ = fetch(daemon, gated.requests("p0", "p1", "p2"), accept)
    for item in items:
        assert item["body"] == json.loads(BREAKS[int(item["id"][1:])])


def test_bytes_are_kept(daemon, gated):
    """Numbers and escapes come out as they went in, also across many chunks."""
    body = b'[1e400, 18446744073709551616, -0, "\\u00e9\\/", {"a":1,"a":2}, "' + \
        "ü€😀".encode() * 20000 + b'"]'
    gated.add("big", body)
    reply, _, _ = fetch(daemon, gated.requests("big"), NDJSON)
    assert body in reply.body
    reply, _, _ = fetch(daemon, gated.requests("big"), EVENTS)
    assert body in reply.body


@pytest.mark.parametrize("workers", [1, 2])
def test_a_hundred_parts(gatherd, gated, workers):
    """All of them, also where a sibling runs some; the connection serves on afterwards."""
    daemon = gatherd(CONFIG.replace("workers: 2", f"workers: {workers}"), GATED=gated.url)
    names = [f"p{number}" for number in range(100)]
    for name in names:
        gated.add(name, b'"' + name.encode() * 50 + b'"')
    with daemon.connect() as connection:
        for accept in (NDJSON, EVENTS):
            Stream(daemon, gated.requests(*names), accept, connection)
            items, summary = parts_of(connection.receive())
            assert sorted(item["id"] for item in items) == sorted(names)
            assert all(item["body"] == item["id"] * 50 for item in items)
            assert summary["ok"] == summary["total"] == 100


def test_pipelined(daemon, gated):
    """Requests sent before the stream has ended are answered after it."""
    gated.add("a", b"1", held=True)
    with Stream(daemon, gated.requests("a")) as stream:
        stream.connection.request("GET", "/inner")
        stream.connection.request("GET", "/pair", NDJSON)
        gated.add("one", b'{"one":1}')
        gated.add("two", b'{"two":2}')
        stream.head()
        gated.release("a")
        assert streams.lines_of(stream.rest())[0]["body"] == 1
        assert stream.connection.receive().json() == {"x": {"one": 1}}
        assert parts_of(stream.connection.receive())[1]["ok"] == 2


def test_deadline(daemon, gated):
    """One part hangs: the batch's deadline ends the stream, and the summary says so."""
    gated.add("a", b"1")
    hangs = gated.add("b", b"2", held=True)
    _, items, summary = fetch(daemon, gated.requests("a", "b"), NDJSON, timeout="300ms")
    assert [(item["id"], item["status"]) for item in items] == [("a", 200), ("b", 504)]
    assert items[1]["body"]["code"] == "http_response_timeout"
    assert summary["status"] == 504 and summary["failed"] == 1 and summary["ok"] == 1
    assert hangs.gone.wait(5)
    _, _, summary = fetch(daemon, gated.requests("a", "b"), NDJSON, timeout="300ms",
                          onTimeout="partial")
    assert summary["status"] == 200 and summary["errors"][0]["code"] == "http_response_timeout"


@pytest.mark.parametrize("where", ["batch", "endpoint"])
def test_policy_all_stops(daemon, gated, where):
    """The first required failure cancels the rest, which the client sees."""
    gated.add("bad", b"{}", status=500)
    slow = gated.add("slow", b"{}", held=True)
    if where == "batch":
        reply = daemon.batch(gated.requests("bad", "slow"), NDJSON, policy="all")
    else:
        reply = daemon.get("/strict", NDJSON)
    items, summary = parts_of(reply)
    assert [(item["id"], item["status"]) for item in items] == [("bad", 500), ("slow", 499)]
    assert items[1]["body"]["code"] == "cancelled"
    assert (summary["status"], summary["failed"], summary["skipped"]) == (502, 1, 1)
    assert slow.gone.wait(5)


def test_default_policy_is_to_wait(daemon, gated):
    """Without a policy a merge's `all` does not hold for a stream, nor does the merge."""
    gated.add("one", b"[1]")
    gated.add("two", b"{}", status=500)
    assert daemon.get("/pair").status == 502
    items, summary = parts_of(daemon.get("/pair", NDJSON))
    assert [(item["id"], item["status"], item["body"]) for item in sorted(
        items, key=lambda item: item["id"])] == [("first", 200, [1]), ("second", 500, {})]
    assert summary["status"] == 200 and summary["partial"] is True
    items, _ = parts_of(daemon.fetch("POST", "/alone", NDJSON, b'{"a": 1}'))
    assert items[0]["id"] == "only" and items[0]["status"] == 200


def test_in_place_endpoint(daemon, gated):
    """An endpoint of the daemon's own is one part."""
    gated.add("one", b'{"deep": true}')
    _, items, _ = fetch(daemon, [{"id": "inner", "url": "/inner"}], EVENTS)
    assert items[0]["body"] == {"x": {"deep": True}}


def test_get_batch(daemon, gatherd, gated):
    """The short form streams too."""
    host = gated.url[len("http://"):]
    other = gatherd(CONFIG + f'egress: {{ allow: ["{host}"] }}\n', GATED=gated.url)
    gated.add("one", b"1")
    reply = other.get(f"/batch?merge=array&url={gated.url}/one&url={gated.url}/one", EVENTS)
    items, summary = parts_of(reply)
    assert sorted(item["id"] for item in items) == ["1", "2"] and summary["ok"] == 2


@pytest.mark.parametrize("accept, kind", [
    ("*/*", "json"), ("application/json", "json"), ("text/html, */*;q=0.8", "json"),
    ("application/x-ndjson, application/json", "json"), ("application/x-ndjson, */*", "json"),
    ("application/json;q=0.9, application/x-ndjson", "x-ndjson"),
    ("text/event-stream, */*;q=0.1", "event-stream"),
    ("text/event-stream;q=0.5, application/ndjson;q=0.7", "ndjson"),
    ("text/event-stream;q=0", "json"), ("text/*", "json"),
])
def test_choice(daemon, gated, accept, kind):
    """A stream is for clients that prefer one."""
    gated.add("one", b"{}")
    gated.add("two", b"{}")
    reply = daemon.get("/pair", {"Accept": accept})
    assert reply.status == 200 and reply.header("content-type").split("/")[1] == kind


def test_refusals_are_plain_problems(daemon):
    """What is wrong with a request is said as always."""
    reply = daemon.batch([{"id": "a", "upstream": "gatet", "url": "/"}], EVENTS)
    assert reply.status == 400 and reply.header("content-type") == "application/problem+json"
    assert daemon.get("/nowhere", NDJSON).status == 404


def test_head(daemon, gated):
    """The header of the stream, and nothing is sent for it."""
    part = gated.add("one", b"{}")
    with daemon.connect() as connection:
        connection.request("HEAD", "/inner", NDJSON)
        reply = connection.receive("HEAD")
        assert reply.status == 200 and reply.header("content-type") == "application/x-ndjson"
        assert reply.header("connection").lower() == "close" and connection.closed()
    assert not part.asked.is_set()


def test_reconnect(daemon, gated):
    """An EventSource that comes back is told to stay away; others may carry the field."""
    part = gated.add("one", b"{}")
    reply = daemon.get("/inner", {**EVENTS, "Last-Event-ID": "x"})
    assert reply.status == 204 and reply.header("cache-control") == "no-store"
    assert not part.asked.is_set()
    assert daemon.get("/inner", {**NDJSON, "Last-Event-ID": "x"}).status == 200


def test_cors(daemon, gated):
    """A page of a listed origin may read a stream."""
    gated.add("one", b"{}")
    reply = daemon.get("/inner", {**EVENTS, "Origin": "http://page.example"})
    assert reply.header("access-control-allow-origin") == "http://page.example"
    assert daemon.get("/inner", {**EVENTS, "Origin": "http://other.example"}).status == 403


def test_not_compressed(daemon, gated):
    """Compression would hold lines back."""
    gated.add("one", b'"' + b"x" * 5000 + b'"')
    reply = daemon.get("/inner", {**NDJSON, "Accept-Encoding": "gzip, deflate, br"})
    assert reply.header("content-encoding") is None and parts_of(reply)[1]["ok"] == 1


def test_http_1_0(daemon, gated):
    """Without chunks the end of the connection is the end of the stream."""
    gated.add("one", b"{}")
    with daemon.connect() as connection:
        connection.send(b"GET /inner HTTP/1.0\r\nHost: a\r\nAccept: application/x-ndjson\r\n\r\n")
        head, _, body = connection.rest().partition(b"\r\n\r\n")
        assert b" 200 OK" in head and b"chunked" not in head
        assert [list(value)[0] for value in streams.lines_of(body)] == ["id", "summary"]


@pytest.mark.parametrize("how", ["close", "reset"])
def test_client_leaves(daemon, gated, how):
    """What still runs for it is cancelled at once."""
    gated.add("a", b"1")
    held = gated.add("b", b"2", held=True)
    with Stream(daemon, gated.requests("a", "b")) as stream:
        stream.head()
        assert stream.line()["id"] == "a"
        if how == "reset":
            stream.connection.reset()
    assert held.gone.wait(5)


def test_drain_lets_streams_finish(daemon, gated):
    """A stopping daemon sends the rest of a stream, and its connection ends after it."""
    gated.add("a", b"1", held=True)
    with Stream(daemon, gated.requests("a")) as stream:
        stream.head()
        daemon.signal(signal.SIGTERM)
        daemon.wait_log("stopping")
        gated.release("a")
        assert [list(value)[0] for value in streams.lines_of(stream.rest())] == ["id", "summary"]
        assert stream.connection.closed()
    daemon.stop()


def test_drain_time_cuts_streams(gatherd, gated):
    """After the drain time a stream ends without a summary and without its last chunk."""
    daemon = gatherd(CONFIG + "drain: 200ms\n", GATED=gated.url)
    gated.add("a", b"1")
    held = gated.add("b", b"2", held=True)
    with Stream(daemon, gated.requests("a", "b")) as stream:
        stream.head()
        assert stream.line()["id"] == "a"
        daemon.signal(signal.SIGTERM)
        assert stream.connection.rest() == b""
    assert held.gone.wait(5)
    daemon.stop()
    assert harness.TROUBLE.search(daemon.log()) is None
