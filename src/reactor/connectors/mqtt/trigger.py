"""The trigger `mqtt`.

Each has a client of its own: the broker keeps its session (what is subscribed, which messages are not acknowledged), so
that is where its position is. A message is acknowledged after its event and the runs are committed.
"""

from __future__ import annotations

from typing import ClassVar

import msgspec

from reactor.connectors.mqtt.config import MqttConfig
from reactor.sdk import DeadLetter, EventDraft, TriggerContext


class MqttTrigger:
    """Tells each message of topics."""

    kind: ClassVar[str] = "mqtt"
    config: ClassVar[type[msgspec.Struct]] = MqttConfig
    short: ClassVar[str | None] = "topic"
    doc: ClassVar[str] = "An event for each message of an MQTT topic, acknowledged after it is committed."
    default_type: ClassVar[str] = "mqtt.message"

    def check(self, config: MqttConfig) -> list[str]:
        return config.problems()

    def redo(self, config: MqttConfig, letter: DeadLetter) -> EventDraft:
        """Read a dead letter again."""
        from reactor.connectors.mqtt.message import drafted  # noqa: PLC0415

        return drafted(config, letter.payload, dict(letter.metadata), letter.subject or "")

    async def run(self, ctx: TriggerContext) -> None:
        from reactor.connectors.mqtt.listening import Listening  # noqa: PLC0415 - paid by flows that listen

        await Listening(ctx).run()
