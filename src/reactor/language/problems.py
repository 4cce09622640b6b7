"""What is wrong with a flow: one problem as plain data, collected in one place and put in order."""

from __future__ import annotations

import difflib
import unicodedata
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import quote

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
    """error | warning"""
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


# --- how problems are shown --------------------------------------------------------------------------------------

SARIF_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"


def render(problems: Iterable[Problem], form: str = "human") -> str:
    """All problems as text: `human`, `json`, `github` (annotations) or `sarif` (2.1.0)."""
    return RENDERERS[form](list(problems))


def summary(problems: Iterable[Problem]) -> str:
    """`2 errors, 1 warning`."""
    found = list(problems)
    counts = [(sum(problem.severity == kind for problem in found), kind) for kind in ("error", "warning")]
    return ", ".join(f"{count} {kind}{'s' if count != 1 else ''}" for count, kind in counts if count) or "no problems"


def human(problems: list[Problem]) -> str:
    """Each with its line, and carets under what is wrong."""
    return "".join(f"{_human(problem)}\n" for problem in problems)


def _human(problem: Problem) -> str:
    lines = [f"{problem} [{problem.rule}]"]
    # Of a very long line only the beginning is kept.
    if problem.excerpt.strip() and problem.column <= len(problem.excerpt) + 1:
        # Tabs stay tabs, so that the carets stand where they should on every terminal.
        before = "".join(char if char == "\t" else " " * _width(char) for char in problem.excerpt[: problem.column - 1])
        marked = problem.excerpt[problem.column - 1 : problem.end_column - 1]
        lines.append(f"    {problem.excerpt}")
        lines.append(f"    {before}{'^' * max(1, sum(_width(char) for char in marked))}")
    return "\n".join(lines)


def _width(char: str) -> int:
    if unicodedata.combining(char):
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1


def as_json(problems: list[Problem]) -> str:
    """`{problems: [...], errors, warnings}`."""
    bad = len(errors(problems))
    body = {"errors": bad, "warnings": len(problems) - bad, "problems": problems}
    return msgspec.json.format(msgspec.json.encode(body), indent=2).decode() + "\n"


def github(problems: list[Problem]) -> str:
    """Commands that GitHub turns into annotations of a pull request."""
    return "".join(
        f"::{problem.severity} file={_property(problem.file or '')},line={problem.line},col={problem.column},"
        f"endColumn={problem.end_column},title={_property(problem.rule)}::{_data(problem.message)}\n"
        for problem in problems
    )


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def sarif(problems: list[Problem]) -> str:
    """Static Analysis Results Interchange Format 2.1.0, for code scanning."""
    rules = [{"id": rule} for rule in sorted({problem.rule for problem in problems})]
    driver = {"name": "reactor validate", "rules": rules}
    run = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "results": [_result(problem) for problem in problems],
    }
    body = {"$schema": SARIF_SCHEMA, "version": "2.1.0", "runs": [run]}
    return msgspec.json.format(msgspec.json.encode(body), indent=2).decode() + "\n"


def _result(problem: Problem) -> dict[str, Any]:
    artifact = {"uri": quote(problem.file or "flow.yaml")}
    region = {"startLine": problem.line, "startColumn": problem.column, "endColumn": problem.end_column}
    result: dict[str, Any] = {
        "ruleId": problem.rule,
        "level": problem.severity,
        "message": {"text": problem.message},
        "locations": [{"physicalLocation": {"artifactLocation": artifact, "region": region}}],
    }
    if problem.fix is not None:
        fix = problem.fix
        deleted = {
            "startLine": fix.line,
            "startColumn": fix.column,
            "endLine": fix.end_line,
            "endColumn": fix.end_column,
        }
        replacement = {"deletedRegion": deleted, "insertedContent": {"text": fix.replacement}}
        change = {"artifactLocation": artifact, "replacements": [replacement]}
        result["fixes"] = [{"description": {"text": f"Write {fix.replacement}"}, "artifactChanges": [change]}]
    return result


RENDERERS: dict[str, Callable[[list[Problem]], str]] = {
    "human": human,
    "json": as_json,
    "github": github,
    "sarif": sarif,
}
