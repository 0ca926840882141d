"""Draws results.svg: CPU per upstream call against nginx+Lua (cjson), one panel for each
work. The bars start at nginx+Lua's own cost and reach left for cheaper, right for dearer,
on a logarithmic scale; a thin line shows the range over the rounds."""
import math
from xml.sax.saxutils import escape

from figures import median, ratios
from peers import AGAIN, AIOHTTP, BASE, FLOOR, GATHERD, KRAKEND, NODE, POOL, SPLICE

TITLES = {("small", 1): "K=1, 275 B", ("small", 3): "K=3, 275 B", ("small", 10): "K=10, 275 B",
          ("small", 30): "K=30, 275 B", ("small", 100): "K=100, 275 B", ("9k", 3): "K=3, 9 KB",
          ("93k", 3): "K=3, 93 KB", ("tls", 10): "K=10, 275 B, TLS"}
SHORT = {GATHERD: "gatherd", SPLICE: "nginx+Lua splice", FLOOR: "raw-socket floor",
         NODE: "Node undici", KRAKEND: "KrakenD", AIOHTTP: "Python aiohttp", POOL: "Python pool"}
COLOURS = {GATHERD: "#0b7a75", FLOOR: "#9aa5b1", SPLICE: "#7b8794"}
OTHER = "#c9b28f"

WIDTH, MARGIN, LABELS, COLUMNS, GAP = 900, 22, 116, 4, 6
TOP, TITLE, BAR, STEP, AXIS, ROW_GAP = 84, 24, 13, 20, 22, 18
TICKS = (0.1, 1, 10, 100)


def draw(results):
    peers = [name for name in SHORT if name in results["peers"] and name not in (BASE, AGAIN)]
    panels = [one for one in results["throughput"] if (one["work"], one["width"]) in TITLES]
    values = {(one["work"], one["width"]): {name: ratios(one["rounds"], name, BASE)
                                            for name in peers} for one in panels}
    scale = Scale([v for panel in values.values() for taken in panel.values() for v in taken])
    inner = TITLE + STEP * len(peers) + AXIS
    rows = math.ceil(len(panels) / COLUMNS)
    height = TOP + rows * (inner + ROW_GAP) - 4
    parts = [opening(height), heading()]
    for index, (key, panel) in enumerate(values.items()):
        left = MARGIN + LABELS + (index % COLUMNS) * (scale.width + GAP)
        top = TOP + (index // COLUMNS) * (inner + ROW_GAP)
        if index % COLUMNS == 0:
            parts.append(labels(peers, top))
        parts.append(panel_of(TITLES[key], panel, peers, scale, left, top))
    return "\n".join(parts + ["</svg>"]) + "\n"


class Scale:
    """From a ratio to pixels from the panel's left edge; room for figures at both ends."""
    width = (WIDTH - 2 * MARGIN - LABELS - (COLUMNS - 1) * GAP) / COLUMNS
    room = 28

    def __init__(self, values):
        self.low = math.log10(min(values + [0.1]))
        self.high = math.log10(max(values + [10]))

    def __call__(self, value):
        part = (math.log10(value) - self.low) / (self.high - self.low)
        return self.room + part * (self.width - 2 * self.room)


def opening(height):
    return (f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" '
            f'viewBox="0 0 {WIDTH} {height}" role="img" '
            'font-family="Helvetica, Arial, sans-serif">\n'
            "<title>CPU per upstream call against nginx+Lua (cjson)</title>\n"
            f'<rect x="0.5" y="0.5" width="{WIDTH - 1}" height="{height - 1}" rx="8" '
            'fill="#ffffff" stroke="#d5dae0"/>')


def text(x, y, words, size=12, colour="#1f2933", anchor="start", weight="normal"):
    return (f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" fill="{colour}" '
            f'text-anchor="{anchor}" font-weight="{weight}">{escape(words)}</text>')


def heading():
    return "\n".join([
        text(MARGIN, 34, "CPU per upstream call, relative to nginx+Lua (cjson)", 18,
             weight="bold"),
        text(MARGIN, 56, "Left of the line: cheaper than nginx+Lua; right of it: dearer. "
             "Logarithmic scale; median of the rounds, thin lines their range.", 12, "#52606d")])


def labels(peers, top):
    return "\n".join(text(MARGIN + LABELS - 8, top + TITLE + STEP * i + BAR - 2, SHORT[name], 12,
                          anchor="end", weight="bold" if name == GATHERD else "normal")
                     for i, name in enumerate(peers))


def figure(value):
    return f"{value:.2f}" if value < 1 else f"{value:.1f}" if value < 10 else f"{value:.0f}"


def bar(name, taken, scale, left, y):
    """The bar, the range, and the median as a figure beyond both."""
    middle, one = median(taken), left + scale(1)
    end, low, high = (left + scale(v) for v in (middle, min(taken), max(taken)))
    colour = COLOURS.get(name, OTHER)
    cheaper = middle < 1
    beyond = min(end, low) - 4 if cheaper else max(end, high, one) + 4
    return [f'<rect x="{min(one, end):.1f}" y="{y}" width="{max(abs(end - one), 1):.1f}" '
            f'height="{BAR}" fill="{colour}"/>',
            f'<line x1="{low:.1f}" x2="{high:.1f}" y1="{y + BAR / 2}" y2="{y + BAR / 2}" '
            'stroke="#1f2933" stroke-opacity="0.55" stroke-width="1"/>',
            text(beyond, y + BAR - 2.5, figure(middle), 11, anchor="end" if cheaper else "start",
                 weight="bold" if name == GATHERD else "normal")]


def panel_of(title, panel, peers, scale, left, top):
    floor = top + TITLE + STEP * len(peers)
    parts = [text(left + scale.width / 2, top + 12, title, 13, anchor="middle", weight="bold")]
    for tick in TICKS:
        if not scale.low <= math.log10(tick) <= scale.high:
            continue
        x = left + scale(tick)
        colour = "#52606d" if tick == 1 else "#e4e7eb"
        parts += [f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{top + TITLE - 4}" y2="{floor}" '
                  f'stroke="{colour}" stroke-width="1"/>',
                  text(x, floor + 14, f"{tick:g}", 10.5, "#52606d", "middle")]
    for index, name in enumerate(peers):
        y = top + TITLE + STEP * index
        if panel[name]:
            parts += bar(name, panel[name], scale, left, y)
        else:
            parts.append(text(left + scale(1) + 5, y + BAR - 2.5, "not measured", 10.5,
                              "#9aa5b1"))
    return "\n".join(parts)
