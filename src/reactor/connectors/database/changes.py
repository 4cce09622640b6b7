"""`database.insert`, `update`, `delete`. Names are those of a table that is there; values are only ever parameters."""

from __future__ import annotations

import difflib
import itertools
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec
import sqlalchemy as sa

from reactor.connectors.database import values
from reactor.connectors.database.actions import ROWS, DeleteParams, InsertParams, UpdateParams
from reactor.connectors.database.queries import fetch
from reactor.connectors.database.work import run
from reactor.sdk import ActionContext, PermanentError

_VARIABLES = 20_000
"""Parameters of one statement; SQLite takes 32,766 and PostgreSQL 65,535."""
_BATCH = 500
_JSON_CHECK = re.compile(r"json_valid\(`((?:[^`]|``)+)`\)")
_CHECKS = sa.text(
    "SELECT check_clause FROM information_schema.check_constraints "
    "WHERE constraint_schema = coalesce(:schema, database()) AND table_name = :table"
)

Condition = sa.ColumnElement[bool]


class Target(msgspec.Struct, frozen=True):
    """A table as the database describes it."""

    table: sa.TableClause
    key: list[str]
    json: frozenset[str]
    binary: frozenset[str]
    dialect: str

    def check(self, names: Iterable[str]) -> None:
        """Refuse names that are not columns.

        Raises:
            PermanentError: kind `input`.
        """
        for name in names:
            if name not in self.table.c:
                near = difflib.get_close_matches(name, list(self.table.c.keys()), 1)
                hint = f"; did you mean {near[0]!r}?" if near else ""
                raise PermanentError("input", f"table {self.table.name!r} has no column {name[:100]!r}{hint}")

    def parameter(self, column: str, value: Any) -> sa.BindParameter[Any]:
        """A value for this column. Without a type, so that the database takes the column's."""
        if value is not None and column in self.json:
            value = values.json_text(value)
        elif column in self.binary:
            value = values.binary(column, value)
        else:
            value = values.bound(value, self.dialect)
        return sa.bindparam(None, value, type_=sa.types.NULLTYPE, unique=True)

    def where(self, wanted: Mapping[str, Any]) -> list[Condition]:
        """One condition a column."""
        self.check(wanted)
        return [self._condition(name, value) for name, value in wanted.items()]

    def _condition(self, name: str, value: Any) -> Condition:
        column: sa.ColumnElement[Any] = self.table.c[name]
        if value is None:
            return column.is_(None)
        if not isinstance(value, list) or name in self.json:
            return column == self.parameter(name, value)
        given = [self.parameter(name, each) for each in value if each is not None]
        some = column.in_(given) if given else sa.false()
        return sa.or_(some, column.is_(None)) if None in value else some


def describe(connection: sa.Connection, name: str) -> Target:
    """Ask the database about a table.

    Raises:
        PermanentError: kind `input`: there is no such table.
    """
    inspector = sa.inspect(connection)
    schema, table = None, name
    if "." in name and not inspector.has_table(name):
        schema, _, table = name.rpartition(".")
        if schema not in inspector.get_schema_names():
            raise PermanentError("input", f"there is no table {name[:100]!r} (nor a schema {schema[:100]!r})")
    try:
        columns = inspector.get_columns(table, schema)
    except sa.exc.NoSuchTableError:
        near = difflib.get_close_matches(table, inspector.get_table_names(schema), 1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise PermanentError("input", f"there is no table {name[:100]!r}{hint}") from None
    key = inspector.get_pk_constraint(table, schema).get("constrained_columns") or []
    return Target(
        sa.table(table, *(sa.column(column["name"]) for column in columns), schema=schema),
        list(key),
        frozenset(column["name"] for column in columns if isinstance(column["type"], sa.types.JSON))
        | _json_by_check(connection, table, schema),
        frozenset(column["name"] for column in columns if isinstance(column["type"], sa.types.LargeBinary)),
        connection.dialect.name,
    )


def _json_by_check(connection: sa.Connection, table: str, schema: str | None) -> frozenset[str]:
    """MariaDB has no type JSON: its JSON columns are text with a check."""
    if not getattr(connection.dialect, "is_mariadb", False):
        return frozenset()
    checks = connection.execute(_CHECKS, {"schema": schema, "table": table}).scalars()
    return frozenset(found[1].replace("``", "`") for check in checks if (found := _JSON_CHECK.fullmatch(check)))


async def insert(ctx: ActionContext, params: InsertParams) -> dict[str, Any]:
    """Insert the rows; see the action."""

    def work(connection: sa.Connection) -> dict[str, Any]:
        target = describe(connection, params.table)
        target.check(name for row in params.all for name in row)
        output: dict[str, Any] = {"row_count": 0, "keys": []}
        for columns, rows in itertools.groupby(params.all, key=tuple):
            for batch in _batches(list(rows), max(1, min(_BATCH, _VARIABLES // len(columns)))):
                made = [{name: target.parameter(name, row[name]) for name in columns} for row in batch]
                _merge(output, _execute(connection, target, sa.insert(target.table).values(made), params.returning))
        return output

    return await run(ctx, params, work, writes=True)


async def update(ctx: ActionContext, params: UpdateParams) -> dict[str, Any]:
    """Change the rows; see the action."""

    def work(connection: sa.Connection) -> dict[str, Any]:
        target = describe(connection, params.table)
        target.check(params.set)
        new = {name: target.parameter(name, value) for name, value in params.set.items()}
        change = sa.update(target.table).values(new).where(*target.where(params.where))
        return _execute(connection, target, change, params.returning)

    return await run(ctx, params, work, writes=True)


async def delete(ctx: ActionContext, params: DeleteParams) -> dict[str, Any]:
    """Delete the rows; see the action."""

    def work(connection: sa.Connection) -> dict[str, Any]:
        target = describe(connection, params.table)
        change = sa.delete(target.table).where(*target.where(params.where))
        return _execute(connection, target, change, params.returning)

    return await run(ctx, params, work, writes=True)


def _execute(
    connection: sa.Connection, target: Target, change: sa.Insert | sa.Update | sa.Delete, returning: list[str]
) -> dict[str, Any]:
    target.check(returning)
    can_return = {
        sa.Insert: connection.dialect.insert_returning,
        sa.Update: connection.dialect.update_returning,
        sa.Delete: connection.dialect.delete_returning,
    }[type(change)]
    if returning and not can_return:
        raise PermanentError("input", f"returning: {connection.dialect.name} cannot give back changed rows")
    wanted = list(dict.fromkeys((*target.key, *returning))) if can_return else []
    if not wanted:
        return {"row_count": max(0, connection.execute(change).rowcount), "keys": []}
    with connection.execute(change.returning(*(target.table.c[name] for name in wanted))) as result:
        count, records = _take(result, returning)
    output: dict[str, Any] = {"row_count": count, "keys": [_key(target.key, row) for row in records if target.key]}
    if returning:
        output["rows"] = [{name: row[name] for name in returning} for row in records]
    return output


def _take(result: sa.CursorResult[Any], returning: Sequence[str]) -> tuple[int, list[dict[str, Any]]]:
    """How many rows were changed, and what they gave back: all if it was asked for, else keys of the first 10,000."""
    if returning:
        rows = fetch(result, None)["rows"]
        return len(rows), rows
    names, count, rows = list(result.keys()), 0, []
    while batch := result.fetchmany(_BATCH):
        count += len(batch)
        rows += [dict(zip(names, map(values.plain, record), strict=True)) for record in batch[: ROWS - len(rows)]]
    return count, rows


def _key(names: list[str], row: Mapping[str, Any]) -> Any:
    return row[names[0]] if len(names) == 1 else {name: row[name] for name in names}


def _merge(output: dict[str, Any], more: Mapping[str, Any]) -> None:
    output["row_count"] += more["row_count"]
    output["keys"] = [*output["keys"], *more["keys"]][:ROWS]
    if "rows" in more:
        output.setdefault("rows", []).extend(more["rows"])


def _batches(rows: list[dict[str, Any]], size: int) -> Iterable[list[dict[str, Any]]]:
    return (rows[start : start + size] for start in range(0, len(rows), size))
