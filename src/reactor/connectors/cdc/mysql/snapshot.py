"""The rows that are there already: told once each, as they are where the stream begins, before its first change."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pymysql.cursors import SSCursor

from reactor.connectors.cdc.change import draft
from reactor.connectors.cdc.mysql import rows as values
from reactor.connectors.cdc.mysql.handover import Item
from reactor.connectors.cdc.mysql.plan import Plan, key_texts
from reactor.connectors.cdc.mysql.position import Executed, executed
from reactor.connectors.cdc.mysql.server import Server, Table, quoted, rows
from reactor.sdk import JSON, EventDraft

_PATIENCE = 600
"""Seconds: a table may have to be sorted."""
_MANY = 200
"""Rows that are fetched at once."""


class Snapshot:
    """Of the tables of a plan, in one transaction."""

    def __init__(self, server: Server, plan: Plan) -> None:
        self._server, self._plan = server, plan
        self._connection: Any = None

    def begin(self) -> Executed:
        """See the tables as they are now; what is in the binlog by then."""
        self._connection = self._server.connect(read_timeout=_PATIENCE, autocommit=False)
        rows(self._connection, "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        if self._server.mariadb:
            rows(self._connection, "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY")
            place = dict(rows(self._connection, "SHOW STATUS LIKE 'binlog_snapshot_%%'"))
            found = rows(
                self._connection,
                "SELECT BINLOG_GTID_POS(%s, %s)",
                place["Binlog_snapshot_file"],
                int(place["Binlog_snapshot_position"]),
            )
            return executed(str(found[0][0] or ""), mariadb=True)
        return self._begin_mysql()

    def _begin_mysql(self) -> Executed:
        """MySQL does not say where in its binlog a snapshot is: for a moment nobody writes to the tables."""
        lock = self._server.connect()
        try:
            rows(lock, f"LOCK TABLES {', '.join(f'{table.quoted} READ' for table in self._plan.tables.values())}")
            rows(self._connection, "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY")
            return self._server.executed(lock)
        finally:
            lock.close()

    def items(self, mark: Executed) -> Iterator[Item]:
        """All rows that have not been told; `mark` is what `begin` gave."""
        progress = self._plan.progress
        for name, table in self._plan.tables.items():
            if progress.ended(name):
                continue
            with self._connection.cursor(SSCursor) as cursor:
                cursor.execute(_select(self._plan, table, progress.after(name)))
                while found := cursor.fetchmany(_MANY):
                    for row in found:
                        progress.read(name, mark.text, key_texts(table, row))
                        weight = sum(len(value) for value in row if isinstance(value, str | bytes)) + 64
                        saved = progress.saved()  # a batch may end with any row
                        yield Item(self._draft(table, row, mark.text), weight=weight, save={"snapshot": saved})
            progress.read(name, mark.text, None)
        progress.done = True
        yield Item(save={"snapshot": progress.saved()})

    def _draft(self, table: Table, row: tuple[Any, ...], mark: str) -> EventDraft:
        new: dict[str, JSON] = {
            name: values.BY_NAME.get(type_, values.plain)(value)
            for (name, type_), value in zip(table.columns, row, strict=True)
        }
        return draft(
            operation="insert",
            table=table.name,
            new=self._plan.choose(new),
            old=None,
            key={name: new[name] for name in table.key},
            time=None,
            metadata={"snapshot": True, "gtid": mark},
        )


def _select(plan: Plan, table: Table, after: list[str] | None) -> str:
    order = [
        quoted(name) if number else f"CAST(CONVERT({quoted(name)} USING utf8mb4) AS BINARY)"
        for name, number in zip(table.key, plan.orders[table.name].numbers, strict=True)
    ]
    columns = ", ".join(quoted(name) for name, _ in table.columns)
    where = ""
    if after is not None:
        texts = (
            str(int(text)) if number else f"X'{text.encode().hex()}'"
            for text, number in zip(after, plan.orders[table.name].numbers, strict=True)
        )
        where = f" WHERE ({', '.join(order)}) > ({', '.join(texts)})"
    return f"SELECT {columns} FROM {table.quoted}{where} ORDER BY {', '.join(order)}"  # noqa: S608 - quoted
