#!/usr/bin/env python3
"""The metrics, the alert rules and the dashboard before a real Prometheus.

Usage: check.py DIRECTORY. promtool and prometheus are taken from the PATH; if they are not
there, Debian's package is fetched and unpacked in DIRECTORY, which installs nothing and
starts no service.
"""

import json
import pathlib
import shutil
import subprocess
import sys
import tempfile
import urllib.parse
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "process"))

import harness  # noqa: E402

CONFIG = """
listen: "127.0.0.1:0"
admin: "127.0.0.1:0"
workers: 2
upstreams:
  demo: {{ url: "{demo}" }}
  dead: {{ url: "http://127.0.0.1:{dead}" }}
endpoints:
  - path: /posts/{{id}}/page
    merge: keyed
    requests:
      - {{ id: post,     upstream: demo, url: "/posts/{{id}}" }}
      - {{ id: comments, upstream: demo, url: "/posts/{{id}}/comments" }}
  - path: /dead
    merge: keyed
    requests: [ {{ id: one, upstream: dead, url: / }} ]
"""
SCRAPES = """
global: {{ scrape_interval: 1s, evaluation_interval: 1s }}
rule_files: [ "{rules}" ]
scrape_configs:
  - job_name: gatherd
    static_configs: [ {{ targets: [ "{target}" ] }} ]
"""


def tool(name, directory):
    """The path of one of Prometheus' programs."""
    if shutil.which(name):
        return shutil.which(name)
    found = directory / "root" / "usr" / "bin" / name
    if not found.exists():
        directory.mkdir(parents=True, exist_ok=True)
        subprocess.run(["apt-get", "download", "prometheus"], cwd=directory, check=True)
        package = next(directory.glob("prometheus_*.deb"))
        subprocess.run(["dpkg-deb", "-x", package, directory / "root"], check=True)
    return str(found)


def ask(base, path, **query):
    """What Prometheus' API says."""
    url = f"{base}{path}?{urllib.parse.urlencode(query)}"
    try:
        with urllib.request.urlopen(url, timeout=10) as reply:
            return json.load(reply)["data"]
    except OSError:
        return None


def scraped(base, times):
    """Whether Prometheus has a number of samples of the daemon."""
    data = ask(base, "/api/v1/query", query="count_over_time(gatherd_ready[5m])")
    return bool(data and data["result"] and int(data["result"][0]["value"][1]) >= times)


def expressions():
    """(title, expression) of every target of the dashboard."""
    dashboard = json.loads((ROOT / "conf" / "grafana-dashboard.json").read_text())
    for panel in dashboard["panels"]:
        for target in panel.get("targets", []):
            text = target["expr"].replace("$__rate_interval", "10s").replace("$instance", ".*")
            yield panel["title"], text


def traffic(daemon):
    """Some requests of every kind."""
    for number in range(1, 30):
        assert daemon.get(f"/posts/{number}/page").status == 200
    assert daemon.get("/dead").status == 502
    assert daemon.get("/nothing").status == 404


def check_queries(base):
    """Every query of the dashboard is understood and finds something."""
    for title, text in expressions():
        data = ask(base, "/api/v1/query", query=text)
        assert data is not None, f"{title}: {text} is not understood"
        assert data["result"], f"{title}: {text} finds nothing"
    print(f"dashboard: {len(list(expressions()))} queries find something")


def check_alerts(base):
    """All rules are loaded and can be evaluated."""
    groups = ask(base, "/api/v1/rules")["groups"]
    rules = [rule for group in groups for rule in group["rules"]]
    wrong = [rule["name"] for rule in rules if rule["health"] != "ok"]
    assert rules and not wrong, f"alert rules that cannot be evaluated: {wrong}"
    print(f"alerts: {len(rules)} rules can be evaluated")


def check_prometheus(program, directory, daemon):
    """A real one scrapes the daemon."""
    host, port = daemon.addresses("admin pages on")[0]
    (directory / "prometheus.yaml").write_text(
        SCRAPES.format(rules=ROOT / "conf" / "alerts.yaml", target=f"{host}:{port}"))
    own = f"127.0.0.1:{harness.closed_port()}"
    base = "http://" + own
    log = open(directory / "prometheus.log", "wb")
    process = subprocess.Popen(
        [program, f"--config.file={directory}/prometheus.yaml", f"--web.listen-address={own}",
         f"--storage.tsdb.path={directory}/data"], stdout=log, stderr=log)
    try:
        harness.wait_until(lambda: scraped(base, 1), "Prometheus to scrape", 60)
        traffic(daemon)
        harness.wait_until(lambda: scraped(base, 5), "five scrapes", 60)
        check_queries(base)
        check_alerts(base)
    finally:
        process.terminate()
        process.wait(30)
        log.close()


def main():
    """Runs all of it."""
    tools = pathlib.Path(sys.argv[1]).resolve()
    promtool, prometheus = tool("promtool", tools), tool("prometheus", tools)
    demo = harness.DemoUpstream()
    with tempfile.TemporaryDirectory() as place:
        directory = pathlib.Path(place)
        daemon = harness.Gatherd(
            directory, CONFIG.format(demo=demo.url, dead=harness.closed_port()))
        try:
            traffic(daemon)
            page = daemon.admin("/metrics").body
            subprocess.run([promtool, "check", "metrics"], input=page, check=True)
            print("metrics: promtool finds nothing wrong")
            subprocess.run([promtool, "check", "rules", ROOT / "conf" / "alerts.yaml"], check=True)
            check_prometheus(prometheus, directory, daemon)
        finally:
            daemon.stop()
            demo.stop()


if __name__ == "__main__":
    main()
