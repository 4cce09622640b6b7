"""Message → event, or dead letter. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reactor.model.clock import Instant
from reactor.sdk import DeadLetter, EventDraft
from reactor.sdk.cloudevents import STRUCTURED, binary, structured
from reactor.sdk.content import MalformedError, checked_id
from reactor.sdk.payload import Format, decode

TYPE = "nats.message"
ID = "Nats-Msg-Id"


def read(
    payload: bytes, headers: Mapping[str, str] | None, metadata: dict[str, Any], form: Format, *, time: Instant | None
) -> EventDraft | DeadLetter:
    """`metadata` has `subject`; the headers are added here."""
    if headers:
        metadata["headers"] = dict(headers)
    try:
        return event(payload, metadata, form, time=time)
    except MalformedError as problem:
        return DeadLetter(
            reason=f"{metadata['subject']}: {problem}", payload=payload, metadata=metadata, subject=metadata["subject"]
        )


def event(payload: bytes, metadata: dict[str, Any], form: Format, *, time: Instant | None = None) -> EventDraft:
    """The event of a message.

    Raises:
        MalformedError: it is none.
    """
    headers: dict[str, str] = metadata.get("headers") or {}
    if not headers:
        content = decode(payload, form=form)
        id_ = None
    else:
        small = {name.lower(): value for name, value in headers.items()}
        kind = small.get("content-type")
        if kind is not None and kind.lower().startswith(STRUCTURED):
            return structured(payload, metadata)
        if "ce-specversion" in small:
            # The binding for NATS keeps the content type of the data among the attributes.
            given = ((name.encode("latin-1", "replace"), value.encode()) for name, value in small.items())
            return binary(given, payload, small.get("ce-datacontenttype") or kind or "", metadata)
        content = decode(payload, kind, form=form)
        id_ = headers.get(ID)
    if content.encoding:
        metadata["encoding"] = content.encoding
    return EventDraft(
        type=TYPE,
        data=content.data,
        raw=content.raw,
        id=None if id_ is None or "stream" in metadata else checked_id(id_),  # a stream has a position
        subject=metadata["subject"],
        time=time,
        metadata=metadata,
    )
