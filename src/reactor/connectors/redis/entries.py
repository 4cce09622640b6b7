"""A message of Redis → an event, or a dead letter. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from reactor.connectors.redis.config import RedisConfig
from reactor.sdk import JSON, DeadLetter, EventDraft
from reactor.sdk.content import Content, MalformedError
from reactor.sdk.payload import bytes_of, decode, shown

TYPE = "redis.message"
_EARLIEST, _LATEST = 946_684_800_000, 4_102_444_800_000
"""2000 and 2100: an id of a stream whose first part lies between them is taken for a time."""
Fields = Sequence[bytes]
"""Names and values in turn, as Redis gives them."""


def of_entry(config: RedisConfig, id_: bytes, fields: Fields, *, claimed: bool = False) -> EventDraft | DeadLetter:
    """An entry of a stream. `claimed`: another consumer had it before; its id then says whether we had it, too."""
    place = id_.decode()
    metadata: dict[str, JSON] = {"stream": config.stream, "id": place}
    try:
        return draft(config, place, fields, metadata, id_=place if claimed else None)
    except MalformedError as error:
        return DeadLetter(reason=error.message, payload=kept(fields), metadata=metadata, id=place if claimed else None)


def draft(
    config: RedisConfig, place: str, fields: Fields, metadata: dict[str, JSON], *, id_: str | None = None
) -> EventDraft:
    """The event of an entry.

    Raises:
        MalformedError: it cannot be read.
    """
    pairs = dict(zip(fields[::2], fields[1::2], strict=False))
    if config.field is None:
        content = Content({_name(name): _value(config, name, value) for name, value in pairs.items()})
    else:
        content, metadata = _one(config, config.field, pairs, metadata)
    when = int(place.partition("-")[0])
    return EventDraft(
        type=TYPE,
        data=content.data,
        raw=content.raw,
        id=id_,
        time=when if _EARLIEST < when < _LATEST else None,
        metadata=metadata,
    )


def of_message(
    config: RedisConfig, payload: bytes, metadata: dict[str, JSON], *, id_: str | None = None
) -> EventDraft | DeadLetter:
    """What was published to a channel, or an element of a list."""
    try:
        content = decode(payload, form=config.format)
    except MalformedError as error:
        return DeadLetter(reason=error.message, payload=payload, metadata=metadata, id=id_)
    return EventDraft(type=TYPE, data=content.data, raw=content.raw, metadata=metadata, id=id_)


def again(config: RedisConfig, letter: DeadLetter) -> EventDraft:
    """A dead letter, read as the configuration is now.

    Raises:
        MalformedError: it still cannot be read.
    """
    metadata = dict(letter.metadata)
    if "stream" in metadata:
        return draft(config, str(metadata["id"]), restored(letter.payload), metadata, id_=letter.id)
    content = decode(letter.payload, form=config.format)
    return EventDraft(type=TYPE, data=content.data, raw=content.raw, metadata=metadata, id=letter.id)


def kept(fields: Fields) -> bytes:
    """The fields as JSON that people can read and `restored` turns back: `[[name, value], …]`, each a text, or
    `{base64}` where it is none.
    """
    texts = [shown(one) for one in fields]
    return msgspec.json.encode([list(pair) for pair in zip(texts[::2], texts[1::2], strict=False)])


def restored(payload: bytes) -> list[bytes]:
    """The fields of `kept`."""
    pairs = msgspec.json.decode(payload, type=list[tuple[str | dict[str, str], str | dict[str, str]]])
    return [bytes_of(one) for pair in pairs for one in pair]


def _name(name: bytes) -> str:
    try:
        return name.decode()
    except UnicodeDecodeError:
        raise MalformedError(400, f"the name of a field is not UTF-8 text ({name[:40]!r})") from None


def _value(config: RedisConfig, name: bytes, value: bytes) -> Any:
    try:
        return decode(value, form="text" if config.format == "auto" else config.format).data
    except MalformedError as error:
        text = error.message.replace("neither JSON nor UTF-8", "not UTF-8").replace("the message", "its value")
        raise MalformedError(400, f"field {_name(name)!r}: {text}") from None


def _one(
    config: RedisConfig, field: str, pairs: dict[bytes, bytes], metadata: dict[str, JSON]
) -> tuple[Content, dict[str, JSON]]:
    value = pairs.pop(field.encode(), None)
    if value is None:
        there = ", ".join(sorted(name.decode("utf-8", "replace") for name in pairs))
        raise MalformedError(400, f"the entry has no field {field!r} (it has: {there}); look at `field`")
    if pairs:
        others = {_name(name): shown(other) for name, other in pairs.items()}
        metadata = {**metadata, "fields": others}
    return decode(value, form=config.format), metadata
