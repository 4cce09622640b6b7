"""A MariaDB or MySQL server: connections to it, what it is set to, what it says of the tables. All calls wait."""

from __future__ import annotations

import contextlib
import logging
import socket
import threading
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote, urlsplit

import msgspec
import pymysql
from pymysql.cursors import Cursor

from reactor.connectors.cdc.mysql.position import Executed, Position, executed
from reactor.sdk import TriggerLost
from reactor.sdk.databases import ServerSettings
from reactor.sdk.tls import context

logging.getLogger("pymysqlreplication").setLevel(logging.ERROR)  # it tells of reconnects, which we do not let it make
CONNECT_WITHIN = 5
ANSWER_WITHIN = 8
"""Seconds in which something has to come: an answer, or a heartbeat."""
_SESSION = "SET SESSION time_zone = '+00:00', net_write_timeout = 28800, wait_timeout = 28800"
_WANTED = {
    "log_bin": ("1", "binlog is off, so nothing tells its changes", "log_bin in my.cnf, and restart it"),
    "binlog_format": ("ROW", "binlog_format is {}, so its binlog has statements, not rows", "binlog_format = ROW"),
    "binlog_row_image": ("FULL", "binlog_row_image is {}, so rows are not whole", "binlog_row_image = FULL"),
    "log_bin_compress": ("OFF", "binlog is compressed, which cannot be read", "log_bin_compress = OFF"),
    "binlog_transaction_compression": (
        "OFF",
        "binlog is compressed, which cannot be read",
        "binlog_transaction_compression = OFF",
    ),
    "binlog_row_metadata": (
        "FULL",
        "binlog_row_metadata is {}, so its binlog does not name columns",
        "binlog_row_metadata = FULL",
    ),
}
_COLUMNS = """
SELECT c.COLUMN_NAME, c.DATA_TYPE, s.SEQ_IN_INDEX FROM information_schema.COLUMNS c
LEFT JOIN information_schema.STATISTICS s ON s.TABLE_SCHEMA = c.TABLE_SCHEMA AND s.TABLE_NAME = c.TABLE_NAME
    AND s.COLUMN_NAME = c.COLUMN_NAME AND s.INDEX_NAME = 'PRIMARY'
WHERE c.TABLE_SCHEMA = %s AND c.TABLE_NAME = %s ORDER BY c.ORDINAL_POSITION
"""


class Table(msgspec.Struct, frozen=True):
    """A table as it is now."""

    name: str
    """database.table"""
    columns: tuple[tuple[str, str], ...]
    """(name, type) in their order."""
    key: tuple[str, ...]

    @property
    def quoted(self) -> str:
        """For SQL."""
        return ".".join(quoted(part) for part in self.name.split(".", 1))


def quoted(name: str) -> str:
    """A name in SQL."""
    return "`" + name.replace("`", "``") + "`"


class Server:
    """One server. Its connections are cut all at once, from another thread, by `cut`."""

    def __init__(self, written: ServerSettings, settings: Mapping[str, Any]) -> None:
        """`settings`: the context's, for the folders that are open.

        Raises:
            TriggerLost: the settings name no server. PermanentError: a certificate of them cannot be read.
        """
        try:
            parts = urlsplit(written.url)
            port = parts.port or 3306
        except ValueError:  # its message may hold the password
            raise TriggerLost("the connection's url cannot be read; write mysql://user@host/database") from None
        password = written.password if written.password is not None else unquote(parts.password or "")
        self.database = unquote(parts.path.lstrip("/")) or None
        self.user = written.user or unquote(parts.username or "")
        self.where = f"{parts.hostname}:{port}"
        self.arguments: dict[str, Any] = {
            "host": parts.hostname or "127.0.0.1",
            "port": port,
            "user": self.user,
            "password": password.encode(),  # PyMySQL would take text for Latin-1
            "charset": "utf8mb4",
            "connect_timeout": CONNECT_WITHIN,
            "read_timeout": ANSWER_WITHIN,
            "write_timeout": ANSWER_WITHIN,
            "autocommit": True,
            "init_command": _SESSION,
        }
        if written.tls is not None:
            self.arguments["ssl"] = context(written.tls, settings)
        self.mariadb = True
        self.id = 0
        self._lock = threading.Lock()
        self._open: list[Any] = []
        self._cut = False

    def connect(self, **other: Any) -> Any:
        """A connection; `other` are arguments of PyMySQL."""
        connection: Any = pymysql.connect(**{**self.arguments, **other})
        with self._lock:
            self._open.append(connection)
            if self._cut:
                _shut(connection)
        return connection

    def cut(self) -> None:
        """Whoever waits for the server is woken by an error."""
        with self._lock:
            self._cut = True
            for connection in self._open:
                _shut(connection)

    def close(self) -> None:
        """Close all, in the thread that used them."""
        for connection in self._open:
            with contextlib.suppress(pymysql.MySQLError, OSError):
                connection._force_close()  # noqa: SLF001 - `close` would wait for a server that hangs

    def check(self, connection: Any) -> None:
        """See whether its binlog tells all that is wanted.

        Raises:
            TriggerLost: it does not; with what to do.
        """
        version, server = rows(connection, "SELECT VERSION(), @@server_id")[0]
        self.mariadb = "mariadb" in str(version).lower()
        self.id = int(server)
        for name, (wanted, wrong, remedy) in _WANTED.items():
            found = self.variable(connection, name)
            if found is None and wanted == "OFF":
                continue
            if found is None or str(found).upper() != wanted:
                how = remedy if name == "log_bin" else f"it: SET GLOBAL {remedy} (and in my.cnf)"
                raise TriggerLost(f"the server's {wrong.format(found or 'not known')}; set {how}")
        if not self.mariadb:
            self._check_mysql(connection)

    def _check_mysql(self, connection: Any) -> None:
        if str(self.variable(connection, "gtid_mode")).upper() != "ON":
            raise TriggerLost("the server's gtid_mode is not ON; set gtid_mode = ON and enforce_gtid_consistency = ON")
        if "PARTIAL_JSON" in str(self.variable(connection, "binlog_row_value_options")):
            raise TriggerLost("the server's binlog_row_value_options is PARTIAL_JSON; run: SET GLOBAL it = ''")

    def variable(self, connection: Any, name: str) -> Any:
        """A setting of the server, or None."""
        found = rows(connection, "SHOW GLOBAL VARIABLES LIKE %s", name)
        value = found[0][1] if found else None
        return {"ON": "1", "OFF": "0"}.get(str(value), value) if name == "log_bin" else value

    def executed(self, connection: Any) -> Executed:
        """All that is in the binlog now."""
        name = "gtid_binlog_pos" if self.mariadb else "gtid_executed"
        return executed(str(rows(connection, f"SELECT @@GLOBAL.{name}")[0][0] or ""), mariadb=self.mariadb)

    def knows(self, connection: Any, position: Position) -> bool:
        """Whether the file in which the position was taken still says the same, if it is there."""
        if not self.mariadb or position.server != self.id:
            return True
        found = rows(connection, "SELECT BINLOG_GTID_POS(%s, %s)", position.file, position.offset)[0][0]
        return not found or executed(str(found), mariadb=True).text == position.executed.text

    def tables(self, connection: Any, names: list[str]) -> dict[str, Table]:
        """The tables of these names.

        Raises:
            TriggerLost: one is not there.
        """
        found = {}
        for name in names:
            columns = rows(connection, _COLUMNS, *name.split(".", 1))
            if not columns:
                raise TriggerLost(
                    f"there is no table {name}, or the connection's user may not see it; mend `tables`, or run: GRANT "
                    f"SELECT ON {name} TO {self.user}"
                )
            key = sorted((int(place), column) for column, _, place in columns if place is not None)
            types = tuple((str(column), str(type_)) for column, type_, _ in columns)
            found[name] = Table(name, types, tuple(str(column) for _, column in key))
        return found


def rows(connection: Any, sql: str, *params: Any) -> list[tuple[Any, ...]]:
    """The rows of a query."""
    cursor: Cursor
    with connection.cursor() as cursor:
        cursor.execute(sql, params or None)
        return list(cursor.fetchall())


def _shut(connection: Any) -> None:
    sock = connection._sock  # noqa: SLF001 - the only way to wake a thread that reads from it
    if sock is not None:
        with contextlib.suppress(OSError):
            sock.shutdown(socket.SHUT_RDWR)
