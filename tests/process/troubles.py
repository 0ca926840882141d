"""Troubles made on purpose: what gatherd says in each, for docs/troubleshooting.md.

Every function gets a Maker, and returns what was said as one text.
"""

import contextlib
import fcntl
import json
import os
import resource
import signal
import socket
import subprocess

import harness
import otlp
import servers
from connect_proxy import ConnectProxy
from scripted import CLOSE, READ, Scripted, reply

UPSTREAM = "upstreams: { a: { url: http://127.0.0.1:1 } }\n"


class Maker:
    """What troubles are made with; its daemons and servers end with the test."""

    def __init__(self, directory, upstream, gatherd, enter):
        self.directory, self.upstream = directory, upstream
        self.gatherd, self.enter = gatherd, enter

    def run(self, text, *options):
        """A configuration that is not served; what is printed."""
        path = self.directory / "gatherd.yaml"
        path.write_text(text)
        return harness.run("--config", path, *options).stderr

    def check(self, text):
        """What --check-config says."""
        return self.run(text, "--check-config")

    def demo(self, more="", members="", limits=""):
        """A daemon on the demo upstream."""
        return self.gatherd(f"workers: 1\nlimits: {{ {limits} }}\nupstreams:\n  demo: {{ url: "
                            f'"{self.upstream.url}", timeout: 2s{members} }}\n' + more)

    def call(self, url, upstream="demo", daemon=None, merge="keyed", **members):
        """A batch of one request; the reply's body."""
        request = {"id": "x", "upstream": upstream, "url": url, **members}
        return text_of((daemon or self.demo()).batch([request], merge=merge))

    def upstream_at(self, url, members=""):
        """What a call to an upstream somewhere else comes to."""
        daemon = self.gatherd(f'workers: 1\nupstreams: {{ x: {{ url: "{url}"{members} }} }}\n')
        return self.call("/x", "x", daemon)

    def script(self, *steps):
        """A call to an upstream that plays these steps."""
        return self.upstream_at(self.enter(Scripted([list(steps)])).url)


def text_of(answer):
    """A reply's status and what it says, without JSON's escapes."""
    document = json.loads(answer.body)
    details = [document.get("detail", "")] + [
        f'{error.get("code", "")} {error["detail"]}' for error in document.get("errors", [])]
    return f"{answer.status} " + "\n".join(details)


# The configuration and the start.

def faults(make):
    """One of each kind of fault."""
    os.makedirs(make.directory / "conf.d", exist_ok=True)
    twice = make.directory / "conf.d" / "more.yaml"
    twice.write_text("drain: 1s\n")
    said = make.check("drain: 2s\n")
    twice.unlink()
    endpoint = UPSTREAM + ("endpoints:\n  - { path: /x, "
                           "requests: [ { id: a, upstream: %s, url: %s } ] }\n")
    return said + "".join(make.check(text) for text in (
        "upsteams: {}\n", "drain: 1s\ndrain: 2s\n", "drain: soon\n", "limits: { requests: 5000 }\n",
        "upstreams:\n\t- a\n", endpoint % ("b", "/x"), endpoint % ("a", '"/{$responses.a.body}"'),
        "upstreams: { a: { url: https://x, caFile: /no/such.pem } }\n", 'listen: "8080"\n')) + \
        harness.run("--config", make.directory / "missing.yaml").stderr


def binding(make):
    """Addresses that cannot be listened on."""
    plain = make.directory / "plain"
    plain.write_text("")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        said = make.run(f'listen: "127.0.0.1:{taken.getsockname()[1]}"\n')
    return said + "".join(make.run(f'listen: "{address}"\n') for address in (
        "192.0.2.1:8080", f"unix:{plain}", f"unix:{make.directory}/none/x", "systemd:http"))


def access_logs(make):
    """Places that take no lines, or no more of them."""
    fifo = make.directory / "fifo"
    os.mkfifo(fifo)
    text = f"accessLog: {{ to: {fifo}, format: '%{{status}} {'x' * 4000}' }}\n"
    said = make.run('listen: "127.0.0.1:0"\n' + text)
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    make.enter(os.fdopen(reader, "rb"))
    daemon = make.demo(text)
    for _ in range(400):
        daemon.get("/nothing")
    daemon.wait_log("its reader has stopped")
    full = make.demo("accessLog: { to: /dev/full }\n")
    full.get("/nothing")
    full.wait_log("No space left")
    daemon.reload(daemon.config.read_text().replace(str(fifo), "/no/such/place"), "reloaded")
    return said + daemon.log() + full.log() + lines_lost(make) + turned_off(make)


def lines_lost(make):
    """A standard error that nobody reads."""
    reader, writer = os.pipe()
    make.enter(os.fdopen(reader, "rb"))
    config = make.directory / "x.yaml"
    config.write_text(f"listen: 'unix:{make.directory}/http'\n")
    os.set_blocking(reader, False)
    fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096)
    os.write(writer, b"x" * 4096)
    process = subprocess.Popen([harness.BINARY, "--config", str(config)], stderr=writer,
                               stdin=subprocess.DEVNULL)
    os.close(writer)
    try:
        harness.wait_until((make.directory / "http").exists, "the socket")
        said = []

        def heard():
            process.send_signal(signal.SIGHUP)
            with contextlib.suppress(BlockingIOError):
                said.append(os.read(reader, 1 << 16).decode())
            return "lines_lost" in "".join(said)
        harness.wait_until(heard, "what was lost")
        return "".join(said)
    finally:
        process.terminate()
        process.wait(harness.PATIENCE)


def turned_off(make):
    """An access log, while a request is on its way."""
    daemon = make.demo("accessLog: { to: /dev/null }\n")
    with daemon.connect() as connection:
        connection.request("POST", "/batch", {}, harness.compact(
            {"requests": [{"id": "x", "upstream": "demo", "url": "/hang"}]}))
        harness.wait_until(lambda: make.upstream.stats()["paths"].get("/hang"), "the call")
        daemon.reload(daemon.config.read_text().replace("/dev/null", "'off'"), "reloaded")
    daemon.wait_log("it was turned off")
    return daemon.log()


@contextlib.contextmanager
def collector(*answers):
    """One of traces, with its first answers."""
    made = otlp.Collector()
    made.answers = list(answers)
    yield made
    made.stop()


def tracing(make):
    """Collectors that take nothing, or not all."""
    text = "tracing: { otlp: '%s', interval: 10ms, queue: 16, timeout: 60s }\n"
    refusing = make.enter(collector(400, otlp.Answer(rejected=1, message="no quota")))
    daemon = make.demo(text % refusing.url)
    daemon.get("/nothing")
    daemon.wait_log("answered 400")
    daemon.get("/nothing")
    daemon.wait_log("no quota")
    with daemon.connect() as connection:
        connection.request("POST", "/batch", {}, harness.compact(
            {"requests": [{"id": "x", "upstream": "demo", "url": "/hang"}]}))
        harness.wait_until(lambda: make.upstream.stats()["paths"].get("/hang"), "the call")
        daemon.reload(daemon.config.read_text().replace(refusing.url, "off"), "reloaded")
    daemon.wait_log("spans: it was turned off")
    absent = make.demo(text % f"http://127.0.0.1:{harness.closed_port()}/v1/traces")
    absent.get("/nothing")
    absent.wait_log("cannot send spans")
    hanging = make.enter(collector())
    hanging.gate.clear()
    stuck = make.demo(text % hanging.url)
    for _ in range(100):
        stuck.get("/nothing")
    stuck.wait_log("queue was full")
    stuck.stop()
    return daemon.log() + absent.log() + stuck.log()


def reloading(make):
    """Reloads that are refused, or wait for a restart."""
    daemon = make.demo()
    whole = daemon.config.read_text()
    daemon.reload(whole.replace("workers: 1", "workers: 2"), "a restart is needed")
    daemon.reload("nonsense: 1\n", "stays as it was")
    return daemon.log()


def descriptors(make):
    """A process that may open no more files."""
    daemon = make.demo()
    warm = daemon.connect()
    make.enter(warm)
    warm.request("GET", "/nothing")
    warm.receive()
    most = max(map(int, os.listdir(f"/proc/{daemon.process.pid}/fd"))) + 1
    before = resource.prlimit(daemon.process.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(daemon.process.pid, resource.RLIMIT_NOFILE, (most, before[1]))
    warm.request("POST", "/batch", {"Content-Type": "application/json"}, harness.compact(
        {"requests": [{"id": "x", "upstream": "demo", "url": "/posts/1"}], "merge": "keyed"}))
    said = text_of(warm.receive())
    for _ in range(3):
        make.enter(daemon.connect())
    daemon.wait_log("cannot accept connections")
    resource.prlimit(daemon.process.pid, resource.RLIMIT_NOFILE, before)
    return said + daemon.log()


def stopping(make):
    """The lines of an orderly end, and a request that takes longer than `drain`."""
    daemon = make.demo("drain: 200ms\n")
    with daemon.connect() as late:
        late.request("POST", "/batch", {}, harness.compact(
            {"requests": [{"id": "x", "upstream": "demo", "url": "/hang"}]}))
        harness.wait_until(lambda: make.upstream.stats()["paths"].get("/hang"), "the call")
        daemon.signal(signal.SIGTERM)
        said = text_of(late.receive())
    daemon.wait()
    return said + "\n" + daemon.log()


# What clients are refused for.

def refusals(make):
    """Each status a client may see before anything is sent."""
    daemon = make.demo("hosts: [api.test]\norigins: [https://app.test]\n",
                       limits="headerTime: 200ms")
    good = {"Host": "api.test"}
    with daemon.connect() as slow:
        slow.send(b"GET / HTTP/1.1\r\nHost: api")
        late = slow.receive()
    replies = [
        late,
        daemon.get("/x", {"Host": "other.test"}),
        daemon.get("/x", {**good, "Origin": "https://evil.test"}),
        daemon.get("/x", {**good, "Sec-Fetch-Site": "cross-site"}),
        daemon.get("/x", good),
        daemon.fetch("DELETE", "/batch", good),
        daemon.fetch("POST", "/batch", {**good, "Content-Type": "multipart/form-data"}, b"x"),
        daemon.fetch("POST", "/batch", {**good, "Expect": "magic"}, b"{}"),
        daemon.fetch("POST", "/batch", {**good, "Content-Length": str(2 << 20)}, b""),
        daemon.fetch("POST", "/batch", good, b"{"),
        daemon.get("/x?" + "&".join(["a=1"] * 101), good),
        daemon.get("/x", {**good, **{f"X-{n}": "1" for n in range(101)}}),
        daemon.get("/x", {**good, "X-Long": "y" * 16380}),
        daemon.get("/batch?url=http://127.0.0.1/x", good),
        daemon.batch([{"id": "a", "upstream": "none", "url": "/x"}], good),
        daemon.batch([{"id": "a", "upstream": "demo", "method": "POST", "url": "/posts"}], good),
        daemon.batch([{"id": "a", "upstream": "demo", "url": "/x"}] * 2, good),
    ]
    return "\n".join(map(text_of, replies))


# What calls fail with.

def names(make):
    """Names that do not resolve."""
    return make.upstream_at("http://no-such-host.invalid")


def connections(make):
    """Refused, and cut before the reply."""
    refused = make.upstream_at(f"http://127.0.0.1:{harness.closed_port()}")
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        port = full.getsockname()[1]
        filling = [socket.socket() for _ in range(4)]
        for sock in filling:
            sock.setblocking(False)
            sock.connect_ex(("127.0.0.1", port))
        timed_out = make.upstream_at(f"http://127.0.0.1:{port}", ", connectTimeout: 200ms")
        for sock in filling:
            sock.close()
    return refused + timed_out + make.call("/reset")


def certificates(make):
    """A certificate that nobody vouches for, and an upstream without TLS."""
    authority = servers.Authority(make.directory)
    (make.directory / "web").mkdir()
    (make.directory / "nginx").mkdir()
    server = servers.Nginx(make.directory / "nginx", make.directory / "web", "ssl",
                           authority.certify("IP:127.0.0.1"))
    untrusted = make.upstream_at(server.url)
    server.stop()
    plain = make.enter(Scripted([[b"HTTP/1.1 400 Bad Request\r\n\r\n", CLOSE]]))
    return untrusted + make.upstream_at(plain.url.replace("http:", "https:"))


def replies(make):
    """Replies that cannot be used."""
    small = make.demo(limits="replyBody: 1KiB")
    return "\n".join([
        make.call("/bytes/5000", daemon=small),
        make.call("/truncated"), make.call("/garbage"), make.call("/invalid-json"),
        make.call("/status/404"), make.call("/posts", merge="shallow"),
        make.call("/x", "x", make.gatherd(
            'workers: 1\nupstreams: { x: { url: "%s" } }\n' % make.enter(Scripted(
                [[READ, reply(b"?", head=b"Content-Encoding: br\r\n")]])).url),
            headers={"Accept-Encoding": "gzip"}),
        make.script(READ, b"HTTP/1.1 200 OK\r\nX-Long: " + b"y" * 70000 + b"\r\n\r\n", CLOSE),
        make.script(READ, b"HTTP/1.1 101 Switching Protocols\r\n\r\n", CLOSE)])


def time_outs(make):
    """The call's own time, the batch's, and a place in the queue."""
    daemon = make.demo(members=", maxInFlight: 1, maxWaiting: 1")
    both = [{"id": "first", "upstream": "demo", "url": "/hang"},
            {"id": "second", "upstream": "demo", "url": "/posts/1", "timeout": "100ms"}]
    return make.call("/hang", timeout="100ms") + text_of(
        make.demo().batch([both[0]], timeout="100ms", merge="keyed")) + text_of(
            daemon.batch(both, timeout="1s", policy="allSettled", merge="keyed"))


def limits(make):
    """Too many calls, and a merged reply that is too large."""
    narrow = make.demo(members=", maxInFlight: 1")
    both = [{"id": name, "upstream": "demo", "url": "/delay/50", "dedupe": False} for name in "ab"]
    large = make.demo(limits="merged: 1KiB")
    return text_of(narrow.batch(both, merge="keyed")) + make.call("/bytes/5000", daemon=large)


def merging(make):
    """Values that do not go together, and values that are not there."""
    daemon = make.demo()
    posts = [{"id": name, "upstream": "demo", "url": "/posts/1", "dedupe": False} for name in "ab"]
    missing = {"id": "c", "upstream": "demo", "url": "/users/{$responses.a.body#/none}"}
    return "\n".join(map(text_of, [
        daemon.batch(posts, merge="shallow", conflict="error"),
        daemon.batch([posts[0], missing], merge="keyed"),
        daemon.batch([{"id": "a", "upstream": "demo", "url": "/status/500"},
                      {**missing, "dependsOn": ["a"], "url": "/posts/1"}],
                     merge="keyed", policy="allSettled"),
    ]))


def forbidden(make):
    """A loop, and a proxy that wants other credentials."""
    port = harness.closed_port()
    daemon = make.gatherd(
        f'listen: "127.0.0.1:{port}"\nworkers: 1\n'
        f'upstreams: {{ self: {{ url: "http://127.0.0.1:{port}" }} }}\n'
        "endpoints:\n  - { path: /loop, merge: raw, "
        "requests: [ { id: a, upstream: self, url: /loop } ] }\n")
    proxy = make.enter(ConnectProxy(user="other:secret"))
    return text_of(daemon.get("/loop")) + make.upstream_at(
        make.upstream.url, f', proxy: "http://{proxy.host}"')


ALL = [faults, binding, access_logs, tracing, reloading, descriptors, stopping, refusals, names, connections,
       certificates, replies, time_outs, limits, merging, forbidden]
