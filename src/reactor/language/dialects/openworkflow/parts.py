"""The values that the compiler of the dialect hands around."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import msgspec

from reactor.language.dialects.openworkflow.expr import Env
from reactor.language.dialects.openworkflow.jq import Thunk
from reactor.language.dialects.openworkflow.reading import Reading
from reactor.language.expressions.compiled import Constant
from reactor.language.lists import Call
from reactor.language.source import Mapping as MapNode
from reactor.language.source import Node, Scalar
from reactor.model.flow import BlockStep, Delay, Expr, Step


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """Where a list of tasks stands."""

    env: Env
    """Its variables; `dot` is not used."""
    nested: bool = False
    """Inside another task: what ends the workflow has to be remembered."""


class Task(msgspec.Struct, frozen=True, kw_only=True):
    """One task that is being made."""

    name: str
    """Of its step, unique in the flow."""
    label: str
    """As it stands in the file."""
    node: MapNode
    reference: str
    input: Thunk
    """The transformed input."""
    env: Env
    """For its definition: `.` is the transformed input."""
    place: Place
    if_: Expr | None = None
    timeout: Delay | None = None

    def inside(self, **variables: Thunk) -> Place:
        """The place of a list inside this task."""
        return Place(env=self.place.env.plus(**variables), nested=True)


class Core(msgspec.Struct, frozen=True, kw_only=True):
    """What a task became."""

    steps: tuple[Step, ...]
    """The first one has the task's name and condition."""
    data: str | None = None
    """The step whose output is the task's; None: the task passes its input on."""
    ends: bool = False
    """`then: end` stands somewhere inside."""
    swallows: bool = False
    """A loop or branch inside may have ended the workflow and left only itself: to be looked at behind it."""
    directive: Thunk | None = None
    """Where to go next, in place of `then`: a directive, or None when `then` holds."""


class Tasks(msgspec.Struct, frozen=True, kw_only=True):
    """What a list of tasks became."""

    steps: tuple[Step, ...]
    result: Thunk
    ended: bool = False
    """`then: end` stands somewhere inside."""


class Compiler(Protocol):
    """What the makers of tasks need of the compiler."""

    reading: Reading
    references: dict[str, str]
    calls: list[Call]
    use: dict[str, MapNode]
    """Entries of `use`, each a map of names."""
    calling: list[str]
    """Functions that are being made."""
    called: set[str]
    """Functions that are called."""

    def tasks(self, node: Node | None, what: str, base: Thunk, place: Place, reference: str) -> Tasks:
        """A list of tasks."""
        ...

    def single(self, key: Scalar, node: Node, base: Thunk, place: Place, reference: str) -> Tasks:
        """One task as a list of its own: a branch, a function."""
        ...

    def used(self, group: str, node: Scalar, what: str) -> Node | None:
        """What a name under `use` stands for; told when there is none."""
        ...

    def output(self, task: Task, raw: Thunk, *, always: bool = False) -> Expr | None:
        """`output.as` and its schema over a raw output; None when there is neither and it is not wanted `always`."""
        ...

    def name(self, wanted: str, reference: str) -> str:
        """The name of one more step of a task."""
        ...


Maker = Callable[[Compiler, Task], Core]


def data_step(name: str, output: Expr, if_: Expr | None = None, **more: Any) -> BlockStep:
    """A step that does nothing but give a value."""
    return BlockStep(name=name, steps=(), output=output, if_=if_, **more)


NOTHING = Constant({})
