"""Tasks that need nobody outside: do, set, switch, wait, raise."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from reactor.language.dialects.openworkflow.expr import Computed, Part, constant, holds
from reactor.language.dialects.openworkflow.flowing import completed, output_of
from reactor.language.dialects.openworkflow.jq import Scope, Thunk, unwrapped
from reactor.language.dialects.openworkflow.parts import Compiler, Core, Task, data_step
from reactor.language.dialects.openworkflow.problems import kind_of
from reactor.language.source import Mapping as MapNode
from reactor.language.source import Node, Scalar, Sequence
from reactor.model.flow import BlockStep, Expr, FailStep, WaitStep

_ERROR = ("type", "status", "instance", "title", "detail")


def do(compiler: Compiler, task: Task) -> Core:
    """`do:` tasks one after another."""
    tasks = compiler.tasks(task.node.get("do"), "do", task.input, task.inside(), f"{task.reference}/do")
    block = BlockStep(
        name=task.name,
        if_=task.if_,
        timeout=task.timeout,
        steps=tasks.steps,
        output=compiler.output(task, tasks.result, always=True),
    )
    return Core(steps=(block,), data=task.name, ends=tasks.ended)


def set_(compiler: Compiler, task: Task) -> Core:
    """`set:` the data."""
    node = task.node.get("set")
    if isinstance(node, MapNode) or (isinstance(node, Scalar) and unwrapped(node.text) is not None):
        part = compiler.reading.value(node, "set", task.env)
    else:
        if node is not None:
            compiler.reading.wrong(node, "set", "a map, or one `${ … }`")
        part = constant(None)
    output = compiler.output(task, part.make, always=True)
    return Core(steps=(data_step(task.name, output or Computed(part.make, "set"), task.if_),), data=task.name)


def switch_directives(node: MapNode) -> list[Node | None]:
    """The directives of all cases."""
    cases = node.get("switch")
    found: list[Node | None] = []
    for item in cases.items if isinstance(cases, Sequence) else ():
        inner = item.entries.values() if isinstance(item, MapNode) else ()
        found += [case.get("then") if isinstance(case, MapNode) else None for case in inner]
    return found


def switch(compiler: Compiler, task: Task) -> Core:
    """`switch:` the first case that holds says where to go; the data goes through."""
    reading = compiler.reading
    cases: list[tuple[str, Thunk | None, str]] = []
    for item in reading.items(task.node.get("switch"), "switch"):
        named = reading.named(item, "switch")
        if named is None:
            continue
        key, given = named
        case = reading.map(given, key.text, ("when", "then"))
        then = reading.literal(case.get("then"), "then")
        if then is None and "then" not in case:
            reading.report("missing-key", f"the case `{key.text}` has no `then`; write `then: continue`", key)
        asked = reading.expression(case.get("when"), "when", task.env).make if "when" in case else None
        if asked is None and any(before is None for _, before, _ in cases):
            reading.report("several-defaults", f"a switch has one case without `when`; give `{key.text}` one", key)
        cases.append((key.text, asked, then or "continue"))
    # The default is asked last wherever it stands.
    cases.sort(key=lambda case: case[1] is None)

    def choose(scope: Scope) -> dict[str, Any]:
        for label, asked, then in cases:
            if asked is None or holds(asked(scope)):
                return {"case": label, "then": then}
        return {"case": None, "then": None}

    chosen = output_of(task.name)
    core = Core(
        steps=(data_step(task.name, Computed(choose, "switch"), task.if_),),
        directive=lambda scope: (chosen(scope) or {}).get("then"),
    )
    return passing(compiler, task, core)


def wait(compiler: Compiler, task: Task) -> Core:
    """`wait:` for a while; the data goes through."""
    delay = compiler.reading.delay(task.node.get("wait"), "wait", task.env)
    return passing(compiler, task, Core(steps=(WaitStep(name=task.name, if_=task.if_, for_=delay or 0),)))


def passing(compiler: Compiler, task: Task, core: Core) -> Core:
    """A task that passes its input on, unless it shapes its output."""
    output = compiler.output(task, task.input)
    if output is None:
        return core
    name = compiler.name(f"{task.name}-output", task.reference)
    asked = after(task, core)
    return Core(steps=(*core.steps, data_step(name, output, asked)), data=name, directive=core.directive)


def after(task: Task, core: Core) -> Expr | None:
    """The condition of what follows a task's first step: that this one ran."""
    return None if task.if_ is None else Computed(completed(core.steps[0].name), "completed")


def raise_(compiler: Compiler, task: Task) -> Core:
    """`raise:` an error."""
    given = compiler.reading.map(task.node.get("raise"), "raise", ("error",))
    node = given.get("error")
    if isinstance(node, Scalar):
        node = compiler.used("errors", node, "raise.error")
    elif node is None:
        compiler.reading.report("missing-key", "`raise` has no `error`", task.node)
    error = problem(compiler, task, node)

    def fail(scope: Scope) -> dict[str, Any]:
        found = error(scope)
        message = found.get("detail") or found.get("title") or found["type"]
        return {"kind": kind_of(found), "message": str(message), "data": found}

    return Core(steps=(FailStep(name=task.name, if_=task.if_, error=Computed(fail, "raise")),))


def problem(compiler: Compiler, task: Task, node: Node | None) -> Callable[[Scope], dict[str, Any]]:
    """The definition of an error as a function that makes it."""
    reading = compiler.reading
    given = reading.map(node, "error", _ERROR)
    for name in ("type", "status"):
        if node is not None and name not in given:
            reading.report("missing-key", f"an error has a `{name}`", node)
    parts: dict[str, Part] = {name: reading.value(item, name, task.env) for name, item in given.entries.items()}

    def make(scope: Scope) -> dict[str, Any]:
        found = {name: part.make(scope) for name, part in parts.items()}
        found.setdefault("instance", task.reference)
        return found

    return make
