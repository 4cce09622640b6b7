"""The connection type `nats`: where the servers are, and who we are there."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import msgspec

from reactor.sdk import ConnectionContext, ConnectionType
from reactor.sdk.tls import Tls

_SCHEMES = ("nats", "tls")
_PORT = 4222


class NatsSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Servers, and who we are there."""

    servers: str | list[str]
    """`host:port`, or several (a list, or separated by commas): they are tried in this order. The port is 4222 unless
    it is given."""
    user: str | None = None
    password: str | None = None
    token: str | None = None
    """In place of user and password."""
    nkey: str | None = None
    """The seed of an NKey (`SU…`)."""
    creds: str | None = None
    """The text of a `.creds` file: a user's JWT and the seed of its NKey."""
    tls: Tls | None = None
    """Insist on TLS, and how. Without it TLS is spoken where the server wants it, with the system's authorities."""
    name: str = "reactor"
    """What the server's list of connections shows."""
    inbox_prefix: str = "_INBOX"
    """Begin of the subjects on which answers come, where the account's permissions name one."""

    def __post_init__(self) -> None:
        """Check what types cannot say."""
        if not self.addresses:
            raise ValueError("servers: is empty; write host:port")
        if (self.user is None) != (self.password is None):
            raise ValueError("`user` and `password` go together")
        if sum(one is not None for one in (self.user, self.token, self.nkey, self.creds)) > 1:
            raise ValueError("give one of `user` with `password`, `token`, `nkey` and `creds`")
        if not self.inbox_prefix or any(character in self.inbox_prefix for character in " *>\t\r\n"):
            raise ValueError("inbox_prefix: should be a subject without wildcards, such as _INBOX_orders")

    @property
    def addresses(self) -> list[str]:
        """The servers as URLs."""
        listed = self.servers.split(",") if isinstance(self.servers, str) else self.servers
        return [_url(one.strip()) for one in listed if one.strip()]


def _url(server: str) -> str:
    text = server if "://" in server else f"nats://{server}"
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        raise ValueError("servers: one of them is no address; write host:port") from None
    if parts.username is not None:
        raise ValueError("servers: holds a user or a token; write them as `user` and `password`, or as `token`")
    if parts.scheme not in _SCHEMES or not parts.hostname:
        raise ValueError("servers: one of them is no address; write host:port")
    return text if port is not None else f"{text.rstrip('/:')}:{_PORT}"


async def _test(ctx: ConnectionContext, settings: Any) -> str:
    from reactor.connectors.nats import link  # noqa: PLC0415 - keeps the import of connectors cheap

    return await link.describe(settings, ctx.settings)


NATS = ConnectionType(
    name="nats",
    settings=NatsSettings,
    test=_test,
    secret=("password", "token", "nkey", "creds", "tls.key"),
    doc="Servers of NATS.",
)
