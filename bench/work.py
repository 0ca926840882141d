"""The work: what is asked of the peers, in which order, and what is noted down.

Every round gives each program one short slice of the same work, in shuffled order, so
that a noisy minute of the machine hits all of them. Here only figures are collected;
report.py turns them into ratios and words.
"""
import http.client
import json
import random
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass

from peers import AGAIN, BASE, FLOOR, GATHERD, NODE, SLOW, SPLICE, works_of
from programs import descriptor_limit
from upstreams import merged

CLIENTS = {("small", 1): 64, ("small", 3): 64, ("small", 10): 32, ("small", 30): 16,
           ("small", 100): 8, ("9k", 3): 16, ("93k", 3): 16, ("tls", 10): 16, ("mix", 10): 32}
IN_FLIGHT = (10, 100, 1000, 5000, 10000, 20000)
SPARE_DESCRIPTORS = 1000
PACE = 0.4  # of what the slowest program carries in the closed loop: other work shares the CPUs
SAME_CALLS = {1: 120, 3: 40, 10: 12, 30: 4, 100: 1}  # clients by width: about 100 calls in flight


@dataclass
class Effort:
    """How much of everything."""
    rounds: int = 17
    slice: int = 200  # milliseconds
    slow_every: int = 4  # slow peers take part in one round of so many
    long_rounds: int = 3
    warm: int = 1500
    window: int = 2500
    large_rounds: int = 7
    large_slice: int = 700
    late300: int = 4000


QUICK = Effort(rounds=3, slice=100, long_rounds=1, warm=500, window=1000, large_rounds=2,
               large_slice=300, late300=1000)


WARM_UP = {NODE: 1000}  # milliseconds until its compiler has seen the code; others: a slice


class WrongReply(Exception):
    pass


def say(text):
    print(f"bench: {text}", file=sys.stderr, flush=True)


def check_replies(program, works):
    """One reply for each work, compared value by value; its length is kept for the load."""
    for work, width in works:
        path = f"/{work}/{width}"
        connection = http.client.HTTPConnection("127.0.0.1", program.port, timeout=20)
        connection.request("GET", path)
        reply = connection.getresponse()
        text = reply.read()
        connection.close()
        if reply.status != 200:
            raise WrongReply(f"{program.name} answered {path} with {reply.status}: {text[:300]}")
        if json.loads(text) != merged(work, width):
            raise WrongReply(f"{program.name} merged {path} wrongly: {text[:300]}")
        program.lengths[path] = len(text)


def opened(program):
    """Connections that the program has opened to its late upstream."""
    connection = http.client.HTTPConnection("127.0.0.1", program.late.port, timeout=5)
    connection.request("GET", "/opened")
    count = int(connection.getresponse().read())
    connection.close()
    return count


class Bench:
    """Runs slices with the load generator."""

    def __init__(self, stage, effort):
        self.stage, self.effort = stage, effort
        self.load = str(stage.build / "bench" / "load")

    def command(self, program, path, clients, milliseconds, warm=0, ramp=0, rate=0):
        pids = ",".join(map(str, program.pids()[:16]))
        return [self.load, "-p", program.port, "-t", path, "-c", clients, "-d", milliseconds,
                "-w", warm, "-r", ramp, *(["-R", rate] if rate else []), "-l", program.lengths[path], "-n", "null", "-P", pids]

    def slice(self, program, work, width, clients, milliseconds, **options):
        """One slice; its memory is read in the middle of a window, or at the end."""
        command = self.command(program, f"/{work}/{width}", clients, milliseconds, **options)
        run = subprocess.Popen([str(word) for word in command], stdout=subprocess.PIPE, text=True)
        try:
            memory = None
            if options.get("warm"):
                time.sleep((options["warm"] + milliseconds / 2) / 1000)
                memory = program.memory()
            output, _ = run.communicate(timeout=90)
        finally:
            run.kill()
            run.wait()
        if not output:
            raise RuntimeError(f"the load generator failed on {program.name}, {work}/{width}")
        result = json.loads(output)
        result["calls"] = result["requests"] * width
        result["memory"] = memory if memory is not None else program.memory()
        return result

    def rounds(self, programs, work, width, clients, count, milliseconds):
        """A list of rounds; a round is a slice by the program's name."""
        programs = [p for p in programs if (work, width) in works_of(p.name)]
        for program in programs:  # connections are opened outside the measured slices
            self.slice(program, work, width, clients,
                       WARM_UP.get(program.name, max(milliseconds, 300)))
        rounds = []
        for number in range(count):
            taking = [p for p in programs
                      if p.name not in SLOW or number % self.effort.slow_every == 0]
            rounds.append({p.name: self.slice(p, work, width, clients, milliseconds)
                           for p in random.sample(taking, len(taking))})
        return {"work": work, "width": width, "clients": clients, "rounds": rounds}

    def throughput(self, programs):
        """Bodies and widths under a closed loop of clients."""
        results = []
        for (work, width), clients in CLIENTS.items():
            if work == "mix":
                continue
            say(f"{width} calls of {work}, {clients} clients")
            results.append(self.rounds(programs, work, width, clients, self.effort.rounds,
                                       self.effort.slice))
        return results

    def mix(self, programs):
        say("the mix")
        clients = CLIENTS["mix", 10]
        programs = [p for p in programs if ("mix", 10) in works_of(p.name)]
        for program in programs:
            self.slice(program, "mix", 10, clients, 700)
        before = {p.name: opened(p) for p in programs}
        result = self.rounds(programs, "mix", 10, clients, self.effort.rounds, self.effort.slice)
        result["opened"] = {p.name: opened(p) - before[p.name] - 1 for p in programs}
        return result

    def latency(self, programs, direct):
        """One client, three small calls, beside the same client at the upstream itself."""
        say("one client")
        rounds = []
        for number in range(self.effort.rounds):
            taking = [p for p in programs
                      if p.name not in SLOW or number % self.effort.slow_every == 0]
            mine = {}
            for program in random.sample(taking + [direct], len(taking) + 1):
                work = ("small", 3) if program is not direct else ("small", 1)
                mine[program.name] = self.slice(program, *work, 1, self.effort.slice)
            rounds.append(mine)
        return rounds

    def large(self, programs):
        """280 KB replies: enough of them in a slice for a 99th percentile."""
        say("large replies")
        taking = [p for p in programs if p.name in (GATHERD, BASE, SPLICE, FLOOR)]
        return self.rounds(taking, "93k", 3, 16, self.effort.large_rounds,
                           self.effort.large_slice)

    def late300(self, gatherd):
        say("three upstreams of 300 ms")
        return self.slice(gatherd, "late300", 3, 1, self.effort.late300)

    def fresh(self, name, work, width):
        """A new process that has answered one request."""
        program = self.stage.start(name)
        check_replies(program, [(work, width)])
        return program

    def long_slice(self, program, clients, warm, rate=0):
        return self.slice(program, "late200", 10, clients, self.effort.window, warm=warm, ramp=200,
                          rate=rate)

    def long_rounds(self, programs, rate=0):
        return [{p.name: self.long_slice(p, 1000, self.effort.warm, rate)
                 for p in random.sample(programs, len(programs))}
                for _ in range(self.effort.long_rounds)]

    def in_flight(self):
        """1000 clients with ten calls of 200 ms each, after a warm-up with as many: in a closed
        loop, and then at a rate that every program carries."""
        say("10,000 calls in flight")
        programs = [self.fresh(name, "late200", 10) for name in (GATHERD, BASE, FLOOR)]
        idle = {program.name: program.memory() for program in programs}
        for program in programs:
            self.long_slice(program, 1000, self.effort.warm)
        before = {program.name: opened(program) for program in programs}
        rounds = self.long_rounds(programs)
        slowest = min(statistics.median(one[p.name]["requests"] / one[p.name]["seconds"]
                                        for one in rounds) for p in programs)
        rate = round(slowest * PACE)
        say(f"the same at {rate} requests a second")
        paced = {"rate": rate, "share": PACE, "rounds": self.long_rounds(programs, rate)}
        more = {p.name: opened(p) - before[p.name] - 1 for p in programs}
        for program in programs:
            self.stage.stop(program)
        return {"idle": idle, "rounds": rounds, "paced": paced, "opened": more}

    def growth_in_flight(self):
        """gatherd by calls in flight: a process for each step, the steps interleaved."""
        say("growth with the calls in flight")
        limit = descriptor_limit() - SPARE_DESCRIPTORS
        steps = [calls for calls in IN_FLIGHT if calls * 11 // 10 <= limit]
        programs = {calls: self.fresh(GATHERD, "late200", 10) for calls in steps}
        idle = {calls: program.memory() for calls, program in programs.items()}
        for calls, program in programs.items():
            self.long_slice(program, calls // 10, 300)
        rounds = [{calls: self.long_slice(programs[calls], calls // 10, 1000) for calls in
                   random.sample(steps, len(steps))} for _ in range(self.effort.long_rounds)]
        for program in programs.values():
            self.stage.stop(program)
        return {"idle": idle, "rounds": rounds,
                "left_out": [calls for calls in IN_FLIGHT if calls not in steps]}

    def growth_width(self):
        """gatherd by calls per request, with about the same number of calls in flight."""
        say("growth with the calls per request")
        programs = {width: self.fresh(GATHERD, "small", width) for width in SAME_CALLS}
        for width, clients in SAME_CALLS.items():
            self.slice(programs[width], "small", width, clients, max(self.effort.slice, 300))
        rounds = [{width: self.slice(programs[width], "small", width, SAME_CALLS[width],
                                     self.effort.slice)
                   for width in random.sample(list(SAME_CALLS), len(SAME_CALLS))}
                  for _ in range(self.effort.rounds)]
        for program in programs.values():
            self.stage.stop(program)
        return {"rounds": rounds}


def validator(build):
    """Nanoseconds per byte of the JSON validator alone."""
    say("the validator alone")
    run = subprocess.run([str(build / "bench" / "json_bench")], capture_output=True, text=True,
                         check=True, timeout=120)
    lines = [line.split() for line in run.stdout.splitlines()]
    return [{"kind": words[0], "bytes": int(words[1]), "vectorised": float(words[4]),
             "scalar": float(words[6]), "memcpy": float(words[8])} for words in lines]


class Direct:
    """The upstream itself, asked by the load generator like a peer."""
    name = "the upstream itself"

    def __init__(self, upstream):
        self.port, self.upstream, self.lengths = upstream.port, upstream, {"/small/1": 0}

    def pids(self):
        return self.upstream.pids()

    def memory(self):
        return self.upstream.memory()


def measure(stage, effort):
    """All of it; the result holds only what JSON can."""
    bench = Bench(stage, effort)
    names, notes = stage.available()
    for note in notes:
        say(note)
    programs = [stage.start(name) for name in names]
    say("the replies of each peer")
    for program in programs:
        check_replies(program, works_of(program.name))
    gatherd = programs[0]
    results = {"peers": names, "notes": notes, "throughput": bench.throughput(programs),
               "large": bench.large(programs), "mix": bench.mix(programs),
               "latency": bench.latency([p for p in programs if p.name != AGAIN],
                                        Direct(stage.started[0])),
               "late300": bench.late300(gatherd)}
    for program in programs:
        stage.stop(program)
    results["in_flight"] = bench.in_flight()
    results["growth_in_flight"] = bench.growth_in_flight()
    results["growth_width"] = bench.growth_width()
    results["validator"] = validator(stage.build)
    return results
