"""Addresses to listen on and the command line, as the person who starts it meets them."""

import os
import pathlib
import re
import stat
import tempfile

import client
import harness
import pytest

PLAIN = "upstreams: { demo: { url: '$DEMO' } }\n"


@pytest.fixture
def short_path():
    """A directory whose name is short enough for a socket."""
    with tempfile.TemporaryDirectory(prefix="gatherd-") as directory:
        yield pathlib.Path(directory)


def check(tmp_path, text):
    """What --check-config says about a configuration, and its exit code."""
    path = tmp_path / "gatherd.yaml"
    path.write_text(text)
    done = harness.run("--config", path, "--check-config")
    return done.returncode, done.stderr.replace(str(tmp_path) + "/", "").splitlines()


@pytest.mark.parametrize("first, second, column", [
    ("127.0.0.1:8080", "127.0.0.1:8080", 28), ("localhost:8080", "127.0.0.1:8080", 28),
    ("unix:/tmp/a.sock", "unix:/tmp/a.sock", 30)])
def test_address_listed_twice(tmp_path, first, second, column):
    """The second one is the fault."""
    code, lines = check(tmp_path, f'listen: ["{first}", "{second}"]\n')
    assert (code, lines) == (2, [f'gatherd.yaml:1:{column}: "{second}" is listed twice'])


def test_host_name(tmp_path):
    """A name is refused with what is possible instead."""
    code, lines = check(tmp_path, 'listen: "example.com:80"\n')
    assert code == 2 and len(lines) == 1 and "or localhost" in lines[0]


def test_unix_socket_mode(gatherd, short_path):
    """Whatever the umask: a web server of another user must be able to connect."""
    path = short_path / "http.sock"
    before = os.umask(0o077)
    try:
        gatherd(f'listen: "unix:{path}"\n' + PLAIN)
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o666
    assert client.fetch(str(path), "GET", "/nothing").status == 404


def test_unix_path_that_is_no_socket(tmp_path, short_path):
    """A file in the way is called that, and left alone."""
    path = short_path / "file"
    path.write_text("kept")
    config = tmp_path / "gatherd.yaml"
    config.write_text(f'listen: "unix:{path}"\n')
    done = harness.run("--config", config)
    assert done.returncode == 1 and f"unix:{path} exists and is not a socket" in done.stderr
    assert path.read_text() == "kept"


@pytest.mark.parametrize("text, count", [("nothing: 1\n", "1 fault"),
                                         ("nothing: 1\nnone: 1\n", "2 faults")])
def test_reload_counts_faults(gatherd, text, count):
    """One fault, two faults."""
    daemon = gatherd(PLAIN)
    daemon.reload(text, rf"the new one has {count}\n")


@pytest.mark.parametrize("options", [["--check-config", "--print-config"],
                                     ["--print-schema", "--check-config"],
                                     ["--version", "--help"]])
def test_one_thing_at_a_time(options):
    """Two results at once are nobody's wish; nothing is printed but that."""
    done = harness.run(*options)
    assert done.returncode == 2 and not done.stdout and "one at a time" in done.stderr


def test_the_manual_page_has_every_option():
    """What --help lists, short names too."""
    page = (harness.ROOT / "docs" / "man" / "gatherd.8").read_text().replace("\\-", "-")
    section = page.split(".SH OPTIONS\n")[1].split(".SH ")[0]
    tags = re.findall(r"^\.TP\n(.+)$", section, re.M)
    told = re.findall(r"^  (?:(-\w), |    )(--[\w-]+)", harness.run("--help").stdout, re.M)
    assert len(told) == 8
    for short, name in told:
        (tag,) = [tag for tag in tags if re.search(rf"{name}\b(?!-)", tag)]
        assert not short or re.search(rf"(?<!-){short}\b", tag), tag


def test_the_manual_pages_are_of_one_day():
    """Neither is forgotten when the other changes with a version."""
    pages = sorted((harness.ROOT / "docs" / "man").iterdir())
    heads = [re.search(r'^\.TH \S+ \d "(\d{4}-\d\d-\d\d)" "gatherd (\S+)"', page.read_text(), re.M)
             for page in pages]
    assert len({head.groups() for head in heads}) == 1
    assert heads[0][2] == harness.run("--version").stdout.split()[1]


def test_same_option_twice():
    """Said twice is not two things."""
    assert harness.run("--version", "-V").returncode == 0


def test_version_names_the_libraries():
    """What a report of a problem needs."""
    lines = harness.run("--version").stdout.splitlines()
    names = ["gatherd", "libmicrohttpd", "libcurl", "jansson", "libyaml"]
    assert [line.split()[0] for line in lines] == names
    assert all(re.fullmatch(r"\S+ \d+\.\d+\S*", line) for line in lines), lines
