"""A bench for triggers: a context in memory that plays the engine's part, for the tests of connector authors.

```python
bench = TriggerBench(MyTrigger(), {"topic": "orders"}, virtual=True)
async with bench:
    await bench.advance(60_000)
assert [draft.type for draft in bench.drafts] == ["my.event"]
```

It keeps the promises that the engine makes: an event's `(source, id)` counts once, `save` is committed together with
the events and has to be JSON, `TriggerLost` is noted and the trigger is started again. With `virtual=True` time stands
still but for `advance`; else it is the machine's.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import msgspec

from reactor.model.clock import Clock, Instant, SystemClock
from reactor.model.errors import BusyError, InvalidError, StepError
from reactor.sdk import (
    JSON,
    Connection,
    ConnectionType,
    DeadLetter,
    EventDraft,
    HttpRoutes,
    Receipt,
    RunResult,
    Trigger,
    TriggerLost,
)
from reactor.sdk.connection import choose

START: Instant = 1_767_225_600_000
"""2026-01-01T00:00:00Z: where a virtual clock starts."""
PATIENCE = 10.0
"""Seconds of real time that the bench waits for a trigger to do something."""


class BenchClock:
    """A clock that is moved by hand."""

    def __init__(self, start: Instant = START) -> None:
        self.instant = start

    def now(self) -> Instant:
        """See `Clock.now`."""
        return self.instant


class TriggerBench:
    """Runs one trigger and records what it does. It is the trigger's context; `async with` starts and stops it."""

    def __init__(  # noqa: PLR0913 - what a test may want to decide
        self,
        trigger: Trigger,
        config: Any,
        *,
        virtual: bool = False,
        start: Instant = START,
        saved: Mapping[str, JSON] | None = None,
        key: str = "flow/0",
        timezone: str = "UTC",
        settings: Mapping[str, Any] | None = None,
        connections: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> None:
        """`config`: as written in a flow (a bare value fills the short field), or the trigger's config struct.
        `connections`: by name, as written in a flow.
        """
        self.trigger = trigger
        self.config = _configured(trigger, config)
        self.problems = trigger.check(self.config)
        self.virtual = BenchClock(start) if virtual else None
        self.clock: Clock = self.virtual or SystemClock()
        self.key, self.flow, self.timezone = key, key.rpartition("/")[0], timezone
        self.settings: Mapping[str, Any] = {"data_dir": Path(".reactor"), "file_roots": (), **(settings or {})}
        self.log = logging.LoggerAdapter(logging.getLogger("reactor.bench"), {"trigger": key})
        self.drafts: list[EventDraft] = []
        """Events accepted, in order, without duplicates."""
        self.duplicates: list[EventDraft] = []
        self.emitted: list[tuple[Instant, int]] = []
        """(when, how many) of each call of `emit` with events."""
        self.states: list[tuple[str, Any]] = []
        """`("armed", next_at)`, `("lagging", reason)`, `("error", reason)`, `("lost", reason)`, in order."""
        self.runs: list[str] = []
        """Unfinished runs. With `hold` each accepted event adds one; remove it to finish it."""
        self.hold = False
        self.cancelled: list[str] = []
        self.busy = 0
        """That many calls of `emit` are refused by BusyError."""
        self.before_commit: Callable[[Sequence[EventDraft]], None] | None = None
        """Called within `emit`; what it raises happens instead of the commit."""
        self.after_commit: Callable[[Sequence[EventDraft]], None] | None = None
        """Called after the commit; what it raises reaches the trigger though everything is saved."""
        self.secrets: dict[str, str] = {}
        self.connections = dict(connections or {})
        self.dead: list[DeadLetter] = []
        """Dead letters, in order."""
        self.gaps: list[str] = []
        self.behind: int | None = None
        """The last lag."""
        self.refuse: Callable[[EventDraft], str | None] = lambda _: None
        """Why an event is refused whenever it comes; by default none is."""
        self._saved: dict[str, JSON] = dict(saved or {})
        self._seen: set[tuple[str, str]] = set()
        self._sleepers: list[tuple[Instant, asyncio.Future[None]]] = []
        self._changed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    # ------------------------------------------------------------ for tests

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._supervise())
        if self.virtual:
            await self._settle()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def stop(self) -> None:
        """Stop the trigger as the engine does, by cancelling it; what it failed with is raised."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    def again(self, config: Any = None, *, virtual: bool | None = None) -> TriggerBench:
        """The bench after a restart of the process: same saved values and same door, nothing else."""
        other = TriggerBench(
            self.trigger,
            self.config if config is None else config,
            virtual=self.virtual is not None if virtual is None else virtual,
            start=self.clock.now(),
            saved=msgspec.json.decode(msgspec.json.encode(self._saved)),
            key=self.key,
            timezone=self.timezone,
            settings=self.settings,
            connections=self.connections,
        )
        other.dead, other.refuse = self.dead, self.refuse
        other._seen, other.hold, other.runs = self._seen, self.hold, self.runs
        return other

    async def advance(self, millis: int) -> None:
        """Move the virtual clock, waking whoever sleeps on the way at his own instant."""
        clock = self._virtual()
        target = clock.instant + millis
        await self._settle()
        while due := [when for when, _ in self._sleepers if when <= target]:
            await self._wake(max(clock.instant, min(due)))
        await self._wake(target)

    async def jump(self, millis: int) -> None:
        """Set the virtual clock in one leap, as after a sleep of the machine."""
        await self._wake(self._virtual().instant + millis)

    async def until(self, wanted: Callable[[TriggerBench], object], seconds: float = PATIENCE) -> None:
        """Wait until `wanted(bench)` is true (for real clocks).

        Raises:
            TimeoutError: it did not become true in that time.
        """
        async with asyncio.timeout(seconds):
            while not wanted(self):
                self._raise_if_ended()
                self._changed.clear()
                await self._changed.wait()

    def types(self) -> list[str]:
        """The types of the accepted events, in order."""
        return [draft.type for draft in self.drafts]

    def state(self) -> str:
        """The last of armed, lagging and lost; `starting` before."""
        return next((name for name, _ in reversed(self.states) if name != "error"), "starting")

    # ------------------------------------------------------------ TriggerContext

    @property
    def http(self) -> HttpRoutes:
        """There is no HTTP server on a bench."""
        raise NotImplementedError

    def secret(self, name: str) -> str:
        """See `TriggerContext.secret`."""
        if name not in self.secrets:
            raise TriggerLost(f"there is no secret {name!r}")
        return self.secrets[name]

    def saved(self) -> Mapping[str, JSON]:
        """See `TriggerContext.saved`."""
        return self._saved

    def connection(self, name: str | None, *types: ConnectionType) -> Connection:
        """See `TriggerContext.connection`."""
        try:
            return choose(self.connections, name, types, what=f"trigger {self.trigger.kind}")
        except StepError as error:
            raise TriggerLost(error.message) from None

    def refusal(self, draft: EventDraft) -> str | None:
        """See `TriggerContext.refusal`."""
        return self.refuse(draft)

    async def emit(
        self,
        drafts: Sequence[EventDraft],
        *,
        save: Mapping[str, JSON] | None = None,
        wait: bool = False,
        dead: Sequence[DeadLetter] = (),
    ) -> list[Receipt]:
        """See `TriggerContext.emit`."""
        await asyncio.sleep(0)
        if self.busy:
            self.busy -= 1
            raise BusyError("the bench is busy")
        for draft in drafts:
            if (reason := self.refuse(draft)) is not None:
                raise InvalidError(reason)
        kept = msgspec.json.decode(msgspec.json.encode(save or {}))
        msgspec.json.encode([(draft.data, draft.metadata, draft.id, draft.source) for draft in drafts])
        if self.before_commit:
            self.before_commit(drafts)
        receipts = [self._accept(draft) for draft in drafts]
        self.dead += dead
        for name, value in kept.items():
            self._saved.pop(name, None) if value is None else self._saved.update({name: value})
        if drafts:
            self.emitted.append((self.clock.now(), len(drafts)))
        self._changed.set()
        if self.after_commit:
            self.after_commit(drafts)
        return receipts

    async def result(self, receipt: Receipt, timeout: int | None) -> RunResult | None:
        """See `TriggerContext.result`: every run on a bench completes."""
        return RunResult(receipt.runs[0][0], "completed") if receipt.runs else None

    async def active_runs(self) -> list[str]:
        """See `TriggerContext.active_runs`."""
        return list(self.runs)

    async def cancel_runs(self, reason: str) -> int:
        """See `TriggerContext.cancel_runs`."""
        stopped, self.runs[:] = list(self.runs), []
        self.cancelled += stopped
        return len(stopped)

    async def sleep_until(self, instant: int) -> None:
        """See `TriggerContext.sleep_until`."""
        if self.virtual is None:
            while (left := instant - self.clock.now()) > 0:  # noqa: ASYNC110 - the clock is waited for
                await asyncio.sleep(left / 1000)
            return
        if instant > self.virtual.instant:
            future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            entry = (instant, future)
            self._sleepers.append(entry)
            self._changed.set()
            try:
                await future
            finally:
                self._sleepers.remove(entry)

    def armed(self, *, next_at: int | None = None) -> None:
        """See `TriggerContext.armed`."""
        self._note("armed", next_at)

    def lagging(self, reason: str, lag: int | None = None) -> None:
        """See `TriggerContext.lagging`."""
        self._note("lagging", reason)

    def lag(self, behind: int | None) -> None:
        """See `TriggerContext.lag`."""
        self.behind = behind
        self._changed.set()

    def gap(self, reason: str) -> None:
        """See `TriggerContext.gap`."""
        self.gaps.append(reason)
        self._changed.set()

    def error(self, reason: str) -> None:
        """See `TriggerContext.error`."""
        self._note("error", reason)

    # ------------------------------------------------------------ inside

    def _note(self, state: str, value: Any) -> None:
        self.states.append((state, value))
        self._changed.set()

    def _accept(self, draft: EventDraft) -> Receipt:
        identity = (draft.source, draft.id or f"bench-{len(self._seen)}")
        if identity in self._seen:
            self.duplicates.append(draft)
            return Receipt(event_id=identity[1], runs=(), duplicate=True)
        self._seen.add(identity)
        self.drafts.append(draft)
        run = f"run_{len(self._seen)}"
        if self.hold:
            self.runs.append(run)
        return Receipt(event_id=identity[1], runs=((run, self.flow),))

    async def _supervise(self) -> None:
        """Start the trigger, and again whenever it is lost: after 50 ms, or a second of virtual time."""
        try:
            while True:
                try:
                    await self.trigger.run(self)
                except (TriggerLost, StepError) as lost:
                    self._note("lost", str(lost))
                else:
                    return
                if self.virtual:
                    await self.sleep_until(self.virtual.instant + 1000)
                else:
                    await asyncio.sleep(0.05)
        finally:
            self._changed.set()

    async def _wake(self, instant: Instant) -> None:
        self._virtual().instant = instant
        for when, future in list(self._sleepers):
            if when <= instant and not future.done():
                future.set_result(None)
        await self._settle()

    async def _settle(self) -> None:
        """Until the trigger sleeps or has ended."""
        limit = time.monotonic() + PATIENCE
        await asyncio.sleep(0)
        while not any(not future.done() for _, future in self._sleepers):
            self._raise_if_ended()
            if time.monotonic() > limit:
                raise TimeoutError("the trigger neither sleeps nor ends")
            await asyncio.sleep(0)

    def _raise_if_ended(self) -> None:
        if self._task is not None and self._task.done():
            task, self._task = self._task, None
            task.result()
            raise RuntimeError("the trigger has ended by itself")

    def _virtual(self) -> BenchClock:
        if self.virtual is None:
            raise RuntimeError("this bench runs on the machine's clock; make it with virtual=True")
        return self.virtual


def _configured(trigger: Trigger, config: Any) -> Any:
    if isinstance(config, trigger.config):
        return config
    if not isinstance(config, Mapping):
        if trigger.short is None:
            raise TypeError(f"{trigger.kind} has no short form")
        config = {trigger.short: config}
    return msgspec.convert(config, trigger.config)
