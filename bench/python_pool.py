"""A peer: the program people write first. An HTTP server in front of a pool of
threads with a bounded number of workers; each request fans out over the pool and
merges the decoded bodies."""
import json
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import requests

port, upstream_ports = int(sys.argv[1]), [int(p) for p in sys.argv[2].split(",")]
pool = ThreadPoolExecutor(max_workers=32)
own = threading.local()


def fetch(number, body):
    if not hasattr(own, "session"):
        own.session = requests.Session()
        own.session.trust_env = False
    upstream = upstream_ports[number % len(upstream_ports)]
    reply = own.session.get(f"http://127.0.0.1:{upstream}/{body}", timeout=10)
    reply.raise_for_status()
    return reply.json()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self):
        _, body, calls = self.path.split("/")
        futures = {f"r{n + 1}": pool.submit(fetch, n, body) for n in range(int(calls))}
        text = json.dumps({name: future.result() for name, future in futures.items()}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_):
        pass


class Server(ThreadingHTTPServer):
    request_queue_size = 1024
    daemon_threads = True


Server(("127.0.0.1", port), Handler).serve_forever()
