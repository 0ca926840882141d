"""Streams in a real browser: EventSource, and fetch() with a reader, from a page elsewhere."""

import http.server
import json
import queue
import threading

import browser
import harness
import pytest

pytestmark = pytest.mark.once

CONFIG = """
workers: 1
origins: ["$PAGE"]
upstreams: { gated: { url: "$GATED", timeout: 60s } }
endpoints:
  - path: /both
    timeout: 60s
    requests:
      - { id: slow, upstream: gated, url: /slow }
      - { id: fast, upstream: gated, url: /fast }
"""

# What the page sees goes to its own server, which the test listens to.
PAGE = """<!doctype html><meta charset="utf-8"><script>
// One after the other, or what happened last might be told first.
let told = Promise.resolve();
const tell = what =>
  told = told.then(() => fetch("/seen", {method: "POST", body: JSON.stringify(what)}));

async function read(url) {
  const reply = await fetch(url, {headers: {Accept: "application/x-ndjson"}});
  const reader = reply.body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  for (;;) {
    const {value, done} = await reader.read();
    if (done) return tell({end: text});
    const lines = (text + value).split("\\n");
    text = lines.pop();
    for (const line of lines) await tell({line: JSON.parse(line)});
  }
}

function listen(url) {
  const source = new EventSource(url);
  source.addEventListener("response", event =>
    tell({event: "response", id: event.lastEventId, value: JSON.parse(event.data)}));
  source.addEventListener("done", event => tell({event: "done", value: JSON.parse(event.data)}));
  source.onerror = () => { if (source.readyState === EventSource.CLOSED) tell({closed: true}); };
}

const [how, url] = JSON.parse(decodeURIComponent(location.hash.slice(1)));
({read, listen})[how](url).catch?.(error => tell({error: String(error)}));
</script>"""


class Site:
    """Serves the page and takes what it tells."""

    def __init__(self):
        self.seen = queue.Queue()
        site = self

        class Handler(browser.Answering):
            """GET: the page; POST: something seen."""

            def do_GET(self):
                """The page."""
                self.answer(PAGE.encode())

            def do_POST(self):
                """Something seen."""
                site.seen.put(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                self.answer(b"")

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        self.thread = threading.Thread(target=self.server.serve_forever)
        self.thread.start()

    def next(self):
        """What the page tells next."""
        told = self.seen.get(timeout=60)
        assert "error" not in told, told
        return told

    def stop(self):
        """Ends it."""
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


@pytest.fixture
def site():
    """The page's own server."""
    server = Site()
    yield server
    server.stop()


@pytest.fixture
def browse(tmp_path):
    """Opens a URL in a headless browser."""
    with browser.Opened(tmp_path) as opened:
        yield opened.open


def open_page(gatherd, gated, site, browse, how):
    """A page that reads the stream of an endpoint whose first part is held."""
    daemon = gatherd(CONFIG, GATED=gated.url, PAGE=site.url)
    gated.add("slow", b'{"n": 1}', held=True)
    gated.add("fast", b'{\n  "text": "\xc3\xa4"\n}')
    target = json.dumps([how, f"http://127.0.0.1:{daemon.port}/both"], separators=(",", ":"))
    browse(f"{site.url}/#{target.replace(chr(34), '%22')}")


def test_fetch_with_a_reader(gatherd, gated, site, browse):
    """The page has the first part before the other has left its upstream."""
    open_page(gatherd, gated, site, browse, "read")
    assert site.next()["line"]["body"] == {"text": "ä"}
    assert not gated.parts["slow"].gate.is_set()
    gated.release("slow")
    assert site.next()["line"]["body"] == {"n": 1}
    assert site.next()["line"]["summary"]["ok"] == 2
    assert site.next() == {"end": ""}


def test_event_source(gatherd, gated, site, browse):
    """The same with EventSource, which then comes back, gets 204 and gives up."""
    open_page(gatherd, gated, site, browse, "listen")
    told = site.next()
    assert (told["event"], told["id"], told["value"]["body"]) == ("response", "fast", {"text": "ä"})
    assert not gated.parts["slow"].gate.is_set()
    gated.parts["fast"].asked.clear()
    gated.release("slow")
    told = site.next()
    assert (told["id"], told["value"]["body"]) == ("slow", {"n": 1})
    assert site.next()["value"]["summary"]["ok"] == 2
    assert site.next() == {"closed": True}
    assert not gated.parts["fast"].asked.is_set()
