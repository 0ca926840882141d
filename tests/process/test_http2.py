"""HTTP/2 to upstreams: real servers, and a scripted one for what those rarely do."""

import json

import pytest

import frames
import harness
import servers
from checks import failed, problem, tally

BIG = b'"' + b"b" * 999998 + b'"'
MERGED = {"merge": "keyed"}


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """What the servers serve."""
    directory = tmp_path_factory.mktemp("www")
    (directory / "a.json").write_text('{"a":1.50}')
    (directory / "big.json").write_bytes(BIG)
    (directory / "3000.json").write_bytes(b'"' + b"s" * 2998 + b'"')
    for i in range(20):
        (directory / f"{i}.json").write_text(json.dumps({"number": i}))
    return directory


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    """The certificate authority that is trusted."""
    return servers.Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def certificate(authority):
    """A certificate for where the servers are."""
    return authority.certify("IP:127.0.0.1,DNS:localhost")


@pytest.fixture
def serve(tmp_path, root):
    """Starts servers; all are stopped at the end."""
    started = []

    def start(kind, *arguments, **options):
        directory = tmp_path / f"server{len(started)}"
        directory.mkdir()
        server = kind(directory, root, *arguments, **options)
        started.append(server)
        return server

    yield start
    for server in started:
        server.stop()


@pytest.fixture
def scripted_frames():
    """Starts upstreams that play frames."""
    started = []

    def start(*actions, **options):
        server = frames.Frames(*actions, **options)
        started.append(server)
        return server

    yield start
    for server in started:
        server.stop()


def config(url, http="2", **members):
    """One worker, one upstream `up`; every method is open to batches."""
    more = "".join(f", {name}: {value}" for name, value in members.items())
    return (f'workers: 1\nupstreams:\n  up: {{ url: "{url}", http: {http}{more}, '
            "batch: { methods: [GET, HEAD, POST, PUT, DELETE] } }\n")


def call(name, url, **members):
    """A request to the upstream."""
    return {"id": name, "upstream": "up", "url": url, "dedupe": False, **members}


def fan_out(daemon, count=20):
    """Twenty calls in one batch, and what must come of them."""
    reply = daemon.batch([call(f"n{i}", f"/{i}.json") for i in range(count)], **MERGED)
    assert reply.status == 200, reply
    assert list(reply.json().items()) == [(f"n{i}", {"number": i}) for i in range(count)]


@pytest.mark.parametrize("tls", [True, False], ids=["tls", "h2c"])
def test_nginx_fan_out_on_one_connection(gatherd, serve, authority, certificate, tls):
    """Twenty calls of a batch, cold, share one connection; so does the batch after it."""
    up = serve(servers.Nginx, listen="ssl http2" if tls else "http2",
               certificate=certificate if tls else None)
    more = {"caFile": authority.file} if tls else {}
    daemon = gatherd(config(up.url, **more))
    fan_out(daemon)
    fan_out(daemon)
    seen = up.wait_seen(40)
    assert len({line[0] for line in seen}) == 1, seen
    assert {line[1] for line in seen} == {"HTTP/2.0"}


@pytest.mark.parametrize("tls", [True, False], ids=["tls", "h2c"])
def test_nghttpd_fan_out_on_one_connection(gatherd, serve, authority, certificate, tls):
    """The same with another implementation of the protocol."""
    up = serve(servers.Nghttpd, certificate=certificate if tls else None)
    more = {"caFile": authority.file} if tls else {}
    daemon = gatherd(config(up.url, **more))
    fan_out(daemon)
    fan_out(daemon)
    harness.wait_until(lambda: len(up.streams()) >= 40, "nghttpd to log 40 requests")
    assert len(set(up.streams())) == 1, up.streams()


def test_cold_calls_stay_together(gatherd, serve, authority, certificate):
    """Many cold calls over TLS are no reason to open a connection per worker."""
    up = serve(servers.Nginx, listen="ssl http2", certificate=certificate)
    daemon = gatherd(config(up.url, caFile=authority.file).replace("workers: 1", "workers: 2"))
    fan_out(daemon)
    assert len({line[0] for line in up.wait_seen(20)}) == 1


def test_bytes_and_statuses(gatherd, serve, authority, certificate):
    """Bodies come through as they are, small and large; a 404 is a reply."""
    up = serve(servers.Nginx, listen="ssl http2", certificate=certificate)
    daemon = gatherd(config(up.url, caFile=authority.file))
    for _ in range(10):
        parts = [call("a", "/a.json"), call("big", "/big.json"), call("more", "/big.json")]
        reply = daemon.batch(parts, **MERGED)
        assert reply.body == b'{"a":{"a":1.50},"big":' + BIG + b',"more":' + BIG + b"}"
    error = failed(daemon.batch([call("a", "/a.json"), call("no", "/none.json")], **MERGED),
                   502, "upstream_status", "no")
    assert error["upstreamStatus"] == 404, error
    assert daemon.batch([call("a", "/a.json", method="HEAD")]).json()["responses"][0]["status"] == 200
    assert len({line[0] for line in up.wait_seen(33)}) == 1


def test_bodies_to_the_upstream(gatherd, serve):
    """A POST carries its body on the connection that the others use."""
    up = serve(servers.Nghttpd, "--echo-upload")
    daemon = gatherd(config(up.url))
    body = {"text": "x" * 300000, "number": 1.5}
    for _ in range(5):
        reply = daemon.batch([call("get", "/a.json"),
                              call("post", "/post.json", method="POST", body=body)], **MERGED)
        assert reply.status == 200, reply
        assert reply.json()["post"] == body
    assert len(set(up.streams())) == 1


def test_bodies_are_capped(gatherd, serve):
    """A body above the limit ends its stream only."""
    up = serve(servers.Nginx, listen="http2")
    daemon = gatherd(config(up.url) + "limits: { replyBody: 4KiB }\n")
    reply = daemon.batch([call("a", "/a.json"), call("big", "/big.json", optional=True)], **MERGED)
    assert reply.json()["a"] == {"a": 1.5} and reply.json()["big"] is None
    assert reply.json()["_meta"]["errors"][0]["code"] == "http_response_body_size"
    fan_out(daemon)


def test_a_timeout_ends_one_stream(gatherd, serve, authority, certificate):
    """A call that is too slow is cancelled upstream; the others and the connection stay."""
    up = serve(servers.Nginx, listen="ssl http2", certificate=certificate)
    daemon = gatherd(config(up.url, caFile=authority.file, timeout="10s"))
    parts = [call("drip", "/drip"), call("stall", "/stall", timeout="300ms", optional=True)]
    parts += [call(f"n{i}", f"/{i}.json") for i in range(5)]
    reply = daemon.batch(parts, timeout="10s", **MERGED)
    assert tally(reply) == ("partial", 7, 6, 1, 0)
    assert reply.json()["drip"] == "s" * 2998
    assert reply.json()["_meta"]["errors"][0]["code"] == "http_response_timeout"
    fan_out(daemon)
    seen = up.wait_seen(27)
    assert [int(line[5]) < 3000 for line in seen if line[4] == "/stall"] == [True]
    assert len({line[0] for line in seen}) == 1, seen


def test_a_lone_timeout_reaches_the_upstream(gatherd, serve):
    """The only call of a connection is cancelled upstream at once, too."""
    up = serve(servers.Nginx, listen="http2")
    daemon = gatherd(config(up.url, timeout="10s"))
    failed(daemon.batch([call("stall", "/stall", timeout="300ms")], **MERGED),
           504, "http_response_timeout")
    assert int(up.wait_seen(1)[0][5]) < 3000
    fan_out(daemon)


def test_the_client_leaves(gatherd, serve):
    """A client that goes away cancels its streams."""
    up = serve(servers.Nginx, listen="http2")
    daemon = gatherd(config(up.url, timeout="20s"))
    document = {"requests": [call("a", "/stall"), call("b", "/stall")], "timeout": "20s"}
    with daemon.connect() as connection:
        connection.request("POST", "/batch", {"Content-Type": "application/json"},
                           harness.compact(document))
        fan_out(daemon)
    seen = up.wait_seen(22)
    assert [int(line[5]) < 3000 for line in seen if line[4] == "/stall"] == [True, True]


def test_certificates_are_checked(gatherd, serve, tmp_path, certificate, authority):
    """An unknown authority and a name that is not the server's are refused before a request."""
    (tmp_path / "other").mkdir()
    other = servers.Authority(tmp_path / "other", "another authority")
    up = serve(servers.Nginx, listen="ssl http2", certificate=certificate)
    named = serve(servers.Nginx, listen="ssl http2",
                  certificate=authority.certify("IP:127.0.0.9,DNS:elsewhere.test"))
    for http in ("2", "auto"):
        for url, file in ((up.url, other.file), (named.url, authority.file)):
            daemon = gatherd(config(url, http, caFile=file))
            reply = daemon.batch([call(f"n{i}", f"/{i}.json") for i in range(5)],
                                 policy="allSettled", **MERGED)
            errors = problem(reply, 502)
            assert [error["code"] for error in errors] == ["tls_certificate_error"] * 5, reply
    assert up.seen() == [] and named.seen() == []


def test_negotiation(gatherd, serve, authority, certificate):
    """`auto` takes what the server offers."""
    new = serve(servers.Nginx, listen="ssl http2", certificate=certificate)
    old = serve(servers.Nginx, listen="ssl", certificate=certificate)
    for up, version in ((new, "HTTP/2.0"), (old, "HTTP/1.1")):
        daemon = gatherd(config(up.url, "auto", caFile=authority.file))
        fan_out(daemon)
        fan_out(daemon)
        assert {line[1] for line in up.wait_seen(40)} == {version}
    assert len({line[0] for line in new.seen()}) == 1


def test_no_fall_back(gatherd, serve, authority, certificate):
    """`2` is no wish: a server without it is an error."""
    tls = serve(servers.Nginx, listen="ssl", certificate=certificate)
    plain = serve(servers.Nginx)
    for url, code, more in ((tls.url, "http_protocol_error", {"caFile": authority.file}),
                            (plain.url, "connection_terminated", {})):
        daemon = gatherd(config(url, **more))
        for _ in range(2):
            failed(daemon.batch([call("a", "/a.json")], **MERGED), 502, code)
    assert {line[4] for line in plain.seen()} <= {"*", "-", ""}, plain.seen()


def test_auto_without_tls_is_http_1(gatherd, serve):
    """There is nothing to negotiate with."""
    up = serve(servers.Nginx)
    daemon = gatherd(config(up.url, "auto"))
    fan_out(daemon)
    assert {line[1] for line in up.wait_seen(20)} == {"HTTP/1.1"}


@pytest.mark.parametrize("tls", [True, False], ids=["tls", "h2c"])
def test_few_streams(gatherd, serve, authority, certificate, tls):
    """Beyond the server's limit of streams there are more connections, not failures."""
    up = serve(servers.Nginx, listen="ssl http2" if tls else "http2", streams=4,
               certificate=certificate if tls else None)
    more = {"caFile": authority.file} if tls else {}
    daemon = gatherd(config(up.url, **more))
    fan_out(daemon)
    reply = daemon.batch([call(f"n{i}", "/drip") for i in range(12)], merge="array")
    assert reply.json() == ["s" * 2998] * 12, reply
    assert 3 <= len({line[0] for line in up.wait_seen(32)}) <= 32


def test_many_requests_on_few_connections(gatherd, serve):
    """A server that ends connections after some requests (GOAWAY) loses none."""
    up = serve(servers.Nginx, listen="http2", more="keepalive_requests 50;")
    daemon = gatherd(config(up.url))
    for _ in range(30):
        fan_out(daemon)
    assert {line[2] for line in up.wait_seen(600)} == {"200"}


def test_frames_between_calls(gatherd, scripted_frames):
    """What a server says while nobody asks does not end the connection."""
    up = scripted_frames("ping")
    daemon = gatherd(config(up.url))
    for _ in range(5):
        assert daemon.batch([call("a", "/x")], merge="raw").json() == {"ok": True}
    assert up.requests == [1] * 5


@pytest.mark.parametrize("action", ["refuse", "goaway", "close"])
def test_a_connection_that_ends_under_a_call(gatherd, scripted_frames, action):
    """An idempotent call goes out once more."""
    up = scripted_frames("reply", action, "reply")
    daemon = gatherd(config(up.url))
    for _ in range(2):
        assert daemon.batch([call("a", "/x")], merge="raw").json() == {"ok": True}
    assert up.requests[:2] == [1, 1] and len(up.requests) == 3 and up.requests[2] > 1


def test_a_new_connection_that_ends(gatherd, scripted_frames):
    """An upstream that hangs up on every call is not asked for ever."""
    up = scripted_frames("close")
    daemon = gatherd(config(up.url))
    failed(daemon.batch([call("a", "/x")], **MERGED), 502, "connection_terminated")
    assert up.requests == [1]


def test_a_refused_stream(gatherd, scripted_frames):
    """A call that the upstream says it did nothing with goes out again."""
    up = scripted_frames("refuse", "reply")
    daemon = gatherd(config(up.url))
    assert daemon.batch([call("a", "/x")], merge="raw").json() == {"ok": True}
    assert len(up.requests) == 2 and up.requests[1] > up.requests[0]


@pytest.mark.parametrize("action", ["refuse", "goaway", "close"])
def test_a_post_is_sent_once(gatherd, scripted_frames, action):
    """Whatever becomes of the connection."""
    up = scripted_frames("reply", action, "reply")
    daemon = gatherd(config(up.url))
    assert daemon.batch([call("a", "/x")], merge="raw").status == 200
    reply = daemon.batch([call("a", "/x", method="POST", body={})], **MERGED)
    failed(reply, 502, "connection_terminated")
    assert len(up.requests) == 2
    assert daemon.batch([call("a", "/x")], merge="raw").status == 200


# libcurl 7.88 tells only of the fault when header and fault come together, later versions of
# the header too; then the reply has begun, and ended early.
@pytest.mark.parametrize("action, codes", [
    ("reset", {"http_protocol_error"}),
    ("headers", {"http_protocol_error"}),
    ("short", {"http_protocol_error", "http_response_incomplete"}),
])
def test_faulty_streams(gatherd, scripted_frames, action, codes):
    """What breaks the rules of a stream fails its call, and no other."""
    up = scripted_frames("reply", action, "reply")
    daemon = gatherd(config(up.url))
    assert daemon.batch([call("a", "/x")], merge="raw").status == 200
    errors = problem(daemon.batch([call("a", "/x")], **MERGED), 502)
    assert len(errors) == 1 and errors[0]["code"] in codes, errors
    assert daemon.batch([call("a", "/x")], merge="raw").status == 200
    assert up.requests == [1, 1, 1]


def test_a_slow_first_reply_holds_up_nobody(gatherd, scripted_frames):
    """Cold calls go out before the first of them has its reply."""
    up = scripted_frames("hold", "reply", "reply", "reply")
    daemon = gatherd(config(up.url, timeout="1500ms"))
    parts = [call("slow", "/x", optional=True), *(call(name, "/x") for name in "abc")]
    reply = daemon.batch(parts, merge="keyed")
    assert reply.status == 200, reply
    assert {name for name, part in reply.json().items() if part == {"ok": True}} == set("abc")
    assert [error["id"] for error in reply.json()["_meta"]["errors"]] == ["slow"]


def test_waiting_calls_obey_their_deadlines(gatherd, authority):
    """Calls that wait for another's connection time out on their own, and all are told."""
    with harness.socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen(16)
        url = "https://127.0.0.1:%d" % silent.getsockname()[1]
        daemon = gatherd(config(url, caFile=authority.file, connectTimeout="1500ms"))
        parts = [call("first", "/x"), call("short", "/x", timeout="300ms"), call("last", "/x")]
        errors = problem(daemon.batch(parts, policy="allSettled", **MERGED), 504)
        assert [error["code"] for error in errors] == ["connection_timeout"] * 3
        assert 290 <= errors[1]["elapsedMs"] < 1490 <= errors[2]["elapsedMs"] < 5000, errors


def test_a_dead_upstream(gatherd):
    """All calls of a burst are told at once that nobody listens."""
    daemon = gatherd(config(f"http://127.0.0.1:{harness.closed_port()}"))
    errors = problem(daemon.batch([call(f"n{i}", "/x") for i in range(20)],
                                  policy="allSettled", **MERGED), 502)
    assert [error["code"] for error in errors] == ["connection_refused"] * 20


@pytest.mark.parametrize("tls", [True, False], ids=["tls", "h2c"])
def test_a_shared_connection_in_the_metrics(gatherd, serve, authority, certificate, tls):
    """One connection was made, and every other call reused it; bytes of all of them count."""
    up = serve(servers.Nghttpd, certificate=certificate if tls else None)
    more = {"caFile": authority.file} if tls else {}
    daemon = gatherd('admin: "127.0.0.1:0"\n' + config(up.url, **more))
    fan_out(daemon)
    fan_out(daemon)
    page = daemon.metrics()
    assert page.value("gatherd_upstream_calls_total", upstream="up", outcome="200") == 40
    assert page.value("gatherd_upstream_connections_opened_total", upstream="up") == 1
    assert page.value("gatherd_upstream_connections_reused_total", upstream="up") == 39
    assert page.value("gatherd_upstream_received_bytes_total", upstream="up") > 40 * 15
    assert page.value("gatherd_upstream_sent_bytes_total", upstream="up") > 40 * 50
    def connections():
        page = daemon.metrics()
        return [page.value("gatherd_upstream_connections", upstream="up", state=state)
                for state in ("idle", "busy")]
    assert connections() == [1, 0]
    assert daemon.admin("/-/upstreams").json()["upstreams"]["up"]["connections"] == {
        "open": 1, "idle": 1}
    up.stop()
    harness.wait_until(lambda: connections() == [0, 0], "its end")


def test_connections_that_are_busy_in_the_metrics(gatherd, scripted_frames):
    """With one call of several, which is enough; and when it is broken off."""
    up = scripted_frames("reply", "hold", "reply")
    daemon = gatherd('admin: "127.0.0.1:0"\n' + config(up.url, timeout="1s"))
    def state():
        page = daemon.metrics()
        return [page.value("gatherd_upstream_connections", upstream="up", state=state)
                for state in ("idle", "busy")]
    assert daemon.batch([call("a", "/x")], **MERGED).status == 200
    assert state() == [1, 0]
    with daemon.connect() as one:
        body = json.dumps({"requests": [call("b", "/x"), call("c", "/x")]}).encode()
        one.request("POST", "/batch", {"Content-Type": "application/json"}, body)
        harness.wait_until(lambda: state() == [0, 1], "the call")
        assert one.receive().status == 200
    harness.wait_until(lambda: state()[1] == 0, "its end")
