"""Which messages of a stream have been taken: committed here, so that they are passed over when they come again. Pure.

Everything up to a floor, and stretches above it: after a crash the messages that were in flight come again later than
newer ones, and when several share a consumer each gets only some.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator

import msgspec

from reactor.model.clock import from_iso

_MOST = 1_000
"""Stretches that are kept. The lowest are forgotten first: they were acknowledged long ago, so they would come again
only if the server forgot that."""

_SAME = 100
"""Milliseconds."""
Stretch = tuple[int, int]
"""First and last sequence."""


class Taken(msgspec.Struct):
    """Saved as it is."""

    stream: str
    created: str
    """When the stream was made: one that is made anew counts from 1 again."""
    durable: str
    consumer: str = ""
    """When the consumer was made."""
    number: int = 0
    """Deliveries of the consumer when this was saved."""
    floor: int = 0
    """All up to it need nothing any more."""
    stretches: list[Stretch] = []
    """Above the floor, in order, with something between them."""

    def of(self, created: str) -> bool:
        """Whether it is of the consumer that was made then. A server that is started again tells that time a little
        otherwise (nats-server 2.9: it is taken once for the memory and once for the disk).
        """
        try:
            return abs(from_iso(created) - from_iso(self.consumer)) < _SAME
        except ValueError:
            return created == self.consumer

    @property
    def top(self) -> int:
        """The highest that is taken."""
        return self.stretches[-1][1] if self.stretches else self.floor

    def has(self, sequence: int) -> bool:
        """Whether it is taken."""
        if sequence <= self.floor:
            return True
        at = bisect_right(self.stretches, (sequence, 1 << 64)) - 1
        return at >= 0 and sequence <= self.stretches[at][1]

    def add(self, first: int, last: int) -> None:
        """Take these."""
        if last <= self.floor:
            return
        stretches = self.stretches
        if stretches and first > stretches[-1][1]:
            if first == stretches[-1][1] + 1:
                stretches[-1] = (stretches[-1][0], last)
            else:
                stretches.append((first, last))
                del stretches[:-_MOST]
        elif first > self.floor + 1 or stretches:
            self._insert(first, last)
        else:
            self.floor = last
        self._settle()

    def _insert(self, first: int, last: int) -> None:
        apart = [one for one in self.stretches if one[1] < first - 1 or one[0] > last + 1]
        touching = [one for one in self.stretches if not (one[1] < first - 1 or one[0] > last + 1)]
        merged = (min([first, *(one[0] for one in touching)]), max([last, *(one[1] for one in touching)]))
        self.stretches = sorted([*apart, merged])[-_MOST:]

    def raise_floor(self, to: int) -> None:
        """Nothing up to here needs us any more."""
        self.floor = max(self.floor, to)
        self._settle()

    def _settle(self) -> None:
        """What touches the floor becomes part of it."""
        done = 0
        for first, last in self.stretches:
            if first > self.floor + 1:
                break
            self.floor = max(self.floor, last)
            done += 1
        del self.stretches[:done]

    def cut(self, last: int) -> None:
        """The stream ends here now; what comes behind is new."""
        self.floor = min(self.floor, last)
        self.stretches = [(first, min(end, last)) for first, end in self.stretches if first <= last]

    def missing(self, before: int) -> Iterator[Stretch]:
        """What is not taken below a sequence."""
        at = self.floor + 1
        for first, last in self.stretches:
            if first >= before:
                break
            if first > at:
                yield at, first - 1
            at = last + 1
        if at < before:
            yield at, before - 1


class Order:
    """The deliveries of one consumer to us, in their order: tells whether somebody else got one in between."""

    def __init__(self, number: int, sequence: int) -> None:
        """What the consumer had given out before: so many deliveries, up to this sequence of the stream."""
        self._number = number
        self._sequence = sequence
        self._unbroken = True

    def next(self, number: int, sequence: int, *, again: bool) -> Stretch:
        """What a delivery shows to be dealt with: the message, and whatever lies between it and the newest before it,
        when nothing was given to others in between; that was not for us, or is gone.

        Args:
            number: of the delivery, counted by the consumer.
            sequence: of the message in the stream.
            again: it was delivered before.
        """
        self._unbroken = self._unbroken and number == self._number + 1
        self._number = number
        if again or sequence <= self._sequence:
            return sequence, sequence
        first = self._sequence + 1 if self._unbroken else sequence
        self._sequence, self._unbroken = sequence, True
        return first, sequence
