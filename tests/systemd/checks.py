"""What is checked under a real systemd, in this order. Each check returns what it saw."""

import ctypes
import os
import pathlib
import re
import signal
import time

from machine import wait_until

ROOT = pathlib.Path(__file__).resolve().parents[2]
CONFIG_EVENTS = ROOT / "daemon/events.h"
EXPOSURE_MAX = 1.2
DYNAMIC_UIDS = range(61184, 65520)
PTRACE_SEIZE, PTRACE_INTERRUPT, WAIT_THREAD = 0x4206, 0x4207, 0x40000000


def event(name):
    """The message id of a lifecycle event."""
    return re.search(rf'EVENT_{name}\s+"(\w+)"', CONFIG_EVENTS.read_text())[1]


def starts(service):
    """The service starts and is ready when it serves."""
    service.systemctl("start", "gatherd.socket")
    service.systemctl("start")
    assert service.serves()
    state = [service.show(name) for name in ("ActiveState", "SubState", "Type", "WatchdogUSec")]
    assert state[:3] == ["active", "running", "notify"], state
    assert service.said("listening on 127.0.0.1:8080 (systemd:http)")
    return f"{' '.join(state[:3])}, watchdog {state[3]}, the address of gatherd.socket was taken"


def security(service):
    """systemd-analyze security."""
    done = service.machine.run("systemd-analyze", "security", "gatherd.service", "--no-pager")
    line = [line for line in done.stdout.splitlines() if "Overall exposure" in line][0]
    exposure = float(re.search(r"([\d.]+) \w+", line.split(":", 1)[1])[1])
    assert exposure <= EXPOSURE_MAX, line
    return f"exposure {exposure}"


def user(service):
    """A dynamic user without capabilities."""
    status = pathlib.Path(f"/proc/{service.pid()}/status").read_text()
    uid = int(re.search(r"^Uid:\s+(\d+)", status, re.M)[1])
    capabilities = re.search(r"^CapEff:\s+(\w+)", status, re.M)[1]
    filters = int(re.search(r"^Seccomp:\s+(\d)", status, re.M)[1])
    assert uid in DYNAMIC_UIDS and int(capabilities, 16) == 0 and filters == 2
    return f"uid {uid}, capabilities {capabilities}, system calls filtered"


def status(service):
    """The unit's status shows live figures."""
    def served():
        found = re.search(r"(\d+) requests served, (\d+) in flight, (\d+) connections",
                          service.show("StatusText"))
        return int(found[1]) if found else 0

    before = served()
    for _ in range(10):
        assert service.serves()
    wait_until(lambda: served() >= before + 10, "the figures in the status", 15)
    return service.show("StatusText")


def reload_good(service):
    """systemctl reload takes a good file."""
    before = len(service.journal(f"MESSAGE_ID={event('RELOADED')}"))
    service.systemctl("reload")
    wait_until(lambda: len(service.journal(f"MESSAGE_ID={event('RELOADED')}")) == before + 1,
               "the reload")
    assert service.serves() and service.show("ActiveState") == "active"
    entry = service.journal(f"MESSAGE_ID={event('RELOADED')}")[-1]
    return f"exit 0, \"{entry['MESSAGE']}\" in {entry['DURATION_US']} us"


def reload_broken(service):
    """systemctl reload fails on a broken file and changes nothing."""
    from check import GOOD
    pid = service.pid()
    service.configure(GOOD + "nonsense: 1\n")
    done = service.systemctl("reload", check=False)
    assert done.returncode != 0 and service.serves() and service.pid() == pid
    assert any("nonsense" in str(entry["MESSAGE"]) for entry in service.journal("PRIORITY=3"))
    service.machine.run("systemctl", "kill", "--signal=HUP", "gatherd.service")
    wait_until(lambda: "the old one is in force" in service.show("StatusText"), "the status", 15)
    shown = service.show("StatusText")
    assert service.serves() and service.pid() == pid
    service.configure(GOOD)
    service.systemctl("reload")
    wait_until(lambda: "in force" not in service.show("StatusText"), "the status", 15)
    return f"exit {done.returncode}; after a bare SIGHUP: {shown}"


def notify_reload(service):
    """Type=notify-reload waits for the end of a reload."""
    from check import GOOD
    service.drop_in("type", "[Service]\nType=notify-reload\nExecReload=\n")
    service.systemctl("restart")
    before = len(service.journal(f"MESSAGE_ID={event('RELOADED')}"))
    service.configure(GOOD.replace("drain: 5s", "drain: 4s"))
    service.systemctl("reload")
    reloaded = len(service.journal(f"MESSAGE_ID={event('RELOADED')}")) - before
    state = service.show("ActiveState")
    service.remove_drop_in("type")
    service.configure(GOOD)
    service.systemctl("restart")
    assert (reloaded, state) == (1, "active") and service.serves(), (reloaded, state)
    return "the configuration was taken when systemctl came back"


def journal_fields(service):
    """Lifecycle events in the journal have fields."""
    from check import GOOD
    seen = []
    service.systemctl("reload")
    service.configure(GOOD + "nonsense: 1\n")
    os.kill(service.pid(), signal.SIGHUP)
    wait_until(lambda: service.journal(f"MESSAGE_ID={event('RELOAD_FAILED')}"), "the refusal")
    service.configure(GOOD)
    for name in ("READY", "RELOADED", "RELOAD_FAILED"):
        entry = service.journal(f"MESSAGE_ID={event(name)}")[-1]
        assert entry["SYSLOG_IDENTIFIER"] == "gatherd" and entry["_TRANSPORT"] == "journal"
        assert entry["_SYSTEMD_UNIT"] == "gatherd.service"
        seen.append(f"{name} priority {entry['PRIORITY']}")
    return ", ".join(seen)


def request_fields(service):
    """Lines of requests in the journal have fields."""
    from check import GOOD
    service.configure("accessLog: { to: journal, slow: 250ms }\n" + GOOD)
    service.systemctl("reload")
    wait_until(lambda: service.fetch("/late")[0] == 200 and service.journal(
        f"MESSAGE_ID={event('SLOW_REQUEST')}"), "the slow request", 15)
    service.fetch("/two")
    wait_until(lambda: service.journal(f"MESSAGE_ID={event('REQUEST')}", "ENDPOINT=/two"), "its line")
    shown = service.machine.run("journalctl", "-u", "gatherd", "-o", "verbose", "--no-pager",
                                f"MESSAGE_ID={event('SLOW_REQUEST')}", "--lines", "1").stdout
    fields = dict(re.findall(r"^    ([A-Z_]+)=(.*)$", shown, re.M))
    assert fields["ENDPOINT"] == "/late" and fields["UPSTREAM"] == "near", shown
    assert fields["STATUS"] == "200" and int(fields["DURATION_US"]) > 250000, shown
    assert re.fullmatch(r"[0-9a-f]{32}", fields["REQUEST_ID"]) and fields["PRIORITY"] == "4", shown
    service.configure(GOOD)
    service.systemctl("reload")
    names = ("MESSAGE_ID", "REQUEST_ID", "ENDPOINT", "UPSTREAM", "STATUS", "DURATION_US")
    return "\n".join(f"{name}={fields[name]}" for name in names)


def log_file(service):
    """The access log may be a file of the unit's log directory."""
    from check import GOOD
    service.drop_in("logs", "[Service]\nLogsDirectory=gatherd\n")
    service.configure("accessLog: { to: /var/log/gatherd/access.log }\n" + GOOD)
    service.systemctl("restart")
    log = service.machine.root / "var/log/private/gatherd/access.log"
    try:
        assert service.serves()
        wait_until(lambda: '"endpoint":"/two"' in log.read_text(), "the line")
        log.rename(log.with_name("access.log.1"))
        service.systemctl("reload")
        wait_until(log.exists, "the new file")
        assert service.serves()
        wait_until(lambda: '"endpoint":"/two"' in log.read_text(), "the line in the new file")
        owner, mode = log.stat().st_uid, log.stat().st_mode & 0o777
        rotate(service, log)
        refuse_log(service)
    finally:
        service.remove_drop_in("logs")
        service.configure(GOOD)
        service.systemctl("restart")
        service.machine.run("rm", "-rf", "/var/log/gatherd", "/var/log/private/gatherd")
    assert owner in DYNAMIC_UIDS and mode == 0o600, (owner, oct(mode))
    return (f"written by uid {owner}, mode {mode:o}; a reload opens it anew, and so does logrotate's "
            "script beside a broken configuration; a place that cannot be written to fails the reload")


def rotate(service, log):
    """What logrotate does, while the configuration on the disk is broken."""
    from check import GOOD, ROOT
    text = (ROOT / "packaging/gatherd.logrotate").read_text()
    script = re.search(r"postrotate\n(.*?)endscript", text, re.S)[1]
    service.configure(GOOD + "nonsense: 1\n")
    log.rename(log.with_name("access.log.2"))
    service.machine.run("sh", "-c", script)
    wait_until(log.exists, "the new file after logrotate's script")
    assert service.serves()
    wait_until(lambda: '"endpoint":"/two"' in log.read_text(), "the line in the newest file")


def refuse_log(service):
    """The check has the service's rights."""
    from check import GOOD
    service.configure("accessLog: { to: /etc/gatherd/access.log }\n" + GOOD)
    done = service.systemctl("reload", check=False)
    assert done.returncode != 0 and service.said("/etc/gatherd/access.log cannot be opened")
    assert service.serves()


def journal_hangs(service):
    """A journal that hangs costs lines and stops nobody."""
    from check import GOOD
    journald, pid = service.machine.main_pid("systemd-journald.service"), service.pid()
    service.configure(GOOD + "".join(f"unknown{number}: 1\n" for number in range(19)))
    os.kill(journald, signal.SIGSTOP)
    longest = 0.0
    try:
        for _ in range(60):
            os.kill(pid, signal.SIGHUP)
            began = time.monotonic()
            assert service.serves()
            longest = max(longest, time.monotonic() - began)
    finally:
        os.kill(journald, signal.SIGCONT)
        service.configure(GOOD)
    service.systemctl("reload")
    wait_until(lambda: any("LINES_LOST" in entry for entry in service.journal()), "the count")
    lost = sum(int(entry.get("LINES_LOST", 0)) for entry in service.journal())
    return f"{lost} lines lost and counted; the longest of 60 requests took {longest * 1000:.0f} ms"


def credentials(service):
    """caFile may be a credential of the unit."""
    from check import GOOD
    certificate = next(pathlib.Path("/etc/ssl/certs").glob("*.pem"), None)
    text = certificate.read_text() if certificate else "none"
    service.machine.write("/etc/gatherd/shop-ca.pem", text, 0o600)
    service.drop_in("credential", "[Service]\nLoadCredential=shop-ca:/etc/gatherd/shop-ca.pem\n")
    service.configure(GOOD.replace(
        "upstreams: {", 'upstreams: { shop: { url: "https://127.0.0.1:9443",'
        ' caFile: "${CREDENTIALS_DIRECTORY}/shop-ca" },'))
    service.systemctl("restart")
    assert service.serves()
    service.systemctl("reload")
    wait_until(lambda: service.show("ActiveState") == "active", "the reload")
    assert service.serves()
    bare = service.machine.run("gatherd", "--check-config")
    assert "CREDENTIALS_DIRECTORY is not set here" in bare.stderr, bare
    service.machine.run("env", "CREDENTIALS_DIRECTORY=/run/credentials/gatherd.service", "gatherd",
                        "--check-config")
    service.remove_drop_in("credential")
    lost = service.systemctl("restart", check=False).returncode
    service.configure(GOOD)
    service.systemctl("restart")
    (service.machine.root / "etc/gatherd/shop-ca.pem").unlink()
    assert service.serves() and lost != 0 and service.said("CREDENTIALS_DIRECTORY is not set")
    return ("started, reloaded and, with the service's directory, checked from a shell; restart "
            f"after the unit lost it: exit {lost}")


def named_sockets(service):
    """Sockets are taken by name, TCP and unix; an unused one is reported."""
    from check import GOOD
    beside = service.systemctl("start", "gatherd-local.socket", check=False).returncode
    assert beside != 0, "a socket joined the running service: then docs/operations.md is wrong"
    service.systemctl("stop")
    service.systemctl("start", "gatherd-local.socket")
    service.systemctl("start")
    unused = [entry["MESSAGE"] for entry in service.journal()
              if "no entry of listen takes it" in str(entry["MESSAGE"])]
    assert unused and '"local" (unix:/run/gatherd.sock)' in unused[-1], unused
    service.configure('listen: ["systemd:local", systemd]\n' + GOOD)
    service.systemctl("restart")
    status, _ = service.fetch(address=("--unix-socket", "/run/gatherd.sock"))
    assert service.serves() and status == 200
    service.systemctl("restart")  # and the socket file is still there
    status, _ = service.fetch(address=("--unix-socket", "/run/gatherd.sock"))
    assert status == 200
    service.configure('listen: ["systemd:admin"]\n' + GOOD)
    failed = service.systemctl("restart", check=False).returncode
    service.configure(GOOD)
    service.systemctl("stop")
    service.systemctl("stop", "gatherd-local.socket")
    service.systemctl("start", "gatherd.socket")
    service.systemctl("start")
    assert service.serves() and failed != 0
    return f"both served, both survived a restart; a name that was not passed: exit {failed}"


def without_sockets(service):
    """Without socket units it opens its own."""
    service.systemctl("stop")
    service.systemctl("stop", "gatherd.socket")
    service.systemctl("start")
    assert service.serves()
    line = service.journal()
    own = [entry["MESSAGE"] for entry in line if "listening on" in str(entry["MESSAGE"])][-1]
    assert "systemd" not in own
    service.systemctl("stop")
    service.systemctl("start", "gatherd.socket")
    return f"\"{own}\""


def on_demand(service):
    """A connection to the socket starts the service."""
    service.systemctl("stop")
    service.systemctl("start", "gatherd.socket")
    assert service.show("ActiveState") == "inactive"
    assert service.serves()
    assert service.show("ActiveState") == "active"
    return "inactive, one request, active"


def loaded(service, action, pause):
    """A load with an action; every request must be answered."""
    report, times = service.under_load(action, pause)
    failures = "\n".join(report.pop("failures"))
    seen = (f"{times} times, {report['good']} answered, {report['failed']} failed, "
            f"{report['retried']} sent twice; median {report['medianMs']} ms, "
            f"p99 {report['p99Ms']} ms, longest {report['longestMs']} ms")
    assert report["failed"] == 0, f"{seen}\n{failures}"
    return seen


def reload_under_load(service):
    """Reload by SIGHUP under load."""
    service.systemctl("start")
    return loaded(service, lambda _: service.systemctl("reload"), 0.2)


def restart_under_load(service):
    """Restart through the socket under load."""
    return loaded(service, lambda _: service.systemctl("restart"), 0.3)


def upgrade_under_load(service):
    """Another binary and a restart under load."""
    import check
    binary = service.machine.root / "usr/bin/gatherd"
    original = check.BUILD / "systemd" / "gatherd.original"
    original.write_bytes(binary.read_bytes())
    original.chmod(0o755)
    seen = set()

    def upgrade(times):
        other = original.with_name("gatherd.other")
        other.write_bytes(original.read_bytes() + b"#" * (times + 1))  # another file
        other.chmod(0o755)
        service.machine.copy(other, "/usr/bin/gatherd")
        service.systemctl("restart")
        seen.add(os.stat(f"/proc/{service.pid()}/exe").st_size)

    report = loaded(service, upgrade, 0.3)
    service.machine.copy(original, "/usr/bin/gatherd")
    service.systemctl("restart")
    assert len(seen) >= 5
    return f"{len(seen)} binaries: {report}"


def affinity(service):
    """workers: auto follows the CPU affinity."""
    service.drop_in("affinity", "[Service]\nCPUAffinity=0\n")
    service.systemctl("restart")
    line = service.journal(f"MESSAGE_ID={event('READY')}")[-1]["MESSAGE"]
    service.remove_drop_in("affinity")
    service.systemctl("restart")
    both = service.journal(f"MESSAGE_ID={event('READY')}")[-1]["MESSAGE"]
    assert line == "ready: 1 workers", line
    return f"CPUAffinity=0: {line}; without: {both}"


def stop_in_drain(service):
    """Stopping answers what is in flight."""
    import subprocess
    late = service.machine.outside("curl", "-s", "-m", "10", "-w", "%{http_code}",
                                   "http://127.0.0.1:8080/late", stdout=subprocess.PIPE)
    time.sleep(0.15)
    began = time.monotonic()
    service.systemctl("stop")
    took = time.monotonic() - began
    reply = late.communicate()[0]
    assert reply.endswith("200") and service.show("Result") == "success", reply
    entry = service.journal(f"MESSAGE_ID={event('STOPPED')}")[-1]
    service.systemctl("start")
    assert took < 5
    return f"the reply was 200; systemctl stop took {took:.2f} s, the drain {entry['DURATION_US']} us"


def long_drain(service):
    """A drain asks for the time it may take."""
    import subprocess
    service.drop_in("stop", "[Service]\nTimeoutStopSec=100ms\n")
    service.systemctl("restart")
    assert service.serves()
    late = service.machine.outside("curl", "-s", "-m", "10", "-w", "%{http_code}",
                                   "http://127.0.0.1:8080/late", stdout=subprocess.PIPE)
    time.sleep(0.1)
    began = time.monotonic()
    service.systemctl("stop")
    took = time.monotonic() - began
    reply, result = late.communicate()[0], service.show("Result")
    service.remove_drop_in("stop")
    service.systemctl("start")
    assert reply.endswith("200") and result == "success", (reply, result)
    return f"TimeoutStopSec=100ms, a request of 300 ms: answered, stopped after {took:.2f} s"


def hung_worker(service):
    """The watchdog ends a daemon of which one worker hangs."""
    service.drop_in("watchdog", "[Service]\nWatchdogSec=2s\n")
    service.systemctl("restart")
    time.sleep(5)  # longer than the watchdog: nothing happens while all answer
    pid, restarts = service.pid(), int(service.show("NRestarts"))
    assert service.show("ActiveState") == "active" and restarts == 0
    worker = [task.name for task in pathlib.Path(f"/proc/{pid}/task").iterdir()
              if (task / "comm").read_text().strip() == "worker-1"]
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.ptrace(PTRACE_SEIZE, int(worker[0]), 0, 0) == 0, os.strerror(ctypes.get_errno())
    assert libc.ptrace(PTRACE_INTERRUPT, int(worker[0]), 0, 0) == 0
    began = time.monotonic()
    wait_until(lambda: not pathlib.Path(f"/proc/{pid}").exists() or is_dead(pid, worker[0]),
               "the watchdog", 30)
    took = time.monotonic() - began
    wait_until(lambda: int(service.show("NRestarts")) == 1 and service.serves(), "the restart", 30)
    assert service.said("worker 1 does not answer") and service.said("Watchdog timeout")
    service.remove_drop_in("watchdog")
    service.systemctl("restart")
    return f"all well for 5 s with WatchdogSec=2s; killed {took:.1f} s after one thread stopped, restarted"


def is_dead(pid, thread):
    """Whether the process has gone; a traced thread's end has to be taken by the tracer."""
    try:
        os.waitpid(int(thread), os.WNOHANG | WAIT_THREAD)
    except ChildProcessError:
        pass
    return not pathlib.Path(f"/proc/{pid}").exists()


def stopped_process(service):
    """The watchdog ends a daemon that is stopped as a whole."""
    service.drop_in("watchdog", "[Service]\nWatchdogSec=2s\n")
    service.systemctl("restart")
    pid = service.pid()
    began = time.monotonic()
    os.kill(pid, signal.SIGSTOP)
    wait_until(lambda: int(service.show("NRestarts")) == 1 and service.serves(), "the restart", 30)
    took = time.monotonic() - began
    service.remove_drop_in("watchdog")
    service.systemctl("restart")
    return f"served again {took:.1f} s after SIGSTOP"


SINCE_253 = [notify_reload]
ALL = [security, user, status, reload_good, reload_broken, journal_fields, request_fields, log_file,
       journal_hangs, credentials, named_sockets, without_sockets, on_demand, reload_under_load,
       restart_under_load, upgrade_under_load, affinity, stop_in_drain, long_drain, hung_worker,
       stopped_process]
