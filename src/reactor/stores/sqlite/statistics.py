"""Sums of tallies, and the rolling up of old ones: functions over a connection, and their questions."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from reactor.model import histogram
from reactor.model.clock import Instant
from reactor.model.ids import first_at
from reactor.stores.sqlite import queries
from reactor.stores.sqlite.rows import STATUSES, WHATS
from reactor.stores.statistics import Tallied, TallyFilter

HOUR = 60
FINE_FOR = 24 * HOUR
"""Minutes for which tallies are surely not rolled up yet."""
ORIGINS_AT_ONCE = 20
"""Origins whose hour is rolled up in one transaction: about 10,000 rows where each has run in each minute."""
_NAMES = {code: what for what, code in WHATS.items()}

_SUMS = """SELECT '[' || coalesce(group_concat(x), '') || ']' FROM (
 SELECT '[' || slot || ',' || o || ',' || what || ',' || b || ',' || sum(count) || ',' || sum(total) || ']' AS x
 FROM (SELECT (minute - :since) / :step AS slot, {origin} AS o, what, {bucket} AS b, count, total FROM tallies
  WHERE minute >= :since AND minute < :until
   AND (:origins IS NULL OR origin IN (SELECT value FROM json_each(:origins))))
 GROUP BY slot, o, what, b HAVING sum(count) <> 0)"""
_UNFINISHED = "SELECT status, count(*) FROM runs INDEXED BY runs_by_status WHERE status < 4 GROUP BY status"
_SAMPLES = "SELECT minute, value FROM samples WHERE minute >= ? AND minute < ? ORDER BY minute"
# One step of the index for each origin and state.
_NEWEST = """SELECT origin, key FROM (SELECT o.value AS origin,
 (SELECT max(newest) FROM (SELECT (SELECT max(key) FROM runs INDEXED BY runs_by_origin
   WHERE runs.origin = o.value AND runs.status = s.value) AS newest FROM json_each('[0,1,2,3,4,5,6]') s)) AS key
 FROM json_each(?) o) WHERE key IS NOT NULL"""
# One step of the key for each minute that there is.
_FIRST_FINE = """WITH RECURSIVE minutes (x) AS (SELECT min(minute) FROM tallies UNION ALL
 SELECT (SELECT min(minute) FROM tallies WHERE minute > x) FROM minutes WHERE x IS NOT NULL AND x < :before)
 SELECT min(x) FROM minutes WHERE x % 60 <> 0 AND x < :before"""
_ORIGINS_THERE = "SELECT DISTINCT origin FROM tallies WHERE minute > ? AND minute < ?"
_ADD_UP = """INSERT INTO tallies (minute, origin, what, bucket, count, total)
 SELECT :hour, origin, what, bucket, sum(count), sum(total) FROM tallies
 WHERE minute > :hour AND minute < :hour + 60 AND origin IN (SELECT value FROM json_each(:origins))
 GROUP BY origin, what, bucket
 ON CONFLICT (minute, origin, what, bucket) DO UPDATE SET count = count + excluded.count,
  total = total + excluded.total"""
_DROP_FINE = """DELETE FROM tallies WHERE minute > :hour AND minute < :hour + 60
 AND origin IN (SELECT value FROM json_each(:origins))"""
_LAST_MINUTE = "SELECT max(minute) FROM tallies"
_INTO = "INSERT INTO tallies (minute, origin, what, bucket, count, total) "
_AGAIN = """ ON CONFLICT (minute, origin, what, bucket) DO UPDATE SET count = max(count, excluded.count),
 total = max(total, excluded.total)"""
_ENDS = """SELECT finished_at / 60000, origin, status, coalesce(duration_bucket(finished_at - started_at), -1),
 count(*), sum(max(coalesce(finished_at - started_at, 0), 0)) FROM
 (SELECT finished_at, started_at, origin, status FROM runs NOT INDEXED WHERE key >= :low AND finished_at >= :since
   AND finished_at - (key >> 22) BETWEEN 1577836800000 AND 1577836860000
  UNION ALL SELECT finished_at, started_at, origin, status FROM runs INDEXED BY runs_long WHERE finished_at >= :since
   AND finished_at IS NOT NULL AND finished_at - (key >> 22) NOT BETWEEN 1577836800000 AND 1577836860000)
 WHERE status >= 4 GROUP BY 1, 2, 3, 4"""
_STARTS = """SELECT started_at / 60000, origin, 7, -1, count(*), 0 FROM runs NOT INDEXED
 WHERE key >= :low AND started_at >= :since GROUP BY 1, 2"""
_EVENTS = """SELECT ((key >> 22) + 1577836800000) / 60000, 0, 8, -1, count(*), 0 FROM events NOT INDEXED
 WHERE key >= :first GROUP BY 1"""
AGAIN = 2
"""Minutes before the last tally that are counted again when a store is opened."""
_FORGET_TALLIES = "DELETE FROM tallies WHERE minute < ?"
_FORGET_SAMPLES = "DELETE FROM samples WHERE minute < ?"

_decode = msgspec.json.Decoder(list[tuple[int, int, int, int, int, int]]).decode


def sums(
    connection: sqlite3.Connection, wanted: TallyFilter, origins: Sequence[int] | None, flows: Mapping[int, str]
) -> list[Tallied]:
    """The sums, with the names of flows for the numbers of their origins."""
    values = {
        "since": wanted.since,
        "until": wanted.until,
        "step": max(wanted.step, 1),
        "origins": None if origins is None else _list(origins),
    }
    query = _SUMS.format(origin="origin" if wanted.by_flow else "0", bucket="bucket" if wanted.durations else "0")
    found = _decode(connection.execute(query, values).fetchone()[0])
    # Several origins may be of one flow.
    whole: dict[tuple[int, str, int, int], list[int]] = {}
    for slot, origin, what, bucket, count, total in found:
        sum_ = whole.setdefault((slot, flows.get(origin, ""), what, bucket), [0, 0])
        sum_[0] += count
        sum_[1] += total
    return [
        Tallied(slot, flow, _NAMES[what], bucket, count, total)
        for (slot, flow, what, bucket), (count, total) in whole.items()
    ]


def samples(connection: sqlite3.Connection, since: int, until: int) -> list[tuple[int, bytes]]:
    """Samples of these minutes."""
    return [(minute, bytes(value)) for minute, value in connection.execute(_SAMPLES, (since, until)).fetchall()]


def count_again(connection: sqlite3.Connection, now: Instant) -> None:
    """Tallies are written once a second; what a crash has taken of the last ones is counted again from the runs and
    events themselves. What was counted right stays as it is. For the writer, before anything else is written.
    """
    newest = connection.execute(_LAST_MINUTE).fetchone()[0]
    minute = now // 60_000 if newest is None else newest
    if minute < now // 60_000 - FINE_FOR:
        return  # rolled up meanwhile: another count would be a second one
    since = (minute - AGAIN) * 60_000
    values = {"since": since, "low": first_at(since - queries.SOON), "first": first_at(since)}
    connection.create_function("duration_bucket", 1, _bucket, deterministic=True)
    connection.execute("BEGIN IMMEDIATE")
    for query in (_ENDS, _STARTS, _EVENTS):
        connection.execute(_INTO + query + _AGAIN, values)
    connection.execute("COMMIT")


def _bucket(took: int | None) -> int | None:
    return None if took is None else histogram.bucket(took)


def unfinished(connection: sqlite3.Connection) -> dict[str, int]:
    """Live runs by status."""
    return {STATUSES[status].value: count for status, count in connection.execute(_UNFINISHED).fetchall()}


def newest(connection: sqlite3.Connection, origins: Sequence[int]) -> list[tuple[int, int]]:
    """(origin, key of its newest run)."""
    return connection.execute(_NEWEST, (_list(origins),)).fetchall()


def fine(connection: sqlite3.Connection, before: int) -> tuple[int, list[int]] | None:
    """The first hour before that minute with tallies by the minute, and some of the origins that have any."""
    found = connection.execute(_FIRST_FINE, {"before": before}).fetchone()[0]
    if found is None:
        return None
    hour = found // HOUR * HOUR
    origins = [origin for (origin,) in connection.execute(_ORIGINS_THERE, (hour, hour + HOUR))]
    return hour, origins


def roll(connection: sqlite3.Connection, hour: int, origins: Sequence[int]) -> None:
    """Add up an hour of these origins. Whole or not at all."""
    values: dict[str, Any] = {"hour": hour, "origins": _list(origins)}
    connection.execute("BEGIN IMMEDIATE")
    connection.execute(_ADD_UP, values)
    connection.execute(_DROP_FINE, values)
    connection.execute("COMMIT")


def forget(connection: sqlite3.Connection, tallies: int, samples_: int) -> None:
    """Remove what is older than these minutes."""
    connection.execute(_FORGET_TALLIES, (tallies,))
    connection.execute(_FORGET_SAMPLES, (samples_,))


def _list(numbers: Sequence[int]) -> str:
    return msgspec.json.encode(numbers).decode()
