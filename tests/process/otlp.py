"""A collector of traces that is as strict as OTLP/HTTP with JSON: what a real one might refuse or
silently drop is an error here."""

import dataclasses
import http.server
import json
import re
import ssl
import threading
import time
import urllib.parse

import harness

U64 = 1 << 64
I64 = 1 << 63
KINDS = {1: "internal", 2: "server", 3: "client", 4: "producer", 5: "consumer"}
VALUES = {"stringValue": str, "boolValue": bool, "doubleValue": float, "intValue": str}


def only(value, known, where):
    """Members that the protocol does not have are a slip: receivers ignore them."""
    assert isinstance(value, dict), where
    assert not set(value) - set(known), f"{where}: unknown members {set(value) - set(known)}"


def identifier(text, digits, where):
    """Ids are hexadecimal in OTLP's JSON, not base64, and never all zeros."""
    assert isinstance(text, str) and re.fullmatch(f"[0-9a-fA-F]{{{digits}}}", text), (where, text)
    assert text.strip("0"), f"{where} is all zeros"
    return text.lower()


def nanoseconds(text, where):
    """Numbers of 64 bits are strings of decimal digits."""
    assert isinstance(text, str) and re.fullmatch(r"0|[1-9][0-9]*", text), (where, text)
    assert int(text) < U64
    return int(text)


def attributes(items, where):
    """KeyValue list to a dict; keys are unique and not empty."""
    found = {}
    assert isinstance(items, list), where
    for item in items:
        only(item, ["key", "value"], where)
        key = item["key"]
        assert isinstance(key, str) and key and key not in found, (where, key)
        assert len(item["value"]) == 1, (where, item)
        (kind, value), = item["value"].items()
        assert kind in VALUES and isinstance(value, VALUES[kind]), (where, item)
        if kind == "intValue":
            assert re.fullmatch(r"-?[0-9]+", value) and -I64 <= int(value) < I64
            value = int(value)
        found[key] = value
    return found


METHODS = {"GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"}
COMMON = {"http.request.method": str, "http.request.method_original": str, "server.address": str,
          "server.port": int, "network.protocol.version": str, "http.response.status_code": int,
          "error.type": str}
ATTRIBUTES = {
    "server": {**COMMON, "url.scheme": str, "url.path": str, "http.route": str,
               "user_agent.original": str, "client.address": str},
    "client": {**COMMON, "url.full": str, "gatherd.request.id": str,
               "http.request.resend_count": int},
}
REQUIRED = {
    "server": {"http.request.method", "url.scheme", "url.path"},
    "client": {"http.request.method", "url.full", "server.address", "server.port"},
}


def check_conventions(span):
    """OpenTelemetry's semantic conventions for HTTP: what has to be there, and what it may be."""
    found, kind = span["attributes"], span["kind"]
    assert not REQUIRED[kind] - set(found), (kind, found)
    for key, value in found.items():
        assert isinstance(value, ATTRIBUTES[kind][key]), (key, value)
    method = found["http.request.method"]
    assert method in METHODS or method == "_OTHER"
    assert (method == "_OTHER") == ("http.request.method_original" in found)
    assert ("server.address" in found) == ("server.port" in found)
    assert found.get("network.protocol.version", "1.1") in ("1.0", "1.1", "2")
    assert span["error"] == ("error.type" in found)
    assert "http.response.status_code" in found or span["error"]
    name = "HTTP" if method == "_OTHER" else method
    if kind == "client":
        assert re.fullmatch(r"https?://[^/?#@]+/[^?#]*", found["url.full"]), found
        assert span["name"] == name
    else:
        assert found["url.scheme"] == "http" and "?" not in found["url.path"]
        assert span["name"] == f"{name} {found.get('http.route', '')}".rstrip()
        assert span["error"] or found["http.response.status_code"] < 500


def read_span(item, resource, scope):
    """One Span message, checked and made plain."""
    only(item, ["traceId", "spanId", "parentSpanId", "traceState", "flags", "name", "kind",
                "startTimeUnixNano", "endTimeUnixNano", "attributes", "droppedAttributesCount",
                "events", "links", "status"], "span")
    assert isinstance(item["name"], str) and item["name"]
    assert item["kind"] in KINDS and not isinstance(item["kind"], bool)
    status = item.get("status", {})
    only(status, ["code", "message"], "status")
    assert status.get("code", 0) in (0, 1, 2)
    span = {
        "trace": identifier(item["traceId"], 32, "traceId"),
        "id": identifier(item["spanId"], 16, "spanId"),
        "parent": item.get("parentSpanId", "") and identifier(item["parentSpanId"], 16, "parent"),
        "name": item["name"],
        "kind": KINDS[item["kind"]],
        "start": nanoseconds(item["startTimeUnixNano"], "start"),
        "end": nanoseconds(item["endTimeUnixNano"], "end"),
        "error": status.get("code", 0) == 2,
        "attributes": attributes(item.get("attributes", []), "span"),
        "state": item.get("traceState", ""),
        "flags": item["flags"],
        "resource": resource,
        "scope": scope,
    }
    assert span["start"] <= span["end"]
    assert isinstance(span["state"], str) and isinstance(span["flags"], int)
    assert span["flags"] & 0x101 == 0x101, "sampled, and it is known whose its parent is"
    assert bool(span["flags"] & 0x200) == (span["kind"] == "server" and span["parent"] != "")
    check_conventions(span)
    return span


def read_request(document):
    """The spans of an ExportTraceServiceRequest."""
    only(document, ["resourceSpans"], "request")
    spans = []
    for group in document["resourceSpans"]:
        only(group, ["resource", "scopeSpans", "schemaUrl"], "resourceSpans")
        only(group["resource"], ["attributes", "droppedAttributesCount"], "resource")
        resource = attributes(group["resource"]["attributes"], "resource")
        assert "service.name" in resource
        for part in group["scopeSpans"]:
            only(part, ["scope", "spans", "schemaUrl"], "scopeSpans")
            only(part["scope"], ["name", "version", "attributes"], "scope")
            spans += [read_span(item, resource, part["scope"]["name"]) for item in part["spans"]]
    return spans


@dataclasses.dataclass
class Answer:
    """What a request gets."""
    status: int = 200
    retry_after: int = 0     # seconds in which nothing may come
    rejected: int = 0        # spans that are not taken, of those in the request
    message: str = ""        # why
    body: bytes = b""        # instead of all that
    torn: bool = False       # the connection ends in the middle of it


class Collector:
    """The receiver. `answers` are what the next requests get, as Answers or statuses, then 200;
    what was promised or asked for in them is held against what comes later. With a `token`
    nothing is taken without it; `certificate` is a pair of files, for TLS."""

    def __init__(self, path="/v1/traces", token=None, certificate=None):
        self.spans, self.wrong, self.answers = [], [], []
        self.requests, self.unauthorized = 0, 0
        self.not_before = 0.0
        self.token, self.path = token, path
        self.gate = threading.Event()
        self.gate.set()
        self.lock = threading.Condition()
        collector = self

        class Handler(http.server.BaseHTTPRequestHandler):
            """One request."""
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                """Says nothing."""

            def do_POST(self):
                """Takes spans."""
                body = self.rfile.read(int(self.headers["Content-Length"]))
                collector.gate.wait(harness.PATIENCE)
                answer, reply = collector.take(self, body)
                self.send_response(answer.status)
                if answer.retry_after:
                    self.send_header("Retry-After", str(answer.retry_after))
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(reply) + answer.torn))
                self.end_headers()
                self.wfile.write(reply)
                self.close_connection = self.close_connection or answer.torn

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*certificate)
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        scheme = "https" if certificate else "http"
        self.url = f"{scheme}://127.0.0.1:{self.server.server_address[1]}{path}"
        self.thread = threading.Thread(target=self.server.serve_forever)
        self.thread.start()

    def answer(self, handler):
        """What this request gets."""
        if self.token and handler.headers["Authorization"] != self.token:
            self.unauthorized += 1
            return Answer(401)
        answer = self.answers.pop(0) if self.answers else Answer()
        return answer if isinstance(answer, Answer) else Answer(answer)

    def take(self, handler, body):
        """Checks a request; the answer, and its body."""
        with self.lock:
            self.requests += 1
            answer = self.answer(handler)
            reply = {}
            try:
                early = self.not_before - time.monotonic()
                assert early <= 0, f"came {early} s before it was asked for"
                assert urllib.parse.urlsplit(handler.path).path == self.path
                assert handler.headers["Content-Type"].split(";")[0] == "application/json"
                spans = read_request(json.loads(body.decode("utf-8")))
                if answer.status == 200:
                    taken = {span["id"] for span in self.spans}
                    assert not [span for span in spans if span["id"] in taken], "sent twice"
                    self.spans += spans[:len(spans) - answer.rejected]
                if answer.rejected:
                    reply["partialSuccess"] = {"rejectedSpans": str(answer.rejected),
                                               "errorMessage": answer.message}
            except (AssertionError, KeyError, ValueError, TypeError) as error:
                self.wrong.append(f"{error!r} in {body[:4000]!r}")
                answer = Answer(400)
            if answer.retry_after:
                self.not_before = time.monotonic() + answer.retry_after
            self.lock.notify_all()
            return answer, answer.body or json.dumps(reply).encode()

    def wait(self, count):
        """Waits for so many spans, all of which were sound; they are returned."""
        with self.lock:
            self.lock.wait_for(lambda: self.wrong or len(self.spans) >= count, harness.PATIENCE)
            assert not self.wrong, self.wrong
            assert len(self.spans) >= count, f"{len(self.spans)} of {count} spans"
            return list(self.spans)

    def wait_requests(self, count):
        """Waits for so many requests."""
        with self.lock:
            assert self.lock.wait_for(lambda: self.requests >= count, harness.PATIENCE)

    def stop(self):
        """Ends it; nothing may have been wrong."""
        self.gate.set()
        self.server.shutdown()
        self.thread.join(harness.PATIENCE)
        self.server.server_close()
        assert not self.wrong, self.wrong
