"""A run over time, and one of its steps with all that is known of it."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec

from reactor.engine import timeline as lines
from reactor.engine import views
from reactor.engine.cutting import cut_step
from reactor.engine.timeline import Lane, Mark
from reactor.model import ids
from reactor.model.errors import NotFoundError
from reactor.model.flow import Flow
from reactor.model.journal import index
from reactor.server import shapes
from reactor.server.api_runs import load
from reactor.server.problems import Problem
from reactor.server.table import Call, get, key_of
from reactor.server.trigger_shapes import Shape
from reactor.stores.port import Loaded

_MANY = 2_000
"""Entries of a journal from which on it is not read on the loop's thread."""


class TimelineQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How much of it."""

    after: int = 0
    """`seen` of the answer before: only what has changed since, where that can be told."""


class StepQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which step."""

    path: str
    """Its path in the run, such as `each[3].read`."""


class TimelineShape(Shape):
    """A run over time. All times are milliseconds since 1970: there may be ten thousand lanes."""

    id: str
    status: str
    created_at: int
    started_at: int | None
    finished_at: int | None
    now: int
    """The server's time when it answered."""
    seen: int
    """Give it as `after` the next time."""
    whole: bool
    """False: `lanes` are those that have changed since `after`."""
    lanes: list[Lane]
    """What began before `created_at` was taken over from the run that this one is a fork of."""
    marks: list[Mark]


class AttemptShape(Shape):
    """One attempt of a step."""

    attempt: int
    """Counted anew after a retry of the run."""
    started_at: str
    finished_at: str | None
    error: shapes.ErrorShape | None
    next_at: str | None
    """When the next one was to begin."""


class StepWhole(shapes.StepShape):
    """One step with its attempts and what it has to do with others."""

    history: list[AttemptShape]
    """Oldest first, also those before a retry of the run."""
    event_id: str | None
    """Of `wait_for`: the event that it took."""
    child_id: str | None
    """Of `call`: the run that it started."""
    approval: str | None
    """Of `approve`: what was asked."""
    decisions: list[shapes.DecisionShape]
    case: int | None
    """Of `switch`: the number of the case that was chosen; -1: none."""
    winner: str | None
    """Of `parallel`: the branch that decided it."""


async def _loaded(call: Call) -> tuple[Loaded, Flow | None]:
    loaded = await load(call, key_of("run", call.params["id"]))
    book, record = call.engine.book, loaded.run
    await book.prefetch([(record.flow, record.version)])
    return loaded, book.version(record.flow, record.version)


async def _aside(loaded: Loaded, work: Any) -> Any:
    return work() if len(loaded.journal) < _MANY else await asyncio.to_thread(work)


@get("/api/v1/runs/{id}/timeline", TimelineShape, query=TimelineQuery)
async def timeline(call: Call) -> Any:
    """Every step of a run over time: attempts, waits for the next one, sleeps, what was waited for. No payloads."""
    loaded, flow = await _loaded(call)
    record, now, after = loaded.run, call.engine.clock.now(), call.query.after
    found = await _aside(
        loaded, lambda: lines.timeline(loaded.journal, flow, now, over=record.status.finished, after=after)
    )
    return {
        "id": ids.to_text("run", record.key),
        "status": record.status.value,
        "created_at": record.created_at,
        "started_at": record.started_at,
        "finished_at": record.finished_at,
        **found,
    }


@get("/api/v1/runs/{id}/step", StepWhole, query=StepQuery)
async def step(call: Call) -> Any:
    """One step of a run: what went in and came out, each attempt, and what it has to do with other runs and events."""
    path: str = call.query.path
    if not path or len(path) > 2_000:
        raise Problem(400, "path is that of a step, such as each[3].read", parameter="path")
    loaded, flow = await _loaded(call)
    now, over = call.engine.clock.now(), loaded.run.status.finished

    def whole() -> dict[str, Any] | None:
        known = index(loaded.journal)
        own = {key: entry for key, entry in known.items() if key.partition("#")[0] == path}
        unfinished = loaded.run.status.value if over else "running"
        found = views.steps(own, flow, unfinished=unfinished)
        if not found:
            return None
        history = lines.attempts(loaded.journal, path, flow, now, over=over)
        step = cut_step(call.params["id"], found[0])
        return {**step, "history": history, **lines.details(own, path)}

    found = await _aside(loaded, whole)
    if found is None:
        raise NotFoundError(f"{call.params['id']} has not come to a step {path[:200]!r}")
    return found


LINES = (timeline, step)
"""The API's lines of a run over time."""
