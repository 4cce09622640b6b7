"""What the state of one key becomes with one more event. Pure: no clock, no store.

A state is made of the keys of events, which tell when each arrived; None: nothing is known of the key. Whatever is
found, the key starts anew: an event belongs to one match at most.

- count: the events within the window, oldest first, fewer than `at_least`.
- sequence: the beginnings that may still become something, each the keys of its events, at most one of each length.
  Of several of one length the one that began last is kept: whatever completes an earlier one completes it, too, and it
  lasts longer. Once only absences are left, the one that waits is kept instead: it is the first to be sure.
- all: for each part the last event that fits it, 0 for none.
- any: the event that was told; the key is quiet as long as its window lasts.
"""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from typing import Any, Protocol

from reactor.model.clock import Instant
from reactor.model.ids import instant_of

State = list[Any] | None
Found = tuple[int, ...] | None
"""Keys of the events of a match, oldest first."""


class Matcher(Protocol):
    """One kind of pattern."""

    def take(self, state: State, key: int, parts: AbstractSet[int]) -> tuple[State, Found]:
        """The state after an event that fits these parts (not empty). The old one is not over yet, and not changed."""
        ...

    def due(self, state: list[Any]) -> Instant:
        """The last instant at which the state still means what it means."""
        ...

    def over(self, state: list[Any]) -> Found:
        """What is found when that instant has passed."""
        ...


class Count:
    """So many events within the window."""

    def __init__(self, within: int, at_least: int) -> None:
        self._within = within
        self._at_least = at_least

    def take(self, state: State, key: int, parts: AbstractSet[int]) -> tuple[State, Found]:
        """See `Matcher.take`."""
        border = instant_of(key) - self._within
        events = [*(each for each in state or () if instant_of(each) >= border), key]
        return (None, tuple(events)) if len(events) >= self._at_least else (events, None)

    def due(self, state: list[Any]) -> Instant:
        """See `Matcher.due`."""
        return instant_of(state[-1]) + self._within

    def over(self, state: list[Any]) -> Found:
        """See `Matcher.over`."""
        return None


class EachOf:
    """Each part, in any order, within the window."""

    def __init__(self, within: int, parts: int) -> None:
        self._within = within
        self._parts = parts

    def take(self, state: State, key: int, parts: AbstractSet[int]) -> tuple[State, Found]:
        """See `Matcher.take`."""
        border = instant_of(key) - self._within
        last = [each if each and instant_of(each) >= border else 0 for each in state or [0] * self._parts]
        for part in parts:
            last[part] = key
        return (None, tuple(sorted(set(last)))) if all(last) else (last, None)

    def due(self, state: list[Any]) -> Instant:
        """See `Matcher.due`."""
        return instant_of(max(state)) + self._within

    def over(self, state: list[Any]) -> Found:
        """See `Matcher.over`."""
        return None


class FirstOf:
    """The first one in each window."""

    def __init__(self, within: int) -> None:
        self._within = within

    def take(self, state: State, key: int, parts: AbstractSet[int]) -> tuple[State, Found]:
        """See `Matcher.take`."""
        return (state, None) if state else ([key], (key,))

    def due(self, state: list[Any]) -> Instant:
        """See `Matcher.due`."""
        return instant_of(state[0]) + self._within

    def over(self, state: list[Any]) -> Found:
        """See `Matcher.over`."""
        return None


class InOrder:
    """One after the other, and what must not come between them or until the window's end."""

    def __init__(self, within: int, absent: list[bool]) -> None:
        """`absent`: for each part whether it is an absence. The first one is not."""
        self._within = within
        self._events = [part for part, gone in enumerate(absent) if not gone]
        self._length = len(self._events)
        self._forbidden: list[frozenset[int]] = [frozenset()] * (self._length + 1)
        """By the number of events that have come: the parts that end it."""
        for number, part in enumerate(self._events, 1):
            end = self._events[number] if number < self._length else len(absent)
            self._forbidden[number] = frozenset(range(part + 1, end))
        self.waits = bool(self._forbidden[self._length])
        """Whether it ends with an absence."""

    def take(self, state: State, key: int, parts: AbstractSet[int]) -> tuple[State, Found]:
        """See `Matcher.take`."""
        border = instant_of(key) - self._within
        begun = {len(keys): keys for keys in state or () if instant_of(keys[0]) >= border}
        kept: dict[int, list[int]] = {}
        for length in sorted(begun, reverse=True):
            keys = begun[length]
            if length < self._length and self._events[length] in parts:
                if length + 1 == self._length and not self.waits:
                    return None, (*keys, key)
                self._keep(kept, [*keys, key])
            if not parts & self._forbidden[length]:
                self._keep(kept, keys)
        if self._events[0] in parts:
            self._keep(kept, [key])
        return [kept[length] for length in sorted(kept)] or None, None

    def _keep(self, kept: dict[int, list[int]], keys: list[int]) -> None:
        there = kept.get(len(keys))
        if there is None or (len(keys) < self._length and keys >= there):
            kept[len(keys)] = keys

    def _waiting(self, state: list[Any]) -> list[int] | None:
        return state[-1] if len(state[-1]) == self._length else None

    def due(self, state: list[Any]) -> Instant:
        """See `Matcher.due`."""
        waiting = self._waiting(state)
        return instant_of(waiting[0] if waiting else max(keys[0] for keys in state)) + self._within

    def over(self, state: list[Any]) -> Found:
        """See `Matcher.over`."""
        waiting = self._waiting(state)
        return tuple(waiting) if waiting else None
