"""How results become one reply: merges, missing parts, status rules."""

from urllib.parse import quote

import checks
import pytest
from scripted import READ, reply


def part(name, raw, **members):
    """A request whose upstream answers with exactly these bytes."""
    return {"id": name, "upstream": "demo", "url": "/json?raw=" + quote(raw, safe=""), **members}


def call(name, url, **members):
    """A request to the demo upstream."""
    return {"id": name, "upstream": "demo", "url": url, **members}


def dead(name, **members):
    """A request that is refused a connection."""
    return {"id": name, "upstream": "dead", "url": "/", **members}


def merged(daemon, merge, *requests, **members):
    """The merged value of a batch that succeeds."""
    reply = daemon.batch(list(requests), merge=merge, **members)
    assert reply.status == 200, reply
    assert reply.header("content-type").split(";")[0] == "application/json"
    assert reply.header("cache-control") == "no-store"
    return reply.json()


# keyed and array.

def test_keyed_in_request_order(daemon):
    """Members stand in declared order, whoever answers first."""
    value = merged(daemon, "keyed", call("z", "/delay/80"), part("a", "1"), part("m", "[]"))
    assert list(value.items()) == [("z", {"delay": 80}), ("a", 1), ("m", [])]


def test_array_in_request_order(daemon):
    """Items stand in declared order."""
    assert merged(daemon, "array", call("z", "/delay/80"), part("a", "null"), part("m", '"x"')) == \
        [{"delay": 80}, None, "x"]


@pytest.mark.parametrize("url", ["/empty", "/no-content"])
def test_empty_bodies(daemon, url):
    """No body is a success: null in keyed and array, left out elsewhere."""
    reply = daemon.batch([call("a", url), part("b", '{"x":1}')], merge="keyed")
    assert reply.json() == {"a": None, "b": {"x": 1}}
    assert checks.tally(reply)[1:] == (2, 2, 0, 0)
    assert merged(daemon, "array", call("a", url), part("b", "2")) == [None, 2]
    assert merged(daemon, "shallow", call("a", url), part("b", '{"x":1}')) == {"x": 1}
    assert merged(daemon, "concat", call("a", url), part("b", "[1]")) == [1]
    assert merged(daemon, "shallow", call("a", url)) == {}
    assert merged(daemon, "concat", call("a", url)) == []


def test_text_is_not_json_in_a_merge(daemon):
    """A text reply in a merged reply is that part's failure."""
    checks.failed(daemon.batch([call("a", "/text")], merge="keyed"), 502, "invalid_json", "a")


# shallow.

def test_shallow(daemon):
    """One object; the last one declared wins, whoever answers first."""
    value = merged(daemon, "shallow", call("a", "/delay/80"), part("b", '{"b":1,"delay":2}'),
                   part("c", '{"b":{"n":1}}'))
    assert value == {"delay": 2, "b": {"n": 1}}


def test_shallow_keeps_each_key_once(daemon):
    """A key that two parts have comes out once."""
    reply = daemon.batch([part("a", '{"x":1,"y":1}'), part("b", '{"x":2}')], merge="shallow")
    assert reply.body.count(b'"x"') == 1 and reply.json() == {"x": 2, "y": 1}


def test_shallow_conflict_first(daemon):
    """conflict: first keeps the first one declared."""
    assert merged(daemon, "shallow", call("a", "/delay/80"), part("b", '{"delay":2}'),
                  conflict="first") == {"delay": 80}


def test_shallow_conflict_error(daemon):
    """conflict: error fails the reply and names the later part, the key and who has it too."""
    parts = [part("a", '{"x":1}'), part("b", '{"y":1}'), part("c", '{"x":1}')]
    error = checks.failed(daemon.batch(parts, merge="shallow", conflict="error"), 502,
                          "merge_conflict", "c")
    assert error["detail"] == 'two upstreams answered with the same key: /x, which "a" has too'
    assert merged(daemon, "shallow", *parts[:2], conflict="error") == {"x": 1, "y": 1}


def test_shallow_compares_decoded_keys(daemon):
    """The same key spelt differently is the same key."""
    parts = [part("a", '{"a":1}'), part("b", '{"\\u0061":2}')]
    assert merged(daemon, "shallow", *parts) == {"a": 2}
    checks.failed(daemon.batch(parts, merge="shallow", conflict="error"), 502, "merge_conflict")


@pytest.mark.parametrize("merge, raw", [
    ("shallow", "[]"), ("shallow", "1"), ("shallow", "null"), ("shallow", '"x"'),
    ("concat", "{}"), ("concat", "1"), ("concat", "null"), ("concat", "true"),
])
def test_type_mismatch(daemon, merge, raw):
    """shallow needs objects and concat arrays."""
    fine = part("b", "{}" if merge == "shallow" else "[]")
    checks.failed(daemon.batch([fine, part("a", raw)], merge=merge), 502, "merge_type_mismatch", "a")
    reply = daemon.batch([fine, part("a", raw)], merge=merge, policy="allSettled")
    assert reply.status == 200 and checks.tally(reply)[:4] == ("partial", 2, 1, 1)


# concat.

def test_concat(daemon):
    """Arrays become one, in declared order; empty ones leave no trace."""
    assert merged(daemon, "concat", part("a", "[ ]"), part("b", "[1, [2]]"), part("c", "[]"),
                  part("d", '[{"x":3} ]'), part("e", "[]")) == [1, [2], {"x": 3}]


# raw.

@pytest.mark.parametrize("url, status, body", [
    ("/posts/1", 200, None), ("/status/404", 404, None), ("/status/503", 503, None),
    ("/text", 200, "plain text, na\u00efve\n".encode()), ("/invalid-json", 200, b'{"broken": '),
    ("/no-content", 204, b""), ("/json?raw=%FF%00&type=image/png&status=201", 201, b"\xff\x00"),
])
def test_raw(daemon, upstream, url, status, body):
    """The one upstream's status, type and bytes, whatever they are."""
    reply = daemon.batch([call("a", url)], merge="raw")
    direct = upstream.fetch("GET", url)
    assert reply.status == status == direct.status
    assert reply.body == direct.body and body in (None, reply.body)
    assert reply.header("content-type") == direct.header("content-type")


def test_raw_headers(daemon):
    """Headers pass on, those of the upstream's connection do not."""
    reply = daemon.batch([call("a", "/redirect?to=/elsewhere")], merge="raw")
    assert reply.status == 302 and reply.header("location") == "/elsewhere"
    assert reply.header("keep-alive") is None and reply.header("transfer-encoding") is None
    assert daemon.batch([call("a", "/chunked")], merge="raw").body == b'{"chunked":"yes"}'


def test_raw_does_not_pass_a_claim_about_parts_on(gatherd, scripted):
    """Aggregate-Status tells about parts of ours, so an upstream's own ends here."""
    server = scripted([READ, reply(b"{}", head=b"Aggregate-Status: complete; total=9\r\nX-It: 1\r\n")])
    daemon = gatherd("upstreams: { it: { url: '$IT' } }", IT=server.url)
    answer = daemon.batch([{"id": "a", "upstream": "it", "url": "/"}], merge="raw")
    assert answer.status == 200 and answer.header("x-it") == "1"
    assert answer.header("aggregate-status") is None


def test_raw_of_a_compressed_reply(daemon, upstream):
    """A reply that we decompressed does not claim to be compressed; another is passed on as it is."""
    asked = {"headers": {"Accept-Encoding": "gzip"}}
    reply = daemon.batch([call("a", "/gzip", **asked)], merge="raw")
    assert reply.header("content-encoding") is None and reply.body == b'{"packed":true}'
    reply = daemon.batch([call("a", "/gzip")], merge="raw")
    assert reply.header("content-encoding") == "gzip"
    assert reply.body == upstream.fetch("GET", "/gzip").body


def test_raw_without_a_reply(daemon):
    """When there is no reply to pass on, it is the failure."""
    checks.failed(daemon.batch([dead("a")], merge="raw"), 502, "connection_refused", "a")


# Optional parts, defaults, _meta.

@pytest.mark.parametrize("merge, value, word", [
    ("shallow", [], "object"), ("shallow", None, "object"), ("concat", {}, "array"),
    ("concat", "x", "array"),
])
def test_default_that_cannot_be_merged(daemon, merge, value, word):
    """It would vanish, so it is refused before anything is sent."""
    answer = daemon.batch([part("a", "1", default=value)], merge=merge)
    checks.refused(answer, 400, "/requests/0/default", merge, word)


def test_optional_failure_in_keyed(daemon):
    """A failed optional part is null, and _meta, the last member, says why."""
    reply = daemon.batch([part("a", "1"), dead("b", optional=True), part("c", "3")], merge="keyed")
    assert reply.status == 200
    value = reply.json()
    assert list(value) == ["a", "b", "c", "_meta"] and value["b"] is None
    meta = value["_meta"]
    assert {key: meta[key] for key in ("partial", "total", "ok", "failed", "skipped")} == \
        {"partial": True, "total": 3, "ok": 2, "failed": 1, "skipped": 0}
    (error,) = meta["errors"]
    assert (error["id"], error["code"], error["pointer"]) == \
        ("b", "connection_refused", "/requests/1")
    assert checks.tally(reply) == ("partial", 3, 2, 1, 0)


def test_optional_failure_in_array(daemon):
    """An array has no room for _meta; the header tells."""
    reply = daemon.batch([part("a", "1"), dead("b", optional=True)], merge="array")
    assert reply.json() == [1, None] and checks.tally(reply) == ("partial", 2, 1, 1, 0)


def test_optional_failure_in_shallow_and_concat(daemon):
    """Elsewhere it is left out."""
    reply = daemon.batch([dead("b", optional=True), part("a", '{"x":1}')], merge="shallow")
    assert list(reply.json()) == ["x", "_meta"] and reply.json()["_meta"]["failed"] == 1
    reply = daemon.batch([dead("b", optional=True), part("a", "[1]")], merge="concat")
    assert reply.json() == [1] and checks.tally(reply)[0] == "partial"


def test_default_takes_the_place(daemon):
    """A part with a default is optional; the default's bytes take its place."""
    document = (b'{"merge":"%s","requests":[{"id":"a","upstream":"demo","url":"/json?raw=%s"},'
                b'{"id":"b","upstream":"dead","url":"/","default":%s}],"meta":"never"}')
    for merge, raw, fallback, expected in [
            (b"keyed", b"1", b'[1.50, "\\u00e9" ]', b'{"a":1,"b":[1.50, "\\u00e9" ]}'),
            (b"array", b"1", b"1e400", b"[1,1e400]"),
            (b"shallow", b"%7B%22x%22:1%7D", b'{"y":-0}', b'{"x":1,"y":-0}'),
            (b"concat", b"[1]", b"[2.0,3]", b"[1,2.0,3]"),
            (b"keyed", b"1", b"null", b'{"a":1,"b":null}')]:
        reply = daemon.batch(document % (merge, raw, fallback))
        assert reply.status == 200 and reply.body == expected
        assert checks.tally(reply)[:4] == ("partial", 2, 1, 1)


def test_optional_false_with_default_is_still_optional(daemon):
    """default implies optional, and a part that succeeds does not use it."""
    assert merged(daemon, "keyed", part("a", "1", default=9)) == {"a": 1}


def test_meta_always_and_never(daemon):
    """meta: always shows it on complete replies, never hides it on partial ones."""
    value = merged(daemon, "keyed", part("a", "1"), part("b", "2"), meta="always")
    assert list(value) == ["a", "b", "_meta"]
    assert value["_meta"] == {"partial": False, "total": 2, "ok": 2, "failed": 0, "skipped": 0,
                              "errors": []}
    assert merged(daemon, "keyed", part("a", "1"), dead("b", optional=True), meta="never") == \
        {"a": 1, "b": None}
    assert merged(daemon, "keyed", part("a", "1"), part("b", "2"), meta="auto") == {"a": 1, "b": 2}


def test_upstreams_own_meta_stays(daemon):
    """In a shallow merge an upstream's _meta is not replaced by ours."""
    assert merged(daemon, "shallow", part("a", '{"_meta":7}'), dead("b", optional=True)) == \
        {"_meta": 7}


def test_meta_hides_upstream_bodies_and_urls(daemon, upstream):
    """_meta shows neither."""
    reply = daemon.batch([part("a", "1"), dead("b", optional=True),
                          call("c", "/json?raw=top-secret&status=500", optional=True)], merge="keyed")
    text = str(reply.json()["_meta"])
    assert "top-secret" not in text and "127.0.0.1" not in text and upstream.host not in text


# Policies and status rules.

def test_all_settled_keeps_what_succeeded(daemon):
    """allSettled: 200 when anything succeeded."""
    reply = daemon.batch([dead("a"), part("b", "2")], merge="keyed", policy="allSettled")
    assert reply.status == 200 and reply.json()["a"] is None and reply.json()["b"] == 2
    assert checks.tally(reply) == ("partial", 2, 1, 1, 0)


def test_all_settled_with_nothing(daemon):
    """Nothing succeeded: never 200."""
    reply = daemon.batch([dead("a"), call("b", "/delay/2000", timeout="100ms")], merge="keyed",
                         policy="allSettled")
    checks.failed(reply, 502, "connection_refused", "a")


def test_only_optional_parts_and_none_succeeded(daemon):
    """Optional parts alone do not make a 200 either."""
    reply = daemon.batch([dead("a", optional=True), dead("b", default=1)], merge="keyed")
    checks.failed(reply, 502, "connection_refused")


def test_complete_reply_has_a_tally_and_timings(daemon):
    """Every reply with more than one part says how it went."""
    reply = daemon.batch([part("a", "1"), call("b", "/delay/60")], merge="keyed")
    word, *numbers = checks.tally(reply)
    assert numbers == [2, 2, 0, 0] and word != "partial"
    timings = checks.timings(reply)
    assert {"a", "b", "_total"} <= set(timings)
    assert timings["b"] >= 60 and timings["_total"] >= timings["b"]


@pytest.mark.parametrize("rule, requests, status", [
    ("strict", [part("a", "1"), part("b", "2")], 200),
    ("strict", [part("a", "1"), dead("b")], 200),
    ("worst", [part("a", "1"), part("b", "2")], 200),
    ("worst", [part("a", "1"), dead("b")], 502),
    ("worst", [dead("a"), call("b", "/delay/2000", timeout="100ms"), part("c", "1")], 504),
    ("worst", [call("a", "/status/201"), part("c", "1")], 201),
    ("multi", [part("a", "1"), part("b", "2")], 200),
    ("multi", [part("a", "1"), dead("b")], 207),
    ("multi", [part("a", "1"), call("b", "/status/201")], 207),
    ("ok", [part("a", "1"), dead("b")], 200),
    ("ok", [dead("a"), dead("b")], 200),
])
def test_status_rules(daemon, rule, requests, status):
    """The status of a merged reply follows its rule."""
    reply = daemon.batch(requests, merge="keyed", policy="allSettled", status=rule)
    assert reply.status == status, reply
    assert list(reply.json())[:len(requests)] == [request["id"] for request in requests]


def test_strict_takes_the_failure_that_ended_the_batch(daemon):
    """policy all: the first failure for good decides, not the first one declared."""
    reply = daemon.batch([call("a", "/delay/3000", timeout="2s"), dead("b")], merge="keyed")
    checks.failed(reply, 502, "connection_refused", "b")


def test_merged_reply_too_large(gatherd):
    """A merged reply beyond limits.merged is a failure, not a cut text."""
    daemon = gatherd("upstreams: { demo: { url: '$DEMO' } }\nlimits: { merged: 64KiB }")
    half = call("a", "/bytes/32000")
    assert daemon.batch([half, {**half, "id": "b"}], merge="array").status == 200
    checks.problem(daemon.batch([half, {**half, "id": "b"}, {**half, "id": "c"}], merge="array"), 502)
