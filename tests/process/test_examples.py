"""conf/examples/: each file runs as it is, and so do the page and the program beside them."""

import functools
import http.server
import pathlib
import queue
import re
import subprocess
import sys
import threading

import browser
import checks
import harness
import pytest

pytestmark = pytest.mark.once

EXAMPLES = harness.ROOT / "conf" / "examples"
PAGE = "/pages/products/lamp-1?user=3"


# Added to the page as it is served: tells the server what it shows when it has its summary.
TELL = b"""<script>
new MutationObserver(() => fetch("/seen", {method: "POST", body: document.documentElement.outerHTML}))
  .observe(document.getElementById("summary"), {childList: true});
</script>"""


class Site(browser.Answering):
    """The examples' folder as a web site."""

    def do_GET(self):
        """A file, with the script above behind it."""
        page = pathlib.Path(self.translate_path(self.path)).read_bytes() + TELL
        self.answer(page)

    def do_POST(self):
        """What a page shows."""
        self.server.seen.put(self.rfile.read(int(self.headers["Content-Length"])).decode())
        self.answer(b"")


@pytest.fixture
def site():
    """The examples' folder as a web site; `url` and, in `seen`, what its pages show."""
    handler = functools.partial(Site, directory=EXAMPLES)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    server.seen, server.url = queue.Queue(), f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def example(gatherd, upstream):
    """Starts the daemon with an example, its ports replaced."""
    def start(name, origin="http://127.0.0.1:9"):
        text = (EXAMPLES / name).read_text()
        text = re.sub(r'origins: \["[^"]*"\]', f'origins: ["{origin}"]', text)
        text = text.replace("127.0.0.1:9000", upstream.host).replace("127.0.0.1:8080", "127.0.0.1:0")
        return gatherd(text)

    return start


def test_every_example_is_tested():
    """The tests below are of all files there are, and the page of examples shows each."""
    names = {path.name for path in EXAMPLES.iterdir()}
    assert names == {"backend-for-frontend.yaml", "price-race.yaml", "scatter-search.yaml",
                     "order-page.yaml", "client.py", "page.html"}
    shown = (harness.ROOT / "docs" / "examples.md").read_text()
    assert not [name for name in names if f"conf/examples/{name}" not in shown]


def test_backend_for_frontend(example):
    """Five services, one page; only the product is required, and only it is shaped away."""
    daemon = example("backend-for-frontend.yaml")
    page = daemon.get(PAGE)
    assert list(page.json()) == ["product", "ratings", "user", "cart", "recommended"]
    assert "internal" not in page.json()["product"] and "shelf" not in page.json()["product"]["stock"]
    checks.failed(daemon.get("/pages/products/none?user=3"), 502, "upstream_status", "product")
    partial = daemon.get("/pages/products/lamp-1?user=99")
    assert partial.json()["user"] is None and checks.tally(partial)[0] == "partial"


def test_price_race(example, upstream):
    """The quickest mirror wins; the others are left at once."""
    daemon = example("price-race.yaml")
    answer = daemon.get("/prices/lamp-1")
    assert answer.json()["mirror"] == 2
    assert checks.tally(answer) == ("complete", 3, 1, 0, 2)
    harness.wait_until(lambda: upstream.stats()["aborted"] == 2, "the two to be left")
    checks.failed(daemon.get("/prices/none"), 502, "upstream_status")


def test_scatter_search(example, upstream):
    """Three shards are enough; the slow one is left."""
    answer = example("scatter-search.yaml").get("/search?q=clock")
    assert checks.tally(answer) == ("complete", 4, 3, 0, 1)
    assert sorted(post["id"] for post in answer.json()) == [9, 32, 44, 90]
    harness.wait_until(lambda: upstream.stats()["abortedPaths"] == {"/shards/4/search": 1},
                       "the slow shard to be left")


@pytest.mark.parametrize("order, skus", [
    (1, ["lamp-1", "rope-2"]), (2, ["clock-4"]), (3, ["seed-5", "map-3", "radio-6", "seed-5"]), (4, []),
])
def test_order_page(example, upstream, order, skus):
    """Products follow from the order's lines, each asked for once, with what is known of them."""
    page = example("order-page.yaml").get(f"/orders/{order}/page").json()
    assert [product["sku"] for product in page["products"]] == skus
    assert page["customer"]["email"].endswith(".example")
    rated = {product["sku"]: product["rating"]["sku"] for product in page["products"]
             if "rating" in product}
    assert rated == {sku: sku for sku in skus if sku not in ("map-3", "radio-6")}
    asked = {path: times for path, times in upstream.stats()["paths"].items()
             if path.startswith("/shop/products/")}
    assert asked == {f"/shop/products/{sku}": 1 for sku in skus}


def test_client(example):
    """The program says the same in both ways, and fails with the problem's own words."""
    daemon = example("backend-for-frontend.yaml")

    def client(path):
        return subprocess.run(
            [sys.executable, EXAMPLES / "client.py", f"http://127.0.0.1:{daemon.port}", path],
            capture_output=True, text=True, timeout=30, check=False)

    lines = client(PAGE).stdout.splitlines()
    assert lines[0].startswith("merged: complete; total=5")
    parts = [line.split()[1] for line in lines if line.startswith("part:")]
    assert sorted(parts) == ["cart", "product", "ratings", "recommended", "user"]
    assert lines[-1].startswith("summary: ")
    failed = client("/pages/products/none?user=3")
    assert failed.returncode == 1 and failed.stderr.startswith("502 Bad Gateway: ")


def test_page(example, site, tmp_path):
    """In a browser: merged by fetch, and as they complete by a streamed reader."""
    daemon = example("backend-for-frontend.yaml", site.url)
    with browser.Opened(tmp_path) as opened:
        opened.open(f"{site.url}/page.html?gatherd=http://127.0.0.1:{daemon.port}&path={PAGE}")
        text = site.seen.get(timeout=60)
    assert "Merged: complete; total=5; ok=5" in text, text
    for part in ("product", "ratings", "user", "cart", "recommended"):
        assert f"<h2>{part}: 200</h2>" in text, text
    assert re.search(r'summary: \{.*"ok":5', text.replace("&quot;", '"')), text
