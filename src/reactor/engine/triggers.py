"""Keeps every configured trigger listening, and knows the truth about each: armed means armed."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from typing import Any

import msgspec

from reactor.engine.connections import Connections
from reactor.engine.executor import Executor
from reactor.engine.intake import Intake
from reactor.engine.letters import Letters
from reactor.engine.trigger_context import GAP, Context, Gap, TriggerStatus
from reactor.engine.trigger_watch import TriggerWatch
from reactor.model import ids
from reactor.model.clock import to_iso
from reactor.model.errors import NotFoundError, ReactorError
from reactor.model.event import EventDraft
from reactor.model.flow import Flow, TriggerSpec
from reactor.model.states import RunStatus, TriggerState
from reactor.sdk.http import HttpRoutes
from reactor.sdk.trigger import RunResult, Trigger, TriggerLost
from reactor.stores.port import History, RunFilter

_log = logging.getLogger("reactor.trigger")
_FIRST, _LONGEST = 0.5, 30.0
_STEADY = 60.0
"""Seconds after which a listener that fails again starts from the shortest pause."""
_GLANCE = 0.002


Runner = Callable[[Context, TriggerSpec], Awaitable[None]]


class Triggers:
    """All triggers of all current, enabled flows."""

    def __init__(
        self,
        executor: Executor,
        intake: Intake,
        http: HttpRoutes,
        history: History,
        secret: Callable[[str], str | None],
        cancel: Callable[[int, str], Any],
        letters: Letters,
    ) -> None:
        self.executor = executor
        self.intake = intake
        self.http = http
        self.secret = secret
        self.cancel = cancel
        self.runners: dict[str, Runner] = {}
        """Kinds of triggers that the engine runs itself."""
        self._history = history
        self._status: dict[str, TriggerStatus] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._flows: dict[str, Flow] = {}
        self._ending: dict[str, set[asyncio.Task[None]]] = {}
        self._beside: set[asyncio.Task[Any]] = set()
        self.letters = letters
        self.watch = TriggerWatch(self)

    def status(self) -> list[TriggerStatus]:
        """All of them, by key."""
        for key, (events, last) in self.intake.fired.items():
            status = self._status.get(key)
            if status is not None and getattr(self.executor.catalog.triggers.get(status.kind), "passive", False):
                status.events, status.last_event_at = events, last
        for key, status in self._status.items():
            status.letters = self.letters.counts.get(key, 0)
        return [self._status[key] for key in sorted(self._status)]

    def connections_of(self, flow: str) -> Connections:
        """What a flow sees: its own connections, and the saved ones."""
        own = self._flows[flow].connections if flow in self._flows else {}
        return self.executor.connections(own)

    def connection_changed(self, name: str) -> None:
        """A saved connection is another one now, or gone: those that use it begin anew, and those that could not listen
        try at once.
        """
        for flow in self._flows.values():
            for spec in flow.triggers:
                status = self._status[spec.key]
                uses = name in status.connections and name not in flow.connections
                if spec.key in self._tasks and (uses or status.state is TriggerState.FAILED):
                    self._stop(spec.key, forget=False)
                    self._begin(flow, spec)

    async def confirm_gap(self, key: str) -> None:
        """Somebody has taken note of a gap: it is shown no more.

        Raises:
            NotFoundError: there is no such trigger, or it has no gap.
        """
        status = self._status.get(key)
        if status is None or status.gap is None:
            raise NotFoundError(f"there is no trigger {key!r} with a gap; see: reactor triggers list")
        await self.intake.accept([], saved=(key, {GAP: None}))
        status.gap = None
        self.told(status)

    def changed(self, name: str, flow: Flow | None) -> None:
        """A flow has a new current version, or none. Triggers that stay as they were are not disturbed."""
        old = self._flows.get(name)
        kept = {spec.key for spec in flow.triggers} if flow is not None else set()
        unchanged = self._unchanged(old, flow)
        for spec in old.triggers if old is not None else ():
            if spec.key not in unchanged:
                self._stop(spec.key, forget=spec.key not in kept)
        if flow is None:
            self._flows.pop(name, None)
            return
        self._flows[name] = flow
        for spec in flow.triggers:
            if spec.key not in unchanged:
                self._begin(flow, spec)

    def _unchanged(self, old: Flow | None, flow: Flow | None) -> set[str]:
        """Keys of the triggers that are in the new version as they were, with the connections that they use."""
        if old is None or flow is None:
            return set()
        before = {spec.key: spec for spec in old.triggers}
        found = set()
        for spec in flow.triggers:
            status = self._status.get(spec.key)
            same = status is not None and spec.key in before and _same(before[spec.key], spec)
            if status is None or not same or status.state is TriggerState.DISABLED:
                continue
            if old.connections == flow.connections or not status.connections:
                found.add(spec.key)
        return found

    def _begin(self, flow: Flow, spec: TriggerSpec) -> None:
        status = TriggerStatus(key=spec.key, flow=flow.name, kind=spec.kind, state=TriggerState.ARMING)
        status.since = self.executor.clock.now()
        status.expects = spec.expect
        before = self._status.get(spec.key)
        if before is not None:
            status.events, status.errors, status.last_event_at = before.events, before.errors, before.last_event_at
        self._status[spec.key] = status
        trigger = self.executor.catalog.triggers.get(spec.kind)
        if not spec.enabled:
            self.state(status, TriggerState.DISABLED, "switched off in the flow (`enabled: false`)")
        elif trigger is None:
            self.state(
                status, TriggerState.FAILED, f"no connector offers the trigger {spec.kind!r}; is its plugin installed?"
            )
        elif getattr(trigger, "passive", False):
            status.claimed = (TriggerState.ARMED, "")
            self.watch.judge(status)
        else:
            self._tasks[spec.key] = asyncio.get_running_loop().create_task(self._keep(trigger, flow, spec, status))

    def _stop(self, key: str, *, forget: bool) -> None:
        task = self._tasks.pop(key, None)
        if task is not None:
            task.cancel()
            ending = self._ending.setdefault(key, set())
            ending.add(task)
            task.add_done_callback(ending.discard)
        if forget:
            self._status.pop(key, None)

    async def _keep(self, trigger: Trigger, flow: Flow, spec: TriggerSpec, status: TriggerStatus) -> None:
        """Let one trigger listen, again and again, until it is stopped."""
        # All that listened before it, not the last one alone: that may have been stopped while it waited here.
        if before := self._ending.get(spec.key):
            await asyncio.wait(set(before))
        pause = _FIRST
        loop = asyncio.get_running_loop()
        while True:
            begun = loop.time()
            reason = await self._listen(trigger, flow, spec, status)
            status.errors += 1
            status.last_error = reason
            status.claimed = (TriggerState.FAILED, reason)
            if loop.time() - begun > _STEADY:
                pause = _FIRST
            self.state(status, TriggerState.FAILED, reason)
            await asyncio.sleep(pause * (0.75 + self.executor.entropy.random() / 2))
            pause = min(pause * 2, _LONGEST)

    async def _listen(self, trigger: Trigger, flow: Flow, spec: TriggerSpec, status: TriggerStatus) -> str:
        """One try; why it ended."""
        context: Context | None = None
        try:
            context = Context(self, flow, spec, convert(trigger, spec.config), status)
            await self._recall(context, status)
            runner = self.runners.get(spec.kind)
            await (trigger.run(context) if runner is None else runner(context, spec))
        except (TriggerLost, ReactorError) as error:
            return str(error)
        except msgspec.ValidationError as error:
            return f"the configuration does not fit: {error}"
        except Exception as error:  # noqa: BLE001 - a plugin may raise anything; it shows as the trigger's reason
            _log.exception("trigger %s", spec.key)
            return f"{type(error).__name__}: {error}"
        finally:
            if context is not None:
                await context.settled()
        return "the trigger stopped listening by itself"

    async def _recall(self, context: Context, status: TriggerStatus) -> None:
        """What the trigger has saved, and the gap that nobody has confirmed."""
        status.connections = ()
        context.saved_ = await self.executor.store.saved(context.key)
        gap = context.saved_.pop(GAP, None)
        if isinstance(gap, dict):
            status.gap = msgspec.convert(gap, Gap)

    def state(self, status: TriggerStatus, state: TriggerState, reason: str) -> None:
        """Note a state; a change is told."""
        if status.state is state and status.reason == reason:
            return
        status.state, status.reason, status.since = state, reason, self.executor.clock.now()
        if state is TriggerState.FAILED:
            _log.error("trigger %s is not listening: %s", status.key, reason)
        self.told(status)

    def told(self, status: TriggerStatus) -> None:
        """Give state and figures to who listens."""
        if self.executor.changes.listeners:
            self.executor.changes.publish("trigger", self.executor.clock.now(), _change(status))

    def soon(self, work: Coroutine[Any, Any, object]) -> None:
        """Do something beside, and be done with it before the engine stops."""
        task = asyncio.get_running_loop().create_task(work)
        self._beside.add(task)
        task.add_done_callback(self._beside.discard)

    def silent(self, status: TriggerStatus) -> None:
        """An event that was expected has not come: say so, once a silence."""
        data = {"trigger": status.key, "flow": status.flow, "kind": status.kind, "expected_within": status.expects}
        draft = EventDraft(type="reactor.trigger.silent", data=data, source=f"reactor/triggers/{status.key}")
        self.soon(self._accept_inside(draft))

    async def _accept_inside(self, draft: EventDraft) -> None:
        try:
            await self.intake.accept([draft], inside=True)
        except ReactorError as error:
            _log.warning("%s could not be told: %s", draft.type, error)

    async def active(self, key: str) -> list[int]:
        """Keys of the unfinished runs that a trigger started."""
        wanted = (RunStatus.PENDING, RunStatus.RUNNING, RunStatus.WAITING, RunStatus.PAUSED)
        flow = key.rpartition("/")[0]
        stored = await self._history.runs(RunFilter(flow=flow, status=wanted, trigger=key, limit=1_000))
        here = {run.key for run in self.executor.live.values() if run.record_.trigger == key}
        return sorted(here | {run.key for run in stored})

    async def result(self, key: int, timeout: int | None) -> RunResult | None:
        """The end of a run, or None when the time (ms) is over first."""
        try:
            async with asyncio.timeout(None if timeout is None else timeout / 1000):
                end = await self.executor.end_of(key)
        except TimeoutError:
            return None
        error = end.error.view() if end.error is not None else None
        return RunResult(ids.to_text("run", key), end.status.value, end.output, error)

    async def settled(self, seconds: float) -> None:
        """Wait until every trigger listens or has said why not, but no longer than this: who is told that Reactor is
        ready must not find a webhook's path unknown.
        """
        loop = asyncio.get_running_loop()
        end = loop.time() + seconds
        while loop.time() < end and any(s.state is TriggerState.ARMING for s in self._status.values()):  # noqa: ASYNC110 - states change in many places
            await asyncio.sleep(_GLANCE)

    async def stop(self) -> None:
        """Stop all; returns when every listener has left."""
        await self.watch.stop()
        for key in list(self._tasks):
            self._stop(key, forget=False)
        ending = self._beside.union(*self._ending.values())
        if ending:
            await asyncio.wait(ending, timeout=10)
        for task in self._beside:
            task.cancel()


def convert(trigger: Trigger, config: Mapping[str, Any]) -> Any:
    """A trigger's configuration as its own struct; a bare value stands under the empty name."""
    if "" in config and trigger.short is not None:
        rest = {name: value for name, value in config.items() if name}
        config = {trigger.short: config[""], **rest}
    return msgspec.convert(config, trigger.config, strict=False)


def _same(a: TriggerSpec, b: TriggerSpec) -> bool:
    def sources(spec: TriggerSpec) -> tuple[Any, ...]:
        return (spec.kind, spec.config, spec.type, spec.enabled, spec.expect, spec.id.source if spec.id else None)

    return sources(a) == sources(b)


def _change(status: TriggerStatus) -> dict[str, Any]:
    """What the stream is told of a trigger."""
    return {
        "key": status.key,
        "flow": status.flow,
        "state": status.state.value,
        "reason": status.reason,
        "events": status.events,
        "errors": status.errors,
        "lag": status.lag,
        "letters": status.letters,
        "gap": status.gap.reason if status.gap is not None else None,
        "last_event_at": to_iso(status.last_event_at) if status.last_event_at else None,
    }
