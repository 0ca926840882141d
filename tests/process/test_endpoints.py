"""Endpoints from the configuration: paths, methods, what is forwarded, templates."""

import base64
import json

import checks
import harness
import pytest

CONFIG = """
workers: 2
upstreams:
  demo: { url: "$DEMO" }
  based: { url: "$DEMO/echo/base/" }
endpoints:
  - { path: /, merge: keyed, requests: [ { id: root, upstream: demo, url: /posts/1 } ] }
  - { path: /plain, requests: [ { id: a, upstream: demo, url: /posts/1 } ] }
  - { path: /users/me, merge: raw, requests: [ { id: a, upstream: demo, url: /echo/literal } ] }
  - { path: "/users/{id}", merge: raw, requests: [ { id: a, upstream: demo, url: "/echo/{id}" } ] }
  - { path: "/users/{id}/posts/{post}", merge: raw, requests: [ { id: a, upstream: demo, url: "/echo/{post}/of/{id}" } ] }
  - { path: "/users/me/{thing}", merge: raw, requests: [ { id: a, upstream: demo, url: "/echo/mine/{thing}" } ] }
  - { path: /orders, merge: raw, requests: [ { id: a, upstream: demo, url: /echo/get } ] }
  - { path: /orders, method: POST, merge: raw, requests: [ { id: a, upstream: demo, method: POST, url: /echo/post, body: "{$request.body}" } ] }
  - { path: /orders, method: DELETE, merge: raw, requests: [ { id: a, upstream: demo, method: DELETE, url: /echo/delete } ] }
  - path: "/forward"
    merge: keyed
    forward: { headers: [authorization, X-Some], query: [lang, q] }
    requests:
      - { id: all, upstream: demo, url: "/echo{?lang,q}" }
      - { id: some, upstream: demo, url: "/echo?fixed=1{&lang}", forward: { headers: [x-some] } }
      - { id: none, upstream: demo, url: /echo, forward: { headers: [] }, headers: { X-Own: own } }
  - path: "/forms/{v}"
    merge: array
    forward: { query: [x, y, none, empty] }
    requests:
      - { id: a, upstream: demo, url: "/echo/{v}" }
      - { id: b, upstream: demo, url: "/echo/{x,y}" }
      - { id: c, upstream: demo, url: "/echo/a{.x,y}" }
      - { id: d, upstream: demo, url: "/echo{/x,y}" }
      - { id: e, upstream: demo, url: "/echo/a{;x,y,empty,none}" }
      - { id: f, upstream: demo, url: "/echo{?x,y,empty,none}" }
      - { id: g, upstream: demo, url: "/echo?a=b{&x,y,none}" }
      - { id: h, upstream: demo, url: "/echo/z{none}z" }
  - { path: /based, merge: raw, requests: [ { id: a, upstream: based, url: "/x?y=1" } ] }
  - { path: /pair, merge: array, requests: [ { id: a, upstream: demo, url: /posts/1 }, { id: b, upstream: demo, url: /posts/2 } ] }
  - { path: /nested, merge: keyed, requests: [ { id: pair, url: /pair }, { id: me, url: /users/me } ] }
  - { path: "/nested/{id}", merge: keyed, requests: [ { id: user, url: "/users/{id}" } ] }
  - { path: /fails, merge: keyed, requests: [ { id: a, upstream: demo, url: /status/500 }, { id: b, upstream: demo, url: /posts/1 } ] }
  - { path: /partial, merge: keyed, requests: [ { id: a, upstream: demo, url: /status/500, optional: true }, { id: b, upstream: demo, url: /posts/1 } ] }
  - { path: /slow, timeout: 200ms, merge: keyed, requests: [ { id: a, upstream: demo, url: /hang } ] }
"""


@pytest.fixture(scope="module")
def served(tmp_path_factory, fill):
    """A daemon with these endpoints."""
    running = harness.Gatherd(tmp_path_factory.mktemp("endpoints"), fill(CONFIG))
    yield running
    running.stop()


def target(served, path):
    """What the upstream was asked for."""
    reply = served.get(path)
    assert reply.status == 200, reply
    return reply.json()["target"]


# Paths and methods.

@pytest.mark.parametrize("path, expected", [
    ("/users/7", "/echo/7"), ("/users/me", "/echo/literal"), ("/users/me?x=1", "/echo/literal"),
    ("/users/7/posts/9", "/echo/9/of/7"), ("/users/me/x", "/echo/mine/x"),
    ("/users/me/posts", "/echo/mine/posts"), ("/users/you/posts/1", "/echo/1/of/you"),
    ("/users/me/posts/1", "/echo/1/of/me"),
])
def test_routing(served, path, expected):
    """A literal segment beats a template; the query has no say."""
    assert target(served, path) == expected


def test_root(served):
    """The root path can be an endpoint."""
    assert served.get("/").json()["root"]["id"] == 1


def test_endpoint_without_merge_is_an_envelope(served):
    """The same rules as for a batch."""
    (item,) = served.get("/plain").json()["responses"]
    assert (item["id"], item["status"], item["body"]["id"]) == ("a", 200, 1)


@pytest.mark.parametrize("path", [
    "/nothing", "/users", "/users/", "/users/7/", "/users/7/posts", "/users/7/posts/", "/Users/7",
    "//users/7", "/plain/", "/batch/", "/batch/x", "/-/nothing", "/jobs/1",
])
def test_unknown_paths(served, upstream, path):
    """404 as a problem document; an empty segment matches nothing."""
    checks.problem(served.get(path), 404)
    assert upstream.stats()["connections"] == 0


@pytest.mark.parametrize("method, seen", [("GET", "/echo/get"), ("POST", "/echo/post"),
                                          ("DELETE", "/echo/delete")])
def test_methods(served, method, seen):
    """One path, one endpoint per method."""
    reply = served.fetch(method, "/orders", {}, b"{}" if method == "POST" else None)
    assert (reply.json()["method"], reply.json()["target"]) == (method, seen)


@pytest.mark.parametrize("method, path, allow", [
    ("PUT", "/orders", {"GET", "HEAD", "POST", "DELETE"}), ("POST", "/users/7", {"GET", "HEAD"}),
    ("BREW", "/plain", {"GET", "HEAD"}),
])
def test_wrong_method(served, upstream, method, path, allow):
    """405 with Allow."""
    reply = served.fetch(method, path, {}, b"")
    checks.problem(reply, 405)
    assert set(reply.header("allow").split(", ")) == allow | {"OPTIONS"}
    assert upstream.stats()["connections"] == 0


def test_head(served):
    """HEAD is GET without the body, and the connection goes on."""
    with served.connect() as connection:
        connection.request("HEAD", "/pair")
        head = connection.receive("HEAD")
        connection.request("GET", "/pair")
        full = connection.receive()
        assert head.status == full.status == 200
        assert int(head.header("content-length")) == len(full.body)
        assert head.header("content-type") == full.header("content-type")


# Forwarding.

def test_forward_by_name(served):
    """Named headers and query members go on, narrowed by a request's own list; nothing else."""
    reply = served.get("/forward?lang=de&q=a%26b&other=1", {
        "Authorization": "Bearer t0ken", "x-some": "thing", "Cookie": "c=1", "X-Other": "no",
        "Accept-Language": "de", "User-Agent": "probe", "Referer": "http://x/"})
    seen = reply.json()
    headers = {name: {key.lower(): value for key, value in part["headers"]}
               for name, part in seen.items()}
    assert headers["all"]["authorization"] == "Bearer t0ken"
    assert headers["all"]["x-some"] == headers["some"]["x-some"] == "thing"
    assert "authorization" not in headers["some"] and "x-some" not in headers["none"]
    assert headers["none"]["x-own"] == "own"
    assert [seen[name]["target"] for name in ("all", "some", "none")] == \
        ["/echo?lang=de&q=a%26b", "/echo?fixed=1&lang=de", "/echo"]
    for part in headers.values():
        assert not {"cookie", "x-other", "accept-language", "referer"} & set(part)
        assert part.get("user-agent") != "probe"


def test_absent_things_are_not_forwarded(served):
    """What the client did not send is left out."""
    seen = served.get("/forward").json()
    assert [seen[name]["target"] for name in ("all", "some")] == ["/echo", "/echo?fixed=1"]
    assert "authorization" not in json.dumps(seen).lower()


def test_upstreams_base_path(served):
    """An upstream's own path goes before every request's."""
    assert target(served, "/based") == "/echo/base/x?y=1"


# Templates.

def test_rfc6570_forms(served):
    """Simple, label, path, parameter, query and continuation forms."""
    items = served.get("/forms/v%20w?x=1%2F2&y=%C3%A9+z&empty=&other=9").json()
    assert [item["target"] for item in items] == [
        "/echo/v%20w", "/echo/1%2F2,%C3%A9%20z", "/echo/a.1%2F2.%C3%A9%20z",
        "/echo/1%2F2/%C3%A9%20z", "/echo/a;x=1%2F2;y=%C3%A9%20z;empty",
        "/echo?x=1%2F2&y=%C3%A9%20z&empty=", "/echo?a=b&x=1%2F2&y=%C3%A9%20z", "/echo/zz"]


@pytest.mark.parametrize("value, arrives", [
    ("a%2Fb", "a%2Fb"), ("a%3Fb%3Dc", "a%3Fb%3Dc"), ("a%23b", "a%23b"), ("%25%32%66", "%252f"),
    ("a%0D%0AX-Evil:1", "a%0D%0AX-Evil%3A1"), ("a%20HTTP%2F1.1", "a%20HTTP%2F1.1"),
    ("%C3%A9", "%C3%A9"), ("%FF", "%FF"), ("a;b=c", "a%3Bb%3Dc"), ("a@b:c", "a%40b%3Ac"),
    ("~a-b_c.d", "~a-b_c.d"), ("%41", "A"), ("...", "..."), ("%7Bx%7D", "%7Bx%7D"), ("a+b", "a%2Bb"),
    ("a'b", "a%27b"),
])
def test_hostile_path_values(served, value, arrives):
    """A value never leaves its place: it adds no segment, query or header."""
    assert target(served, f"/users/{value}") == f"/echo/{arrives}"


@pytest.mark.parametrize("value", ["..", ".", "%2e%2e", "%2E", ".%2e"])
def test_dot_segments_are_refused(served, upstream, value):
    """A value that would climb is 400, and nothing is sent."""
    checks.problem(served.get(f"/users/{value}"), 400)
    assert upstream.stats()["connections"] == 0


@pytest.mark.parametrize("value", ["%", "%4", "%zz", "%00", 'a"b', "a<b", "a^b", "a\\b", "\xe9"])
def test_broken_encoding_is_refused(served, upstream, value):
    """Broken percent-encoding, NUL and characters that no URL has are 400."""
    checks.problem(served.get(f"/users/{value}"), 400)
    assert upstream.stats()["connections"] == 0


# Bodies.

@pytest.mark.parametrize("body, kind", [
    (b'{ "n": 19.990, "n": 1e400 }', "application/json; charset=utf-8"),
    (bytes(range(256)) * 300, "application/octet-stream"), (b"", "text/plain"), (b"a=1", None),
])
def test_request_body_goes_on(served, body, kind):
    """{$request.body} is the client's bytes and Content-Type."""
    seen = served.fetch("POST", "/orders", {"Content-Type": kind} if kind else {}, body).json()
    headers = {name.lower(): value for name, value in seen["headers"]}
    assert base64.b64decode(seen["bodyBase64"]) == body
    assert headers.get("content-type") == kind
    assert headers["content-length"] == str(len(body))


def test_request_body_in_chunks(served):
    """A chunked body arrives whole."""
    with served.connect() as connection:
        connection.request("POST", "/orders", {"Transfer-Encoding": "chunked"})
        connection.send(b"3\r\n[1,\r\n2\r\n2]\r\n0\r\n\r\n")
        assert connection.receive("POST").json()["body"] == "[1,2]"


def test_request_body_too_large(served, upstream):
    """The client's body has the same limit everywhere."""
    checks.problem(served.fetch("POST", "/orders", {}, b"x" * ((1 << 20) + 1)), 413)
    assert upstream.stats()["connections"] == 0


# Endpoints in place.

def test_endpoint_of_endpoints(served, upstream):
    """An endpoint may use others; they run in place, without a network hop."""
    value = served.get("/nested").json()
    assert [post["id"] for post in value["pair"]] == [1, 2]
    assert value["me"]["target"] == "/echo/literal"
    assert upstream.stats()["requests"] == 3


def test_templates_in_place(served):
    """Values pass through encoded once."""
    assert served.get("/nested/a%2Fb").json()["user"]["target"] == "/echo/a%2Fb"


def test_endpoints_in_a_batch(served, upstream):
    """A relative URL in a batch runs an endpoint."""
    reply = served.batch([{"id": "a", "url": "/nested"}, {"id": "b", "url": "/users/9?x=1"},
                          {"id": "c", "url": "/orders", "method": "POST", "body": [1.50]}])
    items = reply.json()["responses"]
    assert items[0]["body"]["me"]["target"] == "/echo/literal"
    assert items[1]["body"]["target"] == "/echo/9" and items[2]["body"]["method"] == "POST"
    assert [item["status"] for item in items] == [200, 200, 200]


def test_failing_endpoint_in_a_batch(served):
    """An endpoint's own failure is that part's reply."""
    items = served.batch([{"id": "a", "url": "/fails"}, {"id": "b", "url": "/plain"}]).json()
    assert [item["status"] for item in items["responses"]] == [502, 200]


def test_timeout_of_an_endpoint_in_place(served):
    """The request's own is that request's timeout; the endpoint's is what it answers."""
    own = served.batch([{"id": "a", "url": "/slow", "timeout": "50ms"}, {"id": "b", "url": "/plain"}],
                       merge="keyed", status="strict", policy="all")
    error = checks.failed(own, 504, "http_response_timeout", "a")
    assert error["attempts"] == 1 and error["elapsedMs"] >= 50 and "upstreamStatus" not in error
    theirs = served.batch([{"id": "a", "url": "/slow"}], merge="keyed")
    assert checks.failed(theirs, 502, "upstream_status", "a")["upstreamStatus"] == 504


def test_head_of_an_endpoint_in_place(served):
    """Has no body, as with any upstream."""
    parts = [{"id": "a", "url": "/plain", "method": "HEAD"}, {"id": "b", "url": "/plain"}]
    value = served.batch(parts, merge="keyed").json()
    assert value["a"] is None and value["b"]


def test_failing_endpoint(served):
    """A failed endpoint answers with a problem."""
    checks.failed(served.get("/fails"), 502, "upstream_status", "a")


def test_partial_endpoint(served):
    """A partial one says so."""
    reply = served.get("/partial")
    assert reply.status == 200 and reply.json()["_meta"]["failed"] == 1
    assert checks.tally(reply)[0] == "partial"


def test_endpoint_timeout(served):
    """An endpoint's timeout is a batch's."""
    checks.failed(served.get("/slow"), 504, "http_response_timeout", "a")


def test_loop_is_detected(gatherd):
    """A daemon that is its own upstream notices instead of going round."""
    daemon = gatherd("upstreams: { demo: { url: '$DEMO' } }")
    daemon.reload(f"""
listen: "127.0.0.1:0"
upstreams: {{ self: {{ url: "http://127.0.0.1:{daemon.port}" }} }}
endpoints:
  - {{ path: /loop, merge: raw, requests: [ {{ id: a, upstream: self, url: /loop }} ] }}
""", "reload")
    assert daemon.get("/loop").status == 508
