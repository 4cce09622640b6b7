"""The filters that Reactor adds to Jinja's."""

from __future__ import annotations

import base64
import binascii
import hashlib
from typing import Any

import msgspec

from reactor.language.expressions import filters, jq
from reactor.language.expressions.access import each
from reactor.language.expressions.limits import Meter, OverLimit, Refusal
from reactor.language.expressions.missing import kind_of
from reactor.language.expressions.times import as_time, duration
from reactor.language.expressions.values import json_text, text, to_json_value

_JSON_COST = 16


def from_json(meter: Meter, value: Any) -> Any:
    """The data that a JSON text holds.

    Raises:
        Refusal: it is no JSON.
        OverLimit: too long or too deep.
    """
    if not isinstance(value, str):
        raise Refusal(f"from_json takes a text, not {kind_of(value)}")
    meter.spend(_JSON_COST * len(value))
    try:
        return msgspec.json.decode(value)
    except RecursionError:
        raise OverLimit("the JSON is nested too deep") from None
    except (msgspec.DecodeError, UnicodeError) as error:
        raise Refusal(f"this is no JSON: {error}") from None


def run_jq(meter: Meter, value: Any, program: Any, *, all: Any = False) -> Any:
    """What a jq program makes of the value: its one result, null when there is none, with `all=true` the list of all.

    Raises:
        Refusal: the program is wrong, failed, or gave several results without `all`.
        OverLimit: out of time or memory.
    """
    if not isinstance(program, str):
        raise Refusal(f"a jq program is a text, not {kind_of(program)}")
    encoded = json_text(to_json_value(value))
    meter.spend(len(encoded))
    results = jq.run(program, encoded, everything=bool(all))
    if all:
        return results
    if len(results) > 1:
        raise Refusal("the jq program gives several results; put it in [ ], or write jq('…', all=true)")
    return results[0] if results else None


def _bytes(meter: Meter, value: Any) -> bytes:
    return text(meter, value).encode("utf-8", "surrogatepass")


def sha256(meter: Meter, value: Any) -> str:
    """The SHA-256 of the text, hex."""
    return hashlib.sha256(_bytes(meter, value)).hexdigest()


def b64(meter: Meter, value: Any) -> str:
    """The text in base64."""
    data = _bytes(meter, value)
    meter.spend(2 * len(data))
    return base64.b64encode(data).decode()


def b64decode(meter: Meter, value: Any) -> str:
    """The text that was put into base64; the URL-safe alphabet and missing padding are understood.

    Raises:
        Refusal: it is no base64, or holds no text.
    """
    shown = text(meter, value).strip().replace("-", "+").replace("_", "/")
    try:
        return base64.b64decode(shown + "=" * (-len(shown) % 4), validate=True).decode()
    except (binascii.Error, ValueError):
        raise Refusal("this is not base64 of a text") from None


def shellquote(meter: Meter, value: Any) -> str:
    """One word of a shell command line; of a list, its words.

    Raises:
        Refusal: it holds a NUL character.
    """
    if isinstance(value, (list, tuple)):
        return " ".join(shellquote(meter, entry) for entry in each(meter, value))
    return quoted(meter, value)


def quoted(meter: Meter, value: Any) -> str:
    """The text of a value as one word of a shell command line.

    Raises:
        Refusal: it holds a NUL character, which no program can be given.
    """
    shown = text(meter, value)
    if "\0" in shown:
        raise Refusal("a NUL character cannot be given to a shell")
    try:
        shown.encode()
    except UnicodeEncodeError:
        raise Refusal("half a character cannot be given to a shell") from None
    meter.spend(4 * shown.count("'"))
    # Quoted even where it need not be: `if`, `A=1`, `2` before `>` and what follows `$NAME` are more than text bare.
    return "'" + shown.replace("'", "'\"'\"'") + "'"


filters.register(
    {
        "from_json": from_json,
        "jq": run_jq,
        "sha256": sha256,
        "b64": b64,
        "b64decode": b64decode,
        "shellquote": shellquote,
        "as_time": lambda _meter, value: as_time(value),
        "duration": lambda _meter, value: duration(value),
    }
)
