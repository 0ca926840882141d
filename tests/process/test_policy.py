"""any, race, atLeast: what the client gets, and that what is not needed is cancelled upstream."""

import time

import pytest

import checks
import frames
import harness
from scripted import AWAIT, READ, reply

TWO = """
workers: 1
upstreams:
  fast: { url: "$FAST", timeout: 30s }
  slow: { url: "$SLOW", timeout: 30s }
  dead: { url: "http://127.0.0.1:$DEAD" }
endpoints:
  - path: /first
    policy: any
    timeout: 30s
    merge: keyed
    requests:
      - { id: one, upstream: slow, url: / }
      - { id: two, upstream: fast, url: / }
  - path: /outer
    policy: race
    timeout: 30s
    merge: keyed
    requests:
      - { id: inner, url: /inner }
      - { id: two, upstream: fast, url: / }
  - { path: /inner, timeout: 30s, merge: keyed, requests: [ { id: one, upstream: slow, url: / } ] }
"""
FAILURE = b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n"


def call(name, upstream, **members):
    """A request to an upstream."""
    return {"id": name, "upstream": upstream, "url": "/", "dedupe": False, **members}


@pytest.fixture
def pair(gatherd, scripted):
    """A daemon, an upstream that replies, and one that never does."""
    def start(answer=reply(b'{"fast":1}')):
        fast, slow = scripted([READ, answer, AWAIT]), scripted([READ, AWAIT])
        return gatherd(TWO, FAST=fast.url, SLOW=slow.url), slow
    return start


def left(slow, count=1):
    """The upstream has seen so many connections closed."""
    harness.wait_until(lambda: slow.left == count, f"{count} connections to be closed")


@pytest.mark.parametrize("policy, body, tally", [
    ("any", {"d": None, "f": {"fast": 1}, "s": None}, ("complete", 3, 1, 1, 1)),
    ({"atLeast": 1}, {"d": None, "f": {"fast": 1}, "s": None}, ("complete", 3, 1, 1, 1)),
])
def test_enough_is_complete(pair, policy, body, tally):
    """A failure before counts, but the reply has all it needs; the rest is cancelled at once."""
    daemon, slow = pair()
    began = time.monotonic()
    answer = daemon.batch([call("d", "dead"), call("f", "fast"), call("s", "slow")],
                          policy=policy, merge="keyed", timeout="30s")
    if answer.status == 200 and "failed=0" in answer.header("aggregate-status"):
        tally = ("complete", 3, 1, 0, 2)  # the reply was faster than the refusal
    assert answer.status == 200 and answer.json() == body, answer
    assert checks.tally(answer) == tally
    left(slow)
    assert time.monotonic() - began < 10


@pytest.mark.parametrize("status", ["strict", "worst", "multi", "ok"])
@pytest.mark.parametrize("merge", ["keyed", "envelope"])
def test_what_is_complete_has_no_failures_status(gatherd, upstream, status, merge):
    """The one failure came first, and the policy could do without it."""
    daemon = gatherd()
    answer = daemon.batch([{"id": "f", "url": f"{upstream.url}/status/500"},
                           {"id": "a", "url": f"{upstream.url}/delay/200"}],
                          policy="any", merge=merge, status=status)
    assert checks.tally(answer) == ("complete", 2, 1, 1, 0)
    assert answer.status == 200, answer


def test_race_is_decided_either_way(pair):
    """The first to finish is the reply, a failure too."""
    daemon, slow = pair()
    parts = [call("s", "slow"), call("f", "fast")]
    answer = daemon.batch(parts, policy="race", merge="shallow", timeout="30s")
    assert answer.status == 200 and answer.json() == {"fast": 1}, answer
    left(slow)
    daemon, slow = pair(FAILURE)
    answer = daemon.batch(parts, policy="race", merge="shallow", timeout="30s")
    checks.failed(answer, 502, "upstream_status", "f")
    assert checks.tally(answer) == ("failed", 2, 0, 1, 1)
    left(slow)


def test_what_is_cancelled_says_whether_it_was_sent(pair):
    """One attempt when its call was on its way, none when it still waited for another."""
    daemon, slow = pair()
    answer = daemon.batch([call("s", "slow"), call("w", "slow", dependsOn=["s"]), call("f", "fast")],
                          policy="any", timeout="30s")
    assert [part["body"].get("attempts") for part in answer.json()["responses"]] == [1, 0, None]
    left(slow)


def test_out_of_reach_is_the_end(pair):
    """As soon as too few are left, the failure that decided is the reply."""
    daemon, slow = pair(FAILURE)
    answer = daemon.batch([call("s", "slow"), call("f", "fast")], policy={"atLeast": 2},
                          merge="array", timeout="30s")
    checks.failed(answer, 502, "upstream_status", "f")
    left(slow)


@pytest.mark.parametrize("on_timeout", ["error", "partial"])
def test_the_deadline_is_an_error(pair, on_timeout):
    """What was waited for has not come, whatever onTimeout says."""
    daemon, slow = pair()
    answer = daemon.batch([call("s", "slow"), call("f", "fast")], policy={"atLeast": 2},
                          merge="array", timeout="300ms", onTimeout=on_timeout)
    checks.failed(answer, 504, "http_response_timeout", "s")
    assert checks.tally(answer) == ("failed", 2, 1, 1, 0)
    left(slow)


def test_endpoints_and_queries(pair, gatherd, fill, upstream):
    """The same in an endpoint, and for people at a shell."""
    daemon, slow = pair()
    answer = daemon.get("/first")
    assert answer.status == 200 and answer.json() == {"one": None, "two": {"fast": 1}}, answer
    left(slow)
    daemon = gatherd()
    answer = daemon.get(f"/batch?url={upstream.url}/hang&url={upstream.url}/posts/1"
                        f"&url={upstream.url}/posts/2&policy=atLeast:2&merge=array")
    assert [item and item["id"] for item in answer.json()] == [None, 1, 2]
    upstream.wait_stats("aborted", 1)


def test_endpoints_inside_endpoints(pair):
    """An endpoint that is not needed any more cancels its own calls."""
    daemon, slow = pair()
    answer = daemon.get("/outer")
    assert answer.status == 200 and answer.json() == {"inner": None, "two": {"fast": 1}}, answer
    left(slow)


def test_wide_fan_outs(gatherd, upstream):
    """Calls that run on another worker are cancelled as well."""
    daemon = gatherd('workers: 2\nlimits: { requests: 100 }\n'
                     'upstreams: { demo: { url: "$DEMO", timeout: 30s } }\n')
    parts = [{"id": f"n{number}", "upstream": "demo", "url": "/posts/1" if number == 50 else "/hang"}
             for number in range(100)]
    answer = daemon.batch(parts, policy="any", merge="array", timeout="30s")
    assert answer.status == 200 and checks.tally(answer) == ("complete", 100, 1, 0, 99), answer
    assert [item["id"] for item in answer.json() if item] == [1]
    upstream.wait_stats("inFlight", 0)


def test_envelopes_show_what_was_not_needed(pair):
    """An envelope has an item for every request."""
    daemon, _ = pair()
    answer = daemon.batch([call("s", "slow"), call("f", "fast")], policy="any", timeout="30s")
    assert [(item["id"], item["status"]) for item in answer.json()["responses"]] == [
        ("s", 499), ("f", 200)]


@pytest.fixture
def streams(gatherd):
    """A daemon and its HTTP/2 upstream."""
    up = frames.Frames("hold", "reply")
    yield gatherd(f'workers: 1\nupstreams:\n  up: {{ url: "{up.url}", http: 2, timeout: 30s }}\n'), up
    up.stop()


def test_the_last_stream_ends_its_connection(streams):
    """Over HTTP/2 a connection on which nothing else runs is closed with the cancelled stream."""
    daemon, up = streams
    answer = daemon.batch([call("a", "up"), call("b", "up")], policy="any", merge="array",
                          timeout="30s")
    assert answer.status == 200 and {"ok": True} in answer.json() and None in answer.json(), answer
    harness.wait_until(lambda: up.ends >= 1, "the connection to be closed")


def test_a_stream_among_others_is_reset(streams):
    """Where another client's stream runs on the connection, only the stream is reset."""
    daemon, up = streams
    up.actions = ["reply"]
    assert daemon.batch([call("a", "up")]).status == 200
    with daemon.connect() as other:
        up.actions = ["hold", "hold", "reply"]
        other.request("POST", "/batch", {}, harness.compact(
            {"requests": [call("other", "up")], "timeout": "30s"}))
        harness.wait_until(lambda: len(up.requests) == 2, "the other client's call")
        ended = up.ends
        answer = daemon.batch([call("a", "up"), call("b", "up")], policy="any", merge="array",
                              timeout="30s")
        assert answer.status == 200, answer
        harness.wait_until(lambda: up.resets == 1, "the stream to be reset")
        assert len(set(up.requests)) == 1 and up.ends == ended
