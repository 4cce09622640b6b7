"""Bytes → content, by its content type. Pure: JSON is parsed once and kept as it came, within limits.

Used by everything that takes messages from outside: HTTP bodies, records of brokers, mail.
"""

from __future__ import annotations

import base64
import re
from typing import Any
from urllib.parse import parse_qsl

import msgspec

from reactor.model.clock import Instant, from_iso
from reactor.model.errors import InvalidError

DEPTH = 100
"""Levels of lists and maps in JSON."""
_LONGEST_ID = 512
_LONGEST_SOURCE = 2_048
_FIELDS = 1_000
_BOM = b"\xef\xbb\xbf"
_CONTAINERS = frozenset({dict, list})
_BYTE = re.compile(r" ?\(byte (\d+)\)")
_AT = re.compile(r" - at `([^`]+)`")
_CHARSET = re.compile(r";\s*charset\s*=\s*\"?([^\s;\"]+)", re.IGNORECASE)
_UTF8 = frozenset({"utf-8", "utf8", "us-ascii", "ascii"})
_TEXTS = ("text/", "application/xml", "application/yaml", "application/javascript", "application/x-ndjson")
_decode = msgspec.json.Decoder().decode


class MalformedError(InvalidError):
    """Bytes that are not what they are said to be. `status` is the HTTP status, `members` tell more of the place."""

    def __init__(self, status: int, message: str, **members: Any) -> None:
        super().__init__(message)
        self.status = status
        self.members = members


class Content(msgspec.Struct, frozen=True):
    """A body by its content type."""

    data: Any
    raw: bytes | None = None
    """The JSON text, when it was one."""
    encoding: str | None = None
    """`base64`: data is that, because it is no text."""


def read_json(body: bytes) -> Any:
    """Any JSON in UTF-8, of at most `DEPTH` levels.

    Raises:
        MalformedError: 400, with line and column.
    """
    data = parse(_decode, body)
    if body.count(b"[") + body.count(b"{") > DEPTH:
        measure(data)
    return data


def parse(decode: Any, body: bytes | msgspec.Raw) -> Any:
    """Let a decoder read a body; what it says becomes the caller's answer.

    Raises:
        MalformedError: 400.
    """
    try:
        return decode(body)
    except msgspec.ValidationError as error:
        at = _AT.search(str(error))
        path = at[1] if at else "$"
        raise MalformedError(400, f"the event does not fit: {_AT.sub('', str(error))} at {path}", path=path) from None
    except msgspec.DecodeError as error:
        raise _malformed(bytes(body), str(error)) from None
    except UnicodeDecodeError as error:
        raise MalformedError(400, f"the JSON is not valid UTF-8: {error.reason}") from None
    except RecursionError:
        raise MalformedError(400, f"the JSON is more than {DEPTH} levels deep") from None


def measure(data: Any) -> None:
    """Refuse what is nested too deeply to be walked safely further on.

    Raises:
        MalformedError: 400.
    """
    level = [data] if type(data) in _CONTAINERS else []
    for _ in range(DEPTH):
        level = [
            inner
            for value in level
            for inner in (value.values() if type(value) is dict else value)
            if type(inner) in _CONTAINERS
        ]
        if not level:
            return
    raise MalformedError(400, f"the JSON is more than {DEPTH} levels deep")


def _malformed(body: bytes, message: str) -> MalformedError:
    found = _BYTE.search(message)
    offset = min(int(found[1]), len(body)) if found else len(body)
    before = body[:offset]
    column = len(before[before.rfind(b"\n") + 1 :].decode("utf-8", "replace")) + 1
    reason = _BYTE.sub("", message).removeprefix("JSON is malformed: ").strip()
    if reason == "Input data was truncated":  # said of half a surrogate pair too, wherever it stands
        reason = "it ends too early, or holds half of a surrogate pair" if body else "it is empty"
    line = before.count(b"\n") + 1
    return MalformedError(
        400, f"the body is not valid JSON: {reason} (line {line}, column {column})", line=line, column=column
    )


def checked_id(id_: str) -> str:
    """An event's own id.

    Raises:
        MalformedError: 400.
    """
    if not 0 < len(id_) <= _LONGEST_ID:
        raise MalformedError(400, f"an event's id has 1 to {_LONGEST_ID} characters; leave it out and one is made")
    return id_


def checked_source(source: str) -> str:
    """An event's source.

    Raises:
        MalformedError: 400.
    """
    if len(source) > _LONGEST_SOURCE:
        raise MalformedError(400, f"an event's source has at most {_LONGEST_SOURCE} characters")
    return source


def instant(text: str) -> Instant:
    """The `time` of an event.

    Raises:
        MalformedError: 400.
    """
    try:
        return from_iso(text)
    except (ValueError, OverflowError):
        raise MalformedError(400, f"time {text[:60]!r} is not RFC 3339, as in 2026-11-23T04:36:11Z") from None


def read(body: bytes, content_type: str, *, strict: bool) -> Content:
    """The content of a body. `strict`: refuse what is no JSON, form or text, rather than keep it as base64.

    Raises:
        MalformedError: 400 or 415.
    """
    kind = content_type.partition(";")[0].strip().lower()
    if kind == "application/json" or kind.endswith(("/json", "+json")):
        return _json(_as_utf8(body, content_type))
    if not body:
        return Content(None, b"null")
    if kind == "application/x-www-form-urlencoded":
        return _form(body)
    if kind.startswith(_TEXTS) or kind.endswith("+xml"):
        return Content(_text(body, content_type))
    if not kind:
        return _guess(body)
    if strict:
        raise MalformedError(
            415,
            f"content-type {kind!r} is not understood here: send JSON, a form or text; for anything else "
            "let a flow claim the path with a `webhook:` trigger",
        )
    return Content(base64.b64encode(body).decode(), encoding="base64")


def _json(body: bytes) -> Content:
    body = body.removeprefix(_BOM)
    return Content(read_json(body), body) if body else Content(None, b"null")


def looks_like_json(body: bytes) -> bool:
    """Whether it begins as a map or list: `curl -d '{"id": 7}'` calls that a form."""
    return body.lstrip()[:1] in (b"{", b"[")


def _form(body: bytes) -> Content:
    if looks_like_json(body):
        return _json(body)
    try:
        pairs = parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=_FIELDS, errors="strict")
    except UnicodeError:
        raise MalformedError(400, "the form is not valid UTF-8") from None
    except ValueError:
        raise MalformedError(400, f"the form has more than {_FIELDS} fields") from None
    found: dict[str, list[str]] = {}
    for name, value in pairs:
        found.setdefault(name, []).append(value)
    return Content({name: values[0] if len(values) == 1 else values for name, values in found.items()})


def _guess(body: bytes) -> Content:
    try:
        return _json(body)
    except MalformedError:
        return Content(_text(body, ""))


def charset_of(content_type: str) -> str | None:
    """The `charset` of a content type."""
    found = _CHARSET.search(content_type) if ";" in content_type else None
    return found[1] if found else None


def is_utf8(charset: str) -> bool:
    """Whether a charset is UTF-8, or a part of it."""
    return charset.lower() in _UTF8


def _as_utf8(body: bytes, content_type: str) -> bytes:
    charset = charset_of(content_type)
    if charset is None or is_utf8(charset):
        return body
    return _text(body, content_type).encode("utf-8", "surrogatepass")


def _text(body: bytes, content_type: str) -> str:
    charset = charset_of(content_type) or "utf-8"
    try:
        return body.removeprefix(_BOM).decode(charset)
    except LookupError:
        raise MalformedError(415, f"the charset {charset[:40]!r} is not known") from None
    except UnicodeError:
        raise MalformedError(400, f"the body is not valid {charset}; say its charset in the content-type") from None
