"""The trigger `database`: the new rows of a table or query, found by polling.

Rows are read in the order of the cursor, from the last one on; the position is kept in the same commit as their events,
so each row is told once. Rows that are committed out of order — a transaction that took an earlier id, or an earlier
time, and ended later — are found as long as they come within `settle`: so long the rows before the position are read
again, and those that are not among the ones that were told are late. A row that changes is told again when its cursor
changes with it. What is deleted, and all but the last of several changes between two looks, cannot be seen.

Everything is read in transactions that only read, on one connection a trigger, in a thread of its own.
"""

from __future__ import annotations

from typing import ClassVar

import msgspec

from reactor.connectors.database.config import DatabaseConfig
from reactor.sdk import DeadLetter, EventDraft, TriggerContext
from reactor.sdk.content import read_json


class DatabaseTrigger:
    """Tells which rows are new."""

    kind: ClassVar[str] = "database"
    config: ClassVar[type[msgspec.Struct]] = DatabaseConfig
    short: ClassVar[str | None] = None
    doc: ClassVar[str] = "An event for each new row of a table or query, found by looking again and again."
    default_type: ClassVar[str] = "database.row"

    def check(self, config: DatabaseConfig) -> list[str]:
        return config.problems()

    async def run(self, ctx: TriggerContext) -> None:
        from reactor.connectors.database.polling import Polling  # noqa: PLC0415 - keeps the import of connectors cheap

        await Polling(ctx).run()

    def redo(self, config: DatabaseConfig, letter: DeadLetter) -> EventDraft:
        """The row as it was read; what was no text in it is base64.

        Raises:
            MalformedError: it is no JSON, which never happens to a row.
        """
        data = read_json(letter.payload)
        return EventDraft(type=self.default_type, data=data, metadata=letter.metadata, subject=letter.subject)
