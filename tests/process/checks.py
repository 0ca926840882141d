"""What replies must look like, in one place."""

import re

TALLY = re.compile(r"^([a-z]+); total=(\d+); ok=(\d+); failed=(\d+); skipped=(\d+)$")


def problem(reply, status):
    """A problem document with that status; its errors are returned."""
    assert reply.status == status, reply
    assert reply.header("content-type").split(";")[0] == "application/problem+json", reply
    document = reply.json()
    assert document["status"] == status, document
    assert isinstance(document["title"], str) and document["title"], document
    assert isinstance(document["detail"], str) and document["detail"], document
    return document.get("errors", [])


def refused(reply, status, pointer, *words):
    """A document refused at a place; the words occur in what is said about it."""
    errors = problem(reply, status)
    places = [error["pointer"] for error in errors]
    assert pointer in places, reply
    text = errors[places.index(pointer)]["detail"]
    for word in words:
        assert word in text, (word, text)


def failed(reply, status, code, part=None):
    """A fan-out that failed with a code; the decisive error is returned."""
    errors = problem(reply, status)
    found = [error for error in errors if error["code"] == code and part in (None, error["id"])]
    assert found, reply
    error = found[0]
    assert {"id", "pointer", "code", "status", "detail", "attempts", "elapsedMs"} <= set(error)
    assert re.fullmatch(r"/requests/\d+", error["pointer"]), error
    assert isinstance(error["attempts"], int) and error["elapsedMs"] >= 0, error
    return error


def tally(reply):
    """Aggregate-Status as (word, total, ok, failed, skipped)."""
    match = TALLY.match(reply.header("aggregate-status") or "")
    assert match, reply.headers
    return (match.group(1), *map(int, match.groups()[1:]))


def timings(reply):
    """Server-Timing as {name: milliseconds}."""
    found = {}
    for item in reply.header("server-timing").split(", "):
        name, *parameters = item.split(";")
        values = dict(parameter.split("=", 1) for parameter in parameters)
        found[name] = float(values["dur"])
    return found
