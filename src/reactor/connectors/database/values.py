"""Values of databases as JSON, and back."""

from __future__ import annotations

import base64
import binascii
import datetime as dt
import math
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import msgspec

from reactor.sdk import PermanentError

BYTES = 10 * 1024 * 1024
"""Of one action's rows, roughly."""
_PLAIN = (str, bool, type(None))
_LONGEST_INTEGER = 2**63


class Unreadable(bytes):
    """What a database calls text and is none."""


class OutOfRange(str):
    """A time that Python has no value for, as the database writes it."""

    __slots__ = ()


def plain(value: Any) -> Any:
    """Any value that a driver gives, as JSON."""
    if isinstance(value, OutOfRange):
        return str(value)
    if isinstance(value, _PLAIN):
        return value
    if isinstance(value, int):
        return value if -_LONGEST_INTEGER <= value < _LONGEST_INTEGER else str(value)
    if isinstance(value, float) and math.isfinite(value):
        return value
    if isinstance(value, Mapping):
        return {str(key): plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(each) for each in value]
    return _text(value)


def _text(value: Any) -> str:
    if isinstance(value, bytes | bytearray | memoryview):
        return base64.b64encode(value).decode()
    if isinstance(value, dt.date | dt.time):  # a datetime is a date
        return value.isoformat()
    if isinstance(value, dt.timedelta):
        return f"PT{Decimal(value // dt.timedelta(microseconds=1)).scaleb(-6).normalize():f}S"
    return str(value)  # Decimal, UUID, addresses, ranges, NaN


def size(value: Any) -> int:
    """Roughly the bytes of a plain value."""
    if isinstance(value, str):
        return len(value) + 2
    if isinstance(value, dict):
        return sum(len(key) + 4 + size(each) for key, each in value.items())
    if isinstance(value, list):
        return 2 + sum(map(size, value))
    return 8


def bound(value: Any, dialect: str) -> Any:
    """A JSON value as a statement's parameter: maps become JSON text, lists too where there are no arrays."""
    if isinstance(value, dict) or (isinstance(value, list) and dialect != "postgresql"):
        return json_text(value)
    return value


def json_text(value: Any) -> str:
    """The value as JSON."""
    return msgspec.json.encode(value).decode()


def binary(column: str, value: Any) -> bytes | None:
    """Bytes for a binary column.

    Raises:
        PermanentError: kind `input`.
    """
    if value is None:
        return None
    try:
        return base64.b64decode(value, validate=True)
    except (binascii.Error, TypeError, ValueError) as error:
        raise PermanentError("input", f"column {column!r} is binary and takes base64: {error}") from error
