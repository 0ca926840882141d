"""?explain: what would be done, without doing it."""

import json
import urllib.parse

import checks
import pytest

CONFIG = """
workers: 1
explain: $ON
egress: { allow: ["127.0.0.1:$PORT"] }
upstreams:
  up: { url: "http://127.0.0.1:$PORT", timeout: 700ms, connectTimeout: 300ms,
        batch: { methods: [GET, POST], paths: ["/open/**"] } }
  nameless: { url: "https://no-such-host.invalid/v1", proxy: "http://user:pw@proxy.invalid:3128" }
endpoints:
  - path: /plain/{id}
    merge: keyed
    query: { apiKey: hunter2 }
    forward: { headers: [authorization, cookie, x-note], query: [explain] }
    requests:
      - { id: a, upstream: up, url: "/a/{id}{?explain}", headers: { X-Client-Token: hunter2 } }
      - { id: b, upstream: nameless, url: /b, default: null }
  - path: /yes
    explain: true
    requests:
      - { id: in, url: /in/1 }
      - { id: out, url: "/plain/{$responses.in.body#/responses/0/body/x}" }
  - path: /no
    explain: false
    requests: [ { id: in, url: /in/1 } ]
  - path: /in/{x}
    explain: true
    requests: [ { id: i, upstream: up, url: "/open/{x}" } ]
  - path: /post
    method: POST
    explain: true
    merge: keyed
    requests:
      - { id: whole, upstream: up, method: POST, url: /whole, body: "{$request.body}" }
      - { id: part, upstream: up, method: POST, url: "/part", body: { of: "{$request.body#/list}", secret: hunter2 } }
      - { id: each, upstream: up, url: "/each/{$item}", foreach: { from: "$request.body#/list" } }
"""


@pytest.fixture
def start(gatherd, recorder):
    """Starts a daemon and an upstream that must stay unasked, but for `expected` requests."""
    seen = []

    def begin(on="true"):
        upstream = recorder()
        upstream.expected = 0
        seen.append(upstream)
        return gatherd(CONFIG, ON=on, PORT=upstream.port), upstream

    yield begin
    for upstream in seen:
        assert len(upstream.requests) == upstream.expected, upstream.targets()


def plan(reply):
    """The plan in a reply."""
    assert reply.status == 200, reply
    assert reply.header("content-type") == "application/json"
    assert reply.header("cache-control") == "no-store"
    assert reply.header("etag") is None
    return reply.json()["explain"]


def by_id(explained):
    """The requests of a plan."""
    return {request["id"]: request for request in explained["requests"]}


def get(name, url, **more):
    """A request of a batch."""
    return {"id": name, "upstream": "up", "url": url, **more}


def post(daemon, requests, query="?explain", headers=(), **members):
    """POST /batch with a query."""
    document = json.dumps({"requests": requests, **members}).encode()
    return daemon.fetch("POST", "/batch" + query, headers, document)


def test_a_diamond(start):
    """Stages follow from what waits for what; only the first is known."""
    daemon, upstream = start()
    base = f"http://127.0.0.1:{upstream.port}"
    explained = plan(post(daemon, [
        get("last", "/open/{$responses.left.body#/x}/{$responses.right.status}"),
        get("left", "/open/l?i={$responses.first.body#/id}", timeout="50ms"),
        get("right", "/open/r", dependsOn=["first"], optional=True),
        get("first", "/open/f"), get("alone", "/open/f")], merge="keyed", timeout="600ms"))
    assert explained["endpoint"] == "/batch"
    assert (explained["policy"], explained["merge"], explained["timeoutMs"]) == ("all", "keyed", 600)
    assert explained["stages"] == [["first", "alone"], ["left", "right"], ["last"]]
    parts = by_id(explained)
    assert [parts[name]["stage"] for name in ("last", "left", "right", "first")] == [2, 1, 1, 0]
    assert parts["last"]["dependsOn"] == ["left", "right"]
    assert [parts[name]["known"] for name in ("last", "left", "right", "first")] == [False, False, True, True]
    assert parts["last"]["url"] == base + "/open/{$responses.left.body#/x}/{$responses.right.status}"
    assert parts["left"]["url"] == base + "/open/l?i={$responses.first.body#/id}"
    assert (parts["left"]["timeoutMs"], parts["left"]["connectTimeoutMs"]) == (50, 50)
    assert (parts["first"]["timeoutMs"], parts["first"]["connectTimeoutMs"]) == (600, 300)
    assert parts["right"]["optional"] and not parts["right"]["default"]


def test_secrets_are_masked(start):
    """Neither the configuration's secrets nor the client's are in the reply."""
    daemon, upstream = start()
    reply = daemon.get("/plain/7?explain=1", {"Authorization": "Bearer hunter2", "Cookie": "a=hunter2",
                                              "X-Note": "seen"})
    parts = by_id(plan(reply))
    assert b"hunter2" not in reply.body and b"user" not in reply.body and b"pw" not in reply.body
    headers = parts["a"]["headers"]
    assert headers["Authorization"] == headers["Cookie"] == headers["X-Client-Token"] == "***"
    assert headers["X-Note"] == "seen"
    assert headers["X-Request-Timeout-Ms"] == "700"
    assert parts["a"]["url"] == f"http://127.0.0.1:{upstream.port}/a/7?explain=1&apiKey=***"
    assert parts["b"]["url"] == "https://no-such-host.invalid/v1/b?apiKey=***"
    assert parts["b"]["default"] and parts["b"]["optional"]


@pytest.mark.parametrize("word", ["", "=", "=true", "=1"])
def test_ways_to_ask(start, word):
    """All of them, by GET and HEAD."""
    daemon, _ = start()
    asked = daemon.get("/in/5?explain" + word)
    assert by_id(plan(asked))["i"]["url"].endswith("/open/5")
    head = daemon.fetch("HEAD", "/in/5?explain" + word)
    assert head.status == 200 and head.body == b""
    assert head.header("content-length") == str(len(asked.body))


@pytest.mark.parametrize("word", ["=false", "=0"])
def test_ways_not_to_ask(start, word):
    """The batch is run; GET /batch does not stumble over the word."""
    daemon, upstream = start()
    upstream.expected = 3
    assert daemon.get("/in/5?explain" + word).json()["responses"][0]["status"] == 200
    reply = daemon.get(f"/batch?explain{word}&url=/in/6")
    assert reply.status == 200 and "responses" in reply.json(), reply
    assert "responses" in post(daemon, [get("x", "/open/7")], "?explain" + word).json()
    assert upstream.targets() == ["/open/5", "/open/6", "/open/7"]


def test_an_unclear_word(start):
    """Neither yes nor no is refused, and nothing is run."""
    daemon, _ = start()
    for target in ("/in/5?explain=maybe", "/batch?url=/in/5&explain=2"):
        checks.refused(daemon.get(target), 400, "explain", "true", "false")


def test_off(start):
    """Where it is not allowed, the word is a query member like any other."""
    daemon, upstream = start("false")
    upstream.expected = 3
    reply = daemon.get("/plain/7?explain=a%20b")
    assert "a" in reply.json(), reply
    checks.refused(daemon.get("/batch?explain&url=/in/1"), 400, "explain", "explain", "url")
    assert "responses" in post(daemon, [get("x", "/open/x")]).json()
    assert "responses" in daemon.get("/no?explain").json()
    assert upstream.targets() == ["/a/7?explain=a%20b&apiKey=hunter2", "/open/x", "/open/1"]


def test_off_by_default(daemon, upstream):
    """A configuration that does not say so does not allow it."""
    reply = daemon.get("/posts/7/page?explain")
    assert "post" in reply.json(), reply
    assert upstream.stats()["requests"] == 2


def test_an_endpoint_decides_for_itself(start):
    """Its word goes before that of the file, either way, and also where it is run in place."""
    daemon, upstream = start("false")
    parts = by_id(plan(daemon.get("/yes?explain")))
    assert parts["in"]["inPlace"]["requests"][0]["url"].endswith("/open/1")
    assert parts["in"]["upstream"] is None and parts["in"]["url"] == "/in/1"
    assert parts["out"]["url"] == "/plain/{$responses.in.body#/responses/0/body/x}"
    assert "inPlace" not in parts["out"]
    daemon.reload(daemon.config.read_text().replace("explain: false\negress", "explain: true\negress"),
                  "(?i)reload")
    reply = daemon.get("/batch?explain&url=/no&url=/in/1&url=/plain/1")
    parts = by_id(plan(reply))
    assert parts["1"]["inPlace"] == {"endpoint": "/no"}
    assert parts["2"]["inPlace"]["timeoutMs"] == 5000
    assert [p["id"] for p in parts["3"]["inPlace"]["requests"]] == ["a", "b"]
    upstream.expected = 1
    assert "responses" in daemon.get("/no?explain").json()


def test_faults_are_those_of_the_batch(start):
    """What would be refused is refused in the same words."""
    daemon, _ = start()
    bad = [([get("x", "/closed")], 403), ([get("x", "/open/1"), get("x", "/open/2")], 400),
           ([get("x", "/open/1", dependsOn=["y"]), get("y", "/open/1", dependsOn=["x"])], 400),
           ([{"id": "x", "url": "http://example.com/"}], 403), ([], 400)]
    for requests, status in bad:
        asked, real = post(daemon, requests), post(daemon, requests, "")
        assert asked.status == real.status == status, (asked, real)
        assert asked.body == real.body
    assert daemon.fetch("POST", "/batch?explain", (), b"{").status == 400
    assert daemon.get("/nowhere?explain").status == 404
    assert daemon.fetch("POST", "/in/1?explain", (), b"").status == 405
    asked = daemon.get("/in/..%2f?explain")
    assert (asked.status, asked.body) == (400, daemon.get("/in/..%2f").body)


def test_bodies(start):
    """JSON of the configuration with what is known in it; of the client's own the length."""
    daemon, _ = start()
    body = b'{"list": [1.50, "a/b"], "z": 1}'
    parts = by_id(plan(daemon.fetch("POST", "/post?explain", {"Content-Type": "application/json"}, body)))
    assert parts["whole"]["bodyBytes"] == len(body) and "body" not in parts["whole"]
    assert parts["part"]["body"] == '{"of":[1.50, "a/b"],"secret":"***"}'
    assert parts["part"]["bodyBytes"] == len('{"of":[1.50, "a/b"],"secret":"hunter2"}')
    assert parts["each"]["foreach"] == {"from": "$request.body#/list", "as": "item", "max": 32,
                                        "distinct": False, "concurrency": 8, "items": 2}
    assert parts["each"]["url"].endswith("/each/{$item}") and not parts["each"]["known"]
    parts = by_id(plan(daemon.fetch("POST", "/post?explain", (), b"not JSON")))
    assert parts["part"]["error"]["code"] == "unresolved_reference"
    assert parts["each"]["error"]["status"] == 424
    assert parts["whole"]["known"] and not parts["part"]["known"]


@pytest.mark.parametrize("accept", ["application/x-ndjson", "text/event-stream"])
def test_a_stream_is_a_plan_too(start, accept):
    """One JSON document, also for an EventSource that comes back."""
    daemon, _ = start()
    assert plan(daemon.get("/in/1?explain", {"Accept": accept, "Last-Event-ID": "i"}))["stages"] == [["i"]]


def test_hostile_values_give_valid_json(start):
    """Quotes, controls and broken UTF-8 stay inside their strings."""
    daemon, upstream = start()
    nasty = "\"}],\\\u2028\x7f\t</script>"
    explained = plan(post(daemon, [
        get("-", "/open/%22%5C%00", headers={"X-A": "\"\\ \t\u00fc"}, method="POST",
            body={"\"": nasty, "token\"": nasty, "{$x": "{$responses.q.body#/%22}"}, select="/\"",
            rename={"a": "\"\\\\"}, default={"\"": 1}),
        get("q", "/open/?[]|%22")]))
    parts = by_id(explained)
    assert json.loads(parts["-"]["body"]) == {"\"": nasty, "token\"": "***",
                                              "{$x": "{$responses.q.body#/%22}"}
    assert parts["-"]["headers"]["X-A"] == "\"\\ \t\u00fc"
    assert parts["-"]["shape"] == {"select": "/\"", "rename": {"a": "\"\\\\"}}
    raw = "GET /plain/%22%FF?explain HTTP/1.1\r\nHost: x\r\nX-Note: \"\xff\\\r\n\r\n"
    with daemon.connect() as connection:
        connection.send(raw.encode("latin-1"))
        parts = by_id(plan(connection.receive()))
    assert parts["a"]["headers"]["X-Note"] == "\"\ufffd\\"
    assert parts["a"]["url"] == f"http://127.0.0.1:{upstream.port}/a/%22%FF?explain=&apiKey=***"


def test_nothing_is_counted(gatherd, recorder):
    """While the only place for a call is taken, plans are still made."""
    upstream = recorder()
    upstream.gate = 2
    config = CONFIG.replace("workers: 1", "workers: 1\nlimits: { inFlight: 1 }").replace("700ms", "10s")
    daemon = gatherd(config, ON="true", PORT=upstream.port)
    with daemon.connect() as first:
        first.request("GET", "/batch?timeout=20s&merge=keyed&url=/in/1")
        upstream.wait(1)
        checks.failed(daemon.get("/plain/2"), 503, "connection_limit_reached", "a")
        targets = "&".join("url=" + urllib.parse.quote(f"/plain/{i}") for i in range(32))
        assert len(plan(daemon.get("/batch?explain&" + targets))["requests"]) == 32
        upstream.open()
        assert first.receive().status == 200
    assert upstream.targets() == ["/open/1"]
