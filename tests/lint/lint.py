#!/usr/bin/env python3
"""The house rules as a program: layers, sizes, libraries, state, formatting.

Prints one line per finding and exits 1 when there is any.
"""
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DAEMON = ROOT / "daemon"
RANK = {"base": 0, "json": 1, "core": 2, "sys": 2, "back": 3, "front": 4, "": 5}

# Which external headers a folder may use, and in how many module pairs of core each.
LIBRARIES = {
    "microhttpd.h": {"front"},
    "curl/curl.h": {"back", "core"},
    "zlib.h": {"back"},
    "jansson.h": {"core"},
    "yaml.h": {"core"},
    "xxhash.h": {"core"},
    "systemd/": {"sys"},
}
ONE_PAIR_IN_CORE = {"curl/curl.h", "jansson.h", "yaml.h", "xxhash.h"}

FUNCTION_LINES, FILE_LINES, HEADER_LINES = 100, 500, 100
BANNED = re.compile(
    r"\b(strcpy|strcat|sprintf|vsprintf|gets|strtok|atoi|atol|atof|setlocale|system|rand|alloca)\s*\("
)
INCLUDE = re.compile(r'^\s*#\s*include\s+(?:"([^"]+)"|<([^>]+)>)', re.M)
STATEFUL = {"base/log", "base/clock"}  # the only modules with mutable state of their own

findings = []


def find(place, text):
    findings.append(f"{place}: {text}")


def sources():
    return sorted(p for p in DAEMON.rglob("*") if p.suffix in {".c", ".h", ".def"})


def name_of(path):
    return path.relative_to(DAEMON).as_posix()


def folder_of(name):
    return name.split("/")[0] if "/" in name else ""


def module_of(name):
    return name.rsplit(".", 1)[0]


def check_includes():
    """Includes name the folder, point down or sideways, and make no cycle."""
    graph, core_users = {}, {}
    for path in sources():
        name, text = name_of(path), path.read_text()
        folder = folder_of(name)
        if folder not in RANK:
            find(name, f"folder '{folder}' has no rank")
            continue
        for ours, theirs in INCLUDE.findall(text):
            if ours:
                if not (DAEMON / ours).is_file():
                    find(name, f'"{ours}" is not a file of daemon/ named with its folder')
                    continue
                if RANK[folder_of(ours)] > RANK[folder] or (
                    RANK[folder_of(ours)] == RANK[folder] and folder_of(ours) != folder
                ):
                    find(name, f'includes "{ours}", which is not below it')
                if module_of(ours) != module_of(name):
                    graph.setdefault(module_of(name), set()).add(module_of(ours))
            for library, folders in LIBRARIES.items():
                if theirs and theirs.startswith(library):
                    if folder not in folders:
                        find(name, f"<{theirs}> belongs to {', '.join(sorted(folders))} only")
                    if folder == "core" and library in ONE_PAIR_IN_CORE:
                        core_users.setdefault(library, set()).add(module_of(name))
    for library, users in core_users.items():
        if len(users) > 1:
            find("core", f"<{library}> is used by several modules: {', '.join(sorted(users))}")
    for cycle in cycles(graph):
        find(cycle[0], "include cycle: " + " -> ".join(cycle))


def cycles(graph):
    """Every module that can reach itself, shown once per cycle found."""
    done, found = set(), []

    def visit(node, trail):
        if node in trail:
            found.append(trail[trail.index(node):] + [node])
            return
        if node in done:
            return
        for following in sorted(graph.get(node, ())):
            visit(following, trail + [node])
        done.add(node)

    for start in sorted(graph):
        visit(start, [])
    return found


def check_sizes():
    for path in sources():
        name, lines = name_of(path), path.read_text().splitlines()
        limit = HEADER_LINES if path.suffix == ".h" else FILE_LINES
        if len(lines) > limit:
            find(name, f"{len(lines)} lines; the limit is {limit}")
        start = None
        for number, line in enumerate(lines, 1):
            if line == "{":
                start = number
            elif line.startswith("}") and start is not None:
                length = number - start + 1
                if line == "}" and length > FUNCTION_LINES:
                    find(f"{name}:{start}", f"function of {length} lines; the limit is {FUNCTION_LINES}")
                start = None


def check_words():
    for path in sources():
        for number, line in enumerate(path.read_text().splitlines(), 1):
            code = re.sub(r'"(\\.|[^"\\])*"', '""', line.split("//")[0])
            match = BANNED.search(code)
            if match and not line.lstrip().startswith("*"):
                find(f"{name_of(path)}:{number}", f"{match.group(1)}() is banned")


def check_state(build):
    """No mutable file-scope state: nothing of ours may land in .data or .bss."""
    for obj in sorted((build / "daemon").rglob("*.o")):
        module = obj.relative_to(build / "daemon").as_posix()[:-2]
        if module in STATEFUL:
            continue
        table = subprocess.run(["objdump", "-t", obj], capture_output=True, text=True, check=True)
        for line in table.stdout.splitlines():
            match = re.search(r" O (\.t?bss|\.t?data)\S*\s+\S+\s+(?:\.hidden )?(\S+)$", line)
            if match and not line.split()[-3].startswith(".data.rel.ro"):
                find(module, f"mutable file-scope object {match.group(2)}")


def check_headers():
    """Each header compiles alone."""
    headers = [p for p in sources() if p.suffix == ".h"]
    unit = "".join(f'#include "{name_of(p)}"\n' for p in headers)
    base = ["gcc", "-std=gnu11", "-D_GNU_SOURCE", "-Idaemon", "-fsyntax-only", "-Wall", "-x", "c"]
    for path in headers:
        run = subprocess.run(base + [str(path)], cwd=ROOT, capture_output=True, text=True)
        if run.returncode:
            find(name_of(path), "does not compile alone: " + run.stderr.splitlines()[0])
    run = subprocess.run(base + ["-"], cwd=ROOT, input=unit, capture_output=True, text=True)
    if run.returncode:
        find("headers", "do not compile together: " + run.stderr.splitlines()[0])


def check_format():
    """By one version of the formatter, since others differ; Debian 13 no longer has it."""
    if not shutil.which("clang-format-14"):
        print("lint: note: the formatting is not checked: there is no clang-format-14 here")
        return
    ours = [p for tree in ("daemon", "tests", "bench") for p in (ROOT / tree).rglob("*.[ch]")]
    run = subprocess.run(
        ["clang-format-14", "--dry-run", "-Werror"] + [str(p) for p in sorted(ours)],
        cwd=ROOT, capture_output=True, text=True,
    )
    places = re.findall(r"^(\S+?):(\d+):\d+: error", run.stderr, re.M)
    for place in sorted({p for p, _ in places}):
        find(Path(place).relative_to(ROOT).as_posix() if place.startswith("/") else place,
             "is not formatted; run make format")


def check_generated(build):
    """The reference, its manual page and the commented configuration follow the option table."""
    binary = build / "gatherd"
    reference = subprocess.run([binary, "--print-reference"], capture_output=True, text=True)
    page = ROOT / "docs" / "reference.md"
    if not page.is_file() or page.read_text() != reference.stdout:
        find("docs/reference.md", "does not match the option table; run make docs")
    manual = subprocess.run([binary, "--print-man"], capture_output=True, text=True)
    page = ROOT / "docs" / "man" / "gatherd.yaml.5"
    if not page.is_file() or page.read_text() != manual.stdout:
        find("docs/man/gatherd.yaml.5", "does not match the option table; run make docs")
    names = set(re.findall(r"^\| `([A-Za-z]+)`", reference.stdout, re.M))
    sample = (ROOT / "conf" / "gatherd.yaml").read_text()
    for option in sorted(names):
        if not re.search(rf"\b{option}\b", sample):
            find("conf/gatherd.yaml", f"does not mention the option {option}")
    if len(names) < 20:
        find("docs/reference.md", "lists hardly any option; did its format change?")


def check_manuals():
    """The manual pages give groff nothing to warn of."""
    show = ["man", "--warnings", "-E", "UTF-8", "-l", "-Tutf8", "-Z"]
    for page in sorted((ROOT / "docs" / "man").iterdir()):
        run = subprocess.run(show + [page], capture_output=True, text=True, check=False,
                             env={**os.environ, "LC_ALL": "C.UTF-8", "MANROFFSEQ": "",
                                  "MANWIDTH": "80"})
        if run.returncode or run.stderr or len(run.stdout) < 1000:
            find(f"docs/man/{page.name}", run.stderr.strip() or "could not be shown")


def check_scripts():
    elsewhere = {".git", "build"}
    scripts = [p for p in ROOT.rglob("*.sh") if not elsewhere & set(p.relative_to(ROOT).parts)]
    scripts.append(ROOT / ".ci" / "run")
    run = subprocess.run(["shellcheck"] + [str(p) for p in scripts], capture_output=True, text=True)
    if run.returncode:
        find("scripts", run.stdout.strip())


def check_dependencies():
    """The lists of what the build needs agree: Makefile, deps.sh and the two packages."""
    def listed(path, pattern):
        return set(re.search(pattern, (ROOT / path).read_text(), re.M | re.S)[1].split())

    wanted = listed("Makefile", r"^PACKAGES := (.*?)$")
    rpm = set(re.findall(r"pkgconfig\(([^)]+)\)", (ROOT / "packaging/gatherd.spec").read_text()))
    for name in sorted(wanted ^ (rpm - {"cmocka"})):
        find("packaging/gatherd.spec", f"does not agree with the Makefile's PACKAGES on {name}")
    ours = {name for name in listed("packaging/deps.sh", r'^build="(.*?)"')
            if name.endswith("-dev") and name != "libc6-dev"}
    control = (ROOT / "packaging/debian/control").read_text().split("\n\n")[0]
    debian = {name for name in re.findall(r"\b([a-z][a-z0-9.+-]+-dev)\b(?! <)", control)
              if name != "systemd-dev"}  # that is where units go
    for name in sorted(ours ^ debian):
        find("packaging/debian/control", f"does not agree with packaging/deps.sh on {name}")
    if len(ours) != len(wanted):
        find("packaging/deps.sh", "the build group has not one package for each of the Makefile's PACKAGES")


def main():
    build = ROOT / (sys.argv[1] if len(sys.argv) > 1 else "build")
    check_includes()
    check_sizes()
    check_words()
    check_headers()
    check_state(build)
    check_format()
    check_generated(build)
    check_manuals()
    check_scripts()
    check_dependencies()
    for line in findings:
        print(f"lint: {line}")
    print(f"lint: {len(findings)} finding(s) in {len(sources())} files")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
