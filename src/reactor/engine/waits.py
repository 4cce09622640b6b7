"""Who waits for which events. The store is what counts: a run that begins to wait looks back at everything that has
come since it began. In memory there is only an index, so that an event finds those who wait for it, also the runs that
have left memory (some 400 bytes each).
"""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections.abc import AsyncIterator, Iterable, Iterator
from typing import TYPE_CHECKING, Any

import msgspec

from reactor.model import failpoints, ids
from reactor.model.clock import Instant
from reactor.model.errors import StoreBusyError, StoreError
from reactor.model.event import Event
from reactor.model.journal import EventWait, Run, Wanted
from reactor.model.patterns import concerns, fits, glob
from reactor.model.states import RunStatus
from reactor.stores.port import Batch, EventFilter, EventRow, RunFilter

if TYPE_CHECKING:
    from reactor.engine.executor import Executor
    from reactor.engine.live import LiveRun

_log = logging.getLogger("reactor.engine")
_PAGE = 500
_PIECE = 1 << 20
"""Bytes of data that are read at once, or one event where that is larger."""
_PAUSE = 1.0
_KEEP = 10_000
"""Milliseconds between two notes of how far all have been told."""
_PLACE, _TOLD = "#waits", "told"
SUBJECT = ("subject",)
_LISTED = (("type",), ("subject",), ("source",))
"""Places that a list of events shows, too."""
Match = tuple[tuple[str, ...], Any]


class Wait:
    """One step of one run that waits."""

    __slots__ = ("accept", "given", "live", "run", "what")

    def __init__(self, run: int, what: EventWait) -> None:
        self.run = run
        self.what = what
        """`seen` counts only out of memory."""
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
            _log.debug("run %s, step %s: %s", ids.to_text("run", self.run), self.what.path, error)
            return False

    @property
    def slot(self) -> Match | None:
        """At which place of an event which value has to stand."""
        return (SUBJECT, self.what.key) if self.what.key is not None else self.what.match


class _Place:
    """Those who wait for one type, or one pattern of types."""

    __slots__ = ("every", "matched")

    def __init__(self) -> None:
        self.every: dict[Wait, None] = {}
        """They look at each event."""
        self.matched: dict[tuple[str, ...], dict[Any, dict[Wait, None]]] = {}
        """Place in an event → value there → who waits for it. Values are equal as Python has it, like in conditions."""

    def add(self, wait: Wait) -> None:
        slot = wait.slot
        group = self.every if slot is None else self.matched.setdefault(slot[0], {}).setdefault(slot[1], {})
        group[wait] = None

    def remove(self, wait: Wait) -> bool:
        """Whether nobody is left."""
        slot = wait.slot
        if slot is None:
            self.every.pop(wait, None)
        elif (values := self.matched.get(slot[0])) is not None and (group := values.get(slot[1])) is not None:
            group.pop(wait, None)
            if not group:
                del values[slot[1]]
            if not values:
                del self.matched[slot[0]]
        return not self.every and not self.matched

    def all(self) -> Iterator[Wait]:
        """Every one of them."""
        yield from self.every
        for values in self.matched.values():
            for group in values.values():
                yield from group

    def find(self, view: dict[str, Any]) -> Iterator[Wait]:
        yield from self.every
        for place, values in self.matched.items():
            value = _at(view, place)
            if value is None or isinstance(value, (str, int, float)):
                yield from values.get(value, ())


class Waits:
    """See the module."""

    def __init__(self, executor: Executor) -> None:
        self._executor = executor
        self._exact: dict[str, _Place] = {}
        self._patterns: dict[str, _Place] = {}
        self._runs: dict[int, list[Wait]] = {}
        self._coming: dict[int, None] = {}
        """Keys of events, rising, that are not committed yet, or of which nobody who waits has been told."""
        self._kept = 0
        self.restored = asyncio.Event()
        """Who had left memory before this start is known."""

    # --- beginning and ending ------------------------------------------------------------------------------------

    def begin(self, live: LiveRun, path: str, wanted: Wanted) -> tuple[Wait, asyncio.Future[dict[str, Any] | None]]:
        """A step of a run in memory waits; what it is given."""
        wait = Wait(live.key, EventWait(wanted.type, wanted.key, wanted.source, 0, path, wanted.match))
        wait.live, wait.accept = live, wanted.accept
        given: asyncio.Future[dict[str, Any] | None] = asyncio.get_running_loop().create_future()
        wait.given = given
        self._add(wait)
        return wait, given

    def _add(self, wait: Wait) -> None:
        self._runs.setdefault(wait.run, []).append(wait)
        self._places(wait).setdefault(wait.what.type, _Place()).add(wait)

    def _places(self, wait: Wait) -> dict[str, _Place]:
        return self._patterns if "*" in wait.what.type else self._exact

    def end(self, wait: Wait) -> None:
        """It waits no longer."""
        mine = self._runs.get(wait.run, [])
        if wait in mine:
            mine.remove(wait)
            if not mine:
                del self._runs[wait.run]
        self._drop(wait)

    def _drop(self, wait: Wait) -> None:
        places = self._places(wait)
        place = places.get(wait.what.type)
        if place is not None and place.remove(wait):
            del places[wait.what.type]

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
        seen = self._told()
        for wait in self._runs[run]:
            wait.live = wait.accept = wait.given = None
            wait.what = msgspec.structs.replace(wait.what, seen=seen)
        return tuple(wait.what for wait in self._runs[run])

    def _told(self) -> int:
        """Key of the event up to which everybody who waits has been told of all."""
        return next(iter(self._coming), self._executor.ids.newest + 1) - 1

    # --- what may be asked ---------------------------------------------------------------------------------------

    def listens(self, type_: str) -> bool:
        """Whether somebody waits for this type by name (see `RouteTable.listens`)."""
        if type_ in self._exact:
            return True
        return any(pattern[0] != "*" and fits(pattern, type_) for pattern in self._patterns)

    def of(self, run: int) -> list[EventWait]:
        """What a run waits for now."""
        return [wait.what for wait in self._runs.get(run, ())]

    def subjects(self, type_: str) -> list[tuple[int, str]]:
        """(run, subject) of all who wait for one subject of exactly this type, oldest run first."""
        place = self._exact.get(type_)
        values = place.matched.get(SUBJECT, {}) if place is not None else {}
        return sorted({(wait.run, str(subject)) for subject, waits in values.items() for wait in waits})

    def asking(self, event: Event, most: int) -> list[int]:
        """Runs that wait now for events of this type, at most so many; first those that would be asked about it."""
        places, view = self._of_type(event.type), event.view()
        asked: dict[int, None] = {}
        for wait in itertools.chain(_candidates(places, view), *(place.all() for place in places)):
            asked[wait.run] = None
            if len(asked) >= most:
                break
        return list(asked)

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
        places = self._of_type(event.type)
        if not places:
            return
        view = event.view()
        woken: dict[int, None] = {}
        for wait in list(_candidates(places, view)):
            if wait.live is None:
                woken[wait.run] = None
            elif wait.takes(view):
                wait.give(view)
        if woken:
            self._executor.wake(woken)

    def _of_type(self, type_: str) -> list[_Place]:
        places = [place for pattern, place in self._patterns.items() if fits(pattern, type_)]
        exact = self._exact.get(type_)
        return places if exact is None else [exact, *places]

    # --- looking back --------------------------------------------------------------------------------------------

    async def before(self, live: LiveRun, wait: Wait, wanted: Wanted, until: Instant | None) -> dict[str, Any] | None:
        """The oldest wanted event that came since the run began and before `until`; read in pages."""
        record = live.record_
        began = record.key
        if record.event_key is not None and record.parent_key is None and record.forked_from is None:
            began = record.event_key
        began = max(began, live.seen.pop(wait.what.path, 0))
        below = None if until is None else ids.first_at(until + 1)
        async for rows in self._pages(wanted.type, wanted.key, began, below):
            fitting = [row for row in rows if concerns(wait.what, row.type, row.subject, row.source)]
            for piece in _pieces(fitting):
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
            saved = await self._executor.store.saved(_PLACE)
            await self._index(int(saved.get(_TOLD, 0)))
            self.restored.set()
            await self._catch_up()
            self.keep()
        except StoreError as error:
            _log.error("cannot look for runs that wait for events: %s", error)
        finally:
            self.restored.set()

    def keep(self) -> None:
        """Now and then, while runs wait out of memory: keep how far all have been told, so that the next start need not
        look further back. Whoever was woken up to now is in memory, and that is written in the same commit.
        """
        executor = self._executor
        if executor.stopping:
            return
        executor.timers.call_at(executor.clock.now() + _KEEP, self.keep)
        told = self._told()
        if self._runs and told != self._kept and executor.calm:
            self._kept = told
            kept = executor.committer.add(Batch(saved=[(_PLACE, _TOLD, b"%d" % told)]))
            kept.add_done_callback(lambda done: done.cancelled() or done.exception())

    async def _index(self, told: int) -> None:
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
                self._restored(run, told)
            if len(page) < _PAGE:
                return
            below = page[-1].key
            await asyncio.sleep(0)

    def _restored(self, run: Run, told: int) -> None:
        if run.key in self._runs or self._executor.comes(run.key):
            return
        for waited in run.waits:
            self._add(Wait(run.key, msgspec.structs.replace(waited, seen=max(waited.seen, told))))

    async def _catch_up(self) -> None:
        seen: dict[str, int] = {}
        for waits in list(self._runs.values()):
            for wait in waits:
                if wait.live is None:
                    seen[wait.what.type] = min(seen.get(wait.what.type, wait.what.seen), wait.what.seen)
        for type_, oldest in seen.items():
            async for rows in self._pages(type_, None, oldest):
                await self._wake_for(type_, [row for row in rows if fits(type_, row.type)])
                await asyncio.sleep(0)

    async def _wake_for(self, type_: str, rows: list[EventRow]) -> None:
        """Wake who waits for these events and has not seen them."""
        woken: dict[int, None] = {}
        place = (self._patterns if "*" in type_ else self._exact).get(type_)
        if place is None:
            return
        views = [(row.key, {"type": row.type, "subject": row.subject, "source": row.source}) for row in rows]
        if any(where[:1] not in _LISTED for where in place.matched):
            views = [(event.key, event.view()) for piece in _pieces(rows) for event in await self._read(piece)]
        for key, view in views:
            woken.update((w.run, None) for w in _candidates([place], view) if w.live is None and w.what.seen < key)
        if woken:
            self._executor.wake(woken)


def _candidates(places: Iterable[_Place], view: dict[str, Any]) -> Iterator[Wait]:
    for place in places:
        for wait in place.find(view):
            source = wait.what.source
            if source is None or glob(source).fullmatch(view["source"]):
                yield wait


def _at(view: Any, place: tuple[str, ...]) -> Any:
    """What stands at a place of an event's view; a value that nobody waits for where there is nothing."""
    for name in place:
        if not isinstance(view, dict) or name not in view:
            return ()
        view = view[name]
    return view


def _fields(wanted: EventFilter) -> dict[str, Any]:
    return {name: getattr(wanted, name) for name in wanted.__struct_fields__}


def _head(pattern: str) -> str:
    """The text that every type which fits the pattern begins with."""
    head = pattern.partition("*")[0]
    return head.removesuffix(".") if "**" in pattern else head


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
