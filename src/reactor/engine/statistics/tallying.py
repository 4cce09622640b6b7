"""Counts what each commit brings about. What is counted rides with a commit a second; a crash loses none of it, for the
store counts its last minutes again when it is opened.
"""

from __future__ import annotations

from reactor.model import ids
from reactor.model.clock import Instant
from reactor.model.histogram import NO_DURATION, bucket
from reactor.model.journal import Run
from reactor.stores.port import Acceptance, Batch, Committed, Tally

MINUTE = 60_000
EVERY = 1_000
"""Milliseconds between two commits that carry tallies: each touches a page of the store more."""
_Key = tuple[int, str, str, str, int]
"""minute, flow, trigger, what, bucket"""


class TallySheet:
    """What is to be counted, and rides with a commit about once a second. What a crash takes of it is counted again
    from the runs themselves when the store is opened (`Store.open`).
    """

    def __init__(self) -> None:
        self._sums: dict[_Key, list[int]] = {}
        """What has happened and is not in the store yet: [count, total]."""
        self._fresh: dict[_Key, list[int]] = {}
        """What the batch under way brings about."""
        self._sent: dict[_Key, list[int]] = {}
        """What of before rides with it."""
        self._rides = False
        self._last = 0

    @property
    def pending(self) -> bool:
        """Whether there is something that another commit writes."""
        return bool(self._sums)

    def urge(self) -> None:
        """Let the next commit write all of it."""
        self._last = 0

    def began(self, run: Run) -> None:
        """A run that is on disk, or comes with the next commit, begins now. Those that an event starts at once are
        counted with their event.
        """
        _add(self._sums, _start(run), 1)

    def fold(self, batch: Batch, now: Instant) -> None:
        """Count what the batch brings about, and put into it what is due. May be done again with the same batch, if its
        commit has failed.
        """
        sums: dict[_Key, list[int]] = {}
        self._fresh = sums
        for run in batch.runs.values():
            if run.finished_at is not None:
                key, count, took = _end(run)
                if (sum_ := sums.get(key)) is None:
                    sums[key] = [count, took]
                else:
                    sum_[0] += count
                    sum_[1] += took
        self._fold_accepted(batch.accepted, sums)
        self._rides = not 0 <= now - self._last < EVERY
        batch.tallies = []
        if self._rides:
            # What is added to the sums while the commit is under way is not in it.
            self._last, self._sent, self._sums = now, self._sums, {}
            whole = {key: sum_.copy() for key, sum_ in sums.items()}
            _join(whole, self._sent)
            batch.tallies = [Tally(*key, *sum_) for key, sum_ in whole.items() if sum_[0]]

    def failed(self) -> None:
        """What was folded in last was not written, and is folded in again with what of it is left."""
        if self._rides:
            self._last = 0
            _join(self._sums, self._sent)
        self._fresh, self._sent = {}, {}

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

    def settled(self, batch: Batch, committed: Committed) -> None:
        """The batch is written. What it did not get after all (claims of others came first) is taken back with the
        next commit.
        """
        if not self._rides:
            _join(self._sums, self._fresh)
        self._fresh, self._sent = {}, {}
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


def _join(sums: dict[_Key, list[int]], others: dict[_Key, list[int]]) -> None:
    for key, (count, total) in others.items():
        _add(sums, key, count, total)


def _add(sums: dict[_Key, list[int]], key: _Key, count: int, total: int = 0) -> None:
    sum_ = sums.get(key)
    if sum_ is None:
        sums[key] = [count, total]
    else:
        sum_[0] += count
        sum_[1] += total
