"""Series, totals and figures of flows for any window, made of tallies and samples."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from reactor.engine.executor import Executor
from reactor.engine.flows import FlowBook
from reactor.engine.statistics.sampling import EVERY, REDUCED, Sample, Sampling, decoded, fine_from, reduced
from reactor.engine.statistics.tallying import MINUTE
from reactor.model.clock import Instant
from reactor.model.errors import InvalidError
from reactor.model.histogram import NO_DURATION, percentile
from reactor.stores.statistics import Statistics, Tallied, TallyFilter

STEPS = (1, 5, 10, 15, 30, 60, 180, 360, 720, 1440, 2880, 4320, 10_080)
"""Minutes that a chart's points may stand for, when nobody says."""
POINTS, MOST_POINTS = 300, 1_500
LONGEST = 400 * 24 * 60
ENDS = ("completed", "failed", "cancelled")
_TIMED = ("completed", "failed")
"""Ends whose durations count: how long a run was let live before somebody cancelled it says nothing."""
SHARES = {"p50": 0.5, "p95": 0.95, "p99": 0.99}


class Window(msgspec.Struct, frozen=True):
    """A stretch of time in slots of whole minutes."""

    since: int
    until: int
    """Minute, not included."""
    step: int

    @property
    def slots(self) -> int:
        """How many."""
        return -(-(self.until - self.since) // self.step)

    @property
    def times(self) -> list[Instant]:
        """Where each begins."""
        return [(self.since + number * self.step) * MINUTE for number in range(self.slots)]


def window(since: Instant, until: Instant, step: int | None, now: Instant, points: int = POINTS) -> Window:
    """The window that holds these times, on the step's border. `step`: milliseconds; None chooses one that gives at
    most `points` slots.

    Raises:
        InvalidError: there is nothing between the times, or it is more than can be shown.
    """
    if since >= until:
        raise InvalidError("`since` is not before `until`")
    first, last = since // MINUTE, -(-min(until, now + MINUTE) // MINUTE)
    last = max(last, first + 1)
    if last - first > LONGEST:
        raise InvalidError(f"a window is at most {LONGEST // 1440} days long")
    minutes = _step(first, last, step, now // MINUTE, points)
    start = first // minutes * minutes
    return Window(start, start + -(-(last - start) // minutes) * minutes, minutes)


def _step(first: int, last: int, step: int | None, now: int, points: int) -> int:
    least = 60 if first < fine_from(now) else 1
    if step is None:
        return next((each for each in STEPS if each >= least and (last - first) / each <= points), STEPS[-1])
    if step < MINUTE or step % MINUTE:
        raise InvalidError("step is a whole number of minutes: 1m, 5m, 1h")
    minutes = step // MINUTE
    if least > 1:
        minutes = max(60, -(-minutes // 60) * 60)
    if (last - first) / minutes > MOST_POINTS:
        raise InvalidError(f"that gives more than {MOST_POINTS} points: take a longer step, or leave it out")
    return minutes


class Sums:
    """Tallies of one slot, or of several."""

    __slots__ = ("counts", "durations", "took")

    def __init__(self) -> None:
        self.counts: dict[str, int] = {}
        self.durations: dict[int, int] = {}
        self.took = [0, 0]
        """How many had a duration, and the sum of these."""

    def add(self, tally: Tallied) -> None:
        """Count it in."""
        self.counts[tally.what] = self.counts.get(tally.what, 0) + tally.count
        if tally.what in _TIMED and tally.bucket != NO_DURATION:
            self.durations[tally.bucket] = self.durations.get(tally.bucket, 0) + tally.count
            self.took[0] += tally.count
            self.took[1] += tally.total

    def join(self, other: Sums) -> None:
        """Count everything of another in."""
        for what, count in other.counts.items():
            self.counts[what] = self.counts.get(what, 0) + count
        for bucket, count in other.durations.items():
            self.durations[bucket] = self.durations.get(bucket, 0) + count
        self.took = [self.took[0] + other.took[0], self.took[1] + other.took[1]]

    def count(self, what: str) -> int:
        """How many; never less than none."""
        return max(self.counts.get(what, 0), 0)

    @property
    def ended(self) -> int:
        """Runs that ended, whatever way."""
        return sum(map(self.count, ENDS))

    @property
    def success(self) -> float | None:
        """Share of the completed among the completed and failed; None: there are none."""
        done, failed = self.count("completed"), self.count("failed")
        return round(done / (done + failed), 6) if done + failed else None

    def latency(self, name: str) -> float | None:
        """A percentile of the durations, in milliseconds."""
        return percentile(self.durations, SHARES[name])

    @property
    def mean(self) -> float | None:
        """Of the durations; exact."""
        return round(self.took[1] / self.took[0], 1) if self.took[0] > 0 else None

    def view(self) -> dict[str, Any]:
        """As the API shows them."""
        return {
            "runs": self.ended,
            **{what: self.count(what) for what in ENDS},
            "success_rate": self.success,
            "mean": self.mean,
            **{name: self.latency(name) for name in SHARES},
        }


class Figures:
    """Asks the store, and makes what pages draw."""

    def __init__(self, statistics: Statistics, sampling: Sampling, book: FlowBook, executor: Executor) -> None:
        self._statistics = statistics
        self._sampling = sampling
        self._book = book
        self._executor = executor

    async def tallied(self, wanted: TallyFilter) -> list[Tallied]:
        """The store's sums, with what has been counted up to now."""
        await self._executor.committer.counted()
        return await self._statistics.tallied(wanted)

    async def sums(self, wanted: TallyFilter) -> dict[tuple[int, str], Sums]:
        """By slot and flow (empty where all are in one)."""
        found: dict[tuple[int, str], Sums] = {}
        for tally in await self.tallied(wanted):
            found.setdefault((tally.slot, tally.flow), Sums()).add(tally)
        return found

    async def total(self, since: int, until: int, flow: str | None = None, trigger: str | None = None) -> Sums:
        """Everything between two minutes."""
        wanted = TallyFilter(since=since, until=until, step=max(until - since, 1), flow=flow, trigger=trigger)
        return (await self.sums(wanted)).get((0, ""), Sums())

    async def series(self, there: Window, flow: str | None = None, trigger: str | None = None) -> dict[str, Any]:
        """One value a slot of everything that a chart may want, with totals of the window and of the one before."""
        wanted = TallyFilter(since=there.since, until=there.until, step=there.step, flow=flow, trigger=trigger)
        by_slot, nothing = await self.sums(wanted), Sums()
        slots = [by_slot.get((number, ""), nothing) for number in range(there.slots)]
        whole = await self.total(there.since, there.until, flow, trigger)
        before = await self.total(2 * there.since - there.until, there.since, flow, trigger)
        of_all = flow is None and trigger is None
        return {
            "times": [at // 1000 for at in there.times],
            **{what: [slot.count(what) for slot in slots] for what in (*ENDS, "started")},
            "events": [slot.count("event") for slot in slots] if of_all else None,
            "mean": [slot.mean for slot in slots],
            **{name: [slot.latency(name) for slot in slots] for name in SHARES},
            "totals": self._totals(whole, of_all=of_all),
            "before": self._totals(before, of_all=of_all),
        }

    @staticmethod
    def _totals(sums: Sums, *, of_all: bool) -> dict[str, Any]:
        events = sums.count("event") if of_all else None
        return {**sums.view(), "started": sums.count("started"), "events": events}

    async def samples(self, there: Window) -> dict[str, Any]:
        """How the machine was: as finely as is known, up to the points of a chart."""
        since, until = there.since * MINUTE, there.until * MINUTE
        here = [one for one in self._sampling.samples if since <= one.at < until]
        oldest = self._sampling.samples[0].at if self._sampling.samples else until
        seconds = there.step * 60
        if oldest <= since or (until - since) // MINUTE <= 60:
            seconds = min(seconds, max(EVERY, -(-(until - since) // 1000 // POINTS // EVERY) * EVERY))
        stored: list[Sample] = []
        if oldest > since:
            border = min(oldest // MINUTE + 1, there.until)
            rows = await self._statistics.samples(there.since, border)
            stored = [one for one in decoded(rows) if one.at < oldest // MINUTE * MINUTE]
        return _sampled([*stored, *here], since, until, seconds * 1000)

    async def flows(self, since: Instant, points: int, only: str | None = None) -> tuple[Window, list[dict[str, Any]]]:
        """Each flow since then: its totals, its newest run and its counts over time."""
        now = self._executor.clock.now()
        there = window(since, now, None, now, points)
        wanted = TallyFilter(
            since=there.since, until=there.until, step=there.until - there.since, flow=only, by_flow=True
        )
        totals = {flow: sums for (_, flow), sums in (await self.sums(wanted)).items() if flow}
        fine = msgspec.structs.replace(wanted, step=there.step, durations=False)
        lines = _lines(await self.tallied(fine), there.slots)
        names = sorted({name for name in self._book.current if only in {None, name}} | totals.keys())
        newest = {run.flow: run for run in await self._statistics.newest_runs(names)}
        return there, [
            {
                "flow": name,
                **totals.get(name, Sums()).view(),
                "newest": newest.get(name),
                "line": lines.get(name) or _Line(there.slots),
            }
            for name in names
        ]


class _Line:
    """Counts of one flow over time."""

    def __init__(self, slots: int) -> None:
        self.runs = [0] * slots
        self.failed = [0] * slots


def _lines(tallies: Iterable[Tallied], slots: int) -> Mapping[str, _Line]:
    found: dict[str, _Line] = {}
    for tally in tallies:
        if tally.what in ENDS and 0 <= tally.slot < slots:
            line = found.setdefault(tally.flow, _Line(slots))
            line.runs[tally.slot] += tally.count
            line.failed[tally.slot] += tally.count if tally.what == "failed" else 0
    return found


def _sampled(samples: list[Sample], since: Instant, until: Instant, step: int) -> dict[str, Any]:
    """Samples as arrays; null where there is none."""
    slots: list[list[Sample]] = [[] for _ in range(-(-(until - since) // step))]
    for one in samples:
        if since <= one.at < until:
            slots[(one.at - since) // step].append(one)
    times = [since + number * step for number in range(len(slots))]
    made = [reduced(slot, at) if slot else None for slot, at in zip(slots, times, strict=True)]
    arrays = {name: [None if one is None else getattr(one, name) for one in made] for name in REDUCED}
    return {"step": step // 1000, "times": [at // 1000 for at in times], **arrays}
