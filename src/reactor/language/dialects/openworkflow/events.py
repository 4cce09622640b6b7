"""`emit` and `listen`."""

from __future__ import annotations

from typing import Any

import msgspec

from reactor.language.dialects.openworkflow import filters
from reactor.language.dialects.openworkflow.expr import Computed, Part, holds
from reactor.language.dialects.openworkflow.filters import Wanted
from reactor.language.dialects.openworkflow.flowing import ended, output_of, part, variable
from reactor.language.dialects.openworkflow.jq import Scope, Thunk
from reactor.language.dialects.openworkflow.parts import Compiler, Core, Task, Tasks
from reactor.language.source import Mapping as MapNode
from reactor.language.source import Node, Scalar
from reactor.model.clock import from_iso
from reactor.model.errors import PermanentError
from reactor.model.flow import BlockStep, BreakStep, EmitStep, ForEachStep, LoopStep, SetStep, Step, WaitForStep

_MOST = 100_000
"""Events of one `listen … until`."""
_FOREACH = ("item", "at", "do", "output", "export")


# --- emit --------------------------------------------------------------------------------------------------------


def emit(compiler: Compiler, task: Task) -> Core:
    """`emit:` an event; the output is the event."""
    reading = compiler.reading
    given = reading.map(task.node.get("emit"), "emit", ("event",))
    event = reading.map(given.get("event"), "emit.event", ("with",))
    attributes = reading.map(event.get("with"), "emit.event.with")
    if "type" not in attributes:
        reading.report("missing-key", "`emit.event.with` has no `type`; write `type: com.example.done`", task.node)
    parts = {name: reading.value(node, f"with.{name}", task.env) for name, node in attributes.entries.items()}

    def draft(scope: Scope) -> dict[str, Any]:
        return _draft({name: part.make(scope) for name, part in parts.items()})

    def output(scope: Scope) -> dict[str, Any]:
        found = {name: part.make(scope) for name, part in parts.items()}
        event = {"specversion": "1.0", "datacontenttype": "application/json", **found}
        event.setdefault("id", part(scope["output"], "event_id"))
        event.setdefault("source", f"reactor/flows/{scope['flow']['name']}")
        if "time" not in event:
            event["time"] = filters.iso(scope["now"]())
        return event

    step = EmitStep(
        name=task.name,
        if_=task.if_,
        event=Computed(draft, "emit"),
        output=compiler.output(task, output, always=True),
    )
    return Core(steps=(step,), data=task.name)


def _draft(attributes: dict[str, Any]) -> dict[str, Any]:
    """The event as the door takes it: what is no attribute of ours travels in `metadata`."""
    names = ("type", "data", "source", "id", "subject")
    draft: dict[str, Any] = {name: attributes[name] for name in names if name in attributes}
    for name in ("type", "source", "id", "subject"):
        if name in draft and not isinstance(draft[name], str):
            raise PermanentError("input", f"emit: `{name}` of an event is a text, not {draft[name]!r:.60}")
    if attributes.get("time") is not None:
        try:
            draft["time"] = from_iso(str(attributes["time"]))
        except ValueError:
            raise PermanentError("input", f"emit: `time` is no ISO 8601 time: {attributes['time']!r:.60}") from None
    more = {name: value for name, value in attributes.items() if name not in (*draft, "time")}
    return {**draft, "metadata": more} if more else draft


# --- listen ------------------------------------------------------------------------------------------------------


class _Listening(msgspec.Struct, frozen=True, kw_only=True):
    """A `listen` task being made."""

    compiler: Compiler
    task: Task
    read: str
    foreach: MapNode | None

    def wait(self, name: str, wanted: list[Wanted], correlated: Thunk | None = None) -> WaitForStep:
        """A step that waits for the first event that one of the filters takes."""
        accept = filters.accepting(wanted, correlated)
        what = " or ".join(one.what for one in wanted) or "any event"
        return WaitForStep(
            name=name, event=filters.pattern(wanted), source=filters.source(wanted), accept=Computed(accept, what)
        )

    def name(self, suffix: str) -> str:
        """The name of one more step."""
        return self.compiler.name(f"{self.task.name}-{suffix}", self.task.reference)

    def seen(self, name: str) -> Thunk:
        """The event that a step took, as it is read."""
        taken = output_of(name)
        return lambda scope: filters.read(taken(scope), self.read)


def listen(compiler: Compiler, task: Task) -> Core:
    """`listen:` for events; the output is the list of what was consumed."""
    reading = compiler.reading
    given = reading.map(task.node.get("listen"), "listen", ("to", "read"))
    read = reading.one_of(given.get("read"), "listen.read", ("data", "envelope", "raw"))
    if read == "raw":
        reading.refuse("`read: raw`", "use `data` (the parsed content) or `envelope`", given.entries["read"])
    foreach = reading.map(task.node.get("foreach"), "foreach", _FOREACH) if "foreach" in task.node else None
    to = reading.map(given.get("to"), "listen.to", ("one", "any", "all", "until"))
    listening = _Listening(compiler=compiler, task=task, read=read, foreach=foreach)
    ways = [name for name in ("one", "any", "all") if name in to]
    if len(ways) != 1:
        reading.report("missing-key", "`listen.to` has one of `one`, `any`, `all`", given.get("to") or task.node)
        return Core(steps=())
    found = filters.wanted(compiler, task, to.entries[ways[0]], f"listen.to.{ways[0]}", several=ways[0] != "one")
    if "until" in to and ways[0] == "any":
        return _until(listening, found, to.entries["until"])
    if "until" in to:
        reading.report("unknown-key", f"`until` goes with `any`, not with `{ways[0]}`", to.keys["until"])
    return _fixed(listening, [[one] for one in found] if ways[0] == "all" else [found])


def _fixed(listening: _Listening, groups: list[list[Wanted]]) -> Core:
    """As many events as there are groups, each by the filters of its group."""
    waits: list[tuple[str, WaitForStep]] = []
    for group in groups:
        name = listening.name("event")
        waits.append((name, listening.wait(name, group, _correlated([one for one, _ in waits], groups))))
    events = [listening.seen(name) for name, _ in waits]

    def consumed(scope: Scope) -> list[Any]:
        return [event(scope) for event in events]

    steps: list[Step] = [step for _, step in waits]
    result: Thunk = consumed
    ends = False
    if listening.foreach is not None:
        loop, result, ends = _each(listening, consumed)
        steps += loop
    return _block(listening, steps, result, ends=ends)


def _correlated(names: list[str], groups: list[list[Wanted]]) -> Thunk | None:
    """The correlation values of the events that have been consumed: name → value."""
    if not names:
        return None
    pairs = [(output_of(name), group) for name, group in zip(names, groups, strict=False)]

    def known(scope: Scope) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for event, group in pairs:
            taken = event(scope)
            for one in group:
                for key, value in one.values(scope, taken).items():
                    found.setdefault(key, value)
        return found

    return known


def _each(listening: _Listening, consumed: Thunk) -> tuple[list[Step], Thunk, bool]:
    """`foreach` over events that are there already."""
    here = f"each@{listening.task.name}"
    tasks, result = _iteration(listening, lambda scope: scope[here]["item"], lambda scope: scope[here]["index"])
    name = listening.name("each")
    items = Computed(lambda scope: [{"item": item, "index": at} for at, item in enumerate(consumed(scope))], "events")
    leaving: list[Step] = [BreakStep(name=listening.name("ended"), if_=Computed(ended, "ended"))] if tasks.ended else []
    key = f"events@{listening.task.name}"
    begin = SetStep(name=listening.name("begin"), values=Computed(lambda _scope: {key: []}, "events"))
    add = SetStep(
        name=listening.name("add"), values=Computed(lambda scope: {key: [*scope["vars"][key], result(scope)]}, "events")
    )
    loop = ForEachStep(name=name, items=items, as_=here, steps=(*leaving, *tasks.steps, add))
    return [begin, loop], variable(key), tasks.ended


def _iteration(listening: _Listening, item: Thunk, index: Thunk) -> tuple[Tasks, Thunk]:
    """The tasks of `foreach` for one event, and what they give."""
    compiler, task, foreach = listening.compiler, listening.task, listening.foreach or MapNode(0, 0)
    reading = compiler.reading
    each = reading.literal(foreach.get("item"), "foreach.item") or "item"
    at = reading.literal(foreach.get("at"), "foreach.at") or "index"
    place = task.inside(**{each: item, at: index})
    tasks = Tasks(steps=(), result=item)
    if "do" in foreach:
        tasks = compiler.tasks(foreach.get("do"), "foreach.do", item, place, f"{task.reference}/foreach/do")
    if "export" in foreach:
        reading.refuse("`foreach.export`", "export in the last task of `foreach.do`", foreach.keys["export"])
    inner = msgspec.structs.replace(
        task,
        node=MapNode(0, 0) if "output" not in foreach else foreach,
        env=task.env.plus(**{each: item, at: index}),
    )
    output = compiler.output(inner, tasks.result)
    return tasks, tasks.result if output is None else output.evaluate


def _until(listening: _Listening, wanted: list[Wanted], node: Node) -> Core:
    """Event after event until a condition holds over all of them, or until another event comes."""
    reading, task = listening.compiler.reading, listening.task
    key = f"events@{task.name}"
    state = variable(key)
    events: Thunk = lambda scope: state(scope)["events"]  # noqa: E731 - named for what it gives
    stop: list[Wanted] = []
    condition: Part | None = None
    if isinstance(node, Scalar):
        condition = reading.expression(node, "listen.to.until", task.env.plus(dot=events))
    else:
        stop = _stopping(listening, node)
    name = listening.name("event")
    step = listening.wait(name, [*stop, *wanted] if wanted else [], lambda scope: state(scope)["keys"])
    taken = output_of(name)
    last = Computed(lambda scope: any(one.takes(scope, taken(scope)) for one in stop), "until")
    item = listening.seen(name)
    tasks, result = _iteration(listening, item, lambda scope: len(events(scope)))
    add = SetStep(name=listening.name("add"), values=Computed(_adding(key, state, wanted, taken, result), "events"))
    leave: list[Step] = [BreakStep(name=listening.name("until"), if_=last)] if stop else []
    loop = LoopStep(
        name=listening.name("events"),
        until=Computed(lambda scope: ended(scope) or (condition is not None and holds(condition.make(scope))), "until"),
        max=_MOST,
        steps=(step, *leave, *tasks.steps, add),
    )
    start = Computed(lambda _scope: {key: {"events": [], "keys": {}}}, "events")
    begin = SetStep(name=listening.name("begin"), values=start)
    return _block(listening, [begin, loop], events, ends=tasks.ended)


def _adding(key: str, state: Thunk, wanted: list[Wanted], taken: Thunk, result: Thunk) -> Thunk:
    def add(scope: Scope) -> dict[str, Any]:
        known, event = state(scope), taken(scope)
        keys = dict(known["keys"])
        for one in wanted:
            if one.takes(scope, event):
                keys = {**one.values(scope, event), **keys}
        return {key: {"events": [*known["events"], result(scope)], "keys": keys}}

    return add


def _stopping(listening: _Listening, node: Node) -> list[Wanted]:
    reading = listening.compiler.reading
    given = reading.map(node, "listen.to.until", ("one", "any", "all"))
    if "all" in given:
        reading.refuse("`until: {all: …}`", "use a condition over the events that were consumed", given.keys["all"])
        return []
    way = "one" if "one" in given else "any"
    if way not in given:
        reading.report("missing-key", "`until` is an expression, or has one of `one`, `any`", node)
        return []
    return filters.wanted(
        listening.compiler, listening.task, given.entries[way], f"listen.to.until.{way}", several=way == "any"
    )


def _block(listening: _Listening, steps: list[Step], result: Thunk, *, ends: bool) -> Core:
    task = listening.task
    block = BlockStep(
        name=task.name,
        if_=task.if_,
        timeout=task.timeout,
        steps=tuple(steps),
        output=listening.compiler.output(task, result, always=True),
    )
    return Core(steps=(block,), data=task.name, ends=ends, swallows=ends)
