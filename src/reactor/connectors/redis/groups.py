"""What a stream and its consumer group tell of themselves, and what follows from it. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from reactor.sdk import JSON

Order = tuple[int, int]
"""An entry's id, to be compared."""
BEGIN: Order = (0, 0)
"""Before every entry."""


def order(id_: bytes | str) -> Order:
    """`1732567890123-4` as numbers; without the second part it is 0."""
    text = id_.decode() if isinstance(id_, bytes) else id_
    first, _, second = text.partition("-")
    return int(first), int(second or 0)


def text(id_: Order) -> str:
    """The other way round."""
    return f"{id_[0]}-{id_[1]}"


class Look(msgspec.Struct, frozen=True, kw_only=True):
    """A stream and our group at one moment."""

    length: int
    generated: Order
    """The last id that was ever given."""
    first: Order | None
    """The oldest entry that is still there."""
    added: int | None
    """How many entries there ever were; None before Redis 7.0."""
    grouped: bool
    """Whether our group is there; if not, the rest says nothing."""
    delivered: Order = BEGIN
    """The last entry that the group has given to somebody."""
    read: int | None = None
    """How many it has given, as Redis counts; None: it does not know."""

    @property
    def trimmed(self) -> int | None:
        """How many entries are there no more."""
        return None if self.added is None else self.added - self.length

    @property
    def passed(self) -> bool:
        """Whether all that the group has given is gone, so that what comes after it may be gone, too."""
        return self.generated > self.delivered and (self.first is None or self.first > self.delivered)

    def missed(self, told: int) -> int:
        """How many entries were gone before the group had given them, beside those that were told."""
        if not self.passed or self.trimmed is None or self.read is None:
            return 0
        return max(0, self.trimmed - self.read - told)

    def behind(self, told: int) -> int | None:
        """How many entries wait."""
        if self.delivered >= self.generated:
            return 0
        if self.passed:
            return self.length
        if self.added is None or self.read is None:
            return None
        return max(1, self.added - self.read - told)


class Position(msgspec.Struct, kw_only=True):
    """How far the trigger is: kept in the same commit as the events."""

    at: str = ""
    """Server, stream and group that it belongs to."""
    first: str | None = None
    """The first entry of the last batch; None: there was none. Whatever is pending from here to `to` is committed."""
    to: str = "0-0"
    """The last entry."""
    index: int | None = None
    """Its number in the stream, from 1, of all that there ever were; None: not known."""
    told: int = 0
    """Entries that Redis does not count as read, and that were told as missing."""

    def committed(self, id_: bytes) -> bool:
        """Whether an entry that is pending has been committed, and only its acknowledgement was lost."""
        return self.first is not None and order(self.first) <= order(id_) <= order(self.to)

    def foreign(self, look: Look) -> str | None:
        """Why the stream cannot be the one that this position was in, or None."""
        if look.generated < order(self.to):
            return f"its last entry is {text(look.generated)}, and {self.to} had been read"
        if self.index is None or look.added is None or look.trimmed is None:
            return None
        missing = look.first is None or look.first > order(self.to)
        if look.added < self.index or (missing and look.trimmed < self.index):
            return f"it has had {look.added} entries, and number {self.index} of them ({self.to}) had been read"
        return None


def position(saved: Mapping[str, JSON], at: str) -> Position | None:
    """The saved position in this stream and group, or None."""
    kept = saved.get("position")
    if not isinstance(kept, dict) or kept.get("at") != at:
        return None
    return msgspec.convert(kept, Position)


def look(stream: Sequence[Any], groups: Sequence[Any], name: str) -> Look:
    """From the answers to XINFO STREAM and XINFO GROUPS."""
    told = _map(stream)
    group = next((found for one in groups if (found := _map(one))["name"] == name.encode()), None)
    first = told.get("first-entry")
    return Look(
        length=told["length"],
        generated=order(told["last-generated-id"]),
        first=order(first[0]) if first else None,
        added=told.get("entries-added"),
        grouped=group is not None,
        delivered=BEGIN if group is None else order(group["last-delivered-id"]),
        read=None if group is None else group.get("entries-read"),
    )


def _map(flat: Sequence[Any]) -> dict[str, Any]:
    return {name.decode(): value for name, value in zip(flat[::2], flat[1::2], strict=True)}
