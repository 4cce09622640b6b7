"""`for` and `fork`."""

from __future__ import annotations

from typing import Any

from reactor.language.dialects.openworkflow.expr import Computed, assigning, constant, holds
from reactor.language.dialects.openworkflow.flowing import ended, known, variable
from reactor.language.dialects.openworkflow.jq import Scope, Thunk
from reactor.language.dialects.openworkflow.parts import Compiler, Core, Task, Tasks
from reactor.language.source import Node, Scalar
from reactor.model.errors import PermanentError
from reactor.model.flow import BlockStep, Branch, BreakStep, ForEachStep, Join, ParallelStep, ReturnStep, SetStep, Step


def for_(compiler: Compiler, task: Task) -> Core:
    """`for:` each item, one after another: an iteration begins with what the one before it gave."""
    reading = compiler.reading
    given = reading.map(task.node.get("for"), "for", ("each", "in", "at"))
    each, at = (reading.literal(given.get(name), f"for.{name}") for name in ("each", "at"))
    here = f"each@{task.name}"
    places: dict[str, Thunk] = {
        each or "item": lambda scope: scope[here]["item"],
        at or "index": lambda scope: scope[here]["index"],
    }
    carried = variable(f"data@{task.name}")
    place = task.inside(**places)
    tasks = compiler.tasks(task.node.get("do"), "do", carried, place, f"{task.reference}/do")
    steps = [*_leaving(compiler, task, tasks), *_while(compiler, task, places, carried), *tasks.steps]
    steps.append(_carry(compiler, task, tasks.result))
    loop = ForEachStep(
        name=compiler.name(f"{task.name}-each", task.reference),
        items=_items(compiler, task, given.get("in")),
        as_=here,
        steps=tuple(steps),
    )
    begin = SetStep(
        name=compiler.name(f"{task.name}-begin", task.reference),
        values=assigning(f"data@{task.name}", task.input, "input"),
    )
    block = BlockStep(
        name=task.name,
        if_=task.if_,
        timeout=task.timeout,
        steps=(begin, loop),
        output=compiler.output(task, carried, always=True),
    )
    return Core(steps=(block,), data=task.name, ends=tasks.ended, swallows=tasks.ended)


def _leaving(compiler: Compiler, task: Task, tasks: Tasks) -> list[Step]:
    """No further iteration once the workflow has been ended in one."""
    if not tasks.ended:
        return []
    return [BreakStep(name=compiler.name(f"{task.name}-ended", task.reference), if_=Computed(ended, "ended"))]


def _while(compiler: Compiler, task: Task, places: dict[str, Thunk], carried: Thunk) -> list[Step]:
    if "while" not in task.node:
        return []
    env = task.env.plus(dot=carried, input=carried, **places)
    asked = compiler.reading.expression(task.node.get("while"), "while", env).make
    stop = Computed(lambda scope: not holds(asked(scope)), "while")
    return [BreakStep(name=compiler.name(f"{task.name}-while", task.reference), if_=stop)]


def _carry(compiler: Compiler, task: Task, result: Thunk) -> SetStep:
    return SetStep(
        name=compiler.name(f"{task.name}-next", task.reference),
        values=assigning(f"data@{task.name}", result, "output"),
    )


def _items(compiler: Compiler, task: Task, node: Node | None) -> Computed:
    reading = compiler.reading
    if node is None:
        reading.report("missing-key", "`for` has no `in`; write `in: .items`", task.node.get("for") or task.node)
        part = constant([])
    elif isinstance(node, Scalar):
        part = reading.expression(node, "for.in", task.env)
    else:
        part = reading.value(node, "for.in", task.env)

    def enumerated(scope: Scope) -> list[dict[str, Any]]:
        found = known(part.make(scope))
        if not isinstance(found, list):
            raise PermanentError("input", f"`for.in` of `{task.label}` gave no list but {_kind(found)}")
        return [{"item": item, "index": index} for index, item in enumerate(found)]

    return Computed(enumerated, str(node.plain) if node is not None else "[]")


def _kind(value: Any) -> str:
    if value is None:
        return "null"
    return "a map" if isinstance(value, dict) else f"the value {str(value)[:40]}"


def fork(compiler: Compiler, task: Task) -> Core:
    """`fork:` branches side by side; with `compete` the first to succeed gives the output."""
    reading = compiler.reading
    given = reading.map(task.node.get("fork"), "fork", ("branches", "compete"))
    compete = reading.flag(given.get("compete"), "fork.compete", default=False)
    branches: list[Branch] = []
    over = False
    for at, item in enumerate(reading.items(given.get("branches"), "fork.branches")):
        named = reading.named(item, "fork.branches")
        if named is not None:
            key, node = named
            reference = f"{task.reference}/fork/branches/{at}/{key.text}"
            tasks = compiler.single(key, node, task.input, task.inside(), reference)
            over |= tasks.ended
            branches.append(_branch(compiler, key, tasks, reference))
    if not branches:
        reading.report("missing-key", "`fork` has no `branches`", task.node.get("fork") or task.node)
    names = [branch.name for branch in branches]

    def output(scope: Scope) -> Any:
        found = known(scope["output"])
        if compete:
            winner = known(found.get("winner"))
            return found["branches"][winner]["output"] if winner is not None else None
        return [(found["branches"].get(name) or {}).get("output") for name in names]

    step = ParallelStep(
        name=task.name,
        if_=task.if_,
        timeout=task.timeout,
        branches=tuple(branches),
        join=Join(mode="first" if compete else "all"),
        output=compiler.output(task, output, always=True),
    )
    return Core(steps=(step,), data=task.name, ends=over, swallows=over)


def _branch(compiler: Compiler, key: Scalar, tasks: Tasks, reference: str) -> Branch:
    """A branch gives what its task gives, whatever its last step is."""
    end = ReturnStep(name=compiler.name(f"{key.text}-output", reference), value=Computed(tasks.result, "output"))
    # The name of its step is unique already.
    return Branch(name=(*tasks.steps, end)[0].name, steps=(*tasks.steps, end))
