"""Questions, each a plain function over a connection, asked on a thread with a connection of its own."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from reactor.model.clock import Instant
from reactor.model.event import Event
from reactor.model.ids import from_text
from reactor.model.journal import Entry, Run
from reactor.model.lines import LogLine
from reactor.model.states import RunStatus
from reactor.stores.blobs import Blobs
from reactor.stores.port import EventFilter, EventRow, FlowVersion, KeyState, Letter, Loaded, RunFilter, Verdict
from reactor.stores.sqlite import listing, queries, rows, schema
from reactor.stores.sqlite.inbox import Origins
from reactor.stores.sqlite.thread import ConnectionThread

T = TypeVar("T")
K = TypeVar("K")
LOAD_CHUNK = 500
"""Runs of one statement in `load`."""
LOOK_BYTES = 8 << 20
"""Data of the events of one look at the log; the first one counts as nothing."""
_MANY_TYPES = 30
_MANY_STARTED = 1_000
"""Runs of a page of events that are looked for in one place."""
_LIVE = (RunStatus.PENDING, RunStatus.RUNNING, RunStatus.WAITING, RunStatus.PAUSED)


class Reader:
    """Reads on one long-lived thread. Autocommit, so each statement sees every commit that has returned."""

    def __init__(self, path: Path, blobs: Blobs, origins: Origins) -> None:
        self._blobs = blobs
        self._origins = origins
        self._thread = ConnectionThread("reactor-store-reader", path, lambda: schema.connect_reader(path))

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """Answer what is queued and end the thread. Blocks."""
        self._thread.stop()

    def call(self, work: Callable[[sqlite3.Connection], T]) -> asyncio.Future[T]:
        """Run `work` on the reader's connection."""
        return self._thread.call(work)

    def load(self, keys: Sequence[int]) -> asyncio.Future[list[Loaded]]:
        """Runs with events and journals, a few statements for each 500."""
        return self.call(lambda connection: self._load(connection, keys))

    def _load(self, connection: sqlite3.Connection, keys: Sequence[int]) -> list[Loaded]:
        found: dict[int, Loaded] = {}
        for start in range(0, len(keys), LOAD_CHUNK):
            part = keys[start : start + LOAD_CHUNK]
            runs = {row.key: row for row in by_keys(connection, queries.RUNS_BY_KEYS, part, rows.decode_runs)}
            wanted = {row.event_key for row in runs.values() if row.event_key is not None}
            events = {event.key: event for event in self._events(connection, wanted)}
            journals = self._journals(connection, runs)
            for key, row in runs.items():
                event = None if row.event_key is None else events.get(row.event_key)
                found[key] = Loaded(self._run(row), event, journals.get(key, []))
        return [found[key] for key in keys if key in found]

    def _run(self, row: rows.RunRow) -> Run:
        flow, trigger = self._origins.pair(row.origin)
        return rows.to_run(row, flow, trigger)

    def _events(self, connection: sqlite3.Connection, keys: Iterable[int]) -> list[Event]:
        found = by_keys(connection, queries.EVENTS_BY_KEYS, list(keys), rows.decode_events)
        return [rows.to_event(row, self._blobs.get) for row in found]

    def _journals(self, connection: sqlite3.Connection, keys: Iterable[int]) -> dict[int, list[Entry]]:
        journals: dict[int, list[Entry]] = {}
        for key, segment in by_keys(connection, queries.JOURNAL_BY_RUNS, list(keys), rows.decode_journal):
            entries = rows.decode_entries(self._blobs.get(segment)) if isinstance(segment, str) else segment
            # The first segment's list is ours, so it can be the journal.
            if key in journals:
                journals[key] += entries
            else:
                journals[key] = entries
        return journals

    def lines(self, run: int) -> asyncio.Future[list[LogLine]]:
        """What the actions of a run have said."""

        def ask(connection: sqlite3.Connection) -> list[LogLine]:
            text = connection.execute(queries.LINES_OF_RUN, (run,)).fetchone()[0]
            return [line for segment in rows.decode_lines(text) for line in segment]

        return self.call(ask)

    def run(self, key: int) -> asyncio.Future[Run | None]:
        """One run's record."""

        def ask(connection: sqlite3.Connection) -> Run | None:
            found = by_keys(connection, queries.RUNS_BY_KEYS, [key], rows.decode_runs)
            return self._run(found[0]) if found else None

        return self.call(ask)

    def runs(self, keys: Sequence[int]) -> asyncio.Future[list[Run]]:
        """The records of these."""

        def ask(connection: sqlite3.Connection) -> list[Run]:
            return [self._run(row) for row in by_keys(connection, queries.RUNS_BY_KEYS, keys, rows.decode_runs)]

        return self.call(ask)

    def children(self, parent: int) -> asyncio.Future[list[Run]]:
        """Runs that this run has called, oldest first."""

        def ask(connection: sqlite3.Connection) -> list[Run]:
            found = rows.decode_runs(one(connection, queries.CHILDREN, (parent,)))
            return [self._run(row) for row in sorted(found, key=lambda row: row.key)]

        return self.call(ask)

    def page(self, wanted: RunFilter, look: int = 0) -> asyncio.Future[tuple[list[Run], int]]:
        """A page of runs, and the key down to which was looked (0: all of them)."""

        def ask(connection: sqlite3.Connection) -> tuple[list[Run], int]:
            keys, floor = listing.keys(connection, self._origins, wanted, look)
            found = {row.key: row for row in by_keys(connection, queries.RUNS_BY_KEYS, keys, rows.decode_runs)}
            return [self._run(found[key]) for key in keys if key in found], floor

        return self.call(ask)

    def count(self, wanted: RunFilter, most: int, look: int) -> asyncio.Future[tuple[int, bool]]:
        """How many runs, and whether that is all."""
        return self.call(lambda connection: listing.count(connection, self._origins, wanted, most, look))

    def event(self, key: int) -> asyncio.Future[Event | None]:
        """One event with its data."""
        return self.call(lambda connection: next(iter(self._events(connection, [key])), None))

    def event_by_id(self, name: str) -> asyncio.Future[Event | None]:
        """The newest event with this id: by its key when the id is ours, else by the index of foreign ids."""

        def ask(connection: sqlite3.Connection) -> Event | None:
            found = rows.decode_events(one(connection, queries.EVENT_BY_ID, (rows.plain(name),)))
            events = [rows.to_event(row, self._blobs.get) for row in sorted(found, key=lambda row: -row.key)]
            key = from_text("evt", name)
            if key is not None:
                events += self._events(connection, [key])
            return next((event for event in events if event.id == name), None)

        return self.call(ask)

    def read(self, keys: Sequence[int]) -> asyncio.Future[list[Event]]:
        """Events with their data, in the order of the keys."""

        def ask(connection: sqlite3.Connection) -> list[Event]:
            found = {event.key: event for event in self._events(connection, keys)}
            return [found[key] for key in keys if key in found]

        return self.call(ask)

    def events_after(
        self, key: int, below: int, limit: int, types: Sequence[str] | None
    ) -> asyncio.Future[tuple[list[Event], int]]:
        """The next events of the log, and how far it was looked at."""
        names = None
        # SQLite's JSON texts end at a NUL: then all are read, and sorted out here.
        if types is not None and not any("\0" in name for name in types):
            names = msgspec.json.encode([rows.plain(name) for name in types]).decode()

        def ask(connection: sqlite3.Connection) -> tuple[list[Event], int]:
            values = {"after": key, "below": below, "limit": max(limit, 1), "bytes": LOOK_BYTES, "types": names}
            there, count, last = connection.execute(queries.LOOKED_AT, values).fetchone()
            upto = below - 1 if there == count < max(limit, 1) else last
            values["upto"] = upto
            found = rows.decode_events(one(connection, queries.EVENTS_BETWEEN, values)) if count else []
            events = [rows.to_event(row, self._blobs.get) for row in sorted(found, key=lambda row: row.key)]
            return [event for event in events if types is None or event.type in types], upto

        return self.call(ask)

    def count_after(self, key: int, below: int, most: int) -> asyncio.Future[int]:
        """How many events stand between two keys."""
        values = (key, below, most)
        return self.call(lambda connection: int(connection.execute(queries.COUNT_BETWEEN, values).fetchone()[0]))

    def key_states(self, owner: int, keys: Sequence[str]) -> asyncio.Future[list[KeyState]]:
        """The states of these keys."""
        values = {"owner": owner, "keys": msgspec.json.encode(keys).decode()}
        return self.call(lambda connection: _states(owner, one(connection, queries.KEY_STATES, values)))

    def states_due(self, owner: int, before: Instant, limit: int) -> asyncio.Future[list[KeyState]]:
        """States that are due."""
        values = {"owner": owner, "before": before, "limit": max(limit, 0)}
        return self.call(lambda connection: _states(owner, one(connection, queries.STATES_DUE, values)))

    def event_page(self, wanted: EventFilter) -> asyncio.Future[list[EventRow]]:
        """A page of events without their data."""
        if wanted.above is not None:
            return self._events_since(wanted)
        values = {**listing.window(wanted.since, wanted.until, wanted.below, wanted.limit), **_event_values(wanted)}
        query = queries.EVENTS_ALL
        if wanted.subject is not None:
            query = queries.EVENTS_BY_SUBJECT
        elif wanted.source is not None:
            query = queries.EVENTS_BY_SOURCE
        elif wanted.type is not None:
            query = queries.EVENTS_BY_TYPE

        def ask(connection: sqlite3.Connection) -> list[EventRow]:
            many = [values]
            if query is queries.EVENTS_ALL and wanted.prefix is not None:
                types = connection.execute(queries.TYPES_OF_PREFIX, {**values, "most": _MANY_TYPES}).fetchall()
                # Of a few types each has its index; events of many types are found soon by walking all.
                if len(types) < _MANY_TYPES:
                    many = [{**values, "type": rows.to_text(type_)} for (type_,) in types]
            found: list[rows.ListedEventRow] = []
            for given in many:
                by = queries.EVENTS_BY_TYPE if given["type"] is not None and query is queries.EVENTS_ALL else query
                found += rows.decode_event_rows(one(connection, by, given))
            shown = sorted(found, key=lambda row: -row.key)[: max(wanted.limit, 0)]
            return [rows.to_event_row(row) for row in shown]

        return self.call(ask)

    def started(self, keys: Sequence[int]) -> asyncio.Future[dict[int, list[Run]]]:
        """Runs by the event that started them. They stand shortly above their events, so ranges that touch are read
        once.
        """
        ranges: list[list[int]] = []
        for key in sorted(keys):
            if ranges and key <= ranges[-1][1]:
                ranges[-1][1] = key + queries.LATE
            else:
                ranges.append([key, key + queries.LATE])

        def ask(connection: sqlite3.Connection) -> dict[int, list[Run]]:
            values = {"keys": _list(keys), "limit": _MANY_STARTED}
            found = rows.decode_runs(one(connection, queries.STARTED_LATE, values))
            for first, last in ranges:
                found += rows.decode_runs(
                    one(connection, queries.STARTED_NEAR, {**values, "first": first, "last": last})
                )
            started: dict[int, list[Run]] = {}
            for row in sorted(found, key=lambda row: row.key):
                started.setdefault(row.event_key or 0, []).append(self._run(row))
            return started

        return self.call(ask)

    def _events_since(self, wanted: EventFilter) -> asyncio.Future[list[EventRow]]:
        """A page from the oldest on, by the narrowest index. A prefix of types has none: its types are not in the order
        of time.
        """
        window = listing.window(wanted.since, wanted.until, wanted.below, wanted.limit)
        values = {
            **window,
            "above": max(wanted.above or 0, window["since"] - 1),
            **_event_values(wanted),
        }
        query = queries.SINCE_ALL
        if wanted.subject is not None:
            query = queries.SINCE_BY_SUBJECT
        elif wanted.type is not None:
            query = queries.SINCE_BY_TYPE

        def ask(connection: sqlite3.Connection) -> list[EventRow]:
            found = rows.decode_event_rows(one(connection, query, values))
            return [rows.to_event_row(row) for row in sorted(found, key=lambda row: row.key)]

        return self.call(ask)

    def verdicts(self, event_key: int) -> asyncio.Future[list[Verdict]]:
        """What was decided of an event."""

        def ask(connection: sqlite3.Connection) -> list[Verdict]:
            return [_to_verdict(event_key, row) for row in connection.execute(queries.VERDICTS, (event_key,))]

        return self.call(ask)

    def due(self, before: Instant, after: tuple[Instant, int], limit: int) -> asyncio.Future[list[tuple[Instant, int]]]:
        """Waiting runs whose time has come."""
        values = {"before": before, "at": after[0], "key": after[1], "limit": max(limit, 0)}
        return self.call(lambda connection: sorted(_decode_due(one(connection, queries.DUE, values))))

    def live(self, status: Sequence[RunStatus], after: int, limit: int) -> asyncio.Future[list[int]]:
        """Keys of unfinished runs in these states."""

        def ask(connection: sqlite3.Connection) -> list[int]:
            keys: list[int] = []
            for state in dict.fromkeys(status):
                keys += _decode_keys(one(connection, queries.LIVE, (rows.CODES[state], after, max(limit, 0))))
            return sorted(keys)[: max(limit, 0)]

        return self.call(ask)

    def saved(self, trigger: str) -> asyncio.Future[dict[str, Any]]:
        """What a trigger keeps."""

        def ask(connection: sqlite3.Connection) -> dict[str, Any]:
            found = connection.execute(queries.SAVED, (rows.from_text(trigger),)).fetchall()
            return {rows.to_text(name): rows.decode_any(value) for name, value in found}

        return self.call(ask)

    def letters(self, trigger: str | None, below: int | None, limit: int) -> asyncio.Future[list[Letter]]:
        """A page of messages that made no event, without payloads."""
        values = {
            "trigger": None if trigger is None else rows.from_text(trigger),
            "below": queries.MAX_KEY if below is None else below,
            "limit": max(limit, 0),
        }
        return self.call(lambda connection: [_to_letter(row) for row in connection.execute(queries.LETTERS, values)])

    def letter(self, key: int) -> asyncio.Future[Letter | None]:
        """One with its payload."""

        def ask(connection: sqlite3.Connection) -> Letter | None:
            row = connection.execute(queries.LETTER, (key,)).fetchone()
            return _to_letter(row) if row else None

        return self.call(ask)

    def letter_counts(self) -> asyncio.Future[dict[str, int]]:
        """How many of each trigger."""
        return self.call(lambda c: {rows.to_text(name): count for name, count in c.execute(queries.LETTER_COUNTS)})

    def versions(self, flow: str | None) -> asyncio.Future[list[FlowVersion]]:
        """All versions of one flow, or the current ones of all."""

        def ask(connection: sqlite3.Connection) -> list[FlowVersion]:
            if flow is None:
                return [_to_version(row) for row in connection.execute(queries.VERSIONS_CURRENT).fetchall()]
            return [_to_version(row) for row in connection.execute(queries.VERSIONS_OF, (rows.from_text(flow),))]

        return self.call(ask)

    def version(self, flow: str, number: int) -> asyncio.Future[FlowVersion | None]:
        """One version."""

        def ask(connection: sqlite3.Connection) -> FlowVersion | None:
            row = connection.execute(queries.VERSION, (rows.from_text(flow), number)).fetchone()
            return _to_version(row) if row else None

        return self.call(ask)

    def counts(self) -> asyncio.Future[dict[str, int]]:
        """Live runs by status, and all events and runs."""

        def ask(connection: sqlite3.Connection) -> dict[str, int]:
            *live, events, runs = _decode_keys(one(connection, queries.COUNTS, ()))
            counts = {str(status): count for status, count in zip(_LIVE, live, strict=True)}
            return {**counts, "events": events, "runs": runs}

        return self.call(ask)


def _to_letter(row: Sequence[Any]) -> Letter:
    key, trigger, reason, size, more, *payload = row
    return Letter(
        key=key,
        trigger=rows.to_text(trigger),
        reason=rows.to_text(reason),
        size=size,
        more=more,
        payload=payload[0] if payload else None,
    )


def one(connection: sqlite3.Connection, query: str, values: Sequence[Any] | dict[str, Any]) -> bytes:
    """The only value of the only row."""
    value: bytes = connection.execute(query, values).fetchone()[0]
    return value


def by_keys(
    connection: sqlite3.Connection, query: str, keys: Sequence[int], decode: Callable[[bytes], list[K]]
) -> list[K]:
    """The rows of these keys. Journals too long for one value (1 GB) are asked for in halves."""
    if not keys:
        return []
    try:
        return decode(one(connection, query, (_list(keys),)))
    except sqlite3.DataError:
        if len(keys) == 1:
            raise
    middle = len(keys) // 2
    return by_keys(connection, query, keys[:middle], decode) + by_keys(connection, query, keys[middle:], decode)


def _list(keys: Sequence[int]) -> str:
    return msgspec.json.encode(keys).decode()


def _event_values(wanted: EventFilter) -> dict[str, Any]:
    return {
        "type": None if wanted.type is None else rows.plain(wanted.type),
        "prefix": None if wanted.prefix is None else rows.plain(wanted.prefix),
        "source": None if wanted.source is None else rows.plain(wanted.source),
        "subject": None if wanted.subject is None else rows.plain(wanted.subject),
    }


def _to_verdict(event_key: int, row: tuple[bytes, int | None, bytes]) -> Verdict:
    at, rule, reason = rows.decode_any(row[2])
    return Verdict(event_key=event_key, flow=rows.to_text(row[0]), at=at, rule=rule, reason=reason, run_key=row[1])


def _to_version(row: tuple[Any, ...]) -> FlowVersion:
    flow, version, digest, source, file, created_at, enabled, current = row
    return FlowVersion(
        flow=rows.to_text(flow), version=version, digest=rows.to_text(digest), source=rows.to_text(source),
        file=None if file is None else rows.to_text(file), created_at=created_at, enabled=bool(enabled),
        current=bool(current),
    )  # fmt: skip


def _states(owner: int, text: bytes) -> list[KeyState]:
    found = [KeyState(owner, key, due, bytes(value)) for key, due, value in _decode_states(text)]
    return sorted(found, key=lambda state: (state.due, state.key))


_decode_states = msgspec.json.Decoder(list[tuple[str, int, msgspec.Raw]]).decode
_decode_keys = msgspec.json.Decoder(list[int]).decode
_decode_due = msgspec.json.Decoder(list[tuple[int, int]]).decode
