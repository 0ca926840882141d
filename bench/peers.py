"""The programs that are compared. Each gets a late upstream of its own, so that one
peer's ten thousand connections do not stand in another's way."""
import json
import os
import shutil

from programs import HERE, Program, fill, free_ports
from upstreams import HOST, call, nginx_command, start_bodies, start_late, make_certificates

GATHERD = "gatherd"
BASE = "nginx+Lua (cjson)"
AGAIN = "nginx+Lua (cjson), again"
SPLICE = "nginx+Lua (splice)"
FLOOR = "raw-socket floor"
NODE = "Node (undici)"
KRAKEND = "KrakenD"
AIOHTTP = "Python (aiohttp)"
POOL = "Python (pool)"
SLOW = (AIOHTTP, POOL)  # take part in fewer rounds

# What a peer can do: every (work, width) that is measured, without what it lacks.
WORKS = [("small", 1), ("small", 3), ("small", 10), ("small", 30), ("small", 100), ("9k", 3),
         ("93k", 3), ("tls", 10), ("late200", 10), ("late300", 3), ("mix", 10)]
LACKS = {FLOOR: ("tls", "mix"), KRAKEND: ("mix",)}  # KrakenD takes only 200 and 201


class Stage:
    """The upstreams and the peers in one directory; leaving it stops them all."""

    def __init__(self, build, work):
        self.build, self.work = build, work
        self.started, self.count = [], 0
        self.undici = build / "bench" / "node" / "node_modules" / "undici"

    def __enter__(self):
        try:
            self.ca = make_certificates(self.work)
            bodies, self.plain, self.tls = start_bodies(self.work)
            self.started.append(bodies)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for program in reversed(self.started):  # the upstreams last
            program.stop()

    def available(self):
        """The names of the peers that can run here, and a note for each that cannot."""
        names, notes = [GATHERD, BASE, AGAIN, SPLICE, FLOOR], []
        if shutil.which("node") and self.undici.is_dir():
            names.append(NODE)
        else:
            notes.append("Node is missing: node or its package undici could not be installed.")
        if shutil.which("krakend"):
            names.append(KRAKEND)
        else:
            notes.append("KrakenD is missing: no `krakend` binary in PATH.")
        return names + [AIOHTTP, POOL], notes

    def start(self, name, **settings):
        late, late_ports = start_late(self.build)
        self.started.append(late)
        self.count += 1
        groups = {"plain": self.plain, "tls": self.tls, "late": late_ports}
        program = STARTERS[name](self, name, free_ports(1)[0], groups, **settings)
        program.companions.append(late)
        program.late = late
        self.started.remove(late)
        self.started.append(program)
        return program

    def stop(self, program):
        program.stop()
        self.started.remove(program)

    def settings(self, port, groups):
        return json.dumps({"port": port, "ca": str(self.ca), **groups})


def works_of(name):
    return [(work, width) for work, width in WORKS if work not in LACKS.get(name, ())]


def start_gatherd(stage, name, port, groups, workers=1):
    lines = [f'listen: "127.0.0.1:{port}"', f"workers: {workers}",
             "limits: { requests: 1000, inFlight: 0 }", "upstreams:"]
    for group, ports in groups.items():
        tls = group == "tls"
        extra = f', caFile: "{stage.ca}"' if tls else ""
        lines += [f'  {group}{n}: {{ url: "http{"s" if tls else ""}://127.0.0.1:{upstream}", '
                  f"timeout: 10s{extra} }}" for n, upstream in enumerate(ports)]
    lines.append("endpoints:")
    widths = {(work, width) for work, width in WORKS}
    widths |= {("late200", width) for width in (1, 10)}
    for work, width in sorted(widths):
        lines += [f"  - path: /{work}/{width}", "    merge: keyed", "    timeout: 10s",
                  "    requests:"]
        for n in range(width):
            group, path = call(work, n)
            accept = ", success: [2xx, 404]" if path == "missing" else ""
            lines.append(f"      - {{ id: r{n + 1}, upstream: {group}{n % len(groups[group])}, "
                         f'url: "/{path}", dedupe: false{accept} }}')
    conf = stage.work / f"gatherd-{stage.count}.yaml"
    conf.write_text("\n".join(lines) + "\n")
    with (stage.work / f"gatherd-{stage.count}.log").open("w") as log:
        return Program(name, [stage.build / "gatherd", "--config", conf], port, stderr=log)


def start_nginx(stage, name, port, groups):
    servers = {group.upper(): " ".join(f"server 127.0.0.1:{p};" for p in ports)
               for group, ports in groups.items()}
    own = f"peer{stage.count}"
    conf = fill("nginx_lua.conf.in", stage.work / f"{own}.conf", DIR=stage.work, NAME=own,
                PORT=port, HOST=HOST, MERGE="splice" if name == SPLICE else "cjson", **servers)
    return Program(name, nginx_command(stage.work, conf), port)


def start_floor(stage, name, port, groups):
    lists = [",".join(map(str, groups[group])) for group in ("plain", "late")]
    return Program(name, [stage.build / "bench" / "floor", port, *lists], port)


def start_node(stage, name, port, groups):
    return Program(name, ["node", HERE / "node_undici.mjs", stage.settings(port, groups),
                          stage.undici], port)


def start_python(script):
    def start(stage, name, port, groups):
        return Program(name, ["/usr/bin/python3", HERE / script, stage.settings(port, groups)],
                       port)
    return start


def start_krakend(stage, name, port, groups):
    """One process, as many Go processors as the others have workers: one."""
    def backend(work, n):
        group, path = call(work, n)
        scheme = "https" if group == "tls" else "http"
        return {"host": [f"{scheme}://127.0.0.1:{groups[group][n % len(groups[group])]}"],
                "url_pattern": f"/{path}", "group": f"r{n + 1}"}
    endpoints = [{"endpoint": f"/{work}/{width}", "timeout": "10s",
                  "backend": [backend(work, n) for n in range(width)]}
                 for work, width in works_of(name)]
    conf = stage.work / "krakend.json"
    conf.write_text(json.dumps({
        "version": 3, "port": port, "listen_ip": "127.0.0.1", "timeout": "10s",
        "max_idle_connections": 16384, "max_idle_connections_per_host": 4096,
        "client_tls": {"ca_certs": [str(stage.ca)]},
        "extra_config": {"router": {"disable_access_log": True},
                         "telemetry/logging": {"level": "ERROR", "stdout": True}},
        "endpoints": endpoints}))
    with (stage.work / "krakend.log").open("w") as log:
        return Program(name, ["krakend", "run", "-c", conf], port, stdout=log, stderr=log,
                       env={**os.environ, "GOMAXPROCS": "1", "USAGE_DISABLE": "1"})


STARTERS = {GATHERD: start_gatherd, BASE: start_nginx, AGAIN: start_nginx, SPLICE: start_nginx,
            FLOOR: start_floor, NODE: start_node, KRAKEND: start_krakend,
            AIOHTTP: start_python("python_aiohttp.py"), POOL: start_python("python_pool.py")}
