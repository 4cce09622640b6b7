"""What an event is to triggers that listen in a way of their own: patterns of several events, and ends of runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from reactor.engine.endings import KIND as RUN
from reactor.engine.endings import statuses
from reactor.engine.patterns.pattern import Pattern, owner_of
from reactor.engine.triggers import convert
from reactor.model import durations, ids
from reactor.model.event import Event
from reactor.model.flow import TriggerSpec
from reactor.model.patterns import glob
from reactor.routing.answers import ERROR, PASSED, STOPPED, Answer
from reactor.sdk.manifest import Catalog
from reactor.stores.port import EventLog, History

PATTERN = "pattern"
CONTRIBUTED = "merged"
"""An event that is a part of a pattern starts nothing by itself."""


class Listening:
    """Reads what the store knows of keys; changes nothing."""

    def __init__(self, catalog: Catalog, history: History, log: EventLog | None, env: Mapping[str, str]) -> None:
        """`env`: what `env.` may read."""
        self._catalog = catalog
        self._history = history
        self._log = log
        self._env = env
        self._patterns: dict[str, tuple[TriggerSpec, Pattern]] = {}

    def pattern(self, spec: TriggerSpec) -> Pattern:
        """The pattern of a trigger, compiled."""
        known = self._patterns.get(spec.key)
        if known is None or known[0] is not spec:
            if len(self._patterns) > 4_096:
                self._patterns.clear()
            config = convert(self._catalog.triggers[spec.kind], spec.config)
            known = self._patterns[spec.key] = (spec, Pattern(config, spec, self._env))
        return known[1]

    async def pattern_answer(self, spec: TriggerSpec, event: Event) -> Answer:
        """What an event gives to a pattern: which part it fits, for which key, and what became of that key."""
        pattern = self.pattern(spec)
        parts = sorted({part.type for part in pattern.parts})
        expression = f"{pattern.kind} of {', '.join(parts)} within {durations.show(pattern.within)}"
        about: dict[str, Any] = {"rule": PATTERN, "expression": expression, "trigger": spec.key}
        if not pattern.wants(event.type):
            reason = f"the event's type {event.type!r} does not fit {', '.join(map(repr, parts))}"
            return Answer(result=STOPPED, reason=reason, **about)
        sort = pattern.sort(event)
        if not sort.parts:
            reason = sort.wrong or "no part's `if` holds for it"
            result = ERROR if sort.wrong else STOPPED
            return Answer(result=result, reason=reason, **about)
        places = [pattern.parts[at].place for at in sorted(sort.parts)]
        values: dict[str, Any] = {"part": ", ".join(places), "key": msgspec.json.decode(sort.key)}
        told = await self._history.event_by_id(f"{spec.key}/{pattern.digest}/{ids.to_text('evt', event.key)}")
        if told is not None:
            values["matched"] = ids.to_text("evt", told.key)
            reason = f"it completed the pattern: {values['matched']} tells that"
            return Answer(result=PASSED, values=values, reason=reason, **about)
        reason = f"it is {', '.join(places)} of the pattern{await self._known(spec, pattern, sort.key, event.key)}"
        return Answer(result=CONTRIBUTED, values=values, reason=reason, **about)

    async def _known(self, spec: TriggerSpec, pattern: Pattern, key: str, event: int) -> str:
        """What is known of a key now, in words."""
        if self._log is None:
            return ""
        rows = await self._log.key_states(owner_of(spec.key, pattern.digest), [key])
        if not rows:
            return "; nothing of its key is open now"
        state = msgspec.json.decode(rows[0].value or b"[]")
        flat = {each for item in state for each in (item if isinstance(item, list) else [item]) if each}
        counts = "which counts still" if event in flat else "which counts no more"
        return f", {counts}: {len(flat)} events of its key are open now"

    def run_answer(self, spec: TriggerSpec, event: Event) -> Answer:
        """Why an event is not the end of a run that a trigger listens for."""
        wanted = str(spec.config.get("flow", spec.config.get("", "*")))
        ends = statuses(spec.config.get("status"))
        expression = f"{wanted} ({', '.join(ends)})"
        values: dict[str, Any] = {}
        if not event.type.startswith("run.") or not isinstance(event.data, dict):
            reason = f"it listens for ends of runs of {wanted!r}; this event is none"
        else:
            values = {"flow": event.data.get("flow"), "status": event.data.get("status")}
            if glob(wanted).fullmatch(str(values["flow"])) is None:
                reason = f"the run's flow {values['flow']!r} does not fit {wanted!r}"
            elif values["status"] not in ends:
                reason = f"the run ended {values['status']!r}, and it listens for {', '.join(ends)}"
            else:
                reason = "it was not told to this trigger: the flow came, or was enabled, after the run's end"
        return Answer(rule=RUN, trigger=spec.key, result=STOPPED, expression=expression, values=values, reason=reason)
