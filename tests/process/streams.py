"""Reads streams as a program that knows only their formats would."""

import json

import client
import harness

NDJSON = {"Accept": "application/x-ndjson"}
EVENTS = {"Accept": "text/event-stream"}
JSON = {"Content-Type": "application/json"}


def lines_of(data):
    """NDJSON: every line is a value and ends with a line feed."""
    assert data.endswith(b"\n") and b"\r" not in data, data[-200:]
    return [json.loads(line) for line in data[:-1].split(b"\n")]


def events_of(text):
    """Server-sent events (HTML 9.2.6) as (type, id, data); comments are left out."""
    found, kind, data, last = [], "", [], ""
    for line in text.replace("\r\n", "\n").replace("\r", "\n").split("\n"):
        name, _, value = line.partition(":")
        value = value[1:] if value.startswith(" ") else value
        if not line:
            if data:
                found.append((kind or "message", last, "\n".join(data)))
            kind, data = "", []
        elif name == "event":
            kind = value
        elif name == "data":
            data.append(value)
        elif name == "id":
            last = value
        else:
            assert name == "", line
    assert not data and not kind, "the stream ends inside an event"
    return found


def parts_of(reply):
    """(items, summary) of a complete stream in either format."""
    assert reply.status == 200, reply
    if reply.header("content-type") == "text/event-stream":
        events = events_of(reply.body.decode())
        assert [kind for kind, _, _ in events] == ["response"] * (len(events) - 1) + ["done"]
        values = [json.loads(data) for _, _, data in events]
        assert [last for _, last, _ in events[:-1]] == [value["id"] for value in values[:-1]]
    else:
        values = lines_of(reply.body)
    assert list(values[-1]) == ["summary"]
    assert all(list(value)[:3] == ["id", "status", "headers"] for value in values[:-1])
    return values[:-1], values[-1]["summary"]


class Stream:
    """A stream that is read piece by piece."""

    def __init__(self, daemon, requests, accept=None, connection=None, **members):
        """Of a batch with these requests, or of an endpoint when they are its path."""
        self.connection = connection or daemon.connect()
        fields = {**JSON, **(accept or NDJSON)}
        if isinstance(requests, str):
            self.connection.request("GET", requests, fields)
        else:
            self.connection.request("POST", "/batch", fields,
                                    harness.compact({"requests": requests, **members}))
        self.text = b""
        self.over = False

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.connection.sock.close()

    def head(self):
        """The header as one reply without a body."""
        text = self.connection.take_until(b"\r\n\r\n").decode("latin-1").split("\r\n")
        fields = [tuple(line.split(": ", 1)) for line in text[1:]]
        reply = client.Reply(int(text[0].split(" ")[1]), fields, b"")
        assert reply.status == 200 and reply.header("transfer-encoding") == "chunked", reply
        return reply

    def chunk(self):
        """The next chunk's bytes; empty at the end."""
        piece = self.connection.take(int(self.connection.take_until(b"\r\n"), 16))
        assert self.connection.take_until(b"\r\n") == b""
        self.over = not piece
        return piece

    def until(self, mark):
        """Everything up to and with a mark."""
        while mark not in self.text:
            piece = self.chunk()
            assert piece, f"the stream ended before {mark!r}: {self.text[-300:]!r}"
            self.text += piece
        head, _, self.text = self.text.partition(mark)
        return head + mark

    def line(self):
        """The next NDJSON value."""
        return json.loads(self.until(b"\n"))

    def rest(self):
        """What is left, to the end."""
        pieces = [self.text]
        while not self.over:
            pieces.append(self.chunk())
        self.text = b""
        return b"".join(pieces)
