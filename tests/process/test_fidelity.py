"""Every valid JSON body comes out byte for byte; anything else fails that part alone."""

import base64
import json
import random
from urllib.parse import quote

import checks
import harness
import pytest
from scripted import READ, Scripted, reply

VALID = {
    "zero": b"0", "minus zero": b"-0", "minus zero real": b"-0.0", "trailing zeros": b"19.990",
    "int64 max": b"9223372036854775807", "uint64 max": b"18446744073709551615",
    "beyond 64 bits": b"-123456789012345678901234567890", "tenth": b"0.1", "exponent": b"1e2",
    "beyond double": b"1e400", "tiny": b"1E-4000", "plus exponent": b"-1.50E+007",
    "17 digits": b"0.30000000000000004", "many digits": b"3." + b"14159" * 40,
    "escaped slash": rb'"a\/b"', "escaped letter": rb'"\u00e9\u00E9"', "pair": rb'"\ud83d\ude00"',
    "lone high": rb'"\ud800"', "lone low": rb'"\udfffx"', "swapped": rb'"\ude00\ud83d"',
    "escaped NUL": rb'"a\u0000b"', "NUL in key": rb'{"\u0000":1}', "all escapes": rb'"\"\\\/\b\f\n\r\t"',
    "four bytes": "\"\U0001f600\U0010ffff\"".encode(), "two bytes": "\"\u0080\u07ff\"".encode(),
    "three bytes": "\"\u0800\uffff\ufeff\u2028\"".encode(), "DEL": b'"\x7f"',
    "composed and not": "{\"\u00e9\":1,\"e\u0301\":2}".encode(),
    "duplicate keys": b'{"a":1,"a":2,"\\u0061":3}', "empty key": b'{"":{"":[]}}',
    "spaces": b'{ "a" :\t[ 1 ,\r\n 2 ] }', "empty": b"{}", "empty list": b"[]", "empty string": b'""',
    "literals": b"[true,false,null]", "null": b"null", "long string": b'"' + b"x" * 5000 + b'"',
}

INVALID = {
    "bad byte": b'"\xff"', "lone continuation": b'"\x80"', "overlong": b'"\xc0\xaf"',
    "overlong three": b'"\xe0\x80\x80"', "raw surrogate": b'"\xed\xa0\x80"',
    "above the end": b'"\xf4\x90\x80\x80"', "cut character": b'"\xe2\x82"', "in a key": b'{"\xff":1}',
    "outside": b"[1\xff]", "byte order mark": b"\xef\xbb\xbf{}", "utf-16": b"{\x00}\x00",
    "NaN": b"NaN", "infinity": b"[-Infinity]", "leading zero": b"01", "no fraction": b"1.",
    "no integer": b".5", "plus": b"+1", "minus alone": b"-", "exponent alone": b"1e", "hex": b"0x10",
    "comma at the end": b"[1,]", "comma in object": b'{"a":1,}', "single quotes": b"{'a':1}",
    "no quotes": b"{a:1}", "no colon": b'{"a" 1}', "two values": b"1 2", "two documents": b"{}\n{}",
    "comment": b"[1] // x", "control": b'"\x1f"', "newline": b'"\n"', "NUL": b'"\x00"',
    "bad escape": rb'"\x41"', "short escape": rb'"\u00e"', "unclosed": b"[", "unclosed string": b'"a',
    "wrong close": b"[}", "NUL after": b"123\x00", "literal cut": b"tru", "literal long": b"nulls",
    "upper case": b"True", "vertical tab": b"\x0b1", "no-break space": b"\xc2\xa01",
}


def part(name, raw, **members):
    """A request whose upstream answers with exactly these bytes."""
    return {"id": name, "upstream": "demo", "url": "/json?raw=" + quote(raw, safe=""), **members}


@pytest.mark.parametrize("name", VALID)
def test_valid_bodies_come_out_as_they_went_in(daemon, name):
    """keyed, array, and the envelope carry the upstream's bytes."""
    raw = VALID[name]
    assert daemon.batch([part("x", raw)], merge="keyed").body == b'{"x":' + raw + b"}"
    both = daemon.batch([part("x", raw), part("y", raw)], merge="array")
    assert both.body == b"[" + raw + b"," + raw + b"]"
    envelope = daemon.batch([part("x", raw)])
    assert envelope.status == 200 and b'"body":' + raw + b"}]}" in envelope.body


def test_shallow_and_concat_keep_bytes(daemon):
    """Members and items are spliced too."""
    reply = daemon.batch([part("x", b'{"a":19.990}'), part("y", b'{"\\u0062": -0 }')], merge="shallow")
    assert b'"a":19.990' in reply.body and b"-0" in reply.body and b'"\\u0062"' in reply.body
    reply = daemon.batch([part("x", b"[1e400]"), part("y", b"[ 1.0,\"\\/\" ]")], merge="concat")
    assert b"1e400" in reply.body and b"1.0" in reply.body and b'"\\/"' in reply.body


def test_white_space_around_a_body_is_not_part_of_it(daemon):
    """The value is spliced, not what surrounds it."""
    assert daemon.batch([part("x", b" \r\n\t[1] \n")], merge="keyed").body == b'{"x":[1]}'


@pytest.mark.parametrize("name", INVALID)
def test_invalid_bodies_fail_alone(daemon, name):
    """invalid_json for that part; the others arrive."""
    parts = [part("x", INVALID[name]), part("y", b"1")]
    answer = daemon.batch(parts, merge="keyed", policy="allSettled")
    assert answer.status == 200, answer
    value = answer.json()
    assert value["x"] is None and value["y"] == 1
    assert [(error["id"], error["code"]) for error in value["_meta"]["errors"]] == \
        [("x", "invalid_json")]
    checks.failed(daemon.batch(parts, merge="keyed"), 502, "invalid_json", "x")


@pytest.mark.parametrize("raw", [b"caf\xe9", b"\x80", b"cut \xe2\x82", b"\xed\xa0\x80"])
def test_text_that_is_not_utf8_is_not_altered(daemon, raw):
    """An envelope carries the bytes of such a text, and of no other, as base64url."""
    url = "/json?type=text/plain%3B+charset=iso-8859-1&raw="
    bodies = [item["body"] for item in daemon.batch([
        {"id": "x", "upstream": "demo", "url": url + quote(raw, safe="")},
        {"id": "y", "upstream": "demo", "url": url + quote("caf\u00e9")},
    ]).json()["responses"]]
    assert bodies == [base64.urlsafe_b64encode(raw).decode().rstrip("="), "caf\u00e9"]


@pytest.fixture(scope="module")
def exact(tmp_path_factory, fill):
    """A daemon and a scripted upstream whose next reply can be set."""
    with Scripted([[]]) as server:
        running = harness.Gatherd(
            tmp_path_factory.mktemp("exact"),
            fill("workers: 1\nlimits: { replyBody: 16MiB }\nupstreams: { it: { url: '$IT' } }",
                 IT=server.url))

        def send(*steps, **members):
            server.script = [[READ, *steps]]
            return running.batch([{"id": "x", "upstream": "it", "url": "/"}],
                                 **{"merge": "keyed", **members})

        yield send
        running.stop()


CLOSING = b"Connection: close\r\n"


@pytest.mark.parametrize("opening, inner, closing", [
    (b"[", b"", b"]"), (b'{"a":', b"1", b"}"), (b'[{"a":', b"null", b"}]")])
def test_depth(exact, opening, inner, closing):
    """512 levels pass, 513 are that part's failure."""
    times = 512 // (opening.count(b"[") + opening.count(b"{"))
    deepest = opening * times + inner + closing * times
    assert exact(reply(deepest, head=CLOSING)).body == b'{"x":' + deepest + b"}"
    checks.failed(exact(reply(b"[" + deepest + b"]", head=CLOSING)), 502, "invalid_json", "x")


def test_ten_megabyte_array(exact):
    """A large array passes whole."""
    numbers = random.Random(7)
    items = b",".join(b"%d.%03d" % (numbers.getrandbits(60), numbers.getrandbits(9))
                      for _ in range(460_000))
    body = b"[" + items + b"]"
    assert len(body) > 10_000_000
    assert exact(reply(body, head=CLOSING)).body == b'{"x":' + body + b"}"


def test_single_byte_chunks(exact):
    """Where the network cuts the bytes does not matter."""
    body = b"[" + b",".join(VALID[name] for name in (
        "four bytes", "pair", "plus exponent", "literals", "composed and not")) + b"]"
    chunks = b"".join(b"1\r\n%c\r\n" % byte for byte in body)
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n" \
        b"Connection: close\r\n\r\n"
    steps = [head]
    for start in range(0, len(chunks), 60):
        steps += [chunks[start:start + 60], 0.002]
    assert exact(*steps, b"0\r\n\r\n").body == b'{"x":' + body + b"}"


def test_body_cut_at_every_byte(daemon):
    """No proper prefix of an object passes for JSON."""
    body = '{"a":[1,-2.5e3,true,null],"\\u00e9":"\u00e9\U0001f600","o":{"x":""}}'.encode()
    cuts = [(f"c{length}", body[:length]) for length in range(1, len(body))]
    for start in range(0, len(cuts), 30):
        chosen = cuts[start:start + 30]
        parts = [part(name, raw) for name, raw in chosen] + [part("whole", body)]
        value = daemon.batch(parts, merge="keyed", policy="allSettled").json()
        assert [error["id"] for error in value["_meta"]["errors"]] == [name for name, _ in chosen]
        assert {error["code"] for error in value["_meta"]["errors"]} == {"invalid_json"}
        assert value["whole"] == json.loads(body)


def test_type_alone_decides_nothing(daemon):
    """A merged reply looks at the body, not at Content-Type."""
    parts = [{"id": "x", "upstream": "demo", "url": "/json?type=text/html&raw=[1]"}]
    assert daemon.batch(parts, merge="keyed").body == b'{"x":[1]}'


def test_gzip_is_decoded(daemon):
    """A compressed body that was asked for is decompressed before it is judged."""
    parts = [{"id": "x", "upstream": "demo", "url": "/gzip", "headers": {"Accept-Encoding": "gzip"}}]
    assert daemon.batch(parts, merge="keyed").body == b'{"x":{"packed":true}}'


def test_gzip_that_nobody_asked_for(daemon):
    """Without Accept-Encoding a compressed body is no JSON."""
    parts = [{"id": "x", "upstream": "demo", "url": "/gzip"}]
    checks.failed(daemon.batch(parts, merge="keyed"), 502, "invalid_json", "x")


def random_value(numbers, depth):
    """Some JSON text, written in an unusual hand."""
    space = numbers.choice(["", "", " ", "\n\t"])
    kind = numbers.randrange(8 if depth else 5)
    if kind == 0:
        return numbers.choice(["true", "false", "null"])
    if kind in (1, 2):
        digits = str(numbers.getrandbits(numbers.randrange(1, 200)))
        fraction = "." + str(numbers.getrandbits(30)) if numbers.random() < 0.5 else ""
        power = f"E{numbers.randrange(-999, 999):+}" if numbers.random() < 0.3 else ""
        return numbers.choice(["", "-"]) + digits + fraction + power
    if kind in (3, 4):
        return random_string(numbers)
    items = [random_value(numbers, depth - 1) for _ in range(numbers.randrange(5))]
    if kind == 5:
        return f"[{space}" + f"{space},".join(items) + f"{space}]"
    return f"{{{space}" + ",".join(f"{random_string(numbers)}{space}:{space}{item}" for item in items) \
        + f"{space}}}"


def random_string(numbers):
    """A string with escapes and characters of every length."""
    pieces = ["a", "\u00e9", "\u20ac", "\U0001f600", "\\n", "\\/", "\\u0041", "\\ud800", "\\\"", " ", "]"]
    return '"' + "".join(numbers.choices(pieces, k=numbers.randrange(9))) + '"'


def test_random_documents(daemon):
    """A hundred random documents come out byte for byte."""
    numbers = random.Random(20)
    for _ in range(10):
        texts = [random_value(numbers, 4).encode()[:4000] for _ in range(10)]
        texts = [text if is_json(text) else b"0" for text in texts]
        parts = [part(f"p{index}", text) for index, text in enumerate(texts)]
        assert daemon.batch(parts, merge="array").body == b"[" + b",".join(texts) + b"]"


def is_json(text):
    """Whether Python reads it."""
    try:
        json.loads(text)
        return True
    except ValueError:
        return False
