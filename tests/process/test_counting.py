"""/metrics: what becomes of replies, bytes of bodies, every limit, and what was lost."""

import gzip
import os
import pathlib
import re
import threading

import pytest

import client
import exposition
import scripted as script
from harness import compact, wait_until
from test_metrics import named, replies, requests

ROOT = pathlib.Path(__file__).resolve().parents[2]
NDJSON = {"Accept": "application/x-ndjson"}
ENDPOINTS = """
admin: "127.0.0.1:0"
workers: 1
compression: { gzip: false }
upstreams:
  demo: { url: "$DEMO", timeout: 5s }
  dead: { url: "http://127.0.0.1:$DEAD" }
endpoints:
  - path: /whole
    merge: keyed
    requests: [ { id: a, upstream: demo, url: /posts/1 } ]
  - path: /whole
    method: POST
    merge: raw
    requests: [ { id: a, upstream: demo, method: POST, url: /posts, body: "{$request.body}" } ]
  - path: /default
    merge: keyed
    requests:
      - { id: a, upstream: demo, url: /posts/1 }
      - { id: b, upstream: dead, url: /, default: [] }
  - path: /envelope
    requests:
      - { id: a, upstream: dead, url: / }
      - { id: b, upstream: demo, url: /status/500 }
  - path: /half
    requests:
      - { id: a, upstream: demo, url: /posts/1 }
      - { id: b, upstream: dead, url: / }
  - path: /any
    merge: coalesce
    policy: any
    requests:
      - { id: a, upstream: demo, url: /posts/1 }
      - { id: b, upstream: demo, url: /delay/2000 }
  - path: /required
    merge: keyed
    requests: [ { id: a, upstream: dead, url: / } ]
  - path: /raw/{status}
    merge: raw
    requests: [ { id: a, upstream: demo, url: "/status/{status}" } ]
  - path: /outer
    merge: keyed
    requests: [ { id: a, url: /default } ]
"""


def limit(daemon, name):
    """How often a limit was met."""
    return daemon.metrics().value("gatherd_limit_hits_total", limit=name)


@pytest.mark.parametrize("path, status, result", [
    ("/whole", 200, "complete"),
    ("/default", 200, "partial"),
    ("/envelope", 200, "failed"),
    ("/half", 200, "partial"),
    ("/any", 200, "complete"),
    ("/required", 502, "failed"),
    ("/outer", 200, "complete"),
    ("/raw/404", 404, "complete"),
    ("/raw/503", 503, "failed"),
])
def test_what_came_of_a_reply(gatherd, path, status, result):
    """Whatever its status says, and for a stream as for a whole reply."""
    daemon = gatherd(ENDPOINTS)
    assert daemon.get(path).status == status
    path = "/raw/{status}" if path.startswith("/raw") else path
    assert replies(daemon.metrics(), path) == {result: 1}
    if path.startswith("/raw"):
        return
    assert daemon.get(path, NDJSON).status == 200
    wait_until(lambda: replies(daemon.metrics(), path) == {result: 2}, "the stream to end")
    assert daemon.metrics().sum("gatherd_replies_total") == 2


def test_refusals_are_no_replies_of_requests(gatherd):
    """Nothing was run for them, so nothing came of it."""
    daemon = gatherd("explain: true\n" + ENDPOINTS)
    assert daemon.get("/nothing").status == 404
    assert daemon.fetch("DELETE", "/whole").status == 405
    assert daemon.fetch("OPTIONS", "/whole").status == 204
    assert daemon.batch(b"{").status == 400
    assert daemon.get("/whole?explain").status == 200
    assert daemon.fetch("HEAD", "/whole", NDJSON).status == 200
    page = daemon.metrics()
    assert page.sum("gatherd_requests_total") == 6
    assert page.sum("gatherd_replies_total") == 0


@pytest.mark.parametrize("headers", [{}, NDJSON])
def test_clients_that_leave_abandon_their_reply(gatherd, gated, headers):
    """Before it is there, and in the middle of a stream."""
    gated.add("slow", held=True)
    daemon = gatherd(f"""
admin: "127.0.0.1:0"
upstreams: {{ held: {{ url: "{gated.url}" }} }}
endpoints: [ {{ path: /slow, requests: [ {{ id: one, upstream: held, url: /slow }} ] }} ]
""")
    with daemon.connect() as one:
        one.request("GET", "/slow", headers)
        wait_until(gated.parts["slow"].asked.is_set, "the call")
    wait_until(lambda: replies(daemon.metrics(), "/slow") == {"abandoned": 1}, "its end")
    page = daemon.metrics()
    assert requests(page, "/slow", "200" if headers else "none") == 1


def test_endpoints_are_told_apart_by_method(gatherd):
    """One path with two methods is two endpoints."""
    daemon = gatherd(ENDPOINTS)
    assert daemon.get("/whole").status == 200
    assert daemon.fetch("HEAD", "/whole").status == 200
    for _ in range(3):
        assert daemon.fetch("POST", "/whole", {"Content-Type": "application/json"},
                            b'{"a": 1}').status == 201
    page = daemon.metrics()
    assert requests(page, "/whole", "200") == 2
    assert requests(page, "/whole", "201", "POST") == 3
    assert requests(page, "/whole", "201") == 0
    for suffix, count in (("GET", 2), ("POST", 3)):
        name = "gatherd_request_duration_seconds_count"
        assert page.value(name, **named("/whole", suffix)) == count


def test_unknown_statuses_are_counted_by_class(gatherd, scripted):
    """So that a rule about 5xx meets them."""
    def odd(status):
        return b"HTTP/1.1 %d X\r\nContent-Length: 0\r\n\r\n" % status
    server = scripted([script.READ, odd(598), script.READ, odd(299), script.READ, odd(530),
                       script.READ, odd(404), script.AWAIT])
    daemon = gatherd(f"""
admin: "127.0.0.1:0"
workers: 1
upstreams: {{ odd: {{ url: "{server.url}" }} }}
endpoints:
  - {{ path: /odd, merge: raw, requests: [ {{ id: one, upstream: odd, url: / }} ] }}
""")
    for status in (598, 299, 530, 404):
        assert daemon.get("/odd").status == status
    page = daemon.metrics()
    assert all(requests(page, "/odd", text) == 1 for text in ("5xx", "2xx", "530", "404"))
    assert page.value("gatherd_requests_failed_total", **named("/odd")) == 2
    assert page.value("gatherd_upstream_calls_failed_total", upstream="odd") == 2
    assert page.value("gatherd_upstream_calls_total", upstream="odd", outcome="5xx") == 1
    calls = daemon.admin("/-/upstreams").json()["upstreams"]["odd"]["calls"]
    assert calls == {"2xx": 1, "5xx": 1, "404": 1, "530": 1}


def test_failures_are_there_before_the_first(gatherd):
    """A counter that begins with its first failure has not increased for Prometheus."""
    page = gatherd(ENDPOINTS).metrics()
    for outcome in ("connection_refused", "http_response_timeout", "connection_limit_reached",
                    "cancelled"):
        assert page.value("gatherd_upstream_calls_total", upstream="dead", outcome=outcome) == 0
    assert page.value("gatherd_upstream_calls_failed_total", upstream="dead") == 0
    assert page.value("gatherd_requests_failed_total", **named("/required")) == 0
    assert page.value("gatherd_replies_total", result="failed", **named("/required")) == 0


def test_bytes_of_bodies(gatherd):
    """As they were sent and received: plain, compressed, in a stream, and none for HEAD."""
    daemon = gatherd(ENDPOINTS.replace("gzip: false", "gzip: true, min: 1"))
    def sent():
        return daemon.metrics().value("gatherd_response_bytes_total", **named("/whole"))
    plain = len(daemon.get("/whole").body)
    assert sent() == plain
    packed = daemon.get("/whole", {"Accept-Encoding": "gzip"})
    assert packed.header("Content-Encoding") == "gzip"
    assert sent() == plain + len(packed.body)
    assert daemon.fetch("HEAD", "/whole").status == 200
    assert sent() == plain + len(packed.body)
    lines = len(daemon.get("/whole", NDJSON).body)
    wait_until(lambda: sent() == plain + len(packed.body) + lines, "the stream to end")
    assert daemon.fetch("POST", "/whole", {"Content-Type": "application/json"},
                        b'{"title": "tea"}').status == 201
    page = daemon.metrics()
    assert page.value("gatherd_request_bytes_total", **named("/whole", "POST")) == 16
    assert page.value("gatherd_request_bytes_total", **named("/whole")) == 0


def test_figures_of_one_page_agree(gatherd):
    """Requests by status and their durations, while a worker counts."""
    daemon = gatherd(ENDPOINTS)
    stop = threading.Event()
    def work():
        with daemon.connect() as one:
            while not stop.is_set():
                one.request("GET", "/nothing")
                one.receive()
    workers = [threading.Thread(target=work) for _ in range(4)]
    for worker in workers:
        worker.start()
    try:
        for _ in range(200):
            page = daemon.metrics()
            lasted = page.value("gatherd_request_duration_seconds_count", **named("(none)"))
            assert page.sum("gatherd_requests_total", **named("(none)")) == lasted
        assert lasted > 0
    finally:
        stop.set()
        for worker in workers:
            worker.join()


def test_the_page_is_compressed_for_who_asks(gatherd):
    """Prometheus does."""
    daemon = gatherd(ENDPOINTS)
    plain = daemon.admin("/metrics")
    packed = daemon.admin("/metrics", headers={"Accept-Encoding": "gzip"})
    assert plain.header("Content-Encoding") is None
    assert packed.header("Content-Encoding") == "gzip"
    assert packed.header("Vary") == "Accept-Encoding"
    assert packed.header("Content-Type") == plain.header("Content-Type")
    assert len(packed.body) < len(plain.body) / 4
    page = exposition.Page(gzip.decompress(packed.body).decode())
    assert page.types == exposition.Page(plain.body.decode()).types
    head = daemon.admin("/metrics", "HEAD", {"Accept-Encoding": "gzip"})
    assert head.header("Content-Encoding") == "gzip" and head.body == b""


# Limits that test_metrics.py has not met.


def deep(levels):
    """A list in a list in a list."""
    return b"[" * levels + b"]" * levels


@pytest.mark.parametrize("name, document", [
    ("depth", b'{"requests": [{"id": "a", "upstream": "demo", "url": "/posts/1"}], "meta": %s}'
     % deep(9)),
    ("values", b'{"requests": [%s]}' % b",".join([b'{"id": "a", "url": "/"}'] * 12)),
    ("expressions", b'{"requests": [{"id": "a", "upstream": "demo", "url": "/posts/1"}, {"id": "b",'
     b' "upstream": "demo", "url": "/posts/%s"}]}'
     % b"".join(b"{$responses.a.body#/%d}" % i for i in range(4))),
], ids=["depth", "values", "expressions"])
def test_limits_of_documents(gatherd, name, document):
    """400, counted once."""
    daemon = gatherd("limits: { depth: 8, values: 32, expressions: 3 }\n" + ENDPOINTS)
    assert daemon.batch(document).status == 400
    assert limit(daemon, name) == 1
    assert daemon.metrics().sum("gatherd_limit_hits_total") == 1


@pytest.mark.parametrize("headers", [{}, NDJSON])
def test_foreach_max(gatherd, headers):
    """A list that is longer."""
    daemon = gatherd(ENDPOINTS)
    listed = [{"id": "a", "upstream": "demo", "url": "/posts"},
              {"id": "b", "upstream": "demo", "url": "/posts/{$item.id}",
               "foreach": {"from": "$responses.a.body", "max": 3}}]
    reply = daemon.batch(listed, headers)
    assert b'the \\"max\\" of this foreach' in reply.body
    assert limit(daemon, "foreach.max") == 1


def test_nesting(gatherd):
    """A batch that goes one endpoint deeper than is allowed, planned at once and later."""
    daemon = gatherd("limits: { nesting: 1 }\n" + ENDPOINTS + """
  - path: /late/{id}
    merge: keyed
    requests:
      - { id: a, upstream: demo, url: "/posts/{id}" }
      - { id: b, url: "/default?of={$responses.a.body#/id}" }
""")
    assert daemon.get("/outer").status == 200 and daemon.get("/late/1").status == 200
    assert limit(daemon, "nesting") == 0
    assert b"limits.nesting" in daemon.batch([{"id": "x", "url": "/outer"}]).body
    assert limit(daemon, "nesting") == 1
    assert b"limits.nesting" in daemon.batch([{"id": "x", "url": "/late/1"}]).body
    assert limit(daemon, "nesting") == 2


def test_json_depth(gatherd, scripted):
    """Of every reply that is deeper, also of the items of a foreach."""
    server = scripted([script.READ, script.reply(b"[1, 2]"), script.READ, script.reply(deep(5)),
                       script.READ, script.reply(deep(5)), script.AWAIT])
    daemon = gatherd(f"""
admin: "127.0.0.1:0"
workers: 1
limits: {{ jsonDepth: 4 }}
upstreams: {{ one: {{ url: "{server.url}" }} }}
""")
    daemon.batch([{"id": "a", "upstream": "one", "url": "/a"},
                  {"id": "b", "upstream": "one", "url": "/{$item}", "optional": True,
                   "foreach": {"from": "$responses.a.body", "concurrency": 1}}], merge="keyed")
    assert limit(daemon, "jsonDepth") == 2


def test_merged(gatherd, scripted):
    """A reply, a plan, a value that grows by its new names, and an endpoint in place."""
    body = b'[%s]' % b",".join([b'{"a":1}'] * 200)
    server = scripted([script.READ, script.reply(body), script.READ, script.reply(body),
                       script.READ, script.reply(body), script.AWAIT])
    daemon = gatherd(f"""
admin: "127.0.0.1:0"
workers: 1
explain: true
limits: {{ merged: 1KiB }}
upstreams: {{ one: {{ url: "{server.url}" }} }}
endpoints: [ {{ path: /in, merge: keyed, requests: [ {{ id: a, upstream: one, url: / }} ] }} ]
""")
    def one(**members):
        return [{"id": "a", "upstream": "one", "url": "/", **members}]
    assert daemon.batch(one(), merge="keyed").status == 502
    assert limit(daemon, "merged") == 1
    page = daemon.metrics()
    assert replies(page, "/batch") == {"failed": 1}
    assert daemon.batch(one(rename={"*.a": "longer-by-far"}), merge="keyed").status == 502
    assert limit(daemon, "merged") == 2
    assert daemon.batch([{"id": "a", "url": "/in"}], merge="keyed").status == 502
    assert limit(daemon, "merged") == 3
    assert daemon.fetch("GET", "/in?explain=1&" + "x" * 100).status == 200
    assert daemon.fetch("GET", "/batch?explain=1" + "&url=/in" * 8).status == 502
    assert limit(daemon, "merged") == 4


def test_idle_time(gatherd):
    """Of a kept connection, not of one that its client closes."""
    daemon = gatherd("limits: { idleTime: 200ms }\n" + ENDPOINTS)
    with daemon.connect() as one:
        one.request("GET", "/nothing")
        assert one.receive().status == 404
    wait_until(lambda: daemon.metrics().sum("gatherd_worker_connections") == 0, "it to leave")
    assert limit(daemon, "idleTime") == 0
    with daemon.connect() as one:
        one.request("GET", "/nothing")
        assert one.receive().status == 404
        assert one.sock.recv(1) == b""
    assert limit(daemon, "idleTime") == 1


def test_reply_header(gatherd, scripted):
    """Of an upstream."""
    server = scripted([script.READ, script.reply(b"1", head=b"X: %s\r\n" % (b"x" * 2000))])
    daemon = gatherd(f"""
admin: "127.0.0.1:0"
limits: {{ replyHeader: 1KiB }}
upstreams: {{ one: {{ url: "{server.url}" }} }}
""")
    daemon.batch([{"id": "a", "upstream": "one", "url": "/a"}])
    assert limit(daemon, "replyHeader") == 1


def test_waiting_time(gatherd, gated):
    """A call whose time ends before there is a place for it."""
    gated.add("slow", held=True)
    daemon = gatherd(f"""
admin: "127.0.0.1:0"
upstreams: {{ held: {{ url: "{gated.url}", timeout: 10s, maxInFlight: 1, maxWaiting: 1 }} }}
""")
    slow = {"id": "a", "upstream": "held", "url": "/slow"}
    with daemon.connect() as first:
        first.request("POST", "/batch", {"Content-Type": "application/json"},
                      compact({"requests": [slow]}))
        wait_until(gated.parts["slow"].asked.is_set, "the call")
        assert b"waited for a free place" in daemon.batch([dict(slow, timeout="100ms")]).body
        assert limit(daemon, "waiting_time") == 1
        gated.release("slow")
        assert first.receive().status == 200


def test_resolver_queue(gatherd):
    """More names at once than one thread and a queue of one can take."""
    names = "\n".join(f'  u{i}: {{ url: "http://n{i}.invalid" }}' for i in range(32))
    daemon = gatherd(f"""
admin: "127.0.0.1:0"
workers: 1
resolver: {{ threads: 1, queue: 1 }}
upstreams:
{names}
""")
    assert daemon.batch([{"id": f"r{i}", "upstream": f"u{i}", "url": "/"}
                         for i in range(32)]).status == 200
    page = daemon.metrics()
    refused = page.value("gatherd_limit_hits_total", limit="resolver.queue")
    asked = page.sum("gatherd_upstream_dns_lookups_total")
    assert refused > 0 and refused + asked == 32


def test_every_limit_is_tested():
    """Here or in test_metrics.py, and by its name."""
    tests = "".join((ROOT / "tests" / "process" / name).read_text()
                    for name in ("test_counting.py", "test_metrics.py"))
    text = (ROOT / "daemon" / "core" / "limits.def").read_text()
    names = re.findall(r'^LIMIT\(\w+, "([^"]+)"', text, re.M)
    assert len(names) == 22
    assert not [name for name in names if f'"{name}"' not in tests]


# What the daemon as a whole says.


def test_a_restart_that_is_needed_is_told_until_it_is_not(gatherd, fill):
    """Also after the next reload, which has the same file; not once the change is undone."""
    config = fill('listen: "127.0.0.1:0"\n' + ENDPOINTS)
    daemon = gatherd(config)
    def needed():
        return daemon.metrics().value("gatherd_config_restart_needed")
    assert needed() == 0
    changed = config.replace("workers: 1", "workers: 2")
    daemon.reload(changed, "a restart is needed for changes to: workers")
    wait_until(lambda: needed() == 1, "the reload")
    daemon.reload(changed, "a restart is needed for changes to: workers")
    assert needed() == 1
    daemon.reload("upstreams: 5\n", "stays as it was")
    assert needed() == 1
    daemon.reload(config, "configuration reloaded")
    assert needed() == 0


def test_lost_lines_and_spans_are_counted(gatherd, tmp_path):
    """A log that nobody reads, a collector that nobody runs."""
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    daemon = gatherd(ENDPOINTS + """
accessLog: { to: '$FILE', ring: 16 }
tracing: { otlp: "http://127.0.0.1:$DEAD/v1/traces", queue: 16, timeout: 100ms, interval: 10ms }
""", FILE=fifo)
    page = daemon.metrics()
    assert page.value("gatherd_access_log_lines_dropped_total") == 0
    assert page.value("gatherd_trace_spans_dropped_total") == 0
    with daemon.connect() as one:
        for _ in range(1000):
            one.request("GET", "/nothing" + "x" * 900)
            assert one.receive().status == 404
    for name in ("gatherd_access_log_lines_dropped_total", "gatherd_trace_spans_dropped_total"):
        wait_until(lambda: daemon.metrics().value(name) > 0, name)
    os.close(reader)
