"""Identical reads of one batch are sent once."""

import pytest

CONFIG = """
workers: 1
upstreams:
  up:    { url: "http://127.0.0.1:$PORT", timeout: 10s, batch: { methods: [GET, HEAD, POST] } }
  other: { url: "http://127.0.0.1:$PORT", timeout: 10s }
"""


def get(name, url="/x", **more):
    """A request of a batch."""
    return {"id": name, "upstream": "up", "url": url, **more}


@pytest.fixture
def pair(gatherd, recorder):
    """A daemon and its upstream, which numbers its replies."""
    upstream = recorder()
    upstream.answer = lambda target, head, body: (200, {}, {"n": len(upstream.requests), "t": target})
    return gatherd(CONFIG, PORT=upstream.port), upstream


def sent(pair, *requests):
    """How many calls a batch makes; all must succeed."""
    daemon, upstream = pair
    upstream.requests.clear()
    reply = daemon.batch(list(requests), merge="keyed")
    assert reply.status == 200, reply
    assert list(reply.json()) == [request["id"] for request in requests]
    return len(upstream.requests)


def test_the_same_is_sent_once(pair):
    """And every part has the reply."""
    daemon, upstream = pair
    reply = daemon.batch([get(f"r{i}") for i in range(32)], merge="array")
    assert reply.json() == [{"n": 1, "t": "/x"}] * 32
    assert len(upstream.requests) == 1
    parts = daemon.batch([get("a"), get("b")]).json()["responses"]
    assert [part["status"] for part in parts] == [200, 200] and parts[0]["body"] == parts[1]["body"]
    assert sent(pair, get("a", method="HEAD", optional=True), get("b", method="HEAD", optional=True)) == 1


@pytest.mark.parametrize("first, second", [
    ({}, {"url": "/y"}), ({}, {"url": "/x?"}), ({}, {"upstream": "other"}), ({}, {"method": "HEAD"}),
    ({"headers": {"A": "1"}}, {"headers": {"A": "2"}}), ({}, {"headers": {"A": "1"}}),
    ({"headers": {"Accept-Encoding": "gzip"}}, {}), ({"dedupe": False}, {}), ({}, {"dedupe": False}),
    ({"method": "POST"}, {"method": "POST"}), ({"timeout": "2s"}, {"timeout": "3s"})])
def test_what_differs_is_sent_twice(pair, first, second):
    """In anything that the upstream or the client could notice."""
    assert sent(pair, get("a", **first), get("b", **second)) == 2


def test_equal_headers(pair):
    """Names are compared without case."""
    assert sent(pair, get("a", headers={"A": "1"}), get("b", headers={"a": "1"})) == 1


def test_each_part_is_judged_on_its_own(pair):
    """What is a success for one may be none for the other."""
    daemon, upstream = pair
    upstream.answer = lambda target, head, body: (404, {}, {"t": target})
    reply = daemon.batch([get("a", success=[404]), get("b", default={"d": 1})], merge="keyed")
    assert reply.status == 200 and reply.json()["a"] == {"t": "/x"} and reply.json()["b"] == {"d": 1}
    assert len(upstream.requests) == 1


def test_a_failure_is_shared(pair):
    """The one that ends the batch is the first in declared order."""
    daemon, upstream = pair
    upstream.answer = lambda target, head, body: (500, {}, {})
    reply = daemon.batch([get("a"), get("b")], merge="keyed")
    assert reply.status == 502
    assert reply.json()["errors"][0]["id"] == "a"
    assert len(upstream.requests) == 1


def test_dependents_share_what_begins_together(pair):
    """What begins later is sent again: it may have been told to wait for a change."""
    _, upstream = pair
    assert sent(pair, get("a", "/a"), get("b", "/{$responses.a.status}"),
                get("c", "/{$responses.a.status}")) == 2
    assert sent(pair, get("a", "/x"), get("w", "/w", method="POST", dependsOn="a"),
                get("b", "/x", dependsOn="w")) == 3


def test_items_of_a_foreach(pair):
    """Equal calls in flight are one; every item has its result."""
    daemon, upstream = pair

    def answer(target, head, body):
        return 200, {}, [1, 1, 1, 2] if target == "/list" else {"t": target}
    upstream.answer = answer
    each = get("each", "/i/{$item}", foreach={"from": "$responses.list.body"})
    reply = daemon.batch([get("list", "/list"), each], merge="keyed")
    assert [item["t"] for item in reply.json()["each"]] == ["/i/1"] * 3 + ["/i/2"]
    assert sorted(upstream.targets()) == ["/i/1", "/i/2", "/list"]
