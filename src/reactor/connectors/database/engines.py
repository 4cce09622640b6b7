"""Connections: which database a step means, pools of connections to it, and stopping a statement from outside."""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event, exc
from sqlalchemy.engine import URL, Engine, ExceptionContext, make_url

from reactor.connectors.database.actions import DatabaseParams
from reactor.sdk import ActionContext, PermanentError
from reactor.sdk.paths import inside_roots

_DRIVERS = {"postgresql": "postgresql+psycopg", "mysql": "mysql+pymysql", "sqlite": "sqlite"}
_NAMES = {
    "postgres": "postgresql",
    "postgresql": "postgresql",
    "postgresql+psycopg": "postgresql",
    "mysql": "mysql",
    "mysql+pymysql": "mysql",
    "mariadb": "mysql",
    "mariadb+pymysql": "mysql",
    "sqlite": "sqlite",
}
_READS_FILES = {"local_infile", "read_default_file", "read_default_group"}
"""Options of MySQL's driver that read files of this machine."""
_POOL = 8
_MOST_ENGINES = 32
_CONNECT: dict[str, dict[str, Any]] = {
    "postgresql": {"connect_timeout": 10, "application_name": "reactor", "tcp_user_timeout": 30_000},
    "mysql": {"connect_timeout": 10},
    "sqlite": {},
}


def url_of(ctx: ActionContext, params: DatabaseParams, *, writes: bool) -> URL:
    """The database that a step means. Looks at the disk when it is SQLite.

    Raises:
        PermanentError: kind `input`: no such connection, not a database, a file outside the open folders.
    """
    url = _wanted(ctx, params)
    if url.drivername == "sqlite" and not writes and not Path(url.database or "").is_file():
        raise PermanentError("input", f"there is no file {url.database}")
    return url


def _wanted(ctx: ActionContext, params: DatabaseParams) -> URL:
    if params.connection is None:
        return _checked(ctx, "url", params.url or "")
    saved = ctx.connections.get(params.connection)
    if saved is None:
        known = ", ".join(sorted(ctx.connections)) or "none"
        raise PermanentError("input", f"there is no connection {params.connection!r} (known: {known})")
    return _saved(ctx, params.connection, saved)


def _saved(ctx: ActionContext, name: str, saved: Mapping[str, Any]) -> URL:
    kind = _NAMES.get(str(saved.get("type")))
    if kind is None:
        raise PermanentError("input", f"connection {name!r} is of type {saved.get('type')!r}, which is no SQL database")
    url = _checked(ctx, f"connection {name!r}", str(saved.get("url", "")))
    if _NAMES.get(url.drivername) != kind:
        raise PermanentError("input", f"connection {name!r} is of type {saved['type']}, but its url is another's")
    return url


def _checked(ctx: ActionContext, what: str, text: str) -> URL:
    try:
        url = make_url(text)
    except (exc.ArgumentError, ValueError):  # neither message is shown: the text may hold a password
        raise PermanentError("input", f"{what}: not a database url such as postgresql://user@host/name") from None
    kind = _NAMES.get(url.drivername)
    if kind is None:
        raise PermanentError("input", f"{what}: {url.drivername!r} is not known; postgresql, mysql and sqlite are")
    if kind == "mysql" and (found := _READS_FILES & url.query.keys()):
        raise PermanentError("input", f"{what}: {min(found)} would read files of this machine; leave it out")
    if kind != "sqlite":
        return url.set(drivername=_DRIVERS[kind])
    if url.query or url.host or not url.database or url.database.startswith(("file:", ":")):
        raise PermanentError("input", f"{what}: write sqlite:///PATH, the path of a file")
    return url.set(database=str(inside_roots(ctx.settings, url.database)))


class Engines:
    """Pools by URL; the longest unused one goes when there are too many."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._engines: OrderedDict[str, Engine] = OrderedDict()

    def get(self, url: URL) -> Engine:
        """The pool for this URL.

        Raises:
            PermanentError: kind `input`: the driver is not installed.
        """
        key = url.render_as_string(hide_password=False)
        with self._lock:
            engine = self._engines.get(key)
            if engine is None:
                engine = self._engines[key] = _create(url)
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


def _create(url: URL) -> Engine:
    kind = _NAMES[url.drivername]
    try:
        engine = sa.create_engine(
            url,
            connect_args={name: value for name, value in _CONNECT[kind].items() if name not in url.query},
            pool_size=_POOL,
            max_overflow=_POOL,
            pool_timeout=30,
            pool_pre_ping=kind != "sqlite",
            pool_recycle=1800,
            hide_parameters=True,
        )
    except ImportError as error:
        raise PermanentError("input", f"the driver for {kind} is not installed ({error.name})") from error
    if kind == "sqlite":
        event.listen(engine, "connect", _confine)
    event.listen(engine, "handle_error", _close_cursor)
    return engine


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


def prepare(connection: sa.Connection, timeout: float, *, writes: bool) -> None:
    """Begin a transaction that ends by itself in time, and that cannot write if it should not."""
    name, millis = connection.dialect.name, max(1, round(timeout * 1000))
    if name == "postgresql":
        mode = "" if writes else "; SET TRANSACTION READ ONLY"
        connection.exec_driver_sql(f"SET LOCAL statement_timeout = {millis}{mode}")
    elif name == "sqlite":
        connection.exec_driver_sql(f"PRAGMA busy_timeout = {min(5_000, millis * 4 // 5)}")
        connection.exec_driver_sql(f"PRAGMA query_only = {0 if writes else 1}")
    elif name == "mysql" and not writes:
        connection.rollback()
        connection.exec_driver_sql("SET TRANSACTION READ ONLY")


def interrupt(engine: Engine, connection: Any) -> None:
    """Stop what this driver connection is doing, from another thread. May wait for the network."""
    with contextlib.suppress(Exception):  # it may have ended meanwhile; if not, the server's own limit stops it
        if engine.dialect.name == "sqlite":
            connection.interrupt()
        elif engine.dialect.name == "postgresql":
            connection.cancel_safe(timeout=5)
        else:
            with engine.connect() as other:
                other.exec_driver_sql(f"KILL QUERY {int(connection.thread_id())}")
