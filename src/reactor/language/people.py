"""Steps that wait for somebody: for an event that belongs to the run, for people who decide."""

from __future__ import annotations

from typing import Any

from reactor.language import shapes
from reactor.language.expressions import Compiled, Constant, truth
from reactor.language.keys import APPROVE_KEYS, ESCALATE_KEYS, WAIT_FOR_KEYS, Key
from reactor.language.lists import Lists, Named, Own
from reactor.language.names import LEGACY_NAMES, RUN_NAMES, Scope
from reactor.language.reading import Reader
from reactor.language.source import Mapping, Node, Scalar, Sequence
from reactor.model.event import wrong_pattern
from reactor.model.flow import ApproveStep, Delay, Escalation, Step, WaitForStep

_NO_BREAK = "`break` cannot stand in `notify`: it only tells people, and the step waits on"


def wait_for(lists: Lists, named: Named, scope: Scope, where: str) -> Own | None:
    """`wait_for:` a type, or a map."""
    reader, node = lists.reader, named.node.entries["wait_for"]
    if isinstance(node, Scalar) and isinstance(node.value, str) and node.text:
        values: dict[str, Any] | None = {"event": shapes.read(reader, node, WAIT_FOR_KEYS[0], scope, where)}
        at: Node = node
    elif isinstance(node, Mapping):
        values = shapes.read_map(reader, node, WAIT_FOR_KEYS, scope, where, "wait_for")
        at = node.get("event") or node
        _need_timeout(reader, node, "on_timeout")
    else:
        reader.wrong(node, "wait_for", "a type of events, or a map such as `{event: order.paid}`")
        return None
    if not values or values.get("event") is None:
        return None
    wrong = wrong_pattern(values["event"])
    if wrong is not None:
        reader.report("pattern", f"`wait_for`: {wrong}", at)
        return None
    _check_source(reader, node, values.get("source"))
    accept: Compiled | None = values.get("if")
    if accept is not None and isinstance(node, Mapping):
        _check_correlation(reader, node.entries["if"], accept)
    fields = {name: values[name] for name in ("event", "source", "on_timeout") if name in values}
    return lambda common: WaitForStep(**common, **fields, accept=accept, limit=(values or {}).get("timeout"))


def _check_source(reader: Reader, node: Node, source: str | None) -> None:
    if source is not None and not source.strip() and isinstance(node, Mapping):
        message = "`source` is empty; leave it out to take events from everywhere"
        reader.report("no-value", message, node.entries["source"])


def _check_correlation(reader: Reader, at: Node, accept: Compiled) -> None:
    """A condition that looks at the run alone takes any event, or none; one that looks at nothing may never hold."""
    if not accept.names and not truth(accept.evaluate({})):
        message = (
            "this never holds, so no event is ever taken; compare the event that came, as in "
            "`received.data.id == event.data.id`"
        )
        reader.report("correlation", message, at)
        return
    known = accept.names <= RUN_NAMES | LEGACY_NAMES
    if accept.names and known and "received" not in accept.names:
        message = (
            "this never looks at the event that came: it takes any, or none; compare it, as in "
            "`received.data.id == event.data.id` (`event` is the run's own)"
        )
        reader.warn("correlation", message, at)


def _need_timeout(reader: Reader, node: Mapping, *names: str) -> None:
    for name in names:
        if name in node and "timeout" not in node:
            message = f"`{name}` never happens without a `timeout` beside it; write for example `timeout: 2h`"
            reader.report("missing-key", message, node.keys[name], suggestion="timeout")


def approve(lists: Lists, named: Named, scope: Scope, where: str) -> Own | None:
    """`approve:` a map."""
    reader, node = lists.reader, named.node.entries["approve"]
    before = len(reader.problems)
    values = shapes.read_map(reader, node, APPROVE_KEYS, scope, where, "approve")
    if values is None or not isinstance(node, Mapping):
        return None
    _need_timeout(reader, node, "on_timeout")
    if any(problem.severity == "error" for problem in reader.problems[before:]):
        return None
    _check_quorum(reader, node, values)
    _check_escalations(reader, node, values)
    fields = {name: value for name, value in values.items() if name != "timeout" and value is not None}
    return lambda common: ApproveStep(**common, **fields, limit=values.get("timeout"))


def _check_quorum(reader: Reader, node: Mapping, values: dict[str, Any]) -> None:
    """More people are wanted than are ever asked."""
    quorum, by = values.get("quorum"), values.get("by")
    asked = [by, *(one.to for one in values.get("escalate") or ())]
    if not isinstance(quorum, int) or not all(isinstance(one, Constant) for one in asked):
        return
    people = {person for one in asked for person in (one.value if isinstance(one.value, list) else [one.value])}
    if quorum > len(people):
        message = f"`quorum: {quorum}` wants more people than are asked ({len(people)}): it could never be reached"
        reader.report("out-of-range", message, node.entries["quorum"])


def _check_escalations(reader: Reader, node: Mapping, values: dict[str, Any]) -> None:
    limit: Delay | None = values.get("timeout")
    for one in values.get("escalate") or ():
        if isinstance(limit, int) and isinstance(one.after, int) and one.after >= limit:
            message = "this escalation comes when the `timeout` is over already; shorten `after`"
            reader.warn("no-effect", message, node.entries["escalate"])


# --- shapes --------------------------------------------------------------------------------------------------------


def _people(reader: Reader, node: Node, key: Key, scope: Scope, where: str) -> Compiled | None:
    """A person, or a list of them; texts, or templates that give such."""
    items = node.items if isinstance(node, Sequence) else [node]
    if not items:
        reader.report("no-value", f"`{key.name}` is an empty list; write for example `{key.example}`", node)
        return None
    for item in items:
        if not isinstance(item, Scalar) or not isinstance(item.value, str) or not item.text.strip():
            reader.wrong(item, key.name, f"people such as `{key.example}`, or an expression in `{{{{ }}}}`")
            return None
    return reader.value(node, scope, where)


def _on_timeout(reader: Reader, node: Node, key: Key, scope: Scope, where: str) -> str | tuple[Step, ...] | None:
    if isinstance(node, Sequence):
        return reader.steps(node, scope.where(guarded=True), where)
    word: str | None = shapes.READERS["word"](reader, node, key, scope, where)
    return word


def _escalations(reader: Reader, node: Node, key: Key, scope: Scope, where: str) -> tuple[Escalation, ...] | None:
    items = node.items if isinstance(node, Sequence) else [node]
    if not items:
        reader.report("no-value", f"`{key.name}` is an empty list; write for example `{key.example}`", node)
    found = []
    for item in items:
        values = shapes.read_map(reader, item, ESCALATE_KEYS, scope, where, key.name) or {}
        if values.get("after") is not None and values.get("to") is not None:
            found.append(Escalation(after=values["after"], to=values["to"]))
    return tuple(found) if len(found) == len(items) else None


def _steps(reader: Reader, node: Node, key: Key, scope: Scope, where: str) -> tuple[Step, ...]:
    """A list of steps behind a key of a map."""
    if key.name == "notify":
        scope = scope.where(no_break=_NO_BREAK)
    return reader.steps(node, scope.where(guarded=True), where)


shapes.READERS.update({"people": _people, "on_timeout": _on_timeout, "escalations": _escalations, "steps": _steps})
