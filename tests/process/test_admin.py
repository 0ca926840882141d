"""The admin pages: what they say, to whom, and that they are somewhere else than the rest."""

import json
import re
import signal
import socket

import pytest

import client
import harness
import scripted as script
from harness import wait_until

CONFIG = """
admin: "127.0.0.1:0"
workers: 2
upstreams:
  demo: { url: "$DEMO" }
endpoints:
  - { path: /one, merge: keyed, requests: [ { id: one, upstream: demo, url: /posts/1 } ] }
"""

PAGES = ["/", "/-/healthy", "/-/ready", "/-/upstreams", "/-/config", "/metrics"]


def test_has_its_pages(gatherd):
    """Each with a type, and none to be kept; the index leads to all of them."""
    daemon = gatherd(CONFIG)
    types = {path: daemon.admin(path) for path in PAGES}
    for path, reply in types.items():
        assert reply.status == 200, path
        assert reply.header("Cache-Control") == "no-store"
        assert reply.header("Content-Length") == str(len(reply.body))
    index = types["/"].body.decode()
    assert sorted(re.findall(r'href="([^"]+)"', index)) == sorted(PAGES[1:])
    assert types["/"].header("Content-Type").startswith("text/html")
    assert types["/-/healthy"].body == b"healthy\n"
    assert types["/-/ready"].body == b"ready\n"
    assert types["/-/config"].header("Content-Type") == "application/yaml"
    demo = types["/-/upstreams"].json()["upstreams"]["demo"]
    assert demo["calls"] == {} and demo["inFlight"] == demo["waiting"] == 0
    assert demo["connections"] == {"open": 0, "idle": 0}


def test_head_and_queries(gatherd):
    """HEAD is answered without a body; a query changes nothing; a connection is kept."""
    daemon = gatherd(CONFIG)
    address = daemon.addresses("admin pages on")[0]
    with client.Connection(address) as one:
        one.request("HEAD", "/-/healthy")
        assert one.receive("HEAD").status == 200
        one.request("GET", "/-/healthy?verbose=1")
        assert one.receive().body == b"healthy\n"
        one.request("GET", "/metrics")
        assert b"gatherd_ready 1\n" in one.receive().body


def test_explains_any_request(gatherd, upstream):
    """The plan of whatever is asked with ?explain, though no client may see it; nothing is called."""
    daemon = gatherd(CONFIG)
    address = daemon.addresses("admin pages on")[0]
    plan = client.fetch(address, "GET", "/one?explain").json()["explain"]
    assert plan["requests"][0]["url"] == upstream.url + "/posts/1"
    document = {"requests": [{"id": "a", "upstream": "demo", "url": "/users/2"}]}
    plan = client.fetch(address, "POST", "/batch?explain=true", {},
                        json.dumps(document).encode()).json()["explain"]
    assert plan["requests"][0]["url"] == upstream.url + "/users/2"
    assert client.fetch(address, "POST", "/batch?explain", {}, b"{").status == 400
    assert client.fetch(address, "GET", "/none?explain").status == 404
    assert client.fetch(address, "POST", "/batch", {}, b"{}").status == 405
    assert upstream.stats()["requests"] == 0
    with client.Connection(address) as one:  # more than it reads
        one.request("POST", "/batch?explain", {}, b" " * (64 * 1024 + 1))
        assert one.rest()[:12] in (b"", b"HTTP/1.1 413")


def test_explains_what_is_not_there(gatherd):
    """Endpoints and wrong methods are refused with what there is."""
    daemon = gatherd(CONFIG)
    for path in ("/one", "/batch", "/-/", "/-/ready/", "/metrics/x", "/-/%72eady"):
        reply = daemon.admin(path)
        assert reply.status == 404
        assert reply.header("Content-Type") == "application/problem+json"
        assert "/-/upstreams" in reply.json()["detail"]
    for method, body in (("POST", b"{}"), ("DELETE", None), ("POST", b"x" * 20000)):
        reply = daemon.admin("/metrics", method, body=body)
        assert reply.status == 405 and reply.header("Allow") == "GET, HEAD"
        assert method in reply.json()["detail"]
    assert daemon.admin("/-/ready", headers={"Expect": "100-continue"}).status in (200, 417)


def test_is_not_behind_the_main_listener(gatherd):
    """Nothing of it is served where clients are."""
    daemon = gatherd(CONFIG)
    for path in PAGES:
        assert daemon.get(path).status == 404
    assert daemon.get("/one").status == 200


def test_web_pages_cannot_read_it(gatherd):
    """What a page of another site caused is refused, and nothing allows an origin."""
    daemon = gatherd(CONFIG)
    for headers in ({"Origin": "http://evil.example"}, {"Sec-Fetch-Site": "cross-site"}):
        reply = daemon.admin("/-/config", headers=headers)
        assert reply.status == 403
        assert reply.header("Access-Control-Allow-Origin") is None
    assert daemon.admin("/-/config", headers={"Sec-Fetch-Site": "none"}).status == 200


def test_answers_to_its_own_names(gatherd):
    """A name that leads here by somebody else's DNS is none, until it is listed."""
    daemon = gatherd(CONFIG)
    for host, status in (("evil.example:8081", 421), ("127.0.0.1:1", 200), ("localhost", 200),
                         ("gatherd", 200), ("[::1]:8081", 200)):
        for page in ("/-/config", "/batch?explain"):
            reply = daemon.admin(page, headers={"Host": host})
            assert (reply.status == 421) == (status == 421), (host, page)
    daemon.reload(daemon.config.read_text() + 'adminHosts: ["admin.example"]\n', "configuration reloaded")
    assert daemon.admin("/-/ready", headers={"Host": "admin.example:8081"}).status == 200
    assert daemon.admin("/-/ready", headers={"Host": "evil.example"}).status == 421
    daemon.reload(daemon.config.read_text().replace("admin.example", "*"), "configuration reloaded")
    assert daemon.admin("/-/ready", headers={"Host": "evil.example"}).status == 200


def test_config_is_what_is_in_force(gatherd):
    """As --print-config has it, without secrets; after a reload the new one."""
    text = CONFIG.replace("upstreams:", 'upstreams:\n  far: { url: "http://far.example", '
                          'proxy: "http://me:secret@127.0.0.1:3128" }')
    daemon = gatherd(text)
    page = daemon.admin("/-/config").body.decode()
    assert page == harness.run("--config", daemon.config, "--print-config").stdout
    assert "secret" not in page and "***" in page
    daemon.reload(daemon.config.read_text() + "drain: 3s\n", "configuration reloaded")
    assert "drain: 3s" in daemon.admin("/-/config").body.decode()
    daemon.reload("drain: x\n", "stays as it was")
    assert "drain: 3s" in daemon.admin("/-/config").body.decode()


SECRETS = CONFIG + """
  - path: /body/{page}
    requests:
      - id: more
        method: POST
        upstream: demo
        url: "/x?api_key=hush-1&page={page}"
        headers: { Authorization: "Bearer hush-2", Accept: text/plain }
        body: { password: hush-3, of: [ { secret: { deep: hush-4 } }, 1.50 ] }
        default: { session: hush-5, name: n }
  - path: /text
    headers: { X-Api-Key: hush-6 }
    query: { signature: hush-7, lang: en }
    requests:
      - { id: form, method: POST, upstream: demo, url: /f, headers: { Content-Type: text/plain }, body: "a=b&passwd=hush-8" }
      - { id: text, method: POST, upstream: demo, url: /f, headers: { Content-Type: text/plain }, body: '{"cookie": "hush-9", "b": 1.0}' }
tracing: { otlp: "http://127.0.0.1:1/v1/traces?access_token=hush-10" }
"""


def test_config_masks_what_goes_by_a_secrets_name(gatherd):
    """In URLs, fields, query members, bodies and defaults; the rest stays as it is written."""
    daemon = gatherd(SECRETS)
    page = daemon.admin("/-/config").body.decode()
    assert "hush" not in page
    for shown in ('url: "/x?api_key=***&page={page}"', '{"Authorization": "***", "Accept": "text/plain"}',
                  '{"password": "***", "of": [{"secret": "***"}, 1.50]}',
                  '{"session": "***", "name": "n"}', '{"X-Api-Key": "***"}',
                  '{"signature": "***", "lang": "en"}', '"a=b&passwd=***"',
                  '"{\\"cookie\\": \\"***\\", \\"b\\": 1.0}"', '?access_token=***"'):
        assert shown in page, f"{shown}\n{page}"


def test_is_off_unless_set(gatherd):
    """Two daemons with the defaults do not meet."""
    daemon = gatherd(CONFIG.replace('admin: "127.0.0.1:0"', ""))
    assert not daemon.addresses("admin pages on")
    assert len(daemon.listening()) == 1


def test_serves_on_a_unix_socket(gatherd, tmp_path):
    """And on several addresses."""
    path = tmp_path / "admin.sock"
    daemon = gatherd(CONFIG.replace('"127.0.0.1:0"', f'["unix:{path}", "127.0.0.1:0"]'))
    found = daemon.addresses("admin pages on")
    assert found[0] == str(path) and len(found) == 2
    for address in found:
        assert client.fetch(address, "GET", "/-/ready").status == 200
    daemon.stop()
    assert not path.exists()


@pytest.mark.parametrize("admin, words", [
    ('"nowhere"', "is not an address"),
    ('systemd', "systemd:NAME"),
    ('["127.0.0.1:81", "127.0.0.1:81"]', "listed twice"),
    ('"127.0.0.1:80"', "listen"),
])
def test_refuses_addresses(tmp_path, admin, words):
    """With the place of what is wrong."""
    config = tmp_path / "gatherd.yaml"
    config.write_text(f'listen: "127.0.0.1:80"\nadmin: {admin}\n')
    done = harness.run("--config", config, "--check-config")
    assert done.returncode == 2 and f"{config}:2:" in done.stderr and words in done.stderr


def test_needs_a_restart(gatherd):
    """Another address is named at a reload, and the old one goes on."""
    daemon = gatherd(CONFIG)
    daemon.reload(daemon.config.read_text().replace('admin: "127.0.0.1:0"', ""),
                  "a restart is needed for changes to: admin")
    assert daemon.admin("/-/ready").status == 200


def test_an_address_in_use_ends_the_start(gatherd, tmp_path):
    """It is named."""
    daemon = gatherd(CONFIG)
    port = daemon.addresses("admin pages on")[0][1]
    config = tmp_path / "second.yaml"
    config.write_text(f'listen: "127.0.0.1:0"\nadmin: "127.0.0.1:{port}"\n')
    done = harness.run("--config", config)
    assert done.returncode == 1 and f"127.0.0.1:{port} is in use" in done.stderr


def test_is_not_ready_while_it_drains(gatherd, gated):
    """It lives, but wants no more requests."""
    gated.add("slow", held=True)
    daemon = gatherd(f"""
admin: "127.0.0.1:0"
upstreams: {{ held: {{ url: "{gated.url}", timeout: 10s }} }}
endpoints:
  - path: /slow
    timeout: 10s
    merge: keyed
    requests: [ {{ id: one, upstream: held, url: /slow }} ]
""")
    with daemon.connect() as one:
        one.request("GET", "/slow")
        wait_until(lambda: daemon.metrics().value(
            "gatherd_upstream_calls_in_flight", upstream="held") == 1, "the call to be sent")
        daemon.signal(signal.SIGTERM)
        reply = wait_until(lambda: not_ready(daemon), "it to drain")
        assert reply.body == b"draining\n"
        assert daemon.admin("/-/healthy").status == 200
        assert daemon.metrics().value("gatherd_ready") == 0
        gated.release("slow")
        assert one.receive().status == 200
    daemon.stop()


def not_ready(daemon):
    """The reply of /-/ready if it is 503."""
    reply = daemon.admin("/-/ready")
    return reply if reply.status == 503 else None


def test_a_required_upstream_makes_it_unready(gatherd):
    """While nobody can connect, and no longer than somebody tries."""
    dead = harness.closed_port()
    daemon = gatherd(f"""
admin: "127.0.0.1:0"
unreadyAfter: 300ms
upstreams:
  needed: {{ url: "http://127.0.0.1:{dead}", required: true }}
  other:  {{ url: "http://127.0.0.1:{dead}" }}
""")
    def call(name):
        assert daemon.batch([{"id": "a", "upstream": name, "url": "/"}], merge="keyed").status == 502
        return not_ready(daemon)
    for _ in range(3):
        assert not call("other")
    assert not call("needed")
    reply = wait_until(lambda: call("needed"), "it to be unready")
    assert reply.body == b"upstream needed cannot be reached\n"
    page = daemon.metrics()
    assert page.value("gatherd_ready") == 0
    assert page.value("gatherd_upstream_unreachable", upstream="needed") == 1
    needed = daemon.admin("/-/upstreams").json()["upstreams"]["needed"]
    assert needed["required"] and needed["unreachable"]
    assert needed["lastFailure"]["code"] == "connection_refused"
    assert 0 <= needed["lastFailure"]["secondsAgo"] < 15
    assert list(needed["calls"]) == ["connection_refused"]
    wait_until(lambda: daemon.admin("/-/ready").status == 200, "it to forget")
    page = daemon.metrics()
    assert page.value("gatherd_ready") == 1
    assert page.value("gatherd_upstream_unreachable", upstream="needed") == 1
    assert daemon.admin("/-/upstreams").json()["upstreams"]["needed"]["unreachable"]


def test_an_upstream_that_is_gone_is_not_unreachable(gatherd, fill):
    """Nor are absolute URLs, which are no upstream: nobody could mend it."""
    dead = harness.closed_port()
    config = fill(f"""
listen: "127.0.0.1:0"
admin: "127.0.0.1:0"
egress: {{ allow: ["127.0.0.1:{dead}"] }}
unreadyAfter: 100ms
upstreams:
  gone: {{ url: "http://127.0.0.1:{dead}" }}
""")
    daemon = gatherd(config)
    def gone():
        daemon.batch([{"id": "a", "upstream": "gone", "url": "/"},
                      {"id": "b", "url": f"http://127.0.0.1:{dead}/"}])
        return daemon.metrics().value("gatherd_upstream_unreachable", upstream="gone") == 1
    wait_until(gone, "it to be unreachable")
    upstreams = daemon.admin("/-/upstreams").json()["upstreams"]
    assert upstreams["gone"]["unreachable"] and not upstreams["(url)"]["unreachable"]
    daemon.reload(config.replace("gone:", "other:"), "configuration reloaded")
    shown = {dict(labels)["upstream"]: value for (name, labels), value
             in daemon.metrics().samples.items() if name == "gatherd_upstream_unreachable"}
    assert shown == {"other": 0}


DEADLINES = """
admin: "127.0.0.1:0"
unreadyAfter: 300ms
upstreams: {{ needed: {{ url: "{url}", timeout: 5s, connectTimeout: 5s, required: true }} }}
endpoints:
  - path: /late
    timeout: 100ms
    merge: keyed
    requests: [ {{ id: one, upstream: needed, url: / }} ]
  - path: /outer
    timeout: 100ms
    merge: keyed
    requests: [ {{ id: inner, url: /late }} ]
"""


@pytest.mark.parametrize("path", ["/late", "/outer"])
def test_the_deadline_of_a_batch_is_no_cancellation(gatherd, scripted, path):
    """An upstream that hangs is one that failed, although its batch ended before its own time."""
    daemon = gatherd(DEADLINES.format(url=scripted([script.READ, script.AWAIT]).url))
    assert daemon.get(path).status == 504
    wait_until(lambda: daemon.metrics().value("gatherd_upstream_calls_in_flight", upstream="needed") == 0,
               "the call to end")
    needed = daemon.admin("/-/upstreams").json()["upstreams"]["needed"]
    assert needed["calls"] == {"http_response_timeout": 1}
    assert needed["lastFailure"]["code"] == "http_response_timeout"
    assert daemon.admin("/-/ready").status == 200


def test_nobody_can_connect_within_the_batches_time(gatherd):
    """Whose connections are neither taken nor refused is missed as well."""
    full = socket.socket()
    full.bind(("127.0.0.1", 0))
    full.listen(0)
    waiting = []
    try:
        for _ in range(4):  # what finds no place in its queue gets no answer at all
            waiting.append(socket.socket())
            waiting[-1].setblocking(False)
            waiting[-1].connect_ex(full.getsockname())
        daemon = gatherd(DEADLINES.format(url="http://127.0.0.1:%d" % full.getsockname()[1]))
        def call():
            assert daemon.get("/late").status == 504
            return not_ready(daemon)
        assert wait_until(call, "it to be unready").body == b"upstream needed cannot be reached\n"
        needed = daemon.admin("/-/upstreams").json()["upstreams"]["needed"]
        assert list(needed["calls"]) == ["connection_timeout"]
    finally:
        for one in [*waiting, full]:
            one.close()


def test_any_contact_makes_it_ready(gatherd):
    """A failure that is no failure to connect says that the upstream is there."""
    port = harness.closed_port()
    daemon = gatherd(f"""
admin: "127.0.0.1:0"
unreadyAfter: 200ms
upstreams: {{ needed: {{ url: "http://127.0.0.1:{port}", required: true }} }}
""")
    def call():
        daemon.batch([{"id": "a", "upstream": "needed", "url": "/"}], merge="keyed")
        return not_ready(daemon)
    wait_until(call, "it to be unready")
    silent = socket.create_server(("127.0.0.1", port))
    try:
        def answered():
            daemon.fetch("POST", "/batch?timeout=300ms", {"Content-Type": "application/json"},
                         b'{"requests": [{"id": "a", "upstream": "needed", "url": "/", '
                         b'"timeout": "50ms"}], "merge": "keyed"}')
            return daemon.admin("/-/ready").status == 200
        wait_until(answered, "it to be ready")
        codes = daemon.admin("/-/upstreams").json()["upstreams"]["needed"]["calls"]
        assert "http_response_timeout" in codes
    finally:
        silent.close()


def test_silent_clients_hold_up_nobody(gatherd):
    """Half a request on many connections; what is beyond a bound is closed."""
    daemon = gatherd(CONFIG)
    address = daemon.addresses("admin pages on")[0]
    held = [client.Connection(address) for _ in range(40)]
    try:
        for one in held:
            one.send(b"GET /-/ready HTTP/1.1\r\nHo")
        assert daemon.admin("/-/ready").status == 200
        assert daemon.get("/one").status == 200
        held += [client.Connection(address) for _ in range(40)]
        for one in held[:16]:
            assert one.closed()
        for _ in range(64):
            assert daemon.admin("/-/ready").status == 200
        assert daemon.get("/one").status == 200
    finally:
        for one in held:
            one.sock.close()


def test_slow_clients_make_room(gatherd):
    """Who sends a byte now and then has been waiting for longest, and leaves first."""
    daemon = gatherd(CONFIG)
    address = daemon.addresses("admin pages on")[0]
    slow = [client.Connection(address) for _ in range(64)]
    try:
        for letter in (b"G", b"E", b"T"):
            for one in slow:
                try:
                    one.send(letter)
                except OSError:
                    pass  # it was shown out
            assert daemon.admin("/-/healthy").status == 200
    finally:
        for one in slow:
            one.sock.close()


@pytest.mark.parametrize("request_bytes", [
    b"GET /-/ready HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    b"GET /-/ready HTTP/1.1\r\n\r\n",
    b"nonsense\r\n\r\n",
    b"GET /" + b"x" * 30000 + b" HTTP/1.1\r\nHost: a\r\n\r\n",
])
def test_refuses_what_is_malformed(gatherd, request_bytes):
    """And goes on."""
    daemon = gatherd(CONFIG)
    address = daemon.addresses("admin pages on")[0]
    with client.Connection(address) as one:
        one.send(request_bytes)
        while one.more():
            if b"\r\n\r\n" in one.buffer:
                break
        assert not one.buffer.startswith(b"HTTP/1.1 200")
    assert daemon.admin("/-/ready").status == 200


def test_a_worker_that_does_not_come_back_is_seen(gatherd, scripted):
    """While it compresses a large reply the admin pages answer and show it."""
    large = b'"%s"' % (b"0123456789abcdef" * 300 + bytes(range(97, 123)) * 5) * 1
    body = b"[" + b",".join(b'"%d %s"' % (number * 7919, large[1:700]) for number in range(40000))
    body += b"]"
    server = scripted([script.READ, script.reply(body)])
    daemon = gatherd(f"""
admin: "127.0.0.1:0"
workers: 1
limits: {{ replyBody: 64MiB, merged: 64MiB }}
compression: {{ level: 9, max: 64MiB }}
upstreams: {{ big: {{ url: "{server.url}", timeout: 20s }} }}
endpoints:
  - path: /big
    timeout: 20s
    merge: keyed
    requests: [ {{ id: one, upstream: big, url: /big }} ]
""")
    with daemon.connect() as one:
        one.request("GET", "/big", {"Accept-Encoding": "gzip"})
        wait_until(lambda: daemon.metrics().value(
            "gatherd_worker_turn_seconds", worker="0") > 0.03, "the worker to be busy for long")
        assert one.receive().status == 200
    wait_until(lambda: daemon.metrics().value(
        "gatherd_worker_turn_seconds", worker="0") == 0, "the worker to wait again")
