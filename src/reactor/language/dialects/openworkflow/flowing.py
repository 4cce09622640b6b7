"""How data and control go from task to task, as functions over what the interpreter shows of its steps.

No task writes its output a second time: the input of a task is looked up where it came from, which is the output of
the nearest task before it that ran. Jumps (`then`) need no counter either: which task is next follows from those that
have ended.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from reactor.language.dialects.openworkflow.jq import Scope, Thunk
from reactor.language.expressions.missing import Unknown
from reactor.model.states import StepStatus

COMPLETED, SKIPPED = StepStatus.COMPLETED.value, StepStatus.SKIPPED.value
CONTEXT, END = "context", "end"
"""Names among the run's variables: `$context`, and what is left when a task said `then: end`."""
Goto = Callable[[int, Scope], int | None]
"""(task that has ended, scope) → the next task of the list, or None: the list is left."""


def view_of(scope: Scope, name: str) -> Mapping[str, Any] | None:
    """What is known of a step, if it has ended here."""
    steps = scope["steps"]
    return steps[name] if name in steps else None  # noqa: SIM401 - `get` does not look into the lists around


def completed(name: str) -> Thunk:
    """Whether a step ran to its end."""

    def ask(scope: Scope) -> bool:
        view = view_of(scope, name)
        return view is not None and view["status"] == COMPLETED

    return ask


def output_of(name: str) -> Thunk:
    """The output of a step."""

    def look(scope: Scope) -> Any:
        view = view_of(scope, name)
        return plain(view["output"]) if view is not None else None

    return look


def plain(value: Any) -> Any:
    """Without the names that an action adds for expressions."""
    return dict(value) if isinstance(value, dict) and type(value) is not dict else value


def variable(name: str) -> Thunk:
    """One of the run's variables."""
    return lambda scope: scope["vars"].get(name)


def ended(scope: Scope) -> bool:
    """Whether a task has ended the whole workflow."""
    return END in scope["vars"]


def known(value: Any) -> Any:
    """The value, which has to be known to go on.

    Raises:
        NeedsUnknown: in a dry run, it is not.
    """
    if isinstance(value, Unknown):
        value.refuse()
    return value


def part(value: Any, name: str) -> Any:
    """One entry of a map; of something unknown, something unknown."""
    return value.below(name) if isinstance(value, Unknown) else value.get(name)


class Chain:
    """A list of tasks as data goes through it."""

    def __init__(self, base: Thunk) -> None:
        self._base = base
        self._names: list[str] = []

    def add(self, name: str) -> None:
        """The step whose output is that of the task that was just made."""
        self._names.append(name)

    def here(self) -> Thunk:
        """The data behind the tasks so far: what the nearest one that ran gave, else what the list began with."""
        names, base = tuple(reversed(self._names)), self._base
        if not names:
            return base

        def look(scope: Scope) -> Any:
            for name in names:
                view = view_of(scope, name)
                if view is not None and view["status"] == COMPLETED:
                    return plain(view["output"])
            return base(scope)

        return look


class Route:
    """The order in which the tasks of a list are laid out, and which of them are reached."""

    def __init__(self, names: Sequence[str], edges: Sequence[frozenset[int]], goto: Goto) -> None:
        """`names`: the step that tells of each task; `edges`: the tasks that each may lead to."""
        order = _sorted(edges)
        self.looping = order is None
        """There is a way back: the list is gone through again and again."""
        self.order: Sequence[int] = range(len(names)) if order is None else order
        self._place = {task: place for place, task in enumerate(self.order)}
        self._names = names
        self._goto = goto

    def reached(self, task: int, start: Thunk) -> Thunk:
        """Whether control has come to this task."""
        return lambda scope: self._walk(scope, start(scope), task)[0] == task

    def back(self, start: Thunk) -> Thunk:
        """Where the next pass begins; None when there is none."""
        return lambda scope: self._walk(scope, start(scope), None)[1]

    def _walk(self, scope: Scope, at: int | None, target: int | None) -> tuple[int | None, int | None]:
        """(where it stops, the task behind it that it goes back to)."""
        while at is not None and at != target:
            view = view_of(scope, self._names[at])
            if view is None:
                return None, None
            if view["status"] == SKIPPED:
                after = at + 1 if at + 1 < len(self._names) else None
            else:
                after = self._goto(at, scope)
            if after is not None and self._place[after] <= self._place[at]:
                return None, after
            at = after
        return at, None


def _sorted(edges: Sequence[frozenset[int]]) -> list[int] | None:
    """The tasks, each before those that it leads to and else as they stand; None when there is a circle."""
    waiting = [0] * len(edges)
    for targets in edges:
        for target in targets:
            waiting[target] += 1
    ready = [task for task, count in enumerate(waiting) if count == 0]
    order = []
    while ready:
        task = heapq.heappop(ready)
        order.append(task)
        for target in edges[task]:
            waiting[target] -= 1
            if waiting[target] == 0:
                heapq.heappush(ready, target)
    return order if len(order) == len(edges) else None
