"""Traces: what upstreams are told, and what a strict collector gets."""

import re
import signal
import threading
import time

import frames
import harness
import otlp
import pytest
import servers
from scripted import CLOSE, READ, reply

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = "00f067aa0ba902b7"
GIVEN = f"00-{TRACE}-{PARENT}-01"
PLAIN = """
workers: 1
upstreams: { it: { url: '$IT' } }
endpoints:
  - path: /two/{n}
    merge: keyed
    requests:
      - { id: a, upstream: it, url: "/a/{n}?q=1" }
      - { id: b, upstream: it, url: /b }
  - path: /outer
    merge: keyed
    requests: [ { id: inner, url: /two/1 } ]
"""
TRACED = PLAIN + "tracing: { otlp: '$OTLP', interval: 10ms }\n"


@pytest.fixture
def collector():
    """A strict collector."""
    made = otlp.Collector()
    yield made
    made.stop()


def field(head, name):
    """A field's only value in a raw head, or None."""
    found = re.findall(rb"(?im)^" + name.encode() + rb": *([^\r\n]*)\r?$", head)
    assert len(found) <= 1, found
    return found[0].decode() if found else None


def by_kind(spans):
    """The server's span and those of its calls."""
    return ([span for span in spans if span["kind"] == "server"],
            [span for span in spans if span["kind"] == "client"])


def test_a_trace_goes_on_with_new_parents(gatherd, recorder):
    """Without a collector too: same trace, flags and state, a parent of its own per call."""
    upstream = recorder()
    daemon = gatherd(PLAIN, IT=upstream.url)
    daemon.get("/two/1", {"traceparent": GIVEN, "tracestate": "a=1,b=2"})
    parents = set()
    for head, _ in upstream.requests:
        found = re.fullmatch(f"00-{TRACE}-([0-9a-f]{{16}})-01", field(head, "traceparent"))
        parents.add(found.group(1))
        assert field(head, "tracestate") == "a=1,b=2"
    assert len(parents) == 2 and PARENT not in parents


@pytest.mark.parametrize("given", [
    "", "00", GIVEN.upper(), GIVEN[:-1], GIVEN + "-x", "ff" + GIVEN[2:],
    f"00-{'0' * 32}-{PARENT}-01", f"00-{TRACE}-{'0' * 16}-01", GIVEN + ", " + GIVEN])
def test_broken_traces_end_here(gatherd, recorder, given):
    """Neither field goes on."""
    upstream = recorder()
    daemon = gatherd(PLAIN, IT=upstream.url)
    daemon.get("/two/1", {"traceparent": given, "tracestate": "a=1"})
    assert len(upstream.requests) == 2
    for head, _ in upstream.requests:
        assert field(head, "traceparent") is None
        assert field(head, "tracestate") is None


def test_two_parents_are_none(gatherd, recorder):
    """Nobody knows which of them is meant."""
    upstream = recorder()
    daemon = gatherd(PLAIN, IT=upstream.url)
    daemon.get("/two/1", [("traceparent", GIVEN), ("traceparent", GIVEN)])
    assert all(field(head, "traceparent") is None for head, _ in upstream.requests)


def test_propagation_can_be_off_while_spans_are_made(gatherd, recorder, collector):
    """Upstreams are told nothing, the collector all."""
    upstream = recorder()
    daemon = gatherd(TRACED + "propagate: { trace: false }\n", IT=upstream.url, OTLP=collector.url)
    daemon.get("/two/1", {"traceparent": GIVEN})
    assert all(field(head, "traceparent") is None for head, _ in upstream.requests)
    assert len({span["id"] for span in collector.wait(3)}) == 3


def test_spans_of_a_request(gatherd, recorder, collector):
    """A server span under the client's, a client span per call under it, all as upstreams saw."""
    upstream = recorder()
    daemon = gatherd(TRACED, IT=upstream.url, OTLP=collector.url)
    begin = time.time_ns()
    daemon.get("/two/7?x=1", {"traceparent": GIVEN, "tracestate": "a=1,b=2",
                              "Host": "Shop.test:81", "User-Agent": "it/1"})
    spans = collector.wait(3)
    (server,), calls = by_kind(spans)
    assert {span["trace"] for span in spans} == {TRACE}
    assert server["parent"] == PARENT and server["name"] == "GET /two/{n}"
    assert server["attributes"] == {
        "http.request.method": "GET", "url.scheme": "http", "url.path": "/two/7",
        "http.route": "/two/{n}", "http.response.status_code": 200, "client.address": "127.0.0.1",
        "server.address": "Shop.test", "server.port": 81, "user_agent.original": "it/1",
        "network.protocol.version": "1.1"}
    assert {span["state"] for span in spans} == {"a=1,b=2"}
    assert server["flags"] == 0x301 and {span["flags"] for span in calls} == {0x101}
    assert server["resource"]["service.name"] == "gatherd" and server["scope"] == "gatherd"
    assert {span["parent"] for span in calls} == {server["id"]}
    told = {head.split(b" ")[1].split(b"?")[0].decode(): field(head, "traceparent").split("-")[2]
            for head, _ in upstream.requests}
    assert {span["attributes"]["url.full"]: span["id"] for span in calls} == {
        upstream.url + path: parent for path, parent in told.items()}
    for span in calls:
        assert span["attributes"]["server.address"] == "127.0.0.1"
        assert span["attributes"]["server.port"] == upstream.port
        assert span["attributes"]["http.response.status_code"] == 200
        assert span["attributes"]["network.protocol.version"] == "1.1"
        assert server["start"] <= span["start"] <= span["end"] <= server["end"]
        assert "error.type" not in span["attributes"] and not span["error"]
    assert {span["attributes"]["gatherd.request.id"] for span in calls} == {"a", "b"}
    assert abs(server["start"] - begin) < 60e9


def test_a_request_without_a_trace_begins_one(gatherd, recorder, collector):
    """Its id is new, sampled, and that of its calls; another request has another."""
    upstream = recorder()
    daemon = gatherd(TRACED, IT=upstream.url, OTLP=collector.url)
    daemon.get("/two/1")
    daemon.get("/two/1")
    spans = collector.wait(6)
    servers_, _ = by_kind(spans)
    assert [span["parent"] for span in servers_] == ["", ""]
    assert len({span["trace"] for span in spans}) == 2
    told = [field(head, "traceparent").split("-") for head, _ in upstream.requests]
    assert {trace for _, trace, _, _ in told} == {span["trace"] for span in spans}
    assert {flags for _, _, _, flags in told} == {"03"}  # sampled, and its id is random
    assert len({span["id"] for span in spans}) == 6


def test_sampling(gatherd, recorder, collector):
    """`sample: 0` makes new traces unsampled; a client's own flag counts either way."""
    upstream = recorder()
    daemon = gatherd(TRACED.replace("interval", "sample: 0, interval"), IT=upstream.url,
                     OTLP=collector.url)
    daemon.get("/two/1")
    assert {field(head, "traceparent")[-2:] for head, _ in upstream.requests} == {"02"}
    daemon.get("/two/1", {"traceparent": GIVEN[:-1] + "0"})
    daemon.get("/two/1", {"traceparent": GIVEN})
    daemon.stop()
    assert {span["trace"] for span in collector.spans} == {TRACE}
    assert len(collector.spans) == 3


def test_failures_are_named(gatherd, recorder, collector):
    """error.type is the code that users see; a server span fails from 500 on."""
    upstream = recorder(lambda target, head, body: (503, {}, {}))
    daemon = gatherd(TRACED, IT=upstream.url, OTLP=collector.url)
    assert daemon.get("/two/1").status == 502
    (server,), calls = by_kind(collector.wait(3))
    assert server["error"] and server["attributes"]["http.response.status_code"] == 502
    assert server["attributes"]["error.type"] == "upstream_status"
    failed = [span for span in calls if span["error"]]
    assert {span["attributes"]["error.type"] for span in failed} <= {"upstream_status", "cancelled"}
    assert [span["attributes"]["http.response.status_code"] for span in failed
            if span["attributes"]["error.type"] == "upstream_status"] == [503]


def test_endpoints_in_place_are_of_the_same_trace(gatherd, recorder, collector):
    """Their calls are the children of the client's request."""
    upstream = recorder()
    daemon = gatherd(TRACED, IT=upstream.url, OTLP=collector.url)
    daemon.get("/outer")
    (server,), calls = by_kind(collector.wait(3))
    assert server["name"] == "GET /outer"
    assert [span["parent"] for span in calls] == [server["id"]] * 2


def test_a_call_that_is_sent_again_has_two_spans(gatherd, scripted, collector):
    """A kept connection that dies: two attempts, two parents, the first of which failed."""
    upstream = scripted([READ, reply(b"1"), READ, CLOSE], [READ, reply(b"2")])
    daemon = gatherd(TRACED, IT=upstream.url, OTLP=collector.url)
    ask = [{"id": "x", "upstream": "it", "url": "/"}]
    assert daemon.batch(ask, merge="keyed").body == b'{"x":1}'
    assert daemon.batch(ask, merge="keyed", headers={"traceparent": GIVEN}).body == b'{"x":2}'
    harness.wait_until(lambda: len(upstream.requests) == 3, "the third request")
    told = [field(head, "traceparent").split("-")[2] for head in upstream.requests]
    spans = [span for span in collector.wait(5) if span["trace"] == TRACE]
    (server,), calls = by_kind(spans)
    calls.sort(key=lambda span: span["start"])
    assert [span["id"] for span in calls] == told[1:]
    assert {span["parent"] for span in calls} == {server["id"]}
    assert calls[0]["attributes"]["error.type"] == "connection_terminated"
    assert "http.request.resend_count" not in calls[0]["attributes"]
    assert calls[1]["attributes"]["http.request.resend_count"] == 1
    assert calls[1]["attributes"]["http.response.status_code"] == 200


def test_a_client_that_leaves_is_told_of(gatherd, gated, collector):
    """499, and the call that it left behind is cancelled."""
    gated.add("x", held=True)
    daemon = gatherd(TRACED, IT=gated.url, OTLP=collector.url)
    with daemon.connect() as connection:
        connection.request("POST", "/batch", {}, harness.compact(
            {"requests": [{"id": "x", "upstream": "it", "url": "/x"}]}))
        assert gated.parts["x"].asked.wait(harness.PATIENCE)
    (server,), (call,) = by_kind(collector.wait(2))
    assert call["attributes"]["error.type"] == server["attributes"]["error.type"] == "cancelled"
    assert call["parent"] == server["id"]
    assert "http.response.status_code" not in server["attributes"]


def test_what_decided_is_named(gatherd, gated, collector):
    """A deadline, a limit, and the stop, none of which an upstream's status is."""
    gated.add("a", held=True)
    text = """
workers: 1
drain: 100ms
upstreams: { it: { url: '$IT', maxInFlight: 1 } }
endpoints:
  - { path: /late, timeout: 100ms, merge: keyed, requests: [ { id: a, upstream: it, url: /a } ] }
  - { path: /held, merge: keyed, requests: [ { id: a, upstream: it, url: /a } ] }
tracing: { otlp: '$OTLP', interval: 10ms }
"""
    daemon = gatherd(text, IT=gated.url, OTLP=collector.url)
    assert daemon.get("/late").status == 504
    (server,), (call,) = by_kind(collector.wait(2))
    for span in (server, call):
        assert span["attributes"]["error.type"] == "http_response_timeout"
    with daemon.connect() as connection:
        gated.parts["a"].asked.clear()
        connection.request("GET", "/held")
        assert gated.parts["a"].asked.wait(harness.PATIENCE)
        assert daemon.get("/held").status == 503
        limited = collector.wait(3)[2]
        assert limited["kind"] == "server"  # alone: its call was never sent
        assert limited["attributes"]["error.type"] == "connection_limit_reached"
        daemon.signal(signal.SIGTERM)
        assert connection.receive().status == 503
    daemon.process.wait(harness.PATIENCE)
    (stopped,), (call,) = by_kind(collector.wait(5)[3:])
    assert stopped["attributes"]["error.type"] == "503"
    assert call["attributes"]["error.type"] == "cancelled"


def test_methods_that_nobody_knows(gatherd, recorder, collector):
    """Are not the names of spans: clients may send as many as they like."""
    daemon = gatherd(TRACED, IT=recorder().url, OTLP=collector.url)
    assert daemon.fetch("BREW", "/two/1").status == 405
    assert daemon.fetch("BREW", "/nowhere").status == 404
    first, second = collector.wait(2)
    assert (first["name"], second["name"]) == ("HTTP /two/{n}", "HTTP")
    assert first["attributes"]["http.request.method_original"] == "BREW"
    assert first["attributes"]["http.request.method"] == "_OTHER"


def test_a_stream_that_is_cut_has_failed(gatherd, gated, collector):
    """Its client saw a 200, but not all of it."""
    gated.add("held", held=True)
    daemon = gatherd(TRACED, IT=gated.url, OTLP=collector.url)
    with daemon.connect() as connection:
        connection.request("POST", "/batch", {"Accept": "application/x-ndjson"}, harness.compact(
            {"requests": [{"id": "x", "upstream": "it", "url": "/held"}]}))
        connection.take_until(b"\r\n\r\n")
    (server,), _ = by_kind(collector.wait(2))
    assert server["attributes"]["http.response.status_code"] == 200
    assert server["attributes"]["error.type"] == "cancelled"


@pytest.mark.parametrize("sent, seen", [
    (b"GET /nowhere HTTP/1.0\r\n", (None, None, "1.0")),
    (b"GET /nowhere HTTP/1.1\r\nHost: [::1]:8080\r\n", ("::1", 8080, "1.1")),
    (b"GET http://shop.test/nowhere HTTP/1.1\r\nHost: a\r\n", ("shop.test", 80, "1.1"))])
def test_who_was_asked(gatherd, recorder, collector, sent, seen):
    """By Host, or by a target in absolute form."""
    daemon = gatherd(TRACED, IT=recorder().url, OTLP=collector.url)
    with daemon.connect() as connection:
        connection.send(sent + b"Connection: close\r\n\r\n")
        while connection.more():
            pass
    (server,) = collector.wait(1)
    assert tuple(server["attributes"].get(name) for name in (
        "server.address", "server.port", "network.protocol.version")) == seen


def test_a_collector_that_refuses_for_a_while(gatherd, recorder, collector):
    """503 is worth another try, 400 is not; what was lost is counted in the log."""
    upstream = recorder()
    collector.answers = [503, 429, 502, 504]
    daemon = gatherd(TRACED, IT=upstream.url, OTLP=collector.url)
    daemon.get("/two/1")
    collector.wait(3)
    daemon.wait_log("tracing cannot send spans, which wait: the collector answered 502")
    daemon.wait_log("tracing sends spans again")
    collector.answers = [400]
    daemon.get("/two/1")
    daemon.wait_log(r"tracing lost \d+ spans: the collector answered 400")
    daemon.stop()
    lost = sum(map(int, re.findall(r"tracing lost (\d+) spans", daemon.log())))
    assert 0 < lost == 6 - len(collector.spans)


@pytest.mark.parametrize("status", [429, 503])
def test_a_collector_that_asks_for_time(gatherd, recorder, collector, status):
    """It gets it, and nothing is lost."""
    upstream = recorder()
    collector.answers = [otlp.Answer(status, retry_after=2)]
    daemon = gatherd(TRACED, IT=upstream.url, OTLP=collector.url)
    for _ in range(20):
        daemon.get("/two/1")
    collector.wait(60)
    assert "lost" not in daemon.log()


def test_a_collector_that_asks_for_more_time_than_there_is(gatherd, recorder, collector):
    """At a stop it is not asked again, and the reason is its own; another one is not concerned."""
    upstream = recorder()
    collector.answers = [otlp.Answer(503, retry_after=3600)]
    daemon = gatherd(TRACED, IT=upstream.url, OTLP=collector.url)
    daemon.get("/two/1")
    collector.wait_requests(1)
    begin = time.monotonic()
    daemon.stop()
    assert time.monotonic() - begin < 3
    assert re.search("tracing lost 3 spans: the collector answered 503", daemon.log())
    assert collector.requests == 1


def test_another_collector_gets_what_waits(gatherd, recorder, collector, fill):
    """A reload to it is enough, whatever the first one asked for."""
    upstream, first = recorder(), otlp.Collector()
    first.answers = [otlp.Answer(503, retry_after=3600)]
    daemon = gatherd(TRACED, IT=upstream.url, OTLP=first.url)
    daemon.get("/two/1")
    first.wait_requests(1)
    daemon.reload(fill(TRACED, IT=upstream.url, OTLP=collector.url), "configuration reloaded")
    collector.wait(3)
    daemon.stop()
    first.stop()
    assert "lost" not in daemon.log()


def test_a_batch_is_kept_while_there_is_room(gatherd, recorder, collector):
    """It grows, and not only the queue."""
    upstream = recorder()
    collector.answers = [503] * 4
    daemon = gatherd(TRACED.replace("interval", "queue: 16, interval"), IT=upstream.url,
                     OTLP=collector.url)
    for number in range(4):
        for _ in range(10):
            daemon.get("/nowhere")
        collector.wait_requests(number + 1)
    collector.wait(40)
    daemon.stop()
    assert "lost" not in daemon.log() and collector.requests == 5


def test_a_batch_gives_way_to_newer_spans(gatherd, recorder, collector):
    """When the queue is full; each span is sent or counted."""
    upstream = recorder()
    collector.answers = [503] * 1000
    daemon = gatherd(TRACED.replace("interval", "queue: 16, interval"), IT=upstream.url,
                     OTLP=collector.url)
    sent = 0
    with daemon.connect() as connection:
        while len(re.findall(r"lost \d+ spans: the collector answered 503", daemon.log())) < 2:
            connection.request("GET", "/nowhere", {})
            connection.receive()
            sent += 1
    collector.answers = []
    collector.wait(512)
    daemon.stop()
    lost = sum(map(int, re.findall(r"tracing lost (\d+) spans", daemon.log())))
    assert lost + len(collector.spans) == sent


def test_spans_that_are_rejected(gatherd, recorder, collector):
    """A 200 may say that some were not taken: they are counted, with the collector's words."""
    upstream = recorder()
    collector.answers = [otlp.Answer(rejected=1, message='no "quota"\n')]
    daemon = gatherd(TRACED, IT=upstream.url, OTLP=collector.url)
    daemon.get("/two/1")
    daemon.wait_log('tracing lost 1 spans: the collector rejected them: no "quota" ')
    daemon.get("/two/1")
    collector.wait(5)
    daemon.stop()
    assert len(re.findall("lost", daemon.log())) == 1


@pytest.mark.parametrize("body", [
    b"", b"{", b"[]", b"x" * 100000, b'{"partialSuccess":7}', b'{"partialSuccess":{}}',
    b'{"partialSuccess":{"rejectedSpans":"-1"}}', b'{"partialSuccess":{"rejectedSpans":"x"}}',
    b'{"partialSuccess":{"rejectedSpans":"0","errorMessage":"only a warning"}}'])
def test_replies_that_reject_nothing(gatherd, recorder, collector, body):
    """Whatever else a 200 says, its spans were taken."""
    upstream = recorder()
    collector.answers = [otlp.Answer(body=body)]
    daemon = gatherd(TRACED, IT=upstream.url, OTLP=collector.url)
    daemon.get("/two/1")
    collector.wait(3)
    daemon.stop()
    assert "lost" not in daemon.log()


@pytest.mark.parametrize("number", [b"2", b'"2"', b'"18446744073709551615"'])
def test_more_is_not_lost_than_was_sent(gatherd, recorder, collector, number):
    """The collector's number counts up to that."""
    upstream = recorder()
    collector.answers = [otlp.Answer(body=b'{"partialSuccess":{"rejectedSpans":%s}}' % number)]
    daemon = gatherd(TRACED.replace("10ms", "300ms"), IT=upstream.url, OTLP=collector.url)
    daemon.get("/two/1")
    lost = 2 if len(number) < 4 else 3
    daemon.wait_log(f"tracing lost {lost} spans: the collector rejected them\n")


def test_what_may_have_been_taken_is_not_sent_again(gatherd, recorder, collector):
    """A 200 that breaks off is one; a 503 that does is a 503."""
    upstream = recorder()
    collector.answers = [otlp.Answer(torn=True), otlp.Answer(503, torn=True)]
    daemon = gatherd(TRACED.replace("10ms", "100ms"), IT=upstream.url, OTLP=collector.url)
    daemon.get("/two/1")
    collector.wait(3)
    daemon.get("/two/1")
    collector.wait(6)
    daemon.stop()
    assert "lost" not in daemon.log()


def test_a_collector_that_wants_a_token(gatherd, recorder, fill):
    """`headers` are sent, and masked where the configuration is shown."""
    upstream, guarded = recorder(), otlp.Collector(token="Bearer hush-1")
    try:
        daemon = gatherd(TRACED, IT=upstream.url, OTLP=guarded.url)
        daemon.get("/two/1")
        daemon.wait_log("spans: the collector answered 401")
        text = TRACED.replace("interval",
                              "headers: { Authorization: 'Bearer hush-1', X-Team: hush-2, X-Empty: '' }, "
                              "interval")
        daemon.reload(fill(text, IT=upstream.url, OTLP=guarded.url), "configuration reloaded")
        daemon.get("/two/1")
        guarded.wait(3)
        shown = harness.run("--print-config", "--config", daemon.config).stdout
        assert "hush" not in shown and '{"Authorization": "***", "X-Team": "***", ' in shown
    finally:
        guarded.stop()


def test_a_collector_behind_tls(gatherd, recorder, tmp_path, fill):
    """Its certificate must be trusted: `caFile`."""
    authority = servers.Authority(tmp_path)
    upstream = recorder()
    guarded = otlp.Collector(certificate=authority.certify("IP:127.0.0.1"))
    try:
        daemon = gatherd(TRACED, IT=upstream.url, OTLP=guarded.url)
        daemon.get("/two/1")
        daemon.wait_log("tracing cannot send spans, which wait: SSL peer certificate")
        text = TRACED.replace("interval", f"caFile: '{authority.file}', interval")
        daemon.reload(fill(text, IT=upstream.url, OTLP=guarded.url), "configuration reloaded")
        guarded.wait(3)
    finally:
        guarded.stop()


def test_a_collector_that_hangs_is_told_of(gatherd, recorder, collector):
    """Every second, whatever the load, and at the stop with an honest reason."""
    upstream = recorder()
    collector.gate.clear()
    text = TRACED.replace("interval", "queue: 16, timeout: 60s, interval")
    daemon = gatherd(text, IT=upstream.url, OTLP=collector.url)
    stop = threading.Event()

    def ask():
        with daemon.connect() as connection:
            while not stop.is_set():
                connection.request("GET", "/nowhere", {})
                connection.receive()

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        daemon.wait_log(r"tracing lost \d+ spans: the queue was full", 3)
    finally:
        stop.set()
        thread.join()
    daemon.stop()
    assert re.findall(r"tracing lost \d+ spans: (.*)", daemon.log())[-1] == "the daemon was stopping"


def test_a_collector_that_hangs_holds_nobody(gatherd, recorder, collector):
    """The queue overflows, requests go on, and the stop does not wait for it."""
    upstream = recorder()
    collector.gate.clear()
    text = TRACED.replace("interval", "queue: 16, timeout: 60s, interval")
    daemon = gatherd(text, IT=upstream.url, OTLP=collector.url)
    with daemon.connect() as connection:
        for _ in range(40):
            connection.request("GET", "/two/1", {})
            assert connection.receive().status == 200
    begin = time.monotonic()
    daemon.stop()
    assert time.monotonic() - begin < 8
    lost = sum(map(int, re.findall(r"tracing lost (\d+) spans", daemon.log())))
    assert lost == 40 * 3


def test_what_is_left_when_it_is_turned_off(gatherd, recorder, collector, fill):
    """Spans that wait are sent, and those of requests that end later are counted."""
    upstream = recorder()
    daemon = gatherd(TRACED.replace("10ms", "60s"), IT=upstream.url, OTLP=collector.url)
    for _ in range(10):
        daemon.get("/two/1")
    daemon.reload(fill(PLAIN, IT=upstream.url), "configuration reloaded")
    collector.wait(30)
    daemon.stop()
    assert "lost" not in daemon.log()


def test_nobody_listens(gatherd, recorder):
    """Spans wait, and are lost with the reason when the daemon ends."""
    upstream = recorder()
    dead = f"http://127.0.0.1:{harness.closed_port()}/v1/traces"
    daemon = gatherd(TRACED, IT=upstream.url, OTLP=dead)
    daemon.get("/two/1")
    daemon.wait_log("tracing cannot send spans, which wait: Couldn't connect")
    daemon.stop()
    assert re.findall(r"tracing lost (\d+) spans: Couldn't connect", daemon.log()) == ["3"]


def test_reload_turns_it_on_and_off(gatherd, recorder, collector, fill):
    """Without a restart; spans go where the newest configuration says."""
    upstream = recorder()
    daemon = gatherd(PLAIN, IT=upstream.url)
    daemon.get("/two/1")
    on = fill(TRACED.replace("interval", "service: shop, interval"), IT=upstream.url,
              OTLP=collector.url)
    daemon.reload(on, "configuration reloaded")
    daemon.get("/two/1")
    assert {span["resource"]["service.name"] for span in collector.wait(3)} == {"shop"}
    daemon.reload(fill(PLAIN, IT=upstream.url), "configuration reloaded")
    daemon.get("/two/1")
    daemon.stop()
    assert len(collector.spans) == 3


def test_http2_carries_it_too(gatherd, tmp_path, collector):
    """The other carrier sends the same field; a real server reads it."""
    (tmp_path / "www").mkdir()
    (tmp_path / "nginx").mkdir()
    server = servers.Nginx(tmp_path / "nginx", tmp_path / "www", listen="http2", more="""
      location = /trace { return 200 '{"parent":"$http_traceparent","state":"$http_tracestate"}'; }
    """)
    try:
        text = TRACED.replace("url: '$IT'", "url: '$IT', http: 2")
        daemon = gatherd(text, IT=server.url, OTLP=collector.url)
        told = daemon.batch([{"id": "x", "upstream": "it", "url": "/trace"}], merge="keyed",
                            headers={"traceparent": GIVEN, "tracestate": "a=1"}).json()["x"]
        _, (call,) = by_kind(collector.wait(2))
        assert told == {"parent": f"00-{TRACE}-{call['id']}-01", "state": "a=1"}
        assert call["attributes"]["network.protocol.version"] == "2" and call["state"] == "a=1"
    finally:
        server.stop()


def test_a_stream_that_is_sent_again_has_two_spans(gatherd, collector):
    """A shared connection that dies under a call counts like a kept one."""
    upstream = frames.Frames("reply", "close", "reply")
    try:
        daemon = gatherd(TRACED.replace("url: '$IT'", "url: '$IT', http: 2"), IT=upstream.url,
                         OTLP=collector.url)
        ask = [{"id": "x", "upstream": "it", "url": "/"}]
        assert daemon.batch(ask, merge="keyed").status == 200
        assert daemon.batch(ask, merge="keyed", headers={"traceparent": GIVEN}).status == 200
        _, calls = by_kind([span for span in collector.wait(5) if span["trace"] == TRACE])
        assert len(upstream.requests) == 3 and len({span["id"] for span in calls}) == 2
        calls.sort(key=lambda span: span["start"])
        assert calls[0]["attributes"]["error.type"] == "connection_terminated"
        assert calls[1]["attributes"]["http.request.resend_count"] == 1
    finally:
        upstream.stop()


@pytest.mark.parametrize("line, words", [
    ("tracing: { otlp: 'localhost:4318' }", "must be \"off\" or a URL"),
    ("tracing: { otlp: 'ftp://a/b' }", "must be"),
    ("tracing: { sample: 1.1 }", "must be a number from 0 to 1"),
    ("tracing: { sample: half }", "must be a number from 0 to 1"),
    ("tracing: { queue: 1 }", "16 to 65536"),
    ("tracing: { headers: [ a ] }", "must be a map of at most 100 names and strings"),
    ("tracing: { headers: { " + ", ".join(f"x{i}: a" for i in range(101)) + " } }", "at most 100"),
    ("tracing: { headers: { 'a b': x } }", "this is not a field name"),
    ("tracing: { headers: { Host: x } }", "Host may not be set here"),
    ("tracing: { headers: { content-type: x } }", "content-type may not be set here"),
    ("tracing: { headers: { a: x, A: y } }", "A is given twice"),
    ("tracing: { headers: { a: [] } }", "must be a string"),
    ("tracing: { headers: { a: \"x\\ny\" } }", "no control characters"),
    ("tracing: { caFile: /no/such.pem }", "cannot be read: No such file"),
    ("propagate: { requestId: 'a b' }", "must be a header field's name"),
    ("propagate: { requestId: Host }", "must not be"),
])
def test_wrong_options_are_named(tmp_path, line, words):
    """With their place."""
    (tmp_path / "x.yaml").write_text(line)
    done = harness.run("--check-config", "--config", tmp_path / "x.yaml")
    assert done.returncode == 2 and words in done.stderr and "x.yaml:1:" in done.stderr


def test_a_hundred_headers_are_accepted(tmp_path):
    """The limit is that many."""
    fields = ", ".join(f"x{i}: a" for i in range(100))
    (tmp_path / "x.yaml").write_text(f"tracing: {{ headers: {{ {fields} }} }}")
    assert harness.run("--check-config", "--config", tmp_path / "x.yaml").returncode == 0
