"""The tests of expressions: `x is defined`, `x is divisibleby 3`, and by name in `select('odd')`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from reactor.language.expressions import operators
from reactor.language.expressions.limits import Meter, Refusal
from reactor.language.expressions.missing import Missing, Unknown

Predicate = Callable[..., Any]


def check(meter: Meter, name: Any, value: Any, /, *args: Any) -> Any:
    """`value is name(…)`.

    Raises:
        Refusal: there is no such test, something is missing, or of a kind that the test does not know.
    """
    predicate = TESTS.get(name) if isinstance(name, str) else None
    if predicate is None:
        raise Refusal(f"there is no test `{name}`")
    if (name not in LENIENT and type(value) is Missing) or type(value) is Unknown:
        value.refuse()
    for argument in args:
        if type(argument) in (Missing, Unknown):
            argument.refuse()
    meter.tick()
    return predicate(meter, value, *args)


def _divisible(meter: Meter, value: Any, by: Any) -> bool:
    return bool(operators.mod(meter, value, by) == 0)


def _rest(wanted: int) -> Predicate:
    def run(_meter: Meter, value: Any) -> bool:
        if type(value) not in {int, float}:
            raise Refusal("only a number is odd or even")
        return bool(value % 2 == wanted)

    return run


def _kind(*kinds: type, but: tuple[type, ...] = ()) -> Predicate:
    return lambda _meter, value: isinstance(value, kinds) and not isinstance(value, but)


def _always(value: Any) -> Predicate:
    return lambda _meter, given: given is value


def _same(_meter: Meter, value: Any, other: Any) -> bool:
    return value is other


TESTS: dict[str, Predicate] = {
    **dict.fromkeys(("==", "eq", "equalto"), operators.eq),
    **dict.fromkeys(("!=", "ne"), operators.ne),
    **dict.fromkeys((">", "gt", "greaterthan"), operators.gt),
    **dict.fromkeys((">=", "ge"), operators.gteq),
    **dict.fromkeys(("<", "lt", "lessthan"), operators.lt),
    **dict.fromkeys(("<=", "le"), operators.lteq),
    "in": operators.contains,
    "defined": lambda _meter, value: not isinstance(value, Missing),
    "undefined": lambda _meter, value: isinstance(value, Missing),
    "none": _always(None),
    "true": _always(value=True),
    "false": _always(value=False),
    "boolean": _kind(bool),
    "integer": _kind(int, but=(bool,)),
    "float": _kind(float),
    "number": _kind(int, float, but=(bool,)),
    "string": _kind(str),
    "mapping": _kind(Mapping),
    "sequence": _kind(list, tuple, str, range, Mapping),
    "iterable": _kind(list, tuple, str, range, Mapping),
    "odd": _rest(1),
    "even": _rest(0),
    "divisibleby": _divisible,
    "lower": lambda _meter, value: isinstance(value, str) and value.islower(),
    "upper": lambda _meter, value: isinstance(value, str) and value.isupper(),
    "sameas": _same,
}
"""Every test by its name."""

LENIENT = frozenset({"defined", "undefined"})
"""Tests that may be asked about what is missing."""
