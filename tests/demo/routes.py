"""What the demo upstream answers, path by path.

A plain handler takes (request, query, *path values) and returns a Reply. A raw
handler takes the writer too and does as it likes with the connection: it returns
True when the connection can be used again.
"""

import asyncio
import base64
import gzip
import json
import re
import zlib
from urllib.parse import parse_qsl, unquote_to_bytes

import data
import shop
import wire

JSON = "application/json; charset=utf-8"
BOMB = gzip.compress(b'"' + b"x" * (20_000_000 - 2) + b'"', 9)


class Reply:
    """A well-behaved reply."""

    def __init__(self, status=200, body=b"", kind=JSON, headers=()):
        self.status = status
        self.body = body
        self.headers = [("Content-Type", kind)] if body or kind != JSON else []
        self.headers += list(headers)


def as_json(value, status=200, headers=()):
    """A value as a JSON reply."""
    return Reply(status, json.dumps(value, ensure_ascii=False, indent=2).encode(), JSON, headers)


def find(items, number):
    """The item with that id, or the service's 404."""
    number = int(number)
    return as_json(items[number - 1]) if 1 <= number <= len(items) else as_json({}, 404)


def author(request, query, number):
    """The user who wrote that post."""
    number = int(number)
    return find(data.USERS, data.POSTS[number - 1]["userId"] if 1 <= number <= 100 else 0)


def where(items, query, *members):
    """The items whose members equal what the query says."""
    for member in members:
        if member in query:
            items = [item for item in items if str(item[member]) == query[member]]
    return as_json(items)


def posts(request, query):
    """The list, or a new post (which is not kept)."""
    if request.method != "POST":
        return where(data.POSTS, query, "userId")
    try:
        made = json.loads(request.body)
    except ValueError:
        return as_json({"error": "not JSON"}, 400)
    if not isinstance(made, dict):
        return as_json({"error": "not an object"}, 400)
    return as_json({**made, "id": 101}, 201, [("Location", "/posts/101")])


async def delay(request, query, ms):
    """Answers after so many milliseconds."""
    await asyncio.sleep(int(ms) / 1000)
    return as_json({"delay": int(ms)})


def status(request, query, code):
    """Answers with that status."""
    code = int(code)
    if not 200 <= code <= 599:
        return as_json({"error": "200 to 599"}, 400)
    return Reply(code) if code in (204, 304) else as_json({"status": code}, code)


def sized(request, query, size):
    """A JSON string of exactly so many bytes, quotes included."""
    return Reply(200, b'"' + b"x" * (max(int(size), 2) - 2) + b'"')


def echo(request, query):
    """The request as it arrived."""
    return as_json({
        "method": request.method,
        "target": request.target,
        "headers": request.headers,
        "body": request.body.decode("utf-8", "replace"),
        "bodyBase64": base64.b64encode(request.body).decode(),
    })


def exact(request, query):
    """Exactly the bytes of ?raw=, with ?status= and ?type= if given."""
    match = re.search(r"[?&]raw=([^&]*)", request.target)
    raw = unquote_to_bytes(match.group(1)) if match else b""
    return Reply(int(query.get("status", "200")), raw, query.get("type", "application/json"))


def many_headers(request, query, size):
    """Header lines X-Filler that take so many bytes in all."""
    left, lines = int(size), []
    while left > 0:
        length = left if left <= 4096 else min(4096, left - 32)
        lines.append(("X-Filler", "x" * max(length - len("X-Filler: \r\n"), 0)))
        left -= length
    return Reply(200, b'"many headers"', JSON, lines)


def redirect(request, query):
    """Points elsewhere."""
    return Reply(302, b"", JSON, [("Location", query.get("to", "/posts/1"))])


async def slow_drip(request, query, writer):
    """A JSON string in n pieces of so many bytes, so many ms apart."""
    pause = int(query.get("ms", "100")) / 1000
    count, size = int(query.get("n", "10")), int(query.get("bytes", "1"))
    body = b'"' + b"x" * (max(count * size, 2) - 2) + b'"'
    writer.write(wire.head(200, [("Content-Type", JSON), ("Content-Length", len(body))]))
    for start in range(0, len(body), size):
        await asyncio.sleep(pause)
        writer.write(body[start:start + size])
        await writer.drain()
    return True


async def chunked(request, query, writer):
    """A chunked body whose last chunk comes late; ?cut: it never comes."""
    writer.write(wire.head(200, [("Content-Type", JSON), ("Transfer-Encoding", "chunked")]))
    for piece in (b'{"chunked":', b'"yes"', b"}"):
        writer.write(wire.chunk(piece))
    await writer.drain()
    await asyncio.sleep(int(query.get("late", "0")) / 1000)
    if "cut" in query:
        return False
    writer.write(wire.chunk(b""))
    return True


async def truncated(request, query, writer):
    """Promises more than it sends."""
    writer.write(wire.head(200, [("Content-Type", JSON), ("Content-Length", 100)]))
    writer.write(b'{"cut":')
    await writer.drain()
    return False


async def reset(request, query, writer):
    """A TCP reset, after ?after= bytes of a reply."""
    after = int(query.get("after", "0"))
    if after:
        body = b'"' + b"x" * 100_000
        writer.write((wire.head(200, [("Content-Length", 200_000)]) + body)[:after])
        await writer.drain()
        await asyncio.sleep(0.05)
    wire.reset(writer)
    return False


async def garbage(request, query, writer):
    """Not HTTP."""
    writer.write(b"\x00\x01 this is no HTTP reply \xff\xfe\r\n\r\n")
    await writer.drain()
    return False


async def hang(request, query, writer):
    """Never answers."""
    await asyncio.sleep(3600)
    return False


def fixed(*args, **kwargs):
    """A handler that always gives the same reply."""
    reply = Reply(*args, **kwargs)
    return lambda request, query: reply


NUMBER = r"(\d{1,9})"
READ = ("GET", "HEAD")
ANY = ()
ROUTES = [(re.compile(pattern), methods, handler) for pattern, methods, handler in [
    ("/posts", READ + ("POST",), posts),
    (f"/posts/{NUMBER}", READ, lambda request, query, n: find(data.POSTS, n)),
    (f"/posts/{NUMBER}/comments", READ,
     lambda request, query, n: where(data.COMMENTS, {"postId": n}, "postId")),
    (f"/posts/{NUMBER}/author", READ, author),
    ("/comments", READ, lambda request, query: where(data.COMMENTS, query, "postId")),
    (f"/comments/{NUMBER}", READ, lambda request, query, n: find(data.COMMENTS, n)),
    ("/users", READ, lambda request, query: where(data.USERS, query, "username")),
    (f"/users/{NUMBER}", READ, lambda request, query, n: find(data.USERS, n)),
    (f"/delay/{NUMBER}", ANY, delay),
    (f"/status/{NUMBER}", ANY, status),
    (f"/bytes/{NUMBER}", READ, sized),
    (f"/headers/{NUMBER}", READ, many_headers),
    ("/echo(?:/.*)?", ANY, echo),
    ("/json", ANY, exact),
    ("/empty", ANY, fixed(200, b"", "application/json")),
    ("/no-content", ANY, fixed(204)),
    ("/text", READ, fixed(200, "plain text, na\u00efve\n".encode(), "text/plain; charset=utf-8")),
    ("/invalid-json", READ, fixed(200, b'{"broken": ')),
    ("/redirect", ANY, redirect),
    ("/gzip", READ, fixed(200, gzip.compress(b'{"packed":true}', 9), JSON,
                          [("Content-Encoding", "gzip")])),
    ("/deflate", READ, fixed(200, zlib.compress(b'{"packed":"deflate"}', 9), JSON,
                             [("Content-Encoding", "deflate")])),
    ("/bomb", READ, fixed(200, BOMB, JSON, [("Content-Encoding", "gzip")])),
    *shop.routes(as_json, NUMBER),
]]
RAW = {
    "/slow-drip": slow_drip, "/chunked": chunked, "/truncated": truncated,
    "/reset": reset, "/garbage": garbage, "/hang": hang,
}


def parse_query(target):
    """The query's members; the last of a name counts."""
    return dict(parse_qsl(target.partition("?")[2], keep_blank_values=True, errors="replace"))


async def answer(request):
    """The reply to anything that is not in RAW."""
    path = request.target.partition("?")[0]
    for pattern, methods, handler in ROUTES:
        match = pattern.fullmatch(path)
        if not match:
            continue
        if methods and request.method not in methods:
            return as_json({"error": "method"}, 405, [("Allow", ", ".join(methods))])
        try:
            reply = handler(request, parse_query(request.target), *match.groups())
            return await reply if asyncio.iscoroutine(reply) else reply
        except ValueError as error:
            return as_json({"error": str(error)}, 400)
    return as_json({}, 404)
