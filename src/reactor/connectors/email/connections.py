"""The kinds of connections to mail servers: `smtp` to send, `imap` to read."""

from __future__ import annotations

import msgspec

from reactor.model import durations
from reactor.sdk import ConnectionContext, ConnectionType
from reactor.sdk.drivers import needed
from reactor.sdk.tls import Tls as TlsSettings


class SmtpSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A server that takes messages, and who sends them."""

    url: str
    """`smtp://user:password@host:port` encrypts when the server can (`?tls=starttls` insists, `?tls=none` never);
    `smtps://…` from the start. In user and password write `%40` for `@`."""
    user: str | None = None
    """In place of the one in `url`."""
    password: str | None = None
    """In place of the one in `url`."""
    from_: str | None = msgspec.field(default=None, name="from")
    """The sender of messages that name none."""
    ca: str | None = None
    """PEM text of the authority that signed the server's certificate, when it is not a public one."""


class ImapSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A mailbox."""

    url: str
    """`imaps://user:password@host:port` (TLS from the start, port 993) or `imap://…` (port 143). In user and password
    write `%40` for `@`."""
    user: str | None = None
    """In place of the one in `url`."""
    password: str | None = None
    """In place of the one in `url`."""
    token: str | None = None
    """An OAuth 2.0 access token in place of a password (XOAUTH2)."""
    tls: TlsSettings = msgspec.field(default_factory=TlsSettings)
    """How the server proves who it is."""
    starttls: bool = True
    """With `imap://`: encryption is insisted on; false never encrypts, and sends the password in the clear."""
    timeout: str | int | float = "8s"
    """How long the server may be silent while it owes an answer; then it counts as lost."""

    def __post_init__(self) -> None:
        """Check what types cannot say."""
        if not 0 < durations.parse(self.timeout) <= 600_000:
            raise ValueError("timeout: more than 0 and at most 10m")


async def _test_smtp(ctx: ConnectionContext, settings: SmtpSettings) -> str:
    from reactor.connectors.email import transport  # noqa: PLC0415 - keeps the import of connectors cheap

    return await transport.greet(transport.from_settings(ctx.name, settings))


async def _test_imap(ctx: ConnectionContext, settings: ImapSettings) -> str:
    with needed("imap"):
        from reactor.connectors.email import mailbox  # noqa: PLC0415
    return await mailbox.test(ctx, settings)


SMTP = ConnectionType(
    name="smtp", settings=SmtpSettings, test=_test_smtp, secret=("password",), doc="A server that sends email."
)
IMAP = ConnectionType(
    name="imap",
    settings=ImapSettings,
    test=_test_imap,
    secret=("password", "token", "tls.key"),
    doc="A mailbox that is read over IMAP.",
)
