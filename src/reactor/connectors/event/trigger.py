"""Listening for an event type. The router does the matching, so the listener itself has nothing to do."""

from __future__ import annotations

import re
from typing import Any, ClassVar

import msgspec

from reactor.sdk import TriggerContext

_SEGMENT = re.compile(r"[\w-]+")
_WILD = ("*", "**")
LONGEST = 255


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
        problems = check_pattern(config.event)
        if config.source is not None and not config.source.strip():
            problems.append("source: is empty; leave it out to take events from everywhere")
        return problems

    async def run(self, ctx: TriggerContext) -> None:
        """Armed at once and until cancelled."""
        import asyncio  # noqa: PLC0415 - keeps the import of connectors cheap

        ctx.armed()
        await asyncio.Event().wait()


def check_pattern(pattern: str) -> list[str]:
    """Problems of an event type pattern; none when it is one."""
    if not pattern:
        return ["event: is empty; write a type such as order.created, or `**` for every event"]
    if len(pattern) > LONGEST:
        return [f"event: a type has at most {LONGEST} characters, this has {len(pattern)}"]
    return [problem for segment in pattern.split(".") if (problem := _check_segment(segment, pattern))]


def _check_segment(segment: str, pattern: str) -> str | None:
    if segment in _WILD or _SEGMENT.fullmatch(segment):
        return None
    if not segment:
        return f"event: {pattern!r} has nothing between two dots, or a dot at an end; write order.created"
    if "*" in segment:
        return f"event: in {pattern!r} `*` stands for a whole segment; write order.* instead of {segment!r}"
    return f"event: {segment!r} in {pattern!r} has characters other than letters, digits, _ and -"
