"""Filters of events: which ones a `listen` or a `schedule` takes, and how they are read."""

from __future__ import annotations

import datetime as dt
import re
from typing import Any

import msgspec

from reactor.language.dialects.openworkflow.expr import Env, Part, holds
from reactor.language.dialects.openworkflow.flowing import known as known_value
from reactor.language.dialects.openworkflow.jq import Scope, Thunk
from reactor.language.dialects.openworkflow.parts import Compiler, Task
from reactor.language.dialects.openworkflow.reading import Reading
from reactor.language.expressions.limits import Refusal
from reactor.language.expressions.missing import Unknown
from reactor.language.expressions.patterns import compiled
from reactor.language.source import Node, Scalar
from reactor.model.clock import from_iso, to_iso

_TYPE = re.compile(r"[\w-]+(?:\.[\w-]+)*")
_META = re.compile(r"[\\^$*+?{}\[\]|()]")
_SECONDS = 0.1
_RESERVED = "reactor."
"""Events of Reactor itself, which are nobody else's business."""
EVENT = "received"
"""Under this name the scope holds the event that is looked at."""


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """One event filter."""

    attributes: dict[str, Part]
    """Attribute → what it has to be; `data` with an expression: what has to hold."""
    conditions: frozenset[str] = frozenset()
    """Attributes whose part is a condition over the event."""
    correlate: dict[str, tuple[Part, Part | None]] = msgspec.field(default_factory=dict)
    type: str | None = None
    """When it is plain: the type that is listened for."""
    source: str | None = None
    what: str = "event"

    def takes(self, scope: Scope, event: dict[str, Any], known: dict[str, Any] | None = None) -> bool:
        """Whether it takes this event. `known`: correlation values so far."""
        seen = {**scope, EVENT: known_value(event)}
        return all(self._fits(name, part, seen) for name, part in self.attributes.items()) and self._belongs(
            seen, known or {}
        )

    def _fits(self, name: str, part: Part, seen: Scope) -> bool:
        value = part.make(seen)
        if name in self.conditions:
            return holds(value)
        return fits(value, attribute(seen[EVENT], name))

    def _belongs(self, seen: Scope, known: dict[str, Any]) -> bool:
        for name, (found, expected) in self.correlate.items():
            value = found.make(seen)
            if expected is not None:
                if value != expected.make(seen):
                    return False
            elif name in known and known[name] != value:
                return False
        return True

    def values(self, scope: Scope, event: dict[str, Any]) -> dict[str, Any]:
        """The correlation values of an event."""
        seen = {**scope, EVENT: known_value(event)}
        return {name: found.make(seen) for name, (found, _) in self.correlate.items()}


def fits(wanted: Any, found: Any) -> bool:
    """Whether an attribute is as wanted: the same, or matched by a regular expression."""
    if wanted == found:
        return True
    if not isinstance(wanted, str) or not isinstance(found, str) or not _META.search(wanted):
        return False
    try:
        return compiled(wanted).fullmatch(found, timeout=_SECONDS) is not None
    except (Refusal, TimeoutError):
        return False


def attribute(event: dict[str, Any], name: str) -> Any:
    """An attribute of an event, its extensions too."""
    if name in event and name not in ("metadata", "payload", "timestamp"):
        return event[name]
    metadata = event.get("metadata")
    return metadata.get(name) if isinstance(metadata, dict) else None


def read(event: Any, how: str) -> Any:
    """An event as a workflow reads it."""
    if event is None or isinstance(event, Unknown):
        return event
    return event.get("data") if how == "data" else envelope(event)


def envelope(event: dict[str, Any]) -> dict[str, Any]:
    """An event as CloudEvents has it: its attributes, extensions and data."""
    names = ("id", "source", "type", "subject", "time", "data")
    shown = {name: event[name] for name in names if event.get(name) is not None}
    extensions = event.get("metadata")
    return {**(extensions if isinstance(extensions, dict) else {}), "specversion": "1.0", **shown}


def wanted(compiler: Compiler, task: Task, node: Node, what: str, *, several: bool) -> list[Wanted]:
    """One filter, or a list of them."""
    nodes = compiler.reading.items(node, what) if several else [node]
    return [one for item in nodes if (one := filter_of(compiler.reading, task.env, item, what)) is not None]


def filter_of(reading: Reading, place: Env, node: Node, what: str) -> Wanted | None:
    """One filter; None when it cannot be made, which is told."""
    given = reading.map(node, what, ("with", "correlate"))
    attributes = reading.map(given.get("with"), f"{what}.with")
    if not attributes.entries:
        reading.report("missing-key", f"`{what}` has no `with`; write `with: {{type: com.example.done}}`", node)
        return None
    env = place.plus(dot=lambda scope: scope[EVENT]["data"])
    parts: dict[str, Part] = {}
    conditions = set()
    for name, item in attributes.entries.items():
        parts[name] = reading.value(item, f"{what}.with.{name}", env)
        if name == "data" and not parts[name].constant and isinstance(item, Scalar):
            conditions.add(name)
    plain = {
        name: at.text
        for name in ("type", "source")
        if isinstance(at := attributes.get(name), Scalar) and parts[name].constant and not _META.search(at.text)
    }
    return Wanted(
        attributes=parts,
        conditions=frozenset(conditions),
        correlate=_correlate(reading, place, given.get("correlate"), f"{what}.correlate"),
        type=plain.get("type") if _TYPE.fullmatch(plain.get("type", "")) else None,
        source=plain.get("source"),
        what=plain.get("type", what),
    )


def _correlate(reading: Reading, place: Env, node: Node | None, what: str) -> dict[str, tuple[Part, Part | None]]:
    found: dict[str, tuple[Part, Part | None]] = {}
    env = place.plus(dot=lambda scope: envelope(scope[EVENT]))
    for name, item in reading.map(node, what).entries.items():
        given = reading.map(item, f"{what}.{name}", ("from", "expect"))
        if "from" not in given:
            reading.report("missing-key", f"`{what}.{name}` has no `from`; write `from: .orderId`", item)
        expected = reading.value(given.get("expect"), f"{what}.{name}.expect", place) if "expect" in given else None
        found[name] = (reading.expression(given.get("from"), f"{what}.{name}.from", env), expected)
    return found


def accepting(filters: list[Wanted], correlated: Thunk | None) -> Thunk:
    """Whether the event under `received` is one; without filters every event is.

    The event that the run began with is its input already.
    """

    def accept(scope: Scope) -> bool:
        event, first = scope[EVENT], scope.get("event")
        if str(event.get("type")).startswith(_RESERVED):
            return False
        if isinstance(first, dict) and first.get("id") == event.get("id"):
            return False
        known = correlated(scope) if correlated is not None else None
        return not filters or any(one.takes(scope, event, known) for one in filters)

    return accept


def pattern(filters: list[Wanted]) -> str:
    """The narrowest pattern of types that lets all of these through."""
    types = {one.type for one in filters}
    only = next(iter(types)) if len(types) == 1 else None
    return only or "**"


def source(filters: list[Wanted]) -> str | None:
    """The source that all of them want."""
    sources = {one.source for one in filters}
    only = next(iter(sources)) if len(sources) == 1 else None
    return only if only is not None and "*" not in only else None


def iso(value: Any) -> str:
    """A time as CloudEvents has it."""
    if isinstance(value, dt.datetime):
        return to_iso(round(value.timestamp() * 1000))
    return to_iso(from_iso(str(value)))
