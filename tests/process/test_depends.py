"""Requests that wait for others and use what those brought."""

import json
import re

import pytest

CONFIG = """
workers: 1
egress: { allow: ["127.0.0.1:$PORT"] }
limits: { replyBody: 4MiB }
upstreams:
  up:     { url: "http://127.0.0.1:$PORT", timeout: 10s, batch: { methods: [GET, HEAD, POST, PUT] } }
  narrow: { url: "http://127.0.0.1:$PORT/v1/", batch: { methods: [GET], paths: ["/open/*"] } }
endpoints:
  - path: /inner/{id}
    merge: keyed
    requests: [ { id: i, upstream: up, url: "/inner/{id}" } ]
  - path: /client/{id}
    method: POST
    merge: keyed
    headers: { X-All: "<{$request.header.X-All}>" }
    query: { q: "{$request.query.q}" }
    requests:
      - { id: a, upstream: up, url: "/a/{$request.path.id}", optional: true }
      - { id: b, upstream: up, url: "/b", method: POST, optional: true,
          body: { whole: "{$request.body}", name: "<{$request.body#/name}>", raw: "{$$request" } }
  - path: /chain
    merge: keyed
    requests:
      - { id: user, upstream: up, url: "/user" }
      - { id: orders, upstream: up, url: "/orders/{$responses.user.body#/id}", default: [] }
"""


def start(gatherd, recorder, answer=None):
    """A daemon and its upstream."""
    upstream = recorder(answer)
    return gatherd(CONFIG, PORT=upstream.port), upstream


def get(name, url, **more):
    """A request of a batch."""
    return {"id": name, "upstream": "up", "url": url, **more}


def errors(reply):
    """The codes of what failed, by id."""
    value = reply.json()
    found = value.get("errors") or value.get("_meta", {}).get("errors", [])
    return {error["id"]: error["code"] for error in found}


def test_a_reference_is_a_dependency(gatherd, recorder):
    """The value of one reply stands in the URL of the next call."""
    daemon, upstream = start(gatherd, recorder, lambda target, head, body: (200, {}, {"id": 7}))
    reply = daemon.batch([get("user", "/users/me"),
                          get("orders", "/orders/{$responses.user.body#/id}?u={$responses.user.body#/id}")],
                         merge="keyed")
    assert reply.status == 200, reply
    assert upstream.targets() == ["/users/me", "/orders/7?u=7"]
    assert list(reply.json()) == ["user", "orders"]


def test_references_may_look_forward(gatherd, recorder):
    """The declared order does not matter."""
    daemon, upstream = start(gatherd, recorder)
    reply = daemon.batch([get("last", "/z/{$responses.middle.status}"),
                          get("middle", "/m", dependsOn=["first"]), get("first", "/f")], merge="keyed")
    assert reply.status == 200, reply
    assert upstream.targets() == ["/f", "/m", "/z/200"]
    assert list(reply.json()) == ["last", "middle", "first"]


def test_what_can_run_in_parallel_does(gatherd, recorder):
    """A diamond's two sides are in flight together; its end waits for both."""
    daemon, upstream = start(gatherd, recorder)

    def answer(target, head, body):
        if target == "/top":
            upstream.gate = 2
        return 200, {}, {"t": target}
    upstream.answer = answer
    reply = daemon.batch([get("top", "/top"), get("left", "/left", dependsOn="top"),
                          get("right", "/right", dependsOn="top"),
                          get("end", "/end", dependsOn=["left", "right"])], merge="keyed")
    assert reply.status == 200, reply
    assert upstream.most == 2
    assert upstream.targets()[0] == "/top" and upstream.targets()[3] == "/end"


def test_independent_requests_do_not_wait(gatherd, recorder):
    """The others of the batch are sent at once, with those somebody waits for."""
    daemon, upstream = start(gatherd, recorder)
    upstream.gate = 3
    reply = daemon.batch([get("a", "/a"), get("b", "/b"), get("c", "/c"),
                          get("d", "/d", dependsOn=["a"])], merge="keyed")
    assert reply.status == 200, reply
    assert upstream.most == 3


def test_a_long_chain(gatherd, recorder):
    """Thirty-two requests, each waiting for the one before."""
    daemon, upstream = start(gatherd, recorder,
                             lambda target, head, body: (200, {}, int(target[1:]) + 1))
    chain = [get("r0", "/0")] + [get(f"r{i}", "/{$responses.r%d.body}" % (i - 1)) for i in range(1, 32)]
    reply = daemon.batch(chain, merge="array")
    assert reply.json() == list(range(1, 33))
    assert upstream.targets() == [f"/{i}" for i in range(32)]
    assert upstream.most == 1


def test_status_and_header(gatherd, recorder):
    """Of a reply whose body is not JSON, too."""
    daemon, upstream = start(gatherd, recorder, lambda target, head, body: (
        201, {"Content-Type": "text/plain", "X-Token": "a b/c", "Location": "/made/1"}, b"no json"))
    reply = daemon.batch([get("a", "/a"),
                          get("b", "/{$responses.a.status}/{$responses.a.header.x-token}",
                              headers={"X-From": "<{$responses.a.header.location}>"}),
                          get("c", "/c/{$responses.a.body}"), get("d", "/d/{$responses.a.body#/x}")])
    assert upstream.targets() == ["/a", "/201/a%20b%2Fc"]
    assert b"\r\nX-From: </made/1>" in upstream.requests[1][0]
    parts = reply.json()["responses"]
    assert [part["status"] for part in parts] == [201, 201, 424, 424]
    assert parts[2]["body"]["code"] == "unresolved_reference"
    assert parts[2]["body"]["attempts"] == 0


def test_a_failed_chain_is_skipped(gatherd, recorder):
    """What depends on a failure is never sent, and says on whom it depended."""
    daemon, upstream = start(gatherd, recorder, lambda target, head, body: (500, {}, {}))
    reply = daemon.batch([get("a", "/a"), get("b", "/{$responses.a.body#/id}"),
                          get("c", "/{$responses.b.body#/id}"), get("d", "/d", dependsOn=["c"])])
    assert upstream.targets() == ["/a"]
    parts = reply.json()["responses"]
    assert [part["status"] for part in parts] == [500, 424, 424, 424]
    assert [part["body"].get("code") for part in parts[1:]] == ["dependency_failed"] * 3
    assert "\"a\"" in parts[1]["body"]["detail"] and "\"b\"" in parts[2]["body"]["detail"]
    assert reply.header("aggregate-status") == "partial; total=4; ok=0; failed=4; skipped=0" or \
        "failed=4" in reply.header("aggregate-status")


def test_a_required_dependent_of_a_failure(gatherd, recorder):
    """Under `all` the batch fails with it; an optional one is left out."""
    daemon, upstream = start(gatherd, recorder, lambda target, head, body: (
        404 if target == "/a" else 200, {}, {"t": target}))
    reply = daemon.batch([get("a", "/a", optional=True), get("b", "/b", dependsOn=["a"])], merge="keyed")
    assert reply.status == 424, reply
    assert errors(reply) == {"a": "upstream_status", "b": "dependency_failed"}
    reply = daemon.batch([get("a", "/a", optional=True), get("b", "/b", dependsOn=["a"], optional=True),
                          get("c", "/c")], merge="keyed")
    assert reply.status == 200
    assert reply.json()["b"] is None and reply.json()["c"] == {"t": "/c"}
    assert errors(reply) == {"a": "upstream_status", "b": "dependency_failed"}
    assert "/b" not in upstream.targets()


def test_a_default_feeds_dependents(gatherd, recorder):
    """A failed part with a default is as good as one that succeeded."""
    daemon, upstream = start(gatherd, recorder, lambda target, head, body: (
        500 if target == "/a" else 200, {}, {"t": target}))
    reply = daemon.batch([get("a", "/a", default={"id": 5}),
                          get("b", "/b/{$responses.a.body#/id}")], merge="keyed")
    assert reply.status == 200, reply
    assert upstream.targets() == ["/a", "/b/5"]


def test_a_skipped_part_is_not_waited_for(gatherd, recorder):
    """A required failure under `all` ends the batch; what waited counts as skipped."""
    daemon, upstream = start(gatherd, recorder, lambda target, head, body: (
        500 if target == "/bad" else 200, {}, {"t": target}))

    def answer(target, head, body):
        return (500 if target == "/bad" else 200), {}, {}
    upstream.answer = answer
    reply = daemon.batch([get("bad", "/bad"), get("x", "/x", dependsOn=["bad"])], merge="keyed")
    assert reply.status == 502
    assert "skipped=1" in reply.header("aggregate-status")
    assert upstream.targets() == ["/bad"]


@pytest.mark.parametrize("merge", [None, "keyed", "array", "shallow"])
def test_every_merge_feeds_dependents(gatherd, recorder, merge):
    """Whatever the reply looks like, a dependent sees the body as it came."""
    daemon, upstream = start(gatherd, recorder, lambda target, head, body: (
        200, {"Content-Type": "text/plain"}, b' {"id": 1.50 } '))
    members = {"merge": merge} if merge else {}
    daemon.batch([get("a", "/a"), get("b", "/b/{$responses.a.body#/id}")], **members)
    assert upstream.targets() == ["/a", "/b/1.50"]


def test_an_endpoint_in_place_waits(gatherd, recorder):
    """An endpoint of our own depends on others, and others on it."""
    daemon, upstream = start(gatherd, recorder)
    reply = daemon.batch([get("a", "/a"), {"id": "b", "url": "/inner/{$responses.a.status}"},
                          get("c", "/c?t={$responses.b.body#/i/target}")], merge="keyed")
    assert reply.status == 200, reply
    assert upstream.targets() == ["/a", "/inner/200", "/c?t=%2Finner%2F200"]
    reply = daemon.batch([get("a", "/a"), {"id": "b", "url": "/none/{$responses.a.status}"}])
    assert reply.json()["responses"][1]["body"]["code"] == "unresolved_reference"


def test_an_endpoint_with_a_chain(gatherd, recorder):
    """In the configuration, as in a document."""
    daemon, upstream = start(gatherd, recorder, lambda target, head, body: (200, {}, {"id": "x y"}))
    assert daemon.get("/chain").json()["orders"] == {"id": "x y"}
    assert upstream.targets() == ["/user", "/orders/x%20y"]
    upstream.answer = lambda target, head, body: (200, {}, {"other": 1})
    reply = daemon.get("/chain")
    assert reply.json()["orders"] == [] and errors(reply) == {"orders": "unresolved_reference"}


def test_the_clients_request(gatherd, recorder):
    """Path, query, header and body of the client, filled before anything is sent."""
    daemon, upstream = start(gatherd, recorder)
    body = b'{"name": "a\\"\\u00e9\\\\b", "n": 1.0}'
    reply = daemon.fetch("POST", "/client/x%2Fy?q=1%262", {"X-All": "yes \t"}, body)
    assert reply.status == 200 and not errors(reply), reply
    by_target = {head.split()[1]: (head, sent) for head, sent in upstream.requests}
    assert set(by_target) == {b"/a/x%2Fy?q=1%262", b"/b?q=1%262"}
    head, sent = by_target[b"/b?q=1%262"]
    assert sent == b'{"whole":' + body + b',"name":"<a\\"\\u00e9\\\\b>","raw":"{$request"}'
    assert b"\r\nX-All: <yes>\r\n" in head
    upstream.requests.clear()
    reply = daemon.fetch("POST", "/client/x", {"X-All": "yes"}, b"{}")
    assert errors(reply) == {"a": "unresolved_reference", "b": "unresolved_reference"}
    assert not upstream.requests


def test_a_client_leaves_while_the_second_stage_waits(gatherd, recorder):
    """Its calls are cancelled; what had not begun never does."""
    daemon, upstream = start(gatherd, recorder)

    def answer(target, head, body):
        if target == "/a":
            upstream.gate = 99
        return 200, {}, {}
    upstream.answer = answer
    document = {"requests": [get("a", "/a"), get("b", "/b", dependsOn=["a"]),
                             get("c", "/c", dependsOn=["b"])]}
    with daemon.connect() as connection:
        connection.request("POST", "/batch", {"Content-Type": "application/json"},
                           json.dumps(document).encode())
        upstream.wait(2)
    upstream.wait_gone(1)
    upstream.open()
    assert daemon.batch([get("z", "/z")]).status == 200
    assert upstream.targets() == ["/a", "/b", "/z"]


def test_the_deadline_of_the_batch(gatherd, recorder):
    """It holds for the second stage, too, and what has not begun fails with it."""
    daemon, upstream = start(gatherd, recorder)

    def answer(target, head, body):
        if target == "/a":
            upstream.gate = 99
        return 200, {}, {"ok": 1}
    upstream.answer = answer
    reply = daemon.batch([get("a", "/a"), get("b", "/b", dependsOn=["a"]),
                          get("c", "/c", dependsOn=["b"])],
                         timeout="300ms", onTimeout="partial", merge="keyed")
    assert reply.status == 200
    assert reply.json()["a"] == {"ok": 1}
    assert errors(reply) == {"b": "http_response_timeout", "c": "http_response_timeout"}
    late, never = reply.json()["_meta"]["errors"]
    assert (late["attempts"], never["attempts"]) == (1, 0)
    assert "before the request was sent" in never["detail"] and "before" not in late["detail"]
    told = re.search(rb"X-Request-Timeout-Ms: (\d+)", upstream.requests[1][0])
    assert int(told.group(1)) <= 300
    assert upstream.targets() == ["/a", "/b"]


BAD = [
    ([get("a", "/{$responses.a.body}")], "/requests/0/url", "wait for itself"),
    ([get("user", "/"), get("b", "/{$responses.usr.body}")], "/requests/1/url", 'did you mean "user"?'),
    ([get("a", "/", dependsOn=["b"]), get("b", "/", dependsOn=["a"])], "/requests/0", "a -> b -> a"),
    ([get("a", "/{$responses.c.status}"), get("b", "/", dependsOn="a"), get("c", "/", dependsOn="b")],
     "/requests/0", "a -> c -> b -> a"),
    ([get("a", "/", dependsOn=["nobody"])], "/requests/0/dependsOn/0", "no request"),
    ([get("a", "/{$item}")], "/requests/0/url", "foreach"),
    ([get("a", "/{$request.query.x}")], "/requests/0/url", "for endpoints"),
    ([get("a", "/x", headers={"A": "{$x}"})], "/requests/0/headers/A", "begins with"),
    ([get("a", "/x", headers={"Content-Type": "{$responses.b.status}"})],
     "/requests/0/headers/Content-Type", "no expressions"),
    ([{"id": "a", "url": "http://{$responses.b.body}/"}, get("b", "/")], "/requests/0/url", "not before"),
    ([get("a", "/{$responses.b.body#x}"), get("b", "/")], "/requests/0/url", "begins with /"),
    ([get("a", "/{$$x}")], "/requests/0/url", "%7B"),
    ([get("a", "/", method="POST", body={"x": "{$responses.b.body#/~}"}), get("b", "/")],
     "/requests/0/body", "~"),
]


@pytest.mark.parametrize("requests, place, words", BAD)
def test_what_is_refused(gatherd, recorder, requests, place, words):
    """Before anything is sent, with its place."""
    daemon, upstream = start(gatherd, recorder)
    reply = daemon.batch(requests)
    assert reply.status == 400, reply
    assert [error["pointer"] for error in reply.json()["errors"]] == [place], reply
    assert words in reply.json()["errors"][0]["detail"]
    assert not upstream.requests


def test_too_many_expressions(gatherd, recorder):
    """256 by default."""
    daemon, upstream = start(gatherd, recorder, lambda target, head, body: (200, {}, 1))

    def requests(count):
        return [get("a", "/a"), get("b", "/b", method="POST", body=["{$responses.a.body}"] * count)]
    assert daemon.batch(requests(256), merge="keyed").status == 200
    assert json.loads(upstream.requests[-1][1]) == [1] * 256
    reply = daemon.batch(requests(257), merge="keyed")
    assert reply.status == 400 and "limits.expressions" in reply.json()["errors"][0]["detail"]


def test_a_filled_body_is_bounded(gatherd, recorder):
    """By limits.replyBody."""
    text = "x" * 1_000_000
    daemon, upstream = start(gatherd, recorder, lambda target, head, body: (200, {}, text))

    def requests(count):
        return [get("a", "/a"), get("b", "/b", method="POST", body=["{$responses.a.body}"] * count)]
    assert daemon.batch(requests(4), merge="array").status == 200
    assert json.loads(upstream.requests[-1][1]) == [text] * 4
    reply = daemon.batch(requests(5), merge="array")
    assert reply.status == 424 and errors(reply) == {"b": "unresolved_reference"}
    assert len(upstream.requests) == 3


def test_the_upstreams_paths_hold_for_what_was_filled(gatherd, recorder):
    """A client cannot reach a path that it could not have written."""
    daemon, upstream = start(gatherd, recorder, lambda target, head, body: (200, {}, target[1:]))
    reply = daemon.batch([get("a", "/secret/x"), get("b", "/x"),
                          {"id": "c", "upstream": "narrow", "url": "/open/{$responses.b.body}"},
                          {"id": "d", "upstream": "narrow", "url": "/open/{$responses.a.body}"},
                          {"id": "e", "upstream": "narrow", "url": "/{$responses.b.body}/x"}])
    parts = {part["id"]: part for part in reply.json()["responses"]}
    assert parts["c"]["status"] == 200
    assert parts["d"]["body"]["code"] == parts["e"]["body"]["code"] == "http_request_denied"
    assert parts["d"]["status"] == 403
    assert sorted(upstream.targets()) == ["/secret/x", "/v1/open/x", "/x"]


def test_absolute_urls(gatherd, recorder):
    """Path and query may be filled; the host is judged before anything is sent."""
    daemon, upstream = start(gatherd, recorder, lambda target, head, body: (200, {}, "a/b"))
    reply = daemon.batch([get("a", "/a"),
                          {"id": "b", "url": upstream.url + "/x/{$responses.a.body}?y={$responses.a.body}"}],
                         merge="keyed")
    assert reply.status == 200, reply
    assert upstream.targets() == ["/a", "/x/a%2Fb?y=a%2Fb"]
    reply = daemon.batch([get("a", "/a"), {"id": "b", "url": "http://other.test/{$responses.a.body}"}])
    assert reply.status == 403


def test_literal_braces_in_bodies(gatherd, recorder):
    """A client's text is its own: only what begins like an expression is one."""
    daemon, upstream = start(gatherd, recorder)
    body = {"a": "{$x} {$item} {$request.body} {$", "{$responses.z.body}": 1, "b": "{$$responses.a.body}"}
    reply = daemon.batch([get("a", "/a", method="POST", body=body)])
    assert reply.status == 200, reply
    sent = json.loads(upstream.requests[0][1])
    assert sent == {**body, "b": "{$responses.a.body}"}


URL_SAFE = re.compile(rb"[A-Za-z0-9._~%-]*")


def hostile():
    """JSON texts of strings that try to leave their place."""
    texts = ['"', '\\"', "a\r\nX-Evil: 1", "\r\n\r\nGET /evil HTTP/1.1\r\n\r\n", "%2e%2e", "%", "&admin=1",
             "1?admin=1", "#frag", "../../etc", ".", "..", "a/../b", "\\..\\", "\x00", "a\x00b", "é€😀",
             '","admin":true,"x":"', "{$responses.a.body}", "{$$", "}", " x ", "\t", "", "+", "a b", ";", "\x7f",
             "\u2028", "x" * 1_000_000, "x" * 9000, "/" * 20]
    return [json.dumps(text) for text in texts] + ['"\\ud800"', '"a\\udfffb"', '"\\u0000\\/"', "null", "{}", "[1]",
                                                   "true", "1e400", "-0"]


@pytest.mark.parametrize("number", range(len(hostile())))
def test_hostile_values_stay_in_their_place(gatherd, recorder, number):
    """Asserted on the raw bytes that the upstream received."""
    value = hostile()[number]
    daemon, upstream = start(gatherd, recorder)

    def answer(target, head, body):
        raw = b'{"v":' + value.encode() + b"}"
        return 200, {"Content-Type": "application/json"}, raw if target == "/a" else b"{}"
    upstream.answer = answer
    reference = "{$responses.a.body#/v}"
    reply = daemon.batch([
        get("a", "/a"), get("path", f"/p/{reference}/end"), get("query", f"/q?one={reference}&two=2"),
        get("header", "/h", headers={"X-One": f"{reference}", "X-Two": "2"}),
        get("body", "/b", method="POST", body={"one": reference, "two": [f"<{reference}>"]}),
        get("whole", "/w", method="POST", body=reference),
        get("text", "/t", method="POST", body=f"<{reference}>", headers={"Content-Type": "text/plain"})])
    assert reply.status == 200, reply
    parts = {part["id"]: part["body"].get("code") if part["status"] == 424 else None
             for part in reply.json()["responses"]}
    decoded = json.loads(value)
    seen = {}
    for head, body in upstream.requests:
        lines = head.split(b"\r\n")
        target = lines[0].split(b" ")[1]
        assert len(lines[0].split(b" ")) == 3
        names = [line.split(b":")[0].lower() for line in lines[1:]]
        assert set(names) <= {b"host", b"user-agent", b"accept", b"via", b"cdn-loop", b"x-request-timeout-ms",
                              b"x-one", b"x-two", b"content-type", b"content-length"}, head
        assert len(names) == len(set(names))
        seen[target[:2]] = target, lines, body
    assert set(seen) <= {b"/a", b"/p", b"/q", b"/h", b"/b", b"/w", b"/t"}
    if b"/p" in seen:
        match = re.fullmatch(rb"/p/(.+)/end", seen[b"/p"][0])
        assert match and URL_SAFE.fullmatch(match.group(1)) and match.group(1) not in (b".", b"..")
    if b"/q" in seen:
        match = re.fullmatch(rb"/q\?one=(.*)&two=2", seen[b"/q"][0])
        assert match and URL_SAFE.fullmatch(match.group(1))
    assert json.loads(seen[b"/w"][2]) == decoded and seen[b"/w"][2] == value.encode()
    has_text = isinstance(decoded, (str, int, float)) and decoded is not None
    if b"/b" in seen:
        sent = json.loads(seen[b"/b"][2])
        assert list(sent) == ["one", "two"] and sent["one"] == decoded and len(sent["two"]) == 1
        inside = value[1:-1] if value.startswith('"') else value
        assert seen[b"/b"][2] == ('{"one": %s, "two": ["<%s>"]}' % (value, inside)).encode()
    if not has_text:
        assert {name for name, code in parts.items() if code == "unresolved_reference"} == {
            "path", "query", "header", "body", "text"}
    if value == '"1?admin=1"':
        assert seen[b"/p"][0] == b"/p/1%3Fadmin%3D1/end"
        assert seen[b"/q"][0] == b"/q?one=1%3Fadmin%3D1&two=2"
    if value in ('"."', '".."', '""', '"a/../b"') or len(value) > 8000:
        assert parts["path"] == "unresolved_reference"
    if isinstance(decoded, str) and re.search("[\\x00-\\x08\\x0a-\\x1f\\x7f]", decoded):
        assert parts["header"] == "unresolved_reference"
    if b"/h" in seen and isinstance(decoded, str):
        line = [line for line in seen[b"/h"][1] if line.startswith(b"X-One:")]
        assert [text.strip(b" ") for text in line] == [b"X-One: " + decoded.strip(" \t").encode()] or \
            (line == [b"X-One:"] and not decoded.strip(" \t"))
