#!/usr/bin/env python3
"""What a second worker brings to fan-outs that open TLS connections: gatherd with one
worker and with two, in turns, one client; nginx closes every connection after its
reply, so each call pays for a handshake (P-256). Latencies in milliseconds.

  cold_tls.py GATHERD [pairs]
"""
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import programs

WIDTHS = (4, 8, 16, 32)


def make_certificate(work):
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                    "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", "/CN=localhost",
                    "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
                    "-keyout", str(work / "key.pem"), "-out", str(work / "cert.pem")],
                   check=True, capture_output=True)


def start_upstream(work):
    [port] = programs.free_ports(1)
    conf = work / "nginx.conf"
    conf.write_text(f"""
worker_processes 1; daemon off; pid {work}/pid; error_log stderr crit;
events {{ worker_connections 4096; }}
http {{
    access_log off; keepalive_timeout 0; default_type application/json;
    client_body_temp_path {work}/b; proxy_temp_path {work}/p; fastcgi_temp_path {work}/f;
    uwsgi_temp_path {work}/u; scgi_temp_path {work}/s;
    server {{
        listen 127.0.0.1:{port} ssl backlog=4096;
        ssl_certificate {work}/cert.pem; ssl_certificate_key {work}/key.pem;
        ssl_session_tickets off;
        location / {{ return 200 '{{"ok":true}}'; }}
    }}
}}
""")
    return programs.Program("upstream", ["/usr/sbin/nginx", "-p", str(work), "-e", "stderr", "-c", str(conf)], port)


def start_gatherd(work, binary, workers, upstream):
    [port] = programs.free_ports(1)
    lines = [f'listen: "127.0.0.1:{port}"', f"workers: {workers}", "limits: { requests: 200 }",
             f'upstreams: {{ up: {{ url: "https://127.0.0.1:{upstream.port}", timeout: 10s, '
             f'connectTimeout: 10s, caFile: {work}/cert.pem }} }}', "endpoints:"]
    for width in WIDTHS:
        lines += [f"  - path: /{width}", "    merge: keyed", "    requests:"]
        lines += [f"      - {{ id: r{n}, upstream: up, url: /, dedupe: false }}" for n in range(width)]
    conf = work / f"gatherd{workers}.yaml"
    conf.write_text("\n".join(lines) + "\n")
    return programs.Program(f"{workers} workers", [binary, "--config", str(conf)], port,
                            stderr=(work / f"gatherd{workers}.log").open("w"))


class Client:
    def __init__(self, program):
        self.sock = socket.create_connection(("127.0.0.1", program.port))
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def ask(self, width):
        """One request; its latency in milliseconds."""
        started = time.perf_counter()
        self.sock.sendall(f"GET /{width} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
        data = b""
        while b"\r\n\r\n" not in data:
            data += self.sock.recv(1 << 20)
        head, _, body = data.partition(b"\r\n\r\n")
        assert b" 200 " in head.splitlines()[0], data[:500]
        length = int(head.lower().split(b"content-length:")[1].split()[0])
        while len(body) < length:
            body += self.sock.recv(1 << 20)
        return (time.perf_counter() - started) * 1e3


def cpu(program):
    """CPU time of its processes so far in seconds: their own clocks, by clock_getcpuclockid(3)."""
    return sum(time.clock_gettime(~pid << 3 | 2) for pid in program.pids())


def main():
    binary, pairs = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 60
    with tempfile.TemporaryDirectory() as directory:
        work = Path(directory)
        make_certificate(work)
        running = [start_upstream(work)]
        work.chmod(0o755)
        try:
            running += [start_gatherd(work, binary, n, running[0]) for n in (1, 2)]
            clients = [Client(program) for program in running[1:]]
            for width in WIDTHS:
                times, before = [], [cpu(program) for program in running]
                for number in range(pairs + 5):
                    order = (0, 1) if number % 2 else (1, 0)
                    taken = {one: clients[one].ask(width) for one in order}
                    times.append((taken[0], taken[1]))
                spent = [(cpu(program) - was) * 1e6 / (pairs + 5) / width
                         for program, was in zip(running, before)]
                one, two = zip(*times[5:])
                ratios = statistics.quantiles([b / a for a, b in times[5:]])
                print(f"K={width}: one worker p50 {statistics.median(one):.1f} ms, two "
                      f"{statistics.median(two):.1f} ms, ratio {ratios[1]:.2f} "
                      f"(quartiles {ratios[0]:.2f} to {ratios[2]:.2f}); CPU per call: "
                      f"upstream {spent[0] / 2:.0f} us, one worker {spent[1]:.0f}, "
                      f"two {spent[2]:.0f}", flush=True)
        finally:
            for program in running:
                program.stop()


if __name__ == "__main__":
    main()
