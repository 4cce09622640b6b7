"""Subjects of NATS, and streams of JetStream."""

from reactor.connectors.nats.actions import publish, request
from reactor.connectors.nats.settings import NATS
from reactor.connectors.nats.trigger import NatsTrigger
from reactor.sdk import Connector


async def _close() -> None:
    from reactor.connectors.nats.link import LINKS  # noqa: PLC0415 - keeps the import of connectors cheap

    await LINKS.close()


connector = Connector(
    name="nats",
    doc="Listens to subjects of NATS and streams of JetStream, publishes, and asks services.",
    actions=(publish, request),
    triggers=(NatsTrigger(),),
    connections=(NATS,),
    types={"nats.message": "A message came on a subject, or is in a stream."},
    close=_close,
)
