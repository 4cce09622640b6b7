"""Messages of MQTT as events."""

from __future__ import annotations

import base64
import hashlib
from typing import Any

import msgspec

from reactor.connectors.mqtt.config import MqttConfig
from reactor.sdk import JSON, DeadLetter, EventDraft, cloudevents
from reactor.sdk.content import MalformedError
from reactor.sdk.payload import decode

KIND = "mqtt.message"
PACKED = "base64:"
"""Before correlation data that is no text."""
_NAMED = {
    "ContentType": "content_type",
    "ResponseTopic": "response_topic",
    "MessageExpiryInterval": "message_expiry",
    "PayloadFormatIndicator": "payload_format",
}


class Message(msgspec.Struct, kw_only=True):
    """A message as it came."""

    mid: int
    """The packet id; 0 at QoS 0."""
    topic: bytes
    payload: bytes
    qos: int
    retain: bool = False
    dup: bool = False
    properties: Any = None
    """Paho's, of MQTT 5."""
    fresh: bool = False
    """When the broker chose its packet id, all earlier ones were free again."""

    @property
    def name(self) -> str:
        """The topic as text; brokers refuse those that are not UTF-8."""
        return self.topic.decode("utf-8", "replace")


def digest(message: Message) -> str:
    """What a message is recognised by, beside its packet id."""
    made = hashlib.blake2b(message.topic, digest_size=6)
    made.update(b"\0")
    made.update(message.payload)
    return made.hexdigest()


def item(config: MqttConfig, message: Message) -> EventDraft | DeadLetter:
    """The event, or the letter that says why it cannot be one."""
    topic, payload = message.name, message.payload
    metadata: dict[str, JSON] = {"topic": topic, "qos": message.qos, "retain": message.retain}
    if message.dup:
        metadata["dup"] = True
    if message.properties is not None and (found := _properties(message.properties)):
        metadata["properties"] = found
    try:
        made = drafted(config, payload, metadata, topic)
    except MalformedError as problem:
        return DeadLetter(reason=problem.message, payload=payload, metadata=metadata, subject=topic)
    if message.retain and config.retained == "new" and made.id is None:
        return msgspec.structs.replace(made, id=f"retained:{digest(message)}")
    return made


def drafted(config: MqttConfig, payload: bytes, metadata: dict[str, JSON], topic: str) -> EventDraft:
    """The event of a message; a CloudEvent where the message says that it is one.

    Source: https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/mqtt-protocol-binding.md (§3).

    Raises:
        MalformedError: it cannot be read.
    """
    properties = metadata.get("properties") or {}
    content_type = str(properties.get("content_type") or "")
    if config.format == "auto":
        if content_type.partition(";")[0].strip().lower() == cloudevents.STRUCTURED:
            return cloudevents.structured(payload, metadata)
        user = properties.get("user") or {}
        if "specversion" in user:
            return cloudevents.of_attributes(_attributes(user), payload, content_type, metadata)
    content = decode(payload, content_type or None, form=config.format)
    if content.encoding:
        metadata = {**metadata, "encoding": content.encoding}
    return EventDraft(type=KIND, data=content.data, raw=content.raw, subject=topic, metadata=metadata)


def _attributes(user: dict[str, Any]) -> dict[str, Any]:
    for name, value in user.items():
        if not isinstance(value, str):
            raise MalformedError(400, f"the attribute {name!r} of the CloudEvent is there twice")
    return dict(user)


def _properties(given: Any) -> dict[str, JSON]:
    """Those of MQTT 5 that tell of the message."""
    found: dict[str, JSON] = {}
    for theirs, ours in _NAMED.items():
        if (value := getattr(given, theirs, None)) is not None:
            found[ours] = value
    if (correlation := getattr(given, "CorrelationData", None)) is not None:
        found["correlation_data"] = unpacked(bytes(correlation))
    user: dict[str, JSON] = {}
    for name, value in getattr(given, "UserProperty", None) or ():
        if name not in user:
            user[name] = value
        elif isinstance(user[name], list):
            user[name].append(value)
        else:
            user[name] = [user[name], value]
    if user:
        found["user"] = user
    return found


def unpacked(data: bytes) -> str:
    """Correlation data as text: as it is, or in base64 and marked so."""
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return PACKED + base64.b64encode(data).decode()
    return text if not text.startswith(PACKED) else PACKED + base64.b64encode(data).decode()


def packed(text: str) -> bytes:
    """The opposite.

    Raises:
        ValueError: what is marked as base64 is not that.
    """
    return base64.b64decode(text[len(PACKED) :], validate=True) if text.startswith(PACKED) else text.encode()
