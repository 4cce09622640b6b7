"""Cron lines in a time zone: what happens when clocks are changed.

The rules are those of Debian's cron (cron(8), "Daylight Saving Time and other time changes"):

- A line that names its times of day (neither its minute nor its hour starts with `*`) runs once a day whatever the
  clocks do. A time that does not exist because clocks go forward runs right after the gap (`30 2 * * *` at 03:00 in
  Berlin; several such times run once). A time that comes twice because clocks go back runs the first time only.
- Any other line (`*/10 * * * *`, `0 * * * *`, `*/5 2 * * *`) follows the clock on the wall: nothing runs for times that
  do not exist, and times that come twice run twice.

Debian makes an exception for changes of three hours and more; here the rules hold for any size.
"""

from __future__ import annotations

import datetime as dt
from functools import lru_cache
from zoneinfo import ZoneInfo

from reactor.connectors.schedule.cron import Cron

DAY = 86_400
_EPOCH = dt.datetime.fromtimestamp(0, dt.UTC).replace(tzinfo=None)


@lru_cache(maxsize=64)
def load(name: str) -> ZoneInfo:
    """A time zone by its IANA name.

    Raises:
        ValueError: there is none of that name; the message has the nearest ones.
    """
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        import difflib  # noqa: PLC0415 - for the message alone
        from zoneinfo import available_timezones  # noqa: PLC0415

        near = difflib.get_close_matches(name, sorted(available_timezones()), n=3, cutoff=0.6)
        hint = f"; did you mean {' or '.join(near)}?" if near else "; write a name such as Europe/Berlin or UTC"
        raise ValueError(f"there is no time zone {name!r}{hint}") from None


def wall(second: int) -> dt.datetime:
    """Seconds on the wall clock since 1970 → naive time."""
    return _EPOCH + dt.timedelta(seconds=second)


def seconds(moment: dt.datetime) -> int:
    """The opposite of `wall`."""
    return round((moment - _EPOCH).total_seconds())


def offset(zone: ZoneInfo, instant: int) -> int:
    """How far the wall clock is ahead of UTC at that second since 1970."""
    shift = dt.datetime.fromtimestamp(instant, zone).utcoffset()
    return round(shift.total_seconds()) if shift else 0


def change(zone: ZoneInfo, low: int, high: int) -> int:
    """The second in (low, high] at which the offset changes to that of `high`; there has to be one change."""
    after = offset(zone, high)
    while high - low > 1:
        middle = (low + high) // 2
        if offset(zone, middle) == after:
            high = middle
        else:
            low = middle
    return high


def instant_of(zone: ZoneInfo, moment: dt.datetime) -> int:
    """When that time is on the wall: the first time if it comes twice, right after the gap if it never does."""
    earlier, later = (
        seconds(moment) - round(shift.total_seconds())
        for fold in (0, 1)
        if (shift := moment.replace(tzinfo=zone, fold=fold).utcoffset()) is not None
    )
    if earlier > later:  # PEP 495: in a gap fold=0 counts with the offset before it
        return change(zone, later, earlier)
    return earlier


def next_tick(cron: Cron, zone: ZoneInfo, after: int) -> int | None:
    """The first second later than `after` at which the line is due, by the rules above."""
    return _next_fixed(cron, zone, after) if cron.fixed else _next_flowing(cron, zone, after)


def _next_fixed(cron: Cron, zone: ZoneInfo, after: int) -> int | None:
    moment = wall(after + offset(zone, after))
    while (found := cron.after(moment)) is not None:
        instant = instant_of(zone, found)
        if instant > after:
            return instant
        moment = found
    return None


def _next_flowing(cron: Cron, zone: ZoneInfo, after: int) -> int | None:
    """Goes from one change of the clocks to the next, as between them the wall clock is a plain line."""
    ahead = offset(zone, after)
    while (found := cron.after(wall(after + ahead))) is not None:
        instant = seconds(found) - ahead
        horizon = min(instant, after + DAY)
        if offset(zone, horizon) != ahead:
            turn = change(zone, after, horizon)
            if instant < turn:
                return instant
            after, ahead = turn - 1, offset(zone, turn)
        elif instant == horizon:
            return instant
        else:
            # Nothing matches before `found`, and a clock set back within the next day has been looked for: a leap to
            # shortly before it passes over nothing.
            after = max(horizon, instant - 2 * DAY)
            ahead = offset(zone, after)
    return None
