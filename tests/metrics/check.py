#!/usr/bin/env python3
"""The metrics, the alert rules and the dashboard before a real Prometheus.

Usage: check.py DIRECTORY. promtool and prometheus are taken from the PATH; if they are not
there, Debian's package is fetched and unpacked in DIRECTORY, which installs nothing and
starts no service. Whatever cannot be done is an error; nothing is skipped.
"""

import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request

import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
ALERTS = ROOT / "conf" / "alerts.yaml"
CASES = ROOT / "tests" / "metrics" / "rules.yaml"
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
# The other job is Prometheus itself under the daemon's own name: only the job tells them apart.
SCRAPES = """
global: {{ scrape_interval: 1s, evaluation_interval: 1s }}
rule_files: [ "{rules}" ]
scrape_configs:
  - job_name: gatherd
    static_configs: [ {{ targets: [ "{target}" ] }} ]
  - job_name: other
    static_configs: [ {{ targets: [ "{own}" ], labels: {{ instance: "{target}" }} }} ]
"""
OWN_JOB = 'job="gatherd",'


def fetch(package, directory):
    """A package of Debian's, unpacked. A machine may have no lists of packages, or old ones."""
    directory.mkdir(parents=True, exist_ok=True)
    download = ["apt-get", "download", "-q", package]
    if subprocess.run(download, cwd=directory, check=False).returncode != 0:
        as_root = [] if os.geteuid() == 0 else ["sudo"]
        subprocess.run([*as_root, "apt-get", "update", "-q"], check=True)
        subprocess.run(download, cwd=directory, check=True)
    archive = next(directory.glob(f"{package}_*.deb"))
    subprocess.run(["dpkg-deb", "-x", archive, directory / "unpacked"], check=True)
    (directory / "unpacked").rename(directory / package)  # whole, or not there
    archive.unlink()


def tool(name, directory):
    """The path of one of Prometheus' programs: all in one package in Debian 12, one each in 13."""
    if shutil.which(name):
        return shutil.which(name)
    for package in ("prometheus", name):
        if not (directory / package).exists():
            fetch(package, directory)
        program = directory / package / "usr" / "bin" / name
        if program.exists():
            break
    return str(program)


def ask(base, path, **query):
    """What Prometheus' API says."""
    url = f"{base}{path}?{urllib.parse.urlencode(query)}"
    try:
        with urllib.request.urlopen(url, timeout=10) as reply:
            return json.load(reply)["data"]
    except OSError:
        return None


def scraped(base, times):
    """Whether Prometheus has a number of samples of both jobs."""
    data = ask(base, "/api/v1/query", query="count_over_time(process_open_fds[5m])")
    counts = [int(row["value"][1]) for row in data["result"]] if data else []
    return len(counts) == 2 and min(counts) >= times


def expressions(instance):
    """(title, expression) of every target of the dashboard, as Grafana asks it."""
    dashboard = json.loads((ROOT / "conf" / "grafana-dashboard.json").read_text())
    chosen = instance.replace(".", r"\\.")
    for panel in dashboard["panels"]:
        for target in panel.get("targets", []):
            text = target["expr"].replace("$__rate_interval", "10s")
            assert '{instance=~"$instance"' in text, f"{panel['title']}: {text} is about all"
            yield panel["title"], text.replace("$instance", chosen)


def traffic(daemon):
    """Some requests of every kind."""
    for number in range(1, 30):
        assert daemon.get(f"/posts/{number}/page").status == 200
    assert daemon.get("/dead").status == 502
    assert daemon.get("/nothing").status == 404


def found(base, text, moment):
    """The figures that a query has found, in an order of their own; None: it is not understood."""
    data = ask(base, "/api/v1/query", query=text, time=moment)
    return data and sorted(json.dumps(row, sort_keys=True) for row in data["result"])


def check_queries(base, instance):
    """Every query of the dashboard finds something, and nothing of another job."""
    moment = time.time() - 1  # what was scraped until then is in
    for title, text in expressions(instance):
        rows = found(base, text, moment)
        assert rows is not None, f"{title}: {text} is not understood"
        assert rows, f"{title}: {text} finds nothing"
        own = found(base, text.replace('{instance=~"', "{" + OWN_JOB + 'instance=~"'), moment)
        assert rows == own, f"{title}: {text} finds {rows}, of gatherd {own}"
    print(f"dashboard: {len(list(expressions(instance)))} queries find figures of gatherd only")


def check_cases():
    """Every alert has a case in which it fires, and one in which it is silent."""
    rules = yaml.safe_load(ALERTS.read_text())
    alerts = {rule["alert"] for group in rules["groups"] for rule in group["rules"]}
    cases = [case for test in yaml.safe_load(CASES.read_text())["tests"]
             for case in test["alert_rule_test"]]
    fires = {case["alertname"] for case in cases if case["exp_alerts"]}
    silent = {case["alertname"] for case in cases if not case["exp_alerts"]}
    assert fires == alerts, f"no case in which they fire: {alerts ^ fires}"
    assert silent == alerts, f"no case in which they are silent: {alerts ^ silent}"


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
    own = f"127.0.0.1:{harness.closed_port()}"
    base, instance = "http://" + own, f"{host}:{port}"
    (directory / "prometheus.yaml").write_text(
        SCRAPES.format(rules=ALERTS, target=instance, own=own))
    log = open(directory / "prometheus.log", "wb")
    process = subprocess.Popen(
        [program, f"--config.file={directory}/prometheus.yaml", f"--web.listen-address={own}",
         f"--storage.tsdb.path={directory}/data"], stdout=log, stderr=log)
    try:
        harness.wait_until(lambda: scraped(base, 1), "Prometheus to scrape", 60)
        traffic(daemon)
        harness.wait_until(lambda: scraped(base, 5), "five scrapes", 60)
        check_queries(base, instance)
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
            subprocess.run([promtool, "check", "rules", ALERTS], check=True)
            subprocess.run([promtool, "test", "rules", CASES], check=True)
            check_cases()
            check_prometheus(prometheus, directory, daemon)
        finally:
            daemon.stop()
            demo.stop()


if __name__ == "__main__":
    main()
