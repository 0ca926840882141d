"""Each call's failure has its code and stays its own; nothing outlives its use."""

import json
import time

import checks
import harness
import pytest
from scripted import AWAIT, CLOSE, READ, RESET, reply

MIB = 1 << 20
ONE = """
workers: 1
limits: { replyHeader: 16KiB }
upstreams:
  it: { url: "$IT", timeout: 5s }
"""


def call(name, url, **members):
    """A request to the demo upstream."""
    return {"id": name, "upstream": "demo", "url": url, "dedupe": False, **members}


def fails(daemon, request, status, code):
    """The failure of a single request in a keyed reply."""
    answer = daemon.batch([request], merge="keyed")
    error = checks.failed(answer, status, code, request["id"])
    return answer, error


# The codes.

@pytest.mark.parametrize("members, status, code", [
    ({"upstream": "dead", "url": "/"}, 502, "connection_refused"),
    ({"url": "/hang", "timeout": "150ms"}, 504, "http_response_timeout"),
    ({"url": "/delay/5000", "timeout": "150ms"}, 504, "http_response_timeout"),
    ({"url": "/slow-drip?ms=50&n=100&bytes=5", "timeout": "200ms"}, 504, "http_response_timeout"),
    ({"url": "/chunked?late=5000", "timeout": "150ms"}, 504, "http_response_timeout"),
    ({"url": "/reset"}, 502, "connection_terminated"),
    ({"url": "/truncated"}, 502, "http_response_incomplete"),
    ({"url": "/chunked?cut"}, 502, "http_response_incomplete"),
    ({"url": "/reset?after=5000"}, 502, "http_response_incomplete"),
    ({"url": "/garbage"}, 502, "http_protocol_error"),
    ({"url": f"/bytes/{8 * MIB + 1}"}, 502, "http_response_body_size"),
    ({"url": "/bomb", "headers": {"Accept-Encoding": "gzip"}}, 502, "http_response_body_size"),
    ({"url": "/headers/400000"}, 502, "http_response_header_section_size"),
    ({"upstream": "nameless", "url": "/"}, 502, "dns_error"),
    ({"url": "/invalid-json"}, 502, "invalid_json"),
    ({"url": "/text"}, 502, "invalid_json"),
    ({"url": "/status/404"}, 502, "upstream_status"),
    ({"url": "/status/503"}, 502, "upstream_status"),
    ({"url": "/redirect"}, 502, "upstream_status"),
])
def test_codes(daemon, members, status, code):
    """What went wrong, the same in the problem document and in Proxy-Status."""
    answer, error = fails(daemon, {"id": "x", "upstream": "demo", **members}, status, code)
    if code not in ("invalid_json", "upstream_status"):
        assert f"error={code}" in answer.header("proxy-status")
        assert error["status"] == status
    assert error["attempts"] >= 1 or code == "dns_error"
    assert daemon.batch([call("x", "/posts/1")], merge="keyed").status == 200


@pytest.mark.parametrize("steps, code", [
    ([READ, CLOSE], "connection_terminated"),
    ([READ, RESET], "connection_terminated"),
    ([READ, b"HTTP/1.1 200 OK\r\nContent-Le", CLOSE], "http_response_incomplete"),
    ([READ, b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n[1]", CLOSE], "http_response_incomplete"),
    ([READ, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n[1]", CLOSE],
     "http_response_incomplete"),
    ([READ, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n[1]\r\n", CLOSE],
     "http_protocol_error"),
    ([READ, b"SSH-2.0-OpenSSH_9.2\r\n", CLOSE], "http_protocol_error"),
    ([READ, b"[1]", CLOSE], "http_protocol_error"),
    ([READ, reply(b"[1]", head=b"X-A: a\x00b\r\n"), CLOSE], "http_protocol_error"),
    ([READ, b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 2\r\n\r\n[1]", CLOSE],
     "http_protocol_error"),
    ([READ, b"HTTP/1.1 200 OK\r\nContent-Length: -3\r\n\r\n[1]", CLOSE], "http_protocol_error"),
    ([READ, reply(b"[1]", head=b"X-A: " + b"x" * 17000 + b"\r\n")],
     "http_response_header_section_size"),
    ([READ, reply(b"[1]", head=b"X-A: 12345678\r\n" * 1100)], "http_response_header_section_size"),
    ([READ, b"HTTP/1.1 200 OK\r\n"] + [b"X-A: " + b"x" * 990 + b"\r\n"] * 40 + [AWAIT],
     "http_response_header_section_size"),
])
def test_broken_replies(gatherd, scripted, steps, code):
    """Replies that no sane server sends."""
    server = scripted(steps)
    daemon = gatherd(ONE, IT=server.url)
    fails(daemon, {"id": "x", "upstream": "it", "url": "/"}, 502, code)


@pytest.mark.parametrize("steps, body", [
    ([READ, b"HTTP/1.1 200 OK\r\n\r\n[1]", CLOSE], b"[1]"),
    ([READ, b"HTTP/1.0 200 OK\r\nContent-Length: 3\r\n\r\n[1]", CLOSE], b"[1]"),
    ([READ, b"HTTP/1.1 100 Continue\r\n\r\n" + reply(b"[1]"), CLOSE], b"[1]"),
    ([READ, b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" + reply(b"[1]"), CLOSE], b"[1]"),
    ([READ, b"HTTP/1.1 204 No Content\r\n\r\n", CLOSE], b"null"),
    ([READ, b"HTTP/1.1 200\r\nContent-Length: 3\r\n\r\n[1]", CLOSE], b"[1]"),
    ([READ, reply(b"[1]", head=b"X-A: 12345678\r\n" * 1000), CLOSE], b"[1]"),
])
def test_odd_but_good_replies(gatherd, scripted, steps, body):
    """Replies that are unusual and right."""
    daemon = gatherd(ONE, IT=scripted(steps).url)
    answer = daemon.batch([{"id": "x", "upstream": "it", "url": "/"}], merge="keyed")
    assert (answer.status, answer.body) == (200, b'{"x":' + body + b"}"), answer


def test_reply_size_at_its_edge(daemon):
    """8 MiB pass."""
    answer = daemon.batch([call("x", f"/bytes/{8 * MIB}")], merge="keyed")
    assert answer.status == 200 and len(answer.body) == 8 * MIB + len('{"x":}')


def test_problem_document(daemon, upstream):
    """The shape of an error, without upstream bodies or internal addresses."""
    answer, error = fails(daemon, call("x", "/json?raw=%22top-secret%22&status=503"), 502,
                          "upstream_status")
    assert 503 in error.values(), error
    assert error["pointer"] == "/requests/0" and error["attempts"] == 1
    text = answer.body.decode()
    assert "top-secret" not in text and upstream.host not in text and "127.0.0.1" not in text
    assert answer.header("cache-control") == "no-store"


def test_problem_of_a_fan_out(daemon):
    """Tally and timings come with errors too."""
    answer = daemon.batch([call("a", "/posts/1"), {"id": "b", "upstream": "dead", "url": "/"},
                           call("c", "/delay/4000")], merge="keyed")
    checks.failed(answer, 502, "connection_refused", "b")
    word, total, okay, bad, skipped = checks.tally(answer)
    assert (total, bad) == (3, 1) and okay + skipped == 2 and skipped >= 1
    assert "b" in checks.timings(answer) and "connection_refused" in answer.header("server-timing")


# Limits on calls in flight.

@pytest.mark.parametrize("limit", ["upstream", "global"])
def test_calls_in_flight(gatherd, limit):
    """Beyond the limit a call fails at once: 503 with Retry-After."""
    config = "workers: 2\nupstreams: { demo: { url: '$DEMO', timeout: 3s%s } }\n%s"
    daemon = gatherd(config % ((", maxInFlight: 2", "") if limit == "upstream"
                               else ("", "limits: { inFlight: 2 }")))
    parts = [call(f"r{number}", "/delay/150") for number in range(3)]
    answer = daemon.batch(parts, merge="keyed")
    checks.failed(answer, 503, "connection_limit_reached", "r2")
    assert int(answer.header("retry-after")) >= 1
    assert "error=connection_limit_reached" in answer.header("proxy-status")
    settled = daemon.batch(parts, merge="keyed", policy="allSettled")
    assert settled.status == 200 and checks.tally(settled) == ("partial", 3, 2, 1, 0)
    assert daemon.batch(parts[:2], merge="keyed").status == 200


# What is no longer needed is cancelled.

def test_policy_all_cancels_the_rest(daemon, upstream):
    """The first failure for good ends the batch, and the upstream sees the others leave."""
    started = time.monotonic()
    answer = daemon.batch([call("slow", "/hang"), call("slower", "/delay/4500"),
                           call("bad", "/status/500")], merge="keyed")
    checks.failed(answer, 502, "upstream_status", "bad")
    assert time.monotonic() - started < 3
    upstream.wait_stats("inFlight", 0)
    assert upstream.stats()["abortedPaths"] == {"/hang": 1, "/delay/4500": 1}


def test_optional_failure_cancels_nothing(daemon, upstream):
    """A failed optional part leaves the others alone."""
    answer = daemon.batch([call("slow", "/delay/200"), call("bad", "/status/500", optional=True)],
                          merge="keyed")
    assert answer.status == 200 and upstream.stats()["aborted"] == 0


def test_timed_out_call_is_cancelled(daemon, upstream):
    """A call whose time is up does not stay open."""
    daemon.batch([call("x", "/hang", timeout="100ms")])
    upstream.wait_stats("aborted", 1)


@pytest.mark.parametrize("leave", ["close", "reset"])
def test_client_gone(daemon, upstream, leave):
    """When the client disconnects, its upstream calls are cancelled at once."""
    document = harness.compact({"requests": [call(f"r{number}", "/hang") for number in range(3)],
                                "timeout": "30s"})
    connection = daemon.connect()
    connection.request("POST", "/batch", {}, document)
    upstream.wait_stats("inFlight", 3)
    started = time.monotonic()
    if leave == "reset":
        connection.reset()
    else:
        connection.sock.close()
    upstream.wait_stats("aborted", 3)
    assert time.monotonic() - started < 2


def test_client_gone_while_an_endpoint_runs_in_place(daemon, upstream):
    """The calls of an endpoint run in place go too."""
    connection = daemon.connect()
    connection.request("GET", f"/batch?url=/posts/1/page&url={upstream.url}/hang&timeout=30s")
    upstream.wait_stats("paths", {"/hang": 1, "/posts/1": 1, "/posts/1/comments": 1})
    upstream.wait_stats("inFlight", 1)
    connection.sock.close()
    upstream.wait_stats("abortedPaths", {"/hang": 1})


# Connections are used again.

CONNECTIONS = "workers: 1\nupstreams: { demo: { url: '$DEMO' } }"


@pytest.mark.parametrize("url", ["/posts/1", "/status/404", "/status/500", "/empty", "/no-content",
                                 "/invalid-json", "/gzip", "/chunked?late=1", "/redirect"])
def test_connection_is_reused(gatherd, upstream, url):
    """Three requests in a row need one connection, error replies included."""
    daemon = gatherd(CONNECTIONS)
    for _ in range(3):
        daemon.batch([call("x", url)])
    assert upstream.stats()["requestsPerConnection"] == [3]


def test_failed_call_does_not_reuse(gatherd, upstream):
    """After a timeout the connection is not used again."""
    daemon = gatherd(CONNECTIONS)
    daemon.batch([call("x", "/delay/400", timeout="50ms")])
    assert daemon.batch([call("x", "/posts/1")]).json()["responses"][0]["body"]["id"] == 1
    assert upstream.stats()["requestsPerConnection"] == [1, 1]


def test_stale_connection_does_not_fail_a_get(gatherd, scripted):
    """A kept connection that the upstream has closed meanwhile is not the client's problem."""
    server = scripted([READ, reply(b"1"), 0.05, CLOSE], [READ, reply(b"2"), AWAIT])
    daemon = gatherd(ONE, IT=server.url)
    for expected in (b'{"x":1}', b'{"x":2}'):
        answer = daemon.batch([{"id": "x", "upstream": "it", "url": "/"}], merge="keyed")
        assert answer.body == expected
        time.sleep(0.2)


def test_post_is_sent_once(gatherd, scripted):
    """A POST is never repeated behind the client's back, also not on a dying connection."""
    server = scripted([READ, reply(b"1"), READ, CLOSE], [READ, reply(b"2"), AWAIT])
    daemon = gatherd("workers: 1\nupstreams: { it: { url: '$IT', batch: { methods: [GET, POST] } } }",
                     IT=server.url)
    daemon.batch([{"id": "x", "upstream": "it", "url": "/one"}])
    daemon.batch([{"id": "x", "upstream": "it", "url": "/two", "method": "POST", "body": 1}])
    posts = [request for request in server.requests if request.startswith(b"POST ")]
    assert len(posts) == 1


# Deadlines.

def test_three_at_once(daemon):
    """Three calls of 600 ms take 600 ms, not 1,800."""
    started = time.monotonic()
    answer = daemon.batch([call(f"r{number}", "/delay/600") for number in range(3)], merge="keyed")
    assert answer.status == 200 and 0.6 <= time.monotonic() - started < 1.7


def test_thirty_at_once(daemon, upstream):
    """All requests of a batch are in flight together."""
    answer = daemon.batch([call(f"r{number}", "/delay/300") for number in range(30)], merge="array")
    assert answer.status == 200 and upstream.stats()["peakInFlight"] == 30


def test_batch_timeout_is_an_error(daemon, upstream):
    """onTimeout: error is the default: 504, whatever has arrived."""
    answer = daemon.batch([call("a", "/posts/1"), call("b", "/hang", timeout="5s")], merge="keyed",
                          timeout="200ms")
    checks.failed(answer, 504, "http_response_timeout", "b")
    upstream.wait_stats("aborted", 1)


def test_batch_timeout_partial(daemon):
    """onTimeout: partial answers with what has arrived."""
    answer = daemon.batch([call("a", "/posts/1"), call("b", "/hang", timeout="5s"),
                           call("c", "/hang", default=[])],
                          merge="keyed", timeout="250ms", onTimeout="partial")
    assert answer.status == 200
    value = answer.json()
    assert value["a"]["id"] == 1 and value["b"] is None and value["c"] == []
    assert value["_meta"]["failed"] == 2
    assert {error["code"] for error in value["_meta"]["errors"]} == {"http_response_timeout"}


def test_batch_timeout_partial_with_nothing(daemon):
    """Nothing has arrived: still 504."""
    answer = daemon.batch([call("a", "/hang"), call("b", "/hang")], merge="keyed",
                          timeout="150ms", onTimeout="partial")
    checks.failed(answer, 504, "http_response_timeout")


def test_batch_timeout_in_an_envelope(daemon):
    """Items that did not arrive are 504; the envelope itself was accepted."""
    answer = daemon.batch([call("a", "/posts/1"), call("b", "/hang")], timeout="200ms",
                          onTimeout="partial")
    assert answer.status == 200
    assert [item["status"] for item in answer.json()["responses"]] == [200, 504]


def test_upstream_timeout(gatherd):
    """Without a request's own timeout the upstream's counts; a request's may be longer."""
    daemon = gatherd("upstreams: { demo: { url: '$DEMO', timeout: 150ms } }")
    fails(daemon, call("x", "/delay/1500"), 504, "http_response_timeout")
    assert daemon.batch([call("x", "/delay/400", timeout="4s")], merge="keyed").status == 200


def test_timeout_edge(daemon):
    """A call within its time succeeds."""
    answer = daemon.batch([call("x", "/slow-drip?ms=30&n=10&bytes=3", timeout="3s")], merge="keyed")
    assert answer.json() == {"x": "x" * 28}


def test_redirects_are_not_followed(daemon, upstream):
    """A redirect could lead anywhere."""
    daemon.batch([call("x", "/redirect?to=/posts/1")])
    assert upstream.stats()["paths"] == {"/redirect": 1}


def test_one_failure_of_many_leaves_the_rest(daemon):
    """Every way to fail at once, and the healthy parts arrive."""
    bad = ["/reset", "/garbage", "/truncated", "/status/500", "/invalid-json", "/chunked?cut"]
    parts = [call(f"bad{number}", url) for number, url in enumerate(bad)]
    parts += [call(f"good{number}", f"/posts/{number}") for number in range(1, 7)]
    answer = daemon.batch(parts, merge="keyed", policy="allSettled")
    value = answer.json()
    assert [value[f"good{number}"]["id"] for number in range(1, 7)] == list(range(1, 7))
    assert all(value[f"bad{number}"] is None for number in range(6))
    assert [error["id"] for error in value["_meta"]["errors"]] == [f"bad{n}" for n in range(6)]
    assert json.loads(answer.body)["_meta"]["failed"] == 6
