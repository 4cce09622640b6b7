"""A batch as rows of the view `inbox` (see inbox.sql), and what became of it."""

from __future__ import annotations

import sqlite3
from functools import cache
from importlib.resources import files
from typing import Any

import msgspec

from reactor.model import failpoints
from reactor.model.clock import Instant
from reactor.model.journal import Run
from reactor.stores.blobs import Blobs
from reactor.stores.port import Acceptance, Batch, Claim, Committed
from reactor.stores.sqlite import queries
from reactor.stores.sqlite.rows import EVENT, WHATS, encode_json, event_columns, from_text, run_columns

WIDTH = 16
"""Columns of the view."""
SIZES = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512)
"""Rows of the statements that are kept prepared; what is over is filled with rows that no trigger wants."""
CHUNK_BYTES = 1 << 20
"""Of one statement: SQLite keeps a copy of its parameters as long as the statement stays prepared."""
DOORS = files("reactor.stores.sqlite").joinpath("inbox.sql").read_text("utf-8")


class Origins:
    """Numbers of (flow, trigger) pairs. New ones ride with each commit until one has succeeded."""

    def __init__(self) -> None:
        self._numbers: dict[tuple[str, str], int] = {}
        self._pairs: dict[int, tuple[str, str]] = {}
        self.unwritten: dict[int, tuple[str, str]] = {}

    def add(self, number: int, pair: tuple[str, str]) -> None:
        """One that the database knows."""
        self._numbers[pair] = number
        self._pairs[number] = pair

    def number(self, flow: str, trigger: str) -> int:
        """The pair's number, a new one if need be."""
        number = self._numbers.get((flow, trigger))
        if number is None:
            number = max(self._pairs, default=0) + 1
            self.add(number, (flow, trigger))
            self.unwritten[number] = (flow, trigger)
        return number

    def written(self, numbers: tuple[int, ...]) -> None:
        """These have been committed."""
        for number in numbers:
            self.unwritten.pop(number, None)

    def pair(self, number: int) -> tuple[str, str]:
        """The pair behind a number."""
        return self._pairs[number]

    def flows(self) -> dict[int, str]:
        """The flow of each number."""
        return {number: flow for number, (flow, _) in self._pairs.items()}

    def matching(self, flow: str | None, trigger: str | None) -> list[int]:
        """Numbers of the pairs with this flow and this trigger (None: any)."""
        return [
            number
            for (a_flow, a_trigger), number in list(self._numbers.items())
            if flow in {None, a_flow} and trigger in {None, a_trigger}
        ]


class Cargo:
    """A batch, ready for the writer: parameters, and what has to be asked if not every row was written."""

    def __init__(self, batch: Batch, origins: Origins, now: Instant, blob_limit: int) -> None:
        self.values: list[Any] = []
        self.spills: list[int] = []
        """Where in `values` data stands that goes to a blob file."""
        self.size = 0
        self.epochs: dict[int, int] = {}
        """Epoch of each run in the batch."""
        self.claimed: set[int] = set()
        """Runs that depend on a claim, their own or their event's."""
        self.contested: list[Acceptance] = []
        """Those with a claim of their event."""
        self._blob_limit = blob_limit
        self._now = now
        self._number = origins.number
        self._fill(batch)
        for number, (flow, trigger) in origins.unwritten.items():
            self._add((6, number, from_text(flow), from_text(trigger)))
        self.origins = tuple(origins.unwritten)
        """New numbers that this cargo brings."""

    @property
    def rows(self) -> int:
        """How many."""
        return len(self.values) // WIDTH

    def _fill(self, batch: Batch) -> None:
        newest = batch.runs
        for acceptance in batch.accepted:
            self._accept(acceptance, newest)
        for run in newest.values():
            if run.key not in self.epochs:
                self._run(run, None, None)
        epochs = self.epochs
        for key, data in batch.journal:
            self.size += len(data)
            if len(data) > self._blob_limit:
                self.spills.append(len(self.values) + 2)
            self.values += (4, key, data, None, epochs.get(key), *_NONE_11)
        for trigger, name, value in batch.saved:
            self._add((5, from_text(trigger), from_text(name), value))
        for state in batch.states:
            self.values += (7, state.owner, state.key, state.due, state.value, *_NONE_11)
        for key in batch.gone:
            self._add((8, key))
        for verdict in batch.verdicts:
            more = encode_json((verdict.at, verdict.rule, verdict.reason))
            self._add((9, verdict.event_key, from_text(verdict.flow), verdict.run_key, more))
        self._fill_rest(batch)

    def _fill_rest(self, batch: Batch) -> None:
        for letter in batch.letters:
            payload = letter.payload or b""
            self.size += len(payload)
            reason = from_text(letter.reason)
            self._add((10, letter.key, from_text(letter.trigger), reason, letter.size, letter.more, payload))
        for key in batch.answered:
            self._add((11, key))
        for tally in batch.tallies:
            origin = 0 if tally.what == EVENT else self._number(tally.flow, tally.trigger)
            self._add((12, tally.minute, origin, WHATS[tally.what], tally.bucket, tally.count, tally.total))
        for minute, value in batch.samples:
            self._add((13, minute, value))
        for key, data in batch.lines:
            self.size += len(data)
            self._add((14, key, data, self.epochs.get(key)))

    def _accept(self, acceptance: Acceptance, newest: dict[int, Run]) -> None:
        event = acceptance.event
        claim = acceptance.claim
        key = claim.key if claim is not None else None
        gate = None
        if claim is not None:
            self._claim(claim, event.key, None)
            self.contested.append(acceptance)
            gate = event.key
        row = event_columns(event, key)
        data = row[11]
        self.size += len(data)
        if len(data) > self._blob_limit:
            self.spills.append(len(self.values) + 11)
        self.values += row
        claims = acceptance.run_claims or (None,) * len(acceptance.runs)
        for run, run_claim in zip(acceptance.runs, claims, strict=True):
            if run_claim is not None:
                self._claim(run_claim, run.key, gate)
            if gate is not None or run_claim is not None:
                self.claimed.add(run.key)
            self._run(newest.get(run.key, run), gate, None if run_claim is None else run_claim.key)

    def _claim(self, claim: Claim, owner: int, gate: int | None) -> None:
        self.values += (1, claim.key, owner, claim.until, self._now, gate, *_NONE_10)

    def _run(self, run: Run, gate: int | None, claim: bytes | None) -> None:
        self.epochs[run.key] = run.epoch
        self.values += run_columns(run, self._number(run.flow, run.trigger), gate, claim)

    def _add(self, row: tuple[Any, ...]) -> None:
        self.values += row
        self.values += (None,) * (WIDTH - len(row))


_NONE_10 = (None,) * 10
_NONE_11 = (None,) * 11
_PADDING = (0, *(None,) * (WIDTH - 1))


@cache
def _statement(rows: int) -> str:
    row = "(" + ",".join("?" * WIDTH) + ")"
    return f"INSERT INTO inbox VALUES {','.join([row] * rows)}"  # noqa: S608 - marks only


def write(connection: sqlite3.Connection, cargo: Cargo, blobs: Blobs) -> Committed:
    """Write the cargo in one transaction, and tell what was not given. Runs in the writer's thread."""
    values = cargo.values
    for place in cargo.spills:
        # In both kinds of rows the blob's name stands beside the data: before it (events) or behind it (journal).
        values[place + (-1 if values[place - place % WIDTH] == 2 else 1)] = blobs.put(values[place])
        values[place] = None
    rows = cargo.rows
    before = connection.total_changes
    failpoints.reach("commit.before")
    chunk = SIZES[-1]
    if cargo.size > CHUNK_BYTES:
        chunk = max(1, min(chunk, rows * CHUNK_BYTES // cargo.size))
    if rows > chunk or failpoints._armed is not None:  # noqa: SLF001 - no step between the rows and COMMIT otherwise
        _write_in_chunks(connection, values, chunk)
    else:
        _insert(connection, values)
    failpoints.reach("commit.after")
    # Every row that is let in changes one row. Contention is rare, so only a smaller sum is worth a question.
    if connection.total_changes - before == rows:
        return _ALL
    return _outcome(connection, cargo)


_ALL = Committed()


def _insert(connection: sqlite3.Connection, values: list[Any]) -> None:
    rows = len(values) // WIDTH
    size = next(size for size in SIZES if size >= rows)
    for _ in range(size - rows):
        values += _PADDING
    connection.execute(_statement(size), values)


def _write_in_chunks(connection: sqlite3.Connection, values: list[Any], chunk: int) -> None:
    connection.execute("BEGIN IMMEDIATE")
    for start in range(0, len(values), chunk * WIDTH):
        _insert(connection, values[start : start + chunk * WIDTH])
    failpoints.reach("commit.written")
    connection.execute("COMMIT")


def _outcome(connection: sqlite3.Connection, cargo: Cargo) -> Committed:
    """What was lost. Asked after the transaction, on the only connection that writes, so it sees just that state."""
    duplicates = _duplicates(connection, cargo.contested)
    stored = {}
    if cargo.epochs:
        text = connection.execute(queries.EPOCHS_THERE, (encode_json(list(cargo.epochs)).decode(),)).fetchone()[0]
        stored = dict(_decode_pairs(text))
    dropped = frozenset(key for key in cargo.claimed if key not in stored)
    fenced = frozenset(key for key, epoch in cargo.epochs.items() if stored.get(key, -1) > epoch)
    return Committed(duplicates, dropped, fenced)


def _duplicates(connection: sqlite3.Connection, contested: list[Acceptance]) -> dict[int, int]:
    if not contested:
        return {}
    keys = encode_json([acceptance.event.key for acceptance in contested]).decode()
    there = set(_decode_keys(connection.execute(queries.EVENTS_THERE, (keys,)).fetchone()[0]))
    lost = {a.event.key: a.claim.key for a in contested if a.claim is not None and a.event.key not in there}
    owners: dict[bytes, int] = {}
    claims = list(lost.values())
    for start in range(0, len(claims), SIZES[-1]):
        part = claims[start : start + SIZES[-1]]
        size = next(size for size in SIZES if size >= len(part))
        part += part[:1] * (size - len(part))
        text = connection.execute(queries.claims_there(size), part).fetchone()[0]
        owners.update((bytes.fromhex(key), owner) for key, owner in _decode_owners(text))
    return {key: owners[claim] for key, claim in lost.items()}


_decode_keys = msgspec.json.Decoder(list[int]).decode
_decode_pairs = msgspec.json.Decoder(list[tuple[int, int]]).decode
_decode_owners = msgspec.json.Decoder(list[tuple[str, int]]).decode
