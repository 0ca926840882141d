"""make demo: the script that shows the guide's three URLs."""

import json
import os
import signal
import socket
import subprocess

import harness
import pytest

pytestmark = pytest.mark.once

SCRIPT = [str(harness.ROOT / "tests" / "demo" / "run.sh"), harness.BINARY]


def environment(**more):
    """Free ports for both programs."""
    return {**os.environ, "PORT": str(harness.closed_port()),
            "UPSTREAM_PORT": str(harness.closed_port()), **more}


def test_demo_once(upstream):
    """ONCE=1 prints the command and the merged reply, without colour, and ends."""
    done = subprocess.run(SCRIPT, env=environment(ONCE="1"), capture_output=True, text=True,
                          timeout=harness.PATIENCE, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "curl" in done.stdout and "\x1b" not in done.stdout
    merged = json.loads(done.stdout[done.stdout.index("\n{"):])
    assert merged == {name: upstream.fetch("GET", f"/posts/{number}").json()
                      for number, name in enumerate(("first", "second", "third"), 1)}


def heed_interrupts():
    """Who starts the tests in the background has them ignored, which a shell cannot undo."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def test_demo_until_interrupted():
    """Without ONCE it serves until it is interrupted, and leaves no program behind."""
    settings = environment()
    with subprocess.Popen(SCRIPT, env=settings, stdout=subprocess.PIPE, text=True,
                          preexec_fn=heed_interrupts) as script:
        try:
            for line in script.stdout:
                if "Ctrl-C" in line:
                    break
            address = ("127.0.0.1", int(settings["PORT"]))
            page = harness.client.fetch(address, "GET", "/posts/7/page").json()
            assert list(page) == ["post", "author", "comments"] and page["author"]["id"] == 1
            script.send_signal(signal.SIGINT)
            assert script.wait(harness.PATIENCE) == 0
        finally:
            script.terminate()  # if it has not ended, nobody shall wait for it
    for name in ("PORT", "UPSTREAM_PORT"):
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", int(settings[name])), 2)


@pytest.mark.parametrize("name", ["PORT", "UPSTREAM_PORT"])
def test_demo_port_taken(name):
    """A port in use is said plainly."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = subprocess.run(SCRIPT, env=environment(ONCE="1", **{name: port}),
                              capture_output=True, text=True, timeout=harness.PATIENCE, check=False)
    assert done.returncode == 1 and port in done.stderr and f"{name}=" in done.stderr
