"""An event: CloudEvents 1.0 attributes, the content in `data`, what the transport adds in `metadata`."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from reactor.model.clock import Instant, to_iso

JSON = Any
"""None, bool, int, float, str, list or dict of such."""
RESERVED = "reactor."
"""Types that begin so are told by Reactor itself: doors and `emit` refuse them."""
ENDS = ("run.completed", "run.failed", "run.cancelled")
"""Types of the ends of runs: the same holds for them."""
LONGEST_TYPE = 255
_SEGMENT = re.compile(r"[\w-]+")
_WILD = ("*", "**")


def is_reserved(type_: str) -> bool:
    """Whether only Reactor itself may tell an event of this type."""
    return type_.startswith(RESERVED) or type_ in ENDS


def wrong_pattern(pattern: str) -> str | None:
    """What is wrong with a pattern of event types (`order.*`: one segment; `order.**`: any number), or None."""
    if not pattern:
        return "the type is empty; write one such as order.created, or `**` for every event"
    if len(pattern) > LONGEST_TYPE:
        return f"a type has at most {LONGEST_TYPE} characters, this has {len(pattern)}"
    return next((wrong for segment in pattern.split(".") if (wrong := _wrong_segment(segment, pattern))), None)


def _wrong_segment(segment: str, pattern: str) -> str | None:
    if segment in _WILD or _SEGMENT.fullmatch(segment):
        return None
    if not segment:
        return f"{pattern!r} has nothing between two dots, or a dot at an end; write order.created"
    if "*" in segment:
        return f"in {pattern!r} `*` stands for a whole segment; write order.* instead of {segment!r}"
    return f"{segment!r} in {pattern!r} has characters other than letters, digits, _ and -"


class EventDraft(msgspec.Struct, frozen=True, kw_only=True):
    """What a source hands to the door; the door adds what is missing."""

    type: str
    data: JSON = None
    source: str = ""
    """A URI-reference of who tells; with `id` it is the dedupe key."""
    id: str | None = None
    """The source's own id. None: the door makes one and no duplicate is looked for."""
    subject: str | None = None
    time: Instant | None = None
    metadata: dict[str, JSON] = msgspec.field(default_factory=dict)
    to: tuple[str, ...] = ()
    """Keys of the triggers that this event is for (`FLOW/INDEX`), beside those that listen for its type."""
    causes: tuple[str, ...] = ()
    """Ids of the events that led to this one, oldest first."""
    raw: bytes | None = None
    """The JSON text of `data` where the source had it: stored as it came, never encoded a second time."""


class Event(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """An event behind the door. Never changed."""

    key: int
    """The number inside (`ids`), row id of the store."""
    id: str
    type: str
    source: str
    subject: str | None
    time: Instant
    data: JSON
    metadata: dict[str, JSON] = msgspec.field(default_factory=dict)
    to: tuple[str, ...] = ()
    causes: tuple[str, ...] = ()
    raw: bytes | None = None
    external: bool = False
    """The id came from the source, so it may have been seen before."""

    def view(self) -> dict[str, Any]:
        """The event as expressions see it (`payload` is the older name of `data`)."""
        return {
            "id": self.id,
            "type": self.type,
            "source": self.source,
            "subject": self.subject,
            "time": to_iso(self.time),
            "timestamp": self.time / 1000,
            "data": self.data,
            "payload": self.data,
            "metadata": self.metadata,
        }
