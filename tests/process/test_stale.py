"""Kept upstream connections that end just when they are used again."""

import harness
import pytest
from scripted import CLOSE, READ, RESET, reply

COUNT = 200


@pytest.mark.parametrize("end", [CLOSE, RESET])
def test_connections_that_end_on_their_second_request(gatherd, scripted, end):
    """Every other request meets a dying connection; no client of a GET notices."""
    server = scripted([READ, reply(b"1"), READ, end])
    daemon = gatherd("workers: 1\nupstreams: { it: { url: '$IT' } }", IT=server.url)
    document = harness.compact({"requests": [{"id": "x", "upstream": "it", "url": "/"}],
                                "merge": "keyed"})
    with daemon.connect() as connection:
        for number in range(COUNT):
            connection.request("POST", "/batch", {}, document)
            answer = connection.receive()
            assert (answer.status, answer.body) == (200, b'{"x":1}'), (number, answer)
    assert server.connections >= COUNT / 2
