"""Bodies → drafts of events. Pure: bytes in, drafts or a refusal out. JSON is parsed once and kept as it came."""

from __future__ import annotations

import difflib
import re
from typing import Any

import msgspec

from reactor.model.event import EventDraft
from reactor.sdk import content
from reactor.sdk.content import DEPTH, MalformedError, checked_id, checked_source, instant, measure, read

MOST = 1_000
"""Events of one request."""
_BOM = b"\xef\xbb\xbf"
_NULL = msgspec.Raw(b"null")
_UNKNOWN = re.compile(r"Object contains unknown field `([^`]*)`")
_OTHER_NAMES = {
    "payload": "data",
    "body": "data",
    "name": "type",
    "event_type": "type",
    "timestamp": "time",
    "meta": "metadata",
}


class Wire(msgspec.Struct, forbid_unknown_fields=True):
    """Our own event as it is sent."""

    type: str | None = None
    event: str | None = None
    """The older name of `type`."""
    data: msgspec.Raw = _NULL
    id: str | None = None
    source: str | None = None
    subject: str | None = None
    time: str | None = None
    metadata: dict[str, Any] | None = None


_decode = msgspec.json.Decoder().decode
_one = msgspec.json.Decoder(Wire).decode
_many = msgspec.json.Decoder(list[Wire]).decode


def parse(decode: Any, body: bytes | msgspec.Raw) -> Any:
    """Let a decoder read a body; what it says becomes the caller's answer.

    Raises:
        MalformedError: 400.
    """
    try:
        return content.parse(decode, body)
    except MalformedError as error:
        raise _named(error) from None


def _named(error: MalformedError) -> MalformedError:
    """A field that is not known, with the one that may have been meant."""
    unknown = _UNKNOWN.search(error.message)
    if unknown is None:
        return error
    name, path = unknown[1], error.members["path"]
    if name == "specversion":
        message = "this is a CloudEvent: send it with content-type: application/cloudevents+json"
        return MalformedError(400, message, path=path)
    known = Wire.__struct_fields__
    close = _OTHER_NAMES.get(name.lower()) or next(iter(difflib.get_close_matches(name.lower(), known, 1, 0.5)), None)
    hint = (
        f"did you mean {close!r}?" if close else f"there are {', '.join(known)}; what you want to send stands in 'data'"
    )
    return MalformedError(400, f"an event has no field {name!r}; {hint}", path=f"{path}.{name}")


def events(body: bytes, base: dict[str, Any]) -> tuple[list[EventDraft], bool]:
    """Our own event or a list of them; and whether it was a list. `base` is the metadata that every one gets.

    Raises:
        MalformedError: 400 or 413.
    """
    if body.startswith(_BOM):
        body = body[3:]
    deep = body.count(b"[") + body.count(b"{") > DEPTH
    if body[:1] == b"{" or body.lstrip()[:1] != b"[":
        return [_draft(parse(_one, body), base, deep=deep)], False
    wires = parse(_many, body)
    if len(wires) > MOST:
        raise MalformedError(413, f"{len(wires)} events in one request; at most {MOST} are taken, all or none")
    return [_at(position, wire, base, deep=deep) for position, wire in enumerate(wires)], True


def _at(position: int, wire: Wire, base: dict[str, Any], *, deep: bool) -> EventDraft:
    try:
        return _draft(wire, base, deep=deep)
    except MalformedError as problem:
        problem.message = f"event {position}: {problem.message}"
        raise


def _draft(wire: Wire, base: dict[str, Any], *, deep: bool) -> EventDraft:
    type_ = wire.type
    if type_ is None or wire.event is not None:
        type_ = _type(wire)
    raw = bytes(wire.data)
    data = parse(_decode, raw)
    metadata = base if wire.metadata is None else {**wire.metadata, **base}
    if deep:
        measure([data, wire.metadata])
    return EventDraft(
        type=type_,
        data=data,
        raw=raw,
        id=None if wire.id is None else checked_id(wire.id),
        source="/events" if wire.source is None else checked_source(wire.source),
        subject=wire.subject,
        time=None if wire.time is None else instant(wire.time),
        metadata=metadata,
    )


def _type(wire: Wire) -> str:
    if wire.type is None and wire.event is None:
        raise MalformedError(400, 'an event needs a type: {"type": "order.created", "data": {...}}')
    if wire.type is not None and wire.event is not None and wire.type != wire.event:
        raise MalformedError(
            400, f"`type` is {wire.type!r} and `event`, its older name, is {wire.event!r}; give one of them"
        )
    return str(wire.type if wire.type is not None else wire.event)


def webhook(type_: str, path: str, body: bytes, content_type: str, base: dict[str, Any]) -> EventDraft:
    """The event of `POST /webhook/TYPE`.

    Raises:
        MalformedError: 400 or 415.
    """
    found = read(body, content_type, strict=True)
    return EventDraft(type=type_, data=found.data, raw=found.raw, source=path, metadata=base)
