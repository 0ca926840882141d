"""The texts that the daemon's sources say, as a page shows them: `...` for what varies."""

import re

import harness

DAEMON = harness.ROOT / "daemon"
LITERAL = r'"(?:[^"\\\n]|\\.)*"'
MACRO = r"[A-Z][A-Z_0-9]*(?:\([^()\"]*\))?"
TEXT = re.compile(rf"{LITERAL}(?:\s*(?:{LITERAL}|{MACRO}(?=\s*[\",)])))*")
CONVERSION = re.compile(r"%(?:\.?\d+|\.\*)?(?:ll|l|z)?[sduxc]")


def files(pattern):
    """The text of each source that matches, by its name below daemon/."""
    return {str(path.relative_to(DAEMON)): path.read_text()
            for path in sorted(DAEMON.glob(pattern))}


def calls(source, name):
    """The arguments of every call of a function, as they are written."""
    for match in re.finditer(rf"\b{name}\(", source):
        depth, at = 1, match.end()
        while depth > 0:
            literal = re.compile(LITERAL).match(source, at)
            if literal:
                at = literal.end()
                continue
            depth += {"(": 1, ")": -1}.get(source[at], 0)
            at += 1
        yield source[match.end():at - 1]


def texts(code):
    """The texts in a piece of code, neighbours joined; those that are words, not names."""
    for match in TEXT.finditer(code):
        parts = re.findall(rf"{LITERAL}|{MACRO}", match[0])
        joined = "".join(part[1:-1] if part[0] == '"' else "..." for part in parts)
        shown = CONVERSION.sub("...", joined).replace('\\"', '"').replace("%%", "%")
        if re.search(r"[a-z] [a-z]", shown):
            yield shown


def first_texts(pattern, *names):
    """(file, text) of the calls that have one: a format comes before what goes into it."""
    for file, source in files(pattern).items():
        for name in names:
            for arguments in calls(source, name):
                for text in list(texts(arguments))[:1]:
                    yield file, text


def function(file, name):
    """The body of a function."""
    source = (DAEMON / file).read_text()
    return re.search(rf"^[^\n;]*\b{name}\([^;{{]*\)\n\{{\n.*?^\}}", source, re.M | re.S)[0]
