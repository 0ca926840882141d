"""Shapes and merges once more, slow and obvious, after docs/shaping.md.

A text becomes a tree that remembers where everything stood, duplicates included; a
result is written from the pieces of the text.
"""

import json
import re

SPACE = b" \t\r\n"
LONE = re.compile("[\ud800-\udfff]")


class Value:
    """A value: its type, its text and, in a container, its items with the text between."""

    def __init__(self, kind, text):
        self.kind, self.text = kind, text
        self.items = []
        self.before = []  # of each item: white space and comma
        self.tail = b""

    @property
    def container(self):
        """Whether it has items."""
        return self.kind in "{["


class Item:
    """A member or an item: the key's text and value, and what is between key and value."""

    def __init__(self, key, colon, value):
        self.key, self.colon, self.value = key, colon, value
        self.name = decode(key) if key else None


def decode(key):
    """A key's name, or an object equal to nothing when it has a lone surrogate."""
    name = json.loads(key)
    return object() if LONE.search(name) else name


class Parser:
    """Reads one valid text."""

    def __init__(self, text):
        self.text, self.at = text, 0

    def space(self):
        """White space, which is returned."""
        begin = self.at
        while self.text[self.at:self.at + 1] and self.text[self.at] in SPACE:
            self.at += 1
        return self.text[begin:self.at]

    def string(self):
        """A string's text."""
        begin = self.at
        self.at += 1
        while self.text[self.at] != 0x22:
            self.at += 2 if self.text[self.at] == 0x5C else 1
        self.at += 1
        return self.text[begin:self.at]

    def value(self):
        """A value."""
        first = chr(self.text[self.at])
        begin = self.at
        if first == '"':
            return Value("s", self.string())
        if first in "{[":
            found = self.container(first)
            found.text = self.text[begin:self.at]
            return found
        while self.at < len(self.text) and self.text[self.at] not in b",]} \t\r\n":
            self.at += 1
        return Value("n" if first == "n" else "0", self.text[begin:self.at])

    def container(self, first):
        """Its items, and the text around them."""
        found = Value(first, b"")
        self.at += 1
        before = self.space()
        while self.text[self.at] not in b"}]":
            key, colon = b"", b""
            if first == "{":
                key = self.string()
                colon = self.space() + b":"
                self.at += 1
                colon += self.space()
            found.before.append(before)
            found.items.append(Item(key, colon, self.value()))
            before = self.space()
            if self.text[self.at] == 0x2C:
                self.at += 1
                before += b"," + self.space()
        found.tail = before
        self.at += 1
        return found


def parse(text):
    """The value of a text."""
    parser = Parser(text)
    parser.space()
    return parser.value()


# Shapes.

def split(path):
    """A path's steps: names, and None for `*`."""
    steps = [""]
    escaped = False
    for char in path:
        if escaped:
            steps[-1] += char
        elif char == "\\":
            pass
        elif char == ".":
            steps.append("")
        else:
            steps[-1] = None if char == "*" else steps[-1] + char
        escaped = char == "\\" and not escaped
    return steps


def below(paths, name):
    """What is left of the paths that begin with this step."""
    return [(steps[1:], new) for steps, new in paths if steps and steps[0] == name]


class Lists:
    """What allow, deny and rename say from here on; allow is None where all is allowed."""

    def __init__(self, allow, deny, rename):
        self.allow, self.deny, self.rename = allow, deny, rename

    def at(self, name):
        """What they say below that step."""
        allow = None if self.allow is None else below(self.allow, name)
        if allow is not None and any(not steps for steps, _ in allow):
            allow = None
        return Lists(allow, below(self.deny, name), below(self.rename, name))

    def stays(self, value):
        """Whether a value here is kept."""
        if any(not steps for steps, _ in self.deny):
            return False
        if self.allow is None:
            return True
        if value.kind == "{":
            return any(steps[0] is not None for steps, _ in self.allow)
        if value.kind == "[":
            return any(steps[0] is None for steps, _ in self.allow)
        return value.kind == "n" and bool(self.allow)

    def new_name(self):
        """The name a member here gets."""
        return next((new for steps, new in self.rename if not steps), None)


def shaped(value, lists):
    """A value's text after allow, deny and rename."""
    if not value.container:
        return value.text
    said = [lists.at(item.name if value.kind == "{" else None) for item in value.items]
    stay = [says.stays(item.value) for says, item in zip(said, value.items)]
    taken = {says.new_name() for says, kept in zip(said, stay) if kept} - {None}
    text, count = b"", 0
    for index, item in enumerate(value.items):
        new = said[index].new_name()
        if not stay[index] or (new is None and item.name in taken):
            continue
        key = item.key if new is None else json.dumps(new, ensure_ascii=False).encode()
        text += value.before[index if count else 0] + key + item.colon
        text += shaped(item.value, said[index])
        count += 1
    begin = value.kind.encode() + (value.before[0] if not count and value.items else b"")
    return begin + text + value.tail + (b"}" if value.kind == "{" else b"]")


def pointed(value, pointer):
    """The value a JSON Pointer names, or None."""
    for token in pointer.split("/")[1:]:
        token = token.replace("~1", "/").replace("~0", "~")
        if value.kind == "{":
            found = [item.value for item in value.items if item.name == token]
        elif value.kind == "[" and re.fullmatch("0|[1-9][0-9]*", token):
            found = [item.value for item in value.items][int(token):int(token) + 1]
        else:
            found = []
        if not found:
            return None
        value = found[-1]
    return value


def unfit(request, kind):
    """Whether a list expects the other kind of container."""
    for name in ("allow", "deny", "rename"):
        firsts = [split(path)[0] is None for path in request.get(name, ())]
        if firsts and ((kind == "[" and not any(firsts)) or (kind == "{" and all(firsts))):
            return True
    return False


def shape(request, text):
    """The shaped text, or "nothing" or "unfit"."""
    value = pointed(parse(text), request.get("select", ""))
    if value is None:
        return "nothing"
    if unfit(request, value.kind):
        return "unfit"
    allow = [(split(path), None) for path in request["allow"]] if "allow" in request else None
    deny = [(split(path), None) for path in request.get("deny", ())]
    rename = [(split(path), split(new)[0]) for path, new in request.get("rename", {}).items()]
    if allow is not None and value.kind in "s0":
        return "nothing"
    result = shaped(value, Lists(allow, deny, rename))
    if "group" in request:
        name = json.dumps(split(request["group"])[0], ensure_ascii=False).encode()
        result = b"{" + name + b":" + result + b"}"
    return result


# Merges.

class Slot:
    """A key of a merged object: the members that stand for it now, [key, value, dropping].

    A value is a Value, or a Merged when two were; `dropping`: its nulls are left out.
    """

    def __init__(self, name, part, member):
        self.name, self.part, self.shared = name, part, False
        self.members = [member] if member else []
        self.again = []  # slots of the same key in the same object


class Conflict(Exception):
    """Two parts have the same key, and that may not be."""


class Merged:
    """An object that is being put together; the rule is "patch" or that for conflicts."""

    def __init__(self, rule):
        self.rule = rule
        self.slots = []

    def add(self, value, part, patch=False, dropping=False):
        """Takes the members of one part's object."""
        for item in value.items:
            null = item.value.kind == "n"
            if dropping and null:
                continue
            member = None if patch and null else [item.key, item.value, patch or dropping]
            slot = next((slot for slot in self.slots if slot.name == item.name), None)
            if slot is None:
                self.slots.append(Slot(item.name, part, member))
            elif patch or slot.shared or slot.part != part:
                self.meet(slot, item, part, patch)
            else:
                slot.again.append(Slot(object(), part, member))
                self.slots.append(slot.again[-1])

    def meet(self, slot, item, part, patch):
        """Another part has a word on a key that is there."""
        now = slot.again[-1].members if slot.again else slot.members
        _, old, dropping = now[0] if now else (None, None, None)
        if item.value.kind == "{" and (isinstance(old, Merged) or (old and old.kind == "{")):
            if not isinstance(old, Merged):
                text, old = old, Merged(self.rule)
                old.add(text, slot.part, dropping=dropping)
            old.add(item.value, part, patch)
            slot.members = [[slot.members[0][0], old, False]]
        elif patch:
            slot.members = [] if item.value.kind == "n" else [[item.key, item.value, True]]
        elif self.rule == "error":
            raise Conflict
        elif self.rule == "first":
            return
        else:
            slot.members = [[item.key, item.value, False]]
        for again in slot.again:
            again.members = []
        slot.part, slot.shared, slot.again = part, True, []

    def text(self):
        """As JSON."""
        found = []
        for slot in self.slots:
            for key, value, dropping in slot.members:
                if isinstance(value, Merged):
                    text = value.text()
                else:
                    text = without_nulls(value) if dropping else value.text
                found.append(key + b":" + text)
        return b"{" + b",".join(found) + b"}"


def without_nulls(value):
    """An object's text without its null members; of the objects in it, too."""
    if value.kind != "{":
        return value.text
    text, count = b"", 0
    for index, item in enumerate(value.items):
        if item.value.kind == "n":
            continue
        text += value.before[index if count else 0] + item.key + item.colon
        text += without_nulls(item.value)
        count += 1
    begin = b"{" + (value.before[0] if not count and value.items else b"")
    return begin + text + value.tail + b"}"


def merge(kind, conflict, texts):
    """The merged text, or "conflict"."""
    values = [parse(text) for text in texts]
    if kind == "coalesce":
        return next((value.text for value in values if value.kind != "n"), b"null")
    if len(values) == 1:
        return values[0].text if values[0].items else b"{}"
    whole = Merged("patch" if kind == "patch" else conflict)
    try:
        for part, value in enumerate(values):
            whole.add(value, part, patch=kind == "patch" and part > 0)
    except Conflict:
        return "conflict"
    return whole.text()
