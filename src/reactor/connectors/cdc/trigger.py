"""The trigger `cdc`: changes of tables as they are committed, in their order, each once.

PostgreSQL tells them by logical replication, MariaDB and MySQL by their binlog. How far they have been read is saved in
the commit of the events; the database may forget what it held for us only after that.
"""

from __future__ import annotations

import importlib
from typing import Any, ClassVar

import msgspec

from reactor.connectors.cdc.config import CdcConfig
from reactor.sdk import TriggerContext
from reactor.sdk.databases import ALIASES, MYSQL, POSTGRES
from reactor.sdk.drivers import needed


class CdcTrigger:
    """Tells which rows are inserted, updated and deleted."""

    kind: ClassVar[str] = "cdc"
    config: ClassVar[type[msgspec.Struct]] = CdcConfig
    short: ClassVar[str | None] = None
    doc: ClassVar[str] = (
        "An event for each row that is inserted, updated or deleted in tables of PostgreSQL, MariaDB or MySQL."
    )
    default_type: ClassVar[str] = "database.insert"

    def check(self, config: CdcConfig) -> list[str]:
        return config.problems()

    async def run(self, ctx: TriggerContext) -> None:
        found = ctx.connection(ctx.config.connection, POSTGRES, MYSQL, *ALIASES)
        kind = "postgres" if found.type.startswith(POSTGRES.name) else "mysql"
        with needed(kind):  # paid by flows that use it
            changes: Any = importlib.import_module(f"reactor.connectors.cdc.{kind}.changes")
        await changes.follow(ctx, found.settings)
