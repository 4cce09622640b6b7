"""The rules of lint, each with its reason and what to do; and what a rule is given and gives back."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from reactor.language.expressions import Compiled, Constant, MapOf
from reactor.language.source import Node, Source
from reactor.model.flow import Flow, Step, all_steps, inner_lists
from reactor.sdk import Catalog


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One place that a rule does not like."""

    message: str
    """What is there and what to do, without the rule's general reason."""
    line: int = 0
    """The line, from 1, where only that is known."""
    at: Node | None = None
    """The very value, where it is known."""
    fix: str | None = None
    """What may stand in place of `at`: only where that is safe."""


class Subject(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """One flow as rules see it. The flow has no errors."""

    flow: Flow
    source: Source
    root: Node
    catalog: Catalog
    others: Sequence[Flow] = ()
    """All flows of the folder, this one too."""

    @functools.cached_property
    def steps(self) -> tuple[tuple[str, Step], ...]:
        """Every step with its path, in the order of the file."""
        return tuple(all_steps(self.flow))

    @functools.cached_property
    def lists(self) -> tuple[tuple[str, tuple[Step, ...]], ...]:
        """Every list of steps with what paths in it begin with."""
        tops = (("", self.flow.steps), ("on_failure.", self.flow.on_failure), ("on_cancel.", self.flow.on_cancel))
        inner = [(path + below, steps) for path, step in self.steps for below, steps in inner_lists(step)]
        return tuple((path, steps) for path, steps in (*tops, *inner) if steps)

    @functools.cached_property
    def reads(self) -> frozenset[tuple[str, ...]]:
        """Every path that any expression of the flow reads."""
        return frozenset(path for compiled in expressions(self.flow) for path in paths_of(compiled))


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """One rule."""

    id: str
    title: str
    reason: str
    """Why it matters."""
    fix: str
    """What to do about it."""
    severity: str = "warning"
    """warning | info"""
    check: Callable[[Subject], Iterator[Finding]]


RULES: dict[str, Rule] = {}
"""Every rule by its id; the modules with rules fill it when they are imported."""

Check = Callable[[Subject], Iterator[Finding]]


def rule(id_: str, title: str, *, reason: str, fix: str, severity: str = "warning") -> Callable[[Check], Check]:
    """Put a function into the registry.

    Raises:
        ValueError: there is a rule of this id.
    """

    def add(check: Check) -> Check:
        if id_ in RULES:
            raise ValueError(f"there are two rules {id_!r}")
        RULES[id_] = Rule(id=id_, title=title, reason=reason, fix=fix, severity=severity, check=check)
        return check

    return add


# --- what rules ask of the model -----------------------------------------------------------------------------------


def expressions(value: Any) -> Iterator[Compiled]:
    """Everything compiled in a flow, a step, or whatever holds some."""
    if isinstance(value, msgspec.Struct):
        for field in value.__struct_fields__:
            yield from expressions(getattr(value, field))
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from expressions(item)
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from expressions(item)
    elif hasattr(value, "references"):
        yield value


def paths_of(compiled: Compiled) -> Iterator[tuple[str, ...]]:
    """The paths that an expression reads, and those it falls back to."""
    for reference in compiled.references:
        yield reference.path
        if reference.otherwise is not None:
            yield reference.otherwise


def constant(value: Any, name: str) -> Any:
    """The value of a key of a compiled map when it is fixed, else None."""
    if isinstance(value, Constant):
        return value.value.get(name) if isinstance(value.value, dict) else None
    if isinstance(value, MapOf):
        entry = value.entries.get(name)
        return entry.value if isinstance(entry, Constant) else None
    return None


def keys_of(value: Any) -> tuple[str, ...]:
    """The keys of a compiled map, as written."""
    if isinstance(value, Constant):
        return tuple(value.value) if isinstance(value.value, dict) else ()
    return tuple(value.entries) if isinstance(value, MapOf) else ()


def always(condition: Any) -> bool | None:
    """True or false when a condition is fixed so, else None."""
    if condition is None:
        return None
    if isinstance(condition, Constant):
        return condition.value if isinstance(condition.value, bool) else None
    text = condition.source.strip().removeprefix("{{").removesuffix("}}").strip().lower()
    return {"true": True, "false": False}.get(text)


def conditional(step: Step) -> bool:
    """Whether a step may be skipped or may fail without ending its list."""
    return step.if_ is not None or step.unless is not None
