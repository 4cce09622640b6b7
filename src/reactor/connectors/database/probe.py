"""Tests of connections: log in, and say what is there."""

from __future__ import annotations

import asyncio
from typing import Any

import sqlalchemy as sa
from sqlalchemy import exc

from reactor.connectors.database.engines import create
from reactor.connectors.database.failures import translate
from reactor.connectors.database.places import of_settings, present
from reactor.sdk import ConnectionContext, TransientError
from reactor.sdk.databases import ServerSettings, SqliteSettings

_WITHIN = 8.0
"""Seconds."""
_QUESTIONS = {
    "postgresql": "SELECT 'PostgreSQL ' || current_setting('server_version'), current_database(), current_user",
    "mysql": "SELECT version(), database(), current_user()",
    "sqlite": "SELECT 'SQLite ' || sqlite_version(), count(*), '' FROM sqlite_master WHERE type = 'table'",
}
# A server that takes the connection and says nothing must not hold us for ever.
_LIMITS: dict[str, dict[str, Any]] = {
    "postgresql": {"connect_timeout": 4},
    "mysql": {"connect_timeout": 4, "read_timeout": 4, "write_timeout": 4},
    "sqlite": {"timeout": 5},
}


async def probe(ctx: ConnectionContext, type_: str, settings: ServerSettings | SqliteSettings) -> str:
    """What answers behind a connection: its version, the database and who we are.

    Raises:
        StepError: kinds `input` and `database.*`.
    """
    try:
        return await asyncio.wait_for(asyncio.to_thread(_ask, ctx, type_, settings), _WITHIN)
    except TimeoutError:
        raise TransientError("database.connection", f"it does not answer within {_WITHIN:.0f} s") from None
    except exc.SQLAlchemyError as error:
        raise translate(error) from error


def _ask(ctx: ConnectionContext, type_: str, settings: ServerSettings | SqliteSettings) -> str:
    place = of_settings(ctx.settings, f"connection {ctx.name!r}", type_, settings)
    present(place)
    engine = create(place, _LIMITS[place.kind], poolclass=sa.NullPool)
    with engine.connect() as connection:
        version, name, user = connection.exec_driver_sql(_QUESTIONS[place.kind]).one()
        if place.kind == "sqlite":
            return f"{version}, {name} tables"
        maker = "" if "postgres" in version.lower() or getattr(connection.dialect, "is_mariadb", False) else "MySQL "
        return f"{maker}{version}, database {name} as {user}"
