"""What follows from the figures of triggers: who is behind, who is silent, and what the stream is told."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Protocol

from reactor.engine.executor import Executor
from reactor.engine.trigger_context import TriggerStatus
from reactor.model import durations
from reactor.model.states import TriggerState

BEHIND, BEHIND_FOR = 1_000, 10_000
"""So many messages waiting at the source, for so many milliseconds: then a trigger is lagging."""
_EVERY = 1.0
_LISTENING = (TriggerState.ARMED, TriggerState.LAGGING)


class Keeper(Protocol):
    """Who has the triggers."""

    @property
    def executor(self) -> Executor:
        """Whose clock counts."""
        ...

    def status(self) -> Iterable[TriggerStatus]:
        """All of them."""
        ...

    def state(self, status: TriggerStatus, state: TriggerState, reason: str) -> None:
        """Note a state."""
        ...

    def told(self, status: TriggerStatus) -> None:
        """Give figures to who listens."""
        ...

    def silent(self, status: TriggerStatus) -> None:
        """An expected event has not come."""
        ...


class TriggerWatch:
    """Looks at all triggers once a second, and at one whenever it says something."""

    def __init__(self, keeper: Keeper) -> None:
        self._keeper = keeper
        self._seen: dict[str, tuple[object, ...]] = {}
        self._quiet: set[str] = set()
        self._task: asyncio.Task[None] | None = None
        self.on_look: list[Callable[[], None]] = []
        """Called after each look."""

    def start(self) -> None:
        """Begin to look."""
        self._task = asyncio.get_running_loop().create_task(self._look())

    async def stop(self) -> None:
        """Look no more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})
            self._task = None

    async def _look(self) -> None:
        while True:
            await asyncio.sleep(_EVERY)
            seen: dict[str, tuple[object, ...]] = {}
            for status in self._keeper.status():
                self.judge(status)
                seen[status.key] = figures = (status.events, status.errors, status.lag, status.letters)
                if self._seen.get(status.key, figures) != figures:
                    self._keeper.told(status)
            self._seen = seen
            self._quiet &= seen.keys()
            for told in self.on_look:
                told()

    def judge(self, status: TriggerStatus) -> None:
        """Set the state that follows from what the connector says and from the figures; only of one that listens."""
        claimed, reason = status.claimed
        if claimed not in _LISTENING:
            return
        now = self._keeper.executor.clock.now()
        status.armed_at = status.armed_at or now
        if status.lag is None or status.lag < BEHIND:
            status.behind_since = None
        elif status.behind_since is None:
            status.behind_since = now
        if (silence := self._silence(status, now)) is not None:
            claimed, reason = TriggerState.LAGGING, silence
        elif claimed is TriggerState.ARMED and now - (status.behind_since or now) >= BEHIND_FOR:
            claimed, reason = TriggerState.LAGGING, f"{BEHIND:,} messages and more have waited at the source for 10 s"
        self._keeper.state(status, claimed, reason)

    def _silence(self, status: TriggerStatus, now: int) -> str | None:
        """Why an expected event is missed; None: it is not."""
        if status.expects is None or status.armed_at is None:
            return None
        if now - max(status.last_event_at or 0, status.armed_at) < status.expects:
            self._quiet.discard(status.key)
            return None
        if status.key not in self._quiet:
            self._quiet.add(status.key)
            self._keeper.silent(status)
        return f"no event has come for {durations.show(status.expects)}; at least one is expected in that time"
