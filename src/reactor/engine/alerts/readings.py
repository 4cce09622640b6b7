"""What each kind of rule says now: of figures, triggers, queues, the disk and the store."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from statistics import median
from typing import TYPE_CHECKING

from reactor.engine.alerts.rules import DAY, MINUTE, Rule
from reactor.engine.alerts.states import EVENTS, Reading, shown
from reactor.engine.statistics.figures import ENDS, Figures, Sums
from reactor.engine.statistics.sampling import Sample
from reactor.engine.trigger_context import TriggerStatus
from reactor.model import durations, ids
from reactor.model.clock import Instant
from reactor.model.flow import Flow
from reactor.model.patterns import fits, glob
from reactor.model.states import RunStatus, TriggerState
from reactor.stores.port import RunFilter
from reactor.stores.statistics import TallyFilter

if TYPE_CHECKING:
    from reactor.engine.engine import Engine

DAYS, FEWEST_DAYS = 7, 3
"""Days before that are compared with, and how many there have to be."""
_HOUR = 60
_PAST_FOR = 5 * MINUTE
"""How long the counts of the days before are taken for true."""
_LOOKED_AT = 200
"""Long runs of one look."""
_LISTENING = (TriggerState.ARMED, TriggerState.LAGGING)
Hours = Mapping[str, Mapping[int, int]]
"""Flow → hour → ends of runs."""


class Readings:
    """Asks the parts of one engine. `fresh` begins a round: what several rules ask for is asked once."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._sums: dict[int, dict[str, Sums]] = {}
        self._hours: tuple[Instant, Hours] | None = None
        self._triggers: list[TriggerStatus] = []
        self.notifiers: frozenset[str] = frozenset()
        """Flows that listen for alerts: what they do must not raise any that they are told of."""
        self._kinds: Mapping[str, Callable[[Rule, Instant], Iterable[Reading]]] = {
            "queue_depth": self._queue,
            "silent_trigger": self._silent,
            "trigger_failed": self._failed,
            "dead_letters": self._letters,
            "run_stuck": self._stuck,
            "disk": self._disk,
            "store_trouble": self._store,
        }

    def fresh(self) -> None:
        """A new round."""
        self._sums = {}
        self._triggers = self._engine.triggers.status()
        current = self._engine.book.current.items()
        self.notifiers = frozenset(name for name, flow in current if _notifies(flow))

    async def read(self, rule: Rule, now: Instant) -> list[Reading]:
        """What a rule says of each subject that it knows something of.

        Raises:
            StoreError: the store cannot be asked now.
        """
        if rule.kind == "long_running":
            return await self._long(rule, now)
        if rule.kind in self._kinds:
            return list(self._kinds[rule.kind](rule, now))
        figures = self._engine.figures
        if figures is None:
            return []
        sums = await self._in_window(figures, rule, now)
        if rule.kind == "throughput_drop":
            return self.drops(rule, sums, await self._past(now), now)
        return self.of_sums(rule, sums)

    def covers(self, rule: Rule, name: str) -> bool:
        """Whether a rule is about that flow."""
        if rule.flow is not None and glob(rule.flow).fullmatch(name) is None:
            return False
        flow = self._engine.book.current.get(name)
        return not rule.labels or (flow is not None and rule.labels.items() <= flow.labels.items())

    # --- of figures --------------------------------------------------------------------------------------------------

    async def _in_window(self, figures: Figures, rule: Rule, now: Instant) -> dict[str, Sums]:
        minutes = rule.window // MINUTE
        if minutes not in self._sums:
            last = now // MINUTE + 1
            wanted = TallyFilter(since=last - minutes, until=last, step=minutes, by_flow=True)
            self._sums[minutes] = {flow: sums for (_, flow), sums in (await figures.sums(wanted)).items() if flow}
        return self._sums[minutes]

    def _grouped(self, rule: Rule, sums: Mapping[str, Sums]) -> dict[str, Sums]:
        """By subject: each flow, or all in one."""
        there = {name: one for name, one in sums.items() if self.covers(rule, name)}
        if rule.by == "flow":
            return there
        whole = Sums()
        for name, one in there.items():
            if name not in self.notifiers:
                whole.join(one)
        return {"": whole}

    def of_sums(self, rule: Rule, sums: Mapping[str, Sums]) -> list[Reading]:
        """Failure rates and latencies of one window."""
        judge = _rate if rule.kind == "failure_rate" else _latency
        return [judge(rule, subject, one) for subject, one in self._grouped(rule, sums).items()]

    def drops(self, rule: Rule, sums: Mapping[str, Sums], hours: Hours, now: Instant) -> list[Reading]:
        """A window's count against the same time of the days before."""
        first = min((hour for counts in hours.values() for hour in counts), default=now // MINUTE)
        known = {*sums, *hours} - {""}
        there = {name: sums.get(name, Sums()) for name in known}
        found = []
        for subject, one in self._grouped(rule, there).items():
            named = known if rule.by == "all" else {subject}
            counts: dict[int, int] = {}
            for name in named:
                if rule.by == "flow" or (self.covers(rule, name) and name not in self.notifiers):
                    for hour, count in hours.get(name, {}).items():
                        counts[hour] = counts.get(hour, 0) + count
            found.append(_drop(rule, subject, one.ended, counts, first, now))
        return found

    async def _past(self, now: Instant) -> Hours:
        if self._hours is None or now - self._hours[0] > _PAST_FOR:
            self._hours = (now, await hours_before(self._engine, now))
        return self._hours[1]

    # --- of states ---------------------------------------------------------------------------------------------------

    def _of_triggers(self, rule: Rule) -> list[TriggerStatus]:
        return [one for one in self._triggers if self.covers(rule, one.flow)]

    def _failed(self, rule: Rule, now: Instant) -> Iterable[Reading]:
        for one in self._of_triggers(rule):
            failed = one.state is TriggerState.FAILED
            breach = None if one.state is TriggerState.ARMING else failed
            reason = one.reason if failed else f"the trigger is {one.state.value}"
            yield _of_trigger(one, now - one.since if failed else None, reason, breach=breach)

    def _silent(self, rule: Rule, now: Instant) -> Iterable[Reading]:
        for one in self._of_triggers(rule):
            limit = rule.window or one.expects
            if limit is None or one.armed_at is None or one.state not in _LISTENING:
                continue
            silence = now - max(one.last_event_at or 0, one.armed_at)
            quiet = silence >= limit
            # Since the start there was none, but that is not long ago: a silence of before may go on.
            breach = None if one.last_event_at is None and not quiet else quiet
            word = "no event has come for" if quiet else "an event has come; the last was before"
            yield _of_trigger(one, silence, f"{word} {_roughly(silence)}", breach=breach)

    def _letters(self, rule: Rule, _: Instant) -> Iterable[Reading]:
        for one in self._of_triggers(rule):
            yield _of_trigger(
                one, one.letters, f"{one.letters} dead letters wait: reactor dead-letters list --trigger {one.key}",
                breach=one.letters > (rule.threshold or 0),
            )  # fmt: skip

    def _queue(self, rule: Rule, _: Instant) -> Iterable[Reading]:
        limit, executor = rule.threshold or 0, self._engine.executor
        if rule.queue == "lag":
            for one in self._of_triggers(rule):
                if one.lag is not None:
                    reason = f"{one.lag:,} messages wait at the source"
                    yield _of_trigger(one, one.lag, reason, breach=one.lag > limit)
        elif rule.queue == "events":
            count = executor.committer.queued
            yield Reading(subject="", value=count, breach=count > limit, reason=f"{count:,} events wait for a commit")
        else:
            for name, count in executor.flow_control.waiting_by_flow().items():
                if self.covers(rule, name):
                    reason = f"flow control lets {count:,} runs wait"
                    yield Reading(subject=name, flow=name, value=count, breach=count > limit, reason=reason)

    def _stuck(self, _: Rule, __: Instant) -> Iterable[Reading]:
        found = self._engine.executor.unreadable
        named = ", ".join(f"{ids.to_text('run', key)}: {why}" for key, why in list(found.items())[:3])
        reason = f"{len(found)} runs cannot be read: {named[:400]}" if found else "all runs can be read"
        yield Reading(subject="", value=len(found), breach=bool(found), reason=reason)

    def _disk(self, rule: Rule, _: Instant) -> Iterable[Reading]:
        yield of_disk(rule, self._engine.sampling.newest)

    def _store(self, _: Rule, __: Instant) -> Iterable[Reading]:
        committer = self._engine.executor.committer
        trouble = str(committer.broken) if committer.broken is not None else committer.trouble
        reason = f"the store cannot write: {trouble}" if trouble else "the store writes"
        yield Reading(subject="", value=1.0 if trouble else 0.0, breach=bool(trouble), reason=reason)

    async def _long(self, rule: Rule, now: Instant) -> list[Reading]:
        limit = round(rule.threshold or 0)
        wanted = RunFilter(status=(RunStatus.RUNNING,), until=now - limit, limit=_LOOKED_AT)
        oldest: dict[str, tuple[int, int, int]] = {}
        for run in await self._engine.history.runs(wanted):
            age = now - (run.started_at or run.created_at)
            if age >= limit and self.covers(rule, run.flow):
                before = oldest.get(run.flow, (0, run.key, 0))
                oldest[run.flow] = (*max(before[:2], (age, run.key)), before[2] + 1)
        found = []
        for name, (age, key, count) in oldest.items():
            reason = f"{count} runs are running for so long; {ids.to_text('run', key)} for {_roughly(age)}"
            found.append(Reading(subject=name, flow=name, value=age, breach=True, reason=reason))
        return found


async def hours_before(engine: Engine, now: Instant) -> Hours:
    """Ends of runs by flow and hour, of the days before that are compared with."""
    if engine.figures is None:
        return {}
    last = now // MINUTE // _HOUR * _HOUR + _HOUR
    since = last - (DAYS + 2) * 24 * _HOUR
    wanted = TallyFilter(since=since, until=last, step=_HOUR, by_flow=True, durations=False)
    found: dict[str, dict[int, int]] = {}
    for (slot, flow), sums in (await engine.figures.sums(wanted)).items():
        if any(sums.count(what) for what in ENDS):
            found.setdefault(flow, {})[since + slot * _HOUR] = sums.ended
    return found


def _notifies(flow: Flow) -> bool:
    patterns = [
        str(one.config.get("event", one.config.get("", "")))
        for one in flow.triggers
        if one.kind == "event" and one.enabled
    ]
    return any(fits(pattern, type_) for pattern in patterns if pattern[:1] != "*" for type_ in EVENTS.values())


def _of_trigger(one: TriggerStatus, value: float | None, reason: str, *, breach: bool | None) -> Reading:
    return Reading(subject=one.key, flow=one.flow, trigger=one.key, value=value, breach=breach, reason=reason)


def _few(rule: Rule, subject: str, count: int) -> Reading:
    window = durations.show(rule.window)
    reason = f"{count} runs ended in the last {window}: too few to tell ({rule.min_runs} are needed)"
    return Reading(subject=subject, flow=subject or None, value=None, breach=False, reason=reason)


def _rate(rule: Rule, subject: str, sums: Sums) -> Reading:
    done, failed = sums.count("completed"), sums.count("failed")
    if done + failed < max(rule.min_runs, 1):
        return _few(rule, subject, done + failed)
    share = failed / (done + failed)
    reason = f"{failed} of {done + failed} runs failed in the last {durations.show(rule.window)} ({share:.0%})"
    breach = share >= (rule.threshold or 0)
    return Reading(subject=subject, flow=subject or None, value=round(share, 6), breach=breach, reason=reason)


def _latency(rule: Rule, subject: str, sums: Sums) -> Reading:
    took = sums.latency(rule.percentile)
    if took is None or sums.took[0] < rule.min_runs:
        return _few(rule, subject, max(sums.took[0], 0))
    where = f"in the last {durations.show(rule.window)}, of {sums.took[0]} runs"
    reason = f"{rule.percentile} of the durations is {shown(took, 'ms')} {where}"
    return Reading(
        subject=subject, flow=subject or None, value=took, breach=took > (rule.threshold or 0), reason=reason
    )


def _drop(rule: Rule, subject: str, count: int, hours: Mapping[int, int], first: int, now: Instant) -> Reading:
    last = now // MINUTE + 1
    since = last - rule.window // MINUTE
    flow, window = subject or None, durations.show(rule.window)
    before = [
        _between(hours, since - day * 1440, last - day * 1440)
        for day in range(1, DAYS + 1)
        if since - day * 1440 >= first
    ]
    if len(before) < FEWEST_DAYS:
        reason = f"{len(before)} days before are known: too few to compare with ({FEWEST_DAYS} are needed)"
        return Reading(subject=subject, flow=flow, value=None, breach=False, reason=reason)
    usual = median(before)
    if usual < rule.min_runs:
        reason = f"usually {usual:.0f} runs end in {window}: too few to tell ({rule.min_runs} are needed)"
        return Reading(subject=subject, flow=flow, value=None, breach=False, reason=reason)
    drop = max(1 - count / usual, 0.0)
    reason = f"{count} runs ended in the last {window}; at this time of the days before it was {usual:.0f}"
    breach = drop >= (rule.threshold or 0)
    return Reading(subject=subject, flow=flow, value=round(drop, 6), breach=breach, reason=reason)


def _between(hours: Mapping[int, int], since: int, until: int) -> float:
    """The count between two minutes, where only that of each hour is known."""
    total = 0.0
    for hour in range(since // _HOUR * _HOUR, until, _HOUR):
        share = (min(until, hour + _HOUR) - max(since, hour)) / _HOUR
        total += hours.get(hour, 0) * share
    return total


def of_disk(rule: Rule, sample: Sample | None) -> Reading:
    """How full the disk is, by one sample."""
    if sample is None or sample.disk_size <= 0:
        return Reading(subject="", value=None, breach=None, reason="the disk cannot be looked at")
    share = sample.disk_free / sample.disk_size
    reason = f"{share:.1%} of the data folder's disk is free ({sample.disk_free / 1e9:.1f} GB)"
    return Reading(subject="", value=round(share, 6), breach=share < (rule.threshold or 0), reason=reason)


def _roughly(millis: int) -> str:
    """Two units are enough."""
    coarse = DAY // 24 if millis >= DAY else MINUTE if millis >= DAY // 24 else 1_000
    return durations.show(max(millis // coarse * coarse, 0))
