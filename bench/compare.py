#!/usr/bin/env python3
"""Runs gatherd beside its peers in interleaved slices and writes bench/RESULTS.md.

Every round gives each program one short slice of the same work, in shuffled order,
so that a noisy minute of the machine hits all of them; what is compared are ratios
within a round. CPU is the aggregator's own (user and system), per upstream call.
"""
import argparse
import json
import os
import platform
import random
import statistics
import subprocess
import tempfile
from datetime import date
from pathlib import Path

import programs

HERE = Path(__file__).resolve().parent
WIDTHS = (3, 10, 30)
CLIENTS = {3: 64, 10: 32, 30: 16}
GOALS = {3: 1.5, 10: 1.5, 30: 1.9}  # CPU per call against nginx+Lua, at most
BASE = "nginx+Lua (cjson)"


def slice_of(load, program, body, width, clients, milliseconds):
    before = program.cpu()
    run = subprocess.run(
        [load, "-p", str(program.port), "-t", f"/{body}/{width}", "-c", str(clients),
         "-d", str(milliseconds), "-n", "null"], capture_output=True, text=True)
    result = json.loads(run.stdout)
    result["cpu"] = program.cpu() - before
    calls = result["requests"] * width
    result["us_per_call"] = result["cpu"] * 1e6 / calls if calls else float("inf")
    result["rps"] = result["requests"] / result["seconds"]
    return result


def rounds(load, peers, body, width, clients, count, milliseconds):
    """One list of slices per program, the same round at the same index."""
    results = {program.name: [] for program in peers}
    for program in peers:  # connections are opened outside the measured slices
        slice_of(load, program, body, width, clients, milliseconds)
    for _ in range(count):
        for program in random.sample(peers, len(peers)):
            results[program.name].append(
                slice_of(load, program, body, width, clients, milliseconds))
    return results


def spread(values):
    return f"{statistics.median(values):.2f} ({min(values):.2f} to {max(values):.2f})"


def table(results, base):
    rows = ["| program | requests/s | CPU us/call | ratio to nginx+Lua | p50 ms | p99 ms | failed |",
            "|---|---|---|---|---|---|---|"]
    for name, slices in results.items():
        ratios = [mine["us_per_call"] / its["us_per_call"] for mine, its in zip(slices, base)]
        rows.append(
            f"| {name} | {statistics.median(s['rps'] for s in slices):.0f} "
            f"| {spread([s['us_per_call'] for s in slices])} | {spread(ratios)} "
            f"| {statistics.median(s['p50'] for s in slices) / 1000:.2f} "
            f"| {statistics.median(s['p99'] for s in slices) / 1000:.2f} "
            f"| {sum(s['failed'] for s in slices)} |")
    return rows


def widths_section(load, peers, options):
    lines, verdicts = [], []
    for width in WIDTHS:
        results = rounds(load, peers, "small", width, CLIENTS[width], options.rounds, options.slice)
        lines += [f"### {width} calls of 275 bytes, {CLIENTS[width]} clients", "",
                  *table(results, results[BASE]), ""]
        ratio = statistics.median(m["us_per_call"] / b["us_per_call"] for m, b in
                                  zip(results["gatherd"], results[BASE]))
        verdicts.append((f"CPU per call against nginx+Lua, K={width}", f"{ratio:.2f}",
                         f"at most {GOALS[width]}", ratio <= GOALS[width]))
        if width == 3:
            times = statistics.median(
                m["rps"] / p["rps"] for m, p in zip(results["gatherd"], results["Python pool"]))
            verdicts.append(("throughput against the Python pool, K=3", f"{times:.0f} times",
                             "at least 8 times", times >= 8))
    return lines, verdicts


def late_section(load, gatherd):
    one = slice_of(load, gatherd, "late300", 3, 1, 6000)
    worst = one["p99"] / 1000
    many = slice_of(load, gatherd, "late200", 10, 1000, 5000)
    memory = gatherd.memory()
    lines = [f"- One client, three upstreams of 300 ms: p50 {one['p50'] / 1000:.1f} ms, "
             f"p99 {worst:.1f} ms over {one['requests']} requests.",
             f"- 1000 clients with 10 calls each to an upstream of 200 ms (10,000 calls in "
             f"flight) for 5 s: {many['requests']} replies, {many['failed']} failed, p50 "
             f"{many['p50'] / 1000:.0f} ms, p99 {many['p99'] / 1000:.0f} ms, "
             f"{many['us_per_call']:.1f} us CPU per call, {memory / 1e6:.0f} MB resident after.", ""]
    return lines, [("three upstreams of 300 ms each, p99", f"{worst:.1f} ms", "under 320 ms",
                    worst < 320 and one["failed"] == 0),
                   ("10,000 calls in flight", f"{many['failed']} failed", "none",
                    many["failed"] == 0 and many["requests"] >= 1000)]


def report(sections, verdicts, options):
    model = next((line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines()
                  if line.startswith("model name")), "unknown CPU")
    lines = ["# Benchmark results", "",
             f"Measured on {date.today()} with `make bench`: {os.cpu_count()} cores of a virtual "
             f"machine ({model}), Linux {platform.release().split('-')[0]}. "
             "Client, upstream and aggregator share the machine, over loopback.", "",
             "## Against the goals", "", "| figure | measured | goal | reached |", "|---|---|---|---|"]
    lines += [f"| {what} | {value} | {goal} | {'yes' if ok else 'no'} |"
              for what, value, goal, ok in verdicts]
    lines += ["", "## How it was measured", "",
              f"The upstream is one nginx worker on four ports with kept-alive connections. All "
              f"programs stay running; each of {options.rounds} rounds gives every program one "
              f"slice of {options.slice} ms of the same work in shuffled order, from a closed-loop "
              "generator (`bench/load.c`) that checks status, length and that no part is null. CPU "
              "is the user and system time of the aggregator's processes, from the kernel's "
              "nanosecond counters. Ratios are taken within a round, so that a noisy minute hits "
              "both sides; cells show the median and the range over the rounds. gatherd and nginx "
              "run one worker. The machine is shared: differences under a tenth in one row prove "
              "nothing.", "", "## Small bodies", ""]
    return "\n".join(lines + sections) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", type=Path, default=HERE.parent / "build")
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--slice", type=int, default=250, help="milliseconds")
    parser.add_argument("--output", type=Path, default=HERE / "RESULTS.md")
    options = parser.parse_args()
    programs.raise_descriptors()
    load = str(options.build / "bench" / "load")
    started = []
    with tempfile.TemporaryDirectory() as directory:
        work = Path(directory)
        work.chmod(0o755)
        try:
            upstream, ports = programs.start_upstream(work)
            started.append(upstream)
            gatherd = programs.start_gatherd(work, ports, options.build / "gatherd", WIDTHS,
                                             ("small", "late200", "late300"))
            started.append(gatherd)
            started.append(programs.start_nginx_lua(work, ports))
            started.append(programs.start_python(work, ports))
            sections, verdicts = widths_section(load, started[1:], options)
            late, more = late_section(load, gatherd)
        finally:
            for program in started:
                program.stop()
    text = report(sections + ["## Slow upstreams", ""] + late, verdicts + more, options)
    options.output.write_text(text)
    print(text)


if __name__ == "__main__":
    main()
