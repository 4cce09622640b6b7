"""Where reading a partition begins. Pure."""

from __future__ import annotations

from typing import NamedTuple

import msgspec


class Saved(msgspec.Struct, frozen=True, array_like=True):
    """What is kept of a partition: saved as `[42, "id"]`."""

    offset: int
    """The next one to read."""
    topic: str
    """The id of the topic; empty when the brokers are too old to have one."""


class Place(NamedTuple):
    """What is known of a partition that was given to us."""

    topic: str
    """The topic's id."""
    begin: int
    """The oldest offset that is there."""
    end: int
    """The offset of the next message to come."""
    committed: int | None
    """By the group."""
    saved: Saved | None
    """By us, together with the events."""
    wanted: int | None
    """Where `start` wants a partition to begin that has never been read; None: at the oldest."""


class Begin(NamedTuple):
    """What follows from it."""

    offset: int
    gap: str | None
    """What is lost, one sentence without the name of the partition."""


def begin(place: Place) -> Begin:
    """Where to begin: behind what was read, by what we saved or the group committed, whichever is further."""
    saved = place.saved
    if saved is not None and saved.topic and place.topic and saved.topic != place.topic:
        return _anew(place, saved.offset)
    reached = max((at for at in (saved.offset if saved else None, place.committed) if at is not None), default=None)
    if reached is None:
        return Begin(place.begin if place.wanted is None else place.wanted, None)
    if reached < place.begin:
        return Begin(
            place.begin,
            f"the messages {reached} to {place.begin - 1} were deleted at the broker before they were read "
            "(retention); keep them longer there, or read faster",
        )
    if reached > place.end:
        return Begin(
            place.begin,
            f"it was read up to {reached - 1}, but ends at {place.end - 1}: the topic was made anew or the broker has "
            f"lost messages; it is read from {place.begin} on",
        )
    return Begin(reached, None)


def _anew(place: Place, reached: int) -> Begin:
    """The topic is another one of the same name: what we saved means nothing in it."""
    offset = place.begin
    # The group forgets what it committed when a topic is deleted; a commit of ours that came late is as old as ours.
    if place.committed is not None and place.committed != reached and place.begin <= place.committed <= place.end:
        offset = place.committed
    return Begin(
        offset,
        f"the topic was deleted and made anew after {reached} messages were read of it; it is read from {offset} on, "
        "and what the old one still held is lost",
    )
