"""Cron lines over wall-clock time. Pure; knows no time zones (see `zone`).

Five fields (minute hour day-of-month month day-of-week) or six (seconds first), names (`MON`, `JAN`), steps, lists,
ranges, `?` for `*` in the day fields, `L` (last day), `L-3` (third before the last), `15W` (the weekday nearest to the
15th, never in another month), `LW` (last weekday), `5L`/`FRIL` (last Friday), `MON#2` (second Monday), and `@yearly
@annually @monthly @weekly @daily @midnight @hourly`. The rules are those of cron(5) of Debian and of OCPS
(https://github.com/open-source-cron); `W`, `L-n`, `?` are Quartz's
(https://www.quartz-scheduler.org/documentation/quartz-2.3.0/tutorials/crontrigger.html).

When both day fields are restricted a day has to match *either*; when one of them starts with `*` it has to match
*both*.
"""

from __future__ import annotations

import calendar
import contextlib
import datetime as dt
import re
from functools import cache
from typing import Any

NICKNAMES = {
    "@YEARLY": "0 0 1 1 *",
    "@ANNUALLY": "0 0 1 1 *",
    "@MONTHLY": "0 0 1 * *",
    "@WEEKLY": "0 0 * * 0",
    "@DAILY": "0 0 * * *",
    "@MIDNIGHT": "0 0 * * *",
    "@HOURLY": "0 * * * *",
}
LONGEST = 500
"""No honest cron line is longer; it bounds the work of reading one."""
_FIELDS = ("second", "minute", "hour", "day-of-month", "month", "day-of-week")
_ALLOWED = ("0-59", "0-59", "0-23", "1-31, L, L-3, LW, 15W", "1-12 or JAN-DEC", "0-7 or SUN-SAT, 5L, MON#2")
_DAY, _MONTH, _DOW = 3, 4, 5
_NEAREST = re.compile(r"(\d{1,2})W")
_FROM_END = re.compile(r"L-(\d{1,2})")
_NAMES = {name: str(number) for number, name in enumerate(("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"))}
_LAST_NAMED = re.compile(rf"({'|'.join(_NAMES)})L")
_UNTIL_SUNDAY = re.compile(r"(\w+)-(?:SUN|0)")


class Cron:
    """One cron line, read."""

    def __init__(self, text: str) -> None:
        """Read a line.

        Raises:
            ValueError: it is not a cron line; the message names the field and what it takes.
        """
        self._parts, self._nearest, self._from_end = _read(text)
        self._only_special = self._parts[_DAY] == ""
        if self._only_special:
            self._parts[_DAY] = "1"
        self._line = " ".join(self._parts)
        self.fixed = not self._parts[1].startswith("*") and not self._parts[2].startswith("*")
        """It names its times of day rather than "every so often": what Debian's cron.c asks (`MIN_STAR`, `HR_STAR`)."""
        try:
            self._walker(_SOME_DAY)
        except _engine()[1] as error:
            raise ValueError(self._why(text, str(error))) from None

    def after(self, wall: dt.datetime) -> dt.datetime | None:
        """The first matching second later than `wall` (naive, whole seconds); None if there is none in 50 years."""
        found: dt.datetime | None = next(self._walker(wall), None)
        return found

    def _why(self, text: str, reason: str) -> str:
        """Cronsim also refuses a day that no month of the line has."""
        if reason == f"Bad {_FIELDS[_DAY]}":
            with contextlib.suppress(_engine()[1]):
                _engine()[0](" ".join([*self._parts[:_MONTH], "*", self._parts[_DOW]]), _SOME_DAY)
                return f"{text!r} never fires: no such month has a day {self._parts[_DAY]}"
        return _explain(text, self._parts, reason)

    def _walker(self, wall: dt.datetime) -> Any:
        walker = _engine()[0](self._line, wall)
        if self._only_special:
            walker.days = set()
        walker.nearest, walker.from_end = self._nearest, self._from_end
        return walker


_SOME_DAY = dt.datetime.fromtimestamp(0, dt.UTC).replace(tzinfo=None)


@cache
def _engine() -> tuple[Any, type[Exception]]:
    """cronsim, taught `15W` and `L-3`; imported when the first schedule is read."""
    from cronsim.cronsim import CronSim, CronSimError  # noqa: PLC0415 - only flows with schedules pay for it

    class Walker(CronSim):
        nearest: frozenset[int] = frozenset()
        from_end: frozenset[int] = frozenset()

        def match_dom(self, d: dt.date) -> bool:
            if super().match_dom(d):
                return True
            if not self.nearest and not self.from_end:
                return False
            last = calendar.monthrange(d.year, d.month)[1]
            return last - d.day in self.from_end or any(
                day <= last and d.day == _nearest_weekday(d.year, d.month, day, last) for day in self.nearest
            )

    return Walker, CronSimError


def _nearest_weekday(year: int, month: int, day: int, last: int) -> int:
    """The day of the month, Monday to Friday, nearest to `day` without leaving the month."""
    weekday = calendar.weekday(year, month, day)
    if weekday == calendar.SATURDAY:
        return day - 1 if day > 1 else day + 2
    if weekday == calendar.SUNDAY:
        return day + 1 if day < last else day - 2
    return day


def _read(text: str) -> tuple[list[str], frozenset[int], frozenset[int]]:
    """Six fields as cronsim takes them, the days of `nW`, the distances of `L-n`."""
    line = text.strip().upper()
    if len(line) > LONGEST:
        raise ValueError(f"a cron line of more than {LONGEST} characters")
    if line.startswith("@"):
        if line not in NICKNAMES:
            known = " ".join(name.lower() for name in NICKNAMES)
            raise ValueError(f"{text!r} is not known; there are {known} and @every 5m")
        line = NICKNAMES[line]
    parts = line.split()
    if len(parts) == 5:
        parts.insert(0, "0")
    if len(parts) != 6:
        raise ValueError(
            f"{text!r} has {len(parts)} fields; a cron line has 5 (minute hour day month weekday) or 6 (seconds first)"
        )
    for index in (_DAY, _DOW):
        if parts[index] == "?":
            parts[index] = "*"
    terms = parts[_DAY].split(",")
    nearest = frozenset(int(match[1]) for term in terms if (match := _NEAREST.fullmatch(term)))
    from_end = frozenset(int(match[1]) for term in terms if (match := _FROM_END.fullmatch(term)))
    if any(not 1 <= day <= 31 for day in nearest) or any(day > 30 for day in from_end):
        raise ValueError(_explain(text, parts, f"Bad {_FIELDS[_DAY]}"))
    parts[_DAY] = ",".join(term for term in terms if not _NEAREST.fullmatch(term) and not _FROM_END.fullmatch(term))
    parts[_DOW] = ",".join(_weekday(term) for term in parts[_DOW].split(","))
    return parts, nearest, from_end


def _weekday(term: str) -> str:
    """`FRIL` → `5L`; a range up to Sunday ends at 7."""
    if match := _LAST_NAMED.fullmatch(term):
        return f"{_NAMES[match[1]]}L"
    head, slash, step = term.partition("/")
    if (match := _UNTIL_SUNDAY.fullmatch(head)) and match[1] not in {"SUN", "0"}:
        head = f"{match[1]}-7"
    return f"{head}{slash}{step}"


def _explain(text: str, parts: list[str], reason: str) -> str:
    for index, field in enumerate(_FIELDS):
        if reason == f"Bad {field}":
            return f"{text!r}: {field} cannot be {parts[index]!r}; it takes {_ALLOWED[index]}, with * , - and /"
    return f"{text!r} is not a cron line: {reason}"
