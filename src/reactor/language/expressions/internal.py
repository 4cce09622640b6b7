"""Operations that templates reach only through our own syntax trees: loops, Go's functions, values in shell lines."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from reactor.language.expressions import extras, filters, operators, textfilters
from reactor.language.expressions.access import Box, each, item
from reactor.language.expressions.limits import Meter, Refusal
from reactor.language.expressions.missing import Empty, Missing, Site, Unknown, kind_of
from reactor.language.expressions.values import text, to_json_value


def _pairs(meter: Meter, value: Any) -> list[tuple[Any, Any]]:
    """What Go's `range` goes over: positions and items, or sorted keys and values."""
    if _absent(value):
        return []
    if isinstance(value, Mapping):
        meter.spend(80 * len(value))
        return [(name, value[name]) for name in sorted(value, key=str)]
    if type(value) is int:
        value = range(min(value, 10_000_000))
    return [(index, entry) for index, entry in enumerate(each(meter, value))]


def _equal(meter: Meter, left: Any, *rest: Any) -> bool:
    """Go's `eq`: the first equals any of the others."""
    return any(operators.eq(meter, left, right) for right in rest)


def _order(compare: Callable[[Meter, Any, Any], Any]) -> Callable[[Meter, Any, Any], bool]:
    def run(meter: Meter, left: Any, right: Any) -> bool:
        if _absent(left) or _absent(right):
            return False
        return bool(compare(meter, left, right))

    return run


def _absent(value: Any) -> bool:
    if isinstance(value, Unknown):
        value.refuse()
    return value is None or isinstance(value, Missing)


def _length(meter: Meter, value: Any) -> int:
    return 0 if _absent(value) else filters.length(meter, value)


def _index(_meter: Meter, value: Any, *keys: Any) -> Any:
    site = Site("", "index", 0)
    for key in keys:
        value = item(value, key, site) if not _absent(key) else Empty(site)
        if isinstance(value, Missing):
            return value if isinstance(value, Unknown) else Empty(site)
    return value


def _default(_meter: Meter, fallback: Any, value: Any = None) -> Any:
    """Sprig's `default`: for anything empty."""
    return value or fallback


def _variable(_meter: Meter, steps: Any, name: str, variables: Any) -> Any:
    """`.variables.NAME`: the output of a step, else a variable of the run, else nothing."""
    site = Site("variables", f"variables.{name}", 0)
    if isinstance(steps, Mapping) and name in steps:
        step = steps[name]
        return step.get("output") if isinstance(step, Mapping) else Empty(site)
    if isinstance(variables, Mapping) and name in variables:
        return variables[name]
    return Empty(site)


def _shown(meter: Meter, value: Any) -> str:
    """A value in a Go text: null is empty like what is missing."""
    return "" if value is None else text(meter, value)


def _quote(meter: Meter, value: Any) -> str:
    return filters.to_json(meter, _shown(meter, value))


def _print(separator: str, end: str) -> Callable[..., str]:
    def run(meter: Meter, *values: Any) -> str:
        return separator.join([_shown(meter, value) for value in values]) + end

    return run


def _printf(meter: Meter, pattern: Any, *values: Any) -> str:
    if not isinstance(pattern, str):
        raise Refusal(f"printf takes a text first, not {kind_of(pattern)}")
    return operators.printf(meter, pattern, *("" if value is None else value for value in values))


def _folded(function: Callable[[Meter, Any, Any], Any], start: Any) -> Callable[..., Any]:
    def run(meter: Meter, *values: Any) -> Any:
        total = start
        for value in values:
            total = function(meter, total, filters.to_float(meter, value) if isinstance(value, str) else value)
        return total

    return run


def _in_text(method: str) -> Callable[[Meter, Any, Any], Any]:
    """`hasPrefix "a" .x`: what is looked for comes first, as in Sprig."""

    def run(meter: Meter, wanted: Any, value: Any) -> Any:
        return getattr(_shown(meter, value), method)(_shown(meter, wanted))

    return run


def _contains(meter: Meter, wanted: Any, value: Any) -> bool:
    return (
        operators.contains(meter, wanted, value)
        if isinstance(value, (list, dict))
        else (_shown(meter, wanted) in _shown(meter, value))
    )


def _coalesce(_meter: Meter, *values: Any) -> Any:
    return next((value for value in values if value), "")


def _cased(name: str) -> Callable[[Meter, Any], Any]:
    return lambda meter, value: filters.apply(meter, name, _shown(meter, value))


def _sh_bare(meter: Meter, value: Any) -> str:
    return extras.quoted(meter, value)


def _sh_single(meter: Meter, value: Any) -> str:
    return f"'{extras.quoted(meter, value)}'"


def _sh_double(meter: Meter, value: Any) -> str:
    return f'"{extras.quoted(meter, value)}"'


_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "each": each,
    "box": lambda *_: Box(),
    "pairs": _pairs,
    "variable": _variable,
    "shown": _shown,
    "eq": _equal,
    "ne": lambda meter, left, right: not operators.eq(meter, left, right),
    "lt": _order(operators.lt),
    "le": _order(operators.lteq),
    "gt": _order(operators.gt),
    "ge": _order(operators.gteq),
    "len": _length,
    "index": _index,
    "default": _default,
    "printf": _printf,
    "print": _print("", ""),
    "println": _print(" ", "\n"),
    "quote": _quote,
    "upper": _cased("upper"),
    "lower": _cased("lower"),
    "title": _cased("title"),
    "trim": _cased("trim"),
    "join": lambda meter, separator, value: filters.joined(meter, value or [], separator),
    "toJson": lambda meter, value: filters.to_json(meter, to_json_value(value)),
    "fromJson": extras.from_json,
    "urlquery": lambda meter, value: textfilters.urlencode(meter, _shown(meter, value)),
    "html": _cased("escape"),
    "replace": lambda meter, old, new, value: filters.apply(meter, "replace", _shown(meter, value), old, new),
    "contains": _contains,
    "hasPrefix": _in_text("startswith"),
    "hasSuffix": _in_text("endswith"),
    "add": _folded(operators.add, 0),
    "mul": _folded(operators.mul, 1),
    "sub": operators.sub,
    "div": operators.div,
    "mod": operators.mod,
    "int": filters.to_int,
    "float64": filters.to_float,
    "toString": _shown,
    "ternary": lambda _meter, yes, no, condition: yes if condition else no,
    "coalesce": _coalesce,
    "empty": lambda _meter, value: not value,
    "list": lambda _meter, *values: list(values),
    "sh_bare": _sh_bare,
    "sh_single": _sh_single,
    "sh_double": _sh_double,
}

INTERNALS: dict[str, Callable[..., Any]] = {f"_go_{name}": function for name, function in _FUNCTIONS.items()}
"""As the names stand in generated code."""
