"""Fixtures: the demo upstream, daemons, scripted upstreams."""

import os
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))

import gated as gated_module  # noqa: E402
import harness  # noqa: E402
import passed as passed_module  # noqa: E402
import recorder as recorder_module  # noqa: E402
import scripted as scripted_module  # noqa: E402

STANDARD = """
workers: 2
egress: { allow: ["$HOST"] }
upstreams:
  demo:   { url: "$DEMO", timeout: 5s }
  open:   { url: "$DEMO", batch: { methods: [GET, HEAD, POST, PUT, PATCH, DELETE] } }
  narrow: { url: "$DEMO", batch: { methods: [GET], paths: ["/posts/*", "/users/**"] } }
  closed: { url: "$DEMO", batch: off }
  dead:   { url: "http://127.0.0.1:$DEAD" }
  nameless: { url: "http://no-such-host.invalid" }
endpoints:
  - path: /posts/{id}/page
    merge: keyed
    requests:
      - { id: post,     upstream: demo, url: "/posts/{id}" }
      - { id: comments, upstream: demo, url: "/posts/{id}/comments", default: [] }
"""


def pytest_configure(config):
    """Marks of our own."""
    config.addinivalue_line("markers", "once: about other programs or the pages around the daemon; "
                                       "a sanitizer adds nothing (make SKIP_ONCE=1)")


def pytest_sessionstart():
    """Without the daemon no test means anything."""
    if not os.access(harness.BINARY, os.X_OK):
        pytest.exit(f"{harness.BINARY} is missing: run make all", returncode=2)


@pytest.fixture(scope="session")
def upstream():
    """The demo upstream, one for all tests."""
    program = harness.DemoUpstream()
    yield program
    program.stop()


@pytest.fixture(autouse=True)
def fresh_counters(upstream):
    """Every test starts with the demo upstream's counters at zero."""
    upstream.reset()


@pytest.fixture(scope="session")
def fill(upstream):
    """Fills $DEMO, $HOST, $DEAD and other names into a configuration, and adds `listen`."""
    dead = harness.closed_port()

    def fill_in(text, **names):
        known = {"DEMO": upstream.url, "HOST": upstream.host, "DEAD": dead, **names}
        for name in sorted(known, key=len, reverse=True):
            text = text.replace("$" + name, str(known[name]))
        if "listen:" not in text:
            text = 'listen: "127.0.0.1:0"\n' + text
        return text

    return fill_in


@pytest.fixture
def gatherd(tmp_path, fill):
    """Starts daemons from configuration text; all are stopped and checked at the end."""
    started = []

    def start(text=STANDARD, *options, env=None, **names):
        directory = tmp_path / f"daemon{len(started)}"
        directory.mkdir()
        daemon = harness.Gatherd(directory, fill(text, **names), *options, env=env)
        started.append(daemon)
        return daemon

    yield start
    for daemon in started:
        if daemon.process.returncode is None:
            daemon.stop()


@pytest.fixture(scope="session")
def daemon(tmp_path_factory, fill):
    """One daemon with the standard configuration, for all tests that need no other."""
    running = harness.Gatherd(tmp_path_factory.mktemp("standard"), fill(STANDARD))
    yield running
    running.stop()


@pytest.fixture
def scripted():
    """Starts scripted upstreams."""
    started = []

    def start(*script):
        server = scripted_module.Scripted(list(script)).__enter__()
        started.append(server)
        return server

    yield start
    for server in started:
        server.__exit__()


@pytest.fixture
def gated():
    """An upstream whose replies wait for the test."""
    server = gated_module.Gated()
    yield server
    server.stop()


@pytest.fixture
def recorder():
    """Starts upstreams that remember what they are asked."""
    started = []

    def start(answer=None):
        server = recorder_module.Recorder(answer).__enter__()
        started.append(server)
        return server

    yield start
    for server in started:
        server.__exit__()


@pytest.fixture
def passing(tmp_path, fill):
    """Makes a Passing from configuration text."""
    made = []

    def make(text):
        made.append(passed_module.Passing(tmp_path, fill(text)))
        return made[-1]

    yield make
    for one in made:
        if one.process and one.process.poll() is None:
            one.process.kill()
            one.process.wait()
        for sock in one.sockets:
            sock.close()
