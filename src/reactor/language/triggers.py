"""`on:`: triggers, checked against what their connectors declare."""

from __future__ import annotations

import re
from typing import Any

from reactor.language import marked, shapes
from reactor.language.keys import TRIGGER
from reactor.language.legacy import translated
from reactor.language.names import EVENT_NAMES, ONLY_EVENT, Scope
from reactor.language.problems import closest, listed
from reactor.language.reading import Reader
from reactor.language.source import Mapping, Node, Scalar, Sequence
from reactor.language.structs import Given, check, fields
from reactor.model.event import is_reserved
from reactor.model.flow import Expr, TriggerSpec
from reactor.sdk import Trigger

_SECRET = re.compile(r"\s*\{\{\s*secrets\.\w+\s*\}\}\s*")
_CONSTANT = "a trigger listens before there is a run, so only a whole `{{ secrets.NAME }}` can be filled in here"
_BEFORE = Scope(names=EVENT_NAMES, place="before there is a run")
_IDS = Scope(names=ONLY_EVENT, place="in the id of an event")
_EVENT_TYPE = re.compile(r"[\w-]+(\.[\w-]+)*")
_SUBJECT = re.compile(r"`?([A-Za-z_]\w*(?:\.\w+)*)`?[: ]")

_DEDUPE = "say `dedupe: {key: …, for: 7d}` in the flow"


def read(reader: Reader, node: Node, flow: str) -> tuple[TriggerSpec, ...]:
    """All triggers of a flow; `FLOW/0`, `FLOW/1` … are their keys."""
    items = node.items if isinstance(node, Sequence) else [node]
    if not items:
        reader.report("no-value", "`on` is an empty list; write a trigger, or take `on` out", node)
    found = []
    for index, item in enumerate(items):
        spec = _read(reader, item, f"{flow}/{index}")
        if spec is not None:
            found.append(spec)
    return tuple(found)


def _read(reader: Reader, given: Node, key: str) -> TriggerSpec | None:
    node = translated(reader, given)
    if node is None:
        return None
    if not isinstance(node, Mapping):
        reader.wrong(node, "on", "a trigger such as `{event: order.created}`, or a list of them")
        return None
    kind = _kind(reader, node)
    if kind is None:
        return None
    trigger = reader.catalog.triggers[kind]
    before = len(reader.problems)
    config, exprs = _config(reader, trigger, node)
    common = _common(reader, node)
    if getattr(trigger, "passive", False):
        _of_others(reader, node, kind)
    if config is None or any(problem.severity == "error" for problem in reader.problems[before:]):
        return None
    line = reader.source.place(given.start)[0]
    return TriggerSpec(key=key, kind=kind, config=config, exprs=exprs, line=line, **common)


def _of_others(reader: Reader, node: Mapping, kind: str) -> None:
    """A trigger that takes the events of others gives them neither a type nor an id."""
    for name, instead in (("type", f"name the type that is wanted behind `{kind}`"), ("id", _DEDUPE)):
        if name in node.entries:
            message = f"`{name}` is for triggers that make events, and `{kind}` takes those that are there; {instead}"
            reader.report("not-here", message, node.keys[name])


def _kind(reader: Reader, node: Mapping) -> str | None:
    """The key that says what kind of trigger it is."""
    known = reader.catalog.triggers
    kinds = [name for name in node.entries if name in known]
    if len(kinds) == 1:
        return kinds[0]
    if kinds:
        message = f"a trigger is of one kind, this has {listed(kinds)}; write a list: `on: [{{…}}, {{…}}]`"
        reader.report("several-triggers", message, node.keys[kinds[1]])
        return None
    own = [(name, key) for name, key in node.keys.items() if name not in TRIGGER]
    meant = next(((key, near) for name, key in own if (near := closest(name, known))), None)
    if meant is not None:
        key, near = meant
        message = f"there is no trigger `{key.text}`; did you mean `{near}`?"
        reader.report("unknown-trigger", message, key, allowed=tuple(known), suggestion=near, fix=near)
    else:
        message = f"this names no kind of trigger; there is {listed(sorted(known))}; is its plugin installed?"
        first = next((key for _, key in own), node)
        reader.report("unknown-trigger", message, first, allowed=tuple(known))
    return None


def _config(reader: Reader, trigger: Trigger, node: Mapping) -> tuple[dict[str, Any] | None, dict[str, Expr]]:
    """As the model wants it: a bare value under the empty name; and the expressions in it."""
    value = node.entries[trigger.kind]
    keys: dict[str, Node] = {}
    values: dict[str, Node] = {}
    config: dict[str, Any] = {}
    if isinstance(value, Scalar) and value.value is None:
        reader.report("no-value", f"`{trigger.kind}` has no value; say what it listens to", node.keys[trigger.kind])
        return None, {}
    if isinstance(value, Mapping):
        _take(reader, value, keys, values, config)
    elif trigger.short is None:
        reader.wrong(value, trigger.kind, f"a map with {listed(fields(trigger.config))}")
        return None, {}
    else:
        keys[trigger.short], values[trigger.short], config[""] = value, value, value.plain
    _take(reader, node.without(trigger.kind, *TRIGGER), keys, values, config)
    found = marked.expressions(trigger.config, values)
    skip = {id(item) for _, _, item in found}
    constant = [shapes.no_templates(reader, item, _SECRET, _CONSTANT, skip) for item in values.values()]
    if not all(constant):
        return None, {}
    owner = f"trigger `{trigger.kind}`"
    given = Given(keys, values, node.keys[trigger.kind], owner, noun="key", fixed=True)
    struct = check(reader, trigger.config, given)
    if struct is None:
        return None, {}
    for problem in trigger.check(struct):
        reader.report("trigger", f"{owner}: {problem}", _subject(problem, values, value))
    return config, marked.compiled(reader, found, _BEFORE)


def _take(
    reader: Reader, node: Mapping, keys: dict[str, Node], values: dict[str, Node], config: dict[str, Any]
) -> None:
    for name, item in node.entries.items():
        if name in values:
            reader.report(
                "duplicate-key", f"`{name}` is given to this trigger twice; keep one of them", node.keys[name]
            )
            continue
        keys[name], values[name], config[name] = node.keys[name], item, item.plain


def _subject(problem: str, values: dict[str, Node], otherwise: Node) -> Node:
    """The value that a problem speaks of, when it begins with its key: `auth.hmac.header: …`."""
    match = _SUBJECT.match(problem)
    names = match[1].split(".") if match else []
    node = values.get(names[0]) if names else None
    for name in names[1:]:
        below = node.get(name) if isinstance(node, Mapping) else None
        if isinstance(node, Sequence) and name.isdigit() and int(name) < len(node.items):
            below = node.items[int(name)]
        node = below or node
    return node or otherwise


def _common(reader: Reader, node: Mapping) -> dict[str, Any]:
    fields_: dict[str, Any] = {}
    for name, key in TRIGGER.items():
        item = node.get(name)
        if item is None:
            continue
        value = shapes.read(reader, item, key, _IDS if name == "id" else _BEFORE, "on")
        if name == "type" and value is not None and not _EVENT_TYPE.fullmatch(value):
            message = f"`{value}` is no type of events: letters, digits, _ and - between dots, such as order.created"
            reader.report("name", message, item)
        if name == "type" and value is not None and is_reserved(value):
            message = f"`{value}` is told by Reactor itself; call the events otherwise"
            reader.report("reserved", message, item)
        if value is not None:
            fields_["if_" if name == "if" else name] = value
    return fields_
