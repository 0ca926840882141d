"""The merges deep, patch and coalesce over real sockets: what else goes wrong when replies meet."""

import checks
import pytest
from scripted import CLOSE, READ, reply
from test_shaping import dead, part



def merged(daemon, merge, *requests, **members):
    """The body of a batch that succeeds."""
    answer = daemon.batch(list(requests), merge=merge, **members)
    assert answer.status == 200, answer
    return answer.body.decode()


@pytest.mark.parametrize("merge, expected", [
    ("deep", '{"delay":{"x":1},"n":1}'), ("patch", '{"delay":{"x":1},"n":1}'), ("coalesce", '{"delay":80}'),
])
def test_arrival_does_not_matter(daemon, merge, expected):
    """The declared order decides, whoever answers first."""
    late = {"id": "late", "upstream": "demo", "url": "/delay/80"}
    body = merged(daemon, merge, late, part("b", '{"delay":{"x":1},"n":1}'))
    assert body.replace(" ", "").replace("\n", "") == expected


@pytest.mark.parametrize("merge", ["deep", "patch"])
@pytest.mark.parametrize("raw", ["[]", "1", "null", '"x"', "true"])
def test_a_wrong_type_shows(daemon, merge, raw):
    """It is that part's failure, named and counted, and never a part that vanished."""
    parts = [part("a", raw), part("b", '{"x":1}')]
    error = checks.failed(daemon.batch(parts, merge=merge), 502, "merge_type_mismatch", "a")
    assert error["detail"].endswith(f": merge: {merge} needs an object")
    answer = daemon.batch(parts, merge=merge, policy="allSettled")
    assert checks.tally(answer) == ("partial", 2, 1, 1, 0)
    assert answer.json()["x"] == 1 and answer.json()["_meta"]["errors"][0]["id"] == "a"


@pytest.mark.parametrize("merge", ["deep", "patch"])
def test_two_arrays_are_an_error(daemon, merge):
    """Nothing is left, so the reply is an error."""
    answer = daemon.batch([part("a", "[1]"), part("b", "[2]")], merge=merge, policy="allSettled")
    checks.failed(answer, 502, "merge_type_mismatch", "a")


@pytest.mark.parametrize("merge, raw", [("deep", "[]"), ("patch", "null"), ("deep", "1")])
def test_default_has_the_right_type(daemon, merge, raw):
    """Otherwise it would never be seen."""
    document = b'{"merge":"%s","requests":[{"id":"a","upstream":"demo","url":"/","default":%s}]}' % (
        merge.encode(), raw.encode())
    checks.refused(daemon.batch(document), 400, "/requests/0/default", f"merge: {merge} needs")


def test_defaults_take_part(daemon):
    """A failed part's default is merged at its place."""
    answer = daemon.batch([dead("a", default={"o": {"x": 0, "y":0}}), part("b", '{"o":{"x":1}}')],
                          merge="deep", meta="never")
    assert answer.body == b'{"o":{"x":1,"y":0}}'


@pytest.mark.parametrize("merge", ["shallow", "deep"])
def test_a_default_in_a_conflict(daemon, merge):
    """The part that met the conflict has failed already; it decides now."""
    parts = [part("a", '{"x":1}'), dead("b", default={"x": 2})]
    answer = daemon.batch(parts, merge=merge, conflict="error")
    error = checks.failed(answer, 502, "merge_conflict", "b")
    assert error["detail"].endswith(': /x, which "a" has too')
    assert checks.tally(answer)[1:] == (2, 1, 1, 0)
    assert daemon.batch([part("a", "1")], merge="keyed").status == 200


def test_empty_bodies_are_left_out(daemon):
    """They are successes without a value."""
    empty = {"id": "e", "upstream": "demo", "url": "/empty"}
    for merge in ("deep", "patch", "coalesce"):
        assert merged(daemon, merge, empty, part("b", '{"x":1}')) == '{"x":1}'
    assert merged(daemon, "deep", empty) == "{}"
    assert merged(daemon, "patch", empty, empty | {"id": "f"}) == "{}"
    assert merged(daemon, "coalesce", empty) == "null"


def test_a_fallback_never_wins_over_a_success(daemon):
    """coalesce takes a default only when no part that succeeded has a value."""
    cache = dead("cache", default="stale")
    assert merged(daemon, "coalesce", cache, part("a", '"good"')) == '"good"'
    assert merged(daemon, "coalesce", part("a", '"good"'), cache) == '"good"'
    assert merged(daemon, "coalesce", cache, part("a", "null")) == '"stale"'
    assert merged(daemon, "coalesce", dead("x", default=None), part("a", "null")) == "null"


def test_coalesce_needs_what_is_required(daemon):
    """A required part that fails is the reply, as in every merge under policy all."""
    checks.failed(daemon.batch([part("a", "1"), dead("b")], merge="coalesce"), 502,
                  "connection_refused", "b")
    assert merged(daemon, "coalesce", dead("b", optional=True), part("a", "1")) == "1"
    checks.failed(daemon.batch([dead("b", default=1)], merge="coalesce"), 502,
                  "connection_refused", "b")


@pytest.mark.parametrize("merge", ["deep", "patch"])
def test_meta(daemon, merge):
    """The last member when the reply is partial, unless an upstream has one of that name."""
    answer = daemon.batch([part("a", '{"x":1}'), part("b", '{"y":2}'), dead("c", optional=True)],
                          merge=merge)
    assert list(answer.json()) == ["x", "y", "_meta"] and answer.json()["_meta"]["failed"] == 1
    theirs = daemon.batch([part("a", '{"\\u005fmeta":1}'), part("b", '{"y":2}'),
                           dead("c", optional=True)], merge=merge)
    assert theirs.body == b'{"\\u005fmeta":1,"y":2}'
    always = daemon.batch([part("a", '{"x":1}'), part("b", '{"y":2}')], merge=merge, meta="always")
    assert always.json()["_meta"]["partial"] is False
    removed = daemon.batch([part("a", '{"_meta":1}'), part("b", '{"_meta":null}')], merge="patch",
                           meta="always")
    assert removed.json() == {"_meta": always.json()["_meta"]}


def test_meta_is_not_coalesced(daemon):
    """The value alone."""
    answer = daemon.batch([dead("c", optional=True), part("a", "[1]")], merge="coalesce", meta="always")
    assert answer.body == b"[1]" and checks.tally(answer)[0] == "partial"


def test_levels(daemon):
    """64 objects inside each other are merged; one more is a failure that says so."""
    def nested(depth, inner):
        return '{"a":' * (depth - 1) + "{%s}" % inner + "}" * (depth - 1)

    for merge in ("deep", "patch"):
        parts = [part("p", nested(64, '"x":1')), part("q", nested(64, '"y":2'))]
        assert merged(daemon, merge, *parts) == nested(64, '"x":1,"y":2')
        parts = [part("p", nested(65, '"x":1')), part("q", nested(65, '"y":2'))]
        error = checks.failed(daemon.batch(parts, merge=merge), 502, "merge_type_mismatch", "q")
        assert error["detail"].endswith("have to be merged, at " + "/a" * 64)
        alone = nested(400, '"y":2')
        assert merged(daemon, merge, part("p", '{"b":1}'), part("q", alone)) == '{"b":1,' + alone[1:]


@pytest.mark.parametrize("merge", ["deep", "patch"])
def test_many_keys(gatherd, scripted, merge):
    """Two objects of many keys each, in time that grows with their number only."""
    count = 60000
    bodies = [("{" + ",".join(f'"k{i}":{{"{name}":{i}}}' for i in range(count)) + "}").encode()
              for name in "xy"]
    ups = [scripted([READ, reply(body), CLOSE]) for body in bodies]
    daemon = gatherd("upstreams: { a: { url: '$ONE' }, b: { url: '$TWO' } }\n", ONE=ups[0].url,
                     TWO=ups[1].url)
    answer = daemon.batch([{"id": n, "upstream": n, "url": "/"} for n in "ab"], merge=merge)
    expected = "{" + ",".join(f'"k{i}":{{"x":{i},"y":{i}}}' for i in range(count)) + "}"
    assert answer.body.decode() == expected


def test_too_large(gatherd):
    """limits.merged holds for these merges, too."""
    daemon = gatherd('limits: { merged: 1KiB }\nupstreams: { demo: { url: "$DEMO" } }\n')
    for size, status in ((1024, 200), (1025, 502)):
        text = '{"a":"%s"' % ("x" * (size - len('{"a":"","b":{"c":1}}')))
        answer = daemon.batch([part("a", text + "}"), part("b", '{"b":{"c":1}}')], merge="deep")
        assert answer.status == status, (size, answer)
        word = "complete" if status == 200 else "failed"
        assert checks.tally(answer) == (word, 2, 2, 0, 0)
