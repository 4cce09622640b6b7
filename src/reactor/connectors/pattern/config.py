"""The configuration of a pattern."""

from __future__ import annotations

import re
from collections.abc import Iterator

import msgspec

from reactor.model import durations
from reactor.sdk import Condition, Expression

MOST_EVENTS = 1_000
"""The largest `at_least`: a key remembers fewer events than this."""
MOST_PARTS = 10
LONGEST = 366 * 86_400_000
"""The longest window, in milliseconds."""
_SEGMENT = re.compile(r"[\w-]+|\*\*?")
_KINDS = ("count", "sequence", "all", "any")


class Part(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One event that is wanted."""

    event: str
    """Its type; `*` stands for one segment, `**` for any number of them."""
    if_: Condition | None = msgspec.field(default=None, name="if")
    """Only events for which this holds."""


class CountPart(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """So many of one kind."""

    event: str
    """Their type; `*` stands for one segment, `**` for any number of them."""
    if_: Condition | None = msgspec.field(default=None, name="if")
    """Only events for which this holds."""
    at_least: int
    """How many make a match."""


class Turn(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One part of a sequence: an event that comes, or one that does not."""

    event: str | None = None
    """The type of the event that comes."""
    absent: str | None = None
    """The type of the event that must not come here."""
    if_: Condition | None = msgspec.field(default=None, name="if")
    """Only events for which this holds."""


class PatternConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What may stand under `pattern:`. Exactly one of `count`, `sequence`, `all`, `any`."""

    within: str | int | float
    """The window: all of it happens within this time."""
    by: Expression | None = None
    """What the events have in common; each value has a pattern of its own. Without it there is one for all."""
    count: CountPart | None = None
    """So many events."""
    sequence: list[Turn] | None = None
    """Events one after the other, and absences between them or at the end."""
    all: list[Part] | None = None
    """One event for each part, in any order."""
    any: list[Part] | None = None
    """The first event that fits a part; then quiet for the rest of the window."""

    @property
    def kind(self) -> str:
        """Which of the four it is."""
        return self.kinds()[0]

    def kinds(self) -> list[str]:
        """Those of the four that are given."""
        return [name for name in _KINDS if getattr(self, name) is not None]

    @property
    def window(self) -> int:
        """`within` in milliseconds.

        Raises:
            ValueError: it is not a duration.
        """
        return durations.parse(self.within)

    def problems(self) -> list[str]:
        """All that is wrong with it."""
        found = [*self._wrong_window()]
        kinds = self.kinds()
        if not kinds:
            found.append("pattern: says nothing to look for; write one of `count`, `sequence`, `all`, `any`")
        elif len(kinds) > 1:
            found.append(f"{kinds[1]}: a pattern is one of {', '.join(_KINDS)}; this has {' and '.join(kinds)}")
        if self.count is not None:
            found += _wrong_count(self.count)
        if self.sequence is not None:
            found += _wrong_sequence(self.sequence)
        for name, least in (("all", 2), ("any", 1)):
            parts = getattr(self, name)
            if parts is not None:
                found += _wrong_number(name, len(parts), least)
                for at, part in enumerate(parts):
                    found += _wrong_type(f"{name}.{at}.event", part.event)
        return found

    def _wrong_window(self) -> Iterator[str]:
        try:
            millis = self.window
        except ValueError as error:
            yield f"within: {error}"
            return
        if millis <= 0:
            yield "within: leaves no time; write for example 5m"
        elif millis > LONGEST:
            yield f"within: is longer than {durations.show(LONGEST)}"


def _wrong_count(count: CountPart) -> list[str]:
    found = _wrong_type("count.event", count.event)
    if not 1 <= count.at_least <= MOST_EVENTS:
        found.append(f"count.at_least: is from 1 to {MOST_EVENTS:,}, not {count.at_least}")
    return found


def _wrong_sequence(turns: list[Turn]) -> list[str]:
    found = _wrong_number("sequence", len(turns), 2)
    for at, turn in enumerate(turns):
        place = f"sequence.{at}"
        if (turn.event is None) == (turn.absent is None):
            found.append(f"{place}: says either which `event` comes, or which is `absent`")
        elif turn.event is not None:
            found += _wrong_type(f"{place}.event", turn.event)
        elif turn.absent is not None:
            if at == 0:
                found.append(f"{place}.absent: a sequence begins with an `event`; from when on should it be missing?")
            found += _wrong_type(f"{place}.absent", turn.absent)
    return found


def _wrong_number(name: str, number: int, least: int) -> list[str]:
    if least <= number <= MOST_PARTS:
        return []
    return [f"{name}: has {least} to {MOST_PARTS} parts, not {number}"]


def _wrong_type(place: str, pattern: str) -> list[str]:
    if len(pattern) <= 255 and all(_SEGMENT.fullmatch(segment) for segment in pattern.split(".")):
        return []
    return [f"{place}: {pattern[:80]!r} is no type of events; write order.created, or order.* (`*` is a whole segment)"]
