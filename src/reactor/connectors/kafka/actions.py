"""`kafka.publish`: parameters, and the message that they mean."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec

from reactor.connectors.kafka.config import NAME
from reactor.connectors.kafka.connection import KAFKA, driver
from reactor.model.clock import from_iso
from reactor.sdk import ActionContext, Effect, PermanentError, Retry, action

Scalar = str | int | float | bool


class CloudEvent(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a CloudEvent says of itself."""

    type: str | None = None
    """Default `FLOW.STEP`."""
    source: str | None = None
    """Default `/flows/FLOW`."""
    subject: str | None = None
    """Default the key, when there is one."""
    id: str | None = None
    """Default the step's idempotency key, so that a message that is sent again after a crash can be recognised."""
    mode: Literal["binary", "structured"] = "binary"
    """`binary`: attributes in `ce_` headers, the value is the data. `structured`: all of it is one JSON map."""


class PublishParams(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One message."""

    topic: str
    """Where to. Whether a topic that is not there is made, the brokers decide (`auto.create.topics.enable`)."""
    value: Any
    """Text is sent as it is, anything else as JSON; null is a tombstone, which needs a `key`."""
    key: Scalar | None = None
    """Messages with the same key go to the same partition, and a compacted topic keeps the last of them."""
    headers: dict[str, Scalar | None] = {}
    """Headers of the message. `idempotency-key` is set by Reactor, and `content-type` where the value is JSON."""
    partition: Annotated[int, msgspec.Meta(ge=0)] | None = None
    """To this partition, in place of the one that follows from the key."""
    timestamp: str | int | None = None
    """When it happened: a time such as `2026-01-01T00:00:00Z`, or milliseconds since 1970; default now."""
    cloudevents: bool | CloudEvent = False
    """Send it as a CloudEvent: true, or a map with its attributes."""
    connection: str | None = None
    """Name of a connection of type `kafka`."""

    def __post_init__(self) -> None:
        """Check what types cannot say."""
        if not NAME.fullmatch(self.topic):
            raise ValueError(
                f"topic: {self.topic[:60]!r} cannot be one; names are of letters, digits, `.`, `_` and `-`"
            )
        if self.value is None and self.key is None:
            raise ValueError("a value of null is a tombstone: say the `key` of what is to be forgotten")
        if isinstance(self.timestamp, str):
            from_iso(self.timestamp)


@action(
    "kafka.publish",
    params=PublishParams,
    effect=Effect.WRITE,
    retry=Retry(max=5, delay=1_000, max_delay=60_000),
    timeout=60_000,
)
async def publish(ctx: ActionContext, params: PublishParams) -> dict[str, Any]:
    """Write a message to a Kafka topic; it is done when all replicas that are in sync have it.

    Output: `topic`, `partition`, `offset` and `timestamp` of the message. The step's idempotency key goes along in the
    header `idempotency-key`. Kinds of failure: `kafka.connection`, `kafka.timeout` and `kafka.refused` are tried again;
    `kafka.credentials`, `kafka.rights`, `kafka.topic`, `kafka.too_large` and `input` are not.
    """
    driver()
    from reactor.connectors.kafka import publishing  # noqa: PLC0415 - aiokafka is heavy

    settings = ctx.connection(params.connection, KAFKA).settings
    return await publishing.send(ctx, settings, params)


def instant(params: PublishParams) -> int | None:
    """`timestamp` in milliseconds since 1970.

    Raises:
        PermanentError: kind `input`: it is before 1970.
    """
    given = from_iso(params.timestamp) if isinstance(params.timestamp, str) else params.timestamp
    if given is not None and given < 0:
        raise PermanentError("input", "timestamp: Kafka knows no times before 1970")
    return given
