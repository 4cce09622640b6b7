"""CloudEvents 1.0: binary (as over HTTP; attributes alone for other transports), structured and batched.

Source: https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/http-protocol-binding.md (§3) and
https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/formats/json-format.md (§3, §4).
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable
from typing import Any
from urllib.parse import unquote_to_bytes

import msgspec

from reactor.model.event import EventDraft
from reactor.sdk.content import (
    DEPTH,
    Content,
    MalformedError,
    checked_id,
    checked_source,
    instant,
    measure,
    parse,
    read,
)

STRUCTURED = "application/cloudevents+json"
BATCHED = "application/cloudevents-batch+json"
MOST = 1_000
"""Events of one batch."""
_VERSION = "1.0"
_NAMED = frozenset({"specversion", "id", "source", "type", "subject", "time", "datacontenttype", "dataschema"})
_NAME = re.compile(r"[a-z0-9]+")
_ESCAPED = re.compile(r"\\(.)")
_MANGLED = re.compile(r"%(?![0-9A-Fa-f]{2})")
_MOST_EXTENSIONS = 100
_map = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_maps = msgspec.json.Decoder(list[dict[str, msgspec.Raw]]).decode
_decode = msgspec.json.Decoder().decode


def binary(headers: Iterable[tuple[bytes, bytes]], body: bytes, content_type: str, base: dict[str, Any]) -> EventDraft:
    """Attributes in `ce-` headers, the body is the data.

    Raises:
        MalformedError: 400.
    """
    attributes: dict[str, Any] = {}
    for name, value in headers:
        if name.startswith(b"ce-"):
            attribute = name[3:].decode("latin-1")
            if attribute in attributes:
                raise MalformedError(400, f"the header ce-{attribute} is there twice")
            attributes[attribute] = _header(attribute, value)
    return of_attributes(attributes, body, content_type, base)


def of_attributes(attributes: dict[str, Any], body: bytes, content_type: str, base: dict[str, Any]) -> EventDraft:
    """The binary form of any transport: attributes by their names, the body is the data.

    Raises:
        MalformedError: 400.
    """
    content = read(body, content_type, strict=False)
    return _draft(attributes, content, content_type or None, base)


def structured(body: bytes, base: dict[str, Any]) -> EventDraft:
    """The whole event as one JSON map.

    Raises:
        MalformedError: 400.
    """
    return _from_map(parse(_map, body), body, base)


def batched(body: bytes, base: dict[str, Any]) -> list[EventDraft]:
    """A JSON list of events.

    Raises:
        MalformedError: 400 or 413.
    """
    maps = parse(_maps, body)
    if len(maps) > MOST:
        raise MalformedError(413, f"{len(maps)} events in one request; at most {MOST} are taken, all or none")
    drafts = []
    for position, map_ in enumerate(maps):
        try:
            drafts.append(_from_map(map_, body, base))
        except MalformedError as problem:
            problem.message = f"event {position}: {problem.message}"
            raise
    return drafts


def _from_map(map_: dict[str, msgspec.Raw], body: bytes, base: dict[str, Any]) -> EventDraft:
    data, packed = map_.pop("data", None), map_.pop("data_base64", None)
    attributes = {name: parse(_decode, value) for name, value in map_.items()}
    kind = attributes.get("datacontenttype")
    if data is not None and packed is not None:
        raise MalformedError(400, "an event has `data` or `data_base64`, not both")
    if packed is not None:
        content = read(_unpacked(parse(_decode, packed)), str(kind or "application/octet-stream"), strict=False)
    else:
        raw = bytes(data) if data is not None else b"null"
        content = Content(parse(_decode, raw), raw)
        if body.count(b"[") + body.count(b"{") > DEPTH:
            measure(content.data)
    return _draft(attributes, content, kind, base)


def _unpacked(text: Any) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError, TypeError):
        raise MalformedError(400, "`data_base64` is not base64 (RFC 4648 §4)") from None


def _draft(attributes: dict[str, Any], content: Content, kind: Any, base: dict[str, Any]) -> EventDraft:
    _check(attributes)
    metadata = dict(base)
    if isinstance(kind, str) and kind.partition(";")[0].strip().lower() != "application/json":
        metadata["content_type"] = kind
    if content.encoding:
        metadata["encoding"] = content.encoding
    if attributes.get("dataschema"):
        metadata["dataschema"] = attributes["dataschema"]
    extensions = {name: value for name, value in attributes.items() if name not in _NAMED and value is not None}
    if "traceparent" in extensions:
        metadata["traceparent"] = extensions.pop("traceparent")
    if extensions:
        metadata["extensions"] = extensions
    time = attributes.get("time")
    return EventDraft(
        type=attributes["type"],
        data=content.data,
        raw=content.raw,
        id=checked_id(attributes["id"]),
        source=checked_source(attributes["source"]),
        subject=attributes.get("subject"),
        time=None if time is None else instant(time),
        metadata=metadata,
    )


def _check(attributes: dict[str, Any]) -> None:
    version = attributes.get("specversion")
    if version is None:
        raise MalformedError(400, 'a CloudEvent needs `specversion` (ce-specversion): "1.0"')
    if version != _VERSION:
        raise MalformedError(400, f"CloudEvents specversion {version!r} is not understood; {_VERSION!r} is")
    for name in ("id", "source", "type"):
        if not isinstance(attributes.get(name), str) or not attributes[name]:
            raise MalformedError(400, f"a CloudEvent needs `{name}` (ce-{name}): a text that is not empty")
    _check_rest(attributes)


def _check_rest(attributes: dict[str, Any]) -> None:
    for name in ("subject", "time", "datacontenttype", "dataschema"):
        if not isinstance(attributes.get(name), str | None):
            raise MalformedError(400, f"the attribute `{name}` has to be a text")
    if len(attributes) > _MOST_EXTENSIONS:
        raise MalformedError(400, f"{len(attributes)} attributes; at most {_MOST_EXTENSIONS} are taken")
    for name, value in attributes.items():
        if not _NAME.fullmatch(name):
            raise MalformedError(
                400, f"the attribute {name[:60]!r} cannot be: names are of a-z and 0-9 (CloudEvents 1.0 §2)"
            )
        if isinstance(value, dict | list | float):
            raise MalformedError(400, f"the attribute `{name}` has to be a text, a whole number or a boolean")


def _header(name: str, value: bytes) -> str:
    """§3.1.3.2: quotes taken off, then percent-decoding as UTF-8."""
    text = value.decode("latin-1").strip()
    if len(text) > 1 and text.startswith('"') and text.endswith('"'):
        text = _ESCAPED.sub(r"\1", text[1:-1])
    if "%" not in text and text.isascii():
        return text
    if _MANGLED.search(text):
        raise MalformedError(400, f"the header ce-{name} has a % that is not followed by two hex digits")
    try:
        return unquote_to_bytes(text.encode("latin-1")).decode()
    except UnicodeDecodeError:
        raise MalformedError(400, f"the header ce-{name} is not valid UTF-8 after percent-decoding") from None
