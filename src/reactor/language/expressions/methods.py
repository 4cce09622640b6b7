"""The methods that expressions may call on values: pure ones, each with its cost paid before it is done."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from zoneinfo import ZoneInfo

from reactor.language.expressions.limits import Meter, OverLimit, Refusal
from reactor.language.expressions.missing import kind_of
from reactor.language.expressions.values import plain_text, weigh

Method = Callable[..., Any]
_WIDEST = 10_000
_FORMAT = 200

REFUSED = {
    "format": "join texts with `~`, or write several {{ … }} in one text",
    "format_map": "join texts with `~`, or write several {{ … }} in one text",
    "encode": "values are text; use `| b64`, `| urlencode` or `| sha256`",
    "append": "data cannot be changed; write `list + [item]`",
    "extend": "data cannot be changed; write `list + other`",
    "insert": "data cannot be changed; write `list[:n] + [item] + list[n:]`",
    "remove": "data cannot be changed; use `| reject`",
    "pop": "data cannot be changed; use `list[-1]` or `map.name`",
    "update": "data cannot be changed; write a new map, or `set:` a variable",
    "setdefault": "data cannot be changed; use `| default(…)`",
    "clear": "data cannot be changed",
    "sort": "data cannot be changed; use `| sort`",
    "reverse": "data cannot be changed; use `| reverse`",
}


def _text(value: Any) -> str:
    if type(value) is not str:
        raise Refusal(f"a text is wanted here, not {kind_of(value)}")
    return value


def _plain(name: str, growth: int = 1) -> Method:
    """A method of `str` whose result is not longer than `growth` times its text."""
    function = getattr(str, name)

    def run(meter: Meter, owner: str, /, *args: Any) -> Any:
        meter.spend(growth * len(owner))
        return function(owner, *args)

    return run


def width(value: Any) -> int:
    """A width or count that somebody asks a text to be padded to.

    Raises:
        Refusal: no whole number.
        OverLimit: wider than anybody needs.
    """
    if type(value) is not int:
        raise Refusal("a width is a whole number")
    if value > _WIDEST:
        raise OverLimit(f"a text is padded to at most {_WIDEST:,} characters")
    return value


def _padded(name: str) -> Method:
    function = getattr(str, name)

    def run(meter: Meter, owner: str, size: int, /, *fill: str) -> Any:
        meter.spend(len(owner) + width(size))
        return function(owner, size, *fill)

    return run


def replace(meter: Meter, owner: str, old: Any, new: Any, count: int = -1, /) -> str:
    """`str.replace`, its result measured first.

    Raises:
        OverLimit: the result is too long.
    """
    found = owner.count(_text(old)) if count < 0 else min(count, owner.count(_text(old)))
    meter.spend(len(owner) + found * max(0, len(_text(new)) - len(old)))
    return owner.replace(old, new, count)


def join(meter: Meter, owner: str, items: Any, /) -> str:
    """`str.join`; what is no text is written as in a text.

    Raises:
        OverLimit: the result is too long.
    """
    if not isinstance(items, (list, tuple, Mapping, str, range, Iterator)):
        raise Refusal(f"{kind_of(items)} cannot be joined")
    texts = []
    for entry in items:
        shown = plain_text(entry)
        meter.tick()
        meter.spend(len(shown) + len(owner))
        texts.append(shown)
    return owner.join(texts)


def _split(name: str) -> Method:
    function = getattr(str, name)

    def run(meter: Meter, owner: str, sep: Any = None, maxsplit: int = -1) -> Any:
        pieces = len(owner) // 2 if sep is None else owner.count(_text(sep) or " ")
        meter.spend(len(owner) + 60 * (pieces if maxsplit < 0 else min(pieces, maxsplit)))
        return function(owner, sep, maxsplit)

    return run


def _splitlines(meter: Meter, owner: str, keepends: Any = None, /) -> list[str]:
    meter.spend(len(owner))
    breaks = sum(map(owner.count, "\n\r\v\f\x1c\x1d\x1e\x85\u2028\u2029"))
    meter.spend(60 * breaks)
    return owner.splitlines(bool(keepends))


def _expandtabs(meter: Meter, owner: str, tabsize: int = 8) -> str:
    meter.spend(len(owner) + owner.count("\t") * abs(width(tabsize)))
    return owner.expandtabs(tabsize)


def strftime(meter: Meter, owner: dt.date, pattern: str, /) -> str:
    """`strftime` with a short pattern.

    Raises:
        OverLimit: the pattern is too long.
        Refusal: it holds widths, which could make it very long.
    """
    if len(_text(pattern)) > _FORMAT:
        raise OverLimit(f"a pattern of strftime has at most {_FORMAT} characters")
    directives = [pattern[at + 1 : at + 2] for at, char in enumerate(pattern) if char == "%"]
    # glibc takes widths (`%999999999d`): none of them is needed.
    if any(char.isdigit() or char in "_^#+" for char in directives):
        raise Refusal("strftime takes no widths or flags here, only directives such as %Y-%m-%d")
    meter.spend(50 * len(pattern))
    return owner.strftime(pattern)


def _astimezone(_meter: Meter, owner: dt.datetime, zone: str, /) -> dt.datetime:
    try:
        return owner.astimezone(ZoneInfo(_text(zone)))
    except (KeyError, ValueError, OSError):
        raise Refusal(f"there is no time zone {zone!r}; write one as Europe/Berlin") from None


def _index(meter: Meter, owner: Any, wanted: Any, /) -> int:
    weigh(meter, owner)
    weigh(meter, wanted)
    try:
        return int(owner.index(wanted))
    except ValueError:
        raise Refusal("it is not in the list") from None


def _count(meter: Meter, owner: Any, wanted: Any, /) -> int:
    weigh(meter, owner)
    weigh(meter, wanted)
    return int(owner.count(wanted))


def _copy(meter: Meter, owner: Any, /) -> Any:
    meter.spend(8 * len(owner))
    return owner.copy()


def _get(_meter: Meter, owner: Mapping[Any, Any], name: Any, default: Any = None, /) -> Any:
    if type(name) not in {str, int, float, bool, type(None)}:
        raise Refusal(f"{kind_of(name)} cannot be a key")
    try:
        return owner[name]
    except KeyError:
        return default


def _keys(meter: Meter, owner: Mapping[Any, Any], /) -> list[Any]:
    meter.spend(8 * len(owner))
    return list(owner)


def _values(meter: Meter, owner: Mapping[Any, Any], /) -> list[Any]:
    meter.spend(8 * len(owner))
    return [owner[name] for name in owner]


def items(meter: Meter, owner: Mapping[Any, Any], /) -> list[tuple[Any, Any]]:
    """`dict.items`, as a list of pairs."""
    meter.spend(80 * len(owner))
    return [(name, owner[name]) for name in owner]


def _simple(function: Callable[..., Any]) -> Method:
    def run(_meter: Meter, owner: Any, /, *args: Any) -> Any:
        return function(owner, *args)

    return run


_STR: dict[str, Method] = {
    **{name: _plain(name, 3) for name in ("upper", "lower", "title", "capitalize", "swapcase", "casefold")},
    **{
        name: _plain(name)
        for name in [
            "strip",
            "lstrip",
            "rstrip",
            "partition",
            "rpartition",
            "startswith",
            "endswith",
            "find",
            "rfind",
            "index",
            "rindex",
            "count",
            "isdigit",
            "isalpha",
            "isalnum",
            "isnumeric",
            "isdecimal",
            "isspace",
            "islower",
            "isupper",
            "istitle",
            "removeprefix",
            "removesuffix",
        ]
    },
    **{name: _padded(name) for name in ("center", "ljust", "rjust", "zfill")},
    "split": _split("split"),
    "rsplit": _split("rsplit"),
    "splitlines": _splitlines,
    "replace": replace,
    "join": join,
    "expandtabs": _expandtabs,
}

_DATE: dict[str, Method] = {
    "isoformat": _simple(lambda owner: owner.isoformat()),
    "strftime": strftime,
    "weekday": _simple(dt.date.weekday),
    "isoweekday": _simple(dt.date.isoweekday),
}

METHODS: dict[Any, dict[str, Method]] = {
    str: _STR,
    (list, tuple): {"index": _index, "count": _count, "copy": _copy},
    Mapping: {"get": _get, "keys": _keys, "values": _values, "items": items, "copy": _copy},
    dt.datetime: {
        **_DATE,
        "timestamp": _simple(dt.datetime.timestamp),
        "date": _simple(dt.datetime.date),
        "astimezone": _astimezone,
    },
    dt.date: _DATE,
    dt.timedelta: {"total_seconds": _simple(dt.timedelta.total_seconds)},
    float: {"is_integer": _simple(float.is_integer)},
}
"""Kind of value → name → function, which takes the meter first. What is not here cannot be called."""
