"""Running database work in threads; it is stopped, in the database too, when time is over or the step is cancelled."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Generic, TypeVar

import sqlalchemy as sa
from sqlalchemy import exc
from sqlalchemy.engine import Engine

from reactor.connectors.database.actions import DatabaseParams
from reactor.connectors.database.engines import ENGINES, interrupt, place_of, prepare
from reactor.connectors.database.failures import translate
from reactor.model import durations
from reactor.sdk import ActionContext, PermanentError, TransientError

THREADS = 16
_ENDS_WITHIN = 5.0
"""Seconds that an interrupted statement is waited for."""
T = TypeVar("T")
_threads = ThreadPoolExecutor(THREADS, thread_name_prefix="reactor-database")


async def run(ctx: ActionContext, params: DatabaseParams, work: Callable[[sa.Connection], T], *, writes: bool) -> T:
    """Do the work in one transaction, committed if it writes and raises nothing.

    Raises:
        StepError: kinds `input` and `database.*`.
    """
    seconds = durations.parse(params.timeout) / 1000
    job = _Job(ctx, params, work, seconds, writes=writes)
    future = asyncio.get_running_loop().run_in_executor(_threads, job.run)
    try:
        await asyncio.wait({job.started, future}, return_when=asyncio.FIRST_COMPLETED)
        done, _ = await asyncio.wait({future}, timeout=seconds)
        if not done:
            await _stop(job, future)
            if future.done() and future.exception() is None:
                return future.result()  # it was faster, and is committed
            raise TransientError("database.timeout", f"not finished after {durations.show(round(seconds * 1000))}")
        return future.result()
    except asyncio.CancelledError:
        await _stop(job, future)
        raise
    except exc.SQLAlchemyError as error:
        raise translate(error) from error
    except OverflowError as error:
        raise PermanentError("database.data", f"a number is too large: {error}") from error


async def _stop(job: _Job[Any], future: asyncio.Future[Any]) -> None:
    future.add_done_callback(lambda done: done.cancelled() or done.exception())  # nobody asks for it any more
    stopping = asyncio.ensure_future(asyncio.to_thread(job.stop))
    await asyncio.wait({stopping, future}, return_when=asyncio.ALL_COMPLETED, timeout=_ENDS_WITHIN)


class _Stopped(Exception):
    """The job was stopped before it began, or before it was finished."""


class _Job(Generic[T]):
    """One piece of work and the connection that it is using."""

    def __init__(
        self,
        ctx: ActionContext,
        params: DatabaseParams,
        work: Callable[[sa.Connection], T],
        seconds: float,
        *,
        writes: bool,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self.started = self._loop.create_future()
        self._ctx, self._params, self._work, self._seconds, self._writes = ctx, params, work, seconds, writes
        self._lock = threading.Lock()
        self._using: tuple[Engine, Any] | None = None
        self._stopped = False

    def run(self) -> T:
        """In a thread."""
        self._loop.call_soon_threadsafe(self._started)
        engine = ENGINES.get(place_of(self._ctx, self._params, writes=self._writes))
        with self._open(engine) as connection:
            try:
                result = self._work(connection)
                self._go_on()
                if self._writes:
                    connection.commit()
                else:
                    connection.rollback()
                return result
            finally:
                self._release()

    def _open(self, engine: Engine) -> sa.Connection:
        """A connection in a transaction. One that was cut while it lay in the pool is replaced.

        The pool's own ping would wait for a server that hangs, and nobody could stop it.
        """
        fresh = False
        while True:
            connection = engine.connect()
            try:
                self._hold(engine, connection)
                prepare(connection, self._seconds, writes=self._writes, spare=1.0)
            except BaseException as error:
                self._release()
                connection.close()
                if fresh or not (isinstance(error, exc.DBAPIError) and error.connection_invalidated):
                    raise
                fresh = True  # the pool has thrown out all that it had
            else:
                return connection

    def stop(self) -> None:
        """In another thread."""
        with self._lock:  # while we have it, the connection cannot go on to somebody else's work
            self._stopped = True
            if self._using is not None:
                interrupt(*self._using)

    def _go_on(self) -> None:
        """MySQL ends some statements that are killed (SLEEP, BENCHMARK) as if all were well."""
        with self._lock:
            if self._stopped:
                raise _Stopped

    def _started(self) -> None:
        if not self.started.done():
            self.started.set_result(None)

    def _hold(self, engine: Engine, connection: sa.Connection) -> None:
        with self._lock:
            if self._stopped:
                raise _Stopped
            self._using = (engine, connection.connection.driver_connection)

    def _release(self) -> None:
        with self._lock:
            self._using = None
