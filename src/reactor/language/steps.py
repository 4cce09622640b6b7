"""Lists of steps: names, verbs, keys, scopes."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import msgspec

from reactor.language import shapes
from reactor.language.expressions import Compiled, Constant, compile_command, is_template
from reactor.language.keys import ANY, LATER, NAME, OWN_NAMES, STEP, STEP_KEYS, STEP_NAME, VERB, Key
from reactor.language.names import Scope, StepNames
from reactor.language.problems import closest, listed, shown
from reactor.language.reading import Reader
from reactor.language.source import Mapping, Node, Scalar, Sequence
from reactor.language.structs import Given, check
from reactor.model.flow import (
    ActionStep,
    BlockStep,
    CallStep,
    EmitStep,
    FailStep,
    ReturnStep,
    SetStep,
    Step,
    WaitStep,
)
from reactor.sdk import Action

_FIELDS = {"if": "if_", "finally": "finally_"}
_HANDLERS = {"on_error": ("error",), "finally": ("error",)}
_COMMAND_LINES = {("shell.exec", "command")}
"""Parameters that a shell reads: values inside are quoted for it."""


class Call(msgspec.Struct, frozen=True):
    """A `call:` and its place, for the checks over all flows."""

    flow: str
    at: Scalar


class _Named(msgspec.Struct):
    """A step of a list with the name it goes by."""

    node: Mapping
    name: str
    verb: str | None
    key: Scalar | None = None
    """Where the name is written."""
    inner: list[_Named] = []
    """Of a block: its steps, whose names belong to the list around it."""


class Steps:
    """Reads the lists of steps of one flow."""

    def __init__(self, reader: Reader) -> None:
        self.reader = reader
        self.calls: list[Call] = []

    def read(self, node: Node, scope: Scope, where: str) -> tuple[tuple[Step, ...], StepNames]:
        """A list with names of its own: of the flow, of a handler."""
        named = self._named(node, where)
        names = StepNames(self._unique(named), outer=scope.steps)
        return self._list(named, scope.inside(names), where), names

    # --- names ---------------------------------------------------------------------------------------------------

    def _named(self, node: Node, where: str) -> list[_Named]:
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

    def _one(self, node: Mapping, where: str) -> _Named:
        verb = self._verb(node)
        inner = node.get("steps") if verb == "steps" else None
        named = _Named(node, "", verb, node.keys.get("name"))
        if "name" in node:
            named.name = self._checked_name(node.entries["name"])
        if inner is not None:
            named.inner = self._named(inner, f"{where}.steps")
        return named

    def _checked_name(self, node: Node) -> str:
        text = node.text if isinstance(node, Scalar) else ""
        if re.fullmatch(STEP_NAME, text):
            return text
        better = re.sub(r"[^a-zA-Z0-9_-]+", "_", text).strip("_")
        if self.reader.legacy and better:
            message = f"names of steps are of a-z A-Z 0-9 - _; `{shown(text)}` is known as `{better}` here"
            self.reader.warn("name", message, node, suggestion=better)
            return better
        hint = f"; write `{better}`" if better else ", or leave it out"
        message = f"a step's name is made of a-z A-Z 0-9 - _, `{shown(text)}` is not{hint}"
        self.reader.report("name", message, node, suggestion=better or None, fix=better or None)
        return ""

    def _unique(self, named: list[_Named]) -> list[tuple[str, int]]:
        """(name, line) of every step of a list and of the blocks in it; unnamed ones get a name."""
        flat = list(_flat(named))
        taken: dict[str, _Named] = {}
        for step in flat:
            if step.name and step.name in taken:
                line, _ = self.reader.source.place(taken[step.name].node.start)
                message = f"there is a step `{step.name}` in this list already (line {line}); give one another name"
                self.reader.report("duplicate-name", message, step.node.get("name") or step.node)
            elif step.name:
                taken[step.name] = step
        for step in flat:
            if not step.name:
                step.name = _free(_base(step), taken)
                taken[step.name] = step
        return [(name, self.reader.source.place(step.node.start)[0]) for name, step in taken.items()]

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
            able = [name for name, key in VERB.items() if not key.later]
            message = f"this step does nothing; give it one of {listed(able)}"
            first = next(iter(node.keys.values()), node)
            self.reader.report("no-verb", message, first, allowed=tuple(able))
        return None

    def _several(self, node: Mapping, verbs: list[str]) -> None:
        message = f"a step does one thing, this has {listed(verbs)}; make them steps of their own"
        if "action" in verbs:
            others = listed(name for name in verbs if name != "action")
            message = f"{message}, or write {others} under `with:` if the action has a parameter of that name"
        last = max((node.keys[name] for name in verbs), key=lambda key: key.start)
        self.reader.report("several-verbs", message, last)

    # --- one step ------------------------------------------------------------------------------------------------

    def _list(self, named: list[_Named], scope: Scope, where: str) -> tuple[Step, ...]:
        steps = []
        for one in named:
            step = self._step(one, scope, f"{where}.{one.name}" if where else one.name)
            if step is not None:
                steps.append(step)
        return tuple(steps)

    def _step(self, named: _Named, scope: Scope, where: str) -> Step | None:
        """One step, or None when it cannot be made; what is wrong is told either way."""
        names = scope.steps or StepNames()
        names.current.append(named.name)
        try:
            return self._made(named, scope, where)
        finally:
            names.current.pop()
            names.finish(named.name)

    def _made(self, named: _Named, scope: Scope, where: str) -> Step | None:
        reader, node, verb = self.reader, named.node, named.verb
        if verb is None:
            return None
        if VERB[verb].later:
            reader.later(node.keys[verb])
            return None
        before = len(reader.problems)
        special: dict[str, Any] = {"name": named.name, "line": reader.source.place(node.start)[0]}
        own = _MAKERS[verb](self, named, scope, where)
        special.update(self._common(named, verb, scope, where))
        if verb != "action":
            self._refuse_others(node, verb)
        failed = any(problem.severity == "error" for problem in reader.problems[before:])
        return None if failed or own is None else own(special)

    def _common(self, named: _Named, verb: str, scope: Scope, where: str) -> dict[str, Any]:
        """The keys that every step may have."""
        fields: dict[str, Any] = {}
        for name, node in named.node.entries.items():
            key = STEP.get(name)
            if key is None or name == "name":
                continue
            if key.later:
                self.reader.later(named.node.keys[name])
            elif key.verbs and verb not in key.verbs:
                hint = f" on a step with `{verb}`; it works with {listed(key.verbs)}"
                self.reader.report("not-yet", LATER.format(name=name) + hint, named.node.keys[name])
            elif name in _HANDLERS:
                inner, _ = self.read(node, scope.plus(*_HANDLERS[name]), f"{where}.{name}")
                self._need_steps(named.node, name)
                fields[_FIELDS.get(name, name)] = inner
            else:
                fields[_FIELDS.get(name, name)] = shapes.read(self.reader, node, key, scope, where)
        if verb == "steps" and "timeout" in fields and "deadline" in fields:
            message = "a block has one attempt, so `timeout` and `deadline` are the same; keep one of them"
            self.reader.report("several-keys", message, named.node.keys["deadline"])
        return {name: value for name, value in fields.items() if value is not None}

    def _need_steps(self, node: Mapping, name: str) -> None:
        value = node.get(name)
        if isinstance(value, Scalar) and value.value is None:
            message = f"`{name}` has no steps; write a step such as `- action: log.info`, or take the key out"
            self.reader.report("no-value", message, node.keys[name])

    def _refuse_others(self, node: Mapping, verb: str) -> None:
        takes = VERB[verb].takes
        taken = [Key(name=name, shape=ANY, doc="") for name in takes]
        for name, key in node.keys.items():
            if name not in STEP and name != verb and name not in takes:
                stray = verb == "call" and _near(name, verb) is None
                hint = "inputs of the flow stand under `with:`" if stray else ""
                self.reader.unknown(key, [*STEP_KEYS, *taken], f"a step with `{verb}`", hint)

    # --- what steps do -------------------------------------------------------------------------------------------

    def action(self, named: _Named, scope: Scope, where: str) -> _Own | None:
        """`action: NAME` with its parameters beside it and under `with`."""
        node = named.node
        name = node.entries["action"]
        if not isinstance(name, Scalar) or not isinstance(name.value, str) or not name.text or is_template(name.text):
            self.reader.wrong(name, "action", "the name of an action such as `log.info`")
            return None
        action = self.reader.catalog.actions.get(name.text)
        if action is None:
            self._unknown_action(name)
            return None
        keys, values = self._parameters(node)
        given = Given(keys, values, name, f"action `{action.name}`", opened=action.open_params)
        check(self.reader, action.params, given)
        params = self._compiled(action, node, values, scope.plus("secrets"), f"{where}.with")
        return None if params is None else lambda common: ActionStep(**common, action=action.name, params=params)

    def _unknown_action(self, name: Scalar) -> None:
        known = tuple(sorted(self.reader.catalog.actions))
        meant = closest(name.text, known)
        hint = f"did you mean `{meant}`?" if meant else f"there is {listed(known)}; is its plugin installed?"
        message = f"there is no action `{shown(name.text)}`; {hint}"
        self.reader.report("unknown-action", message, name, allowed=known, suggestion=meant, fix=meant)

    def _parameters(self, node: Mapping) -> tuple[dict[str, Node], dict[str, Node]]:
        keys: dict[str, Node] = {}
        values: dict[str, Node] = {}
        given = node.get("with")
        sources = [Mapping(node.start, node.start)] if given is None else [given]
        beside = node.without(*OWN_NAMES)
        for source in [*sources, beside]:
            if not isinstance(source, Mapping):
                if not (isinstance(source, Scalar) and source.value is None):
                    self.reader.wrong(source, "with", "a map of parameters")
                continue
            for name, value in source.entries.items():
                if name in values:
                    message = f"`{name}` stands beside the action and under `with:`; keep one of them"
                    self.reader.report("duplicate-key", message, source.keys[name])
                    continue
                keys[name], values[name] = source.keys[name], value
        return keys, values

    def _compiled(
        self, action: Action, node: Mapping, values: dict[str, Node], scope: Scope, where: str
    ) -> Compiled | None:
        parts: dict[str, Compiled | None] = {}
        holder = Mapping(node.start, node.end)
        for name, value in values.items():
            if name in action.literal and isinstance(value, Scalar) and is_template(str(value.value)):
                self._code(action, name, value)
                parts[name] = None
            elif (action.name, name) in _COMMAND_LINES and isinstance(value, Scalar) and isinstance(value.value, str):
                parts[name] = self.reader.custom(value, scope, self._command)
            else:
                parts[name] = self.reader.value(value, scope, f"{where}.{name}")
            holder.put(Scalar(value.start, value.start, name, name, ""), value)
        return self.reader.assembled(parts, holder, scope, where)

    def _code(self, action: Action, name: str, value: Node) -> None:
        """Data is never code: what an action runs stands in the flow as it is."""
        what = f"`{name}` of `{action.name}` is code and takes no `{{{{ … }}}}`"
        message = f"{what}; hand values over by its parameters for them"
        self.reader.report("code-from-data", message, value)

    def _command(self, text: str) -> Compiled:
        return compile_command(text, self.reader.legacy)

    def block(self, named: _Named, scope: Scope, where: str) -> _Own | None:
        """`steps:` under one name."""
        self._need_steps(named.node, "steps")
        steps = self._list(named.inner, scope, where)
        return lambda common: BlockStep(**common, steps=steps)

    def call(self, named: _Named, scope: Scope, where: str) -> _Own | None:
        """`call: FLOW` with its inputs."""
        node = named.node
        self._check_call(node)
        name = node.entries["call"]
        fits = isinstance(name, Scalar) and (re.fullmatch(NAME, name.text) or (self.reader.legacy and name.text))
        if not isinstance(name, Scalar) or not fits or is_template(name.text):
            self.reader.wrong(name, "call", "the name of a flow (a-z 0-9 - _), which is fixed")
            return None
        self.calls.append(Call(name.text, name))
        given = node.get("with")
        params: Compiled | None = Constant({})
        if isinstance(given, Mapping):
            params = self.reader.value(given, scope, f"{where}.with")
        elif given is not None and given.plain is not None:
            self.reader.wrong(given, "with", "a map of inputs")
        return None if params is None else lambda common: CallStep(**common, flow=name.text, params=params)

    def _check_call(self, node: Mapping) -> None:
        if "version" in node:
            self.reader.later(node.keys["version"])
        wait = node.get("wait")
        if wait is None or (isinstance(wait, Scalar) and wait.value is True):
            return
        if isinstance(wait, Scalar) and wait.value is False:
            message = LATER.format(name="wait: false") + "; take it out and the step waits for the flow's end"
            self.reader.report("not-yet", message, node.keys["wait"])
        else:
            self.reader.wrong(wait, "wait", "true or false beside `call`")

    def simple(self, named: _Named, scope: Scope, where: str) -> _Own | None:
        """The verbs that are one value."""
        verb = named.verb or ""
        value = shapes.read(self.reader, named.node.entries[verb], VERB[verb], scope, where)
        if value is None:
            return None
        return lambda common: _SIMPLE[verb](common, value)


_Own = Callable[[dict[str, Any]], Step]
_Maker = Callable[[Steps, _Named, Scope, str], _Own | None]
_MAKERS: dict[str, _Maker] = {
    "action": Steps.action,
    "steps": Steps.block,
    "call": Steps.call,
    **dict.fromkeys(("wait", "emit", "set", "return", "fail"), Steps.simple),
}
_SIMPLE: dict[str, Callable[[dict[str, Any], Any], Step]] = {
    "wait": lambda common, value: WaitStep(**common, **value),
    "emit": lambda common, value: EmitStep(**common, event=value),
    "set": lambda common, value: SetStep(**common, values=value),
    "return": lambda common, value: ReturnStep(**common, value=value),
    "fail": lambda common, value: FailStep(**common, error=value),
}


def _flat(named: list[_Named]) -> list[_Named]:
    return [step for one in named for step in (one, *_flat(one.inner))]


def _base(step: _Named) -> str:
    """What a step without a name is called: by its action, `log_info`, or its verb."""
    action = step.node.get("action")
    text = action.text if isinstance(action, Scalar) else step.verb or "step"
    return re.sub(r"[^a-zA-Z0-9-]+", "_", text).strip("_") or "step"


def _free(base: str, taken: dict[str, _Named]) -> str:
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
