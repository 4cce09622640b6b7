"""What `kafka.publish` sends: bytes and headers. Pure.

CloudEvents: https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/kafka-protocol-binding.md (§3).
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import msgspec

from reactor.connectors.kafka.actions import CloudEvent, PublishParams
from reactor.sdk.cloudevents import STRUCTURED
from reactor.sdk.payload import encode

_NONE: Mapping[str, str] = MappingProxyType({})
JSON_TYPE = "application/json"
_encode = msgspec.json.Encoder().encode


class Outgoing(NamedTuple):
    """A message in bytes."""

    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes | None]]


def outgoing(
    params: PublishParams, *, flow: str, step: str, idempotency_key: str, trace: Mapping[str, str] = _NONE
) -> Outgoing:
    """The message that a step means. `trace`: see `ActionContext`."""
    key = None if params.key is None else encode(params.key)
    headers = {name: None if value is None else encode(value) for name, value in params.headers.items()}
    lower = {name.lower() for name in headers}
    value, kind = _value(params.value)
    own = {"idempotency-key": idempotency_key.encode(), **{name: text.encode() for name, text in trace.items()}}
    if params.cloudevents:
        event = CloudEvent() if params.cloudevents is True else params.cloudevents
        attributes = {**_attributes(event, params, flow, step, idempotency_key), **trace}
        if event.mode == "structured":
            value, kind = _encode({**attributes, "datacontenttype": JSON_TYPE, "data": params.value}), STRUCTURED
            headers = {name: given for name, given in headers.items() if name.lower() != "content-type"}
            lower.discard("content-type")
        else:
            own |= {f"ce_{name}": text.encode() for name, text in attributes.items()}
            kind = kind or "text/plain; charset=utf-8"
    if kind is not None and value is not None:
        own["content-type"] = kind.encode()
    return Outgoing(key, value, [*headers.items(), *((n, v) for n, v in own.items() if n not in lower)])


def _attributes(event: CloudEvent, params: PublishParams, flow: str, step: str, id_: str) -> dict[str, str]:
    found = {
        "specversion": "1.0",
        "id": event.id or id_,
        "type": event.type or f"{flow}.{step}",
        "source": event.source or f"/flows/{flow}",
    }
    subject = event.subject if event.subject is not None else params.key
    if subject is not None:
        found["subject"] = encode(subject).decode()
    return found


def _value(value: Any) -> tuple[bytes | None, str | None]:
    """The bytes, and the content type when they are JSON."""
    if value is None:
        return None, None
    if isinstance(value, str):
        return value.encode(), None
    return _encode(value), JSON_TYPE
