"""Shaping over real sockets: the table of docs/shaping.md, and what goes with it."""

import json
import re
import subprocess
from urllib.parse import quote

import checks
import harness
import pytest

from harness import ROOT
from scripted import CLOSE, READ, reply

PAGE = (ROOT / "docs" / "shaping.md").read_text()
BIG = '{"n":1e400,"b":18446744073709551616,"z":-0,"s":"\\u00e9\\/\\ud800","d":1,"d":2,"x":0}'
KEPT = '{"n":1e400,"b":18446744073709551616,"z":-0,"s":"\\u00e9\\/\\ud800","d":1,"d":2}'


def part(name, raw, **members):
    """A request whose upstream answers with exactly these bytes."""
    return {"id": name, "upstream": "demo", "url": "/json?raw=" + quote(raw, safe=""), **members}


def dead(name, **members):
    """A request that is refused a connection."""
    return {"id": name, "upstream": "dead", "url": "/", **members}


def rows(heading, columns):
    """The rows of the table under a heading: the case, and the code spans of each column."""
    text = PAGE.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    for line in re.findall(r"^\| (.*) \|$", text, re.M):
        cells = line.split(" | ")
        if len(cells) == columns and cells[0] != "Case":
            yield cells[0], *[re.findall(r"`(.*?)`(?= |$)", cell) for cell in cells[1:-1]], cells[-1]


SHAPES = list(rows("Shaping", 4))
MERGES = list(rows("Merging objects", 4))


def test_the_page_has_its_tables():
    """Otherwise nothing below would be tested."""
    assert len(SHAPES) > 70 and len(MERGES) > 25
    assert sum(row[-1] == "*Fault*" for row in SHAPES) > 8
    assert sum(row[-1].startswith("*Failure*") for row in SHAPES + MERGES) > 8


@pytest.mark.parametrize("case, request_, body, value", SHAPES, ids=[row[0] for row in SHAPES])
def test_shape(daemon, case, request_, body, value):
    """Each line of the table, byte for byte."""
    members = json.loads(request_[0])
    reply = daemon.batch([part("a", body[0], **members)])
    item = reply.body.split(b'"body":', 1)
    if value == "*Fault*":
        (error,) = checks.problem(reply, 400)
        assert error["pointer"].startswith("/requests/0/" + next(iter(members)))
    elif value == "*Nothing*":
        assert reply.status == 200 and reply.json()["responses"][0]["status"] == 200
        assert len(item) == 1
        nothing = daemon.batch([part("a", body[0], **members), part("b", "1")], merge="keyed")
        assert nothing.body == b'{"a":null,"b":1}' and checks.tally(nothing)[2] == 2
    elif value.startswith("*Failure*"):
        code = value.split("`")[1]
        assert item[1].count(b'"code":"%s"' % code.encode()) == 1, reply
        checks.failed(daemon.batch([part("a", body[0], **members)], merge="keyed"), 502, code, "a")
    else:
        assert item[1] == value.strip("`").encode() + b"}]}", reply
        merged = daemon.batch([part("a", body[0], **members)], merge="array")
        assert merged.body == b"[" + value.strip("`").encode() + b"]"


@pytest.mark.parametrize("case, merge, bodies, value", MERGES, ids=[row[0] for row in MERGES])
def test_merge(daemon, case, merge, bodies, value):
    """Each line of the second table, byte for byte."""
    kind, _, conflict = merge[0].partition(" ")
    requests = [part(f"p{index}", body) for index, body in enumerate(bodies)]
    reply = daemon.batch(requests, merge=kind, **({"conflict": conflict} if conflict else {}))
    if value.startswith("*Failure*"):
        checks.failed(reply, 502, value.split("`")[1])
    else:
        assert reply.status == 200 and reply.body == value.strip("`").encode(), reply


@pytest.mark.parametrize("members, expected", [
    ({"deny": ["x"]}, KEPT),
    ({"allow": ["n", "b", "z", "s", "d"]}, KEPT),
    ({"rename": {"nothing": "else"}}, BIG),
    ({"group": "g"}, '{"g":' + BIG + "}"),
    ({"rename": {"x": "y"}}, BIG.replace('"x"', '"y"')),
])
@pytest.mark.parametrize("merge", ["keyed", "array", "shallow", "deep", "patch", "coalesce"])
def test_bytes_through_every_merge(daemon, merge, members, expected):
    """Numbers, escapes and duplicate keys come out as they went in."""
    body = daemon.batch([part("a", BIG, **members)], merge=merge).body.decode()
    wrapped = {"keyed": '{"a":%s}', "array": "[%s]"}.get(merge, "%s")
    assert body == wrapped % expected


def test_shape_makes_the_type_fit(daemon):
    """The type that a merge needs is that of the shaped value."""
    items = part("a", '{"items":[1,2]}', select="/items")
    assert daemon.batch([items, part("b", "[3]")], merge="concat").body == b"[1,2,3]"
    grouped = part("c", "[1]", group="list")
    assert daemon.batch([grouped, part("d", '{"x":1}')], merge="shallow").body == \
        b'{"list":[1],"x":1}'
    checks.failed(daemon.batch([part("a", '{"a":[]}', select="/a")], merge="shallow"), 502,
                  "merge_type_mismatch", "a")


def test_two_parts_under_one_group(daemon):
    """Shallow: conflict decides; deep: both are there."""
    parts = [part("a", '{"x":1}', group="g"), part("b", '{"y":2}', group="g")]
    assert daemon.batch(parts, merge="shallow").body == b'{"g":{"y":2}}'
    assert daemon.batch(parts, merge="shallow", conflict="first").body == b'{"g":{"x":1}}'
    checks.failed(daemon.batch(parts, merge="shallow", conflict="error"), 502, "merge_conflict", "b")
    assert daemon.batch(parts, merge="deep").body == b'{"g":{"x":1,"y":2}}'


def test_default_is_not_shaped(daemon):
    """It is taken as it is written."""
    fallback = dead("a", default={"x": 1, "y": 2}, allow=["x"], group="g")
    reply = daemon.batch([fallback, part("b", "1")], merge="keyed", meta="never")
    assert reply.json() == {"a": {"x": 1, "y": 2}, "b": 1}


def test_only_successes_are_shaped(daemon):
    """An envelope shows an error reply as it came, and a text, too."""
    wrong = part("a", '{"error":"x"}', select="/data")
    wrong["url"] += "&status=404"
    text = part("b", '{"a":1}', allow=["b"])
    text["url"] += "&type=text/plain"
    first, second = daemon.batch([wrong, text]).json()["responses"]
    assert first["status"] == 404 and first["body"] == {"error": "x"}
    assert second["body"] == '{"a":1}'
    counted = daemon.batch([{**wrong, "success": [404]}]).json()["responses"][0]
    assert "body" not in counted


def test_endpoints_are_shaped(gatherd):
    """The same members in the configuration."""
    daemon = gatherd("""
upstreams: { demo: { url: "$DEMO" } }
endpoints:
  - path: /short/{id}
    merge: deep
    requests:
      - { id: p, upstream: demo, url: "/posts/{id}", allow: [id, title], rename: { title: name }, group: post }
      - { id: c, upstream: demo, url: "/posts/{id}/comments", allow: "*.id", group: comments }
""")
    value = daemon.get("/short/3").json()
    assert set(value["post"]) == {"id", "name"} and value["post"]["id"] == 3
    assert value["comments"] and all(set(item) == {"id"} for item in value["comments"])


@pytest.mark.parametrize("members, place, words", [
    ("allow: ['a..b']", "4:52", "a name is empty"),
    ("allow: [a, 7]", "4:55", "must be a string, not a number"),
    ("select: a", "4:52", "not a JSON Pointer at byte 0"),
    ("rename: [a]", "4:52", "rename is a map"),
    ("rename: { a: b.c }", "4:57", "a dot in a name is `\\.`"),
    ("rename: { 'a.': b }", "4:54", "a name is empty"),
    ("group: ''", "4:51", "must not be empty"),
])
def test_faults_in_the_configuration(tmp_path, members, place, words):
    """Wrong paths are refused when the file is read, with file, line and column."""
    file = tmp_path / "bad.yaml"
    file.write_text("upstreams: { d: { url: 'http://127.0.0.1:1' } }\nendpoints:\n- path: /x\n"
                    f"  requests: [{{ id: a, upstream: d, url: /, {members} }}]\n")
    done = subprocess.run([harness.BINARY, "--check-config", "--config", file],
                          capture_output=True, text=True, timeout=harness.PATIENCE)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert f"bad.yaml:{place}: " in line and words in line


def at_edge(document, place, daemon):
    """Whether a batch with these members is read; if not, where it is wrong."""
    reply = daemon.batch([part("a", "{}", **document)])
    if reply.status == 200:
        return True
    checks.refused(reply, 400, place)
    return False


def test_limits(daemon):
    """Each at its edge."""
    for name in ("allow", "deny"):
        paths = [f"k{number}" for number in range(129)]
        assert at_edge({name: paths[:128]}, "", daemon)
        assert not at_edge({name: paths}, f"/requests/0/{name}", daemon)
        assert at_edge({name: ".".join(["a"] * 32)}, "", daemon)
        assert not at_edge({name: ".".join(["a"] * 33)}, f"/requests/0/{name}", daemon)
        assert at_edge({name: "a" * 512}, "", daemon)
        assert not at_edge({name: "a" * 513}, f"/requests/0/{name}", daemon)
    names = {f"k{number}": f"n{number}" for number in range(65)}
    assert not at_edge({"rename": names}, "/requests/0/rename", daemon)
    assert at_edge({"rename": dict(list(names.items())[:64])}, "", daemon)
    assert at_edge({"rename": {"a": "b" * 512}, "group": "g" * 512}, "", daemon)
    assert not at_edge({"rename": {"a": "b" * 513}}, "/requests/0/rename/a", daemon)
    assert not at_edge({"group": "g" * 513}, "/requests/0/group", daemon)
    assert at_edge({"select": "/" + "s" * 511}, "", daemon)
    assert not at_edge({"select": "/" + "s" * 512}, "/requests/0/select", daemon)


def test_growth_is_bounded(gatherd):
    """New names may add as much as limits.merged, to all values together."""
    daemon = gatherd('limits: { merged: 4KiB }\nupstreams: { demo: { url: "$DEMO" } }\n')
    items = "[" + ",".join(['{"a":1}'] * 9) + "]"
    renamed = {"select": "", "rename": {"*.a": "n" * 400}}
    once = [part("a", items, **renamed), part("b", "1")]
    assert daemon.batch(once, merge="keyed").status == 200
    twice = [*once, part("c", items, **renamed)]
    error = checks.failed(daemon.batch(twice, merge="keyed"), 502, "http_response_body_size")
    assert "limits.merged" in error["detail"]


def test_deepest_body(gatherd, scripted):
    """As deep as an upstream may go, with a path that follows it as far as one can."""
    body = '{"a":' * 4000 + '{"x":1,"y":null}' + "}" * 4000
    upstream = scripted([READ, reply(body.encode()), CLOSE])
    daemon = gatherd("limits: { jsonDepth: 4096 }\n"
                     "upstreams: { demo: { url: '$DEMO' }, deep: { url: '$UP' } }\n",
                     UP=upstream.url)
    deep = {"id": "p", "upstream": "deep", "url": "/"}
    path = ".".join(["a"] * 32)
    cases = [({"allow": path}, body), ({"deny": path}, '{"a":' * 31 + "{}" + "}" * 31),
             ({"rename": {path: "b"}}, body[:31 * 5] + '{"b"' + body[31 * 5 + 4:])]
    for members, expected in cases:
        assert daemon.batch([{**deep, **members}], merge="coalesce").body == expected.encode()
    patched = daemon.batch([part("d", '{"z":1}'), {**deep, "group": "n"}], merge="patch")
    assert patched.body.decode() == '{"z":1,"n":%s}' % body.replace(',"y":null', "")


def test_raw_is_not_shaped(daemon):
    """That would be two wishes at once."""
    reply = daemon.batch([part("a", "{}", allow=["x"])], merge="raw")
    checks.refused(reply, 400, "/requests/0", "merge: raw passes the body on as it is")
