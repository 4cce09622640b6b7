"""Lists of steps: their names, verbs and common keys, and what each place may read. What steps do is told by makers."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from collections.abc import Mapping as AnyMapping
from typing import Any

import msgspec

from reactor.language import shapes
from reactor.language.keys import ANY, OWN_NAMES, STEP, STEP_KEYS, STEP_NAME, VERB, Key
from reactor.language.names import Scope, StepNames
from reactor.language.problems import closest, listed, shown
from reactor.language.reading import Reader
from reactor.language.source import Mapping, Node, Scalar, Sequence
from reactor.model.flow import Step

_FIELDS = {"if": "if_", "finally": "finally_"}
_NO_UNDO = "what an `undo` does is not undone itself; take this `undo` out"
_NO_BREAK = "`break` cannot stand in an `undo`: it runs when the run has ended"
_PARTS = ("on_error", "finally", "undo")


class Call(msgspec.Struct, frozen=True):
    """A `call:` and its place, for the checks over all flows."""

    flow: str
    at: Scalar
    guarded: bool = False
    """Whether something decides if it is reached."""


class Named(msgspec.Struct):
    """A step of a list with the name it goes by."""

    node: Mapping
    name: str
    verb: str | None
    inner: list[Named] = []
    """Of a block: its steps, whose names belong to the list around it."""
    cases: list[list[Named]] = []
    """Of a switch: the same, of each case; of them only one runs."""


Own = Callable[[dict[str, Any]], Step]
"""Makes the step from the fields that every step has."""
_Cases = tuple[tuple[int, int], ...]


class Lists:
    """Reads the lists of steps of one flow."""

    def __init__(self, reader: Reader, makers: AnyMapping[str, Maker]) -> None:
        self.reader = reader
        self.calls: list[Call] = []
        self._makers = makers
        reader.steps = lambda node, scope, where: self.read(node, scope, where)[0]

    def read(self, node: Node, scope: Scope, where: str) -> tuple[tuple[Step, ...], StepNames]:
        """A list with names of its own: of the flow, a handler, a branch, an iteration."""
        named = self.named(node, where)
        names = StepNames(self.unique(named), outer=scope.steps)
        return self.made(named, scope.inside(names), where), names

    # --- names ---------------------------------------------------------------------------------------------------

    def named(self, node: Node, where: str) -> list[Named]:
        """The steps of a list with their verbs; what is no list, or empty, is told."""
        where = where or "steps"
        if not isinstance(node, Sequence):
            if not (isinstance(node, Scalar) and node.value is None):
                self.reader.wrong(node, where, "a list of steps, each beginning with `- `")
            return []
        if not node.items:
            message = f"`{where}` is an empty list; write a step such as `- action: log.info`, or take the key out"
            self.reader.report("no-value", message, node)
        found = []
        for item in node.items:
            if isinstance(item, Mapping):
                found.append(self._one(item, where))
            else:
                self.reader.wrong(item, where, "steps, each a map such as `- action: log.info`")
        return found

    def _one(self, node: Mapping, where: str) -> Named:
        side_by_side = node.get("parallel")
        if self.reader.legacy and isinstance(side_by_side, Scalar) and side_by_side.value is False:
            node = node.without("parallel")
        named = Named(node, "", self._verb(node))
        if "name" in node:
            named.name = self.checked_name(node.entries["name"], "a step's name", node.entries["name"])
        value = node.get(named.verb or "")
        if named.verb == "steps" and value is not None:
            named.inner = self.named(value, f"{where}.steps")
        elif named.verb == "switch" and isinstance(value, Sequence):
            named.cases = [self._case(item, f"{where}.switch") for item in value.items]
        return named

    def _case(self, node: Node, where: str) -> list[Named]:
        for name in ("steps", "else"):
            steps = node.get(name) if isinstance(node, Mapping) else None
            if steps is not None:
                return self.named(steps, f"{where}.{name}")
        return []

    def checked_name(self, node: Node, what: str, at: Node) -> str:
        """The name of a step or branch; empty when it is none."""
        text = node.text if isinstance(node, Scalar) else ""
        if re.fullmatch(STEP_NAME, text):
            return text
        better = re.sub(r"[^a-zA-Z0-9_-]+", "_", text).strip("_")
        if self.reader.legacy and better:
            message = f"names of steps are of a-z A-Z 0-9 - _; `{shown(text)}` is known as `{better}` here"
            self.reader.warn("name", message, at, suggestion=better)
            return better
        hint = f"; write `{better}`" if better else ", or leave it out"
        message = f"{what} is made of a-z A-Z 0-9 - _, `{shown(text)}` is not{hint}"
        self.reader.report("name", message, at, suggestion=better or None, fix=better or None)
        return ""

    def unique(self, named: list[Named], *, deep: bool = True) -> list[tuple[str, int]]:
        """(name, line) of every step of a list and (`deep`) of the blocks and cases in it; unnamed ones get a name."""
        flat = list(_flat(named)) if deep else [(step, ()) for step in named]
        taken: dict[str, _Taken] = {}
        for step, cases in flat:
            if not step.name:
                continue
            same = taken.setdefault(step.name, _Taken(step)).clash(step, cases)
            if same is not None:
                line, _ = self.reader.source.place(same.node.start)
                message = f"there is a step `{step.name}` in this list already (line {line}); give one another name"
                self.reader.report("duplicate-name", message, step.node.get("name") or step.node)
        for step, _ in flat:
            if not step.name:
                step.name = _free(_base(step), taken)
                taken[step.name] = _Taken(step)
        return [(name, self.reader.source.place(its.first.node.start)[0]) for name, its in taken.items()]

    # --- verbs ---------------------------------------------------------------------------------------------------

    def _verb(self, node: Mapping) -> str | None:
        present = [name for name in VERB if name in node]
        owned = {name for verb in present for name in VERB[verb].takes}
        verbs = [name for name in present if name not in owned]
        if len(verbs) == 1:
            return verbs[0]
        if verbs:
            self._several(node, verbs)
            return None
        meant = next(((key, near) for name, key in node.keys.items() if (near := _near_verb(name))), None)
        if meant is not None:
            key, verb = meant
            message = f"this step does nothing: there is no `{key.text}`; did you mean `{verb}`?"
            self.reader.report("unknown-key", message, key, allowed=tuple(VERB), suggestion=verb, fix=verb)
        else:
            message = f"this step does nothing; give it one of {listed(VERB, most=len(VERB))}"
            first = next(iter(node.keys.values()), node)
            self.reader.report("no-verb", message, first, allowed=tuple(VERB))
        return None

    def _several(self, node: Mapping, verbs: list[str]) -> None:
        message = f"a step does one thing, this has {listed(verbs)}; make them steps of their own"
        if "action" in verbs:
            others = listed(name for name in verbs if name != "action")
            message = f"{message}, or write {others} under `with:` if the action has a parameter of that name"
        last = max((node.keys[name] for name in verbs), key=lambda key: key.start)
        self.reader.report("several-verbs", message, last)

    # --- steps ---------------------------------------------------------------------------------------------------

    def made(self, named: Iterable[Named], scope: Scope, where: str) -> tuple[Step, ...]:
        """The steps of a list whose names are settled; those that are wrong are left out."""
        steps = []
        for one in named:
            step = self._step(one, scope, f"{where}.{one.name}" if where else one.name)
            if step is not None:
                steps.append(step)
            if not scope.guarded and _may_end(one):
                scope = scope.where(guarded=True)
        return tuple(steps)

    def _step(self, named: Named, scope: Scope, where: str) -> Step | None:
        """One step, or None when it cannot be made; what is wrong is told either way."""
        names = scope.steps or StepNames()
        names.current.append(named.name)
        try:
            return self._made(named, scope, where)
        finally:
            names.current.pop()
            names.finish(named.name)

    def _made(self, named: Named, scope: Scope, where: str) -> Step | None:
        reader, node, verb = self.reader, named.node, named.verb
        if verb is None:
            return None
        if "if" in node or "unless" in node:
            scope = scope.where(guarded=True)
        before = len(reader.problems)
        special: dict[str, Any] = {"name": named.name, "line": reader.source.place(node.start)[0]}
        own = self._makers[verb](self, named, scope, where)
        special.update(self._common(named, verb, scope, where))
        if verb != "action":
            self._refuse_others(node, verb)
        failed = any(problem.severity == "error" for problem in reader.problems[before:])
        return None if failed or own is None else own(special)

    def _common(self, named: Named, verb: str, scope: Scope, where: str) -> dict[str, Any]:
        """The keys that every step may have."""
        fields: dict[str, Any] = {}
        for name, node in named.node.entries.items():
            key = STEP.get(name)
            if key is None or name == "name":
                continue
            if key.verbs and verb not in key.verbs:
                message = f"`{name}` belongs to steps with {listed(key.verbs)}, this one has `{verb}`; take it out"
                self.reader.report("not-here", message, named.node.keys[name])
            elif name in ("on_error", "finally"):
                around = scope.plus("error").where(guarded=scope.guarded or name == "on_error")
                fields[_FIELDS.get(name, name)], _ = self.read(node, around, f"{where}.{name}")
                self.need_steps(named.node, name)
            elif name == "undo":
                fields[name] = self._undo(named, node, scope, where)
            else:
                fields[_FIELDS.get(name, name)] = shapes.read(self.reader, node, key, scope, where)
        return {name: value for name, value in fields.items() if value is not None}

    def _undo(self, named: Named, node: Node, scope: Scope, where: str) -> Step | None:
        """A step of the name `undo`: one map, or a block for a list."""
        if scope.no_undo:
            self.reader.report("not-here", scope.no_undo, named.node.keys["undo"])
            return None
        if isinstance(node, Mapping):
            child = self._one(node, f"{where}.undo")
            if child.name not in ("", "undo"):
                message = "what undoes a step is always called `undo`: leave its `name` out"
                self.reader.report("name", message, node.keys["name"])
        elif isinstance(node, Sequence):
            block = Mapping(node.start, node.end)
            block.put(Scalar(node.start, node.start, "steps", "steps", ""), node)
            child = Named(block, "", "steps", self.named(node, f"{where}.undo"))
        else:
            self.reader.wrong(node, "undo", "a step such as `{action: http.request, …}`, or a list of steps")
            return None
        child.name = "undo"
        names = StepNames(self.unique([child]), outer=scope.steps)
        # It runs when its step has ended.
        names.finish(named.name)
        around = scope.plus("output", "error").where(no_undo=_NO_UNDO, no_break=_NO_BREAK, guarded=True)
        return self._step(child, around.inside(names), f"{where}.undo")

    def need_steps(self, node: Mapping, name: str) -> None:
        """Tell when nothing stands behind a key that takes steps."""
        value = node.get(name)
        if isinstance(value, Scalar) and value.value is None:
            message = f"`{name}` has no steps; write a step such as `- action: log.info`, or take the key out"
            self.reader.report("no-value", message, node.keys[name])

    def refuse_part_names(self, node: Mapping, inner: Iterable[Named]) -> None:
        """A step in a block cannot be called like a part of the block: both would have the same path."""
        for one in inner:
            if one.name in _PARTS and one.name in node:
                message = f"a step of a block that has `{one.name}` cannot be called so itself; give it another name"
                self.reader.report("duplicate-name", message, one.node.get("name") or one.node)

    def _refuse_others(self, node: Mapping, verb: str) -> None:
        takes = VERB[verb].takes
        taken = [Key(name=name, shape=ANY, doc="") for name in takes]
        inside = {key.name for key in VERB[verb].shape.keys} - set(takes)
        for name, key in node.keys.items():
            if name not in STEP and name != verb and name not in takes:
                stray = verb == "call" and _near(name, verb) is None
                hint = "inputs of the flow stand under `with:`" if stray else ""
                if name in inside:
                    hint = f"it stands inside `{verb}:`"
                self.reader.unknown(key, [*STEP_KEYS, *taken], f"a step with `{verb}`", hint)


Maker = Callable[[Lists, Named, Scope, str], Own | None]
"""Reads what one verb says; the fields that every step has come later."""


def _flat(named: list[Named], cases: _Cases = ()) -> Iterator[tuple[Named, _Cases]]:
    """All steps whose names belong to a list, with the cases that they stand in."""
    for one in named:
        yield one, cases
        yield from _flat(one.inner, cases)
        for number, steps in enumerate(one.cases):
            yield from _flat(steps, (*cases, (id(one), number)))


class _Taken:
    """Where a name is taken: by one step, or in cases of one switch, by a step in each."""

    __slots__ = ("cases", "first", "step", "switch")

    def __init__(self, first: Named) -> None:
        self.first = first
        self.step: Named | None = None
        self.switch: int | None = None
        self.cases: dict[int, _Taken] = {}

    def clash(self, step: Named, cases: _Cases) -> Named | None:
        """The step that has the name already, unless they stand in different cases of one switch; else it is taken."""
        at = self
        for switch, number in cases:
            if at.step is not None or at.switch not in (None, switch):
                return at.first
            at.switch = switch
            at = at.cases.setdefault(number, _Taken(step))
        if at.step is not None or at.switch is not None:
            return at.first
        at.step = step
        return None


def _may_end(named: Named) -> bool:
    """Whether the list may end here, so that what follows may not be reached."""
    inner = (*named.inner, *(step for case in named.cases for step in case))
    return named.verb in ("return", "fail", "break") or any(_may_end(step) for step in inner)


def _base(step: Named) -> str:
    """What a step without a name is called: by its action, `log_info`, or its verb."""
    action = step.node.get("action")
    text = action.text if isinstance(action, Scalar) else step.verb or "step"
    return re.sub(r"[^a-zA-Z0-9-]+", "_", text).strip("_") or "step"


def _free(base: str, taken: AnyMapping[str, Any]) -> str:
    name, count = base, 1
    while name in taken:
        count += 1
        name = f"{base}-{count}"
    return name


def _near(name: str, verb: str) -> str | None:
    return closest(name, [*STEP, *VERB[verb].takes])


def _near_verb(name: str) -> str | None:
    """The verb that a key was meant to be, if it is no key that a step has."""
    return None if name in OWN_NAMES else closest(name, VERB)
