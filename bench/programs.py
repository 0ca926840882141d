"""The programs of the benchmark: started on free loopback ports, watched, stopped."""
import json
import os
import resource
import signal
import socket
import subprocess
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
LARGE = 275, 9 * 1024, 93 * 1024
PROCESS_CLOCK = 2  # clock_getcpuclockid(3): the kind of clock in the lowest bits of its id


def free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def sample_body(size):
    """A JSON object of about `size` bytes: short keys, strings, numbers, nesting."""
    item = {"id": 7, "name": "Iris Calloway", "price": 19.99, "tags": ["new", "blue"], "ok": True,
            "place": {"town": "Applewick", "lat": -37.3159, "lng": 81.1496}, "note": "rain at noon"}
    if size < 1000:
        text = json.dumps({**item, "pad": ""}, separators=(",", ":"))
        return text.replace('"pad":""', '"pad":"' + "x" * (size - len(text)) + '"')
    items = [{**item, "id": number} for number in range(size // 145)]
    return json.dumps({"items": items}, separators=(",", ":"))


def fill(template, target, **values):
    text = (HERE / template).read_text()
    for name, value in values.items():
        text = text.replace(f"@{name}@", str(value))
    target.write_text(text)
    return target


class Program:
    """One process tree that is measured."""

    def __init__(self, name, command, port, **options):
        self.name, self.port = name, port
        self.process = subprocess.Popen(command, start_new_session=True, stdin=subprocess.DEVNULL,
                                        preexec_fn=raise_descriptors, **options)
        self.await_port()

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

    def cpu(self):
        """CPU time so far in seconds, of ended threads too: the processes' CPU clocks."""
        total = 0
        for pid in self.pids():
            try:
                total += time.clock_gettime(~pid << 3 | PROCESS_CLOCK)
            except OSError:
                pass
        return total

    def memory(self):
        """Proportional set size in bytes."""
        total = 0
        for pid in self.pids():
            for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
                if line.startswith("Pss:"):
                    total += int(line.split()[1]) * 1024
        return total

    def stop(self):
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGTERM)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait()


def raise_descriptors():
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def start_upstream(work):
    ports = free_ports(4)
    bodies = work / "bodies"
    bodies.mkdir()
    (bodies / "9k.json").write_text(sample_body(LARGE[1]))
    (bodies / "93k.json").write_text(sample_body(LARGE[2]))
    listen = " ".join(f"listen 127.0.0.1:{port} backlog=8192;" for port in ports)
    conf = fill("upstream.conf.in", work / "upstream.conf", DIR=work, LISTEN=listen,
                SMALL=sample_body(LARGE[0]))
    bodies.chmod(0o755)
    return Program("upstream", nginx_command(work, conf), ports[0]), ports


def nginx_command(work, conf):
    return ["/usr/sbin/nginx", "-p", str(work), "-e", "stderr", "-c", str(conf)]


def start_nginx_lua(work, upstream_ports):
    [port] = free_ports(1)
    servers = " ".join(f"server 127.0.0.1:{p};" for p in upstream_ports)
    conf = fill("nginx_lua.conf.in", work / "peer.conf", DIR=work, SERVERS=servers, PORT=port)
    return Program("nginx+Lua (cjson)", nginx_command(work, conf), port)


def start_python(_, upstream_ports):
    [port] = free_ports(1)
    command = ["/usr/bin/python3", str(HERE / "python_pool.py"), str(port),
               ",".join(map(str, upstream_ports))]
    return Program("Python pool", command, port)


def start_gatherd(work, upstream_ports, binary, widths, bodies, name="gatherd"):
    [port] = free_ports(1)
    lines = [f'listen: "127.0.0.1:{port}"', "workers: 1", "limits: { requests: 1000 }", "upstreams:"]
    for number, upstream in enumerate(upstream_ports):
        lines.append(f'  up{number}: {{ url: "http://127.0.0.1:{upstream}", timeout: 10s }}')
    lines.append("endpoints:")
    for body in bodies:
        for width in widths:
            lines += [f"  - path: /{body}/{width}", "    merge: keyed", "    timeout: 10s",
                      "    requests:"]
            lines += [f"      - {{ id: r{n + 1}, upstream: up{n % len(upstream_ports)}, "
                      f'url: "/{body}" }}' for n in range(width)]
    conf = work / f"{name}.yaml"
    conf.write_text("\n".join(lines) + "\n")
    return Program(name, [str(binary), "--config", str(conf)], port,
                   stderr=(work / f"{name}.log").open("w"))
