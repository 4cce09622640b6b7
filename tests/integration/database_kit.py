"""One database of each kind with a table of its own, for the tests of the trigger."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from reactor.connectors.database.trigger import DatabaseTrigger
from reactor.testing.triggers import TriggerBench

_number = itertools.count(1)


class Shop:
    """A database where somebody else writes."""

    def __init__(self, kind: str, url: str, folder: Path) -> None:
        self.kind = kind
        self.url = url
        self.folder = folder
        self.server: Any = None
        self.table = f"orders_{next(_number)}"
        driver = {"postgres": "postgresql+psycopg", "mysql": "mysql+pymysql", "sqlite": "sqlite"}[kind]
        scheme, rest = url.split("://", 1)
        path = f"/{folder / rest.lstrip('/')}" if scheme == "sqlite" else rest
        self.engine = sa.create_engine(f"{driver}://{path}", poolclass=sa.NullPool)

    def run(self, *statements: str, **values: Any) -> list[Any]:
        """Statements in one transaction; the rows of the last."""
        rows: list[Any] = []
        with self.engine.begin() as connection:
            for each in statements:
                result = connection.execute(sa.text(each.replace("TABLE_", self.table)), values)
                rows = list(result.fetchall()) if result.returns_rows else []
        return rows

    def create(self, columns: str = "id integer PRIMARY KEY, name varchar(200)") -> None:
        """The table."""
        self.run(f"CREATE TABLE TABLE_ ({columns})")

    def add(self, *ids: int) -> None:
        """Rows with these ids, in one transaction."""
        with self.engine.begin() as connection:
            connection.execute(
                sa.text(f"INSERT INTO {self.table} (id, name) VALUES (:id, :name)"),
                [{"id": number, "name": f"n{number}"} for number in ids],
            )

    def bench(self, **config: Any) -> TriggerBench:
        """A trigger on it."""
        given: dict[str, Any] = {"connection": "shop", "cursor": "id", "every": "100ms", "start": "beginning"} | config
        if "query" not in given:
            given.setdefault("table", self.table)
        return TriggerBench(
            DatabaseTrigger(),
            given,
            settings={"file_roots": (str(self.folder),)},
            connections={"shop": {"type": self.kind, "url": self.url}},
        )


def ids(bench: TriggerBench) -> list[int]:
    """Of the rows that were told, in order."""
    return [draft.data["id"] for draft in bench.drafts]


def closing(shop: Shop) -> Iterator[Shop]:
    """The shop, gone afterwards."""
    yield shop
    if shop.kind != "sqlite":
        shop.run("DROP TABLE IF EXISTS TABLE_")
    shop.engine.dispose()
