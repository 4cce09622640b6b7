"""When a schedule is due: pure functions of instants (milliseconds since 1970)."""

from __future__ import annotations

import bisect
import datetime as dt
import hashlib
import re
from collections.abc import Sequence
from typing import Protocol
from zoneinfo import ZoneInfo

from reactor.connectors.schedule.cron import Cron
from reactor.connectors.schedule.zone import instant_of, next_tick
from reactor.sdk import Instant

YEAR = 366 * 86_400_000
FAR = 50 * YEAR
"""A schedule with nothing due for so long is never due."""
_LOOKBACKS = (1_000, 60_000, 3_600_000, 86_400_000, 7 * 86_400_000, 32 * 86_400_000, YEAR, 5 * YEAR, FAR)


class Rule(Protocol):
    """Something that is due now and then."""

    def next(self, after: Instant) -> Instant | None:
        """The first tick later than `after`."""
        ...


class CronRule:
    """A cron line in a time zone."""

    def __init__(self, cron: Cron, zone: ZoneInfo) -> None:
        self._cron = cron
        self._zone = zone

    def next(self, after: Instant) -> Instant | None:
        tick = next_tick(self._cron, self._zone, after // 1000)
        return None if tick is None else tick * 1000


class EveryRule:
    """A fixed interval, counted from 1970-01-01T00:00Z so that restarts do not shift it."""

    def __init__(self, step: int) -> None:
        self._step = step

    def next(self, after: Instant) -> Instant | None:
        return (after // self._step + 1) * self._step


class AtRule:
    """Single instants."""

    def __init__(self, instants: Sequence[Instant]) -> None:
        self._instants = sorted(set(instants))

    def next(self, after: Instant) -> Instant | None:
        index = bisect.bisect_right(self._instants, after)
        return self._instants[index] if index < len(self._instants) else None


class Exclusions:
    """Days without ticks, in the schedule's time zone: single days, ranges (with both ends), days of every year."""

    def __init__(self, ranges: Sequence[tuple[dt.date, dt.date]], yearly: Sequence[tuple[str, str]]) -> None:
        self._ranges = ranges
        self._yearly = yearly

    def __bool__(self) -> bool:
        return bool(self._ranges or self._yearly)

    def covers(self, day: dt.date) -> bool:
        """Whether nothing is due on that day."""
        short = f"{day:%m-%d}"
        return any(first <= day <= last for first, last in self._ranges) or any(
            first <= short <= last if first <= last else short >= first or short <= last for first, last in self._yearly
        )


class Timetable:
    """A rule without its excluded days."""

    def __init__(self, rule: Rule, zone: ZoneInfo, exclusions: Exclusions) -> None:
        self._rule = rule
        self._zone = zone
        self._exclusions = exclusions

    def next(self, after: Instant) -> Instant | None:
        """The first tick later than `after`, or None when there is none for fifty years."""
        limit = after + FAR
        while (tick := self._rule.next(after)) is not None and tick <= limit:
            if not self._exclusions:
                return tick
            day = dt.datetime.fromtimestamp(tick / 1000, self._zone).date()
            if not self._exclusions.covers(day):
                return tick
            midnight = dt.datetime.combine(day + dt.timedelta(days=1), dt.time())
            after = max(tick, instant_of(self._zone, midnight) * 1000 - 1)
        return None

    def previous(self, before: Instant) -> Instant | None:
        """The last tick earlier than `before`: found by halving, as rules only look forward."""
        for span in _LOOKBACKS:
            low = self.next(before - span - 1)
            if low is not None and low < before:
                break
        else:
            return None
        high = before
        while (following := self.next(low)) is not None and following < before:
            middle = self.next((low + high) // 2)
            if middle is None or middle >= before:
                high = (low + high) // 2
                low = following
            else:
                low = middle
        return low


def delay(key: str, tick: Instant, jitter: int) -> int:
    """By how much a tick is late on purpose: 0 to `jitter` ms, the same for one trigger and tick on every instance."""
    if jitter <= 0:
        return 0
    digest = hashlib.sha256(f"{key}|{tick}".encode()).digest()
    return int.from_bytes(digest[:8], "big") % (jitter + 1)


_SHORT = re.compile(r"\d{2}-\d{2}")


def read_exclusions(values: Sequence[str]) -> Exclusions:
    """Read `2026-12-24`, `2026-12-24..2027-01-06` (or with `/`), `12-25`, `12-24..01-02`.

    Raises:
        ValueError: one of them is none of these.
    """
    ranges: list[tuple[dt.date, dt.date]] = []
    yearly: list[tuple[str, str]] = []
    for value in values:
        first, last = _ends(value)
        if _SHORT.fullmatch(first) and _SHORT.fullmatch(last):
            for short in (first, last):
                _date(f"2024-{short}", value)  # a leap year: 02-29 is a day
            yearly.append((first, last))
            continue
        start, end = _date(first, value), _date(last, value)
        if end < start:
            raise ValueError(f"{value!r} ends before it starts")
        ranges.append((start, end))
    return Exclusions(ranges, yearly)


def _ends(value: str) -> tuple[str, str]:
    for separator in ("..", "/"):
        first, found, last = value.partition(separator)
        if found:
            return first.strip(), last.strip()
    return value.strip(), value.strip()


def _date(text: str, value: str) -> dt.date:
    try:
        return dt.date.fromisoformat(text)
    except ValueError:
        raise ValueError(
            f"{value!r} is not a day; write 2026-12-24, 2026-12-24..2027-01-06, or 12-25 for every year"
        ) from None


def read_at(text: str, zone: ZoneInfo) -> Instant:
    """A single time: ISO 8601, in the schedule's time zone unless it has an offset.

    Raises:
        ValueError: it is not a time.
    """
    try:
        moment = dt.datetime.fromisoformat(text.strip())
    except ValueError:
        raise ValueError(f"{text!r} is not a time; write 2026-12-24T18:00 or 2026-12-24T18:00:00+01:00") from None
    if moment.tzinfo is None:
        whole = instant_of(zone, moment.replace(microsecond=0)) * 1000
        return whole + moment.microsecond // 1000
    return round(moment.timestamp() * 1000)
