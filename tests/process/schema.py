"""As much of JSON Schema (draft 2020-12) as the printed schema needs, and no more.

A keyword it does not know is an error, so that nothing goes unchecked.
"""

import re

TYPES = {
    "object": lambda value: isinstance(value, dict),
    "array": lambda value: isinstance(value, list),
    "string": lambda value: isinstance(value, str),
    "boolean": lambda value: isinstance(value, bool),
    "integer": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "number": lambda value: isinstance(value, (int, float)) and not isinstance(value, bool),
    "null": lambda value: value is None,
}
SILENT = {"$schema", "$id", "$defs", "$comment", "title", "description", "default", "examples",
          "format", "then", "else"}


def faults(value, schema, root=None, place=""):
    """What is wrong with a value, as a list of sentences."""
    root = schema if root is None else root
    if isinstance(schema, bool):
        return [] if schema else [f"{place}: not allowed"]
    found = []
    for keyword, rule in schema.items():
        if keyword in SILENT:
            continue
        check = globals().get("check_" + keyword.lstrip("$"))
        assert check, f"the schema uses {keyword}, which this checker does not know"
        found += check(value, rule, schema, root, place)
    return found


def check_ref(value, rule, _, root, place):
    """Another part of the schema."""
    assert rule.startswith("#"), rule
    target = root
    for step in rule[1:].split("/")[1:]:
        target = target[step.replace("~1", "/").replace("~0", "~")]
    return faults(value, target, root, place)


def check_type(value, rule, _, __, place):
    """One type or one of several."""
    names = [rule] if isinstance(rule, str) else rule
    return [] if any(TYPES[name](value) for name in names) else [f"{place}: not {rule}"]


def check_enum(value, rule, _, __, place):
    """One of these."""
    return [] if value in rule else [f"{place}: not one of {rule}"]


def check_const(value, rule, _, __, place):
    """Exactly this."""
    return [] if value == rule else [f"{place}: not {rule}"]


def check_pattern(value, rule, _, __, place):
    """Strings only."""
    bad = isinstance(value, str) and not re.search(rule, value)
    return [f"{place}: {value!r} does not match {rule}"] if bad else []


def check_minimum(value, rule, _, __, place):
    """Numbers only."""
    return [f"{place}: below {rule}"] if TYPES["number"](value) and value < rule else []


def check_maximum(value, rule, _, __, place):
    """Numbers only."""
    return [f"{place}: above {rule}"] if TYPES["number"](value) and value > rule else []


def check_minLength(value, rule, _, __, place):  # pylint: disable=invalid-name
    """Strings only."""
    return [f"{place}: too short"] if isinstance(value, str) and len(value) < rule else []


def check_maxLength(value, rule, _, __, place):  # pylint: disable=invalid-name
    """Strings only."""
    return [f"{place}: too long"] if isinstance(value, str) and len(value) > rule else []


def check_minItems(value, rule, _, __, place):  # pylint: disable=invalid-name
    """Arrays only."""
    return [f"{place}: too few"] if isinstance(value, list) and len(value) < rule else []


def check_maxItems(value, rule, _, __, place):  # pylint: disable=invalid-name
    """Arrays only."""
    return [f"{place}: too many"] if isinstance(value, list) and len(value) > rule else []


def check_required(value, rule, _, __, place):
    """Objects only."""
    if not isinstance(value, dict):
        return []
    return [f"{place}: {name} is missing" for name in rule if name not in value]


def check_properties(value, rule, _, root, place):
    """The members that are there."""
    if not isinstance(value, dict):
        return []
    return [fault for name, inner in rule.items() if name in value
            for fault in faults(value[name], inner, root, f"{place}/{name}")]


def check_additionalProperties(value, rule, schema, root, place):  # pylint: disable=invalid-name
    """The members that `properties` does not name."""
    if not isinstance(value, dict):
        return []
    return [fault for name in value if name not in schema.get("properties", {})
            for fault in faults(value[name], rule, root, f"{place}/{name}")]


def check_propertyNames(value, rule, _, root, place):  # pylint: disable=invalid-name
    """The names."""
    if not isinstance(value, dict):
        return []
    return [fault for name in value for fault in faults(name, rule, root, f"{place}/{name}")]


def check_items(value, rule, _, root, place):
    """Each item."""
    if not isinstance(value, list):
        return []
    return [fault for index, item in enumerate(value)
            for fault in faults(item, rule, root, f"{place}/{index}")]


def check_anyOf(value, rule, _, root, place):  # pylint: disable=invalid-name
    """At least one holds."""
    attempts = [faults(value, inner, root, place) for inner in rule]
    return [] if [] in attempts else [f"{place}: none of {attempts}"]


def check_oneOf(value, rule, _, root, place):  # pylint: disable=invalid-name
    """Exactly one holds."""
    holding = [inner for inner in rule if not faults(value, inner, root, place)]
    return [] if len(holding) == 1 else [f"{place}: {len(holding)} of {len(rule)} hold"]


def check_allOf(value, rule, _, root, place):  # pylint: disable=invalid-name
    """All hold."""
    return [fault for inner in rule for fault in faults(value, inner, root, place)]


def check_not(value, rule, _, root, place):
    """Must not hold."""
    return [] if faults(value, rule, root, place) else [f"{place}: must not hold"]
