"""A service manager's other half: sockets that daemons inherit, one after the other."""

import os
import signal
import socket
import subprocess

import harness


class Passing:
    """Daemons one after the other on sockets that they inherit."""

    def __init__(self, directory, config):
        self.config = directory / "passed.yaml"
        self.config.write_text(config)
        self.log_path = directory / "passed.log"
        self.sockets, self.names, self.process = [], [], None

    def listen(self, name, address=("127.0.0.1", 0), kind=socket.SOCK_STREAM):
        """One more socket."""
        family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
        sock = socket.socket(family, kind)
        sock.bind(address)
        if kind == socket.SOCK_STREAM:
            sock.listen(4096)
        self.sockets.append(sock)
        self.names.append(name)
        return sock.getsockname()

    def start(self):
        """Starts a daemon; the shell gives it descriptors from 3 on and its number."""
        moves = " ".join(f"{3 + at}<&{sock.fileno()}" for at, sock in enumerate(self.sockets))
        script = f'exec {moves}; LISTEN_PID=$$ exec "$@"'
        before = self.log().count("ready: ")
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                ["bash", "-c", script, "sh", harness.BINARY, "--config", str(self.config)],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                pass_fds=[sock.fileno() for sock in self.sockets],
                env={**os.environ, "LISTEN_FDS": str(len(self.sockets)),
                     "LISTEN_FDNAMES": ":".join(self.names)})
        harness.wait_until(lambda: self.log().count("ready: ") > before or self.process.poll(),
                           "the daemon")
        return self.process.poll()

    def log(self):
        """What all of them have written."""
        return self.log_path.read_text() if self.log_path.exists() else ""

    def stop(self):
        """Ends the daemon and checks how."""
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(harness.PATIENCE) == 0, self.log()[-5000:]
        assert not harness.TROUBLE.search(self.log()), self.log()[-5000:]
