"""A whole flow as one sentence, and as lines that go step by step."""

from __future__ import annotations

import msgspec

from reactor.language.reads.diagram import Diagram, Node, Part
from reactor.language.reads.phrases import clipped, condition, joined, spoken_name
from reactor.language.reads.steps import is_named, title
from reactor.language.reads.triggers import BY_HAND, when
from reactor.model.flow import (
    ActionStep,
    BlockStep,
    Branch,
    Flow,
    ForEachStep,
    LoopStep,
    ParallelStep,
    Step,
    SwitchStep,
)

_MOST = 7
"""Steps that the sentence tells; of a longer flow it says how many there are besides."""
_LONGEST = 900


class Told(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """One line of a flow in words."""

    depth: int
    path: str | None
    """The step; null: the line is about the flow, or about a part of a step."""
    text: str


def sentence(flow: Flow) -> str:
    """All of it: `When an event order.created comes, if total > 100: charge (…), then tell (…).`."""
    body = _code(flow) if flow.code is not None else _chain(flow.steps, _MOST)
    ends = []
    if flow.on_failure:
        ends.append(f"If it fails, {_chain(flow.on_failure, 3)}.")
    if flow.on_cancel:
        ends.append(f"If it is cancelled, {_chain(flow.on_cancel, 3)}.")
    return clipped(" ".join([f"{_opening(flow)}: {body}.", *ends]), _LONGEST)


def _opening(flow: Flow) -> str:
    said = f"When {joined([when(spec) for spec in flow.triggers], 'or when') or BY_HAND}"
    said += f", if {condition(flow.if_)}" if flow.if_ is not None else ""
    return said + (f", unless {condition(flow.unless)}" if flow.unless is not None else "")


def _code(flow: Flow) -> str:
    return f"run the Python function {(flow.file or '').removeprefix('python:')}"


def _chain(steps: tuple[Step, ...], most: int) -> str:
    said = [_clause(step) for step in steps[:most]]
    if len(steps) > most:
        more = len(steps) - most
        said.append(f"{more} more step{'s' if more > 1 else ''}")
    return ", then ".join(said) or "nothing"


def _clause(step: Step) -> str:
    said = _done(step)
    if step.unless is not None:
        said = f"unless {condition(step.unless)}, {said}"
    if step.if_ is not None:
        said = f"if {condition(step.if_)}, {said}"
    if step.on_error:
        said = f"{said} (if it fails, {_chain(step.on_error, 2)})"
    return said


def _done(step: Step) -> str:
    if isinstance(step, ActionStep):
        return f"{spoken_name(step.name)} ({title(step)})" if is_named(step) else title(step)
    if isinstance(step, BlockStep):
        return f"{spoken_name(step.name)} ({_chain(step.steps, 3)})"
    if isinstance(step, ParallelStep):
        branches = [_branch(branch) for branch in step.branches]
        return f"side by side {joined(branches, most=4)}"
    if isinstance(step, (ForEachStep, LoopStep)):
        return f"{title(step)} ({_chain(step.steps, 3)})"
    if isinstance(step, SwitchStep):
        return joined([_case(case.if_, case.steps) for case in step.cases], "or", most=4)
    return title(step)


def _branch(branch: Branch) -> str:
    said = _chain(branch.steps, 2)
    own = len(branch.steps) == 1 and branch.steps[0].name == branch.name
    return said if own else f"{spoken_name(branch.name)} ({said})"


def _case(if_: object, steps: tuple[Step, ...]) -> str:
    return f"{'otherwise' if if_ is None else f'if {condition(if_)},'} {_chain(steps, 2)}"  # type: ignore[arg-type]


def lines(drawn: Diagram) -> list[Told]:
    """The flow line by line: what starts it, what has to hold, and each step below the part it belongs to."""
    starts = [start.when + (f", if {start.if_}" if start.if_ else "") for start in drawn.triggers]
    told = [_about(0, f"When {start}" if n == 0 else f"or when {start}") for n, start in enumerate(starts or [BY_HAND])]
    if drawn.if_ is not None:
        told.append(_about(0, f"only if {drawn.if_}"))
    if drawn.unless is not None:
        told.append(_about(0, f"unless {drawn.unless}"))
    if drawn.code is not None:
        told.append(_about(1, f"run the Python function {drawn.code.removeprefix('python:')}"))
    _steps(told, drawn.steps, 1)
    for words, steps in (("if it fails", drawn.on_failure), ("if it is cancelled", drawn.on_cancel)):
        if steps:
            told.append(_about(0, words))
            _steps(told, steps, 1)
    return told


def _about(depth: int, text: str) -> Told:
    return Told(depth=depth, path=None, text=text)


def _steps(told: list[Told], nodes: list[Node], depth: int) -> None:
    for node in nodes:
        told.append(Told(depth=depth, path=node.path, text=_line(node)))
        for part in node.parts:
            _part(told, part, depth + 1)


def _part(told: list[Told], part: Part, depth: int) -> None:
    if part.kind in ("steps", "body"):
        _steps(told, part.steps, depth)
        return
    told.append(_about(depth, part.label))
    _steps(told, part.steps, depth + 1)


def _line(node: Node) -> str:
    said = node.title
    if node.if_ is not None:
        said += f", only if {node.if_}"
    if node.unless is not None:
        said += f", unless {node.unless}"
    if node.retry is not None:
        said += f"; {node.retry}"
    if node.timeout is not None and node.kind not in ("wait_for", "approve"):
        said += f"; at most {node.timeout} each time" if node.retry else f"; at most {node.timeout}"
    return said
