"""The life of one database trigger: find the table, take up the position, look again and again."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
import sqlalchemy as sa

from reactor.connectors.database import source, values
from reactor.connectors.database.config import DatabaseConfig
from reactor.connectors.database.cursor import Position, mark, pack, unpack
from reactor.connectors.database.places import place, present
from reactor.connectors.database.queries import unique
from reactor.connectors.database.reader import Reader
from reactor.connectors.database.source import Question, Source
from reactor.connectors.database.window import Window, forgotten
from reactor.model import durations
from reactor.sdk import JSON, DeadLetter, EventDraft, StepError, TriggerContext, TriggerLost
from reactor.sdk.delivery import deliver

_BYTES = 8 * 1024 * 1024
"""Of the rows in hand, roughly."""
_FETCH = 50
_SCAN = 5_000
"""Cursors that are looked through at once."""
_LAG_EVERY = 2.0
_ADVICE = {
    "database.denied": "grant SELECT to the user of the connection",
    "database.timeout": "give the columns of `cursor` an index, or raise `timeout`",
    "database.locked": "somebody holds a lock; it is tried again",
}


class Row(msgspec.Struct, frozen=True):
    """One row, as far as the trigger cares."""

    position: Position
    mark: int
    data: dict[str, Any]
    unreadable: tuple[str, ...] = ()
    """Columns that hold what is no text, given as base64."""


class Page(msgspec.Struct):
    """Rows in the order of the cursor."""

    rows: list[Row]
    more: bool
    """Whether there may be more behind them."""
    asked: float
    """When, by the loop's clock."""


class _Unseen:
    """Nobody has looked yet."""


_UNSEEN = _Unseen()


class Polling:
    """One try to listen; it ends by an error or by being cancelled."""

    def __init__(self, ctx: TriggerContext) -> None:
        self._ctx = ctx
        self._config: DatabaseConfig = ctx.config
        self._every = durations.parse(self._config.every) / 1000
        self._settle = durations.parse(self._config.settle) / 1000
        self._loop = asyncio.get_running_loop()
        self._position: Position | None = None
        self._scanned = self._loop.time()
        self._told_lag = 0.0
        self._exact = True
        self._below: Position | _Unseen | None = _UNSEEN
        """The last row, when the row of the position is gone."""
        self._reader: Reader
        self._source: Source
        self._window: Window

    async def run(self) -> None:
        """Listen.

        Raises:
            TriggerLost: it cannot.
        """
        shown = "the database"
        try:
            found = await asyncio.to_thread(
                place, self._ctx.connection, self._ctx.settings, self._config.connection, self._config.url
            )
            await asyncio.to_thread(present, found)
            shown, self._exact = found.shown, found.kind != "sqlite"
            async with Reader(found, durations.parse(self._config.timeout) / 1000) as self._reader:
                self._source = await self._reader.ask(lambda connection: source.find(connection, self._config))
                await self._begin()
                await self._first()
                self._ctx.armed()
                await self._forever()
        except StepError as error:
            advice = _ADVICE.get(error.kind)
            raise TriggerLost(f"{shown}: {error.message}{f'; {advice}' if advice else ''}") from error

    # ------------------------------------------------------------ where to begin

    async def _begin(self) -> None:
        """Take up the saved position, or find the first one and save it."""
        saved = self._ctx.saved()
        of: JSON = [self._config.table, list(self._source.columns)]
        if saved.get("of") == of:
            self._position = _unpacked(saved.get("position"))
            self._window = Window(self._settle, _unpacked(saved.get("low")))
            self._window.restore(saved, self._loop.time())
            if not self._settle:
                await self._keep(self._window.settled(self._loop.time()))
            return
        if saved:
            self._ctx.log.info("the table or its cursor is another one than before: it starts at `start` again")
        newest: list[Position] = []
        if self._config.start == "now":
            newest = await self._reader.ask(self._newest)
        self._position = newest[0] if newest else None
        # The rows just before are known, so that those which come between them are late and not old.
        whole = self._config.batch > len(newest)
        low = None if whole or not newest else newest[-1]
        self._window = Window(self._settle, low)
        save: dict[str, JSON] = {**forgotten(saved), "of": of, "position": _packed(self._position), "low": _packed(low)}
        save["made"] = list(msgspec.structs.astuple(await self._reader.ask(self._made)))
        if self._settle and self._position is not None:
            save |= self._window.add(self._position, map(self._mark, newest), self._loop.time())
        await deliver(self._ctx, [], save=save)

    def _newest(self, connection: sa.Connection) -> list[Position]:
        limit = self._config.batch if self._settle else 1
        result = connection.execute(self._source.newest(limit).clause())
        return [tuple(record) for record in result.fetchall()]

    # ------------------------------------------------------------ again and again

    async def _first(self) -> None:
        """One look before it says that it listens."""
        page = await self._page(self._source.page(self._position, 1))
        self._judge(page.rows)

    async def _forever(self) -> None:
        begun, ticks = self._loop.time(), 0
        while True:
            while await self._look():
                await self._lag(more=True)
            await self._lag(more=False)
            # Ticks have their place whatever a look takes; those that were missed are left out.
            ticks = max(ticks + 1, int((self._loop.time() - begun) / self._every) + 1)
            await self._reader.rest(max(0.0, begun + ticks * self._every - self._loop.time()))

    async def _look(self) -> bool:
        """Deliver the next rows, and late ones when it is time for it; whether there may be more."""
        now = self._loop.time()
        if self._window.open and now - self._scanned >= self._settle / 4:
            await self._look_back()
        page = await self._page(self._source.page(self._position, self._config.batch + 2, inclusive=True))
        gone = self._position is not None and not (page.rows and page.rows[0].mark == self._mark(self._position))
        rows = self._new(page)
        if not rows and gone and not self._window.open:
            return await self._look_below()
        self._below = _UNSEEN
        if not rows:
            return False
        position = rows[-1].position
        save = {"position": pack(position)}
        if self._settle:
            save |= self._window.add(position, [row.mark for row in rows], page.asked)
        await self._deliver(rows, save)
        self._position = position
        self._complain()
        return page.more

    def _new(self, page: Page) -> list[Row]:
        """Without the row of the position itself, and no more than a batch."""
        self._judge(page.rows)
        rows = page.rows
        if rows and self._position is not None and rows[0].mark == self._mark(self._position):
            rows = rows[1:]
        if len(rows) > self._config.batch:
            rows, page.more = rows[: self._config.batch], True
        return rows

    async def _look_back(self) -> None:
        """Deliver the rows that came late, between those that were told already."""
        began, at = self._loop.time(), self._window.low
        while True:
            page = await self._reader.ask(lambda connection, at=at: self._cursors(connection, at))  # type: ignore[misc]
            if any(self._mark(position) not in self._window for position in page):
                await self._late(at, page[-1])
            if len(page) < _SCAN:
                break
            at = page[-1]
        self._scanned = began
        await self._keep(self._window.settled(began))

    async def _look_below(self) -> bool:
        """The row of the position is gone, and there is none after it. Rows that come below now, where there were none,
        are new: the table was emptied, and its numbers begin again. Whether there are such.
        """
        newest = await self._reader.ask(self._newest_below)
        before, self._below = self._below, newest
        if isinstance(before, _Unseen):
            await self._look_whether_it_is_the_same(newest)
            return False
        if newest is None or (before is not None and self._mark(newest) == self._mark(before)):
            return False
        page = await self._page(self._source.page(before, 1, upto=self._position))
        if not page.rows:
            return False
        self._ctx.log.warning("rows come below the last position: the table was emptied, and they are taken as new")
        self._position, self._window = before, Window(self._settle, before)
        self._below = _UNSEEN
        await self._keep({"position": _packed(before), "low": _packed(before)})
        return True

    async def _look_whether_it_is_the_same(self, newest: Position | None) -> None:
        """Say so when the table was emptied or made anew behind our back, and there are rows that nobody looked at."""
        made, before = await self._reader.ask(self._made), self._ctx.saved().get("made")
        now: JSON = list(msgspec.structs.astuple(made))
        if now == before:
            return
        await self._keep({"made": now})
        if made.differs(before) and newest is not None and self._position is not None:
            first, last = (", ".join(map(str, each)) for each in (newest, self._position))
            self._ctx.gap(
                f"table {self._config.table!r} was emptied or made anew: its last row is {first}, before the position "
                f"{last}; the rows that came up to there since then are not told"
            )

    def _made(self, connection: sa.Connection) -> source.Made:
        return source.made(connection, self._config.table, self._source.columns[0], self._position)

    def _newest_below(self, connection: sa.Connection) -> Position | None:
        found = connection.execute(self._source.newest(1, upto=self._position).clause()).first()
        return None if found is None else tuple(found)

    def _cursors(self, connection: sa.Connection, start: Position | None) -> list[Position]:
        question = self._source.page(start, _SCAN, upto=self._position, bare=True)
        return [tuple(record) for record in connection.execute(question.clause()).fetchall()]

    async def _late(self, start: Position | None, end: Position) -> None:
        """The late rows after `start` up to `end`."""
        while True:
            page = await self._page(self._source.page(start, self._config.batch, upto=end))
            late = [row for row in page.rows if row.mark not in self._window]
            if late and self._position is not None:
                save = self._window.add(self._position, [row.mark for row in late], page.asked)
                await self._deliver(late, save)
            if not page.more or not page.rows:
                return
            start = page.rows[-1].position

    # ------------------------------------------------------------ one page

    async def _page(self, question: Question) -> Page:
        asked = self._loop.time()
        rows, more = await self._reader.ask(lambda connection: self._read(connection, question))
        return Page(rows, more, asked)

    def _read(self, connection: sa.Connection, question: Question) -> tuple[list[Row], bool]:
        """In the reader's thread: rows, as many as fit into the memory that one batch may take."""
        options = {"stream_results": True, "max_row_buffer": _FETCH}
        rows: list[Row] = []
        room = _BYTES
        with connection.execute(question.clause(), execution_options=options) as result:
            names = unique(list(result.keys()))
            places = [names.index(column) for column in self._source.columns]
            while batch := result.fetchmany(_FETCH):
                for record in batch:
                    row = self._row(names, places, record)
                    room -= values.size(row.data)
                    rows.append(row)
                if room < 0:
                    return rows, True
        return rows, False

    def _row(self, names: Sequence[str], places: Sequence[int], record: Sequence[Any]) -> Row:
        position = tuple(record[place] for place in places)
        bad = tuple(name for name, value in zip(names, record, strict=True) if isinstance(value, values.Unreadable))
        data = {name: values.plain(value) for name, value in zip(names, record, strict=True)}
        return Row(position, self._mark(position), data, bad)

    def _mark(self, position: Position) -> int:
        try:
            if self._exact and any(isinstance(value, float) for value in position):
                raise TypeError("float")
            return mark(position)
        except TypeError as error:
            raise TriggerLost(
                f"cursor: a value of type {error} has no order to rely on; use whole numbers, times, exact numbers, "
                "UUIDs or texts (in a query it can be cast)"
            ) from None

    def _judge(self, rows: Iterable[Row]) -> None:
        """Refuse rows that the cursor cannot tell apart: some of them would be passed over."""
        before: Row | None = None
        for row in rows:
            if before is not None and row.mark == before.mark:
                shown = ", ".join(str(value) for value in row.position)
                raise TriggerLost(
                    f"cursor: several rows have the same {', '.join(self._source.columns)} ({shown[:200]}), so "
                    "some could be lost; add a column that tells them apart, as in [updated_at, id]"
                )
            before = row

    # ------------------------------------------------------------ giving

    async def _deliver(self, rows: Sequence[Row], save: dict[str, JSON]) -> None:
        await deliver(self._ctx, [self._item(row) for row in rows], save=save)

    def _item(self, row: Row) -> EventDraft | DeadLetter:
        shown = {name: row.data[name] for name in self._source.columns}
        metadata: dict[str, JSON] = {"cursor": shown}
        if self._config.table is not None:
            metadata["table"] = self._config.table
        if row.unreadable:
            reason = f"column {row.unreadable[0]!r} holds bytes that are no UTF-8 text; in the payload they are base64"
            return DeadLetter(reason=reason, payload=msgspec.json.encode(row.data), metadata=metadata)
        return EventDraft(type="database.row", data=row.data, metadata=metadata)

    async def _keep(self, save: dict[str, JSON]) -> None:
        if save:
            await deliver(self._ctx, [], save=save)

    async def _lag(self, *, more: bool) -> None:
        """Tell how many rows wait, from time to time."""
        now = self._loop.time()
        if not more:
            self._ctx.lag(0)
            self._told_lag = 0.0
        elif now - self._told_lag >= _LAG_EVERY:
            question = self._source.waiting(self._position)
            self._ctx.lag(await self._reader.ask(lambda connection: connection.execute(question.clause()).scalar()))
            self._told_lag = self._loop.time()

    def _complain(self) -> None:
        if self._window.cut:
            self._window.cut = False
            self._ctx.error("more rows came within `settle` than are remembered; late ones had less time than it says")


def _packed(position: Position | None) -> JSON:
    return [] if position is None else [list(pair) for pair in pack(position)]


def _unpacked(saved: JSON) -> Position | None:
    return unpack(saved) if saved else None
