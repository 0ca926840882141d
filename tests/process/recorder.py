"""An upstream in the test's own process: replies as told, remembers every byte, counts who is there."""

import json
import select
import socket
import threading

BOUND = 30.0


class Recorder:
    """`answer(target, head, body)` gives (status, headers, body); a JSON value is written as JSON.

    `requests` holds the raw head and the body of each, in order of arrival; `most` is how many
    were in its hands at a time. While `gate` is set to a number, replies wait until so many
    requests are there, or until open() is called.
    """

    def __init__(self, answer=None):
        self.answer = answer or (lambda target, head, body: (200, {}, {"target": target}))
        self.requests = []
        self.here = self.most = self.gone = 0
        self.gate = 0
        self.local = threading.local()
        self.lock = threading.Condition()
        self.server = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.port = self.server.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.threads = []
        self.socks = []
        self.thread = threading.Thread(target=self.accept, daemon=True)
        self.thread.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.open()
        self.server.shutdown(socket.SHUT_RDWR)
        self.thread.join(BOUND)
        for sock in self.socks:
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        for thread in self.threads:
            thread.join(BOUND)
        self.server.close()

    def open(self):
        """Lets all replies go."""
        with self.lock:
            self.gate = 0
            self.lock.notify_all()

    def wait(self, count):
        """Waits until so many requests have arrived."""
        with self.lock:
            assert self.lock.wait_for(lambda: len(self.requests) >= count, BOUND), self.targets()

    def wait_gone(self, count):
        """Waits until so many clients have left before their reply."""
        with self.lock:
            assert self.lock.wait_for(lambda: self.gone >= count, BOUND), self.gone

    def targets(self):
        """The request targets in order of arrival."""
        return [head.split(b" ", 2)[1].decode() for head, _ in self.requests]

    def accept(self):
        """Takes connections until the listener is shut down."""
        while True:
            try:
                sock, _ = self.server.accept()
            except OSError:
                return
            sock.settimeout(BOUND)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.socks.append(sock)
            thread = threading.Thread(target=self.serve, args=(sock,), daemon=True)
            self.threads.append(thread)
            thread.start()

    def serve(self, sock):
        """One connection."""
        data = b""
        try:
            while True:
                while b"\r\n\r\n" not in data:
                    more = sock.recv(1 << 20)
                    if not more:
                        return
                    data += more
                head, _, data = data.partition(b"\r\n\r\n")
                length = 0
                for line in head.split(b"\r\n")[1:]:
                    if line.lower().startswith(b"content-length:"):
                        length = int(line.split(b":")[1])
                while len(data) < length:
                    data += sock.recv(1 << 20)
                body, data = data[:length], data[length:]
                self.reply(sock, head, body)
        except OSError:
            pass
        finally:
            sock.close()

    def left(self, sock):
        """Whether the client has gone."""
        if not select.select([sock], [], [], 0)[0]:
            return False
        try:
            return sock.recv(1, socket.MSG_PEEK) == b""
        except OSError:
            return True

    def wait_until_left(self):
        """For an answer: waits until the client of this request has left."""
        assert select.select([self.local.sock], [], [], BOUND)[0] and self.left(self.local.sock)
        with self.lock:
            self.gone += 1
            self.lock.notify_all()

    def hold(self, sock):
        """Waits at the gate; False when the client leaves meanwhile."""
        with self.lock:
            while self.gate and self.here < self.gate:
                if self.left(sock):
                    self.gone += 1
                    self.here -= 1
                    self.lock.notify_all()
                    return False
                self.lock.wait(0.02)
            self.gate = 0
            self.lock.notify_all()
            return True

    def reply(self, sock, head, body):
        """Answers one request."""
        with self.lock:
            self.requests.append((head, body))
            self.here += 1
            self.most = max(self.most, self.here)
            self.lock.notify_all()
        if not self.hold(sock):
            raise ConnectionError("the client left")
        self.local.sock = sock
        method, target = head.split(b" ", 2)[:2]
        status, headers, value = self.answer(target.decode(), head, body)
        if not isinstance(value, bytes):
            value = json.dumps(value).encode()
            headers = {"Content-Type": "application/json", **headers}
        lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(value)}"]
        lines += [f"{name}: {text}" for name, text in headers.items()]
        with self.lock:
            self.here -= 1
        sock.sendall(("\r\n".join(lines) + "\r\n\r\n").encode() + (b"" if method == b"HEAD" else value))
