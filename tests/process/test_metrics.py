"""/metrics: figures are exact after known traffic."""

import json
import pathlib
import re

import pytest
import yaml

import client
import harness
import scripted as script
from harness import wait_until

ROOT = pathlib.Path(__file__).resolve().parents[2]

CONFIG = """
admin: "127.0.0.1:0"
workers: 2
egress: { allow: ["$HOST"] }
upstreams:
  demo: { url: "$DEMO", timeout: 5s }
  dead: { url: "http://127.0.0.1:$DEAD" }
endpoints:
  - path: /posts/{id}/page
    merge: keyed
    requests:
      - { id: post,     upstream: demo, url: "/posts/{id}" }
      - { id: comments, upstream: demo, url: "/posts/{id}/comments", default: [] }
  - path: /broken
    merge: keyed
    requests:
      - { id: one, upstream: dead, url: "/" }
"""


def table():
    """Names and types of all metrics, as the code has them."""
    text = (ROOT / "daemon" / "core" / "metric.def").read_text()
    return {name: kind.lower() for name, kind in
            re.findall(r'^METRIC\(\w+, "(\w+)", (\w+),', text, re.M)}


def calls(page, upstream, outcome):
    """Calls to an upstream that ended so."""
    return page.get("gatherd_upstream_calls_total", upstream=upstream, outcome=outcome)


def named(endpoint, method="GET"):
    """The labels of an endpoint."""
    single = endpoint not in ("/batch", "(none)", "(other)")
    return {"endpoint": endpoint, "method": method if single else "(any)"}


def requests(page, endpoint, status, method="GET"):
    """Requests of an endpoint with such a status."""
    return page.get("gatherd_requests_total", status=status, **named(endpoint, method))


def replies(page, endpoint):
    """{result: count} of an endpoint, without what is 0."""
    counts = {result: page.value("gatherd_replies_total", result=result, **named(endpoint))
              for result in ("complete", "partial", "failed", "abandoned")}
    return {result: count for result, count in counts.items() if count}


def test_page_has_the_whole_table(gatherd):
    """Every metric of the table is on the page with its type and words, and no other."""
    daemon = gatherd(CONFIG)
    reply = daemon.admin("/metrics")
    assert reply.header("Content-Type") == "text/plain; version=0.0.4; charset=utf-8"
    page = daemon.metrics()
    assert page.types == table()
    assert all(page.helps.values())
    names = {name for name, _ in page.samples}
    for name, kind in page.types.items():
        assert (name + "_count" if kind == "histogram" else name) in names, name


def test_reference_has_the_whole_table():
    """So has the reference."""
    text = (ROOT / "docs" / "reference.md").read_text()
    for name, kind in table().items():
        assert f"| `{name}` | {kind} |" in text


def test_counts_requests_and_calls(gatherd):
    """Each request under its endpoint and status, each call under its upstream and outcome."""
    daemon = gatherd(CONFIG)
    for number in range(1, 6):
        assert daemon.get(f"/posts/{number}/page").status == 200
    assert daemon.get("/broken").status == 502
    assert daemon.get("/nothing").status == 404
    assert daemon.fetch("DELETE", "/batch").status == 405
    assert daemon.batch(b"{").status == 400
    demo = [{"id": "a", "upstream": "demo", "url": "/status/404"},
            {"id": "b", "upstream": "demo", "url": "/status/503"}]
    assert daemon.batch(demo).status in (200, 502)
    page = daemon.metrics()
    assert requests(page, "/posts/{id}/page", "200") == 5
    assert requests(page, "/broken", "502") == 1
    assert requests(page, "(none)", "404") == 1
    assert requests(page, "/batch", "405") == 1
    assert requests(page, "/batch", "400") == 1
    assert page.sum("gatherd_requests_total") == 10
    assert page.sum("gatherd_worker_requests_total") == 10
    assert page.sum("gatherd_worker_connections_accepted_total") == 10
    assert page.sum("gatherd_requests_in_flight") == 0
    assert page.value("gatherd_requests_failed_total", **named("/broken")) == 1
    assert page.sum("gatherd_requests_failed_total") == 1
    assert calls(page, "demo", "200") == 10
    assert calls(page, "demo", "404") == 1
    assert calls(page, "demo", "503") == 1
    assert page.value("gatherd_upstream_calls_failed_total", upstream="demo") == 1
    assert page.value("gatherd_upstream_calls_failed_total", upstream="dead") == 1
    assert calls(page, "dead", "connection_refused") == 1
    assert page.sum("gatherd_upstream_calls_total") == 13
    assert page.value("gatherd_upstream_call_duration_seconds_count", upstream="demo") == 12
    assert page.value("gatherd_request_duration_seconds_count",
                      **named("/posts/{id}/page")) == 5
    opened = page.value("gatherd_upstream_connections_opened_total", upstream="demo")
    reused = page.value("gatherd_upstream_connections_reused_total", upstream="demo")
    assert opened + reused == 12 and opened >= 1


def test_absolute_urls_have_a_name_of_their_own(gatherd, upstream):
    """They are no configured upstream's."""
    daemon = gatherd(CONFIG)
    assert daemon.batch([{"id": "a", "url": upstream.url + "/posts/1"}]).status == 200
    page = daemon.metrics()
    assert calls(page, "(url)", "200") == 1
    assert calls(page, "demo", "200") == 0
    assert daemon.admin("/-/upstreams").json()["upstreams"]["(url)"]["calls"] == {"200": 1}


def test_counts_every_byte(gatherd, scripted):
    """Bytes to and from an upstream, headers included; connections opened and reused."""
    reply = script.reply(b'{"a": 1}')
    server = scripted([script.READ, reply, script.READ, reply, script.READ, reply, script.AWAIT])
    daemon = gatherd(
        f'admin: "127.0.0.1:0"\nworkers: 1\nupstreams: {{ one: {{ url: "{server.url}" }} }}\n')
    one = [{"id": "a", "upstream": "one", "url": "/a"}]
    for _ in range(3):
        assert daemon.batch(one, merge="keyed").status == 200
    page = daemon.metrics()
    sent = sum(len(request) for request in server.requests)
    assert page.value("gatherd_upstream_received_bytes_total", upstream="one") == 3 * len(reply)
    assert page.value("gatherd_upstream_sent_bytes_total", upstream="one") == sent
    assert page.value("gatherd_upstream_connections_opened_total", upstream="one") == 1
    assert page.value("gatherd_upstream_connections_reused_total", upstream="one") == 2
    assert page.value("gatherd_upstream_connections", upstream="one", state="idle") == 1
    assert page.value("gatherd_upstream_connections", upstream="one", state="busy") == 0
    assert page.value("gatherd_upstream_dns_lookups_total", upstream="one") == 0


def test_shows_what_is_in_flight(gatherd, gated):
    """A call that its upstream holds, one that waits for a place, one beyond that."""
    gated.add("slow", held=True)
    daemon = gatherd(f"""
admin: "127.0.0.1:0"
workers: 1
upstreams: {{ held: {{ url: "{gated.url}", timeout: 10s, maxInFlight: 1, maxWaiting: 1 }} }}
endpoints:
  - path: /slow
    timeout: 10s
    merge: keyed
    requests: [ {{ id: one, upstream: held, url: /slow }} ]
""")
    with daemon.connect() as first, daemon.connect() as second:
        first.request("GET", "/slow")
        second.request("GET", "/slow")
        wait_until(lambda: daemon.metrics().value(
            "gatherd_upstream_calls_waiting", upstream="held") == 1, "a call to wait")
        page = daemon.metrics()
        assert page.value("gatherd_upstream_calls_in_flight", upstream="held") == 1
        assert page.value("gatherd_upstream_connections", upstream="held", state="busy") == 1
        assert page.value("gatherd_requests_in_flight", **named("/slow")) == 2
        assert page.value("gatherd_worker_fanouts_in_flight", worker="0") == 2
        assert page.value("gatherd_worker_connections", worker="0") == 2
        assert daemon.get("/slow").status == 503
        gated.release("slow")
        assert first.receive().status == second.receive().status == 200
    page = daemon.metrics()
    assert page.value("gatherd_limit_hits_total", limit="maxInFlight") == 1
    assert calls(page, "held", "connection_limit_reached") == 1
    assert calls(page, "held", "200") == 2
    assert page.sum("gatherd_upstream_calls_in_flight") == 0
    assert page.sum("gatherd_upstream_calls_waiting") == 0
    assert page.sum("gatherd_requests_in_flight") == 0
    assert page.sum("gatherd_worker_fanouts_in_flight") == 0
    summed = page.value("gatherd_request_duration_seconds_sum", **named("/slow"))
    assert 0 < summed < 20


def test_durations_fall_into_their_buckets(gatherd, scripted):
    """A reply after 120 ms is beyond the bucket of 100 ms, and its time is in the sum."""
    server = scripted([script.READ, 0.12, script.reply(b"1")])
    daemon = gatherd(
        f'admin: "127.0.0.1:0"\nworkers: 1\nupstreams: {{ one: {{ url: "{server.url}" }} }}\n')
    assert daemon.batch([{"id": "a", "upstream": "one", "url": "/a"}]).status == 200
    page = daemon.metrics()
    for name, labels in (("gatherd_upstream_call_duration_seconds", {"upstream": "one"}),
                         ("gatherd_request_duration_seconds", named("/batch"))):
        assert page.value(name + "_bucket", le="0.1", **labels) == 0
        assert page.value(name + "_bucket", le="+Inf", **labels) == 1
        assert page.value(name + "_sum", **labels) >= 0.12


def test_a_client_that_leaves_gets_no_status(gatherd, gated):
    """Its request counts as none, its call as cancelled."""
    gated.add("slow", held=True)
    daemon = gatherd(f"""
admin: "127.0.0.1:0"
upstreams: {{ held: {{ url: "{gated.url}" }} }}
endpoints:
  - {{ path: /slow, merge: keyed, requests: [ {{ id: one, upstream: held, url: /slow }} ] }}
""")
    with daemon.connect() as one:
        one.request("GET", "/slow")
        wait_until(lambda: daemon.metrics().value(
            "gatherd_upstream_calls_in_flight", upstream="held") == 1, "the call to be sent")
    wait_until(lambda: requests(daemon.metrics(), "/slow", "none") == 1, "the request to end")
    page = daemon.metrics()
    assert calls(page, "held", "cancelled") == 1
    assert page.sum("gatherd_requests_total") == 1
    upstream = daemon.admin("/-/upstreams").json()["upstreams"]["held"]
    assert upstream["calls"] == {"cancelled": 1} and upstream["lastFailure"] is None


@pytest.mark.parametrize("kind", ["application/x-ndjson", "text/event-stream"])
def test_a_stream_counts_once(gatherd, kind):
    """When it is over."""
    daemon = gatherd(CONFIG)
    assert daemon.get("/posts/1/page", {"Accept": kind}).status == 200
    wait_until(lambda: requests(daemon.metrics(), "/posts/{id}/page", "200") == 1, "its end")
    assert daemon.metrics().sum("gatherd_requests_total") == 1


@pytest.mark.parametrize("limit, method, target, headers, body, status", [
    ("requestBody", "POST", "/batch", {}, b" " * 2000, 413),
    ("requestHeader", "GET", "/" + "x" * 3000, {}, None, 414),
    ("requestHeader", "GET", "/", {"X-Long": "x" * 3000}, None, 431),
])
def test_counts_limits_of_requests(gatherd, limit, method, target, headers, body, status):
    """Each under its name, once."""
    daemon = gatherd('admin: "127.0.0.1:0"\nlimits: { requestBody: 1KiB, requestHeader: 2KiB }\n')
    assert daemon.fetch(method, target, headers, body).status == status
    page = daemon.metrics()
    assert page.value("gatherd_limit_hits_total", limit=limit) == 1
    assert page.sum("gatherd_limit_hits_total") == 1
    assert requests(page, "(none)", str(status)) == 1


def test_counts_limits_of_batches_and_replies(gatherd, scripted):
    """Too many requests; a reply that is too large; too many calls."""
    server = scripted([script.READ, script.reply(b'"%s"' % (b"x" * 3000))])
    daemon = gatherd(f"""
admin: "127.0.0.1:0"
limits: {{ requests: 2, replyBody: 1KiB, inFlight: 1 }}
upstreams: {{ one: {{ url: "{server.url}" }} }}
""")
    one = {"id": "a", "upstream": "one", "url": "/a"}
    assert daemon.batch([one, dict(one, id="b"), dict(one, id="c")]).status == 400
    daemon.batch([one])
    daemon.batch([one, dict(one, id="b", url="/b")])
    page = daemon.metrics()
    assert page.value("gatherd_limit_hits_total", limit="requests") == 1
    assert page.value("gatherd_limit_hits_total", limit="replyBody") == 2
    assert page.value("gatherd_limit_hits_total", limit="inFlight") == 1


def test_a_slow_header_is_counted(gatherd):
    """headerTime ends the connection; the request had begun."""
    daemon = gatherd('admin: "127.0.0.1:0"\nlimits: { headerTime: 200ms }\n')
    with daemon.connect() as one:
        one.send(b"GET / HTTP/1.1\r\nHost: a\r\n")
        assert one.receive().status == 408
    wait_until(lambda: requests(daemon.metrics(), "(none)", "408") == 1, "the request to end")
    page = daemon.metrics()
    assert page.value("gatherd_limit_hits_total", limit="headerTime") == 1
    assert page.sum("gatherd_requests_total") == 1


@pytest.mark.parametrize("sent", [b"", b"GET /x HT"])
def test_a_first_line_that_does_not_come(gatherd, sent):
    """headerTime ends the connection without a word, and is counted."""
    daemon = gatherd('admin: "127.0.0.1:0"\nlimits: { headerTime: 200ms }\n')
    with daemon.connect() as connection:
        if sent:
            connection.send(sent)
        assert connection.closed()
    assert daemon.metrics().value("gatherd_limit_hits_total", limit="headerTime") == 1


def test_a_slow_body_is_counted(gatherd):
    """bodyTime likewise; it is known already whose request it is."""
    daemon = gatherd('admin: "127.0.0.1:0"\nlimits: { bodyTime: 200ms }\n')
    with daemon.connect() as one:
        one.send(b"POST /batch HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n{")
        assert one.receive().status == 408
    wait_until(lambda: requests(daemon.metrics(), "/batch", "408") == 1, "the request to end")
    assert daemon.metrics().value("gatherd_limit_hits_total", limit="bodyTime") == 1


def test_too_many_connections_are_counted(gatherd):
    """Those beyond the limit wait to be accepted."""
    daemon = gatherd('admin: "127.0.0.1:0"\nlimits: { connections: 2 }\n')
    held = [daemon.connect() for _ in range(4)]
    wait_until(lambda: daemon.metrics().value(
        "gatherd_limit_hits_total", limit="connections") > 0, "the limit to be met")
    assert daemon.metrics().sum("gatherd_worker_connections") == 2
    for one in held:
        one.sock.close()
    wait_until(lambda: daemon.metrics().sum("gatherd_worker_connections") == 0, "their end")


def test_a_slow_reader_is_counted(gatherd, scripted):
    """Of a reply (sendTime), and of a stream (clientBuffer)."""
    large = b'"%s"' % (b"x" * 6_000_000)
    server = scripted([script.READ, script.reply(large)])
    late = scripted([script.READ, 0.5, script.reply(b"1")])
    daemon = gatherd(f"""
admin: "127.0.0.1:0"
limits: {{ sendTime: 200ms, clientBuffer: 1KiB }}
compression: {{ gzip: false }}
upstreams:
  one: {{ url: "{server.url}", timeout: 10s }}
  late: {{ url: "{late.url}", timeout: 10s }}
endpoints:
  - {{ path: /large, merge: keyed, requests: [ {{ id: a, upstream: one, url: / }},
       {{ id: b, upstream: late, url: / }} ] }}
""")
    with daemon.connect() as one:
        one.request("GET", "/large")
        wait_until(lambda: daemon.metrics().value(
            "gatherd_limit_hits_total", limit="sendTime") == 1, "the client to be cut off")
    with daemon.connect() as one:
        one.request("GET", "/large", {"Accept": "application/x-ndjson"})
        wait_until(lambda: daemon.metrics().value(
            "gatherd_limit_hits_total", limit="clientBuffer") == 1, "the stream to pause")


def test_names_are_looked_up_once(gatherd, upstream):
    """The second call finds the name in the cache."""
    port = upstream.address[1]
    daemon = gatherd(f"""
admin: "127.0.0.1:0"
upstreams: {{ local: {{ url: "http://localhost:{port}" }} }}
""")
    for _ in range(3):
        assert daemon.batch([{"id": "a", "upstream": "local", "url": "/posts/1"}]).status == 200
    page = daemon.metrics()
    assert page.value("gatherd_upstream_dns_lookups_total", upstream="local") == 1
    assert page.value("gatherd_upstream_dns_cache_hits_total", upstream="local") == 2


def test_figures_survive_a_reload(gatherd, fill):
    """Also those of names that are gone; new ones begin at zero."""
    daemon = gatherd(CONFIG)
    assert daemon.get("/posts/1/page").status == 200
    before = daemon.metrics()
    assert before.value("gatherd_config_generation") == 1
    config = fill(CONFIG).replace("/posts/{id}/page", "/articles/{id}").replace("demo", "renamed")
    config = config.replace('listen: "127.0.0.1:0"', f'listen: "127.0.0.1:{daemon.port}"')
    daemon.reload(config, "configuration reloaded")
    assert daemon.get("/articles/2").status == 200
    page = daemon.metrics()
    assert requests(page, "/posts/{id}/page", "200") == 1
    assert requests(page, "/articles/{id}", "200") == 1
    assert calls(page, "demo", "200") == 2
    assert calls(page, "renamed", "200") == 2
    assert set(daemon.admin("/-/upstreams").json()["upstreams"]) == {"(url)", "renamed", "dead"}
    assert page.value("gatherd_config_generation") == 2
    assert page.value("gatherd_config_last_reload_successful") == 1
    daemon.reload("upstreams: 5\n", "stays as it was")
    page = daemon.metrics()
    assert page.value("gatherd_config_generation") == 2
    assert page.value("gatherd_config_last_reload_successful") == 0
    daemon.reload(config.replace("renamed", "third").replace("listen:", "listen: x #"),
                  "stays as it was")
    page = daemon.metrics()
    assert calls(page, "third", "200") == 0
    assert calls(page, "renamed", "200") == 2


def test_names_are_bounded(gatherd, fill):
    """What finds no place any more is counted as (other), and keeps working."""
    def config(first):
        lines = ['admin: "127.0.0.1:0"', "workers: 1", "upstreams:"]
        lines += ['  u%d: { url: "$DEMO" }' % (first + i) for i in range(600)]
        return fill("\n".join(lines) + "\n")
    daemon = gatherd(config(0))
    daemon.reload(config(600), "configuration reloaded")
    for number in (600, 1199):
        one = [{"id": "a", "upstream": f"u{number}", "url": "/posts/1"}]
        assert daemon.batch(one).status == 200
    page = daemon.metrics()
    assert calls(page, "u600", "200") == 1
    assert calls(page, "(other)", "200") == 1
    assert page.sum("gatherd_upstream_calls_total") == 2
    shown = {dict(labels)["upstream"] for name, labels in page.samples
             if name == "gatherd_upstream_calls_in_flight"}
    assert len(shown) == 1024


def test_wide_fanouts_are_counted_once(gatherd):
    """Calls that ran on a sibling's thread count like others."""
    daemon = gatherd("limits: { requests: 200 }\n" + CONFIG)
    wide = [{"id": f"r{i}", "upstream": "demo", "url": f"/posts/{i % 90 + 1}?n={i}"}
            for i in range(150)]
    assert daemon.batch(wide).status == 200
    page = daemon.metrics()
    assert calls(page, "demo", "200") == 150
    assert page.sum("gatherd_upstream_calls_in_flight") == 0


def test_says_how_busy_workers_are(gatherd):
    """Busy time grows with work and stays below the time that passes."""
    daemon = gatherd(CONFIG)
    before = daemon.metrics()
    for number in range(50):
        assert daemon.get(f"/posts/{number % 90 + 1}/page").status == 200
    after = daemon.metrics()
    for name in ("gatherd_worker_busy_seconds_total", "gatherd_worker_mhd_turns_total",
                 "process_cpu_seconds_total"):
        assert after.sum(name) > before.sum(name)
    assert after.value("process_resident_memory_bytes") > 1 << 20
    assert 5 < after.value("process_open_fds") < after.value("process_max_fds")
    info = [dict(labels) for name, labels in after.samples if name == "gatherd_build_info"]
    version = harness.run("--version").stdout.split()
    assert [one["version"] for one in info] == [version[1]]


# What people look at.


def queries():
    """All expressions of the dashboard and of the alert rules."""
    dashboard = json.loads((ROOT / "conf" / "grafana-dashboard.json").read_text())
    rules = yaml.safe_load((ROOT / "conf" / "alerts.yaml").read_text())
    found = [target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", [])]
    found += [rule["expr"] for group in rules["groups"] for rule in group["rules"]]
    found += [variable["query"]["query"] for variable in dashboard["templating"]["list"]
              if variable["type"] == "query"]
    return found


def test_queries_name_what_there_is(gatherd):
    """Every metric and every label of a query exists."""
    page = gatherd(CONFIG).metrics()
    names = {name for name, _ in page.samples} | {"up"}  # that one is Prometheus' own
    labels = {"up": set()}
    for name, have in page.samples:
        labels.setdefault(name, set()).update(label for label, _ in have)
    seen = set()
    for query in queries():
        used = re.findall(r"\b((?:gatherd|process)_\w+|up)(?:\{([^}]*)\})?", query)
        assert used, query
        for name, matchers in used:
            assert name in names, f"{name} in {query}"
            seen.add(name)
            for label in re.findall(r"(\w+)\s*[=!]~?", matchers):
                assert label in labels[name] | {"instance", "job"}, f"{label} in {query}"
    assert len(seen) >= 20


def test_the_dashboard_shows_what_is_bad():
    """A single figure has a colour that follows it, or none at all."""
    dashboard = json.loads((ROOT / "conf" / "grafana-dashboard.json").read_text())
    ids = [panel["id"] for panel in dashboard["panels"]]
    assert len(ids) == len(set(ids))
    assert not any("allValue" in variable for variable in dashboard["templating"]["list"])
    colours = {}
    for panel in dashboard["panels"]:
        if panel["type"] != "stat":
            continue
        defaults = panel["fieldConfig"]["defaults"]
        steps = defaults.get("thresholds", {}).get("steps", [])
        if not steps:
            assert defaults["color"]["mode"] == "fixed", panel["title"]
            assert panel["options"]["colorMode"] == "none"
            continue
        assert panel["options"]["colorMode"] == "background"
        for mapping in defaults.get("mappings", []):
            for value, shown in mapping["options"].items():
                step = [one for one in steps if one["value"] is None or one["value"] <= int(value)]
                assert shown["text"] and shown["color"] == step[-1]["color"], panel["title"]
        colours[panel["title"]] = [(one["value"], one["color"]) for one in steps]
    assert colours["Ready"] == colours["Last reload"] == [(None, "red"), (1, "green")]
    assert colours["Busiest worker"] == [(None, "green"), (0.7, "orange"), (0.9, "red")]


def test_panels_lie_beside_each_other():
    """None covers another."""
    dashboard = json.loads((ROOT / "conf" / "grafana-dashboard.json").read_text())
    taken = {}
    for panel in dashboard["panels"]:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        for cell in ((place["x"] + i, place["y"] + j)
                     for i in range(place["w"]) for j in range(place["h"])):
            assert taken.setdefault(cell, panel["id"]) == panel["id"], panel["title"]


def test_scraping_does_not_stop_at_a_slow_reader(gatherd):
    """Who asks and does not read holds up nobody."""
    daemon = gatherd(CONFIG)
    with client.Connection(daemon.addresses("admin pages on")[0]) as slow:
        for _ in range(200):
            slow.request("GET", "/metrics")
        assert daemon.metrics().value("gatherd_ready") == 1
        assert daemon.get("/posts/1/page").status == 200
