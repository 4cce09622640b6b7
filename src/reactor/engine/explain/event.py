"""What an event was to every flow: a table of verdicts for each, in the order in which they were asked."""

from __future__ import annotations

from operator import itemgetter
from typing import Any

import msgspec

from reactor.engine import views
from reactor.engine.control import is_held
from reactor.engine.endings import KIND as RUN
from reactor.engine.executor import Executor
from reactor.engine.explain import controls
from reactor.engine.explain.listening import CONTRIBUTED, PATTERN, Listening
from reactor.engine.explain.waiting import Waiting
from reactor.engine.flowcontrol import words
from reactor.model import ids
from reactor.model.errors import NotFoundError
from reactor.model.event import Event
from reactor.model.flow import Flow, TriggerSpec
from reactor.model.journal import Run
from reactor.model.states import RunStatus
from reactor.routing.answers import STOPPED, Answer, answers, listens, of_trigger, pattern_of
from reactor.routing.table import Match, NonMatch
from reactor.stores.port import EventLog, EventRow, History, RunFilter, Verdict

_MERGED = ("batch", "debounce")


class EventExplained:
    """Answers about one event after the other."""

    def __init__(self, executor: Executor, history: History, log: EventLog | None) -> None:
        self._executor = executor
        self._history = history
        self._book = executor.book
        self._listening = Listening(executor.catalog, history, log, executor.env)
        self._waiting = Waiting(executor, history)

    async def event(self, key: int, flow: str | None = None) -> dict[str, Any]:
        """For every flow (or one): started, or the reason why not, with the table of what was asked; and which runs
        that wait have taken the event, or why not.

        Raises:
            NotFoundError: there is no such event.
        """
        event = await self._history.event(key)
        if event is None:
            raise NotFoundError(f"there is no event {ids.to_text('evt', key)}")
        runs, said = await self._happened(key)
        waiting, more = await self._waiting.event(event, flow)
        return {
            "event": views.event_row(_row(event)),
            "flows": await self._flows(event, flow, runs, said),
            "waiting": waiting,
            "waiting_more": more,
        }

    async def verdicts(self, event: Event) -> list[dict[str, Any]]:
        """The flows' part of `event` alone."""
        return await self._flows(event, None, *await self._happened(event.key))

    async def _happened(self, key: int) -> tuple[dict[str, Run], dict[str, Verdict]]:
        """The runs of an event, and why there are no others, by flow."""
        found = await self._history.runs(RunFilter(event_key=key, limit=1_000))
        if await self._executor.committer.settled(run.key for run in found):
            found = await self._history.runs(RunFilter(event_key=key, limit=1_000))
        await self._book.prefetch([(run.flow, run.version) for run in found])
        runs: dict[str, Run] = {}
        for run in found:
            # The one that the event itself has started counts more than those that were called or forked later.
            before = runs.get(run.flow)
            if before is None or (run.parent_key is None and run.forked_from is None):
                runs[run.flow] = run
        return runs, {verdict.flow: verdict for verdict in await self._history.verdicts(key)}

    async def _flows(
        self, event: Event, flow: str | None, runs: dict[str, Run], said: dict[str, Verdict]
    ) -> list[dict[str, Any]]:
        told = self._book.routes.explain(event, flow)
        scope = {"event": event.view(), "env": self._executor.env}
        verdicts: list[dict[str, Any]] = []
        values, touched = {"event.type": event.type}, runs.keys() | said.keys()
        several: dict[str, list[NonMatch]] = {}
        for verdict in told:
            name = verdict.flow.name if isinstance(verdict, Match) else verdict.flow
            if isinstance(verdict, NonMatch) and name in several:
                # The first that started it, else the first that said no, speaks for the flow.
                several[name].append(verdict)
                continue
            several[name] = []
            quick = None
            if isinstance(verdict, NonMatch) and verdict.rule == "type" and name not in touched:
                quick = self._quick(verdict, values)
            verdicts.append(quick or await self._verdict(verdict, runs, said, event, scope))
        for shown in verdicts:
            for miss in several[shown["flow"]]:
                shown["verdicts"] = [*self._other(miss, event, scope), *shown["verdicts"]]
        known = {verdict["flow"] for verdict in verdicts}
        others = [name for name in touched if name not in known and flow in (None, name)]
        verdicts += [self._gone(name, runs.get(name), said.get(name)) for name in others]
        verdicts.sort(key=itemgetter("flow"))
        return [v for v in verdicts if v["started"]] + [v for v in verdicts if not v["started"]]

    def _other(self, miss: NonMatch, event: Event, scope: dict[str, Any]) -> list[Answer]:
        """The rules of one more trigger of a flow, which said no."""
        spec = _trigger(self._book.current.get(miss.flow), miss.trigger)
        return of_trigger(spec, event, scope) if spec is not None else []

    def _quick(self, verdict: NonMatch, values: dict[str, Any]) -> dict[str, Any] | None:
        """The answer of most flows for most events: they listen for something else, with their only trigger."""
        name = verdict.flow
        flow = self._book.current[name]
        if len(flow.triggers) != 1:
            return None
        pattern = pattern_of(flow.triggers[0])
        about: dict[str, Any] = {"values": values, "reason": verdict.reason, "trigger": verdict.trigger}
        row = Answer(rule="type", result=STOPPED, expression=pattern, **about)
        return {
            "flow": name,
            "version": flow.version,
            "trigger": verdict.trigger,
            "started": False,
            "rule": "type",
            "reason": verdict.reason,
            "run_id": None,
            "verdicts": [row],
        }

    async def _verdict(
        self,
        verdict: Match | NonMatch,
        runs: dict[str, Run],
        said: dict[str, Verdict],
        event: Event,
        scope: dict[str, Any],
    ) -> dict[str, Any]:
        matched = isinstance(verdict, Match)
        name = verdict.flow.name if isinstance(verdict, Match) else verdict.flow
        trigger = verdict.trigger.key if isinstance(verdict, Match) else verdict.trigger
        run, decided = runs.get(name), said.get(name)
        rows = await self._rows(verdict, name, trigger, run, decided, event, scope)
        into = ids.to_text("run", run.key) if run else None
        if run is None and decided is not None:
            rule, reason = decided.rule, decided.reason
            into = ids.to_text("run", decided.run_key) if decided.rule in _MERGED and decided.run_key else None
        elif run is None:
            rule, reason = _not_started(verdict, event, rows)
        elif run.parent_key is not None:
            rule, reason = "called", f"called by {ids.to_text('run', run.parent_key)}, step {run.parent_path!r}"
        elif run.forked_from is not None:
            rule, reason = "forked", f"forked from {ids.to_text('run', run.forked_from)}"
        elif event.metadata.get("by") == "hand" and not event.external:
            rule, reason = "hand", f"started by hand: no condition was asked{self._not_yet(run)}"
        elif matched:
            rule, reason = "matched", f"trigger {trigger} fits {event.type!r}{self._not_yet(run)}"
        else:
            rule, now = _not_started(verdict, event, rows)
            reason = f"version {run.version} started then; by the flow as it is now: {now}"
        return {
            "flow": name,
            "version": run.version if run is not None else self._version(name),
            "trigger": trigger or None,
            "started": run is not None,
            "rule": rule,
            "reason": reason,
            "run_id": into,
            "verdicts": rows,
        }

    def _version(self, name: str) -> int | None:
        flow = self._book.current.get(name)
        return flow.version if flow is not None else None

    def _gone(self, name: str, run: Run | None, decided: Verdict | None) -> dict[str, Any]:
        """A flow that is disabled or whose file has gone, and that the event meant something to."""
        there = "is disabled" if name in self._book.current else "is there no more"
        reason = f"version {run.version} started then; the flow {there}" if run is not None else ""
        return {
            "flow": name,
            "version": run.version if run is not None else self._version(name),
            "trigger": (run.trigger or None) if run is not None else None,
            "started": run is not None,
            "rule": "matched" if run is not None else decided.rule if decided is not None else "",
            "reason": reason or (f"{decided.reason}; the flow {there}" if decided is not None else ""),
            "run_id": ids.to_text("run", run.key) if run is not None else None,
            "verdicts": [],
        }

    # --- the table -----------------------------------------------------------------------------------------------

    async def _rows(
        self,
        verdict: Match | NonMatch,
        name: str,
        trigger: str,
        run: Run | None,
        decided: Verdict | None,
        event: Event,
        scope: dict[str, Any],
    ) -> list[Answer]:
        """By the version that the run is of; where there is none, by the flow as it is now."""
        if run is not None and (run.parent_key is not None or run.forked_from is not None):
            # Another run has started it: what the flow itself says of the event is told all the same.
            run = None
        if run is None and isinstance(verdict, NonMatch) and verdict.rule in ("type", "address", "enabled"):
            return await self._strange(verdict, name, event)
        flow = self._book.version(run.flow, run.version) if run is not None else None
        flow = flow or self._book.current.get(name)
        spec = _trigger(flow, (run.trigger if run is not None else "") or trigger)
        hand = event.metadata.get("by") == "hand" and not event.external
        if flow is None or spec is None or (run is not None and hand):
            return []
        found = answers(flow, spec, event, scope)
        if run is None and isinstance(verdict, NonMatch):
            return [*found, *controls.answers(flow, scope, None, None, self._executor.flow_control)]
        return [*found, *controls.answers(flow, scope, run, decided, self._executor.flow_control)]

    async def _strange(self, verdict: NonMatch, name: str, event: Event) -> list[Answer]:
        """Each trigger of a flow that does not listen for such an event."""
        flow = self._book.current.get(name)
        found = []
        for spec in flow.triggers if flow is not None else ():
            if not spec.enabled:
                continue
            if spec.kind == PATTERN:
                found.append(await self._listening.pattern_answer(spec, event))
            elif spec.kind == RUN:
                found.append(self._listening.run_answer(spec, event))
            else:
                found.extend(listens(spec, event))
        return found or [Answer(rule=verdict.rule, result=STOPPED, reason=verdict.reason)]

    def _not_yet(self, run: Run) -> str:
        """Why a run that is there has not begun."""
        why = self._executor.flow_control.why(run.key)
        if why is None and run.status is RunStatus.PAUSED and is_held(run):
            why = run.waiting_for
        return f"; it has not begun: {why}" if why else ""


def _trigger(flow: Flow | None, key: str) -> TriggerSpec | None:
    specs = flow.triggers if flow is not None else ()
    return next((spec for spec in specs if spec.key == key), None)


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


def _not_started(verdict: Match | NonMatch, event: Event, rows: list[Answer]) -> tuple[str, str]:
    """(rule, reason) of a flow without a run of this event."""
    if isinstance(verdict, NonMatch):
        # A trigger that listens in its own way says more than that the event was not sent to it.
        own = next((row for row in rows if row.rule in (PATTERN, RUN)), None)
        told = next((row for row in rows if row.rule == PATTERN and row.result in ("passed", CONTRIBUTED)), own)
        if told is not None and verdict.rule in ("type", "address"):
            return told.rule, told.reason
        return verdict.rule, verdict.reason
    if verdict.flow.dedupe is None:
        return "later", "it fits now, but no run was started: the flow came, or was enabled, after the event"
    return "dedupe", words.dedupe(verdict.flow, event)
