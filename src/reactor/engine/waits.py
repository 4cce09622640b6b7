"""Who waits for which events. The store is what counts: a run that begins to wait looks back at everything that has
come since it began. In memory there is only an index, so that an event finds those who wait for it, also the runs that
have left memory (some 400 bytes each).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Iterable, Iterator
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from reactor.model import failpoints, ids
from reactor.model.clock import Instant
from reactor.model.errors import StoreBusyError, StoreError
from reactor.model.event import Event
from reactor.model.journal import EventWait, Run, Wanted
from reactor.model.states import RunStatus
from reactor.routing.patterns import fits
from reactor.routing.table import glob
from reactor.stores.port import EventFilter, EventRow, RunFilter

if TYPE_CHECKING:
    from reactor.engine.executor import Executor
    from reactor.engine.live import LiveRun

_log = logging.getLogger("reactor.engine")
_PAGE = 500
_PIECE = 1 << 20
"""Bytes of data that are read at once, or one event where that is larger."""
_PAUSE = 1.0

_glob = lru_cache(maxsize=1_024)(glob)


class Wait:
    """One step of one run that waits."""

    __slots__ = ("accept", "given", "key", "live", "path", "run", "seen", "source", "type")

    def __init__(self, run: int, path: str, type_: str, key: str | None, source: str | None, seen: int = 0) -> None:
        self.run = run
        self.path = path
        self.type = type_
        self.key = key
        self.source = source
        self.seen = seen
        """All events up to this one have been looked at; only of those that are out of memory."""
        self.live: LiveRun | None = None
        """None: the run is out of memory, or about to leave it."""
        self.accept: Any = None
        self.given: asyncio.Future[dict[str, Any] | None] | None = None

    def give(self, view: dict[str, Any] | None) -> None:
        """What it waits for is here (None: it is over)."""
        if self.live is not None and self.given is not None and not self.given.done():
            self.live.moved()
            self.given.set_result(view)

    def takes(self, view: dict[str, Any]) -> bool:
        """Whether it is this one. Whatever goes wrong in a flow's condition is a no."""
        try:
            return bool(self.accept(view))
        except Exception as error:  # noqa: BLE001 - see `Wanted.accept`
            _log.debug("run %s, step %s: %s", ids.to_text("run", self.run), self.path, error)
            return False


class Waits:
    """See the module."""

    def __init__(self, executor: Executor) -> None:
        self._executor = executor
        self._keyed: dict[str, dict[str, dict[Wait, None]]] = {}
        """Type → subject → who waits."""
        self._exact: dict[str, dict[Wait, None]] = {}
        self._patterns: dict[str, dict[Wait, None]] = {}
        self._runs: dict[int, list[Wait]] = {}
        self._coming: dict[int, None] = {}
        """Keys of events, rising, that are not committed yet, or of which nobody who waits has been told."""
        self.restored = asyncio.Event()
        """Who had left memory before this start is known."""

    # --- beginning and ending ------------------------------------------------------------------------------------

    def begin(self, live: LiveRun, path: str, wanted: Wanted) -> tuple[Wait, asyncio.Future[dict[str, Any] | None]]:
        """A step of a run in memory waits; what it is given."""
        wait = Wait(live.key, path, wanted.type, wanted.key, wanted.source)
        wait.live, wait.accept = live, wanted.accept
        given: asyncio.Future[dict[str, Any] | None] = asyncio.get_running_loop().create_future()
        wait.given = given
        self._add(wait)
        return wait, given

    def _add(self, wait: Wait) -> None:
        self._runs.setdefault(wait.run, []).append(wait)
        self._place(wait)[wait] = None

    def _place(self, wait: Wait) -> dict[Wait, None]:
        if "*" in wait.type:
            return self._patterns.setdefault(wait.type, {})
        if wait.key is not None:
            return self._keyed.setdefault(wait.type, {}).setdefault(wait.key, {})
        return self._exact.setdefault(wait.type, {})

    def end(self, wait: Wait) -> None:
        """It waits no longer."""
        mine = self._runs.get(wait.run, [])
        if wait in mine:
            mine.remove(wait)
            if not mine:
                del self._runs[wait.run]
        self._drop(wait)

    def _drop(self, wait: Wait) -> None:
        place = self._place(wait)
        place.pop(wait, None)
        if place:
            return
        if "*" in wait.type:
            del self._patterns[wait.type]
        elif wait.key is None:
            del self._exact[wait.type]
        else:
            subjects = self._keyed[wait.type]
            del subjects[wait.key]
            if not subjects:
                del self._keyed[wait.type]

    def forget(self, run: int) -> None:
        """This run waits for nothing: it comes back into memory, or has ended."""
        for wait in self._runs.pop(run, ()):
            self._drop(wait)

    def left(self, run: int, *, asleep: bool) -> tuple[EventWait, ...]:
        """A run leaves memory; what its record keeps of it. Not `asleep`: no event wakes it."""
        if run not in self._runs:
            return ()
        if not asleep:
            self.forget(run)
            return ()
        seen = next(iter(self._coming), self._executor.ids.newest + 1) - 1
        for wait in self._runs[run]:
            wait.live = wait.accept = wait.given = None
            wait.seen = seen
        return tuple(EventWait(wait.type, wait.key, wait.source, seen) for wait in self._runs[run])

    # --- what may be asked ---------------------------------------------------------------------------------------

    def listens(self, type_: str) -> bool:
        """Whether somebody waits for this type by name (see `RouteTable.listens`)."""
        if type_ in self._exact or type_ in self._keyed:
            return True
        return any(pattern[0] != "*" and fits(pattern, type_) for pattern in self._patterns)

    def subjects(self, type_: str) -> list[tuple[int, str]]:
        """(run, subject) of all who wait for one subject of exactly this type, oldest run first."""
        found = [(w.run, subject) for subject, waits in self._keyed.get(type_, {}).items() for w in waits]
        return sorted(set(found))

    # --- events --------------------------------------------------------------------------------------------------

    def coming(self, events: Iterable[Event]) -> None:
        """These are about to be committed."""
        self._coming.update((event.key, None) for event in events)

    def gone(self, events: Iterable[Event]) -> None:
        """These are not coming: they were refused, or seen before."""
        for event in events:
            self._coming.pop(event.key, None)

    def arrived(self, event: Event) -> None:
        """An event is in the store: those in memory who wait for it are asked, the others are woken."""
        failpoints.reach("event.arrived")
        self._coming.pop(event.key, None)
        if not self._runs:
            return
        view: dict[str, Any] | None = None
        woken: dict[int, None] = {}
        for wait in list(self._candidates(event.type, event.subject, event.source)):
            if wait.live is None:
                woken[wait.run] = None
                continue
            view = view or event.view()
            if wait.takes(view):
                wait.give(view)
        if woken:
            self._executor.wake(woken)

    def _candidates(self, type_: str, subject: str | None, source: str) -> Iterator[Wait]:
        groups = [self._exact.get(type_, {})]
        if subject is not None:
            groups.append(self._keyed.get(type_, {}).get(subject, {}))
        groups += [waits for pattern, waits in self._patterns.items() if fits(pattern, type_)]
        for group in groups:
            for wait in group:
                if wait.key in (None, subject) and (wait.source is None or _glob(wait.source).fullmatch(source)):
                    yield wait

    # --- looking back --------------------------------------------------------------------------------------------

    async def before(self, live: LiveRun, wait: Wait, wanted: Wanted, until: Instant | None) -> dict[str, Any] | None:
        """The oldest wanted event that came since the run began and before `until`; read in pages."""
        record = live.record_
        began = record.key
        if record.event_key is not None and record.parent_key is None and record.forked_from is None:
            began = record.event_key
        below = None if until is None else ids.first_at(until + 1)
        async for rows in self._pages(wanted.type, wanted.key, began, below):
            keys = [row for row in rows if _fits(wait, row)]
            for piece in _pieces(keys):
                for event in await self._read(piece):
                    view = event.view()
                    if wait.takes(view):
                        return view
        return None

    async def _pages(
        self, type_: str, subject: str | None, above: int, below: int | None = None
    ) -> AsyncIterator[list[EventRow]]:
        """Events without their data that may fit, oldest first."""
        pattern = "*" in type_
        wanted = EventFilter(
            type=None if pattern else type_,
            prefix=(_head(type_) or None) if pattern else None,
            subject=subject,
            below=below,
            above=above,
            limit=_PAGE,
        )
        while True:
            page = await self._patient(wanted)
            if page:
                yield page
            if len(page) < _PAGE:
                return
            wanted = EventFilter(**{**_fields(wanted), "above": page[-1].key})

    async def _patient(self, wanted: EventFilter) -> list[EventRow]:
        while True:
            try:
                return await self._executor.history.events(wanted)
            except StoreBusyError as error:
                _log.error("cannot look back at events, trying again: %s", error)
                await asyncio.sleep(_PAUSE)

    async def _read(self, keys: list[int]) -> list[Event]:
        while True:
            try:
                return await self._executor.history.read(keys)
            except StoreBusyError as error:
                _log.error("cannot read events, trying again: %s", error)
                await asyncio.sleep(_PAUSE)

    # --- after a start -------------------------------------------------------------------------------------------

    async def restore(self) -> None:
        """After a start, in the background: who waits out of memory is known again from the records; then those are
        woken for whom something has come of which nobody was told before the end of the last process.
        """
        try:
            await self._index()
            self.restored.set()
            await self._catch_up()
        except StoreError as error:
            _log.error("cannot look for runs that wait for events: %s", error)

    async def _index(self) -> None:
        below: int | None = None
        while True:
            wanted = RunFilter(status=(RunStatus.WAITING,), below=below, limit=_PAGE)
            try:
                page = await self._executor.history.runs(wanted)
            except StoreBusyError as error:
                _log.error("cannot look for runs that wait for events, trying again: %s", error)
                await asyncio.sleep(_PAUSE)
                continue
            for run in page:
                self._restored(run)
            if len(page) < _PAGE:
                return
            below = page[-1].key
            await asyncio.sleep(0)

    def _restored(self, run: Run) -> None:
        if run.key in self._runs or self._executor.knows(run.key):
            return
        for waited in run.waits:
            self._add(Wait(run.key, "", waited.type, waited.key, waited.source, waited.seen))

    async def _catch_up(self) -> None:
        seen: dict[str, int] = {}
        for waits in list(self._runs.values()):
            for wait in waits:
                if wait.live is None:
                    seen[wait.type] = min(seen.get(wait.type, wait.seen), wait.seen)
        for type_, oldest in seen.items():
            async for rows in self._pages(type_, None, oldest):
                woken = {
                    wait.run: None
                    for row in rows
                    if fits(type_, row.type)
                    for wait in self._candidates(row.type, row.subject, row.source)
                    if wait.live is None and wait.seen < row.key
                }
                if woken:
                    self._executor.wake(woken)
                await asyncio.sleep(0)


def _fields(wanted: EventFilter) -> dict[str, Any]:
    return {name: getattr(wanted, name) for name in wanted.__struct_fields__}


def _head(pattern: str) -> str:
    """The text that every type which fits the pattern begins with."""
    head = pattern.partition("*")[0]
    return head.removesuffix(".") if "**" in pattern else head


def _fits(wait: Wait, row: EventRow) -> bool:
    return (
        fits(wait.type, row.type)
        and (wait.key is None or wait.key == row.subject)
        and (wait.source is None or _glob(wait.source).fullmatch(row.source) is not None)
    )


def _pieces(rows: list[EventRow]) -> Iterator[list[int]]:
    """Keys of events whose data is read together."""
    piece: list[int] = []
    size = 0
    for row in rows:
        if piece and size + row.size > _PIECE:
            yield piece
            piece, size = [], 0
        piece.append(row.key)
        size += row.size
    if piece:
        yield piece
