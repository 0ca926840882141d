"""What caches and clients are told: Cache-Control, Vary, ETag and 304, gzip, passHeaders."""

import gzip
import http.client
import random
import shutil
import subprocess

import pytest

import checks
from scripted import READ, reply

CONFIG = """
workers: 1
upstreams:
  one: { url: "$ONE" }
  two: { url: "$TWO" }
endpoints:
  - path: /both
    merge: keyed
    etag: always
    forward: { headers: [accept-language] }
    passHeaders: { b: [etag-of, x-total], a: [X-Total, link] }
    requests: [ { id: a, upstream: one, url: / }, { id: b, upstream: two, url: / } ]
  - { path: /some, merge: keyed, policy: allSettled, requests: [ { id: a, upstream: one, url: / }, { id: b, upstream: two, url: / } ] }
  - { path: /raw, merge: raw, requests: [ { id: a, upstream: one, url: / } ] }
  - { path: /untagged, merge: raw, etag: off, requests: [ { id: a, upstream: one, url: / } ] }
  - { path: /plain, merge: keyed, etag: off, requests: [ { id: a, upstream: one, url: / } ] }
  - { path: /auto, merge: keyed, requests: [ { id: a, upstream: one, url: / } ] }
  - { path: /theirs, merge: keyed, passHeaders: { a: etag }, requests: [ { id: a, upstream: one, url: / } ] }
  - { path: /in, merge: keyed, requests: [ { id: x, url: /both } ] }
  - { path: /list, requests: [ { id: a, upstream: one, url: / } ] }
$MORE
"""
BIG = b'{"text":"%s"}' % (b"gatherd " * 400)
CACHE = b"Cache-Control: max-age=60\r\n"
GZIP = {"Accept-Encoding": "gzip"}


@pytest.fixture
def serve(gatherd, scripted):
    """A daemon between us and two upstreams that say the same to everyone."""
    def start(one=reply(b"1"), two=reply(b"2"), more=""):
        ups = [scripted([READ, answer] * 100) for answer in (one, two)]
        return gatherd(CONFIG, ONE=ups[0].url, TWO=ups[1].url, MORE=more)
    return start


def named(tag):
    """A conditional request."""
    return {"If-None-Match": tag}


def not_modified(answer, tag, length):
    """A 304 has the reply's fields, but neither a body nor a description of it."""
    assert answer.status == 304 and answer.body == b"", answer
    assert answer.header("etag") == tag and answer.header("cache-control"), answer
    assert answer.header("content-length") == str(length), answer
    assert answer.header("content-type") is answer.header("content-encoding") is None, answer
    assert answer.header("transfer-encoding") is None


# Cache-Control and passed fields.

def test_the_least_of_the_parts(serve):
    """The shortest lifetime less its age; a field that was forwarded goes into Vary."""
    daemon = serve(reply(b"1", head=CACHE + b"Age: 20\r\nVary: Accept-Language\r\n"),
                   reply(b"2", head=b"Cache-Control: private, max-age=50\r\n"))
    for target in ("/both", "/in"):
        answer = daemon.get(target)
        assert answer.header("cache-control") == "private, max-age=40", answer
    assert daemon.get("/both").header("vary") == "accept-language"
    parts = [{"id": "a", "upstream": "one", "url": "/"}, {"id": "b", "upstream": "two", "url": "/"}]
    for merge in ({"merge": "array"}, {}):
        answer = daemon.batch(parts, **merge)
        assert answer.header("cache-control") == "private, max-age=40", answer
        assert answer.header("vary") is None and answer.header("etag") is None


def test_silence_and_failure_are_not_stored(serve):
    """One part without Cache-Control, or one that failed."""
    daemon = serve(reply(b"1", head=CACHE))
    assert daemon.get("/both").header("cache-control") == "no-store"
    daemon = serve(reply(b"1", head=CACHE), reply(b"no JSON", head=CACHE))
    partial = daemon.get("/some")
    assert partial.status == 200 and partial.json()["_meta"]["failed"] == 1
    for answer in (partial, daemon.get("/both")):
        assert answer.header("cache-control") == "no-store" and answer.header("etag") is None


def test_fields_are_passed(serve):
    """By name and part; lists are joined, otherwise the first in declared order wins."""
    daemon = serve(reply(b"1", head=b"X-Total: 7\r\nLink: <a>\r\nLink: <b>\r\nX-Secret: s\r\n"),
                   reply(b"2", head=b"X-Total: 9\r\nEtag-Of: x\r\nLink: <c>\r\n"))
    answer = daemon.get("/both")
    assert answer.header("x-total") == "7" and answer.header("etag-of") == "x", answer
    assert answer.header("link") == "<a>, <b>" and answer.header("x-secret") is None
    parts = [{"id": "a", "upstream": "one", "url": "/"}]
    answer = daemon.batch(parts, merge="keyed", passHeaders={"a": "x-total"})
    assert answer.header("x-total") == "7", answer
    for members, place in (({"a": "set-cookie"}, "/passHeaders/a"), ({"c": "x"}, "/passHeaders/c"),
                           ({"a": ["x", "Content-Length"]}, "/passHeaders/a/1")):
        checks.refused(daemon.batch(parts, merge="keyed", passHeaders=members), 400, place)


# ETag and 304.

@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_merged_reply_has_a_tag(serve, method):
    """It follows the bytes, and whoever names it gets a 304."""
    daemon = serve()
    first = daemon.fetch(method, "/both")
    tag, length = first.header("etag"), first.header("content-length")
    assert first.status == 200 and tag.startswith('"') and daemon.get("/both").header("etag") == tag
    assert serve().get("/both").header("etag") == tag
    assert serve(reply(b"3")).get("/both").header("etag") != tag
    for value in (tag, "W/" + tag, f'"x", {tag}', "*"):
        not_modified(daemon.fetch(method, "/both", named(value)), tag, length)
    lines = [("If-None-Match", '"x"'), ("If-None-Match", tag)]
    not_modified(daemon.fetch(method, "/both", lines), tag, length)
    for value in ('"x"', tag.strip('"'), tag + "x", '"', ""):
        assert daemon.fetch(method, "/both", named(value)).status == 200, value
    with daemon.connect() as connection:
        for _ in range(2):
            connection.request(method, "/both", named(tag))
            not_modified(connection.receive(method), tag, length)
        connection.request("GET", "/both")
        assert connection.receive().json() == {"a": 1, "b": 2}


def test_what_has_no_tag(serve):
    """Envelopes, posts, and where it is turned off; then nothing is conditional."""
    daemon = serve()
    for answer in (daemon.get("/list", named("*")), daemon.get("/plain", named("*")),
                   daemon.get("/raw", named("*")),
                   daemon.batch([{"id": "a", "upstream": "one", "url": "/"}], merge="keyed",
                                headers=named("*").items())):
        assert answer.status == 200 and answer.header("etag") is None, answer


@pytest.mark.parametrize("control, tagged", [
    (b"", False), (b"no-store", False), (b"max-age=60, no-store", False), (b"max-age=60", True),
    (b"no-cache", True), (b"private, max-age=0", True)])
def test_what_may_be_stored_has_a_tag(serve, control, tagged):
    """Unless the configuration says otherwise."""
    head = b"Cache-Control: " + control + b"\r\n" if control else b""
    daemon = serve(reply(b"1", head=head))
    for method in ("GET", "HEAD"):
        answer = daemon.fetch(method, "/auto")
        assert answer.status == 200 and (answer.header("etag") is not None) == tagged, answer
        again = daemon.fetch(method, "/auto", named(answer.header("etag") or "*"))
        assert again.status == (304 if tagged else 200), again


def test_an_upstreams_tag_stays(serve):
    """Raw replies and passed tags: compared, never made."""
    daemon = serve(reply(b"1", head=b'ETag: "up"\r\nLast-Modified: x\r\n' + CACHE))
    for target in ("/raw", "/theirs"):
        answer = daemon.get(target)
        assert answer.header("etag") == '"up"' and answer.status == 200
        not_modified(daemon.get(target, named('"x", W/"up"')), '"up"', len(answer.body))
        assert daemon.get(target, named('"down"')).status == 200
    assert daemon.get("/untagged", named('"up"')).status == 200
    assert daemon.get("/raw", named('"up"')).header("last-modified") is None


# gzip.

def test_gzip(serve):
    """Who prefers it gets it, with a tag of its own; both tags are known."""
    daemon = serve(reply(BIG, head=CACHE), reply(b"2", head=CACHE))
    plain = daemon.get("/both")
    packed = daemon.get("/both", GZIP)
    assert packed.header("content-encoding") == "gzip" and len(packed.body) < len(plain.body) / 5
    assert gzip.decompress(packed.body) == plain.body
    assert plain.header("vary") == packed.header("vary") == "Accept-Encoding"
    assert packed.header("etag") == plain.header("etag")[:-1] + '-gzip"'
    for value in (plain.header("etag"), packed.header("etag"), "*"):
        not_modified(daemon.get("/both", named(value)), plain.header("etag"), len(plain.body))
        answer = daemon.get("/both", {**GZIP, **named(value)})
        not_modified(answer, packed.header("etag"), len(packed.body))
    head = daemon.fetch("HEAD", "/both", GZIP)
    assert head.header("content-length") == str(len(packed.body)) and head.body == b""
    for value in ("gzip;q=0", "identity", "br", "identity, gzip;q=0.3", "*;q=0", "identity;q=0"):
        answer = daemon.get("/both", {"Accept-Encoding": value})
        assert answer.body == plain.body and answer.header("content-encoding") is None, value
    lines = [("Accept-Encoding", "br"), ("Accept-Encoding", "gzip")]
    assert daemon.get("/both", lines).header("content-encoding") == "gzip"


def test_gzip_of_other_replies(serve):
    """Posts, envelopes and problems too; what may not be stored varies only if compressed."""
    daemon = serve(reply(BIG))
    parts = [{"id": "a", "upstream": "one", "url": "/"}]
    for merge in ({}, {"merge": "keyed"}):
        plain = daemon.batch(parts, **merge)
        packed = daemon.batch(parts, headers=GZIP.items(), **merge)
        assert plain.header("vary") is None and packed.header("vary") == "Accept-Encoding"
        assert gzip.decompress(packed.body)[:30] == plain.body[:30] and b"gatherd" in plain.body
    answer = daemon.batch([{"id": "a" * 64, "url": "x"}] * 20, headers=GZIP.items())
    assert answer.status == 400 and b"Bad Request" in gzip.decompress(answer.body)


@pytest.mark.parametrize("kind, head, packed", [
    ("application/json", b'ETag: "up"\r\n', True), ("text/html; charset=utf-8", b"", True),
    ("image/png", b"", False), ("application/json", b"Content-Encoding: x-odd\r\n", False),
    ("application/json", b"Cache-Control: max-age=1, No-Transform\r\n", False),
    ("application/json", b"Repr-Digest: sha-256=:x:\r\n", False),
])
def test_gzip_of_raw_replies(serve, kind, head, packed):
    """Text without a coding or a word against it; its strong tag becomes a weak one."""
    daemon = serve(reply(BIG, kind, head))
    answer = daemon.get("/raw", GZIP)
    assert (gzip.decompress(answer.body) if packed else answer.body) == BIG
    assert (answer.header("content-encoding") == "gzip") == packed
    assert answer.header("etag") == ('W/"up"' if b"ETag" in head else None)
    if b"ETag" in head:
        not_modified(daemon.get("/raw", {**GZIP, **named('W/"up"')}), 'W/"up"', len(answer.body))


@pytest.mark.parametrize("options, size, packed", [
    ("", 1024, True), ("", 1023, False), ("", 256 << 10, True), ("", (256 << 10) + 1, False),
    ("gzip: false", 2000, False), ("min: 100, max: 200, level: 9", 100, True),
    ("min: 100, max: 200", 200, True), ("min: 100, max: 200", 201, False),
    ("min: 100, max: 200", 99, False),
])
def test_sizes(serve, options, size, packed):
    """From min to max, both included."""
    body = b'"%s"' % (b"x" * (size - 2))
    daemon = serve(reply(body), more=f"compression: {{ {options} }}\n")
    answer = daemon.get("/raw", GZIP)
    assert (answer.header("content-encoding") == "gzip") == packed
    assert (gzip.decompress(answer.body) if packed else answer.body) == body


def test_what_does_not_shrink_is_plain(serve):
    """gzip is of use only where it makes less of it."""
    body = random.Random(1).randbytes(2000)
    daemon = serve(reply(body, "text/plain"))
    answer = daemon.get("/raw", GZIP)
    assert answer.body == body and answer.header("content-encoding") is None


def test_limits_are_in_order(gatherd):
    """min above max would compress nothing."""
    with pytest.raises(AssertionError, match="compression.min must not be larger"):
        gatherd("compression: { min: 2MiB }\n")


# Real clients.

def test_curl(serve):
    """curl asks, decodes and keeps tags."""
    daemon = serve(reply(BIG, head=CACHE), reply(b"2", head=CACHE))
    curl = [shutil.which("curl"), "-sS", "--max-time", "10"]
    url = f"http://127.0.0.1:{daemon.port}/both"
    plain = subprocess.run([*curl, url], check=True, capture_output=True).stdout
    packed = subprocess.run([*curl, "--compressed", url], check=True, capture_output=True).stdout
    assert packed == plain and BIG in plain
    saved = daemon.directory / "tag"
    subprocess.run([*curl, "--etag-save", saved, "-o", "/dev/null", url], check=True)
    again = subprocess.run([*curl, "--etag-compare", saved, "-w", "%{http_code} %{size_download}",
                            url], check=True, capture_output=True).stdout
    assert again == b"304 0"


def test_a_kept_connection_goes_on(serve):
    """A client library reads a 304 and then the next reply from the same connection."""
    daemon = serve(reply(BIG))
    connection = http.client.HTTPConnection(*daemon.address, timeout=10)
    connection.request("GET", "/both")
    first = connection.getresponse()
    body, tag = first.read(), first.headers["ETag"]
    sock = connection.sock
    for headers in (named(tag), {**GZIP, **named(tag)}):
        connection.request("GET", "/both", headers=headers)
        answer = connection.getresponse()
        assert answer.status == 304 and answer.read() == b""
    connection.request("GET", "/both", headers=GZIP)
    assert gzip.decompress(connection.getresponse().read()) == body and connection.sock is sock
    connection.close()
