"""nginx, HAProxy and Caddy in front of gatherd, as the files in conf/proxies have them."""

import re
import signal
import threading

import pytest

import checks
import client
import fronts
import harness
import streams

pytestmark = pytest.mark.once

CONFIG = """
workers: 2
hosts: [api.example.com]
origins: ["https://app.example.com"]
upstreams:
  demo:   { url: "$DEMO", timeout: 10s }
  dead:   { url: "http://127.0.0.1:$DEAD" }
  gated:  { url: "$GATED", timeout: 20s }
  echo:   { url: "$DEMO/echo" }
endpoints:
  - path: /posts/{id}/page
    merge: keyed
    etag: always
    requests:
      - { id: post,     upstream: demo, url: "/posts/{id}" }
      - { id: comments, upstream: demo, url: "/posts/{id}/comments" }
  - path: /broken
    merge: keyed
    requests:
      - { id: post, upstream: demo, url: /posts/1 }
      - { id: dead, upstream: dead, url: /x }
  - path: /echo
    merge: keyed
    forward: { headers: [x-request-id] }
    requests: [ { id: seen, upstream: echo, url: / } ]
  - path: /both
    timeout: 20s
    requests: [ { id: slow, upstream: gated, url: /slow }, { id: fast, upstream: gated, url: /fast } ]
  - path: /late
    merge: keyed
    timeout: 20s
    requests: [ { id: a, upstream: gated, url: /late } ]
"""
TO = {"Host": fronts.HOST}
KINDS = [(name, how) for name in fronts.FRONTS for how in ("tcp", "unix")]


class Front:
    """A web server and the daemon behind it."""

    def __init__(self, server, daemon):
        self.server, self.daemon = server, daemon
        self.address = ("127.0.0.1", server.port)

    def connect(self):
        """A connection to the web server."""
        return client.Connection(self.address)

    def fetch(self, method, target, headers=(), body=None):
        """One request through it, for the name it serves."""
        return client.fetch(self.address, method, target, {**TO, **dict(headers)}, body)

    def batch(self, document):
        """POST /batch through it."""
        return self.fetch("POST", "/batch", streams.JSON, harness.compact(document))


@pytest.fixture
def served(tmp_path):
    """Starts web servers; they end with the test."""
    started = []

    def start(name, address):
        directory = tmp_path / name
        directory.mkdir(mode=0o755)
        started.append(fronts.FRONTS[name](directory, harness.closed_port(), address))
        return started[-1]

    yield start
    for server in started:
        server.stop()


@pytest.fixture(params=KINDS, ids="-".join)
def front(request, served, gatherd, gated, tmp_path):
    """Each web server in front of a daemon, over TCP and over a unix socket."""
    name, how = request.param
    listen = f'listen: "unix:{tmp_path}/http.sock"\n' if how == "unix" else ""
    daemon = gatherd(listen + CONFIG, GATED=gated.url)
    return Front(served(name, daemon.address), daemon)


# Replies.

def test_a_merged_reply(front, upstream):
    """The reply's bytes and fields come through."""
    reply = front.fetch("GET", "/posts/7/page")
    direct = front.daemon.get("/posts/7/page", TO)
    assert reply.status == direct.status == 200
    assert reply.body == direct.body and reply.json()["post"]["id"] == 7
    for name in ("Content-Type", "ETag", "Cache-Control", "Aggregate-Status"):
        assert reply.header(name) == direct.header(name), name
    again = front.fetch("GET", "/posts/7/page", {"If-None-Match": reply.header("etag")})
    assert again.status == 304


def test_numbers_of_a_batch(front):
    """A posted document, and JSON that stays as it was written."""
    document = {"requests": [{"id": "a", "upstream": "demo", "url": "/json"}], "merge": "keyed"}
    direct = client.fetch(front.daemon.address, "POST", "/batch", {**TO, **streams.JSON},
                          harness.compact(document))
    assert direct.status == 200 and front.batch(document).body == direct.body


def test_compression_is_gatherds(front):
    """gzip for clients that ask, and for no others."""
    assert front.fetch("GET", "/posts/7/page").header("content-encoding") is None
    packed = front.fetch("GET", "/posts/7/page", {"Accept-Encoding": "gzip"})
    assert packed.header("content-encoding") == "gzip" and packed.body[:2] == b"\x1f\x8b"


def test_an_error_reply(front):
    """A problem document comes through with its status, not as a page of the server's."""
    checks.failed(front.fetch("GET", "/broken"), 502, "connection_refused", "dead")
    checks.problem(front.fetch("GET", "/nothing"), 404)
    checks.refused(front.batch({"requests": [{"id": "a", "url": "http://10.0.0.1/"}]}), 403,
                   "/requests/0/url", "egress.allow")


def test_large_bodies_are_refused(front):
    """A body beyond limits.requestBody is 413, and the largest is taken."""
    document = b'{"requests":[{"id":"a","upstream":"demo","url":"/posts/1"}],"merge":"keyed"}'
    most = document + b" " * ((1 << 20) - len(document))
    assert front.fetch("POST", "/batch", streams.JSON, most).status == 200
    with front.connect() as connection:
        try:
            connection.request("POST", "/batch", {**TO, **streams.JSON}, most + b" ")
        except (BrokenPipeError, ConnectionResetError):
            pass  # refused before all of it was sent
        assert connection.receive().status == 413


def test_large_headers_reach_the_daemon(front):
    """A field of 12 KB and a target of 8 KB are within the limits of all."""
    assert front.fetch("GET", "/posts/7/page", {"X-Note": "y" * 12000}).status == 200
    assert front.fetch("GET", "/posts/7/page?x=" + "y" * 8000).status == 200


# Who is asking.

def test_hosts_and_origins(front):
    """The daemon sees the client's own Host, so `hosts` and the page's own Origin work."""
    page = "/posts/7/page"
    assert front.fetch("GET", page, {"Origin": "http://" + fronts.HOST}).status == 200
    listed = front.fetch("GET", page, {"Origin": "https://app.example.com"})
    assert listed.status == 200
    assert listed.header("access-control-allow-origin") == "https://app.example.com"
    checks.problem(front.fetch("GET", page, {"Origin": "https://evil.example"}), 403)
    asked = front.fetch("OPTIONS", "/batch", {"Origin": "https://app.example.com",
                                              "Access-Control-Request-Method": "POST"})
    assert asked.status == 204
    assert asked.header("access-control-allow-methods") == "GET, HEAD, POST"


def test_request_ids_and_traces(front):
    """The server's request id and the client's trace arrive at upstreams."""
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    ids = set()
    for _ in range(2):
        seen = front.fetch("GET", "/echo", {"traceparent": trace}).json()["seen"]["headers"]
        fields = {name.lower(): value for name, value in
                  (seen.items() if isinstance(seen, dict) else seen)}
        assert trace[:35] in fields["traceparent"]
        ids.add(re.fullmatch(r"[0-9a-fA-F-]{32,36}", fields["x-request-id"])[0])
    assert len(ids) == 2


def clients_of(daemon):
    """The inodes of the connections that the daemon has accepted."""
    if isinstance(daemon.address, str):
        lines = open("/proc/net/unix", encoding="ascii").read().splitlines()
        fields = [line.split() for line in lines]
        return {field[6] for field in fields if field[5] == "03" and field[-1] == daemon.address}
    mine = f":{daemon.port:04X}"
    lines = open("/proc/net/tcp", encoding="ascii").read().splitlines()[1:]
    fields = [line.split() for line in lines]
    return {field[9] for field in fields if field[1].endswith(mine) and field[3] == "01"}


def test_connections_are_kept(front):
    """Requests of many clients go over one kept connection to the daemon."""
    front.fetch("GET", "/posts/1/page")
    kept = clients_of(front.daemon)
    assert len(kept) == 1
    for _ in range(5):
        with front.connect() as connection:
            for _ in range(2):
                connection.request("GET", "/posts/1/page", TO)
                assert connection.receive().status == 200
    assert kept <= clients_of(front.daemon) and len(clients_of(front.daemon)) <= 2


# Streams.

@pytest.mark.parametrize("accept", [streams.NDJSON, streams.EVENTS], ids=["ndjson", "events"])
def test_streams_are_not_held_back(front, gated, accept):
    """A part is at the client while another one is still at its upstream.

    A GET: Caddy before 2.7 may cut the reply to a POST that begins before Caddy has seen the
    end of the request's body (docs/operations.md).
    """
    gated.add("fast", b'{"fast":true}')
    gated.add("slow", b'{"slow":true}', held=True)
    mark = b"\n" if accept is streams.NDJSON else b"\n\n"
    with streams.Stream(front, "/both", {**TO, **accept}) as stream:
        head = stream.head()
        assert head.header("content-type") == accept["Accept"]
        assert b'"fast":true' in stream.until(mark)
        assert not gated.parts["slow"].gate.is_set()
        gated.release("slow")
        assert b'"slow":true' in stream.until(mark)
        assert b'"ok":2' in stream.until(mark)
        stream.rest()


@pytest.mark.parametrize("form", ["stream", "reply"])
def test_a_client_that_leaves_cancels(front, gated, form):
    """The call at the upstream ends when the client's connection does."""
    part = gated.add("slow", held=True)
    with front.connect() as connection:
        fields = {**TO, **streams.JSON, **(streams.NDJSON if form == "stream" else {})}
        connection.request("POST", "/batch", fields,
                           harness.compact({"requests": gated.requests("slow")}))
        assert part.asked.wait(harness.PATIENCE)
    assert part.gone.wait(harness.PATIENCE)


# Restarts.

class Asking:
    """Clients that ask until they are told to stop; their statuses are counted."""

    def __init__(self, address, count=4):
        self.address, self.over = address, threading.Event()
        self.statuses, self.lock = {}, threading.Lock()
        self.threads = [threading.Thread(target=self.ask) for _ in range(count)]
        for thread in self.threads:
            thread.start()

    def ask(self):
        """One client; a new connection where the last one was closed."""
        while not self.over.is_set():
            with client.Connection(self.address) as connection:
                self.ask_on(connection)

    def ask_on(self, connection):
        """Requests on one connection until it is to be closed."""
        while not self.over.is_set():
            connection.request("GET", "/posts/1/page", TO)
            reply = connection.receive()
            with self.lock:
                self.statuses[reply.status] = self.statuses.get(reply.status, 0) + 1
            if (reply.header("connection") or "").lower() == "close":
                return

    def answered(self):
        """How many were answered so far."""
        with self.lock:
            return sum(self.statuses.values())

    def wait_more(self, count):
        """Waits until so many more were answered."""
        wanted = self.answered() + count
        harness.wait_until(lambda: self.answered() >= wanted, f"{count} more replies")

    def stop(self):
        """Ends them; {status: how often}."""
        self.over.set()
        for thread in self.threads:
            thread.join(harness.PATIENCE)
        return self.statuses


@pytest.mark.parametrize("name, how", KINDS)
def test_a_restart_that_drains(served, passing, gated, fill, tmp_path, name, how):
    """With a socket of the service manager's a restart under load loses nothing: what is in
    flight is answered by the old daemon, what comes by the new one."""
    one = passing("listen: systemd\ndrainIdle: 500ms\n" + CONFIG.replace("$GATED", gated.url))
    address = one.listen("http", str(tmp_path / "http.sock") if how == "unix" else ("127.0.0.1", 0))
    assert one.start() is None
    server = served(name, address)
    part = gated.add("late", b'"late"', held=True)
    late = []
    slow = threading.Thread(target=lambda: late.append(
        client.fetch(("127.0.0.1", server.port), "GET", "/late", TO)))
    asking = Asking(("127.0.0.1", server.port))
    try:
        asking.wait_more(20)
        slow.start()
        assert part.asked.wait(harness.PATIENCE)
        one.process.send_signal(signal.SIGTERM)
        harness.wait_until(lambda: "stopping" in one.log(), "the daemon to stop")
        gated.release("late")
        assert one.process.wait(harness.PATIENCE) == 0
        assert one.start() is None
        slow.join(harness.PATIENCE)
        asking.wait_more(20)
    finally:
        statuses = asking.stop()
    one.stop()
    assert list(statuses) == [200], statuses
    assert [reply.body for reply in late] == [b'{"a":"late"}'], late


@pytest.mark.parametrize("name, waits", [("nginx", False), ("haproxy", True), ("caddy", True)])
def test_a_restart_without_a_socket(served, gatherd, gated, name, waits):
    """While nobody listens nginx answers 502; HAProxy and Caddy try again for a while."""
    config = f'listen: "127.0.0.1:{harness.closed_port()}"\n' + CONFIG
    old = gatherd(config, GATED=gated.url)
    server = served(name, old.address)
    got = {}
    assert client.fetch(("127.0.0.1", server.port), "GET", "/posts/1/page", TO).status == 200
    old.stop()

    def ask():
        got["reply"] = client.fetch(("127.0.0.1", server.port), "GET", "/posts/1/page", TO)

    asking = threading.Thread(target=ask)
    asking.start()
    if not waits:
        asking.join(harness.PATIENCE)
    else:
        asking.join(0.3)
        assert asking.is_alive()
        gatherd(config, GATED=gated.url)
        asking.join(harness.PATIENCE)
    assert got["reply"].status == (200 if waits else 502), got


def test_the_page_and_the_files_name_each_other():
    """No example without its explanation."""
    page = (harness.ROOT / "docs" / "operations.md").read_text()
    files = sorted(fronts.EXAMPLES.iterdir())
    assert [path.name for path in files] == ["Caddyfile", "haproxy.cfg", "nginx.conf"]
    for path in files:
        assert f"conf/proxies/{path.name}" in page, path
        assert "docs/operations.md" in path.read_text(), path
