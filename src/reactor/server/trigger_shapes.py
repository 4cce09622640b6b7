"""Shapes of triggers, dead letters and connections in the API's JSON."""

from __future__ import annotations

from typing import Any

import msgspec


class Shape(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A JSON map with these members and no others."""


class GapShape(Shape):
    """Messages that are lost to a trigger for ever."""

    at: str
    reason: str


class TriggerShape(Shape):
    """One trigger: whether it really listens."""

    key: str
    flow: str
    kind: str
    says: str
    """What it listens for, in plain words: `an HTTP POST to /orders comes`."""
    state: str
    reason: str
    since: str | None
    last_event_at: str | None
    events: int
    errors: int
    last_error: str
    lag: int | None
    """Messages that wait at the source, where that can be known."""
    expects_within_ms: int | None
    """At least one event is expected in this time (`expect:`)."""
    next_at: str | None
    letters: int
    """Dead letters that wait for a decision."""
    gap: GapShape | None
    """The last one that nobody has confirmed."""
    connections: list[str]
    """Names of the connections that it uses."""


class Upcoming(Shape):
    """When a trigger fires next."""

    key: str
    times: list[str]


class LetterRow(Shape):
    """A dead letter in a list."""

    id: str
    trigger: str
    flow: str
    kind: str
    at: str
    reason: str
    size: int
    metadata: dict[str, Any]


class LetterShape(LetterRow):
    """A dead letter with what it holds."""

    text: str | None
    """The payload when it is UTF-8 text."""
    base64: str | None
    """The payload when it is not."""


class Dropped(Shape):
    """Dead letters that are forgotten."""

    dropped: int


class TestShape(Shape):
    """How a test of a connection went."""

    at: str
    ok: bool
    message: str
    """What was found there, or why it cannot be reached."""
    took_ms: int


class ConnectionShape(Shape):
    """A connection: saved, or one that a flow brings along."""

    name: str
    type: str
    flow: str | None
    """The flow that brings it; null: it is saved, for all flows."""
    settings: dict[str, Any]
    """Secrets are the names of secrets; what a flow has written out is not shown."""
    updated_at: str | None
    health: str
    """`ok`, `failing` or `unknown`: by the triggers that use it, and by the last test."""
    reason: str
    used_by: list[str]
    """Keys of the triggers that use it now."""
    flows: list[str]
    """Flows whose actions name it."""
    tested: TestShape | None


class SettingShape(Shape):
    """One key of a connection type, or of a trigger or action."""

    name: str
    required: bool
    secret: bool


class ConnectionTypeShape(Shape):
    """A kind of connection."""

    name: str
    doc: str
    settings: list[SettingShape]
    testable: bool
    form: dict[str, Any]
    """JSON Schema of the settings, for a form; `writeOnly` marks what is secret."""


class ConnectorShape(Shape):
    """One system: its triggers, actions and kinds of connections."""

    name: str
    doc: str
    triggers: list[str]
    actions: list[str]
    connections: list[ConnectionTypeShape]
