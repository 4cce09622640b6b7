"""`database.query` and `database.transaction`: statements, their rows bounded."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from reactor.connectors.database import statement, values
from reactor.connectors.database.actions import ROWS, QueryParams, Statement, TransactionParams
from reactor.connectors.database.work import run
from reactor.sdk import ActionContext, PermanentError

_BATCH = 500


async def query(ctx: ActionContext, params: QueryParams) -> dict[str, Any]:
    """Run the statement; see the action."""
    writes = params.writes

    def work(connection: sa.Connection) -> dict[str, Any]:
        streams = not writes and statement.read(params.sql).streams
        options = {"stream_results": True, "max_row_buffer": _BATCH} if streams else {}
        return _executed(connection, params, params.limit, options)

    return await run(ctx, params, work, writes=writes)


async def transaction(ctx: ActionContext, params: TransactionParams) -> dict[str, Any]:
    """Run the statements; see the action."""

    def work(connection: sa.Connection) -> dict[str, Any]:
        if connection.dialect.name == "sqlite":
            connection.exec_driver_sql("BEGIN IMMEDIATE")  # its driver begins later, and not before all statements
        results = [_executed(connection, each, None, {}) for each in params.statements]
        return {"results": results, "row_count": sum(result["row_count"] for result in results)}

    return await run(ctx, params, work, writes=True)


def _executed(
    connection: sa.Connection, params: QueryParams | Statement, limit: int | None, options: dict[str, Any]
) -> dict[str, Any]:
    clause, bound = _clause(params, connection.dialect.name)
    result = connection.execute(clause, bound, execution_options=options)
    if not result.returns_rows:
        return {"rows": [], "columns": [], "row_count": max(0, result.rowcount)}
    with result:
        return fetch(result, limit)


def _clause(params: QueryParams | Statement, dialect: str) -> tuple[sa.TextClause, dict[str, Any]]:
    read = statement.read(params.sql)
    clause = sa.text(read.text)
    if read.lists:
        clause = clause.bindparams(*(sa.bindparam(name, expanding=True) for name in read.lists))
    bound = {
        name: _list(value, dialect) if name in read.lists else values.bound(value, dialect)
        for name, value in params.params.items()
    }
    return clause, bound


def _list(value: list[Any], dialect: str) -> list[Any]:
    """For `IN`; none of an empty list's values matches, as none matches NULL (which has the right type everywhere)."""
    return [values.bound(each, dialect) for each in value] or [None]


def fetch(result: sa.CursorResult[Any], limit: int | None) -> dict[str, Any]:
    """The rows as plain maps.

    Raises:
        PermanentError: kind `database.limit`: more than the bounds and nobody said to cut.
    """
    columns = unique(list(result.keys()))
    rows: list[dict[str, Any]] = []
    room, most = values.BYTES, ROWS if limit is None else limit
    while batch := result.fetchmany(_BATCH):
        for record in batch:
            if len(rows) >= most:
                if limit is not None:
                    return {"rows": rows, "columns": columns, "row_count": len(rows), "truncated": True}
                raise PermanentError("database.limit", f"more than {most:,} rows; set `limit`, or take them in parts")
            row = {name: values.plain(value) for name, value in zip(columns, record, strict=True)}
            room -= values.size(row)
            if room < 0:
                raise PermanentError("database.limit", f"more than {values.BYTES:,} bytes; take fewer rows or columns")
            rows.append(row)
    return {"rows": rows, "columns": columns, "row_count": len(rows)}


def unique(names: list[str]) -> list[str]:
    """Column names, the second `id` of a join as `id_2`."""
    seen: dict[str, None] = {}
    for name in names:
        unique, count = name, 2
        while unique in seen:
            unique, count = f"{name}_{count}", count + 1
        seen[unique] = None
    return list(seen)
