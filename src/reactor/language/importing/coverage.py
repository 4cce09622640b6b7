"""What became of each construct of an imported file: nothing is dropped without a word."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

MAPPED, PLACEHOLDER, IGNORED = "mapped", "placeholder", "ignored"


class Construct(msgspec.Struct, frozen=True, kw_only=True):
    """One node, state, trigger or expression of the other engine."""

    kind: str
    """What it is there: `n8n-nodes-base.slack`, `Task`."""
    name: str
    """What it is called there."""
    outcome: str
    """mapped | placeholder (kept, but somebody has to finish it) | ignored (has no meaning in a flow)."""
    became: str = ""
    """The step or key that it is now."""
    reason: str = ""
    """Why it is no more than that, or how it differs."""


class Coverage:
    """The report of one import."""

    def __init__(self, engine: str) -> None:
        self.engine = engine
        self.constructs: list[Construct] = []
        self.notes: list[str] = []
        self.secrets: dict[str, str] = {}
        """Secrets that have to be set before the flow runs, and what for. Values are never taken over."""

    def add(self, kind: str, name: str, outcome: str, became: str = "", reason: str = "") -> None:
        """Say what became of a construct. The worse of two outcomes counts."""
        made = Construct(kind=kind, name=name, outcome=outcome, became=became, reason=reason)
        for at, known in enumerate(self.constructs):
            if (known.kind, known.name) == (kind, name):
                if known.outcome == PLACEHOLDER or outcome != PLACEHOLDER:
                    return
                self.constructs[at] = made
                return
        self.constructs.append(made)

    def note(self, text: str) -> None:
        """Something that whoever takes the flow over has to know."""
        if text not in self.notes:
            self.notes.append(text)

    def count(self, outcome: str) -> int:
        """How many constructs ended so."""
        return sum(construct.outcome == outcome for construct in self.constructs)

    @property
    def percent(self) -> float:
        """Mapped constructs of those that mean something; 100 when there are none."""
        wanted = self.count(MAPPED) + self.count(PLACEHOLDER)
        return round(100 * self.count(MAPPED) / wanted, 1) if wanted else 100.0

    def as_dict(self) -> dict[str, Any]:
        """For programs."""
        return {
            "engine": self.engine,
            "percent": self.percent,
            "mapped": self.count(MAPPED),
            "placeholders": self.count(PLACEHOLDER),
            "ignored": self.count(IGNORED),
            "constructs": [msgspec.structs.asdict(construct) for construct in self.constructs],
            "notes": self.notes,
            "secrets": self.secrets,
        }

    def as_text(self) -> str:
        """For people: a table, what is left to do, a line that counts."""
        rows = [("outcome", "construct", "name", "now", "")]
        rows += [(c.outcome, c.kind, c.name, c.became, c.reason) for c in self.constructs]
        lines = [*_aligned(rows)]
        lines += ["", "To know:", *(f"  - {note}" for note in self.notes)] if self.notes else []
        if self.secrets:
            wanted = (f"  - reactor secrets set {name}    ({what})" for name, what in self.secrets.items())
            lines += ["", "Secrets to set:", *wanted]
        total = self.count(MAPPED) + self.count(PLACEHOLDER)
        ignored = self.count(IGNORED)
        summary = f"{self.count(MAPPED)} of {total} constructs mapped ({self.percent:g} %)"
        left = f"{self.count(PLACEHOLDER)} kept as placeholders, {ignored} without a meaning in a flow"
        lines += ["", f"{summary}, {left}"]
        return "\n".join(line.rstrip() for line in lines) + "\n"


def _aligned(rows: Iterable[tuple[str, ...]]) -> Iterable[str]:
    table = [[" ".join(cell.split()) for cell in row] for row in rows]
    widths = [min(44, max(len(row[at]) for row in table)) for at in range(4)]
    for row in table:
        cells = [cell if len(cell) <= 44 else cell[:43] + "…" for cell in row[:4]]
        yield "  ".join([*(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)), row[4]])
