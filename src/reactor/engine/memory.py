"""Which runs are in memory, which leave it, and which wait for room to come back."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from reactor.engine.committer import Committer
from reactor.engine.flows import FlowBook
from reactor.engine.limits import Limits
from reactor.engine.meters import Meters
from reactor.engine.timers import Timers
from reactor.model import failpoints, ids
from reactor.model.clock import Clock, Instant
from reactor.model.errors import StoreBusyError
from reactor.model.event import Event
from reactor.model.states import RunStatus
from reactor.stores.port import Batch, Loaded, Store

if TYPE_CHECKING:
    from reactor.engine.borders import Borders
    from reactor.engine.flowcontrol.gates import FlowControl
    from reactor.engine.live import LiveRun

_log = logging.getLogger("reactor.engine")
_FIRST_PAGE, _PAGE = 50, 500
"""Runs that are loaded at once: few at first, so that the first of many that are due need not wait for all."""
_AGAIN = 30
"""Seconds until a run that could not be read is tried again."""


class Memory:
    """The runs in memory, and the queue of those that want to be there."""

    flow_control: FlowControl

    def __init__(self, *, store: Store, book: FlowBook, clock: Clock, limits: Limits) -> None:
        self.store = store
        self.book = book
        self.clock = clock
        self.limits = limits
        self.meters = Meters()
        self.committer = Committer(store, limits, clock, self.dropped, self.meters.commits)
        self.timers = Timers(store, clock, limits, self.wake)
        self.live: dict[int, LiveRun] = {}
        self.stopping = False
        self.unreadable: dict[int, str] = {}
        self._leaving: dict[int, bool] = {}
        """Runs whose leaving is not committed yet → whether they were woken meanwhile."""
        self._queue: deque[int] = deque()
        self._queued: set[int] = set()
        self._loading: dict[int, bool] = {}
        """Runs that are being read → whether they have to be read again, because somebody changed them meanwhile."""
        self._loader: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[Any]] = set()

    def has_room(self) -> bool:
        """Whether one more run may come into memory."""
        return len(self.live) < self.limits.live_runs and not self.stopping

    @property
    def calm(self) -> bool:
        """Whether nobody waits to come back: all who were woken are in memory."""
        return not (self._queue or self._loading or self.unreadable or any(self._leaving.values()))

    def knows(self, key: int) -> bool:
        """Whether the run is in memory, leaves it, or is about to come."""
        return key in self.live or key in self._leaving or key in self._queued or key in self._loading

    def comes(self, key: int) -> bool:
        """Whether the run is in memory, or about to come; one that is kept out for a command is neither."""
        return key in self.live or key in self._queued or key in self._loading or self._leaving.get(key, False)

    def changed(self, live: Borders) -> None:
        """A run has another status."""
        raise NotImplementedError

    def _resume(self, loaded: Loaded, batch: Sequence[Event]) -> None:
        """Bring a run that was read into memory, if it is to be there. `batch`: its events but the last."""
        raise NotImplementedError

    def left(self, live: Borders, wake_at: Instant | None) -> None:
        """A run leaves memory. It stays known until that is on disk, so that nobody loads an older state."""
        self._leaving[live.key] = False
        waiter = self.committer.barrier(live)
        waiter.add_done_callback(lambda done: self._gone(live, wake_at, done))
        self.changed(live)

    def _gone(self, live: Borders, wake_at: Instant | None, done: asyncio.Future[None]) -> None:
        woken = self._leaving.pop(live.key, False)
        if self.live.get(live.key) is live:
            del self.live[live.key]
        if live.record_.control is not None:
            self.flow_control.left(live.key)
        if done.cancelled() or done.exception() is not None:
            return
        if woken:
            self.wake([live.key])
        elif wake_at is not None and live.record_.status is RunStatus.WAITING:
            self.timers.sleeping(live.key, wake_at)
        if self._queue:
            self._load_soon()

    def wake(self, keys: Iterable[int]) -> None:
        """Bring these runs into memory as soon as there is room."""
        for key in keys:
            if key in self._leaving:
                self._leaving[key] = True
            elif key not in self.live and key not in self._queued:
                self._queue.append(key)
                self._queued.add(key)
        self._load_soon()

    def _load_soon(self) -> None:
        if self._queue and not self.stopping and (self._loader is None or self._loader.done()):
            self._loader = asyncio.get_running_loop().create_task(self._load())

    async def _load(self) -> None:
        page = _FIRST_PAGE
        while self._queue and not self.stopping:
            room = self.limits.live_runs - len(self.live)
            if room <= 0:
                return
            count = min(room, len(self._queue), page)
            page = min(page * 2, _PAGE)
            keys = [self._queue.popleft() for _ in range(count)]
            self._loading = dict.fromkeys(keys, False)
            try:
                await self._bring(keys)
            except StoreBusyError as error:
                _log.error("cannot load %d runs, trying again: %s", len(keys), error)
                self._queue.extend(keys)
                await asyncio.sleep(1)
                continue
            self._queued.difference_update(keys)
            self.wake([key for key, stale in self._loading.items() if stale])
            self._loading = {}
            failpoints.reach("wake.loaded")
            await asyncio.sleep(0)

    async def _bring(self, keys: list[int]) -> None:
        """Bring these runs into memory. One that cannot be read is set aside, and keeps no other back.

        Raises:
            StoreBusyError: the store cannot read now.
        """
        try:
            await self.committer.settled(keys)
            found = await self.store.load(keys)
            await self.book.prefetch([(loaded.run.flow, loaded.run.version) for loaded in found])
            batches = await self.flow_control.batches(found)
            for loaded in found:
                self._resume(loaded, batches.get(loaded.run.key, ()))
            for key in set(keys).difference(loaded.run.key for loaded in found):
                self.flow_control.ended(key)
        except StoreBusyError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever is wrong with one run is not the others' fault
            if len(keys) == 1:
                self._set_aside(keys[0], error)
                return
            await self._bring(keys[: len(keys) // 2])
            await self._bring(keys[len(keys) // 2 :])

    def _set_aside(self, key: int, error: Exception) -> None:
        if key not in self.unreadable:
            _log.error("run %s cannot be read, trying again every %d s: %s", ids.to_text("run", key), _AGAIN, error)
        self.unreadable[key] = str(error)
        self.flow_control.left(key)
        self.timers.call_at(self.clock.now() + _AGAIN * 1000, lambda: self.wake([key]))

    @asynccontextmanager
    async def aside(self, key: int) -> AsyncIterator[LiveRun | None]:
        """For a command on a run: it is in memory, and given; or it stays out of it for as long as the block lasts, and
        all that it has done can be read in the store.
        """
        while (live := self.live.get(key)) is None or live.evicting:
            if live is None and key not in self._leaving:
                break
            await self.committer.add(Batch())
        else:
            yield live
            return
        self._leaving[key] = key in self._queued
        try:
            await self.committer.settled([key])
            yield None
        finally:
            if key in self._loading:
                self._loading[key] = True
            if self._leaving.pop(key, False):
                self.wake([key])

    def dropped(self, keys: Iterable[int]) -> None:
        """These runs will never be in the store: nothing of them happened."""
        for key in keys:
            self.flow_control.forget([key])
            live = self.live.pop(key, None)
            if live is not None:
                live.dropped = True
                live.abandon()
                self.dropped(live.spawned)
        self._load_soon()
