"""A run in memory: the journal runtime, that is the `Durable` of one run on the embedded engine."""

from __future__ import annotations

import asyncio
import contextlib
import copy
import logging
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from reactor.engine.texts import encode
from reactor.language.expressions import to_json_value
from reactor.model import failpoints, ids
from reactor.model.clock import Instant
from reactor.model.errors import ErrorInfo, PermanentError, StepError
from reactor.model.event import Event, EventDraft
from reactor.model.journal import ActionCall, Entry, FlowCall, Outcome, Run, index
from reactor.model.states import RunStatus
from reactor.runtime.interpreter import RunEnd
from reactor.sdk.action import Action, ActionContext, Effect

if TYPE_CHECKING:
    from reactor.engine.executor import Executor

_log = logging.getLogger("reactor.run")
_IDLE_TURNS = 3
CALLS = " waits for "
"""Stands in the reason of a run that waits for a child."""


def _wake(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


class RunLog(logging.LoggerAdapter[logging.Logger]):
    """Log lines of one step of one run."""


class LiveRun:
    """Everything one run needs while it is in memory. Made by the executor."""

    def __init__(self, executor: Executor, record: Run, event: Event | None, journal: Sequence[Entry] = ()) -> None:
        self.executor = executor
        self.record_ = record
        self.key = record.key
        self.id = ids.to_text("run", record.key)
        self.event = event
        self.task: asyncio.Task[None] | None = None
        self.cancel_reason: str | None = None
        self.pausing = False
        self.dropped = False
        self.spawned: list[int] = []
        """Runs that exist only because of this one and are not in the store yet."""
        self.inputs: Any = None
        self._known = list(journal)
        self._index = index(journal)
        self._fresh: list[Entry] = []
        self._changed = False
        self._evicting = False
        self._let_go = False
        self._cancel_told = False
        self._acts = 0
        self._turns = 0
        self._waits: dict[str, tuple[Instant | None, str]] = {}
        pause, cancel = self._index.get("#pause"), self._index.get("#cancel")
        if cancel is None:
            self.pausing = pause is not None and pause.status == "paused"
        else:
            self.cancel_reason = str(cancel.value)
            self._cancel_told = any(entry.status == "cancelled" for entry in self._index.values())

    # --- for the committer ---------------------------------------------------------------------------------------

    def take(self) -> tuple[Run | None, bytes | None]:
        """See `committer.Dirty`."""
        record = copy.copy(self.record_) if self._changed else None
        self._changed = False
        segment = None
        if self._fresh:
            fresh, self._fresh = self._fresh, []
            try:
                segment = encode(fresh)
            except Exception as error:  # noqa: BLE001 - one run's odd value must not keep the others from the disk
                segment = self._unwritable(fresh, error)
                record = copy.copy(self.record_)
                self._changed = False
        return record, segment

    def _unwritable(self, fresh: list[Entry], error: Exception) -> bytes:
        """The run ends at the entry that cannot be written. No effect can have followed that: it would still wait."""
        kept: list[Entry] = []
        for entry in fresh:
            try:
                encode(entry)
            except Exception:  # noqa: BLE001 - see `take`
                what = f"what {entry.key!r} gave cannot be written as JSON: {type(error).__name__}: {error}"
                info = ErrorInfo("output", what, entry.key.partition("#")[0] or None, retryable=False)
                kept.append(Entry("", self.now(), RunStatus.FAILED.value, None, info))
                self.abandon()
                self.executor.finish(self, RunEnd(RunStatus.FAILED, error=info))
                break
            kept.append(entry)
        return encode(kept)

    def status(self, status: RunStatus, **changes: Any) -> None:
        """Change the record; it is written with the next commit."""
        if self.dropped:
            return
        self.record_.status = status
        for name, value in changes.items():
            setattr(self.record_, name, value)
        self._changed = True
        self.executor.committer.touch(self)

    # --- Durable -------------------------------------------------------------------------------------------------

    @property
    def evicting(self) -> bool:
        """See `Durable.evicting`."""
        return self._evicting

    def recall(self, key: str) -> Entry | None:
        """See `Durable.recall`."""
        return self._index.get(key)

    def known(self) -> Sequence[Entry]:
        """See `Durable.known`."""
        return self._known

    def record(self, entry: Entry) -> None:
        """See `Durable.record`."""
        if self._let_go:
            return
        self._turns += 1
        self._fresh.append(entry)
        self.executor.recorded(self, entry)

    def now(self) -> Instant:
        """See `Durable.now`."""
        return self.executor.clock.now()

    def draw(self, what: str) -> Any:
        """See `Durable.draw`."""
        return self.executor.entropy.uuid() if what == "uuid" else self.executor.entropy.random()

    def find(self, action: str) -> Action | None:
        """See `Durable.find`."""
        return self.executor.catalog.actions.get(action)

    async def act(self, path: str, call: ActionCall, action: Action, params: Any) -> Outcome:
        """See `Durable.act`."""
        ctx = self._context(path, call)
        if not action.is_async:
            return self._outcome(action, call, lambda: action.handler(ctx, params))
        await self._border()
        self._acts += 1
        try:
            if action.effect_of(params) is Effect.WRITE:
                await self.executor.committer.barrier(self)
                if self._let_go:
                    await self._never()
            failpoints.reach("act.before")
            outcome = await self._attempt(action, call, ctx, params)
            failpoints.reach("act.after")
        finally:
            self._acts -= 1
        self.executor.committer.touch(self, soon=True)
        return outcome

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

    def _context(self, path: str, call: ActionCall) -> ActionContext:
        return ActionContext(
            run_id=self.id,
            flow=self.record_.flow,
            step=path,
            attempt=call.attempt,
            idempotency_key=f"{self.id}:{path}",
            log=RunLog(_log, {"run": self.id, "flow": self.record_.flow, "step": path}),
            clock=self.executor.clock,
            settings=self.executor.action_settings,
            connections=self.executor.connections_of(self.record_),
            secrets=call.secrets,
        )

    async def sleep(self, path: str, until: Instant) -> None:
        """See `Durable.sleep`."""
        await self._border()
        if until <= self.now():
            return
        woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        timer = self.executor.timers.call_at(until, lambda: _wake(woken))
        self._waits[path] = (until, f"step {path!r} sleeps" if path else "the run's timeout")
        try:
            self._consider_leaving()
            await woken
        finally:
            self.executor.timers.cancel(timer)
            self._waits.pop(path, None)

    async def emit(self, path: str, event: dict[str, Any], entry: Entry) -> dict[str, Any]:
        """See `Durable.emit`."""
        await self._border()
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
            draft, causes=causes, source=draft.source or f"reactor/flows/{self.record_.flow}"
        )
        accepted = self.executor.intake.emit(draft, self)
        failpoints.reach("emit.after")
        return {"event_id": ids.to_text("evt", accepted.event.key)}

    async def child(self, path: str, call: FlowCall) -> Outcome:
        """See `Durable.child`."""
        await self._border()
        known = self.recall(path + "#child")
        if known is None:
            key = self.executor.start_child(self, path, call)
            self.record(Entry(path + "#child", self.now(), value=key))
            self.executor.committer.touch(self, soon=True)
        else:
            key = int(known.value)
        self._waits[path + "#child"] = (None, f"step {path!r}{CALLS}{call.flow} ({ids.to_text('run', key)})")
        try:
            self._leave_later()
            end = await self.executor.end_of(key, self._looking)
            return Outcome(end.output, end.error)
        finally:
            self._waits.pop(path + "#child", None)

    @contextlib.contextmanager
    def _looking(self) -> Iterator[None]:
        """Reading the store takes turns of the loop: that is no waiting, and no time to leave memory."""
        self._acts += 1
        try:
            yield
        finally:
            self._acts -= 1

    async def pause(self, path: str, reason: str) -> None:
        """See `Durable.pause`."""
        await self._border()
        known = self.recall(path + "#pause")
        if known is not None and known.status == "resumed":
            self._index.pop(path + "#pause")
            return
        if known is None:
            self.record(Entry(path + "#pause", self.now(), "paused", reason))
        await self._leave(RunStatus.PAUSED, f"step {path!r} failed for good and waits for a person: {reason}", None)

    def moved(self) -> None:
        """Something that it waits for has come: it does not leave memory before it has seen that."""
        self._turns += 1

    def waits(self) -> list[str]:
        """What the run is waiting for now, in words."""
        return [reason for _, reason in self._waits.values()]

    # --- borders: where a run may be stopped, paused, or leave memory -------------------------------------------------

    async def _border(self) -> None:
        self._turns += 1
        if self._evicting:
            await self._never()
        if self.executor.stopping and self.task is not None:
            self._evicting = True
            self.task.cancel()
            await self._never()
        if self.cancel_reason is not None and not self._cancel_told:
            self._cancel_told = True
            raise asyncio.CancelledError
        if self.pausing:
            await self._leave(RunStatus.PAUSED, "paused by hand", None)

    async def _never(self) -> None:
        """The run leaves memory, and this branch of it is about to be cancelled."""
        await asyncio.get_running_loop().create_future()

    def cancel(self, reason: str) -> None:
        """Somebody wants this run to stop."""
        if self.cancel_reason is not None:
            return
        self.cancel_reason = reason
        self.pausing = False
        self.record(Entry("#cancel", self.now(), value=reason))
        self.executor.committer.touch(self, soon=True)
        if self.task is not None and not self.task.done() and (self._acts or self._waits):
            self._cancel_told = True
            self.task.cancel()

    def ask_pause(self) -> None:
        """Stop at the next border; at once when the run only waits."""
        self.pausing = True
        self.record(Entry("#pause", self.now(), "paused", "by hand"))
        if self._waits and not self._acts:
            self._evict(RunStatus.PAUSED, "paused by hand", self._next_wake())

    def go_on(self) -> None:
        """Do not stop at the next border after all."""
        self.pausing = False
        self.record(Entry("#pause", self.now(), "resumed"))

    def _next_wake(self) -> Instant | None:
        instants = [until for until, _ in self._waits.values() if until is not None]
        return min(instants) if instants else None

    def _consider_leaving(self) -> None:
        """After a few turns of the loop without any progress the run is known to only wait."""
        turns, left = self._turns, _IDLE_TURNS

        def look() -> None:
            nonlocal left
            if self._turns != turns or self._acts or not self._waits or self._evicting:
                return
            left -= 1
            if left:
                asyncio.get_running_loop().call_soon(look)
                return
            wake = self._next_wake()
            if wake is None or wake - self.now() > self.executor.limits.passivate_after:
                self._evict_waiting(wake)

        asyncio.get_running_loop().call_soon(look)

    def _leave_later(self) -> None:
        """Leave memory once nothing has moved for the time of passivation."""
        turns = self._turns

        def look() -> None:
            if not self._waits or self._evicting:
                return
            if self._turns == turns and not self._acts:
                self._evict_waiting(self._next_wake())
            else:
                self._leave_later()

        self.executor.timers.call_at(self.now() + self.executor.limits.passivate_after, look)

    def _evict_waiting(self, wake: Instant | None) -> None:
        reasons = "; ".join(reason for _, reason in self._waits.values())
        if any(until is None for until, _ in self._waits.values()):
            again = self.now() + self.executor.limits.horizon
            wake = again if wake is None else min(wake, again)
        self._evict(RunStatus.WAITING, reasons, wake)

    def _evict(self, status: RunStatus, reason: str, wake: Instant | None) -> None:
        if self._evicting or self.task is None:
            return
        self._evicting = True
        self.status(status, waiting_for=reason, wake_at=wake)
        self.executor.left(self, wake)
        self.task.cancel()

    async def _leave(self, status: RunStatus, reason: str, wake: Instant | None) -> None:
        """Leave memory from within; does not return."""
        self._evict(status, reason, wake)
        await self._never()

    def abandon(self) -> None:
        """Let go at once: nothing more of this run is recorded, and no effect begins."""
        self._evicting = self._let_go = True
        if self.task is not None:
            self.task.cancel()

    def drain(self) -> bool:
        """At shutdown: leave memory now if nothing is under way; else at the next border. Whether it left."""
        if self._acts:
            return False
        if not self._evicting and self.task is not None:
            self._evicting = True
            self.task.cancel()
        return True
