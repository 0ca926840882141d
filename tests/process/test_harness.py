"""The demo upstream and the harness keep their own promises."""

import client
import harness
import pytest
from scripted import AWAIT, READ, RESET, reply


def get(upstream, target):
    """A GET to the demo upstream."""
    return client.fetch(upstream.address, "GET", target)


def test_data_set(upstream):
    """The guide's paths serve linked data, the same every time."""
    posts = get(upstream, "/posts").json()
    assert len(posts) == 100 and [post["id"] for post in posts] == list(range(1, 101))
    assert get(upstream, "/posts/42").json() == posts[41]
    assert set(posts[0]) == {"userId", "id", "title", "body"}
    assert len({post["title"] for post in posts}) > 50
    comments = get(upstream, "/posts/42/comments").json()
    assert comments == get(upstream, "/comments?postId=42").json()
    assert len(comments) == 5 and {item["postId"] for item in comments} == {42}
    assert set(comments[0]) == {"postId", "id", "name", "email", "body"}
    users = get(upstream, "/users").json()
    assert len(users) == 10 and set(users[0]["address"]["geo"]) == {"lat", "lng"}
    assert get(upstream, f"/posts/42/author").json() == users[posts[41]["userId"] - 1]
    assert len(get(upstream, "/posts?userId=3").json()) == 10
    assert get(upstream, "/posts/101").status == 404


def test_post_echoes_with_an_id(upstream):
    """A new post comes back with an id."""
    made = client.fetch(upstream.address, "POST", "/posts", body=b'{"title":"t"}')
    assert made.status == 201 and made.json() == {"title": "t", "id": 101}


@pytest.mark.parametrize("target, body", [
    ("/bytes/7", b'"xxxxx"'), ("/json?raw=%7B%22a%22%3A%FF%7D", b'{"a":\xff}'), ("/empty", b""),
    ("/slow-drip?ms=1&n=4&bytes=2", b'"xxxxxx"'), ("/chunked?late=1", b'{"chunked":"yes"}'),
])
def test_exact_bodies(upstream, target, body):
    """Bodies are what the path asks for."""
    assert get(upstream, target).body == body


def test_header_filler_has_its_size(upstream):
    """/headers/{n} sends n bytes of header lines."""
    for size in (100, 5000, 8200):
        lines = [value for name, value in get(upstream, f"/headers/{size}").headers
                 if name == "X-Filler"]
        assert sum(len("X-Filler: \r\n") + len(value) for value in lines) == size


def test_counters(upstream):
    """Requests, connections and aborts are counted; the counters' own requests are not."""
    with client.Connection(upstream.address) as connection:
        for _ in range(3):
            connection.request("GET", "/posts/1")
            connection.receive()
    with client.Connection(upstream.address) as connection:
        connection.request("GET", "/hang")
        upstream.wait_stats("inFlight", 1)
    upstream.wait_stats("aborted", 1)
    stats = upstream.stats()
    assert stats["requestsPerConnection"] == [3, 1]
    assert stats["paths"] == {"/posts/1": 3, "/hang": 1}
    assert stats["connections"] == 2 and stats["abortedPaths"] == {"/hang": 1}


def test_head_has_no_body(upstream):
    """HEAD answers as GET would, without the body."""
    with client.Connection(upstream.address) as connection:
        connection.request("HEAD", "/posts/1")
        head = connection.receive("HEAD")
        connection.request("GET", "/posts/1")
        assert int(head.header("content-length")) == len(connection.receive().body)


def test_scripted_plays_and_notices(scripted):
    """Scripts run connection by connection."""
    server = scripted([READ, reply(b"1"), AWAIT], [READ, RESET])
    name, _, port = server.host.partition(":")
    assert client.fetch((name, int(port)), "GET", "/").body == b"1"
    harness.wait_until(lambda: server.left == 1, "the close to be seen")
    with client.Connection((name, int(port))) as connection:
        connection.request("GET", "/x")
        assert connection.closed()
    assert server.requests[1].startswith(b"GET /x HTTP/1.1\r\n")
