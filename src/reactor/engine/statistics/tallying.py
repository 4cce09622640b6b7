"""Counts what each commit brings about, so that the figures are written in the very transaction that they tell of."""

from __future__ import annotations

from reactor.model import ids
from reactor.model.clock import Instant
from reactor.model.histogram import NO_DURATION, bucket
from reactor.model.journal import Run
from reactor.stores.port import Acceptance, Batch, Committed, Tally

MINUTE = 60_000
_Key = tuple[int, str, str, str, int]
"""minute, flow, trigger, what, bucket"""


class TallySheet:
    """What is to be counted with the next commit."""

    def __init__(self) -> None:
        self._sums: dict[_Key, list[int]] = {}
        """Beside what is in the batch itself: [count, total]."""
        self._sent: dict[_Key, list[int]] = {}

    @property
    def pending(self) -> bool:
        """Whether there is something that only another commit writes."""
        return bool(self._sums)

    def began(self, run: Run) -> None:
        """A run that is on disk, or comes with the next commit, begins now. Those that an event starts at once are
        counted with their event.
        """
        _add(self._sums, _start(run), 1)

    def fold(self, batch: Batch) -> None:
        """Put into the batch what it brings about. May be done again with the same batch, if its commit has failed."""
        sums, self._sums = self._sums, {}
        self._sent = sums
        sums = {key: sum_.copy() for key, sum_ in sums.items()}
        for run in batch.runs.values():
            if run.finished_at is not None:
                key, count, took = _end(run)
                if (sum_ := sums.get(key)) is None:
                    sums[key] = [count, took]
                else:
                    sum_[0] += count
                    sum_[1] += took
        self._fold_accepted(batch.accepted, sums)
        batch.tallies = [Tally(*key, *sum_) for key, sum_ in sums.items() if sum_[0]]

    @staticmethod
    def _fold_accepted(accepted: list[Acceptance], sums: dict[_Key, list[int]]) -> None:
        """Most events of a batch came in the same minute: no number is made of each."""
        first = above = events = 0
        for item in accepted:
            if not first <= item.event.key < above:
                if events:
                    _add(sums, _event(first), events)
                minute = ids.instant_of(item.event.key) // MINUTE
                first, above, events = ids.first_at(minute * MINUTE), ids.first_at((minute + 1) * MINUTE), 0
            events += 1
            for run in item.runs:
                if run.started_at is not None:
                    _add(sums, _start(run), 1)
        if events:
            _add(sums, _event(first), events)

    def failed(self) -> None:
        """What was folded in last was not written."""
        for key, (count, total) in self._sent.items():
            _add(self._sums, key, count, total)
        self._sent = {}

    def settled(self, batch: Batch, committed: Committed) -> None:
        """The batch is written. What it did not get after all (claims of others came first) is taken back with the
        next commit.
        """
        self._sent = {}
        if not (committed.duplicates or committed.dropped or committed.fenced):
            return
        for item in batch.accepted:
            if item.event.key in committed.duplicates:
                _add(self._sums, _event(item.event.key), -1)
            for run in item.runs:
                if run.key in committed.dropped and run.started_at is not None:
                    _add(self._sums, _start(run), -1)
        for lost in committed.fenced | committed.dropped:
            run_ = batch.runs.get(lost)
            if run_ is not None and run_.finished_at is not None:
                key, count, total = _end(run_)
                _add(self._sums, key, -count, -total)


def _event(key: int) -> _Key:
    return (ids.instant_of(key) // MINUTE, "", "", "event", NO_DURATION)


def _start(run: Run) -> _Key:
    return ((run.started_at or run.created_at) // MINUTE, run.flow, run.trigger, "started", NO_DURATION)


def _end(run: Run) -> tuple[_Key, int, int]:
    finished: Instant = run.finished_at or 0
    if run.started_at is None:
        return (finished // MINUTE, run.flow, run.trigger, run.status, NO_DURATION), 1, 0
    took = max(finished - run.started_at, 0)
    return (finished // MINUTE, run.flow, run.trigger, run.status, bucket(took)), 1, took


def _add(sums: dict[_Key, list[int]], key: _Key, count: int, total: int = 0) -> None:
    sum_ = sums.get(key)
    if sum_ is None:
        sums[key] = [count, total]
    else:
        sum_[0] += count
        sum_[1] += total
