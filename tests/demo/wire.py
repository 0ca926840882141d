"""HTTP/1.1 on asyncio streams, small enough to be wrong on purpose elsewhere."""

import asyncio
import socket
import struct
from http import HTTPStatus

HEAD_LIMIT = 1 << 20


class BadRequest(Exception):
    """What the client sent is not a request."""


class Peer(asyncio.StreamReaderProtocol):
    """A stream protocol that also says at once when the client has gone."""

    def __init__(self, reader, connected):
        super().__init__(reader, connected)
        self.gone = asyncio.Event()

    def eof_received(self):
        self.gone.set()
        return super().eof_received()

    def connection_lost(self, exc):
        self.gone.set()
        super().connection_lost(exc)


class Request:
    """One request: the head as received and the whole body."""

    def __init__(self, method, target, version, headers, body):
        self.method = method
        self.target = target
        self.version = version
        self.headers = headers
        self.body = body

    def header(self, name):
        """A header's first value, or None."""
        for key, value in self.headers:
            if key.lower() == name:
                return value
        return None

    def keeps_alive(self):
        """Whether the client wants to use the connection again."""
        wish = (self.header("connection") or "").lower()
        if self.version == "HTTP/1.0":
            return "keep-alive" in wish
        return "close" not in wish


async def read_request(reader, writer):
    """The next request, or None when the client closed between requests."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError as error:
        if error.partial:
            raise BadRequest("cut off") from None
        return None
    except asyncio.LimitOverrunError:
        raise BadRequest("head too large") from None
    lines = head[:-4].decode("latin-1").split("\r\n")
    try:
        method, target, version = lines[0].split(" ")
        headers = [split_field(line) for line in lines[1:]]
    except ValueError:
        raise BadRequest("bad head") from None
    request = Request(method, target, version, headers, b"")
    if (request.header("expect") or "").lower() == "100-continue":
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    request.body = await read_body(request, reader)
    return request


def split_field(line):
    """A header line as name and value."""
    name, colon, value = line.partition(":")
    if not colon:
        raise ValueError(line)
    return name, value.strip(" \t")


async def read_body(request, reader):
    """The request's body, by length or in chunks."""
    try:
        if "chunked" in (request.header("transfer-encoding") or "").lower():
            return await read_chunks(reader)
        length = int(request.header("content-length") or "0")
        return await reader.readexactly(length)
    except (ValueError, asyncio.IncompleteReadError):
        raise BadRequest("bad body") from None


async def read_chunks(reader):
    """A chunked body; trailers are dropped."""
    body = b""
    while True:
        size = int((await reader.readline()).split(b";")[0], 16)
        body += await reader.readexactly(size)
        line = await reader.readline()
        if size == 0:
            while line not in (b"\r\n", b""):
                line = await reader.readline()
            return body


def head(status, headers):
    """A reply's head as bytes."""
    try:
        phrase = HTTPStatus(status).phrase
    except ValueError:
        phrase = "Unassigned"
    lines = [f"HTTP/1.1 {status} {phrase}"] + [f"{name}: {value}" for name, value in headers]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def chunk(data):
    """One chunk of a chunked body."""
    return b"%x\r\n%s\r\n" % (len(data), data)


def reset(writer):
    """Closes with a TCP reset instead of a farewell."""
    sock = writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
