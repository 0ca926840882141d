#!/usr/bin/env python3
"""How long a part of a stream takes from its upstream's last byte to an idle client.

One thread plays upstream and client with blocking sockets on loopback, so the time
between its send() and the end of its recv() is gatherd's and the kernel's. A second
part is held open, so that the line is not the last one. Usage: stream_latency.py
[ROUNDS]; GATHERD names the binary.
"""

import os
import pathlib
import socket
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
BINARY = os.environ.get("GATHERD", str(ROOT / "build" / "gatherd"))
BODY = b'{"userId":1,"id":1,"title":"' + b"x" * 240 + b'"}'
REPLY = (b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s"
         % (len(BODY), BODY))
CONFIG = """
listen: "127.0.0.1:0"
workers: 1
upstreams: { here: { url: "http://127.0.0.1:%d", timeout: 10s } }
endpoints:
  - path: /two
    requests:
      - { id: measured, upstream: here, url: /measured }
      - { id: held, upstream: here, url: /held }
"""


def start(directory, port):
    """The daemon and its port."""
    (directory / "c.yaml").write_text(CONFIG % port)
    daemon = subprocess.Popen([BINARY, "--config", str(directory / "c.yaml")],
                              stderr=subprocess.PIPE, text=True)
    for line in daemon.stderr:
        if "listening on" in line:
            return daemon, int(line.rpartition(":")[2])
    raise SystemExit("gatherd did not start")


class Upstream:
    """Takes both calls of a request."""

    def __init__(self):
        self.server = socket.create_server(("127.0.0.1", 0))
        self.port = self.server.getsockname()[1]
        self.socks = []

    def calls(self):
        """The sockets of the two calls, by path."""
        while len(self.socks) < 2:
            self.socks.append(self.server.accept()[0])
            self.socks[-1].setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        found = {}
        for sock in self.socks:
            data = b""
            while not data.endswith(b"\r\n\r\n"):
                data += sock.recv(65536)
            found[data.split(b" ")[1]] = sock
        return found[b"/measured"], found[b"/held"]


def until(sock, data, mark):
    """Reads until a mark is there."""
    while mark not in data:
        data += sock.recv(65536)
    return data


def measure(client, upstream, rounds, accept):
    """Microseconds of every round."""
    request = f"GET /two HTTP/1.1\r\nHost: a\r\nAccept: {accept}\r\n\r\n".encode()
    times = []
    for _ in range(rounds):
        client.sendall(request)
        measured, held = upstream.calls()
        head = until(client, b"", b"\r\n\r\n")
        assert b"measured" not in head
        time.sleep(0.001)
        begun = time.perf_counter_ns()
        measured.sendall(REPLY)
        data = until(client, b"", b'"}}\n')
        times.append((time.perf_counter_ns() - begun) / 1000)
        held.sendall(REPLY)
        until(client, data, b"\r\n0\r\n\r\n")
    return times


def main():
    """Prints median and tail for both formats."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 2000
    with tempfile.TemporaryDirectory() as name:
        upstream = Upstream()
        daemon, port = start(pathlib.Path(name), upstream.port)
        try:
            client = socket.create_connection(("127.0.0.1", port))
            for accept in ("application/x-ndjson", "text/event-stream"):
                measure(client, upstream, 50, accept)
                times = sorted(measure(client, upstream, rounds, accept))
                print(f"{accept}: median {statistics.median(times):.0f} us, "
                      f"p90 {times[rounds * 9 // 10]:.0f} us, "
                      f"p99 {times[rounds * 99 // 100]:.0f} us ({rounds} rounds)")
        finally:
            daemon.terminate()
            daemon.wait(10)


if __name__ == "__main__":
    main()
