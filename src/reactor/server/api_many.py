"""Commands for many runs at once: a page at a time, and each run is accounted for."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from reactor.engine import views
from reactor.model import ids
from reactor.model.access import Role
from reactor.model.errors import RefusedError, StoreError
from reactor.model.journal import Run
from reactor.server.problems import Problem, of_error
from reactor.server.run_filters import LOOK, RunWanted, filter_of
from reactor.server.table import Call, Line, key_of, post
from reactor.server.trigger_shapes import Shape

_MOST = 1_000
_AT_ONCE = 64
_COUNTED = 1_000_000
_SHOWN = 20
_UNFINISHED = "pending,running,waiting,paused"
_STATUSES = {
    "cancel": _UNFINISHED,
    "pause": "pending,running,waiting",
    "resume": "paused",
    "retry": "failed,cancelled",
}
"""What a command is for, where the filter names no states."""


class Many(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which runs: those with these ids, or those that a filter finds, newest first."""

    ids: list[str] | None = None
    """At most 1,000."""
    filter: RunWanted | None = None
    """As in a list; at least one member. Without `status` those that the command is for."""
    reason: str | None = None
    dry_run: bool = False
    """Change nothing: say how many there are, and show the first 20."""
    limit: int = 200
    """Runs of one page, 1 to 1,000."""
    cursor: str | None = None
    """`next` of the page before."""


class OneOfMany(Shape):
    """What became of one run."""

    id: str
    flow: str | None
    status: str | None
    """Afterwards; of a dry run: now."""
    done: bool
    reason: str
    """Why it was left as it was; empty: it was done, or would be."""


class ManyDone(Shape):
    """What was done, run by run."""

    action: str
    dry_run: bool
    matched: int
    """Runs of this page; of a dry run: of all pages."""
    exact: bool
    """False: there are more than were counted."""
    done: int
    skipped: int
    items: list[OneOfMany]
    next: str | None
    """Give it as `cursor` to go on; null: that was all."""


Do = Callable[[int], Awaitable[None]]


def _line(action: str, doc: str, do: Callable[[Call, str], Do]) -> Line:
    async def many(call: Call) -> Any:
        body: Many = call.body
        check(body)
        if body.dry_run:
            return await _preview(call, action)
        found, more = await _page(call, action)
        gate = asyncio.Semaphore(_AT_ONCE)
        work = do(call, body.reason or f"by {call.who.name}")
        items = await asyncio.gather(*(_one(call, key, flow, work, gate) for key, flow in found))
        done = sum(item["done"] for item in items)
        return {
            "action": action,
            "dry_run": False,
            "matched": len(items),
            "exact": more is None,
            "done": done,
            "skipped": len(items) - done,
            "items": items,
            "next": more,
        }

    many.__doc__, many.__name__ = doc, f"{action}_many"
    return post(f"/api/v1/runs/{action}", ManyDone, body=Many, role=Role.OPERATOR)(many)


def check(body: Many) -> None:
    """Raises Problem when it does not say which runs."""
    if not 1 <= body.limit <= _MOST:
        raise Problem(400, f"limit is 1 to {_MOST}")
    if (body.ids is None) == (body.filter is None):
        raise Problem(400, "say which runs: either `ids`, or a `filter` as of a list")
    if body.ids is not None and not 1 <= len(body.ids) <= _MOST:
        raise Problem(400, f"`ids` are 1 to {_MOST}; use a `filter` for more")
    if body.filter == RunWanted():
        raise Problem(400, f"an empty filter is every run there is: name a flow, or `status`, such as {_UNFINISHED}")


def _wanted(call: Call, action: str) -> RunWanted:
    given: RunWanted = call.body.filter
    return given if given.status is not None else msgspec.structs.replace(given, status=_STATUSES[action])


async def _preview(call: Call, action: str) -> dict[str, Any]:
    body: Many = call.body
    if body.ids is not None:
        keys = list(dict.fromkeys(key_of("run", text) for text in body.ids))
        runs = [run for key in keys if (run := await call.engine.history.run(key)) is not None]
        count, exact = len(runs), True
    else:
        history = call.engine.history
        runs, _ = await history.look_for_runs(await filter_of(call, _wanted(call, action), None, _SHOWN), LOOK)
        count, exact = await history.count_runs(await filter_of(call, _wanted(call, action), None, 1), _COUNTED, LOOK)
    items = [_shown(run) for run in runs[:_SHOWN]]
    return {"action": action, "dry_run": True, "matched": count, "exact": exact, "done": 0, "skipped": 0,
            "items": items, "next": None}  # fmt: skip


def _shown(run: Run) -> dict[str, Any]:
    row = views.run_row(run)
    return {"id": row["id"], "flow": run.flow, "status": row["status"], "done": False, "reason": ""}


async def _page(call: Call, action: str) -> tuple[list[tuple[int, str | None]], str | None]:
    """(key, flow) of the runs of this page, and where the next begins."""
    body: Many = call.body
    if body.ids is not None:
        return [(key, None) for key in dict.fromkeys(key_of("run", text) for text in body.ids)], None
    wanted = await filter_of(call, _wanted(call, action), body.cursor, body.limit + 1)
    runs, floor = await call.engine.history.look_for_runs(wanted, LOOK)
    there = runs[: body.limit]
    more = there[-1].key if len(runs) > body.limit else floor
    return [(run.key, run.flow) for run in there], ids.to_text("run", more) if more else None


async def _one(call: Call, key: int, flow: str | None, do: Do, gate: asyncio.Semaphore) -> dict[str, Any]:
    reason = ""
    async with gate:
        try:
            await do(key)
        except (RefusedError, StoreError) as error:
            reason = of_error(error).message
    live = call.engine.executor.live.get(key)
    record = live.record_ if live is not None else await call.engine.history.run(key)
    return {
        "id": ids.to_text("run", key),
        "flow": flow if record is None else record.flow,
        "status": None if record is None else record.status.value,
        "done": not reason,
        "reason": reason,
    }


def _cancelling(call: Call, reason: str) -> Do:
    return lambda key: call.engine.control.cancel(key, reason)


def _pausing(call: Call, _reason: str) -> Do:
    return call.engine.control.pause


def _resuming(call: Call, _reason: str) -> Do:
    return call.engine.control.resume


def _retrying(call: Call, _reason: str) -> Do:
    return call.engine.control.retry


LINES = (
    _line("cancel", "Stop many unfinished runs; their `finally` steps run.", _cancelling),
    _line("pause", "Let many runs stop before their next step.", _pausing),
    _line("resume", "Let many paused runs go on.", _resuming),
    _line("retry", "Take up many failed or cancelled runs where they failed.", _retrying),
)
"""The API's lines for many runs."""
