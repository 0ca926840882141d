"""Many clients at once: every reply comes, and none waits for an unrelated event."""

import threading

import client

CONFIG = """
workers: 1
upstreams: { demo: { url: "$DEMO", timeout: 10s } }
endpoints:
  - path: /three
    merge: keyed
    timeout: 10s
    requests:
      - { id: a, upstream: demo, url: /posts/1 }
      - { id: b, upstream: demo, url: /posts/2 }
      - { id: c, upstream: demo, url: /posts/3 }
"""


def ask_many(address, count, failures):
    """One client on one connection; a reply that takes two seconds is a failure."""
    try:
        with client.Connection(address, timeout=2) as connection:
            for number in range(count):
                connection.request("GET", "/three")
                reply = connection.receive()
                if reply.status != 200:
                    failures.append(f"{number}: {reply}")
    except Exception as error:  # whatever it is, the test reports it
        failures.append(repr(error))


def test_no_reply_waits_for_the_next_event(gatherd, fill):
    """A completed fan-out is answered in the same turn of its worker's loop. (It once waited
    for the next event when its last call ended while new requests were being read.)"""
    daemon = gatherd(fill(CONFIG))
    for clients in (1, 2, 8, 32):
        failures = []
        threads = [threading.Thread(target=ask_many, args=(daemon.address, 320 // clients, failures))
                   for _ in range(clients)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        assert not failures, failures[:3]
