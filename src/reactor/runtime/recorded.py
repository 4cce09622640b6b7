"""A journal as the replay reads it: what is known of each place, and in which order it came."""

from __future__ import annotations

import re
from collections.abc import Sequence

from reactor.model.clock import Instant
from reactor.model.journal import RESET, Entry
from reactor.model.states import StepStatus

_COMPLETED, _CANCELLED = StepStatus.COMPLETED.value, StepStatus.CANCELLED.value
_PAGED = re.compile(r"(\[\d+\]|\.page-\d+)$")
"""What a loop over a stream forgets when its page is done: it has happened all the same."""
_UNSEEN = ("#inputs", "#batch.", "#pause", "#child", "#migrated", "#draw.", "#kind", "#patch.", "#retry")
"""Recorded by others than the interpreter, or known to it beforehand: nobody waits for these."""
_MARKS = ("#set", "#body", "#started", "#timer", "#case", "#child", "#asked", "#attempt")


class Recorded:
    """Entries by key, positions in their order, and how far a replay has come."""

    def __init__(self, journal: Sequence[Entry]) -> None:
        self.known: dict[str, Entry] = {}
        self._entries = list(journal)
        self._places: dict[str, list[int]] = {}
        """Key → positions of its entries that count."""
        self._attempts: dict[str, dict[int, tuple[Entry, int]]] = {}
        """Path → attempt → how it failed, where another followed."""
        for position, entry in enumerate(journal):
            if entry.status == RESET:
                self._forget(entry)
            else:
                self._note(entry, position)
        self._met = [True] * len(journal)
        for key, places in self._places.items():
            for position in places:
                self._met[position] = any(mark in key for mark in _UNSEEN)
        self._met_of_attempts()
        self._count: dict[str, int] = {}
        """How often the replay has recorded a key."""
        self._next = 0
        self._advance()

    def _note(self, entry: Entry, position: int) -> None:
        key = entry.key
        self.known[key] = entry
        if key.endswith("#attempt"):
            self._attempts.setdefault(key.removesuffix("#attempt"), {})[entry.attempt] = (entry, position)
        else:
            self._places.setdefault(key, []).append(position)

    def _met_of_attempts(self) -> None:
        for path, attempts in self._attempts.items():
            # Those of a step that is no action are nobody's answer: what is inside it is asked again.
            own = self.known.get(path + "#started")
            for _, position in attempts.values():
                self._met[position] = own is None or own.attempt == 0

    def _forget(self, reset: Entry) -> None:
        path = reset.key
        entry = self.known.get(path)
        if not reset.value and _PAGED.search(path) and entry is not None and entry.status == _COMPLETED:
            return
        gone = [path]
        if not reset.value:
            gone += [key for key in self.known if key.startswith((path + ".", path + "#", path + "["))]
        for key in gone:
            self.known.pop(key, None)
            self._places.pop(key, None)
            self._attempts.pop(key.removesuffix("#attempt"), None)

    # --- how far it has come -------------------------------------------------------------------------------------

    @property
    def reached(self) -> int:
        """The first position that the replay has not met yet."""
        return self._next

    @property
    def is_over(self) -> bool:
        """Whether all of it has been met."""
        return self._next >= len(self._met)

    def names(self, path: str) -> bool:
        """Whether it speaks of this place itself."""
        return path in self._places or any(path + mark in self._places for mark in _MARKS)

    def is_due(self, position: int) -> bool:
        """Whether everything before this position has been met."""
        return position <= self._next

    def pass_(self, position: int) -> Instant:
        """An answer is given; its time."""
        self._met[position] = True
        self._advance()
        return self._entries[position].at

    def meet(self, key: str) -> Entry | None:
        """The replay has recorded this key, too; what stands here of it (a key may come several times)."""
        places = self._places.get(key)
        if not places:
            return None
        count = self._count.get(key, 0)
        self._count[key] = count + 1
        position = places[min(count, len(places) - 1)]
        self.pass_(position)
        return self._entries[position]

    def skip_to(self, position: int) -> None:
        """Nobody will meet what is before this position."""
        self._next = max(self._next, position)
        self._advance()

    def _advance(self) -> None:
        while self._next < len(self._met) and self._met[self._next]:
            self._next += 1

    # --- what it answers -----------------------------------------------------------------------------------------

    def position(self, key: str) -> int | None:
        """Where an entry stands."""
        places = self._places.get(key)
        return places[-1] if places else None

    def first(self, path: str) -> int:
        """Where a place is named first."""
        found = [
            positions[0]
            for key, positions in self._places.items()
            if key == path or key.startswith((path + "#", path + ".", path + "["))
        ]
        return min(found, default=len(self._entries))

    def outcome(self, path: str, attempt: int = 0) -> tuple[Entry | None, int | None]:
        """How an effect ended, or one attempt (from 1) of an action, and where that stands. An entry without a position
        is no answer: it was cancelled, or never begun.
        """
        failed = self._attempts.get(path, {}).get(attempt)
        if failed is not None:
            return failed
        key = path + "#body" if path + "#body" in self.known else path
        entry = self.known.get(key)
        if entry is None:
            return None, None
        never = attempt > 0 and entry.error is not None and entry.attempt == 0 and path + "#started" not in self.known
        if entry.status == _CANCELLED or never:
            return entry, None
        return entry, self.position(key)

    def after_sleep(self, path: str) -> int | None:
        """What comes after the step has slept: its outcome, its next attempt, or the loop's next iteration."""
        pending = [position for _, position in self._attempts.get(path, {}).values() if not self._met[position]]
        if pending:
            return min(pending)
        _, position = self.outcome(path)
        if position is None and path.endswith("]"):
            return self.position(path + "#started")
        return position

    def asked(self, path: str, number: int) -> int | None:
        """Where people were asked for the `number`-th time after the first."""
        places = self._places.get(path + "#asked", [])
        return places[number] if number < len(places) else None

    def late(self, path: str) -> int | None:
        """Where it shows that nobody had decided in time."""
        handled = [positions[0] for key, positions in self._places.items() if key.startswith(path + ".on_timeout.")]
        return min(handled) if handled else self.outcome(path)[1]

    def input(self, path: str) -> object:
        """The masked parameters that an action had."""
        started = self.known.get(path + "#started")
        if started is not None and started.value is not None:
            return started.value
        entry = self.known.get(path)
        return entry.input if entry is not None else None
