"""The SQL of a database trigger: where its rows come from, and the questions asked there."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
import sqlalchemy as sa

from reactor.connectors.database import statement
from reactor.connectors.database.config import DatabaseConfig
from reactor.connectors.database.cursor import Position
from reactor.sdk import TriggerLost

_COUNTED = 100_000
"""Waiting rows are counted up to here."""

_MADE = {
    "postgresql": "SELECT c.oid || '/' || c.relfilenode FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
    "WHERE c.relname = :table AND n.nspname = coalesce(:schema, current_schema())",
    "mysql": "SELECT create_time FROM information_schema.tables "
    "WHERE table_name = :table AND table_schema = coalesce(:schema, database())",
}
_NEXT = (
    "SELECT t.auto_increment FROM information_schema.tables t JOIN information_schema.columns c "
    "ON c.table_name = t.table_name AND c.table_schema = t.table_schema "
    "WHERE t.table_name = :table AND t.table_schema = coalesce(:schema, database()) "
    "AND c.column_name = :column AND c.extra LIKE '%auto_increment%'"
)
"""MariaDB empties a table without making it anew; only its numbers begin again."""


class Question(msgspec.Struct, frozen=True):
    """One statement, ready to be sent."""

    sql: str
    values: dict[str, Any]

    def clause(self) -> sa.TextClause:
        """For SQLAlchemy. The values go without types, so that the database takes the columns'."""
        return sa.text(self.sql).bindparams(
            *(sa.bindparam(name, value, type_=sa.types.NULLTYPE) for name, value in self.values.items())
        )


class Source(msgspec.Struct, frozen=True):
    """Rows in the order of their cursor."""

    rows: str
    """What stands behind FROM."""
    columns: tuple[str, ...]
    """Of the cursor; unique together."""
    quoted: tuple[str, ...]
    """The same as the database wants them written."""
    named: bool = False
    """Whether `:cursor` stands in `rows`."""

    def page(
        self,
        start: Position | None,
        limit: int,
        *,
        upto: Position | None = None,
        inclusive: bool = False,
        bare: bool = False,
    ) -> Question:
        """The next rows after `start` (or from it on), in order; `bare`: only the columns of the cursor."""
        asked = _Asked(self)
        if start is not None:
            asked.after(start, inclusive=inclusive)
        if upto is not None:
            asked.upto(upto)
        what = ", ".join(self.quoted) if bare else "*"
        order = ", ".join(self.quoted)
        return asked.question(f"SELECT {what}", f"ORDER BY {order} LIMIT {limit}", start)

    def newest(self, limit: int, *, upto: Position | None = None) -> Question:
        """The cursors of the last rows, the last one first."""
        asked = _Asked(self)
        if upto is not None:
            asked.upto(upto)
        order = ", ".join(f"{column} DESC" for column in self.quoted)
        return asked.question(f"SELECT {', '.join(self.quoted)}", f"ORDER BY {order} LIMIT {limit}", None)

    def waiting(self, start: Position | None) -> Question:
        """How many rows come after `start`."""
        asked = _Asked(self)
        if start is not None:
            asked.after(start, inclusive=False)
        inner = asked.question("SELECT 1 AS one", f"LIMIT {_COUNTED}", start)
        return Question(f"SELECT count(*) FROM ({inner.sql}) AS reactor_waiting", inner.values)  # noqa: S608 - made above


class _Asked:
    """The conditions and values of one question."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._conditions = [f"{column} IS NOT NULL" for column in source.quoted]
        self._values: dict[str, Any] = {}

    def after(self, position: Position, *, inclusive: bool) -> None:
        self._conditions.append(self._compared(position, ">", last=">=" if inclusive else ">"))

    def upto(self, position: Position) -> None:
        self._conditions.append(self._compared(position, "<", last="<="))

    def question(self, what: str, rest: str, start: Position | None) -> Question:
        values = dict(self._values)
        if self._source.named:
            values["cursor"] = None if start is None else start[0]
        where = " AND ".join(self._conditions)
        return Question(f"{what} FROM {self._source.rows} WHERE {where} {rest}", values)

    def _compared(self, position: Position, sign: str, *, last: str) -> str:
        """The order of rows, spelt out: databases use an index for this, and not all do for row values."""
        names = [self._bind(value) for value in position]
        columns = self._source.quoted
        text = f"{columns[-1]} {last} {names[-1]}"
        for column, name in reversed(list(zip(columns[:-1], names[:-1], strict=True))):
            text = f"{column} {sign}= {name} AND ({column} {sign} {name} OR ({text}))"
        return f"({text})"

    def _bind(self, value: Any) -> str:
        name = f"reactor_{len(self._values)}"
        self._values[name] = value
        return f":{name}"


def find(connection: sa.Connection, config: DatabaseConfig) -> Source:
    """Where the rows come from, as the database describes it.

    Raises:
        TriggerLost: there is no such table, or the cursor is no column of it.
    """
    quote = _quote if connection.dialect.name == "sqlite" else connection.dialect.identifier_preparer.quote_identifier
    percent = quote("%")[1:-1]
    keys: Sequence[str] = ()
    if config.query is not None:
        read = statement.read(config.query)
        rows, named, what = f"(\n{read.text}\n) AS reactor_rows", bool(read.names), "the query"
    else:
        schema, table, keys = _table(connection, config.table or "")
        rows = ".".join(_escaped(quote(part), percent) for part in (schema, table) if part)
        named, what = False, f"table {config.table!r}"
    known = _columns(connection, rows, named=named)
    for name in config.columns():
        if name not in known:
            raise TriggerLost(
                f"{what} has no column {name!r}{_near(name, known)}; `cursor` names the columns that rise"
            )
    columns = tuple(dict.fromkeys([*config.columns(), *(key for key in keys if key in known)]))
    return Source(rows, columns, tuple(_escaped(quote(name), percent) for name in columns), named)


class Made(msgspec.Struct, frozen=True):
    """Which table it is."""

    which: str
    """Another text when the table was emptied, copied or made anew; empty where the database cannot tell."""
    again: bool
    """Whether its next number is one that we have passed."""

    def differs(self, saved: Any) -> bool:
        """Whether it is not the table that it was."""
        return isinstance(saved, list) and (self.which != saved[0] or (self.again and not saved[1]))


def made(connection: sa.Connection, table: str | None, column: str, position: Position | None) -> Made:
    """Ask which table it is."""
    asked = _MADE.get(connection.dialect.name)
    if asked is None or table is None:
        return Made("", again=False)
    schema, _, name = table.rpartition(".")
    given = {"schema": schema or None, "table": name}
    which = connection.execute(sa.text(asked), given).scalar()
    number = None
    if connection.dialect.name == "mysql" and position is not None and isinstance(position[0], int):
        number = connection.execute(sa.text(_NEXT), {**given, "column": column}).scalar()
    return Made(str(which or ""), again=number is not None and position is not None and number <= position[0])


def _table(connection: sa.Connection, name: str) -> tuple[str | None, str, Sequence[str]]:
    """Its schema, its name and its primary key."""
    inspector = sa.inspect(connection)
    schema, table = None, name
    if "." in name and not inspector.has_table(name):
        schema, _, table = name.rpartition(".")
    if not inspector.has_table(table, schema):
        names = [*inspector.get_table_names(schema), *inspector.get_view_names(schema)]
        raise TriggerLost(f"there is no table {name!r} that this user may see{_near(table, names)}")
    return schema, table, inspector.get_pk_constraint(table, schema).get("constrained_columns") or []


def _columns(connection: sa.Connection, rows: str, *, named: bool) -> list[str]:
    sql = f"SELECT * FROM {rows} LIMIT 0"  # noqa: S608 - a quoted name, or the flow's own code
    asked = Question(sql, {"cursor": None} if named else {})
    return list(connection.execute(asked.clause()).keys())


def _quote(name: str) -> str:
    """SQLite would take an unknown name between double quotes for a text."""
    return "`{}`".format(name.replace("`", "``"))


def _escaped(quoted: str, percent: str) -> str:
    """A colon in a name is no parameter; and a percent sign, which quoting doubles where the driver wants it so, is
    doubled once more with the statement.
    """
    return quoted.replace(":", "\\:").replace(percent, "%")


def _near(name: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, list(known), 1)
    return f"; did you mean {near[0]!r}?" if near else ""
