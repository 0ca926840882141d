"""Shapes and merges against a second implementation: random documents, equal bytes."""

import json
import os
import pathlib
import random
import subprocess
import sys

import pytest

import harness

sys.path.insert(0, str(harness.ROOT / "tests" / "reference"))

import shaping  # noqa: E402

pytestmark = pytest.mark.once


def build():
    """Where things are built: beside the program under test, unless that is an installed one."""
    if "BUILD" in os.environ:
        return harness.ROOT / os.environ["BUILD"]
    beside = pathlib.Path(harness.BINARY).resolve().parent
    return beside if beside.is_relative_to(harness.ROOT) else harness.ROOT / "build"


PROGRAM = build() / "reference" / "shape_cli"
MERGES = {"deep": 6, "patch": 7, "coalesce": 8}
CONFLICTS = ["last", "first", "error"]
NAMES = ["a", "b", "c", "d.e", "*", "\\", "", "\u00e9", "\U0001f600", "0"]
KEYS = ['"a"', '"b"', '"c"', '"d.e"', '"*"', '"\\\\"', '""', '"\u00e9"', '"\\u00E9"',
        '"\\u0061"', '"\\ud83d\\ude00"', '"\\ud800"', '"0"', '"\\/"', '"a"', '"b"']
SCALARS = ["null", "null", "1", "-0", "1e400", "18446744073709551616", "19.99", "true", "false",
           '"x"', '"\\u00e9\\"]}"', '"{,"', '""']


def gap(chance):
    """White space now and then."""
    return chance.choice(["", "", "", " ", "\n  ", "\t"])


def document(chance, depth=4, kind=None):
    """A random text."""
    kind = kind or chance.choice("{{{[[s") if depth else "s"
    if kind == "s":
        return chance.choice(SCALARS)
    items = []
    for _ in range(chance.choice([0, 1, 2, 3, 3, 5])):
        value = document(chance, depth - 1)
        key = chance.choice(KEYS) + gap(chance) + ":" + gap(chance) if kind == "{" else ""
        items.append(gap(chance) + key + value + gap(chance))
    return kind + (",".join(items) or gap(chance)) + ("}" if kind == "{" else "]")


def written(name):
    """A name as a path has it."""
    return "".join("\\" + char if char in ".*\\" else char for char in name)


def path(chance, star=0.3):
    """A random path."""
    names = [name for name in NAMES if name]
    return ".".join("*" if chance.random() < star else written(chance.choice(names[:4] + names))
                    for _ in range(chance.choice([1, 1, 2, 2, 3, 4])))


def renames(chance):
    """Random renames, of which no two give one object the same name."""
    found, taken = {}, set()
    for _ in range(chance.choice([1, 1, 2, 3])):
        old, new = path(chance), written(chance.choice([name for name in NAMES if name] + ["z"]))
        place = tuple(shaping.split(old)[:-1]), new
        if shaping.split(old)[-1] is not None and place not in taken:
            found.setdefault(old, new)
            taken.add(place)
    return found


def request(chance):
    """Random members of a request."""
    members = {}
    if chance.random() < 0.2:
        members["select"] = chance.choice(["", "/a", "/b/0", "/\u00e9", "/0", "/1/a", "/a/a", "/-"])
    if chance.random() < 0.5:
        members["allow"] = [path(chance) for _ in range(chance.choice([1, 2, 4]))]
    if chance.random() < 0.5:
        members["deny"] = [path(chance) for _ in range(chance.choice([1, 2, 3]))]
    if chance.random() < 0.5 and (found := renames(chance)):
        members["rename"] = found
    if chance.random() < 0.2 or not members:
        members["group"] = chance.choice(["g", "\u00e9", "a\\.b", "\"'"])
    return members


def answers(output):
    """The program's answers in order."""
    at = 0
    while at < len(output):
        end = output.index(b"\n", at)
        word, _, size = output[at:end].decode().partition(" ")
        at = end + 1
        if word != "ok":
            yield word
            continue
        yield output[at:at + int(size)]
        at += int(size)


def run(cases):
    """What the program says to the cases."""
    if not PROGRAM.exists():
        subprocess.run(["make", "-s", f"BUILD={PROGRAM.parents[1]}", str(PROGRAM)],
                       cwd=harness.ROOT, check=True, timeout=300)
    done = subprocess.run([PROGRAM], input=b"".join(cases), capture_output=True, timeout=60)
    assert done.returncode == 0, done.stderr.decode()
    return list(answers(done.stdout))


@pytest.mark.parametrize("seed", range(4))
def test_shapes(seed):
    """Every shape gives the same bytes."""
    chance = random.Random(seed)
    cases, expected, results = [], [], []
    for _ in range(1000):
        members, body = request(chance), document(chance).encode()
        text = json.dumps(members, ensure_ascii=chance.random() < 0.5).encode()
        cases.append(b"shape %d %d\n%s%s" % (len(text), len(body), text, body))
        expected.append((members, body, shaping.shape(members, body)))
    results = run(cases)
    assert len(results) == len(expected)
    for (members, body, wanted), got in zip(expected, results):
        assert got == wanted, (members, body, wanted, got)
    assert sum(isinstance(got, bytes) for got in results) > 500
    assert {"nothing", "unfit"} <= {got for got in results if isinstance(got, str)}


@pytest.mark.parametrize("seed", range(4))
def test_merges(seed):
    """Every merge gives the same bytes."""
    chance = random.Random(1000 + seed)
    cases, expected = [], []
    for _ in range(800):
        kind, conflict = chance.choice(list(MERGES)), chance.choice(CONFLICTS)
        texts = [document(chance, 4, None if kind == "coalesce" else "{").encode()
                 for _ in range(chance.choice([1, 2, 2, 3, 4]))]
        sizes = b" ".join(b"%d" % len(text) for text in texts)
        cases.append(b"merge %d %d %s\n%s" % (MERGES[kind], CONFLICTS.index(conflict), sizes,
                                              b"".join(texts)))
        expected.append((kind, conflict, texts, shaping.merge(kind, conflict, texts)))
    results = run(cases)
    assert len(results) == len(expected)
    for (kind, conflict, texts, wanted), got in zip(expected, results):
        assert got == wanted, (kind, conflict, texts, wanted, got)
    assert "conflict" in results and sum(isinstance(got, bytes) for got in results) > 400
