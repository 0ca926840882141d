"""What is checked of the .deb under a real systemd: what comes, stays and goes with it."""

import shutil

import checks
from machine import wait_until

CONFIG = "etc/gatherd/gatherd.yaml"
SERVICE = "gatherd.service"
SOCKETS = ["gatherd.socket", "gatherd-local.socket"]
LOCAL = "/run/gatherd.sock"


def states(service, verb, units):
    """What systemctl is-active or is-enabled says of each unit."""
    return service.machine.run("systemctl", verb, *units, check=False).stdout.split()


def begun(service):
    """When each socket was opened: another time is another socket."""
    return [service.machine.show(unit, "ActiveEnterTimestampMonotonic") for unit in SOCKETS]


def exists(service, path):
    """Whether the machine has a file."""
    return service.machine.run("test", "-e", path, check=False).returncode == 0


def took_sockets(service):
    """Whether the service as it runs now has what systemd opened."""
    number = service.show("InvocationID")
    said = [str(entry["MESSAGE"]) for entry in service.journal(f"_SYSTEMD_INVOCATION_ID={number}")]
    return any("listening on 127.0.0.1:8080 (systemd:http)" in line for line in said)


def enable_sockets(service):
    """As an administrator does who wants them."""
    service.systemctl("stop")
    service.machine.run("systemctl", "enable", "--now", *SOCKETS)
    service.systemctl("start")
    assert service.serves() and exists(service, LOCAL) and took_sockets(service)


def as_installed(service):
    """The package brings a running, enabled service, and sockets that are neither."""
    machine = service.machine
    seen = [states(service, verb, [SERVICE, *SOCKETS]) for verb in ("is-active", "is-enabled")]
    shown = machine.run("systemctl", "status", "--no-pager", SERVICE).stdout
    assert seen == [["active", "inactive", "inactive"], ["enabled", "disabled", "disabled"]], seen
    assert "Active: active (running)" in shown and not exists(service, LOCAL), shown
    own, _ = service.fetch("/batch")  # no url is asked for: an answer of its own
    ready, word = service.fetch("/-/ready", ("--url", "http://127.0.0.1:8081"))
    metrics, page = service.fetch("/metrics", ("--url", "http://127.0.0.1:8081"))
    assert (own, ready, word, metrics) == (400, 200, "ready\n", 200), (own, ready, word, metrics)
    assert "gatherd_ready 1" in page and not machine.failed_units()
    return f"active, enabled; /-/ready answers \"{word.strip()}\"; no socket unit runs"


def smoke(service):
    """debian/tests/smoke passes beside the service."""
    sources = service.machine.root / "tmp/sources"
    for name in ("conf", "tests/demo"):
        shutil.copytree(checks.ROOT / name, sources / name)
    shutil.copy(checks.ROOT / "packaging/debian/tests/smoke", sources)
    work = service.machine.root / "tmp/smoke"
    work.mkdir()
    done = service.machine.run("sh", "-c", "cd /tmp/sources && AUTOPKGTEST_TMP=/tmp/smoke sh ./smoke 2>&1",
                               check=False)
    for folder in (sources, work):
        shutil.rmtree(folder)
    assert done.returncode == 0, done.stdout
    return done.stdout.splitlines()[0]


def without_sockets(service):
    """An upgrade starts no socket that nobody wanted."""
    service.systemctl("stop")
    service.machine.run("systemctl", "disable", "--now", *SOCKETS)
    service.systemctl("start")
    before = service.show("InvocationID")
    service.install_package()
    seen = [states(service, verb, SOCKETS) for verb in ("is-active", "is-enabled")]
    assert seen == [["inactive"] * 2, ["disabled"] * 2], seen
    assert service.serves() and service.show("InvocationID") != before
    return "both as before, the service restarted"


def with_broken_file(service):
    """A package that does not take the configuration."""
    from check import GOOD
    service.configure("nonsense: 1\n")
    checked = service.machine.run("gatherd", "--check-config", check=False).returncode
    service.install_package()  # which ends well
    state = service.show("ActiveState")
    service.configure(GOOD)
    service.systemctl("start")
    assert (checked, state) == (2, "failed") and service.serves(), (checked, state)
    return f"dpkg ends well, the service is {state}; the check before said so with status {checked}"


def under_load(service):
    """The package installed again under load leaves the sockets open and loses nothing."""
    enable_sockets(service)
    before = begun(service)
    seen = checks.loaded(service, lambda _: service.install_package(), 0.3)
    assert states(service, "is-active", [SERVICE, *SOCKETS]) == ["active"] * 3
    assert begun(service) == before and took_sockets(service)
    return f"both sockets stayed open; {seen}"


def removed(service):
    """Removing stops the service and its sockets under load and keeps the configuration."""
    machine = service.machine
    asking = machine.outside("sh", "-c", "while :; do curl -s -o /dev/null http://127.0.0.1:8080/two; done")
    try:
        machine.run("dpkg", "--remove", "gatherd")
    finally:
        asking.kill()
        asking.wait()
    seen = states(service, "is-active", [SERVICE, *SOCKETS])
    assert seen == ["inactive"] * 3, seen
    assert service.fetch()[0] == 0, "something still listens"
    assert not exists(service, LOCAL), f"{LOCAL} is left"
    assert (machine.root / CONFIG).read_text() != ""
    return f"{SERVICE} and both sockets inactive, {LOCAL} gone, the configuration kept"


def installed_again(service):
    """Installed again, it has the sockets that were enabled before."""
    service.install_package()
    wait_until(lambda: states(service, "is-active", [SERVICE]) == ["active"], "the service")
    seen = [states(service, verb, [SERVICE, *SOCKETS]) for verb in ("is-active", "is-enabled")]
    assert seen == [["active"] * 3, ["enabled"] * 3], seen
    assert service.serves() and took_sockets(service)
    return "all three active and enabled, the address was taken from systemd"


def purged(service):
    """Purging leaves no file and no unit, with the sockets enabled."""
    machine = service.machine
    machine.run("dpkg", "--purge", "gatherd")
    seen = states(service, "is-active", [SERVICE, *SOCKETS])
    left = sorted(machine.files() - service.files_before)
    assert seen == ["inactive"] * 3 and not left, (seen, left)
    assert not exists(service, LOCAL) and service.fetch()[0] == 0
    units = machine.run("systemctl", "list-units", "--all", "gatherd*").stdout
    assert "gatherd" not in units, units
    return "from running to nothing: no file, no socket, no unit"


AS_INSTALLED = [as_installed, smoke]
AFTERWARDS = [without_sockets, with_broken_file, under_load, removed, installed_again, purged]
