"""What a trigger follows on a MariaDB or MySQL, and which changes a snapshot has told already."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from reactor.connectors.cdc.change import chooser
from reactor.connectors.cdc.config import CdcConfig
from reactor.connectors.cdc.mysql.position import Executed, executed
from reactor.connectors.cdc.mysql.server import Server, Table
from reactor.connectors.cdc.progress import KeyOrder, Progress
from reactor.sdk import JSON, TriggerLost

_NUMBERS = frozenset({"tinyint", "smallint", "mediumint", "int", "bigint"})
_TEXTS = frozenset({"char", "varchar"})


class Plan:
    """What is followed. Used by the thread that reads."""

    def __init__(
        self, config: CdcConfig, found: Mapping[str, Table], server: Server, side: Any, gap: Callable[[str], None]
    ) -> None:
        """`gap`: to be called in the loop."""
        self.tables = dict(found)
        self.names = tuple(sorted(found))
        self.wanted = config.wanted()
        self.choose = chooser(config.columns)
        self.gap = gap
        self.progress = Progress()
        self.orders: dict[str, KeyOrder] = {}
        self._server, self._side = server, side
        self._marks: dict[str, Executed] = {}

    def named_in(self, statement: str) -> list[str]:
        """The tables whose name stands in a statement."""
        words = {word.lower() for word in re.findall(r"[\w$]+", statement)}
        return [name for name in self.names if name.split(".", 1)[1].lower() in words]

    def look_again(self) -> None:
        """A statement has changed tables.

        Raises:
            TriggerLost: one of ours is gone.
        """
        try:
            self._server.tables(self._side, list(self.names))
        except TriggerLost as lost:
            raise TriggerLost(f"a table has been dropped or renamed: {lost}") from None

    def ordered(self) -> None:
        """See how the keys of the tables compare.

        Raises:
            TriggerLost: a table has no key that a snapshot can go by.
        """
        for name, table in self.tables.items():
            types = dict(table.columns)
            kinds = [types[column] for column in table.key]
            if not kinds or not all(kind in _NUMBERS | _TEXTS for kind in kinds):
                raise TriggerLost(
                    f"{name} has no primary key of integers or texts, so a snapshot that is interrupted could not go "
                    "on "
                    "without telling rows twice; add one, or say snapshot: false"
                )
            self.orders[name] = KeyOrder(table.key, tuple(kind in _NUMBERS for kind in kinds))

    def seen(self, table: str, row: Mapping[str, Any], operation: str, gtid: str) -> bool:
        """Whether the snapshot has told the row as it is after this change: it was read on after a restart, at a later
        place of the log than that where the stream begins.
        """
        if not self.progress.interrupted(table):
            return False
        order = self.orders[table]
        held = (row["before_values"], row["after_values"]) if operation == "update" else (row["values"],)
        marks = [self.progress.mark(table, order, [str(values[column]) for column in order.columns]) for values in held]
        return all(mark is not None and gtid in self._executed(mark) for mark in marks)

    def _executed(self, mark: str) -> Executed:
        if mark not in self._marks:
            self._marks[mark] = executed(mark, mariadb=self._server.mariadb)
        return self._marks[mark]


def key_texts(table: Table, row: tuple[JSON, ...]) -> list[str]:
    """The key of a row that a snapshot read."""
    at = {name: place for place, (name, _) in enumerate(table.columns)}
    return [str(row[at[column]]) for column in table.key]
