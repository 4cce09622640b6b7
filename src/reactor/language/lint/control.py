"""Rules about the way through a flow: what is never reached, never ends, waits for ever."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from reactor.language.lint.registry import Finding, Subject, always, conditional, constant, rule
from reactor.model.flow import (
    ApproveStep,
    BlockStep,
    BreakStep,
    FailStep,
    ReturnStep,
    Step,
    SwitchStep,
    WaitForStep,
    inner_lists,
)

PLACEHOLDER = "import.todo"
"""Kind of the `fail` steps that `reactor import` leaves where somebody has to finish its work."""


def placeholder(step: Step) -> bool:
    """Whether it stands for something that was not taken over."""
    return isinstance(step, FailStep) and constant(step.error, "kind") == PLACEHOLDER


def ends(step: Step) -> bool:
    """Whether nothing behind this step in its list is ever reached."""
    if conditional(step) or step.on_error or step.continue_on_error or placeholder(step):
        return False
    if isinstance(step, (ReturnStep, BreakStep, FailStep)):
        return True
    if isinstance(step, BlockStep):
        return any(ends(inner) for inner in step.steps)
    if isinstance(step, SwitchStep):
        complete = any(case.if_ is None or always(case.if_) is True for case in step.cases)
        return complete and all(any(ends(inner) for inner in case.steps) for case in step.cases)
    return False


@rule(
    "unreachable",
    "Steps that are never reached",
    reason="What stands behind `return`, `fail` or `break`, under a condition that is always false, or in a case "
    "behind one that always holds, never runs; whoever reads the flow thinks that it does.",
    fix="Take the steps out, or give what stands before them its condition.",
)
def _unreachable(subject: Subject) -> Iterator[Finding]:
    for _, steps in subject.lists:
        for before, after in itertools.pairwise(steps):
            if ends(before):
                yield Finding(
                    line=after.line, message=f"step `{after.name}` is never reached: `{before.name}` ends here"
                )
                break
    for _, step in subject.steps:
        if always(step.if_) is False or always(step.unless) is True:
            yield Finding(line=step.line, message=f"step `{step.name}` never runs: its condition is always false")
        if isinstance(step, SwitchStep):
            yield from _dead_cases(step)


def _dead_cases(step: SwitchStep) -> Iterator[Finding]:
    for number, case in enumerate(step.cases):
        if always(case.if_) is False:
            message = f"case {number} of `{step.name}` is never chosen: its condition is always false"
            yield Finding(line=_line(case.steps, step), message=message)
        if always(case.if_) is True and number + 1 < len(step.cases):
            message = f"case {number + 1} of `{step.name}` is never chosen: the one before always holds"
            yield Finding(line=_line(step.cases[number + 1].steps, step), message=message)
            return


def _line(steps: tuple[Step, ...], otherwise: Step) -> int:
    return steps[0].line if steps else otherwise.line


@rule(
    "waits-for-ever",
    "Waits without a timeout",
    reason="`wait_for` and `approve` without a limit keep their run alive until what they wait for comes, and "
    "perhaps it never does.",
    fix="Give it a `timeout` (and `on_timeout`, if the run should go on), or the step, a block around it, or the flow "
    "a `deadline` or `timeout`.",
)
def _waiting(subject: Subject) -> Iterator[Finding]:
    if subject.flow.timeout is not None:
        return
    for step in _unbounded((*subject.flow.steps, *subject.flow.on_failure, *subject.flow.on_cancel)):
        if isinstance(step, (WaitForStep, ApproveStep)):
            what = "an event" if isinstance(step, WaitForStep) else "people"
            yield Finding(
                line=step.line, message=f"step `{step.name}` may wait for {what} for ever; give it a `timeout`"
            )


def _unbounded(steps: tuple[Step, ...]) -> Iterator[Step]:
    """The steps that no `timeout` or `deadline` bounds, their own or one around them."""
    for step in steps:
        if step.timeout is not None or step.deadline is not None or getattr(step, "limit", None) is not None:
            continue
        yield step
        for _, inner in inner_lists(step):
            yield from _unbounded(inner)


@rule(
    "import-todo",
    "Placeholders of an import",
    reason="`reactor import` has kept here what it could not translate; a run that comes here fails.",
    fix="Replace the step; the comment above it holds what the other engine had.",
)
def _unfinished(subject: Subject) -> Iterator[Finding]:
    for _, step in subject.steps:
        if placeholder(step):
            yield Finding(
                line=step.line, message=f"step `{step.name}` is a placeholder of the import; write what it should do"
            )
