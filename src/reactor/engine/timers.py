"""Timers: a heap of what is due soon, and the store for what is due later."""

from __future__ import annotations

import asyncio
import heapq
import itertools
import logging
from collections.abc import Callable

from reactor.engine.limits import Limits
from reactor.model.clock import Clock, Instant
from reactor.model.errors import StoreError
from reactor.stores.port import Store

_log = logging.getLogger("reactor.engine")

_LONGEST = 1.0
"""Seconds between two looks at the clock: a clock that was set is noticed within this."""
_PAGE = 5_000
_FEW = 64


class Timer:
    """One call that is to come."""

    __slots__ = ("callback",)

    def __init__(self, callback: Callable[[], None]) -> None:
        self.callback: Callable[[], None] | None = callback


class Timers:
    """Wakes runs and calls back at instants of the engine's clock.

    Runs that left memory are known by key. Those due within the horizon are in the heap (some 100 bytes each), the
    others are read from the store as their time comes near.
    """

    def __init__(self, store: Store, clock: Clock, limits: Limits, wake: Callable[[list[int]], None]) -> None:
        self._store = store
        self._clock = clock
        self._limits = limits
        self._wake = wake
        self._heap: list[tuple[Instant, int, Timer | int]] = []
        self._dead = 0
        self._count = itertools.count()
        self._handle: asyncio.TimerHandle | None = None
        self._armed_for: Instant = 0
        self._read_until: Instant = 0
        self._reader: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to read the store."""
        self._reader = asyncio.get_running_loop().create_task(self._read())

    async def stop(self) -> None:
        """Stop; nothing fires any more."""
        if self._handle is not None:
            self._handle.cancel()
        if self._reader is not None:
            self._reader.cancel()
            await asyncio.wait({self._reader})

    def call_at(self, instant: Instant, callback: Callable[[], None]) -> Timer:
        """Call back at this instant or soon after, unless it is cancelled."""
        timer = Timer(callback)
        heapq.heappush(self._heap, (instant, next(self._count), timer))
        self._arm()
        return timer

    def cancel(self, timer: Timer) -> None:
        """Do not call back. What it held is free at once; its place in the heap when half of that is dead."""
        if timer.callback is None:
            return
        timer.callback = None
        self._dead += 1
        if self._dead > _FEW and self._dead * 2 > len(self._heap):
            self._heap = [entry for entry in self._heap if isinstance(entry[2], int) or entry[2].callback is not None]
            heapq.heapify(self._heap)
            self._dead = 0

    def sleeping(self, key: int, wake_at: Instant) -> None:
        """A run has left memory until `wake_at`."""
        if wake_at <= self._read_until:
            heapq.heappush(self._heap, (wake_at, next(self._count), key))
            self._arm()

    def _arm(self) -> None:
        first = self._heap[0][0]
        if self._handle is not None:
            if first >= self._armed_for:
                return
            self._handle.cancel()
        self._armed_for = first
        pause = min(max((first - self._clock.now()) / 1000, 0), _LONGEST)
        self._handle = asyncio.get_running_loop().call_later(pause, self._fire)

    def _fire(self) -> None:
        self._handle = None
        now = self._clock.now()
        keys: list[int] = []
        while self._heap and self._heap[0][0] <= now:
            _, _, what = heapq.heappop(self._heap)
            if isinstance(what, int):
                keys.append(what)
            elif what.callback is not None:
                callback, what.callback = what.callback, None
                callback()
            else:
                self._dead -= 1
        if keys:
            self._wake(keys)
        if self._heap:
            self._arm()

    async def _due(self, until: Instant, after: tuple[Instant, int]) -> list[tuple[Instant, int]]:
        while True:
            try:
                return await self._store.due(until, after, _PAGE)
            except StoreError as error:
                _log.error("cannot read what is due, trying again: %s", error)
                await asyncio.sleep(_LONGEST)

    async def _read(self) -> None:
        """Keep the heap filled for one horizon ahead, in pages."""
        after: tuple[Instant, int] = (-1, 0)
        while True:
            until = self._clock.now() + self._limits.horizon
            self._read_until = until
            while True:
                page = await self._due(until, after)
                for wake_at, key in page:
                    heapq.heappush(self._heap, (wake_at, next(self._count), key))
                if page:
                    after = page[-1]
                    self._arm()
                if len(page) < _PAGE:
                    break
            after = (until, 1 << 62)
            await asyncio.sleep(self._limits.horizon / 2000)
