"""Compressed upstream replies, by both carriers: nginx's gzip over HTTP/1.1 and HTTP/2."""

import gzip
import json

import pytest

import servers
from checks import failed, problem

GZIP = {"Accept-Encoding": "gzip"}
TEXT = json.dumps({"text": "compress me " * 40000}).encode()
CONFIG = """
workers: 1
limits: { replyBody: $LIMIT }
compression: { gzip: $PACK, max: 1MiB }
upstreams:
  one: { url: "$ONE" }
  two: { url: "$TWO", http: 2 }
  demo: { url: "$DEMO" }
endpoints:
  - path: /page
    merge: raw
    forward: { headers: [accept-encoding] }
    requests: [{ id: a, upstream: two, url: /text.json }]
"""


@pytest.fixture(scope="module")
def ups(tmp_path_factory):
    """nginx with gzip, HTTP/1.1 and HTTP/2; gzip_proxied because of our Via."""
    root = tmp_path_factory.mktemp("www")
    (root / "text.json").write_bytes(TEXT)
    (root / "bomb.json").write_bytes(b'"' + b"0" * 4_000_000 + b'"')
    started = []
    for listen in ("", "http2"):
        started.append(servers.Nginx(tmp_path_factory.mktemp("nginx"), root, listen=listen,
                                     more="gzip on; gzip_proxied any; gzip_types application/json;"))
    yield started
    for server in started:
        server.stop()


@pytest.fixture
def start(gatherd, ups):
    """Starts gatherd with a limit on reply bodies."""
    return lambda limit="8MiB", pack="false": gatherd(
        CONFIG, ONE=ups[0].url, TWO=ups[1].url, LIMIT=limit, PACK=pack)


def call(upstream, url="/text.json", headers=None):
    """One request."""
    return {"id": "a", "upstream": upstream, "url": url, "headers": headers or {}}


@pytest.mark.parametrize("name, number", [("one", 0), ("two", 1)])
def test_gzip(start, ups, name, number):
    """What was asked for compressed is decoded, and arrives as it is on disk."""
    daemon = start()
    before = len(ups[number].seen())
    reply = daemon.batch([call(name, headers=GZIP)], merge="keyed")
    assert reply.body == b'{"a":' + TEXT + b"}"
    raw = daemon.batch([call(name, headers=GZIP)], merge="raw")
    assert raw.body == TEXT
    assert raw.header("content-encoding") is None
    assert raw.header("content-length") == str(len(TEXT))
    line = ups[number].wait_seen(before + 2)[-1]
    assert line[6] == "gzip, deflate" and int(line[5]) < len(TEXT) / 10, line


@pytest.mark.parametrize("name, number", [("one", 0), ("two", 1)])
def test_identity(start, ups, name, number):
    """Nobody asked, so nothing is compressed."""
    daemon = start()
    before = len(ups[number].seen())
    reply = daemon.batch([call(name)], merge="keyed")
    assert reply.body == b'{"a":' + TEXT + b"}"
    line = ups[number].wait_seen(before + 1)[-1]
    assert line[6] == "-" and int(line[5]) == len(TEXT), line


def test_forwarded(start):
    """An Accept-Encoding that an endpoint passes on has the reply decoded, too."""
    reply = start().get("/page", {"Accept-Encoding": "gzip, br"})
    assert reply.body == TEXT and reply.header("content-encoding") is None


def test_decoded_and_compressed_again(start):
    """To our client a reply is compressed by what that client accepts, and by us."""
    daemon = start(pack="true")
    reply = daemon.get("/page", {"Accept-Encoding": "gzip"})
    assert gzip.decompress(reply.body) == TEXT and reply.header("content-encoding") == "gzip"
    reply = daemon.get("/page", {"Accept-Encoding": "deflate"})
    assert reply.body == TEXT and reply.header("content-encoding") is None


def test_deflate(start):
    """The other coding, from the demo upstream."""
    reply = start().batch([call("demo", "/deflate", {"Accept-Encoding": "deflate"})], merge="keyed")
    assert reply.body == b'{"a":{"packed":"deflate"}}'


@pytest.mark.parametrize("name", ["one", "two"])
def test_the_cap_counts_decoded_bytes(start, name):
    """A small compressed body that is large when decoded is too large."""
    daemon = start("4000002")
    assert len(daemon.batch([call(name, "/bomb.json", GZIP)], merge="raw").body) == 4000002
    daemon = start("4000001")
    failed(daemon.batch([call(name, "/bomb.json", GZIP)], merge="keyed"),
           502, "http_response_body_size")
    assert daemon.batch([call(name, headers=GZIP)], merge="raw").body == TEXT


@pytest.mark.parametrize("name", ["one", "two"])
def test_a_damaged_body(gatherd, name, tmp_path):
    """Bytes that are not what they claim to be are an error of the reply."""
    (tmp_path / "www").mkdir()
    (tmp_path / "www" / "bad.json").write_bytes(b'{"plain":true}')
    (tmp_path / "nginx").mkdir()
    server = servers.Nginx(tmp_path / "nginx", tmp_path / "www",
                           listen="http2" if name == "two" else "",
                           more="location = /bad.json { add_header Content-Encoding gzip; }")
    try:
        daemon = gatherd(CONFIG, ONE=server.url, TWO=server.url, LIMIT="1MiB", PACK="false")
        errors = problem(daemon.batch([call(name, "/bad.json", GZIP)], merge="keyed"), 502)
        assert errors[0]["code"] not in ("connection_terminated", "internal_error"), errors
    finally:
        server.stop()
