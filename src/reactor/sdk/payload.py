"""What is in a message of a broker: JSON, text or bytes, as its content type or the flow says."""

from __future__ import annotations

import base64
from typing import Any, Literal

import msgspec

from reactor.sdk.content import Content, MalformedError, read, read_json

_json = msgspec.json.Encoder().encode
Format = Literal["auto", "json", "text", "binary"]
"""How a trigger reads its messages (its key `format`).

`auto`: by the content type where the message has one; else JSON if it is that, else UTF-8 text. `json`: JSON, whatever
it says of itself. `text`: UTF-8 text. `binary`: base64 of the bytes.
"""


def decode(payload: bytes | None, content_type: str | None = None, *, form: Format = "auto") -> Content:
    """The data of a message, and its JSON text when it was one. No payload (a tombstone) is null.

    Raises:
        MalformedError: it is not what it is said to be, or neither JSON nor text where `auto` has to guess; the message
        says what to do.
    """
    if payload is None:
        return Content(None, b"null")
    if form == "binary":
        return Content(base64.b64encode(payload).decode(), encoding="base64")
    if form == "json":
        return Content(read_json(payload), payload)
    if form == "text":
        return Content(_text(payload))
    if content_type:
        return read(payload, content_type, strict=False)
    return _guess(payload)


def encode(value: Any) -> bytes:
    """What is sent for a value: text as it is, everything else as JSON."""
    return value.encode() if isinstance(value, str) else _json(value)


def shown(value: bytes) -> str | dict[str, str]:
    """Bytes of no known kind (a key, a header, a field) as JSON: text, and `{base64: …}` when they are none."""
    try:
        return value.decode()
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(value).decode()}


def bytes_of(value: str | dict[str, str]) -> bytes:
    """The bytes that were `shown`."""
    return value.encode() if isinstance(value, str) else base64.b64decode(value["base64"])


def _guess(payload: bytes) -> Content:
    if not payload:
        return Content("")
    try:
        return Content(read_json(payload), payload)
    except MalformedError:
        return Content(_text(payload))


def _text(payload: bytes) -> str:
    try:
        return payload.decode()
    except UnicodeDecodeError as error:
        raise MalformedError(
            400, f"the message is neither JSON nor UTF-8 text (byte {error.start}); say `format: binary` to take bytes"
        ) from None
