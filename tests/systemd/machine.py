"""A Debian tree that runs systemd as PID 1, in namespaces of its own.

The tree is never written to: an overlay in memory takes all changes and is gone with the
machine. It has its own network with nothing but a loopback device, and its own part of the
cgroup hierarchy. Needs root, overlayfs and cgroup v2 (a mount beside v1 is enough).
"""

import os
import pathlib
import re
import shutil
import subprocess
import time

PATIENCE = 60.0
MEMORY_FOLDERS = ("/sys/fs/cgroup/unified", "/sys/fs/cgroup")

# Runs in the new namespaces. Mounts are private until systemd takes over and shared from
# then on: credentials reach their service by propagation.
BOOT = r"""
set -eu
mount --make-rprivate /
mount -t tmpfs overlay "$work"
mkdir "$work/upper" "$work/inner" "$work/root"
mount -t overlay overlay -o "lowerdir=$tree,upperdir=$work/upper,workdir=$work/inner" "$work/root"
cd "$work/root"
mount -t proc proc proc
mount -t sysfs sysfs sys -o ro
mount -t tmpfs tmpfs sys/fs/cgroup
mount -t cgroup2 cgroup2 sys/fs/cgroup
mount -t tmpfs tmpfs dev -o mode=755
for name in null zero full random urandom tty; do
    : > dev/$name
    mount --bind /dev/$name dev/$name
done
mkdir dev/pts dev/shm
mount -t devpts devpts dev/pts -o newinstance,ptmxmode=0666
ln -s pts/ptmx dev/ptmx
ln -s /proc/self/fd dev/fd
mount -t tmpfs tmpfs run
mount -t tmpfs tmpfs tmp
pivot_root . mnt
umount -l /mnt
mount --make-rshared /
exec env -i container=gatherd-check PATH=/usr/sbin:/usr/bin:/sbin:/bin /lib/systemd/systemd
"""


def wait_until(condition, what, timeout=PATIENCE):
    """Polls until the condition holds; its value is returned."""
    end = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"waited {timeout} s for {what}")
        time.sleep(0.02)


def cgroup_root():
    """Where cgroup v2 is mounted."""
    for folder in MEMORY_FOLDERS:
        if os.path.exists(f"{folder}/cgroup.procs") and os.path.exists(f"{folder}/cgroup.controllers"):
            return pathlib.Path(folder)
    raise SystemExit("cgroup v2 is not mounted on this system")


class Machine:
    """One boot of a tree."""

    def __init__(self, tree, work):
        self.cgroup = cgroup_root() / f"gatherd-check-{os.getpid()}"
        self.work = work
        work.mkdir(parents=True, exist_ok=True)
        self.cgroup.mkdir()
        self.log = open(work.parent / "console.log", "wb")
        self.outer = subprocess.Popen(
            ["unshare", "--pid", "--mount", "--uts", "--ipc", "--net", "--cgroup", "--fork",
             "--kill-child", "bash", "-c", BOOT],
            stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log,
            preexec_fn=lambda: (self.cgroup / "cgroup.procs").write_text(str(os.getpid())),
            env={**os.environ, "tree": str(tree), "work": str(work)})
        try:
            self.pid = wait_until(self.init, "systemd to begin", 20)
            wait_until(self.is_up, "systemd to be up")
        except AssertionError:
            self.stop()
            raise

    def init(self):
        """PID 1 of the machine as seen from outside, once it is systemd."""
        if self.outer.poll() is not None:
            raise AssertionError(f"it did not boot: see {self.log.name}")
        children = pathlib.Path(f"/proc/{self.outer.pid}/task/{self.outer.pid}/children")
        pid = children.read_text().split()
        if pid and pathlib.Path(f"/proc/{pid[0]}/comm").read_text().strip() == "systemd":
            return int(pid[0])
        return None

    def is_up(self):
        """Whether all jobs of the boot are done."""
        state = self.run("systemctl", "is-system-running", check=False).stdout.strip()
        return state in ("running", "degraded")

    @property
    def root(self):
        """The machine's files."""
        return pathlib.Path(f"/proc/{self.pid}/root")

    def run(self, *command, check=True, timeout=PATIENCE):
        """Runs a command in the machine to its end."""
        done = subprocess.run(["nsenter", "--target", str(self.pid), "--all", "--", "env", "-i",
                               "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C.UTF-8", *command],
                              stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              timeout=timeout, check=False)
        if check and done.returncode != 0:
            raise AssertionError(f"{' '.join(command)}: {done.returncode}\n"
                                 f"{done.stdout[-3000:]}{done.stderr[-3000:]}")
        return done

    def outside(self, *command, **options):
        """Starts a program of this system on the machine's network."""
        return subprocess.Popen(["nsenter", f"--net=/proc/{self.pid}/ns/net", "--", *command],
                                stdin=subprocess.DEVNULL, text=True, **options)

    def write(self, path, text, mode=0o644):
        """Writes one of the machine's files."""
        file = self.root / path.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        file.chmod(mode)

    def copy(self, source, path):
        """Puts a file in the place of another one, which those who run it keep."""
        target = self.root / path.lstrip("/")
        fresh = target.with_name(target.name + ".new")
        shutil.copy2(source, fresh)
        fresh.rename(target)

    def files(self):
        """The names of everything that outlives a boot and belongs to no log or cache."""
        passed = ("dev", "proc", "sys", "run", "tmp", "mnt", "var/cache", "var/tmp", "var/log/journal",
                  "var/lib/dpkg", "var/lib/apt", "var/lib/systemd/catalog")
        found = set()
        for folder, folders, names in os.walk(self.root):
            place = pathlib.Path(folder).relative_to(self.root)
            folders[:] = [name for name in folders if str(place / name) not in passed]
            found.update(str(place / name) for name in folders + names)
        return found

    def show(self, unit, name):
        """One property of a unit."""
        return self.run("systemctl", "show", "--property", name, "--value", unit).stdout.strip()

    def main_pid(self, unit):
        """The main process of a unit, as numbered outside."""
        inside = self.show(unit, "MainPID")
        namespace = os.stat(f"/proc/{self.pid}/ns/pid").st_ino
        for folder in pathlib.Path("/proc").glob("[0-9]*"):
            try:
                numbers = re.search(r"^NSpid:(.*)$", (folder / "status").read_text(), re.M)[1].split()
                if numbers[-1] == inside and os.stat(folder / "ns/pid").st_ino == namespace:
                    return int(folder.name)
            except FileNotFoundError:
                continue  # it has just ended
        raise AssertionError(f"{unit} has no process {inside}")

    def version(self):
        """systemd's."""
        return int(self.run("systemctl", "--version").stdout.split()[1])

    def failed_units(self):
        """The names of gatherd's units that have failed."""
        done = self.run("systemctl", "list-units", "--failed", "--plain", "--no-legend", "gatherd*")
        return done.stdout.split()

    def stop(self):
        """Ends everything in it and leaves nothing behind."""
        if self.outer.poll() is None:
            self.outer.kill()
        self.outer.wait()
        kill = self.cgroup / "cgroup.kill"
        if kill.exists():
            kill.write_text("1")

        def is_removed():
            for folder, _, _ in os.walk(self.cgroup, topdown=False):
                try:
                    os.rmdir(folder)
                except OSError:
                    pass
            return not self.cgroup.exists()

        wait_until(is_removed, f"{self.cgroup} to be empty", 20)
        self.log.close()
        self.work.rmdir()
