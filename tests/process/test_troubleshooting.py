"""docs/troubleshooting.md says what gatherd says: its messages are provoked and compared."""

import contextlib
import re

import pytest

import harness
import troubles

pytestmark = pytest.mark.once

PAGE = (harness.ROOT / "docs" / "troubleshooting.md").read_text()
ROW = re.compile(r"^\| (?:\d{3} \| |`[a-z_]+` \| )?`(.+?)` \| ", re.M)
CODED = re.compile(r"^\| `([a-z_]+)` \| `(.+?)` \| ", re.M)
STATUS = re.compile(r"^\| (\d{3}) \| `(.+?)` \| ", re.M)

# What no test can bring about without a broken machine, another user or a race: the source has it.
NOT_PROVOKED = {
    "...: this user is not allowed to listen there": "front/listen.c",
    "cannot start: a worker does not answer": "daemon.c",
    "a worker is busy and will take the new configuration later": "daemon.c",
    "resolving the upstream's name took too long": "core/outcome.def",
    "the upstream's address cannot be reached": "core/outcome.def",
    "the request is not allowed": "core/outcome.def",
    "the call was no longer needed": "core/outcome.def",
    "worker ... does not answer": "heartbeat.c",
    "stopped: workers did not end in time": "daemon.c",
    "stopped: a name lookup did not end in time": "daemon.c",
    "systemd passed the socket ..., and no entry of listen takes it: nobody is served there":
        "daemon.c",
}
SEEN = {}


def messages():
    """The messages of the page's tables, in order."""
    return [match[1] for match in ROW.finditer(PAGE)]


def pattern(message):
    """A message with `...` for anything within its line."""
    return re.compile(".+?".join(re.escape(part) for part in message.split("...")))


@pytest.fixture
def make(tmp_path, upstream, gatherd):
    """What makes troubles."""
    with contextlib.ExitStack() as stack:
        yield troubles.Maker(tmp_path, upstream, gatherd, stack.enter_context)


@pytest.mark.parametrize("trouble", troubles.ALL, ids=lambda trouble: trouble.__name__)
def test_trouble(trouble, make):
    """Every line that is provoked is on the page; what was said is kept for the next test."""
    said = trouble(make)
    SEEN[trouble.__name__] = said
    assert any(pattern(message).search(said) for message in messages()), said


def test_every_message_is_what_gatherd_says():
    """No row of the page has drifted."""
    assert len(SEEN) == len(troubles.ALL), "this test needs the ones before it"
    said = "\n".join(SEEN.values())
    wanted = [message for message in messages() if message not in NOT_PROVOKED]
    assert len(wanted) >= 50
    assert [message for message in wanted if not pattern(message).search(said)] == []


def test_codes_and_statuses_belong_to_their_messages():
    """The first column of a row is what comes with its message."""
    said = "\n".join(SEEN.values())
    for code, message in CODED.findall(PAGE):
        if message not in NOT_PROVOKED:
            assert re.search(f"{code} {pattern(message).pattern}", said), (code, message)
    for status, message in STATUS.findall(PAGE):
        assert re.search(rf"\b{status} {pattern(message).pattern}", said), (status, message)


def test_what_is_not_provoked_is_in_the_source():
    """Each at the place that is named here, and on the page."""
    for message, place in NOT_PROVOKED.items():
        source = re.sub(r'"\s*\n\s*"', "", (harness.ROOT / "daemon" / place).read_text())
        for part in message.split("..."):
            assert part.strip(" :") in source, (message, place)
        assert message in messages(), message


def test_every_code_is_on_the_page():
    """The table of outcomes and the page have the same codes."""
    table = (harness.ROOT / "daemon" / "core" / "outcome.def").read_text()
    codes = re.findall(r'^OUTCOME\(\w+, "(\w+)"', table, re.M)
    assert len(codes) > 20
    missing = [code for code in codes if f"| `{code}` |" not in PAGE]
    assert missing == ["proxy_loop_detected"], "a loop shows as status 508 of the whole reply"


def test_the_whole_reply():
    """What stands in a sentence of the page."""
    message = re.search(r"`(the merged reply is larger .+?)`", PAGE)[1]
    assert pattern(message).search(SEEN["limits"])


def test_links_lead_somewhere():
    """Sections that the page points to exist."""
    for name, anchor in re.findall(r"\]\((\w+\.md)(?:#([\w-]+))?\)", PAGE):
        text = (harness.ROOT / "docs" / name).read_text()
        heads = [re.sub(r"[^\w -]", "", head.lower()).replace(" ", "-")
                 for head in re.findall(r"^#+ (.+)$", text, re.M)]
        assert not anchor or anchor in heads, (name, anchor)
