"""Keeps every configured trigger listening, and knows the truth about each: armed means armed."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import msgspec

from reactor.engine.connections import Connections
from reactor.engine.executor import Executor
from reactor.engine.intake import Intake
from reactor.model import ids
from reactor.model.clock import Clock, Instant
from reactor.model.errors import ReactorError, StepError
from reactor.model.event import JSON, EventDraft
from reactor.model.flow import Flow, TriggerSpec
from reactor.model.states import RunStatus, TriggerState
from reactor.sdk.connection import Connection, ConnectionType, choose
from reactor.sdk.http import HttpRoutes
from reactor.sdk.trigger import DeadLetter, Receipt, RunResult, Trigger, TriggerLost
from reactor.stores.port import History, KeyState, RunFilter

_log = logging.getLogger("reactor.trigger")
_FIRST, _LONGEST = 0.5, 30.0
_STEADY = 60.0
"""Seconds after which a listener that fails again starts from the shortest pause."""
_SHORT_NAP = 1_000
_GLANCE = 0.002


class TriggerStatus(msgspec.Struct, kw_only=True):
    """What is known of one trigger; the API shows it as it is."""

    key: str
    flow: str
    kind: str
    state: TriggerState
    reason: str = ""
    since: Instant = 0
    last_event_at: Instant | None = None
    events: int = 0
    errors: int = 0
    last_error: str = ""
    lag: int | None = None
    next_at: Instant | None = None


class _Context:
    """`TriggerContext` of one trigger."""

    def __init__(self, keeper: Triggers, flow: Flow, spec: TriggerSpec, config: Any, status: TriggerStatus) -> None:
        self._keeper = keeper
        self._spec = spec
        self._status = status
        self.saved_: dict[str, JSON] = {}
        self.config = config
        self.key = spec.key
        self.flow = flow.name
        self.clock: Clock = keeper.executor.clock
        self.settings: Mapping[str, Any] = keeper.executor.action_settings
        self.http: HttpRoutes = keeper.http
        self.timezone = flow.timezone
        self.log = logging.LoggerAdapter(_log, {"trigger": spec.key, "flow": flow.name})

    def secret(self, name: str) -> str:
        """See `TriggerContext.secret`."""
        value = self._keeper.secret(name)
        if value is None:
            raise TriggerLost(f"there is no secret {name!r}; set it with: reactor secrets set {name}")
        return value

    def saved(self) -> Mapping[str, JSON]:
        """See `TriggerContext.saved`."""
        return self.saved_

    def connection(self, name: str | None, *types: ConnectionType) -> Connection:
        """See `TriggerContext.connection`."""
        known = Connections(self._keeper.connections(self.flow), self._keeper.secret, self._keeper.executor.env)
        try:
            return choose(known, name, types, what=f"trigger {self._spec.kind}")
        except StepError as error:
            raise TriggerLost(error.message) from None

    def refusal(self, draft: EventDraft) -> str | None:
        """See `TriggerContext.refusal`."""
        return self._keeper.intake.refusal(self._addressed(draft))

    async def emit(
        self,
        drafts: Sequence[EventDraft],
        *,
        save: Mapping[str, JSON] | None = None,
        wait: bool = False,
        dead: Sequence[DeadLetter] = (),
        states: Sequence[KeyState] = (),
    ) -> list[Receipt]:
        """See `TriggerContext.emit`. `states` go into the same commit."""
        ready = [self._addressed(draft) for draft in drafts]
        receipts = await self._keeper.intake.accept(
            ready, saved=(self.key, save) if save else None, expect=self.flow if wait else None, states=states
        )
        if save:
            for name, value in save.items():
                if value is None:
                    self.saved_.pop(name, None)
                else:
                    self.saved_[name] = value
        if drafts:
            self._status.events += len(drafts)
            self._status.last_event_at = self.clock.now()
        return receipts

    def _addressed(self, draft: EventDraft) -> EventDraft:
        spec = self._spec
        changes: dict[str, Any] = {"to": (spec.key,)}
        if not draft.source:
            changes["source"] = f"reactor/triggers/{spec.key}"
        if spec.type is not None:
            changes["type"] = spec.type
        if spec.id is not None:
            view = {
                "data": draft.data,
                "payload": draft.data,
                "metadata": draft.metadata,
                "type": draft.type,
                "subject": draft.subject,
            }
            try:
                changes["id"] = str(spec.id.evaluate({"event": view}))
            except StepError as error:
                self.error(f"`id: {spec.id.source}` could not be evaluated: {error.message}")
        return msgspec.structs.replace(draft, **changes)

    async def result(self, receipt: Receipt, timeout: int | None) -> RunResult | None:
        """See `TriggerContext.result`."""
        run_id = next((run for run, flow in receipt.runs if flow == self.flow), None)
        key = ids.from_text("run", run_id) if run_id else None
        if key is None:
            return None
        return await self._keeper.result(key, timeout)

    async def active_runs(self) -> list[str]:
        """See `TriggerContext.active_runs`."""
        return [ids.to_text("run", key) for key in await self._keeper.active(self.key)]

    async def cancel_runs(self, reason: str) -> int:
        """See `TriggerContext.cancel_runs`."""
        keys = await self._keeper.active(self.key)
        for key in keys:
            await self._keeper.cancel(key, reason)
        return len(keys)

    async def sleep_until(self, instant: int) -> None:
        """See `TriggerContext.sleep_until`."""
        while (left := instant - self.clock.now()) > 0:  # noqa: ASYNC110 - the clock may be set, so look again
            await asyncio.sleep(min(left, _SHORT_NAP) / 1000)

    def armed(self, *, next_at: int | None = None) -> None:
        """See `TriggerContext.armed`."""
        self._status.next_at = next_at
        self._status.lag = None
        self._keeper.state(self._status, TriggerState.ARMED, "")

    def lagging(self, reason: str, lag: int | None = None) -> None:
        """See `TriggerContext.lagging`."""
        self._status.lag = lag
        self._keeper.state(self._status, TriggerState.LAGGING, reason)

    def lag(self, behind: int | None) -> None:
        """See `TriggerContext.lag`."""
        self._status.lag = behind

    def gap(self, reason: str) -> None:
        """See `TriggerContext.gap`."""
        self.error(reason)

    def error(self, reason: str) -> None:
        """See `TriggerContext.error`."""
        self.errors(1, reason)

    def errors(self, number: int, reason: str) -> None:
        """As `error`, so many at once; `reason` is the last one's."""
        self._status.errors += number
        self._status.last_error = reason
        self.log.warning("%s", reason)


Runner = Callable[[_Context, TriggerSpec], Awaitable[None]]


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
        self._ending: dict[str, asyncio.Task[None]] = {}

    def status(self) -> list[TriggerStatus]:
        """All of them, by key."""
        for key, (events, last) in self.intake.fired.items():
            status = self._status.get(key)
            if status is not None and getattr(self.executor.catalog.triggers.get(status.kind), "passive", False):
                status.events, status.last_event_at = events, last
        return [self._status[key] for key in sorted(self._status)]

    def connections(self, flow: str) -> Mapping[str, Mapping[str, Any]]:
        """What a flow sees, as written."""
        return self._flows[flow].connections if flow in self._flows else {}

    def changed(self, name: str, flow: Flow | None) -> None:
        """A flow has a new current version, or none. Triggers that stay as they were are not disturbed."""
        old = self._flows.get(name)
        kept = {spec.key for spec in flow.triggers} if flow is not None else set()
        unchanged: set[str] = set()
        if old is not None:
            before = {spec.key: spec for spec in old.triggers}
            for spec in flow.triggers if flow is not None else ():
                if (
                    spec.key in before
                    and _same(before[spec.key], spec)
                    and self._status[spec.key].state is not TriggerState.DISABLED
                ):
                    unchanged.add(spec.key)
            for key in before:
                if key not in unchanged:
                    self._stop(key, forget=key not in kept)
        if flow is None:
            self._flows.pop(name, None)
            return
        self._flows[name] = flow
        for spec in flow.triggers:
            if spec.key not in unchanged:
                self._begin(flow, spec)

    def _begin(self, flow: Flow, spec: TriggerSpec) -> None:
        status = TriggerStatus(key=spec.key, flow=flow.name, kind=spec.kind, state=TriggerState.ARMING)
        status.since = self.executor.clock.now()
        self._status[spec.key] = status
        trigger = self.executor.catalog.triggers.get(spec.kind)
        if not spec.enabled:
            self.state(status, TriggerState.DISABLED, "switched off in the flow (`enabled: false`)")
        elif trigger is None:
            self.state(
                status, TriggerState.FAILED, f"no connector offers the trigger {spec.kind!r}; is its plugin installed?"
            )
        elif getattr(trigger, "passive", False):
            self.state(status, TriggerState.ARMED, "")
        else:
            self._tasks[spec.key] = asyncio.get_running_loop().create_task(self._keep(trigger, flow, spec, status))

    def _stop(self, key: str, *, forget: bool) -> None:
        task = self._tasks.pop(key, None)
        if task is not None:
            task.cancel()
            self._ending[key] = task
            task.add_done_callback(lambda done: self._ending.pop(key, None) if self._ending.get(key) is done else None)
        if forget:
            self._status.pop(key, None)

    async def _keep(self, trigger: Trigger, flow: Flow, spec: TriggerSpec, status: TriggerStatus) -> None:
        """Let one trigger listen, again and again, until it is stopped."""
        before = self._ending.get(spec.key)
        if before is not None:
            await asyncio.wait({before})
        pause = _FIRST
        loop = asyncio.get_running_loop()
        while True:
            begun = loop.time()
            reason = await self._listen(trigger, flow, spec, status)
            status.errors += 1
            status.last_error = reason
            if loop.time() - begun > _STEADY:
                pause = _FIRST
            self.state(status, TriggerState.FAILED, reason)
            await asyncio.sleep(pause * (0.75 + self.executor.entropy.random() / 2))
            pause = min(pause * 2, _LONGEST)

    async def _listen(self, trigger: Trigger, flow: Flow, spec: TriggerSpec, status: TriggerStatus) -> str:
        """One try; why it ended."""
        try:
            context = _Context(self, flow, spec, convert(trigger, spec.config), status)
            context.saved_ = await self.executor.store.saved(spec.key)
            runner = self.runners.get(spec.kind)
            await (trigger.run(context) if runner is None else runner(context, spec))
        except TriggerLost as error:
            return str(error)
        except msgspec.ValidationError as error:
            return f"the configuration does not fit: {error}"
        except ReactorError as error:
            return f"{error}"
        except Exception as error:  # noqa: BLE001 - a plugin may raise anything; it shows as the trigger's reason
            _log.exception("trigger %s", spec.key)
            return f"{type(error).__name__}: {error}"
        return "the trigger stopped listening by itself"

    def state(self, status: TriggerStatus, state: TriggerState, reason: str) -> None:
        """Note a state; a change is told."""
        if status.state is state and status.reason == reason:
            return
        status.state, status.reason, status.since = state, reason, self.executor.clock.now()
        if state is TriggerState.FAILED:
            _log.error("trigger %s is not listening: %s", status.key, reason)
        self.executor.changes.publish(
            "trigger", status.since, {"key": status.key, "flow": status.flow, "state": state.value, "reason": reason}
        )

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
        for key in list(self._tasks):
            self._stop(key, forget=False)
        ending = set(self._ending.values())
        if ending:
            await asyncio.wait(ending, timeout=10)


def convert(trigger: Trigger, config: Mapping[str, Any]) -> Any:
    """A trigger's configuration as its own struct; a bare value stands under the empty name."""
    if "" in config and trigger.short is not None:
        rest = {name: value for name, value in config.items() if name}
        config = {trigger.short: config[""], **rest}
    return msgspec.convert(config, trigger.config, strict=False)


def _same(a: TriggerSpec, b: TriggerSpec) -> bool:
    def sources(spec: TriggerSpec) -> tuple[Any, ...]:
        return (spec.kind, spec.config, spec.type, spec.enabled, spec.id.source if spec.id else None)

    return sources(a) == sources(b)
