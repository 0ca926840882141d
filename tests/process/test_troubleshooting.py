"""docs/troubleshooting.md says what gatherd says: its messages are provoked and compared."""

import contextlib
import re

import pytest

import harness
import sources
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
    "a worker is busy and will take the new configuration later": "reload.c",
    "resolving the upstream's name took too long": "core/outcome.def",
    "the upstream's address cannot be reached": "core/outcome.def",
    "the request is not allowed": "core/outcome.def",
    "the call was no longer needed": "core/outcome.def",
    "worker ... does not answer": "heartbeat.c",
    "stopped: workers did not end in time": "stop.c",
    "stopped: a name lookup that does not end is left behind": "stop.c",
    "systemd passed the socket ..., and no entry of listen takes it: nobody is served there":
        "daemon.c",
    'cannot use the socket "..." that systemd passed: ...': "front/listen.c",
    "cannot serve the admin pages: ...": "daemon.c",
    "cannot start: ...": "main.c",
    "cannot start a worker: ...": "daemon.c",
    "tracing cannot be changed: ...": "reload.c",
    "Content-Length must be a plain number": "front/checks.c",
    "a worker cannot wait for events: ...": "worker.c",
    "cannot wait for signals: ...": "daemon.c",
    "libmicrohttpd gave up at ...": "front/server.c",
    "libmicrohttpd could not run": "front/server.c",
    "libmicrohttpd could not run for the admin pages": "front/admin_server.c",
    "cannot serve a connection: ...": "worker.c",
    "cannot watch a client connection: ...": "front/connection.c",
    "a stream is cut off: no memory for a part": "front/stream.c",
    "stopped: the access log or tracing did not end in time": "stop.c",
}

# What libmicrohttpd 1.0 refuses in its own words before gatherd sees it.
LIBRARY = {
    "a URL has no spaces; write %20", "Host is missing",
    "a field that frames the body is folded or misspelt",
    "Content-Length and Transfer-Encoding exclude each other",
    "the only transfer coding accepted is one chunked",
} if "libmicrohttpd 1." in harness.run("--version").stdout else set()

# What the sources say and the page need not, with the reason.
NOT_ON_THE_PAGE = {
    "tracing lost ... spans: ...": "its reasons have a row each",
    "there is no memory for this page": "there is nothing to look up",
    "there is no memory for the request's body": "the same",
    "there is no memory left for the merged reply": "the same",
    "there is no memory left for the plan": "the same",
    "a path begins with /": "a target without it is refused before",
    "libcurl could not start the call": "the same as no memory",
    "the name is too long": "a URL with such a host is refused before",
    "cannot listen on ...: ...": "shown with its most frequent reasons",
    "cannot accept connections on ...: ...": "the same",
    "... things are wrong with the request": "said in words above the table",
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
    wanted = [message for message in messages() if message not in {*NOT_PROVOKED, *LIBRARY}]
    assert len(wanted) >= 50
    assert [message for message in wanted if not pattern(message).search(said)] == []


def test_codes_and_statuses_belong_to_their_messages():
    """The first column of a row is what comes with its message."""
    said = "\n".join(SEEN.values())
    for code, message in CODED.findall(PAGE):
        if message not in NOT_PROVOKED:
            assert re.search(f"{code} {pattern(message).pattern}", said), (code, message)
    for status, message in STATUS.findall(PAGE):
        if message in {*NOT_PROVOKED, *LIBRARY}:
            continue
        assert re.search(rf"\b{status} {pattern(message).pattern}", said), (status, message)


def test_what_is_not_provoked_is_in_the_source():
    """Each at the place that is named here, and on the page."""
    for message, place in NOT_PROVOKED.items():
        source = re.sub(r'"\s*\n\s*"', "", (harness.ROOT / "daemon" / place).read_text())
        source = source.replace('\\"', '"')
        for part in message.split("..."):
            assert part.strip(" :") in source, (message, place)
        assert message in messages(), message


def logged():
    """What is an error or a warning."""
    yield from sources.first_texts("**/*.c", "log_error", "log_warning")
    for file, source in sources.files("**/*.c").items():
        for arguments in sources.calls(source, "log_event"):
            if re.search("LOG_LEVEL_(ERROR|WARNING)", arguments):
                yield from ((file, text) for text in sources.texts(arguments))
    yield from sources.first_texts("front/listen.c", "arena_printf")


def refused():
    """What a client hears before anything is sent, but for what is wrong in a document."""
    for pattern in ("*.c", "front/*.c", "core/*.c"):
        yield from sources.first_texts(pattern, "answer_problem", "refuse", "refuse_broken",
                                       "send_last_words", "set_problem", "fault_with_status")
    yield from sources.first_texts("core/answer.c", "arena_printf")
    for file, source in sources.files("front/*.c").items():
        for verdict in re.findall(r"struct verdict\)\{\s*\d+,.*?\}", source, re.S):
            yield from ((file, text) for text in sources.texts(verdict))
    for name in ("check_bytes", "url_check_target"):
        yield from (("core/url.c", text) for text in sources.texts(
            sources.function("core/url.c", name)))
    names = ("fault_at", "fault_at_key", "fault_in")
    limits = ("limits.", "inside each other", "the document has more than")
    for file, text in sources.first_texts("**/*.c", *names):
        if any(words in text for words in limits) and file != "core/plan_late.c":
            yield file, text


def why_calls_fail():
    """What stands behind a code's sentence and is another matter for whoever mends it."""
    source = sources.files("back/curl_result.c")["back/curl_result.c"]
    yield from (("back/curl_result.c", text) for text in sources.texts(source.split("#include")[-1]))
    yield from sources.first_texts("back/runner.c", "fail")


def is_on_the_page(text):
    """Whether a row says it, or a sentence, with numbers for what the source has a name for."""
    spans = messages() + re.findall(r"^- `(.+?)`", PAGE, re.M)
    return any(pattern(re.sub(r"\d+(?= members| fields)", "...", span.removeprefix("...: "))).search(text)
               for span in spans)


def test_what_the_sources_say_is_on_the_page():
    """Errors, warnings and refusals, but for the few that are listed above."""
    said = [*logged(), *refused()]
    assert len(said) >= 90, "does the search still find them?"
    missing = [(file, text) for file, text in said
               if text not in NOT_ON_THE_PAGE and not is_on_the_page(text)]
    assert missing == []
    causes = list(why_calls_fail())
    assert len(causes) >= 9
    assert [(file, text) for file, text in causes if text not in NOT_ON_THE_PAGE and not any(
        text.split(" (the package")[0] in message for message in messages())] == []
    known = {text for _, text in said + causes}
    assert [text for text in NOT_ON_THE_PAGE if text not in known] == []


def test_every_code_is_on_the_page():
    """The table of outcomes and the page have the same codes."""
    table = (harness.ROOT / "daemon" / "core" / "outcome.def").read_text()
    codes = re.findall(r'^OUTCOME\(\w+, "(\w+)"', table, re.M)
    assert len(codes) > 20
    missing = [code for code in codes if f"| `{code}` |" not in PAGE]
    assert missing == ["proxy_loop_detected"], "a loop shows as status 508 of the whole reply"


def test_the_whole_reply():
    """What stands in a list of the page."""
    listed = re.findall(r"^- `(.+?)`: ", PAGE, re.M)
    assert len(listed) == 2
    said = "\n".join(SEEN.values())
    assert [text for text in listed if not re.search(f"502 {pattern(text).pattern}", said)] == []


def test_links_lead_somewhere():
    """Sections that the page points to exist."""
    for name, anchor in re.findall(r"\]\((\w+\.md)(?:#([\w-]+))?\)", PAGE):
        text = (harness.ROOT / "docs" / name).read_text()
        heads = [re.sub(r"[^\w -]", "", head.lower()).replace(" ", "-")
                 for head in re.findall(r"^#+ (.+)$", text, re.M)]
        assert not anchor or anchor in heads, (name, anchor)
