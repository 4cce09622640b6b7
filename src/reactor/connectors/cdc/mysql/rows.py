"""Values of MariaDB and MySQL as JSON, from the binlog and from queries: as the actions `database.*` give them."""

from __future__ import annotations

import base64
import datetime as dt
import math
from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Any

from reactor.sdk import JSON

_LONGEST = 2**63


def plain(value: Any) -> JSON:  # noqa: PLR0911 - one a kind of value
    """A value whose column needs no care of its own."""
    if value is None or isinstance(value, str | bool):
        return value
    if isinstance(value, int):
        return value if -_LONGEST <= value < _LONGEST else str(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, bytes | bytearray):
        return base64.b64encode(value).decode()
    if isinstance(value, dt.date | dt.time):
        return value.isoformat()
    if isinstance(value, dt.timedelta):
        return f"PT{Decimal(value // dt.timedelta(microseconds=1)).scaleb(-6).normalize():f}S"
    if isinstance(value, dict):
        return {_text(key): plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    return str(value)


def _text(key: Any) -> str:
    return key.decode() if isinstance(key, bytes) else str(key)


def moment(value: Any) -> JSON:
    """Of a TIMESTAMP, which is kept in UTC."""
    return value.replace(tzinfo=dt.UTC).isoformat() if isinstance(value, dt.datetime) else dated(value)


def dated(value: Any) -> JSON:
    """Of a DATE or DATETIME: what is no day (0000-00-00) is null, as the binlog has it."""
    return None if isinstance(value, str) and value.startswith("0000-00-00") else plain(value)


def single(value: Any) -> JSON:
    """Of a FLOAT: as the server prints it, not as a double that is near it."""
    return plain(float(f"{value:.6g}")) if isinstance(value, float) else plain(value)


def bits(value: Any) -> JSON:
    """Of a BIT: its bytes."""
    if isinstance(value, str):
        value = int(value, 2).to_bytes((len(value) + 7) // 8, "big")
    return plain(value)


def chosen(values: Iterable[str]) -> Callable[[Any], JSON]:
    """Of a SET with these members: joined by commas, in their order."""
    order = list(values)

    def read(value: Any) -> JSON:
        return ",".join(each for each in order if each in value) if isinstance(value, set) else plain(value)

    return read


BY_NAME: dict[str, Callable[[Any], JSON]] = {
    "timestamp": moment,
    "datetime": dated,
    "date": dated,
    "float": single,
    "bit": bits,
}
"""By the name of the type, as information_schema has it; `plain` for all others."""
