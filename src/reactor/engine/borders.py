"""Borders: where a run in memory may be stopped, paused, or leave memory."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import msgspec

from reactor.engine.written import Written
from reactor.model.clock import Instant
from reactor.model.journal import Entry, Run
from reactor.model.states import RunStatus
from reactor.runtime.cleaning import cleans
from reactor.runtime.interpreter import RunEnd

if TYPE_CHECKING:
    from reactor.engine.executor import Executor

_IDLE_TURNS, _TURNS_OF_A_LEVEL = 3, 16
"""Turns of the loop without progress after which a run is known to only wait: the end of something nested takes a few
turns for each level on its way up, and says nothing meanwhile.
"""
_GUARD = "#timeout"
"""Ends the key of a wait that only limits others."""


class Held(msgspec.Struct, frozen=True):
    """One thing that a run waits for."""

    until: Instant | None
    reason: str
    """In words."""
    told: bool = True
    """Whoever ends the wait wakes the run, wherever it is; else it looks for itself now and then."""


class Borders(Written):
    """A run's stay in memory."""

    def __init__(self, executor: Executor, record: Run, journal: Sequence[Entry]) -> None:
        super().__init__(executor, record, journal)
        self.task: asyncio.Task[None] | None = None
        self.cancel_reason: str | None = None
        self.pausing = False
        self._evicting = False
        self._acts = 0
        self._waits: dict[str, Held] = {}
        self._leaving_later = False
        self._levels = 0
        """How deep the run has been."""
        pause, cancel = self._index.get("#pause"), self._index.get("#cancel")
        self._cancel_told = cancel is not None and _told(journal, self._index)
        if cancel is None:
            self.pausing = pause is not None and pause.status == "paused"
        else:
            self.cancel_reason = str(cancel.value)

    @property
    def evicting(self) -> bool:
        """See `Record.evicting`."""
        return self._evicting

    def moved(self) -> None:
        """Something that it waits for has come: it does not leave memory before it has seen that."""
        self._turns += 1

    def waits(self) -> list[str]:
        """What the run is waiting for now, in words."""
        return [held.reason for held in self._waits.values()]

    async def border(self, path: str) -> None:
        """Go on, unless the run is to be stopped here, to be paused, or to leave memory. `path`: of the step that is
        about to do something; one that cleans up is not stopped.
        """
        self._turns += 1
        self._levels = max(self._levels, path.count("."))
        if self._evicting:
            await self._never()
        if self.executor.stopping and self.task is not None:
            self._evicting = True
            self.task.cancel()
            await self._never()
        if self.cancel_reason is not None and not self._cancel_told and self.task is not None and not cleans(path):
            # From the top: the end of a branch that has lost, or of a timer, is not looked at.
            self._cancel_told = True
            self.task.cancel()
            await self._never()
        if self.pausing:
            await self._leave(RunStatus.PAUSED, "paused by hand", None)

    async def _never(self) -> None:
        """The run leaves memory, and this branch of it is about to be cancelled."""
        await asyncio.get_running_loop().create_future()

    @contextlib.contextmanager
    def looking(self) -> Iterator[None]:
        """Reading the store takes turns of the loop: that is no waiting, and no time to leave memory."""
        self._acts += 1
        try:
            yield
        finally:
            self._acts -= 1

    # --- what people ask -----------------------------------------------------------------------------------------

    def cancel(self, reason: str) -> None:
        """Somebody wants this run to stop."""
        if self.cancel_reason is not None:
            return
        self.cancel_reason = reason
        self.pausing = False
        self._index["#cancel"] = Entry("#cancel", self.now(), value=reason)
        self.record(self._index["#cancel"])
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

    # --- leaving memory ------------------------------------------------------------------------------------------

    def _next_wake(self) -> Instant | None:
        instants = [held.until for held in self._waits.values() if held.until is not None]
        return min(instants) if instants else None

    def _only_waits(self) -> bool:
        """Whether it is worth while to leave: nothing is under way, and nothing is due in a moment."""
        wake = self._next_wake()
        return (
            not self._acts
            and bool(self._waits)
            and all(self._is_needed(key) for key in self._waits if key.endswith(_GUARD))
            and (wake is None or wake - self.now() > self.executor.limits.passivate_after)
        )

    def _is_needed(self, guard: str) -> bool:
        """Whether what is limited still waits for something; else it has ended, and that is on its way up."""
        path = guard.removesuffix(_GUARD)
        return any(key.startswith(path) and not key.endswith(_GUARD) for key in self._waits)

    def _consider_leaving(self, *, again: bool = False) -> None:
        """After a few turns of the loop without any progress the run is known to only wait. `again`: if it is not
        worth while to leave now, it may be later.
        """
        turns, left = self._turns, _IDLE_TURNS + _TURNS_OF_A_LEVEL * self._levels

        def look() -> None:
            nonlocal left
            if not self._waits or self._evicting:
                return
            if self._turns != turns or self._acts:
                # Another branch is at work, and may end without a word: somebody has to look again.
                self._leave_later()
                return
            left -= 1
            if left:
                asyncio.get_running_loop().call_soon(look)
            elif self._only_waits():
                self._evict_waiting()
            elif again:
                self._leave_later()

        asyncio.get_running_loop().call_soon(look)

    def _leave_later(self) -> None:
        """Leave memory once nothing has moved for the time of passivation."""
        if self._leaving_later:
            return
        self._leaving_later = True
        turns = self._turns

        def look() -> None:
            self._leaving_later = False
            if not self._waits or self._evicting:
                return
            if self._turns == turns and self._only_waits():
                self._consider_leaving(again=True)
            else:
                self._leave_later()

        self.executor.timers.call_at(self.now() + self.executor.limits.passivate_after, look)

    def _evict_waiting(self) -> None:
        wake = self._next_wake()
        if not all(held.told or held.until is not None for held in self._waits.values()):
            again = self.now() + self.executor.limits.horizon
            wake = again if wake is None else min(wake, again)
        self._evict(RunStatus.WAITING, "; ".join(self.waits()), wake)

    def _evict(self, status: RunStatus, reason: str, wake: Instant | None) -> None:
        if self._evicting or self.task is None:
            return
        self._evicting = True
        waits = self.executor.waits.left(self.key, asleep=status is RunStatus.WAITING)
        self.status(status, waiting_for=reason, wake_at=wake, waits=waits)
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

    def _spoilt(self, end: RunEnd) -> None:
        self.abandon()
        self.executor.finish(self, end)


def _told(journal: Sequence[Entry], known: Mapping[str, Entry]) -> bool:
    """Whether the code of a Python flow knows it already, and may be cleaning up: a step that it asked for was
    cancelled after the last word to cancel. Of other flows the paths tell what cleans up.
    """
    asked = max((n for n, entry in enumerate(journal) if entry.key == "#cancel"), default=len(journal))
    return any(entry.status == RunStatus.CANCELLED and entry.key + "#kind" in known for entry in journal[asked:])
