"""The committed events, in the order of their keys, for those who follow the log.

Keys are made in order but not committed in order: what a run emits overtakes what waits at the door. So an event is
handed on only when no smaller key can come any more (`Committer.lowest`). What has just been committed comes from
memory, within a bound; what does not fit there, and all from before, is read from the store. Both give the same.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from reactor.engine.committer import Committer
from reactor.model.event import Event
from reactor.model.ids import IdMaker
from reactor.stores.port import Acceptance, Committed, EventLog

HELD = 4_096
"""Events that are held for one follower."""
HELD_BYTES = 16 << 20
"""Of their data."""
LOOK = 1_000
"""Events that one read looks at."""
_TYPES = 4_096
"""Event types whose followers are known by heart."""


class Feed:
    """Hands on what is committed."""

    def __init__(self, log: EventLog, committer: Committer, ids: IdMaker) -> None:
        self.log = log
        self._committer = committer
        self._ids = ids
        self.last = 0
        """Key of the last event that was committed while somebody followed."""
        self._followers: list[Follower] = []
        self._by_type: dict[str, list[Follower]] = {}

    def follow(self, wanted: Callable[[str], bool], types: Sequence[str] | None) -> Follower:
        """A new follower of the events whose type is `wanted`; `types`: all of them, where they can be listed."""
        follower = Follower(self, wanted, types)
        self._followers.append(follower)
        self._changed()
        return follower

    def leave(self, follower: Follower) -> None:
        """He follows no more."""
        self._followers.remove(follower)
        self._changed()

    def _changed(self) -> None:
        self._by_type.clear()
        self._committer.followers = self._committed if self._followers else None

    def _committed(self, accepted: Sequence[Acceptance], committed: Committed) -> None:
        self.last = accepted[-1].event.key
        for item in accepted:
            event = item.event
            if event.key in committed.duplicates:
                continue
            followers = self._by_type.get(event.type)
            if followers is None:
                if len(self._by_type) >= _TYPES:
                    self._by_type.clear()
                followers = [follower for follower in self._followers if follower.wanted(event.type)]
                self._by_type[event.type] = followers
            for follower in followers:
                follower.push(event)

    def now(self) -> int:
        """A key above all that have been made."""
        return self._ids.next()

    def settled(self) -> int:
        """Every event with a smaller key can be read, or will never be there."""
        lowest = self._committer.lowest()
        return self._ids.next() if lowest is None else lowest


class Follower:
    """One reader of the log. He keeps his own cursor."""

    def __init__(self, feed: Feed, wanted: Callable[[str], bool], types: Sequence[str] | None) -> None:
        self.wanted = wanted
        self.woken = asyncio.Event()
        self._feed = feed
        self._types = types
        self._held: list[Event] = []
        self._size = 0
        self._whole_from = feed.now()
        """Every wanted event that is committed and has this key or a greater one is held, or has been taken."""

    def push(self, event: Event) -> None:
        """One more has been committed."""
        self._held.append(event)
        self._size += len(event.raw or b"")
        if len(self._held) > HELD or self._size > HELD_BYTES:
            self._held.clear()
            self._size = 0
            self._whole_from = self._feed.now()
        self.woken.set()

    @property
    def held(self) -> int:
        """How many are in memory."""
        return len(self._held)

    def from_store(self, cursor: int) -> bool:
        """Whether the next events behind the cursor are not in memory."""
        return cursor + 1 < self._whole_from

    async def take(self, cursor: int, limit: int) -> tuple[list[Event], int]:
        """The next wanted events with keys above the cursor, at most `limit`, and the new cursor."""
        self.woken.clear()
        below = self._feed.settled()
        if self.from_store(cursor):
            below = min(below, self._whole_from)
            if below <= cursor + 1:
                return [], cursor
            events, upto = await self._feed.log.events_after(cursor, below, LOOK, self._types)
            events = [event for event in events if self.wanted(event.type)]
            return events, upto
        held = sorted(self._held, key=lambda event: event.key)
        ready = [event for event in held if cursor < event.key < below]
        upto = max(cursor, below - 1)
        if len(ready) > limit:
            ready = ready[:limit]
            upto = ready[-1].key
        self._held = [event for event in held if event.key > upto]
        self._size = sum(len(event.raw or b"") for event in self._held)
        return ready, upto

    async def behind(self, cursor: int, most: int) -> int:
        """How many events wait behind the cursor, about; counted up to `most`."""
        if not self.from_store(cursor):
            return len(self._held)
        return await self._feed.log.count_after(cursor, self._whole_from, most) + len(self._held)
