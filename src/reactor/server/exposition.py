"""Figures as text that scrapers read: OpenMetrics 1.0 for those who ask for it, Prometheus' older format otherwise.

https://github.com/prometheus/OpenMetrics/blob/v1.0.0/specification/OpenMetrics.md,
https://prometheus.io/docs/instrumenting/exposition_formats/
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from reactor.engine.meters import Histogram

PREFIX = "reactor_"
PLAIN = "text/plain; version=0.0.4; charset=utf-8"
OPEN = "application/openmetrics-text; version=1.0.0; charset=utf-8"
_OPEN_NAME, _OPEN_VERSIONS = "application/openmetrics-text", ("", "1.0.0", "0.0.1")
_UNITS = ("seconds", "bytes")
_MOST = 2_000
"""Characters of an Accept header that are looked at."""
Labels = Mapping[str, str]
Value = int | float | Histogram


def wants_open(accept: str) -> bool:
    """Whether who sent this Accept header would rather have OpenMetrics."""
    wanted, plain = 0.0, 0.0
    for part in accept[:_MOST].split(","):
        name, *parameters = (piece.strip().lower() for piece in part.split(";"))
        given = dict(piece.split("=", 1) for piece in parameters if "=" in piece)
        quality = _quality(given.get("q", "1"))
        if name == _OPEN_NAME and given.get("version", "").strip('"') in _OPEN_VERSIONS:
            wanted = max(wanted, quality)
        elif name == "text/plain":
            plain = max(plain, quality)
    return wanted > plain


def _quality(text: str) -> float:
    try:
        quality = float(text)
    except ValueError:
        return 0.0
    return quality if 0 <= quality <= 1 else 0.0


class Exposition:
    """A page of figures."""

    def __init__(self, *, open_metrics: bool) -> None:
        self._open = open_metrics
        self._lines: list[str] = []

    def add(self, name: str, kind: str, doc: str, samples: Iterable[tuple[Labels, Value]]) -> None:
        """One family. `name` is that of its samples without the prefix; of a counter it ends in `_total`."""
        family = name
        if self._open:
            if kind == "counter":
                family = name.removesuffix("_total")
            elif name.endswith("_info"):
                family, kind = name.removesuffix("_info"), "info"
        self._lines += [f"# HELP {PREFIX}{family} {doc}", f"# TYPE {PREFIX}{family} {kind}"]
        unit = family.rpartition("_")[2]
        if self._open and unit in _UNITS:
            self._lines.append(f"# UNIT {PREFIX}{family} {unit}")
        for labels, value in samples:
            if isinstance(value, Histogram):
                self._histogram(name, labels, value)
            else:
                self._sample(name, labels, value)

    def _sample(self, name: str, labels: Labels, value: float) -> None:
        shown = ",".join(f'{key}="{_escaped(text)}"' for key, text in labels.items())
        self._lines.append(f"{PREFIX}{name}{{{shown}}} {value}" if shown else f"{PREFIX}{name} {value}")

    def _histogram(self, name: str, labels: Labels, value: Histogram) -> None:
        count = 0
        for bound, more in zip((*value.bounds, None), value.counts, strict=True):
            count += more
            self._sample(f"{name}_bucket", {**labels, "le": "+Inf" if bound is None else repr(float(bound))}, count)
        self._sample(f"{name}_sum", labels, round(value.sum, 6))
        self._sample(f"{name}_count", labels, count)

    def text(self) -> str:
        """All of it."""
        return "\n".join([*self._lines, "# EOF"] if self._open else self._lines) + "\n"


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
