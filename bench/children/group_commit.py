"""FOLDER SECONDS: a prototype of group commit without an engine: what SQLite, this disk and Python's threads allow.

64 waiters. Each flow is: read 1 KB of JSON, commit the event with its run, wait for the disk, then commit the journal
and the run's end, and wait again.
"""

from __future__ import annotations

import asyncio
import queue
import sqlite3
import sys
import threading
import time
from pathlib import Path

import msgspec
import uvloop

_WAITERS = 64
_SCHEMA = """
PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 4000;
CREATE TABLE events (key INTEGER PRIMARY KEY, type TEXT, time INTEGER, data BLOB);
CREATE TABLE runs (key INTEGER PRIMARY KEY, flow TEXT, status INTEGER, event INTEGER, at INTEGER, until INTEGER);
CREATE TABLE journal (id INTEGER PRIMARY KEY, run INTEGER, data BLOB);
"""


_EVENT = msgspec.json.encode(
    {"id": 7, "total": 249.9, "items": [{"sku": f"SKU-{n}"} for n in range(9)], "note": "x" * 820}
)
_RESULT = {"key": "", "status": "completed", "value": {"total": 499.8, "note": "y" * 200}}
Row = tuple[int, bytes | None]
"""A flow's number, and its event at the beginning or None at its end."""
Waiting = list[tuple[Row, asyncio.Future[None]]]


class Group:
    """Collects what is waiting, and has one thread write it."""

    def __init__(self, path: Path) -> None:
        self.loop = asyncio.get_running_loop()
        self.waiting: Waiting = []
        self.busy = False
        self.jobs: queue.SimpleQueue[Waiting] = queue.SimpleQueue()
        self.commits = 0
        threading.Thread(target=self._write, args=(path,), daemon=True).start()

    def add(self, row: Row) -> asyncio.Future[None]:
        future = self.loop.create_future()
        self.waiting.append((row, future))
        if not self.busy:
            self.busy = True
            self.loop.call_soon(self._send)
        return future

    def _send(self) -> None:
        batch, self.waiting = self.waiting, []
        self.jobs.put(batch)

    def _done(self, batch: Waiting) -> None:
        self.commits += 1
        for _, future in batch:
            future.set_result(None)
        self.busy = bool(self.waiting)
        if self.busy:
            self.loop.call_soon(self._send)

    def _write(self, path: Path) -> None:
        connection = sqlite3.connect(path, isolation_level=None)
        connection.executescript(_SCHEMA)
        while True:
            batch = self.jobs.get()
            begun = [row for row, _ in batch if row[1] is not None]
            ended = [key for (key, event), _ in batch if event is None]
            connection.execute("BEGIN IMMEDIATE")
            _insert(connection, "events", [v for key, event in begun for v in (key, "order.created", key, event)], 4)
            _insert(connection, "runs", [v for key, _ in begun for v in (key, "flow", 1, key, key, None)], 6)
            _insert(connection, "runs", [v for key in ended for v in (key, "flow", 4, key, key, key)], 6)
            _insert(connection, "journal", [v for key in ended for v in (None, key, msgspec.json.encode(_RESULT))], 3)
            connection.execute("COMMIT")
            self.loop.call_soon_threadsafe(self._done, batch)


def _insert(connection: sqlite3.Connection, table: str, values: list[object], width: int) -> None:
    if not values:
        return
    row = f"({','.join('?' * width)})"
    connection.execute(f"INSERT OR REPLACE INTO {table} VALUES {','.join([row] * (len(values) // width))}", values)


async def main(folder: str, seconds: float) -> None:
    group = Group(Path(folder) / "group.db")
    count = 0

    async def waiter(until: float) -> None:
        nonlocal count
        while time.perf_counter() < until:
            count += 1
            key = count
            msgspec.json.decode(_EVENT)
            await group.add((key, _EVENT))
            await group.add((key, None))

    begun = time.perf_counter()
    await asyncio.gather(*(waiter(begun + seconds) for _ in range(_WAITERS)))
    lasted = time.perf_counter() - begun
    print(count / lasted, group.commits / lasted)


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1], float(sys.argv[2])))
