"""What a rule would have said: over the last day where figures tell, and now."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from reactor.engine.alerts import states
from reactor.engine.alerts.readings import Hours, Readings, hours_before, of_disk
from reactor.engine.alerts.rules import DAY, MINUTE, Rule
from reactor.engine.alerts.states import FIRING, RESOLVED, Alert, Reading
from reactor.engine.statistics.figures import Sums
from reactor.engine.statistics.sampling import decoded
from reactor.model.clock import Instant, to_iso
from reactor.stores.statistics import Tallied, TallyFilter

if TYPE_CHECKING:
    from reactor.engine.engine import Engine

_LOOKS = 60_000
"""Readings of one preview, about: with many flows it looks less often."""
_BREATH = 500
MOST = 200
"""Alerts and readings of one preview."""
_NO_PAST = "of this there is no past: only what it says now is known"


async def preview(engine: Engine, rule: Rule, back: int = DAY) -> dict[str, Any]:
    """The alerts that would have fired in the time before now, and what the rule says of each subject now.

    Raises:
        StoreError: the store cannot be asked.
    """
    now = engine.clock.now()
    readings = Readings(engine)
    readings.fresh()
    found: list[Alert] = []
    places: dict[str, Alert] = {}
    backwards = _rounds(engine, readings, rule, now - back, now)
    async for at, said in backwards or _none():
        _take(rule, said, at, places, found)
    present = await readings.read(rule, now)
    fired = [one for one in found if one.fired_at is not None]
    return {
        "since": to_iso(now - back),
        "until": to_iso(now),
        "looked_back": backwards is not None,
        "note": "" if backwards is not None else _NO_PAST,
        "fired": len(fired),
        "alerts": [_shown(one) for one in fired[:MOST]],
        "now": [_said(one) for one in sorted(present, key=lambda one: not one.breach)[:MOST]],
    }


def _take(rule: Rule, said: list[Reading], at: Instant, places: dict[str, Alert], found: list[Alert]) -> None:
    by_subject = {one.subject: one for one in said}
    for subject, alert in list(places.items()):
        reading = by_subject.get(subject) or Reading(subject=subject, breach=False, reason="nothing happened")
        change = states.step(alert, rule, reading, at)
        if change in {RESOLVED, "gone"}:
            del places[subject]
    for reading in said:
        if reading.breach and reading.subject not in places and len(places) < MOST:
            places[reading.subject] = alert = states.begun(rule, reading, 0, at)
            found.append(alert)
            states.step(alert, rule, reading, at)


def _shown(alert: Alert) -> dict[str, Any]:
    return {
        "subject": alert.subject,
        "flow": alert.flow,
        "state": alert.state,
        "fired_at": None if alert.fired_at is None else to_iso(alert.fired_at),
        "resolved_at": None if alert.resolved_at is None else to_iso(alert.resolved_at),
        "value": alert.value,
        "reason": alert.reason,
    }


def _said(reading: Reading) -> dict[str, Any]:
    fields = msgspec.structs.asdict(reading)
    state = {True: FIRING, False: "ok", None: "unknown"}[fields.pop("breach")]
    return {**fields, "state": state}


_Rounds = AsyncIterator[tuple[Instant, list[Reading]]]


def _rounds(engine: Engine, readings: Readings, rule: Rule, since: Instant, now: Instant) -> _Rounds | None:
    """Readings as they would have been; None: of this kind nothing is known of the past."""
    if engine.figures is None:
        return None
    if rule.kind == "disk":
        return _disks(engine, rule, since, now)
    if rule.kind in {"failure_rate", "latency", "throughput_drop"}:
        return _windows(engine, readings, rule, since, now)
    return None


async def _none() -> _Rounds:
    return
    yield


async def _disks(engine: Engine, rule: Rule, since: Instant, now: Instant) -> _Rounds:
    statistics = engine.parts.statistics
    if statistics is not None:
        for sample in decoded(await statistics.samples(since // MINUTE, now // MINUTE + 1)):
            yield sample.at, [of_disk(rule, sample)]


async def _windows(engine: Engine, readings: Readings, rule: Rule, since: Instant, now: Instant) -> _Rounds:
    if engine.figures is None:
        return
    width = rule.window // MINUTE
    first, last = since // MINUTE - width, now // MINUTE + 1
    wanted = TallyFilter(since=first, until=last, step=1, by_flow=True, flow=_exact(rule))
    by_minute: dict[int, list[Tallied]] = {}
    for tally in await engine.figures.tallied(wanted):
        if tally.flow:
            by_minute.setdefault(first + tally.slot, []).append(tally)
    hours: Hours = await hours_before(engine, now) if rule.kind == "throughput_drop" else {}
    flows = {tally.flow for tallies in by_minute.values() for tally in tallies}
    stride, looks = max((last - first) * max(len(flows), 1) // _LOOKS, 1), 0
    window: dict[str, Sums] = {}
    for minute in range(first, last):
        _slide(window, by_minute, minute, width)
        if minute - first < width or (minute - first) % stride:
            continue
        at = minute * MINUTE
        there: Mapping[str, Sums] = {name: sums for name, sums in window.items() if sums.ended}
        yield at, _judged(readings, rule, there, hours, at)
        looks += len(there) + 1
        if looks > _BREATH:
            looks = 0
            await asyncio.sleep(0)


def _judged(readings: Readings, rule: Rule, sums: Mapping[str, Sums], hours: Hours, at: Instant) -> list[Reading]:
    if rule.kind == "throughput_drop":
        return readings.drops(rule, sums, hours, at)
    return readings.of_sums(rule, sums)


def _slide(window: dict[str, Sums], by_minute: Mapping[int, list[Tallied]], minute: int, width: int) -> None:
    """Let a minute in, and the one that is too old out."""
    for tally in by_minute.get(minute, ()):
        window.setdefault(tally.flow, Sums()).add(tally)
    for tally in by_minute.get(minute - width, ()):
        gone = msgspec.structs.replace(tally, count=-tally.count, total=-tally.total)
        window[tally.flow].add(gone)


def _exact(rule: Rule) -> str | None:
    return rule.flow if rule.flow is not None and "*" not in rule.flow else None
