"""Jinja's filters, each bounded. All take the meter and the value first, and pay before they make something."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from reactor.language.expressions import methods, operators
from reactor.language.expressions.access import Group, each, item, iterate
from reactor.language.expressions.limits import LIMITS, Meter, OverLimit, Refusal
from reactor.language.expressions.missing import Empty, Missing, Site, Unknown, kind_of
from reactor.language.expressions.predicates import check
from reactor.language.expressions.values import json_text, text, to_json_value, weigh

Function = Callable[..., Any]
_INT_DIGITS = 600


def apply(meter: Meter, name: str, value: Any, /, *args: Any, **kwargs: Any) -> Any:
    """`value | name(…)`.

    Raises:
        Refusal: the value or an argument is missing or of the wrong kind, or the result would be too large.
    """
    function = FILTERS.get(name)
    if function is None:
        raise Refusal(f"there is no filter `{name}`")
    kind = type(value)
    if (kind is Missing and name not in LENIENT) or kind is Unknown:
        value.refuse()
    for argument in (*args, *kwargs.values()):
        if type(argument) in (Missing, Unknown):
            argument.refuse()
    meter.tick()
    try:
        return function(meter, value, *args, **kwargs)
    except (TypeError, ValueError, OverflowError, LookupError, AttributeError) as error:
        kinds = ", ".join(kind_of(argument) for argument in (*args, *kwargs.values())) or "no arguments"
        raise Refusal(f"`| {name}` does not work on {kind_of(value)} with {kinds}") from error


def getter(_meter: Meter, attribute: Any, default: Any = None) -> Callable[[Any], Any]:
    """What looks up `a.b.0` in an item."""
    if attribute is None:
        return lambda entry: entry
    parts = [int(part) if part.isdigit() else part for part in str(attribute).split(".")]
    site = Site("", str(attribute), 0)

    def get(entry: Any) -> Any:
        for part in parts:
            entry = item(entry, part, site)
        return default if default is not None and isinstance(entry, Missing) else entry

    return get


def _folded(value: Any) -> Any:
    return value.lower() if isinstance(value, str) else value


def _sort_key(meter: Meter, attribute: Any, case_sensitive: Any) -> Callable[[Any], Any]:
    gets = (
        [getter(meter, part) for part in str(attribute).split(",")] if attribute is not None else [getter(meter, None)]
    )

    def key(entry: Any) -> Any:
        found = [get(entry) for get in gets]
        for part in found:
            weigh(meter, part)
        keys = found if case_sensitive else [_folded(part) for part in found]
        return keys[0] if len(keys) == 1 else keys

    return key


def listed(meter: Meter, value: Any) -> list[Any]:
    """The items of what can be looped over, paid for."""
    entries = iterate(value)
    if hasattr(entries, "__len__"):
        meter.spend((60 if isinstance(entries, str) else 8) * len(entries))
    return list(each(meter, entries))


def default(_meter: Meter, value: Any, fallback: Any = "", boolean: Any = None, /) -> Any:
    """The fallback for what is missing; with `true`, for anything empty."""
    if isinstance(value, Missing) or (boolean and not value):
        return fallback
    return value


def length(_meter: Meter, value: Any) -> int:
    """How many items or characters."""
    return len(iterate(value))


def first(_meter: Meter, value: Any) -> Any:
    """The first item; missing when there is none."""
    return next(iter(iterate(value)), Missing(Site("the list", "first", 0), [], 0))


def last(meter: Meter, value: Any) -> Any:
    """The last item; missing when there is none."""
    entries = iterate(value)
    if isinstance(entries, (list, tuple, str, range)):
        return entries[-1] if entries else Missing(Site("the list", "last", 0), [], -1)
    return last(meter, listed(meter, entries))


def to_int(_meter: Meter, value: Any, fallback: Any = 0, base: int = 10) -> Any:
    """A whole number, or the fallback when it is none."""
    try:
        if isinstance(value, str) and len(value) <= _INT_DIGITS:
            return int(value, base) if base != 10 else _whole(value)
        if isinstance(value, (int, float)):
            return int(value)
    except (ValueError, OverflowError):
        pass
    return fallback


def _whole(value: str) -> int:
    try:
        return int(value)
    except ValueError:
        return int(float(value))


def to_float(_meter: Meter, value: Any, fallback: Any = 0.0) -> Any:
    """A number, or the fallback when it is none."""
    try:
        number = float(value) if isinstance(value, (int, float, str)) else fallback
    except (ValueError, OverflowError):
        return fallback
    return number if not isinstance(number, float) or math.isfinite(number) else fallback


def rounded(_meter: Meter, value: Any, precision: int = 0, method: str = "common") -> float:
    """`round`, or always up (`ceil`) or down (`floor`)."""
    if method not in {"common", "ceil", "floor"} or not -30 <= precision <= 30:
        raise Refusal("round() takes a precision and `common`, `ceil` or `floor`")
    if method == "common":
        return float(round(value, precision))
    scale = 10.0**precision
    return float((math.ceil if method == "ceil" else math.floor)(value * scale) / scale)


def joined(meter: Meter, value: Any, delimiter: Any = "", attribute: Any = None) -> str:
    """The texts of the items with the delimiter between them."""
    get = getter(meter, attribute)
    return methods.join(meter, text(meter, delimiter), (get(entry) for entry in each(meter, value)))


def batch(meter: Meter, value: Any, size: int, fill: Any = None) -> list[list[Any]]:
    """Lists of `size` items; the last is filled up."""
    if type(size) is not int or size < 1:
        raise Refusal("batch() takes a size from 1")
    entries = listed(meter, value)
    rows = [entries[at : at + size] for at in range(0, len(entries), size)]
    if fill is not None and rows:
        missing = size - len(rows[-1])
        meter.spend(8 * missing)
        rows[-1] += [fill] * missing
    return rows


def sliced(meter: Meter, value: Any, count: int, fill: Any = None) -> list[list[Any]]:
    """The items in `count` lists of about the same length."""
    if type(count) is not int or count < 1:
        raise Refusal("slice() takes a number from 1")
    meter.tick(count)
    meter.spend(64 * count)
    entries = listed(meter, value)
    each_has, longer = divmod(len(entries), count)
    rows: list[list[Any]] = []
    at = 0
    for index in range(count):
        end = at + each_has + (index < longer)
        rows.append(entries[at:end] + ([fill] if fill is not None and longer and index >= longer else []))
        at = end
    return rows


def mapped(meter: Meter, value: Any, /, *args: Any, attribute: Any = None, **kwargs: Any) -> list[Any]:
    """An attribute of each item, or a filter applied to each."""
    if args:
        return [apply(meter, str(args[0]), entry, *args[1:], **kwargs) for entry in each(meter, value)]
    if attribute is None:
        raise Refusal("map() takes attribute='name' or the name of a filter")
    get = getter(meter, attribute, kwargs.get("default"))
    found = [get(entry) for entry in each(meter, value)]
    for entry in found:
        if type(entry) is Missing:
            entry.refuse()
    return found


def _choose(*, wanted: bool, by_attribute: bool) -> Function:
    def run(meter: Meter, value: Any, /, *args: Any) -> list[Any]:
        if by_attribute and not args:
            raise Refusal("selectattr() and rejectattr() take the name of an attribute first")
        get = getter(meter, args[0] if by_attribute else None)
        rest = args[1:] if by_attribute else args
        if not rest:
            return [entry for entry in each(meter, value) if bool(get(entry)) is wanted]
        name, *values = rest
        return [entry for entry in each(meter, value) if bool(check(meter, name, get(entry), *values)) is wanted]

    return run


def sort(meter: Meter, value: Any, reverse: Any = None, case_sensitive: Any = None, attribute: Any = None) -> list[Any]:
    """The items in order; texts without regard to case unless told."""
    return sorted(listed(meter, value), key=_sort_key(meter, attribute, case_sensitive), reverse=bool(reverse))


def dictsort(meter: Meter, value: Any, case_sensitive: Any = None, by: str = "key", reverse: Any = None) -> list[Any]:
    """Pairs of a map, ordered by key or value."""
    if by not in {"key", "value"} or not isinstance(value, Mapping):
        raise Refusal("dictsort() orders a map by='key' or by='value'")
    position = "0" if by == "key" else "1"
    return sort(meter, methods.items(meter, value), reverse, case_sensitive, position)


def unique(meter: Meter, value: Any, case_sensitive: Any = None, attribute: Any = None) -> list[Any]:
    """The items without repetitions, in the order of their first."""
    seen: set[Any] = set()
    kept = []
    key = _sort_key(meter, attribute, case_sensitive)
    for entry in each(meter, value):
        mark = _mark(meter, key(entry))
        if mark not in seen:
            seen.add(mark)
            kept.append(entry)
    return kept


def _mark(meter: Meter, value: Any) -> Any:
    """Something that can be kept in a set and tells values apart."""
    if isinstance(value, (list, tuple, dict)):
        shown = json_text(to_json_value(value))
        meter.spend(len(shown))
        return ("json", shown)
    return value


def _extreme(function: Callable[..., Any]) -> Function:
    def run(meter: Meter, value: Any, case_sensitive: Any = None, attribute: Any = None) -> Any:
        entries = listed(meter, value)
        if not entries:
            return Missing(Site("the list", "item", 0), [], 0)
        return function(entries, key=_sort_key(meter, attribute, case_sensitive))

    return run


def total(meter: Meter, value: Any, attribute: Any = None, start: Any = 0) -> Any:
    """The sum."""
    get = getter(meter, attribute)
    for entry in each(meter, value):
        start = operators.add(meter, start, get(entry))
    return start


def groupby(meter: Meter, value: Any, attribute: Any, default: Any = None, case_sensitive: Any = None) -> list[Group]:
    """Groups of the items that agree in an attribute: `grouper` and `list`."""
    get = getter(meter, attribute, default)
    groups: dict[Any, Group] = {}
    for entry in each(meter, value):
        shown = get(entry)
        weigh(meter, shown)
        mark = _mark(meter, shown if case_sensitive else _folded(shown))
        groups.setdefault(mark, Group(shown, [])).list.append(entry)
    return sorted(groups.values(), key=lambda group: _folded(group.grouper))


def reverse(meter: Meter, value: Any) -> Any:
    """The same from the end."""
    if isinstance(value, str):
        meter.spend(len(value))
        return value[::-1]
    return listed(meter, value)[::-1]


def to_json(meter: Meter, value: Any, indent: Any = None) -> str:
    """JSON, in one line or indented."""
    plain = to_json_value(value)
    shown = json_text(plain)
    if indent:
        lines = shown.count(",") + shown.count("[") + shown.count("{")
        meter.spend(lines * min(methods.width(indent), 16) * _depth(plain))
        shown = msgspec.json.format(shown, indent=min(indent, 16))
    meter.spend(len(shown))
    if len(shown) > LIMITS.text:
        raise OverLimit(f"the text is longer than {LIMITS.text:,} characters")
    return shown


def _depth(plain: Any) -> int:
    if isinstance(plain, dict):
        plain = list(plain.values())
    return 1 + max(map(_depth, plain), default=0) if isinstance(plain, list) else 1


def _pairs(meter: Meter, value: Any) -> list[Any]:
    if isinstance(value, Empty):
        return []
    if not isinstance(value, Mapping):
        raise Refusal(f"only a map has items, not {kind_of(value)}")
    return methods.items(meter, value)


def _magnitude(_meter: Meter, value: Any) -> Any:
    return abs(value)


FILTERS: dict[str, Function] = {
    **dict.fromkeys(("default", "d"), default),
    **dict.fromkeys(("length", "count"), length),
    **dict.fromkeys(("tojson", "json"), to_json),
    "abs": _magnitude,
    "batch": batch,
    "dictsort": dictsort,
    "first": first,
    "float": to_float,
    "groupby": groupby,
    "int": to_int,
    "items": _pairs,
    "join": joined,
    "last": last,
    "list": listed,
    "map": mapped,
    "max": _extreme(max),
    "min": _extreme(min),
    "reject": _choose(wanted=False, by_attribute=False),
    "rejectattr": _choose(wanted=False, by_attribute=True),
    "reverse": reverse,
    "round": rounded,
    "select": _choose(wanted=True, by_attribute=False),
    "selectattr": _choose(wanted=True, by_attribute=True),
    "slice": sliced,
    "sort": sort,
    "sum": total,
    "unique": unique,
}
"""Every filter by its name; `textfilters` and `extras` add theirs."""

LENIENT = frozenset({"default", "d"})
"""Filters that may be asked about what is missing."""


def register(functions: dict[str, Any]) -> None:
    """Add filters to the table; done once, at import."""
    FILTERS.update(functions)
