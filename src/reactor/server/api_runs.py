"""Runs: list, show, and what people do to them."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec

from reactor.engine import views
from reactor.engine.cutting import cut_run
from reactor.model import ids
from reactor.model.errors import InvalidError, NotFoundError
from reactor.model.journal import Run
from reactor.model.states import RunStatus
from reactor.server import shapes
from reactor.server.run_filters import LOOK, RunWanted, filter_of
from reactor.server.table import Call, check_limit, get, key_of, page, post
from reactor.stores.port import Loaded

_COUNTED = 1_000_000
"""Runs that are counted at most."""
_PATIENCE = 1.0
"""Seconds to wait for a run in memory to be written before it is shown as it was last written."""


class RunQuery(RunWanted, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which runs, and how many."""

    limit: int = 100
    """Runs of one page, 1 to 1,000. A page may hold fewer though there are more: `next` tells."""
    cursor: str | None = None
    """`next` of the page before."""

    def __post_init__(self) -> None:
        """Bounds."""
        check_limit(self.limit)


class WholeQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How much of a run."""

    steps: bool = True
    """False: none of its steps, of which there may be thousands; see `timeline` and `step`."""
    whole: bool = False
    """True: large values too, which otherwise are cut to `{"$cut": {size, preview, raw}}`."""


class Reason(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Why."""

    reason: str = "by hand"


class Fork(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """From where."""

    step: str | None = None
    """Path of the step to begin at; null: the beginning."""
    data: Any = msgspec.UNSET
    """Other data for the event; only from the beginning."""
    inputs: Any = msgspec.UNSET
    """Other inputs; only from the beginning."""
    latest: bool = True
    """With the flow's current version rather than the run's."""
    version: int | None = None
    """With this version, whatever `latest` says."""
    preview: bool = False
    """Start nothing; say what would be."""


@get("/api/v1/runs", shapes.Listed[shapes.RunRow], query=RunQuery)
async def runs(call: Call) -> Any:
    """Runs, newest first."""
    query: RunQuery = call.query
    wanted = await filter_of(call, query, query.cursor, query.limit + 1)
    found, floor = await call.engine.history.look_for_runs(wanted, LOOK)
    shown = page(found, query.limit, lambda run: ids.to_text("run", run.key), views.run_row)
    if shown["next"] is None and floor:
        shown["next"] = ids.to_text("run", floor)
    return shown


@get("/api/v1/runs/count", shapes.Count, query=RunWanted)
async def count(call: Call) -> Any:
    """How many runs a list has; where no index knows the filter, how many of those that a page looks at."""
    wanted = await filter_of(call, call.query, None, 1)
    found, exact = await call.engine.history.count_runs(wanted, _COUNTED, LOOK)
    return {"count": found, "exact": exact}


async def load(call: Call, key: int) -> Loaded:
    """A run with what it has recorded so far.

    Raises:
        NotFoundError: there is none.
    """
    live = call.engine.executor.live.get(key)
    if live is not None:
        await asyncio.wait({call.engine.executor.committer.barrier(live)}, timeout=_PATIENCE)
    loaded = await call.engine.store.load([key])
    if not loaded:
        raise NotFoundError(f"there is no run {ids.to_text('run', key)}")
    return loaded[0]


async def whole(call: Call, *, steps: bool = True) -> tuple[Loaded, dict[str, Any]]:
    """The run that the path names, and how it is shown."""
    loaded = await load(call, key_of("run", call.params["id"]))
    book, record = call.engine.book, loaded.run
    await book.prefetch([(record.flow, record.version)])
    return loaded, views.run_whole(loaded, book.version(record.flow, record.version), steps=steps)


@get("/api/v1/runs/{id}", shapes.RunWhole, query=WholeQuery)
async def run(call: Call) -> Any:
    """One run with its steps."""
    shown = (await whole(call, steps=call.query.steps))[1]
    return shown if call.query.whole else cut_run(shown)


async def _after(call: Call, key: int) -> dict[str, str]:
    """The run as it is after a command."""
    live = call.engine.executor.live.get(key)
    record: Run | None = live.record_ if live is not None else await call.engine.history.run(key)
    status = record.status.value if record is not None else RunStatus.PENDING.value
    return {"id": ids.to_text("run", key), "status": status}


@post("/api/v1/runs/{id}/cancel", shapes.RunRef, body=Reason, optional=True, status=202)
async def cancel(call: Call) -> Any:
    """Stop a run in whatever unfinished state it is; its `finally` steps run."""
    key = key_of("run", call.params["id"])
    await call.engine.control.cancel(key, call.body.reason)
    return await _after(call, key)


@post("/api/v1/runs/{id}/pause", shapes.RunRef, status=202)
async def pause(call: Call) -> Any:
    """Let a run stop before its next step."""
    key = key_of("run", call.params["id"])
    await call.engine.control.pause(key)
    return await _after(call, key)


@post("/api/v1/runs/{id}/resume", shapes.RunRef, status=202)
async def resume(call: Call) -> Any:
    """Let a paused run go on."""
    key = key_of("run", call.params["id"])
    await call.engine.control.resume(key)
    return await _after(call, key)


@post("/api/v1/runs/{id}/retry", shapes.RunRef, status=202)
async def retry(call: Call) -> Any:
    """Take up a failed or cancelled run from the step at which it failed."""
    key = key_of("run", call.params["id"])
    await call.engine.control.retry(key)
    return await _after(call, key)


@post("/api/v1/runs/{id}/fork", shapes.Forked, body=Fork, optional=True, status=201)
async def fork(call: Call) -> Any:
    """A new run like this one, from a step on or from the beginning with other data; or a preview of it."""
    body: Fork = call.body
    key, latest, version = key_of("run", call.params["id"]), body.latest, body.version
    if body.preview:
        plan = await call.engine.versions.fork_plan(key, body.step, latest=latest, version=version)
        return {"id": None, "status": None, "plan": plan.view()}
    forked = await call.engine.control.fork(
        key, body.step, data=body.data, inputs=body.inputs, latest=latest, version=version
    )
    new = ids.from_text("run", forked)
    if new is None:
        raise InvalidError(f"{forked!r} is no run")
    return await _after(call, new)


LINES = (runs, count, run, cancel, pause, resume, retry, fork)
