"""An upstream that plays a script: for replies no sane server would send.

A script is a list of connections; a connection is a list of steps, run in order:
READ waits for one request, bytes are sent, a number is a pause in seconds, AWAIT
waits until the client closes, CLOSE and RESET end the connection (so does the end
of the list). The last connection's steps serve all later connections too.
"""

import re
import socket
import struct
import threading
import time

READ, AWAIT, CLOSE, RESET = "read", "await", "close", "reset"
BOUND = 10.0


def reply(body, kind="application/json", head=b""):
    """A plain well-formed reply as bytes; `head` holds further header lines."""
    return (b"HTTP/1.1 200 OK\r\nContent-Type: %s\r\nContent-Length: %d\r\n%s\r\n%s"
            % (kind.encode(), len(body), head, body))


class Scripted:
    """The upstream; use it in a with statement."""

    def __init__(self, script):
        self.script = script
        self.requests = []
        self.left = 0
        self.connections = 0
        self.threads = []
        self.socks = []
        self.server = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.host = "127.0.0.1:%d" % self.server.getsockname()[1]
        self.url = "http://" + self.host
        self.acceptor = threading.Thread(target=self.accept)

    def __enter__(self):
        self.acceptor.start()
        return self

    def __exit__(self, *_):
        self.server.shutdown(socket.SHUT_RDWR)
        self.acceptor.join(BOUND)
        for sock in self.socks:
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        for thread in self.threads:
            thread.join(BOUND)
        self.server.close()

    def accept(self):
        """Takes connections until the listener is shut down."""
        while True:
            try:
                sock, _ = self.server.accept()
            except OSError:
                return
            sock.settimeout(BOUND)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            steps = self.script[min(self.connections, len(self.script) - 1)]
            self.connections += 1
            self.socks.append(sock)
            thread = threading.Thread(target=self.serve, args=(sock, steps))
            self.threads.append(thread)
            thread.start()

    def serve(self, sock, steps):
        """Plays one connection."""
        try:
            for step in steps:
                self.play(sock, step)
        except OSError:
            pass
        finally:
            sock.close()

    def play(self, sock, step):
        """One step."""
        if isinstance(step, bytes):
            sock.sendall(step)
        elif isinstance(step, (int, float)):
            time.sleep(step)
        elif step == READ:
            self.requests.append(read_request(sock))
        elif step == AWAIT:
            while sock.recv(65536):
                pass
            self.left += 1
        elif step == RESET:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            sock.close()
        elif step == CLOSE:
            sock.close()


def read_request(sock):
    """One request's bytes, its body by Content-Length included."""
    data = b""
    while b"\r\n\r\n" not in data:
        data += receive(sock)
    head, _, body = data.partition(b"\r\n\r\n")
    length = re.search(rb"(?i)^content-length: *(\d+)", head, re.MULTILINE)
    while length and len(body) < int(length.group(1)):
        body += receive(sock)
    return head + b"\r\n\r\n" + body


def receive(sock):
    """Some bytes; the end is an error."""
    data = sock.recv(65536)
    if not data:
        raise ConnectionError("closed by the client")
    return data
