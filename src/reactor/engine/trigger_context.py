"""What a running trigger is given, and what is known of each."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from reactor.engine.letters import written
from reactor.model import failpoints, ids
from reactor.model.clock import Clock, Instant
from reactor.model.errors import BusyError, ReactorError, StepError
from reactor.model.event import JSON, EventDraft
from reactor.model.flow import Flow, TriggerSpec
from reactor.model.states import TriggerState
from reactor.sdk.connection import Connection, ConnectionType, choose
from reactor.sdk.http import HttpRoutes
from reactor.sdk.trigger import DeadLetter, Receipt, RunResult, TriggerLost
from reactor.stores.port import KeyState

if TYPE_CHECKING:
    from reactor.engine.triggers import Triggers

_log = logging.getLogger("reactor.trigger")
_SHORT_NAP = 1_000
GAP, GAP_EVENT = "#gap", "reactor.trigger.gap"
"""Where a trigger's gap is kept among what it saves (no connector's name begins so), and the event that tells of it."""


class Gap(msgspec.Struct, frozen=True):
    """Messages that are lost to a trigger for ever."""

    at: Instant
    reason: str


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
    """Messages that wait at the source, where that can be known."""
    next_at: Instant | None = None
    gap: Gap | None = None
    """The last one, until somebody confirms it."""
    letters: int = 0
    """Dead letters that wait for a decision."""
    connections: tuple[str, ...] = ()
    """Names of those that it uses."""
    claimed: tuple[TriggerState, str] = (TriggerState.ARMING, "")
    """What the connector itself says; `state` follows from it, the lag and the silence."""
    behind_since: Instant | None = None
    expects: int | None = None
    """Milliseconds within which at least one event is expected."""
    armed_at: Instant | None = None


class Context:
    """`TriggerContext` of one trigger."""

    def __init__(self, keeper: Triggers, flow: Flow, spec: TriggerSpec, config: Any, status: TriggerStatus) -> None:
        self._keeper = keeper
        self._spec = spec
        self._status = status
        self._gaps: list[EventDraft] = []
        self._open: set[asyncio.Task[list[Receipt]]] = set()
        self._listener = asyncio.current_task()
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
        try:
            found = choose(self._keeper.connections_of(self.flow), name, types, what=f"trigger {self._spec.kind}")
        except StepError as error:
            if name is not None:
                self._status.connections = (*{*self._status.connections, name},)
            raise TriggerLost(error.message) from None
        self._status.connections = (*{*self._status.connections, found.name},)
        return found

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
        failpoints.reach("source.received")
        if drafts or dead:
            self._check_wanted()
        ready = [self._addressed(draft) for draft in drafts]
        told, self._gaps = self._gaps, []
        keep = dict(save or {})
        if told:
            keep[GAP] = {"at": self.clock.now(), "reason": told[-1].data["reason"]}
        letters = self._keeper.letters
        letters.check_room(self.key, len(dead))
        now = self.clock.now()

        async def accepted() -> list[Receipt]:
            if drafts or dead:
                self._check_wanted()
            found = await self._keeper.intake.accept(
                ready,
                saved=(self.key, keep) if keep else None,
                expect=self.flow if wait else None,
                states=states,
                letters=[written(self._keeper.executor.ids.next(), self._spec, each, now) for each in dead],
                told=told,
            )
            self._note(len(drafts), keep, dead)
            return found

        try:
            # Who saves a position, or keeps a letter, must not begin anew before it is known what became of it.
            receipts = await (self._finished(accepted()) if keep or dead else accepted())
        except ReactorError:
            self._gaps = [*told, *self._gaps]
            raise
        failpoints.reach("source.committed")
        return receipts

    def _check_wanted(self) -> None:
        """Raises BusyError when this listener was told to stop: its flow may be gone, and what it hands over would
        start nothing. It is not acknowledged, and comes again to whoever listens next.
        """
        if self._listener is not None and self._listener.cancelling():
            raise BusyError("the trigger is being stopped", retry_after=1_000)

    async def _finished(self, accepting: Coroutine[Any, Any, list[Receipt]]) -> list[Receipt]:
        """Goes on to its end although the trigger may be stopped meanwhile."""
        task: asyncio.Task[list[Receipt]] = asyncio.get_running_loop().create_task(accepting)
        self._open.add(task)
        task.add_done_callback(self._closed)
        return await asyncio.shield(task)

    def _closed(self, task: asyncio.Task[list[Receipt]]) -> None:
        self._open.discard(task)
        if not task.cancelled():
            task.exception()  # whoever waits for it is told; nobody may be left to

    async def settled(self) -> None:
        """Return when nothing that this trigger has handed over is under way any more."""
        while self._open:
            await asyncio.wait(self._open)

    def _note(self, events: int, save: Mapping[str, JSON], dead: Sequence[DeadLetter]) -> None:
        for name, value in save.items():
            if value is None:
                self.saved_.pop(name, None)
            else:
                self.saved_[name] = value
        if events:
            self._status.events += events
            self._status.last_event_at = self.clock.now()
            self._keeper.watch.judge(self._status)
        if dead:
            self._keeper.letters.added(self.key, len(dead))
            self.errors(len(dead), dead[-1].reason)

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
        if self._status.claimed[0] is TriggerState.LAGGING:
            self._status.lag = None
        self._status.claimed = (TriggerState.ARMED, "")
        self._keeper.watch.judge(self._status)

    def lagging(self, reason: str, lag: int | None = None) -> None:
        """See `TriggerContext.lagging`."""
        self._status.lag = lag
        self._status.claimed = (TriggerState.LAGGING, reason)
        self._keeper.watch.judge(self._status)

    def lag(self, behind: int | None) -> None:
        """See `TriggerContext.lag`."""
        self._status.lag = behind
        self._keeper.watch.judge(self._status)

    def gap(self, reason: str) -> None:
        """See `TriggerContext.gap`."""
        self._status.gap = Gap(self.clock.now(), reason)
        self.error(reason)
        data = {"trigger": self.key, "flow": self.flow, "kind": self._spec.kind, "reason": reason}
        self._gaps.append(EventDraft(type=GAP_EVENT, data=data, source=f"reactor/triggers/{self.key}"))
        self._keeper.told(self._status)
        self._keeper.soon(self._tell_gaps())

    async def _tell_gaps(self) -> None:
        """With the next commit of the trigger's own, or now."""
        while self._gaps:
            try:
                await self.emit([])
            except ReactorError:
                await asyncio.sleep(1)

    def error(self, reason: str) -> None:
        """See `TriggerContext.error`."""
        self.errors(1, reason)

    def errors(self, number: int, reason: str) -> None:
        """As `error`, so many at once; `reason` is the last one's."""
        self._status.errors += number
        self._status.last_error = reason
        self.log.warning("%s", reason)
