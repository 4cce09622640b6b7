"""The trigger `email`: what comes into a folder of a mailbox.

The position (UIDVALIDITY and the last UID) is saved in the same commit as the events, so nothing is lost or told twice
over restarts. What is to be marked is saved with it, and marked after the commit; when the process dies in between, it
is done at the next start.
"""

from __future__ import annotations

from typing import ClassVar

import msgspec

from reactor.connectors.email.config import EmailConfig
from reactor.sdk import DeadLetter, EventDraft, TriggerContext
from reactor.sdk.drivers import needed


class EmailTrigger:
    """Tells which messages come into a folder."""

    kind: ClassVar[str] = "email"
    config: ClassVar[type[msgspec.Struct]] = EmailConfig
    short: ClassVar[str | None] = "folder"
    doc: ClassVar[str] = "An event for each message that comes into a folder of a mailbox (IMAP), once."
    default_type: ClassVar[str] = "email.received"

    def check(self, config: EmailConfig) -> list[str]:
        return config.problems()

    async def run(self, ctx: TriggerContext) -> None:
        with needed("imap"):
            from reactor.connectors.email.watching import Watching  # noqa: PLC0415 - paid by flows that read email
        await Watching(ctx).run()

    def redo(self, config: EmailConfig, letter: DeadLetter) -> EventDraft:
        """Read a message again that was a dead letter."""
        from reactor.connectors.email import reading  # noqa: PLC0415

        return reading.again(config, letter)
