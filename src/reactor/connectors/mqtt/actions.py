"""`mqtt.publish`."""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from reactor.connectors.mqtt.connection import MQTT, Mqtt
from reactor.connectors.mqtt.driver import link_of
from reactor.model import durations
from reactor.sdk import ActionContext, Effect, PermanentError, Retry, action
from reactor.sdk.payload import encode
from reactor.sdk.sharing import Reach, Shared

if TYPE_CHECKING:
    from paho.mqtt.properties import Properties

    from reactor.connectors.mqtt.link import Link

IDEMPOTENCY = "idempotency-key"
"""Name of the user property with the step's key."""
_encode = msgspec.json.Encoder().encode


class PublishParams(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A message."""

    topic: str
    """Where to; without `+` and `#`."""
    value: Any = msgspec.UNSET
    """The content, sent as JSON."""
    payload: str | int | float | bool | None = None
    """The content as text, sent as it is; in place of `value`. With neither it is empty (which with `retain` takes the
    broker's last value away)."""
    base64: str | None = None
    """The content as bytes in base64, in place of `value`."""
    qos: Literal[0, 1, 2] = 1
    """0 sends it and hopes; at 1 and 2 the step ends when the broker has taken the message."""
    retain: bool = False
    """Whether the broker keeps it as the topic's last value."""
    content_type: str | None = None
    """What the content is (MQTT 5); with `value` it is `application/json` by itself."""
    response_topic: str | None = None
    """Where an answer is expected (MQTT 5)."""
    correlation_data: str | None = None
    """What an answer has to bring back (MQTT 5): text, or `base64:…` as events have it."""
    expiry: str | int | float | None = None
    """How long the broker may keep it for those who are away (MQTT 5)."""
    properties: dict[str, str | int | float | bool] = {}
    """User properties (MQTT 5)."""
    connection: str | None = None
    """Name of a connection of type `mqtt`."""

    def __post_init__(self) -> None:
        """Check what types cannot say."""
        if sum((self.value is not msgspec.UNSET, self.payload is not None, self.base64 is not None)) > 1:
            raise ValueError("give one of `value`, `payload` and `base64`")
        if self.expiry is not None:
            durations.parse(self.expiry)

    def content(self) -> bytes:
        """What is sent.

        Raises:
            PermanentError: kind `input`.
        """
        if self.value is not msgspec.UNSET:
            return _encode(self.value)
        if self.base64 is not None:
            try:
                return base64.b64decode(self.base64, validate=True)
            except (binascii.Error, ValueError) as error:
                raise PermanentError("input", "`base64` is not base64 (RFC 4648 §4)") from error
        if self.payload is None:
            return b""
        return encode(self.payload)


async def _opened(reach: Reach[Mqtt]) -> Link:
    link = link_of(reach)
    try:
        await link.open()
    except BaseException:
        await link.close()
        raise
    return link


async def _closed(link: Link) -> None:
    await link.close()


links: Shared[Any] = Shared(_opened, _closed, usable=lambda link: link.alive)
"""Publishers with the same connection share a client."""


@action("mqtt.publish", params=PublishParams, effect=Effect.WRITE, retry=Retry(max=5, delay=1_000, max_delay=60_000),
        timeout=30_000)  # fmt: skip
async def publish(ctx: ActionContext, params: PublishParams) -> dict[str, Any]:
    """Publish a message to an MQTT topic.

    Output: `topic`, `qos`, `size` (bytes) and `matched` (false: the broker says that nobody is subscribed; null: it
    does not say). With MQTT 5 the step's idempotency key goes along as the user property `idempotency-key`: a step that
    is done again after a crash publishes again. Kinds of failure: `mqtt.connection`, `mqtt.timeout`, `mqtt.auth`,
    `mqtt.refused`, `mqtt.too_large`, `mqtt.tls`, and `input`.
    """
    reach = Reach.of(ctx.connection(params.connection, MQTT).settings, ctx.settings)
    content = params.content()
    properties = _properties(ctx, params) if reach.settings.five else None
    async with links.use(reach) as link:
        matched = await link.publish(params.topic, content, qos=params.qos, retain=params.retain, properties=properties)
    return {"topic": params.topic, "qos": params.qos, "size": len(content), "matched": matched}


def _properties(ctx: ActionContext, params: PublishParams) -> Properties:
    from paho.mqtt.packettypes import PacketTypes  # noqa: PLC0415 - loaded with the client

    from reactor.connectors.mqtt.message import packed  # noqa: PLC0415
    from reactor.connectors.mqtt.paho import properties  # noqa: PLC0415

    made = properties(PacketTypes.PUBLISH)
    kind = params.content_type or ("application/json" if params.value is not msgspec.UNSET else None)
    if kind:
        made.ContentType = kind
    if params.response_topic:
        made.ResponseTopic = params.response_topic
    if params.correlation_data is not None:
        try:
            made.CorrelationData = packed(params.correlation_data)
        except ValueError as error:
            raise PermanentError("input", "`correlation_data` after `base64:` is not base64") from error
    if params.expiry is not None:
        made.MessageExpiryInterval = max(1, durations.parse(params.expiry) // 1000)
    user = {
        **ctx.trace,
        **{name: encode(value).decode() for name, value in params.properties.items()},
        IDEMPOTENCY: ctx.idempotency_key,
    }
    made.UserProperty = list(user.items())
    return made
