#!/usr/bin/env python3
"""Runs gatherd beside its peers and writes RESULTS.md and results.svg.

The figures themselves are kept in build/bench/results.json, from which --report writes
the page and the chart again.
"""
import argparse
import json
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path

import chart
import figures
import programs
import report
import work
from peers import KRAKEND, NODE, Stage


def version_of(*command):
    run = subprocess.run([str(word) for word in command], capture_output=True, text=True)
    return run.stdout.split("\n")[0].strip()


def versions(stage, names):
    found = [version_of(stage.build / "gatherd", "--version")]
    if NODE in names:
        package = json.loads((stage.undici / "package.json").read_text())
        found.append(f"node {version_of('node', '--version')} with undici {package['version']}")
    if KRAKEND in names:
        found.append(version_of("krakend", "version"))
    return found


def run(build, effort):
    """Starts, measures, stops; whatever ends it, no process stays."""
    programs.raise_descriptors()
    programs.end_on_signals()
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="gatherd-bench.") as directory:
        path = Path(directory)
        path.chmod(0o755)
        with Stage(build, path) as stage:
            results = work.measure(stage, effort)
            results["versions"] = versions(stage, results["peers"])
    results.update(effort=asdict(effort), seconds=time.monotonic() - began,
                   direct=work.Direct.name, descriptors=programs.descriptor_limit())
    results["machine"] = report.machine(results)
    return results


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", type=Path, default=programs.HERE.parent / "build")
    parser.add_argument("--output", type=Path, help="directory for RESULTS.md and results.svg")
    parser.add_argument("--quick", action="store_true", help="one or two minutes, noisier")
    parser.add_argument("--report", action="store_true", help="only write the last run's again")
    options = parser.parse_args()
    build = options.build.resolve()
    output = options.output or (build / "bench" if options.quick else programs.HERE)
    kept = build / "bench" / ("quick.json" if options.quick else "results.json")
    if not options.report:
        kept.write_text(json.dumps(run(build, work.QUICK if options.quick else work.Effort())))
    results = json.loads(kept.read_text())
    (output / "RESULTS.md").write_text(report.write(results))
    (output / "results.svg").write_text(chart.draw(results))
    print(report.summary(results))
    print(f"\n{output / 'RESULTS.md'}, {output / 'results.svg'}")
    failed = figures.failures(results)
    for (place, name), count in failed.items():
        print(f"FAILED: {count} requests in {place} by {name}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
