"""The rows that are there already: told once each, as they are where the stream begins, before its first change.

They are read in the order of their primary keys and told in batches; how far is saved with each. After a restart the
transaction that saw them is gone: another one, at a later place of the log, reads on behind the last key. Changes
between the two places are still in the stream; those of rows that were told later than they were made are passed over
(`Plan.seen`).
"""

from __future__ import annotations

import msgspec

from reactor.connectors.cdc.change import chooser, draft
from reactor.connectors.cdc.config import CdcConfig
from reactor.connectors.cdc.postgres import slot as slots
from reactor.connectors.cdc.postgres.link import Link, Refused, Row
from reactor.connectors.cdc.postgres.pgoutput import lsn_text
from reactor.connectors.cdc.postgres.plan import Plan
from reactor.connectors.cdc.postgres.position import Position
from reactor.connectors.cdc.postgres.publication import quoted
from reactor.connectors.cdc.postgres.refusals import told
from reactor.connectors.cdc.postgres.tables import Field, Table, fields
from reactor.connectors.cdc.postgres.values import BPCHAR, INTEGERS, reader
from reactor.connectors.cdc.progress import KeyOrder
from reactor.sdk import EventDraft, TriggerContext, TriggerLost
from reactor.sdk.delivery import deliver

_HEAVY = 4 * 1024 * 1024
"""Bytes of rows that are fetched at once, about."""
_FIRST = 50
"""Rows of the first fetch, before their size is known."""


class Source(msgspec.Struct, frozen=True):
    """A table that is read."""

    table: Table
    fields: list[Field]
    order: KeyOrder
    at: tuple[int, ...]
    """Where in a row the key's columns are."""

    def key_texts(self, row: Row) -> list[str]:
        """The key as a cast to text gives it: char(n) without its padding."""
        return [str(row[at]).rstrip(" ") if self.fields[at].type == BPCHAR else str(row[at]) for at in self.at]

    def key_sql(self) -> list[str]:
        """What the rows are ordered by."""
        columns = zip((quoted(name) for name in self.table.key), self.order.numbers, strict=True)
        return [name if number else f'({name}::text) COLLATE "C"' for name, number in columns]


async def prepare(plan: Plan, side: Link) -> dict[str, Source]:
    """The tables of a plan, and in the plan how their keys are ordered.

    Raises:
        TriggerLost: one has no primary key.
    """
    found = {}
    for name, table in plan.tables.items():
        if not table.key:
            raise TriggerLost(
                f"{name} has no primary key, so a snapshot that is interrupted could not go on without telling rows "
                "twice; "
                "add one, or say snapshot: false"
            )
        columns = await fields(side, table)
        at = {each.name: place for place, each in enumerate(columns)}
        types = []
        for column in table.key:
            type_ = columns[at[column]].type
            while type_ in plan.kinds and not plan.kinds[type_].array:
                type_ = plan.kinds[type_].base
            types.append(type_)
        order = KeyOrder(table.key, tuple(type_ in INTEGERS for type_ in types))
        plan.orders[name] = order
        found[name] = Source(table, columns, order, tuple(at[column] for column in table.key))
    return found


class Snapshot:
    """Reads the tables of a plan within the transaction that `slots.create(snapshot=True)` has begun."""

    def __init__(self, ctx: TriggerContext, stream: Link, plan: Plan, position: Position) -> None:
        self._ctx, self._stream, self._plan, self._position = ctx, stream, plan, position
        config: CdcConfig = ctx.config
        self._most = config.batch
        self._choose = chooser(config.columns)

    async def read(self, sources: dict[str, Source], lsn: int) -> None:
        """Tell all rows that have not been told; `lsn` is where the transaction sees them.

        Raises:
            TriggerLost: they cannot be read.
        """
        try:
            for name, source in sources.items():
                if not self._plan.progress.ended(name):
                    await self._table(source, lsn)
            await self._stream.query("COMMIT")
        except Refused as error:
            raise told(error, "read the rows that are there") from None
        self._plan.progress.done = True
        await self._save([])

    async def _table(self, source: Source, lsn: int) -> None:
        progress, name, mark = self._plan.progress, source.table.name, lsn_text(lsn)
        await self._stream.query(f"DECLARE reactor_rows NO SCROLL CURSOR FOR {_select(source, progress.after(name))}")
        count = min(_FIRST, self._most)
        while rows := await self._stream.query(f"FETCH FORWARD {count} FROM reactor_rows"):
            progress.read(name, mark, source.key_texts(rows[-1]))
            await self._save([self._draft(source, row, lsn) for row in rows])
            weight = sum(len(value) for row in rows for value in row if value is not None)
            count = max(1, min(self._most, _HEAVY * len(rows) // max(1, weight)))
        await self._stream.query("CLOSE reactor_rows")
        progress.read(name, mark, None)

    async def _save(self, drafts: list[EventDraft]) -> None:
        await deliver(self._ctx, drafts, save={"snapshot": self._plan.progress.saved()})

    def _draft(self, source: Source, row: Row, lsn: int) -> EventDraft:
        new = {
            field.name: None if value is None else reader(field.type, self._plan.kinds)(value)
            for field, value in zip(source.fields, row, strict=True)
        }
        return draft(
            operation="insert",
            table=source.table.name,
            new=self._choose(new),
            old=None,
            key={name: new[name] for name in source.table.key},
            time=None,
            metadata={"snapshot": True, "lsn": lsn_text(lsn)},
        )


def _select(source: Source, after: list[str] | None) -> str:
    columns = ", ".join(quoted(each.name) for each in source.fields)
    order = source.key_sql()
    where = ""
    if after is not None:
        where = f" WHERE ({', '.join(order)}) > ({', '.join(_literal(text) for text in after)})"
    return f"SELECT {columns} FROM {source.table.quoted}{where} ORDER BY {', '.join(order)}"  # noqa: S608 - quoted


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


async def again(ctx: TriggerContext, stream: Link, slot: str) -> tuple[str, int]:
    """Begin a transaction that reads on: name of its passing slot, and the place of the log where it sees the tables.

    Raises:
        TriggerLost: it cannot be begun.
    """
    name = f"{slot[:54]}_reads_on"[:63]
    return name, await slots.create(ctx, stream, name, snapshot=True, temporary=True)
