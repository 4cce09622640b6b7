"""Pools of connections to databases, transactions that end in time, and stopping a statement from outside."""

from __future__ import annotations

import contextlib
import functools
import os
import socket
import sqlite3
import threading
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.engine import Dialect, Engine, ExceptionContext
from sqlalchemy.engine.interfaces import DBAPIConnection

from reactor.connectors.database.actions import DatabaseParams
from reactor.connectors.database.lenient import teach
from reactor.connectors.database.places import Place, place, present
from reactor.sdk import ActionContext
from reactor.sdk.drivers import needed
from reactor.sdk.tls import context, files

_POOL = 8
_MOST_ENGINES = 32
_CONNECT: dict[str, dict[str, Any]] = {
    "postgresql": {"connect_timeout": 10, "application_name": "reactor", "tcp_user_timeout": 30_000},
    "mysql": {"connect_timeout": 10},
    "sqlite": {},
}


def place_of(ctx: ActionContext, params: DatabaseParams, *, writes: bool) -> Place:
    """The database that a step means. Looks at the disk when it is SQLite.

    Raises:
        PermanentError: kind `input`: no such connection, not a database, a file outside the open folders.
    """
    found = place(ctx.connection, ctx.settings, params.connection, params.url)
    if not writes:
        present(found)
    return found


class Engines:
    """Pools by place; the longest unused one goes when there are too many."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._engines: OrderedDict[bytes, Engine] = OrderedDict()

    def get(self, place: Place) -> Engine:
        """The pool for this place.

        Raises:
            PermanentError: kind `input`: the driver is not installed.
        """
        key = place.key
        with self._lock:
            engine = self._engines.get(key)
            if engine is None:
                engine = self._engines[key] = create(place)
            self._engines.move_to_end(key)
            old = self._engines.popitem(last=False)[1] if len(self._engines) > _MOST_ENGINES else None
        if old is not None:
            old.dispose()
        return engine

    def close(self) -> None:
        """Close all connections that nobody uses. New ones can be made afterwards."""
        with self._lock:
            engines, self._engines = list(self._engines.values()), OrderedDict()
        for engine in engines:
            engine.dispose()


def create(place: Place, arguments: Mapping[str, Any] | None = None, **pool: Any) -> Engine:
    """An engine for this place. `arguments` are the driver's, beside ours; `pool` are of the engine.

    Raises:
        PermanentError: kind `input`: the driver is not installed.
    """
    kind = place.kind
    given = {**_CONNECT[kind], **(arguments or {})}
    sized = {} if "poolclass" in pool else {"pool_size": _POOL, "max_overflow": _POOL, "pool_timeout": 30}
    options = {**sized, "pool_recycle": 1800, **pool}
    with needed({"postgresql": "postgres", "mysql": "mysql"}.get(kind, "all")):
        engine = sa.create_engine(
            place.url,
            connect_args={name: value for name, value in given.items() if name not in place.url.query},
            hide_parameters=True,
            **options,
        )
    if kind == "sqlite":
        event.listen(engine, "connect", _confine)
    else:
        event.listen(engine, "do_connect", functools.partial(_connect, place))
    event.listen(engine, "handle_error", _close_cursor)
    return engine


def _connect(
    place: Place, dialect: Dialect, _record: Any, arguments: list[Any], options: dict[str, Any]
) -> DBAPIConnection:
    """A connection of the driver, with what a url cannot say."""
    if place.kind == "postgresql":
        with files(place.tls) as found:
            connection = dialect.connect(*arguments, **options, **found)
            teach(connection)
            return connection
    if place.tls is not None:
        options["ssl"] = context(place.tls, {})
    if isinstance(options.get("password"), str):
        options["password"] = options["password"].encode()  # PyMySQL would take it for Latin-1
    # A server that takes connections and says nothing would be waited for for ever.
    limit = options["connect_timeout"]
    made = dialect.connect(*arguments, **{"read_timeout": limit, "write_timeout": limit, **options})
    if "read_timeout" not in options:
        for name in ("_read_timeout", "_write_timeout"):
            setattr(made, name, None)  # from here on it is cut when time is over
    return made


def _close_cursor(context: ExceptionContext) -> None:
    """SQLAlchemy leaves the cursor of a lost connection open, and psycopg warns of it."""
    cursor = getattr(context.execution_context, "cursor", None)
    if context.is_disconnect and cursor is not None:
        with contextlib.suppress(Exception):  # whatever the driver says of a connection that is gone
            cursor.close()


def _confine(connection: sqlite3.Connection, _record: Any) -> None:
    """No other files: `ATTACH`, and with it `VACUUM INTO`, would leave the open folders."""
    connection.set_authorizer(_authorize)


def _authorize(what: int, first: str | None, second: str | None, _database: str | None, _trigger: str | None) -> int:
    attaches = what == sqlite3.SQLITE_ATTACH and first != ""
    moves_files = what == sqlite3.SQLITE_PRAGMA and str(first).lower() in {
        "temp_store_directory",
        "data_store_directory",
    }
    loads = what == sqlite3.SQLITE_FUNCTION and str(second).lower() == "load_extension"
    return sqlite3.SQLITE_DENY if attaches or moves_files or loads else sqlite3.SQLITE_OK


ENGINES = Engines()


def prepare(connection: sa.Connection, timeout: float, *, writes: bool, spare: float = 0.0) -> None:
    """Begin a transaction that ends by itself in time, and that cannot write if it should not.

    `spare`: seconds by which MySQL's own limit comes later. It ends some statements (BENCHMARK) as if all were well, so
    whoever is to commit afterwards has to be first to say that time is over.
    """
    name, millis = connection.dialect.name, max(1, round(timeout * 1000))
    if name == "postgresql":
        mode = "" if writes else "; SET TRANSACTION READ ONLY"
        connection.exec_driver_sql(f"SET LOCAL statement_timeout = {millis}{mode}")
    elif name == "sqlite":
        connection.exec_driver_sql(f"PRAGMA busy_timeout = {min(5_000, millis * 4 // 5)}")
        connection.exec_driver_sql(f"PRAGMA query_only = {0 if writes else 1}")
    elif name == "mysql":
        _prepare_mysql(connection, millis + round(spare * 1000), writes=writes)


def _prepare_mysql(connection: sa.Connection, millis: int, *, writes: bool) -> None:
    """MySQL itself limits the time of SELECTs only; what else runs too long is stopped by `interrupt`."""
    if getattr(connection.dialect, "is_mariadb", False):
        limit = f"max_statement_time = {millis / 1000}"
    else:
        limit = f"max_execution_time = {millis}"
    connection.exec_driver_sql(f"SET SESSION {limit}, lock_wait_timeout = {max(1, millis // 1000)}")
    connection.rollback()  # SQLAlchemy believes that a transaction runs since the first statement
    connection.exec_driver_sql(f"START TRANSACTION READ {'WRITE' if writes else 'ONLY'}")


def interrupt(engine: Engine, connection: Any) -> None:
    """Stop what this driver connection is doing, from another thread. May wait for the network."""
    try:
        if engine.dialect.name == "sqlite":
            connection.interrupt()
        elif engine.dialect.name == "postgresql":
            connection.cancel_safe(timeout=5)
        else:
            with engine.connect() as other:
                other.exec_driver_sql(f"KILL QUERY {int(connection.thread_id())}")
    except Exception:  # noqa: BLE001 - drivers raise many things; a server that does not listen any more is left alone
        cut(engine.dialect.name, connection)


def cut(kind: str, connection: Any) -> None:
    """Make a driver connection fail at once in whatever thread waits for its server."""
    with contextlib.suppress(OSError, ValueError, AttributeError, sqlite3.Error):  # it is closed already
        if kind == "sqlite":
            connection.interrupt()
        elif kind == "postgresql":
            with socket.socket(fileno=os.dup(connection.pgconn.socket)) as wire:
                wire.shutdown(socket.SHUT_RDWR)
        else:
            connection._sock.shutdown(socket.SHUT_RDWR)  # noqa: SLF001 - PyMySQL offers no way to do so
