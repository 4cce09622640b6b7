"""The configuration of a database trigger."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from reactor.model import durations

_SHORTEST, _LONGEST = 100, 86_400_000
_LONGEST_SETTLE = 3_600_000
_LONGEST_TIMEOUT = 300_000
"""Milliseconds."""


class DatabaseConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What may stand under `database:`."""

    connection: str | None = None
    """Name of a connection of type `postgres`, `mysql` or `sqlite`. Without it and `url`: the only one."""
    url: str | None = None
    """In its place: `postgresql://user@host/name`, `mysql://user@host/name`, `sqlite:///path`."""
    table: str | None = None
    """Whose new rows are events: its name, or `schema.name`; a view, too."""
    query: str | None = None
    """In its place: a SELECT whose rows are events. It is code and takes no `{{ … }}`; `:cursor` in it is the first
    column of `cursor` of the row from which on rows are asked for (null: from the beginning)."""
    cursor: str | list[str] = msgspec.field(default_factory=list)
    """The column that rises with each new or changed row, or several that are unique together: `id`, or
    `[updated_at, id]`. A table's primary key is added to it. Rows in which it is null are not seen."""
    every: str | int | float = "5s"
    """How often new rows are looked for."""
    batch: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 500
    """So many rows at most are read, and committed as events, at once."""
    start: Literal["now", "beginning"] = "now"
    """Which rows count at the very first start: those that come from now on, or all."""
    settle: str | int | float = "10s"
    """Rows that are committed out of order are caught so long after a later row was seen; `0s` where rows are only ever
    committed in the order of `cursor`."""
    timeout: str | int | float = "5s"
    """Of one query; the database stops it then."""

    def columns(self) -> list[str]:
        """The columns of `cursor`, as written."""
        return [self.cursor] if isinstance(self.cursor, str) else self.cursor

    def problems(self) -> list[str]:
        """All that is wrong with it."""
        return [*self._source(), *self._cursor(), *self._times()]

    def _source(self) -> list[str]:
        found = []
        if self.connection is not None and self.url is not None:
            found.append("give either `connection` (its name) or `url`")
        if (self.table is None) == (self.query is None):
            found.append("give either `table` (its name) or `query` (a SELECT)")
        if self.table == "":
            found.append("table is empty; write its name")
        return [*found, *(_query(self.query) if self.query is not None else ())]

    def _cursor(self) -> list[str]:
        columns = self.columns()
        if not columns or not all(columns):
            return ["cursor is missing; write the column that rises with each new row, such as id or [updated_at, id]"]
        return ["cursor names a column twice"] if len(set(columns)) < len(columns) else []

    def _times(self) -> list[str]:
        bounds = {
            "every": (self.every, _SHORTEST, _LONGEST),
            "settle": (self.settle, 0, _LONGEST_SETTLE),
            "timeout": (self.timeout, _SHORTEST, _LONGEST_TIMEOUT),
        }
        found = []
        for name, (value, least, most) in bounds.items():
            try:
                millis = durations.parse(value)
            except ValueError as error:
                found.append(f"{name}: {error}")
                continue
            if not least <= millis <= most:
                found.append(f"{name} should be between {durations.show(least)} and {durations.show(most)}")
        return found


def _query(sql: str) -> list[str]:
    from reactor.connectors.database import statement  # noqa: PLC0415 - keeps the import of connectors cheap

    if "{{" in sql:
        return ["query: is code and takes no {{ … }}; the one value in it is :cursor"]
    read = statement.read(sql)
    if read.problem is not None:
        return [f"query: {read.problem}"]
    found = [f"query: there is no value for :{name}; only :cursor" for name in read.names if name != "cursor"]
    if read.lists:
        found.append("query: :cursor is one value and cannot stand behind IN")
    if not read.streams:
        found.append("query: only a SELECT that changes nothing can be read again and again")
    return found
