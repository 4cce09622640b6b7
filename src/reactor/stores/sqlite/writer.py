"""The one thread that writes, and the one that carries its log into the database."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from reactor.stores.blobs import Blobs
from reactor.stores.port import Committed
from reactor.stores.sqlite import inbox, schema
from reactor.stores.sqlite.thread import ConnectionThread

T = TypeVar("T")
CHECKPOINT_BYTES = 4 << 20
"""Written since the last checkpoint (about): then the next one begins."""
RESET_FRAMES = 4_000
"""A log longer than this (16 MB) is finished by the writer itself, so that the next commit starts it from the front."""


class Writer:
    """Commits and other changes, one after the other, on one long-lived thread."""

    def __init__(self, path: Path, durability: str, blobs: Blobs) -> None:
        self._blobs = blobs
        self._connection: sqlite3.Connection | None = None
        self._path = path
        self._durability = durability
        self._thread = ConnectionThread("reactor-store-writer", path, self._connect)
        self._checkpointer = Checkpointer(path)
        self._unmoved = 0

    def start(self) -> None:
        """Start the threads."""
        self._thread.start()
        self._checkpointer.start()

    def stop(self) -> None:
        """Finish what is queued and end the threads. Blocks."""
        self._checkpointer.stop()
        self._thread.stop()

    def call(self, work: Callable[[sqlite3.Connection], T]) -> asyncio.Future[T]:
        """Run `work` on the writer's connection."""
        return self._thread.call(work)

    def commit(self, cargo: inbox.Cargo) -> asyncio.Future[Committed]:
        """Write a batch."""
        return self._thread.call(lambda connection: self._commit(connection, cargo))

    def _connect(self) -> sqlite3.Connection:
        return schema.connect_writer(self._path, self._durability)

    def _commit(self, connection: sqlite3.Connection, cargo: inbox.Cargo) -> Committed:
        self._unmoved += cargo.size + 512 * cargo.rows
        committed = inbox.write(connection, cargo, self._blobs)
        if self._unmoved > CHECKPOINT_BYTES:
            self._checkpoint(connection)
        return committed

    def _checkpoint(self, connection: sqlite3.Connection) -> None:
        """Ask for a checkpoint beside the commits.

        While commits go on it never reaches the end of the log, so a long log is finished here: by then only the last
        few pages are left, which takes about a millisecond.
        """
        frames = self._checkpointer.take_frames()
        if frames > RESET_FRAMES:
            # The commit itself is done: what is wrong with the disk will be met by the next one.
            with suppress(sqlite3.Error):
                connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        self._unmoved = 0
        self._checkpointer.request()


class Checkpointer:
    """A thread that copies the log into the database while commits go on. Never holds a lock that stops a commit."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._wanted = threading.Event()
        self._ending = False
        self._frames = 0
        self._thread = threading.Thread(target=self._work, name="reactor-store-checkpoint", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread. Blocks until a checkpoint under way is over."""
        self._ending = True
        self._wanted.set()
        if self._thread.is_alive():
            self._thread.join()

    def request(self) -> None:
        """Begin a checkpoint soon."""
        self._wanted.set()

    def take_frames(self) -> int:
        """Length of the log that the last checkpoint met, told once."""
        frames, self._frames = self._frames, 0
        return frames

    def _work(self) -> None:
        connection: sqlite3.Connection | None = None
        while True:
            self._wanted.wait()
            self._wanted.clear()
            if self._ending:
                break
            try:
                connection = connection or schema.connect_checkpointer(self._path)
                _busy, self._frames, _moved = connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
            except sqlite3.Error:
                # Nothing is lost: the log keeps it, and the next request tries again.
                continue
        if connection is not None:
            connection.close()
