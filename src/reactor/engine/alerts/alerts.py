"""Keeps rules, alerts and silences, asks the rules every few seconds, and tells what has changed as events.

All of it is in memory, and in what the store keeps for triggers (`Batch.saved`): so an alert's new state and the event
that tells of it are one transaction, and after a restart nothing is told twice and nothing forgotten.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from reactor.engine.alerts import rules, silences, states
from reactor.engine.alerts.readings import Readings
from reactor.engine.alerts.rules import DEFAULTS, Rule
from reactor.engine.alerts.silences import Silence
from reactor.engine.alerts.states import EVENTS, FIRING, PENDING, RESOLVED, Acknowledgement, Alert, Reading
from reactor.language.problems import closest
from reactor.model import durations, ids
from reactor.model.clock import Instant
from reactor.model.errors import ConflictError, InvalidError, NotFoundError, ReactorError, StoreError
from reactor.model.event import EventDraft

if TYPE_CHECKING:
    from reactor.engine.engine import Engine

_log = logging.getLogger("reactor.alerts")
EVERY = 5.0
"""Seconds between two rounds."""
MOST_RULES, MOST_OF_A_RULE, MOST_PAST = 200, 50, 1_000
MOST_TOLD = 6
"""So often in a day one alert is told that it fires; what comes and goes more often is shown, and told no more."""
_DAY = 86_400_000
_RULES, _ALERTS, _SILENCES = "#alert-rules", "#alerts", "#alert-silences"
"""Places among what triggers save; no trigger's key begins so."""
_MADE = "#made"
"""Name of the list of default rules that have been made, so that one that was removed stays away."""
_NOTE = 2_000


class Alerts:
    """See the module."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._clock = engine.clock
        self.readings = Readings(engine)
        self.rules: dict[str, Rule] = {}
        self.silences: dict[int, Silence] = {}
        self.active: dict[tuple[str, str], Alert] = {}
        """Unresolved ones by rule and subject."""
        self.past: dict[int, Alert] = {}
        """Resolved ones by key, oldest first."""
        self.overflow: dict[str, int] = {}
        """Rule → subjects for which there was no room."""
        self._dirty: dict[str, Alert | None] = {}
        self._outbox: list[EventDraft] = []
        self._task: asyncio.Task[None] | None = None
        self._round = asyncio.Lock()

    async def open(self) -> None:
        """Read what was kept, and make the rules that are to be there at the first start.

        Raises:
            StoreError: it cannot be read.
        """
        store = self._engine.store
        kept = await store.saved(_RULES)
        made = set(kept.pop(_MADE, ()))
        self.rules = _converted(kept, Rule)
        now, fresh = self._clock.now(), [one for one in DEFAULTS if one["name"] not in made]
        for one in fresh:
            self.rules.setdefault(one["name"], rules.check(one, now, "reactor"))
        if fresh:
            names = {one["name"]: self.rules[one["name"]] for one in fresh}
            await self._keep(_RULES, {**names, _MADE: sorted(made | names.keys())})
        for alert in sorted(_converted(await store.saved(_ALERTS), Alert).values(), key=lambda one: one.key):
            if alert.state == RESOLVED:
                self.past[alert.key] = alert
            else:
                self.active[alert.place] = alert
        found = _converted(await store.saved(_SILENCES), Silence).values()
        self.silences = {one.key: one for one in sorted(found, key=lambda one: one.key)}

    def start(self) -> None:
        """Begin to ask."""
        self._task = asyncio.get_running_loop().create_task(self._work())

    async def stop(self) -> None:
        """Ask no more."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.wait({task})

    async def _work(self) -> None:
        while True:
            await asyncio.sleep(EVERY)
            try:
                await self.tick()
            except ReactorError as error:
                _log.warning("alerts could not be looked after, trying again: %s", error)
            except Exception:  # noqa: BLE001 - see below
                # One wrong value must not end all alerts for ever; the next round tries again.
                _log.exception("alerts could not be looked after, trying again")

    # --- a round -----------------------------------------------------------------------------------------------------

    async def tick(self) -> None:
        """Ask all rules, and write and tell what is new.

        Raises:
            ReactorError: it cannot be written now; that is done with the next round.
        """
        async with self._round:
            self.readings.fresh()
            for rule in list(self.rules.values()):
                if rule.enabled:
                    await self._ask(rule)
            now = self._clock.now()
            self._drop_silences(now)
            for alert in self.active.values():
                self._tell_firing(alert, now)
            await self.flush()

    async def _ask(self, rule: Rule) -> None:
        now = self._clock.now()
        try:
            found = await self.readings.read(rule, now)
        except StoreError as error:
            _log.warning("rule %s cannot be asked: %s", rule.name, error)
            return
        if self.rules.get(rule.name) is rule:  # else it was changed meanwhile
            self.take(rule, found, now)

    def take(self, rule: Rule, found: Sequence[Reading], now: Instant) -> None:
        """What a rule says now."""
        readings = {reading.subject: reading for reading in found}
        mine = [alert for alert in self.active.values() if alert.rule == rule.name]
        for alert in mine:
            self._step(alert, rule, readings.get(alert.subject) or _absent(rule, alert), now)
        room = MOST_OF_A_RULE - len(mine)
        fresh = [one for one in found if one.breach and (rule.name, one.subject) not in self.active]
        self.overflow[rule.name] = max(len(fresh) - room, 0)
        for reading in fresh[: max(room, 0)]:
            alert = states.begun(rule, reading, self._engine.executor.ids.next(), now)
            self.active[alert.place] = alert
            self._changed(alert)
            self._step(alert, rule, reading, now)

    def _step(self, alert: Alert, rule: Rule, reading: Reading, now: Instant) -> None:
        before = (alert.well_since is None, alert.severity)
        change = states.step(alert, rule, reading, now)
        if change in {RESOLVED, "gone"}:
            self._over(alert, change)
        elif change is not None or before != (alert.well_since is None, alert.severity):
            self._changed(alert)
        if change == FIRING:
            _log.warning("alert %s: %s %s: %s", rule.severity.value, rule.name, alert.subject, alert.reason)

    def _over(self, alert: Alert, change: str | None) -> None:
        """It is resolved, or never fired."""
        self.active.pop(alert.place, None)
        if change != RESOLVED:
            self._dirty[alert.id] = None
            self._publish(alert)
            return
        self.past[alert.key] = alert
        while len(self.past) > MOST_PAST:
            oldest = next(iter(self.past))
            self._dirty[self.past.pop(oldest).id] = None
        self._changed(alert)
        if alert.told:
            self._post(alert, RESOLVED)

    def _changed(self, alert: Alert) -> None:
        self._dirty[alert.id] = alert
        self._publish(alert)

    def _publish(self, alert: Alert) -> None:
        changes = self._engine.changes
        if changes.listeners:
            shown = states.view(alert, self._base)
            changes.publish("alert", self._clock.now(), shown)

    @property
    def _base(self) -> str:
        return self._engine.executor.seals.base

    # --- telling -----------------------------------------------------------------------------------------------------

    def _tell_firing(self, alert: Alert, now: Instant) -> None:
        """Tell an alert that fires, once, as soon as nothing is against it."""
        silence = next((one.key for one in self.silences.values() if self._is_silent(one, alert, now)), None)
        if silence != alert.silence:
            alert.silence = silence
            self._changed(alert)
        if alert.state != FIRING or alert.told:
            return
        why = self._why_untold(alert, now)
        if not why:
            alert.told, alert.untold = True, ""
            self._post(alert, FIRING)
            self._changed(alert)
        elif why != alert.untold:
            alert.untold = why
            self._changed(alert)

    def _is_silent(self, silence: Silence, alert: Alert, now: Instant) -> bool:
        return silence.until > now and silence.fits(alert, self._engine.book.current.get)

    def _why_untold(self, alert: Alert, now: Instant) -> str:
        if alert.silence is not None:
            return "it is silenced"
        if alert.flow in self.readings.notifiers:
            return "its flow is told of alerts itself: that would go in a circle"
        if not self._listens(EVENTS[FIRING]):
            return f"no flow listens for {EVENTS[FIRING]}"
        told = [one for one in self.past.values() if one.place == alert.place and one.told]
        if sum((one.fired_at or 0) > now - _DAY for one in told) >= MOST_TOLD:
            return f"it has come and gone {MOST_TOLD} times within a day"
        return ""

    def _listens(self, type_: str) -> bool:
        return self._engine.book.routes.listens(type_) or self._engine.executor.waits.listens(type_)

    def _post(self, alert: Alert, change: str, **more: Any) -> None:
        """Put an event into the next commit. Its id is the alert's, so it is never there twice."""
        if not self._listens(EVENTS[change]):
            return
        at = alert.acknowledged.at if change == "acknowledged" and alert.acknowledged is not None else ""
        rule = self.rules.get(alert.rule)
        data = {**states.view(alert, self._base), "description": rule.description if rule is not None else "", **more}
        self._outbox.append(
            EventDraft(
                type=EVENTS[change],
                id=f"{alert.id}/{change}{at}",
                source=f"reactor/alerts/{alert.rule}",
                subject=alert.subject or None,
                data=data,
            )
        )

    async def flush(self) -> None:
        """Write what has changed, and its events, in one transaction.

        Raises:
            ReactorError: nothing was written; it is done with the next call.
        """
        if not self._dirty and not self._outbox:
            return
        dirty, drafts = self._dirty, self._outbox
        self._dirty, self._outbox = {}, []
        try:
            await self._engine.intake.accept(drafts, inside=True, saved=(_ALERTS, dirty))
        except BaseException:
            self._dirty, self._outbox = {**dirty, **self._dirty}, [*drafts, *self._outbox]
            raise

    async def _keep(self, place: str, values: Mapping[str, Any]) -> None:
        await self._engine.intake.accept([], saved=(place, values))

    def _drop_silences(self, now: Instant) -> None:
        for key in [key for key, one in self.silences.items() if one.until < now - _DAY]:
            del self.silences[key]
            self._engine.executor.committer.add(silences.removal(_SILENCES, key)).add_done_callback(_unheard)

    # --- what people do ----------------------------------------------------------------------------------------------

    def list(self) -> list[Alert]:
        """All, the newest first: those that are not resolved, then those that are."""
        active = sorted(self.active.values(), key=lambda one: -one.key)
        return [*active, *reversed(self.past.values())]

    def get(self, key: int) -> Alert:
        """One.

        Raises:
            NotFoundError: there is none.
        """
        found = self.past.get(key) or next((one for one in self.active.values() if one.key == key), None)
        if found is None:
            raise NotFoundError(f"there is no alert {ids.to_text(states.PREFIX, key)}; see: reactor alerts list")
        return found

    async def acknowledge(self, key: int, by: str, note: str = "") -> Alert:
        """Somebody looks after it.

        Raises:
            NotFoundError, ConflictError: there is none, or it does not fire. InvalidError: the note is too long.
        """
        if len(note) > _NOTE:
            raise InvalidError(f"a note has at most {_NOTE} characters")
        async with self._round:
            alert = self.get(key)
            if alert.state != FIRING:
                raise ConflictError(f"alert {alert.id} is {alert.state}; only one that fires can be acknowledged")
            alert.acknowledged = Acknowledgement(by=by, at=self._clock.now(), note=note)
            self._changed(alert)
            if alert.told:
                self._post(alert, "acknowledged", by=by, note=note)
            await self.flush()
        return alert

    def rule(self, name: str) -> Rule:
        """One rule.

        Raises:
            NotFoundError: there is none.
        """
        found = self.rules.get(name)
        if found is None:
            near = closest(name[:80], self.rules)
            hint = f"did you mean {near!r}?" if near else "see: reactor alerts rules"
            raise NotFoundError(f"there is no rule {name[:80]!r}; {hint}")
        return found

    async def put_rule(self, given: Mapping[str, Any], by: str, *, new: bool = False) -> Rule:
        """Keep a rule, or another in its place.

        Raises:
            InvalidError: it cannot be. ConflictError: there is one, and a new one is wanted; or there are too many.
        """
        rule = rules.check(given, self._clock.now(), by)
        async with self._round:
            old = self.rules.get(rule.name)
            if new and old is not None:
                raise ConflictError(f"there is a rule {rule.name!r}; change it, or take another name")
            if old is None and len(self.rules) >= MOST_RULES:
                raise ConflictError(f"there are {MOST_RULES} rules; that is the limit")
            await self._keep(_RULES, {rule.name: rule})
            self.rules[rule.name] = rule
            if old is not None and (old.kind != rule.kind or not rule.enabled):
                self._close(
                    rule.name, "the rule is switched off" if not rule.enabled else "the rule is another one now"
                )
            await self.flush()
        return rule

    async def remove_rule(self, name: str) -> Rule:
        """Forget a rule; its alerts are over.

        Raises:
            NotFoundError: there is none.
        """
        async with self._round:
            rule = self.rule(name)
            await self._keep(_RULES, {name: None})
            del self.rules[name]
            self._close(name, "the rule was removed")
            await self.flush()
        return rule

    def _close(self, rule: str, reason: str) -> None:
        now = self._clock.now()
        for alert in [one for one in self.active.values() if one.rule == rule]:
            self._over(alert, states.resolve(alert, reason, now))

    async def put_silence(self, given: Mapping[str, Any], by: str, key: int | None = None) -> Silence:
        """Keep alerts quiet, or change how.

        Raises:
            InvalidError: see `silences.check`. NotFoundError: there is no such silence. ConflictError: too many.
        """
        async with self._round:
            if key is not None:
                given = {**given, "since": self.silence(key).since}
            elif len(self.silences) >= silences.MOST:
                raise ConflictError(f"there are {silences.MOST} silences; that is the limit")
            number = key if key is not None else self._engine.executor.ids.next()
            made = silences.check(number, given, self._clock.now(), by)
            await self._keep(_SILENCES, {str(number): made})
            self.silences[number] = made
            await self._silences_changed()
        return made

    def silence(self, key: int) -> Silence:
        """One.

        Raises:
            NotFoundError: there is none.
        """
        found = self.silences.get(key)
        if found is None:
            raise NotFoundError(f"there is no silence {ids.to_text(silences.PREFIX, key)}")
        return found

    async def remove_silence(self, key: int) -> Silence:
        """What it kept quiet is told again, if it still fires.

        Raises:
            NotFoundError: there is none.
        """
        async with self._round:
            gone = self.silence(key)
            await self._keep(_SILENCES, {str(key): None})
            del self.silences[key]
            await self._silences_changed()
        return gone

    async def _silences_changed(self) -> None:
        now = self._clock.now()
        self.readings.fresh()
        for alert in self.active.values():
            self._tell_firing(alert, now)
        await self.flush()

    def counts(self) -> dict[tuple[str, str], int]:
        """How many are pending, firing and acknowledged, by severity."""
        found = {(state, one.value): 0 for state in (PENDING, FIRING, "acknowledged") for one in rules.Severity}
        for alert in self.active.values():
            state = "acknowledged" if alert.state == FIRING and alert.acknowledged is not None else alert.state
            found[state, alert.severity] += 1
        return found


def _absent(rule: Rule, alert: Alert) -> Reading:
    """Nothing is known of the alert's subject any more."""
    window = f" in the last {durations.show(rule.window)}" if "window" in rules.KINDS[rule.kind].keys else ""
    return Reading(
        subject=alert.subject, flow=alert.flow, trigger=alert.trigger, breach=False, reason=f"nothing happened{window}"
    )


def _converted(kept: Mapping[str, Any], kind: Any) -> dict[str, Any]:
    """What was kept; what a later program has written otherwise is left out, and said."""
    found = {}
    for name, value in kept.items():
        try:
            found[name] = msgspec.convert(value, kind)
        except msgspec.ValidationError as error:
            _log.error("%s of before cannot be read and is left out: %s: %s", kind.__name__, name, error)
    return found


def _unheard(done: asyncio.Future[None]) -> None:
    """That the store is broken is told elsewhere."""
    if not done.cancelled():
        done.exception()
