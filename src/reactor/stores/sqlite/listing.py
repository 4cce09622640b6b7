"""Lists and counts of runs: the index ranges in which the wanted ones lie, newest first, merged.

A filter that no index knows (a text, when a run ended) is asked of the rows in a range. Whoever lists for people bounds
how many rows are looked at, and is told how far that went.
"""

from __future__ import annotations

import heapq
import sqlite3
from functools import cache
from typing import Any

import msgspec

from reactor.model.clock import Instant
from reactor.model.ids import first_at
from reactor.model.states import RunStatus
from reactor.stores.port import RunFilter
from reactor.stores.sqlite import queries, rows
from reactor.stores.sqlite.inbox import Origins

_MANY = 1_500
"""Ranges from which on the newest runs are looked through instead."""
_KINDS = 200
"""Kinds of errors that a pattern may stand for."""
_FEW = 20_000
"""Failed runs of which it is quicker to ask each than to look through the flows."""
_FEW_ORIGINS = 50
_ALL = tuple(range(len(RunStatus)))
_FAILED = rows.CODES[RunStatus.FAILED]

_STARTS = {
    "all": "runs NOT INDEXED WHERE 1",
    "status": "runs INDEXED BY runs_by_status WHERE status = :a",
    "origin": "runs INDEXED BY runs_by_origin WHERE origin = :a AND status = :b",
    "error": "runs INDEXED BY runs_by_error WHERE error_kind IS NOT NULL AND error_kind = :a",
    "parent": "runs INDEXED BY runs_by_parent WHERE parent_key = :a",
    "near": f"runs NOT INDEXED WHERE key BETWEEN :a AND :a + {queries.LATE}",
    "late": f"""runs INDEXED BY runs_late WHERE event_key = :a
 AND key - event_key NOT BETWEEN 0 AND {queries.LATE}""",
    "long": """runs INDEXED BY runs_long WHERE finished_at >= :ended AND finished_at < :ended_below
 AND finished_at IS NOT NULL AND finished_at - (key >> 22) NOT BETWEEN 1577836800000 AND 1577836860000""",
}
_RESTS = {
    "statuses": "+status IN (SELECT value FROM json_each(:statuses))",
    "origins": "+origin IN (SELECT value FROM json_each(:origins))",
    "parent": "+parent_key = :parent",
    "event": "+event_key = :event",
    "error": "error_kind IN (SELECT value FROM json_each(:errors))",
    "ended": "+finished_at >= :ended AND +finished_at < :ended_below",
    "soon": "finished_at - (key >> 22) BETWEEN 1577836800000 AND 1577836860000",
    "text": """(+origin IN (SELECT value FROM json_each(:named))
 OR (more IS NOT NULL AND CAST(more AS TEXT) LIKE :text ESCAPE '\\'))""",
}
_WINDOW = " AND key >= :since AND key < :below"
_FEW_OF_KIND = """SELECT count(*) FROM (SELECT 1 FROM runs INDEXED BY runs_by_error
 WHERE error_kind IS NOT NULL AND error_kind = ? LIMIT ?)"""
_NEXT_KIND = "SELECT min(error_kind) FROM runs INDEXED BY runs_by_error WHERE error_kind IS NOT NULL AND error_kind > ?"


class Range(msgspec.Struct, frozen=True):
    """Rows that one index holds together, in the order of their keys (or all that it holds)."""

    start: str
    a: int | str | None = None
    b: int | None = None
    asked: tuple[str, ...] = ()
    """What is asked of each row."""
    soon: bool = False
    """Only in the range of keys of those that may have ended soon after they were made."""


class Plan(msgspec.Struct, frozen=True):
    """Where the wanted runs are."""

    ranges: list[Range]
    values: dict[str, Any]

    @property
    def asks(self) -> bool:
        """Whether rows are looked at that are not wanted."""
        return any(one.asked for one in self.ranges)


def keys(connection: sqlite3.Connection, origins: Origins, wanted: RunFilter, look: int = 0) -> tuple[list[int], int]:
    """The newest wanted keys, at most `limit`; and the key down to which was looked, 0: to the end.

    With `look`, ranges of which rows are asked are looked at no further than so many rows.
    """
    plan = planned(connection, origins, wanted)
    values, limit = plan.values, max(wanted.limit, 0)
    floor = _floor(connection, plan, look) if look and plan.asks else 0
    if floor:
        values = {**values, "since": max(values["since"], floor)}
    found = [_keys(connection, one, values) for one in plan.ranges]
    merged = heapq.merge(*found, reverse=True) if len(found) > 1 else iter(found[0] if found else [])
    newest: list[int] = []
    for key in merged:
        if len(newest) == limit:
            break
        if not newest or newest[-1] != key:
            newest.append(key)
    return newest, floor


def _keys(connection: sqlite3.Connection, one: Range, values: dict[str, Any]) -> list[int]:
    there = connection.execute(_keys_query(one.start, one.asked), _given(one, values))
    return [key for (key,) in there]


def _given(one: Range, values: dict[str, Any]) -> dict[str, Any]:
    given = {**values, "a": one.a, "b": one.b}
    if one.soon:
        given["since"] = max(values["since"], values["soon_since"])
        given["below"] = min(values["below"], values["soon_below"])
    return given


def count(
    connection: sqlite3.Connection, origins: Origins, wanted: RunFilter, most: int, look: int
) -> tuple[int, bool]:
    """How many there are, counted up to `most`; and whether that is all."""
    plan = planned(connection, origins, wanted)
    values = {**plan.values, "limit": most}
    ranges = plan.ranges
    if [one.start for one in ranges] == ["all"] and not ranges[0].asked:
        # An index is a tenth of the table.
        ranges = [Range("status", code) for code in _ALL]
    floor = _floor(connection, plan, look) if plan.asks else 0
    values["since"] = max(values["since"], floor)
    total = 0
    for one in ranges:
        given = {**_given(one, values), "limit": most - total}
        total += int(connection.execute(_count_query(one.start, one.asked), given).fetchone()[0])
        if total >= most:
            return total, False
    return total, not floor


def _floor(connection: sqlite3.Connection, plan: Plan, look: int) -> int:
    """The key above which all ranges together have at most `look` rows; 0: that is all of them."""
    floor = 0
    bounded = [one for one in plan.ranges if one.asked and one.start not in ("near", "late", "long")]
    each = max(look // max(len(bounded), 1), 1)
    for one in bounded:
        there, last = connection.execute(
            _floor_query(one.start), {**_given(one, plan.values), "limit": each}
        ).fetchone()
        if there == each:
            floor = max(floor, last)
    return floor


@cache
def _keys_query(start: str, asked: tuple[str, ...]) -> str:
    return f"SELECT key FROM {_STARTS[start]}{_rest(asked)} ORDER BY key DESC LIMIT :limit"  # noqa: S608 - constants


@cache
def _count_query(start: str, asked: tuple[str, ...]) -> str:
    return f"SELECT count(*) FROM (SELECT 1 FROM {_STARTS[start]}{_rest(asked)} LIMIT :limit)"  # noqa: S608 - constants


@cache
def _floor_query(start: str) -> str:
    rest = f"{_STARTS[start]}{_WINDOW} ORDER BY key DESC LIMIT :limit"
    return f"SELECT count(*), min(key) FROM (SELECT key FROM {rest})"  # noqa: S608 - constants


def _rest(asked: tuple[str, ...]) -> str:
    return _WINDOW + "".join(f" AND {_RESTS[name]}" for name in asked)


# --- planning ---


def planned(connection: sqlite3.Connection, origins: Origins, wanted: RunFilter) -> Plan:
    """The narrowest ranges for a filter."""
    numbers = _origins(origins, wanted)
    codes = tuple(rows.CODES[status] for status in dict.fromkeys(wanted.status))
    found = None if wanted.error is None else kinds(connection, wanted.error)
    values = {**_values(origins, wanted, numbers, codes), "errors": None if found is None else as_list(found)}
    there = {"statuses": codes, "origins": numbers is not None, "error": found is not None}
    rest = tuple(name for name, given in there.items() if given)
    asked = tuple(name for name in ("ended", "text") if values[name] is not None)
    if wanted.event_key is not None:
        own = (*asked, *rest, "event", *(["parent"] if wanted.parent_key is not None else []))
        return Plan([Range("near", wanted.event_key, None, own), Range("late", wanted.event_key, None, own)], values)
    if wanted.parent_key is not None:
        return Plan([Range("parent", wanted.parent_key, None, (*asked, *rest))], values)
    if found is not None and (not codes or _FAILED in codes):
        ranges = _by_error(connection, found, numbers, asked)
    else:
        ranges = [] if found is not None else _narrowest(numbers, codes, asked)
    if values["ended"] is None:
        return Plan(ranges, values)
    soon = [msgspec.structs.replace(one, soon=True, asked=(*one.asked, "soon")) for one in ranges]
    long = Range("long", None, None, (*rest, *(name for name in asked if name != "ended")))
    return Plan([long, *soon], {**values, **_soon_ended(values)})


def _origins(origins: Origins, wanted: RunFilter) -> list[int] | None:
    if wanted.flow is None and wanted.trigger is None and wanted.flows is None:
        return None
    numbers = origins.matching(wanted.flow, wanted.trigger)
    if wanted.flows is not None:
        flows, there = set(wanted.flows), origins.flows()
        numbers = [number for number in numbers if there[number] in flows]
    return numbers


def _values(origins: Origins, wanted: RunFilter, numbers: list[int] | None, codes: tuple[int, ...]) -> dict[str, Any]:
    ended = wanted.finished_since is not None or wanted.finished_until is not None
    text, named = None, None
    if wanted.text is not None:
        text = "%" + _escaped(rows.plain(wanted.text)) + "%"
        folded = wanted.text.lower()
        named = [number for number, flow in origins.flows().items() if folded in flow.lower()]
    span = window(wanted.since, wanted.until, wanted.below, wanted.limit)
    return {
        **span,
        "since": max(span["since"], wanted.least or 0),
        "ended": wanted.finished_since or 0 if ended else None,
        "ended_below": queries.MAX_KEY if wanted.finished_until is None else wanted.finished_until,
        "statuses": as_list(codes) if codes else None,
        "origins": None if numbers is None else as_list(numbers),
        "parent": wanted.parent_key,
        "event": wanted.event_key,
        "text": text,
        "named": None if named is None else as_list(named),
    }


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_").replace("\0", "")


def _narrowest(numbers: list[int] | None, codes: tuple[int, ...], asked: tuple[str, ...]) -> list[Range]:
    if numbers is not None and len(numbers) * len(codes or _ALL) <= _MANY:
        return [Range("origin", number, code, asked) for number in numbers for code in codes or _ALL]
    if numbers is not None:
        asked = (*asked, "origins")
    if codes:
        return [Range("status", code, None, asked) for code in codes]
    return [Range("all", None, None, asked)]


def _by_error(
    connection: sqlite3.Connection, found: list[str], numbers: list[int] | None, asked: tuple[str, ...]
) -> list[Range]:
    """The failed runs of these kinds; of some origins those of the kinds, or of the origins, whichever are few."""
    if numbers is not None and len(numbers) <= _FEW_ORIGINS:
        there = 0
        for kind in found:
            there += int(connection.execute(_FEW_OF_KIND, (kind, _FEW)).fetchone()[0])
            if there >= _FEW:
                return [Range("origin", number, _FAILED, (*asked, "error")) for number in numbers]
    asked = asked if numbers is None else (*asked, "origins")
    return [Range("error", kind, None, asked) for kind in found]


def kinds(connection: sqlite3.Connection, wanted: str) -> list[str]:
    """The kinds of errors that there are and that a name stands for: `http.*` is all that begin with `http.`."""
    if not wanted.endswith("*"):
        return [rows.plain(wanted)]
    head, found = rows.plain(wanted[:-1]), list[str]()
    kind = _next_kind(connection, head[:-1] if head else "")
    while kind is not None and len(found) < _KINDS and not (kind > head and not kind.startswith(head)):
        found += [kind] if kind.startswith(head) else []
        kind = _next_kind(connection, kind)
    return found


def _next_kind(connection: sqlite3.Connection, after: str) -> str | None:
    (kind,) = connection.execute(_NEXT_KIND, (after,)).fetchone()
    return None if kind is None else rows.to_text(kind)


def as_list(numbers: Any) -> str:
    """Numbers as JSON text."""
    return msgspec.json.encode(numbers).decode()


def window(since: Instant | None, until: Instant | None, below: int | None, limit: int) -> dict[str, Any]:
    """Times as ranges of keys: a key tells when it was made."""
    # One upper bound: of two, SQLite would start at the one that it meets first and read down to the other.
    end = queries.MAX_KEY if until is None else first_at(until)
    return {
        "since": 0 if since is None else first_at(since),
        "below": end if below is None else min(end, below),
        "limit": max(limit, 0),
    }


def _soon_ended(values: dict[str, Any]) -> dict[str, int]:
    """Runs that ended within a minute after they were made are in this range of keys; all others are in an index."""
    since = max(values["since"], first_at(values["ended"] - queries.SOON))
    below = values["below"]
    if values["ended_below"] < queries.MAX_KEY:
        below = min(below, first_at(values["ended_below"]))
    return {"soon_since": since, "soon_below": below}
