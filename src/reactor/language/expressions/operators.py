"""The operators of expressions: as in Python, bounded, with texts beside times and durations read as such."""

from __future__ import annotations

import datetime as dt
import operator
from collections.abc import Callable, Mapping
from typing import Any

from reactor.language.expressions.limits import LIMITS, Meter, OverLimit, Refusal
from reactor.language.expressions.missing import Empty, Missing, kind_of
from reactor.language.expressions.times import as_time, duration
from reactor.language.expressions.values import text, weigh

_NUMBERS = frozenset({int, float, bool})
_CONTAINERS = (list, tuple, dict)
_TIMES = (dt.datetime, dt.timedelta)
_WIDEST_FORMAT = 1_000


def _wrong(verb: str, left: Any, right: Any, advice: str = "") -> Refusal:
    return Refusal(f"cannot {verb} {kind_of(left)} and {kind_of(right)}{advice}")


def _check(left: Any, right: Any) -> None:
    if isinstance(left, Missing):
        left.refuse()
    if isinstance(right, Missing):
        right.refuse()


def _bounded(value: Any) -> Any:
    """A number that was just made.

    Raises:
        OverLimit: a whole number too large to be of use.
        Refusal: a complex number.
    """
    if type(value) is int and value.bit_length() > LIMITS.integer_bits:
        raise OverLimit("the number is too large")
    if type(value) is complex:
        raise Refusal("the result is no real number")
    return value


def _with_times(function: Callable[[Any, Any], Any], left: Any, right: Any) -> Any:
    """The same once more, with a text beside a time or duration read as one; NotImplemented when there is none."""
    if isinstance(left, _TIMES) and isinstance(right, str):
        return function(left, _read(left, right, function))
    if isinstance(right, _TIMES) and isinstance(left, str):
        return function(_read(right, left, function), right)
    return NotImplemented


def _read(beside: Any, value: str, function: Callable[[Any, Any], Any]) -> Any:
    if isinstance(beside, dt.timedelta):
        return duration(value)
    if function is operator.add:
        return duration(value)
    if function is operator.sub:
        try:
            return duration(value)
        except Refusal:
            return as_time(value)
    return as_time(value)


def add(meter: Meter, left: Any, right: Any) -> Any:
    """`left + right`.

    Raises:
        Refusal: their kinds do not add up, or the result is too large.
    """
    kind = type(left)
    if kind in _NUMBERS and type(right) in _NUMBERS:
        return _bounded(left + right)
    _check(left, right)
    if kind is str and type(right) is str:
        meter.spend(len(left) + len(right))
        return left + right
    if isinstance(left, (list, tuple)) and isinstance(right, (list, tuple)):
        meter.spend(8 * (len(left) + len(right)))
        return [*left, *right]
    return _arithmetic("add", operator.add, left, right)


def sub(_meter: Meter, left: Any, right: Any) -> Any:
    """`left - right`.

    Raises:
        Refusal: one cannot be taken from the other.
    """
    if type(left) in _NUMBERS and type(right) in _NUMBERS:
        return _bounded(left - right)
    return _arithmetic("subtract", operator.sub, left, right)


def mul(meter: Meter, left: Any, right: Any) -> Any:
    """`left * right`.

    Raises:
        Refusal: they cannot be multiplied, or the result is too large.
    """
    if type(left) in _NUMBERS and type(right) in _NUMBERS:
        if type(left) is int and type(right) is int and left.bit_length() + right.bit_length() > LIMITS.integer_bits:
            raise OverLimit("the number is too large")
        return left * right
    _check(left, right)
    for many, count in ((left, right), (right, left)):
        if isinstance(many, (str, list, tuple)) and type(count) is int:
            size = len(many) * max(0, count)
            meter.spend(size if isinstance(many, str) else 8 * size)
            return many * count
    return _arithmetic("multiply", operator.mul, left, right)


def div(_meter: Meter, left: Any, right: Any) -> Any:
    """`left / right`.

    Raises:
        Refusal: division by zero, or no numbers.
    """
    return _arithmetic("divide", operator.truediv, left, right)


def floordiv(_meter: Meter, left: Any, right: Any) -> Any:
    """`left // right`.

    Raises:
        Refusal: division by zero, or no numbers.
    """
    return _arithmetic("divide", operator.floordiv, left, right)


def mod(meter: Meter, left: Any, right: Any) -> Any:
    """`left % right`: the rest of a division, or `"%s: %d" % (a, b)`.

    Raises:
        Refusal: division by zero, no numbers, or values that do not fit the text.
    """
    if isinstance(left, str):
        if isinstance(right, tuple):
            return printf(meter, left, *right)
        return printf(meter, left, right)
    return _arithmetic("divide", operator.mod, left, right)


def power(_meter: Meter, left: Any, right: Any) -> Any:
    """`left ** right`.

    Raises:
        Refusal: no numbers, or the result is too large.
    """
    if type(left) is int and type(right) is int and right > 0 and left.bit_length() * right > LIMITS.integer_bits:
        raise OverLimit("the number is too large")
    if type(left) in _NUMBERS and type(right) in _NUMBERS:
        return _arithmetic("raise", operator.pow, left, right)
    _check(left, right)
    raise _wrong("raise", left, right)


def _arithmetic(verb: str, function: Callable[[Any, Any], Any], left: Any, right: Any) -> Any:
    _check(left, right)
    try:
        return _bounded(function(left, right))
    except TypeError:
        result = _with_times(function, left, right)
    except ZeroDivisionError:
        raise Refusal("division by zero") from None
    except OverflowError:
        raise OverLimit("the result is too large") from None
    if result is NotImplemented:
        advice = "; join texts with `~`, make a number with `| int`" if str in {type(left), type(right)} else ""
        raise _wrong(verb, left, right, advice)
    return result


def negative(value: Any) -> Any:
    """`-value`.

    Raises:
        Refusal: it is no number or duration.
    """
    if isinstance(value, Missing):
        value.refuse()
    if type(value) not in _NUMBERS and not isinstance(value, dt.timedelta):
        raise Refusal(f"{kind_of(value)} has no negative")
    return -value


def tilde(meter: Meter, *parts: Any) -> str:
    """`a ~ b ~ c`: their texts, joined.

    Raises:
        Refusal: something is missing, or the result is too long.
    """
    return "".join([text(meter, part) for part in parts])


def _compare(name: str, function: Callable[[Any, Any], Any]) -> Callable[[Meter, Any, Any], Any]:
    def run(meter: Meter, left: Any, right: Any) -> Any:
        kind = type(left)
        if kind is type(right) and (kind is int or kind is str or kind is float):
            return function(left, right)
        return _compare_slowly(name, function, meter, left, right)

    return run


def _compare_slowly(name: str, function: Callable[[Any, Any], Any], meter: Meter, left: Any, right: Any) -> Any:
    if isinstance(left, Empty) or isinstance(right, Empty):
        return function(left, right)
    _check(left, right)
    meter.spend(0)
    if isinstance(left, _CONTAINERS) and isinstance(right, _CONTAINERS):
        weigh(meter, left)
        weigh(meter, right)
        if isinstance(left, tuple) and isinstance(right, list):
            left = list(left)
        elif isinstance(left, list) and isinstance(right, tuple):
            right = list(right)
    if isinstance(left, _TIMES) or isinstance(right, _TIMES):
        read = _with_times(function, left, right)
        if read is not NotImplemented:
            return read
    try:
        return function(left, right)
    except TypeError:
        raise _wrong("compare", left, right, " with `" + name + "`") from None


eq = _compare("==", operator.eq)
ne = _compare("!=", operator.ne)
lt = _compare("<", operator.lt)
lteq = _compare("<=", operator.le)
gt = _compare(">", operator.gt)
gteq = _compare(">=", operator.ge)


def contains(meter: Meter, wanted: Any, container: Any) -> bool:
    """`wanted in container`.

    Raises:
        Refusal: it is no list, map or text, or something is missing.
    """
    if isinstance(container, Empty):
        return False
    if isinstance(wanted, Empty):
        wanted = ""
    _check(wanted, container)
    meter.spend(0)
    if isinstance(container, str):
        if not isinstance(wanted, str):
            raise Refusal(f"only a text can be `in` a text, not {kind_of(wanted)}")
        return wanted in container
    if isinstance(container, Mapping):
        return not isinstance(wanted, _CONTAINERS) and wanted in container
    if isinstance(container, (list, tuple, range)):
        if isinstance(wanted, _CONTAINERS):
            weigh(meter, wanted)
            weigh(meter, container)
        return wanted in container
    raise Refusal(f"nothing can be `in` {kind_of(container)}")


def outside(meter: Meter, wanted: Any, container: Any) -> bool:
    """`wanted not in container`.

    Raises:
        Refusal: see `contains`.
    """
    return not contains(meter, wanted, container)


COMPARE = {"eq": eq, "ne": ne, "lt": lt, "lteq": lteq, "gt": gt, "gteq": gteq, "in": contains, "notin": outside}


def chain(meter: Meter, left: Any, *rest: Any) -> bool:
    """`a < b <= c`: each neighbour with the next.

    Raises:
        Refusal: see the single comparisons.
    """
    for name, right in zip(rest[::2], rest[1::2], strict=True):
        if not COMPARE[name](meter, left, right):
            return False
        left = right
    return True


def printf(meter: Meter, pattern: str, *values: Any) -> str:
    """`%`-formatting with `s d i f e g x o c q v %`, widths and precisions bounded.

    Raises:
        Refusal: a directive that is not known, or values that do not fit.
        OverLimit: a width or precision beyond use.
    """
    parts: list[str] = []
    at, used = 0, 0
    while True:
        found = pattern.find("%", at)
        if found < 0:
            break
        parts.append(pattern[at:found])
        at, spec = _directive(pattern, found + 1)
        if spec == "%":
            parts.append("%")
            continue
        if used >= len(values):
            raise Refusal(f"`{pattern}` needs more values than the {len(values)} given")
        parts.append(_format_one(meter, spec, values[used]))
        used += 1
    if used < len(values):
        raise Refusal(f"`{pattern}` takes {used} values, {len(values)} given")
    parts.append(pattern[at:])
    meter.spend(sum(map(len, parts)))
    return "".join(parts)


def _directive(pattern: str, at: int) -> tuple[int, str]:
    """The directive that begins behind a `%`, and where it ends."""
    end = at
    while end < len(pattern) and pattern[end] in "-+ #0123456789.":
        end += 1
    if end >= len(pattern):
        raise Refusal(f"`{pattern}` ends inside a % directive; write %% for a percent sign")
    return end + 1, pattern[at : end + 1]


def _format_one(meter: Meter, spec: str, value: Any) -> str:
    letter, flags = spec[-1], spec[:-1]
    numbers = [int(number[:9] or 0) for number in flags.lstrip("-+ #0").split(".")[:2] if number.isdigit()]
    if any(number > _WIDEST_FORMAT for number in numbers):
        raise OverLimit(f"a % directive is at most {_WIDEST_FORMAT} wide")
    if letter in "svq":
        shown = text(meter, value)
        return f"%{flags}s" % (f'"{shown}"' if letter == "q" else shown)
    if isinstance(value, Missing):
        value.refuse()
    if letter not in "dixXofFeEgGc":
        raise Refusal(f"there is no directive %{letter}; there are %s %d %f %e %g %x %o %c %%")
    if type(value) not in _NUMBERS and letter != "c":
        raise Refusal(f"%{letter} takes a number, not {kind_of(value)}")
    if letter in "xXo" and type(value) is float and value.is_integer():
        value = int(value)
    try:
        return str(f"%{flags}{letter}" % value)
    except (TypeError, ValueError, OverflowError) as error:
        raise Refusal(f"%{spec} does not take {kind_of(value)}: {error}") from None
