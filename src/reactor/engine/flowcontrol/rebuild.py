"""The gates as they were before the start, from the records of runs alone."""

from __future__ import annotations

from collections.abc import AsyncIterator

from reactor.engine.flowcontrol.collecting import BATCH, Collecting
from reactor.engine.flowcontrol.gates import FlowControl
from reactor.engine.flows import FlowBook
from reactor.model.clock import Instant
from reactor.model.flow import Control
from reactor.model.journal import Run
from reactor.model.states import RunStatus
from reactor.stores.port import History, RunFilter, Store

_PAGE = 500
_UNDER_WAY = (RunStatus.PENDING, RunStatus.RUNNING)
_RESTING = (RunStatus.WAITING, RunStatus.PAUSED)


async def rebuild(gates: FlowControl, book: FlowBook, store: Store, history: History, now: Instant) -> None:
    """Fill the gates: first who runs, then who waited, then what had not been decided.

    Raises:
        StoreError: the store cannot be read.
    """
    for name in book.current:
        gates.changed(name)
    found = [run async for run in _runs(history, RunFilter(status=_UNDER_WAY, limit=_PAGE)) if run.control is not None]
    await book.prefetch([(run.flow, run.version) for run in found if run.flow not in book.current])
    found.reverse()
    for name, flow in book.current.items():
        if flow.control is not None:
            await _lately(gates, history, name, flow.control, now)
            if flow.control.singleton is not None:
                await _unfinished(gates, history, name)
    for run in found:
        if run.status is RunStatus.RUNNING:
            _single(gates, run)
            gates.held(run, waiting=False)
    pending = [run for run in found if run.status is RunStatus.PENDING]
    for run in [run for run in pending if not await _restored(gates, store, run)]:
        gates.ask_again(run)


async def _runs(history: History, wanted: RunFilter) -> AsyncIterator[Run]:
    """All of them, newest first."""
    below = None
    while True:
        page = await history.runs(
            RunFilter(flow=wanted.flow, status=wanted.status, since=wanted.since, below=below, limit=wanted.limit)
        )
        for run in page:
            yield run
        if len(page) < wanted.limit:
            return
        below = page[-1].key


async def _restored(gates: FlowControl, store: Store, run: Run) -> bool:
    """Put a run back where it waited. False: it had not been decided."""
    stage = run.control.stage if run.control is not None else ""
    if run.control is not None and run.control.error:
        return False
    if stage in ("batch", "debounce") and run.started_at is None:
        await _collecting(gates, store, run, stage)
        return True
    if stage == "queue" or run.started_at is not None:
        _single(gates, run)
        gates.held(run, waiting=True)
        return True
    return False


async def _collecting(gates: FlowControl, store: Store, run: Run, kind: str) -> None:
    count = 1
    if kind == "batch":
        loaded = await store.load([run.key])
        count += sum(entry.key.startswith(BATCH) for one in loaded for entry in one.journal)
    key = run.control.keys.get(kind, "") if run.control is not None else ""
    one = Collecting((run.flow, kind, key), run, run.wake_at or run.created_at, count)
    gates.collection.add(one)
    gates.collect_until(one)


async def _unfinished(gates: FlowControl, history: History, name: str) -> None:
    resting = [run async for run in _runs(history, RunFilter(flow=name, status=_RESTING, limit=_PAGE))]
    for run in reversed(resting):
        if run.control is None or run.control.stage != "hold" or run.started_at is not None:
            _single(gates, run)


def _single(gates: FlowControl, run: Run) -> None:
    control = gates.control_of(run)
    if control is not None and control.singleton is not None:
        gates.singles.add(run)


async def _lately(gates: FlowControl, history: History, name: str, control: Control, now: Instant) -> None:
    """What the windows of rates hold."""
    rate, hold, throttle = control.rate_limit, control.hold, control.throttle
    let_in = max([part.per for part in (rate, hold) if part is not None], default=0)
    starts = throttle.per if throttle is not None else 0
    if not let_in and not starts:
        return
    runs = await _latest(history, name, now - let_in, now - starts)
    for run in reversed(runs):
        if run.status is RunStatus.PENDING and run.control is not None and run.control.stage == "":
            continue
        if rate is not None and run.created_at > now - rate.per:
            gates.windows.remember(("rate_limit", name, _key(run, "rate_limit")), run.created_at, rate.per)
        if hold is not None and run.created_at > now - hold.per:
            gates.windows.remember(("hold", name, ""), run.created_at, hold.per, hold.over)
    if throttle is None:
        return
    for at, key in sorted((run.started_at, _key(run, "throttle")) for run in runs if run.started_at is not None):
        if at > now - throttle.per:
            gates.windows.remember(("throttle", name, key), at, throttle.per)


async def _latest(history: History, name: str, made: Instant, started: Instant) -> list[Run]:
    """Runs of a flow made after `made` or started after `started`, newest first. Runs start about in the order in which
    they were made, so the search ends with the first page that is older than both and has none of them.
    """
    found: list[Run] = []
    below, fresh = None, True
    while fresh:
        page = await history.runs(RunFilter(flow=name, below=below, limit=_PAGE))
        latest = [run for run in page if run.created_at > made or (run.started_at or 0) > started]
        found += latest
        fresh = len(page) == _PAGE and (bool(latest) or page[-1].created_at > min(made, started))
        below = page[-1].key if page else None
    return found


def _key(run: Run, control: str) -> str:
    return run.control.keys.get(control, "") if run.control is not None else ""
