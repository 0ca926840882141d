"""An upstream whose replies wait for the test: it says when each may go, and counts bytes."""

import select
import socket
import threading
import time

from scripted import read_request

BOUND = 30.0
PIECE = 16384


class Part:
    """One path's reply."""

    def __init__(self, body, kind, status, held):
        self.body = body
        self.head = (f"HTTP/1.1 {status} X\r\nContent-Type: {kind}\r\n"
                     f"Content-Length: {len(body)}\r\n\r\n").encode()
        self.gate = threading.Event()
        self.asked = threading.Event()
        self.gone = threading.Event()
        self.sent = 0  # bytes of the body that the kernel has taken
        self.written = 0.0  # when the last of them went
        if not held:
            self.gate.set()


class Gated:
    """The upstream; its sockets' buffers are small, so that `sent` means something."""

    def __init__(self):
        self.parts = {}
        self.threads = []
        self.socks = []
        self.stopping = False
        self.server = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.server.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 65536)
        self.url = "http://127.0.0.1:%d" % self.server.getsockname()[1]
        self.acceptor = threading.Thread(target=self.accept)
        self.acceptor.start()

    def add(self, name, body=b"{}", kind="application/json", status=200, held=False):
        """What to reply to /name; a held one waits for release()."""
        self.parts[name] = Part(body, kind, status, held)
        return self.parts[name]

    def release(self, *names):
        """Lets replies go."""
        for name in names:
            self.parts[name].gate.set()

    def requests(self, *names, **members):
        """Requests for these parts, their names as ids."""
        return [{"id": name, "upstream": "gated", "url": "/" + name, **members} for name in names]

    def accept(self):
        """Takes connections until the listener is shut down."""
        while True:
            try:
                sock, _ = self.server.accept()
            except OSError:
                return
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.settimeout(BOUND)
            self.socks.append(sock)
            self.threads.append(threading.Thread(target=self.serve, args=(sock,)))
            self.threads[-1].start()

    def serve(self, sock):
        """One connection, until it ends."""
        with sock:
            try:
                while not self.stopping:
                    request = read_request(sock)
                    self.reply(sock, self.parts[request.split(b" ")[1].decode().strip("/")])
            except (OSError, KeyError):
                pass

    def reply(self, sock, part):
        """Waits for the gate or for the caller to leave, then sends."""
        part.asked.set()
        try:
            while not part.gate.wait(0.01):
                if select.select([sock], [], [], 0)[0]:
                    raise ConnectionError("the caller left")
            sock.sendall(part.head)
            part.sent = 0
            while part.sent < len(part.body):
                part.sent += sock.send(part.body[part.sent:part.sent + PIECE])
            part.written = time.monotonic()
        except OSError:
            part.gone.set()
            raise

    def stop(self):
        """Ends it."""
        self.stopping = True
        for part in self.parts.values():
            part.gate.set()
        self.server.shutdown(socket.SHUT_RDWR)
        for sock in self.socks:
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        self.acceptor.join(BOUND)
        for thread in self.threads:
            thread.join(BOUND)
        self.server.close()
