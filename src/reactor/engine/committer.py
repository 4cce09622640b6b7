"""Group commit: whatever is waiting shares one transaction, and whoever must know is told after it is on disk.

One commit runs at a time; what comes meanwhile is the next batch. Work is added as objects and encoded only when its
batch is sent, so a run that starts and ends within one batch is written once, in its last state.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence
from collections.abc import Set as AbstractSet
from time import perf_counter
from typing import Any, Protocol

from reactor.engine.limits import Limits
from reactor.engine.meters import SHORT, Histogram
from reactor.engine.statistics.tallying import TallySheet
from reactor.model.clock import Clock
from reactor.model.errors import BusyError, StoreBrokenError, StoreBusyError, StoreError
from reactor.model.journal import Run
from reactor.stores.port import Acceptance, Batch, Committed, KeyState, Letter, Store

_log = logging.getLogger("reactor.engine")
_BESIDE = ("saved", "states", "letters", "answered")
"""What an offer brings beside its events, by the names that it has in the batch, too."""
_LAZY = 0.05
"""Seconds: results that nobody waits for are on disk at the latest after this."""
_PATIENCE = 2.0
_RETRY_FIRST, _RETRY_LONGEST = 0.1, 2.0
Waiter = tuple[int, asyncio.Future[None]]
"""A run that waits at a barrier until what it has recorded is durable."""


class Dirty(Protocol):
    """A run in memory with something to write."""

    @property
    def key(self) -> int:
        """Its key."""
        ...

    def take(self) -> tuple[Run | None, bytes | None]:
        """The record, if it changed, and the new entries as a JSON list, if there are any; they count as written
        now.
        """
        ...

    def said(self) -> bytes | None:
        """What its actions have said since, as a JSON list, if they did; it counts as written now."""
        ...


class Offer:
    """Events that one caller hands over, with what is to be saved in the same transaction."""

    __slots__ = ("accepted", "answered", "done", "internal", "letters", "rides", "saved", "size", "states")

    def __init__(  # noqa: PLR0913 - what may share one commit
        self,
        accepted: list[Acceptance],
        saved: list[tuple[str, str, bytes | None]],
        done: asyncio.Future[Committed],
        *,
        size: int = 0,
        internal: bool = False,
        rides: int | None = None,
        states: Sequence[KeyState] = (),
        letters: Sequence[Letter] = (),
        answered: Sequence[int] = (),
    ) -> None:
        self.accepted = accepted
        self.saved = saved
        self.states = states
        self.letters = letters
        self.answered = answered
        self.done = done
        self.size = size
        self.internal = internal
        """Part of a run's own progress (`emit`): kept and tried again when the store is busy, never refused."""
        self.rides = rides
        """Key of the run whose progress it is: written together with what that run has recorded, not before."""


class Committer:
    """Collects, commits, tells."""

    def __init__(
        self,
        store: Store,
        limits: Limits,
        clock: Clock,
        on_dropped: Callable[[Iterable[int]], None],
        durations: Histogram | None = None,
    ) -> None:
        """`on_dropped`: told of runs that exist in memory but will never be in the store. `durations`: of commits."""
        self._durations = durations if durations is not None else Histogram(SHORT)
        self._store = store
        self._limits = limits
        self._clock = clock
        self._on_dropped = on_dropped
        self._offers: list[Offer] = []
        self._dirty: dict[int, Dirty] = {}
        self._carried: Batch | None = None
        self._sent: Batch | None = None
        self._waiters: list[Waiter] = []
        self._busy = False
        self._scheduled = False
        self._lazy: asyncio.TimerHandle | None = None
        self._queued = 0
        self._queued_bytes = 0
        self.broken: StoreBrokenError | None = None
        self.trouble: str | None = None
        """Why the last commit failed, while it is being tried again."""
        self.commits = 0
        self.sheet = TallySheet()
        self.followers: Callable[[Sequence[Acceptance], Committed], None] | None = None
        """Told of the events of each commit, in the same turn in which they stop to be `lowest`."""
        self.tasks: set[asyncio.Task[None]] = set()

    @property
    def queued(self) -> int:
        """Events that wait for a commit."""
        return self._queued

    def lowest(self) -> int | None:
        """The smallest key of an event that is not yet in the store and may still come into it; None: there is none.
        Every other event whose key has been made so far can be read, or never will.
        """
        waiting = [offer.accepted[0].event.key for offer in self._offers if offer.accepted]
        for batch in (self._carried, self._sent):
            waiting += [item.event.key for item in batch.accepted] if batch is not None else ()
        return min(waiting, default=None)

    def check_room(self, events: int, size: int) -> None:
        """Raises BusyError when the queue is full or the store is in trouble, StoreBrokenError when it is broken."""
        if self.broken is not None:
            raise self.broken
        if self.trouble is not None:
            raise BusyError(f"the store cannot write now: {self.trouble}", retry_after=2_000)
        if self._queued + events > self._limits.queued_events or self._queued_bytes + size > self._limits.queued_bytes:
            raise BusyError(f"{self._queued} events wait to be written; try again", retry_after=1_000)

    def offer(self, offer: Offer) -> None:
        """Add events; `offer.done` tells what became of them."""
        self._offers.append(offer)
        self._queued += len(offer.accepted)
        self._queued_bytes += offer.size
        self._soon()

    def ride(self, run: int, saved: list[tuple[str, str, bytes | None]]) -> None:
        """Values to keep, written together with what this run records before anything else happens."""
        done: asyncio.Future[Committed] = asyncio.get_running_loop().create_future()
        done.add_done_callback(_unheard)
        self._offers.append(Offer([], saved, done, internal=True, rides=run))

    def touch(self, dirty: Dirty, *, soon: bool = False) -> None:
        """This run has something to write; with `soon` now, else with the next commit (within 50 ms)."""
        self._dirty[dirty.key] = dirty
        if soon:
            self._soon()
        elif self._lazy is None and not self._scheduled and not self._busy:
            self._lazy = asyncio.get_running_loop().call_later(_LAZY, self._soon)

    def barrier(self, run: Dirty) -> asyncio.Future[None]:
        """A future that is done when everything this run has recorded so far is durable."""
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if self.broken is not None:
            waiter.set_exception(self.broken)
            return waiter
        self._dirty[run.key] = run
        self._waiters.append((run.key, waiter))
        self._soon()
        return waiter

    def add(self, batch: Batch) -> asyncio.Future[None]:
        """Put a small batch of someone's own into the next transaction; a future that is done when it is durable."""
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if self.broken is not None:
            waiter.set_exception(self.broken)
            return waiter
        self._carried = _joined(self._carried, batch)
        self._waiters.append((-1, waiter))
        self._soon()
        return waiter

    async def settled(self, keys: Iterable[int]) -> bool:
        """Return when whatever these runs, no longer in memory, have left to write can be read in the store. Whether
        there was anything.
        """
        wanted, waited = set(keys), False
        while any(wanted & held for held in (self._dirty.keys(), _runs(self._carried), _runs(self._sent))):
            await self.add(Batch())
            waited = True
        return waited

    async def flush(self) -> None:
        """Write everything that is waiting.

        Raises:
            StoreBrokenError: it cannot be written.
        """
        while self._offers or self._dirty or self._carried or self.sheet.pending:
            self.sheet.urge()
            await self.add(Batch())
        if self.tasks:
            await asyncio.wait(self.tasks)

    async def counted(self) -> None:
        """Return when what has been counted so far can be read in the store; at once when it cannot be written now."""
        if self.sheet.pending and self.trouble is None and self.broken is None:
            self.sheet.urge()
            await asyncio.wait({self.add(Batch())}, timeout=_PATIENCE)

    def _soon(self) -> None:
        """Send at the end of this turn of the loop, so that all who are ready in it share the batch."""
        if self._scheduled or self._busy:
            return
        self._scheduled = True
        asyncio.get_running_loop().call_soon(self._send)

    def _send(self) -> None:
        self._scheduled = False
        if self._busy or self.broken is not None:
            return
        if self._lazy is not None:
            self._lazy.cancel()
            self._lazy = None
        if not (self._offers or self._dirty or self._waiters or self._carried):
            return
        self._busy = True
        task = asyncio.get_running_loop().create_task(self._commit())
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def _commit(self) -> None:
        pause = 0.0
        while self._offers or self._dirty or self._waiters or self._carried:
            offers, waiters, batch = self._collect()
            self._sent = batch
            self.sheet.fold(batch, self._clock.now())
            try:
                began = perf_counter()
                committed = await self._store.commit(batch)
                self._durations.take(perf_counter() - began)
            except StoreBusyError as error:
                pause = min(max(pause * 2, _RETRY_FIRST), _RETRY_LONGEST)
                self._postpone(batch, offers, waiters, error)
                await asyncio.sleep(pause)
                continue
            except Exception as error:  # noqa: BLE001 - StoreError, or a fault of ours: commits must not end unheard
                self._break(error, offers, waiters)
                break
            pause = 0.0
            self._settle(batch, committed, offers, waiters)
            # One turn of the loop: those just told get to add to the batch that follows.
            await asyncio.sleep(0)
        self._busy = False
        if self._offers or self._dirty or self._waiters:
            self._soon()

    def _collect(self) -> tuple[list[Offer], list[Waiter], Batch]:
        """What the next transaction writes, up to the limits of one batch."""
        batch, self._carried = self._carried or Batch(), None
        # What runs emit goes along in any case: it shares the transaction of the step that did it.
        inner = [offer for offer in self._offers if offer.internal]
        rest = [offer for offer in self._offers if not offer.internal] if inner else self._offers
        count = events = size = 0
        for offer in rest:
            if count and (events >= self._limits.batch or size >= self._limits.batch_bytes):
                break
            count += 1
            events += len(offer.accepted)
            size += offer.size
        offers, self._offers = rest[:count], rest[count:]
        later = {run.key for offer in self._offers for item in offer.accepted for run in item.runs}
        if later and inner:
            self._offers += [offer for offer in inner if offer.rides in later]
            inner = [offer for offer in inner if offer.rides not in later]
        offers = inner + offers
        for offer in offers:
            batch.accepted.extend(offer.accepted)
            for name in _BESIDE:
                getattr(batch, name).extend(getattr(offer, name))
            self._queued -= len(offer.accepted)
            self._queued_bytes -= offer.size
        self._take_dirty(batch, later)
        waiters = [waiter for waiter in self._waiters if waiter[0] not in self._dirty]
        self._waiters = [waiter for waiter in self._waiters if waiter[0] in self._dirty]
        return offers, waiters, batch

    def _take_dirty(self, batch: Batch, later: set[int]) -> None:
        """Runs whose own event is not in this batch yet must not be written before it."""
        dirty, self._dirty = self._dirty, {}
        for key, run in dirty.items():
            if key in later:
                self._dirty[key] = run
                continue
            record, segment = run.take()
            if record is not None:
                batch.runs[key] = record
            if segment is not None:
                batch.journal.append((key, segment))
            said = run.said()
            if said is not None:
                batch.lines.append((key, said))

    def _settle(self, batch: Batch, committed: Committed, offers: list[Offer], waiters: list[Waiter]) -> None:
        self._sent = None
        self.sheet.settled(batch, committed)
        if self.followers is not None and batch.accepted:
            self.followers(batch.accepted, committed)
        self.commits += 1
        self.trouble = None
        if committed.dropped or committed.fenced:
            self._forget(committed.dropped | committed.fenced)
        for offer in offers:
            if not offer.done.done():
                offer.done.set_result(committed)
        for _, waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)

    def _forget(self, keys: Iterable[int]) -> None:
        for key in keys:
            self._dirty.pop(key, None)
        self._on_dropped(keys)

    def _postpone(self, batch: Batch, offers: list[Offer], waiters: list[Waiter], error: StoreBusyError) -> None:
        """Refuse what came from outside, keep what runs have done, and try again."""
        self._sent = None
        self.sheet.failed()
        if self.trouble is None:
            _log.error("the store cannot write: %s; trying again", error)
        self.trouble = str(error)
        waiting = (*offers, *self._offers)
        refused, self._offers = [o for o in waiting if not o.internal], [o for o in waiting if o.internal]
        lost = {run.key for offer in refused for item in offer.accepted for run in item.runs}
        gone = {id(item) for offer in waiting for item in offer.accepted}
        for offer in [offer for offer in self._offers if offer.rides in lost]:
            self._offers.remove(offer)
            offer.done.cancel()
        batch.accepted = [item for item in batch.accepted if id(item) not in gone]
        for name in _BESIDE:
            theirs = {id(each) for offer in waiting for each in getattr(offer, name)}
            setattr(batch, name, [each for each in getattr(batch, name) if id(each) not in theirs])
        batch.runs = {key: run for key, run in batch.runs.items() if key not in lost}
        batch.journal = [(key, segment) for key, segment in batch.journal if key not in lost]
        batch.lines = [(key, said) for key, said in batch.lines if key not in lost]
        self._carried = _joined(batch, self._carried)
        self._queued = sum(len(offer.accepted) for offer in self._offers)
        self._queued_bytes = sum(offer.size for offer in self._offers)
        self._waiters = waiters + self._waiters
        self._forget(lost)
        for offer in refused:
            if not offer.done.done():
                offer.done.set_exception(BusyError(f"the store cannot write now: {error}", retry_after=2_000))

    def _break(self, error: Exception, offers: list[Offer], waiters: list[Waiter]) -> None:
        self._sent = None
        self.broken = error if isinstance(error, StoreBrokenError) else StoreBrokenError(f"{error!r}")
        known = isinstance(error, StoreError)
        _log.critical("the store is broken and nothing more is accepted: %s", error, exc_info=None if known else error)
        told: list[asyncio.Future[Any]] = [offer.done for offer in (*offers, *self._offers)]
        told += [waiter for _, waiter in (*waiters, *self._waiters)]
        for future in told:
            if not future.done():
                future.set_exception(self.broken)
        self._offers, self._waiters, self._dirty = [], [], {}


def _unheard(done: asyncio.Future[Committed]) -> None:
    """Nobody waits for it; that it failed is told elsewhere."""
    if not done.cancelled():
        done.exception()


def _runs(batch: Batch | None) -> AbstractSet[int]:
    if batch is None:
        return frozenset()
    return batch.runs.keys() | set(batch.gone) if batch.gone else batch.runs.keys()


def _joined(first: Batch | None, second: Batch | None) -> Batch:
    """Both in one batch; where both have a run, the second one's record is the newer."""
    whole = first or Batch()
    if second is not None:
        whole.accepted.extend(second.accepted)
        whole.runs.update(second.runs)
        whole.journal.extend(second.journal)
        whole.lines.extend(second.lines)
        whole.saved.extend(second.saved)
        whole.states.extend(second.states)
        whole.gone.extend(second.gone)
        whole.verdicts.extend(second.verdicts)
        whole.letters.extend(second.letters)
        whole.answered.extend(second.answered)
        whole.samples.extend(second.samples)
    return whole
