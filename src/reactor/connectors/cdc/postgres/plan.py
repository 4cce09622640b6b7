"""What a trigger follows, and which changes a snapshot has told already."""

from __future__ import annotations

from collections.abc import Mapping

from reactor.connectors.cdc.postgres.pgoutput import Change, lsn_number, lsn_text
from reactor.connectors.cdc.postgres.shapes import Shape
from reactor.connectors.cdc.postgres.tables import Table
from reactor.connectors.cdc.postgres.values import BPCHAR, INTEGERS, Kind
from reactor.sdk import JSON

Order = tuple[int | bytes, ...]
"""A key in the order in which a snapshot reads: numbers, else the bytes of its text (collation "C")."""


class Bound:
    """Rows up to a key were told as they were at one place of the log."""

    def __init__(self, lsn: int, to: list[str] | None) -> None:
        self.lsn = lsn
        self.to = to
        """The last key; None: to the end of the table."""


class KeyOrder:
    """How the rows of a table are ordered by their primary key."""

    def __init__(self, columns: tuple[str, ...], types: tuple[int, ...]) -> None:
        self.columns = columns
        self._types = types

    def place(self, texts: list[str]) -> Order:
        """The key's place, from the texts of its values."""
        return tuple(
            int(text) if type_ in INTEGERS else self.clean(text, type_).encode()
            for text, type_ in zip(texts, self._types, strict=True)
        )

    @staticmethod
    def clean(text: str, type_: int) -> str:
        """As a cast to text gives it: char(n) without its padding."""
        return text.rstrip(" ") if type_ == BPCHAR else text

    def sql(self, quoted: list[str]) -> list[str]:
        """What to order by."""
        return [
            name if type_ in INTEGERS else f'({name}::text) COLLATE "C"'
            for name, type_ in zip(quoted, self._types, strict=True)
        ]

    def cleaned(self, texts: list[str]) -> list[str]:
        """A key as it is saved."""
        return [self.clean(text, type_) for text, type_ in zip(texts, self._types, strict=True)]


class Plan:
    """What is followed."""

    def __init__(self, slot: str, publication: str, found: dict[str, Table], kinds: dict[int, Kind]) -> None:
        self.slot = slot
        self.publication = publication
        self.tables = found
        self.kinds = kinds
        self.asked: set[int] = set()
        """Types of this database that have been looked up."""
        self.everything = False
        """All tables of the publication are followed."""
        self.bounds: dict[str, list[Bound]] = {}
        self.orders: dict[str, KeyOrder] = {}

    def follows(self, table: str) -> bool:
        """Whether changes of this table are told."""
        return self.everything or table in self.tables

    def seen(self, shape: Shape, change: Change, lsn: int) -> bool:
        """Whether the snapshot has told the row as it is after this change: it was read on after a restart, at a later
        place of the log than that where the stream begins.
        """
        bounds = self.bounds.get(shape.table)
        if bounds is None or len(bounds) == 1 or lsn >= bounds[-1].lsn:
            return False
        order = self.orders[shape.table]
        keys = [texts for row in (change.new, change.old) if (texts := shape.texts(row, order.columns)) is not None]
        return bool(keys) and all(lsn < _read_at(bounds, order, texts) for texts in keys)


def _read_at(bounds: list[Bound], order: KeyOrder, texts: list[str]) -> int:
    """Where in the log the snapshot stood when it told the row with this key."""
    place = order.place(texts)
    return next((each.lsn for each in bounds if each.to is None or place <= order.place(each.to)), 0)


def bounds_saved(bounds: Mapping[str, list[Bound]]) -> JSON:
    """To be saved."""
    return {table: [[lsn_text(each.lsn), each.to] for each in parts] for table, parts in bounds.items()}


def bounds_loaded(saved: JSON) -> dict[str, list[Bound]]:
    """As they were saved."""
    return {table: [Bound(lsn_number(lsn), to) for lsn, to in parts] for table, parts in dict(saved or {}).items()}
