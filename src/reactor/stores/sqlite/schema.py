"""Opening the file: the lock, the pragmas, the migrations, a cheap check that it is whole."""

from __future__ import annotations

import fcntl
import os
import sqlite3
from importlib.resources import files
from pathlib import Path

from reactor.model.clock import Instant
from reactor.model.errors import StoreBrokenError
from reactor.stores.sqlite import inbox, queries

PAGE_SIZE = 4096
WRITER_CACHE = 8_192
READER_CACHE = 4_096
"""KiB of pages that a connection keeps."""
BUSY_SECONDS = 1.0
"""How long a commit waits for somebody else's lock (a backup, the sqlite3 shell) before the caller is told."""
_STATEMENTS = 64


class FolderLock:
    """The store's folder belongs to one process; the kernel gives it back whatever way the process ends."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._handle: int | None = None

    def take(self) -> None:
        """Lock, and leave our pid for whoever is refused.

        Raises:
            StoreBrokenError: another process has it; says which.
        """
        handle = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            # flock, not lockf: it refuses a second store in this process, too.
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            other = os.read(handle, 32).decode("ascii", "replace").strip() or "unknown"
            os.close(handle)
            raise StoreBrokenError(
                f"{self._path.parent} is in use by another Reactor (pid {other}); stop it, or use another data folder"
            ) from None
        except BaseException:
            os.close(handle)
            raise
        os.ftruncate(handle, 0)
        os.pwrite(handle, f"{os.getpid()}\n".encode(), 0)
        self._handle = handle

    def release(self) -> None:
        """Give it back. The file stays: removing it would race with the next owner."""
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None


def connect_writer(path: Path, durability: str) -> sqlite3.Connection:
    """The connection that writes. Autocommit; checkpoints are somebody else's work."""
    connection = _connect(path)
    connection.execute(f"PRAGMA page_size = {PAGE_SIZE}")
    connection.execute("PRAGMA journal_mode = WAL")
    # In WAL mode FULL flushes the log with each commit, NORMAL only before a checkpoint.
    connection.execute(f"PRAGMA synchronous = {'FULL' if durability == 'full' else 'NORMAL'}")
    connection.execute("PRAGMA wal_autocheckpoint = 0")
    connection.execute("PRAGMA journal_size_limit = 67108864")
    connection.execute(f"PRAGMA cache_size = -{WRITER_CACHE}")
    connection.execute("PRAGMA secure_delete = FAST")
    return connection


def connect_reader(path: Path) -> sqlite3.Connection:
    """A connection that only reads. Texts come as bytes: they are decoded once, as JSON."""
    connection = _connect(path)
    connection.execute(f"PRAGMA cache_size = -{READER_CACHE}")
    connection.execute("PRAGMA query_only = ON")
    connection.text_factory = bytes
    return connection


def connect_checkpointer(path: Path) -> sqlite3.Connection:
    """A connection that moves the log into the database."""
    connection = _connect(path)
    connection.execute("PRAGMA wal_autocheckpoint = 0")
    connection.execute("PRAGMA cache_size = -256")
    return connection


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(
        path, isolation_level=None, check_same_thread=False, cached_statements=_STATEMENTS, timeout=BUSY_SECONDS
    )
    connection.execute("PRAGMA temp_store = MEMORY")
    return connection


def prepare(connection: sqlite3.Connection, path: Path, now: Instant, name: str) -> None:
    """Check, migrate forward and set up what lives with the connection.

    Raises:
        StoreBrokenError: the file is newer than this program, or has lost its tables.
    """
    migrate(connection, path)
    connection.execute(queries.KEEP_INSTANCE, (name, os.getpid(), now))
    connection.executescript(inbox.DOORS)


def migrate(connection: sqlite3.Connection, path: Path) -> None:
    """Bring the schema to this program's version, each step in a transaction of its own."""
    steps = migrations()
    newest = steps[-1][0]
    # The first reads of the header and of the schema: a file that is no database, or whose start is gone, fails here.
    (there,) = connection.execute("PRAGMA user_version").fetchone()
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    if there > newest:
        raise StoreBrokenError(
            f"{path} has schema version {there}, this program knows up to {newest}: "
            "start the newer Reactor that wrote it, or restore a backup from before the upgrade"
        )
    if there == 0 and tables:
        raise StoreBrokenError(f"{path} is a SQLite database, but not Reactor's; choose another path")
    for number, script in steps:
        if number > there:
            connection.executescript(f"BEGIN IMMEDIATE;\n{script}\nPRAGMA user_version = {number};\nCOMMIT;")
    _check_ends(connection)


def migrations() -> list[tuple[int, str]]:
    """(version, SQL) of every step, rising."""
    folder = files("reactor.stores.sqlite").joinpath("migrations")
    found = [(int(file.name[:4]), file.read_text("utf-8")) for file in folder.iterdir() if file.name.endswith(".sql")]
    return sorted(found)


def _check_ends(connection: sqlite3.Connection) -> None:
    """Touch both ends of every table: cheap whatever its size, and it finds a file that was cut off."""
    for table, key in (("events", "key"), ("runs", "key"), ("journal", "id"), ("origins", "id")):
        connection.execute(f"SELECT (SELECT min({key}) FROM {table}), (SELECT max({key}) FROM {table})").fetchone()  # noqa: S608 - constants
    connection.execute("SELECT key FROM claims LIMIT 1").fetchone()
