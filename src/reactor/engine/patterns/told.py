"""A match as the event that tells it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from reactor.engine.patterns.matcher import Found
from reactor.engine.patterns.pattern import Pattern
from reactor.engine.texts import encode
from reactor.model import ids
from reactor.model.clock import Instant, to_iso
from reactor.model.event import Event, EventDraft

TYPE = "pattern.matched"
VIEWS = 50
"""Events of a match that are shown with it, the newest ones."""
VIEW_BYTES = 256 << 10
"""Of the data of all of them; what is over is left out."""


class Match(msgspec.Struct, frozen=True):
    """Something was found."""

    key: str
    """The key, as JSON."""
    events: tuple[int, ...]
    """Keys of the events, oldest first."""
    at: Instant
    """When it was sure: the last event's arrival, or the end of the window."""


def match(key: str, found: Found, at: Instant) -> list[Match]:
    """None or one."""
    return [Match(key, found, at)] if found else []


def shown(matches: Sequence[Match]) -> list[int]:
    """Keys of the events that the telling needs."""
    return sorted({key for each in matches for key in each.events[-VIEWS:]})


def draft(pattern: Pattern, trigger: str, found: Match, events: Mapping[int, Event], most: int) -> EventDraft:
    """The event. Its id is made of the last event, which belongs to no other match of this pattern.

    `most`: bytes of data that the door takes. What was found has to come through it whatever the events hold.
    """
    last = events.get(found.events[-1])
    by = msgspec.json.decode(found.key)
    last_id = ids.to_text("evt", found.events[-1])
    data = {
        "pattern": pattern.kind,
        "by": by,
        "count": len(found.events),
        "first_at": to_iso(ids.instant_of(found.events[0])),
        "last_at": to_iso(ids.instant_of(found.events[-1])),
        "events": _views([events[key] for key in found.events[-VIEWS:] if key in events], min(VIEW_BYTES, most // 2)),
    }
    raw = _encoded(data)
    if raw is None or len(raw) > most:
        data["events"] = []
        raw = encode(data)
    return EventDraft(
        type=TYPE,
        source=f"reactor/triggers/{trigger}",
        id=f"{trigger}/{pattern.digest}/{last_id}",
        subject=by if isinstance(by, str) else None,
        time=found.at,
        data=data,
        raw=raw,
        causes=(*last.causes, last.id) if last is not None else (last_id,),
    )


def _encoded(value: Any) -> bytes | None:
    """JSON; None where there is none: too deep, or numbers and texts that only together have no form."""
    try:
        return encode(value)
    except (TypeError, ValueError, RecursionError):
        return None


def _views(events: Sequence[Event], room: int) -> list[dict[str, Any]]:
    """The newest keep their data as long as there is room, in bytes."""
    views: list[dict[str, Any]] = []
    for event in reversed(events):
        view: dict[str, Any] = {
            "id": event.id,
            "type": event.type,
            "source": event.source,
            "subject": event.subject,
            "time": to_iso(event.time),
        }
        whole = _encoded((event.data, event.metadata))
        room -= len(whole or b"")
        fits = whole is not None and room >= 0
        views.append({**view, "data": event.data, "metadata": event.metadata} if fits else {**view, "cut": True})
    return views[::-1]
