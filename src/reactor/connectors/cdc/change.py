"""One change of a row, whatever database it comes from, as an event."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from reactor.model.clock import Instant
from reactor.sdk import JSON, EventDraft

Row = Mapping[str, JSON]
PREFIX = "database."


def draft(
    *,
    operation: str,
    table: str,
    new: Row | None,
    old: Row | None,
    key: Row | None,
    time: Instant | None,
    metadata: dict[str, JSON],
) -> EventDraft:
    """The event of a change: `data` is {new, old, key}, what is not known is null."""
    return EventDraft(
        type=PREFIX + operation,
        subject=table,
        time=time,
        data={"new": new, "old": old, "key": key},
        metadata={"table": table, "operation": operation, **metadata},
    )


def chooser(columns: list[str]) -> Callable[[dict[str, Any] | None], dict[str, Any] | None]:
    """Keeps the wanted columns of a row."""
    if not columns:
        return lambda row: row
    wanted = frozenset(columns)
    return lambda row: None if row is None else {name: row[name] for name in row if name in wanted}
