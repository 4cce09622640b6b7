"""How an expression reaches into values: keys first, then the few methods and attributes listed here, nothing else.

No attribute of a Python object is ever looked up by a name that comes from a template.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple, TypeVar

from jinja2.runtime import LoopContext

from reactor.language.expressions.limits import LIMITS, Meter, OverLimit, Refusal
from reactor.language.expressions.methods import METHODS, REFUSED
from reactor.language.expressions.missing import Empty, Missing, Site, Unknown, kind_of
from reactor.language.expressions.values import json_text, to_json_value, weigh

F = TypeVar("F", bound=Callable[..., Any])
_SCALARS = (str, int, float, bool, type(None))


class Group(NamedTuple):
    """One group of `groupby`."""

    grouper: Any
    list: Any


ATTRIBUTES: dict[type, frozenset[str]] = {
    Group: frozenset(["grouper", "list"]),
    LoopContext: frozenset(
        ["index", "index0", "revindex", "revindex0", "first", "last", "length", "previtem", "nextitem"]
    ),
    dt.datetime: frozenset(["year", "month", "day", "hour", "minute", "second", "microsecond"]),
    dt.date: frozenset(["year", "month", "day"]),
    dt.timedelta: frozenset(["days", "seconds", "microseconds"]),
}


class Box(dict[str, Any]):
    """`namespace(…)`: what a template may write to, and loops see again."""


def reactor_callable(function: F) -> F:
    """Mark a function that expressions may call when the scope holds it (`now`, `uuid`, `random`)."""
    function.reactor_callable = True  # type: ignore[attr-defined]
    return function


def attr(owner: Any, name: str, site: Site) -> Any:
    """`owner.name`: the key, or one of the attributes of times and loops. What is not there is `Missing`."""
    if isinstance(owner, dict):
        try:
            return owner[name]
        except KeyError:
            return Missing(site, owner, name)
    return _attr(owner, name, site)


def _attr(owner: Any, name: str, site: Site) -> Any:
    if isinstance(owner, Missing):
        return owner.below(name)
    if isinstance(owner, Mapping):
        return owner[name] if name in owner else Missing(site, owner, name)
    for kind, names in ATTRIBUTES.items():
        if isinstance(owner, kind):
            return getattr(owner, name) if name in names else Missing(site, owner, name)
    return Missing(site, owner, name)


def item(owner: Any, key: Any, site: Site) -> Any:
    """`owner[key]`: a key of a map, a position in a list or text.

    Raises:
        Refusal: the key is missing itself, or is no plain value.
    """
    if isinstance(key, Missing):
        key.refuse()
    if isinstance(owner, (list, tuple, str, range)):
        if type(key) is not int:
            return Missing(site, owner, key)
        try:
            return owner[key]
        except IndexError:
            return Missing(site, owner, key)
    if type(key) not in _SCALARS:
        raise Refusal(f"{kind_of(key)} cannot be a key", site.offset)
    if isinstance(owner, dict):
        try:
            return owner[key]
        except KeyError:
            return Missing(site, owner, key)
    if isinstance(owner, Missing):
        return owner.below(key)
    return _attr(owner, key, site) if isinstance(key, str) else Missing(site, owner, key)


def lenient_attr(owner: Any, name: str, site: Site) -> Any:
    """As `attr`, for older flows: what is missing is empty."""
    found = attr(owner, name, site)
    return Empty(site) if type(found) is Missing else found


def lenient_item(owner: Any, key: Any, site: Site) -> Any:
    """As `item`, for older flows: what is missing is empty."""
    if isinstance(key, Missing):
        return key if isinstance(key, Unknown) else Empty(site)
    found = item(owner, key, site)
    return Empty(site) if type(found) is Missing else found


def cut(meter: Meter, owner: Any, start: Any, stop: Any, step: Any) -> Any:
    """`owner[start:stop:step]`.

    Raises:
        Refusal: not a list or text, or a bound that is no whole number.
    """
    if isinstance(owner, Empty):
        return owner
    if not isinstance(owner, (list, tuple, str, range)):
        raise Refusal(f"{kind_of(owner)} cannot be cut with [start:end]")
    for bound in (start, stop, step):
        if bound is not None and type(bound) is not int:
            raise Refusal("the bounds of [start:end] are whole numbers")
    count = len(range(*slice(start, stop, step).indices(len(owner))))
    meter.spend(count if isinstance(owner, str) else 8 * count)
    return owner[start:stop:step]


def method(meter: Meter, owner: Any, name: str, site: Site, /, *args: Any, **kwargs: Any) -> Any:
    """`owner.name(…)`: a method of the table; else a function that the scope holds under that name.

    Raises:
        Refusal: there is no such method, or its arguments are wrong.
    """
    _refuse_missing(args, kwargs)
    if isinstance(owner, Missing):
        owner.refuse()
    meter.tick()
    for kind, table in METHODS.items():
        if isinstance(owner, kind):
            function = table.get(name)
            if function is not None:
                return function(meter, owner, *args, **kwargs)
            break
    if isinstance(owner, Mapping) and name in owner:
        return call(meter, owner[name], site, *args, **kwargs)
    if isinstance(owner, LoopContext) and name in {"cycle", "changed"}:
        weigh(meter, args)
        return (owner.cycle if name == "cycle" else owner.changed)(*args, **kwargs)
    advice = REFUSED.get(name)
    if advice is not None:
        raise Refusal(f"`.{name}()` is not possible here: {advice}", site.offset)
    raise Refusal(f"{site.owner or kind_of(owner)} has no method `{name}`", site.offset)


def call(meter: Meter, function: Any, site: Site, /, *args: Any, **kwargs: Any) -> Any:
    """`name(…)`: only functions that were marked with `reactor_callable`.

    Raises:
        Refusal: it is no function, or not one that may be called.
    """
    if isinstance(function, Missing):
        function.refuse()
    _refuse_missing(args, kwargs)
    meter.tick()
    if getattr(function, "reactor_callable", False) is not True:
        raise Refusal(f"`{site.label}` is no function", site.offset)
    return function(*args, **kwargs)


def _refuse_missing(args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    for value in (*args, *kwargs.values()):
        if type(value) in (Missing, Unknown):
            value.refuse()


def key(value: Any) -> Any:
    """A key of a map that an expression writes.

    Raises:
        Refusal: not a text, number, true, false or null.
    """
    if type(value) is str:
        return value
    if isinstance(value, Missing):
        value.refuse()
    if type(value) not in _SCALARS:
        raise Refusal(f"{kind_of(value)} cannot be a key of a map")
    return json_text(to_json_value(value))


def made(meter: Meter, value: Any) -> Any:
    """A list or map that an expression wrote inside a loop: paid for."""
    meter.spend(64 + 8 * len(value))
    return value


def iterate(value: Any) -> Any:
    """What a loop or filter goes over.

    Raises:
        Refusal: it is no list, map or text.
    """
    if isinstance(value, Missing):
        return list(value) if isinstance(value, Empty) else value.refuse()
    if isinstance(value, (list, tuple, dict, str, range, Iterator, LoopContext)):
        return value
    if isinstance(value, Mapping):
        return list(value)
    raise Refusal(f"{kind_of(value)} cannot be looped over")


def each(meter: Meter, value: Any) -> Iterator[Any]:
    """The items, each paid for with a tick."""
    for entry in iterate(value):
        meter.tick()
        yield entry


def bounded_range(*bounds: Any) -> range:
    """`range(…)`, never longer than a loop may be.

    Raises:
        Refusal: a bound is no whole number.
        OverLimit: too long.
    """
    if not bounds or any(type(bound) is not int for bound in bounds):
        raise Refusal("range() takes whole numbers")
    numbers = range(*bounds)
    if any(bound.bit_length() > 62 for bound in bounds) or len(numbers) > LIMITS.ticks:
        raise OverLimit(f"range() gives at most {LIMITS.ticks:,} numbers")
    return numbers


def make_map(pairs: Any = (), /, **named: Any) -> dict[str, Any]:
    """`dict(a=1)` or `dict(list of pairs)`.

    Raises:
        Refusal: neither a map nor a list of pairs.
    """
    entries = pairs.items() if isinstance(pairs, Mapping) else pairs
    try:
        made = {key(name): value for name, value in entries}
    except (TypeError, ValueError):
        raise Refusal("dict() takes a map, a list of pairs or names with values") from None
    return {**made, **named}


def make_box(pairs: Any = (), /, **named: Any) -> Box:
    """`namespace(a=1)`.

    Raises:
        Refusal: see `make_map`.
    """
    return Box(make_map(pairs, **named))


for _function in (bounded_range, make_map, make_box):
    reactor_callable(_function)

GLOBALS: dict[str, Any] = {"range": bounded_range, "dict": make_map, "namespace": make_box}
"""Functions that every expression has."""
