"""From readings to states: ok → pending → firing → resolved. Pure, so that a preview goes the same way."""

from __future__ import annotations

from typing import Any

import msgspec

from reactor.engine.alerts.rules import KINDS, Rule
from reactor.model import durations, ids
from reactor.model.clock import Instant, to_iso

PREFIX = "alr"
PENDING, FIRING, RESOLVED = "pending", "firing", "resolved"
EVENTS = {change: f"reactor.alert.{change}" for change in ("firing", "resolved", "acknowledged")}
"""What the events are called that tell of alerts."""
STATES = (PENDING, FIRING, RESOLVED)


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """What a rule says of one subject now."""

    subject: str
    """A flow, a trigger's key, or empty: the whole."""
    flow: str | None = None
    trigger: str | None = None
    value: float | None = None
    """None: there is not enough to tell."""
    breach: bool | None
    """None: it cannot be known now, so nothing changes."""
    reason: str


class Acknowledgement(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody looks after it."""

    by: str
    at: Instant
    note: str = ""


class Alert(msgspec.Struct, kw_only=True):
    """One alert, from the first sign on."""

    key: int
    rule: str
    kind: str
    severity: str
    subject: str
    flow: str | None
    trigger: str | None
    state: str
    since: Instant
    """Since when it is so."""
    fired_at: Instant | None = None
    resolved_at: Instant | None = None
    well_since: Instant | None = None
    """It is firing, and since then it is well again: not long enough."""
    value: float | None = None
    threshold: float | None = None
    reason: str = ""
    acknowledged: Acknowledgement | None = None
    silence: int | None = None
    """Key of the silence that keeps it quiet."""
    told: bool = False
    """That it fires was told as an event."""
    untold: str = ""
    """Why it is not told."""

    @property
    def id(self) -> str:
        """As people see it."""
        return ids.to_text(PREFIX, self.key)

    @property
    def place(self) -> tuple[str, str]:
        """What there is at most one unresolved alert of."""
        return (self.rule, self.subject)


def view(alert: Alert, base: str = "") -> dict[str, Any]:
    """As every door shows it."""
    acknowledged = alert.acknowledged
    return {
        "id": alert.id,
        "rule": alert.rule,
        "kind": alert.kind,
        "severity": alert.severity,
        "state": alert.state,
        "subject": alert.subject,
        "flow": alert.flow,
        "trigger": alert.trigger,
        "value": alert.value,
        "threshold": alert.threshold,
        "unit": KINDS[alert.kind].unit if alert.kind in KINDS else "",
        "reason": alert.reason,
        "since": to_iso(alert.since),
        "fired_at": _time(alert.fired_at),
        "resolved_at": _time(alert.resolved_at),
        "acknowledged": acknowledged
        and {"by": acknowledged.by, "at": to_iso(acknowledged.at), "note": acknowledged.note},
        "silence": None if alert.silence is None else ids.to_text("sil", alert.silence),
        "told": alert.told,
        "untold": alert.untold,
        "url": f"{base}/ui/alerts/{alert.id}",
    }


def _time(instant: Instant | None) -> str | None:
    return None if instant is None else to_iso(instant)


def begun(rule: Rule, reading: Reading, key: int, now: Instant) -> Alert:
    """The first sign of one."""
    return Alert(
        key=key, rule=rule.name, kind=rule.kind, severity=rule.severity.value, subject=reading.subject,
        flow=reading.flow, trigger=reading.trigger, state=PENDING, since=now, threshold=rule.threshold,
    )  # fmt: skip


def step(alert: Alert, rule: Rule, reading: Reading, now: Instant) -> str | None:
    """Take one reading in. What has become of the alert: `firing`, `resolved`, `gone` (it never fired), or None:
    nothing new.
    """
    alert.severity, alert.threshold = rule.severity.value, rule.threshold
    if reading.breach is None:
        return None
    if not reading.breach:
        return _well(alert, rule, reading, now)
    alert.value, alert.reason, alert.well_since = reading.value, reading.reason, None
    if alert.state == PENDING and now - alert.since >= rule.for_:
        alert.state, alert.fired_at = FIRING, now
        return FIRING
    return None


def _well(alert: Alert, rule: Rule, reading: Reading, now: Instant) -> str | None:
    if alert.state == PENDING:
        return "gone"
    if alert.well_since is None:
        alert.well_since = now
    if now - alert.well_since < rule.clear:
        return None
    return resolve(alert, reading.reason, now, reading.value)


def resolve(alert: Alert, reason: str, now: Instant, value: float | None = None) -> str:
    """It is over."""
    fired = alert.state == FIRING
    alert.state, alert.resolved_at, alert.reason, alert.value = RESOLVED, now, reason, value
    return RESOLVED if fired else "gone"


def shown(value: float | None, unit: str) -> str:
    """A value in words."""
    if value is None:
        return "nothing"
    if unit == "share":
        return f"{value:.1%}"
    if unit == "ms":
        return durations.show(round(value))
    return f"{value:,.0f}"
