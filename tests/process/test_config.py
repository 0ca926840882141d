"""The configuration: errors with their place, conf.d, printing, reload."""

import json
import re
import socket
import time

import harness
import plainyaml
import pytest
import schema

PLAIN = "upstreams:\n  demo: { url: '$DEMO' }\n"
SAMPLE = harness.ROOT / "conf" / "gatherd.yaml"


def check(tmp_path, text, *options):
    """Checks a configuration; the lines of complaint and the exit code."""
    path = tmp_path / "gatherd.yaml"
    path.write_text(text)
    done = harness.run("--config", path, *(options or ["--check-config"]))
    return done.returncode, done.stderr.replace(str(tmp_path) + "/", "").splitlines(), done.stdout


# Faults, each with file:line:column.

UPSTREAM = "upstreams: { demo: { url: http://127.0.0.1:1 } }\n"


def endpoint(members, requests="[ { id: a, upstream: demo, url: /x } ]"):
    """An endpoint in line 3 whose members begin at column 5."""
    return UPSTREAM + "endpoints:\n  - " + members + f"\n    requests: {requests}\n"


def request(members):
    """An endpoint /e/{v} whose only request has these members, in line 5."""
    return UPSTREAM + "endpoints:\n  - path: /e/{v}\n    requests:\n" \
        "      - { id: a, upstream: demo, " + members + " }\n"


@pytest.mark.parametrize("text, place, words", [
    ("upsteams: {}\n", "1:1", ["upstreams"]),
    ("\nlimts: {}\n", "2:1", ["limits"]),
    ("limits:\n  request: 3\n", "2:3", ["requests"]),
    ("qwertzuiop: 1\n", "1:1", ["qwertzuiop"]),
    ("drain: [1]\n", "1:8", []),
    ("drain: soon\n", "1:8", []),
    ("drain: 11m\n", "1:8", ["10m"]),
    ("workers: 0\n", "1:10", []),
    ("workers: 257\n", "1:10", ["256"]),
    ("workers: many\n", "1:10", ["auto"]),
    ("workers: 010\n", "1:10", ["from 1 to 256"]),
    ("origins: ['*']\n", "1:11", ["must be an origin"]),
    ("origins: [example.com]\n", "1:11", ["must be an origin"]),
    ("limits: { requests: -1 }\n", "1:21", ["must be a whole number from 1 to 1024"]),
    ("limits: { requests: 1.5 }\n", "1:21", ["must be a whole number from 1 to 1024"]),
    ("upstreams: { a: { url: /x } }\n", "1:24", ["must be a URL: http://host or https://host"]),
    ("upstreams: { a: { url: 'http://x', batch: { methods: [get] } } }\n", "1:55",
     ['did you mean "GET"?']),
    (endpoint("path: /x\n    merge: shallow", "[ { id: a, upstream: demo, url: /x, default: [] } ]"),
     "5:60", ["needs an object"]),
    ("logLevel: loud\n", "1:11", []),
    ("limits: { requests: 0 }\n", "1:21", []),
    ("limits: { requests: 1025 }\n", "1:21", ["1024"]),
    ("limits: { requestBody: 1 MB }\n", "1:24", []),
    ("limits: []\n", "1:9", []),
    ("egress: { allow: ['http://x/'] }\n", "1:19", []),
    ("egress: { allow: ['*'] }\n", "1:19", []),
    ("upstreams: { a: {} }\n", "1:17", ["url"]),
    ("upstreams: { a: { url: 'ftp://x/' } }\n", "1:24", []),
    ("upstreams: { a: { url: x } }\n", "1:24", []),
    ("upstreams: { a: { url: 'http://u:p@x/' } }\n", "1:24", []),
    ("upstreams: { a: { url: 'http://x', timeout: 61s } }\n", "1:45", ["1m"]),
    ("upstreams: { a: { url: 'http://x', tiemout: 1s } }\n", "1:36", ["timeout"]),
    ("upstreams: { a: { url: 'http://x', batch: on } }\n", "1:43", ["off"]),
    ("upstreams: { a: { url: 'http://x' }, a: { url: 'http://y' } }\n", "1:38", []),
    ("drain: 1s\ndrain: 2s\n", "2:1", ["drain"]),
    ("drain: 1s\n\tworkers: 1\n", "2:1", []),
    ("drain: {\n", "2:1", []),
    ("- drain\n", "1:1", []),
    ("drain: 1s\n---\ndrain: 1s\n", "2:1", []),
    (endpoint("path: x"), "3:11", ["/"]),
    (endpoint("path: /batch"), "3:11", []),
    (endpoint("path: /jobs/1"), "3:11", []),
    (endpoint("path: /-/x"), "3:11", []),
    (endpoint("path: /a/{b"), "3:11", []),
    (endpoint("path: /a/{b}c"), "3:11", []),
    (endpoint("path: '/{a}/{a}'"), "3:11", []),
    (endpoint("method: GET"), "3:5", ["path"]),
    (endpoint("path: /x\n    method: 'G T'"), "4:13", []),
    (endpoint("path: /x\n    pth: 1"), "4:5", ["path"]),
    (endpoint("path: /x\n    merge: keyd"), "4:12", ["keyed"]),
    (endpoint("path: /x\n    timeout: 61s"), "4:14", ["1m"]),
    (endpoint("path: /x", "[]"), "4:15", []),
    (endpoint("path: /x", "[ { id: a, upstream: demmo, url: /x } ]"), "4:36", ["demo"]),
    (endpoint("path: /x", "[ { id: a, url: /nothing } ]"), "4:31", []),
    (endpoint("path: /x", "[ { id: a, upstream: demo, url: /x }, { id: a, upstream: demo, url: /y } ]"),
     "4:59", []),
    (request("url: '/x/{w}'"), "5:39", ["w"]),
    (request("url: '/x/{+v}'"), "5:39", []),
    (request("url: '/x/{#v}'"), "5:39", []),
    (request("url: '/x/{v'"), "5:39", []),
    (request("url: x"), "5:39", []),
    (request("url: /a/../b"), "5:39", []),
    (request("url: /x, headers: { Host: x }"), "5:54", ["Host"]),
    (request("url: /x, timeout: soon"), "5:52", []),
    (request("url: /x, dependsOn: [b]"), "5:55", []),
])
def test_faults(tmp_path, text, place, words):
    """Exit code 2 and a line that begins with the place."""
    code, lines, _ = check(tmp_path, text)
    assert code == 2, lines
    found = [line for line in lines if line.startswith(f"gatherd.yaml:{place}: ")]
    assert found, lines
    for word in words:
        assert word in found[0], found


@pytest.mark.parametrize("address", ["nowhere", "127.0.0.1:70000", "unix:", "127.0.0.1:x"])
def test_bad_listen_address(tmp_path, address):
    """An address nobody can listen on is named."""
    code, lines, _ = check(tmp_path, f'listen: ["127.0.0.1:0", "{address}"]\n')
    assert code == 2 and len(lines) == 1 and f'"{address}"' in lines[0], lines
    assert lines[0].startswith("gatherd.yaml:1:"), lines


def test_refuses_to_start(tmp_path):
    """Without --check-config a bad file is exit code 2 too."""
    path = tmp_path / "gatherd.yaml"
    path.write_text("drain: soon\n")
    done = harness.run("--config", path)
    assert done.returncode == 2 and "gatherd.yaml:1:8: " in done.stderr


def test_every_fault_has_its_line(tmp_path):
    """All faults are reported at once, one line each."""
    code, lines, _ = check(tmp_path, "drain: soon\nworkers: 0\nupsteams: {}\nlimits: { depth: x }\n")
    places = [re.match(r"gatherd\.yaml:(\d+):\d+: .+", line) for line in lines]
    assert code == 2 and sorted(int(place.group(1)) for place in places) == [1, 2, 3, 4]


@pytest.mark.parametrize("first, second", [
    ("/a", "/a"), ("/a/{x}", "/a/{y}")])
def test_same_path_twice(tmp_path, first, second):
    """One path and method, one endpoint; names of variables do not count."""
    part = "    requests: [ { id: a, upstream: demo, url: /x } ]\n"
    text = f"{UPSTREAM}endpoints:\n  - path: {first}\n{part}  - path: {second}\n{part}"
    code, lines, _ = check(tmp_path, text)
    assert code == 2 and any(line.startswith("gatherd.yaml:5:") for line in lines), lines


@pytest.mark.parametrize("links", [["/a"], ["/b", "/a"], ["/b", "/c", "/a"]])
def test_cycles_between_endpoints(tmp_path, links):
    """Endpoints that run each other for ever are refused when the file is loaded."""
    names = ["/a", "/b", "/c"][:len(links)]
    text = "endpoints:\n" + "".join(
        f"  - path: {name}\n    requests: [ {{ id: x, url: {link} }} ]\n"
        for name, link in zip(names, links))
    code, lines, _ = check(tmp_path, text)
    assert code == 2 and any(re.match(r"gatherd\.yaml:\d+:\d+: .*circle", line) for line in lines), lines


def test_missing_file(tmp_path):
    """Says which file."""
    done = harness.run("--config", tmp_path / "nothing.yaml", "--check-config")
    assert done.returncode == 2 and "nothing.yaml" in done.stderr


@pytest.mark.parametrize("text", ["", "# only a comment\n", "{}", '{"drain": "1s"}',
                                  "workers: 1\n", "workers: auto\n", "hosts: []\n"])
def test_good_files(tmp_path, text):
    """Exit code 0 and no complaint; JSON is YAML too."""
    code, lines, _ = check(tmp_path, text)
    assert (code, lines) == (0, [])


@pytest.mark.parametrize("name", ["gatherd.yaml", "demo.yaml"])
def test_files_in_conf(name):
    """What the project ships passes its own check."""
    done = harness.run("--config", harness.ROOT / "conf" / name, "--check-config")
    assert (done.returncode, done.stderr) == (0, "")


# conf.d

def test_conf_d(tmp_path, fill):
    """Files beside the main one add to it, in name order; other files are left alone."""
    part = "endpoints: [ { path: %s, merge: raw, requests: [ { id: a, upstream: %s, url: %s } ] } ]\n"
    extra = tmp_path / "conf.d"
    extra.mkdir()
    (extra / "20-more.yaml").write_text(part % ("/two", "demo", "/posts/2"))
    (extra / "10-other.yaml").write_text(
        PLAIN.replace("demo:", "other:").replace("$DEMO", "http://127.0.0.1:1")
        + part % ("/three", "other", "/posts/3"))
    (extra / "notes.txt").write_text("not: [yaml")
    running = harness.Gatherd(tmp_path, fill(PLAIN + part % ("/one", "demo", "/posts/1")))
    assert running.get("/one").json()["id"] == 1 and running.get("/two").json()["id"] == 2
    assert running.get("/three").status == 502
    running.stop()


def test_faults_in_conf_d_name_that_file(tmp_path):
    """The place names the file it is in; a scalar given twice is a fault."""
    (tmp_path / "conf.d").mkdir()
    for text, place in (("\nlimts: {}\n", "2:1"), ("workers: 1\ndrain: 2s\n", "2:1")):
        (tmp_path / "conf.d" / "a.yaml").write_text(text)
        code, lines, _ = check(tmp_path, "drain: 1s\n")
        assert code == 2 and lines[0].startswith(f"conf.d/a.yaml:{place}: "), lines


# Printing.

FULL = """
listen: ["127.0.0.1:0", ":0"]
workers: 3
hosts: [a.example, b.example]
limits: { requests: 7, requestBody: 3KiB, headerTime: 1500ms }
egress: { allow: ["*.example.com", "[::1]:8080", "x:1"] }
propagate: { timeoutHeader: "" }
upstreams:
  one: { url: "http://127.0.0.1:1/base", timeout: 1.5s, batch: off }
  two: { url: "https://x.example", batch: { methods: [GET, POST], paths: ["/a/*", "/b/**"] } }
endpoints:
  - path: "/x/{id}"
    method: POST
    forward: { headers: [authorization], query: [q] }
    headers: { X-All: "yes: #1, '2'", "X-None": "" }
    query: { lang: "en" }
    merge: shallow
    conflict: error
    onTimeout: partial
    timeout: 1m
    requests:
      - { id: a, upstream: one, url: "/y/{id}{?q}", method: PUT, body: {n: 1.50, s: "x\\n", t: true, z: null}, success: [2xx, 404] }
      - { id: b, upstream: two, url: /z, method: POST, body: "{$request.body}", default: {}, timeout: 300ms, forward: {headers: []} }
"""


@pytest.mark.parametrize("source", ["", FULL, "sample", "demo"])
def test_print_config_is_a_configuration(tmp_path, source):
    """What is printed loads again and prints the same."""
    path = tmp_path / "gatherd.yaml"
    known = {"sample": SAMPLE, "demo": harness.ROOT / "conf" / "demo.yaml"}
    path.write_text(known[source].read_text() if source in known else source)
    first = harness.run("--config", path, "--print-config")
    assert first.returncode == 0, first.stderr
    again = tmp_path / "again"
    again.mkdir()
    (again / "gatherd.yaml").write_text(first.stdout)
    second = harness.run("--config", again / "gatherd.yaml", "--print-config")
    assert second.returncode == 0, second.stderr
    assert second.stdout == first.stdout


def test_print_config_shows_defaults_and_values(tmp_path):
    """Every option is there with what is in force."""
    path = tmp_path / "gatherd.yaml"
    path.write_text("drain: 90s\n")
    text = harness.run("--config", path, "--print-config").stdout
    value = plainyaml.load(text)
    assert value["drain"] in ("90s", "1.5m") and value["limits"]["requests"] == 32
    assert value["limits"]["replyBody"] == "8MiB" and value["workers"] == "auto"


def test_print_config_of_a_bad_file(tmp_path):
    """A bad file is not printed."""
    code, lines, out = check(tmp_path, "drain: soon\n", "--print-config")
    assert (code, out) == (2, "") and lines


def printed_schema():
    """The schema."""
    done = harness.run("--print-schema")
    assert done.returncode == 0
    return json.loads(done.stdout)


@pytest.mark.parametrize("path", ["gatherd.yaml", "demo.yaml"])
def test_schema_accepts_the_shipped_files(path):
    """The schema and the files in conf/ agree."""
    value = plainyaml.load((harness.ROOT / "conf" / path).read_text())
    assert schema.faults(value, printed_schema()) == []


def test_schema_accepts_a_full_file():
    """Also one that uses most options."""
    assert schema.faults(plainyaml.load(FULL), printed_schema()) == []


@pytest.mark.parametrize("text", [
    "upsteams: {}", "drain: [1]", "limits: { requests: many }", "limits: { request: 1 }",
    "upstreams: { a: {} }", "endpoints: [ { path: /x } ]",
    "endpoints: [ { path: /x, requests: [ { id: a, url: /x, nothing: 1 } ] } ]", "logLevel: loud",
])
def test_schema_refuses_what_the_daemon_refuses(tmp_path, text):
    """Unknown members, wrong types, missing ones."""
    assert schema.faults(plainyaml.load(text), printed_schema())
    assert check(tmp_path, text)[0] == 2


def test_schema_says_what_it_is():
    """Draft 2020-12, with a sentence for every option."""
    value = printed_schema()
    assert value["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert all(item.get("description") for item in value["properties"].values())


# The command line.

def test_version():
    """Name and number on stdout."""
    done = harness.run("--version")
    assert done.returncode == 0 and re.match(r"gatherd \d+\.\d+\.\d+", done.stdout)


def test_help():
    """Every option is listed on stdout."""
    done = harness.run("--help")
    assert done.returncode == 0
    for option in ("--config", "--check-config", "--print-config", "--print-schema", "--version"):
        assert option in done.stdout


@pytest.mark.parametrize("arguments", [["--nothing"], ["--config"], ["stray"]])
def test_bad_command_line(arguments):
    """A usage error is exit code 2, on stderr."""
    done = harness.run(*arguments)
    assert done.returncode == 2 and done.stderr and not done.stdout


def test_port_in_use(tmp_path):
    """Says which address, exit code 1."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        path = tmp_path / "gatherd.yaml"
        path.write_text(f'listen: "127.0.0.1:{port}"\n')
        done = harness.run("--config", path)
    assert done.returncode == 1
    assert f"127.0.0.1:{port}" in done.stderr and "in use" in done.stderr


# Reload.

def with_endpoint(fill, port, number, more=""):
    """A configuration whose /one answers with that post."""
    return fill(f'listen: "127.0.0.1:{port}"\n' + more + PLAIN +
                "endpoints: [ { path: /one, merge: raw, requests: "
                f"[ {{ id: a, upstream: demo, url: /posts/{number} }} ] }} ]\n")


@pytest.fixture
def running(gatherd, fill):
    """A daemon whose /one answers with post 1."""
    return gatherd(with_endpoint(fill, 0, 1))


def test_reload(running, fill):
    """SIGHUP applies a valid file, also to connections that are already open."""
    with running.connect() as connection:
        connection.request("GET", "/one")
        assert connection.receive().json()["id"] == 1
        running.reload(with_endpoint(fill, 0, 2), "(?i)reload")
        connection.request("GET", "/one")
        assert connection.receive().json()["id"] == 2
    assert running.get("/one").json()["id"] == 2


def test_reload_of_a_broken_file(running, fill):
    """The old configuration stays, and the log says why."""
    running.reload("drain: soon\n", r"gatherd\.yaml:1:8: ")
    assert running.get("/one").json()["id"] == 1
    running.reload(with_endpoint(fill, 0, 3), "(?i)reload")
    harness.wait_until(lambda: running.get("/one").json()["id"] == 3, "the good file")


def test_reload_reports_what_needs_a_restart(running, fill):
    """A change of listen or workers is named, and the rest of the file applied."""
    free = harness.closed_port()
    running.reload(with_endpoint(fill, free, 2, "workers: 7\n"), "(?i)restart")
    line = next(line for line in running.log().splitlines() if "restart" in line.lower())
    assert "listen" in line and "workers" in line
    harness.wait_until(lambda: running.get("/one").json()["id"] == 2, "the rest of the file")
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", free), 2)


def test_reload_leaves_what_is_in_flight(gatherd, fill, upstream):
    """A request finishes with the configuration it began with."""
    running = gatherd(PLAIN + "endpoints: [ { path: /slow, merge: keyed, requests: "
                      "[ { id: a, upstream: demo, url: /delay/600 } ] } ]\n")
    with running.connect() as connection:
        connection.request("GET", "/slow")
        upstream.wait_stats("inFlight", 1)
        running.reload(fill(PLAIN), "(?i)reload")
        harness.wait_until(lambda: running.get("/slow").status == 404, "the new file")
        assert connection.receive().json() == {"a": {"delay": 600}}


def test_many_reloads_under_load(running, fill):
    """Twenty reloads while clients ask: no request fails."""
    end = time.monotonic() + 2
    for number in range(20):
        running.reload(with_endpoint(fill, 0, number % 5 + 1), "(?i)reload")
        assert running.get("/one").status == 200
        assert time.monotonic() < end + harness.PATIENCE


def test_a_check_knows_no_credentials(tmp_path):
    """Where nobody says where they are a check leaves them unseen; a daemon does not start."""
    path = tmp_path / "gatherd.yaml"
    path.write_text('listen: "127.0.0.1:0"\nupstreams: { a: { url: "https://a.example", '
                    'caFile: "${CREDENTIALS_DIRECTORY}/ca" } }\n')
    done = harness.run("--config", path, "--check-config")
    assert done.returncode == 0 and done.stdout.endswith(": ok\n")
    assert "${CREDENTIALS_DIRECTORY}/ca was not looked at" in done.stderr
    assert harness.run("--config", path, "--print-config").returncode == 0
    done = harness.run("--config", path)
    assert done.returncode == 2 and "CREDENTIALS_DIRECTORY is not set: systemd" in done.stderr
    done = harness.run("--config", path, "--check-config", env={"CREDENTIALS_DIRECTORY": str(tmp_path)})
    assert done.returncode == 2 and "cannot be read" in done.stderr
    path.write_text('tracing: { otlp: "https://a.example/v1/traces", '
                    'caFile: "${CREDENTIALS_DIRECTORY}/ca" }\n')
    assert "was not looked at" in harness.run("--config", path, "--check-config").stderr
    done = harness.run("--config", path)
    assert done.returncode == 2 and ":1:57: CREDENTIALS_DIRECTORY is not set" in done.stderr
