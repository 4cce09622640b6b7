"""FOLDER SECONDS: a prototype of group commit without an engine: what SQLite, this disk and Python's threads allow.

64 waiters; each asks for an event of 1 KB, a run and a journal row to be written, and waits until they are on disk.
"""

from __future__ import annotations

import asyncio
import queue
import sqlite3
import sys
import threading
import time
from pathlib import Path

import uvloop

_WAITERS = 64
_SCHEMA = """
PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 4000;
CREATE TABLE events (key INTEGER PRIMARY KEY, type TEXT, time INTEGER, data BLOB);
CREATE TABLE runs (key INTEGER PRIMARY KEY, flow TEXT, status INTEGER, event INTEGER, at INTEGER, until INTEGER);
CREATE TABLE journal (id INTEGER PRIMARY KEY, run INTEGER, data BLOB);
"""


class Group:
    """Collects what is waiting, and has one thread write it."""

    def __init__(self, path: Path) -> None:
        self.loop = asyncio.get_running_loop()
        self.waiting: list[tuple[int, asyncio.Future[None]]] = []
        self.busy = False
        self.jobs: queue.SimpleQueue[list[tuple[int, asyncio.Future[None]]]] = queue.SimpleQueue()
        self.commits = 0
        threading.Thread(target=self._write, args=(path,), daemon=True).start()

    def add(self, key: int) -> asyncio.Future[None]:
        future = self.loop.create_future()
        self.waiting.append((key, future))
        if not self.busy:
            self.busy = True
            self.loop.call_soon(self._send)
        return future

    def _send(self) -> None:
        batch, self.waiting = self.waiting, []
        self.jobs.put(batch)

    def _done(self, batch: list[tuple[int, asyncio.Future[None]]]) -> None:
        self.commits += 1
        for _, future in batch:
            future.set_result(None)
        self.busy = bool(self.waiting)
        if self.busy:
            self.loop.call_soon(self._send)

    def _write(self, path: Path) -> None:
        connection = sqlite3.connect(path, isolation_level=None)
        connection.executescript(_SCHEMA)
        data, entries = b"x" * 1024, b"y" * 300
        while True:
            batch = self.jobs.get()
            keys = [key for key, _ in batch]
            connection.execute("BEGIN IMMEDIATE")
            _insert(connection, "events", [value for key in keys for value in (key, "order.created", key, data)], 4)
            _insert(connection, "runs", [value for key in keys for value in (key, "flow", 4, key, key, key)], 6)
            _insert(connection, "journal", [value for key in keys for value in (key, key, entries)], 3)
            connection.execute("COMMIT")
            self.loop.call_soon_threadsafe(self._done, batch)


def _insert(connection: sqlite3.Connection, table: str, values: list[object], width: int) -> None:
    row = f"({','.join('?' * width)})"
    connection.execute(f"INSERT INTO {table} VALUES {','.join([row] * (len(values) // width))}", values)


async def main(folder: str, seconds: float) -> None:
    group = Group(Path(folder) / "group.db")
    count = 0

    async def waiter(until: float) -> None:
        nonlocal count
        while time.perf_counter() < until:
            count += 1
            await group.add(count)

    begun = time.perf_counter()
    await asyncio.gather(*(waiter(begun + seconds) for _ in range(_WAITERS)))
    lasted = time.perf_counter() - begun
    print(count / lasted, group.commits / lasted)


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1], float(sys.argv[2])))
