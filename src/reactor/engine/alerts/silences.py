"""Silences: for a time, alerts of some rules or flows are shown, but not told."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from reactor.engine.alerts.states import Alert
from reactor.model import ids
from reactor.model.clock import Instant, to_iso
from reactor.model.errors import InvalidError
from reactor.model.flow import Flow
from reactor.model.patterns import glob
from reactor.stores.port import Batch

PREFIX = "sil"
MOST = 500
_LONGEST = 500
_LONGEST_TIME = 366 * 86_400_000
_MOST_LABELS = 20


class Silence(msgspec.Struct, frozen=True, kw_only=True):
    """What is kept quiet, until when, and who wants it so."""

    key: int
    rule: str | None = None
    """Names of rules, `*` standing for any characters; None: every rule."""
    flow: str | None = None
    labels: dict[str, str] = {}
    """Of flows; all of them have to fit."""
    since: Instant
    until: Instant
    by: str
    reason: str

    def fits(self, alert: Alert, flow: Callable[[str], Flow | None]) -> bool:
        """Whether it keeps this alert quiet."""
        if self.rule is not None and glob(self.rule).fullmatch(alert.rule) is None:
            return False
        if self.flow is not None and (alert.flow is None or glob(self.flow).fullmatch(alert.flow) is None):
            return False
        if not self.labels:
            return True
        there = flow(alert.flow) if alert.flow is not None else None
        return there is not None and self.labels.items() <= there.labels.items()


def check(key: int, given: Mapping[str, Any], now: Instant, by: str) -> Silence:
    """A silence as it was written (`until` as an instant).

    Raises:
        InvalidError: it silences nothing in particular, or its time is over or too far.
    """
    rule, flow, labels = given.get("rule"), given.get("flow"), given.get("labels") or {}
    until, reason = given["until"], given.get("reason") or ""
    if rule is None and flow is None and not labels:
        raise InvalidError("say which alerts are silenced: by `rule`, `flow` or `labels`; rule: '*' are all")
    for name, text in (("rule", rule), ("flow", flow), ("reason", reason)):
        if text is not None and len(text) > _LONGEST:
            raise InvalidError(f"{name} is a text of at most {_LONGEST} characters")
    if len(labels) > _MOST_LABELS or any(len(name) + len(value) > _LONGEST for name, value in labels.items()):
        raise InvalidError(f"labels are at most {_MOST_LABELS} short texts")
    if until <= now:
        raise InvalidError(f"until: {to_iso(until)} is past")
    if until - now > _LONGEST_TIME:
        raise InvalidError("a silence lasts a year at most")
    since = given.get("since") or now
    return Silence(key=key, rule=rule, flow=flow, labels=labels, since=since, until=until, by=by, reason=reason)


def view(silence: Silence, now: Instant) -> dict[str, Any]:
    """As every door shows it."""
    return {
        "id": ids.to_text(PREFIX, silence.key),
        "rule": silence.rule,
        "flow": silence.flow,
        "labels": silence.labels,
        "since": to_iso(silence.since),
        "until": to_iso(silence.until),
        "by": silence.by,
        "reason": silence.reason,
        "active": silence.until > now,
    }


def removal(place: str, key: int) -> Batch:
    """What takes one away from where they are kept."""
    return Batch(saved=[(place, str(key), None)])
