"""Rules about data: what is set, made or fetched, and read by nobody."""

from __future__ import annotations

from collections.abc import Iterator

from reactor.language.lint.registry import Finding, Subject, keys_of, rule
from reactor.model.flow import ActionStep, SetStep, Step
from reactor.sdk import Effect


@rule(
    "unused-var",
    "Variables that nobody reads",
    reason="A variable that is set and never read is a leftover, or the reader has misspelt it.",
    fix="Take it out, or read it as `vars.NAME`.",
)
def _unused_vars(subject: Subject) -> Iterator[Finding]:
    if _dynamic(subject, "vars"):
        return
    read = {path[1] for path in subject.reads if path[0] == "vars" and len(path) > 1}
    read |= {path[2] for path in subject.reads if path[0] == "variables" and len(path) > 2}
    for name in keys_of(subject.flow.vars):
        if name not in read and "{{" not in name:
            yield Finding(message=f"nothing reads `vars.{name}`", line=_line_of_vars(subject))
    for last, step in _with_last(subject):
        if not isinstance(step, SetStep) or last or _step_is_read(subject, step):
            continue
        for name in keys_of(step.values):
            if name not in read and "{{" not in name:
                yield Finding(message=f"step `{step.name}` sets `vars.{name}`, and nothing reads it", line=step.line)


def _line_of_vars(subject: Subject) -> int:
    keys = getattr(subject.root, "keys", {})
    return subject.source.place(keys["vars"].start)[0] if "vars" in keys else 1


@rule(
    "unused-output",
    "Work whose result nobody reads",
    reason="An action that only looks or computes has no other effect than its output; when nothing reads that, the "
    "step only costs time.",
    fix="Take the step out, or read `steps.NAME.output`.",
    severity="info",
)
def _unused_outputs(subject: Subject) -> Iterator[Finding]:
    if _dynamic(subject, "steps"):
        return
    for last, step in _with_last(subject):
        if not isinstance(step, ActionStep) or last or step.action.startswith("log.") or _step_is_read(subject, step):
            continue
        action = subject.catalog.actions.get(step.action)
        effect = action.effect if action is not None else None
        # A step that may fail by its own rules is perhaps there for that.
        if effect in (Effect.PURE, Effect.READ) and not step.on_error and not step.continue_on_error:
            message = f"nothing reads the output of `{step.name}` ({step.action}), and it does nothing else"
            yield Finding(message=message, line=step.line)


def _with_last(subject: Subject) -> Iterator[tuple[bool, Step]]:
    """Every step, and whether its output is that of the list it stands in."""
    for _, steps in subject.lists:
        for number, step in enumerate(steps):
            yield number == len(steps) - 1, step


def _step_is_read(subject: Subject, step: Step) -> bool:
    return any(path[0] == "steps" and path[1:2] == (step.name,) for path in subject.reads)


def _dynamic(subject: Subject, top: str) -> bool:
    """Whether something reads all of it, or a part that only the run knows."""
    return any(path == (top,) for path in subject.reads)
