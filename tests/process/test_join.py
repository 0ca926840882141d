"""Joins over real sockets: the table of docs/shaping.md, and what goes with it."""

import json

import checks
import pytest
from scripted import CLOSE, READ, reply
from test_shaping import dead, part, rows

JOINS = list(rows("Joining", 4))


def joined(daemon, into, source, join=None, merge="keyed", **members):
    """The reply of a batch that joins two parts."""
    rule = {"into": "i", "from": "f", "key": "id", "as": "x", **(join or {})}
    parts = [source if isinstance(source, dict) else part("f", source),
             into if isinstance(into, dict) else part("i", into)]
    return daemon.batch(parts, merge=merge, join=rule, **members)


@pytest.mark.parametrize("case, join, bodies, value", JOINS, ids=[row[0] for row in JOINS])
def test_join(daemon, case, join, bodies, value):
    """Each line of the table, byte for byte; the order of the parts does not matter."""
    rule = {"into": "i", "from": "f", **json.loads(join[0])}
    parts = [part("i", bodies[0]), part("f", bodies[1])]
    for order in (parts, parts[::-1]):
        answer = daemon.batch(order, merge="keyed", join=[rule])
        if value.startswith("*Failure*"):
            checks.failed(answer, 502, value.split("`")[1], "i")
        else:
            assert answer.body == b'{"i":%s}' % value.strip("`").encode(), answer
    assert len(JOINS) > 10


def test_conflict(daemon):
    """Where an item has the member already."""
    into, source = '[{"id":1,"x":0},{"id":2}]', '[{"id":1},{"id":2}]'
    first = joined(daemon, into, source, conflict="first")
    assert first.body == b'{"i":[{"id":1,"x":0},{"id":2,"x":{"id":2}}]}'
    error = checks.failed(joined(daemon, into, source, conflict="error"), 502, "merge_conflict", "i")
    assert 'join: an item has a member "x" already' in error["detail"]


def test_what_is_shown(daemon):
    """The source is not, unless it is kept, whatever the merge."""
    into, source = '[{"id":1}]', '[{"id":1}]'
    whole = '[{"id":1,"x":{"id":1}}]'
    assert joined(daemon, into, source, merge="array").body.decode() == "[" + whole + "]"
    assert joined(daemon, into, source, merge="concat").body.decode() == whole
    assert joined(daemon, into, source, merge="coalesce").body.decode() == whole
    kept = joined(daemon, into, source, {"keep": True})
    assert kept.body.decode() == '{"f":[{"id":1}],"i":' + whole + "}"
    assert checks.tally(kept) == ("complete", 2, 2, 0, 0)
    assert joined(daemon, '{"id":1}', source, merge="deep").body == b'{"id":1,"x":{"id":1}}'
    parts = [part("f", source), part("i", into)]
    rule = {"into": "i", "from": "f", "key": "id", "as": "x"}
    (item,) = daemon.batch(parts, join=rule).json()["responses"]
    assert item["id"] == "i" and item["body"] == [{"id": 1, "x": {"id": 1}}]


def test_failed_sources(daemon):
    """A default is looked up in; otherwise nothing is put in, and the failure is named."""
    into = '[{"id":1}]'
    answer = joined(daemon, into, dead("f", default=[{"id": 1, "d": 2}]))
    assert answer.json()["i"] == [{"id": 1, "x": {"id": 1, "d": 2}}]
    answer = joined(daemon, into, dead("f", optional=True))
    assert answer.json()["i"] == [{"id": 1}] and "f" not in answer.json()
    assert answer.json()["_meta"]["errors"][0]["id"] == "f"
    items = daemon.batch([part("i", into), dead("f")],
                         join={"into": "i", "from": "f", "key": "id", "as": "x"}).json()["responses"]
    assert [item["id"] for item in items] == ["i", "f"]
    assert joined(daemon, dead("i", default=[{"id": 1}]), "[]").status in (200, 502)


def test_shaped_values_are_joined(daemon):
    """After shaping, in order: one can use what another has put in."""
    parts = [part("orders", '{"d":[{"o":1,"user":7,"x":0}]}', select="/d", deny="*.x"),
             part("users", '[{"id":7,"city":"c1","y":0}]', deny="*.y"),
             part("cities", '[{"id":"c1","name":"A"}]')]
    joins = [{"into": "users", "from": "cities", "key": "city", "by": "id", "as": "where"},
             {"into": "orders", "from": "users", "key": "user", "by": "id", "as": "who"}]
    answer = daemon.batch(parts, merge="keyed", join=joins)
    assert answer.body == (b'{"orders":[{"o":1,"user":7,"who":{"id":7,"city":"c1",'
                          b'"where":{"id":"c1","name":"A"}}}]}')


def test_growth_is_bounded(gatherd, scripted):
    """A product of two lists ends at limits.merged, at once."""
    body = b"[" + b",".join([b'{"id":1}'] * 20000) + b"]"
    upstream = scripted([READ, reply(body), CLOSE])
    daemon = gatherd("limits: { merged: 1MiB }\nupstreams: { up: { url: '$UP' } }\n",
                     UP=upstream.url)
    answer = daemon.batch([{"id": name, "upstream": "up", "url": "/"} for name in "if"],
                          merge="keyed", join={"into": "i", "from": "f", "key": "id", "as": "x",
                                               "many": True})
    assert answer.status == 502 and "limits.merged" in answer.json()["detail"]


@pytest.mark.parametrize("join, place", [
    ({"into": "nobody"}, "/join/into"), ({"from": "nobody"}, "/join/from"),
    ({"from": "i"}, "/join/from"), ({"key": "a.*"}, "/join/key"), ({"key": "a..b"}, "/join/key"),
    ({"by": ".".join("a" * 33)}, "/join/by"), ({"at": "items"}, "/join/at"), ({"as": "a.b"}, "/join/as"), ({"as": ""}, "/join/as"),
    ({"manny": True}, "/join/manny"), ({"as": "a" * 513}, "/join/as"),
])
def test_faults(daemon, join, place):
    """Each with its place."""
    checks.refused(joined(daemon, "[]", "[]", join), 400, place)


def test_limits(daemon):
    """16 joins, and none with raw."""
    parts = [part("i", "[]"), part("f", "[]")]
    joins = [{"into": "i", "from": "f", "key": "id", "as": f"x{n}"} for n in range(17)]
    assert daemon.batch(parts, merge="keyed", join=joins[:16]).body == b'{"i":[]}'
    checks.refused(daemon.batch(parts, merge="keyed", join=joins), 400, "/join")
    checks.refused(daemon.batch(parts, merge="keyed", join=[]), 400, "/join")
    checks.refused(daemon.batch(parts, merge="keyed", join="x"), 400, "/join")
    assert joined(daemon, "[]", "[]", {"by": ".".join("a" * 32), "as": "a" * 512}).status == 200
    checks.refused(daemon.batch(parts[:1], merge="raw", join=joins[0]), 400, "/join")
