"""The test runtime: a run in memory, on a clock that jumps to the next timer as soon as nothing else can move.

Three days pass in milliseconds. Actions are mocks or the real ones; nothing is durable but what `committed` holds,
which is
exactly what the journal runtime would have on disk at that point, so crashes can be played through at every border.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import logging
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from reactor.language.expressions import to_json_value
from reactor.model.clock import Instant
from reactor.model.errors import ErrorInfo, StepError
from reactor.model.flow import Flow
from reactor.model.journal import RESET, ActionCall, Entry, FlowCall, Outcome, StateChange, Wanted, forget, index
from reactor.model.patterns import concerns
from reactor.runtime import values
from reactor.runtime.code import interpreter
from reactor.runtime.interpreter import Hands, RunEnd
from reactor.runtime.signals import Failure
from reactor.sdk.action import Action, ActionContext, Effect

Mock = Callable[[str, ActionCall, Any], Outcome | Awaitable[Outcome]]
"""(path, call, converted parameters) → what the attempt gave."""
START: Instant = 1_767_225_600_000
"""2026-01-01T00:00:00Z, where the virtual clock begins."""
_SETTLE = 40
"""Turns of the loop without progress after which every task is known to wait."""

_LOOK = 0.001
"""Seconds between two looks at real actions."""


class Stuck(Exception):
    """The run waits for something that will never come."""


class Crash(BaseException):
    """The process dies here."""


class VirtualClock:
    """A clock that moves only when told."""

    def __init__(self, now: Instant = START) -> None:
        self._now = now

    def now(self) -> Instant:
        """The virtual time."""
        return self._now

    def set(self, instant: Instant) -> None:
        """Jump, never backwards."""
        self._now = max(self._now, instant)


def is_wanted(wanted: Wanted, event: dict[str, Any]) -> bool:
    """Whether this event (its view) is one that a step waits for; an error in its condition is a no."""
    if not concerns(wanted, event["type"], event.get("subject"), event.get("source") or ""):
        return False
    try:
        return wanted.accept(event)
    except Failure:
        return False


class VirtualRuntime:
    """A `Durable` in memory. `committed` is what is on disk; what is recorded after it is lost in a crash."""

    def __init__(  # noqa: PLR0913 - a test says what it needs
        self,
        *,
        actions: Mapping[str, Action],
        journal: Sequence[Entry] = (),
        clock: VirtualClock | None = None,
        mock: Mock | None = None,
        child: Callable[[FlowCall], Outcome] | None = None,
        seed: int = 0,
        crash_at: int | None = None,
        inbox: Sequence[tuple[Instant, dict[str, Any]]] = (),
        state: dict[str, Any] | None = None,
    ) -> None:
        """`inbox`: events (views) with the time when each arrives. `state`: the flow's durable state.
        `crash_at`: die at the n-th border (from 1), before it does anything; even numbers after an effect, before
        its commit.
        """
        self.actions = actions
        self.clock = clock or VirtualClock()
        self.committed: list[Entry] = list(journal)
        self.fresh: list[Entry] = []
        self.effects: list[tuple[str, int]] = []
        """(path, attempt) of every write that was made."""
        self.called: list[str] = []
        self.emitted: list[dict[str, Any]] = []
        self.borders = 0
        self.cancelled = False
        self.dead = False
        self.evicting = False
        self._mock = mock
        self._child = child
        self._crash_at = crash_at
        self._random = random.Random(seed)  # noqa: S311 - tests want the same every time
        self._timers: list[tuple[Instant, int, asyncio.Future[None]]] = []
        self._count = itertools.count()
        self.inbox: list[dict[str, Any]] = []
        """Events that have arrived."""
        self.state_: dict[str, Any] = state if state is not None else {}
        """The state as it is now; `committed_state` is what a crash leaves of it."""
        self.committed_state = dict(self.state_)
        self._waiters: list[tuple[Wanted, asyncio.Future[dict[str, Any]]]] = []
        self._coming = sorted(inbox, key=lambda one: one[0], reverse=True)
        self._index = index(journal)
        self._known = list(journal)
        self._progress = 0
        self._acting = 0
        """Real actions under way: time stands still for them."""

    def recall(self, key: str) -> Entry | None:
        """See `Durable.recall`."""
        return self._index.get(key)

    def known(self) -> Sequence[Entry]:
        """See `Durable.known`."""
        return self._known

    def record(self, entry: Entry) -> None:
        """See `Durable.record`."""
        self._progress += 1
        self.fresh.append(entry)
        if entry.status == RESET:
            forget(self._index, entry)

    def now(self) -> Instant:
        """See `Durable.now`."""
        return self.clock.now()

    def draw(self, what: str) -> Any:
        """See `Durable.draw`."""
        if what == "uuid":
            return f"{self._random.getrandbits(128):032x}"
        return self._random.random()

    def find(self, action: str) -> Action | None:
        """See `Durable.find`."""
        return self.actions.get(action)

    def commit(self) -> None:
        """Everything recorded so far is on disk."""
        if self.dead:
            return
        self.committed.extend(self.fresh)
        self.fresh = []
        self.committed_state = dict(self.state_)

    def _border(self) -> None:
        self._progress += 1
        self.borders += 1
        if self._crash_at is not None and self.borders >= self._crash_at:
            self.dead = self.evicting = True
            raise Crash
        if self.cancelled:
            self.cancelled = False
            raise asyncio.CancelledError

    async def act(self, path: str, call: ActionCall, action: Action, params: Any) -> Outcome:
        """See `Durable.act`."""
        effect = action.effect_of(params)
        if effect is not Effect.PURE:
            self._border()
        if effect is Effect.WRITE:
            self.commit()
        self.called.append(path)
        outcome = await self._attempt(path, call, action, params)
        if effect is Effect.WRITE:
            self.effects.append((path, call.attempt))
            self._border()
        return outcome

    async def _attempt(self, path: str, call: ActionCall, action: Action, params: Any) -> Outcome:
        if self._mock is not None:
            made = self._mock(path, call, params)
            return await made if isinstance(made, Awaitable) else made
        log = logging.LoggerAdapter(logging.getLogger("reactor.test"), {"step": path})
        ctx = ActionContext(
            run_id="run_test",
            flow="test",
            step=path,
            attempt=call.attempt,
            idempotency_key=f"test:{path}",
            log=log,
            clock=self.clock,
            settings={},
        )
        self._acting += 1
        try:
            made = action.handler(ctx, params)
            return Outcome(to_json_value(await made if action.is_async else made))
        except StepError as error:
            return Outcome(error.output, error.info())
        finally:
            self._acting -= 1
            self._progress += 1

    async def sleep(self, path: str, until: Instant) -> None:
        """See `Durable.sleep`."""
        self._border()
        self.commit()
        if until <= self.clock.now():
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._timers, (until, next(self._count), future))
        await future
        self._progress += 1

    async def emit(self, path: str, event: dict[str, Any], entry: Entry) -> dict[str, Any]:
        """See `Durable.emit`."""
        self._border()
        self.emitted.append(event)
        return {"event_id": f"evt_test.{path}"}

    async def child(self, path: str, call: FlowCall) -> Outcome:
        """See `Durable.child`."""
        self._border()
        self.record(Entry(path + "#child", self.now(), value=0))
        self.commit()
        self.called.append(path)
        if not call.wait:
            return Outcome({"run_id": f"run_test.{path}"})
        if self._child is None:
            return Outcome(error=ErrorInfo("call", f"flow {call.flow!r} is not mocked", retryable=False))
        return self._child(call)

    async def receive(self, path: str, wanted: Wanted, until: Instant | None) -> dict[str, Any] | None:
        """See `Durable.receive`."""
        del path
        self._border()
        self.commit()
        self._arrive()
        for event in self.inbox:
            if is_wanted(wanted, event):
                return event
        if until is not None and until <= self.clock.now():
            return None
        future: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        timer: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        waiter = (wanted, future)
        either: list[asyncio.Future[Any]] = [future, timer]
        self._waiters.append(waiter)
        if until is not None:
            heapq.heappush(self._timers, (until, next(self._count), timer))
        try:
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        finally:
            timer.cancel()
            self._waiters.remove(waiter)
        self._progress += 1
        return future.result() if future.done() else None

    def deliver(self, event: dict[str, Any]) -> None:
        """An event (its view) arrives now."""
        self.inbox.append(event)
        for wanted, future in self._waiters:
            if not future.done() and is_wanted(wanted, event):
                future.set_result(event)

    def _arrive(self) -> None:
        while self._coming and self._coming[-1][0] <= self.clock.now():
            self.deliver(self._coming.pop()[1])

    async def state(self, path: str, change: StateChange) -> Any:
        """See `Durable.state`."""
        del path
        self._border()
        return values.changed(self.state_, change)

    async def turn(self, path: str) -> None:
        """See `Durable.turn`."""
        self._border()
        await asyncio.sleep(0)
        self._progress += 1

    async def pause(self, path: str, reason: str) -> None:
        """See `Durable.pause`."""
        self._border()
        raise Stuck(f"{path} waits for a person: {reason}")

    # --- driving -------------------------------------------------------------------------------------------------

    async def play(
        self,
        flow: Flow,
        *,
        event: dict[str, Any] | None = None,
        inputs: Any = None,
        secret: Callable[[str], str | None] = lambda _name: None,
    ) -> RunEnd:
        """Run a flow to its end, time jumping where nothing else can move.

        Raises:
            Stuck: nothing can move any more. Crash: at the border that was asked for.
        """
        running = interpreter(
            flow,
            self,
            event=event,
            run={"id": "run_test", "started_at": "", "version": flow.version},
            inputs=inputs,
            hands=Hands(secret=secret, state=self.state_),
        )
        task = asyncio.get_running_loop().create_task(running.run())
        try:
            while not task.done():
                await self._settle(task)
                if not task.done() and not self.dead:
                    self._jump()
                elif self.dead:
                    break
            if self.dead:
                raise Crash
            end = task.result()
            self.commit()
        finally:
            if not task.done():
                self.evicting = True
                task.cancel()
                await asyncio.wait({task})
        return end

    async def _settle(self, task: asyncio.Task[RunEnd]) -> None:
        still, seen = 0, self._progress
        while (still < _SETTLE or self._acting) and not task.done():
            await asyncio.sleep(0 if still < _SETTLE else _LOOK)
            still, seen = (still + 1, seen) if self._progress == seen else (0, self._progress)

    def _jump(self) -> None:
        while self._timers and self._timers[0][2].done():
            heapq.heappop(self._timers)
        if self._coming and (not self._timers or self._coming[-1][0] <= self._timers[0][0]):
            self.clock.set(self._coming[-1][0])
            self._arrive()
            return
        if not self._timers:
            raise Stuck("nothing moves and no timer is set")
        until = self._timers[0][0]
        self.clock.set(until)
        while self._timers and self._timers[0][0] <= until:
            _, _, future = heapq.heappop(self._timers)
            if not future.done():
                future.set_result(None)
