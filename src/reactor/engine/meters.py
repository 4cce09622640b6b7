"""What the engine measures of itself since its start: durations in buckets and counts, by labels with a bounded number
of values. They live in the process and are for scrapers; exact figures by minute come from the store.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence

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


class Spread:
    """A histogram for each value of a label, of so many values at most: the rest share one."""

    def __init__(self, bounds: Sequence[float], most: int) -> None:
        self._bounds = bounds
        self._most = most
        self.by: dict[str, Histogram] = {}

    def of(self, value: str) -> Histogram:
        """The one for this value."""
        found = self.by.get(value)
        if found is None:
            value = value if len(self.by) < self._most else OTHER
            found = self.by.get(value)
            if found is None:
                found = self.by[value] = Histogram(self._bounds)
        return found


class Meters:
    """All of one engine."""

    def __init__(self) -> None:
        self._labels: dict[str, str] = {}
        self.runs = Spread(LONG, MOST_FLOWS)
        """Of runs, from their start to their end, by flow."""
        self.ended: Counter[tuple[str, str]] = Counter()
        """Runs by flow and status."""
        self.steps = Spread(LONG, MOST_FLOWS)
        """Of steps with all their attempts, by flow."""
        self.actions = Spread(LONG, MOST_CONNECTORS)
        """Of attempts, by connector."""
        self.attempts: Counter[tuple[str, str]] = Counter()
        """By connector and outcome."""
        self.commits = Histogram(SHORT)
        self.loop_delay = Histogram(SHORT)

    def _label(self, flow: str) -> str:
        found = self._labels.get(flow)
        if found is None:
            if len(self._labels) >= MOST_FLOWS:
                return OTHER
            found = self._labels[flow] = flow
        return found

    def run_ended(self, flow: str, status: str, millis: int) -> None:
        """A run has ended after so long."""
        label = self._label(flow)
        self.ended[label, status] += 1
        self.runs.of(label).take(millis / 1000)

    def step_ended(self, flow: str, millis: int) -> None:
        """A step has ended after so long."""
        self.steps.of(self._label(flow)).take(millis / 1000)

    def attempted(self, action: str, error: str | None, seconds: float) -> None:
        """An attempt of an action has ended, well or with an error of this kind."""
        connector = action.partition(".")[0]
        if connector not in self.actions.by and len(self.actions.by) >= MOST_CONNECTORS:
            connector = OTHER
        outcome = "completed" if error is None else "timeout" if error == "timeout" else "failed"
        self.attempts[connector, outcome] += 1
        self.actions.of(connector).take(seconds)
