"""Rows of the stream as JSON: the shape of each table as it was when the change was made. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from reactor.connectors.cdc.change import Row
from reactor.connectors.cdc.postgres.pgoutput import UNCHANGED, Change, Relation, Tuple
from reactor.connectors.cdc.postgres.values import BPCHAR, Kind, Reader, reader
from reactor.sdk import JSON


class Shape:
    """Reads the rows of one table."""

    def __init__(self, relation: Relation, key: tuple[str, ...], kinds: Mapping[int, Kind]) -> None:
        """`key`: the primary key, for tables whose replica identity does not tell it."""
        self.table = relation.table
        self._columns: list[tuple[str, Reader]] = [(each.name, reader(each.type, kinds)) for each in relation.columns]
        flagged = tuple(each.name for each in relation.columns if each.key)
        names = {each.name for each in relation.columns}
        known = relation.identity in "di" and flagged
        self.key = flagged if known else tuple(name for name in key if name in names)
        self._flagged = frozenset(flagged)
        self._padded = {each.name for each in relation.columns if each.type == BPCHAR}
        self._at = {each.name: at for at, each in enumerate(relation.columns)}

    def read(self, change: Change) -> tuple[dict[str, JSON] | None, dict[str, JSON] | None, list[str]]:
        """`new`, `old`, and the columns that are in neither because they were not sent."""
        old = None
        if change.old is not None:
            old = self._row(change.old)
            if not change.whole:
                old = {name: value for name, value in old.items() if name in self._flagged}
        if change.new is None:
            return None, old, []
        new = self._row(change.new)
        missing = [name for (name, _), value in zip(self._columns, change.new, strict=True) if value is UNCHANGED]
        if old is not None and change.whole:
            new |= {name: old[name] for name in missing if name in old}
            missing = [name for name in missing if name not in old]
        return new, old, missing

    def key_of(self, *rows: Row | None) -> dict[str, JSON] | None:
        """The key, out of the first of these rows that is there."""
        row = next((each for each in rows if each is not None), None)
        if row is None or not self.key:
            return None
        return {name: row.get(name) for name in self.key}

    def texts(self, row: Tuple | None, names: tuple[str, ...]) -> list[str] | None:
        """The values of these columns as a cast to text gives them; None: not all were sent."""
        if row is None or not all(name in self._at for name in names):
            return None
        found = [row[self._at[name]] for name in names]
        if not all(isinstance(each, str) for each in found):
            return None
        return [
            str(each).rstrip(" ") if name in self._padded else str(each)
            for name, each in zip(names, found, strict=True)
        ]

    def _row(self, values: Tuple) -> dict[str, JSON]:
        return {
            name: None if value is None else _read(read, value)
            for (name, read), value in zip(self._columns, values, strict=True)
            if value is not UNCHANGED
        }


def _read(read: Reader, value: object) -> JSON:
    text = str(value)
    try:
        return read(text)
    except (ValueError, IndexError):  # a text that its type does not have: told as it is rather than not at all
        return text
