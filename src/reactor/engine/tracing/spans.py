"""The spans of a run that has ended: one of the run, one of each step below that of the step around it, one of each
attempt. Pure: the same notes make the same spans.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import msgspec

from reactor.engine.tracing.trail import Note, Trail
from reactor.model import ids, traces
from reactor.model.clock import Instant
from reactor.model.errors import ErrorInfo
from reactor.model.event import Event
from reactor.model.flow import ActionStep, Flow, all_steps
from reactor.model.journal import Run
from reactor.model.traces import TraceContext
from reactor.sdk.action import Action

_ITERATION = re.compile(r"(?<!\.cases)\[\d+\]")
_FAILED = "failed"


class Span(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One of a trace. Times in milliseconds since 1970."""

    name: str
    context: TraceContext
    """Its own id."""
    parent: str
    """Empty: it has none."""
    start: Instant
    end: Instant
    attributes: dict[str, Any]
    error: str | None = None
    client: bool = False
    """It calls another system."""
    link: TraceContext | None = None


class _Step(msgspec.Struct):
    """One time that a step was done, as far as the notes say."""

    path: str
    nth: int
    start: Instant
    attempts: list[tuple[int, Instant, Instant, str | None, str]]
    """Number, start, end, kind of error, message."""
    next: Instant
    """When the attempt that is still under way began."""
    number: int = 0
    action: str | None = None
    end: Instant = 0
    status: str = "running"
    kind: str | None = None
    message: str = ""
    order: int = 0


def spans(
    trail: Trail,
    run: Run,
    event: Event | None,
    flow: Flow | None,
    error: ErrorInfo | None,
    find: Callable[[str], Action | None],
) -> list[Span]:
    """All of the run's life that has ended now."""
    done = _Steps(trail, _actions(flow)).all(run)
    root = trail.at("")
    places: dict[str, list[_Step]] = {}
    for step in done:
        places.setdefault(step.path, []).append(step)
    arounds = {id(step): _around(step, places) for step in done}
    for step in done:
        # Of branches and iterations the journal has no beginning: it is that of the first step in them.
        around = arounds[id(step)]
        while around is not None and around.start > step.start:
            around.start = step.start
            around = arounds[id(around)]
    found = [_of_run(trail, run, event, error, root)]
    for step in done:
        around = arounds[id(step)]
        parent = root.span if around is None else _id(trail, around)
        action = find(step.action) if step.action is not None else None
        found += _of_step(trail, step, parent, client=action is None or action.is_async)
    return found


def _of_run(trail: Trail, run: Run, event: Event | None, error: ErrorInfo | None, root: TraceContext) -> Span:
    began = trail.notes[trail.first].at if trail.nth("") and len(trail.notes) > trail.first else run.started_at
    attributes: dict[str, Any] = {
        "reactor.run.id": trail.run,
        "reactor.run.status": run.status.value,
        "reactor.flow.name": run.flow,
        "reactor.flow.version": run.version,
    }
    if run.trigger:
        attributes["reactor.trigger"] = run.trigger
    if event is not None:
        attributes |= {"reactor.event.id": ids.to_text("evt", event.key), "reactor.event.type": event.type}
    if trail.left_out:
        attributes["reactor.notes_left_out"] = trail.left_out
    link = trail.link
    if trail.nth(""):
        link = root.at(traces.span_id(trail.salt, trail.run, "", trail.nth("") - 1))
    return Span(
        name=run.flow,
        context=root,
        parent=trail.context.span,
        start=began or run.created_at,
        end=run.finished_at or run.created_at,
        attributes=attributes | _error(error.kind if error is not None else None),
        error=f"{error.kind}: {error.message}" if error is not None and run.status.value == _FAILED else None,
        link=link,
    )


def _of_step(trail: Trail, step: _Step, parent: str, *, client: bool) -> Iterator[Span]:
    own = trail.context.at(_id(trail, step))
    about = {"reactor.run.id": trail.run, "reactor.step.path": step.path}
    yield Span(
        name=_ITERATION.sub("[]", step.path),
        context=own,
        parent=parent,
        start=step.start,
        end=max(step.end, step.start),
        attributes={**about, "reactor.step.status": step.status, **_error(step.kind)},
        error=f"{step.kind}: {step.message}" if step.kind is not None and step.status == _FAILED else None,
    )
    for number, start, end, kind, message in step.attempts if step.action is not None else ():
        yield Span(
            name=step.action or "",
            context=own.at(traces.span_id(trail.salt, trail.run, step.path, step.nth, number)),
            parent=own.span,
            start=min(start, end),
            end=end,
            attributes={**about, "reactor.action": step.action, "reactor.attempt": number, **_error(kind)},
            error=f"{kind}: {message}" if kind is not None else None,
            client=client,
        )


def _error(kind: str | None) -> dict[str, str]:
    return {} if kind is None else {"error.type": kind}


def _id(trail: Trail, step: _Step) -> str:
    return traces.span_id(trail.salt, trail.run, step.path, step.nth)


class _Steps:
    """Goes along the notes and puts together what belongs to one time that a step was done."""

    def __init__(self, trail: Trail, actions: Mapping[str, str]) -> None:
        self._trail = trail
        self._actions = actions
        self._open: dict[str, _Step] = {}
        self._times: dict[str, int] = {}

    def all(self, run: Run) -> list[_Step]:
        """In the order in which they ended; last those that never did, which ended with the run."""
        done = []
        for number, note in enumerate(self._trail.notes):
            ended = self._take(note)
            if ended is not None and number >= self._trail.first:
                ended.order = number
                done.append(ended)
            if number + 1 == self._trail.first:
                self._open.clear()
        for left in self._open.values():
            left.end, left.status, left.order = run.finished_at or left.start, run.status.value, len(self._trail.notes)
            if left.action is not None:
                left.attempts.append((left.number + 1, left.next, left.end, "interrupted", "it did not end"))
            done.append(left)
        return done

    def _take(self, note: Note) -> _Step | None:
        step = self._open.get(note.path)
        if step is None:
            start = note.started or note.at
            action = self._actions.get(_ITERATION.sub("[]", note.path))
            step = _Step(note.path, self._times.get(note.path, 0), start, [], start, 0, action)
            self._open[note.path] = step
        if note.what == "kind" and isinstance(note.value, str):
            kind, _, name = note.value.partition(" ")
            step.action = name if kind == "step" else None
        elif note.what == "attempt":
            step.attempts.append((note.attempt, step.next, note.at, note.kind, note.message))
            step.number, step.next = note.attempt, note.value if isinstance(note.value, int) else note.at
        elif note.what in ("", "set"):
            return self._ended(step, note)
        return None

    def _ended(self, step: _Step, note: Note) -> _Step:
        del self._open[note.path]
        self._times[note.path] = step.nth + 1
        step.end, step.status, step.kind, step.message = note.at, note.status, note.kind, note.message
        if note.attempt > step.number:
            step.attempts.append((note.attempt, step.next, note.at, note.kind, note.message))
        return step


def _around(step: _Step, places: Mapping[str, list[_Step]]) -> _Step | None:
    """The step that this one is in: the nearest one around it, the time of it that was under way."""
    path = step.path
    while path := path[: path.rindex("[")] if path.endswith("]") else path.rpartition(".")[0]:
        if path in places:
            times = places[path]
            return next((each for each in times if each.order > step.order), times[-1])
    return None


def _actions(flow: Flow | None) -> dict[str, str]:
    return {} if flow is None else {path: s.action for path, s in all_steps(flow) if isinstance(s, ActionStep)}
