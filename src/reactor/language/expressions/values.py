"""From what an expression makes to what data may be: JSON, in bounded depth and size; and from that to text."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Mapping
from typing import Any

import msgspec

from reactor.language.expressions.limits import LIMITS, Meter, OverLimit, Refusal
from reactor.language.expressions.missing import Empty, Missing, Unknown, kind_of
from reactor.model import durations

FALSE_WORDS = frozenset({"", "false", "0", "no", "null", "<no value>"})
"""Rendered conditions that do not hold, in flows of the older engine."""
_MILLISECOND = dt.timedelta(milliseconds=1)
_STEP = 4096
_TEXT_LIKE = (str, int, float, bool, type(None))


def truth(value: Any, *, legacy: bool = False) -> bool:
    """Whether a condition holds: what is empty, zero, null or false does not.

    With `legacy` the value is first rendered, and does not hold when that is empty, `false`, `0`, `no`, `null` or
    `<no value>`. Conditions compiled with `legacy=True` already evaluate to true or false.
    """
    if legacy and not isinstance(value, bool):
        return plain_text(value).strip().lower() not in FALSE_WORDS
    return bool(value)


def to_json_value(value: Any) -> Any:
    """The value as JSON data: times become ISO text, durations `5m`, tuples lists, views plain maps.

    What is JSON already comes back itself, not a copy.

    Raises:
        PermanentError: never; in this package a `Refusal`, which `Expression.evaluate` turns into one.
        Refusal: it holds something that is no data (missing, not a number, a function), or is too deep or large.
    """
    return _Walk().convert(value, 0)


class _Walk:
    """One pass over a value, counting what it holds: data of ours is a tree, but expressions can tie knots."""

    __slots__ = ("items", "size")

    def __init__(self) -> None:
        self.items = LIMITS.items
        self.size = LIMITS.result

    def convert(self, value: Any, depth: int) -> Any:
        kind = type(value)
        if kind is str:
            self.size -= len(value)
            if self.size < 0:
                raise OverLimit(f"the value holds more than {LIMITS.result:,} characters")
            return value
        if kind is int or kind is bool or value is None:
            return value
        if kind is float:
            return finite(value)
        self.items -= 1
        if kind is dict:
            return self._map(value, depth)
        if kind is list:
            return self._list(value, depth)
        return self._other(value, depth)

    def _enter(self, count: int, depth: int) -> None:
        self.items -= count
        if self.items < 0:
            raise OverLimit(f"the value holds more than {LIMITS.items:,} items")
        if depth >= LIMITS.depth:
            raise OverLimit(f"the value is nested deeper than {LIMITS.depth} levels")

    def _list(self, value: Any, depth: int) -> list[Any]:
        self._enter(len(value), depth)
        changed: list[Any] | None = None
        for index, item in enumerate(value):
            plain = self.convert(item, depth + 1)
            if changed is not None:
                changed.append(plain)
            elif plain is not item:
                changed = [*value[:index], plain]
        return value if changed is None else changed

    def _map(self, value: dict[Any, Any], depth: int) -> dict[str, Any]:
        self._enter(len(value), depth)
        changed: dict[str, Any] | None = None
        for key, item in value.items():
            plain = self.convert(item, depth + 1)
            if type(key) is str:
                self.size -= len(key)
                if plain is item and changed is None:
                    continue
            if changed is None:
                changed = _before(value, key)
            changed[key if type(key) is str else plain_text(key)] = plain
        return value if changed is None else changed

    def _other(self, value: Any, depth: int) -> Any:
        if isinstance(value, Empty):
            return value.plain
        if isinstance(value, Unknown):
            return value
        if isinstance(value, Missing):
            value.refuse()
        if isinstance(value, Mapping):
            return self._map({key: value[key] for key in value}, depth)
        if isinstance(value, (list, tuple)):
            return self._list(list(value), depth)
        if isinstance(value, (dt.date, dt.time)):
            return time_text(value)
        if isinstance(value, dt.timedelta):
            return duration_text(value)
        if isinstance(value, str):
            return self.convert(str.__str__(value), depth)
        if isinstance(value, range):
            self._enter(len(value), depth)
            return list(value)
        raise Refusal(no_data(value))


def _before(value: dict[Any, Any], key: Any) -> dict[str, Any]:
    """The entries in front of `key`: all of them plain so far."""
    entries: dict[str, Any] = {}
    for earlier, item in value.items():
        if earlier is key:
            break
        entries[earlier] = item
    return entries


def no_data(value: Any) -> str:
    """Why a value cannot become data."""
    if callable(value):
        return "a function is no value; call it, as in `now()`"
    if isinstance(value, (set, frozenset)):
        return "a set has no order; use a list"
    return f"{kind_of(value)} ({type(value).__name__}) cannot be turned into JSON"


def finite(value: float) -> float:
    """The number itself, unless JSON cannot hold it.

    Raises:
        Refusal: it is infinite or not a number.
    """
    if not math.isfinite(value):
        raise Refusal(f"the result is no finite number ({value})")
    return value


def time_text(value: dt.date | dt.time) -> str:
    """ISO 8601; times in UTC as everywhere in Reactor, with milliseconds and `Z`."""
    if isinstance(value, dt.datetime) and value.tzinfo is not None:
        text = value.isoformat(timespec="milliseconds")
        return text.removesuffix("+00:00") + "Z" if text.endswith("+00:00") else text
    return value.isoformat()


def duration_text(value: dt.timedelta) -> str:
    """`1h30m`; one that points back has a minus in front."""
    millis = value // _MILLISECOND if value >= dt.timedelta(0) else -(-value // _MILLISECOND)
    return durations.show(millis) if millis >= 0 else f"-{durations.show(-millis)}"


def plain_text(value: Any) -> str:
    """A value inside a text: text as it is, everything else as JSON writes it (`true`, `null`, `[1,2]`).

    Raises:
        Refusal: no data, or too large.
    """
    kind = type(value)
    if kind is str:
        return value  # type: ignore[no-any-return]
    if kind is int:
        return str(value)
    if value is None:
        return "null"
    if isinstance(value, (Empty, Unknown)):
        return str(value)
    plain = to_json_value(value)
    if isinstance(plain, str):
        return plain
    return json_text(plain)


def json_text(plain: Any) -> str:
    """JSON of data that has been through `to_json_value`, in one line.

    Raises:
        OverLimit: longer than a text may be.
        Refusal: a number or character that JSON cannot hold.
    """
    try:
        encoded = msgspec.json.encode(plain, enc_hook=str)
    except (OverflowError, UnicodeEncodeError, msgspec.MsgspecError) as error:
        raise Refusal(f"it cannot be written as JSON: {error}") from None
    if len(encoded) > 4 * LIMITS.text:
        raise OverLimit(f"its text is longer than {LIMITS.text:,} characters")
    return encoded.decode()


def text(meter: Meter, value: Any) -> str:
    """`plain_text`, paid for.

    Raises:
        Refusal: see `plain_text`.
    """
    shown = value if type(value) is str else plain_text(value)
    meter.spend(len(shown))
    return shown


def concat(parts: list[str]) -> str:
    """The rendered text of these pieces.

    Raises:
        OverLimit: longer than a text may be.
    """
    joined = "".join(parts)
    if len(joined) > LIMITS.text:
        raise OverLimit(f"the text is longer than {LIMITS.text:,} characters")
    return joined


def weigh(meter: Meter, value: Any) -> None:
    """Count what a list or map holds before something looks at all of it at once (compare, sort, hash).

    Raises:
        OverLimit: too many items, or out of time.
        Refusal: something in it is missing.
    """
    if type(value) in _TEXT_LIKE:
        return
    stack, count = [value], 0
    while stack:
        value = stack.pop()
        count += 1
        if count % _STEP == 0:
            meter.spend(0)
        if count > LIMITS.items:
            raise OverLimit(f"the value holds more than {LIMITS.items:,} items")
        if isinstance(value, dict):
            stack.extend(value.values())
        elif isinstance(value, (list, tuple)):
            stack.extend(value)
        elif isinstance(value, Missing) and not isinstance(value, Empty):
            value.refuse()
        if len(stack) > LIMITS.items:
            raise OverLimit(f"the value holds more than {LIMITS.items:,} items")
