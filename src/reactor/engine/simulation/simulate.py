"""A changed flow against the recorded events: read in pages, with turns for everybody else, and nothing is touched."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import msgspec

from reactor.engine.executor import Executor
from reactor.engine.simulation.gates import VirtualGates
from reactor.engine.simulation.outcomes import HELD, NOT, QUEUED, STARTED, Fate, differ
from reactor.engine.simulation.paths import compared
from reactor.engine.simulation.recorded import Past, asleep, lasting
from reactor.model import ids
from reactor.model.clock import Instant, to_iso
from reactor.model.errors import InvalidError
from reactor.model.event import Event
from reactor.model.flow import Flow
from reactor.routing.table import RouteTable
from reactor.stores.port import EventFilter, EventRow, History

MOST_EVENTS, MOST_PATHS, MOST_ITEMS = 10_000, 500, 1_000
_PAGE = 500
_PIECE, _PIECE_EVENTS = 1 << 20, 100
"""Bytes of data, and events, that are read at once."""
_TURN = 200
"""Things that happen in the simulation between two turns of the loop."""
_CONTROLS = ("rate_limit", "hold", "throttle")


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """Which events, and how much is told of them."""

    since: Instant | None = None
    """None: however old."""
    until: Instant | None = None
    limit: int = 1_000
    """The newest so many."""
    paths: int = 50
    """Runs whose paths are compared, the newest."""
    items: int = 200
    """Events that are told one by one, differences first."""

    def check(self, now: Instant) -> None:
        """Raises:
        InvalidError: it asks for nothing, or for too much.
        """
        bounds = (("limit", self.limit, 1, MOST_EVENTS), ("paths", self.paths, 0, MOST_PATHS))
        for name, given, least, most in (*bounds, ("items", self.items, 0, MOST_ITEMS)):
            if not least <= given <= most:
                raise InvalidError(f"{name} is {least} to {most}, not {given}")
        if self.since is not None and self.since > now:
            raise InvalidError(f"since: {to_iso(self.since)} is in the future; no event has come since then")
        if self.since is not None and self.until is not None and self.until <= self.since:
            raise InvalidError(f"until: {to_iso(self.until)} is not after since, {to_iso(self.since)}")


class _Item(msgspec.Struct):
    """One event."""

    key: int
    type: str
    recorded: Fate
    taken: bool
    simulated: Fate
    path: dict[str, Any] | None = None

    def differs(self) -> bool:
        """Whether it fares otherwise, or its run takes another path."""
        return differ(self.recorded, self.simulated) or (self.path is not None and not self.path["same"])

    def view(self) -> dict[str, Any]:
        """As every door shows it."""
        run = self.recorded.run
        return {
            "event_id": ids.to_text("evt", self.key),
            "type": self.type,
            "time": to_iso(ids.instant_of(self.key)),
            "differs": self.differs(),
            "recorded": {
                **self.recorded.view(),
                "version": self.recorded.version,
                "run_id": None if run is None else ids.to_text("run", run),
            },
            "simulated": self.simulated.view(),
            "path": self.path,
        }


class Simulate:
    """One at a time: whoever comes second waits."""

    def __init__(self, executor: Executor, history: History) -> None:
        self._executor = executor
        self._history = history
        self._lock = asyncio.Lock()

    async def __call__(self, flow: Flow, wanted: Wanted) -> dict[str, Any]:
        """What this version of a flow would have done with the recorded events, beside what was done.

        Raises:
            InvalidError: see `Wanted.check`. StoreError: the store cannot be read.
        """
        wanted.check(self._executor.clock.now())
        async with self._lock:
            return await _Simulation(self._executor, self._history, flow, wanted).run()


class _Simulation:
    def __init__(self, executor: Executor, history: History, flow: Flow, wanted: Wanted) -> None:
        self._executor = executor
        self._history = history
        self._flow = flow
        self._wanted = wanted
        self._table = RouteTable([flow], executor.env)
        self._past = Past(executor.store, history, executor.book, flow.name, executor.env)
        self._lasted: dict[int, tuple[int, int]] = {}
        self._slots = flow.control is not None and flow.control.concurrency is not None
        self._gates = VirtualGates(flow, lambda key: self._lasted.get(key, (self._past.usual, self._past.usual)))
        self._items: list[_Item] = []

    async def run(self) -> dict[str, Any]:
        """See `Simulate`."""
        await self._past.open()
        rows, more = await self._rows(self._wanted.since, self._wanted.until, None, self._wanted.limit)
        before = await self._before(rows)
        async for events in self._read([*before, *rows]):
            await self._events(events, {row.key for row in before})
            await asyncio.sleep(0)
        more_to_come = True
        while more_to_come:
            more_to_come = self._gates.pass_time(_TURN)
            await asyncio.sleep(0)
        for item in self._items:
            if item.taken:
                item.simulated = self._gates.fate(item.key)
        await self._paths()
        return self._told(rows, more=more)

    # --- the events ------------------------------------------------------------------------------------------------

    async def _rows(
        self, since: Instant | None, until: Instant | None, below: int | None, limit: int
    ) -> tuple[list[EventRow], bool]:
        """The newest events, oldest first, and whether there are more."""
        found: list[EventRow] = []
        while len(found) <= limit:
            size = min(_PAGE, limit + 1 - len(found))
            page = await self._history.events(EventFilter(since=since, until=until, below=below, limit=size))
            found += page
            if len(page) < size:
                break
            below = page[-1].key
        return found[:limit][::-1], len(found) > limit

    async def _before(self, rows: list[EventRow]) -> list[EventRow]:
        """Events of before that the windows of the flow's rates still count: they are taken, and not told."""
        control, dedupe = self._flow.control, self._flow.dedupe
        parts = [getattr(control, name) for name in _CONTROLS] if control is not None else []
        longest = max([part.per for part in parts if part is not None] + ([dedupe.for_] if dedupe else []), default=0)
        if not longest or not rows:
            return []
        since = max(0, ids.instant_of(rows[0].key) - longest)
        return (await self._rows(since, None, rows[0].key, self._wanted.limit))[0]

    async def _read(self, rows: list[EventRow]) -> AsyncIterator[list[Event]]:
        piece: list[int] = []
        size = 0
        for row in rows:
            if piece and (size + row.size > _PIECE or len(piece) >= _PIECE_EVENTS):
                yield await self._history.read(piece)
                piece, size = [], 0
            piece.append(row.key)
            size += row.size
        if piece:
            yield await self._history.read(piece)

    async def _events(self, events: list[Event], early: set[int]) -> None:
        await self._past.runs(events)
        await self._durations(events)
        for event in events:
            matches, misses = self._table.match(event)
            hand = event.metadata.get("by") == "hand"
            if matches and not hand:
                self._gates.take(event, ids.instant_of(event.key))
            if event.key in early:
                continue
            recorded = await self._past.fate(event)
            rule, reason = (misses[0].rule, misses[0].reason) if misses else ("type", "it listens for something else")
            simulated = recorded if hand else Fate(outcome=NOT, rule=rule, reason=reason)
            self._items.append(_Item(event.key, event.type, recorded, bool(matches) and not hand, simulated))

    async def _durations(self, events: list[Event]) -> None:
        """How long the recorded runs took, and how long of that they held a slot."""
        ended: dict[int, int] = {}
        for event in events:
            run = self._past.run(event)
            took = lasting(run) if run is not None else None
            if run is not None and took is not None:
                self._lasted[event.key] = took, took
                ended[run.key] = event.key
        least = self._executor.limits.passivate_after
        slow = [key for key, event in ended.items() if self._lasted[event][0] >= least] if self._slots else []
        for loaded in await self._executor.store.load(slow) if slow else ():
            key = ended[loaded.run.key]
            took = self._lasted[key][0]
            self._lasted[key] = took, max(0, took - asleep(loaded.journal, least))

    # --- the paths -------------------------------------------------------------------------------------------------

    async def _paths(self) -> None:
        """For runs that both versions start."""
        begun = (STARTED, QUEUED, HELD)
        both = [
            item
            for item in reversed(self._items)
            if item.taken
            and item.recorded.run is not None
            and item.recorded.outcome in begun
            and item.simulated.outcome in begun
            and self._is_other(item.recorded.version)
        ][: self._wanted.paths]
        for item in both:
            for loaded in await self._executor.store.load([item.recorded.run or 0]):
                if loaded.journal:
                    item.path = await compared(self._executor, loaded, self._flow)
            await asyncio.sleep(0)

    def _is_other(self, version: int | None) -> bool:
        flow = self._past.flow(version) if version is not None else None
        return flow is None or flow.digest != self._flow.digest

    # --- the answer ------------------------------------------------------------------------------------------------

    def _told(self, rows: list[EventRow], *, more: bool) -> dict[str, Any]:
        touched = [item for item in self._items if item.taken or item.recorded.rule not in ("type", "address")]
        touched.sort(key=lambda item: (not item.differs(), -item.key))
        compared_runs = [item.path for item in self._items if item.path is not None]
        current = self._executor.book.current.get(self._flow.name)
        return {
            "flow": self._flow.name,
            "version": current.version if current is not None else None,
            "same_version": current is not None and current.digest == self._flow.digest,
            "events": len(rows),
            "more": more,
            "first_at": to_iso(ids.instant_of(rows[0].key)) if rows else None,
            "last_at": to_iso(ids.instant_of(rows[-1].key)) if rows else None,
            "recorded": _counts(item.recorded for item in self._items),
            "simulated": _counts(item.simulated for item in self._items),
            "differences": sum(item.differs() for item in self._items),
            "paths": {
                "compared": len(compared_runs),
                "other": sum(not path["same"] for path in compared_runs),
                "failed": sum(path["error"] is not None for path in compared_runs),
            },
            "notes": self._notes(current),
            "items": [item.view() for item in touched[: self._wanted.items]],
        }

    def _notes(self, current: Flow | None) -> list[str]:
        """What no recorded event can show."""
        notes = []
        before = {spec.key: spec for spec in current.triggers} if current is not None else {}
        for spec in self._flow.triggers:
            known = before.get(spec.key)
            if spec.kind != "event" and (known is None or (known.kind, known.config) != (spec.kind, spec.config)):
                notes.append(f"trigger {spec.key} ({spec.kind}) is new or changed: what it would tell was not recorded")
        control = self._flow.control
        if control is not None and (control.concurrency is not None or control.singleton is not None):
            notes.append(
                f"runs are taken to last as long as recorded, and {self._past.usual} ms where there is no record"
            )
        return notes


def _counts(fates: Any) -> dict[str, int]:
    """Outcome, and outcome with its rule, → how often."""
    counts: Counter[str] = Counter()
    for fate in fates:
        counts[fate.outcome] += 1
        if fate.outcome not in (STARTED, NOT) and fate.rule:
            counts[f"{fate.outcome}.{fate.rule}"] += 1
    return dict(sorted(counts.items()))
