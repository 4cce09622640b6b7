"""MariaDB."""

from __future__ import annotations

import atexit
import functools
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from reactor.testing.servers.process import Server, give_to, launch, missing

# What is committed outlives a kill of the process, not of the machine.
_SETTINGS = {
    "bind-address": "127.0.0.1",
    "skip-name-resolve": "ON",
    "performance-schema": "OFF",
    "character-set-server": "utf8mb4",
    "innodb-buffer-pool-size": "32M",
    "innodb-log-file-size": "16M",
    "innodb-flush-log-at-trx-commit": "2",
    "innodb-doublewrite": "0",
    "sync-binlog": "0",
    "lc-messages": "en_US",
}
_BINLOG = {
    "log-bin": "mysql-bin",
    "binlog-format": "ROW",
    "binlog-row-image": "FULL",
    "binlog-row-metadata": "FULL",
    "gtid-strict-mode": "ON",
}


class MariaDb(Server):
    """A server with an empty database `test` and a user `root` without password, over TCP.

    It writes a binlog of rows; fsync is off. The data folder is copied from a template made once a process.
    """

    name, program, package = "mariadb", "mariadbd", "mariadb-server"

    def __init__(self, options: Mapping[str, str] | None = None, *, binlog: bool = True) -> None:
        """`options`: of `mariadbd`, without the dashes, such as `max-connections`. `binlog`: whether it writes one."""
        super().__init__()
        self.user = _user()
        self.role = "root"
        settings = _SETTINGS | (
            _BINLOG | {"server-id": str(zlib.crc32(self.folder.name.encode()) or 1)} if binlog else {}
        )
        self.options = settings | dict(options or {})

    def url(self, database: str = "test", scheme: str = "mysql", *, user: str | None = None, password: str = "") -> str:
        """`mysql://…`, for one of its databases; as root where no `user` is named."""
        secret = f":{password}" if password else ""
        return f"{scheme}://{user or self.role}{secret}@{self.host}:{self.port}/{database}"

    def connect(self, database: str | None = "test", **options: Any) -> Any:
        """A connection of PyMySQL that commits by itself; `options` are its own (`user`, `password`, `autocommit` …).

        Raises:
            Missing: PyMySQL is not installed (in a test under pytest: the test is skipped).
        """
        try:
            import pymysql  # noqa: PLC0415 - wanted by these tests only
        except ImportError:
            missing("pymysql", "pymysql", how="pip install")
        own = {"host": self.host, "port": self.port, "user": self.role, "database": database}
        given: dict[str, Any] = own | {"connect_timeout": 10, "autocommit": True, "charset": "utf8mb4"} | options
        return pymysql.connect(**given)

    def execute(self, *statements: str, database: str | None = "test") -> list[tuple[Any, ...]]:
        """Run statements as root, each committed by itself; the rows of the last."""
        connection = self.connect(database)
        try:
            with connection.cursor() as cursor:
                for statement in statements:
                    cursor.execute(statement)
                return list(cursor.fetchall())
        finally:
            connection.close()

    def add_user(self, name: str, password: str, *grants: str) -> None:
        """Make a user, or make it anew; `grants` such as `SELECT ON test.*`."""
        who = f"'{name}'@'127.0.0.1'"
        given = [f"GRANT {grant} TO {who}" for grant in grants]
        self.execute(f"CREATE OR REPLACE USER {who} IDENTIFIED BY '{password}'", *given, database=None)

    def prepare(self) -> None:
        shutil.copytree(_template(), self.folder / "data")
        (self.folder / "data" / "test").mkdir()  # a folder is a database
        (self.folder / "tmp").mkdir()
        give_to(self.user, self.folder)

    def command(self) -> list[str]:
        own = {
            "datadir": str(self.folder / "data"),
            "tmpdir": str(self.folder / "tmp"),
            "socket": str(self.folder / "socket"),
            "pid-file": str(self.folder / "pid"),
            "port": str(self.port),
        }
        return [self.find(), "--no-defaults", *(f"--{name}={value}" for name, value in (own | self.options).items())]

    def ready(self) -> bool:
        """A login: the port is open before the server takes one."""
        import pymysql  # noqa: PLC0415 - `connect` tells when it is missing

        try:
            self.connect(connect_timeout=1).close()
        except pymysql.MySQLError as error:
            raise ConnectionError(str(error)) from error
        return True


@functools.cache
def _user() -> str:
    """`mariadbd` refuses to run as root."""
    if os.geteuid() != 0:
        return ""
    known = {entry.pw_name for entry in pwd.getpwall()}
    return "mysql" if "mysql" in known else "nobody"


@functools.cache
def _template() -> Path:
    """An initialised data folder, made once and copied for each server."""
    installer = shutil.which("mariadb-install-db")
    if installer is None:
        missing("mariadb-install-db", MariaDb.package)
    folder = Path(tempfile.mkdtemp(prefix="reactor-mariadb-template-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    user = _user()
    give_to(user, folder)
    command = [
        installer,
        "--no-defaults",
        f"--datadir={folder / 'data'}",
        "--auth-root-authentication-method=normal",
        "--skip-test-db",
        "--skip-name-resolve",
        "--innodb-log-file-size=16M",
        "--innodb-flush-log-at-trx-commit=0",
    ]
    done = subprocess.run(launch(command, user, signal.SIGKILL), capture_output=True, text=True, cwd="/", check=False)
    if done.returncode:
        raise RuntimeError(f"mariadb-install-db failed: {done.stderr or done.stdout}")
    return folder / "data"
