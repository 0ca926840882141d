"""An HTTP/2 upstream without TLS that does what it is told, frame by frame.

Each request takes the next action; the last one serves all later requests. Header
blocks are not decoded: what counts is how often a request comes.
"""

import socket
import struct
import threading

DATA, HEADERS, RESET, SETTINGS, PING, GOAWAY = 0, 1, 3, 4, 6, 7
END_STREAM, END_HEADERS, ACK = 1, 4, 1
REFUSED = 7
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
JSON_200 = b"\x88\x0f\x10\x10application/json"  # :status 200 and content-type, by static index


def frame(kind, flags, stream, payload=b""):
    """A frame's bytes."""
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


class Frames:
    """The upstream; actions: reply, ping (after a reply), refuse, reset, close, goaway, hold,
    headers (an illegal field), short (a wrong length)."""

    def __init__(self, *actions, streams=100):
        self.actions = list(actions)
        self.streams = streams
        self.requests = []  # the number of the connection that each came on
        self.resets = 0
        self.ends = 0  # connections that have ended
        self.connections = 0
        self.lock = threading.Lock()
        self.socks = []
        self.server = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.url = "http://127.0.0.1:%d" % self.server.getsockname()[1]
        self.threads = [threading.Thread(target=self.accept)]
        self.threads[0].start()

    def accept(self):
        """Serves connections until the listener is closed."""
        while True:
            try:
                sock, _ = self.server.accept()
            except OSError:
                return
            with self.lock:
                self.connections += 1
                self.socks.append(sock)
                thread = threading.Thread(target=self.serve, args=(sock, self.connections))
                self.threads.append(thread)
            thread.start()

    def serve(self, sock, number):
        """One connection."""
        with sock, sock.makefile("rb") as stream:
            try:
                if stream.read(len(PREFACE)) != PREFACE:
                    return
                sock.sendall(frame(SETTINGS, 0, 0, struct.pack(">HI", 3, self.streams)))
                while self.one_frame(sock, stream, number):
                    pass
            except OSError:
                pass
        with self.lock:
            self.ends += 1

    def one_frame(self, sock, stream, number):
        """Reads and answers one frame; False at the end."""
        head = stream.read(9)
        if len(head) < 9:
            return False
        length = int.from_bytes(head[:3], "big")
        kind, flags, identifier = struct.unpack(">BBI", head[3:])
        stream.read(length)
        if kind == SETTINGS and not flags & ACK:
            sock.sendall(frame(SETTINGS, ACK, 0))
        if kind == RESET:
            with self.lock:
                self.resets += 1
        if kind in (HEADERS, DATA) and flags & END_STREAM:
            with self.lock:
                self.requests.append(number)
                action = self.actions.pop(0) if len(self.actions) > 1 else self.actions[0]
            return self.act(sock, identifier, action)
        return True

    def act(self, sock, stream, action):
        """Answers a request; False closes the connection."""
        reply = frame(HEADERS, END_HEADERS, stream, JSON_200) + frame(
            DATA, END_STREAM, stream, b'{"ok":true}')
        illegal = JSON_200 + b"\x00\x0aconnection\x05close"
        short = JSON_200 + b"\x0f\x0d\x0299"
        sock.sendall({
            "reply": reply,
            "ping": reply + frame(PING, 0, 0, b"12345678"),
            "refuse": frame(RESET, 0, stream, struct.pack(">I", REFUSED)),
            "reset": frame(RESET, 0, stream, struct.pack(">I", 2)),
            "goaway": frame(GOAWAY, 0, 0, struct.pack(">II", stream - 2 if stream > 1 else 0, 0)),
            "headers": frame(HEADERS, END_HEADERS | END_STREAM, stream, illegal),
            "short": frame(HEADERS, END_HEADERS, stream, short) + frame(
                DATA, END_STREAM, stream, b"{}"),
        }.get(action, b""))
        return action not in ("close", "goaway")

    def stop(self):
        """Ends it."""
        self.server.shutdown(socket.SHUT_RDWR)
        self.server.close()
        for sock in list(self.socks):
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        for thread in list(self.threads):
            thread.join(10)
            assert not thread.is_alive()
