"""How requests end, as their line in the access log says it."""

import json
import signal
import threading
import time

import harness
import pytest
from streams import NDJSON, Stream
from test_access_log import lines_of
from test_stream_pressure import slow_client

CONFIG = """
workers: 1
limits: { sendTime: $SEND, replyBody: 32MiB, bodyTime: 300ms }
drain: 300ms
upstreams: { gated: { url: '$IT', timeout: 60s } }
accessLog: { to: '$FILE' }
"""
BIG = b'"' + b"x" * (24 << 20) + b'"'  # more than all sockets between take


@pytest.fixture
def start(gatherd, gated, tmp_path):
    """Starts a daemon; its access log's path is returned too."""
    path = tmp_path / "access.log"
    return lambda send="60s": (gatherd(CONFIG, IT=gated.url, FILE=path, SEND=send), path)


def line_of(path):
    """The only line."""
    return json.loads(lines_of(path, 1)[0])


def ask_for_much(daemon, gated):
    """A connection that has read the head of a large reply and no more."""
    gated.add("big", BIG)
    connection = slow_client(daemon)
    connection.request("POST", "/batch", {}, harness.compact(
        {"requests": gated.requests("big"), "merge": "keyed"}))
    connection.take_until(b"\r\n\r\n")
    return connection


def test_a_client_that_leaves_in_the_middle(start, gated):
    """200 is what it saw, but it did not see all."""
    daemon, path = start()
    ask_for_much(daemon, gated).sock.close()
    line = line_of(path)
    assert (line["status"], line["end"], line["bytes"]) == (200, "client", len(BIG) + 8)


def test_a_client_that_stalls_in_the_middle(start, gated):
    """`limits.sendTime` ends it."""
    daemon, path = start(send="200ms")
    connection = ask_for_much(daemon, gated)
    line = line_of(path)
    connection.sock.close()
    assert (line["status"], line["end"]) == (200, "timeout")


def test_a_stop_in_the_middle(start, gated):
    """A whole reply that was going out, cut by the end of the drain."""
    daemon, path = start()
    connection = ask_for_much(daemon, gated)
    daemon.stop()
    connection.sock.close()
    line = line_of(path)
    assert (line["status"], line["end"]) == (200, "stopping")


def test_streams_that_are_cut(start, gated):
    """By their client, and by a stop; what was made of them is counted."""
    daemon, path = start()
    gated.add("first")
    gated.add("held", held=True)
    for count in (1, 2):
        with Stream(daemon, gated.requests("first", "held"), NDJSON, **{"timeout": "60s"}) as stream:
            stream.head()
            first = stream.until(b"\n")
            if count == 1:
                stream.connection.sock.close()
            else:
                daemon.signal(signal.SIGTERM)
            found = json.loads(lines_of(path, count)[-1])
        assert found["end"] == ("client" if count == 1 else "stopping")
        assert (found["status"], found["bytes"]) == (200, len(first))
    assert daemon.process.wait(harness.PATIENCE) == 0


def test_a_stream_whose_client_stalls(start, gated):
    """`limits.sendTime` again, although the stream goes on otherwise."""
    daemon, path = start(send="200ms")
    gated.add("big", BIG)
    gated.add("held", held=True)
    with Stream(daemon, gated.requests("big", "held"), NDJSON, slow_client(daemon),
                **{"timeout": "60s"}):
        assert line_of(path)["end"] == "timeout"


def test_requests_that_do_not_arrive(start):
    """A body that is not sent in time, one that breaks off, and one that is too large."""
    daemon, path = start()
    head = b"POST /batch HTTP/1.1\r\nHost: a\r\nContent-Length: "
    replies = []
    for sent in (head + b"9\r\n\r\n{", head + b"99999999\r\n\r\n"):
        with daemon.connect() as connection:
            connection.send(sent)
            replies.append(connection.receive())
    with daemon.connect() as connection:
        connection.send(head + b"9\r\n\r\n{")
    found = [json.loads(line) for line in lines_of(path, 3)]
    assert [(line["status"], line["end"]) for line in found] == [
        (408, "timeout"), (413, "complete"), (499, "client")]
    assert [line["bytes"] for line in found] == [len(reply.body) for reply in replies] + [0]


def test_work_that_is_given_up(start, gated):
    """The 503 of a stop is a complete reply; a client that left gets none."""
    daemon, path = start()
    gated.add("held", held=True)
    ask = harness.compact({"requests": gated.requests("held"), "merge": "keyed"})
    with daemon.connect() as connection, daemon.connect() as other:
        other.request("POST", "/batch", {}, ask)
        connection.request("POST", "/batch", {}, ask)
        assert gated.parts["held"].asked.wait(harness.PATIENCE)
        other.sock.close()
        assert [line_of(path)[name] for name in ("status", "end")] == [499, "client"]
        daemon.signal(signal.SIGTERM)
        assert connection.receive().status == 503
    line = json.loads(lines_of(path, 2)[1])
    assert (line["status"], line["end"]) == (503, "complete")
    daemon.process.wait(harness.PATIENCE)


def test_a_reply_past_the_end_of_a_client(start, gated):
    """Who has closed its side only, and reads on, gets what is there: nothing was cut."""
    daemon, path = start()
    with daemon.connect() as connection:
        connection.send(b"GET /nowhere HTTP/1.1\r\nHost: a\r\n\r\n")
        connection.sock.shutdown(1)
        assert connection.receive().status == 404
    line = line_of(path)
    assert (line["status"], line["end"]) == (404, "complete")


SLOW = CONFIG.replace("bodyTime: 300ms", "bodyTime: 60s").replace(
    "'$FILE'", "'$FILE', slow: 100ms") + """
endpoints:
  - path: /inner
    merge: keyed
    requests: [ { id: call, upstream: gated, url: /held } ]
  - path: /outer
    merge: keyed
    requests: [ { id: part, url: /inner } ]
"""


@pytest.fixture
def slow(gatherd, gated, tmp_path):
    """A daemon that warns of slow requests, and its log's path."""
    path = tmp_path / "access.log"
    return gatherd(SLOW, IT=gated.url, FILE=path, SEND="60s"), path


def test_a_client_that_sends_slowly(slow, gated):
    """No upstream is blamed for it."""
    daemon, path = slow
    gated.add("quick")
    body = harness.compact({"requests": gated.requests("quick"), "merge": "keyed"})
    with daemon.connect() as connection:
        connection.request("POST", "/batch", {"Content-Length": str(len(body))}, body[:-1])
        time.sleep(0.3)
        connection.send(body[-1:])
        assert connection.receive().status == 200
    line = line_of(path)
    assert line["readUs"] >= 290000 and line["workUs"] < line["readUs"]
    daemon.wait_log(r"slow request: POST /batch: 200 in [0-9.]+ ms, of which the client took "
                    r"[0-9.]+ ms to send the request")


@pytest.mark.parametrize("accept", [{}, NDJSON], ids=["whole", "stream"])
def test_a_client_that_takes_slowly(slow, gated, accept):
    """Nor for this; a stream's upstream has to wait for it, and that is the client's time too."""
    daemon, path = slow
    gated.add("big", BIG)
    connection = slow_client(daemon)
    members = {} if accept else {"merge": "keyed"}
    began = time.monotonic()
    connection.request("POST", "/batch", accept, harness.compact(
        {"requests": gated.requests("big"), "timeout": "60s", **members}))
    connection.take_until(b"\r\n\r\n")
    time.sleep(1)
    while b"summary" not in connection.buffer[-400:] and not connection.buffer.endswith(b'"}'):
        assert connection.more()
    took = time.monotonic() - began
    connection.sock.close()
    line = line_of(path)
    assert line["end"] == "complete" and line["durationUs"] <= took * 1e6
    assert line["durationUs"] - line["readUs"] - line["workUs"] >= 900000
    daemon.wait_log(r"slow request: POST /batch: 200 in [0-9.]+ ms, of which the client took "
                    r"[0-9.]+ ms to take the reply")


def test_a_slow_call_inside_an_endpoint_in_place(slow, gated):
    """Is named behind the part that the client knows."""
    daemon, path = slow
    gated.add("held", held=True)
    timer = threading.Timer(0.2, gated.release, ["held"])
    timer.start()
    assert daemon.get("/outer").status == 200
    timer.join()
    line = line_of(path)
    assert (line["slowest"], line["upstream"]) == ("part/call", "gated")
    assert line["workUs"] >= 190000
    daemon.wait_log(r'slow request: .*, the slowest call "part/call" to gated in ')


def test_a_slow_item_of_a_foreach(slow, gated):
    """Is the part itself."""
    daemon, path = slow
    gated.add("list", b"[1]")
    gated.add("held", held=True)
    timer = threading.Timer(0.2, gated.release, ["held"])
    timer.start()
    requests = gated.requests("list") + [
        {"id": "each", "upstream": "gated", "url": "/held",
         "foreach": {"from": "$responses.list.body#", "as": "item", "max": 5}}]
    reply = daemon.batch(requests, merge="keyed")
    assert reply.status == 200, reply
    timer.join()
    assert line_of(path)["slowest"] == "each"
