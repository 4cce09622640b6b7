"""States of the keys that were met last. The store has all of them; here is what need not be asked again."""

from __future__ import annotations

from collections import OrderedDict

from reactor.engine.patterns.matcher import State

KEYS = 10_000
ENTRIES = 200_000
"""Keys of events in all states together."""


class Cache:
    """Bounded by keys and by what their states hold; what was not met for the longest time goes first."""

    def __init__(self) -> None:
        self._states: OrderedDict[str, State] = OrderedDict()
        self._entries = 0

    def __contains__(self, key: str) -> bool:
        return key in self._states

    def get(self, key: str) -> State:
        """The state of a key that is here; None is a state, too."""
        self._states.move_to_end(key)
        return self._states[key]

    def put(self, key: str, state: State) -> None:
        """Remember what the store has."""
        self.forget(key)
        self._states[key] = state
        self._entries += _entries(state)
        while len(self._states) > KEYS or self._entries > ENTRIES:
            _, gone = self._states.popitem(last=False)
            self._entries -= _entries(gone)

    def forget(self, key: str) -> None:
        """Ask the store the next time."""
        if key in self._states:
            self._entries -= _entries(self._states.pop(key))


def _entries(state: State) -> int:
    return sum(len(each) if isinstance(each, list) else 1 for each in state) if state else 0
