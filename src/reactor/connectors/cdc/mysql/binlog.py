"""Reads the binlog, in a thread: transactions with their rows, as items that are handed over."""

from __future__ import annotations

import functools
import re
import time
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
from pymysqlreplication import BinLogStreamReader, event, row_event
from pymysqlreplication.constants import FIELD_TYPE, NONE_SOURCE

from reactor.connectors.cdc.change import draft
from reactor.connectors.cdc.mysql import rows as values
from reactor.connectors.cdc.mysql.handover import Item
from reactor.connectors.cdc.mysql.plan import Plan
from reactor.connectors.cdc.mysql.position import WHOLE, Position, executed
from reactor.connectors.cdc.mysql.server import ANSWER_WITHIN, Server
from reactor.model.clock import to_iso
from reactor.sdk import JSON, DeadLetter, TriggerLost

_BEAT = 2
"""Seconds between two signs of life of a server that has nothing to tell."""
_PACKED = {40, *range(165, 172)}
"""Types of events that hold others compressed: of MySQL, of MariaDB. The driver cannot open them."""
_EVENTS = [
    event.NotImplementedEvent,
    event.RotateEvent,
    event.QueryEvent,
    event.XidEvent,
    event.GtidEvent,
    event.MariadbGtidEvent,
    event.XAPrepareEvent,
    event.HeartbeatLogEvent,
    row_event.WriteRowsEvent,
    row_event.UpdateRowsEvent,
    row_event.DeleteRowsEvent,
]
_OPERATIONS = {
    row_event.WriteRowsEvent: "insert",
    row_event.UpdateRowsEvent: "update",
    row_event.DeleteRowsEvent: "delete",
}
_STANDALONE = 1
"""Flag of a transaction of MariaDB that is one statement without a commit."""
_STATEMENT = re.compile(r"\s*(INSERT|UPDATE|DELETE|REPLACE|LOAD)\b", re.IGNORECASE)
_SHAPING = re.compile(r"\s*(DROP|RENAME|ALTER|CREATE)\b", re.IGNORECASE)
_TRUNCATE = re.compile(r"\s*TRUNCATE\s+(?:TABLE\s+)?(?:`([^`]+)`|(\w+))(?:\s*\.\s*(?:`([^`]+)`|(\w+)))?", re.IGNORECASE)
_TYPES: dict[int, Callable[[Any], JSON]] = {
    FIELD_TYPE.TIMESTAMP: values.moment,
    FIELD_TYPE.TIMESTAMP2: values.moment,
    FIELD_TYPE.FLOAT: values.single,
    FIELD_TYPE.BIT: values.bits,
}


def begun_anew(before: str, names: tuple[str, ...]) -> str:
    """Why there is a gap."""
    return (
        f"the server's binlog was begun anew (RESET MASTER, or another server) after {before}: what was changed in "
        f"{', '.join(names)} after that and is not in the new one is lost"
    )


class Unnamed(Exception):
    """A table of which the binlog did not name the columns."""


class Binlog:
    """One stream, from a position on."""

    def __init__(self, server: Server, plan: Plan, position: Position, server_id: int) -> None:
        self._server, self._plan = server, plan
        self._start = self._position = position
        self._gtid = ""
        self._time = 0
        """Of the transaction's commit, in milliseconds since 1970."""
        self._begun = False
        self._index = WHOLE
        self._heard = time.monotonic()
        self._connected = 0
        self._stream = self._open(server_id)

    def _open(self, server_id: int) -> Any:
        return BinLogStreamReader(
            connection_settings=dict(self._server.arguments),
            server_id=server_id,
            blocking=True,
            only_events=_EVENTS,
            filter_non_implemented_events=False,
            auto_position=self._start.executed.text,
            is_mariadb=self._server.mariadb,
            only_schemas=sorted({name.split(".", 1)[0] for name in self._plan.tables}),
            only_tables=sorted({name.split(".", 1)[1] for name in self._plan.tables}),
            slave_heartbeat=_BEAT,
            pymysql_wrapper=self._connect,
            enable_logging=False,
        )

    def _connect(self, **arguments: Any) -> Any:
        """Two connections, one for the stream and one for questions; a third would be a silent reconnect."""
        self._connected += 1
        if self._connected > 2:
            if time.monotonic() - self._heard > ANSWER_WITHIN - 1:
                raise TriggerLost(
                    f"the server at {self._server.where} has not said anything for {ANSWER_WITHIN} s; see whether it "
                    "hangs "
                    "or the network is cut"
                )
            raise TriggerLost(
                f"the server at {self._server.where} has ended the stream; see whether it runs, and whether another "
                "reader "
                "has the same `server_id`"
            )
        return self._server.connect(**{name: value for name, value in arguments.items() if name != "db"})

    def items(self) -> Iterator[Item | None]:
        """What is told, item by item; None, and that comes first: the server is there, and has nothing to tell.

        Raises:
            TriggerLost, pymysql.MySQLError: it cannot go on.
        """
        for found in self._stream:
            self._heard = time.monotonic()
            if isinstance(found, event.RotateEvent | event.HeartbeatLogEvent):
                yield None
            elif isinstance(found, event.MariadbGtidEvent | event.GtidEvent):
                yield from self._begin(found)
            elif isinstance(found, row_event.RowsEvent):
                yield from self._rows(found)
            elif isinstance(found, event.QueryEvent):
                yield from self._query(found)
            elif isinstance(found, event.XidEvent | event.XAPrepareEvent):
                yield self._end()
            elif found.event_type in _PACKED:
                yield self._packed()

    @property
    def time(self) -> int:
        """When the last transaction that was read was committed, in milliseconds since 1970."""
        return self._time

    def _begin(self, found: Any) -> Iterator[Item]:
        if (
            self._server.mariadb and found.gtid in self._position.executed
        ):  # it tells only what comes after our position
            before = self._position.executed.text
            self._start = self._position = Position(executed("", mariadb=True))
            yield Item(note=functools.partial(self._plan.gap, begun_anew(before, self._plan.names)))
        self._gtid, self._index = found.gtid, WHOLE
        self._time = found.timestamp * 1000
        self._begun = isinstance(found, event.MariadbGtidEvent) and not found.flags & _STANDALONE

    def _end(self) -> Item:
        self._begun = False
        done = self._position.executed
        if self._gtid and self._gtid not in done:
            self._position = Position(
                executed=done.plus(self._gtid),
                file=str(self._stream.log_file or ""),
                offset=int(self._stream.log_pos or 0),
                server=self._server.id,
            )
        return Item(position=self._position)

    def _packed(self) -> Item:
        reason = (
            f"the binlog is compressed at {self._gtid} and cannot be read there: what was changed in "
            f"{', '.join(self._plan.names)}, if anything, is lost; switch the compression off"
        )
        return Item(note=functools.partial(self._plan.gap, reason))

    def _query(self, found: Any) -> Iterator[Item]:
        text = found.query if isinstance(found.query, str) else found.query.decode("utf-8", "replace")
        schema = found.schema.decode("utf-8", "replace")
        word = text.strip().rstrip(";").upper()
        if word == "BEGIN":
            self._begun = True
            return
        if self._begun and word not in {"COMMIT", "ROLLBACK"}:
            if _STATEMENT.match(text):
                yield from self._statement(text)
            return
        if (truncated := _TRUNCATE.match(text)) is not None:
            first, second = truncated[1] or truncated[2], truncated[3] or truncated[4]
            yield from self._truncate(f"{first}.{second}" if second else f"{schema}.{first}")
        elif _SHAPING.match(text) and self._plan.named_in(text):
            yield Item(position=self._position)
            self._plan.look_again()
        yield self._end()

    def _statement(self, text: str) -> Iterator[Item]:
        if names := self._plan.named_in(text):
            reason = (
                f"a statement was logged in place of its rows (binlog_format was not ROW) at {self._gtid}: what it "
                "changed "
                f"in {', '.join(names)} is lost"
            )
            yield Item(note=lambda: self._plan.gap(reason))

    def _truncate(self, name: str) -> Iterator[Item]:
        if name in self._plan.tables and "truncate" in self._plan.wanted:
            made = self._next(1)
            if made is not None:
                yield made._replace(
                    draft=draft(
                        operation="truncate", table=name, new=None, old=None, key=None, time=self._time,
                        metadata=self._metadata(),
                    )
                )  # fmt: skip

    def _next(self, weight: int) -> Item | None:
        """The next change's item without its event; None: it was taken before."""
        self._index += 1
        if self._start.taken(self._gtid, self._index, self._plan.names):
            return None
        self._position = msgspec.structs.replace(
            self._position, partial=self._gtid, index=self._index, tables=self._plan.names
        )
        return Item(position=self._position, weight=weight)

    def _metadata(self) -> dict[str, JSON]:
        return {
            "gtid": self._gtid,
            "index": self._index,
            "transaction": self._gtid,
            "committed_at": to_iso(self._time),
        }

    def _rows(self, found: Any) -> Iterator[Item]:
        table = f"{found.schema}.{found.table}"
        if table not in self._plan.tables:
            return
        try:
            read = _readers(found)
            changed = found.rows
        except (Unnamed, UnicodeDecodeError, ValueError, IndexError, NotImplementedError, AttributeError) as error:
            made = self._next(found.event_size)
            if made is not None:
                yield made._replace(draft=self._letter(found, table, error))
            return
        operation = _OPERATIONS[type(found)]
        weight = found.event_size // max(1, len(changed))
        key = (found.primary_key,) if isinstance(found.primary_key, str) else tuple(found.primary_key)
        for row in changed:
            made = self._next(weight)
            if made is None:
                continue
            if operation not in self._plan.wanted or self._plan.seen(table, row, operation, self._gtid):
                yield made
                continue
            yield made._replace(draft=self._draft(table, operation, row, read, tuple(filter(None, key))))

    def _draft(
        self, table: str, operation: str, row: Any, read: Callable[[Any, Any], dict[str, JSON]], key: tuple[str, ...]
    ) -> Any:
        new = old = None
        if operation == "update":
            old = read(row["before_values"], row["before_none_sources"])
            new = read(row["after_values"], row["after_none_sources"])
        elif operation == "insert":
            new = read(row["values"], row["none_sources"])
        else:
            old = read(row["values"], row["none_sources"])
        held = new or old or {}
        return draft(
            operation=operation,
            table=table,
            new=self._plan.choose(new),
            old=self._plan.choose(old),
            key={name: held.get(name) for name in key} if key else None,
            time=self._time,
            metadata=self._metadata(),
        )

    def _letter(self, found: Any, table: str, error: Exception) -> DeadLetter:
        reason = (
            "the binlog does not name the columns: binlog_row_metadata was not FULL when it was written"
            if isinstance(error, Unnamed)
            else f"rows of {table} cannot be read: {error}"
        )
        payload = bytes(found.packet.packet._data)  # noqa: SLF001 - as it came
        metadata = {"table": table, "operation": _OPERATIONS[type(found)], **self._metadata()}
        return DeadLetter(reason=reason, payload=payload, metadata=metadata, subject=table)


def _readers(found: Any) -> Callable[[dict[str, Any], dict[str, str]], dict[str, JSON]]:
    """Reads the rows of one event as JSON."""
    readers = {}
    for column in found.columns:
        if column.name is None:
            raise Unnamed
        if column.type == FIELD_TYPE.SET:
            readers[column.name] = values.chosen(column.set_values or ())
        else:
            readers[column.name] = _TYPES.get(column.type, values.plain)

    def read(row: dict[str, Any], nothing: dict[str, str]) -> dict[str, JSON]:
        return {
            name: "" if value is None and nothing.get(name) == NONE_SOURCE.EMPTY_SET else readers[name](value)
            for name, value in row.items()
        }

    return read
