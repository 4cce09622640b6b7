"""Values as JSON bytes, whatever texts they hold."""

from __future__ import annotations

import json
from typing import Any

import msgspec

_encode = msgspec.json.Encoder().encode


def encode(value: Any) -> bytes:
    """JSON; lone surrogates, which an expression can make and UTF-8 cannot hold, as escapes.

    Raises:
        TypeError, ValueError, RecursionError: it holds something that JSON has no form for.
    """
    try:
        return _encode(value)
    except UnicodeEncodeError:
        return json.dumps(msgspec.to_builtins(value), allow_nan=False, separators=(",", ":")).encode()
