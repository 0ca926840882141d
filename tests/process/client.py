"""A small HTTP/1.1 client on a raw socket: it can send anything and sees everything."""

import json
import socket
import struct

TIMEOUT = 15.0


class Reply:
    """A complete reply."""

    def __init__(self, status, headers, body):
        self.status = status
        self.headers = headers
        self.body = body

    def header(self, name):
        """A header's only value, or None; more than one is an error."""
        values = [value for key, value in self.headers if key.lower() == name.lower()]
        assert len(values) <= 1, f"{name} more than once: {values}"
        return values[0] if values else None

    def json(self):
        """The body's value; members keep their order."""
        return json.loads(self.body)

    def __repr__(self):
        return f"<{self.status} {self.headers} {self.body[:2000]!r}>"


class Connection:
    """One connection; close it or use it in a with statement."""

    def __init__(self, address, timeout=TIMEOUT):
        family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
        self.sock = socket.socket(family, socket.SOCK_STREAM)
        self.sock.settimeout(timeout)
        self.sock.connect(address)
        self.buffer = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.sock.close()

    def send(self, data):
        """Sends bytes as they are."""
        self.sock.sendall(data)

    def request(self, method, target, headers=(), body=None):
        """Sends a request; Host and Content-Length are added unless given."""
        fields = list(headers.items() if isinstance(headers, dict) else headers)
        names = [name.lower() for name, _ in fields]
        if "host" not in names:
            fields.insert(0, ("Host", "gatherd"))
        if body is not None and not {"content-length", "transfer-encoding"} & set(names):
            fields.append(("Content-Length", str(len(body))))
        lines = [f"{method} {target} HTTP/1.1"] + [f"{name}: {value}" for name, value in fields]
        self.send(("\r\n".join(lines) + "\r\n\r\n").encode("latin-1") + (body or b""))

    def more(self):
        """Reads some more; False at the end."""
        try:
            data = self.sock.recv(1 << 20)
        except ConnectionResetError:
            return False
        self.buffer += data
        return bool(data)

    def take(self, size):
        """Exactly so many bytes."""
        while len(self.buffer) < size:
            assert self.more(), f"closed after {len(self.buffer)} of {size} bytes"
        data, self.buffer = self.buffer[:size], self.buffer[size:]
        return data

    def take_until(self, mark):
        """Everything before a mark, which is dropped."""
        while mark not in self.buffer:
            assert self.more(), f"closed before {mark!r}: {self.buffer[:300]!r}"
        data, self.buffer = self.buffer.split(mark, 1)
        return data

    def receive(self, method="GET"):
        """The next reply."""
        lines = self.take_until(b"\r\n\r\n").decode("latin-1").split("\r\n")
        version, status = lines[0].split(" ", 2)[:2]
        assert version == "HTTP/1.1", lines[0]
        headers = []
        for line in lines[1:]:
            name, colon, value = line.partition(":")
            assert colon and name == name.strip(), line
            headers.append((name, value.strip()))
        reply = Reply(int(status), headers, b"")
        if reply.status == 100:
            return self.receive(method)
        if method != "HEAD" and reply.status not in (204, 304):
            reply.body = self.receive_body(reply)
        return reply

    def receive_body(self, reply):
        """A reply's body by length, in chunks or to the end."""
        if (reply.header("transfer-encoding") or "") == "chunked":
            body = b""
            while True:
                size = int(self.take_until(b"\r\n"), 16)
                piece = self.take(size)
                assert self.take_until(b"\r\n") == b""
                if size == 0:
                    return body
                body += piece
        if reply.header("content-length") is not None:
            return self.take(int(reply.header("content-length")))
        return self.rest()

    def rest(self):
        """Everything until the other side closes."""
        while self.more():
            pass
        data, self.buffer = self.buffer, b""
        return data

    def closed(self, within=5.0):
        """Whether the other side closes in time without sending anything more."""
        self.sock.settimeout(within)
        try:
            return not self.more() and not self.buffer
        except TimeoutError:
            return False

    def reset(self):
        """Closes with a TCP reset."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()


def fetch(address, method, target, headers=(), body=None, timeout=TIMEOUT):
    """One request on a connection of its own."""
    with Connection(address, timeout) as connection:
        connection.request(method, target, headers, body)
        return connection.receive(method)
