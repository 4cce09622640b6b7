"""Values of the SDK ↔ messages of the protocol."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from reactor.model.errors import PermanentError, StepError, TransientError
from reactor.model.event import JSON, EventDraft
from reactor.sdk.plugin.protocol import message
from reactor.sdk.trigger import DeadLetter, Receipt

encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode


class Malformed(ValueError):
    """The other side sent what is not JSON, or not the JSON that stands there; one sentence."""


def decoded(text: bytes, what: str) -> Any:
    """The JSON value of a field; None for no text at all.

    Raises:
        Malformed: it is not JSON.
    """
    try:
        return _decode(text) if text else None
    except (msgspec.MsgspecError, RecursionError) as error:
        raise Malformed(f"{what} is not JSON: {error}") from None


def decoded_map(text: bytes, what: str) -> dict[str, Any]:
    """A JSON object; empty for no text at all.

    Raises:
        Malformed: it is something else.
    """
    found = decoded(text, what)
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise Malformed(f"{what} is no JSON object")
    return found


# --- events ---


def item_to_wire(item: EventDraft | DeadLetter) -> Any:
    """The message `Item`."""
    if isinstance(item, DeadLetter):
        return message("Item", dead=dead_to_wire(item))
    return message("Item", event=event_to_wire(item))


def dead_to_wire(dead: DeadLetter) -> Any:
    """The message `DeadLetter`."""
    wire = message("DeadLetter", reason=dead.reason, payload=dead.payload, metadata_json=_metadata(dead.metadata))
    _set(wire, subject=dead.subject, id=dead.id)
    return wire


def event_to_wire(draft: EventDraft) -> Any:
    """The message `Event`."""
    data = draft.raw if draft.raw is not None else encode(draft.data)
    wire = message(
        "Event", type=draft.type, data_json=data, source=draft.source, metadata_json=_metadata(draft.metadata)
    )
    _set(wire, id=draft.id, subject=draft.subject, time=draft.time)
    return wire


def _metadata(metadata: Mapping[str, JSON]) -> bytes:
    return encode(metadata) if metadata else b""


def item_from_wire(wire: Any, default_type: str) -> EventDraft | DeadLetter:
    """The event or dead letter in it.

    Raises:
        Malformed: it is neither, or holds what is not JSON.
    """
    if wire.HasField("dead"):
        return dead_from_wire(wire.dead)
    if not wire.HasField("event"):
        raise Malformed("an item of a batch is neither an event nor a dead letter")
    return event_from_wire(wire.event, default_type)


def dead_from_wire(wire: Any) -> DeadLetter:
    """The dead letter in it.

    Raises:
        Malformed: its metadata is not JSON.
    """
    return DeadLetter(
        reason=wire.reason or "the plugin gave no reason",
        payload=wire.payload,
        metadata=decoded_map(wire.metadata_json, "the metadata of a dead letter"),
        subject=_get(wire, "subject"),
        id=_get(wire, "id"),
    )


def event_from_wire(wire: Any, default_type: str) -> EventDraft:
    """The event in it.

    Raises:
        Malformed: it holds what is not JSON.
    """
    return EventDraft(
        type=wire.type or default_type,
        data=decoded(wire.data_json, "the data of an event"),
        raw=wire.data_json or None,
        source=wire.source,
        id=_get(wire, "id"),
        subject=_get(wire, "subject"),
        time=_get(wire, "time"),
        metadata=decoded_map(wire.metadata_json, "the metadata of an event"),
    )


def receipt_to_wire(receipt: Receipt) -> Any:
    """The message `Receipt`."""
    runs = [message("Begun", run_id=run, flow=flow) for run, flow in receipt.runs]
    return message("Receipt", event_id=receipt.event_id, duplicate=receipt.duplicate, runs=runs)


def receipt_from_wire(wire: Any) -> Receipt:
    """The receipt in it."""
    runs = tuple((begun.run_id, begun.flow) for begun in wire.runs)
    return Receipt(event_id=wire.event_id, runs=runs, duplicate=wire.duplicate)


# --- failures ---


def error_to_wire(error: StepError) -> Any:
    """The message `Error`."""
    wire = message("Error", kind=error.kind, message=error.message, retryable=error.retryable)
    if error.data is not None:
        wire.data_json = encode(error.data)
    if error.output is not None:
        wire.output_json = encode(error.output)
    _set(wire, retry_after=error.retry_after)
    return wire


def error_from_wire(wire: Any) -> StepError:
    """The failure in it.

    Raises:
        Malformed: it holds what is not JSON.
    """
    kind = TransientError if wire.retryable else PermanentError
    return kind(
        wire.kind or "plugin.failed",
        wire.message or "the plugin gave no reason",
        data=decoded(wire.data_json, "the data of an error"),
        output=decoded(wire.output_json, "the output of an error"),
        retry_after=_get(wire, "retry_after"),
    )


# --- optional fields ---


def _set(wire: Any, **values: Any) -> None:
    for name, value in values.items():
        if value is not None:
            setattr(wire, name, value)


def _get(wire: Any, name: str) -> Any:
    return getattr(wire, name) if wire.HasField(name) else None


def optional(wire: Any, name: str) -> Any:
    """The value of an optional field, or None."""
    return _get(wire, name)


def plain_settings(settings: Mapping[str, Any], names: Sequence[str]) -> dict[str, JSON]:
    """What the operator set, as JSON."""
    return {name: msgspec.to_builtins(settings[name], enc_hook=str) for name in names if name in settings}
