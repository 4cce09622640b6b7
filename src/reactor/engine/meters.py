"""What the engine measures of itself since its start: durations in buckets and counts, by labels with a bounded number
of values. They live in the process and are for scrapers; exact figures by minute come from the store.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

T = TypeVar("T")
MOST_FLOWS = 100
"""Flows that have series of their own; those that come later share `other`."""
MOST_CONNECTORS = 200
OTHER = "other"
SHORT = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
"""Seconds: of what takes milliseconds."""
LONG = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0, 3600.0, 86400.0)
"""Seconds: of what may take a day."""


class Histogram:
    """How many took how long."""

    __slots__ = ("bounds", "counts", "sum")

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        """By the bound that is the first not to be exceeded; the last has no bound."""
        self.sum = 0.0

    def take(self, seconds: float) -> None:
        """One more."""
        self.counts[bisect_left(self.bounds, seconds)] += 1
        self.sum += seconds


class Counted:
    """How many ended how, and how long they took."""

    __slots__ = ("by", "durations")

    def __init__(self, bounds: Sequence[float]) -> None:
        self.by: dict[str, int] = {}
        self.durations = Histogram(bounds)

    def take(self, how: str, seconds: float) -> None:
        """One more."""
        by, durations = self.by, self.durations
        by[how] = by.get(how, 0) + 1
        durations.counts[bisect_left(durations.bounds, seconds)] += 1
        durations.sum += seconds


class Spread(Generic[T]):
    """One meter for each value of a label, of so many values at most: the rest share one."""

    def __init__(self, make: Callable[[], T], most: int) -> None:
        self._make = make
        self._most = most
        self.by: dict[str, T] = {}

    def of(self, value: str) -> T:
        """The one for this value."""
        found = self.by.get(value)
        return found if found is not None else self._new(value)

    def _new(self, value: str) -> T:
        value = value if len(self.by) < self._most else OTHER
        found = self.by.get(value)
        if found is None:
            found = self.by[value] = self._make()
        return found


class Meters:
    """All of one engine."""

    def __init__(self) -> None:
        self.runs = Spread(lambda: Counted(LONG), MOST_FLOWS)
        """Of runs by flow: their statuses, and how long they took from start to end."""
        self.steps = Spread(lambda: Histogram(LONG), MOST_FLOWS)
        """Of steps by flow, with all their attempts."""
        self.actions = Spread(lambda: Counted(LONG), MOST_CONNECTORS)
        """Of attempts by connector."""
        self._of_action: dict[str, Counted] = {}
        self.commits = Histogram(SHORT)
        self.loop_delay = Histogram(SHORT)

    def run_ended(self, flow: str, status: str, millis: int) -> None:
        """A run has ended after so long."""
        self.runs.of(flow).take(status, millis / 1000)

    def step_ended(self, flow: str, millis: int) -> None:
        """A step has ended after so long."""
        self.steps.of(flow).take(millis / 1000)

    def attempted(self, action: str, error: str | None, seconds: float) -> None:
        """An attempt of an action has ended, well or with an error of this kind."""
        meter = self._of_action.get(action)
        if meter is None:
            meter = self._of_action[action] = self.actions.of(action.partition(".")[0])
        meter.take("completed" if error is None else "timeout" if error == "timeout" else "failed", seconds)
