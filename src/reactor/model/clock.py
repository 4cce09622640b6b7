"""The two sources of nondeterminism, as values that are handed down: nobody else may read a clock or draw a number.

All instants in Reactor are whole milliseconds since 1970-01-01 UTC (`Instant`); ISO 8601 text is made only at the
doors.
"""

from __future__ import annotations

import datetime as dt
import random
import time
import uuid
from typing import Protocol

Instant = int
"""Milliseconds since the Unix epoch, UTC."""


class Clock(Protocol):
    """Where a part takes the time from. The engine gets `SystemClock`, tests get one that they move by hand."""

    def now(self) -> Instant:
        """Milliseconds since the epoch. Never goes backwards within one process."""
        ...


class Entropy(Protocol):
    """Where a part takes chance from (jitter, `random()`, `uuid()`)."""

    def random(self) -> float:
        """A float in [0, 1)."""
        ...

    def uuid(self) -> str:
        """A random UUID (version 4) as text."""
        ...


class SystemClock:
    """The wall clock of the machine. When that is set back, time runs on at half speed until the wall has caught up."""

    def __init__(self) -> None:
        self._last = 0
        self._steady = time.monotonic_ns()

    def now(self) -> Instant:
        """See `Clock.now`. Nothing is ever ordered before its cause, and no timer rests for as long as the clock was
        set back.
        """
        now = time.time_ns() // 1_000_000
        if now >= self._last:
            self._last = now
            self._steady = time.monotonic_ns()
            return now
        return self._behind()

    def _behind(self) -> Instant:
        """The wall is behind what was told already."""
        ahead = (time.monotonic_ns() - self._steady) // 2_000_000
        if ahead > 0:
            self._last += ahead
            self._steady += ahead * 2_000_000
        return self._last


class SystemEntropy:
    """The process's own random numbers."""

    def random(self) -> float:
        """See `Entropy.random`."""
        return random.random()  # noqa: S311 - jitter and sampling, nothing secret

    def uuid(self) -> str:
        """See `Entropy.uuid`."""
        return str(uuid.uuid4())


_second: tuple[int, str] = (-1, "")


def to_iso(instant: Instant) -> str:
    """`2026-11-23T04:36:11.250Z`: RFC 3339 in UTC with milliseconds. The text of the last second is kept: most are
    asked for many times within it.
    """
    global _second  # noqa: PLW0603 - one tuple, replaced whole
    second, millis = divmod(instant, 1000)
    known, text = _second
    if known != second:
        text = dt.datetime.fromtimestamp(second, dt.UTC).strftime("%Y-%m-%dT%H:%M:%S")
        _second = (second, text)
    return f"{text}.{millis:03d}Z"


def from_iso(text: str, zone: dt.tzinfo = dt.UTC) -> Instant:
    """Read RFC 3339 / ISO 8601 text; without an offset it is a time of `zone`.

    Raises:
        ValueError: the text is not a time.
    """
    moment = dt.datetime.fromisoformat(text)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=zone)
    return round(moment.timestamp() * 1000)
