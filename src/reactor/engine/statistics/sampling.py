"""Looks at the process every few seconds: an hour of that is in memory, and what each minute was like in the store."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence

import msgspec

from reactor.engine.executor import Executor
from reactor.engine.intake import Intake
from reactor.engine.statistics.machine import Machine, Usage
from reactor.engine.statistics.tallying import MINUTE
from reactor.model.clock import Clock, Instant
from reactor.model.errors import ReactorError, StoreError
from reactor.stores.port import Batch
from reactor.stores.statistics import Statistics

_log = logging.getLogger("reactor.statistics")
EVERY = 5
"""Seconds between two samples."""
_BEAT = 1.0
"""Seconds between two looks at how late the loop is."""
KEPT_HERE = 720
"""Samples in memory: an hour."""
FINE_FOR = 2 * 24 * 60
"""Minutes after which tallies are kept by the hour."""
TALLIES_FOR = 400 * 24 * 60
SAMPLES_FOR = 14 * 24 * 60
"""Minutes that they are kept at all."""
_ROLL_EVERY = 10
"""Minutes between two looks for what is to be rolled up."""
_BREATH = 0.02


class Sample(msgspec.Struct, frozen=True, array_like=True, kw_only=True):
    """How it was at one time, or in one minute. Rates are of the time since the sample before."""

    at: Instant
    cpu: float
    memory: float
    machine_cpu: float
    machine_memory: float
    disk_free: float
    disk_size: float
    store: float
    queued: float
    """Events that wait for a commit."""
    live: float
    """Runs in memory."""
    waiting: float
    """Runs that wait outside of memory: for a time, an event, a person, another run."""
    held: float
    """Runs that flow control lets wait for their turn."""
    delay: float
    """Milliseconds that the event loop was late, at most."""
    events: float
    """Accepted a second."""
    ends: float
    """Runs that ended a second."""


def _mean(values: Sequence[float]) -> float:
    return round(sum(values) / len(values), 3)


REDUCED: Mapping[str, Callable[[Sequence[float]], float]] = {
    "cpu": _mean, "memory": max, "machine_cpu": _mean, "machine_memory": min, "disk_free": min, "disk_size": max,
    "store": max, "queued": max, "live": max, "waiting": max, "held": max, "delay": max, "events": _mean, "ends": _mean,
}  # fmt: skip
"""How several samples make one: of what is alarming when it is high the highest counts, and the other way round."""


def reduced(samples: Sequence[Sample], at: Instant) -> Sample:
    """Several samples as one; there is at least one."""
    return Sample(at=at, **{name: how([getattr(one, name) for one in samples]) for name, how in REDUCED.items()})


class Sampling:
    """The task that looks."""

    def __init__(self, executor: Executor, intake: Intake, statistics: Statistics | None, machine: Machine) -> None:
        self._executor = executor
        self._intake = intake
        self._statistics = statistics
        self._machine = machine
        self._clock: Clock = executor.clock
        self._delay = 0.0
        self._before: tuple[float, int, int] | None = None
        self._minute: list[Sample] = []
        self._task: asyncio.Task[None] | None = None
        self._rolling: asyncio.Task[None] | None = None
        self.samples: deque[Sample] = deque(maxlen=KEPT_HERE)
        self.on_sample: list[Callable[[], Awaitable[None]]] = []
        """Called after each sample; what they raise of ours is logged."""

    @property
    def newest(self) -> Sample | None:
        """The last one."""
        return self.samples[-1] if self.samples else None

    def start(self) -> None:
        """Begin."""
        self._task = asyncio.get_running_loop().create_task(self._work())

    async def stop(self) -> None:
        """Look no more; the minute that has begun is kept."""
        tasks = [task for task in (self._task, self._rolling) if task is not None]
        self._task = self._rolling = None
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
            self._close_minute()

    async def _work(self) -> None:
        loop = asyncio.get_running_loop()
        due, beats = loop.time(), 0
        while True:
            due += _BEAT
            await asyncio.sleep(max(due - loop.time(), 0))
            late = loop.time() - due
            self._delay = max(self._delay, late)
            if late > _BEAT:
                due = loop.time()
            beats += 1
            if beats % EVERY == 0 or not self.samples:
                await self._look()

    async def _look(self) -> None:
        try:
            await self.look()
            for told in self.on_sample:
                await told()
        except ReactorError as error:
            _log.warning("figures of this moment are missing: %s", error)

    async def look(self) -> None:
        """Take a sample now.

        Raises:
            StoreError: the store cannot be asked.
        """
        usage = await asyncio.to_thread(self._machine.look)
        waiting = await self._statistics.unfinished() if self._statistics is not None else {}
        await self._executor.committer.counted()
        sample = self._sample(usage, waiting)
        if self._minute and sample.at // MINUTE != self._minute[0].at // MINUTE:
            self._close_minute()
            if sample.at // MINUTE % _ROLL_EVERY == 0:
                self._roll_soon()
        self._minute.append(sample)
        self.samples.append(sample)

    def _sample(self, usage: Usage, runs: Mapping[str, int]) -> Sample:
        executor, accepted = self._executor, self._intake.accepted
        at = asyncio.get_running_loop().time()
        then, events, ends = self._before or (at, accepted, executor.finished)
        self._before = (at, accepted, executor.finished)
        seconds = max(at - then, 0.001)
        delay, self._delay = self._delay, 0.0
        return Sample(
            at=self._clock.now(),
            cpu=usage.cpu,
            memory=usage.memory,
            machine_cpu=usage.machine_cpu,
            machine_memory=usage.machine_memory,
            disk_free=usage.disk_free,
            disk_size=usage.disk_size,
            store=usage.store,
            queued=executor.committer.queued,
            live=len(executor.live),
            waiting=runs.get("waiting", 0),
            held=executor.flow_control.waiting,
            delay=round(delay * 1000, 1),
            events=round((accepted - events) / seconds, 2),
            ends=round((executor.finished - ends) / seconds, 2),
        )

    def _close_minute(self) -> None:
        samples, self._minute = self._minute, []
        if not samples or self._statistics is None:
            return
        minute = samples[0].at // MINUTE
        text = msgspec.json.encode(reduced(samples, minute * MINUTE))
        self._executor.committer.add(Batch(samples=[(minute, text)])).add_done_callback(_unheard)

    def _roll_soon(self) -> None:
        if self._rolling is None or self._rolling.done():
            self._rolling = asyncio.get_running_loop().create_task(self._roll())

    async def _roll(self) -> None:
        try:
            await self.roll()
        except StoreError as error:
            _log.error("old figures cannot be added up now, trying again in %d minutes: %s", _ROLL_EVERY, error)

    async def roll(self) -> None:
        """Add up by the hour what is old, and remove what is older than anybody wants to know.

        Raises:
            StoreError: it cannot be done now.
        """
        if self._statistics is None:
            return
        now = self._clock.now() // MINUTE
        while await self._statistics.roll(fine_from(now)):  # noqa: ASYNC110 - a breath, not a wait
            await asyncio.sleep(_BREATH)
        await self._statistics.forget_statistics(now - TALLIES_FOR, now - SAMPLES_FOR)


def fine_from(now: int) -> int:
    """The minute from which on tallies are kept by the minute."""
    return (now - FINE_FOR) // 60 * 60


def decoded(rows: Iterable[tuple[int, bytes]]) -> list[Sample]:
    """Samples as the store has them. One of a program that knew other figures is left out."""
    found = []
    for _, text in rows:
        try:
            found.append(msgspec.json.decode(text, type=Sample))
        except msgspec.DecodeError:
            _log.debug("a sample of another version: %s", text[:200])
    return found


def _unheard(done: asyncio.Future[None]) -> None:
    """That the store is broken is told elsewhere."""
    if not done.cancelled():
        done.exception()
