"""What is wrong with a flow: one problem as plain data, collected in one place and put in order."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

import msgspec


class Fix(msgspec.Struct, frozen=True, kw_only=True):
    """A change of the text that mends a problem: what stands between two places is replaced."""

    line: int
    column: int
    end_line: int
    end_column: int
    replacement: str


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that is wrong (or, as a warning, looks wrong). Lines and columns count from 1, in characters."""

    severity: str = "error"
    """error | warning | info"""
    rule: str
    """Its kind, for tools: `unknown-key`, `not-yet`, `unknown-name` …"""
    message: str
    """What is wrong and what to do, one sentence or two."""
    file: str | None = None
    line: int = 1
    column: int = 1
    end_column: int = 1
    """Behind the last character, in the same line."""
    text: str = ""
    """The text that is wrong."""
    excerpt: str = ""
    """The line that holds it."""
    allowed: tuple[str, ...] = ()
    """What could stand there instead, as far as it can be listed."""
    suggestion: str | None = None
    """What was probably meant."""
    fix: Fix | None = None

    @property
    def place(self) -> str:
        """`file:line:column`."""
        return f"{self.file or '<flow>'}:{self.line}:{self.column}"

    def __str__(self) -> str:
        return f"{self.place}: {self.severity}: {self.message}"


def errors(problems: Iterable[Problem]) -> list[Problem]:
    """Those that keep a flow from running."""
    return [problem for problem in problems if problem.severity == "error"]


def in_order(problems: Iterable[Problem]) -> list[Problem]:
    """By file and place; the same thing said twice of one place is said once."""
    found = {(p.file or "", p.line, p.column, p.severity, p.rule, p.message): p for p in problems}
    return [found[key] for key in sorted(found)]


def closest(word: str, allowed: Iterable[str]) -> str | None:
    """The allowed word that was probably meant, or None when none is near."""
    names = list(allowed)
    folded = {name.lower().replace("-", "_"): name for name in names}
    same = folded.get(word.lower().replace("-", "_"))
    if same is not None:
        return same
    near = difflib.get_close_matches(word.lower(), list(folded), 1, 0.6)
    return folded[near[0]] if near else None


def listed(names: Iterable[str], *, most: int = 12) -> str:
    """`a, b and c`, shortened when there are many."""
    words = [f"`{name}`" for name in names]
    if len(words) > most:
        return f"{', '.join(words[:most])}, … ({len(words)} in all)"
    if len(words) < 2:
        return "".join(words)
    return f"{', '.join(words[:-1])} and {words[-1]}"


def shown(value: object, *, longest: int = 60) -> str:
    """A value in a message: in one line, and not too long."""
    text = " ".join(str(value).split())
    return text if len(text) <= longest else text[: longest - 1] + "…"
