"""`schedule` → triggers, and what the workflow's input is then."""

from __future__ import annotations

from typing import Any

import msgspec

from reactor.language.dialects.openworkflow import filters
from reactor.language.dialects.openworkflow.expr import Computed, Env
from reactor.language.dialects.openworkflow.filters import EVENT, Wanted
from reactor.language.dialects.openworkflow.jq import Scope, Thunk
from reactor.language.dialects.openworkflow.reading import Reading
from reactor.language.source import Mapping as MapNode
from reactor.language.source import Node
from reactor.model import durations
from reactor.model.flow import Expr, TriggerSpec

_WINDOW = "366d"
"""How long events of a pattern may lie apart: the longest that there is."""
_KEYS = ("every", "cron", "after", "on", "read")


def read(reading: Reading, node: Node | None, flow: str) -> tuple[TriggerSpec, ...]:
    """The triggers of a workflow; `FLOW/0`, `FLOW/1` … are their keys."""
    given = reading.map(node, "schedule", _KEYS)
    found: list[dict[str, Any]] = []
    if "cron" in given:
        found += _clock(reading, {"cron": reading.literal(given.get("cron"), "schedule.cron") or ""}, given.get("cron"))
    for name in ("every", "after"):
        if name in given:
            delay = reading.delay(given.get(name), f"schedule.{name}", _NOWHERE)
            config = {name: durations.show(delay) if isinstance(delay, int) else ""}
            found += _clock(reading, config, given.get(name))
    if "on" in given:
        found += _events(reading, given.entries["on"])
    how = reading.one_of(given.get("read"), "schedule.read", ("data", "envelope", "raw"))
    if how == "raw":
        reading.refuse("`read: raw`", "use `data` (the parsed content) or `envelope`", given.entries["read"])
    line = reading.source.place(node.start)[0] if node is not None else 0
    return tuple(TriggerSpec(key=f"{flow}/{at}", line=line, **spec) for at, spec in enumerate(found))


_NOWHERE = Env(dot=lambda _scope: None, variables={})


def _clock(reading: Reading, config: dict[str, Any], node: Node | None) -> list[dict[str, Any]]:
    trigger = reading.catalog.triggers.get("schedule")
    if trigger is None or node is None:
        reading.report("unknown-trigger", "there is no trigger `schedule` here; is its plugin installed?", node or 0)
        return []
    for problem in trigger.check(msgspec.convert(config, trigger.config)):
        reading.report("trigger", f"schedule: {problem}", node)
    return [{"kind": "schedule", "config": config}]


def _events(reading: Reading, node: Node) -> list[dict[str, Any]]:
    given = reading.map(node, "schedule.on", ("one", "any", "all", "until"))
    if "all" in given:
        return _all(reading, given.entries["all"])
    if "until" in given:
        instead = "start with `any` and `listen … until` in the workflow"
        reading.refuse("`schedule.on.until`", instead, given.keys["until"])
    way = "one" if "one" in given else "any"
    if way not in given:
        reading.report("missing-key", "`schedule.on` has one of `one`, `any`", node)
        return []
    nodes = [given.entries[way]] if way == "one" else reading.items(given.entries[way], "schedule.on.any")
    found = [spec for item in nodes if (spec := _event(reading, item, f"schedule.on.{way}")) is not None]
    if way == "any" and not nodes:
        found.append({"kind": "event", "config": {"event": "**"}})
    return found


def _all(reading: Reading, node: Node) -> list[dict[str, Any]]:
    """All of several events, in any order: a pattern."""
    items = reading.items(node, "schedule.on.all")
    if len(items) == 1:
        return [spec for item in items if (spec := _event(reading, item, "schedule.on.all")) is not None]
    found = [filters.filter_of(reading, _NOWHERE, item, "schedule.on.all") for item in items]
    wanted = [one for one in found if one is not None]
    trigger = reading.catalog.triggers.get("pattern")
    if trigger is None or len(wanted) < len(items):
        return []
    shown = [msgspec.json.encode(item.plain).decode() for item in items]
    parts = [{"event": one.type or "**", "if": text} for one, text in zip(wanted, shown, strict=True)]
    exprs: dict[str, Expr] = {
        f"all.{at}.if": Computed(_asking(one), text) for at, (one, text) in enumerate(zip(wanted, shown, strict=True))
    }
    config: dict[str, Any] = {"within": _WINDOW, "all": parts}
    free = [frozenset(name for name, (_, expected) in one.correlate.items() if expected is None) for one in wanted]
    if any(free):
        if len(set(free)) > 1:
            reading.report("correlate", "`schedule.on.all`: each event has the same names under `correlate`", node)
        config["by"] = ", ".join(sorted(free[0]))
        exprs["by"] = Computed(_correlated(wanted, sorted(free[0])), "; ".join(shown))
    for problem in trigger.check(msgspec.convert(config, trigger.config)):
        reading.report("trigger", f"schedule.on.all: {problem}", node)
    return [{"kind": "pattern", "config": config, "exprs": exprs}]


def _correlated(wanted: list[Wanted], names: list[str]) -> Thunk:
    """What the events of one start have in common; null for events that none of the filters takes."""

    def by(scope: Scope) -> list[Any] | None:
        for one in wanted:
            if one.takes(scope, scope["event"]):
                values = one.values(scope, scope["event"])
                return [values.get(name) for name in names]
        return None

    return by


def _event(reading: Reading, node: Node, what: str) -> dict[str, Any] | None:
    wanted = filters.filter_of(reading, _NOWHERE, node, what)
    if wanted is None:
        return None
    if wanted.correlate and any(expected is None for _, expected in wanted.correlate.values()):
        instead = "give each correlation an `expect`, or `listen` with `correlate` in the workflow"
        reading.refuse(f"`{what}.correlate` without `expect`", instead, node)
    config: dict[str, Any] = {"event": wanted.type or "**"}
    if wanted.source is not None and "*" not in wanted.source:
        config["source"] = wanted.source
    asked = Computed(_asking(wanted), wanted.what)
    return {"kind": "event", "config": config, "if_": asked}


def _asking(wanted: Wanted) -> Thunk:
    def ask(scope: Scope) -> bool:
        return wanted.takes({**scope, EVENT: scope["event"]}, scope["event"])

    return ask


def raw_input(node: Node | None) -> Thunk:
    """The workflow's raw input: what it was called or started with; the event, as a list, where events start it."""
    given = node if isinstance(node, MapNode) else MapNode(0, 0)
    how = str(given.entries["read"].plain) if "read" in given else "data"
    on, clock = "on" in given, any(name in given for name in ("cron", "every", "after"))

    def raw(scope: Scope) -> Any:
        inputs, event = scope.get("inputs"), scope.get("event")
        if inputs or not isinstance(event, dict):
            return inputs or {}
        metadata, data = event.get("metadata"), event.get("data")
        by_hand = isinstance(metadata, dict) and metadata.get("by") == "hand"
        if on and not by_hand and (not clock or event.get("type") != "schedule"):
            matched = data.get("events") if event.get("type") == "pattern.matched" and isinstance(data, dict) else None
            return [filters.read(one, how) for one in (matched if isinstance(matched, list) else [event])]
        if clock and not by_hand:
            return {}
        return {} if data is None else data

    return raw
