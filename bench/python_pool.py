"""A peer: the program people write first. An HTTP server in front of a pool of
threads with a bounded number of workers; each request fans out over the pool and
merges the decoded bodies."""
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import requests

from calls import accepts, settings, urls

pool = ThreadPoolExecutor(max_workers=32)
own = threading.local()


def fetch(url, path):
    if not hasattr(own, "session"):
        own.session = requests.Session()
        own.session.trust_env = False
        own.session.verify = settings["ca"]
    reply = own.session.get(url, timeout=10)
    if not accepts(reply.status_code, path):
        reply.raise_for_status()
    return reply.json()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self):
        futures = {f"r{n + 1}": pool.submit(fetch, url, self.path)
                   for n, url in enumerate(urls(self.path))}
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


Server(("127.0.0.1", settings["port"]), Handler).serve_forever()
