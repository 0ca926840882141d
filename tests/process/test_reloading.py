"""Reloads of files that are not as they should be, and what a start and a check say of them."""

import os
import re
import resource
import signal
import socket
import subprocess

import harness
import pytest

PLAIN = "workers: 2\nupstreams: { demo: { url: '$DEMO' } }\n"


def refused(daemon, times=1):
    """Asks for a reload that fails; the daemon serves on."""
    daemon.signal(signal.SIGHUP)
    daemon.wait_log("the configuration stays as it was", times)
    assert daemon.batch([{"id": "a", "upstream": "demo", "url": "/posts/1"}]).status == 200
    return daemon.log()


@pytest.mark.parametrize("name", ["gatherd.yaml", "conf.d/more.yaml"])
def test_a_pipe_holds_nothing_up(gatherd, name):
    """Nobody writes to it, and nobody waits for that."""
    daemon = gatherd(PLAIN)
    place = daemon.directory / name
    place.parent.mkdir(exist_ok=True)
    place.unlink(missing_ok=True)
    os.mkfifo(place)
    assert f"{name}: is not a file" in refused(daemon)
    done = harness.run("--config", daemon.config, "--check-config", timeout=5)
    assert done.returncode == 2 and f"{name}: is not a file" in done.stderr
    daemon.stop()


def test_what_a_shell_hands_over_is_read(fill):
    """`--config /dev/stdin` and `--config <(...)`."""
    for text, code in ((PLAIN, 0), ("nonsense: 1\n", 2)):
        done = subprocess.run([harness.BINARY, "--check-config", "--config", "/dev/stdin"],
                              input=fill(text), capture_output=True, text=True, timeout=15, check=False)
        assert done.returncode == code, done.stderr
    done = subprocess.run(["bash", "-c", '"$0" --check-config --config <(sleep 0.1; echo "drain: 1s")',
                           harness.BINARY], capture_output=True, text=True, timeout=15, check=False)
    assert done.returncode == 0, done.stderr


def test_a_file_that_is_being_written(gatherd, fill):
    """Emptied for the moment: the old configuration stays, and the next reload has the new one."""
    daemon = gatherd(PLAIN)
    daemon.config.write_text("")
    assert "gatherd.yaml: is empty, and options in force are from it" in refused(daemon)
    daemon.config.write_text("# Comes first.\n")
    refused(daemon, 2)
    daemon.reload(fill(PLAIN + "drain: 1s\n"), "configuration reloaded")
    daemon.stop()


# The access log's file.

def test_a_log_that_cannot_be_opened_refuses_the_reload(gatherd, fill, tmp_path):
    """Nothing of the new configuration is in force, and its place is named."""
    daemon = gatherd(PLAIN + f"accessLog: {{ to: {tmp_path}/log }}\n")
    daemon.config.write_text(fill("workers: 2\naccessLog: { to: /no/such/folder/log }\n"))
    log = refused(daemon)
    assert re.search(r"gatherd\.yaml:\d+:\d+: accessLog: /no/such/folder/log cannot be opened: No such", log)
    assert "configuration reloaded" not in log
    harness.wait_until(lambda: (tmp_path / "log").read_text().count("\n") == 1, "the line")
    daemon.stop()


def test_a_check_tries_the_log(tmp_path):
    """As a daemon would, but nothing is made or changed."""
    config, folder = tmp_path / "file.yaml", tmp_path / "logs"

    def check(place, *options):
        config.write_text(f"accessLog: {{ to: {place} }}\n")
        return harness.run("--config", config, "--check-config", *options)

    done = check(folder / "log")
    assert done.returncode == 2
    assert f"file.yaml:1:18: accessLog: {folder}/log cannot be opened: No such file" in done.stderr
    folder.mkdir()
    assert check(folder / "log").returncode == 0 and not list(folder.iterdir())
    (folder / "log").write_text("line\n")
    assert check(folder / "log").returncode == 0 and (folder / "log").read_text() == "line\n"
    assert "Is a directory" in check(folder).stderr
    assert check("stderr").returncode == 0


# What a start says.

def test_faults_are_errors_to_the_journal(tmp_path):
    """stderr is the journal's stream: its prefixes say how bad a line is."""
    config, log_path = tmp_path / "file.yaml", tmp_path / "log"
    config.write_text("nonsense: 1\nmore: 2\n")
    for options in ((), ("--check-config",)):
        with open(log_path, "wb") as log:
            status = os.fstat(log.fileno())
            stream = f"{status.st_dev}:{status.st_ino}"
            done = subprocess.run([harness.BINARY, "--config", str(config), *options], stderr=log, timeout=15,
                                  env={**os.environ, "JOURNAL_STREAM": stream}, check=False)
        lines = log_path.read_text().splitlines()
        assert done.returncode == 2 and len(lines) == 2
        assert all(line.startswith(f"<3>{config}:") for line in lines), lines


def test_a_socket_of_all_addresses_holds_the_port(passing):
    """ListenStream=PORT in a unit, and the address in the file: the way out is named."""
    one = passing("listen: '127.0.0.1:$PORT'\n" + PLAIN)
    sock = socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True)
    port = sock.getsockname()[1]
    one.sockets.append(sock)
    one.names.append("http")
    one.config.write_text(one.config.read_text().replace("$PORT", str(port)))
    assert one.start() == 1
    assert (f'127.0.0.1:{port} is in use: the socket "http" ([::]:{port}) that systemd passed holds it; '
            'write "systemd:http" instead') in one.log()


def test_more_descriptors_promised_than_passed(tmp_path, fill):
    """What has the number is not one of ours: the daemon does not close its own."""
    config = tmp_path / "file.yaml"
    config.write_text(fill("listen: systemd\n" + PLAIN))
    with socket.create_server(("127.0.0.1", 0)) as sock:
        done = subprocess.run(
            ["bash", "-c", f'exec 3<&{sock.fileno()} 4<&- 5<&-; LISTEN_PID=$$ LISTEN_FDS=2 exec "$@"',
             "sh", harness.BINARY, "--config", str(config)], capture_output=True, text=True, timeout=15,
            pass_fds=[sock.fileno()], check=False)
    assert done.returncode == 1 and "sockets that systemd passed cannot be used" in done.stderr


def test_too_few_descriptors(tmp_path, fill):
    """Wherever they end, it is called by its name."""
    config = tmp_path / "file.yaml"
    config.write_text(fill(PLAIN))
    most = 4
    while most < 200:
        process = subprocess.Popen(
            [harness.BINARY, "--config", str(config)], stderr=subprocess.PIPE, text=True,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (most, most)))
        line = ""
        while "error:" not in line and "ready:" not in line and (line := process.stderr.readline()):
            pass
        process.terminate()
        code = process.wait(15)
        process.stderr.close()
        if "ready:" in line:
            assert code == 0 and most > 8
            return
        assert "Too many open files" in line or code == 127, (most, line)
        most += 1
    raise AssertionError("it never started")
