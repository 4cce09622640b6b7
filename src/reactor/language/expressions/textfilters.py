"""The filters that make texts of texts, as Jinja has them."""

from __future__ import annotations

import html
import re
import textwrap
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from jinja2.filters import do_filesizeformat, do_title

from reactor.language.expressions import methods, operators
from reactor.language.expressions.filters import Function, register
from reactor.language.expressions.limits import Meter, OverLimit, Refusal
from reactor.language.expressions.values import text

_LONGEST_WRAPPED = 20_000
_WORD = re.compile(r"\w+")


def indent(meter: Meter, value: Any, width: Any = 4, first: Any = None, blank: Any = None) -> str:
    """Each line but the first (unless told) moved right."""
    prefix = text(meter, width) if isinstance(width, str) else " " * methods.width(width)
    shown = text(meter, value)
    meter.spend(60 * shown.count("\n") + (shown.count("\n") + 1) * len(prefix))
    lines = shown.split("\n")
    moved = [prefix + line if (line or blank) and (index or first) else line for index, line in enumerate(lines)]
    return "\n".join(moved)


def wordwrap(meter: Meter, value: Any, width: int = 79, break_long_words: Any = 1, wrapstring: Any = "\n") -> str:
    """Lines of at most `width` characters."""
    shown = text(meter, value)
    if len(shown) > _LONGEST_WRAPPED:
        raise OverLimit(f"wordwrap() takes at most {_LONGEST_WRAPPED:,} characters")
    if methods.width(width) < 1:
        raise Refusal("wordwrap() takes a width from 1")
    separator = text(meter, wrapstring)
    lines = [
        part
        for line in shown.splitlines()
        for part in textwrap.wrap(line, width, break_long_words=bool(break_long_words)) or [""]
    ]
    meter.spend(len(lines) * (60 + len(separator)))
    return separator.join(lines)


def truncate(
    meter: Meter, value: Any, length: int = 255, killwords: Any = None, end: Any = "...", leeway: int = 5
) -> str:
    """At most `length` characters, cut at a word."""
    shown, tail = text(meter, value), text(meter, end)
    if len(shown) <= length + leeway:
        return shown
    kept = shown[: max(0, length - len(tail))]
    return (kept if killwords else kept.rsplit(" ", 1)[0]) + tail


def striptags(meter: Meter, value: Any) -> str:
    """The text of HTML, without tags and comments, white space collapsed."""
    shown = text(meter, value)
    meter.spend(20 * len(shown))
    pieces, at = [], 0
    while True:
        start = shown.find("<", at)
        comment = start >= 0 and shown.startswith("<!--", start)
        end = shown.find("-->" if comment else ">", start) if start >= 0 else -1
        if end < 0:
            break
        pieces.append(shown[at:start])
        at = end + (3 if comment else 1)
    pieces.append(shown[at:])
    return html.unescape(" ".join("".join(pieces).split()))


def urlencode(meter: Meter, value: Any) -> str:
    """A text quoted for a URL; a map or list of pairs as a query."""
    if isinstance(value, Mapping):
        value = methods.items(meter, value)
    if isinstance(value, (list, tuple)):
        pairs = ((_quoted(meter, name, ""), _quoted(meter, entry, "")) for name, entry in value)
        return "&".join(f"{name}={entry}" for name, entry in pairs)
    return _quoted(meter, value, "/")


def _quoted(meter: Meter, value: Any, safe: str) -> str:
    shown = text(meter, value)
    meter.tick()
    meter.spend(9 * len(shown))
    return quote(shown.encode("utf-8", "surrogatepass"), safe=safe)


def _case(name: str) -> Function:
    function = methods.METHODS[str][name]
    return lambda meter, value: function(meter, text(meter, value))


def _title(meter: Meter, value: Any) -> str:
    shown = text(meter, value)
    meter.spend(20 * len(shown))
    return do_title(shown)


def _escape(meter: Meter, value: Any) -> str:
    shown = text(meter, value)
    meter.spend(6 * len(shown))
    return html.escape(shown)


def _wordcount(meter: Meter, value: Any) -> int:
    return sum(1 for _ in _WORD.finditer(text(meter, value)))


def _replace(meter: Meter, value: Any, old: Any, new: Any, count: Any = None) -> str:
    return methods.replace(
        meter, text(meter, value), text(meter, old), text(meter, new), -1 if count is None else count
    )


def _center(meter: Meter, value: Any, width: int = 80) -> str:
    shown = text(meter, value)
    meter.spend(methods.width(width))
    return shown.center(width)


def _trim(meter: Meter, value: Any, chars: Any = None) -> str:
    return text(meter, value).strip(chars)


def _size(_meter: Meter, value: Any, binary: Any = None) -> str:
    return do_filesizeformat(value, bool(binary))


def _format(meter: Meter, value: Any, /, *args: Any, **named: Any) -> str:
    if named:
        raise Refusal("format() takes values in order, not by name")
    return operators.printf(meter, text(meter, value), *args)


register(
    {
        **dict.fromkeys(("escape", "e"), _escape),
        **{name: _case(name) for name in ("upper", "lower", "capitalize")},
        "center": _center,
        "filesizeformat": _size,
        "format": _format,
        "indent": indent,
        "replace": _replace,
        "string": text,
        "striptags": striptags,
        "title": _title,
        "trim": _trim,
        "truncate": truncate,
        "urlencode": urlencode,
        "wordcount": _wordcount,
        "wordwrap": wordwrap,
    }
)
