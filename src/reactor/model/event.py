"""An event: CloudEvents 1.0 attributes, the content in `data`, what the transport adds in `metadata`."""

from __future__ import annotations

from typing import Any

import msgspec

from reactor.model.clock import Instant, to_iso

JSON = Any
"""None, bool, int, float, str, list or dict of such."""


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
