"""Processes of the benchmark: started on free loopback ports, watched, stopped on every exit."""
import ctypes
import os
import resource
import signal
import socket
import subprocess
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
PARENT_DEATH_SIGNAL = 1  # prctl(2): PR_SET_PDEATHSIG
LIBC = ctypes.CDLL(None)


def free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def descriptor_limit():
    return resource.getrlimit(resource.RLIMIT_NOFILE)[1]


def raise_descriptors():
    hard = descriptor_limit()
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def prepare_child():
    """Runs in the child: it may hold many descriptors and does not outlive the benchmark."""
    raise_descriptors()
    LIBC.prctl(PARENT_DEATH_SIGNAL, signal.SIGTERM)


class Program:
    """One process tree that is measured, or helps measuring."""

    def __init__(self, name, command, port, **options):
        self.name, self.port = name, port
        self.companions = []  # stopped with it: its own upstream
        self.lengths = {}  # of the checked reply by path, see work.check_replies()
        self.process = subprocess.Popen([str(word) for word in command], start_new_session=True,
                                        stdin=subprocess.DEVNULL, preexec_fn=prepare_child,
                                        **options)
        try:
            self.await_port()
        except BaseException:
            self.stop()
            raise

    def await_port(self):
        until = time.monotonic() + 15
        while time.monotonic() < until:
            if self.process.poll() is not None:
                raise RuntimeError(f"{self.name} ended with {self.process.returncode}")
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                return
            except OSError:
                time.sleep(0.05)
        raise RuntimeError(f"{self.name} does not listen on {self.port}")

    def pids(self):
        found, todo = [], [self.process.pid]
        while todo:
            pid = todo.pop()
            found.append(pid)
            try:
                children = Path(f"/proc/{pid}/task/{pid}/children").read_text()
            except OSError:
                continue
            todo += [int(child) for child in children.split()]
        return found

    def memory(self):
        """Proportional set size in bytes."""
        total = 0
        for pid in self.pids():
            for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
                if line.startswith("Pss:"):
                    total += int(line.split()[1]) * 1024
        return total

    def signal(self, number):
        """To the whole group; the group's last member may be gone."""
        try:
            os.killpg(self.process.pid, number)
        except ProcessLookupError:
            pass

    def stop(self):
        if self.process.poll() is None:
            self.signal(signal.SIGTERM)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                pass
        self.signal(signal.SIGKILL)
        self.process.wait()
        for companion in self.companions:
            companion.stop()


def end_on_signals():
    """SIGTERM and SIGHUP end the benchmark as an exception does, so that it cleans up."""
    def leave(number, _):
        raise SystemExit(128 + number)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, leave)


def fill(template, target, **values):
    text = (HERE / template).read_text()
    for name, value in values.items():
        text = text.replace(f"@{name}@", str(value))
    target.write_text(text)
    return target
