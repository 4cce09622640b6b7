"""Durations as people write them: `500ms 30s 5m 2h 3d 1w`, combined (`1h30m`), or ISO 8601 (`PT5M`, `P1DT12H`)."""

from __future__ import annotations

import re

_UNITS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}
_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d|w)")
_PLAIN = re.compile(r"(?:\d+(?:\.\d+)?(?:ms|s|m|h|d|w))+")
# ISO 8601-1:2019 §5.5.2, without years and months: their length depends on the calendar.
_ISO = re.compile(r"P(?:(\d+)W)?(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d+)?)S)?)?")
LONGEST = 100 * 365 * 86_400_000
"""A hundred years, in milliseconds: longer ones are mistakes and would overflow calendars."""


def parse(value: object) -> int:
    """A duration in milliseconds. A bare number is taken as seconds (the older Go engine's `timeout: 10`).

    Raises:
        ValueError: not a duration, negative, or over a hundred years; the message says what is allowed.
    """
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise ValueError(_hint(value))
    millis = _read(value.strip()) if isinstance(value, str) else _bounded(value)
    if millis is None or not 0 <= millis <= LONGEST:
        raise ValueError(_hint(value))
    return round(millis)


def _bounded(seconds: float) -> float | None:
    return seconds * 1000 if 0 <= seconds <= LONGEST else None


def _read(text: str) -> float | None:
    if len(text) > 40:
        return None
    if _PLAIN.fullmatch(text):
        return sum(float(number) * _UNITS[unit] for number, unit in _PART.findall(text))
    iso = _ISO.fullmatch(text)
    if iso and any(iso.groups()):
        weeks, days, hours, minutes, seconds = (float(group or 0) for group in iso.groups())
        return weeks * _UNITS["w"] + days * _UNITS["d"] + hours * _UNITS["h"] + minutes * _UNITS["m"] + seconds * 1000
    try:
        return _bounded(float(text))
    except ValueError:
        return None


def _hint(value: object) -> str:
    return f"{str(value)[:60]!r} is not a duration; write 500ms, 30s, 5m, 2h, 3d or ISO 8601 such as PT5M"


def show(millis: int) -> str:
    """The shortest exact spelling: 90000 → `1m30s`, 250 → `250ms`, 0 → `0s`."""
    parts = []
    for unit in ("d", "h", "m", "s", "ms"):
        count, millis = divmod(millis, _UNITS[unit])
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts) or "0s"
