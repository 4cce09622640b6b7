"""Values of PostgreSQL, from the text that it sends, as JSON: as the actions `database.*` give them. Pure."""

from __future__ import annotations

import base64
import datetime as dt
import functools
import math
import re
from collections.abc import Callable, Mapping
from decimal import Decimal

import msgspec

from reactor.sdk import JSON

Reader = Callable[[str], JSON]
INTEGERS = frozenset({20, 21, 23})
"""int8, int2, int4."""
BPCHAR = 1042
_ARRAYS = {
    1000: 16, 1001: 17, 1005: 21, 1007: 23, 1016: 20, 1028: 26, 1009: 25, 1014: 1042, 1015: 1043, 1021: 700, 1022: 701,
    199: 114, 3807: 3802, 1115: 1114, 1182: 1082, 1183: 1083, 1185: 1184, 1187: 1186, 1231: 1700, 1270: 1266,
    2951: 2950, 1041: 869, 651: 650, 1040: 829, 1003: 19, 143: 142, 791: 790,
}  # fmt: skip
"""Type of an array → type of its elements."""
_INTERVAL = re.compile(
    r"(?:(?P<years>[-+]?\d+) years? ?)?(?:(?P<months>[-+]?\d+) mons? ?)?(?:(?P<days>[-+]?\d+) days? ?)?"
    r"(?:(?P<sign>[-+])?(?P<h>\d+):(?P<m>\d+):(?P<s>\d+(?:\.\d+)?))?"
)


class Kind(msgspec.Struct, frozen=True):
    """A type that is made of another."""

    base: int
    array: bool


def reader(type_: int, made: Mapping[int, Kind]) -> Reader:
    """Reads values of a type.

    Args:
        type_: its OID.
        made: types of this database that are made of others: domains, arrays of enums.
    """
    if type_ in made:
        kind = made[type_]
        element = reader(kind.base, made)
        return functools.partial(_array, element) if kind.array else element
    if type_ in _ARRAYS:
        return functools.partial(_array, _READERS.get(_ARRAYS[type_], _same))
    return _READERS.get(type_, _same)


def builtin(type_: int) -> bool:
    """Whether nothing has to be asked of the database about it."""
    return type_ < 16_384


def _same(text: str) -> JSON:
    return text


def _bool(text: str) -> JSON:
    return text == "t"


def _float(text: str) -> JSON:
    value = float(text)
    return value if math.isfinite(value) else str(value)


def _bytes(text: str) -> JSON:
    return base64.b64encode(bytes.fromhex(text[2:])).decode()


def _json(text: str) -> JSON:
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError:  # a number that no float holds, and the like
        return text


def _moment(text: str) -> JSON:
    try:
        return dt.datetime.fromisoformat(text).isoformat()
    except ValueError:  # infinity, BC, the year 10000: as they are
        return text


def _time(text: str) -> JSON:
    try:
        return dt.time.fromisoformat(text).isoformat()
    except ValueError:  # 24:00:00
        return text


def _interval(text: str) -> JSON:
    found = _INTERVAL.fullmatch(text)
    if not text or found is None:
        return text
    days = int(found["years"] or 0) * 365 + int(found["months"] or 0) * 30 + int(found["days"] or 0)
    clock = int(found["h"] or 0) * 3600 + int(found["m"] or 0) * 60 + Decimal(found["s"] or 0)
    seconds = days * 86_400 + (-clock if found["sign"] == "-" else clock)
    return f"PT{seconds.normalize():f}S"


_READERS: dict[int, Reader] = {
    16: _bool, 17: _bytes, 20: int, 21: int, 23: int, 26: int, 114: _json, 3802: _json, 700: _float, 701: _float,
    1083: _time, 1266: _time, 1114: _moment, 1184: _moment, 1186: _interval,
}  # fmt: skip


def _array(element: Reader, text: str) -> JSON:
    """`{1,NULL,{"a b"}}`, or with bounds `[0:1]={1,2}`."""
    if text.startswith("["):
        text = text.partition("=")[2]
    made: list[list[JSON]] = [[]]
    for found in _PARTS.finditer(text):
        kind = found.lastgroup
        if kind == "open":
            made.append([])
        elif kind == "close":
            ended = made.pop()
            made[-1].append(ended)
        elif kind == "quoted":
            made[-1].append(element(_ESCAPED.sub(r"\1", found["quoted"][1:-1])))
        elif kind == "bare":
            made[-1].append(None if found["bare"] == "NULL" else element(found["bare"]))
    return made[0][0]


_PARTS = re.compile(r'(?P<open>\{)|(?P<close>\})|(?P<quoted>"(?:[^"\\]|\\.)*")|(?P<bare>[^{},"]+)', re.DOTALL)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
