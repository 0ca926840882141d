"""One call per item of a list."""

import json

import pytest
from streams import NDJSON, parts_of

CONFIG = """
workers: 1
limits: { replyBody: 1MiB }
upstreams: { up: { url: "http://127.0.0.1:$PORT", timeout: 10s, batch: { methods: [GET, POST] } } }
endpoints:
  - path: /inner/{id}
    merge: keyed
    requests: [ { id: i, upstream: up, url: "/inner/{id}" } ]
  - path: /many
    method: POST
    merge: keyed
    requests:
      - { id: each, upstream: up, url: "/items/{$order.id}", foreach: { from: "$request.body#/orders", as: order } }
"""


def start(gatherd, recorder, items, answer=None):
    """A daemon and an upstream whose /list is a list of items."""
    upstream = recorder()
    upstream.answer = lambda target, head, body: (
        (200, {}, items) if target == "/list" else answer(target) if answer else (200, {}, {"t": target}))
    return gatherd(CONFIG, PORT=upstream.port), upstream


def each(url="/items/{$item}", foreach=None, **more):
    """A list and a request for each of its items."""
    return [{"id": "list", "upstream": "up", "url": "/list"},
            {"id": "each", "upstream": "up", "url": url,
             "foreach": {"from": "$responses.list.body", **(foreach or {})}, **more}]


def code(reply):
    """The code of the foreach's failure."""
    return {error["id"]: error["code"] for error in reply.json()["errors"]}["each"]


def fetch_stream(daemon, requests, **members):
    """A whole stream: (reply, items, summary)."""
    reply = daemon.batch(requests, NDJSON, **members)
    return reply, *parts_of(reply)


@pytest.mark.parametrize("count", [0, 1, 8, 9, 32])
def test_results_come_in_the_order_of_the_items(gatherd, recorder, count):
    """However many there are."""
    daemon, upstream = start(gatherd, recorder, list(range(count)))
    reply = daemon.batch(each(), merge="keyed")
    assert reply.status == 200, reply
    assert reply.json()["each"] == [{"t": f"/items/{i}"} for i in range(count)]
    assert len(upstream.requests) == 1 + count
    assert reply.header("aggregate-status").startswith("complete; total=2; ok=2")


def test_more_than_max_items(gatherd, recorder):
    """Nothing is sent for any of them."""
    daemon, upstream = start(gatherd, recorder, list(range(33)))
    reply = daemon.batch(each(), merge="keyed")
    assert reply.status == 424 and code(reply) == "unresolved_reference"
    assert "more than 32" in reply.body.decode()
    assert upstream.targets() == ["/list"]
    assert daemon.batch(each(foreach={"max": 33}), merge="keyed").status == 200
    assert daemon.batch(each(foreach={"max": 1025}), merge="keyed").status == 400


@pytest.mark.parametrize("limit", [1, 3])
def test_concurrency(gatherd, recorder, limit):
    """So many calls are in flight, and no more."""
    daemon, upstream = start(gatherd, recorder, list(range(10)))

    def answer(target, head, body):
        if target == "/list":
            upstream.gate = limit
            return 200, {}, list(range(10))
        return 200, {}, {"t": target}
    upstream.answer = answer
    reply = daemon.batch(each(foreach={"concurrency": limit}), merge="keyed")
    assert len(reply.json()["each"]) == 10
    assert upstream.most == limit


def test_items_are_values(gatherd, recorder):
    """Whole, by name and by pointer; under another name, too."""
    items = [{"id": "a/b", "deep": {"x y": [1.5]}}]
    daemon, upstream = start(gatherd, recorder, items)
    assert daemon.batch(each("/i/{$item.id}/{$item#/deep/x%20y/0}"), merge="keyed").status == 200
    assert daemon.batch(each("/o", {"as": "order"}, method="POST", body={"o": "{$order}"}), merge="keyed").status == 200
    assert upstream.targets()[1::2] == ["/i/a%2Fb/1.5", "/o"]
    assert json.loads(upstream.requests[-1][1]) == {"o": items[0]}


def test_distinct(gatherd, recorder):
    """Equal items once; `max` counts what is left."""
    items = [1, 2, 1, "1", 2, 3] + [1] * 100
    daemon, upstream = start(gatherd, recorder, items)
    reply = daemon.batch(each(foreach={"distinct": True, "max": 4}, dedupe=False), merge="keyed")
    assert [item["t"] for item in reply.json()["each"]] == ["/items/1", "/items/2", "/items/1", "/items/3"]
    assert len(upstream.requests) == 5
    assert daemon.batch(each(foreach={"distinct": True, "max": 3}), merge="keyed").status == 424


def test_a_failed_item_fails_the_part(gatherd, recorder):
    """And says which it was; the others are cancelled."""
    daemon, upstream = start(gatherd, recorder, list(range(20)),
                             lambda target: (500 if target == "/items/2" else 200, {}, {"t": target}))
    reply = daemon.batch(each(foreach={"concurrency": 1}), merge="keyed")
    assert reply.status == 502 and code(reply) == "upstream_status", reply
    (error,) = reply.json()["errors"]
    assert error["item"] == 2 and "item 2" in error["detail"]
    assert upstream.targets() == ["/list", "/items/0", "/items/1", "/items/2"]


def test_a_failed_item_of_many_in_flight(gatherd, recorder):
    """What waits at the upstream is cancelled there."""
    daemon, upstream = start(gatherd, recorder, [])

    def answer(target, head, body):
        if target == "/list":
            upstream.gate = 3
            return 200, {}, [0, 1, 2]
        if target == "/items/1":
            return 500, {}, {}
        upstream.wait_until_left()
        return 200, {}, {}
    upstream.answer = answer
    reply = daemon.batch(each(), merge="keyed")
    assert reply.status == 502 and code(reply) == "upstream_status"
    upstream.wait_gone(2)


@pytest.mark.parametrize("member, place", [({"optional": True}, None), ({"default": {"d": 1}}, {"d": 1})])
def test_a_failed_item_of_an_optional_request(gatherd, recorder, member, place):
    """Its place holds the default or null; the reply is partial and says so."""
    daemon, upstream = start(gatherd, recorder, list(range(4)),
                             lambda target: (404 if target in ("/items/1", "/items/3") else 200, {}, target))
    reply = daemon.batch(each(**member), merge="keyed")
    assert reply.status == 200, reply
    value = reply.json()
    assert value["each"] == ["/items/0", place, "/items/2", place]
    assert value["_meta"]["partial"] is True and value["_meta"]["ok"] == 2 and value["_meta"]["failed"] == 0
    found = [(error["id"], error["pointer"], error["item"], error["code"]) for error in value["_meta"]["errors"]]
    assert found == [("each", "/requests/1", 1, "upstream_status"), ("each", "/requests/1", 3, "upstream_status")]
    assert reply.header("aggregate-status") == "partial; total=2; ok=2; failed=0; skipped=0"


@pytest.mark.parametrize("member", [{"optional": True}, {"default": [7]}])
def test_a_policy_that_counts_successes_wants_every_item(gatherd, recorder, member):
    """A foreach with a failed item is no success to it."""
    daemon, _ = start(gatherd, recorder, list(range(4)),
                      lambda target: (404 if target == "/items/1" else 200, {}, target))
    reply = daemon.batch(each(**member), merge="keyed", policy={"atLeast": 2})
    assert reply.status == 502 and code(reply) == "upstream_status", reply
    assert reply.header("aggregate-status") == "failed; total=2; ok=1; failed=1; skipped=0"
    assert daemon.batch(each("/other/{$item}", **member), merge="keyed", policy={"atLeast": 2}).status == 200


def test_an_item_that_cannot_be_filled(gatherd, recorder):
    """Is a failed item like any other."""
    daemon, upstream = start(gatherd, recorder, ["a", None, ".."])
    reply = daemon.batch(each(optional=True), merge="keyed")
    assert reply.json()["each"] == [{"t": "/items/a"}, None, None]
    assert [error["code"] for error in reply.json()["_meta"]["errors"]] == ["unresolved_reference"] * 2
    assert upstream.targets() == ["/list", "/items/a"]
    reply = daemon.batch(each(), merge="keyed")
    assert reply.status == 424 and code(reply) == "unresolved_reference"


@pytest.mark.parametrize("items", [{"a": 1}, "text", 5, None])
def test_what_is_no_list(gatherd, recorder, items):
    """Is an unresolved reference."""
    daemon, upstream = start(gatherd, recorder, items)
    reply = daemon.batch(each(), merge="keyed")
    assert reply.status == 424 and code(reply) == "unresolved_reference"
    assert upstream.targets() == ["/list"]


def test_dependents_of_a_foreach(gatherd, recorder):
    """See the array."""
    daemon, upstream = start(gatherd, recorder, [5, 6])
    last = {"id": "last", "upstream": "up", "url": "/last{$responses.each.body#/1/t}/{$responses.each.status}"}
    assert daemon.batch(each() + [last], merge="keyed").status == 200
    assert upstream.targets()[-1] == "/last%2Fitems%2F6/200"
    nested = {"id": "again", "upstream": "up", "url": "/again/{$item.t}", "foreach": {"from": "$responses.each.body"}}
    reply = daemon.batch(each() + [nested], merge="keyed")
    assert [item["t"] for item in reply.json()["again"]] == ["/again/%2Fitems%2F5", "/again/%2Fitems%2F6"]


def test_endpoints_in_place_as_items(gatherd, recorder):
    """Each item may be an endpoint of our own."""
    daemon, upstream = start(gatherd, recorder, list(range(5)))
    requests = each("/inner/{$item}", {"concurrency": 2})
    del requests[1]["upstream"]
    reply = daemon.batch(requests, merge="keyed")
    assert reply.json()["each"] == [{"i": {"t": f"/inner/{i}"}} for i in range(5)], reply


def test_an_endpoint_over_the_clients_list(gatherd, recorder):
    """Nothing has to be waited for; an absent list is the part's failure."""
    daemon, upstream = start(gatherd, recorder, [])
    reply = daemon.fetch("POST", "/many", {}, b'{"orders": [{"id": "x"}, {"id": "y"}]}')
    assert reply.json() == {"each": [{"t": "/items/x"}, {"t": "/items/y"}]}
    assert daemon.fetch("POST", "/many", {}, b"{}").status == 424
    assert daemon.fetch("POST", "/many", {}, b"no json").status == 424


def test_results_are_bounded(gatherd, recorder):
    """All of them together by limits.replyBody."""
    daemon, _ = start(gatherd, recorder, list(range(8)), lambda target: (200, {}, "x" * 200_000))
    reply = daemon.batch(each(), merge="keyed")
    assert reply.status == 502 and code(reply) == "http_response_body_size"
    assert daemon.batch([{"id": "z", "upstream": "up", "url": "/z"}]).status == 200


def test_a_client_that_leaves(gatherd, recorder):
    """Cancels the calls of a foreach; the rest never begin."""
    daemon, upstream = start(gatherd, recorder, [])

    def answer(target, head, body):
        if target == "/list":
            upstream.gate = 99
        return 200, {}, list(range(20))
    upstream.answer = answer
    with daemon.connect() as connection:
        connection.request("POST", "/batch", {"Content-Type": "application/json"},
                           json.dumps({"requests": each(foreach={"concurrency": 4})}).encode())
        upstream.wait(5)
    upstream.wait_gone(4)
    upstream.open()
    assert len(upstream.requests) == 5


def test_the_deadline(gatherd, recorder):
    """Of the batch ends a foreach, too."""
    daemon, upstream = start(gatherd, recorder, [])

    def answer(target, head, body):
        if target == "/list":
            upstream.gate = 99
        return 200, {}, [1, 2, 3]
    upstream.answer = answer
    reply = daemon.batch(each(), merge="keyed", timeout="300ms")
    assert reply.status == 504 and code(reply) == "http_response_timeout"
    upstream.wait_gone(3)


def hanging(gatherd, recorder, *items):
    """A daemon and an upstream that does not answer for these of three items."""
    daemon, upstream = start(gatherd, recorder, [])

    def answer(target, head, body):
        if target in [f"/items/{item}" for item in items]:
            upstream.wait_until_left()
        return 200, {}, [0, 1, 2] if target == "/list" else target
    upstream.answer = answer
    return daemon, upstream


@pytest.mark.parametrize("limit", [1, 8])
@pytest.mark.parametrize("member, place", [({}, None), ({"optional": True}, None), ({"default": 7}, 7)])
def test_the_deadline_of_a_partial_reply(gatherd, recorder, limit, member, place):
    """What has arrived is there; what has not is a failed item, required or not, sent or not."""
    daemon, _ = hanging(gatherd, recorder, 1, 2)
    reply = daemon.batch(each(dedupe=False, foreach={"concurrency": limit}, **member),
                         merge="keyed", timeout="300ms", onTimeout="partial")
    assert reply.status == 200 and reply.json()["each"] == ["/items/0", place, place], reply
    found = [(error["id"], error["item"], error["code"], error["attempts"])
             for error in reply.json()["_meta"]["errors"]]
    assert found == [("each", 1, "http_response_timeout", 1),
                     ("each", 2, "http_response_timeout", 1 if limit > 1 else 0)]
    assert reply.header("aggregate-status") == "partial; total=2; ok=2; failed=0; skipped=0"
    assert reply.header("cache-control") == "no-store"


def test_the_deadline_with_nothing_there(gatherd, recorder):
    """What is unfinished is one failure; its items are not listed as well."""
    daemon, _ = hanging(gatherd, recorder, 0, 1, 2)
    for limit in (1, 8):
        reply = daemon.batch(each(optional=True, dedupe=False, foreach={"concurrency": limit}),
                             merge="keyed", timeout="300ms", onTimeout="partial")
        assert reply.status == 200 and reply.json()["each"] is None, reply
        assert [error.get("item") for error in reply.json()["_meta"]["errors"]] == [None]
        assert reply.header("aggregate-status") == "partial; total=2; ok=1; failed=1; skipped=0"


def test_the_deadline_of_several(gatherd, recorder):
    """Each keeps what it has, and a part that is no list is a failure as ever."""
    daemon, _ = hanging(gatherd, recorder, 0, 1)
    requests = each() + [{**each()[1], "id": "again"}, {**each()[1], "id": "late", "dependsOn": ["single"]},
                         {"id": "single", "upstream": "up", "url": "/items/0", "dedupe": False}]
    reply = daemon.batch(requests, merge="keyed", timeout="300ms", onTimeout="partial")
    values = reply.json()
    assert values["each"] == values["again"] == [None, None, "/items/2"], reply
    assert values["single"] is None and values["late"] is None
    assert {(error["id"], error.get("item")) for error in values["_meta"]["errors"]} == {
        ("each", 0), ("each", 1), ("again", 0), ("again", 1), ("single", None), ("late", None)}
    assert reply.header("aggregate-status") == "partial; total=5; ok=3; failed=2; skipped=0"


@pytest.mark.parametrize("url", ["/after", "/after{$responses.each.body#/0}"])
def test_what_waits_for_a_list_that_is_cut(gatherd, recorder, url):
    """Is not sent any more, though the list is there."""
    daemon, upstream = hanging(gatherd, recorder, 1, 2)
    after = {"id": "after", "upstream": "up", "url": url, "method": "POST", "dependsOn": ["each"]}
    for _ in range(5):
        reply = daemon.batch(each(dedupe=False) + [after], merge="keyed", timeout="100ms",
                             onTimeout="partial")
        assert reply.status == 200 and reply.json()["each"] == ["/items/0", None, None], reply
        assert reply.json()["_meta"]["errors"][-1]["attempts"] == 0
        assert reply.header("aggregate-status") == "partial; total=3; ok=2; failed=1; skipped=0"
    assert not [target for target in upstream.targets() if target.startswith("/after")]


def test_a_list_that_does_not_fit_ends_the_others(gatherd, recorder):
    """At the deadline as at any time: they are skipped, and nothing of them has failed."""
    daemon, _ = hanging(gatherd, recorder, 1, 2)
    source, one = each(dedupe=False)
    for _ in range(5):
        reply = daemon.batch([{**source, "group": "all"}, one, {**one, "id": "again"}],
                             merge="shallow", timeout="100ms", onTimeout="partial")
        assert reply.status == 502, reply
        assert [(error["id"], error.get("item")) for error in reply.json()["errors"]] == [
            ("each", None), ("each", 1), ("each", 2)]
        assert code(reply) == "http_response_timeout" and "cannot be merged" in reply.json()["detail"]
        assert reply.header("aggregate-status") == "failed; total=3; ok=1; failed=1; skipped=1"


def test_the_deadline_of_a_stream(gatherd, recorder):
    """The line of the list has what arrived."""
    daemon, _ = hanging(gatherd, recorder, 1)
    reply, items, summary = fetch_stream(daemon, each(), timeout="300ms", onTimeout="partial")
    assert reply.status == 200 and [item["id"] for item in items] == ["list", "each"]
    assert items[1]["body"] == ["/items/0", None, "/items/2"]
    assert summary["partial"] and [(e["id"], e["item"]) for e in summary["errors"]] == [("each", 1)]


@pytest.mark.parametrize("members, status", [
    ({"onTimeout": "error"}, 504), ({}, 504), ({"onTimeout": "partial", "policy": {"atLeast": 2}}, 504),
    ({"onTimeout": "partial", "policy": "allSettled"}, 200)])
def test_the_deadline_by_policy(gatherd, recorder, members, status):
    """Who wants every item has none of them."""
    daemon, _ = hanging(gatherd, recorder, 2)
    reply = daemon.batch(each(optional=True), merge="keyed", timeout="300ms", **members)
    assert reply.status == status, reply
    if status == 200:
        assert reply.json()["each"] == ["/items/0", "/items/1", None]
    else:
        assert code(reply) == "http_response_timeout"


BAD = [({"from": "responses.list.body"}, "/foreach/from", "without braces"),
       ({"from": "$responses.list.status"}, "/foreach/from", "only a body"),
       ({"from": "$responses.each.body"}, "/foreach/from", "wait for itself"),
       ({"as": "request"}, "/foreach/as", "a name has"), ({"ass": "x"}, "/foreach/ass", 'did you mean "as"?'),
       ({"as": "order"}, "/url", "another name")]


@pytest.mark.parametrize("foreach, place, words", BAD)
def test_what_is_refused(gatherd, recorder, foreach, place, words):
    """With its place."""
    daemon, upstream = start(gatherd, recorder, [])
    reply = daemon.batch(each(foreach=foreach))
    assert reply.status == 400
    assert reply.json()["errors"][0]["pointer"] == "/requests/1" + place, reply
    assert words in reply.json()["errors"][0]["detail"]
    assert not upstream.requests
