"""The trigger `nats`: messages on subjects, and messages of streams.

Subjects give each message at most once: NATS keeps none for who is not there. Streams lose nothing: a message is
acknowledged when its event is committed, and what has been taken is saved in the same commit.
"""

from __future__ import annotations

from typing import ClassVar

import msgspec

from reactor.connectors.nats.config import NatsConfig, problems
from reactor.sdk import DeadLetter, EventDraft, TriggerContext
from reactor.sdk.sharing import Reach


class NatsTrigger:
    """Tells of messages on a subject, or in a stream of JetStream."""

    kind: ClassVar[str] = "nats"
    config: ClassVar[type[msgspec.Struct]] = NatsConfig
    short: ClassVar[str | None] = "subject"
    doc: ClassVar[str] = (
        "An event for each message on a subject (at most once), or in a stream of JetStream (exactly one run each)."
    )
    default_type: ClassVar[str] = "nats.message"

    def check(self, config: NatsConfig) -> list[str]:
        return problems(config)

    def redo(self, config: NatsConfig, letter: DeadLetter) -> EventDraft:
        from reactor.connectors.nats import message  # noqa: PLC0415 - keeps the import of connectors cheap

        return message.event(letter.payload, dict(letter.metadata), config.format)

    async def run(self, ctx: TriggerContext) -> None:
        from reactor.connectors.nats.link import LINKS  # noqa: PLC0415 - keeps the import of connectors cheap
        from reactor.connectors.nats.settings import NATS  # noqa: PLC0415
        from reactor.connectors.nats.stream import Streaming  # noqa: PLC0415
        from reactor.connectors.nats.subject import Listening  # noqa: PLC0415

        settings = ctx.connection(ctx.config.connection, NATS).settings
        async with LINKS.use(Reach.of(settings, ctx.settings)) as link:
            kind = Listening if ctx.config.stream is None else Streaming
            await kind(ctx, link).run()
