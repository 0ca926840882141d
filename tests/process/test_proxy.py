"""Upstreams behind an HTTP proxy: every connection is a tunnel."""

import pytest

import harness
import servers
from checks import failed
from connect_proxy import ConnectProxy
from scripted import AWAIT, READ, Scripted, reply
from test_http2 import call, certificate, root, serve  # noqa: F401

MERGED = {"merge": "keyed"}


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    """The certificate authority that is trusted."""
    return servers.Authority(tmp_path_factory.mktemp("authority"))


def config(url, proxy, **members):
    """One worker, one upstream behind the proxy."""
    more = "".join(f", {name}: {value}" for name, value in members.items())
    return (f'workers: 1\nupstreams:\n  up: {{ url: "{url}", proxy: "{proxy}"{more}, '
            "batch: { methods: [GET, POST] } }\n")


def fails(daemon, status, code, detail):
    """The one call of a batch fails so."""
    answer = daemon.batch([call("n", "/a.json")], **MERGED)
    error = failed(answer, status, code, "n")
    assert detail in str(error), error


def test_plain_upstream(gatherd, serve):  # noqa: F811
    """A tunnel too; the proxy resolves the name, and the connection is kept."""
    up = serve(servers.Nginx)
    with ConnectProxy({"only.the.proxy.test": up.port}) as proxy:
        daemon = gatherd(config("http://only.the.proxy.test", f"http://{proxy.host}"))
        for i in range(5):
            reply = daemon.batch([call("n", f"/{i}.json")], **MERGED)
            assert reply.json() == {"n": {"number": i}}, reply
        posted = daemon.batch([call("n", "/same", method="POST", body={"a":1})], **MERGED)
        assert posted.json() == {"n": {"method": "POST", "length": "8"}}, posted
        [head] = proxy.heads
        assert head.startswith("CONNECT only.the.proxy.test:80 HTTP/1.1\r\n"), head
        assert "authorization" not in head.lower()
    assert len({line[0] for line in up.seen()}) == 1


def test_the_environment_changes_nothing(gatherd, serve):  # noqa: F811
    """Neither another proxy there nor an exception from it."""
    up = serve(servers.Nginx)
    dead = f"http://127.0.0.1:{harness.closed_port()}"
    with ConnectProxy() as proxy:
        daemon = gatherd(config(up.url, f"http://{proxy.host}"),
                         env={"no_proxy": "*", "http_proxy": dead, "all_proxy": dead})
        assert daemon.batch([call("n", "/1.json")], **MERGED).json() == {"n": {"number": 1}}
        assert len(proxy.heads) == 1


def test_many_at_once(gatherd, serve):  # noqa: F811
    """Twenty calls, cold, and a large body; then on the kept connections."""
    up = serve(servers.Nginx)
    with ConnectProxy() as proxy:
        daemon = gatherd(config(up.url, f"http://{proxy.host}"))
        for _ in range(2):
            requests = [call(f"n{i}", f"/{i}.json") for i in range(20)]
            reply = daemon.batch(requests + [call("big", "/big.json")], **MERGED)
            assert [reply.json()[f"n{i}"]["number"] for i in range(20)] == list(range(20))
            assert len(reply.json()["big"]) == 999998
        assert len(proxy.heads) == 21


def test_tls_upstream(gatherd, serve, authority, certificate):  # noqa: F811
    """TLS ends at the upstream: its certificate is checked for its name, not the proxy's."""
    up = serve(servers.Nginx, listen="ssl", certificate=certificate)
    with ConnectProxy({"localhost": up.port, "elsewhere.test": up.port}) as proxy:
        daemon = gatherd(config("https://localhost", f"http://{proxy.host}",
                                caFile=authority.file))
        for i in range(5):
            reply = daemon.batch([call("n", f"/{i}.json")], **MERGED)
            assert reply.json() == {"n": {"number": i}}, reply
        assert len(proxy.heads) == 1
        wrong = gatherd(config("https://elsewhere.test", f"http://{proxy.host}",
                               caFile=authority.file))
        fails(wrong, 502, "tls_certificate_error", "")


def test_credentials(gatherd, serve):  # noqa: F811
    """They are decoded, sent as Basic, and never printed."""
    up = serve(servers.Nginx)
    with ConnectProxy(user="me:s3c:r@t") as proxy:
        text = config(up.url, f"http://me:s3c%3Ar%40t@{proxy.host}")
        daemon = gatherd(text)
        assert daemon.batch([call("n", "/1.json")], **MERGED).json() == {"n": {"number": 1}}
        fails(gatherd(config(up.url, f"http://me:wrong@{proxy.host}")), 502,
              "proxy_configuration_error", "407")
        fails(gatherd(config(up.url, f"http://{proxy.host}")), 502,
              "proxy_configuration_error", "407")
        printed = harness.run("--print-config", "--config", daemon.config)
        assert f'proxy: "http://***@{proxy.host}"' in printed.stdout, printed
        assert "s3c" not in printed.stdout + printed.stderr + daemon.log()


def test_a_client_never_learns_of_it(gatherd, serve):  # noqa: F811
    """Neither the proxy's head nor the credentials reach the upstream or the client."""
    with Scripted([[READ, reply(b'{"a":1}'), AWAIT]]) as up, ConnectProxy(user="me:pw") as proxy:
        daemon = gatherd(config(up.url, f"http://me:pw@{proxy.host}"))
        answer = daemon.batch([call("n", "/1.json")], merge="raw")
        assert answer.json() == {"a": 1} and "1.1 test" not in str(answer.headers)
        assert b"roxy-" not in up.requests[0], up.requests


@pytest.mark.parametrize("refusal, code, detail", [
    (b"HTTP/1.1 403 No\r\nContent-Length: 3\r\n\r\nno\n", "connection_refused", "403"),
    (b"HTTP/1.1 407 Who\r\nProxy-Authenticate: Digest nonce=x, realm=y\r\n\r\n",
     "proxy_configuration_error", "407"),
    (b"HTTP/1.1 502 Gone\r\n\r\n", "connection_refused", "502"),
    (b"HTTP/1.1 418 Tea\r\n\r\n", "connection_refused", "refused the tunnel"),
    (b"\x00\x01 what is this\r\n\r\n", "http_protocol_error", "did not answer in HTTP"),
    (b"", "http_protocol_error", "did not answer in HTTP"),
    (b"HTTP/1.1 200 OK\r\nX: y\r\n", "connection_terminated", ""),
], ids=["forbidden", "digest", "gateway", "teapot", "garbage", "end", "cut"])
def test_refusals(gatherd, refusal, code, detail):
    """Each has its code and says that it was the proxy."""
    with ConnectProxy(refusal=refusal) as proxy:
        fails(gatherd(config("http://up.test", f"http://{proxy.host}")), 502, code, detail)
        fails(gatherd(config("https://up.test", f"http://{proxy.host}")), 502, code, detail)


def test_unreachable(gatherd):
    """A dead proxy, and one whose name nobody knows."""
    dead = f"127.0.0.1:{harness.closed_port()}"
    fails(gatherd(config("http://127.0.0.1:1", f"http://{dead}")), 502, "connection_refused",
          "the proxy was not reached")
    fails(gatherd(config("http://127.0.0.1:1", "http://no-such-host.invalid:3128")), 502,
          "dns_error", "the name is the proxy's")


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_silence(gatherd, scheme):
    """A proxy that never answers costs the time to connect, and is left."""
    with ConnectProxy(refusal=None) as proxy:
        daemon = gatherd(config(f"{scheme}://up.test", f"http://{proxy.host}",
                                connectTimeout="200ms"))
        fails(daemon, 504, "connection_timeout", "")
        harness.wait_until(lambda: proxy.left == 1, "the proxy to be left")


def test_an_upstream_that_ends(gatherd):
    """Behind the tunnel, a call fails as it does without one; a stale one is sent again."""
    with ConnectProxy() as proxy, Scripted([[READ, reply(b"1"), READ], [READ, reply(b"2"), AWAIT]]) as up:
        daemon = gatherd(config(up.url, f"http://{proxy.host}"))
        for expected in (1, 2):
            answer = daemon.batch([call("n", "/x")], **MERGED)
            assert answer.json() == {"n": expected}, answer
        assert len(proxy.heads) == 2


@pytest.mark.parametrize("members, message", [
    ('proxy: "https://p:1"', "must be the URL of a proxy"),
    ('proxy: "p:3128"', "must be the URL of a proxy"),
    ('proxy: "http://p:3128/x"', "has no path"),
    ('proxy: "http://@p:3128"', "has no name"),
    ('proxy: "http://a%zz@p:3128"', "broken %XX"),
    ('proxy: "http://a%3Ab@p:3128"', 'must not contain'),
    ('proxy: "http://p:3128", http: 2', 'works only with "http": 1'),
    ('proxy: "http://p:3128", http: auto', 'works only with "http": 1'),
])
def test_what_is_no_proxy(tmp_path, members, message):
    """Named with its place, and without its text: it may hold a password."""
    path = tmp_path / "g.yaml"
    path.write_text(f'upstreams:\n  up: {{ url: "https://up.test", {members} }}\n')
    run = harness.run("--check-config", "--config", str(path))
    assert run.returncode != 0 and message in run.stderr and "proxy" in run.stderr, run
