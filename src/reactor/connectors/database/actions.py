"""The `database.*` actions: their parameters, what they change, and their outputs."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

from reactor.model import durations
from reactor.sdk import Action, ActionContext, Effect, Retry, action

ROWS = 10_000
"""Rows of one query, unless it says otherwise."""
_MOST_ROWS = 1_000_000
_MOST_STATEMENTS = 100
_RETRY = Retry(max=3, delay=1_000, max_delay=30_000)

Limit = Annotated[int, msgspec.Meta(ge=1, le=_MOST_ROWS)]
Where = dict[str, Any]


class DatabaseParams(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Where: `connection` or `url`; and for how long."""

    connection: str | None = None
    """Name of a connection `{type: postgres | sqlite | mysql, url}`. Without it and `url`: the only one."""
    url: str | None = None
    """`postgresql://user@host/name`, `sqlite:///path` (inside the open folders), `mysql://user@host/name`."""
    timeout: str | int | float = "30s"
    """Of the whole action; the statement is stopped then, in the database too."""

    def __post_init__(self) -> None:
        """Check what types cannot say."""
        if self.connection is not None and self.url is not None:
            raise ValueError("give either `connection` (its name) or `url`")
        if not durations.parse(self.timeout):
            raise ValueError("timeout: more than nothing is needed")


class QueryParams(DatabaseParams, kw_only=True):
    """A statement and its values."""

    sql: str
    """Code: values come in as `:name` and `params`, never by `{{ … }}` in the text."""
    params: dict[str, Any] = {}
    """Values of the `:name`s. A list fits behind `IN :names`, and in PostgreSQL wherever an array does."""
    limit: Limit | None = None
    """Only so many rows. Without it, more than 10,000 are an error."""
    write: bool | None = None
    """Whether it changes something (a function called by a SELECT may); default: what the statement's words tell."""

    def __post_init__(self) -> None:
        """Check what types cannot say."""
        super().__post_init__()
        _check_statement(self.sql, self.params)

    @property
    def writes(self) -> bool:
        """Whether it may change something."""
        from reactor.connectors.database import statement  # noqa: PLC0415

        return not statement.read(self.sql).reads if self.write is None else self.write


class Statement(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """One of several statements."""

    sql: str
    """Code, as in `database.query`."""
    params: dict[str, Any] = {}
    """Values of its `:name`s."""

    def __post_init__(self) -> None:
        """Check what types cannot say."""
        _check_statement(self.sql, self.params)


class TransactionParams(DatabaseParams, kw_only=True):
    """Statements that are done together."""

    statements: Annotated[list[Statement], msgspec.Meta(min_length=1, max_length=_MOST_STATEMENTS)]
    """In this order."""


class TableParams(DatabaseParams, kw_only=True):
    """A table."""

    table: Annotated[str, msgspec.Meta(min_length=1)]
    """Its name, or `schema.name`."""
    returning: list[str] = []
    """Columns of the changed rows to give back as `rows`."""


class InsertParams(TableParams, kw_only=True):
    """Rows for a table: one of `rows` and `row`."""

    rows: list[dict[str, Any]] | None = None
    row: dict[str, Any] | None = None

    def __post_init__(self) -> None:
        """Check what types cannot say."""
        super().__post_init__()
        if (self.rows is None) == (self.row is None):
            raise ValueError("give either `row` (a map) or `rows` (a list of maps)")
        if any(not row for row in self.all):
            raise ValueError("a row has no columns")

    @property
    def all(self) -> list[dict[str, Any]]:
        """The rows, however they were given."""
        return self.rows if self.rows is not None else [self.row or {}]


class UpdateParams(TableParams, kw_only=True):
    """New values for some rows."""

    set: dict[str, Any]
    where: Where = {}
    """Columns and the values that they must have; null: is null; a list: one of these."""
    all: bool = False
    """Change every row: needed when `where` is empty."""

    def __post_init__(self) -> None:
        """Check what types cannot say."""
        super().__post_init__()
        if not self.set:
            raise ValueError("set: is empty")
        _some_or_all(self.where, all_rows=self.all)


class DeleteParams(TableParams, kw_only=True):
    """Which rows go."""

    where: Where = {}
    """Columns and the values that they must have; null: is null; a list: one of these."""
    all: bool = False
    """Delete every row: needed when `where` is empty."""

    def __post_init__(self) -> None:
        """Check what types cannot say."""
        super().__post_init__()
        _some_or_all(self.where, all_rows=self.all)


def _check_statement(sql: str, params: dict[str, Any]) -> None:
    from reactor.connectors.database import statement  # noqa: PLC0415

    read = statement.read(sql)
    if read.problem is not None:
        raise ValueError(f"sql: {read.problem}")
    missing = [name for name in read.names if name not in params]
    if missing:
        raise ValueError(f"sql: `:{missing[0]}` has no value in `params`")
    other = [name for name in params if name not in read.names]
    if other:
        raise ValueError(f"params: {other[0]!r} is nowhere in `sql` (write `:{other[0]}`)")
    for name in read.lists:
        if not isinstance(params[name], list):
            raise ValueError(f"params: {name!r} stands behind IN and should be a list")
        if not params[name] and name in read.excluded:
            raise ValueError(f"params: {name!r} is empty, and NOT IN has no way to say so; guard the step with `if`")


def _some_or_all(where: Where, *, all_rows: bool) -> None:
    if not where and not all_rows:
        raise ValueError("where: is empty, which would mean every row; say `all: true` if it is meant")
    if where and all_rows:
        raise ValueError("give either `where` or `all: true`")


def query_effect(params: QueryParams) -> Effect:
    """A statement that reads is run in a read-only transaction, so this is a promise."""
    return Effect.WRITE if params.writes else Effect.READ


@action("database.query", params=QueryParams, effect=query_effect, retry=_RETRY, literal=("sql",))
async def query(ctx: ActionContext, params: QueryParams) -> dict[str, Any]:
    """Run one SQL statement.

    Output: `rows` (maps), `columns`, `row_count` (rows given, or changed where none are given), and `truncated: true`
    when `limit` cut the rows. Numbers of exact precision, UUIDs and the like are text, times are ISO 8601, bytes are
    base64. Statements that begin with SELECT, WITH, VALUES, EXPLAIN or SHOW and hold no word that changes anything are
    run read-only. Kinds of failure: `database.connection`, `database.locked`, `database.deadlock`, `database.timeout`
    (tried again), `database.constraint`, `database.syntax`, `database.data`, `database.limit`, `database.denied`.
    """
    from reactor.connectors.database import queries  # noqa: PLC0415 - keeps the import of connectors cheap

    return await queries.query(ctx, params)


@action(
    "database.transaction", params=TransactionParams, effect=Effect.WRITE, retry=_RETRY, literal=("statements.sql",)
)
async def transaction(ctx: ActionContext, params: TransactionParams) -> dict[str, Any]:
    """Run several SQL statements in one transaction: all of them are done, or none.

    Output: `results`, for each statement what `database.query` gives, and `row_count`, the sum. What MySQL and MariaDB
    commit by themselves (CREATE, ALTER, DROP …) stays done. Kinds of failure as of `database.query`.
    """
    from reactor.connectors.database import queries  # noqa: PLC0415 - keeps the import of connectors cheap

    return await queries.transaction(ctx, params)


@action("database.insert", params=InsertParams, effect=Effect.WRITE, retry=_RETRY)
async def insert(ctx: ActionContext, params: InsertParams) -> dict[str, Any]:
    """Insert rows into a table, all or none.

    Output: `row_count`, `keys` (primary keys of the new rows: values, or maps where a key has several columns; empty
    where the database cannot tell), and with `returning` `rows`. JSON columns take any value, binary columns base64.
    """
    from reactor.connectors.database import changes  # noqa: PLC0415 - keeps the import of connectors cheap

    return await changes.insert(ctx, params)


@action("database.update", params=UpdateParams, effect=Effect.WRITE, retry=_RETRY)
async def update(ctx: ActionContext, params: UpdateParams) -> dict[str, Any]:
    """Change the rows of a table for which all of `where` holds.

    Output: `row_count`, `keys` (of the changed rows, 10,000 at most), and with `returning` `rows`.
    """
    from reactor.connectors.database import changes  # noqa: PLC0415 - keeps the import of connectors cheap

    return await changes.update(ctx, params)


@action("database.delete", params=DeleteParams, effect=Effect.WRITE, retry=_RETRY)
async def delete(ctx: ActionContext, params: DeleteParams) -> dict[str, Any]:
    """Delete the rows of a table for which all of `where` holds.

    Output: `row_count`, `keys` (of the deleted rows, 10,000 at most), and with `returning` `rows`.
    """
    from reactor.connectors.database import changes  # noqa: PLC0415 - keeps the import of connectors cheap

    return await changes.delete(ctx, params)


ACTIONS: tuple[Action, ...] = (query, transaction, insert, update, delete)
