"""One running pattern: follows the committed events, keeps what it knows of each key, tells what it finds.

Cursor, changed states and the events of matches are one commit, so a crash anywhere finds all of them or none: what was
not committed is done again, and gives the same, because it depends on nothing but the log. Time is the log's, too: an
event's is its arrival, as its key tells, and an absence is sure when every event that could have prevented it is there.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import msgspec

from reactor.engine.limits import Limits
from reactor.engine.patterns import told
from reactor.engine.patterns.cache import Cache
from reactor.engine.patterns.feed import Feed, Follower
from reactor.engine.patterns.matcher import Found, State
from reactor.engine.patterns.pattern import Pattern, Sorted, owner_of
from reactor.engine.patterns.told import Match
from reactor.model import failpoints
from reactor.model.clock import Clock, Instant
from reactor.model.errors import BusyError
from reactor.model.event import JSON, Event, EventDraft
from reactor.model.ids import instant_of
from reactor.sdk.trigger import Receipt
from reactor.stores.port import EventLog, KeyState

PASS = 500
"""Events, or states that are due, of one commit."""
BEHIND = 2_000
"""Events that may wait without the trigger being called lagging."""
COUNTED = 1_000_000
"""Events up to which a backlog is counted."""
SWEEP = 10_000
"""Milliseconds between two looks for states that are over, where nothing is found by time alone."""
RESTING = 30_000
"""Milliseconds: a cursor that has passed only what does not count is saved at the latest after this."""
_NAP = 1.0
_UNDER_WAY = 0.001
_BUSY_FIRST, _BUSY_MOST = 0.1, 5.0
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(list[Any]).decode


class Context(Protocol):
    """What the trigger's keeper gives (`engine.triggers`)."""

    @property
    def key(self) -> str: ...

    @property
    def clock(self) -> Clock: ...

    def saved(self) -> Mapping[str, JSON]: ...

    async def emit(
        self,
        drafts: Sequence[EventDraft],
        *,
        save: Mapping[str, JSON] | None = None,
        wait: bool = False,
        states: Sequence[KeyState] = (),
    ) -> list[Receipt]: ...

    def armed(self, *, next_at: int | None = None) -> None: ...

    def lagging(self, reason: str, lag: int | None = None) -> None: ...

    def errors(self, number: int, reason: str) -> None: ...


class Watch:
    """See the module."""

    def __init__(self, ctx: Context, pattern: Pattern, feed: Feed, limits: Limits) -> None:
        self._ctx = ctx
        self._pattern = pattern
        self._matcher = pattern.matcher
        self._feed = feed
        self._log: EventLog = feed.log
        self._limits = limits
        self._owner = owner_of(ctx.key, pattern.digest)
        self._cache = Cache()
        self._cursor = 0
        self._saved = 0
        """The cursor as it is in the store."""
        self._due: Instant | None = None
        """No state is due before this; None: there is none."""
        self._swept: Instant = 0
        self._told_at = float("-inf")

    async def run(self) -> None:
        """Follow until cancelled."""
        follower = self._feed.follow(self._pattern.wants, self._pattern.types)
        try:
            await self._begin()
            while True:
                await self._step(follower)
        finally:
            self._feed.leave(follower)

    async def _begin(self) -> None:
        """Where it was; a pattern that is new or was changed begins with what comes from now on."""
        saved = self._ctx.saved()
        cursor = saved.get("cursor")
        if isinstance(cursor, int) and saved.get("pattern") == self._pattern.digest:
            # Cursors may be above every event. If the clock was set back since, what comes now may be below them.
            self._cursor = self._saved = min(cursor, self._feed.now())
            self._due = await self._first_due()
            return
        await self._commit([], {}, self._feed.now())

    async def _step(self, follower: Follower) -> None:
        """What has come, what has become due; then rest."""
        before = self._cursor
        events, upto = await follower.take(before, PASS)
        if events:
            await self._work(events, upto)
        self._cursor = upto
        now = instant_of(upto + 1)
        more = self._due is not None and self._due < now and now >= self._swept and await self._sweep(now)
        if self._feed.last > self._saved and instant_of(upto) - instant_of(self._saved) > RESTING:
            await self._commit([], {}, upto)
        if upto == before and (follower.held or follower.from_store(upto)):
            # What is there has to wait for what came before it, and is under way.
            await asyncio.sleep(_UNDER_WAY)
        elif follower.held > BEHIND or follower.from_store(upto):
            await self._tell_lag(follower)
        elif not more:
            self._ctx.armed(next_at=self._due if self._pattern.waits else None)
            if not follower.held:
                await self._rest(follower)

    async def _tell_lag(self, follower: Follower) -> None:
        """Say how far it is behind, once a second."""
        now = asyncio.get_running_loop().time()
        if now - self._told_at >= _NAP:
            lag = await follower.behind(self._cursor, COUNTED)
            self._ctx.lagging("catching up with the events that came meanwhile", lag)
            self._told_at = now

    async def _rest(self, follower: Follower) -> None:
        """Until something comes, or may have become due."""
        timeout = RESTING / 1000
        if self._due is not None:
            # The clock may be set: look again each second.
            left = max(self._due + 1, self._swept) - self._ctx.clock.now()
            timeout = min(max(left, 1) / 1000, _NAP)
        try:
            async with asyncio.timeout(timeout):
                await follower.woken.wait()
        except TimeoutError:
            return

    # --- events ----------------------------------------------------------------------------------------------------

    async def _work(self, events: Sequence[Event], upto: int) -> None:
        """One commit's worth of events."""
        wanted = self._sorted(events)
        states = await self._load({sort.key for _, sort in wanted})
        changed: dict[str, State] = {}
        matches: list[Match] = []
        for event, sort in wanted:
            state = changed[sort.key] if sort.key in changed else states[sort.key]
            at = instant_of(event.key)
            if state and (due := self._matcher.due(state)) < at:
                matches += told.match(sort.key, self._matcher.over(state), due)
                state = None
            state, found = self._matcher.take(state, event.key, sort.parts)
            changed[sort.key] = state
            matches += told.match(sort.key, found, at)
        failpoints.reach("pattern.matched")
        if changed:
            drafts = await self._drafts(matches, {event.key: event for event in events})
            await self._commit(drafts, changed, upto)

    def _sorted(self, events: Sequence[Event]) -> list[tuple[Event, Sorted]]:
        wanted: list[tuple[Event, Sorted]] = []
        wrong: list[str] = []
        for event in events:
            sort = self._pattern.sort(event)
            if sort.wrong:
                wrong.append(f"event {event.id}: {sort.wrong}")
            if sort.parts:
                wanted.append((event, sort))
        if wrong:
            self._ctx.errors(len(wrong), wrong[-1])
        return wanted

    async def _load(self, keys: set[str]) -> dict[str, State]:
        states = {key: self._cache.get(key) for key in keys if key in self._cache}
        missing = [key for key in keys if key not in states]
        if missing:
            states.update(dict.fromkeys(missing))
            rows = await self._log.key_states(self._owner, missing)
            states.update((row.key, _decode(row.value or b"[]")) for row in rows)
        return states

    async def _drafts(self, matches: Sequence[Match], here: Mapping[int, Event]) -> list[EventDraft]:
        """The events that tell of the matches."""
        if not matches:
            return []
        events = dict(here)
        missing = [key for key in told.shown(matches) if key not in events]
        if missing:
            events.update((event.key, event) for event in await self._log.read(missing))
        drafts = []
        for match in matches:
            draft = told.draft(self._pattern, self._ctx.key, match, events, self._limits.event_data)
            if len(draft.causes) > self._limits.causes:
                text = f"{len(draft.causes)} events led to one another; the chain stops here: {draft.causes[-3:]}"
                self._ctx.errors(1, text)
            else:
                drafts.append(draft)
        return drafts

    # --- time ------------------------------------------------------------------------------------------------------

    async def _sweep(self, now: Instant) -> bool:
        """One commit's worth of states whose window ended before `now`: what is found by that is told, and they go.
        Whether there are more.
        """
        rows = await self._log.states_due(self._owner, now - 1, PASS)
        if rows:
            matches = [one for row in rows for one in told.match(row.key, self._over(row), row.due)]
            failpoints.reach("pattern.due")
            await self._commit(await self._drafts(matches, {}), {row.key: None for row in rows}, self._cursor)
        if len(rows) == PASS:
            return True
        self._due = await self._first_due()
        if not self._pattern.waits:
            self._swept = now + SWEEP
        return False

    def _over(self, row: KeyState) -> Found:
        return self._matcher.over(_decode(row.value or b"[]"))

    async def _first_due(self) -> Instant | None:
        first = await self._log.states_due(self._owner, (1 << 62), 1)
        return first[0].due if first else None

    # --- the commit ------------------------------------------------------------------------------------------------

    async def _commit(self, drafts: Sequence[EventDraft], changed: Mapping[str, State], cursor: int) -> None:
        """Events, states and cursor together. While the door is busy it is tried again."""
        states = []
        for key, state in changed.items():
            due = self._matcher.due(state) if state else 0
            states.append(KeyState(self._owner, key, due, _encode(state) if state else None))
            if state and (self._due is None or due < self._due):
                self._due = due
        save = {"cursor": cursor, "pattern": self._pattern.digest}
        pause = _BUSY_FIRST
        while True:
            try:
                await _whole(self._ctx.emit(drafts, save=save, states=states))
                break
            except BusyError as error:
                self._ctx.lagging(f"what was found cannot be written now, and is tried again: {error}")
                await asyncio.sleep(max(pause, (error.retry_after or 0) / 1000))
                pause = min(pause * 2, _BUSY_MOST)
        for key, state in changed.items():
            self._cache.put(key, state)
        self._cursor = self._saved = cursor


async def _whole(commit: Any) -> None:
    """Wait for a commit also when cancelled meanwhile: whoever follows then must not read the states of before it."""
    task = asyncio.ensure_future(commit)
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait({task})
        if not task.cancelled():
            task.exception()
        raise
