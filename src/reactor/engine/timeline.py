"""A run over time, from its journal: a lane a step, with its attempts, its retries' waits, and what it waited for.

It says nothing of what went in and out, so that ten thousand steps are a small answer.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from reactor.engine import views
from reactor.engine.renames import MIGRATED, since
from reactor.model import ids
from reactor.model.clock import Instant, to_iso
from reactor.model.flow import Flow
from reactor.model.journal import RESET, Entry

ITERATION = re.compile(r"(?<!\.cases)\[\d+\]")
_KINDS = {"wait": "sleep", "wait_for": "event", "approve": "approval", "call": "child"}
_LONGEST = 200
"""Characters of an error's message on a lane."""


class Stretch(msgspec.Struct, omit_defaults=True):
    """A stretch of a lane."""

    kind: str
    """work, retry (the wait for the next attempt), sleep, event, approval, child, person."""
    start: Instant
    end: Instant | None = None
    """Null: not over, or nobody knows when."""
    attempt: int = 0
    error: str = ""
    """How the attempt failed."""
    until: Instant | None = None
    """When a wait that is not over ends by itself."""


class Lane(msgspec.Struct, omit_defaults=True):
    """One step, branch or iteration."""

    path: str
    status: str
    action: str | None = None
    """The action, or the kind of step."""
    start: Instant | None = None
    end: Instant | None = None
    attempts: int = 0
    error: str = ""
    child: str = ""
    """The run that it called."""
    past: bool = False
    """Forgotten by a retry, and not done again since."""
    spans: list[Stretch] = []


class Mark(msgspec.Struct, frozen=True):
    """Something that happened to the run as a whole."""

    at: Instant
    kind: str
    """cancel, retry, paused, resumed, migrated."""
    text: str


class Timeline:
    """Reads a journal from its beginning to its end."""

    def __init__(self, flow: Flow | None) -> None:
        self._actions = views.actions(flow)
        self.lanes: dict[str, Lane] = {}
        self.marks: list[Mark] = []
        self.touched: set[str] = set()
        """Lanes that have changed since this was last emptied."""

    def read(self, entries: Sequence[Entry]) -> None:
        """Take up what is recorded."""
        for entry in entries:
            path, _, what = entry.key.partition("#")
            if entry.status == RESET:
                self._forget(entry)
            elif not path:
                self._mark(what, entry)
            else:
                self._step(path, what, entry)

    def _step(self, path: str, what: str, entry: Entry) -> None:
        done = _READERS.get(what)
        if done is None:
            return
        lane = self.lanes.get(path)
        if lane is None:
            lane = self.lanes[path] = Lane(path, "running", self._actions.get(ITERATION.sub("[]", path)))
        lane.past = False
        self.touched.add(path)
        done(lane, entry)

    def _mark(self, what: str, entry: Entry) -> None:
        if what == "pause":
            text = str(entry.value or "") if entry.status == "paused" else ""
            self.marks.append(Mark(entry.at, entry.status, text))
        elif what == MIGRATED[1:]:
            self.marks.append(Mark(entry.at, what, f"from version {entry.value['from']} to {entry.value['to']}"))
        elif what in ("cancel", "retry"):
            self.marks.append(Mark(entry.at, what, str(entry.value or "")))

    def _forget(self, reset: Entry) -> None:
        path = reset.key
        if isinstance(reset.value, list):
            first, count = reset.value
            for n in range(first, first + count):
                for each in [p for p in self.lanes if p == f"{path}[{n}]" or p.startswith(f"{path}[{n}].")]:
                    del self.lanes[each]
            return
        below = () if reset.value else [p for p in self.lanes if p.startswith((path + ".", path + "["))]
        for each in (path, *below):
            lane = self.lanes.get(each)
            if lane is not None:
                lane.past = True
                _close(lane, lane.end or reset.at)
                self.touched.add(each)

    def view(self, now: Instant, *, over: bool, paths: Sequence[str] | None = None) -> list[Lane]:
        """The lanes as they stand now; only these, where `paths` says so."""
        wanted = self.lanes.values() if paths is None else [self.lanes[path] for path in paths if path in self.lanes]
        for lane in wanted:
            if not over:
                _go_on(lane, now)
        return list(wanted)


def _open(lane: Lane, kind: str, at: Instant, attempt: int = 0, until: Instant | None = None) -> None:
    last = lane.spans[-1] if lane.spans else None
    if last is not None and last.end is None:
        if last.kind == kind and last.attempt == attempt:
            last.until = until
            return
        last.end = at
    lane.spans = [*lane.spans, Stretch(kind, at, attempt=attempt, until=until)]
    if lane.start is None or lane.end is not None:
        lane.start, lane.end = lane.start if lane.start is not None else at, None
    lane.status = "running" if kind == "work" else "waiting"


def _close(lane: Lane, at: Instant) -> None:
    _go_on(lane, at)
    if lane.spans and lane.spans[-1].end is None:
        lane.spans[-1].end = at


def _go_on(lane: Lane, at: Instant) -> None:
    """The next attempt has begun when its time came, though nothing says so until it ends."""
    last = lane.spans[-1] if lane.spans else None
    if last is None or last.kind != "retry" or last.end is not None or last.until is None or last.until > at:
        return
    last.end = last.until
    _open(lane, "work", last.until, last.attempt + 1)


def _began(lane: Lane, entry: Entry) -> None:
    _open(lane, _KINDS.get(lane.action or "", "work"), entry.at, entry.attempt)


def _failed(lane: Lane, entry: Entry) -> None:
    lane.attempts = max(lane.attempts, entry.attempt)
    if not lane.spans:
        _open(lane, "work", entry.started or entry.at, entry.attempt)
    _close(lane, entry.at)
    last = lane.spans[-1]
    last.attempt = last.attempt or entry.attempt
    last.error = lane.error = _told(entry)
    if isinstance(entry.value, int):
        _open(lane, "retry", entry.at, entry.attempt, int(entry.value))


def _timer(lane: Lane, entry: Entry) -> None:
    kind = _KINDS.get(lane.action or "", "sleep")
    _open(lane, kind, entry.at, until=entry.value if isinstance(entry.value, int) else None)


def _child(lane: Lane, entry: Entry) -> None:
    lane.child = ids.to_text("run", int(entry.value))
    _open(lane, "child", entry.at)


def _asked(lane: Lane, entry: Entry) -> None:
    _open(lane, "approval", entry.at, until=entry.value.get("until"))


def _pause(lane: Lane, entry: Entry) -> None:
    if entry.status == "paused":
        _open(lane, "person", entry.at)
        lane.status = "paused"
    else:
        _open(lane, "work", entry.at, 1)


def _kind(lane: Lane, entry: Entry) -> None:
    kind, _, detail = str(entry.value).partition(" ")
    lane.action = detail if kind == "step" else kind


def _ended(lane: Lane, entry: Entry) -> None:
    start = entry.started or lane.start
    if not lane.spans and (entry.started or entry.attempt):
        start = entry.started or entry.at
        _open(lane, _KINDS.get(lane.action or "", "work"), start, entry.attempt)
    _close(lane, entry.at)
    if entry.attempt:
        lane.attempts = entry.attempt
    lane.start, lane.end, lane.status = lane.start if lane.start is not None else start, entry.at, entry.status
    lane.error = _told(entry)
    if lane.spans and entry.error is not None:
        lane.spans[-1].error = lane.error


def _told(entry: Entry) -> str:
    error = entry.error
    return "" if error is None else f"{error.kind}: {error.message[:_LONGEST]}"


_READERS = {
    "": _ended, "set": _ended, "started": _began, "attempt": _failed, "timer": _timer, "child": _child,
    "asked": _asked, "pause": _pause, "kind": _kind,
}  # fmt: skip


def timeline(journal: Sequence[Entry], flow: Flow | None, now: Instant, *, over: bool, after: int) -> dict[str, Any]:
    """The lanes of a run, all or only those that have changed since `after` entries of its journal."""
    told = since(journal)
    skipped = len(journal) - len(told)
    fresh = journal[after:] if 0 < after <= len(journal) else journal
    whole = len(fresh) == len(journal) or any(entry.status == RESET or entry.key == MIGRATED for entry in fresh)
    line = Timeline(flow)
    line.read([entry for entry in journal[:skipped] if entry.key == MIGRATED])
    cut = len(told) if whole else max(0, after - skipped)
    line.read(told[:cut])
    if not whole:
        line.touched.clear()
        line.read(told[cut:])
    waiting = [] if whole else [p for p, lane in line.lanes.items() if lane.end is None and lane.spans]
    paths = None if whole else sorted({*line.touched, *waiting})
    return {
        "whole": whole,
        "seen": len(journal),
        "now": now,
        "lanes": line.view(now, over=over, paths=paths),
        "marks": line.marks,
    }


def attempts(
    journal: Sequence[Entry], path: str, flow: Flow | None, now: Instant, *, over: bool
) -> list[dict[str, Any]]:
    """Every attempt of one step, oldest first, also those before a retry of the run."""
    line = Timeline(flow)
    own = [entry for entry in since(journal) if _concerns(entry, path)]
    line.read(own)
    lanes = line.view(now, over=over, paths=[path])
    errors = [entry.error for entry in own if entry.error is not None and entry.key in (path, f"{path}#attempt")]
    shown: list[dict[str, Any]] = []
    for stretch in lanes[0].spans if lanes else ():
        if stretch.kind == "retry":
            shown[-1]["next_at"] = to_iso(stretch.until if stretch.until is not None else stretch.end or now)
            continue
        if stretch.kind != "work" and not stretch.error and shown:
            continue
        error = errors.pop(0) if stretch.error and errors else None
        shown.append(
            {
                "attempt": stretch.attempt or 1,
                "started_at": to_iso(stretch.start),
                "finished_at": None if stretch.end is None else to_iso(stretch.end),
                "error": None if error is None else error.view(),
                "next_at": None,
            }
        )
    return shown


def _concerns(entry: Entry, path: str) -> bool:
    """Whether it says something of this step; a word about what is around it makes it forgotten, too."""
    own = entry.key.partition("#")[0]
    return own == path or (entry.status == RESET and not entry.value and path.startswith((own + ".", own + "[")))


def details(known: Mapping[str, Entry], path: str) -> dict[str, Any]:
    """What a step has to do with others: the event that it took, the run that it called, who decided."""
    event, child, asked = (known.get(f"{path}#{what}") for what in ("event", "child", "asked"))
    return {
        "event_id": event.value.get("id") if event is not None and isinstance(event.value, dict) else None,
        "child_id": None if child is None else ids.to_text("run", int(child.value)),
        "approval": None if asked is None else asked.value["title"],
        "decisions": [
            {"by": entry.value["by"], "decision": entry.value["decision"], "at": to_iso(entry.at)}
            for key, entry in known.items()
            if key.startswith(f"{path}#decision.") and isinstance(entry.value, dict)
        ],
        "case": known[f"{path}#case"].value if f"{path}#case" in known else None,
        "winner": (known[f"{path}#join"].value or {}).get("winner") if f"{path}#join" in known else None,
    }
