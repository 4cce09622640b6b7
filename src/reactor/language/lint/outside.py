"""Rules about the world outside: networks that fail, secrets in files, events that start their own flow again."""

from __future__ import annotations

import re
from collections.abc import Iterator

from reactor.language.lint.registry import Finding, Subject, conditional, constant, rule
from reactor.language.lint.tokens import secret_in
from reactor.language.source import Mapping, Node, Scalar, Sequence
from reactor.model.flow import ActionStep, BlockStep, EmitStep, Flow, Step, all_steps
from reactor.model.patterns import fits
from reactor.sdk import Action, Effect

_LOCAL = ("file", "shell", "log", "data")
"""Connectors whose actions stay on this machine."""
_READING = ("GET", "HEAD", "OPTIONS")
_EXAMPLE_KEYS = frozenset({"tests", "inputs", "description", "labels"})
"""Parts of a flow that hold examples and texts for people."""


def _network(subject: Subject) -> Iterator[tuple[ActionStep, Action]]:
    owners = {
        action.name: name for name, connector in subject.catalog.connectors.items() for action in connector.actions
    }
    for _, step in subject.steps:
        action = subject.catalog.actions.get(step.action) if isinstance(step, ActionStep) else None
        if not isinstance(step, ActionStep) or action is None or action.effect is Effect.PURE:
            continue
        if owners[action.name] not in _LOCAL and not _in_file(subject.flow, step):
            yield step, action


def _in_file(flow: Flow, step: ActionStep) -> bool:
    """Whether a database is a file of this machine."""
    settings = flow.connections.get(str(constant(step.params, "connection")), {})
    url = constant(step.params, "url") or settings.get("url")
    return settings.get("type") == "sqlite" or str(url).startswith("sqlite:")


def _writes(step: ActionStep, action: Action) -> bool:
    if action.effect is Effect.WRITE:
        return True
    method = constant(step.params, "method")
    return isinstance(method, str) and method.upper() not in _READING


@rule(
    "network-retry",
    "Writes over a network without a word about retries",
    reason="Networks fail. A write that is never tried again is lost with the first broken connection, and one that is "
    "tried again by default may be done twice by a system that does not know the idempotency key.",
    fix="Say it with `retry:` (`retry: none` too), or `delivery: at_most_once`, or handle it with `on_error`.",
    severity="info",
)
def _retries(subject: Subject) -> Iterator[Finding]:
    for step, action in _network(subject):
        if not _writes(step, action) or step.retry is not None or step.on_error or step.continue_on_error:
            continue
        if step.delivery == "at_most_once":
            continue
        default = f"by default it is tried {action.retry.max} times" if action.retry else "it is tried once"
        message = f"`{step.name}` ({action.name}) writes over a network and says nothing of `retry`: {default}"
        yield Finding(line=step.line, message=message)


@rule(
    "network-timeout",
    "Calls over a network without a timeout",
    reason="Somebody who does not answer keeps the run, and its concurrency slot, for as long as the operator's "
    "default allows, for each attempt again.",
    fix="Give the step a `timeout` (of one attempt) or a `deadline` (of all), or the flow a `timeout`.",
    severity="info",
)
def _timeouts(subject: Subject) -> Iterator[Finding]:
    if subject.flow.timeout is not None:
        return
    bounded = {id(inner) for _, step in subject.steps if _limited(step) for inner in _below(step)}
    for step, action in _network(subject):
        given = constant(step.params, "timeout") is not None
        if not _limited(step) and id(step) not in bounded and not given and action.timeout is None:
            yield Finding(line=step.line, message=f"`{step.name}` ({action.name}) has neither `timeout` nor `deadline`")


def _limited(step: Step) -> bool:
    return step.timeout is not None or step.deadline is not None


def _below(step: Step) -> Iterator[Step]:
    for inner in step.steps if isinstance(step, BlockStep) else ():
        yield inner
        yield from _below(inner)


@rule(
    "secret-in-clear",
    "Secrets in the clear",
    reason="A flow is read by whoever reads the repository, the UI and the history of versions; a secret in it is "
    "known to all of them, and stays so after it has been taken out.",
    fix="Keep it with `reactor secrets set NAME`, write `{{ secrets.NAME }}`, and have it replaced: it has been seen.",
)
def _clear(subject: Subject) -> Iterator[Finding]:
    root = subject.root
    if isinstance(root, Mapping):
        for name, node in root.entries.items():
            if name not in _EXAMPLE_KEYS:
                yield from _secrets(node, name)


def _secrets(node: Node, key: str) -> Iterator[Finding]:
    if isinstance(node, Mapping):
        for name, item in node.entries.items():
            yield from _secrets(item, name)
    elif isinstance(node, Sequence):
        for item in node.items:
            yield from _secrets(item, key)
    elif isinstance(node, Scalar) and isinstance(node.value, str):
        found = secret_in(node.value, key)
        if found is not None:
            name = re.sub(r"\W+", "_", key).strip("_").lower() or "name"
            message = f"{found}; keep it with `reactor secrets set {name}` and write `{{{{ secrets.{name} }}}}`"
            yield Finding(at=node, message=message)


# --- events that come back ------------------------------------------------------------------------------------------


@rule(
    "self-trigger",
    "Events that start their own flow again",
    reason="A flow that emits what it listens for, itself or by way of other flows, starts itself again for ever, "
    "until the limit of causes stops it.",
    fix="Give the trigger, the flow or the step that emits a condition that ends it, or the event another type.",
)
def _selfish(subject: Subject) -> Iterator[Finding]:
    flow = subject.flow
    for step, kind in _emitted(flow):
        way = _way_back(kind, flow, subject)
        if way is not None:
            round_ = " → ".join([flow.name, *way])
            yield Finding(
                line=step.line, message=f"`{kind}` starts this flow again: {round_}; nothing on the way ends it"
            )


def _way_back(kind: str, flow: Flow, subject: Subject) -> list[str] | None:
    """The flows that lead from an event back to this flow, that one last; None when none do."""
    waiting: list[tuple[str, list[str]]] = [(kind, [])]
    seen: set[str] = set()
    while waiting:
        event, way = waiting.pop(0)
        for other in subject.others:
            if other.name in seen or not _hears(other, event):
                continue
            if other.name == flow.name:
                return [*way, flow.name]
            seen.add(other.name)
            waiting += [(type_, [*way, other.name]) for _, type_ in _emitted(other)]
    return None


def _emitted(flow: Flow) -> Iterator[tuple[EmitStep, str]]:
    """The types that a flow emits whatever happens to it, as far as they are fixed."""
    certain = {id(step) for step in _certain(flow.steps)}
    for _, step in all_steps(flow):
        kind = constant(step.event, "type") if isinstance(step, EmitStep) else None
        if isinstance(step, EmitStep) and isinstance(kind, str) and "{{" not in kind and id(step) in certain:
            yield step, kind


def _certain(steps: tuple[Step, ...]) -> Iterator[Step]:
    """The steps that run in every run: under no condition, in no handler, and behind none that ends it."""
    for step in steps:
        if conditional(step):
            # It may be what guards the rest: `if: …, return`.
            if not isinstance(step, (ActionStep, EmitStep)):
                return
            continue
        yield step
        if isinstance(step, BlockStep):
            yield from _certain(step.steps)


def _hears(flow: Flow, kind: str) -> bool:
    if flow.if_ is not None or flow.unless is not None:
        return False
    return any(
        trigger.kind == "event"
        and trigger.if_ is None
        and trigger.enabled
        and (trigger.config.get("source") is None)
        and fits(str(trigger.config.get("event") or trigger.config.get("")), kind)
        for trigger in flow.triggers
    )
