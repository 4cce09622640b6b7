"""Rehearsal: recorded runs of a flow are played against another version of it, before anything depends on that.

What decides whether a version may be published, or a run may change over to it. Nothing is written and nothing reaches
the world. `state` is read as it is now, where the record itself does not say it.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import msgspec

from reactor.engine.executor import Executor
from reactor.engine.sealing import masked
from reactor.language.dialects.gotemplate import legacy_event_view
from reactor.model import ids
from reactor.model.clock import to_iso
from reactor.model.errors import InvalidError, ReactorError
from reactor.model.event import Event
from reactor.model.flow import Flow
from reactor.model.journal import Entry
from reactor.model.states import RunStatus
from reactor.runtime.divergences import SAME_PATH, Divergence, Replayed
from reactor.runtime.replay import ReplayRuntime
from reactor.stores.port import History, Loaded, RunFilter

LAST = 20
_MOST = 500
_PAGE = 50
_LONGEST = 100_000
"""Entries of a journal: a longer one would hold up the others."""


class Rehearsed(msgspec.Struct, frozen=True, kw_only=True):
    """How one recorded run fares with the candidate."""

    run: int
    version: int
    """The one it ran with."""
    status: RunStatus
    diverged: tuple[Divergence, ...] = ()
    """In the order of the record; the first that is not of `SAME_PATH` is where its path parts."""
    error: str = ""
    """Why it could not be played."""

    @property
    def same(self) -> bool:
        """Whether it takes the same path."""
        return not self.error and self.parts is None

    @property
    def parts(self) -> Divergence | None:
        """Where its path parts from the record."""
        return next((one for one in self.diverged if one.kind not in SAME_PATH), None)

    def view(self) -> dict[str, Any]:
        """As every door shows it."""
        return {
            "run": ids.to_text("run", self.run),
            "version": self.version,
            "status": self.status.value,
            "same": self.same,
            "diverges": [divergence_view(one) for one in self.diverged],
            "error": self.error or None,
        }


def divergence_view(one: Divergence) -> dict[str, Any]:
    """A divergence as every door shows it."""
    return {
        "path": one.path,
        "kind": one.kind,
        "recorded": masked(one.recorded),
        "replayed": masked(one.replayed),
    }


async def rehearse(executor: Executor, history: History, candidate: Flow, last: int = LAST) -> list[Rehearsed]:
    """The last recorded runs of the flow of this name, newest first, against a candidate that need not be registered.

    Raises:
        InvalidError: `last` is not between 1 and 500. StoreError: the store cannot be read.
    """
    if not 1 <= last <= _MOST:
        raise InvalidError(f"the last 1 to {_MOST} runs can be rehearsed, not {last}")
    found: list[Rehearsed] = []
    below: int | None = None
    while len(found) < last:
        limit = min(_PAGE, last - len(found))
        page = await history.runs(RunFilter(flow=candidate.name, below=below, limit=limit))
        if not page:
            break
        below = page[-1].key
        recorded = await executor.store.load([run.key for run in page])
        found += [await _rehearsed(executor, loaded, candidate) for loaded in recorded]
    return found


async def _rehearsed(executor: Executor, loaded: Loaded, candidate: Flow) -> Rehearsed:
    run = loaded.run
    about = Rehearsed(run=run.key, version=run.version, status=run.status)
    try:
        went = await replayed(executor, loaded, candidate)
    except ReactorError as error:
        return msgspec.structs.replace(about, error=str(error))
    return msgspec.structs.replace(about, diverged=tuple(went.diverged))


async def replayed(
    executor: Executor,
    loaded: Loaded,
    flow: Flow,
    *,
    journal: Sequence[Entry] | None = None,
    forced: Collection[str] = (),
) -> Replayed:
    """One run, or a journal in place of its own, against a version. `forced`: see `ReplayRuntime`.

    Raises:
        InvalidError: it is too long, or a Python flow. PermanentError: kind `secret`: what was sealed cannot be opened.
    """
    entries = loaded.journal if journal is None else list(journal)
    if len(entries) > _LONGEST:
        raise InvalidError(f"its journal has {len(entries)} entries; up to {_LONGEST} can be played")
    if flow.code is not None:
        raise InvalidError("a flow that is a Python function cannot be played against another version")
    if executor.states.uses(flow) and not executor.states.has(flow.name):
        await executor.states.load(flow.name)
    replay = ReplayRuntime(
        entries,
        executor.catalog.actions.get,
        forced=forced,
        unseal=executor.seals.unseal,
        state=executor.states.of(flow.name),
    )
    return await played(executor, msgspec.structs.replace(loaded, journal=entries), flow, replay)


async def played(executor: Executor, loaded: Loaded, flow: Flow, replay: ReplayRuntime) -> Replayed:
    """One run on a runtime that holds its record, with all that a run knows."""
    record = loaded.run
    return await replay.replay(
        flow,
        event=_view(loaded.event, flow),
        events=await _batch(executor, loaded, flow),
        inputs=next((entry.value for entry in reversed(loaded.journal) if entry.key == "#inputs"), None),
        run={
            "id": ids.to_text("run", record.key),
            "started_at": to_iso(record.started_at or record.created_at),
            "version": record.version,
        },
        env=executor.env,
    )


def _view(event: Event | None, flow: Flow) -> dict[str, Any] | None:
    if event is None:
        return None
    return legacy_event_view(event.view()) if flow.legacy else event.view()


async def _batch(executor: Executor, loaded: Loaded, flow: Flow) -> list[Any] | None:
    """What a batched run knows as `events`."""
    if flow.control is None or flow.control.batch is None:
        return None
    batches = await executor.flow_control.batches([loaded])
    events = [*batches.get(loaded.run.key, []), *([loaded.event] if loaded.event is not None else [])]
    return [_view(event, flow) for event in events]
