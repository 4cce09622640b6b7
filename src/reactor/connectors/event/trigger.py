"""Listening for an event type. The router does the matching, so the listener itself has nothing to do."""

from __future__ import annotations

from typing import Any, ClassVar

import msgspec

from reactor.model.event import wrong_pattern
from reactor.sdk import TriggerContext


class EventConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`on: {event: order.*}`."""

    event: str
    """The type that is wanted; `*` stands for one segment, `**` for any number of them."""
    source: str | None = None
    """Only events from this source; `*` stands for any characters."""


class EventTrigger:
    """A flow that starts on events of a type."""

    kind: ClassVar[str] = "event"
    config: ClassVar[type[msgspec.Struct]] = EventConfig
    short: ClassVar[str | None] = "event"
    doc: ClassVar[str] = (
        "Events of a type, from any door. `event: order.*` takes `order.created` (`*` is one segment between dots), "
        "`event: order.**` takes `order.created.eu` too (`**` is any number). `source:` narrows it by who told."
    )
    default_type: ClassVar[str] = ""
    """None of its own: the events keep the type they came with."""
    passive: ClassVar[bool] = True

    def check(self, config: Any) -> list[str]:
        """What is wrong with the pattern and the source."""
        wrong = wrong_pattern(config.event)
        problems = [f"event: {wrong}"] if wrong else []
        if config.source is not None and not config.source.strip():
            problems.append("source: is empty; leave it out to take events from everywhere")
        return problems

    async def run(self, ctx: TriggerContext) -> None:
        """Armed at once and until cancelled."""
        import asyncio  # noqa: PLC0415 - keeps the import of connectors cheap

        ctx.armed()
        await asyncio.Event().wait()
