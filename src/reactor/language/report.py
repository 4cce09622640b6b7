"""How problems are shown: to people, to programs, to GitHub, to code scanners. Pure: values in, text out."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import quote

import msgspec

from reactor.language.folder import Folder
from reactor.language.lint import RULES
from reactor.language.problems import Problem

SARIF_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"


def render(found: Folder | Iterable[Problem], form: str = "human") -> str:
    """Problems as text: `human`, `json`, `github` (annotations) or `sarif` (2.1.0).

    Of a whole folder, `human` ends with a line that counts.
    """
    problems = found.problems if isinstance(found, Folder) else list(found)
    text = RENDERERS[form](problems)
    if form == "human" and isinstance(found, Folder):
        files = len(found.files)
        text += f"{files} flow{'s' if files != 1 else ''}: {summary(problems)}\n"
    return text


def summary(problems: Iterable[Problem]) -> str:
    """`2 errors, 1 warning`."""
    found = list(problems)
    counts = [(sum(problem.severity == kind for problem in found), kind) for kind in ("error", "warning", "info")]
    words = {"info": "hint"}
    return (
        ", ".join(f"{count} {words.get(kind, kind)}{'s' if count != 1 else ''}" for count, kind in counts if count)
        or "no problems"
    )


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
    """`{problems: [...], errors, warnings, hints}`."""
    counts = {kind: sum(problem.severity == kind for problem in problems) for kind in ("error", "warning", "info")}
    body = {"errors": counts["error"], "warnings": counts["warning"], "hints": counts["info"], "problems": problems}
    return msgspec.json.format(msgspec.json.encode(body), indent=2).decode() + "\n"


def github(problems: list[Problem]) -> str:
    """Commands that GitHub turns into annotations of a pull request."""
    return "".join(
        f"::{_COMMANDS[problem.severity]} file={_property(problem.file or '')},"
        f"line={problem.line},col={problem.column},endColumn={problem.end_column},title={_property(problem.rule)}::{_data(problem.message)}\n"
        for problem in problems
    )


_COMMANDS = {"error": "error", "warning": "warning", "info": "notice"}
_LEVELS = {"error": "error", "warning": "warning", "info": "note"}


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def sarif(problems: list[Problem]) -> str:
    """Static Analysis Results Interchange Format 2.1.0, for code scanning."""
    rules = sorted({problem.rule for problem in problems})
    driver = {"name": "reactor validate", "rules": [_rule(name) for name in rules]}
    run = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "results": [_result(problem, rules) for problem in problems],
    }
    body = {"$schema": SARIF_SCHEMA, "version": "2.1.0", "runs": [run]}
    return msgspec.json.format(msgspec.json.encode(body), indent=2).decode() + "\n"


def _rule(name: str) -> dict[str, Any]:
    """What is known of a rule: of those of lint the reason and what to do, of the others that they are errors."""
    rule = RULES.get(name)
    if rule is None:
        words = name.replace("-", " ")
        return {"id": name, "shortDescription": {"text": f"{words[:1].upper()}{words[1:]}"}}
    return {
        "id": name,
        "shortDescription": {"text": rule.title},
        "fullDescription": {"text": rule.reason},
        "help": {"text": f"{rule.reason}\n\n{rule.fix}", "markdown": f"{rule.reason}\n\n**What to do.** {rule.fix}"},
        "defaultConfiguration": {"level": _LEVELS[rule.severity]},
    }


def _result(problem: Problem, rules: list[str]) -> dict[str, Any]:
    artifact = {"uri": quote(problem.file or "flow.yaml")}
    region = {"startLine": problem.line, "startColumn": problem.column, "endColumn": problem.end_column}
    result: dict[str, Any] = {
        "ruleId": problem.rule,
        "ruleIndex": rules.index(problem.rule),
        "level": _LEVELS[problem.severity],
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
