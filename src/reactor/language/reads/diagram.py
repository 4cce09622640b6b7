"""A flow as a tree for a drawing: every step with its path, its words and its marks, and the lists of steps inside."""

from __future__ import annotations

import msgspec

from reactor.language.reads.phrases import condition, of, span, spoken_name
from reactor.language.reads.steps import emitted, kind_of, title
from reactor.language.reads.triggers import when
from reactor.model.flow import (
    ActionStep,
    ApproveStep,
    BlockStep,
    CallStep,
    EmitStep,
    Flow,
    LoopStep,
    Retry,
    Step,
    SwitchStep,
    WaitForStep,
    inner_lists,
)


class Node(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """One step."""

    path: str
    """As in runs, with `[]` for any iteration: `each[].read`."""
    name: str
    kind: str
    """action, block, set, wait, emit, call, parallel, for_each, while, until, switch, wait_for, approve, state, break,
    return or fail."""
    action: str | None
    """Of kind `action`: its name."""
    title: str
    """What it does, in plain words."""
    line: int
    """In the flow's text."""
    if_: str | None = msgspec.field(name="if")
    """`only if …`."""
    unless: str | None
    retry: str | None
    """How often it is tried again; null: as its action says."""
    timeout: str | None
    """Of one attempt; of a wait: how long at most."""
    deadline: str | None
    """Of all attempts together."""
    continue_on_error: bool
    at_most_once: bool
    secret_output: bool
    flow: str | None
    """Of kind `call`: the flow that is called."""
    event: str | None
    """The type of event that it tells (`emit`) or waits for (`wait_for`)."""
    parts: list[Part]
    """The lists of steps inside, in the order of the file."""


class Part(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A list of steps inside a step."""

    kind: str
    """steps, branch, case, body, on_error, finally, undo, on_timeout or notify."""
    label: str
    """The branch's name, the case's condition, or the kind in words."""
    path: str
    """What the paths of its steps begin with."""
    steps: list[Node]


class Start(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """What starts the flow."""

    key: str
    kind: str
    when: str
    """The sentence behind "when"."""
    if_: str | None = msgspec.field(name="if")
    enabled: bool
    line: int


class Diagram(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A version of a flow as a tree."""

    flow: str
    version: int
    code: str | None
    """The function of a flow in Python, which has no steps to draw before it runs."""
    triggers: list[Start]
    if_: str | None = msgspec.field(name="if")
    unless: str | None
    steps: list[Node]
    on_failure: list[Node]
    on_cancel: list[Node]
    count: int
    """Steps in all."""


def diagram(flow: Flow) -> Diagram:
    """The drawing of a flow."""
    counted = [0]
    return Diagram(
        flow=flow.name,
        version=flow.version,
        code=flow.file if flow.code is not None else None,
        triggers=[
            Start(
                key=spec.key,
                kind=spec.kind,
                when=when(msgspec.structs.replace(spec, if_=None)),
                if_=None if spec.if_ is None else condition(spec.if_),
                enabled=spec.enabled,
                line=spec.line,
            )
            for spec in flow.triggers
        ],
        if_=None if flow.if_ is None else condition(flow.if_),
        unless=None if flow.unless is None else condition(flow.unless),
        steps=_nodes(flow.steps, "", counted),
        on_failure=_nodes(flow.on_failure, "on_failure.", counted),
        on_cancel=_nodes(flow.on_cancel, "on_cancel.", counted),
        count=counted[0],
    )


def _nodes(steps: tuple[Step, ...], prefix: str, counted: list[int]) -> list[Node]:
    counted[0] += len(steps)
    return [_node(step, prefix + step.name, counted) for step in steps]


def _node(step: Step, path: str, counted: list[int]) -> Node:
    limit = step.limit if isinstance(step, (WaitForStep, ApproveStep)) else None
    timeout = step.timeout if limit is None else limit
    return Node(
        path=path,
        name=step.name,
        kind=kind_of(step),
        action=step.action if isinstance(step, ActionStep) else None,
        title=title(step),
        line=step.line,
        if_=None if step.if_ is None else condition(step.if_),
        unless=None if step.unless is None else condition(step.unless),
        retry=None if step.retry is None else retried(step.retry),
        timeout=None if timeout is None else span(timeout),
        deadline=None if step.deadline is None else span(step.deadline),
        continue_on_error=step.continue_on_error,
        at_most_once=step.delivery == "at_most_once",
        secret_output=step.secret_output,
        flow=step.flow if isinstance(step, CallStep) else None,
        event=_event(step),
        parts=[_part(step, below, steps, path, counted) for below, steps in inner_lists(step)],
    )


def _event(step: Step) -> str | None:
    if isinstance(step, WaitForStep):
        return step.event
    return emitted(step) if isinstance(step, EmitStep) else None


def _part(step: Step, below: str, steps: tuple[Step, ...], path: str, counted: list[int]) -> Part:
    kind, label = _labelled(step, below, steps)
    return Part(kind=kind, label=label, path=path + below, steps=_nodes(steps, path + below, counted))


_LABELS = {
    ".on_error.": ("on_error", "if it fails"),
    ".finally.": ("finally", "in any case"),
    ".on_timeout.": ("on_timeout", "if nobody answers in time"),
    ".notify[].": ("notify", "tell who is asked"),
}


def _labelled(step: Step, below: str, steps: tuple[Step, ...]) -> tuple[str, str]:
    if below in _LABELS:
        kind, label = _LABELS[below]
        return kind, "if nothing comes in time" if isinstance(step, WaitForStep) and kind == "on_timeout" else label
    if below.startswith(".branches."):
        return "branch", spoken_name(below.removeprefix(".branches.").removesuffix("."))
    if isinstance(step, SwitchStep) and below.startswith(".cases["):
        case = step.cases[int(below[len(".cases[") : -2])]
        return "case", "otherwise" if case.if_ is None else f"if {condition(case.if_)}"
    if below == "[].":
        return "body", "again and again" if isinstance(step, LoopStep) else "for each"
    if isinstance(step, BlockStep) and steps is step.steps:
        return "steps", "in this order"
    return "undo", "to take it back"


def retried(retry: Retry) -> str:
    """`up to 4 attempts, exponential from 200ms to 1m, not on http.402`."""
    if retry.max == 1:
        return "never tried again"
    words = [f"up to {retry.max} attempts"]
    if retry.backoff == "fixed":
        words.append(f"{span(retry.delay)} apart")
    else:
        words.append(f"{retry.backoff} from {span(retry.delay)} to {span(retry.max_delay)}")
    words += [f"only on {', '.join(retry.on)}"] if retry.on else []
    words += [f"not on {', '.join(retry.stop_on)}"] if retry.stop_on else []
    words += [f"if {of(retry.if_)}"] if retry.if_ is not None else []
    words += ["then it is paused"] if retry.then == "pause" else []
    return ", ".join(words)
