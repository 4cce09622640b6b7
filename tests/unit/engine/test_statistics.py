"""Histograms, windows, and what a commit brings about."""

import random

import pytest

from reactor.engine.statistics.figures import MOST_POINTS, POINTS, window
from reactor.engine.statistics.tallying import TallySheet
from reactor.model import histogram
from reactor.model.errors import InvalidError
from reactor.model.event import Event
from reactor.model.ids import first_at
from reactor.model.journal import Run
from reactor.model.states import RunStatus
from reactor.stores.port import Acceptance, Batch, Committed

NOW = 1_790_000_000_000
MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000


def test_buckets_are_without_gaps_and_overlaps():
    above = 0
    for number in range(300):
        low, end = histogram.bounds(number)
        assert low == above
        assert histogram.bucket(low) == histogram.bucket(end - 1) == number
        above = end
    assert above > 400 * DAY
    assert histogram.bucket(-7) == 0


@pytest.mark.parametrize("share", [0.5, 0.95, 0.99, 1.0])
def test_percentiles_are_within_the_bound(share: float):
    chance = random.Random(7)
    values = sorted(int(chance.lognormvariate(6, 2)) for _ in range(5_000))
    counts: dict[int, int] = {histogram.NO_DURATION: 99}
    for value in values:
        counts[histogram.bucket(value)] = counts.get(histogram.bucket(value), 0) + 1
    truth = values[max(round(share * len(values) + 0.4999) - 1, 0)]
    found = histogram.percentile(counts, share)
    assert found is not None
    assert abs(found - truth) <= truth * histogram.ERROR + 0.5


def test_percentiles_of_nothing_and_of_few():
    assert histogram.percentile({}, 0.5) is None
    assert histogram.percentile({histogram.NO_DURATION: 4}, 0.5) is None
    assert histogram.percentile({7: 1}, 0.99) == 7
    assert histogram.percentile({1: 19, 9: 1}, 0.95) == 1
    assert histogram.percentile({1: 19, 9: 2}, 0.95) == 9


def _event(key: int = first_at(NOW)) -> Event:
    return Event(key=key, id="e", type="t", source="", subject=None, time=NOW, data=None)


def _run(key: int, **more: object) -> Run:
    values = {"flow": "f", "version": 1, "status": RunStatus.RUNNING, "trigger": "f/0", "created_at": NOW}
    return Run(key=key, **(values | {"started_at": NOW} | more))  # type: ignore[arg-type]


def _told(batch: Batch) -> dict[tuple[str, str, int], int]:
    return {(one.flow, one.what, one.bucket): one.count for one in batch.tallies}


def test_a_batch_tells_what_it_brings_about():
    sheet, done = TallySheet(), _run(5, status=RunStatus.COMPLETED, finished_at=NOW + 12)
    never = _run(6, status=RunStatus.CANCELLED, started_at=None, finished_at=NOW)
    held = _run(7, status=RunStatus.PENDING, started_at=None)
    batch = Batch(accepted=[Acceptance(event=_event(), runs=(done, held))], runs={5: done, 6: never, 7: held})
    sheet.fold(batch, NOW)
    wanted = {("", "event", -1): 1, ("f", "started", -1): 1, ("f", "completed", 12): 1, ("f", "cancelled", -1): 1}
    assert _told(batch) == wanted
    sheet.began(_run(9))
    sheet.failed()
    sheet.fold(batch, NOW)
    assert _told(batch) == wanted | {("f", "started", -1): 2}
    sheet.failed()
    sheet.fold(batch, NOW)
    assert _told(batch) == wanted | {("f", "started", -1): 2}
    sheet.settled(batch, Committed())
    assert not sheet.pending


def test_tallies_ride_once_a_second_and_none_is_lost():
    sheet = TallySheet()
    told: dict[tuple[str, str, int], int] = {}
    for number in range(40):
        now = NOW + number * 100
        batch = Batch(runs={number: _run(number, status=RunStatus.FAILED, finished_at=NOW + 3)})
        sheet.began(_run(number))
        sheet.fold(batch, now)
        assert bool(batch.tallies) is (number % 10 == 0)
        if number == 20:
            sheet.failed()
            sheet.fold(batch, now)
        sheet.settled(batch, Committed())
        for key, count in _told(batch).items():
            told[key] = told.get(key, 0) + count
    sheet.urge()
    last = Batch()
    sheet.fold(last, NOW + 3_950)
    for key, count in _told(last).items():
        told[key] = told.get(key, 0) + count
    assert told == {("f", "failed", 3): 40, ("f", "started", -1): 40}


def test_what_a_batch_did_not_get_is_taken_back():
    sheet, run, fenced = TallySheet(), _run(5), _run(6, status=RunStatus.FAILED, finished_at=NOW + 3)
    event = _event()
    batch = Batch(accepted=[Acceptance(event=event, runs=(run,))], runs={6: fenced})
    sheet.fold(batch, NOW)
    told = _told(batch)
    sheet.settled(batch, Committed({event.key: 1}, frozenset({5}), frozenset({6})))
    assert sheet.pending
    after = Batch()
    sheet.fold(after, NOW + 1_000)
    assert _told(after) == {key: -count for key, count in told.items()}


def test_windows_lie_on_their_steps():
    there = window(NOW - DAY, NOW, None, NOW)
    assert (there.step, there.since % 5, there.slots <= POINTS) == (5, 0, True)
    assert there.times[0] <= NOW - DAY
    assert there.until * MINUTE >= NOW
    assert window(NOW - HOUR, NOW, None, NOW).step == 1
    assert window(NOW - 30 * DAY, NOW, None, NOW).step == 180
    assert window(NOW - 400 * DAY + HOUR, NOW, None, NOW).slots <= POINTS
    assert window(NOW - 10, NOW, None, NOW).slots >= 1


def test_old_minutes_are_shown_by_the_hour():
    assert window(NOW - 5 * DAY, NOW - 4 * DAY, 5 * MINUTE, NOW).step == 60
    assert window(NOW - 5 * DAY, NOW - 4 * DAY, 90 * MINUTE, NOW).step == 120


@pytest.mark.parametrize(
    ("since", "until", "step", "why"),
    [
        (NOW, NOW, None, "not before"),
        (NOW, NOW - DAY, None, "not before"),
        (NOW - 500 * DAY, NOW, None, "at most 400 days"),
        (0, NOW, None, "at most 400 days"),
        (NOW - DAY, NOW, 30_000, "whole number of minutes"),
        (NOW - DAY, NOW, 61_000, "whole number of minutes"),
        (NOW - 47 * HOUR, NOW, MINUTE, str(MOST_POINTS)),
    ],
)
def test_windows_that_are_refused(since: int, until: int, step: int | None, why: str):
    with pytest.raises(InvalidError, match=why):
        window(since, until, step, NOW)
