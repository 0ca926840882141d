"""Writes RESULTS.md: goals, method, machine, noise, and a table for each work."""
import os
import platform
import subprocess
from datetime import date
from pathlib import Path

from figures import (IN_FLIGHT_CALLS, LATE_MS, bytes_per_call, cost, failures, first_goals,
                     last_targets, median, noise, over_direct, rate, ratios, slices, spread)
from peers import BASE, GATHERD
from programs import HERE

TITLES = {"small": "275 bytes", "9k": "9 KB", "93k": "93 KB", "tls": "275 bytes over TLS",
          "mix": "the mix"}
PACKAGES = ("nginx", "libnginx-mod-http-lua", "lua-cjson", "libmicrohttpd12", "libcurl4",
            "libssl3", "python3-aiohttp", "python3-requests", "libc6")


def row(cells):
    return "| " + " | ".join(str(cell) for cell in cells) + " |"


def head(*cells):
    return [row(cells), "|---" * len(cells) + "|"]


def milliseconds(taken, figure):
    return f"{median([one[figure] for one in taken]) / 1000:.2f}"


def throughput_table(one, names):
    lines = head("program", "requests/s", "CPU us/call", "ratio to nginx+Lua (cjson)", "p50 ms",
                 "p99 ms", "failed")
    for name in names:
        taken = slices(one["rounds"], name)
        if taken:
            lines.append(row([name, f"{median([rate(s) for s in taken]):.0f}",
                              spread([cost(s) for s in taken]),
                              spread(ratios(one["rounds"], name, BASE)),
                              milliseconds(taken, "p50"), milliseconds(taken, "p99"),
                              sum(s["failed"] for s in taken)]))
    return lines


def goal_table(rows):
    return head("figure", "measured", "goal", "reached") + [
        row([what, value, goal, "yes" if reached else "**no**"])
        for what, value, goal, reached in rows]


def throughput_sections(results):
    lines = []
    for one in results["throughput"]:
        lines += [f"### K={one['width']}, {TITLES[one['work']]}, {one['clients']} clients", "",
                  *throughput_table(one, results["peers"]), ""]
    return lines


def mix_section(results):
    mix = results["mix"]
    lines = ["## A mix: one 404 and one late last chunk among ten calls", "",
             f"{mix['clients']} clients. The 404 has a JSON body and counts as an answer; the "
             "chunked reply is complete except for its last chunk, which comes 5 ms later. "
             "Connections must survive both; those opened in the measured slices:", "",
             *throughput_table(mix, results["peers"]), "",
             *head("program", "upstream connections opened", "calls")]
    for name, count in mix["opened"].items():
        calls = sum(one["calls"] for one in slices(mix["rounds"], name))
        lines.append(row([name, count, calls]))
    return lines + [""]


def latency_section(results):
    rounds, direct = results["latency"], results["direct"]
    lines = ["## One client, K=3, 275 bytes", "",
             "Added is what the aggregator puts on top of one direct call to the upstream by the "
             "same client in the same round.", "",
             *head("program", "p50 ms", "p99 ms", "added p50 ms", "added p99 ms")]
    for name in [direct] + [name for name in results["peers"] if slices(rounds, name)]:
        taken = slices(rounds, name)
        cells = [name, f"{median([s['p50'] for s in taken]) / 1000:.3f}",
                 f"{median([s['p99'] for s in taken]) / 1000:.3f}"]
        cells += ["", ""] if name == direct else [
            spread(over_direct(rounds, name, direct, figure), 3) for figure in ("p50", "p99")]
        lines.append(row(cells))
    late = results["late300"]
    return lines + ["", f"Three upstreams of 300 ms each through gatherd: p50 "
                    f"{late['p50'] / 1000:.1f} ms, p99 {late['p99'] / 1000:.1f} ms over "
                    f"{late['requests']} requests.", ""]


def busy(taken):
    return f"{median([s['cpu'] / s['seconds'] for s in taken]):.0%}"


def late_columns(taken):
    return [spread([s[figure] / 1000 - LATE_MS for s in taken], 1)
            for figure in ("mean", "p50", "p99")]


def in_flight_section(results):
    rounds = results["in_flight"]["rounds"]
    lines = [f"## {IN_FLIGHT_CALLS:,} calls in flight at {LATE_MS} ms", "",
             f"1000 clients with 10 calls each, after a warm-up; added is over the {LATE_MS} ms of "
             "the upstream. Memory is the proportional set size in the middle of the window; per "
             "call, what it exceeds the idle process by. Socket buffers are the kernel's and not "
             "in it. Busy is the share of one core that the program got. In a closed loop the mean "
             "follows from the requests a second (1000 clients / rate); a median far below it "
             "means that some clients wait for the others.", "",
             *head("program", "requests/s", "CPU us/call", "ratio to nginx+Lua (cjson)", "busy",
                   "added mean ms", "added p50 ms", "added p99 ms", "memory MB", "KB per call",
                   "connections opened in warm-ups and windows", "failed")]
    for name in results["in_flight"]["idle"]:
        taken = slices(rounds, name)
        lines.append(row([
            name, f"{median([rate(s) for s in taken]):.0f}", spread([cost(s) for s in taken], 1),
            spread(ratios(rounds, name, BASE)), busy(taken), *late_columns(taken),
            f"{median([s['memory'] for s in taken]) / 2**20:.1f}",
            spread([value / 1024 for value in bytes_per_call(results, name)], 1),
            results["in_flight"]["opened"][name], sum(s["failed"] for s in taken)]))
    return lines + ["", *paced_section(results)]


def paced_section(results):
    paced = results["in_flight"]["paced"]
    lines = ["### The same clients at a rate that every program carries", "",
             f"{paced['rate']} requests a second, {paced['share']:.0%} of what the slowest carried in the "
             f"closed loop: about {paced['rate'] * 10 * LATE_MS // 1000:,} calls in flight. A "
             "latency begins when the request was due; a client whose reply is so late that two "
             "requests would wait for it skips one.", "",
             *head("program", "requests/s", "CPU us/call", "ratio to nginx+Lua (cjson)", "busy",
                   "added mean ms", "added p50 ms", "added p99 ms", "skipped", "failed")]
    for name in results["in_flight"]["idle"]:
        taken = slices(paced["rounds"], name)
        lines.append(row([
            name, f"{median([rate(s) for s in taken]):.0f}", spread([cost(s) for s in taken], 1),
            spread(ratios(paced["rounds"], name, BASE)), busy(taken), *late_columns(taken),
            sum(s["skipped"] for s in taken), sum(s["failed"] for s in taken)]))
    return lines + [""]


def shape(costs, named):
    """One sentence about costs by growing size: flat, or what they are at the ends."""
    sizes = list(costs)
    low, high = min(costs.values()), max(costs.values())
    if high <= 1.25 * low:
        return f"CPU per call is flat: between {low:.1f} and {high:.1f} us in every row."
    cheapest = min(costs, key=costs.get)
    telling = [sizes[0], *({cheapest} - {sizes[0], sizes[-1]}), sizes[-1]]
    return "CPU per call is not flat: " + ", ".join(
        f"{costs[size]:.1f} us at {named(size)}" for size in telling) + "."


def by_size(growth):
    """The slices of each size, and their median cost, in growing order."""
    sizes = sorted(growth["rounds"][0], key=int)
    taken = {size: slices(growth["rounds"], size) for size in sizes}
    return taken, {size: median([cost(s) for s in taken[size]]) for size in sizes}


def megabytes(taken):
    return f"{median([s['memory'] for s in taken]) / 2**20:.1f}"


def growth_in_flight_section(results):
    growth = results["growth_in_flight"]
    sizes, costs = by_size(growth)
    lines = ["### With the calls in flight", "",
             f"K=10, upstream of {LATE_MS} ms, a process of its own for each row. Busy is the "
             "share of one core that the process used: near 100 % it is saturated, and what is added "
             "is time in its queue.", "",
             *head("calls in flight", "CPU us/call", "busy", "added p50 ms", "memory MB",
                   "KB per call over idle", "failed")]
    for size, taken in sizes.items():
        over = median([s["memory"] for s in taken]) - growth["idle"][size]
        lines.append(row([
            f"{int(size):,}", spread([cost(s) for s in taken], 1),
            f"{median([s['cpu'] / s['seconds'] for s in taken]) * 100:.0f} %",
            f"{median([s['p50'] for s in taken]) / 1000 - LATE_MS:.1f}", megabytes(taken),
            f"{over / 1024 / int(size):.1f}" if int(size) >= 100 else "too few to tell",
            sum(s["failed"] for s in taken)]))
    lines += ["", shape(costs, lambda size: f"{int(size):,} calls in flight") + " With few, each "
              "event wakes the sleeping process alone; with many, one wake-up serves several."]
    if growth["left_out"]:
        lines.append(f"Left out for the limit of {results['descriptors']:,} descriptors per "
                     "process here: " + ", ".join(f"{n:,}" for n in growth["left_out"]) + ".")
    return lines + [""]


def line_through(points):
    """The line a + b x with the least relative errors, and the largest of them."""
    weights = {x: 1 / y ** 2 for x, y in points.items()}
    total = sum(weights.values())
    mean_x = sum(w * x for x, w in weights.items()) / total
    mean_y = sum(w * points[x] for x, w in weights.items()) / total
    slope = (sum(w * (x - mean_x) * (points[x] - mean_y) for x, w in weights.items()) /
             sum(w * (x - mean_x) ** 2 for x, w in weights.items()))
    start = mean_y - slope * mean_x
    return start, slope, max(abs(start + slope * x - y) / y for x, y in points.items())


def growth_width_section(results):
    sizes, costs = by_size(results["growth_width"])
    lines = ["### With the calls per request", "",
              "275 bytes; the number of clients keeps about 100 to 120 calls in flight. The cost "
              "per call includes its share of the client's own request.", "",
              *head("K", "CPU us/call", "CPU us/request", "p50 ms", "memory MB", "failed")]
    for size, taken in sizes.items():
        lines.append(row([size, spread([cost(s) for s in taken], 1),
                          f"{costs[size] * int(size):.0f}", milliseconds(taken, "p50"),
                          megabytes(taken), sum(s["failed"] for s in taken)]))
    request, call, off = line_through({int(size): costs[size] * int(size) for size in costs})
    sentence = (f"A line of {request:.0f} us for the client's request and {call:.1f} us for each "
                f"of its calls meets every row within {off * 100:.0f} %")
    if off <= 0.15:
        sentence += (": another call costs the same at any K, and the cost per call falls only "
                     "because more calls share the client's request.")
    else:
        sentence += ": the cost of another call depends on K."
    return lines + ["", shape(costs, lambda size: f"K={size}") + " " + sentence, ""]


def validator_section(results):
    lines = ["## The JSON validator alone", "",
             "`bench/json_bench.c`: CPU nanoseconds per byte of ordinary API bodies.", "",
             *head("body", "bytes", "vectorised", "scalar", "memcpy")]
    for one in results["validator"]:
        lines.append(row([one["kind"], f"{one['bytes']:,}"] + [
            f"{one[name]:.3f}" for name in ("vectorised", "scalar", "memcpy")]))
    return lines + [""]


def noise_section(results):
    lines = ["## Noise", "",
             "A second nginx+Lua (cjson) of the same configuration took part in every round. A "
             "perfect machine would show 1.00; what it shows is how much of a ratio is chance.",
             "", *head("work", "nginx+Lua against itself, CPU per call")]
    for (work, width), values in noise(results).items():
        lines.append(row([f"K={width}, {TITLES[work]}", spread(values)]))
    return lines + [""]


def packages():
    found = []
    for package in PACKAGES:
        query = subprocess.run(["dpkg-query", "-W", "-f", "${Version}", package],
                               capture_output=True, text=True)
        if query.returncode == 0 and query.stdout:
            found.append(f"{package} {query.stdout}")
    return found


def machine(results):
    info = Path("/proc/cpuinfo").read_text().splitlines()
    model = next((line.split(":")[1].strip() for line in info if line.startswith("model name")),
                 platform.machine())
    virtual = ", virtual" if any("hypervisor" in line for line in info) else ""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {"date": str(date.today()), "cpu": f"{os.cpu_count()} cores of {model}{virtual}",
            "memory": f"{memory:.0f} GB", "kernel": platform.release().split("-")[0],
            "versions": packages() + results["versions"]}


def method_section(results):
    effort, where = results["effort"], results["machine"]
    return ["## Method", "",
            "Clients, aggregator and upstream share the machine, over loopback. Each aggregator "
            "runs one worker and fans GET requests out over four upstream addresses with kept-"
            "alive connections; each reply is the merged object `{\"r1\":...}`. Bodies come from "
            "one nginx worker (`bench/upstream.conf.in`), what is late from `bench/upstream.c`. "
            "Before anything is measured one reply of each peer and work is compared value by "
            "value with what it must be; under load `bench/load.c` checks the status, the "
            "length, and that no part is null, of every reply.", "",
            f"All programs stay running. Each of {effort['rounds']} rounds gives every program "
            f"one slice of {effort['slice']} ms of the same work in shuffled order (the Python "
            f"peers in one round of {effort['slow_every']}), and ratios are taken within a round. "
            "CPU is the user and system time of the aggregator's processes by their CPU clocks, "
            "divided by the upstream calls made for complete requests. The load is a closed "
            "loop, so requests/s is bound by what the clients and the upstream leave of the "
            "cores; CPU per call is the chief figure. Cells show the median and, in brackets, "
            "the range over the rounds. gatherd checks that every body is JSON; cjson, Node and "
            "Python decode and encode; the splice and the floor check nothing.", "",
            f"Rounds of the long runs (in flight, growth): {effort['long_rounds']}, with a window "
            f"of {effort['window'] / 1000:g} s after a warm-up; of the large replies: "
            f"{effort['large_rounds']} of {effort['large_slice'] / 1000:g} s.", "",
            f"Measured on {where['date']}, in {results['seconds'] / 60:.1f} minutes, on "
            f"{where['cpu']}, {where['memory']}, Linux {where['kernel']}.", "",
            "Versions: " + ", ".join(where["versions"]) + ".", "",
            *[f"- {note}" for note in results["notes"]], ""]


def chart_note():
    return ["![CPU per upstream call against nginx+Lua](results.svg)", ""]


def notes_section():
    """What is said by hand about targets that were missed."""
    notes = HERE / "notes.md"
    return [notes.read_text().rstrip(), ""] if notes.exists() else []


def write(results):
    lines = ["# Benchmark results", "",
             "`make bench` wrote this page and the chart; `make bench QUICK=1` is the short form.",
             "", *chart_note(), "## Targets", "", *goal_table(last_targets(results)), "",
             "The first goals, set before gatherd had its own exchange:", "",
             *goal_table(first_goals(results)), ""]
    failed = failures(results)
    if failed:
        lines += ["Requests failed: " + "; ".join(
            f"{count} in {place} by {name}" for (place, name), count in failed.items()) + ".", ""]
    large = results["large"]
    lines += [*notes_section(), *method_section(results), *noise_section(results),
              "## CPU, throughput and latency under load", "", *throughput_sections(results),
              "## Large replies", "", f"K=3 of 93 KB, {large['clients']} clients, longer slices "
              "for the 99th percentile.", "", *throughput_table(large, results["peers"]), "",
              *mix_section(results), *latency_section(results), *in_flight_section(results),
              "## How gatherd's cost grows", "", *growth_in_flight_section(results),
              *growth_width_section(results), *validator_section(results)]
    return "\n".join(lines).rstrip() + "\n"


def summary(results):
    """The goals as plain text for the terminal."""
    rows = last_targets(results) + first_goals(results)
    width = max(len(what) for what, *_ in rows)
    return "\n".join(f"{'yes' if reached else 'NO ':3}  {what:{width}}  {value}  ({goal})"
                     for what, value, goal, reached in rows)
