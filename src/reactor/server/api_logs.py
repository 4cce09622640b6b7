"""The log of a run: what its journal tells, and what its actions said while they worked."""

from __future__ import annotations

import re
from typing import Any

from reactor.engine.renames import MIGRATED, since
from reactor.model.clock import Instant, to_iso
from reactor.model.journal import Entry, index
from reactor.model.lines import LEVELS, LogLine
from reactor.server import shapes
from reactor.server.api_runs import whole
from reactor.server.problems import Problem
from reactor.server.table import MOST, Call, Page, get
from reactor.stores.port import Loaded

_CURSOR = re.compile(r"(\d{1,15})-(\d{1,7})")
_LEVELS = {"debug": 0, "info": 1, "warn": 2, "warning": 2, "error": 3}
Told = tuple[Instant, dict[str, Any]]
"""When, and the line."""


class LogQuery(Page, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which lines."""

    limit: int = MOST
    level: str | None = None
    """This level and those above it: debug, info, warning, error."""
    step: str | None = None
    """Of this step and the steps in it."""
    q: str | None = None
    """Lines that hold this text, in upper or lower case."""


@get("/api/v1/runs/{id}/logs", shapes.Listed[shapes.LogLine], query=LogQuery)
async def logs(call: Call) -> Any:
    """What happened in a run, in order: steps that began, failed and ended, what `log` steps and actions said."""
    query: LogQuery = call.query
    after = _after(query.cursor)
    least = _least(query.level)
    loaded, shown = await whole(call)
    said = await call.engine.history.lines(loaded.run.key)
    lines = [line for line in _all(loaded, shown, said) if _fits(line, query, least)]
    page: list[dict[str, Any]] = []
    last = None
    for place, line in _places(lines):
        if after is not None and place <= after:
            continue
        if len(page) == query.limit:
            return {"items": page, "next": last}
        page.append(line)
        last = f"{place[0]}-{place[1]}"
    return {"items": page, "next": None}


def _after(cursor: str | None) -> tuple[int, int] | None:
    if cursor is None:
        return None
    found = _CURSOR.fullmatch(cursor)
    if found is None:
        raise Problem(
            400, f"{cursor[:80]!r} is no cursor of this list: take `next` of the page before", parameter="cursor"
        )
    return int(found[1]), int(found[2])


def _least(level: str | None) -> int:
    if level is None:
        return 0
    if level not in _LEVELS:
        raise Problem(400, f"level: {level[:40]!r} is not of {', '.join(LEVELS)}", parameter="level")
    return _LEVELS[level]


def _fits(line: Told, query: LogQuery, least: int) -> bool:
    shown = line[1]
    if _LEVELS.get(shown["level"], 1) < least:
        return False
    step = shown["step"] or ""
    if query.step is not None and step != query.step and not step.startswith((query.step + ".", query.step + "[")):
        return False
    return query.q is None or query.q.casefold() in f"{shown['message']} {shown.get('fields') or ''}".casefold()


def _places(lines: list[Told]) -> list[tuple[tuple[int, int], dict[str, Any]]]:
    """Each line with its place: its time, and which of that time it is. What comes later stands behind it."""
    found, last, nth = [], -1, 0
    for at, line in lines:
        nth = nth + 1 if at == last else 0
        last = at
        found.append(((at, nth), line))
    return found


def _all(loaded: Loaded, shown: dict[str, Any], said: list[LogLine]) -> list[Told]:
    """Everything, by time; what an action said stands before how its step ended."""
    lines = [(line.at, _of_action(line)) for line in said]
    return sorted([*lines, *_of_journal(loaded, shown)], key=lambda line: line[0])


def _of_action(line: LogLine) -> dict[str, Any]:
    return {
        "at": to_iso(line.at),
        "level": line.level,
        "step": line.step or None,
        "attempt": line.attempt or None,
        "message": line.message,
    }


def _of_journal(loaded: Loaded, shown: dict[str, Any]) -> list[Told]:
    said = {step["path"] for step in shown["steps"] if str(step["action"]).startswith("log.")}
    known = index(loaded.journal)
    entries = [entry for key, entry in known.items() if not key.endswith("#attempt") and _is_told(entry, known)]
    # Of attempts every one is told, not only the last, which is all that a resumed run has to know.
    entries += [entry for entry in since(loaded.journal) if entry.key.endswith("#attempt")]
    entries = [entry for entry in entries if entry.key != MIGRATED]
    entries += [entry for entry in loaded.journal if entry.key == MIGRATED]
    return [(entry.at, line) for entry in entries if (line := _line(entry, said)) is not None]


def _is_told(entry: Entry, known: dict[str, Entry]) -> bool:
    """Whether it says something new: a failure inside a step does where a handler has made good for it."""
    path, _, what = entry.key.partition("#")
    if what != "body":
        return True
    end = known.get(path)
    return bool(path) and entry.error is not None and end is not None and end.error is None


def _line(entry: Entry, said: set[str]) -> dict[str, Any] | None:
    path, _, what = entry.key.partition("#")
    line: dict[str, Any] = {"at": to_iso(entry.at), "level": "warning", "step": path or None}
    if what == "" and path in said and isinstance(entry.value, dict) and "message" in entry.value:
        output = entry.value
        level = str(output.get("level", "info"))
        return line | {"level": level, "message": str(output["message"]), "fields": output.get("fields")}
    if what == "migrated":
        message = f"changed over from version {entry.value['from']} to {entry.value['to']}"
        return line | {"level": "info", "message": message, "fields": entry.value}
    if what == "cancel":
        return line | {"message": f"cancelled: {entry.value}"}
    if what == "attempt" and entry.error is not None:
        message = f"attempt {entry.attempt} failed ({entry.error.kind}): {entry.error.message}"
        return line | {"message": message, "fields": {"attempt": entry.attempt, "error": entry.error.view()}}
    if what == "body" and entry.error is not None:
        message = f"step {path} failed ({entry.error.kind}): {entry.error.message}; its on_error took over"
        return line | {"message": message, "fields": {"attempt": entry.attempt, "error": entry.error.view()}}
    if what:
        return None
    subject = f"step {path}" if path else "the run"
    if entry.error is not None:
        message = f"{subject} {entry.status} ({entry.error.kind}): {entry.error.message}"
        return line | {"level": "error", "message": message}
    return line | {"level": "info", "message": f"{subject} {entry.status}"}


LINES = (logs,)
