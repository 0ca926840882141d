"""A headless browser that is ended with everything it started, and servers of pages for it."""

import http.server
import os
import pathlib
import shutil
import signal
import subprocess

import harness


def members(session):
    """The processes of a session that still run."""
    found = []
    for folder in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            state, _, _, number = (folder / "stat").read_text().rpartition(")")[2].split()[:4]
        except (FileNotFoundError, ProcessLookupError):
            continue  # it has just ended
        if int(number) == session and state not in "ZX":
            found.append(int(folder.name))
    return found


def end_session(process):
    """Ends what a test started, with everything that it started in turn."""
    os.killpg(process.pid, signal.SIGTERM)  # the leader is not waited for yet, so it is still there
    process.wait(harness.PATIENCE)
    for left in members(process.pid):
        try:
            os.kill(left, signal.SIGKILL)
        except ProcessLookupError:
            pass
    harness.wait_until(lambda: not members(process.pid), "the browser's processes to end")


class Answering(http.server.SimpleHTTPRequestHandler):
    """What servers of pages have in common."""

    def answer(self, body):
        """200 with a body."""
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        """Nothing."""


class Opened:
    """Browsers with pages; use it in a with statement."""

    def __init__(self, directory):
        self.directory, self.started = directory, []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for process in self.started:
            end_session(process)

    def open(self, url):
        """Opens a page and comes back at once; the page has to tell what it sees."""
        binary = shutil.which("chromium-headless-shell") or shutil.which("chromium")
        assert binary, "chromium-headless-shell is missing: run make deps-test"
        options = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
                   "--disable-background-networking", f"--user-data-dir={self.directory}/profile",
                   "--remote-debugging-port=0"]
        # The name may be a script's, which leaves the browser behind when it is ended; and the
        # browser has processes of its own.
        self.started.append(subprocess.Popen(
            [binary, "--headless", *options, url], stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True))
