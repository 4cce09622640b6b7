"""Polled tables of PostgreSQL and MariaDB as sources."""

from __future__ import annotations

import json
from collections.abc import Sequence

import sqlalchemy as sa

from reactor.testing.servers import MariaDb, Postgres, Wire
from tests.sources.rig import Rig


class _Polled(Rig):
    """A table; its rows are numbered by the server as they are sent."""

    server: Postgres | MariaDb
    key = ""

    def __init__(self) -> None:
        self.server.__enter__()
        self.wire = Wire(self.server.port)
        self.wire.__enter__()
        self.table = ""
        driver = {"postgres": "postgresql+psycopg", "mysql": "mysql+pymysql"}[self.type]
        self._engine = sa.create_engine(self.server.url(scheme=driver), poolclass=sa.NullPool)

    type = ""

    def close(self) -> None:
        self._engine.dispose()
        self.wire.__exit__(None, None, None)
        self.server.__exit__(None, None, None)

    def fresh(self, number: int) -> None:
        if not self.server.alive:
            self.server.start()
        self.wire.mend()
        if self.table:
            self._run(f"DROP TABLE IF EXISTS {self.table}")
        self.table = f"rows_{number}"
        self._run(f"CREATE TABLE {self.table} (id {self.key} PRIMARY KEY, n integer, filling {self.filling})")

    filling = "text"

    def on(self) -> str:
        return json.dumps(
            {"database": {"table": self.table, "cursor": "id", "every": "100ms", "start": "beginning", "settle": "3s"}}
        )

    def connections(self) -> str:
        url = self.server.url().replace(f":{self.server.port}/", f":{self.wire.port}/")
        return json.dumps({"db": {"type": self.type, "url": url}})

    def send(self, numbers: Sequence[int]) -> None:
        with self._engine.begin() as connection:
            connection.execute(
                sa.text(f"INSERT INTO {self.table} (n) VALUES (:n)"), [{"n": number} for number in numbers]
            )

    def again(self, numbers: Sequence[int]) -> None:
        """They are written anew, as they were."""
        self._run(f"UPDATE {self.table} SET filling = 'again' WHERE n IN ({', '.join(map(str, numbers))})")

    def poison(self) -> None:
        """More than one event may hold."""
        self._run(f"INSERT INTO {self.table} (n, filling) VALUES (-1, repeat('x', 11000000))")

    def left(self) -> int:
        """A table does not know who has read it."""
        return 0

    def _run(self, sql: str) -> None:
        with self._engine.begin() as connection:
            connection.execute(sa.text(sql))


class PolledPostgres(_Polled):
    """PostgreSQL; what is committed outlives a kill of its process."""

    name, type, key = "database (PostgreSQL)", "postgres", "bigint GENERATED ALWAYS AS IDENTITY"

    def __init__(self) -> None:
        self.server = Postgres({"synchronous_commit": "on"})
        super().__init__()


class PolledMariaDb(_Polled):
    """MariaDB."""

    name, type, key, filling = "database (MariaDB)", "mysql", "bigint AUTO_INCREMENT", "longtext"
    binlog = False

    def __init__(self) -> None:
        self.server = MariaDb(binlog=self.binlog)
        super().__init__()
