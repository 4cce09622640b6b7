"""What SQLite says, in the words of the port: busy (try again) or broken (a person must act)."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from reactor.model.errors import StoreBrokenError, StoreBusyError, StoreError

_PRIMARY = 0xFF
"""Extended result codes hold the primary one in their lowest byte (https://www.sqlite.org/rescode.html)."""
_BUSY = {
    sqlite3.SQLITE_BUSY: "another program holds a lock on it",
    sqlite3.SQLITE_LOCKED: "another program holds a lock on it",
    sqlite3.SQLITE_FULL: "the disk is full",
    sqlite3.SQLITE_IOERR: "the disk did not read or write (full, over a quota, or failing)",
    sqlite3.SQLITE_NOMEM: "there was not enough memory",
    sqlite3.SQLITE_CANTOPEN: "the file could not be opened",
    sqlite3.SQLITE_PROTOCOL: "another program holds a lock on it",
}
_BROKEN = {
    sqlite3.SQLITE_CORRUPT: "is damaged; restore a backup, or run `reactor doctor` to see what can be saved",
    sqlite3.SQLITE_NOTADB: "is not a SQLite database; restore a backup, or run `reactor doctor`",
    sqlite3.SQLITE_READONLY: "cannot be written; check the owner and permissions of the file and its folder",
    sqlite3.SQLITE_PERM: "cannot be accessed; check the owner and permissions of the file and its folder",
}


def translate(error: Exception, path: Path) -> StoreError:
    """The port's error for one of SQLite's or of the file system."""
    if isinstance(error, OSError):
        return StoreBusyError(f"{path}: {error.strerror or error}")
    code = (getattr(error, "sqlite_errorcode", None) or 0) & _PRIMARY
    if code in _BUSY:
        return StoreBusyError(f"{path}: {_BUSY[code]} ({error})")
    if code in _BROKEN:
        return StoreBrokenError(f"{path} {_BROKEN[code]} ({error})")
    return StoreBrokenError(f"{path}: {error}")


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """Errors of SQLite and of the file system leave this block as the port's."""
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        raise translate(error, path) from error
