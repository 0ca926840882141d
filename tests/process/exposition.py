"""Prometheus' text format 0.0.4, read strictly: what is not allowed there is an error."""

import re

SAMPLE = re.compile(r"([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)")
LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\[\\"n])*)"(,|$)')
SUFFIXES = ("_bucket", "_sum", "_count")


def read_labels(text):
    """{name: value} of what stands between the braces."""
    labels, place = {}, 0
    while place < len(text or ""):
        match = LABEL.match(text, place)
        assert match, f"labels {text!r}"
        assert match[1] not in labels, f"label {match[1]} twice in {text!r}"
        labels[match[1]] = re.sub(r"\\(.)", lambda m: "\n" if m[1] == "n" else m[1], match[2])
        place = match.end()
    return labels


class Page:
    """The samples of a page, by name and labels."""

    def __init__(self, text):
        assert text.endswith("\n")
        self.types, self.helps, self.samples = {}, {}, {}
        family = None
        for line in text[:-1].split("\n"):
            if line.startswith("# HELP "):
                family, words = line[len("# HELP "):].split(" ", 1)
                assert family not in self.helps, f"{family} twice"
                self.helps[family] = words
            elif line.startswith("# TYPE "):
                name, kind = line[len("# TYPE "):].split(" ")
                assert name == family and name not in self.types
                self.types[name] = kind
            else:
                self.take_sample(family, line)
        self.check_histograms()

    def take_sample(self, family, line):
        """One line with a figure, inside its family."""
        match = SAMPLE.fullmatch(line)
        assert match, line
        name, labels, value = match[1], read_labels(match[2]), float(match[3])
        histogram = self.types[family] == "histogram"
        allowed = {family + suffix for suffix in SUFFIXES} if histogram else {family}
        assert name in allowed, f"{name} among the samples of {family}"
        key = (name, frozenset(labels.items()))
        assert key not in self.samples, f"{line} twice"
        self.samples[key] = value

    def check_histograms(self):
        """Buckets grow, and the last one has the count."""
        rows = {}
        for (name, labels), value in self.samples.items():
            if name.endswith("_bucket"):
                bound = float(dict(labels)["le"])
                rest = frozenset(pair for pair in labels if pair[0] != "le")
                rows.setdefault((name[:-len("_bucket")], rest), []).append((bound, value))
        for (name, labels), buckets in rows.items():
            values = [value for _, value in sorted(buckets)]
            assert values == sorted(values), (name, labels, values)
            assert max(buckets)[0] == float("inf")
            assert values[-1] == self.samples[name + "_count", labels]

    def value(self, name, **labels):
        """One figure; it has to be there."""
        return self.samples[name, frozenset(labels.items())]

    def get(self, name, **labels):
        """One figure; 0 when it is not there."""
        return self.samples.get((name, frozenset(labels.items())), 0)

    def sum(self, name, **labels):
        """Of all figures of a name that have at least these labels."""
        wanted = set(labels.items())
        return sum(value for (one, have), value in self.samples.items()
                   if one == name and wanted <= have)
