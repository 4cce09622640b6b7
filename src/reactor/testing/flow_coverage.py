"""Which steps and branches of flows their tests have reached."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from reactor.model.flow import (
    ApproveStep,
    Flow,
    ForEachStep,
    LoopStep,
    ParallelStep,
    Step,
    SwitchStep,
    WaitForStep,
    all_steps,
)

Marks = Mapping[str, Mapping[str, set[str]]]


class Point(msgspec.Struct, frozen=True, kw_only=True):
    """A step, or one way that a flow can take."""

    what: str
    """`charge`, `pick: case 2`, `each: no item` …"""
    line: int
    branch: bool
    """Whether it is a way rather than a step."""
    reached: bool


class FlowCoverage(msgspec.Struct, frozen=True):
    """How much of one flow was reached."""

    flow: str
    file: str
    points: list[Point]

    def count(self, *, branch: bool) -> tuple[int, int]:
        """(reached, all) of the steps, or of the branches."""
        chosen = [point for point in self.points if point.branch is branch]
        return sum(point.reached for point in chosen), len(chosen)

    @property
    def percent(self) -> float:
        """Of steps and branches together; 100 when there are none."""
        return share(sum(point.reached for point in self.points), len(self.points))

    @property
    def missed(self) -> list[Point]:
        """What was never reached, in the order of the file."""
        return sorted((point for point in self.points if not point.reached), key=lambda point: point.line)


def share(reached: int, of: int) -> float:
    """Per cent; 100 of nothing."""
    return 100.0 * reached / of if of else 100.0


class Coverage:
    """What the tests of some flows have reached, all together."""

    def __init__(self, flows: Sequence[Flow]) -> None:
        self._flows = flows
        self._marks: dict[str, dict[str, set[str]]] = {}

    def add(self, marks: Marks) -> None:
        """What one test has reached."""
        for flow, paths in marks.items():
            known = self._marks.setdefault(flow, {})
            for path, found in paths.items():
                known.setdefault(path, set()).update(found)

    def flows(self) -> list[FlowCoverage]:
        """Flow by flow."""
        return [
            FlowCoverage(flow.name, flow.file or "", list(_points(flow, self._marks.get(flow.name, {}))))
            for flow in self._flows
        ]

    @property
    def percent(self) -> float:
        """Of the steps and branches of all flows together."""
        points = [point for flow in self.flows() for point in flow.points]
        return share(sum(point.reached for point in points), len(points))

    def as_data(self) -> dict[str, Any]:
        """`{percent, flows: [{flow, file, percent, steps: [reached, all], branches: [reached, all], missed}]}`."""
        return {
            "percent": round(self.percent, 1),
            "flows": [
                {
                    "flow": one.flow,
                    "file": one.file,
                    "percent": round(one.percent, 1),
                    "steps": list(one.count(branch=False)),
                    "branches": list(one.count(branch=True)),
                    "missed": [{"what": point.what, "line": point.line} for point in one.missed],
                }
                for one in self.flows()
            ],
        }


def _points(flow: Flow, marks: Mapping[str, set[str]]) -> Iterator[Point]:
    if flow.if_ is not None or flow.unless is not None:
        own = marks.get("", set())
        yield Point(what="the event starts it", line=1, branch=True, reached="matched" in own)
        yield Point(what="the event does not start it", line=1, branch=True, reached="refused" in own)
    for path, step in all_steps(flow):
        known = marks.get(path, set())
        ran = bool(known - {"skipped", "empty", "unhandled"})
        yield Point(what=path, line=step.line, branch=False, reached=ran)
        if step.if_ is not None or step.unless is not None:
            yield Point(what=f"{path}: skipped", line=step.line, branch=True, reached="skipped" in known)
            yield Point(what=f"{path}: not skipped", line=step.line, branch=True, reached=ran)
        for what, reached, line in _ways(step, path, known, marks):
            yield Point(what=f"{path}: {what}", line=line or step.line, branch=True, reached=reached)


Way = tuple[str, bool, int]


def _ways(step: Step, path: str, known: set[str], marks: Mapping[str, set[str]]) -> Iterator[Way]:
    """The ways through a step: (what, reached, line)."""
    below = _below(path, marks)
    if step.on_error:
        yield "on_error", below(".on_error."), step.on_error[0].line
        yield "no error", "completed" in known and "unhandled" in known, 0
    if isinstance(step, SwitchStep):
        yield from _cases(step, known)
    elif isinstance(step, ParallelStep):
        for branch in step.branches:
            place = f".branches.{branch.name}"
            yield f"branch {branch.name}", below(place + ".") or path + place in marks, branch.line
    elif isinstance(step, (ForEachStep, LoopStep)):
        yield "an iteration", below("[]"), step.steps[0].line if step.steps else 0
        if isinstance(step, ForEachStep) or step.while_ is not None:
            yield "no iteration", "empty" in known, 0
    elif isinstance(step, WaitForStep) and step.on_timeout is not None:
        yield "the event", "taken" in known, 0
        yield "on_timeout", below(".on_timeout."), step.on_timeout[0].line if step.on_timeout else 0
    elif isinstance(step, ApproveStep) and isinstance(step.on_timeout, tuple):
        yield "on_timeout", below(".on_timeout."), step.on_timeout[0].line if step.on_timeout else 0


def _cases(step: SwitchStep, known: set[str]) -> Iterator[Way]:
    for number, case in enumerate(step.cases):
        what = "else" if case.if_ is None else f"case {number + 1}"
        yield what, f"case {number}" in known, case.steps[0].line if case.steps else 0
    if all(case.if_ is not None for case in step.cases):
        yield "no case", "case -1" in known, 0


def _below(path: str, marks: Mapping[str, set[str]]) -> Callable[[str], bool]:
    return lambda what: any(place.startswith(path + what) for place in marks)


def table(coverage: Coverage) -> str:
    """A table for people, and below it what was never reached, with its lines."""
    flows = coverage.flows()
    width = max([len(one.flow) for one in flows] + [5])
    lines = [f"{'FLOW'.ljust(width)}  {'STEPS':>11}  {'BRANCHES':>11}  COVERED"]
    for one in flows:
        steps, branches = (_cell(*one.count(branch=branch)) for branch in (False, True))
        lines.append(f"{one.flow.ljust(width)}  {steps:>11}  {branches:>11}  {one.percent:6.1f}%")
    lines.append(f"{'(all)'.ljust(width)}  {'':>11}  {'':>11}  {coverage.percent:6.1f}%")
    missed = [f"    {one.file}:{point.line}: {point.what}" for one in flows for point in one.missed]
    if missed:
        lines += ["never reached:", *missed]
    return "\n".join(lines) + "\n"


def _cell(reached: int, of: int) -> str:
    return f"{reached} of {of}" if of else "-"
