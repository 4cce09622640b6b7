"""Verdicts and blockers in words, with the values that decided."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from reactor.engine.flowcontrol.collecting import words_of_key
from reactor.engine.flowcontrol.lanes import SHARED, Terms
from reactor.model import durations, ids
from reactor.model.clock import Instant, to_iso
from reactor.model.errors import StepError
from reactor.model.event import Event
from reactor.model.flow import Flow, Hold, Rate
from reactor.model.journal import Run

_SHOWN = 80
"""Characters of a value that a reason quotes."""
_NAMED = 5
"""Runs that a reason names."""
STAGES = {
    "queue": "waits for its turn (`throttle`, `concurrency`)",
    "singleton": "`singleton`: waits for the end of the run that it replaces",
}
"""What lists say of a run; `explain` says it with the values."""


def rate_limit(run: Run, rate: Rate, until: Instant) -> str:
    """Why an event is dropped."""
    key = words_of_key(run, "rate_limit")
    return (
        f"dropped by `rate_limit`{key}: {rate.max} within {durations.show(rate.per)} were let in already; "
        f"the next is at {to_iso(until)}"
    )


def singleton(run: Run, other: int) -> str:
    """Why an event, or a run that was held, is skipped."""
    return f"skipped by `singleton`{words_of_key(run, 'singleton')}: {ids.to_text('run', other)} has not ended"


def dedupe(flow: Flow, event: Event) -> str:
    """Why an event is dropped."""
    part = flow.dedupe
    if part is None:
        return "dropped by `dedupe`, which the flow has no more"
    try:
        key = msgspec.json.encode(part.key.evaluate({"event": event.view()})).decode()[:_SHOWN]
    except StepError as error:
        key = error.message
    before = f"a run with the same key was started less than {durations.show(part.for_)} before"
    return f"dropped by `dedupe`: {before} (`{part.key.source}` = {key})"


def held(hold: Hold) -> str:
    """What a held run waits for."""
    return f"held by `hold`: more than {hold.over} events within {durations.show(hold.per)}"


def parked(run: Run, others: Sequence[int]) -> str:
    """What a run waits for that replaces others."""
    return (
        f"`singleton`{words_of_key(run, 'singleton')}: waits for the end of {_runs(others)}, which is being cancelled"
    )


def queued(run: Run, terms: Terms, until: Instant | None, ahead: int, holders: Sequence[int]) -> str:
    """What a run in a lane waits for."""
    before = f"; {ahead} of the same keys before it" if ahead else ""
    if until is not None:
        throttle = f"`throttle`{words_of_key(run, 'throttle')}: {terms.max} starts within {durations.show(terms.per)}"
        return f"{throttle}; the next start is at {to_iso(until)}{before}"
    if terms.slot is None or not holders:
        return f"it is about to start{before}"
    shared = ", which several flows share" if terms.slot.startswith(SHARED) else ""
    key = words_of_key(run, "concurrency")
    slots = f"{len(holders)} of {terms.limit} taken by {_runs(holders)}"
    return f"waits for a slot of `concurrency`{key}{shared}: {slots}{before}"


def _runs(keys: Sequence[int]) -> str:
    named = ", ".join(ids.to_text("run", key) for key in keys[:_NAMED])
    return named if len(keys) <= _NAMED else f"{named} and {len(keys) - _NAMED} more"
