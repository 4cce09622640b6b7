"""Positions in the order of a table's rows: the values of its cursor columns, kept as JSON without losing anything."""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import uuid
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

from reactor.sdk import JSON

Position = tuple[Any, ...]
"""The cursor columns of one row, as the driver gives them."""

_WRITE: dict[type, tuple[str, Callable[[Any], str]]] = {
    int: ("int", str),
    str: ("text", str),
    Decimal: ("decimal", str),
    dt.datetime: ("datetime", dt.datetime.isoformat),
    dt.date: ("date", dt.date.isoformat),
    uuid.UUID: ("uuid", str),
    bytes: ("bytes", lambda value: base64.b64encode(value).decode()),
    float: ("float", float.hex),
}
_READ: dict[str, Callable[[str], Any]] = {
    "int": int,
    "text": str,
    "decimal": Decimal,
    "datetime": dt.datetime.fromisoformat,
    "date": dt.date.fromisoformat,
    "uuid": uuid.UUID,
    "bytes": base64.b64decode,
    "float": float.fromhex,
}


def pack(position: Position) -> list[list[str]]:
    """As JSON, each value with its type.

    Raises:
        TypeError: a value has no order that the database and we agree on.
    """
    return [_written(value) for value in position]


def unpack(packed: Any) -> Position:
    """The values again, as they were.

    Raises:
        ValueError, TypeError, KeyError: it was not made by `pack`.
    """
    return tuple(_READ[kind](text) for kind, text in packed)


def mark(position: Position) -> int:
    """A number of 64 bits that stands for the position."""
    text = "\0".join(part for pair in pack(position) for part in pair)
    return int.from_bytes(hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big")


def pack_marks(marks: Sequence[int]) -> str:
    """As base64: eleven characters each."""
    return base64.b64encode(b"".join(each.to_bytes(8, "big") for each in marks)).decode()


def unpack_marks(packed: JSON) -> list[int]:
    """The marks again."""
    data = base64.b64decode(str(packed))
    return [int.from_bytes(data[start : start + 8], "big") for start in range(0, len(data), 8)]


def _written(value: Any) -> list[str]:
    found = _WRITE.get(type(value))
    if found is None:
        raise TypeError(type(value).__name__)
    kind, write = found
    return [kind, write(value)]
