"""`nats.publish` and `nats.request`."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from reactor.model import durations
from reactor.sdk import ActionContext, Effect, Retry, action
from reactor.sdk.payload import Format

_RETRY = Retry(max=4, delay=1_000, max_delay=30_000)

Header = str | int | float | bool


class SendParams(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """A message, and where it goes."""

    subject: str
    data: Any = None
    """Text goes as it is, nothing as an empty message, anything else as JSON."""
    format: Literal["auto", "json", "text", "base64"] = "auto"
    """`json`: text too becomes JSON. `text`: only text is taken. `base64`: the bytes that the text stands for."""
    headers: dict[str, Header] = {}
    """`Nats-Msg-Id` is the step's idempotency key where it is not given here."""
    connection: str | None = None
    """Name of a connection `{type: nats, servers}`."""
    timeout: str | int | float = "5s"
    """Of the server's answer."""

    def __post_init__(self) -> None:
        """Check what types cannot say."""
        if not self.subject or any(map(str.isspace, self.subject)) or {"*", ">"} & set(self.subject.split(".")):
            raise ValueError("subject: should be one subject, without blanks and wildcards")
        if not durations.parse(self.timeout):
            raise ValueError("timeout: more than nothing is needed")
        if self.format in {"text", "base64"} and not isinstance(self.data, str):
            raise ValueError(f"data: should be a text, for `format: {self.format}`")

    @property
    def seconds(self) -> float:
        """The timeout."""
        return durations.parse(self.timeout) / 1000


class PublishParams(SendParams, kw_only=True):
    """What `nats.publish` takes."""

    jetstream: bool = False
    """Whether a stream has to take it: the step waits until it is stored."""
    stream: str | None = None
    """The stream that has to take it; `jetstream` is implied."""


class RequestParams(SendParams, kw_only=True):
    """What `nats.request` takes."""

    reply_format: Format = "auto"
    """How the answer is read: `auto`, `json`, `text`, `binary` (base64)."""


@action("nats.publish", params=PublishParams, effect=Effect.WRITE, retry=_RETRY, timeout=60_000)
async def publish(ctx: ActionContext, params: PublishParams) -> dict[str, Any]:
    """Publish a message on a subject, or into a stream of JetStream.

    Output: `subject`; with `jetstream` or `stream` also `stream`, `seq` and `duplicate` (the stream had it already: a
    message that is sent again after a crash is stored once, within the stream's `duplicate_window`). Without a stream
    the server has it when the step ends, and nobody may have listened. Kinds of failure: `nats.connection`,
    `nats.timeout`, `nats.no_stream`, `nats.jetstream` (tried again), `nats.denied`, `nats.login`, `nats.refused`,
    `nats.too_large`, `nats.subject`, `nats.header`.
    """
    from reactor.connectors.nats import sending  # noqa: PLC0415 - keeps the import of connectors cheap

    return await sending.publish(ctx, params)


@action("nats.request", params=RequestParams, effect=Effect.WRITE, retry=_RETRY, timeout=60_000)
async def request(ctx: ActionContext, params: RequestParams) -> dict[str, Any]:
    """Ask a service on a subject, and wait for its answer.

    Output: `data` and `headers` of the answer. Kinds of failure: `nats.no_responders`, `nats.timeout`,
    `nats.connection` (tried again), `nats.answer` (it cannot be read), `nats.denied`, `nats.login`, `nats.too_large`,
    `nats.subject`, `nats.header`.
    """
    from reactor.connectors.nats import sending  # noqa: PLC0415 - keeps the import of connectors cheap

    return await sending.request(ctx, params)
