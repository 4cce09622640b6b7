"""Connections of type `kafka`: settings, and what clients are made with."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from reactor.sdk import ConnectionContext, ConnectionType
from reactor.sdk.drivers import needed
from reactor.sdk.tls import Tls, context

_PORTS = 65_535
_HOST = re.compile(r"[^\s\x00-\x20\[\]]+|\[[0-9A-Fa-f:.%]+\]")
"""A name or an address; one of IPv6 stands in brackets."""


class Sasl(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who we are, for brokers that ask."""

    user: str
    """Name of the user."""
    password: str
    """Its password: `{{ secrets.NAME }}`."""
    mechanism: Literal["plain", "scram-sha-256", "scram-sha-512"] = "plain"
    """How it is proved. `plain` shows the password to whoever listens, unless there is `tls`."""


class KafkaSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A cluster of Kafka."""

    servers: str | list[str]
    """One broker or more, `host:9092`, as a list or with commas between; the others are found through them."""
    tls: bool | Tls = False
    """Encrypted: true, or a map with the certificates."""
    sasl: Sasl | None = None
    """User and password."""
    client_id: str = "reactor"
    """The name under which the brokers' logs and quotas know us."""

    def __post_init__(self) -> None:
        """Check what types cannot say."""
        for server in self.addresses():
            if "@" in server or "://" in server:  # not shown: there may be a password in it
                raise ValueError("servers: write host:port alone; user and password belong into `sasl`")
            host, colon, port = server.rpartition(":")
            if not colon:
                host, port = server, "9092"
            if not _HOST.fullmatch(host) or not port.isascii() or not port.isdecimal() or not 0 < int(port) <= _PORTS:
                raise ValueError(f"servers: {server[:60]!r} is not host:port, such as kafka.example.org:9092")
        if not self.addresses():
            raise ValueError("servers: is empty; write host:port of a broker")

    def addresses(self) -> list[str]:
        """`servers` as a list."""
        texts = self.servers.split(",") if isinstance(self.servers, str) else self.servers
        return [text.strip() for text in texts if text.strip()]


def options(settings: KafkaSettings, operator: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments that every client of aiokafka takes. `operator`: what the operator set.

    Raises:
        PermanentError: kind `input`: a certificate cannot be read.
    """
    tls = settings.tls
    secure = context(Tls() if tls is True else tls, operator) if tls else None
    found: dict[str, Any] = {"client_id": settings.client_id, "ssl_context": secure}
    found["security_protocol"] = f"{'SASL_' if settings.sasl else ''}{'SSL' if tls else 'PLAINTEXT'}"
    if settings.sasl is not None:
        found["sasl_mechanism"] = settings.sasl.mechanism.upper()
        found["sasl_plain_username"] = settings.sasl.user
        found["sasl_plain_password"] = settings.sasl.password
    return found


async def _test(ctx: ConnectionContext, settings: KafkaSettings) -> str:
    cluster_of = driver().Cluster
    async with cluster_of(settings, ctx.settings) as cluster:
        brokers, topics = await cluster.overview()
    one = "s" if brokers != 1 else ""
    return f"Kafka, {brokers} broker{one}, {topics} topic{'s' if topics != 1 else ''} that we may see"


def driver() -> Any:
    """The module `cluster`, which needs aiokafka.

    Raises:
        PermanentError: kind `input`: it is not installed.
    """
    with needed("kafka"):
        from reactor.connectors.kafka import cluster  # noqa: PLC0415 - aiokafka is heavy
    return cluster


KAFKA = ConnectionType(
    name="kafka",
    settings=KafkaSettings,
    test=_test,
    secret=("sasl.password", "tls.key"),
    doc="A cluster of Apache Kafka, or of what speaks its protocol.",
)
