"""The connection type `mqtt`: where the broker is and who we are there."""

from __future__ import annotations

from typing import Literal
from urllib.parse import unquote, urlsplit

import msgspec

from reactor.model import durations
from reactor.sdk import ConnectionContext, ConnectionType
from reactor.sdk.sharing import Reach
from reactor.sdk.tls import Tls

PORTS = {"mqtt": 1883, "mqtts": 8883, "ws": 80, "wss": 443}
_LONGEST = 65_535_000
"""Milliseconds that `keepalive` can say."""


class Mqtt(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What may stand in a connection of type `mqtt`."""

    url: str
    """`mqtt://HOST:1883`, `mqtts://HOST:8883` (TLS), `ws://HOST/PATH` or `wss://HOST/PATH` (through a web server)."""
    user: str | None = None
    """Who we are; it may stand in the url, too."""
    password: str | None = None
    """Its password."""
    tls: Tls | None = None
    """Whom to trust and what to show, for `mqtts` and `wss`."""
    version: Literal[5, "5", "3.1.1"] = 5
    """The version of the protocol that is spoken. There is no falling back to another."""
    keepalive: str | int | float = "30s"
    """The broker takes us for dead when it has heard nothing for one and a half times this. We ask it every few
    seconds in any case."""

    def __post_init__(self) -> None:
        """Check what types cannot say."""
        parts = urlsplit(self.url)
        if parts.scheme not in PORTS or not parts.hostname:
            raise ValueError("url: write mqtt://HOST:PORT, mqtts://HOST:PORT, ws://HOST:PORT/PATH or wss://…")
        if parts.path.strip("/") and parts.scheme in {"mqtt", "mqtts"}:
            raise ValueError("url: a path belongs to ws:// and wss:// only")
        try:
            _ = parts.port
        except ValueError:  # of urllib
            raise ValueError("url: its port should be a number from 1 to 65535") from None
        if self.tls is not None and parts.scheme not in {"mqtts", "wss"}:
            raise ValueError("tls: is for urls that begin with mqtts:// or wss://")
        if self.password is not None and self.user is None and not parts.username:
            raise ValueError("password: needs a `user`")
        if not 1_000 <= durations.parse(self.keepalive) <= _LONGEST:
            raise ValueError("keepalive: has to be from 1s to 18h")

    @property
    def five(self) -> bool:
        """Whether MQTT 5 is spoken."""
        return self.version != "3.1.1"

    @property
    def keepalive_seconds(self) -> int:
        """`keepalive` as the protocol has it."""
        return durations.parse(self.keepalive) // 1000

    @property
    def place(self) -> tuple[str, str, int, str]:
        """Scheme, host, port and path."""
        parts = urlsplit(self.url)
        return parts.scheme, parts.hostname or "", parts.port or PORTS[parts.scheme], parts.path or "/mqtt"

    @property
    def address(self) -> str:
        """`HOST:PORT`, for messages."""
        return f"{self.place[1]}:{self.place[2]}"

    @property
    def credentials(self) -> tuple[str | None, str | None]:
        """User and password."""
        parts = urlsplit(self.url)
        user = self.user if self.user is not None else unquote(parts.username or "") or None
        password = self.password if self.password is not None else unquote(parts.password or "") or None
        return user, password


async def _test(ctx: ConnectionContext, settings: Mqtt) -> str:
    from reactor.connectors.mqtt.driver import link_of  # noqa: PLC0415 - the driver is paid by those who use it

    link = link_of(Reach.of(settings, ctx.settings))
    try:
        await link.open()
        return link.found()
    finally:
        await link.close()


MQTT = ConnectionType(
    name="mqtt",
    settings=Mqtt,
    test=_test,
    secret=("password", "tls.key"),
    doc="A broker of MQTT 5 or 3.1.1: Mosquitto, EMQX, HiveMQ, VerneMQ, RabbitMQ, AWS IoT …",
)
