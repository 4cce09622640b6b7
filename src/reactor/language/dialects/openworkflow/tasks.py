"""Lists of tasks and what all tasks have in common: conditions, input, output, export, timeout, where to go next."""

from __future__ import annotations

from typing import Any

import msgspec

from reactor.language.dialects.openworkflow import basic, calls, events, loops, runs, trying
from reactor.language.dialects.openworkflow.expr import Computed, Env, Part, assigning, holds
from reactor.language.dialects.openworkflow.flowing import (
    CONTEXT,
    END,
    Chain,
    Route,
    completed,
    ended,
    known,
    output_of,
)
from reactor.language.dialects.openworkflow.jq import Scope, Thunk
from reactor.language.dialects.openworkflow.parts import Core, Maker, Place, Task, Tasks, data_step
from reactor.language.dialects.openworkflow.reading import Reading
from reactor.language.dialects.openworkflow.validating import valid
from reactor.language.lists import Call
from reactor.language.problems import closest, listed, shown
from reactor.language.source import Mapping as MapNode
from reactor.language.source import Node, Scalar
from reactor.model.flow import BlockStep, Delay, Expr, LoopStep, ReturnStep, SetStep, Step

_MAKERS: dict[str, tuple[Maker, tuple[str, ...]]] = {
    "call": (calls.make, ("with",)),
    "do": (basic.do, ()),
    "emit": (events.emit, ()),
    "for": (loops.for_, ("while", "do")),
    "fork": (loops.fork, ()),
    "listen": (events.listen, ("foreach",)),
    "raise": (basic.raise_, ()),
    "run": (runs.make, ()),
    "set": (basic.set_, ()),
    "switch": (basic.switch, ()),
    "try": (trying.make, ("catch",)),
    "wait": (basic.wait, ()),
}
"""Kind of task → what makes it, and the keys beside its own."""
_COMMON = ("if", "input", "output", "export", "timeout", "then", "metadata")
_WRAPPED = frozenset({"emit", "raise", "set", "switch", "try", "wait"})
"""Their steps have no time of their own to limit, or catch what they fail with."""
_DIRECTIVES = ("continue", "exit", "end")
_PASSES = 100_000
"""How often a list may be gone through: jumps back are loops, and one that never ends is a mistake."""


class _Entry(msgspec.Struct):
    """A task of a list, before it is made."""

    key: Scalar
    node: MapNode
    name: str
    kind: str | None
    edges: frozenset[int] = frozenset()


class TaskCompiler:
    """Makes steps of tasks. One for each document."""

    def __init__(self, reading: Reading, use: dict[str, MapNode]) -> None:
        self.reading = reading
        self.use = use
        self.references: dict[str, str] = {}
        self.calls: list[Call] = []
        self.calling: list[str] = []
        self.called: set[str] = set()

    def name(self, wanted: str, reference: str) -> str:
        """The name of one more step of a task."""
        name = self.reading.step_name(wanted)
        self.references[name] = reference
        return name

    # --- lists ---------------------------------------------------------------------------------------------------

    def tasks(self, node: Node | None, what: str, base: Thunk, place: Place, reference: str) -> Tasks:
        """A list of tasks."""
        entries = []
        for at, item in enumerate(self.reading.items(node, what)):
            named = self.reading.named(item, what)
            if named is not None:
                entries.append(self._entry(*named, f"{reference}/{at}/{_pointer(named[0].text)}"))
        if not entries:
            if node is not None:
                self.reading.report("no-value", f"`{what}` has no tasks; write `- name: {{set: {{…}}}}`", node)
            return Tasks(steps=(), result=base)
        return self._list(entries, base, place)

    def single(self, key: Scalar, node: Node, base: Thunk, place: Place, reference: str) -> Tasks:
        """One task as a list of its own: a branch, a function."""
        return self._list([self._entry(key, node, reference)], base, place)

    def _entry(self, key: Scalar, given: Node, reference: str) -> _Entry:
        node = self.reading.map(given, key.text)
        kind = self._kind(key, node) if isinstance(given, MapNode) else None
        return _Entry(key, node, self.name(key.text, reference), kind)

    def _kind(self, key: Scalar, node: MapNode) -> str | None:
        # A `for` has its `do` beside it.
        owned = {"do"} if "for" in node else set()
        kinds = [kind for kind in _MAKERS if kind in node and kind not in owned]
        if len(kinds) == 1:
            return kinds[0]
        if kinds:
            message = f"a task does one thing, `{key.text}` has {listed(kinds)}; make them tasks of their own"
            self.reading.report("several-kinds", message, node.keys[kinds[1]])
            return None
        own = [name for name in node.keys if name not in _COMMON]
        meant, at = next(((near, node.keys[name]) for name in own if (near := closest(name, _MAKERS))), (None, key))
        hint = f"did you mean `{meant}`?" if meant else f"give it one of {listed(_MAKERS)}"
        message = f"the task `{shown(key.text)}` does nothing; {hint}"
        self.reading.report("no-kind", message, at, allowed=tuple(_MAKERS), suggestion=meant, fix=meant)
        return None

    def _list(self, entries: list[_Entry], base: Thunk, place: Place) -> Tasks:
        for at, entry in enumerate(entries):
            entry.edges = self._edges(entries, at)
        self._warn_of_unreachable(entries)
        directives: dict[int, Thunk] = {}
        index = {entry.key.text: at for at, entry in enumerate(entries)}

        def goto(at: int, scope: Scope) -> int | None:
            return _target(directives[at](scope), at, index, len(entries))

        route = Route([entry.name for entry in entries], [entry.edges for entry in entries], goto)
        making = _Making(self, entries, route, directives)
        return making.looping(base, place) if route.looping else making.straight(base, place, lambda _scope: 0)

    def _warn_of_unreachable(self, entries: list[_Entry]) -> None:
        found, waiting = {0}, [0]
        while waiting:
            new = entries[waiting.pop()].edges - found
            found |= new
            waiting += new
        for at, entry in enumerate(entries):
            if at not in found:
                message = f"the task `{entry.key.text}` is never reached: nothing before it leads to it"
                self.reading.warn("unreachable", message, entry.key)

    def _edges(self, entries: list[_Entry], at: int) -> frozenset[int]:
        """The tasks that one may lead to."""
        entry, count = entries[at], len(entries)
        index = {one.key.text: number for number, one in enumerate(entries)}
        found = set()
        for node in _directives(entry):
            text = self.reading.literal(node, "then") if node is not None else "continue"
            if text is not None and node is not None and text not in _DIRECTIVES and text not in index:
                self._unknown_target(text, node, tuple(index))
            target = _target(text or "end", at, index, count)
            if target is not None:
                found.add(target)
        if "if" in entry.node and at + 1 < count:
            found.add(at + 1)
        return frozenset(found)

    def _unknown_target(self, text: str, node: Node, names: tuple[str, ...]) -> None:
        allowed = (*_DIRECTIVES, *names)
        meant = closest(text, allowed)
        hint = f"did you mean `{meant}`?" if meant else f"there is {listed(allowed)}"
        message = f"there is no task `{shown(text)}` in this list to go on with; {hint}"
        self.reading.report("unknown-task", message, node, allowed=allowed, suggestion=meant, fix=meant)

    # --- one task ------------------------------------------------------------------------------------------------

    def core(self, entry: _Entry, raw: Thunk, place: Place, reached: Thunk | None) -> tuple[Core, Task] | None:
        """One task, or None when it cannot be made; what is wrong has been told."""
        if entry.kind is None:
            return None
        make, beside = _MAKERS[entry.kind]
        self.reading.map(entry.node, entry.key.text, (entry.kind, *beside, *_COMMON))
        reference = self.references[entry.name]
        env = self._env(entry, raw, place, reference)
        task = Task(
            name=entry.name,
            label=entry.key.text,
            node=entry.node,
            reference=reference,
            input=raw,
            env=env.plus(input=raw),
            place=place,
            if_=self._condition(entry, env, reached),
            timeout=self.timeout(entry.node.get("timeout"), env),
        )
        wrapped = "input" in entry.node or (task.timeout is not None and entry.kind in _WRAPPED)
        return self._wrapped(make, task) if wrapped else (make(self, task), task)

    def _env(self, entry: _Entry, raw: Thunk, place: Place, reference: str) -> Env:
        told = {"name": entry.key.text, "reference": reference, "definition": entry.node.plain}
        return place.env.plus(dot=raw, task=lambda scope: {**told, "input": raw(scope)})

    def _condition(self, entry: _Entry, env: Env, reached: Thunk | None) -> Expr | None:
        node = entry.node.get("if")
        if node is None:
            return None if reached is None else Computed(reached, "reached")
        asked = self.reading.expression(node, "if", env).make
        source = str(node.plain)
        if reached is None:
            return Computed(lambda scope: holds(asked(scope)), source)
        return Computed(lambda scope: reached(scope) and holds(asked(scope)), source)

    def _wrapped(self, make: Maker, task: Task) -> tuple[Core, Task]:
        """A task whose input is changed or checked, or whose time is limited from outside: a block around it."""
        steps: list[Step] = []
        inner = msgspec.structs.replace(task, name=self.name(f"{task.name}-task", task.reference), if_=None)
        if "input" in task.node:
            name = self.name(f"{task.name}-input", task.reference)
            steps.append(data_step(name, self._input(task)))
            changed = output_of(name)
            inner = msgspec.structs.replace(inner, input=changed, env=task.env.plus(dot=changed, input=changed))
        if task.timeout is not None and "input" not in task.node:
            inner = msgspec.structs.replace(inner, timeout=None)
        core = make(self, inner)
        limit = task.timeout if inner.timeout is None else None
        block = BlockStep(name=task.name, if_=task.if_, timeout=limit, steps=(*steps, *core.steps))
        return msgspec.structs.replace(core, steps=(block,)), inner

    def _input(self, task: Task) -> Expr:
        given = self.reading.map(task.node.get("input"), "input", ("schema", "from"))
        schema = self.reading.schema(given.get("schema"), "input.schema")
        env = Env(dot=task.input, variables={n: t for n, t in task.env.variables.items() if n != "input"})
        part = self.reading.transformation(given.get("from"), "input.from", env) if "from" in given else None
        raw = task.input

        def transformed(scope: Scope) -> Any:
            before = valid(schema, raw(scope), f"input of `{task.label}`")
            return before if part is None else part.make(scope)

        return Computed(transformed, "input")

    def timeout(self, node: Node | None, env: Env) -> Delay | None:
        """A timeout, or the name of one under `use.timeouts`."""
        if isinstance(node, Scalar):
            found = self.used("timeouts", node, "timeout")
            return None if found is None else self._after(found, env)
        return self._after(node, env) if node is not None else None

    def _after(self, node: Node, env: Env) -> Delay | None:
        given = self.reading.map(node, "timeout", ("after",))
        if "after" not in given and isinstance(node, MapNode):
            self.reading.report("missing-key", "`timeout` has no `after`; write `after: {seconds: 30}`", node)
        return self.reading.delay(given.get("after"), "timeout.after", env)

    def used(self, group: str, node: Scalar, what: str) -> Node | None:
        """What a name under `use` stands for."""
        known = self.use.get(group) or MapNode(0, 0)
        found = known.get(node.text)
        if found is None:
            meant = closest(node.text, known.entries)
            hint = f"did you mean `{meant}`?" if meant else f"define it under `use.{group}`"
            message = f"`{what}`: there is no `{shown(node.text)}` under `use.{group}`; {hint}"
            self.reading.report("unknown-name", message, node, suggestion=meant)
        return found

    def output(self, task: Task, raw: Thunk, *, always: bool = False) -> Expr | None:
        """`output.as` and its schema over a raw output; None when there is neither and it is not wanted `always`."""
        given = self.reading.map(task.node.get("output"), "output", ("schema", "as"))
        schema = self.reading.schema(given.get("schema"), "output.schema")
        if not given.entries:
            return Computed(raw, "output") if always else None
        told = task.env.variables["task"]
        env = task.env.plus(dot=raw, task=lambda scope: {**told(scope), "output": raw(scope)})
        part = self.reading.transformation(given.get("as"), "output.as", env) if "as" in given else Part(raw)

        def shaped(scope: Scope) -> Any:
            return valid(schema, part.make(scope), f"output of `{task.label}`")

        return Computed(shaped, "output.as")

    def export(self, task: Task, data: Thunk) -> SetStep | None:
        """`export.as`: the new `$context`."""
        given = self.reading.map(task.node.get("export"), "export", ("schema", "as"))
        if not given.entries:
            return None
        schema = self.reading.schema(given.get("schema"), "export.schema")
        env = task.env.plus(dot=data, output=data)
        part = (
            self.reading.transformation(given.get("as"), "export.as", env)
            if "as" in given
            else Part(env.variables["context"])
        )
        told = f"context after `{task.label}`"
        values = assigning(CONTEXT, lambda scope: valid(schema, part.make(scope), told), "export.as")
        asked = Computed(completed(task.name), "completed")
        return SetStep(name=self.name(f"{task.name}-export", task.reference), values=values, if_=asked)


class _Making(msgspec.Struct):
    """One list, being made."""

    of: TaskCompiler
    entries: list[_Entry]
    route: Route
    directives: dict[int, Thunk]

    def straight(self, base: Thunk, place: Place, start: Thunk) -> Tasks:
        """The tasks one after another, each only if control comes to it."""
        chain = Chain(base)
        steps: list[Step] = []
        guarded = place_ended = False
        plain = not any(self._jumps(at) for at in range(len(self.entries))) and not self.route.looping
        for at in self.route.order:
            entry = self.entries[at]
            guarded = not plain and (guarded or at != self.route.order[0] or self.route.looping)
            made = self.of.core(entry, chain.here(), place, self.route.reached(at, start) if guarded else None)
            if made is None:
                continue
            core, task = made
            task = msgspec.structs.replace(task, name=entry.name)
            steps += core.steps
            if core.data is not None:
                chain.add(core.data)
            exported = self.of.export(task, chain.here())
            steps += () if exported is None else (exported,)
            if core.swallows:
                steps.append(self._leave(task, chain, Computed(ended, "ended")))
            place_ended |= core.ends or core.swallows
            place_ended |= self._next(at, core, task, chain, steps)
        return Tasks(steps=tuple(steps), result=chain.here(), ended=place_ended)

    def _jumps(self, at: int) -> bool:
        nodes = _directives(self.entries[at])
        return any(node is not None and node.plain != "continue" for node in nodes)

    def _next(self, at: int, core: Core, task: Task, chain: Chain, steps: list[Step]) -> bool:
        """Note where control goes from here; whether that may be the end of the workflow."""
        then = self.entries[at].node.get("then")
        static = str(then.plain) if then is not None else "continue"
        chosen = core.directive

        def directive(scope: Scope) -> str:
            found = chosen(scope) if chosen is not None else None
            return static if found is None else str(found)

        self.directives[at] = directive
        if not any(node is not None and node.plain == "end" for node in _directives(self.entries[at])):
            return False
        done = completed(self.entries[at].name)
        ends = Computed(lambda scope: done(scope) and directive(scope) == "end", "then: end")
        data = chain.here()
        if task.place.nested:
            values = assigning(END, lambda scope: {"output": data(scope)}, "then: end")
            steps.append(SetStep(name=self.of.name(f"{task.name}-ends", task.reference), values=values, if_=ends))
        steps.append(self._leave(task, chain, ends))
        return True

    def _leave(self, task: Task, chain: Chain, if_: Expr) -> ReturnStep:
        data = chain.here()
        name = self.of.name(f"{task.name}-end", task.reference)
        return ReturnStep(name=name, value=Computed(data, "then: end"), if_=if_)

    def looping(self, base: Thunk, place: Place) -> Tasks:
        """A list with a way back: gone through again and again, each time from where the last pass left off."""
        first = self.entries[0]
        reference = self.of.references[first.name]
        key = f"next@{first.name}"
        state: Thunk = lambda scope: known(scope["vars"].get(key))  # noqa: E731 - named for what it gives
        inner = Place(env=place.env, nested=True)
        begin = SetStep(
            name=self.of.name(f"{first.name}-begin", reference),
            values=assigning(key, lambda scope: {"task": 0, "data": base(scope)}, "first task"),
        )
        tasks = self.straight(lambda scope: state(scope)["data"], inner, lambda scope: state(scope)["task"])
        back = self.route.back(lambda scope: state(scope)["task"])
        carry = SetStep(
            name=self.of.name(f"{first.name}-next", reference),
            values=assigning(key, lambda scope: {"task": back(scope), "data": tasks.result(scope)}, "next task"),
        )
        loop = LoopStep(
            name=self.of.name(f"{first.name}-tasks", reference),
            while_=Computed(lambda scope: not ended(scope) and state(scope)["task"] is not None, "next task"),
            max=_PASSES,
            steps=(*tasks.steps, carry),
        )
        steps: tuple[Step, ...] = (begin, loop)
        if tasks.ended:
            name = self.of.name(f"{first.name}-end", reference)
            result = Computed(lambda scope: scope["vars"][END]["output"], "then: end")
            steps = (*steps, ReturnStep(name=name, value=result, if_=Computed(ended, "ended")))
        return Tasks(steps=steps, result=lambda scope: state(scope)["data"], ended=tasks.ended)


def _directives(entry: _Entry) -> list[Node | None]:
    """Every flow directive of a task; None stands for going on."""
    found: list[Node | None] = [entry.node.get("then")]
    if entry.kind == "switch":
        found += basic.switch_directives(entry.node)
    elif entry.kind == "try":
        found += trying.directives(entry.node)
    return found


def _target(text: str, at: int, index: dict[str, int], count: int) -> int | None:
    if text == "continue":
        return at + 1 if at + 1 < count else None
    return index.get(text) if text not in ("exit", "end") else None


def _pointer(text: str) -> str:
    """One part of a JSON Pointer (RFC 6901)."""
    return text.replace("~", "~0").replace("/", "~1")
