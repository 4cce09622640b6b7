"""One connection that only reads, in a thread of its own: whatever the server does, it is given up in time."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import sqlalchemy as sa
from sqlalchemy import event, exc

from reactor.connectors.database import values
from reactor.connectors.database.engines import create, cut, prepare
from reactor.connectors.database.failures import translate
from reactor.connectors.database.places import Place
from reactor.model import durations
from reactor.sdk import PermanentError, TransientError

CONNECT = 4
"""Seconds for a connection."""
GRACE = 1.0
"""Seconds that the database has to stop a statement by itself."""
_ENDS_WITHIN = 5.0
BEAT = 2.5
"""Seconds between two looks at a server that nothing is asked of."""
T = TypeVar("T")
# Of the drivers.
ARGUMENTS: dict[str, dict[str, Any]] = {
    # Prepared statements would fail once after each change of the table.
    "postgresql": {"connect_timeout": CONNECT, "application_name": "reactor", "prepare_threshold": None},
    # In UTC, or the hour that comes twice in autumn has no order.
    "mysql": {"connect_timeout": CONNECT, "init_command": "SET time_zone = '+00:00'"},
    "sqlite": {"timeout": CONNECT},
}


class Reader:
    """Asks a database; `async with` gives the connection back."""

    def __init__(self, place: Place, timeout: float) -> None:
        """`timeout`: seconds of one question."""
        self._place = place
        self._timeout = timeout
        self._engine = create(place, ARGUMENTS[place.kind], poolclass=sa.NullPool, pool_reset_on_return=None)
        event.listen(self._engine, "connect", self._connected)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="reactor-database-trigger")
        self._lock = threading.Lock()
        self._connection: sa.Connection | None = None
        self._driver: Any = None
        self._given_up = False
        self._file = _identity(place)

    async def ask(self, work: Callable[[sa.Connection], T]) -> T:
        """Do the work in a transaction that reads.

        Raises:
            StepError: kinds `input` and `database.*`. TriggerLost: as `work` says. After it the reader is of no use.
        """
        future = asyncio.get_running_loop().run_in_executor(self._thread, self._run, work)
        try:
            done, _ = await asyncio.wait({future}, timeout=self._timeout + GRACE)
        except asyncio.CancelledError:
            await self._give_up(future)
            raise
        if not done:
            await self._give_up(future)
            raise TransientError("database.timeout", f"no answer within {durations.show(round(self._timeout * 1000))}")
        try:
            return future.result()
        except exc.SQLAlchemyError as error:
            raise translate(error) from error

    async def rest(self, seconds: float) -> None:
        """Wait, and look from time to time whether the server is still there.

        Raises:
            StepError: it is not.
        """
        while seconds > BEAT and self._place.kind != "sqlite":
            await asyncio.sleep(BEAT)
            seconds -= BEAT
            await self.ask(lambda connection: connection.exec_driver_sql("SELECT 1").scalar())
        await asyncio.sleep(seconds)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        closing = asyncio.get_running_loop().run_in_executor(self._thread, self._close)
        self._thread.shutdown(wait=False)
        done, _ = await asyncio.wait({closing}, timeout=_ENDS_WITHIN)
        if not done:
            self._cut()
            await asyncio.wait({closing}, timeout=_ENDS_WITHIN)

    # ------------------------------------------------------------ in the thread

    def _run(self, work: Callable[[sa.Connection], T]) -> T:
        if self._file is not None and _identity(self._place) != self._file:
            raise PermanentError("input", f"the file {self._place.shown} is gone or another one")
        if self._connection is None:
            self._connection = self._engine.connect()
        try:
            prepare(self._connection, self._timeout, writes=False)
            return work(self._connection)
        finally:
            with contextlib.suppress(exc.SQLAlchemyError):  # what it was that failed is told by the work
                self._connection.rollback()

    def _connected(self, driver: Any, _record: Any) -> None:
        with self._lock:
            self._driver = driver
        if self._place.kind == "sqlite":
            driver.text_factory = _text
        if self._given_up:
            self._cut()

    def _close(self) -> None:
        if self._connection is not None:
            with contextlib.suppress(exc.SQLAlchemyError):  # it may be broken; it is closed all the same
                self._connection.close()
        self._engine.dispose()

    # ------------------------------------------------------------ from outside

    async def _give_up(self, future: asyncio.Future[Any]) -> None:
        """Make the thread return: the connection is cut."""
        future.add_done_callback(lambda done: done.cancelled() or done.exception())  # nobody asks for it any more
        self._given_up = True
        self._cut()
        await asyncio.wait({future}, timeout=_ENDS_WITHIN)

    def _cut(self) -> None:
        with self._lock:
            driver = self._driver
        if driver is not None:
            cut(self._place.kind, driver)


def _text(data: bytes) -> str | values.Unreadable:
    """SQLite takes any bytes for text; one such row must not stop all that follow."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        return values.Unreadable(data)


def _identity(place: Place) -> tuple[int, int] | None:
    """Device and inode of a SQLite file: a connection to one that was deleted or replaced would read the old one."""
    if place.kind != "sqlite":
        return None
    try:
        found = Path(str(place.url.database)).stat()
    except OSError:
        return 0, 0
    return found.st_dev, found.st_ino
