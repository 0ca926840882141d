"""Reads as much YAML as the project's own files use, so that no package is needed.

Block maps and lists, flow maps and lists, plain and quoted scalars, comments.
Anything else is an error. The daemon itself reads YAML with libyaml; this reader
only turns shipped files into values for the schema test.
"""

import json
import re

TOKEN = re.compile(r"""\s*(?:([\[\]{},])|("(?:[^"\\]|\\.)*")|('(?:[^']|'')*'))""")


def load(text):
    """The value of a document."""
    lines = []
    for line in text.splitlines():
        kept = strip_comment(line)
        if kept.strip() and kept.strip() != "---":
            lines.append(kept)
    lines = join_flows(lines)
    if not lines:
        return {}
    value, rest = read_block(lines, indent_of(lines[0]))
    assert not rest, f"cannot read: {rest[0]!r}"
    return value


def strip_comment(line):
    """A line without its comment and trailing spaces."""
    quote = None
    for index, char in enumerate(line):
        if quote:
            if char == quote and line[index - 1] != "\\":
                quote = None
        elif char in "\"'" and (index == 0 or line[index - 1] in " [{,:-"):
            quote = char
        elif char == "#" and (index == 0 or line[index - 1] in " \t"):
            return line[:index].rstrip()
    return line.rstrip()


def open_flows(text):
    """How many flow collections are still open at the end."""
    bare = re.sub(r'"(?:[^"\\]|\\.)*"|\'(?:[^\']|\'\')*\'', "", text)
    value = re.sub(r"^\s*(- +)*([\w.-]+: +)*", "", bare)
    if not value.startswith(("[", "{")):
        return 0
    return sum(value.count(char) for char in "[{") - sum(value.count(char) for char in "]}")


def join_flows(lines):
    """Flow collections over several lines, joined into one."""
    joined = []
    for line in lines:
        if joined and open_flows(joined[-1]) > 0:
            joined[-1] += " " + line.strip()
        else:
            joined.append(line)
    return joined


def indent_of(line):
    """How far a line is indented."""
    return len(line) - len(line.lstrip(" "))


def read_block(lines, indent):
    """A block value at an indentation, and the lines after it."""
    text = lines[0].strip()
    if text.startswith("- ") or text == "-":
        return read_list(lines, indent)
    if split_key(text):
        return read_map(lines, indent)
    return read_scalar(text), lines[1:]


def read_list(lines, indent):
    """Items that begin with a dash."""
    items = []
    while lines and indent_of(lines[0]) == indent and lines[0].strip().startswith("-"):
        inner = lines[0].strip()[1:]
        if not inner.strip():
            value, lines = read_block(lines[1:], indent_of(lines[1]))
        else:
            deeper = indent + 1 + indent_of(inner)
            value, lines = read_block([" " * deeper + inner.strip()] + lines[1:], deeper)
        items.append(value)
    return items, lines


def read_map(lines, indent):
    """Members, one or more lines each."""
    members = {}
    while lines and indent_of(lines[0]) == indent:
        key, rest = split_key(lines[0].strip())
        assert key not in members, key
        lines = lines[1:]
        if rest:
            members[key] = read_scalar(rest)
        elif lines and (indent_of(lines[0]) > indent or
                        indent_of(lines[0]) == indent and lines[0].strip().startswith("- ")):
            members[key], lines = read_block(lines, indent_of(lines[0]))
        else:
            members[key] = None
    return members, lines


def split_key(text):
    """A member's key and the rest of its line, or None."""
    match = re.match(r"""("(?:[^"\\]|\\.)*"|'[^']*'|[^\s\[\]{},"'#&*!|>%@`-][^:\[\]{},"]*?)\s*:(?:\s+(.*))?$""",
                     text)
    return (read_scalar(match.group(1)), (match.group(2) or "").strip()) if match else None


def read_scalar(text):
    """A value on one line."""
    if text[0] in "[{":
        value, rest = read_flow(text)
        assert not rest.strip(), text
        return value
    assert text[0] not in "&*!|>%@`", f"cannot read: {text!r}"
    return plain(text)


def plain(text):
    """A quoted or plain scalar."""
    if text[0] == '"':
        return json.loads(text)
    if text[0] == "'":
        return text[1:-1].replace("''", "'")
    if text in ("null", "~", ""):
        return None
    if text in ("true", "false"):
        return text == "true"
    if re.fullmatch(r"-?(0|[1-9]\d*)", text):
        return int(text)
    if re.fullmatch(r"-?(0|[1-9]\d*)(\.\d+)?([eE][-+]?\d+)?", text):
        return float(text)
    return text


def read_flow(text):
    """A flow value and what follows it."""
    text = text.lstrip()
    if text[0] == "[":
        return read_sequence(text[1:])
    if text[0] == "{":
        return read_mapping(text[1:])
    match = TOKEN.match(text)
    if match and (match.group(2) or match.group(3)):
        return plain(match.group(0).strip()), text[match.end():]
    end = re.search(r"\s*(?:[,\[\]{}]|:\s|:$|$)", text).start()
    return (plain(text[:end]) if end else None), text[end:]


def read_sequence(text):
    """The items of [ ... ]."""
    items = []
    while True:
        text = text.lstrip()
        if text[0] == "]":
            return items, text[1:]
        value, text = read_flow(text)
        items.append(value)
        text = text.lstrip().removeprefix(",")


def read_mapping(text):
    """The members of { ... }."""
    members = {}
    while True:
        text = text.lstrip()
        if text[0] == "}":
            return members, text[1:]
        key, text = read_flow(text)
        text = text.lstrip()
        assert text[0] == ":", text
        members[key], text = read_flow(text[1:])
        text = text.lstrip().removeprefix(",")
