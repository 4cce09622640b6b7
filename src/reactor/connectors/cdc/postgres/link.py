"""A connection to PostgreSQL at libpq level: queries, and the two-way stream of a walsender. The loop waits."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, NoReturn

import psycopg
from psycopg import pq

from reactor.connectors.cdc.postgres.address import CONNECT_WITHIN, Address
from reactor.sdk import TriggerLost

if TYPE_CHECKING:
    from psycopg.pq.abc import PGresult

ANSWER_WITHIN = 5.0
"""Seconds for a question that costs the server nothing."""
_FIELDS = pq.DiagnosticField
_COPY = pq.ExecStatus.COPY_BOTH
_FAILED = {pq.ExecStatus.FATAL_ERROR, pq.ExecStatus.BAD_RESPONSE, pq.ExecStatus.NONFATAL_ERROR}
Row = tuple[str | None, ...]


class Refused(Exception):
    """The server answers with an error."""

    def __init__(self, state: str, message: str, detail: str = "") -> None:
        super().__init__(message)
        self.state = state
        self.message = message
        self.detail = detail


class Link:
    """One connection. A query at a time; others wait."""

    def __init__(self, connection: psycopg.AsyncConnection[Any]) -> None:
        self._connection = connection
        self._pg = connection.pgconn
        self._lock = asyncio.Lock()

    @property
    def pid(self) -> int:
        """Of the server's process behind it."""
        return self._pg.backend_pid

    async def query(self, sql: str, *params: str | None) -> list[Row]:
        """Rows as text. Without parameters it is the simple protocol, the only one that a walsender knows.

        Raises:
            Refused: the server answers with an error. TriggerLost: the connection is gone.
        """
        async with self._lock:
            try:
                return await self._query(sql, params)
            except psycopg.OperationalError as error:
                lost(error)

    async def soon(self, sql: str, *params: str | None) -> list[Row]:
        """As `query`, for what costs the server nothing.

        Raises:
            TriggerLost: it does not answer.
        """
        try:
            async with asyncio.timeout(ANSWER_WITHIN):
                return await self.query(sql, *params)
        except TimeoutError:
            raise TriggerLost(
                f"PostgreSQL has not answered for {ANSWER_WITHIN:.0f} s; see whether the server hangs or the network "
                "is cut"
            ) from None

    async def begin_copy(self, sql: str) -> None:
        """Begin the two-way stream: START_REPLICATION.

        Raises:
            Refused, TriggerLost: as `query`.
        """
        await self.query(sql)

    def taken(self) -> memoryview | None:
        """The next message of the stream; None: nothing more is here.

        Raises:
            Refused: the server ends the stream with an error. TriggerLost: it ends it, or the connection is gone.
        """
        try:
            size, message = self._pg.get_copy_data(1)
            if size > 0:
                return message
            if size == 0:
                self._pg.consume_input()
                size, message = self._pg.get_copy_data(1)
                if size > 0:
                    return message
        except psycopg.OperationalError as error:
            lost(error)
        if size < 0:
            self._ended()
        return None

    async def more(self) -> None:
        """Until something comes in."""
        await self._readable()

    def tell(self, message: bytes) -> None:
        """Send a message into the stream, as soon as there is room.

        Raises:
            TriggerLost: the connection is gone.
        """
        try:
            self._pg.put_copy_data(message)
            self._pg.flush()
        except psycopg.OperationalError as error:
            lost(error)

    def _ended(self) -> NoReturn:
        result = self._pg.get_result()
        if result is not None and result.status in _FAILED:
            raise refused(result)
        raise TriggerLost("PostgreSQL has ended the stream; it is tried again when the server is back")

    async def _query(self, sql: str, params: tuple[str | None, ...]) -> list[Row]:
        pg = self._pg
        if params:
            pg.send_query_params(sql.encode(), [None if each is None else each.encode() for each in params])
        else:
            pg.send_query(sql.encode())
        while pg.flush():
            await self._writable()
        failed: Refused | None = None
        rows: list[Row] = []
        while (result := await self._result()) is not None:
            if result.status in _FAILED:
                failed = failed or refused(result)
            elif result.status == _COPY:
                return rows
            else:
                rows = _rows(result)
        if failed is not None:
            raise failed
        return rows

    async def _result(self) -> PGresult | None:
        while self._pg.is_busy():
            await self._readable()
            self._pg.consume_input()
        return self._pg.get_result()

    async def _readable(self) -> None:
        loop, socket = asyncio.get_running_loop(), self._pg.socket
        ready: asyncio.Future[None] = loop.create_future()
        loop.add_reader(socket, _wake, ready)
        try:
            await ready
        finally:  # before libpq may close it: the number may be another's a moment later
            loop.remove_reader(socket)

    async def _writable(self) -> None:
        loop, socket = asyncio.get_running_loop(), self._pg.socket
        ready: asyncio.Future[None] = loop.create_future()
        loop.add_writer(socket, _wake, ready)
        try:
            await ready
        finally:
            loop.remove_writer(socket)


def _wake(ready: asyncio.Future[None]) -> None:
    if not ready.done():
        ready.set_result(None)


def _rows(result: PGresult) -> list[Row]:
    columns = range(result.nfields)
    found = []
    for row in range(result.ntuples):
        values = (result.get_value(row, column) for column in columns)
        found.append(tuple(None if value is None else value.decode() for value in values))
    return found


def refused(result: PGresult) -> Refused:
    """What the server says in a result that is an error."""

    def field(which: pq.DiagnosticField) -> str:
        return (result.error_field(which) or b"").decode("utf-8", "replace")

    message = field(_FIELDS.MESSAGE_PRIMARY) or result.get_error_message().strip()
    return Refused(field(_FIELDS.SQLSTATE), message, field(_FIELDS.MESSAGE_DETAIL))


def lost(error: psycopg.Error) -> NoReturn:
    """Tell that the connection is gone.

    Raises:
        TriggerLost: always.
    """
    said = " ".join(str(error).split()) or "no reason is given"
    raise TriggerLost(f"the connection to PostgreSQL is lost: {said}") from None


@asynccontextmanager
async def linked(address: Address, *, replication: bool) -> AsyncIterator[Link]:
    """A connection that is closed at the end of the block. `replication`: whether a walsender is wanted.

    Raises:
        TriggerLost: it does not answer. psycopg.OperationalError: it cannot be reached or refuses us.
    """
    try:
        with address.info(replication=replication) as info:
            async with asyncio.timeout(CONNECT_WITHIN):
                connection = await psycopg.AsyncConnection.connect(info, autocommit=True)
    except TimeoutError:
        raise TriggerLost(
            f"PostgreSQL did not answer within {CONNECT_WITHIN:.0f} s; see whether the server hangs, and host and "
            "port of the connection"
        ) from None
    try:
        yield Link(connection)
    finally:
        await connection.close()
