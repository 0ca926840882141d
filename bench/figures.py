"""From slices to figures: costs, ratios within a round, medians, and the verdicts."""
import statistics

from peers import AGAIN, BASE, FLOOR, GATHERD, NODE, POOL, SPLICE

LATE_MS = 200
IN_FLIGHT_CALLS = 10000


def cost(one):
    """CPU in microseconds per upstream call."""
    return one["cpu"] * 1e6 / one["calls"] if one["calls"] else float("inf")


def rate(one):
    return one["requests"] / one["seconds"]


def slices(rounds, name):
    return [one[name] for one in rounds if name in one]


def ratios(rounds, name, base, figure=cost):
    """The figure of one program against another's, round by round."""
    return [figure(one[name]) / figure(one[base]) for one in rounds
            if name in one and base in one and figure(one[base])]


def spread(values, digits=2):
    if not values:
        return "not measured"
    low, middle, high = min(values), statistics.median(values), max(values)
    if len(values) == 1:
        return f"{middle:.{digits}f}"
    return f"{middle:.{digits}f} ({low:.{digits}f} to {high:.{digits}f})"


def median(values):
    return statistics.median(values) if values else None


def find(results, work, width):
    return next(one["rounds"] for one in results["throughput"]
                if (one["work"], one["width"]) == (work, width))


def added(one, direct, figure):
    """Milliseconds over the direct call in the same round."""
    return (one[figure] - direct[figure]) / 1000


def over_direct(rounds, name, direct, figure):
    return [added(one[name], one[direct], figure) for one in rounds if name in one]


def bytes_per_call(results, name):
    """What each of the 10,000 calls in flight adds to the idle process."""
    idle = results["in_flight"]["idle"][name]
    return [(one["memory"] - idle) / IN_FLIGHT_CALLS
            for one in slices(results["in_flight"]["rounds"], name)]


class Verdicts:
    """Rows of the table of goals."""

    def __init__(self):
        self.rows = []

    def at_most(self, what, values, limit, unit="", digits=2):
        middle = median(values)
        self.rows.append((what, spread(values, digits) + (unit if values else ""),
                          f"at most {limit:g}{unit}", middle is not None and middle <= limit))

    def below(self, what, values, limit, unit="", digits=2):
        middle = median(values)
        self.rows.append((what, spread(values, digits) + (unit if values else ""),
                          f"below {limit:g}{unit}", middle is not None and middle < limit))

    def none(self, what, count, enough):
        self.rows.append((what, f"{count}", "none", count == 0 and enough))

    def at_least(self, what, values, limit, unit=""):
        middle = median(values)
        self.rows.append((what, spread(values, 0) + unit, f"at least {limit}{unit}",
                          middle is not None and middle >= limit))


def first_goals(results):
    """What was promised before the exchange was written."""
    goals = Verdicts()
    for width, limit in ((3, 1.5), (10, 1.5), (30, 1.9)):
        goals.at_most(f"CPU per call against nginx+Lua, 275 B, K={width}",
                      ratios(find(results, "small", width), GATHERD, BASE), limit)
    goals.at_least("requests/s against the Python pool, 275 B, K=3",
                   ratios(find(results, "small", 3), GATHERD, POOL, rate), 8, " times")
    late = results["late300"]
    goals.below("three upstreams of 300 ms, one client, p99", [late["p99"] / 1000], 320, " ms", 1)
    ours = slices(results["in_flight"]["rounds"], GATHERD)
    goals.none("10,000 calls in flight at 200 ms, failed requests",
               sum(one["failed"] for one in ours), min(one["requests"] for one in ours) > 1000)
    return goals.rows


def small_targets(results, targets):
    for width, limit in ((3, 0.55), (10, 0.55), (30, 0.65)):
        rounds = find(results, "small", width)
        targets.at_most(f"275 B, K={width}: CPU per call against nginx+Lua (cjson)",
                        ratios(rounds, GATHERD, BASE), limit)
        targets.at_most(f"275 B, K={width}: CPU per call against Node",
                        ratios(rounds, GATHERD, NODE), 0.2)
        targets.at_most(f"275 B, K={width}: CPU per call against the raw-socket floor",
                        ratios(rounds, GATHERD, FLOOR), 1.4)


def last_targets(results):
    """The targets of the exchange, in the order of its table."""
    targets = Verdicts()
    small_targets(results, targets)
    rounds = find(results, "9k", 3)
    targets.at_most("9 KB, K=3: CPU per call against nginx+Lua (cjson)",
                    ratios(rounds, GATHERD, BASE), 0.15, digits=3)
    targets.below("9 KB, K=3: CPU per call against nginx+Lua (splice)",
                  ratios(rounds, GATHERD, SPLICE), 1)
    targets.at_most("TLS upstream, K=10: CPU per call against nginx+Lua (cjson)",
                    ratios(find(results, "tls", 10), GATHERD, BASE), 0.75)
    rounds, direct = results["latency"], results["direct"]
    ours = over_direct(rounds, GATHERD, direct, "p50")
    theirs = over_direct(rounds, BASE, direct, "p50")
    targets.at_most("one client, K=3: added p50 against nginx+Lua (cjson)",
                    [a / b for a, b in zip(ours, theirs) if b > 0], 0.8)
    rounds = results["in_flight"]["rounds"]
    targets.none("10,000 in flight at 200 ms: failed requests",
                 sum(one["failed"] for one in slices(rounds, GATHERD)), True)
    targets.at_most("10,000 in flight at 200 ms: added p50",
                    [one["p50"] / 1000 - LATE_MS for one in slices(rounds, GATHERD)], 5, " ms", 1)
    targets.at_most("the same clients at a rate that all carry: added p50",
                    [one["p50"] / 1000 - LATE_MS for one in
                     slices(results["in_flight"]["paced"]["rounds"], GATHERD)], 5, " ms", 1)
    targets.at_most("10,000 in flight at 200 ms: memory per call",
                    [value / 1024 for value in bytes_per_call(results, GATHERD)], 6, " KB", 1)
    targets.at_most("10,000 in flight at 200 ms: CPU per call against nginx+Lua (cjson)",
                    ratios(rounds, GATHERD, BASE), 0.55)
    targets.at_most("280 KB replies, 16 clients: p99 against nginx+Lua (splice)",
                    ratios(results["large"]["rounds"], GATHERD, SPLICE, lambda one: one["p99"]), 1)
    mix = results["mix"]
    calls = sum(one["calls"] for one in slices(mix["rounds"], GATHERD))
    targets.below("the mix: connections opened per 1000 calls",
                  [mix["opened"][GATHERD] * 1000 / calls] if calls else [], 1)
    targets.at_most("JSON validator, ordinary API bodies: ns per byte, the worst of the sizes",
                    [max(one["vectorised"] for one in results["validator"])], 0.4)
    return targets.rows


def noise(results):
    """nginx+Lua against itself: the ratios a perfect machine would show as 1."""
    return {(one["work"], one["width"]): ratios(one["rounds"], AGAIN, BASE)
            for one in results["throughput"]}


def failures(results):
    """Requests that failed anywhere, by the work and the program."""
    found = {}
    places = [(f"{one['width']} calls of {one['work']}", one["rounds"])
              for one in results["throughput"] + [results["mix"]]]
    places += [("large replies", results["large"]["rounds"]), ("one client", results["latency"]),
               ("10,000 in flight", results["in_flight"]["rounds"]),
               ("paced", results["in_flight"]["paced"]["rounds"]),
               ("growth", results["growth_in_flight"]["rounds"]),
               ("growth", results["growth_width"]["rounds"])]
    for place, rounds in places:
        for one in rounds:
            for name, taken in one.items():
                if taken["failed"]:
                    found[place, name] = found.get((place, name), 0) + taken["failed"]
    return found
