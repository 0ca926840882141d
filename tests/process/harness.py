"""Starts and stops the programs under test; every wait has an end."""

import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import time

import client
import exposition

ROOT = pathlib.Path(__file__).resolve().parents[2]
BINARY = os.environ.get("GATHERD", str(ROOT / "build" / "gatherd"))
PATIENCE = 15.0
TROUBLE = re.compile(r"Sanitizer|runtime error:|Assertion .* failed")


def wait_until(condition, what, timeout=PATIENCE):
    """Polls until the condition holds; its value is returned."""
    end = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < end, f"waited {timeout} s for {what}"
        time.sleep(0.01)


def closed_port():
    """A loopback port that refuses connections."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


def compact(value):
    """A value as JSON bytes."""
    return json.dumps(value).encode()


class Gatherd:
    """A running daemon."""

    def __init__(self, directory, config, *options, env=None):
        self.directory = directory
        self.config = directory / "gatherd.yaml"
        self.config.write_text(config)
        self.log_path = directory / "stderr.log"
        with open(self.log_path, "wb") as log:
            self.process = subprocess.Popen(
                [BINARY, "--config", str(self.config), *options],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, env={**os.environ, **(env or {})})
        try:
            wait_until(self.is_up, "the daemon to listen")
        except AssertionError:
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"gatherd did not start:\n{self.log()}") from None
        names = self.listening()
        self.address = next((name for name in names if isinstance(name, tuple)), names[0])

    def is_up(self):
        """Whether it has said that it listens; a dead one raises."""
        assert self.process.poll() is None, f"gatherd ended:\n{self.log()}"
        return self.listening()

    def listening(self):
        """The addresses it says it listens on, as (host, port) or a path."""
        return self.addresses("listening on")

    def admin(self, target, method="GET", headers=(), body=None):
        """One request to the admin pages."""
        return client.fetch(self.addresses("admin pages on")[0], method, target, headers, body)

    def metrics(self):
        """What /metrics says now."""
        reply = self.admin("/metrics")
        assert reply.status == 200, reply
        return exposition.Page(reply.body.decode())

    def addresses(self, words):
        """The addresses that stand behind these words in its log."""
        found = []
        for name in re.findall(words + r" (\S+)", self.log()):
            if name.startswith("unix:"):
                found.append(name[len("unix:"):])
            else:
                host, _, port = name.rpartition(":")
                found.append((host.strip("[]"), int(port)))
        return found

    @property
    def port(self):
        """Its TCP port."""
        return self.address[1]

    def log(self):
        """What it has written so far."""
        return self.log_path.read_text(errors="replace")

    def wait_log(self, pattern, times=1):
        """Waits until the log has a line that matches so many times."""
        return wait_until(lambda: len(re.findall(pattern, self.log())) >= times,
                          f"{pattern!r} in the log")

    def connect(self, timeout=client.TIMEOUT):
        """A raw connection to it."""
        return client.Connection(self.address, timeout)

    def fetch(self, method, target, headers=(), body=None):
        """One request."""
        return client.fetch(self.address, method, target, headers, body)

    def get(self, target, headers=()):
        """One GET."""
        return self.fetch("GET", target, headers)

    def batch(self, requests, headers=(), **members):
        """POST /batch with a list of requests, or with a document as bytes or value."""
        document = requests
        if isinstance(requests, list):
            document = {"requests": requests, **members}
        body = document if isinstance(document, bytes) else compact(document)
        fields = {"Content-Type": "application/json", **dict(headers)}
        return self.fetch("POST", "/batch", fields, body)

    def signal(self, number):
        """Sends it a signal."""
        self.process.send_signal(number)

    def reload(self, config, pattern):
        """Replaces its configuration, sends SIGHUP and waits for the log."""
        before = len(re.findall(pattern, self.log()))
        self.config.write_text(config)
        self.signal(signal.SIGHUP)
        self.wait_log(pattern, before + 1)

    def wait(self, timeout=PATIENCE):
        """Waits for its end; its exit code."""
        try:
            return self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"gatherd did not end in {timeout} s:\n{self.log()}") from None

    def stop(self, expected=0):
        """Ends it and checks that it ended well."""
        if self.process.poll() is None:
            self.signal(signal.SIGTERM)
        code = self.wait()
        log = self.log()
        assert not TROUBLE.search(log), log[-20000:]
        assert code == expected, f"exit code {code}:\n{log[-5000:]}"


def run(*arguments, timeout=PATIENCE, **options):
    """Runs the binary to its end; stdout and stderr as text."""
    done = subprocess.run([BINARY, *map(str, arguments)], stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, timeout=timeout, check=False, **options)
    assert not TROUBLE.search(done.stderr), done.stderr
    return done


class DemoUpstream:
    """The demo upstream as a program of its own."""

    def __init__(self):
        self.process = subprocess.Popen(
            [sys.executable, "-B", str(ROOT / "tests" / "demo" / "upstream.py"), "--port", "0"],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
        line = self.process.stdout.readline()
        assert "listening on http://" in line, line
        self.url = line.split()[-1]
        self.host = self.url[len("http://"):]
        name, _, port = self.host.rpartition(":")
        self.address = (name, int(port))

    def fetch(self, method, target):
        """One request, without gatherd between."""
        return client.fetch(self.address, method, target)

    def stats(self):
        """What it has seen since the last reset."""
        return self.fetch("GET", "/-/stats").json()

    def reset(self):
        """Forgets what it has seen."""
        self.fetch("DELETE", "/-/stats")

    def wait_stats(self, member, value, timeout=PATIENCE):
        """Waits until a counter has a value."""
        wait_until(lambda: self.stats()[member] == value, f"{member} to be {value}", timeout)

    def stop(self):
        """Ends it."""
        self.process.terminate()
        assert self.process.wait(PATIENCE) == 0
        self.process.stdout.close()
