#!/usr/bin/env python3
"""Keep-alive clients that count what happened to every request.

Each client is an honest one: it has one request on its connection at a time, believes
`Connection: close`, and notices the end of an idle connection before it sends. A GET that
was sent on a used connection and got no byte back may be sent once more (RFC 9110, 9.2.2);
that is counted as `retried`. Everything else that is not the expected reply is a failure,
also a POST that met a closing connection.

    load.py ADDRESS [--requests N] [--clients N] [--target PATH] [--expect TEXT]

ADDRESS is host:port or unix:/path. Prints one JSON line; exit status 1: something failed.
"""

import argparse
import heapq
import json
import os
import random
import selectors
import socket
import sys
import time

PATIENCE = 30.0  # for one reply
SHOWN = 10       # failures described


class Client:
    """One connection and the request on it."""

    def __init__(self, number):
        self.number = number
        self.sock = None
        self.used = False      # the connection has carried a reply
        self.method = None     # of the request that is out; None: none
        self.retrying = False
        self.started = 0.0
        self.received = b""


class Load:
    """Clients against one address, until enough requests were answered."""

    def __init__(self, address, clients, target, expect):
        self.address, self.target, self.expect = address, target, expect.encode()
        self.selector = selectors.DefaultSelector()
        self.waiting = []  # (moment, number): clients that think
        self.clients = [Client(number) for number in range(clients)]
        self.good = self.failed = self.retried = self.closes = self.reconnects = 0
        self.failures, self.latencies = [], []

    # Connections.

    def connect(self, client):
        """A new connection; a failure is the request's."""
        try:
            if self.address.startswith("unix:"):
                client.sock = socket.socket(socket.AF_UNIX)
                client.sock.connect(self.address[len("unix:"):])
            else:
                host, _, port = self.address.rpartition(":")
                client.sock = socket.create_connection((host, int(port)), PATIENCE)
                client.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except OSError as error:
            client.sock = None
            return str(error)
        client.sock.setblocking(False)
        client.used = False
        self.reconnects += 1
        self.selector.register(client.sock, selectors.EVENT_READ, client)
        return None

    def disconnect(self, client):
        """Closes the client's side."""
        if client.sock:
            self.selector.unregister(client.sock)
            client.sock.close()
            client.sock = None

    # Requests.

    def begin(self, client):
        """The next request: four of five are GETs."""
        client.method = "POST" if random.random() < 0.2 else "GET"
        client.retrying = False
        client.started = time.monotonic()
        self.send(client)

    def send(self, client):
        """Sends the request, on a new connection if there is none."""
        client.received = b""
        trouble = None if client.sock else self.connect(client)
        if trouble:
            self.fail(client, f"cannot connect: {trouble}")
            return
        body = b"{}" if client.method == "POST" else b""
        length = f"Content-Length: {len(body)}\r\n" if body else ""
        head = f"{client.method} {self.target} HTTP/1.1\r\nHost: localhost\r\n{length}\r\n"
        try:
            client.sock.send(head.encode() + body)
        except OSError as error:
            self.lost(client, str(error))

    def lost(self, client, how):
        """The connection ended under a request."""
        may_retry = client.method == "GET" and client.used and not client.received
        self.disconnect(client)
        if may_retry and not client.retrying:
            client.retrying = True
            self.retried += 1
            self.send(client)
        else:
            state = "used" if client.used else "new"
            self.fail(client, f"{client.method} on a {state} connection: {how}, "
                              f"{len(client.received)} bytes of a reply")

    def fail(self, client, what):
        """Counts a failure and goes on."""
        self.failed += 1
        if len(self.failures) < SHOWN:
            self.failures.append(f"{time.strftime('%H:%M:%S')} client {client.number}: {what}")
        self.disconnect(client)
        self.rest(client, 0.05)

    def rest(self, client, seconds):
        """The client thinks for a while."""
        client.method = None
        heapq.heappush(self.waiting, (time.monotonic() + seconds, client.number))

    def readable(self, client):
        """A piece of a reply, or the end of the connection."""
        try:
            piece = client.sock.recv(65536)
        except BlockingIOError:
            return
        except OSError as error:
            piece, how = b"", str(error)
        else:
            how = "closed"
        if client.method is None:  # idle
            self.disconnect(client)
        elif not piece:
            self.lost(client, how)
        else:
            client.received += piece
            self.look(client)

    def look(self, client):
        """Judges the reply when it is complete."""
        head, mark, body = client.received.partition(b"\r\n\r\n")
        if not mark:
            return
        fields = head.lower()
        at = fields.find(b"\r\ncontent-length: ")
        if at < 0:
            self.fail(client, f"a reply without a length: {head!r}")
            return
        length = int(fields[at + 18:].split(b"\r\n", 1)[0])
        if len(body) < length:
            return
        if not head.startswith(b"HTTP/1.1 200 ") or self.expect not in body:
            self.fail(client, f"unexpected reply: {client.received[:300]!r}")
            return
        self.good += 1
        self.latencies.append(time.monotonic() - client.started)
        client.used = True
        if b"\r\nconnection: close" in fields:
            self.closes += 1
            self.disconnect(client)
        if client.number % 2:
            self.begin_later(client)
        else:
            self.begin(client)

    def begin_later(self, client):
        """Every other client leaves its connection idle between two requests."""
        self.rest(client, random.expovariate(1 / 0.02))

    # The whole.

    def wake(self):
        """Starts the requests that are due."""
        now = time.monotonic()
        while self.waiting and self.waiting[0][0] <= now:
            self.begin(self.clients[heapq.heappop(self.waiting)[1]])

    def check_patience(self):
        """Requests that got no reply in time."""
        limit = time.monotonic() - PATIENCE
        for client in self.clients:
            if client.method and client.started < limit:
                self.fail(client, f"{client.method}: no reply in {PATIENCE} s")

    def run(self, requests, is_over=lambda: True):
        """Until so many were answered and is_over() agrees; then every reply is awaited."""
        for client in self.clients:
            self.rest(client, random.random() / 10)
        checked = time.monotonic()
        while self.good + self.failed < requests or not is_over():
            pause = self.waiting[0][0] - time.monotonic() if self.waiting else 1.0
            for key, _ in self.selector.select(max(0.0, min(pause, 0.5))):
                if key.data.sock is key.fileobj:
                    self.readable(key.data)
            self.wake()
            if time.monotonic() - checked > 1:
                checked = time.monotonic()
                self.check_patience()
        return self.report()

    def report(self):
        """The counts."""
        times = sorted(self.latencies) or [0.0]
        return {"good": self.good, "failed": self.failed, "retried": self.retried,
                "closes": self.closes, "connections": self.reconnects,
                "medianMs": round(times[len(times) // 2] * 1000, 2),
                "p99Ms": round(times[len(times) * 99 // 100] * 1000, 2),
                "longestMs": round(times[-1] * 1000, 1), "failures": self.failures}


def main():
    """The command line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("address")
    parser.add_argument("--requests", type=int, default=100000)
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--target", default="/")
    parser.add_argument("--expect", default="")
    parser.add_argument("--until", help="go on until this file exists")
    options = parser.parse_args()
    load = Load(options.address, options.clients, options.target, options.expect)

    def is_over():
        return not options.until or os.path.exists(options.until)

    report = load.run(options.requests, is_over)
    print(json.dumps(report))
    return 1 if report["failed"] else 0


if __name__ == "__main__":
    sys.exit(main())
