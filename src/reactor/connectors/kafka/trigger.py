"""The trigger `kafka`.

Each message is an event; its offset is committed after the event is. The next offset of each partition is saved in the
same commit as the events, so that after a crash in between nothing comes twice; with it the id of the topic, so that a
topic that was deleted and made anew is noticed.
"""

from __future__ import annotations

from typing import ClassVar

import msgspec

from reactor.connectors.kafka.config import KafkaConfig
from reactor.connectors.kafka.connection import driver
from reactor.sdk import DeadLetter, EventDraft, TriggerContext


class KafkaTrigger:
    """Reads topics as a member of a consumer group."""

    kind: ClassVar[str] = "kafka"
    config: ClassVar[type[msgspec.Struct]] = KafkaConfig
    short: ClassVar[str | None] = "topics"
    doc: ClassVar[str] = "An event for each message of Kafka topics, or one for many of them."
    default_type: ClassVar[str] = "kafka.message"

    def check(self, config: KafkaConfig) -> list[str]:
        return config.problems()

    def redo(self, config: KafkaConfig, letter: DeadLetter) -> EventDraft:
        """Read a message again that could not be read.

        Raises:
            MalformedError: it still cannot be.
        """
        from reactor.connectors.kafka import message  # noqa: PLC0415 - paid by flows that use it

        return message.again(letter, config.format)

    async def run(self, ctx: TriggerContext) -> None:
        driver()
        from reactor.connectors.kafka.reading import Reading  # noqa: PLC0415 - aiokafka is heavy

        await Reading(ctx).run()
