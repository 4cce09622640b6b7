"""Why: an event started or did not start each flow; a run waits, and for what."""

from __future__ import annotations

from typing import Any

import msgspec

from reactor.engine import views
from reactor.engine.control import is_held
from reactor.engine.executor import Executor
from reactor.engine.flowcontrol import words
from reactor.model import ids
from reactor.model.clock import to_iso
from reactor.model.errors import NotFoundError
from reactor.model.event import Event
from reactor.model.journal import Run
from reactor.model.states import RunStatus
from reactor.routing.table import Match, NonMatch
from reactor.stores.port import EventRow, History, RunFilter, Verdict

_MERGED = ("batch", "debounce")


class Explain:
    """Answers from the routes and the journal; changes nothing."""

    def __init__(self, executor: Executor, history: History) -> None:
        self._executor = executor
        self._history = history

    async def event(self, key: int, flow: str | None = None) -> dict[str, Any]:
        """For every flow (or one): started, or the reason why not, by the flows as they are now.

        Raises:
            NotFoundError: there is no such event.
        """
        event = await self._history.event(key)
        if event is None:
            raise NotFoundError(f"there is no event {ids.to_text('evt', key)}")
        found = await self._history.runs(RunFilter(event_key=key))
        if await self._executor.committer.settled(run.key for run in found):
            found = await self._history.runs(RunFilter(event_key=key))
        runs = {run.flow: run for run in found}
        said = {verdict.flow: verdict for verdict in await self._history.verdicts(key)}
        told = self._executor.book.routes.explain(event, flow)
        verdicts = [self._verdict(verdict, runs, said, event) for verdict in told]
        return {
            "event": views.event_row(_row(event)),
            "flows": sorted(verdicts, key=lambda v: (not v["started"], v["flow"])),
        }

    def _verdict(
        self, verdict: Match | NonMatch, runs: dict[str, Run], said: dict[str, Verdict], event: Event
    ) -> dict[str, Any]:
        matched = isinstance(verdict, Match)
        name = verdict.flow.name if isinstance(verdict, Match) else verdict.flow
        trigger = verdict.trigger.key if isinstance(verdict, Match) else verdict.trigger
        run, decided = runs.get(name), said.get(name)
        into = ids.to_text("run", run.key) if run else None
        if run is None and decided is not None:
            rule, reason = decided.rule, decided.reason
            into = ids.to_text("run", decided.run_key) if decided.rule in _MERGED and decided.run_key else None
        elif run is None:
            rule, reason = _not_started(verdict, event)
        elif run.parent_key is not None:
            rule, reason = "called", f"called by {ids.to_text('run', run.parent_key)}, step {run.parent_path!r}"
        elif matched:
            rule, reason = "matched", f"trigger {trigger} fits {event.type!r}{self._not_yet(run)}"
        else:
            rule, now = _not_started(verdict, event)
            reason = f"version {run.version} started then; by the flow as it is now: {now}"
        return {
            "flow": name,
            "trigger": trigger or None,
            "started": run is not None,
            "rule": rule,
            "reason": reason,
            "run_id": into,
        }

    def _not_yet(self, run: Run) -> str:
        """Why a run that is there has not begun."""
        why = self._executor.flow_control.why(run.key)
        if why is None and run.status is RunStatus.PAUSED and is_held(run):
            why = run.waiting_for
        return f"; it has not begun: {why}" if why else ""

    async def run(self, key: int) -> dict[str, Any]:
        """What a run is doing, or waiting for, and until when.

        Raises:
            NotFoundError: there is no such run.
        """
        live = self._executor.live.get(key)
        run = live.record_ if live is not None else await self._history.run(key)
        if run is None:
            raise NotFoundError(f"there is no run {ids.to_text('run', key)}")
        return {**views.run_row(run), "explanation": self._why(run, live), "steps": await self._open_steps(key)}

    async def _open_steps(self, key: int) -> list[dict[str, Any]]:
        loaded = await self._executor.store.load([key]) if key not in self._executor.unreadable else []
        if not loaded:
            return []
        flow = self._executor.book.version(loaded[0].run.flow, loaded[0].run.version)
        shown = views.run_whole(loaded[0], flow)["steps"]
        return [step for step in shown if step["status"] not in ("completed", "skipped")]

    def _why(self, run: Any, live: Any) -> str:
        if run.status.finished:
            tail = f": {run.error.message}" if run.error else ""
            return f"It has ended ({run.status.value}){tail}."
        if live is not None:
            waits = live.waits()
            if waits:
                return "In memory; " + "; ".join(waits) + "."
            return "It is running now."
        return self._why_outside(run)

    def _why_outside(self, run: Any) -> str:
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

    async def flow(self, name: str) -> dict[str, Any]:
        """What starts a flow, whether it is enabled, and its live runs.

        Raises:
            NotFoundError: there is no such flow.
        """
        flow = self._executor.book.get(name)
        alive = (RunStatus.PENDING, RunStatus.RUNNING, RunStatus.WAITING, RunStatus.PAUSED)
        runs = await self._history.runs(RunFilter(flow=name, status=alive, limit=20))
        return {
            "flow": name,
            "version": flow.version,
            "enabled": self._executor.book.enabled.get(name, True),
            "triggers": [
                {"key": t.key, "kind": t.kind, "config": t.config, "if": t.if_.source if t.if_ else None}
                for t in flow.triggers
            ],
            "if": flow.if_.source if flow.if_ else None,
            "unless": flow.unless.source if flow.unless else None,
            "live_runs": [views.run_row(run) for run in runs],
        }


def _row(event: Event) -> EventRow:
    return EventRow(
        key=event.key,
        id=event.id,
        type=event.type,
        source=event.source,
        subject=event.subject,
        time=event.time,
        size=len(event.raw or msgspec.json.encode(event.data)),
    )


def _not_started(verdict: Match | NonMatch, event: Event) -> tuple[str, str]:
    """(rule, reason) of a flow without a run of this event."""
    if isinstance(verdict, NonMatch):
        return verdict.rule, verdict.reason
    if verdict.flow.dedupe is None:
        return "later", "it fits now, but no run was started: the flow came, or was enabled, after the event"
    return "dedupe", words.dedupe(verdict.flow, event)
