"""One line per request: what it says, where it goes, and that it holds nobody."""

import datetime
import json
import os
import re
import signal
import subprocess
import threading

import harness
import pytest
import scripted as scripts
from scripted import AWAIT, READ

PLAIN = """
workers: 1
admin: "127.0.0.1:0"
upstreams: { it: { url: '$IT' } }
endpoints:
  - { path: /raw, merge: raw, requests: [ { id: a, upstream: it, url: /a } ] }
  - path: /two/{n}
    merge: keyed
    requests:
      - { id: a, upstream: it, url: "/a/{n}" }
      - { id: b, upstream: it, url: /b, optional: true }
"""
TO_FILE = PLAIN + "accessLog: { to: '$FILE'MORE }\n"
NAMES = ["time", "requestId", "client", "method", "target", "protocol", "host", "userAgent",
         "referer", "received", "endpoint", "status", "end", "bytes", "durationUs", "readUs",
         "workUs", "parts", "ok", "failed", "slowest", "upstream", "upstreamStatus", "slowestMs",
         "traceId"]


def lines_of(path, count):
    """Waits for so many lines."""
    harness.wait_until(lambda: path.exists() and path.read_bytes().count(b"\n") >= count,
                       f"{count} lines in {path.name}")
    return path.read_text().splitlines()


@pytest.fixture
def logged(gatherd, tmp_path):
    """Starts daemons that log to a file, which is returned too."""
    path = tmp_path / "access.log"

    def start(upstream, more="", **names):
        text = TO_FILE.replace("MORE", f", {more}" if more else "")
        return gatherd(text, IT=upstream.url, FILE=path, **names), path

    return start


def test_a_line_says_what_happened(logged, recorder):
    """All of it, as JSON with the members in their order."""
    upstream = recorder(lambda target, head, body: (500 if target == "/b" else 200, {}, {"x": 1}))
    daemon, path = logged(upstream)
    reply = daemon.fetch("GET", "/two/7?secret=1", {
        "X-Request-Id": "abc-1", "Host": "shop.test:81", "User-Agent": "it/1 (x)",
        "Referer": "http://a/b?secret=2"}, b"12345")
    assert reply.header("X-Request-Id") == "abc-1"
    line = json.loads(lines_of(path, 1)[0])
    assert list(line) == NAMES
    moment = datetime.datetime.fromisoformat(line.pop("time").replace("Z", "+00:00"))
    assert abs((datetime.datetime.now(datetime.timezone.utc) - moment).total_seconds()) < 60
    work = line.pop("workUs")
    assert line.pop("durationUs") >= line.pop("readUs") + work
    assert work >= line["slowestMs"] * 1000 > 0
    assert line.pop("slowestMs")
    assert (line.pop("slowest"), line.pop("upstreamStatus")) in (("a", 200), ("b", 500))
    assert line == {"requestId": "abc-1", "client": "127.0.0.1", "method": "GET",
                    "target": "/two/7", "protocol": "HTTP/1.1", "host": "shop.test:81",
                    "userAgent": "it/1 (x)", "referer": "http://a/b", "received": 5, "endpoint": "/two/{n}", "status": 200, "end": "complete",
                    "bytes": len(reply.body), "parts": 2, "ok": 1, "failed": 1, "upstream": "it",
                    "traceId": None}


def test_all_kinds_of_ends(logged, recorder):
    """Refusals, errors, HEAD, streams: each has one line with its status and bytes."""
    upstream = recorder()
    daemon, path = logged(upstream, "query: true")
    ask = [{"id": "x", "upstream": "it", "url": "/x"}]
    bodies = {}
    cases = [
        (404, lambda: daemon.get("/nowhere?x=1")),
        (405, lambda: daemon.fetch("PUT", "/batch")),
        (400, lambda: daemon.batch(b"{")),
        (413, lambda: daemon.fetch("POST", "/batch", {"Content-Length": str(1 << 30)}, b"")),
        (200, lambda: daemon.fetch("HEAD", "/two/1")),
        (200, lambda: daemon.batch(ask)),
        (200, lambda: daemon.batch(ask, headers={"Accept": "application/x-ndjson"})),
        (200, lambda: daemon.fetch("HEAD", "/two/1", {"Accept": "application/x-ndjson"})),
        (200, lambda: daemon.fetch("HEAD", "/two/1", {"Accept": "text/event-stream"})),
    ]
    for number, (status, act) in enumerate(cases):
        reply = act()
        assert reply.status == status, reply
        bodies[number] = len(reply.body)
    found = [json.loads(line) for line in lines_of(path, len(cases))]
    assert [line["status"] for line in found] == [status for status, _ in cases]
    assert [line["bytes"] for line in found] == [bodies[number] for number in range(len(cases))]
    assert {line["end"] for line in found} == {"complete"}
    assert found[0]["target"] == "/nowhere?x=1" and found[0]["endpoint"] is None
    assert found[1]["endpoint"] == "/batch"
    assert found[2]["endpoint"] == "/batch" and found[2]["parts"] == 0
    assert found[6]["parts"] == 1 and found[6]["slowest"] == "x"
    assert len({line["requestId"] for line in found}) == len(cases)


def test_who_leaves_or_stalls(logged, scripted):
    """499 names the call that was waited for, 408 is ours."""
    upstream = scripted([READ, AWAIT])
    daemon, path = logged(upstream)
    with daemon.connect() as connection:
        connection.request("POST", "/batch", {}, harness.compact(
            {"requests": [{"id": "x", "upstream": "it", "url": "/x"}]}))
        harness.wait_until(lambda: upstream.requests, "the call")
    line = json.loads(lines_of(path, 1)[0])
    assert (line["status"], line["slowest"], line["upstream"]) == (499, "x", "it")
    text = daemon.config.read_text()
    daemon.reload(text + "limits: { headerTime: 100ms }\n", "configuration reloaded")
    with daemon.connect() as connection:
        connection.send(b"GET /two/1 HTTP/1.1\r\nHost: a\r\n")
        assert b" 408 " in connection.take_until(b"\r\n")
        assert json.loads(lines_of(path, 2)[1])["status"] == 408


@pytest.mark.parametrize("status, sent, shown", [
    (408, b"GET /two/1?a=1 HTTP/1.1\r\nHost: a\r\n", (None, "/two/1")),
    (414, b"GET /long?" + b"&".join([b"a=1"] * 101) + b" HTTP/1.1\r\nHost: a\r\n\r\n", (None, "/long")),
    (413, b"POST /batch HTTP/1.1\r\nHost: a\r\nContent-Length: 9999999\r\n\r\n{", ("POST", "/batch"))])
def test_refusals_in_the_middle_have_an_id(logged, recorder, status, sent, shown):
    """The reply's and the line's are the same, and the line has what was read by then."""
    daemon, path = logged(recorder())
    daemon.reload(daemon.config.read_text() + "limits: { headerTime: 100ms }\n",
                  "configuration reloaded")
    with daemon.connect() as connection:
        connection.send(sent)
        reply = connection.receive()
    line = json.loads(lines_of(path, 1)[0])
    assert (reply.status, line["status"]) == (status, status)
    assert re.fullmatch("[0-9a-f]{32}", reply.header("X-Request-Id"))
    assert line["requestId"] == reply.header("X-Request-Id")
    assert (line["method"], line["target"]) == shown
    assert line["bytes"] == len(reply.body)
    assert daemon.metrics().sum("gatherd_response_bytes_total") == len(reply.body)


HOST = b"Host: a\r\n"
UNREAD = {  # what libmicrohttpd answers itself, and a method that we do: the status, and whether the target was read
    "version": (505, None, b"GET /two/1 HTTP/3.0\r\n" + HOST + b"\r\n"),
    "target": (414, None, b"GET /" + b"a" * 40000 + b" HTTP/1.1\r\n" + HOST + b"\r\n"),
    "no version": (400, None, b"GET /two/1\r\n\r\n"),
    "method": (400, "/two/1", b'M\xff"E /two/1 HTTP/1.1\r\n' + HOST + b"\r\n"),
    "field": (431, "/two/1", b"GET /two/1 HTTP/1.1\r\n" + HOST + b"X: " + b"a" * 60000 + b"\r\n\r\n"),
    "fields": (431, "/two/1", b"GET /two/1 HTTP/1.1\r\n" + HOST + b"X: a\r\n" * 5000 + b"\r\n"),
    "chunk": (400, "/batch", b"POST /batch HTTP/1.1\r\n" + HOST +
              b"Transfer-Encoding: chunked\r\n\r\nzz\r\n"),
}


@pytest.mark.parametrize("before", [b"", b"GET /nowhere HTTP/1.1\r\n" + HOST + b"\r\n"])
@pytest.mark.parametrize("wrong", UNREAD)
def test_what_the_library_refuses(logged, recorder, wrong, before):
    """It has a line and a count like everything else, on fresh and on kept connections."""
    status, target, sent = UNREAD[wrong]
    daemon, path = logged(recorder())
    with daemon.connect() as idle, daemon.connect() as connection:
        if before:
            connection.send(before)
            assert connection.receive().status == 404
        connection.send(sent)
        reply = connection.receive()
        idle.sock.close()
    assert reply.status == status
    line = json.loads(lines_of(path, 1 + bool(before))[-1])
    assert (line["status"], line["target"]) == (status, target)
    assert line["bytes"] == len(reply.body)
    counted = daemon.metrics()
    assert sum(value for (name, labels), value in counted.samples.items()
               if name == "gatherd_requests_total" and dict(labels)["status"][0] == str(status)[0]
               ) == (2 if before and status < 500 else 1)
    assert counted.sum("gatherd_requests_total") == 1 + bool(before)


def test_what_we_refuse_before_the_library_does(logged, recorder):
    """Is one refusal: the library's own is not charged to whoever closes a connection next."""
    daemon, path = logged(recorder())
    with daemon.connect() as connection:
        connection.send(b"GET /long?" + b"&".join([b"a=1"] * 3000) + b" HTTP/1.1\r\n" + HOST + b"\r\n")
        assert connection.receive().status == 414
    for _ in range(2):
        with daemon.connect() as connection:
            connection.send(b"GET /nowhere HTTP/1.1\r\n" + HOST + b"\r\n")
            assert connection.receive().status == 404
    harness.wait_until(lambda: daemon.metrics().sum("gatherd_worker_connections") == 0, "all to be closed")
    assert [json.loads(line)["status"] for line in lines_of(path, 3)] == [414, 404, 404]
    assert daemon.metrics().sum("gatherd_requests_total") == 3


def test_many_that_the_library_refuses(logged, recorder):
    """Each has its own line, also when they come at the same moment."""
    daemon, path = logged(recorder())
    wrong = [UNREAD[name] for name in ("version", "target", "field", "version", "fields")] * 3
    many = [daemon.connect() for _ in wrong]
    for connection, (_, _, sent) in zip(many, wrong):
        connection.send(sent)
    for connection, (status, _, _) in zip(many, wrong):
        assert connection.receive().status == status
        connection.sock.close()
    found = [json.loads(line)["status"] for line in lines_of(path, len(many))]
    assert sorted(found) == sorted(status for status, _, _ in wrong)


@pytest.mark.parametrize("size, status", [(8000, 200), (8200, 502)])
def test_a_reply_whose_header_is_too_large(logged, scripted, size, status):
    """Its line has the status that the client saw, not the upstream's."""
    upstream = scripted([READ, scripts.reply(b"{}", head=b"X-Large: %s\r\n" % (b"x" * size))])
    daemon, path = logged(upstream)
    reply = daemon.get("/raw")
    assert reply.status == status
    assert json.loads(lines_of(path, 1)[0])["status"] == status


@pytest.mark.parametrize("blank", [b" ", b"\t", b" \t "])
def test_blanks_around_a_value_are_not_part_of_it(logged, recorder, blank):
    """RFC 9110 5.5: neither before nor after it; libmicrohttpd 0.9 takes what frames the body
    literally, and so do we: such a batch is none, or it is read and has nothing in it."""
    daemon, path = logged(recorder())
    trace = b"4bf92f3577b34da6a3ce929d0e0e4736"
    with daemon.connect() as connection:
        connection.send(b"GET /two/1 HTTP/1.1\r\nHost: a" + blank + b"\r\nX-Request-Id:" + blank +
                        b"mine" + blank + b"\r\ntraceparent:" + blank + b"00-" + trace +
                        b"-00f067aa0ba902b7-01" + blank + b"\r\n\r\n")
        reply = connection.receive()
    assert (reply.status, reply.header("X-Request-Id")) == (200, "mine")
    line = json.loads(lines_of(path, 1)[0])
    assert (line["requestId"], line["traceId"]) == ("mine", trace.decode())
    for field, body in ((b"Content-Length: 0", b""), (b"Transfer-Encoding: chunked", b"0\r\n\r\n"),
                        (b"Expect: 100-continue", b"")):
        with daemon.connect() as connection:
            connection.send(b"POST /batch HTTP/1.1\r\nHost: a\r\n" + field + blank + b"\r\n\r\n" + body)
            assert connection.receive().status in (400, 417)


@pytest.mark.parametrize("given, taken", [
    ("a" * 128, True), ("a" * 129, False), ("a b", False), ('a"b', False), ("", False),
    ("a,b", False), ("!#$%&'*+-.^_`|~09AZ", True)])
def test_ids_of_clients(logged, recorder, given, taken):
    """A token of at most 128 characters is taken, anything else replaced."""
    daemon, path = logged(recorder())
    found = daemon.get("/two/1", {"X-Request-Id": given}).header("X-Request-Id")
    assert (found == given) == taken
    assert taken or re.fullmatch("[0-9a-f]{32}", found)
    assert json.loads(lines_of(path, 1)[0])["requestId"] == found


def test_the_id_goes_on_if_wanted(gatherd, recorder):
    """Only under the name that is configured; without it there is no id at all."""
    upstream = recorder()
    daemon = gatherd(PLAIN + "propagate: { requestId: X-Correlation }\n", IT=upstream.url)
    assert daemon.get("/two/1", {"X-Request-Id": "q1"}).header("X-Request-Id") == "q1"
    assert all(b"\r\nX-Correlation: q1\r\n" in head + b"\r\n" for head, _ in upstream.requests)
    other = gatherd(PLAIN, IT=upstream.url)
    assert other.get("/two/1", {"X-Request-Id": "q1"}).header("X-Request-Id") is None


def test_the_trace_is_named(logged, recorder):
    """Its id, also without a collector; the request's id is made of it."""
    daemon, path = logged(recorder())
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    reply = daemon.get("/two/1", {"traceparent": f"00-{trace}-00f067aa0ba902b7-01"})
    line = json.loads(lines_of(path, 1)[0])
    assert line["traceId"] == line["requestId"] == reply.header("X-Request-Id") == trace


def test_a_format_of_ones_own(logged, recorder):
    """Hostile values cannot end a field or a line."""
    daemon, path = logged(recorder(), "format: '%{client} \"%{method} %{target}\" %{status} 100%%'")
    daemon.get('/nowhere/"x\\y')
    daemon.get("/two/1")
    assert lines_of(path, 2) == [
        '127.0.0.1 "GET /nowhere/\\x22x\\x5Cy" 400 100%', '127.0.0.1 "GET /two/1" 200 100%']


def test_any_field_of_the_request(logged, recorder):
    """Bounded, cut between characters, and with nothing in it that a reader could take for more."""
    daemon, path = logged(
        recorder(), "format: '%{header:X-Who} \"%{header:Accept-Language}\" %{header:None} %{status}'")
    daemon.get("/nowhere", {"x-who": "a 200 b", "Accept-Language": 'de, "en'})
    daemon.get("/nowhere", {"X-Who": "x" * 255 + "\xc3\xa9", "Accept-Language": "y" * 4000})
    first, second = lines_of(path, 2)
    assert first == 'a\\x20200\\x20b "de, \\x22en" - 404'
    assert second == f'{"x" * 255} "{"y" * 256}" - 404'


def test_large_fields_leave_room_for_the_rest(logged, recorder):
    """Whatever a client sends, who served it is in the line, and the line is JSON."""
    daemon, path = logged(recorder(), "query: true")
    long = "\xe2\x82\xac" * 1000
    daemon.get("/two/" + "n" * 700, {
        "X-Request-Id": "i" * 128, "User-Agent": long, "Referer": long,
        "Host": "h" * 300, "traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"})
    line = json.loads(lines_of(path, 1)[0])
    assert (line["endpoint"], line["upstream"], line["status"]) == ("/two/{n}", "it", 200)
    assert line["userAgent"] == line["referer"] == "\u20ac" * 85
    assert (len(line["host"]), len(line["target"])) == (128, 512)


def test_a_wrong_method_names_its_endpoint(logged, recorder):
    """405 and OPTIONS are the endpoint's, though it runs nothing for them."""
    daemon, path = logged(recorder())
    assert daemon.fetch("PUT", "/two/1").status == 405
    assert daemon.fetch("OPTIONS", "/two/1").status == 204
    assert {json.loads(line)["endpoint"] for line in lines_of(path, 2)} == {"/two/{n}"}


def test_samples_and_slow_requests(gatherd, gated, tmp_path):
    """Nothing is sampled here, yet what is slow has its line and a warning with the culprit."""
    path = tmp_path / "access.log"
    for name in ("quick", "slow"):
        gated.add(name, held=name == "slow")
    daemon = gatherd("workers: 1\nupstreams: { gated: { url: '$IT' }, other: { url: '$IT' } }\n"
                     "accessLog: { to: '$FILE', sample: 0, slow: 100ms }", IT=gated.url, FILE=path)
    ask = gated.requests("quick", "slow")
    ask[1]["upstream"] = "other"
    assert daemon.batch(ask[:1]).status == 200
    timer = threading.Timer(0.2, gated.release, ["slow"])
    timer.start()
    assert daemon.batch(ask, headers={"X-Request-Id": "s1"}).status == 200
    timer.join()
    daemon.wait_log(r"warning: slow request: POST /batch: 200 in [0-9.]+ ms, the slowest call "
                    r'"slow" to other in [0-9.]+ ms request_id=s1 endpoint=/batch upstream=other '
                    r"status=200 duration_us=\d+")
    found = [json.loads(line) for line in lines_of(path, 1)]
    assert [(line["requestId"], line["slowest"], line["upstream"]) for line in found] == [
        ("s1", "slow", "other")]


def test_slow_requests_without_lines(gatherd, gated):
    """`to: off` keeps the warnings."""
    gated.add("x", held=True)
    daemon = gatherd("workers: 1\nupstreams: { gated: { url: '$IT' } }\n"
                     "accessLog: { slow: 1ms }\n", IT=gated.url)
    timer = threading.Timer(0.05, gated.release, ["x"])
    timer.start()
    daemon.batch(gated.requests("x"))
    timer.join()
    daemon.wait_log("slow request: ")


def test_sampling_takes_a_share(logged, recorder):
    """Half of them, about."""
    daemon, path = logged(recorder(), "sample: 0.5")
    with daemon.connect() as connection:
        for _ in range(300):
            connection.request("GET", "/nowhere", {})
            connection.receive()
    daemon.stop()
    assert 90 < path.read_text().count("\n") < 210


def test_stderr_and_stop(gatherd, recorder):
    """Lines go beside the log's own; what is in the ring at a stop is written."""
    daemon = gatherd(PLAIN + "accessLog: { to: stderr }\n", IT=recorder().url)
    for _ in range(50):
        daemon.get("/nowhere")
    daemon.stop()
    assert len(re.findall(r'^\{"time".*"status":404.*\}$', daemon.log(), re.M)) == 50


def test_rotation(logged, recorder):
    """After a rename and SIGHUP lines go to a new file, also when the configuration is broken."""
    daemon, path = logged(recorder())
    daemon.get("/nowhere?1")
    lines_of(path, 1)
    first = path.rename(path.with_suffix(".1"))
    daemon.reload(daemon.config.read_text(), "configuration reloaded")
    daemon.get("/nowhere?2")
    lines_of(path, 1)
    second = path.rename(path.with_suffix(".2"))
    daemon.reload("listen: 7", "stays as it was")
    daemon.get("/nowhere?3")
    lines_of(path, 1)
    assert [name.read_text().count("\n") for name in (first, second, path)] == [1, 1, 1]
    assert path.stat().st_mode & 0o777 == 0o640 & ~os.umask(os.umask(0))


def test_rotation_loses_nothing_under_load(logged, recorder):
    """Every request has its line in one of the files."""
    daemon, path = logged(recorder())
    stop = threading.Event()
    sent = []

    def ask():
        with daemon.connect() as connection:
            while not stop.is_set():
                connection.request("GET", "/nowhere", {})
                connection.receive()
                sent.append(1)

    thread = threading.Thread(target=ask)
    thread.start()
    for number in range(5):
        before = len(sent)
        harness.wait_until(lambda before=before: len(sent) > before + 50, "requests")
        path.rename(path.with_suffix(f".{number}"))
        daemon.reload(daemon.config.read_text(), "configuration reloaded")
        harness.wait_until(path.exists, "the new file")
    stop.set()
    thread.join()
    daemon.stop()
    written = sum(name.read_text().count("\n") for name in path.parent.glob("access.*"))
    assert written == len(sent)


def test_a_reader_that_stops_holds_nobody(gatherd, recorder, tmp_path):
    """Lines are dropped and counted, requests go on, and so does the stop."""
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    daemon = gatherd(PLAIN + "accessLog: { to: '$FILE', ring: 16 }\n", IT=recorder().url, FILE=fifo)
    with daemon.connect() as connection:
        for _ in range(1000):
            connection.request("GET", "/nowhere", {})
            assert connection.receive().status == 404
    daemon.stop()
    read = os.read(reader, 1 << 20).count(b"\n")
    os.close(reader)
    lost = sum(map(int, re.findall(r"the access log lost (\d+) lines", daemon.log())))
    assert lost > 0 and read > 0 and 990 <= read + lost <= 1000 + 1


def test_a_disk_that_is_full(gatherd, recorder):
    """The reason is in the log."""
    daemon = gatherd(PLAIN + "accessLog: { to: /dev/full }\n", IT=recorder().url)
    daemon.get("/nowhere")
    daemon.wait_log(r"the access log lost 1 lines: No space left on device")


def test_reload_moves_it(gatherd, recorder, tmp_path, fill):
    """On, elsewhere, off; what cannot be opened refuses the reload."""
    upstream = recorder()
    paths = [tmp_path / "one", tmp_path / "two"]
    daemon = gatherd(PLAIN, IT=upstream.url)
    daemon.get("/nowhere")

    def to(place, said="configuration reloaded"):
        daemon.reload(fill(PLAIN + f"accessLog: {{ to: {place} }}\n", IT=upstream.url), said)
        daemon.get("/nowhere")

    to(paths[0])
    lines_of(paths[0], 1)
    to(paths[1])
    lines_of(paths[1], 1)
    to(tmp_path / "none" / "x", "the configuration stays as it was")
    lines_of(paths[1], 2)
    to("'off'")
    daemon.stop()
    assert [path.read_text().count("\n") for path in paths] == [1, 2]


def test_a_file_that_cannot_be_opened_at_the_start(tmp_path):
    """The daemon says so and does not start."""
    config = tmp_path / "x.yaml"
    config.write_text('listen: "127.0.0.1:0"\naccessLog: { to: /no/such/folder/x }\n')
    done = harness.run("--config", config)
    assert done.returncode == 1
    assert "accessLog: /no/such/folder/x cannot be opened: No such file" in done.stderr
    assert len(done.stderr.splitlines()) == 1, done.stderr


def test_log_levels_change_at_run_time(gatherd, recorder, tmp_path):
    """With a reload and at once: its own line is logged, or not, by the new level."""
    daemon = gatherd(PLAIN, IT=recorder().url)
    text, path = daemon.config.read_text(), tmp_path / "taken"
    daemon.config.write_text(text + f"logLevel: error\naccessLog: {{ to: {path} }}\n")
    daemon.signal(signal.SIGHUP)
    harness.wait_until(path.exists, "the reload that says nothing")
    daemon.reload("listen: 7", "the configuration stays as it was")
    assert "configuration reloaded" not in daemon.log()
    daemon.reload(text + "logLevel: debug\n", "configuration reloaded")


@pytest.mark.parametrize("line, words", [
    ("accessLog: { to: relative.log }", "absolute path"),
    ("accessLog: { format: plain }", "must be \"json\" or have a field"),
    ("accessLog: { format: '%{statuss}' }", "did you mean %{status}?"),
    ("accessLog: { format: '%{header:a b}' }", "not the name of a header field"),
    ("accessLog: { sample: 2 }", "must be a number from 0 to 1"),
    ("accessLog: { sample: 0.0000000001 }", "must be a number from 0 to 1"),
    ("accessLog: { sample: -1 }", "must be a number from 0 to 1"),
    ("accessLog: { ring: 15 }", "16 to 65536"),
])
def test_wrong_options_are_named(tmp_path, line, words):
    """With their place."""
    (tmp_path / "x.yaml").write_text(line)
    done = harness.run("--check-config", "--config", tmp_path / "x.yaml")
    assert done.returncode == 2 and words in done.stderr and "x.yaml:1:" in done.stderr


def test_every_field_is_in_the_reference():
    """The page lists what a line has, in the same order."""
    page = subprocess.run([harness.BINARY, "--print-reference"], capture_output=True, text=True,
                          check=True).stdout
    assert re.findall(r"^\| `%\{(\w+)\}`", page, re.M) == NAMES
