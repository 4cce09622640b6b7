"""Topics of Apache Kafka."""

from reactor.connectors.kafka.actions import publish
from reactor.connectors.kafka.connection import KAFKA
from reactor.connectors.kafka.trigger import KafkaTrigger
from reactor.sdk import Connector


async def _close() -> None:
    from reactor.connectors.kafka import publishing  # noqa: PLC0415 - with aiokafka

    await publishing.close()


connector = Connector(
    name="kafka",
    doc="Topics of Apache Kafka.",
    triggers=(KafkaTrigger(),),
    actions=(publish,),
    connections=(KAFKA,),
    types={"kafka.message": "A message of a topic, or many of one topic with `batch`."},
    close=_close,
)
