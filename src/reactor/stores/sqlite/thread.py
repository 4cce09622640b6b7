"""A long-lived thread with a connection of its own and a queue of calls, and the way back to the event loop."""

from __future__ import annotations

import asyncio
import queue
import sqlite3
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

from reactor.model.errors import StoreBrokenError
from reactor.stores.sqlite.faults import translate

T = TypeVar("T")
PULSE = 0.002
"""Seconds between two moments at which a busy loop makes room for a thread that it waits for."""
ROOM = 0.00005
"""Seconds of such a moment: long enough for the other thread to wake."""
_Job = tuple[Callable[[sqlite3.Connection], Any], asyncio.Future[Any], asyncio.AbstractEventLoop]


class ConnectionThread:
    """Runs calls one after the other on its connection: for each one hop there and one `call_soon_threadsafe` back."""

    def __init__(self, name: str, path: Path, connect: Callable[[], sqlite3.Connection]) -> None:
        self._path = path
        self._connect = connect
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)
        self._closed = False
        self._under_way = 0
        self._pulsing = False

    def start(self) -> None:
        """Start the thread; it connects with its first call."""
        self._thread.start()

    def stop(self) -> None:
        """Finish what is queued, close the connection, end the thread. Blocks."""
        if not self._closed:
            self._closed = True
            self._jobs.put(None)
        if self._thread.is_alive():
            self._thread.join()

    def call(self, work: Callable[[sqlite3.Connection], T]) -> asyncio.Future[T]:
        """Run `work` in the thread; its result or the port's error arrive in the future."""
        if self._closed:
            raise StoreBrokenError(f"{self._path} is closed")
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        self._jobs.put((work, future, loop))
        self._under_way += 1
        if not self._pulsing:
            self._pulsing = True
            loop.call_later(PULSE, self._pulse, loop)
        return future

    def _pulse(self, loop: asyncio.AbstractEventLoop) -> None:
        """Let the thread have the interpreter lock, if the loop still waits for it.

        A loop that always has something ready gives the lock away for a microsecond a round and is back before the
        other thread has woken, and each round starts that thread's switch interval anew: it can starve for seconds
        (measured: a 99th percentile of 2 s a commit; 15 ms with this). An idle loop sleeps in its selector and loses
        nothing here.
        """
        self._pulsing = self._under_way > 0
        if self._pulsing:
            time.sleep(ROOM)
            loop.call_later(PULSE, self._pulse, loop)

    def _work(self) -> None:
        connection: sqlite3.Connection | None = None
        while (job := self._jobs.get()) is not None:
            work, future, loop = job
            result: Any = None
            failure: BaseException | None = None
            try:
                if connection is None:
                    connection = self._connect()
                result = work(connection)
            except BaseException as error:  # noqa: BLE001 - whatever it is, the caller has to get it
                failure = self._after_failure(connection, error)
            # Dropped before the next wait: a queued call must not keep a large result or batch alive.
            del job, work
            self._answer(loop, future, result, failure)
            del future, result, failure
        if connection is not None:
            connection.close()

    def _after_failure(self, connection: sqlite3.Connection | None, error: BaseException) -> BaseException:
        try:
            if connection is not None and connection.in_transaction:
                connection.rollback()
        except sqlite3.Error:
            # SQLite has rolled back by itself: it does so after a full disk or an I/O error.
            pass
        if not isinstance(error, (sqlite3.Error, OSError)):
            return error
        known = translate(error, self._path)
        known.__cause__ = error
        return known

    def _answer(
        self, loop: asyncio.AbstractEventLoop, future: asyncio.Future[Any], result: Any, failure: BaseException | None
    ) -> None:
        # A RuntimeError says that the loop is closed: nobody waits any more.
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(self._settle, future, result, failure)

    def _settle(self, future: asyncio.Future[Any], result: Any, failure: BaseException | None) -> None:
        self._under_way -= 1
        if future.cancelled():
            return
        if failure is None:
            future.set_result(result)
        else:
            future.set_exception(failure)
