"""What shells complete agrees with what the program knows."""

import re
import subprocess

import harness
from harness import ROOT
import pytest

pytestmark = pytest.mark.once

BASH = ROOT / "packaging" / "completion" / "gatherd.bash"
ZSH = ROOT / "packaging" / "completion" / "gatherd.zsh"


def options():
    """Every option in --help."""
    found = set(re.findall(r"(?<![\w-])(--?[a-zA-Z][a-z-]*)", harness.run("--help").stdout))
    assert len(found) > 8, found
    return found


def completed(directory, *words):
    """What bash offers for the last word, asked as bash asks."""
    script = (f"source {BASH}\n[[ $(complete -p gatherd) == 'complete -F _gatherd gatherd' ]] || exit 9\n"
              'COMP_WORDS=(gatherd "$@") COMP_CWORD=$#\n_gatherd\n'
              'for reply in "${COMPREPLY[@]}"; do echo "$reply"; done\n')
    done = subprocess.run(["bash", "--norc", "-u", "-c", script, "bash", *words], cwd=directory,
                          capture_output=True, text=True, timeout=20, check=True)
    assert done.stderr == "", done.stderr
    return set(done.stdout.splitlines())


def test_options(tmp_path):
    """All options at first; after one that checks or prints only the file is left."""
    assert completed(tmp_path, "") == options()
    assert completed(tmp_path, "--print-") == {o for o in options() if o.startswith("--print-")}
    assert completed(tmp_path, "--check-config", "") == {"-c", "--config"}
    assert completed(tmp_path, "-c", "a.yaml", "--check") == {"--check-config"}


def test_files(tmp_path):
    """A file of YAML or a directory follows --config, in both ways of writing it."""
    for name in ("one.yaml", "two words.yaml", "other.txt"):
        (tmp_path / name).write_text("")
    (tmp_path / "conf.d").mkdir()
    every = {"one.yaml", "two words.yaml", "conf.d"}
    assert completed(tmp_path, "-c", "") == every
    assert completed(tmp_path, "--check-config", "--config", "") == every
    assert completed(tmp_path, "--config", "on") == {"one.yaml"}
    assert completed(tmp_path, "--config", "=") == every  # as bash splits --config=
    assert completed(tmp_path, "--config", "=", "tw") == {"two words.yaml"}


def test_zsh_knows_the_same():
    """The options in zsh's file are those of the program."""
    text = "".join(line for line in ZSH.read_text().splitlines(True) if not line.startswith("#"))
    named = set(re.findall(r"(?<![\w-])(--?[a-zA-Z][a-z-]*)(?=[\[,}+=])", text))
    assert named == options()
