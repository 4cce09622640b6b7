"""Which names an expression may read at its place, asked before anything runs."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from reactor.language.problems import closest, listed

FUNCTIONS = ("now", "uuid", "random")
RUN_NAMES = frozenset({"event", "inputs", "steps", "vars", "run", "flow", "env", "state", *FUNCTIONS})
"""What a step's expressions see."""
LEGACY_NAMES = frozenset({"response", "variables"})
EVENT_NAMES = frozenset({"event", "env"})
"""What is known before there is a run: conditions of triggers and of the flow."""
ONLY_EVENT = frozenset({"event"})
"""For ids and dedupe keys: the same event gives the same key, wherever and whenever."""
SETTING_NAMES = frozenset({"secrets", "env"})
"""What settings of connections see."""

_EVENT = ("id", "type", "source", "subject", "time", "data", "metadata", "payload", "timestamp")
_ATTRIBUTES: dict[str, tuple[str, ...]] = {
    "event": _EVENT,
    "received": _EVENT,
    "approval": ("id", "title", "people", "links", "link"),
    "run": ("id", "started_at", "version"),
    "flow": ("name", "version", "labels"),
}
STEP_ATTRIBUTES = ("output", "status", "error", "attempts")
BRANCH_ATTRIBUTES = ("status", "output", "error")
_LINKS = ("links", "link")
NO_LOOP = "`break` leaves the nearest loop, and there is none around it; put it into `for_each`, `while` or `until`"
LOCAL_NAMES = frozenset({"item", "index", "branches", "error", "attempt", "output", "received", "approval", "events"})
"""Names that are known in some places only."""
_ELSEWHERE = {
    "secrets": "`secrets` may be read only in the parameters of an action (`with`), so that no journal keeps them",
    "error": "`error` is known only in `on_error`, `finally`, `undo`, `on_failure` and `retry.if`",
    "attempt": "`attempt` is known only in `retry.if`; elsewhere read `steps.NAME.attempts`",
    "output": "`output` is known only behind the step's own `output:` and in its `undo`; elsewhere read "
    "`steps.NAME.output`",
    "item": "`item` is known only inside `for_each`",
    "index": "`index` is known only inside `for_each`, `while` and `until`",
    "branches": "`branches` is known only in `join.until`; behind the step read `steps.NAME.output.branches`",
    "received": "`received` is known only in the `if` of `wait_for`; behind the step read `steps.NAME.output`",
    "events": "`events` is known only in flows with `batch`; else there is one, `event`",
    "approval": "`approval` is known only in `notify` of `approve`",
}
_BEFORE_RUN = frozenset({*RUN_NAMES, *FUNCTIONS})


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """A name that cannot be read here."""

    rule: str
    message: str
    path: tuple[str, ...]
    """Up to and with the name that is wrong."""
    severity: str = "error"
    suggestion: str | None = None
    allowed: tuple[str, ...] = ()


class StepNames:
    """The steps of one list (with the blocks in it), and which of them have run."""

    def __init__(self, later: Iterable[tuple[str, int]] = (), outer: StepNames | None = None) -> None:
        self._later = dict(later)
        self._done: dict[str, int] = {}
        self._outer = outer
        self._aside: dict[str, int] = {}
        self.current: list[str] = []
        """Names of the steps that are being read, outermost first."""

    def finish(self, name: str) -> None:
        """What follows may read this step."""
        self._done[name] = self._later.pop(name, 0)

    def aside(self, count: int) -> list[str]:
        """Forget what has run behind the first `count` (what one case of a switch did, for the next), and name it."""
        names = []
        while len(self._done) > count:
            name, self._aside[name] = self._done.popitem()
            names.append(name)
        return names[::-1]

    def back(self, names: Iterable[str]) -> None:
        """Behind the switch it is all known: one of its cases may have run."""
        self._done.update((name, self._aside.pop(name, 0)) for name in names if name not in self._done)

    @property
    def count(self) -> int:
        """How many of this list have run."""
        return len(self._done)

    def find(self, name: str) -> tuple[bool, int] | None:
        """(whether it has run, its line), from here outwards; None: there is no such step."""
        if name in self._done:
            return True, self._done[name]
        if self._outer is not None:
            found = self._outer.find(name)
            if found is not None and found[0]:
                return found
        else:
            found = None
        for waiting in (self._later, self._aside):
            if name in waiting:
                return False, waiting[name]
        return found

    def elsewhere(self, name: str) -> bool:
        """Whether this step stands in another case of a switch around."""
        return name in self._aside or (self._outer is not None and self._outer.elsewhere(name))

    def is_around(self, name: str) -> bool:
        """Whether the expression stands inside this step."""
        return name in self.current or (self._outer is not None and self._outer.is_around(name))

    def known(self) -> list[str]:
        """The steps that have run."""
        return [*self._done, *(self._outer.known() if self._outer else ())]


class Scope(msgspec.Struct, frozen=True, kw_only=True):
    """What expressions see at one place."""

    names: frozenset[str]
    steps: StepNames | None = None
    inputs: tuple[str, ...] | None = None
    """Names of the flow's inputs; None: not known."""
    closed: bool = False
    """Whether there can be no other inputs."""
    place: str = "here"
    branches: tuple[str, ...] | None = None
    """Names of the branches that `branches` has."""
    no_break: str = NO_LOOP
    """Why `break` cannot stand here; empty: it can."""
    no_undo: str = ""
    """Why `undo` cannot stand here."""
    guarded: bool = False
    """Whether something decides if this place is reached at all."""

    def plus(self, *names: str) -> Scope:
        """The same with more names."""
        return msgspec.structs.replace(self, names=self.names.union(names)) if names else self

    def inside(self, steps: StepNames) -> Scope:
        """The same, in another list of steps."""
        return msgspec.structs.replace(self, steps=steps)

    def where(self, **changes: Any) -> Scope:
        """The same, with other facts about the place."""
        return msgspec.structs.replace(self, **changes)


def check(path: tuple[str, ...], scope: Scope) -> Finding | None:
    """What is wrong with a path (`("steps", "charge", "output")`). `vars` are asked when all of them are known."""
    top = path[0]
    if top not in scope.names:
        return _unknown_top(top, scope)
    if top == "approval" and "secrets" not in scope.names and (len(path) < 2 or path[1] in _LINKS):
        message = "links of an approval are secrets: they may be read only in the parameters of an action (`with`)"
        return Finding(rule="not-here", message=message, path=path[:2])
    asked = _CHECKS.get(top)
    return asked(path, scope) if asked is not None and len(path) > 1 else None


def _unknown_top(name: str, scope: Scope) -> Finding:
    allowed = tuple(sorted(scope.names))
    if name in _ELSEWHERE:
        return Finding(rule="not-here", message=_ELSEWHERE[name], path=(name,), allowed=allowed)
    if name in _BEFORE_RUN:
        message = f"`{name}` is not known {scope.place}; there is {listed(allowed)}"
        return Finding(rule="not-here", message=message, path=(name,), allowed=allowed)
    meant = closest(name, allowed)
    if meant is None and scope.steps is not None and scope.steps.find(name):
        meant = f"steps.{name}"
    hint = (
        f"did you mean `{meant}`?" if meant else f"there is {listed(allowed)}; put quotes around it if a text is meant"
    )
    message = f"there is no `{name}` {scope.place}; {hint}"
    return Finding(rule="unknown-name", message=message, path=(name,), suggestion=meant, allowed=allowed)


def _check_step(path: tuple[str, ...], scope: Scope) -> Finding | None:
    name, steps = path[1], scope.steps or StepNames()
    found = steps.find(name)
    if found is None:
        return _unknown_step(name, steps)
    ran, line = found
    if not ran:
        if steps.is_around(name):
            message = f"step `{name}` has not finished here: this stands inside it; its error is `error`"
        elif steps.elsewhere(name):
            message = f"step `{name}` (line {line}) stands in another case of this switch: only one of them runs"
        else:
            message = f"step `{name}` (line {line}) has not run yet here; move it in front, or read an earlier step"
        return Finding(rule="not-run-yet", message=message, path=path[:2], allowed=tuple(sorted(steps.known())))
    if len(path) > 2 and path[2] not in STEP_ATTRIBUTES:
        meant = closest(path[2], STEP_ATTRIBUTES) or f"output.{path[2]}"
        message = f"a step has {listed(STEP_ATTRIBUTES)}, not `{path[2]}`; did you mean `steps.{name}.{meant}`?"
        return Finding(rule="unknown-name", message=message, path=path[:3], suggestion=meant, allowed=STEP_ATTRIBUTES)
    return None


def _unknown_step(name: str, steps: StepNames) -> Finding:
    known = tuple(sorted(steps.known()))
    meant = closest(name, known) or next((k for k in known if k.startswith(f"{name}-")), None)
    if meant is not None and "-" in meant and meant.startswith(name):
        hint = f"; did you mean `steps['{meant}']`? (a `-` in a name needs brackets)"
    elif meant is not None:
        hint = f"; did you mean `{meant}`?"
    else:
        hint = f"; before this come {listed(known)}" if known else "; no step comes before this"
    message = f"there is no step `{name}`{hint}"
    return Finding(rule="unknown-step", message=message, path=("steps", name), suggestion=meant, allowed=known)


def _check_branch(path: tuple[str, ...], scope: Scope) -> Finding | None:
    if scope.branches is None:
        return None
    wrong = 1 if path[1] not in scope.branches else 2 if len(path) > 2 and path[2] not in BRANCH_ATTRIBUTES else 0
    if not wrong:
        return None
    allowed = scope.branches if wrong == 1 else BRANCH_ATTRIBUTES
    meant = closest(path[wrong], allowed) or (f"output.{path[2]}" if wrong == 2 else None)
    hint = f"did you mean `{meant}`?" if meant else f"there is {listed(allowed)}"
    what = f"there is no branch `{path[1]}`" if wrong == 1 else f"a branch has no `{path[2]}`"
    rule = "unknown-branch" if wrong == 1 else "unknown-name"
    return Finding(rule=rule, message=f"{what}; {hint}", path=path[: wrong + 1], suggestion=meant, allowed=allowed)


def _check_inputs(path: tuple[str, ...], scope: Scope) -> Finding | None:
    if scope.inputs is None or path[1] in scope.inputs:
        return None
    meant = closest(path[1], scope.inputs)
    hint = f"did you mean `{meant}`?" if meant else f"it names {listed(scope.inputs) or 'none'}"
    message = f"the flow's `inputs` name no `{path[1]}`; {hint}"
    severity = "error" if scope.closed else "warning"
    return Finding(
        rule="unknown-input", message=message, path=path[:2], severity=severity, suggestion=meant, allowed=scope.inputs
    )


def _check_attribute(path: tuple[str, ...], _scope: Scope) -> Finding | None:
    allowed = _ATTRIBUTES[path[0]]
    if path[1] in allowed:
        return None
    meant = closest(path[1], allowed)
    if meant is None and path[0] in {"event", "received"}:
        meant = f"data.{path[1]}"
    hint = f"did you mean `{path[0]}.{meant}`?" if meant else f"it has {listed(allowed)}"
    message = f"`{path[0]}` has no `{path[1]}`; {hint}"
    severity = "warning" if path[0] in {"run", "flow"} else "error"
    return Finding(
        rule="unknown-name", message=message, path=path[:2], severity=severity, suggestion=meant, allowed=allowed
    )


_CHECKS: dict[str, Callable[[tuple[str, ...], Scope], Finding | None]] = {
    "steps": _check_step,
    "inputs": _check_inputs,
    "branches": _check_branch,
    "event": _check_attribute,
    "received": _check_attribute,
    "approval": _check_attribute,
    "run": _check_attribute,
    "flow": _check_attribute,
}
