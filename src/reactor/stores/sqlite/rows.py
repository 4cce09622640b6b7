"""Rows ⇄ model. Rows leave SQLite as one JSON text for many (see `queries`), so decoding is one call of msgspec."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, TypeVar

import msgspec

from reactor.model.clock import Instant
from reactor.model.errors import ErrorInfo
from reactor.model.event import Event
from reactor.model.journal import Controlled, Entry, EventWait, Run
from reactor.model.lines import LogLine
from reactor.model.states import RunStatus
from reactor.stores.port import EventRow

T = TypeVar("T")

CODES = {status: code for code, status in enumerate(RunStatus)}
"""Of the column `status`; the order of `RunStatus` is part of the schema."""
STATUSES = list(RunStatus)

EVENT = "event"
WHATS = {"completed": 4, "failed": 5, "cancelled": 6, "started": 7, EVENT: 8}
"""Of the column `what` of tallies."""

INTERNAL, EXTERNAL, FOREIGN, ODD_TEXT = 0, 1, 2, 4
"""Of the column `external`; ODD_TEXT is added where the true texts are in `more` (see `_odd`)."""

MESSAGE_LIMIT = 2_000
"""Characters of an error's message in the run's row. The journal has it whole."""
DATA_LIMIT = 8_192
"""Bytes of an error's data in the run's row; larger data is in the journal only."""

_encode = msgspec.json.Encoder().encode


class RunMore(msgspec.Struct, frozen=True, omit_defaults=True):
    """Columns of a run that are seldom filled."""

    parent_path: str = ""
    forked_from: int | None = None
    waiting_for: str = ""
    error: ErrorInfo | None = None
    waits: tuple[EventWait, ...] = ()
    detached: bool = False
    control: Controlled | None = None


class EventMore(msgspec.Struct, frozen=True, array_like=True):
    """Columns of an event that lists do not show. `texts` (id, type, source, subject) only for those that are odd."""

    metadata: dict[str, Any]
    to: tuple[str, ...]
    causes: tuple[str, ...]
    texts: tuple[str, str, str, str | None] | None = None


class RunRow(msgspec.Struct, frozen=True, array_like=True):
    """A run as `queries.RUN_JSON` shows it."""

    key: int
    origin: int
    version: int
    status: int
    event_key: int | None
    parent_key: int | None
    created_at: Instant
    started_at: Instant | None
    finished_at: Instant | None
    wake_at: Instant | None
    owner: int
    epoch: int
    more: RunMore | None


class FullEventRow(msgspec.Struct, frozen=True, array_like=True):
    """An event as `queries.EVENT_JSON` shows it."""

    key: int
    id: str
    type: str
    source: str
    subject: str | None
    time: Instant
    external: int
    more: EventMore | None
    blob: str | None
    data: Any


class ListedEventRow(msgspec.Struct, frozen=True, array_like=True):
    """An event as `queries.EVENT_ROW_JSON` shows it."""

    key: int
    id: str
    type: str
    source: str
    subject: str | None
    time: Instant
    size: int
    more: EventMore | None


JournalRow = tuple[int, list[Entry] | str]
"""A run's key and a segment, or the name of the blob that holds it."""


def encode_json(value: Any) -> bytes:
    """JSON; lone surrogates, which UTF-8 cannot hold, as escapes."""
    try:
        return _encode(value)
    except UnicodeEncodeError:
        return json.dumps(msgspec.to_builtins(value), ensure_ascii=True, separators=(",", ":")).encode()


def decoder(kind: type[T] | Any) -> Callable[[bytes], T]:
    """A decoder for JSON of that type that takes lone surrogates and numbers out of range, too."""
    strict = msgspec.json.Decoder(kind).decode

    def decode(text: bytes) -> T:
        try:
            return strict(text)  # type: ignore[no-any-return]
        except (msgspec.DecodeError, UnicodeDecodeError):
            return msgspec.convert(json.loads(text.decode("utf-8", "surrogatepass")), kind)

    return decode


decode_any: Callable[[bytes], Any] = decoder(Any)
decode_entries: Callable[[bytes], list[Entry]] = decoder(list[Entry])
decode_runs: Callable[[bytes], list[RunRow]] = decoder(list[RunRow])
decode_events: Callable[[bytes], list[FullEventRow]] = decoder(list[FullEventRow])
decode_event_rows: Callable[[bytes], list[ListedEventRow]] = decoder(list[ListedEventRow])
decode_lines: Callable[[bytes], list[list[LogLine]]] = decoder(list[list[LogLine]])
decode_journal: Callable[[bytes], list[JournalRow]] = decoder(list[JournalRow])


def to_text(value: bytes | str) -> str:
    """A text column, read as bytes."""
    return value if isinstance(value, str) else value.decode("utf-8", "surrogatepass")


def from_text(value: str) -> str | bytes:
    """A text as a parameter: SQLite takes no lone surrogates, so such a text goes in as bytes."""
    if value.isascii():
        return value
    try:
        value.encode()
    except UnicodeEncodeError:
        return value.encode("utf-8", "surrogatepass")
    return value


def _odd(event: Event) -> bool:
    texts = event.id + event.type + event.source + (event.subject or "")
    return not texts.isascii() and isinstance(from_text(texts), bytes)


def plain(text: str) -> str:
    """A text that UTF-8 can hold: lone surrogates become question marks."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def event_columns(event: Event, claim: bytes | None) -> tuple[Any, ...]:
    """A row of kind 2 of the inbox (16 values), with the data at 11 and the blob's place at 10."""
    data = event.raw if event.raw is not None else encode_json(event.data)
    external = EXTERNAL if event.external else INTERNAL if event.id[:4] == "evt_" else FOREIGN
    if _odd(event):
        return _odd_columns(event, claim, data, external)
    more = None
    if event.metadata or event.to or event.causes:
        more = encode_json((event.metadata, event.to, event.causes))
    return (2, event.key, event.id, event.type, event.source, event.subject, event.time, external, len(data), more,
            None, data, claim, None, None, None)  # fmt: skip


def _odd_columns(event: Event, claim: bytes | None, data: bytes, external: int) -> tuple[Any, ...]:
    texts = (event.id, event.type, event.source, event.subject)
    more = encode_json((event.metadata, event.to, event.causes, texts))
    subject = None if event.subject is None else plain(event.subject)
    return (2, event.key, plain(event.id), plain(event.type), plain(event.source), subject, event.time,
            external | ODD_TEXT, len(data), more, None, data, claim, None, None, None)  # fmt: skip


def run_columns(run: Run, origin: int, gate: int | None, claim: bytes | None) -> tuple[Any, ...]:
    """A row of kind 3 of the inbox (16 values)."""
    more = None
    if (
        run.control is not None
        or run.error is not None
        or run.waiting_for
        or run.parent_path
        or run.forked_from is not None
        or run.waits
    ):
        error = clipped(run.error)
        more = encode_json(
            RunMore(run.parent_path, run.forked_from, run.waiting_for, error, run.waits, run.detached, run.control)
        )
    return (3, run.key, origin, run.version, CODES[run.status], run.event_key, run.parent_key, run.created_at,
            run.started_at, run.finished_at, run.wake_at, run.owner, run.epoch, more, gate, claim)  # fmt: skip


def clipped(error: ErrorInfo | None) -> ErrorInfo | None:
    """The copy of an error that a run's row keeps."""
    if error is None:
        return None
    if len(error.message) > MESSAGE_LIMIT:
        error = msgspec.structs.replace(error, message=error.message[: MESSAGE_LIMIT - 1] + "…")
    if error.data is not None and len(encode_json(error.data)) > DATA_LIMIT:
        error = msgspec.structs.replace(error, data=None)
    return error


_NOTHING_MORE = RunMore()


def to_run(row: RunRow, flow: str, trigger: str) -> Run:
    """The model's record."""
    more = row.more or _NOTHING_MORE
    return Run(
        key=row.key, flow=flow, version=row.version, status=STATUSES[row.status], event_key=row.event_key,
        trigger=trigger, parent_key=row.parent_key, parent_path=more.parent_path, forked_from=more.forked_from,
        created_at=row.created_at, started_at=row.started_at, finished_at=row.finished_at, wake_at=row.wake_at,
        waiting_for=more.waiting_for, waits=more.waits, detached=more.detached, error=more.error,
        control=more.control, owner=row.owner, epoch=row.epoch,
    )  # fmt: skip


_PLAIN_EVENT = EventMore({}, (), ())


def to_event(row: FullEventRow, get_blob: Callable[[str], bytes]) -> Event:
    """The model's event, with its data."""
    more = row.more or _PLAIN_EVENT
    name, kind, source, subject = more.texts or (row.id, row.type, row.source, row.subject)
    return Event(
        key=row.key, id=name, type=kind, source=source, subject=subject, time=row.time,
        data=row.data if row.blob is None else decode_any(get_blob(row.blob)),
        metadata=more.metadata, to=more.to, causes=more.causes, external=bool(row.external & EXTERNAL),
    )  # fmt: skip


def to_event_row(row: ListedEventRow) -> EventRow:
    """The line of a list."""
    name, kind, source, subject = (row.more and row.more.texts) or (row.id, row.type, row.source, row.subject)
    return EventRow(key=row.key, id=name, type=kind, source=source, subject=subject, time=row.time, size=row.size)
