"""What a run is doing, or what exactly keeps it from going on, and until when."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

from reactor.engine import views
from reactor.engine.control import is_held
from reactor.engine.executor import Executor
from reactor.engine.explain.blockers import blocker, of_steps
from reactor.engine.live import LiveRun
from reactor.model import ids
from reactor.model.clock import to_iso
from reactor.model.errors import NotFoundError, StoreError
from reactor.model.flow import Flow
from reactor.model.journal import Entry, Run, index
from reactor.model.states import RunStatus
from reactor.stores.port import History, Loaded

_DEEPEST = 8
"""Runs below one another that are followed."""
_SLOT = "concurrency"
_PATIENCE = 1.0
"""Seconds that the answer waits for what the run is just writing."""


class RunExplained:
    """Answers about one run after the other."""

    def __init__(self, executor: Executor, history: History) -> None:
        self._executor = executor
        self._history = history

    async def run(self, key: int) -> dict[str, Any]:
        """The run with a sentence, what blocks it, and its open steps.

        Raises:
            NotFoundError: there is no such run.
        """
        live = self._executor.live.get(key)
        run = live.record_ if live is not None else await self._history.run(key)
        if run is None:
            raise NotFoundError(f"there is no run {ids.to_text('run', key)}")
        loaded, flow = await self._loaded(key)
        blockers = await self._blockers(run, live, loaded, flow, 0)
        steps = views.run_whole(loaded, flow)["steps"] if loaded is not None else []
        return {
            **views.run_row(run),
            "explanation": self._why(run, live),
            "blockers": blockers,
            "steps": [step for step in steps if step["status"] not in ("completed", "skipped")],
        }

    async def _loaded(self, key: int) -> tuple[Loaded | None, Flow | None]:
        """A run as stored, with all that it has recorded so far, and its flow."""
        executor = self._executor
        if key in executor.unreadable:
            return None, None
        if not executor.committer.trouble:
            with contextlib.suppress(TimeoutError, StoreError):
                async with asyncio.timeout(_PATIENCE):
                    await executor.committer.settled([key])
        found = await executor.store.load([key])
        if not found:
            return None, None
        run = found[0].run
        await executor.book.prefetch([(run.flow, run.version)])
        return found[0], executor.book.version(run.flow, run.version)

    # --- what blocks it --------------------------------------------------------------------------------------------

    async def _blockers(
        self, run: Run, live: LiveRun | None, loaded: Loaded | None, flow: Flow | None, deep: int
    ) -> list[dict[str, Any]]:
        if run.status.finished:
            return []
        known = index(loaded.journal) if loaded is not None else {}
        found = self._outside(run, live, known)
        if found and live is None and run.status is not RunStatus.PAUSED:
            return found
        steps = of_steps(known, flow)
        if run.status is RunStatus.PAUSED and any(one["kind"] == "person" for one in steps):
            found = []
        for one in steps:
            if one["kind"] == "child" and deep < _DEEPEST:
                one["details"]["run"] = await self._child(one["details"]["run_id"], deep + 1)
        return [*found, *steps]

    async def _child(self, run_id: str, deep: int) -> dict[str, Any] | None:
        """What the run that another waits for waits for itself."""
        key = ids.from_text("run", run_id) or 0
        live = self._executor.live.get(key)
        run = live.record_ if live is not None else await self._history.run(key)
        if run is None:
            return None
        loaded, flow = await self._loaded(key)
        return {
            "id": run_id,
            "flow": run.flow,
            "status": run.status.value,
            "explanation": self._why(run, live),
            "blockers": await self._blockers(run, live, loaded, flow, deep),
        }

    def _outside(self, run: Run, live: LiveRun | None, known: dict[str, Entry]) -> list[dict[str, Any]]:
        """What is not a matter of its steps."""
        trouble = self._executor.committer.trouble
        stuck = [blocker("store", f"the store cannot write: {trouble}")] if trouble else []
        if live is not None:
            return stuck
        if run.key in self._executor.unreadable:
            reason = f"it cannot be read, and is tried again and again: {self._executor.unreadable[run.key]}"
            return [blocker("unreadable", reason), *stuck]
        if run.status is RunStatus.PAUSED:
            return [_paused(run, known)]
        if run.status is RunStatus.WAITING:
            return []
        gate = self._gate(run)
        if gate is not None:
            return [gate]
        if stuck:
            return stuck
        if self._executor.has_room():
            return []
        limit = self._executor.limits.live_runs
        return [blocker("memory", f"it waits for room in memory ({len(self._executor.live)} of {limit} runs)")]

    def _gate(self, run: Run) -> dict[str, Any] | None:
        """The control of the flow at which it stands."""
        gates = self._executor.flow_control
        reason = gates.why(run.key)
        if reason is None:
            return None
        stage = run.control.stage if run.control is not None else ""
        kind = stage if stage in ("batch", "debounce", "singleton") and run.started_at is None else _SLOT
        if reason.startswith("`throttle`"):
            kind = "throttle"
        until, more = gates.until(run.key)
        return blocker(kind, reason, None, until, **more)

    # --- in a sentence -----------------------------------------------------------------------------------------------

    def _why(self, run: Run, live: LiveRun | None) -> str:
        if run.status.finished:
            tail = f": {run.error.message}" if run.error else ""
            return f"It has ended ({run.status.value}){tail}."
        if live is not None:
            waits = live.waits()
            if waits:
                return "In memory; " + "; ".join(waits) + "."
            return "It is running now."
        return self._why_outside(run)

    def _why_outside(self, run: Run) -> str:
        """Why a run that has not ended is not in memory."""
        if run.key in self._executor.unreadable:
            return f"It cannot be read, and is tried again and again: {self._executor.unreadable[run.key]}."
        if run.status is RunStatus.WAITING:
            until = f" until {to_iso(run.wake_at)}" if run.wake_at else ""
            return f"{run.waiting_for}{until}."
        if run.status is RunStatus.PAUSED:
            others = f", and `reactor flows release {run.flow}` all that are held" if is_held(run) else ""
            return f"{run.waiting_for}; `reactor runs resume {ids.to_text('run', run.key)}` lets it go on{others}."
        why = self._executor.flow_control.why(run.key)
        if why is not None:
            return f"{why}."
        if self._executor.committer.trouble:
            return f"The store cannot write: {self._executor.committer.trouble}."
        limit = self._executor.limits.live_runs
        return f"It waits for room in memory ({len(self._executor.live)} of {limit} runs)."


def _paused(run: Run, known: dict[str, Entry]) -> dict[str, Any]:
    resume = f"`reactor runs resume {ids.to_text('run', run.key)}` lets it go on"
    if is_held(run):
        release = f"`reactor flows release {run.flow}` all that are held"
        return blocker("held", f"{run.waiting_for}; {resume}, {release}")
    entry = known.get("#pause")
    by = str(entry.value) if entry is not None and entry.status == "paused" and entry.value else "by hand"
    since = f" at {to_iso(entry.at)}" if entry is not None and entry.status == "paused" else ""
    return blocker("paused", f"paused {by}{since}; {resume}", by=by)
