"""A run in memory: the journal runtime, that is the `Durable` of one run on the embedded engine."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from time import perf_counter
from typing import TYPE_CHECKING, Any

import msgspec

from reactor.engine.attempt_log import AttemptLog
from reactor.engine.borders import Borders, Held
from reactor.engine.saying import level_of, whole
from reactor.engine.texts import encode
from reactor.language.expressions import to_json_value
from reactor.model import failpoints, ids, traces
from reactor.model.clock import Instant
from reactor.model.doing import DOING, Doing
from reactor.model.errors import ErrorInfo, PermanentError, StepError
from reactor.model.event import Event, EventDraft
from reactor.model.journal import ActionCall, Entry, FlowCall, Outcome, Run, StateChange, Wanted
from reactor.model.lines import LogLine
from reactor.model.states import RunStatus
from reactor.sdk.action import Action, ActionContext, Effect

if TYPE_CHECKING:
    from reactor.engine.executor import Executor

_log = logging.getLogger("reactor.run")
CALLS = " waits for the end of "
"""Stands in the reason of a run that waits for a child."""


def _wake(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


class LiveRun(Borders):
    """Everything one run needs while it is in memory. Made by the executor."""

    def __init__(self, executor: Executor, record: Run, event: Event | None, journal: Sequence[Entry] = ()) -> None:
        super().__init__(executor, record, journal)
        self.event = event
        if executor.tracer is not None:
            self.trail = executor.tracer.trail(record, event, journal)
        trace = "" if self.trail is None else self.trail.context.trace
        self.doing = Doing(self.id, record.flow, trace=trace, keep=self._keep)
        self.spawned: list[int] = []
        """Runs that exist only because of this one and are not in the store yet."""
        self.inputs: Any = None
        self.batch: Sequence[Event] = ()
        """The events of a batch but the last."""
        self.seen = {what.path: what.seen for what in record.waits}
        """Steps that waited for events when the run left memory → the event up to which they have looked at all."""

    def _keep(self, level: int, text: str, step: str) -> None:
        """What the code of a flow says."""
        text = whole(text)
        if self.saying.room.take(len(text)):
            self.saying.say(LogLine(self.now(), level_of(level), step, 0, text))

    # --- Durable: see there --------------------------------------------------------------------------------------

    def find(self, action: str) -> Action | None:
        """See `Durable.find`."""
        return self.executor.catalog.actions.get(action)

    async def act(self, path: str, call: ActionCall, action: Action, params: Any) -> Outcome:
        """See `Durable.act`."""
        doing = Doing(self.id, self.record_.flow, path, call.attempt, self.doing.trace, call.secrets)
        DOING.set(doing)
        # What needs no loop is in the journal as it is (`log.info`); what is secret is kept nowhere else.
        keeps = action.is_async and not call.secret_output
        log = AttemptLog(_log, doing, self.saying if keeps else None, self.executor.clock)
        try:
            return await self._act(path, call, action, params, self._context(doing, log))
        finally:
            log.close()
            DOING.set(self.doing)

    async def _act(self, path: str, call: ActionCall, action: Action, params: Any, ctx: ActionContext) -> Outcome:
        if not action.is_async:
            began = perf_counter()
            outcome = self._outcome(action, call, lambda: action.handler(ctx, params))
            self._measured(action, outcome, perf_counter() - began)
            return outcome
        await self.border(path)
        self._acts += 1
        try:
            if action.effect_of(params) is Effect.WRITE:
                await self.executor.committer.barrier(self)
                if self._let_go:
                    await self._never()
            failpoints.reach("act.before")
            began = perf_counter()
            outcome = await self._attempt(action, call, ctx, params)
            self._measured(action, outcome, perf_counter() - began)
            failpoints.reach("act.after")
        finally:
            self._acts -= 1
        self.executor.committer.touch(self, soon=True)
        return outcome

    def _measured(self, action: Action, outcome: Outcome, seconds: float) -> None:
        error = outcome.error.kind if outcome.error is not None else None
        self.executor.meters.attempted(action.name, error, seconds)

    async def _attempt(self, action: Action, call: ActionCall, ctx: ActionContext, params: Any) -> Outcome:
        try:
            if call.timeout is None:
                output = await action.handler(ctx, params)
            else:
                async with asyncio.timeout(call.timeout / 1000):
                    output = await action.handler(ctx, params)
        except TimeoutError:
            return Outcome(error=ErrorInfo("timeout", f"{action.name} took longer than {call.timeout} ms"))
        except StepError as error:
            return Outcome(error.output, error.info())
        except Exception as error:  # noqa: BLE001 - a connector may raise anything; it becomes the step's failure
            return self._bug(action, call, error)
        return self._outcome(action, call, lambda: output)

    def _outcome(self, action: Action, call: ActionCall, make: Any) -> Outcome:
        try:
            output = to_json_value(make())
            if action.is_async and len(encode(output)) > self.executor.limits.output:
                raise PermanentError(
                    "output.limit", f"{action.name} gave more than {self.executor.limits.output} bytes"
                )
        except StepError as error:
            return Outcome(error.output, error.info())
        except Exception as error:  # noqa: BLE001 - as in `_attempt`
            return self._bug(action, call, error)
        return Outcome(output)

    def _bug(self, action: Action, call: ActionCall, error: Exception) -> Outcome:
        text = f"{action.name} raised {type(error).__name__}: {error}"
        if not call.secrets:
            _log.exception("run %s: %s", self.id, text, exc_info=error)
        return Outcome(error=ErrorInfo("bug", text, retryable=False))

    def _context(self, doing: Doing, log: AttemptLog) -> ActionContext:
        return ActionContext(
            run_id=self.id,
            flow=doing.flow,
            step=doing.step,
            attempt=doing.attempt,
            idempotency_key=f"{self.id}:{doing.step}",
            log=log,
            say=log.say,
            clock=self.executor.clock,
            settings=self.executor.action_settings,
            connections=self.executor.connections_of(self.record_),
            secrets=doing.secrets,
            trace=self.trace_headers(doing.step, doing.attempt),
        )

    def trace_headers(self, path: str, attempt: int = 0) -> dict[str, str]:
        """What a call out of this step hands on; without traces of our own, what came with the event."""
        if self.trail is not None:
            return self.trail.at(path, attempt).headers()
        if self.event is None or not self.event.metadata:
            return {}
        given = traces.of_metadata(self.event.metadata)
        return {} if given is None else given.headers()

    async def sleep(self, path: str, until: Instant) -> None:
        """See `Durable.sleep`."""
        await self.border(path)
        if until <= self.now():
            return
        woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        timer = self.executor.timers.call_at(until, lambda: _wake(woken))
        self._waits[path] = Held(until, f"step {path!r} sleeps" if path else "the run's timeout")
        try:
            self._consider_leaving()
            await woken
        finally:
            self.executor.timers.cancel(timer)
            self._waits.pop(path, None)

    async def emit(self, path: str, event: dict[str, Any], entry: Entry) -> dict[str, Any]:
        """See `Durable.emit`."""
        await self.border(path)
        cause = self.event
        causes = (*cause.causes, cause.id) if cause is not None else ()
        try:
            draft = msgspec.convert(event, EventDraft, strict=True)
        except msgspec.ValidationError as error:
            raise PermanentError("input", f"emit: {error}; give type, and if wanted data and subject") from None
        if len(causes) > self.executor.limits.causes:
            raise PermanentError(
                "loop.guard", f"{len(causes)} events led to one another; the chain stops here: {causes[-3:]}"
            )
        draft = msgspec.structs.replace(
            draft,
            causes=causes,
            source=draft.source or f"reactor/flows/{self.record_.flow}",
            metadata={**draft.metadata, **self.trace_headers(path)},
        )
        accepted = self.executor.intake.emit(draft, self)
        failpoints.reach("emit.after")
        return {"event_id": ids.to_text("evt", accepted.event.key)}

    async def child(self, path: str, call: FlowCall) -> Outcome:
        """See `Durable.child`."""
        await self.border(path)
        known = self.recall(path + "#child")
        if known is None:
            if call.version is not None:
                with self.looking():
                    await self.executor.book.prefetch([(call.flow, call.version)])
            key = self.executor.start_child(self, path, call)
            self.record(Entry(path + "#child", self.now(), value=key))
            self.executor.committer.touch(self, soon=True)
        else:
            key = int(known.value)
        if not call.wait:
            with self.looking():
                await self.executor.committer.barrier(self)
            return Outcome({"run_id": ids.to_text("run", key)})
        self._waits[path + "#child"] = Held(
            None, f"step {path!r}{CALLS}{call.flow} ({ids.to_text('run', key)})", told=False
        )
        try:
            self._leave_later()
            end = await self.executor.end_of(key, self.looking)
            return Outcome(end.output, end.error)
        finally:
            self._waits.pop(path + "#child", None)

    async def receive(self, path: str, wanted: Wanted, until: Instant | None) -> dict[str, Any] | None:
        """See `Durable.receive`."""
        await self.border(path)
        waits = self.executor.waits
        # Known as waiting before it looks back: an event that comes meanwhile is offered, so none falls between.
        wait, given = waits.begin(self, path, wanted)
        timer = None
        try:
            with self.looking():
                found = await waits.before(self, wait, wanted, until)
            if found is not None:
                return found
            if until is not None:
                timer = self.executor.timers.call_at(until, lambda: wait.give(None))
            self._waits[path + "#event"] = Held(until, f"step {path!r} waits for {wanted.what or wanted.type}")
            self._leave_later()
            return await given
        finally:
            if timer is not None:
                self.executor.timers.cancel(timer)
            self._waits.pop(path + "#event", None)
            if not self._evicting:
                waits.end(wait)

    async def state(self, path: str, change: StateChange) -> Any:
        """See `Durable.state`."""
        await self.border(path)
        states = self.executor.states
        if not states.has(self.record_.flow):
            with self.looking():
                await states.load(self.record_.flow)
        if self._evicting:
            await self._never()
        value = states.change(self, change)
        failpoints.reach("state.after")
        return value

    async def turn(self, path: str) -> None:
        """See `Durable.turn`."""
        await self.border(path)
        await asyncio.sleep(0)

    async def pause(self, path: str, reason: str) -> None:
        """See `Durable.pause`."""
        await self.border(path)
        known = self.recall(path + "#pause")
        if known is not None and known.status == "resumed":
            self._index.pop(path + "#pause")
            return
        if known is None:
            self.record(Entry(path + "#pause", self.now(), "paused", reason))
        await self._leave(RunStatus.PAUSED, f"step {path!r} failed for good and waits for a person: {reason}", None)
