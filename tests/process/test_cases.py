"""What aggregators are known to lose, and gatherd must not (docs/comparison.md)."""

import json
from urllib.parse import quote

import checks
import pytest
from scripted import READ, reply

ARRAYS = [("one", b'[1, 2]'), ("two", b'[3,\t4]')]


def exact(name, raw, **members):
    """A request to the demo upstream that is answered with exactly these bytes."""
    status = members.pop("answer", 200)
    return {"id": name, "upstream": "demo", **members,
            "url": f"/json?status={status}&raw={quote(raw, safe='')}"}


@pytest.mark.parametrize("merge, expected", [
    ("keyed", b'{"one":[1, 2],"two":[3,\t4]}'),
    ("array", b'[[1, 2],[3,\t4]]'),
    ("concat", b'[1, 2,3,\t4]'),
])
def test_two_arrays(daemon, merge, expected):
    """Neither is lost, in any merge that can hold them."""
    answer = daemon.batch([exact(*pair) for pair in ARRAYS], merge=merge)
    assert (answer.status, answer.body) == (200, expected)


@pytest.mark.parametrize("merge", ["shallow", "deep"])
@pytest.mark.parametrize("conflict, winner", [("last", 2), ("first", 1)])
def test_same_key(daemon, merge, conflict, winner):
    """The declared order decides, also when the first to be declared is the last to arrive."""
    slow = {"id": "slow", "upstream": "demo", "url": "/delay/80", "allow": ["delay"],
            "rename": {"delay": "id"}}
    answer = daemon.batch([slow, exact("quick", b'{"id":2}')], merge=merge, conflict=conflict)
    assert answer.json() == {"id": 80 if winner == 1 else 2}
    answer = daemon.batch([slow, exact("quick", b'{"id":2}')], merge=merge, conflict="error")
    checks.failed(answer, 502, "merge_conflict", "quick")


@pytest.mark.parametrize("status", [202, 204, 206])
def test_other_successes(daemon, status):
    """Every 2xx is a success, and one without a body is null."""
    raw = b"" if status == 204 else b'{"accepted":1}'
    answer = daemon.batch([exact("a", b"1"), exact("b", raw, answer=status)], merge="keyed")
    assert (answer.status, answer.header("aggregate-status")) == (
        200, "complete; total=2; ok=2; failed=0; skipped=0")
    assert answer.json() == {"a": 1, "b": json.loads(raw) if raw else None}


def test_one_hangs(daemon):
    """What is done comes back, what hangs is named; alone it is a 504."""
    hang = {"id": "hang", "upstream": "demo", "url": "/hang"}
    answer = daemon.batch([exact("a", b"1"), hang], merge="keyed", timeout="200ms",
                          onTimeout="partial")
    assert answer.status == 200
    assert answer.json()["a"] == 1 and answer.json()["hang"] is None
    assert answer.json()["_meta"]["errors"][0]["code"] == "http_response_timeout"
    answer = daemon.batch([hang], merge="keyed", timeout="200ms", onTimeout="partial")
    checks.failed(answer, 504, "http_response_timeout", "hang")


@pytest.mark.parametrize("policy", ["all", "allSettled", "any", "race", {"atLeast": 2}])
def test_all_time_out(daemon, policy):
    """504 whatever the policy, not 500."""
    hangs = [{"id": name, "upstream": "demo", "url": "/hang"} for name in ("a", "b")]
    answer = daemon.batch(hangs, merge="keyed", policy=policy, timeout="150ms")
    assert answer.status == 504, answer


@pytest.mark.parametrize("merge", ["shallow", "deep", "patch"])
def test_array_for_an_object(daemon, merge):
    """A visible failure, not a part that is gone."""
    requests = [exact("object", b'{"a":1}'), exact("array", b"[1]", optional=True)]
    answer = daemon.batch(requests, merge=merge)
    assert answer.json()["a"] == 1
    assert [(error["id"], error["code"]) for error in answer.json()["_meta"]["errors"]] == [
        ("array", "merge_type_mismatch")]
    del requests[1]["optional"]
    checks.failed(daemon.batch(requests, merge=merge), 502, "merge_type_mismatch", "array")


@pytest.mark.parametrize("merge", ["keyed", "shallow"])
def test_fallback_beside_a_good_part(daemon, merge):
    """The default of one part never replaces what another has."""
    bad = {"id": "bad", "upstream": "demo", "url": "/status/500", "default": {"b": "fallback"}}
    answer = daemon.batch([exact("good", b'{"a":"good"}'), bad], merge=merge).json()
    assert answer["good" if merge == "keyed" else "a"] in ({"a": "good"}, "good")
    assert answer["bad" if merge == "keyed" else "b"] in ({"b": "fallback"}, "fallback")


def test_value_with_a_question_mark(daemon):
    """A value that looks like a query stays a value."""
    requests = [exact("user", b'{"id":"1?admin=1"}'),
                {"id": "seen", "upstream": "demo",
                 "url": "/echo/{$responses.user.body#/id}?fixed={$responses.user.body#/id}"}]
    target = daemon.batch(requests, merge="keyed").json()["seen"]["target"]
    assert target == "/echo/1%3Fadmin%3D1?fixed=1%3Fadmin%3D1"


def test_null_in_a_dependent_url(daemon, upstream):
    """It has no text, so the call is not sent."""
    requests = [exact("user", b'{"id":null}'),
                {"id": "next", "upstream": "demo", "url": "/echo/{$responses.user.body#/id}"}]
    checks.failed(daemon.batch(requests, merge="keyed"), 424, "unresolved_reference", "next")
    assert not [path for path in upstream.stats()["paths"] if path.startswith("/echo")]


KEEP = """
workers: 1
upstreams:
  it: { url: "$IT" }
endpoints:
  - { path: /it, merge: keyed, requests: [{ id: it, upstream: it, url: /, optional: true },
                                          { id: more, upstream: it, url: /2, optional: true }] }
"""


@pytest.mark.parametrize("steps", [
    [READ, b"HTTP/1.1 404 Not Found\r\nContent-Length: 9\r\n\r\nnot there"],
    [READ, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\ntrue\r\n", 0.005,
     b"0\r\n\r\n"],
    [READ, reply(b"true")],
], ids=["404", "late terminator", "plain"])
def test_the_connection_stays(gatherd, scripted, steps):
    """Neither an error reply nor a late last chunk costs the connection."""
    server = scripted(steps * 10)
    daemon = gatherd(KEEP, IT=server.url)
    for _ in range(5):
        assert daemon.get("/it").status in (200, 502)
    assert len(server.requests) == 10
    assert server.connections <= 2


def test_two_parts_under_one_group(daemon):
    """They are merged or in conflict like any other key, never one lost in silence."""
    requests = [exact("a", b'{"x":1}', group="g"), exact("b", b'{"y":2}', group="g")]
    assert daemon.batch(requests, merge="deep").body == b'{"g":{"x":1,"y":2}}'
    assert daemon.batch(requests, merge="keyed").json() == {
        "a": {"g": {"x": 1}}, "b": {"g": {"y": 2}}}
    checks.failed(daemon.batch(requests, merge="shallow", conflict="error"), 502,
                  "merge_conflict", "b")
