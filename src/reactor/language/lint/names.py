"""Rules about names: one that hides another, one that two write at once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from reactor.language.lint.registry import Finding, Subject, keys_of, rule
from reactor.language.names import RUN_NAMES
from reactor.model.flow import ForEachStep, ParallelStep, SetStep, Step, inner_lists, walk

_SCOPE = RUN_NAMES | {
    "item",
    "index",
    "branches",
    "error",
    "state",
    "secrets",
    "output",
    "received",
    "approval",
    "events",
}


@rule(
    "shadowed-name",
    "Names that hide others",
    reason="`steps.NAME` and the `as` name of a loop mean the nearest one; who reads the inner part takes it for the "
    "outer one.",
    fix="Give one of them another name.",
)
def _shadowed(subject: Subject) -> Iterator[Finding]:
    for steps in (subject.flow.steps, subject.flow.on_failure, subject.flow.on_cancel):
        yield from _hidden(steps, {}, frozenset())


def _hidden(steps: tuple[Step, ...], outer: dict[str, int], items: frozenset[str]) -> Iterator[Finding]:
    names = {step.name: step.line for step in _transparent(steps)}
    for step in _transparent(steps):
        # Names that were made up for steps without one (`log_info`) hide nothing that anybody has written.
        if step.name in outer and outer[step.name] != step.line and _written(step):
            message = f"step `{step.name}` hides the one in line {outer[step.name]} from what stands around it"
            yield Finding(line=step.line, message=message)
        yield from _item(step, items)
        inside = items | ({step.as_} if isinstance(step, ForEachStep) and step.as_ else frozenset())
        for _, inner in inner_lists(step) if not _is_transparent(step) else ():
            yield from _hidden(inner, {**outer, **names}, inside)


def _item(step: Step, items: frozenset[str]) -> Iterator[Finding]:
    if not isinstance(step, ForEachStep) or not step.as_:
        return
    if step.as_ in items:
        yield Finding(line=step.line, message=f"`as: {step.as_}` hides the item of the loop around it")
    elif step.as_ in _SCOPE:
        yield Finding(line=step.line, message=f"`as: {step.as_}` hides what `{step.as_}` means everywhere else")


def _is_transparent(step: Step) -> bool:
    """Whether the names in it belong to the list around it: blocks and cases."""
    return all(prefix == "." or prefix.startswith(".cases[") for prefix, _ in inner_lists(step))


def _transparent(steps: Iterable[Step]) -> Iterator[Step]:
    for step in steps:
        yield step
        if _is_transparent(step):
            for _, inner in inner_lists(step):
                yield from _transparent(inner)


def _written(step: Step) -> bool:
    base = getattr(step, "action", "").replace(".", "_")
    return not base or not step.name.startswith(base)


@rule(
    "parallel-same-var",
    "Branches that set the same variable",
    reason="Variables belong to the run: when two branches set one, the value is that of whichever came last, and that "
    "may be another one next time.",
    fix="Give each branch a variable of its own, or read the branches' outputs when they have joined.",
)
def _raced(subject: Subject) -> Iterator[Finding]:
    for _, step in subject.steps:
        if isinstance(step, ParallelStep):
            yield from _same(step, [(branch.name, branch.steps) for branch in step.branches])
        elif isinstance(step, ForEachStep) and step.max_parallel != 1:
            for _, inner in walk(step.steps):
                if isinstance(inner, SetStep):
                    names = ", ".join(f"`vars.{name}`" for name in keys_of(inner.values))
                    message = f"iterations of `{step.name}` that run side by side all set {names}"
                    yield Finding(line=inner.line, message=message)


def _same(step: ParallelStep, branches: list[tuple[str, tuple[Step, ...]]]) -> Iterator[Finding]:
    first: dict[str, str] = {}
    for branch, steps in branches:
        for _, inner in walk(steps):
            for name in keys_of(inner.values) if isinstance(inner, SetStep) else ():
                other = first.setdefault(name, branch)
                if other != branch:
                    message = f"branches `{other}` and `{branch}` of `{step.name}` both set `vars.{name}`"
                    yield Finding(line=inner.line, message=message)
