"""Tests of connections: log in, and say what is there."""

from __future__ import annotations

import asyncio
from typing import Any

import sqlalchemy as sa
from sqlalchemy import exc

from reactor.connectors.database.engines import create
from reactor.connectors.database.failures import translate
from reactor.connectors.database.places import Place, of_settings, present
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
    place = await asyncio.to_thread(_place, ctx, type_, settings)
    try:
        return await asyncio.wait_for(asyncio.to_thread(_ask, place), _WITHIN)
    except TimeoutError:
        raise TransientError(
            "database.connection", f"{place.shown} does not answer within {_WITHIN:.0f} s; {_advice(place, True)}"
        ) from None
    except exc.SQLAlchemyError as error:
        found = translate(error)
        again = isinstance(found, TransientError)
        raise type(found)(found.kind, f"{place.shown}: {found.message}; {_advice(place, again)}") from error


def _advice(place: Place, again: bool) -> str:  # noqa: FBT001 - whether it may go well another time
    if place.kind == "sqlite":
        return "is another program writing for long?" if again else "look at `url` of the connection"
    if again:
        return "is the server running, and `url` of the connection right?"
    return "check `url`, `user`, `password` and `tls` of the connection"


def _place(ctx: ConnectionContext, type_: str, settings: ServerSettings | SqliteSettings) -> Place:
    place = of_settings(ctx.settings, f"connection {ctx.name!r}", type_, settings)
    present(place)
    return place


def _ask(place: Place) -> str:
    engine = create(place, _LIMITS[place.kind], poolclass=sa.NullPool)
    with engine.connect() as connection:
        version, name, user = connection.exec_driver_sql(_QUESTIONS[place.kind]).one()
        if place.kind == "sqlite":
            return f"{version}, {name} tables"
        maker = "" if "postgres" in version.lower() or getattr(connection.dialect, "is_mariadb", False) else "MySQL "
        return f"{maker}{version}, database {name} as {user}"
