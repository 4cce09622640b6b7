"""What a trigger follows, and which changes a snapshot has told already."""

from __future__ import annotations

from reactor.connectors.cdc.postgres.pgoutput import Change, lsn_number
from reactor.connectors.cdc.postgres.shapes import Shape
from reactor.connectors.cdc.postgres.tables import Table
from reactor.connectors.cdc.postgres.values import Kind
from reactor.connectors.cdc.progress import KeyOrder, Progress


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
        self.progress = Progress()
        self.orders: dict[str, KeyOrder] = {}

    def follows(self, table: str) -> bool:
        """Whether changes of this table are told."""
        return self.everything or table in self.tables

    def seen(self, shape: Shape, change: Change, lsn: int) -> bool:
        """Whether the snapshot has told the row as it is after this change: it was read on after a restart, at a later
        place of the log than that where the stream begins.
        """
        if not self.progress.interrupted(shape.table):
            return False
        order = self.orders[shape.table]
        keys = [texts for row in (change.new, change.old) if (texts := shape.texts(row, order.columns)) is not None]
        marks = [self.progress.mark(shape.table, order, texts) for texts in keys]
        return bool(marks) and all(mark is not None and lsn < lsn_number(mark) for mark in marks)
