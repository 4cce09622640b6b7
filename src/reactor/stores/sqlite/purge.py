"""Removing what is older than anybody wants to keep: functions for the writer's connection, each one transaction."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterable

import msgspec

from reactor.model.clock import Instant
from reactor.model.ids import first_at
from reactor.stores.blobs import Blobs
from reactor.stores.sqlite import queries


def purge_rows(
    connection: sqlite3.Connection,
    blobs: Blobs,
    before: Instant,
    limit: int,
    flow: str | None = None,
    but: Collection[str] = (),
) -> int:
    """Runs first; when none is left, events without runs. A run's age is its end, an event's its arrival.

    With `flow` the runs of that flow alone; `but` those of other flows, which stay.
    """
    if limit <= 0:
        return 0
    connection.execute(queries.DOOMED_TABLE)
    named = msgspec.json.encode(sorted(but) if flow is None else [flow]).decode()
    values = {"before": before, "below": first_at(before), "limit": limit, "flows": named}
    doom = queries.DOOM_RUNS_OF if flow is not None else queries.DOOM_RUNS_BUT if but else queries.DOOM_RUNS
    connection.execute("BEGIN IMMEDIATE")
    connection.execute(doom, values)
    names = _names(connection, queries.DOOMED_JOURNAL_BLOBS)
    connection.execute(queries.DROP_JOURNALS)
    connection.execute(queries.DROP_LINES)
    gone = connection.execute(queries.DROP_RUNS).rowcount
    connection.execute(queries.DOOMED_CLEAR)
    if gone < limit and flow is None:
        connection.execute(queries.DOOM_EVENTS, {"below": values["below"], "limit": limit - gone})
        names += _names(connection, queries.DOOMED_EVENT_BLOBS)
        connection.execute(queries.DROP_VERDICTS)
        gone += connection.execute(queries.DROP_EVENTS).rowcount
        connection.execute(queries.DOOMED_CLEAR)
    connection.execute("COMMIT")
    remove_unnamed(connection, blobs, names)
    return gone


def drop_claims(connection: sqlite3.Connection, keys: Iterable[tuple[bytes]], now: Instant) -> int:
    """Claims that were found to be over and still are."""
    gone = 0
    connection.execute("BEGIN IMMEDIATE")
    for (key,) in keys:
        gone += connection.execute(queries.DROP_CLAIM, (key, now)).rowcount
    connection.execute("COMMIT")
    return gone


def states_over(connection: sqlite3.Connection, before: Instant, limit: int) -> list[tuple[int, bytes]]:
    """States of keys that nobody has looked at since then. For the reader's connection."""
    return connection.execute(queries.STATES_OVER, (before, limit)).fetchall()


def drop_states(connection: sqlite3.Connection, found: Iterable[tuple[int, bytes]], before: Instant) -> int:
    """States that were found to be over and still are."""
    gone = 0
    connection.execute("BEGIN IMMEDIATE")
    for owner, key in found:
        gone += connection.execute(queries.DROP_STATE, (owner, key.decode(), before)).rowcount
    connection.execute("COMMIT")
    return gone


def remove_unnamed(connection: sqlite3.Connection, blobs: Blobs, names: Iterable[str]) -> int:
    """Blobs that no row names. On the writer's thread, which also writes blobs: so none is about to be named."""
    gone = 0
    for name in names:
        if not connection.execute(queries.BLOB_NAMED, {"name": name}).fetchone()[0]:
            blobs.remove(name)
            gone += 1
    return gone


def claims_over(connection: sqlite3.Connection, now: Instant, limit: int) -> list[tuple[bytes]]:
    """Claims that are over. Reads the whole table, so it runs on the reader's connection."""
    return connection.execute(queries.CLAIMS_OVER, (b"", now, limit)).fetchall()


def strays(connection: sqlite3.Connection, blobs: Blobs, limit: int) -> list[str]:
    """Files that no row names: what a crash left between a blob and its transaction. For the reader's connection."""
    files = list(blobs.names())
    if not files:
        return []
    named = {name.decode() for (name,) in connection.execute(queries.BLOBS_NAMED)}
    return [name for name in files if name not in named][:limit]


def _names(connection: sqlite3.Connection, query: str) -> list[str]:
    return [name for (name,) in connection.execute(query).fetchall()]
