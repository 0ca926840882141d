"""POST and GET /batch: the envelope, every member, every limit, every refusal."""

import base64
import json

import checks
import harness
import pytest

GOOD = {"id": "a", "upstream": "demo", "url": "/posts/1"}


def good(**members):
    """A good request with members replaced; None removes one."""
    return {key: value for key, value in {**GOOD, **members}.items() if value is not None}


def echo(**members):
    """A request to the upstream that sends back what it got."""
    return {"id": "a", "upstream": "open", "url": "/echo", **members}


def echoed(daemon, batch_members=None, **members):
    """What the upstream received."""
    reply = daemon.batch({"requests": [echo(**members)], "merge": "keyed", **(batch_members or {})})
    assert reply.status == 200, reply
    return reply.json()["a"]


def received_headers(seen):
    """The upstream's view of the headers, names in lower case."""
    return {name.lower(): value for name, value in seen["headers"]}


# The envelope.

def test_envelope_in_request_order(daemon, upstream):
    """Without merge: one item per request in declared order, whoever answers first."""
    reply = daemon.batch([good(id="slow", url="/delay/100"), good(id="fast")])
    assert reply.status == 200
    assert reply.header("content-type").split(";")[0] == "application/json"
    assert reply.header("cache-control") == "no-store"
    slow, fast = reply.json()["responses"]
    assert (slow["id"], slow["status"], slow["body"]) == ("slow", 200, {"delay": 100})
    assert (fast["id"], fast["status"], fast["body"]["id"]) == ("fast", 200, 1)
    assert set(fast) == {"id", "status", "headers", "body"}
    assert list(reply.json()) == ["responses"]


def test_envelope_headers(daemon):
    """Header names are lower case; what belongs to the upstream's connection stays out."""
    headers = daemon.batch([good()]).json()["responses"][0]["headers"]
    assert headers["content-type"] == "application/json; charset=utf-8"
    assert all(name == name.lower() for name in headers)
    assert not {"connection", "keep-alive", "transfer-encoding"} & set(headers)


def test_envelope_bodies_by_type(daemon):
    """JSON as JSON, text as a string, other bytes as base64url, nothing for no body."""
    raw = bytes(range(256))
    quoted = "".join(f"%{byte:02x}" for byte in raw)
    items = daemon.batch([
        good(id="json", url="/json?raw=[1,null]"),
        good(id="plus", url="/json?raw=[2]&type=application/problem%2Bjson"),
        good(id="text", url="/text"),
        good(id="bytes", url=f"/json?type=image/png&raw={quoted}"),
        good(id="none", url="/no-content"),
        good(id="empty", url="/empty"),
    ]).json()["responses"]
    bodies = {item["id"]: item.get("body") for item in items}
    assert bodies["json"] == [1, None] and bodies["plus"] == [2]
    assert bodies["text"] == "plain text, na\u00efve\n"
    assert bodies["bytes"] == base64.urlsafe_b64encode(raw).decode().rstrip("=")
    assert bodies["none"] is None and bodies["empty"] is None
    assert [item["status"] for item in items] == [200, 200, 200, 200, 204, 200]


def test_envelope_passes_upstream_errors_on(daemon):
    """An upstream's error reply is that item's reply, body included."""
    reply = daemon.batch([good(url="/status/503"), good(id="b", url="/redirect")])
    first, second = reply.json()["responses"]
    assert reply.status == 200
    assert (first["status"], first["body"]) == (503, {"status": 503})
    assert second["status"] == 302 and second["headers"]["location"] == "/posts/1"


def test_envelope_item_without_a_reply(daemon):
    """A call that got no reply has its code's status and a problem object as body."""
    items = daemon.batch([good(upstream="dead"), good(id="b")]).json()["responses"]
    assert items[0]["status"] == 502 and items[0]["body"]["status"] == 502
    assert items[0]["body"]["code"] == "connection_refused"
    assert items[1]["status"] == 200


def test_envelope_item_with_invalid_json(daemon):
    """JSON that is none fails that item alone and never turns up inside a string."""
    reply = daemon.batch([good(url="/invalid-json"), good(id="b")])
    bad, fine = reply.json()["responses"]
    assert bad["status"] == 502 and bad["body"]["code"] == "invalid_json"
    assert fine["status"] == 200 and "broken" not in reply.body.decode()


def test_envelope_status_worst(daemon):
    """status: worst lets curl -f see a failed item."""
    requests = [good(), good(id="b", url="/status/404")]
    assert daemon.batch(requests).status == 200
    assert daemon.batch(requests, status="worst").status == 404


# Request and batch members.

def test_default_method_is_get_and_nothing_is_forwarded(daemon):
    """The client's own headers do not reach the upstream."""
    reply = daemon.batch([echo()], headers={
        "Authorization": "secret", "Cookie": "secret", "X-Custom": "secret", "User-Agent": "secret",
        "Accept-Language": "secret"}, merge="keyed")
    seen = reply.json()["a"]
    assert (seen["method"], seen["target"], seen["body"]) == ("GET", "/echo", "")
    assert "secret" not in json.dumps(seen)


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_methods(daemon, method):
    """Methods that the upstream's batch list names are sent."""
    assert echoed(daemon, method=method)["method"] == method


def test_head_request(daemon):
    """HEAD upstream has a status and headers, and no body."""
    item = daemon.batch([good(method="HEAD")]).json()["responses"][0]
    assert item["status"] == 200 and item.get("body") is None


def test_headers_of_the_request_override_those_of_the_batch(daemon):
    """Batch headers go to every request; names compare without case."""
    seen = echoed(daemon, {"headers": {"X-One": "batch", "X-Two": "batch"}},
                  headers={"x-two": "own", "X-Three": "tab inside\tok"})
    headers = received_headers(seen)
    assert (headers["x-one"], headers["x-two"]) == ("batch", "own")
    assert [name.lower() for name, _ in seen["headers"]].count("x-two") == 1
    assert headers["x-three"] == "tab inside\tok"


def test_host_is_the_upstreams(daemon, upstream):
    """The Host field names the upstream, not the daemon."""
    assert received_headers(echoed(daemon))["host"] == upstream.host


def test_query_of_the_batch(daemon):
    """Shared query members are appended, percent-encoded."""
    query = {"lang": "en", "q": "a&b=c d/\u00e9"}
    assert echoed(daemon, {"query": query})["target"] == \
        "/echo?lang=en&q=a%26b%3Dc%20d%2F%C3%A9"
    assert echoed(daemon, {"query": {"lang": "en"}}, url="/echo?x=1")["target"] == \
        "/echo?x=1&lang=en"


def test_json_body_is_forwarded_byte_for_byte(daemon):
    """A JSON body keeps its numbers, escapes, spaces and duplicate keys."""
    body = b'{ "n":19.990, "big":18446744073709551616,\n"e":1e400, "u":"\\u00e9\\/", "n":-0 }'
    document = b'{"merge":"keyed","requests":[{"id":"a","upstream":"open","url":"/echo",' \
        b'"method":"POST","body":' + body + b"}]}"
    seen = daemon.batch(document).json()["a"]
    assert base64.b64decode(seen["bodyBase64"]) == body
    headers = received_headers(seen)
    assert headers["content-type"].split(";")[0] == "application/json"
    assert headers["content-length"] == str(len(body))


@pytest.mark.parametrize("body", [None, False, 0, "", [], {}])
def test_any_json_value_is_a_body(daemon, body):
    """null and false are bodies too."""
    document = {"merge": "keyed", "requests": [echo(method="POST", body=body)]}
    assert json.loads(daemon.batch(document).json()["a"]["body"]) == body


def test_text_body(daemon):
    """With another content type the body is a string, sent as UTF-8."""
    seen = echoed(daemon, method="POST", headers={"Content-Type": "text/plain"}, body="na\u00efve\n")
    assert seen["body"] == "na\u00efve\n"
    assert received_headers(seen)["content-type"] == "text/plain"


def test_base64_body(daemon):
    """Bytes come as base64."""
    seen = echoed(daemon, method="POST", headers={"Content-Type": "application/octet-stream"},
                  bodyBase64=base64.b64encode(b"\x00\x01\x02").decode())
    assert base64.b64decode(seen["bodyBase64"]) == b"\x00\x01\x02"


def test_timeout_of_a_request(daemon):
    """A request's own timeout ends that call alone."""
    slow, fast = daemon.batch([good(id="slow", url="/delay/3000", timeout="100ms"),
                               good(id="fast")]).json()["responses"]
    assert slow["status"] == 504 and slow["body"]["code"] == "http_response_timeout"
    assert fast["status"] == 200


@pytest.mark.parametrize("success, status, fine", [
    ([404], 404, True), (["4xx"], 404, True), ("4xx", 404, True), (["2xx", 404], 404, True), (["2xx", 404], 200, True),
    ([404], 200, False), (["5xx"], 404, False),
])
def test_success(daemon, success, status, fine):
    """success says which statuses count as success."""
    reply = daemon.batch([good(url=f"/status/{status}", success=success)], merge="keyed")
    if fine:
        assert reply.status == 200 and reply.json() == {"a": {"status": status}}
    else:
        checks.failed(reply, 502, "upstream_status", "a")


def test_form_content_type_is_read_as_json(daemon):
    """curl -d works without a header."""
    reply = daemon.fetch("POST", "/batch", {"Content-Type": "application/x-www-form-urlencoded"},
                         harness.compact({"requests": [good()]}))
    assert reply.json()["responses"][0]["status"] == 200
    reply = daemon.fetch("POST", "/batch", {}, harness.compact({"requests": [good()]}))
    assert reply.json()["responses"][0]["status"] == 200


def test_relative_url_runs_an_endpoint_in_place(daemon, upstream):
    """A path without an upstream is one of the daemon's own endpoints."""
    reply = daemon.batch([{"id": "page", "url": "/posts/2/page"}], merge="keyed")
    assert reply.json()["page"]["post"]["id"] == 2
    assert len(reply.json()["page"]["comments"]) == 5
    assert upstream.stats()["paths"] == {"/posts/2": 1, "/posts/2/comments": 1}


def test_absolute_url_on_the_list(daemon, upstream):
    """egress.allow opens a host and port to absolute URLs."""
    reply = daemon.batch([{"id": "a", "url": upstream.url + "/posts/3"}], merge="keyed")
    assert reply.json()["a"]["id"] == 3


# Limits, each at its edge.

def test_most_requests(daemon, upstream):
    """32 requests are fine, 33 are refused."""
    requests = [good(id=f"r{number}") for number in range(33)]
    assert len(daemon.batch(requests[:32]).json()["responses"]) == 32
    upstream.reset()
    checks.refused(daemon.batch(requests), 400, "/requests")
    assert upstream.stats()["connections"] == 0


def test_largest_document(daemon, upstream):
    """1 MiB is fine, one byte more is 413, by length or in chunks."""
    document = harness.compact({"requests": [good()]})
    document += b" " * ((1 << 20) - len(document))
    assert daemon.batch(document).status == 200
    upstream.reset()
    checks.problem(daemon.batch(document + b" "), 413)
    with daemon.connect() as connection:
        connection.request("POST", "/batch", {"Transfer-Encoding": "chunked"})
        connection.send(b"%x\r\n%s \r\n0\r\n\r\n" % (len(document) + 1, document))
        checks.problem(connection.receive("POST"), 413)
    assert upstream.stats()["connections"] == 0


def test_chunked_document(daemon):
    """A document may come in chunks."""
    with daemon.connect() as connection:
        connection.request("POST", "/batch", {"Transfer-Encoding": "chunked"})
        for byte in harness.compact({"requests": [good()]}):
            connection.send(b"1\r\n%c\r\n" % byte)
        connection.send(b"0\r\n\r\n")
        assert connection.receive("POST").json()["responses"][0]["status"] == 200


def test_deepest_document(daemon, upstream):
    """64 levels are fine, 65 are refused."""
    def document(levels):
        inner = "[" * (levels - 3) + "]" * (levels - 3)
        return ('{"requests":[{"id":"a","upstream":"open","method":"POST","url":"/posts",'
                f'"body":{inner}}}]}}').encode()
    assert daemon.batch(document(64)).status == 200
    upstream.reset()
    assert checks.problem(daemon.batch(document(65)), 400)[0]["pointer"].startswith("/requests/0")
    assert upstream.stats()["connections"] == 0


@pytest.mark.parametrize("member, edge, beyond", [
    ("id", "x" * 64, "x" * 65), ("timeout", "60s", "60001ms"), ("timeout", "1m", "61s"),
])
def test_edges_of_request_members(daemon, upstream, member, edge, beyond):
    """The largest allowed value is fine, the next one is not."""
    assert daemon.batch([good(**{member: edge})]).status == 200
    upstream.reset()
    checks.refused(daemon.batch([good(**{member: beyond})]), 400, f"/requests/0/{member}")
    assert upstream.stats()["connections"] == 0


def test_edge_of_batch_timeout(daemon):
    """The batch's timeout has the same maximum."""
    assert daemon.batch([good()], timeout="60s").status == 200
    checks.refused(daemon.batch([good()], timeout="60001ms"), 400, "/timeout")


# Refusals: 400 with the place, and nothing is sent.

@pytest.fixture
def silent(upstream):
    """Nothing reaches the upstream during the test."""
    yield
    assert upstream.stats()["connections"] == 0


@pytest.mark.parametrize("document", [
    b"", b"   ", b'{"requests":[', b'{"requests":[]]', b"{} {}", b"{'requests':[]}", b"\xff\xfe",
    b'\xef\xbb\xbf{"requests":[]}', b'{"requests":[{"id":"\xff"}]}', b'{"requests":NaN}',
    b'{"requests":[],}', b"null\x00",
    b'{"merge":"keyed","merge":"array","requests":[{"id":"a","upstream":"demo","url":"/posts/1"}]}',
    b'{"requests":[{"id":"a","id":"b","upstream":"demo","url":"/posts/1"}]}',
    b'{"requests":[{"id":"a","upstream":"demo","url":"/posts/1","headers":{"x\\u0000y":"1"}}]}',
])
def test_malformed_documents(daemon, silent, document):
    """What is not one JSON object with unique keys is refused with a place."""
    errors = checks.problem(daemon.batch(document), 400)
    assert errors and all("pointer" in error and error["detail"] for error in errors)


@pytest.mark.parametrize("document, pointer", [
    (b"[]", ""), (b"null", ""), (b'"x"', ""), (b"3", ""), (b"{}", ""), (b'{"requests":[]}', "/requests"),
    (b'{"requests":{}}', "/requests"), (b'{"requests":null}', "/requests"),
    (b'{"requests":[1]}', "/requests/0"), (b'{"requests":[[]]}', "/requests/0"),
])
def test_wrong_shapes(daemon, silent, document, pointer):
    """An object with a list of requests, and nothing else; a missing member is its parent's."""
    checks.refused(daemon.batch(document), 400, pointer)


REQUEST_FAULTS = [
    ({"metod": "GET"}, "/metod", ["method"]),
    ({"Timeout": "1s"}, "/Timeout", ["timeout"]),
    ({"nothing-like-it": 1}, "/nothing-like-it", []),
    ({"forward": {"headers": []}}, "/forward", []),
    ({"atomicityGroup": "g"}, "/atomicityGroup", []),
    ({"if": "x"}, "/if", []),
    ({"dependsOn": ["a"]}, "/dependsOn/0", []),
    ({"select": "a"}, "/select", []),
    ({"foreach": {}}, "/foreach", []),
    ({"id": None}, "", ["id"]),
    ({"id": ""}, "/id", []),
    ({"id": 7}, "/id", []),
    ({"id": "a b"}, "/id", []),
    ({"id": "_a"}, "/id", []),
    ({"id": "a.b"}, "/id", []),
    ({"id": "\u00e9"}, "/id", []),
    ({"id": "a\u0000b"}, "/id", []),
    ({"url": None}, "", ["url"]),
    ({"url": ""}, "/url", []),
    ({"url": 1}, "/url", []),
    ({"url": "posts/1"}, "/url", []),
    ({"url": "$a/posts"}, "/url", []),
    ({"url": "/posts/../users/1"}, "/url", []),
    ({"url": "/posts/%2e%2E/users/1"}, "/url", []),
    ({"url": "/posts/.%2e"}, "/url", []),
    ({"url": "/posts/."}, "/url", []),
    ({"url": "/posts/..%2fusers"}, "/url", []),
    ({"url": "/posts\\..\\users"}, "/url", []),
    ({"url": "/posts/1\r\nX-Evil: 1"}, "/url", []),
    ({"url": "/posts/1 HTTP/1.1"}, "/url", []),
    ({"url": "/posts/\u0000"}, "/url", []),
    ({"url": "/posts/\u00e9"}, "/url", []),
    ({"url": "/posts/%zz"}, "/url", []),
    ({"url": "/posts/1#frag"}, "/url", []),
    ({"url": "/" + "x" * 9000}, "/url", []),
    ({"upstream": "demmo"}, "/upstream", ["demo"]),
    ({"upstream": 1}, "/upstream", []),
    ({"upstream": ""}, "/upstream", []),
    ({"upstream": None, "url": "/no/such/endpoint"}, "/url", []),
    ({"upstream": None, "url": "ftp://127.0.0.1/x"}, "/url", []),
    ({"upstream": None, "url": "file:///etc/passwd"}, "/url", []),
    ({"upstream": None, "url": "gopher://127.0.0.1:70/x"}, "/url", []),
    ({"upstream": None, "url": "$DEMO_USER/posts/1"}, "/url", []),
    ({"upstream": None, "url": "$DEMO/posts/../users/1"}, "/url", []),
    ({"upstream": None, "url": "$DEMO\\@evil.example/"}, "/url", []),
    ({"upstream": None, "url": "http:///posts/1"}, "/url", []),
    ({"upstream": None, "url": "http://127.0.0.1:0/"}, "/url", []),
    ({"upstream": None, "url": "http://127.0.0.1:99999/"}, "/url", []),
    ({"upstream": None, "url": "$DEMO/posts/1\n"}, "/url", []),
    ({"method": "GE T"}, "/method", []),
    ({"method": ""}, "/method", []),
    ({"method": "GET\r\nX: 1"}, "/method", []),
    ({"method": 1}, "/method", []),
    ({"timeout": "5"}, "/timeout", []),
    ({"timeout": "5 s"}, "/timeout", []),
    ({"timeout": "-1s"}, "/timeout", []),
    ({"timeout": "5h"}, "/timeout", []),
    ({"timeout": ""}, "/timeout", []),
    ({"timeout": 300}, "/timeout", []),
    ({"timeout": "9999999999999999999999s"}, "/timeout", []),
    ({"headers": []}, "/headers", []),
    ({"headers": {"X-A": 1}}, "/headers/X-A", []),
    ({"headers": {"X A": "1"}}, "/headers/X A", []),
    ({"headers": {"X:": "1"}}, "/headers/X:", []),
    ({"headers": {"": "1"}}, "/headers/", []),
    ({"headers": {"a/b~": "1"}}, "/headers/a~1b~0", []),
    ({"headers": {"X-A": "1\r\nX-Evil: 1"}}, "/headers/X-A", []),
    ({"headers": {"X-A": "1\n"}}, "/headers/X-A", []),
    ({"headers": {"X-A": "a\u0000b"}}, "/headers/X-A", []),
    ({"optional": "yes"}, "/optional", []),
    ({"success": "2x"}, "/success", []),
    ({"success": ["6xx"]}, "/success/0", []),
    ({"success": ["2xx", 99]}, "/success/1", []),
    ({"success": []}, "/success", []),
    ({"body": {}, "bodyBase64": "AAEC"}, "/bodyBase64", []),
    ({"bodyBase64": "no base64!"}, "/bodyBase64", []),
    ({"bodyBase64": 1}, "/bodyBase64", []),
    ({"headers": {"Content-Type": "text/plain"}, "body": {"a": 1}}, "/body", []),
]


@pytest.mark.parametrize("members, place, words", REQUEST_FAULTS,
                         ids=[str(index) for index in range(len(REQUEST_FAULTS))])
def test_bad_request_members(daemon, upstream, silent, members, place, words):
    """Each bad member is refused at its own place, with the nearest name where there is one."""
    if isinstance(members.get("url"), str):
        user = upstream.url.replace("http://", "http://user:secret@")
        url = members["url"].replace("$DEMO_USER", user).replace("$DEMO", upstream.url)
        members = {**members, "url": url}
    requests = [good(id="fine"), good(**members)]
    checks.refused(daemon.batch(requests), 400, "/requests/1" + place, *words)


FORBIDDEN = [
    "Host", "Content-Length", "Connection", "Keep-Alive", "TE", "Trailer", "Transfer-Encoding",
    "Upgrade", "Proxy-Authorization", "Proxy-Connection", "Forwarded", "X-Forwarded-For",
    "X-Forwarded-Host", "X-Real-IP", "Via", "hOsT",
]


@pytest.mark.parametrize("name", FORBIDDEN)
def test_refused_headers(daemon, silent, name):
    """Nobody sets these on an upstream call, neither on one request nor on all."""
    checks.refused(daemon.batch([good(headers={name: "x"})]), 400, f"/requests/0/headers/{name}")
    document = {"requests": [good()], "headers": {name: "x"}}
    checks.refused(daemon.batch(document), 400, f"/headers/{name}")


@pytest.mark.parametrize("members, pointer, words", [
    ({"polcy": "all"}, "/polcy", ["policy"]),
    ({"Requests": []}, "/Requests", ["requests"]),
    ({"policy": "alll"}, "/policy", ["all"]),
    ({"policy": "some"}, "/policy", ["any", "race", "atLeast"]),
    ({"policy": {"atLeast": 3}}, "/policy/atLeast", ["3 successes", "1 request"]),
    ({"policy": {"atLeast": 0}}, "/policy/atLeast", ["at least 1"]),
    ({"policy": 1}, "/policy", []),
    ({"merge": "keyd"}, "/merge", ["keyed"]),
    ({"merge": ["keyed"]}, "/merge", []),
    ({"conflict": "lst"}, "/conflict", ["last"]),
    ({"status": "strickt"}, "/status", ["strict"]),
    ({"meta": "alway"}, "/meta", ["always"]),
    ({"onTimeout": "fail"}, "/onTimeout", []),
    ({"timeout": "soon"}, "/timeout", []),
    ({"timeout": 5}, "/timeout", []),
    ({"headers": "X"}, "/headers", []),
    ({"headers": {"X": "\n"}}, "/headers/X", []),
    ({"query": []}, "/query", []),
    ({"query": {"a": {}}}, "/query/a", []),
])
def test_bad_batch_members(daemon, silent, members, pointer, words):
    """The same for the members of the batch."""
    checks.refused(daemon.batch({"requests": [good()], **members}), 400, pointer, *words)


def test_headers_are_bounded(daemon, silent):
    """What goes to an upstream has at most 100 fields and limits.requestHeader bytes."""
    most = 16 * 1024
    seen = echoed(daemon, {"headers": {f"X-{n}": "" for n in range(99)}}, headers={"Y": "1"})
    assert {"X-98", "Y"} <= {name for name, _ in seen["headers"]}
    many = {f"X-{n}": "" for n in range(101)}
    checks.refused(daemon.batch([good(headers=many)]), 400, "/requests/0/headers", "100")
    checks.refused(daemon.batch({"requests": [good()], "headers": many}), 400, "/headers",
                   "100")
    wide = {"X": "y" * (most - 5)}
    for own, shared, place in ((wide | {"Y": ""}, {}, "/requests/0/headers"),
                               ({"Y": ""}, wide, "/requests/0/headers"),
                               ({}, wide | {"Y": ""}, "/headers")):
        checks.refused(daemon.batch({"requests": [good(headers=own)], "headers": shared}), 400,
                       place, "limits.requestHeader", str(most))
    items = daemon.batch([good(upstream="dead", headers=wide)]).json()["responses"]
    assert items[0]["body"]["code"] == "connection_refused"


def test_a_member_given_twice(daemon, silent):
    """It is named, at the object it is in."""
    text = b'{"requests": [{"id": "a", "upstream": "demo",\n "url": "/posts/1", "id": "b"}]}'
    reply = daemon.fetch("POST", "/batch", {"Content-Type": "application/json"}, text)
    checks.refused(reply, 400, "/requests/0", '"id" is given twice')


def test_where_json_goes_wrong(daemon, silent):
    """By byte, and by line and column where there are several lines."""
    for text, words in ((b'{"requests": }', "byte 13: "),
                        (b'{\n  "requests": }', "byte 16 (line 2, column 15): "),
                        (b'\xef\xbb\xbf{}', "byte order mark")):
        reply = daemon.fetch("POST", "/batch", {"Content-Type": "application/json"}, text)
        assert words in checks.problem(reply, 400)[0]["detail"]


def test_what_only_the_configuration_may_say(daemon, silent):
    """forward belongs to endpoints."""
    checks.refused(daemon.batch([good(forward={})]), 400, "/requests/0/forward",
                   "only in the configuration")


def test_duplicate_ids(daemon, silent):
    """An id is unique; the second one is at fault."""
    checks.refused(daemon.batch([good(), good(id="b"), good()]), 400, "/requests/2/id")


def test_raw_needs_exactly_one_request(daemon, silent):
    """merge: raw with two requests is refused."""
    checks.refused(daemon.batch([good(), good(id="b")], merge="raw"), 400, "/requests")


def test_all_faults_are_reported_at_once(daemon, silent):
    """One reply names every fault."""
    errors = checks.problem(
        daemon.batch([good(id="a b"), good(id="b", upstream="demmo")], polcy="all"), 400)
    assert {"/requests/0/id", "/requests/1/upstream", "/polcy"} <= \
        {error["pointer"] for error in errors}


# What may be asked of whom.

def denied(reply, pointer):
    """403 http_request_denied at a place."""
    errors = checks.problem(reply, 403)
    assert [(error["pointer"], error["code"]) for error in errors] == \
        [(pointer, "http_request_denied")], reply


@pytest.mark.parametrize("url", [
    "http://example.com/", "https://127.0.0.1/posts/1", "http://localhost:$PORT/posts/1",
    "http://127.0.0.1/posts/1", "http://127.0.0.2:$PORT/posts/1", "http://[::1]:$PORT/posts/1",
    "http://169.254.169.254/latest/meta-data/",
])
def test_absolute_urls_off_the_list(daemon, upstream, silent, url):
    """Another scheme's port, another name, another port: not on the list."""
    url = url.replace("$HOST", upstream.host).replace("$PORT", str(upstream.address[1]))
    denied(daemon.batch([good(id="fine"), {"id": "a", "url": url}]), "/requests/1/url")


def test_absolute_urls_are_off_by_default(gatherd, upstream, silent):
    """Without egress.allow no absolute URL is fetched."""
    daemon = gatherd("upstreams: { demo: { url: '$DEMO' } }")
    denied(daemon.batch([{"id": "a", "url": upstream.url + "/posts/1"}]), "/requests/0/url")


@pytest.mark.parametrize("members, place", [
    ({"method": "POST"}, "/method"),
    ({"upstream": "narrow", "url": "/comments"}, "/url"),
    ({"upstream": "narrow", "url": "/posts/1/comments"}, "/url"),
    ({"upstream": "narrow", "url": "/posts"}, "/url"),
    ({"upstream": "narrow", "method": "HEAD"}, "/method"),
    ({"upstream": "closed"}, "/upstream"),
])
def test_what_an_upstream_keeps_to_itself(daemon, silent, members, place):
    """An upstream's batch option says which methods and paths ad-hoc batches may use."""
    denied(daemon.batch([good(**members)]), "/requests/0" + place)


@pytest.mark.parametrize("url", ["/posts/1", "/posts/%31", "/users/1", "/posts/1?x=/comments"])
def test_what_a_narrow_upstream_allows(daemon, url):
    """Globs look at the path alone."""
    assert daemon.batch([good(upstream="narrow", url=url)]).status == 200


def test_multipart_is_refused(daemon, silent):
    """A form upload is no batch, whatever is in it."""
    reply = daemon.fetch("POST", "/batch", {"Content-Type": "multipart/form-data; boundary=x"},
                         harness.compact({"requests": [good()]}))
    checks.problem(reply, 415)


@pytest.mark.parametrize("headers", [
    {"Origin": "http://evil.example"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"},
])
def test_foreign_pages_are_refused(daemon, upstream, silent, headers):
    """A web page elsewhere cannot make a browser use the daemon."""
    checks.problem(daemon.batch([good()], headers=headers), 403)
    checks.problem(daemon.get(f"/batch?url={upstream.url}/posts/1", headers), 403)


def test_listed_origin_is_served(gatherd):
    """The option `origins` opens the daemon to a page."""
    daemon = gatherd("upstreams: { demo: { url: '$DEMO' } }\norigins: ['https://app.example']")
    assert daemon.batch([good()], headers={"Origin": "https://app.example"}).status == 200
    checks.problem(daemon.batch([good()], headers={"Origin": "https://app.example.evil"}), 403)


def test_preflight(gatherd, silent):
    """A listed page's preflight is answered, another's is refused."""
    daemon = gatherd("origins: ['https://app.example']")
    wish = {"Access-Control-Request-Method": "POST", "Origin": "https://app.example"}
    reply = daemon.fetch("OPTIONS", "/batch", wish)
    assert reply.status == 204
    assert reply.header("access-control-allow-origin") == "https://app.example"
    assert "POST" in reply.header("access-control-allow-methods").split(", ")
    checks.problem(daemon.fetch("OPTIONS", "/batch", {**wish, "Origin": "https://evil.example"}), 403)


def test_options_without_a_page(daemon, silent):
    """OPTIONS says which methods there are."""
    reply = daemon.fetch("OPTIONS", "/batch")
    assert reply.status == 204 and {"GET", "POST"} <= set(reply.header("allow").split(", "))


def test_unknown_host_is_refused_when_hosts_is_set(gatherd, upstream):
    """The option `hosts` closes the daemon to names that are not its own (DNS rebinding)."""
    daemon = gatherd("upstreams: { demo: { url: '$DEMO' } }\nhosts: [gatherd]")
    assert daemon.batch([good()]).status == 200
    assert daemon.batch([good()], headers={"Host": "GATHERD:8080"}).status == 200
    upstream.reset()
    checks.problem(daemon.batch([good()], headers={"Host": "evil.example"}), 421)
    assert upstream.stats()["connections"] == 0


# GET /batch.

def test_get_batch(daemon, upstream):
    """URLs in the query are fetched with ids 1, 2, ..."""
    reply = daemon.get(f"/batch?url={upstream.url}/posts/1&url={upstream.url}/posts/2")
    assert [(item["id"], item["body"]["id"]) for item in reply.json()["responses"]] == \
        [("1", 1), ("2", 2)]


def test_get_batch_members(daemon, upstream):
    """merge, policy and timeout work as in the document; URLs are percent-decoded."""
    first = upstream.url.replace(":", "%3A").replace("/", "%2F") + "%2Fcomments%3FpostId%3D1"
    reply = daemon.get(f"/batch?url={first}&url={upstream.url}/status/404"
                       "&merge=keyed&policy=allSettled&timeout=3s")
    assert reply.status == 200 and len(reply.json()["1"]) == 5 and reply.json()["2"] is None


def test_get_batch_runs_endpoints(daemon):
    """A path is one of the daemon's own endpoints here too."""
    assert daemon.get("/batch?url=/posts/4/page&merge=keyed").json()["1"]["post"]["id"] == 4


@pytest.mark.parametrize("query, status, word", [
    ("", 400, "give at least one url, as in /batch?url=..."), ("url=", 400, ""),
    ("url=$U?a=1&zebra=2", 400, "in a url write & as %26"),
    ("url=$U&policy=atLeast:2", 400, "1 request"), ("url=$U&merg=keyed", 400, "merge"),
    ("url=$U&merge=keyd", 400, "keyed"), ("url=$U&timeout=soon", 400, ""), ("url=%zz", 400, ""),
    ("url=ftp://x/", 400, ""), ("url=http://example.com/", 403, ""),
    ("url=$U&merge=keyed&merge=array", 400, "merge"), ("&".join(["url=$U"] * 33), 400, "32"),
])
def test_get_batch_refusals(daemon, upstream, silent, query, status, word):
    """The same checks as for a document."""
    reply = daemon.get("/batch?" + query.replace("$U", upstream.url + "/posts/1"))
    checks.problem(reply, status)
    assert word in reply.body.decode()


def test_head_batch(daemon, upstream):
    """HEAD is GET without the body."""
    with daemon.connect() as connection:
        connection.request("HEAD", f"/batch?url={upstream.url}/posts/1")
        assert connection.receive("HEAD").status == 200


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "BREW"])
def test_other_methods(daemon, silent, method):
    """405 with Allow."""
    reply = daemon.fetch(method, "/batch", {}, b"{}")
    checks.problem(reply, 405)
    assert {"GET", "POST", "OPTIONS"} <= set(reply.header("allow").split(", "))
