"""Troubles made on purpose: what gatherd says in each, for docs/troubleshooting.md.

Every function gets a Maker, and returns what was said as one text.
"""

import contextlib
import fcntl
import itertools
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
from passed import Passing
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

    def start(self, text):
        """A configuration that cannot be served; what is printed."""
        return self.run("listen: '127.0.0.1:0'\n" + text)

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

    def upstream_at(self, url, members="", merge="keyed"):
        """What a call to an upstream somewhere else comes to."""
        daemon = self.gatherd(f'workers: 1\nupstreams: {{ x: {{ url: "{url}"{members} }} }}\n')
        return self.call("/x", "x", daemon, merge)

    def script(self, *steps, merge="keyed"):
        """A call to an upstream that plays these steps."""
        return self.upstream_at(self.enter(Scripted([list(steps)])).url, merge=merge)


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
        "upstreams: { a: { url: https://x, caFile: /no/such.pem } }\n",
        "limits: { nesting: 0 }\nendpoints:\n"
        "  - { path: /a, requests: [ { id: x, url: /b } ] }\n"
        "  - { path: /b, requests: [ { id: x, url: /batch } ] }\n", 'listen: "8080"\n')) + \
        harness.run("--config", make.directory / "missing.yaml").stderr + \
        make.run("upstreams: { a: { url: https://x, caFile: '${CREDENTIALS_DIRECTORY}/ca' } }\n")


def binding(make):
    """Addresses that cannot be listened on."""
    plain = make.directory / "plain"
    plain.write_text("")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        said = make.run(f'listen: "127.0.0.1:{taken.getsockname()[1]}"\n')
    return said + "".join(make.run(f'listen: "{address}"\n') for address in (
        "192.0.2.1:8080", f"unix:{plain}", f"unix:{make.directory}/none/x", "systemd:http"))


def passing(make):
    """Sockets of a service manager that are not those of `listen`."""
    said = ""
    for number, (entry, name, kind) in enumerate((
            ("systemd:admin", "http", socket.SOCK_STREAM),
            ("[systemd, 'systemd:http']", "http", socket.SOCK_STREAM),
            ("systemd", "http", socket.SOCK_DGRAM))):
        place = make.directory / str(number)
        place.mkdir()
        one = Passing(place, f"listen: {entry}\n")
        one.listen(name, kind=kind)
        make.enter(one.sockets[0])
        assert one.start() == 1
        said += one.log()
    every = socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True)
    port = every.getsockname()[1]
    place = make.directory / "every"
    place.mkdir()
    three = Passing(place, f"listen: '127.0.0.1:{port}'\n")
    three.sockets.append(make.enter(every))
    three.names.append("http")
    assert three.start() == 1
    said += three.log()
    two = Passing(make.directory, "listen: systemd:http\n")
    for name in ("http", "more"):
        two.listen(name)
        make.enter(two.sockets[-1])
    assert two.start() is None
    two.stop()
    config = make.directory / "gone.yaml"
    config.write_text("")
    return said + two.log() + subprocess.run(
        ["bash", "-c", 'exec 3<&- 4<&-; LISTEN_PID=$$ LISTEN_FDS=2 exec "$@"', "sh", harness.BINARY,
         "--config", str(config)], capture_output=True, text=True, timeout=15, check=False).stderr


def starting(make):
    """What a start needs beside addresses to listen on."""
    said = make.start("accessLog: { to: /no/such/folder/log }\n")
    config = make.directory / "gatherd.yaml"
    return said + subprocess.run(  # descriptors for the listener, and none for the workers
        ["bash", "-c", 'ulimit -n 6; exec "$@"', "sh", harness.BINARY, "--config", str(config)],
        capture_output=True, text=True, timeout=15, check=False).stderr


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
    return said + daemon.log() + full.log() + lines_lost(make) + turned_off(make)


def lines_lost(make):
    """A standard error that nobody reads for a while."""
    reader, writer = os.pipe()
    make.enter(os.fdopen(reader, "rb"))
    make.enter(os.fdopen(writer, "wb"))
    for end in (reader, writer):
        os.set_blocking(end, False)
    fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096)
    config = make.directory / "x.yaml"
    config.write_text(f"listen: 'unix:{make.directory}/http'\n")
    process = subprocess.Popen([harness.BINARY, "--config", str(config)], stderr=writer,
                               stdin=subprocess.DEVNULL)
    said, full = [], itertools.cycle((True, False))

    def heard():
        """In turn, a reload finds the pipe full, and the next one finds it empty."""
        with contextlib.suppress(BlockingIOError):
            if next(full):
                while True:
                    os.write(writer, b"x")
            said.append(os.read(reader, 1 << 16).decode())
        process.send_signal(signal.SIGHUP)
        return "lines_lost" in "".join(said)
    try:
        harness.wait_until((make.directory / "http").exists, "the socket")
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
    """Reloads that are refused, wait for a restart, or name a file that cannot be opened."""
    folder = make.directory / "logs"
    folder.mkdir()
    daemon = make.demo(f"accessLog: {{ to: {folder}/log }}\n")
    whole = daemon.config.read_text()
    daemon.reload(whole.replace("workers: 1", "workers: 2"), "a restart is needed")
    daemon.reload("nonsense: 1\n", "stays as it was")
    daemon.reload("", "stays as it was")
    daemon.config.unlink()
    os.mkfifo(daemon.config)
    daemon.signal(signal.SIGHUP)
    daemon.wait_log("stays as it was", 3)
    daemon.config.unlink()
    (folder / "log").unlink()
    folder.rmdir()
    daemon.reload(whole, "stays where it was")
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
    daemon = make.demo("hosts: [api.test]\norigins: [https://app.test]\nadmin: '127.0.0.1:0'\n",
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
        daemon.admin("/-/ready", headers={"Host": "other.test"}),
    ]
    return "\n".join(map(text_of, replies))


def documents(make):
    """Batches beyond each limit, and what they may not do."""
    deep = {"requests": []}
    for _ in range(8):
        deep = {"x": deep}
    long = {"X-Long": "y" * 2000}
    one = {"id": "a", "upstream": "demo", "url": "/x"}
    daemon = make.gatherd(
        "workers: 1\nexplain: true\n"
        "limits: { requests: 4, expressions: 1, depth: 8, values: 64, nesting: 0, "
        "requestHeader: 1KiB, merged: 1KiB }\n"
        "upstreams:\n  demo: { url: 'http://127.0.0.1:1' }\n"
        "  shut: { url: 'http://127.0.0.1:1', batch: off }\n"
        "  some: { url: 'http://127.0.0.1:1', batch: { paths: [/open/**] } }\n"
        "endpoints:\n"
        "  - { path: /inner, requests: [ { id: a, upstream: demo, url: /x } ] }\n"
        "admin: '127.0.0.1:0'\n")
    return "\n".join(map(text_of, [
        daemon.get("/batch"),
        daemon.batch([{**one, "id": f"a{n}"} for n in range(5)]),
        daemon.batch([one, {**one, "id": "b", "url": "/{$responses.a.body#/x}{$responses.a.body#/y}"}]),
        daemon.batch(deep),
        daemon.batch({"requests": [], "query": {f"x{n}": 1 for n in range(80)}}),
        daemon.batch([{"id": "a", "url": "/inner"}]),
        daemon.batch([{**one, "headers": long}]),
        daemon.batch([{**one, "upstream": "shut"}]),
        daemon.batch([{**one, "upstream": "some"}]),
        daemon.get("/" + "x" * 1100),
        daemon.fetch("POST", "/batch?explain", {}, harness.compact(
            {"requests": [{**one, "id": f"{n}a", "url": f"/{n}" + "x" * 300} for n in range(4)]})),
        daemon.admin("/batch"),
    ]))


def malformed(make):
    """What HTTP does not allow, byte for byte."""
    daemon = make.demo()
    good, end = b" HTTP/1.1\r\nHost: a\r\n", b"\r\n"
    post, chunks = b"POST /batch" + good, b"\r\n0\r\n\r\n"
    requests = [b"GET " + target + good + end for target in (
        b"x", b"http://u@a/x", b"http://a%00b:1/x", b"http://a,b/x", b"/x%00", b"/" + b"x" * 8192, b"/x y", b"/\x01", b"/x\\y",
        b"/\xc3\xa9", b"/x|y", b"/{x}", b"/%zz", b"/x#y", b"/a/../b")]
    requests += [b"GET /x HTTP/1.1\r\n" + fields + end for fields in (
        b"", b"Host: a\r\nHost: a\r\n", b"Host: a b\r\n", b"Host: a\r\nX(: 1\r\n",
        b"Host: a\r\nX: a\x01b\r\n", b"Host: a\r\nOrigin: null\r\nOrigin: null\r\n")]
    requests += [b"M" * 33 + b" /x" + good + end] + [post + fields for fields in (
        b"Transfer-Encoding:\r\n chunked\r\n" + chunks,
        b"Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}",
        b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n" + chunks,
        b"Transfer-Encoding: gzip, chunked\r\n" + chunks)]
    requests.append(b"POST /x HTTP/1.0\r\nTransfer-Encoding: chunked\r\n" + chunks)
    said = []
    for request in requests:
        with daemon.connect() as connection:
            connection.send(request)
            reply = connection.receive()
        if reply.body.startswith(b"{"):  # else libmicrohttpd has seen it first: 1.0 sees more
            said.append(text_of(reply))
    return "\n".join(said)


# What calls fail with.

def names(make):
    """Names that do not resolve, and too many at a time."""
    daemon = make.gatherd("workers: 1\nresolver: { threads: 1, queue: 1 }\nlimits: { requests: 200 }\n"
                          "egress: { allow: ['*.invalid'] }\n")
    many = [{"id": f"n{number}", "url": f"http://n{number}.invalid/"} for number in range(200)]
    return make.upstream_at("http://no-such-host.invalid") + text_of(
        daemon.batch(many, merge="keyed"))


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
    daemon = make.gatherd(f'workers: 1\nupstreams: {{ x: {{ url: "{server.url}", '
                          f'caFile: "{authority.file}" }} }}\n')
    authority.file.unlink()
    untrusted += make.call("/x", "x", daemon)
    server.stop()
    plain = make.enter(Scripted([[b"HTTP/1.1 400 Bad Request\r\n\r\n", CLOSE]]))
    return untrusted + make.upstream_at(plain.url.replace("http:", "https:"))


def replies(make):
    """Replies that cannot be used."""
    small = make.demo(limits="replyBody: 1KiB")
    return "\n".join([
        make.call("/bytes/5000", daemon=small),
        make.script(READ, reply(b"{}", head=b"X-Long: " + b"y" * 9000 + b"\r\n"), merge="raw"),
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
    """A loop, and proxies that do not do what they are asked."""
    port = harness.closed_port()
    daemon = make.gatherd(
        f'listen: "127.0.0.1:{port}"\nworkers: 1\n'
        f'upstreams: {{ self: {{ url: "http://127.0.0.1:{port}" }} }}\n'
        "endpoints:\n  - { path: /loop, merge: raw, "
        "requests: [ { id: a, upstream: self, url: /loop } ] }\n")
    proxies = [make.enter(ConnectProxy(user="other:secret")).host,
               f"127.0.0.1:{harness.closed_port()}", "no-such-proxy.invalid:3128"]
    for line in (b"HTTP/1.1 403 No", b"HTTP/1.1 502 No", b"HTTP/1.1 504 No", b"HTTP/1.1 400 No",
                 b"SSH-2.0-x"):
        proxies.append(make.enter(ConnectProxy(
            refusal=line + b"\r\nContent-Length: 0\r\n\r\n")).host)
    return text_of(daemon.get("/loop")) + "\n".join(
        make.upstream_at(make.upstream.url, f', proxy: "http://{proxy}"') for proxy in proxies)


ALL = [faults, binding, passing, starting, access_logs, tracing, reloading, descriptors, stopping,
       refusals, documents, malformed, names, connections, certificates, replies, time_outs,
       limits, merging, forbidden]
