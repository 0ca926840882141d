"""The README and the pages in docs/ stay true: their commands are run.

A block ```sh that is followed by a block ```json or ```text is a command with its
reply. A block ```yaml whose first line is `# gatherd.yaml` is the configuration for the
commands after it, and so is the file that a comment `<!-- run: FILE -->` names; until then
they run against conf/demo.yaml. Ports are replaced, times are compared as "some number",
and "..." in a reply stands for anything.
"""

import json
import pathlib
import re
import subprocess

import pytest

from harness import ROOT, Gatherd

pytestmark = pytest.mark.once

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
RUN = re.compile(r"^<!-- run: (\S+) -->$", re.M)
FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.M | re.S)
TIMES = [
    (re.compile(r'("elapsedMs": ?)[\d.]+'), r"\g<1>0"),
    (re.compile(r"dur=[\d.]+"), "dur=0"),
    (re.compile(r"^(Date: ).*$", re.M), r"\g<1>now"),
]


def blocks(text):
    """(language, content, text between it and the block before) of every block."""
    found, last = [], 0
    for match in FENCE.finditer(text):
        found.append((match[1], match[2], text[last:match.start()]))
        last = match.end()
    return found


def steps(page):
    """The configurations and commands of a page, in order."""
    found = blocks(page.read_text())
    for index, (language, content, before) in enumerate(found):
        for name in RUN.findall(before):
            yield "config", (ROOT / name).read_text(), None
        if language == "yaml" and content.startswith("# gatherd.yaml"):
            yield "config", content, None
        following = found[index + 1] if index + 1 < len(found) else ("", "", "x")
        if language == "sh" and following[0] in ("json", "text") and not following[2].strip():
            yield following[0], content, following[1]


def masked(text):
    """Text with its times replaced."""
    for pattern, replacement in TIMES:
        text = pattern.sub(replacement, text)
    return text.replace("\r", "").strip()


def matches(expected, actual):
    """Whether the actual text is the expected one, `...` standing for anything."""
    pattern = ".*".join(re.escape(part) for part in expected.split("..."))
    return re.fullmatch(pattern, actual, re.S) is not None


def replaced(text, gatherd, upstream_port, directory):
    """A page's text with the ports and files of this run."""
    text = text.replace("127.0.0.1:9000", f"127.0.0.1:{upstream_port}")
    text = text.replace("127.0.0.1:8080", "127.0.0.1:0")
    if gatherd is not None:
        text = text.replace("localhost:8080", f"127.0.0.1:{gatherd.port}")
        text = text.replace("build/gatherd", str(gatherd.process.args[0]))
    return text.replace("@conf/three-posts.json", f"@{directory}/three-posts.json")


class Page:
    """Runs the steps of one page."""

    def __init__(self, directory, upstream_port):
        self.directory, self.upstream_port = directory, upstream_port
        self.gatherd = None
        posts = (ROOT / "conf" / "three-posts.json").read_text()
        (directory / "three-posts.json").write_text(
            replaced(posts, None, upstream_port, directory))

    def configure(self, text):
        """Starts gatherd with a configuration."""
        self.close()
        self.gatherd = Gatherd(self.directory, replaced(text, None, self.upstream_port, ""))

    def run(self, command):
        """Runs a command; what it prints, with the ports of the page."""
        command = replaced(command, self.gatherd, self.upstream_port, self.directory)
        done = subprocess.run(["bash", "-c", command], cwd=ROOT, capture_output=True, text=True,
                              timeout=30, check=False)
        out = done.stdout.replace(f"127.0.0.1:{self.upstream_port}", "127.0.0.1:9000")
        return out.replace(f"127.0.0.1:{self.gatherd.port}", "localhost:8080")

    def close(self):
        """Stops gatherd."""
        if self.gatherd is not None:
            self.gatherd.stop()
            self.gatherd = None


@pytest.mark.parametrize("path", [p for p in PAGES if list(steps(p))], ids=lambda p: p.name)
def test_page(path, tmp_path, upstream):
    """Every command of the page gives the reply that the page shows."""
    page = Page(tmp_path, upstream.address[1])
    try:
        page.configure((ROOT / "conf" / "demo.yaml").read_text())
        for kind, command, expected in steps(path):
            if kind == "config":
                page.configure(command)
                continue
            actual = page.run(command)
            if kind == "json" and "..." not in expected:
                assert json.loads(masked(actual)) == json.loads(masked(expected)), command
            else:
                assert matches(masked(expected), masked(actual)), f"{command}\n{actual}"
    finally:
        page.close()


def test_pages_have_commands():
    """The check above is not empty: README and the page about threads have commands."""
    counts = {p.name: len(list(steps(p))) for p in PAGES}
    assert counts["README.md"] >= 4
    assert counts["from-threads.md"] >= 8
    assert pathlib.Path(ROOT / "docs" / "reference.md").is_file()
