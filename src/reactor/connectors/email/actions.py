"""`email.send`: parameters, and the way of a message from them to the server."""

from __future__ import annotations

import re
from typing import Any, Literal

import msgspec

from reactor.model import durations
from reactor.sdk import ActionContext, Effect, Retry, action

Scalar = str | int | float | bool
Tls = Literal["auto", "starttls", "implicit", "none"]
_HEADER = re.compile(r"[!-9;-~]{1,76}")
_OWN_HEADERS = {
    *("from", "sender", "to", "cc", "bcc", "subject", "reply-to", "date", "message-id", "return-path"),
    *("mime-version", "content-type", "content-transfer-encoding", "content-disposition", "content-id"),
}


class Smtp(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A server, written out."""

    host: str
    port: int | None = None
    """465 with `tls: implicit`, else 587 with a user and 25 without."""
    user: str | None = None
    password: str | None = None
    tls: Tls = "auto"
    """`starttls` and `implicit` are insisted on; `auto` encrypts when the server can, and always before a password."""
    ca: str | None = None
    """PEM text of the authority that signed the server's certificate, when it is not a public one."""

    def __post_init__(self) -> None:
        """Check what types cannot say."""
        if not self.host or any(character.isspace() or character == "\0" for character in self.host):
            raise ValueError("host: is empty or has blanks in it")


class Attachment(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A file of the message: one of `path`, `content` (text) and `base64`."""

    path: str | None = None
    content: str | None = None
    base64: str | None = None
    name: str | None = None
    """File name that the reader sees; needed without `path`."""
    type: str | None = None
    """Media type; guessed from the name."""

    def __post_init__(self) -> None:
        """Check what types cannot say."""
        if sum(part is not None for part in (self.path, self.content, self.base64)) != 1:
            raise ValueError("an attachment has exactly one of `path`, `content` and `base64`")
        if self.path is None and not self.name:
            raise ValueError("an attachment without `path` needs a `name`")


class SendParams(msgspec.Struct, forbid_unknown_fields=True):
    """One message, and the server that takes it."""

    to: str | list[str] = []
    cc: str | list[str] = []
    bcc: str | list[str] = []
    from_: str = msgspec.field(default="", name="from")
    """The sender; without it the connection's `from`."""
    reply_to: str | list[str] = []
    subject: Scalar = ""
    text: Scalar | None = None
    html: Scalar | None = None
    """With `text` too, readers choose which one they show."""
    attachments: list[Attachment] = []
    headers: dict[str, Scalar] = {}
    connection: str | None = None
    """Name of a connection of type `smtp`; without it, and without `smtp`, the one that is called so or the only
    one."""
    smtp: Smtp | None = None
    """The server written out, in place of `connection`."""
    timeout: str | int | float = "30s"
    """Of each exchange with the server."""

    def __post_init__(self) -> None:
        """Check what types cannot say."""
        if not (self.to or self.cc or self.bcc):
            raise ValueError("nobody to send to: give `to`, `cc` or `bcc`")
        if self.connection is not None and self.smtp is not None:
            raise ValueError("give either `connection` (its name) or `smtp: {host: …}`")
        for name in self.headers:
            if not _HEADER.fullmatch(name):
                raise ValueError(f"headers: {name!r} is not the name of a header")
            if name.lower() in _OWN_HEADERS:
                raise ValueError(f"headers: {name} is set by Reactor; use the parameter for it")
        durations.parse(self.timeout)


@action(
    "email.send",
    params=SendParams,
    effect=Effect.WRITE,
    retry=Retry(max=4, delay=5_000, max_delay=300_000),
    timeout=120_000,
)
async def send(ctx: ActionContext, params: SendParams) -> dict[str, Any]:
    """Send an email over SMTP.

    Output: `message_id`, `accepted` (addresses) and `rejected` (`{address, code, message}` of each that the server
    refused while it took others). The message id follows from the step's idempotency key, so a message that is sent
    again after a crash can be recognised. Kinds of failure: `email.refused` (5xx; not tried again), `email.temporary`
    (4xx), `connection`, `timeout`, and `input` for addresses, headers and attachments that cannot be.
    """
    import asyncio  # noqa: PLC0415 - keeps the import of connectors cheap

    from reactor.connectors.email import message, transport  # noqa: PLC0415

    server = transport.server_of(ctx, params)
    letter = await asyncio.to_thread(message.build, ctx, params, server.sender)
    rejected = await transport.deliver(server, letter, durations.parse(params.timeout) / 1000)
    refused = {entry["address"] for entry in rejected}
    return {
        "message_id": letter.id,
        "accepted": [address for address in letter.recipients if address not in refused],
        "rejected": rejected,
    }
