"""Where the calls of the Python peers go: the settings come as one JSON argument, with the
ports of the groups plain, tls and late and the authority's file."""
import json
import sys

settings = json.loads(sys.argv[1])


def urls(path):
    """The URLs of /BODY/CALLS, in order."""
    _, work, width = path.split("/")
    return [url(work, number) for number in range(int(width))]


def url(work, number):
    group, name = "plain", work
    if work == "mix":
        group, name = "late", ("missing", "chunked")[number] if number < 2 else "quick"
    elif work == "tls":
        group, name = "tls", "small"
    elif work.startswith("late"):
        group = "late"
    port = settings[group][number % len(settings[group])]
    return f"{'https' if group == 'tls' else 'http'}://127.0.0.1:{port}/{name}"


def accepts(status, path):
    return status == 200 or (status == 404 and path.startswith("/mix/"))
