"""Results as data, as a table for the terminal, and as the block in docs/performance.md."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.process import BenchError
from bench.scenario import Scenario, Spec, median

DOCS = Path(__file__).resolve().parent.parent / "docs" / "performance.md"
BEGIN, END = "<!-- bench: begin (written by `python -m bench --write-docs`) -->", "<!-- bench: end -->"
Result = dict[str, Any]
"""One scenario as JSON: title, machine, figures."""


def result(scenario: Scenario, runs: Sequence[Mapping[str, float]], machine: str, *, quick: bool) -> Result:
    """Medians of the runs, with the least and the most."""
    return {
        "title": scenario.title,
        "machine": machine,
        "runs": len(runs),
        "quick": quick,
        "figures": [_figure(spec, runs) for spec in scenario.specs],
    }


def _figure(spec: Spec, runs: Sequence[Mapping[str, float]]) -> dict[str, Any]:
    values = [run[spec.key] for run in runs]
    figure: dict[str, Any] = {"key": spec.key, "text": spec.text, "unit": spec.unit, "target": spec.target}
    figure |= {"median": median(values), "min": min(values), "max": max(values)}
    if spec.ceiling:
        # A share of what the same run has measured, so the machine's mood is in both.
        figure["share"] = median([run[spec.key] / run[spec.ceiling] for run in runs])
        figure["ceiling"] = spec.ceiling
    return figure


def number(value: float) -> str:
    """Three digits that mean something, with commas between thousands."""
    if value == 0 or not math.isfinite(value):
        return f"{value:g}"
    digits = max(0, 2 - math.floor(math.log10(abs(value))))
    return f"{value:,.{digits}f}"


def _rows(found: Result) -> list[tuple[str, str, str, str, str]]:
    rows = []
    for figure in found["figures"]:
        unit = figure["unit"]
        target = figure["target"]
        if target and "%" not in target and any(letter.isdigit() for letter in target):
            target = f"{target} {unit}"
        share = f"{figure['share']:.0%}" if "share" in figure else ""
        spread = f"{number(figure['min'])} – {number(figure['max'])}" if found["runs"] > 1 else ""
        rows.append((figure["text"], target, f"{number(figure['median'])} {unit}", spread, share))
    return rows


_HEAD = ("", "target", "median", "min – max", "of ceiling")


def table(found: Result) -> str:
    """For the terminal."""
    rows = [_HEAD, *_rows(found)]
    widths = [max(len(row[column]) for row in rows) for column in range(5)]
    quick = "; QUICK: small sizes, not to be quoted" if found["quick"] else ""
    lines = [f"{found['title']} ({found['runs']} run{'s' if found['runs'] > 1 else ''}{quick})"]
    for row in rows:
        cells = [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        lines.append("  " + "  ".join(cells).rstrip())
    return "\n".join(lines)


def merge(path: Path, results: Mapping[str, Result]) -> dict[str, Result]:
    """Put these results into a file, in place of older ones of the same scenarios; all that it then holds."""
    known: dict[str, Result] = json.loads(path.read_text()) if path.exists() else {}
    known.update(results)
    path.write_text(json.dumps(known, indent=1, ensure_ascii=False) + "\n")
    return known


def markdown(results: Mapping[str, Result], order: Sequence[str]) -> str:
    """The block in the docs."""
    parts = []
    for name in (name for name in order if name in results):
        found = results[name]
        quick = " **Quick, so small sizes: not to be quoted.**" if found["quick"] else ""
        lines = [f"### {found['title']}", "", f"`{name}`, median of {found['runs']}; {found['machine']}.{quick}", ""]
        lines += ["| figure | target | median | min – max | of ceiling |", "| --- | ---: | ---: | ---: | ---: |"]
        lines += [f"| {' | '.join(cell or ' ' for cell in row)} |" for row in _rows(found)]
        parts.append("\n".join(lines))
    return "\n\n".join(parts)


def write_docs(results: Mapping[str, Result], order: Sequence[str]) -> None:
    """Replace the marked block of docs/performance.md."""
    text = DOCS.read_text("utf-8")
    before, found, rest = text.partition(BEGIN)
    _, closed, after = rest.partition(END)
    if not found or not closed:
        raise BenchError(f"{DOCS.name} has no block between {BEGIN} and {END}")
    DOCS.write_text(f"{before}{BEGIN}\n\n{markdown(results, order)}\n\n{END}{after}", "utf-8")
