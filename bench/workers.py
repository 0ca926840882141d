#!/usr/bin/env python3
"""make bench-workers: gatherd with 1, 2 and 4 workers under the benchmark's load.

One daemon for each number of workers, all running; every round gives each a slice of the
same work in shuffled order. Prints a table in Markdown: medians over the rounds, and the
throughput against the first daemon's in the same round, with its range. The works:

- closed: clients that ask again as soon as they are answered, so the machine is full;
- large: the same with replies of 280 KB, which a worker validates in one go;
- paced: a rate that leaves most of the machine idle;
- beside: a light request at a low rate while other clients ask for replies of 280 KB.
  Latencies are the light requests', everything else is left out.
"""
import argparse
import random
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path

import figures
import programs
import report
import work
from peers import GATHERD, Stage

HEAVY = ("93k", 3, 8)  # work, width, clients
SETTLED = {"warm": 200, "ramp": 100}  # milliseconds; a pace is kept from the first window on
WORKS = {
    "closed": ("10 calls of 275 B, 32 clients", "small", 10, 32, {}),
    "large": ("3 calls of 93 KB, 16 clients", "93k", 3, 16, {}),
    "paced": ("10 calls of 275 B, 500 requests/s", "small", 10, 32, {"rate": 500, **SETTLED}),
    "beside": ("1 call of 275 B, 200 requests/s, beside 8 clients with 280 KB each",
               "small", 1, 8, {"rate": 200, **SETTLED}),
}


@contextmanager
def heavy_load(bench, program, milliseconds):
    """Other clients that ask the same daemon for large replies."""
    name, width, clients = HEAVY
    command = bench.command(program, f"/{name}/{width}", clients, milliseconds)
    run = subprocess.Popen([str(word) for word in command], stdout=subprocess.DEVNULL)
    try:
        yield
    finally:
        run.wait(90)


def one_slice(bench, program, kind, milliseconds):
    """One slice of a work."""
    _, name, width, clients, options = WORKS[kind]
    if kind != "beside":
        return bench.slice(program, name, width, clients, milliseconds, **options)
    with heavy_load(bench, program, milliseconds + SETTLED["warm"] + 100):
        return bench.slice(program, name, width, clients, milliseconds, **options)


def measure(stage, options):
    """{work: [{workers: slice}]}"""
    bench = work.Bench(stage, work.Effort())
    daemons = {count: stage.start(GATHERD, workers=count) for count in options.workers}
    works = sorted({WORKS[kind][1:3] for kind in WORKS} | {HEAVY[:2]})
    for daemon in daemons.values():
        work.check_replies(daemon, works)
    results = {}
    for kind in WORKS:
        work.say(WORKS[kind][0])
        for daemon in daemons.values():
            one_slice(bench, daemon, kind, options.slice)
        results[kind] = [{count: one_slice(bench, daemons[count], kind, options.slice)
                          for count in random.sample(options.workers, len(options.workers))}
                         for _ in range(options.rounds)]
    return results


def table(results):
    """Lines of Markdown."""
    lines = report.head("work", "workers", "requests/s", "against the first", "p50 ms",
                        "p99 ms", "CPU us/call", "cores used", "failed")
    for kind, rounds in results.items():
        for count in sorted(rounds[0]):
            taken = figures.slices(rounds, count)
            cost = f"{figures.median([figures.cost(one) for one in taken]):.1f}"
            lines.append(report.row([
                WORKS[kind][0], count, round(figures.median([figures.rate(one) for one in taken])),
                figures.spread(figures.ratios(rounds, count, min(rounds[0]), figures.rate)),
                report.milliseconds(taken, "p50"), report.milliseconds(taken, "p99"),
                "" if kind == "beside" else cost,
                f'{figures.median([one["cpu"] / one["seconds"] for one in taken]):.2f}',
                sum(one["failed"] for one in taken)]))
    return lines


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=Path, default=programs.HERE.parent / "build")
    parser.add_argument("--rounds", type=int, default=11)
    parser.add_argument("--slice", type=int, default=500, help="milliseconds")
    parser.add_argument("workers", type=int, nargs="*", default=[1, 2, 4])
    options = parser.parse_args()
    programs.raise_descriptors()
    programs.end_on_signals()
    with tempfile.TemporaryDirectory(prefix="gatherd-workers.") as directory:
        path = Path(directory)
        path.chmod(0o755)
        with Stage(options.build.resolve(), path) as stage:
            results = measure(stage, options)
    print("\n".join(table(results)))
    failed = sum(one["failed"] for rounds in results.values() for taken in rounds
                 for one in taken.values())
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
