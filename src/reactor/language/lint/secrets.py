"""Rules about outputs that are secret: where they are handed on in the clear."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from reactor.language.lint.registry import Finding, Subject, expressions, keys_of, paths_of, rule
from reactor.model.flow import (
    ApproveStep,
    CallStep,
    EmitStep,
    FailStep,
    ReturnStep,
    SetStep,
    StateStep,
    Step,
)

_PUBLIC = (("status",), ("error",), ("attempts",), ("attempt",))
"""What everybody may know of a step whose output is secret."""
_CLEAR: tuple[tuple[type[Step], str, str, bool], ...] = (
    (ReturnStep, "value", "returns", True),
    (SetStep, "values", "sets a variable to", False),
    (EmitStep, "event", "emits", True),
    (StateStep, "value", "keeps in the state", True),
    (StateStep, "key", "names in the state", True),
    (CallStep, "params", "hands to another flow", True),
    (FailStep, "error", "fails with", True),
    (ApproveStep, "title", "shows to people", True),
)
"""Kind of a step, its field, what it does with the value, and whether `secret_output` leaves that as it is."""


@rule(
    "secret-handed-on",
    "Secret outputs that are handed on in the clear",
    reason="`secret_output` seals the output of its own step in the journal and masks it where it is shown. What "
    "`return`, `set`, `emit`, `state`, `call`, `outputs` or `output` make of it is kept and shown like anything else.",
    fix="Hand it to the action that needs it and to nothing else; a `set` that has to hold it takes "
    "`secret_output: true`.",
)
def _handed_on(subject: Subject) -> Iterator[Finding]:
    names = frozenset(step.name for _, step in subject.steps if step.secret_output)
    if not names:
        return
    variables = frozenset(
        name
        for _, step in subject.steps
        if isinstance(step, SetStep) and step.secret_output
        for name in keys_of(step.values)
    )
    for _, step in subject.steps:
        for kind, field, verb, whatever in _CLEAR:
            if isinstance(step, kind) and (whatever or not step.secret_output):
                yield from _found(getattr(step, field), names, variables, f"step `{step.name}` {verb}", step.line)
        if step.output is not None and not step.secret_output:
            yield from _found(step.output, names, variables, f"step `{step.name}` gives as its output", step.line)
    keys = getattr(subject.root, "keys", {})
    line = subject.source.place(keys["outputs"].start)[0] if "outputs" in keys else 1
    yield from _found(subject.flow.outputs, names, variables, "`outputs` gives", line)


def _found(value: Any, names: frozenset[str], variables: frozenset[str], what: str, line: int) -> Iterator[Finding]:
    seen = set()
    for compiled in expressions((value,)):
        for path in paths_of(compiled):
            name = _secret(path, names, variables)
            if name is not None and name not in seen:
                seen.add(name)
                yield Finding(message=f"{what} `{name}`, which is secret, in the clear", line=line)


def _secret(path: tuple[str, ...], names: frozenset[str], variables: frozenset[str]) -> str | None:
    if path[:1] == ("vars",) and len(path) > 1 and path[1] in variables:
        return f"vars.{path[1]}"
    if path[:1] == ("steps",) and len(path) > 1 and path[1] in names and path[2:3] not in _PUBLIC:
        return f"steps.{path[1]}.output"
    return None
