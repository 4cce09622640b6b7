"""A message of Kafka → an event, or a dead letter. Pure.

CloudEvents: https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/kafka-protocol-binding.md (§3).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec

from reactor.sdk import JSON, DeadLetter, EventDraft
from reactor.sdk.cloudevents import STRUCTURED, of_attributes, structured
from reactor.sdk.content import MalformedError
from reactor.sdk.payload import Format, bytes_of, decode, shown

TYPE = "kafka.message"
_PREFIX = "ce_"
_VERSION = "ce_specversion"
_CONTENT_TYPE = "content-type"

Headers = Sequence[tuple[str, bytes | None]]


class Message(NamedTuple):
    """What is used of `aiokafka.ConsumerRecord`, by the same names."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Headers


def read(record: Any, form: Format) -> EventDraft | DeadLetter:
    """`record`: a `Message`, or a record of aiokafka. What cannot be read becomes a dead letter that says why."""
    key = _shown(record.key)
    metadata: dict[str, JSON] = {
        "topic": record.topic,
        "partition": record.partition,
        "offset": record.offset,
        "timestamp": record.timestamp,
        "key": key,
        "headers": named(record.headers) if record.headers else {},
    }
    subject = key if isinstance(key, str) else None
    try:
        return _draft(record.value, record.headers, metadata, subject, form)
    except MalformedError as problem:
        return DeadLetter(reason=problem.message, payload=record.value or b"", metadata=metadata, subject=subject)


def again(letter: DeadLetter, form: Format) -> EventDraft:
    """The event of a dead letter that `read` made.

    Raises:
        MalformedError: it still cannot be read.
    """
    headers = [
        (name, None if one is None else bytes_of(one))
        for name, given in letter.metadata.get("headers", {}).items()
        for one in (given if isinstance(given, list) else [given])
    ]
    return _draft(letter.payload, headers, dict(letter.metadata), letter.subject, form)


def many(drafts: Sequence[EventDraft]) -> EventDraft:
    """One event for the messages of one topic, oldest first."""
    raws = [draft.raw for draft in drafts if draft.raw is not None]
    told = [draft.metadata for draft in drafts]
    lists = {f"{name}s": [entry.get(name) for entry in told] for name in ("partition", "offset", "timestamp", "key")}
    return EventDraft(
        type=TYPE,
        data=[draft.data for draft in drafts],
        raw=b"[" + b",".join(raws) + b"]" if len(raws) == len(drafts) else None,
        time=drafts[-1].time,
        metadata={
            "topic": told[0]["topic"],
            "count": len(drafts),
            **lists,
            "headers": [entry.get("headers") for entry in told],
        },
    )


def _shown(value: bytes | None) -> JSON:
    return None if value is None else shown(value)


def named(headers: Headers) -> dict[str, JSON]:
    """Headers by name; a list where a name is there more than once."""
    found: dict[str, list[JSON]] = {}
    for name, value in headers:
        found.setdefault(name, []).append(_shown(value))
    return {name: values[0] if len(values) == 1 else values for name, values in found.items()}


def _draft(
    value: bytes | None, headers: Headers, metadata: dict[str, JSON], subject: str | None, form: Format
) -> EventDraft:
    time = metadata["timestamp"] if metadata["timestamp"] >= 0 else None
    kind = None
    if headers and form == "auto":
        found = {name.lower(): given for name, given in headers if given is not None}
        kind = _text(_CONTENT_TYPE, found.get(_CONTENT_TYPE))
        if (kind or "").partition(";")[0].strip().lower() == STRUCTURED:
            return _completed(structured(value or b"", metadata), subject, time)
        if _VERSION in found:
            attributes = {
                name.removeprefix(_PREFIX): _text(name, given)
                for name, given in found.items()
                if name.startswith(_PREFIX)
            }
            if kind:
                attributes["datacontenttype"] = kind
            return _completed(of_attributes(attributes, value or b"", kind or "", metadata), subject, time)
    content = decode(value, kind, form=form)
    if content.encoding:
        metadata["encoding"] = content.encoding
    return EventDraft(type=TYPE, data=content.data, raw=content.raw, subject=subject, time=time, metadata=metadata)


def _completed(draft: EventDraft, subject: str | None, time: int | None) -> EventDraft:
    """What a CloudEvent does not say of itself, the message does."""
    return msgspec.structs.replace(
        draft,
        subject=draft.subject if draft.subject is not None else subject,
        time=draft.time if draft.time is not None else time,
    )


def _text(name: str, value: bytes | None) -> str | None:
    try:
        return value.decode() if value is not None else None
    except UnicodeDecodeError:
        raise MalformedError(400, f"the header {name} is not UTF-8") from None
