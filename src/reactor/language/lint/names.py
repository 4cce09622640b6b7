"""Rules about names: one that hides another, one that two write at once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from reactor.language.lint.registry import Finding, Subject, keys_of, rule
from reactor.language.problems import listed
from reactor.model.flow import ForEachStep, SetStep, Step, inner_lists, walk


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
    "shared-var",
    "Branches that set the same variable",
    reason="Variables belong to the run: when two branches, or iterations side by side, set one, the value is that of "
    "whichever came last, and that may be another one next time.",
    fix="Give each branch a variable of its own, or let branches and iterations `return` their values.",
)
def _raced(subject: Subject) -> Iterator[Finding]:
    # Branches are told by the loader, with their places; this is for iterations.
    read = {path[1] for path in subject.reads if path[0] == "vars" and len(path) > 1}
    for _, step in subject.steps:
        if not isinstance(step, ForEachStep) or step.max_parallel == 1:
            continue
        for _, inner in walk(step.steps):
            names = [name for name in keys_of(inner.values) if name in read] if isinstance(inner, SetStep) else []
            if names:
                message = (
                    f"iterations of `{step.name}` that run side by side all set {listed(f'vars.{n}' for n in names)}"
                )
                yield Finding(line=inner.line, message=message)


def _by_loader(_: Subject) -> Iterator[Finding]:
    """Of rules that the loader tells by itself, because it knows the places."""
    return iter(())


rule(
    "endless-loop",
    "Loops that nothing ends",
    reason="A loop whose condition never changes runs until its `max` (1,000 where none is given), and then it fails.",
    fix="Write the condition that ends it, or the `max` that is meant.",
)(_by_loader)
rule(
    "no-effect",
    "Keys that change nothing",
    reason="A key that says nothing at its place makes its reader believe something that is not so.",
    fix="Take it out, or move it to where it works.",
)(_by_loader)
rule(
    "looks-like-expression",
    "Texts that look like expressions",
    reason="`event.data.id` as a text is these letters, not the value.",
    fix='Write `"{{ event.data.id }}"` where the value is meant.',
)(_by_loader)
rule(
    "unknown-var",
    "Variables that nothing sets",
    reason="Reading one fails when the run comes there; mostly its name is misspelt.",
    fix="Give it in `vars:`, or with a `set:` step.",
)(_by_loader)
