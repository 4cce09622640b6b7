"""Figures over time, for charts and lists, and what the instance uses."""

from __future__ import annotations

from typing import Any

import msgspec

import reactor
from reactor.engine.statistics.figures import Figures, window
from reactor.model import durations, ids
from reactor.model.clock import Instant, to_iso
from reactor.model.errors import InvalidError, NotFoundError
from reactor.model.journal import Run
from reactor.server import metrics, metrics_shapes, shapes
from reactor.server.problems import Problem
from reactor.server.table import Call, get, time_of

_DAY = 86_400_000
_MOST_LINE = 120


class SeriesQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which window, and of what."""

    since: str = "24h"
    """A time, or how long ago (`24h`)."""
    until: str | None = None
    step: str | None = None
    """What one point stands for (`5m`); without it such that there are at most 300. Of times more than two days ago
    there are whole hours only."""
    flow: str | None = None
    trigger: str | None = None
    samples: bool = False
    """With CPU, memory, disk, queue …"""


class FlowsQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Since when."""

    since: str = "24h"
    flow: str | None = None
    points: int = 30
    """Of the small line of each flow, at most."""

    def __post_init__(self) -> None:
        """Bounds."""
        if not 1 <= self.points <= _MOST_LINE:
            raise ValueError(f"points is 1 to {_MOST_LINE}")


def figures_of(call: Call) -> Figures:
    """The engine's.

    Raises:
        NotFoundError: its store keeps none.
    """
    if call.engine.figures is None:
        raise NotFoundError("this store keeps no statistics")
    return call.engine.figures


def duration_of(name: str, text: str | None) -> int | None:
    """Milliseconds.

    Raises:
        Problem: 400.
    """
    if text is None:
        return None
    try:
        return int(durations.parse(text))
    except (ValueError, InvalidError) as error:
        raise Problem(400, f"{name}: {error}", parameter=name) from None


@get("/api/v1/metrics/series", metrics_shapes.Series, query=SeriesQuery)
async def series(call: Call) -> Any:
    """What happened in a window, as arrays that a chart draws directly: ends of runs by how they ended, starts, events,
    durations, and with `samples=true` what the process used. A count is that of
    `/api/v1/runs?finished_since=…&finished_until=…&status=…`.
    """
    query: SeriesQuery = call.query
    figures, now = figures_of(call), call.engine.clock.now()
    since: Instant = time_of("since", query.since, now) or 0
    until = time_of("until", query.until, now) or now
    there = window(since, until, duration_of("step", query.step), now)
    return {
        "since": to_iso(there.times[0]),
        "until": to_iso(there.times[0] + there.slots * there.step * 60_000),
        "step": there.step * 60,
        **await figures.series(there, query.flow, query.trigger),
        "samples": await figures.samples(there) if query.samples else None,
    }


@get("/api/v1/metrics/flows", metrics_shapes.AllFlowFigures, query=FlowsQuery)
async def flows(call: Call) -> Any:
    """Every flow since then: how many runs ended and how, how long they took, its newest run, and a small line."""
    query: FlowsQuery = call.query
    now = call.engine.clock.now()
    since: Instant = time_of("since", query.since, now) or now - _DAY
    there, found = await figures_of(call).flows(since, query.points, query.flow)
    items = []
    for one in found:
        run, line = one.pop("newest"), one.pop("line")
        current = one["flow"] in call.engine.book.current
        lines = {"line_runs": line.runs, "line_failed": line.failed}
        items.append({**one, "current": current, "last_run": run and _last(call, run), **lines})
    times = [at // 1000 for at in there.times]
    return {"since": to_iso(there.times[0]), "step": there.step * 60, "times": times, "items": items}


def _last(call: Call, stored: Run) -> dict[str, Any]:
    """As it is in memory, or as it was written last."""
    live = call.engine.executor.live.get(stored.key)
    run = stored if live is None else live.record_
    return {
        "id": ids.to_text("run", run.key),
        "status": run.status.value,
        "created_at": to_iso(run.created_at),
        "finished_at": None if run.finished_at is None else to_iso(run.finished_at),
    }


@get("/api/v1/instances", shapes.Listed[metrics_shapes.Instance])
async def instances(call: Call) -> Any:
    """The processes that share the store: with SQLite, this one."""
    engine, committer = call.engine, call.engine.executor.committer
    sample = engine.sampling.newest
    looked = {name: None if sample is None else getattr(sample, name) for name in _LOOKED}
    from reactor.server.api import not_ready  # noqa: PLC0415 - it imports this table

    reasons = not_ready(engine, closing=call.stream.closed)
    one = {
        "id": engine.parts.instance,
        "name": "local",
        "version": reactor.__version__,
        **engine.machine.about(),
        "started_at": to_iso(engine.started_at) if engine.started_at else None,
        "url": call.url,
        "ready": not reasons,
        "reasons": reasons,
        "trouble": str(committer.broken) if committer.broken is not None else committer.trouble,
        **looked,
        "queued": committer.queued,
        "live": len(engine.executor.live),
        "held": engine.executor.flow_control.waiting,
        "triggers": metrics.triggers(engine),
    }
    return {"items": [one], "next": None}


_LOOKED = (
    "cpu", "memory", "machine_cpu", "machine_memory", "disk_free", "disk_size", "store", "waiting", "delay"
)  # fmt: skip
LINES = (series, flows, instances)
