"""Changes of tables of PostgreSQL and MariaDB as sources."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from tests.sources.databases import PolledMariaDb, PolledPostgres

BATCH = 7
"""Smaller than what is sent in one transaction, so that some are left off in their middle."""


class PostgresChanges(PolledPostgres):
    """PostgreSQL. Slot and publication are there before the trigger, so that a Reactor that dies before it listens
    misses nothing.
    """

    name = "cdc (PostgreSQL)"
    n = "event.data.new.n"

    def fresh(self, number: int) -> None:
        if not self.server.alive:
            self.server.start()
        self._drop_slots()
        super().fresh(number)
        self._written = "0/0"
        self._run(f"CREATE PUBLICATION pub_{self.table} FOR TABLE {self.table}")
        self._run(f"SELECT pg_create_logical_replication_slot('slot_{self.table}', 'pgoutput')")

    def on(self) -> str:
        names = {"slot": f"slot_{self.table}", "publication": f"pub_{self.table}"}
        return json.dumps({"cdc": {"tables": self.table, "batch": BATCH, **names}})

    def send(self, numbers: Sequence[int]) -> None:
        with self._engine.begin() as connection:
            rows = [{"n": number} for number in numbers]
            connection.execute(sa.text(f"INSERT INTO {self.table} (n) VALUES (:n)"), rows)
            # Before the end of the commit, which is what is confirmed.
            self._written = str(connection.execute(sa.text("SELECT pg_current_wal_insert_lsn()")).scalar_one())

    def remember(self) -> None:
        """A second slot stays where the first is now."""
        self._run(f"SELECT pg_copy_logical_replication_slot('slot_{self.table}', 'kept')")

    def again(self, numbers: Sequence[int]) -> None:
        """The slot is back where it was, as after a crash of the server, which writes seldom how far we are."""
        self._drop_slots(but="kept")
        self._run(f"SELECT pg_copy_logical_replication_slot('kept', 'slot_{self.table}')")

    def left(self) -> int:
        """1: the end of what was sent has not been confirmed."""
        return int(
            self._ask(
                f"SELECT (confirmed_flush_lsn <= '{self._written}')::int FROM pg_replication_slots "
                f"WHERE slot_name = 'slot_{self.table}'"
            )
        )

    def _drop_slots(self, but: str = "") -> None:
        """All; who reads one still, although it was killed, is ended."""
        slots = f"FROM pg_replication_slots WHERE slot_name <> '{but}'"
        end = time.monotonic() + 10
        while int(self._ask(f"SELECT count(*) {slots}")):
            self._run(f"SELECT pg_terminate_backend(active_pid) {slots} AND active_pid IS NOT NULL")
            try:
                self._run(f"SELECT pg_drop_replication_slot(slot_name) {slots}")
            except DBAPIError:  # in use
                if time.monotonic() > end:
                    raise
                time.sleep(0.05)

    def _ask(self, sql: str) -> str:
        with self._engine.connect() as connection:
            return str(connection.execute(sa.text(sql)).scalar_one())


class MariaDbChanges(PolledMariaDb):
    """MariaDB. With the rows that are there, for a trigger that has never listened has no place in the binlog."""

    name, binlog, begins_when_armed = "cdc (MariaDB)", True, True
    n = "event.data.new.n"

    def on(self) -> str:
        return json.dumps({"cdc": {"tables": self.table, "batch": BATCH, "snapshot": True}})

    def poison(self) -> None:
        """A row of which the binlog does not say the columns."""
        self._run("SET GLOBAL binlog_row_metadata = 'MINIMAL'")
        self._run(f"INSERT INTO {self.table} (n) VALUES (-1)")
        self._run("SET GLOBAL binlog_row_metadata = 'FULL'")
