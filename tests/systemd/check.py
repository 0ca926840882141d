#!/usr/bin/env python3
"""gatherd as a service under a real systemd, in a machine that boots for the purpose.

Run as root by `make check-systemd`. Options: --tree DIR (see tree.sh), --deb FILE installs
a package instead of what `make install` gives, --requests N per load (100000), --only WORD
runs the checks whose title has the word. Prints a table of what was seen; exit status 1:
something was not as it should be.
"""

import argparse
import json
import os
import pathlib
import shutil
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).parent))

import checks  # noqa: E402
import package  # noqa: E402
from machine import Machine  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("BUILD", ROOT / "build")).resolve()
WORK = BUILD / "systemd"
CONFIG = "/etc/gatherd/gatherd.yaml"

GOOD = """
drain: 5s
upstreams: { near: { url: "http://127.0.0.1:9000" } }
endpoints:
  - path: /two
    merge: keyed
    requests:
      - { id: one,   upstream: near, url: /quick }
      - { id: other, upstream: near, url: /quick }
  - path: /two
    method: POST
    merge: keyed
    requests:
      - { id: one,   upstream: near, url: /quick }
      - { id: other, upstream: near, url: /quick }
  - path: /late
    merge: keyed
    requests: [ { id: one, upstream: near, url: /late300 } ]
"""


class Service:
    """gatherd in the machine, and the programs around it."""

    def __init__(self, machine, options):
        self.machine, self.requests, self.upstream = machine, options.requests, None
        self.deb = options.deb
        self.files_before = None  # the machine's, without gatherd

    def install(self):
        """Puts gatherd into the machine."""
        if self.deb:
            shutil.copyfile(self.deb, self.machine.root / "tmp/gatherd.deb")
            self.install_package()
        else:
            subprocess.run(["make", "-s", "-C", str(ROOT), f"BUILD={BUILD}", "install", "PREFIX=/usr",
                            "UNITDIR=/usr/lib/systemd/system", f"DESTDIR={self.machine.root}"],
                           check=True, stdout=subprocess.DEVNULL)

    def prepare(self):
        """The configuration that the checks are about, and nothing running."""
        self.configure(GOOD)
        self.machine.run("systemctl", "daemon-reload")
        self.machine.run("systemctl", "stop", "gatherd.service", check=False)

    def install_package(self):
        """dpkg, which keeps the configuration."""
        self.machine.run("systemctl", "reset-failed", "gatherd.service", check=False)
        self.machine.run("dpkg", "--install", "--force-confold", "/tmp/gatherd.deb")

    def start_upstream(self):
        """The benchmark's upstream, on the machine's network."""
        binary = WORK / "upstream"
        subprocess.run(["cc", "-O2", "-D_GNU_SOURCE", "-o", str(binary), str(ROOT / "bench/upstream.c")], check=True)
        self.upstream = self.machine.outside(str(binary), "9000")

    def configure(self, text):
        """Writes the configuration."""
        self.machine.write(CONFIG, text)

    def drop_in(self, name, text):
        """Adds to the unit until remove_drop_in()."""
        self.machine.write(f"/etc/systemd/system/gatherd.service.d/{name}.conf", text)
        self.machine.run("systemctl", "daemon-reload")

    def remove_drop_in(self, name):
        """Takes the addition back."""
        (self.machine.root / f"etc/systemd/system/gatherd.service.d/{name}.conf").unlink()
        self.machine.run("systemctl", "daemon-reload")

    def systemctl(self, verb, unit="gatherd.service", check=True):
        """One systemctl command, not held back by the limit on starts."""
        if verb in ("start", "restart"):
            self.machine.run("systemctl", "reset-failed", "gatherd.service", check=False)
        return self.machine.run("systemctl", verb, unit, check=check)

    def show(self, name):
        """A property of the service."""
        return self.machine.show("gatherd.service", name)

    def pid(self):
        """The main process as numbered outside."""
        return self.machine.main_pid("gatherd.service")

    def fetch(self, target="/two", address=("--url", "http://127.0.0.1:8080")):
        """One GET with curl, on the machine's network: (status, body)."""
        base, options = address[1], []
        if address[0] == "--unix-socket":
            base, options = "http://localhost", ["--unix-socket", str(self.machine.root) + address[1]]
        done = self.machine.outside("curl", "-s", "-m", "10", "-w", "\n%{http_code}", *options,
                                    base + target, stdout=subprocess.PIPE)
        body, _, status = done.communicate()[0].rpartition("\n")
        return int(status), body

    def serves(self):
        """Whether a request is answered as it should be."""
        status, body = self.fetch()
        return status == 200 and json.loads(body)["other"]["answer"] == "here"

    def journal(self, *match):
        """Journal entries of the service, as values by name."""
        self.machine.run("journalctl", "--sync")
        done = self.machine.run("journalctl", "--unit", "gatherd.service", "--output", "json",
                                "--no-pager", *match)
        return [json.loads(line) for line in done.stdout.splitlines()]

    def said(self, text):
        """Whether the journal has a line with the text."""
        return any(text in str(entry.get("MESSAGE")) for entry in self.journal())

    def under_load(self, action, pause):
        """Repeats an action while clients send requests: (report of load.py, repetitions)."""
        until = WORK / "load-may-end"
        until.unlink(missing_ok=True)
        load = self.machine.outside(
            sys.executable, str(ROOT / "tests/systemd/load.py"), "127.0.0.1:8080", "--requests",
            str(self.requests), "--target", "/two", "--expect", '"answer":"here"', "--until",
            str(until), stdout=subprocess.PIPE)
        repetitions, end = 0, time.monotonic() + 600
        try:
            time.sleep(1)
            while load.poll() is None and time.monotonic() < end:
                action(repetitions)
                repetitions += 1
                if repetitions >= 5:
                    until.touch()
                time.sleep(pause)
            report = json.loads(load.communicate(timeout=60)[0])
        finally:
            load.kill()
            load.wait()
        assert report["good"] + report["failed"] >= self.requests and repetitions >= 5
        return report, repetitions


def table(rows):
    """What was seen, in columns."""
    width = max(len(title) for title, _, _ in rows)
    for title, good, seen in rows:
        lines = seen.splitlines() or [""]
        print(f"{'ok  ' if good else 'FAIL'}  {title:<{width}}  {lines[0]}")
        for line in lines[1:]:
            print(f"      {'':<{width}}  {line}")


def run_checks(service, only):
    """All checks in order; a failure ends that check and not the others."""
    rows = []
    before, after = (package.AS_INSTALLED, package.AFTERWARDS) if service.deb else ([], [])
    newer = checks.SINCE_253 if service.machine.version() >= 253 else []
    for function in before + [checks.starts] + newer + checks.ALL + after:
        title = function.__doc__.strip().split("\n")[0].rstrip(".")
        if only and only not in title and function is not checks.starts:
            continue
        if function is checks.starts:
            service.prepare()
        try:
            rows.append((title, True, function(service)))
        except (AssertionError, subprocess.SubprocessError, OSError, ValueError,
                LookupError, TypeError) as error:
            rows.append((title, False, f"{type(error).__name__}: {error}"))
        print(f"  {'ok' if rows[-1][1] else 'FAIL'} {title}", file=sys.stderr, flush=True)
    return rows


def main():
    """Boots, checks, prints."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--tree", type=pathlib.Path, default=WORK / "bookworm")
    parser.add_argument("--deb")
    parser.add_argument("--requests", type=int, default=100000)
    parser.add_argument("--only", default="")
    options = parser.parse_args()
    if os.geteuid() != 0 or not (options.tree / "lib/systemd/systemd").exists():
        parser.error(f"root is needed, and a Debian tree in {options.tree} (see tree.sh)")
    WORK.mkdir(parents=True, exist_ok=True)
    machine = Machine(options.tree, WORK / "mount")
    service = Service(machine, options)
    try:
        service.files_before = machine.files()
        service.install()
        service.start_upstream()
        rows = run_checks(service, options.only)
        if not all(good for _, good, _ in rows):
            log = machine.run("journalctl", "--no-pager", "--lines", "2000").stdout
            (WORK / "journal.log").write_text(log)
            print(f"the journal is in {WORK / 'journal.log'}", file=sys.stderr)
    finally:
        if service.upstream:
            service.upstream.kill()
            service.upstream.wait()
        machine.stop()
    table(rows)
    return 0 if all(good for _, good, _ in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
