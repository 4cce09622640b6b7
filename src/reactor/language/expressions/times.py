"""Times and durations in expressions."""

from __future__ import annotations

import datetime as dt
from typing import Any

from reactor.language.expressions.limits import Refusal
from reactor.language.expressions.missing import kind_of
from reactor.model import durations

_LATEST = 253_402_300_800
"""Seconds since 1970 of the year 10000."""
_MILLIS_FROM = 100_000_000_000
"""Numbers from here on are milliseconds: as seconds they would be after the year 5000."""


def as_time(value: Any) -> dt.datetime:
    """A time with its zone: from ISO 8601 text (UTC when it names none) or seconds (or milliseconds) since 1970.

    Raises:
        Refusal: it is no time.
    """
    if isinstance(value, dt.datetime):
        return value if value.tzinfo else value.replace(tzinfo=dt.UTC)
    try:
        if isinstance(value, str):
            return _from_text(value.strip())
        if type(value) in {int, float} and abs(value) < _LATEST * 1000:
            return dt.datetime.fromtimestamp(value / 1000 if abs(value) >= _MILLIS_FROM else value, dt.UTC)
    except (ValueError, OverflowError, OSError):
        pass
    shown = f"`{value[:40]}`" if isinstance(value, str) else kind_of(value)
    raise Refusal(f"{shown} is no time; write 2026-11-23T08:30:00Z or seconds since 1970")


def _from_text(value: str) -> dt.datetime:
    if value.replace(".", "", 1).isdigit() and value.isascii() and len(value) not in {4, 8}:
        return as_time(float(value))
    moment = dt.datetime.fromisoformat(value)
    return moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)


def duration(value: Any) -> dt.timedelta:
    """A length of time: from `5m`, `1h30m`, `PT5M` (a minus in front points back) or seconds.

    Raises:
        Refusal: it is no duration.
    """
    if isinstance(value, dt.timedelta):
        return value
    if type(value) not in {str, int, float}:
        raise Refusal(f"{kind_of(value)} is no duration; write 5m, 1h30m or seconds")
    negative = isinstance(value, str) and value.strip().startswith("-")
    if negative:
        value = value.strip()[1:]
    elif type(value) in {int, float} and value < 0:
        value, negative = -value, True
    try:
        millis = durations.parse(value)
    except ValueError as error:
        raise Refusal(str(error)) from None
    return dt.timedelta(milliseconds=-millis if negative else millis)
