#!/usr/bin/python3
"""Asks gatherd from Python: a merged reply, then results as they complete.

    client.py http://localhost:8080 /pages/products/lamp-1?user=3

Only the standard library is used.
"""

import json
import sys
import urllib.error
import urllib.request


def merged(address, path):
    """One request, one merged reply; a partial one says so in a header."""
    try:
        with urllib.request.urlopen(address + path, timeout=10) as reply:
            return reply.headers["Aggregate-Status"], json.load(reply)
    except urllib.error.HTTPError as error:
        problem = json.load(error)
        raise SystemExit(f"{problem['status']} {problem['title']}: {problem['detail']}") from None


def streamed(address, path):
    """The parts one by one, each as soon as it is there; the summary comes last."""
    request = urllib.request.Request(address + path, headers={"Accept": "application/x-ndjson"})
    with urllib.request.urlopen(request, timeout=10) as reply:
        for line in reply:
            yield json.loads(line)


def main():
    """Shows both ways."""
    address, path = sys.argv[1:]
    status, page = merged(address, path)
    print("merged:", status)
    for name, value in page.items():
        print(f"  {name}: {json.dumps(value, ensure_ascii=False)[:60]}")
    complete = False
    for part in streamed(address, path):
        if "summary" in part:
            complete = True
            print("summary:", json.dumps(part["summary"], ensure_ascii=False)[:60])
        else:
            print("part:", part["id"], part["status"])
    if not complete:
        raise SystemExit("the stream was cut off: no summary came")


if __name__ == "__main__":
    main()
