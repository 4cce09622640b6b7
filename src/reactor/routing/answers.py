"""What a flow's trigger and conditions say of an event, one after the other, with the values that decided. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from reactor.language.expressions import truth
from reactor.model.errors import StepError
from reactor.model.event import Event
from reactor.model.flow import Expr, Flow, TriggerSpec
from reactor.model.patterns import fits, glob

PASSED, STOPPED, ERROR, NOT_ASKED = "passed", "stopped", "error", "not_asked"
_LONGEST = 200
"""Characters of a value that is shown."""


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """One rule that was asked about one event."""

    rule: str
    """`type`, `source`, `address`, `trigger.if`, `if`, `unless`; of flow control the name of the key."""
    result: str
    """passed | stopped | merged | queued | error | not_asked"""
    expression: str | None = None
    """As it stands in the flow."""
    values: dict[str, Any] = {}
    """Path → what it was."""
    reason: str = ""
    """A sentence, where the result was not to let it pass."""
    trigger: str | None = None
    """Key of the trigger whose rule it is; None: it is the flow's."""


def values_of(condition: Expr, scope: Mapping[str, Any]) -> dict[str, Any]:
    """The plain values behind a condition, as far as its paths are known; long texts are cut."""
    shown: dict[str, Any] = {}
    for path in sorted(getattr(condition, "paths", ())):
        value: Any = scope
        for name in path:
            value = value.get(name) if isinstance(value, dict) else None
        if len(path) > 1 and not isinstance(value, (dict, list)):
            shown[".".join(map(str, path))] = value[:_LONGEST] if isinstance(value, str) else value
    return shown


def ask(rule: str, condition: Expr, scope: Mapping[str, Any], *, wanted: bool, trigger: str | None = None) -> Answer:
    """One condition; an event passes when it gives what is wanted."""
    source, values = condition.source, values_of(condition, scope)
    about: dict[str, Any] = {"rule": rule, "expression": source, "values": values, "trigger": trigger}
    try:
        holds = truth(condition.evaluate(scope))
    except StepError as error:
        reason = f"{rule}: `{source}` could not be evaluated: {error.message}"
        return Answer(result=ERROR, reason=reason, **about)
    if holds is wanted:
        return Answer(result=PASSED, **about)
    return Answer(result=STOPPED, reason=f"{rule}: `{source}` is {str(holds).lower()}", **about)


def answers(flow: Flow, trigger: TriggerSpec, event: Event, scope: Mapping[str, Any]) -> list[Answer]:
    """The rules of one trigger and of its flow, in the order in which they are asked; behind the one that says no the
    others are not asked.
    """
    found: list[Answer] = []
    for answer in _in_order(flow, trigger, event, scope):
        found.append(answer)
        if answer.result != PASSED:
            break
    return [*found, *_not_asked(flow, trigger, {answer.rule for answer in found})]


def of_trigger(trigger: TriggerSpec, event: Event, scope: Mapping[str, Any]) -> list[Answer]:
    """The rules of a trigger alone."""
    found: list[Answer] = []
    for answer in listens(trigger, event):
        found.append(answer)
        if answer.result != PASSED:
            return found
    if trigger.if_ is not None:
        found.append(ask("trigger.if", trigger.if_, scope, wanted=True, trigger=trigger.key))
    return found


def _in_order(flow: Flow, trigger: TriggerSpec, event: Event, scope: Mapping[str, Any]) -> Iterator[Answer]:
    yield from of_trigger(trigger, event, scope)
    for rule, condition, wanted in _conditions(flow):
        yield ask(rule, condition, scope, wanted=wanted)


def pattern_of(trigger: TriggerSpec) -> str:
    """The pattern of types that an `event` trigger listens for."""
    return str(trigger.config.get("event", trigger.config.get("", "")))


def listens(trigger: TriggerSpec, event: Event) -> Iterator[Answer]:
    """Whether a trigger listens for this event: by its type and source, or because the event was sent to it."""
    key = trigger.key
    if key in event.to:
        yield Answer(rule="address", result=PASSED, expression=key, trigger=key)
    elif trigger.kind == "event":
        pattern = pattern_of(trigger)
        values = {"event.type": event.type}
        about: dict[str, Any] = {"rule": "type", "expression": pattern, "values": values, "trigger": key}
        if not fits(pattern, event.type):
            reason = f"the event's type {event.type!r} does not fit {pattern!r}"
            yield Answer(result=STOPPED, reason=reason, **about)
            return
        yield Answer(result=PASSED, **about)
        yield from _source(trigger, event)
    else:
        reason = f"it listens through its own {trigger.kind} trigger, and this event did not come from there"
        yield Answer(rule="address", result=STOPPED, expression=key, reason=reason, trigger=key)


def _source(trigger: TriggerSpec, event: Event) -> Iterator[Answer]:
    wanted = trigger.config.get("source")
    if not wanted:
        return
    values = {"event.source": event.source}
    about: dict[str, Any] = {
        "rule": "source", "expression": str(wanted), "values": values, "trigger": trigger.key,
    }  # fmt: skip
    if glob(str(wanted)).fullmatch(event.source) is not None:
        yield Answer(result=PASSED, **about)
    else:
        yield Answer(result=STOPPED, reason=f"source {event.source!r} does not fit {wanted!r}", **about)


def _conditions(flow: Flow) -> Iterator[tuple[str, Expr, bool]]:
    if flow.if_ is not None:
        yield "if", flow.if_, True
    if flow.unless is not None:
        yield "unless", flow.unless, False


def _not_asked(flow: Flow, trigger: TriggerSpec, asked: set[str]) -> Iterator[Answer]:
    if trigger.if_ is not None and "trigger.if" not in asked:
        source = trigger.if_.source
        yield Answer(rule="trigger.if", result=NOT_ASKED, expression=source, trigger=trigger.key)
    for rule, condition, _ in _conditions(flow):
        if rule not in asked:
            yield Answer(rule=rule, result=NOT_ASKED, expression=condition.source)
