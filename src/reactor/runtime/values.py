"""Small pure conversions of the interpreter, and what flows draw: `now()`, `uuid()`, `random()`."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any
from zoneinfo import ZoneInfo

from reactor.model import durations
from reactor.model.clock import Instant, from_iso
from reactor.model.errors import ErrorInfo, PermanentError
from reactor.model.journal import Entry, StateChange
from reactor.runtime.durable import Durable

_END = 253_402_300_800
"""Seconds: the year 10000, which no calendar here can show."""


class Draws:
    """The functions of chance and time that expressions may call. Each result is an entry, so a replay sees the
    same.
    """

    def __init__(self, durable: Durable) -> None:
        self._durable = durable
        self._base = ""
        self._count = 0
        self._slot = ""
        self.functions: dict[str, Callable[[], Any]] = {"now": self._now, "uuid": self._uuid, "random": self._random}

    def at(self, path: str, slot: str) -> None:
        """Evaluation of this slot of this step begins. Evaluations never overlap: they do not await."""
        self._base = path
        self._slot = slot
        self._count = 0

    def _drawn(self, make: Callable[[], Any]) -> Any:
        key = f"{self._base}#draw.{self._slot}{self._count}"
        self._count += 1
        known = self._durable.recall(key)
        if known is not None:
            return known.value
        value = make()
        self._durable.record(Entry(key, self._durable.now(), value=value))
        return value

    def _now(self) -> dt.datetime:
        return dt.datetime.fromtimestamp(self._drawn(self._durable.now) / 1000, dt.UTC)

    def _uuid(self) -> str:
        return str(self._drawn(lambda: self._durable.draw("uuid")))

    def _random(self) -> float:
        return float(self._drawn(lambda: self._durable.draw("random")))

    # What expressions may call is marked; everything else is refused there.
    for _function in (_now, _uuid, _random):
        _function.reactor_callable = True  # type: ignore[union-attr]


def as_millis(value: Any, path: str) -> int:
    """A duration that an expression gave, in milliseconds.

    Raises:
        PermanentError: it is none.
    """
    if isinstance(value, dt.timedelta):
        return max(0, round(value.total_seconds() * 1000))
    try:
        return durations.parse(value)
    except ValueError as error:
        raise PermanentError("expression", f"{path}: {error}") from None


def as_count(value: Any, path: str, slot: str) -> int:
    """A whole number from 1 that an expression gave.

    Raises:
        PermanentError: it is none.
    """
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, str) and value.strip().isdecimal():
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise PermanentError("expression", f"{path}: `{slot}` takes a whole number from 1, not {str(value)[:60]!r}")
    return value


def as_instant(value: Any, path: str, zone: str = "UTC") -> Instant:
    """A point in time that an expression gave: a datetime, ISO 8601 text, or seconds since 1970. Without an offset it
    is a time of `zone`.

    Raises:
        PermanentError: it is none.
    """
    try:
        if isinstance(value, dt.datetime):
            value = value.isoformat()
        if isinstance(value, str):
            return from_iso(value, ZoneInfo(zone))
        if isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value < _END:
            return round(value * 1000)
    except (ValueError, OverflowError):
        pass
    raise PermanentError(
        "expression", f"{path}: {str(value)[:60]!r} is not a time; give ISO 8601 such as 2026-11-23T09:00:00Z"
    )


def failure(value: Any, path: str) -> ErrorInfo:
    """What `fail:` evaluated to, as an error."""
    if isinstance(value, dict):
        kind, message = str(value.get("kind") or "failed"), str(value.get("message") or value.get("kind") or "failed")
        return ErrorInfo(kind, message, path, value.get("data"), retryable=False)
    return ErrorInfo("failed", str(value), path, retryable=False)


def changed(state: dict[str, Any], change: StateChange) -> Any:
    """Carry out one change of a flow's state; the value after it.

    Raises:
        PermanentError: kind `input`: `add` to something that is no number.
    """
    if change.op == "delete":
        state.pop(change.key, None)
        return None
    if change.op == "add":
        before = state.get(change.key, 0)
        for value in (before, change.value):
            if isinstance(value, bool) or not isinstance(value, (int, float)):
                raise PermanentError("input", f"state {change.key!r}: `add` takes numbers, not {str(value)[:60]!r}")
        state[change.key] = before + change.value
    else:
        state[change.key] = change.value
    return state[change.key]
