"""Shapes of alerts, rules and silences in the API's JSON."""

from __future__ import annotations

import msgspec

from reactor.server.trigger_shapes import Shape


class AcknowledgementShape(Shape):
    """Somebody looks after it."""

    by: str
    at: str
    note: str


class AlertShape(Shape):
    """One alert."""

    id: str
    rule: str
    kind: str
    severity: str
    """info, warning, critical."""
    state: str
    """pending (it is so, but not long enough), firing, resolved."""
    subject: str
    """What it is about: a flow, a trigger's key, or empty: the whole."""
    flow: str | None
    trigger: str | None
    value: float | None
    """The rule's value when it was last looked at; null: there was not enough to tell, or it is none of numbers."""
    threshold: float | None
    unit: str
    """Of value and threshold: share (0 to 1), ms, count, or empty."""
    reason: str
    """A sentence with the values that decided."""
    since: str
    """When it was first so."""
    fired_at: str | None
    resolved_at: str | None
    acknowledged: AcknowledgementShape | None
    silence: str | None
    """Id of the silence that keeps it quiet."""
    told: bool
    """That it fires was told as an event, and so to flows that notify."""
    untold: str
    """Why not."""
    url: str
    """Its page."""


class RuleShape(Shape):
    """A rule, with how it stands. What its kind does not know is null."""

    name: str
    kind: str
    description: str
    severity: str
    enabled: bool
    flow: str | None
    labels: dict[str, str]
    by: str | None
    """flow: each flow for itself; all: together."""
    threshold: float | str | None
    """A share (0 to 1), a count, or a duration as text."""
    window: str | None
    for_: str = msgspec.field(name="for")
    clear: str
    min_runs: int | None
    percentile: str | None
    queue: str | None
    updated_at: str
    updated_by: str
    """reactor: it was there at the first start."""
    state: str
    """firing, pending, ok, off: the worst of its alerts."""
    alerts: int
    """Unresolved ones."""
    overflow: int
    """Subjects more than one rule may have alerts of: they are not shown singly."""


class KindShape(Shape):
    """A kind of rule, for forms."""

    name: str
    doc: str
    keys: list[str]
    """What its rules may say."""
    unit: str
    threshold: float | None
    """What counts where a rule says none; null: it has to say one."""


class PreviewedAlert(Shape):
    """An alert that there would have been."""

    subject: str
    flow: str | None
    state: str
    fired_at: str | None
    resolved_at: str | None
    value: float | None
    reason: str


class ReadingShape(Shape):
    """What a rule says of one subject."""

    subject: str
    flow: str | None
    trigger: str | None
    value: float | None
    state: str
    """firing, ok, unknown."""
    reason: str


class Preview(Shape):
    """What a rule would have said."""

    since: str
    until: str
    looked_back: bool
    """False: of this kind nothing is known of the past."""
    note: str
    fired: int
    """Alerts that would have fired in that time."""
    alerts: list[PreviewedAlert]
    now: list[ReadingShape]


class SilenceShape(Shape):
    """Alerts that are shown but not told, for a time."""

    id: str
    rule: str | None
    flow: str | None
    labels: dict[str, str]
    since: str
    until: str
    by: str
    reason: str
    active: bool
    matches: int
    """Unresolved alerts that it keeps quiet."""
