"""A state machine → a flow: states as steps, `Next` as order, choices, loops."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from reactor.language.importing.coverage import MAPPED, PLACEHOLDER, Coverage
from reactor.language.importing.documents import Doc, Item
from reactor.language.importing.javascript import NotUnderstood
from reactor.language.importing.laying import Layer, Steps, Way, filled
from reactor.language.importing.making import flow_name, identifier, placeholder
from reactor.language.importing.stepfunctions import tasks
from reactor.language.importing.stepfunctions.paths import Paths
from reactor.language.importing.stepfunctions.rules import condition
from reactor.language.importing.structure import Choice, Fan, Graph, Loop, Parts, Plain, structured
from reactor.language.importing.writing import Step
from reactor.model.errors import InvalidError

_SIDE_BY_SIDE = 40
"""What `MaxConcurrency: 0` means there."""
_LEFT = (
    "HeartbeatSeconds",
    "HeartbeatSecondsPath",
    "Credentials",
    "Assign",
    "ToleratedFailurePercentage",
    "ToleratedFailureCount",
    "ResultWriter",
    "Label",
)


def read_states(
    data: Mapping[str, Any], coverage: Coverage, *, doubtful: set[str], name: str | None = None
) -> tuple[dict[str, Any], list[str], dict[str, str]]:
    """A state machine as a flow, as plain data.

    Args:
        data: its definition; `{"definition": …}` and `{"Definition": …}` around it are taken off.
        coverage: takes what became of each state.
        doubtful: names of steps that the loader has refused before: they become placeholders.
        name: of the flow.

    Returns:
        The flow, lines to stand above it, and the state of each step.

    Raises:
        InvalidError: it is no state machine.
    """
    for outer in ("definition", "Definition"):
        inner = data.get(outer)
        if isinstance(inner, dict) and "States" not in data:
            data = inner
    if not isinstance(data.get("States"), dict) or not isinstance(data.get("StartAt"), str):
        raise InvalidError("this is no state machine: it has no map `States` and no `StartAt`")
    if data["StartAt"] not in data["States"]:
        raise InvalidError(f"this state machine starts at `{data['StartAt']}`, and there is no such state")
    machine = Machine(coverage, doubtful)
    steps, _ = machine.states(data, Item(Doc("inputs")), "")
    flow: dict[str, Any] = {"name": flow_name(name or "") or "imported"}
    comment = data.get("Comment")
    if isinstance(comment, str) and comment.strip():
        flow["description"] = " ".join(comment.split())
    if isinstance(data.get("TimeoutSeconds"), int) and data["TimeoutSeconds"] > 0:
        flow["timeout"] = f"{data['TimeoutSeconds']}s"
    flow["inputs"] = {"type": "object"}
    flow["steps"] = steps or [machine.nothing()]
    return flow, [], machine.origin


class Machine(Layer):
    """Lays out the states of one machine and of those inside it."""

    engine = "Step Functions"

    def __init__(self, coverage: Coverage, doubtful: set[str]) -> None:
        super().__init__(coverage)
        self.doubtful = doubtful
        self._states: dict[str, Any] = {}
        self._prefix = ""
        self._item: str | None = None
        self._jsonata = False

    def states(self, machine: Mapping[str, Any], item: Item, prefix: str) -> Way:
        """The steps of a machine: of the whole, of a branch, of what is done with each item."""
        before = self._states, self._prefix, self._jsonata, self._loops
        states = {name: state for name, state in (machine.get("States") or {}).items() if isinstance(state, dict)}
        self._states, self._prefix, self._loops = states, prefix, []
        self._jsonata = machine.get("QueryLanguage", "JSONata" if self._jsonata else "JSONPath") == "JSONata"
        parts = structured(_graph(states), [str(machine.get("StartAt"))])
        way = self.way(parts, item)
        met = {node for part in parts for node in _nodes(part)}
        for name, state in states.items():
            if name not in met:
                self.coverage.add(str(state.get("Type")), f"{prefix}{name}", "ignored", "", "nothing leads to it")
        self._states, self._prefix, self._jsonata, self._loops = before
        return way

    # --- one state -----------------------------------------------------------------------------------------------

    def plain(self, name: str, item: Item) -> Way:
        """One state with one way out, or none."""
        steps, after = self.state(name, item)
        state = self._states[name]
        if after is None:
            return steps, None
        if state.get("Type") == "Succeed" or (state.get("End") is True and state.get("Type") != "Fail"):
            if self._loops:
                return [*steps, *self._leave("end", after)], None
            return [*steps, Step({"name": self.names.take("done"), "return": filled(after.doc.whole)})], None
        return steps, after

    def state(self, name: str, item: Item) -> Way:
        """The steps of one state, and its output."""
        state, kind = self._states[name], str(self._states[name].get("Type"))
        step_name = self.step_name(name, kind.lower())
        paths = Paths(item, name, self._item)
        try:
            if step_name in self.doubtful:
                raise NotUnderstood("what came out of it was no valid step")
            if (self._jsonata or state.get("QueryLanguage") == "JSONata") and kind not in (
                "Succeed",
                "Fail",
                "Parallel",
            ):
                raise NotUnderstood("it is written with JSONata, whose expressions are not translated")
            make = _KINDS.get(kind)
            if make is None:
                raise NotUnderstood(f"there is no type `{kind}`")
            steps, after, note = make(self, step_name, state, paths)
        except NotUnderstood as error:
            return self.left(name, step_name, str(error))
        for step in steps[:1]:
            comment = state.get("Comment")
            step.comment = (*((comment,) if isinstance(comment, str) else ()), *step.comment)
        self.coverage.add(kind, f"{self._prefix}{name}", MAPPED, step_name if steps else "", note)
        for key in _LEFT:
            if key in state:
                self.coverage.add(f"{kind}.{key}", f"{self._prefix}{name}", PLACEHOLDER, "", "it is not taken over")
        return steps, after

    def left(self, name: str, step_name: str, reason: str) -> Way:
        """A placeholder in place of a state."""
        state = self._states[name]
        kind = str(state.get("Type"))
        what = f'state "{self._prefix}{name}" ({kind} {state.get("Resource", "")})'.replace(" )", ")")
        self.coverage.add(kind, f"{self._prefix}{name}", PLACEHOLDER, step_name, reason)
        return [placeholder(step_name, what, reason, state)], Item(Doc(f"steps.{step_name}.output"))

    def result(self, state: dict[str, Any], paths: Paths, result: Doc) -> Item:
        """What a state hands on: its result, put where `ResultPath` and `OutputPath` say."""
        if "ResultSelector" in state:
            inner = Paths(Item(result), paths.state, self._item)
            selected = inner.selected(state["ResultSelector"])
            result = Doc(selected)
        where = state.get("ResultPath", "$")
        if where is None:
            made = paths.current.doc
        elif where == "$":
            made = result
        else:
            made = paths.current.doc.put(paths.keys(where), result.whole)
        outer = Paths(Item(made), paths.state, self._item)
        return Item(outer.doc(state["OutputPath"])) if "OutputPath" in state else Item(made)

    def inner(self, state: dict[str, Any], paths: Paths) -> Paths:
        """What `$` means in `Parameters`."""
        return Paths(Item(paths.doc(state["InputPath"])), paths.state, self._item) if "InputPath" in state else paths

    # --- kinds ---------------------------------------------------------------------------------------------------

    def task(self, name: str, state: dict[str, Any], paths: Paths) -> tuple[Steps, Item | None, str]:
        """`Task`."""
        verb, doc, note = tasks.task(name, state, self.inner(state, paths), self.coverage)
        step = Step({"name": name, **verb})
        seconds = state.get("TimeoutSeconds")
        if isinstance(seconds, int):
            step["timeout"] = f"{seconds}s"
        elif "TimeoutSecondsPath" in state:
            step["timeout"] = filled(paths.path(state["TimeoutSecondsPath"]))
        policy, left = tasks.retry(state)
        if policy is not None and "action" in verb:
            step["retry"] = policy
        return [step], self.result(state, paths, doc), "; ".join(part for part in (note, left) if part)

    def pass_(self, name: str, state: dict[str, Any], paths: Paths) -> tuple[Steps, Item | None, str]:
        """`Pass`."""
        inner = self.inner(state, paths)
        if "Result" not in state and "Parameters" not in state:
            return [], self.result(state, paths, inner.current.doc), ""
        value = inner.template(state["Parameters"]) if "Parameters" in state else _fixed(state["Result"], inner)
        step = Step({"name": name, "set": {name: value}})
        return [step], self.result(state, paths, Doc(f"steps.{name}.output.{name}")), ""

    def wait(self, name: str, state: dict[str, Any], paths: Paths) -> tuple[Steps, Item | None, str]:
        """`Wait`."""
        verb: dict[str, Any]
        if "Seconds" in state and isinstance(state["Seconds"], (int, float)):
            verb = {"wait": f"{state['Seconds']}s"}
        elif "SecondsPath" in state:
            verb = {"wait": f"{filled(paths.path(state['SecondsPath']))}s"}
        elif "Timestamp" in state:
            verb = {"wait": {"until": paths.template(state["Timestamp"])}}
        elif "TimestampPath" in state:
            verb = {"wait": {"until": filled(paths.path(state["TimestampPath"]))}}
        else:
            raise NotUnderstood("it does not say how long")
        return [Step({"name": name, **verb})], self.result({**state, "ResultPath": None}, paths, Doc("none")), ""

    def succeed(self, _name: str, state: dict[str, Any], paths: Paths) -> tuple[Steps, Item | None, str]:
        """`Succeed`."""
        return [], Item(self.inner(state, paths).current.doc), ""

    def fail(self, name: str, state: dict[str, Any], paths: Paths) -> tuple[Steps, Item | None, str]:
        """`Fail`."""

        def told(key: str, otherwise: str) -> Any:
            if f"{key}Path" in state:
                return filled(f"{paths.path(state[f'{key}Path'])} | string")
            return paths.template(str(state.get(key) or otherwise))

        step = Step({"name": name, "fail": {"kind": told("Error", "failed"), "message": told("Cause", "failed")}})
        return [step], None, ""

    def parallel_(self, name: str, state: dict[str, Any], paths: Paths) -> tuple[Steps, Item | None, str]:
        """`Parallel`."""
        inner = self.inner(state, paths)
        item = inner.current
        if "Parameters" in state:
            item = Item(Doc(inner.selected(state["Parameters"])))
        arms: list[tuple[Steps, Item | None, bool]] = []
        labels = []
        for number, branch in enumerate(state.get("Branches") or ()):
            steps, after = self.states(branch, item, f"{self._prefix}{paths.state}/{number}/")
            arms.append((steps or [self.nothing()], after, True))
            labels.append(identifier(str(branch.get("StartAt"))) or f"branch_{number}")
        if not arms:
            raise NotUnderstood("it has no branches")
        made, _ = self.parallel(name, arms, labels)
        outputs = ", ".join(
            f"steps.{name}.output.branches.{branch}.output" for branch in made[0]["parallel"]["branches"]
        )
        return made, self.result(state, paths, Doc(f"[{outputs}]")), ""

    def map_(self, name: str, state: dict[str, Any], paths: Paths) -> tuple[Steps, Item | None, str]:
        """`Map`."""
        if "ItemReader" in state:
            raise NotUnderstood("it reads its items from a bucket: read them with an action and give the list")
        inner = self.inner(state, paths)
        items = inner.path(state["ItemsPath"]) if "ItemsPath" in state else inner.current.doc.whole
        body = state.get("ItemProcessor", state.get("Iterator"))
        if not isinstance(body, dict):
            raise NotUnderstood("it has no `ItemProcessor`")
        own = f"{name.lower()}_item"
        before, self._item = self._item, own
        selector = state.get("ItemSelector", state.get("Parameters"))
        start = Doc(own)
        if selector is not None:
            start = Doc(Paths(inner.current, paths.state, own).selected(selector))
        batch = (
            state.get("ItemBatcher", {}).get("MaxItemsPerBatch") if isinstance(state.get("ItemBatcher"), dict) else None
        )
        if batch is not None:
            start = Doc(None, ((("Items",), own),))
        steps, after = self.states(body, Item(start), f"{self._prefix}{paths.state}/")
        self._item = before
        if after is not None:
            steps.append(Step({"name": self.names.take("give"), "return": filled(after.doc.whole)}))
        most = state.get("MaxConcurrency", 0)
        most = most if isinstance(most, int) and most > 0 else _SIDE_BY_SIDE
        note = ""
        if _sets(steps):
            most, note = 1, "one item at a time: what its states hand on is kept in variables of the run"
        step = {"name": name, "for_each": items, "as": own, "max_parallel": most}
        step |= {"batch": batch} if isinstance(batch, int) else {}
        return (
            [Step({**step, "steps": steps or [self.nothing()]})],
            self.result(state, paths, Doc(f"steps.{name}.output")),
            note,
        )

    # --- choices -------------------------------------------------------------------------------------------------

    def choice(self, part: Choice, item: Item) -> Way:
        """`Choice`, or a state with `Catch`."""
        if self._states[part.node].get("Type") != "Choice":
            return self.caught(part, item)
        state = self._states[part.node]
        name = self.step_name(part.node, "choice")
        paths = self.inner(state, Paths(item, part.node, self._item))
        given = [rule for rule in state.get("Choices") or () if isinstance(rule, dict)]
        try:
            if self._jsonata or state.get("QueryLanguage") == "JSONata":
                raise NotUnderstood("its conditions are written with JSONata")
            if name in self.doubtful:
                raise NotUnderstood("what came out of it was no valid condition")
            asked: list[str | None] = [condition(rule, paths) for rule in given]
        except NotUnderstood as error:
            reason = f"{error}: the ways behind it stand below, and none is taken"
            stop = placeholder(self.names.take(f"decide_{name}"), f'state "{part.node}" (Choice)', reason, state)
            self.coverage.add("Choice", f"{self._prefix}{part.node}", PLACEHOLDER, str(stop["name"]), reason)
            choose = Step({"name": self.names.take(f"choose_{name}"), "set": {name: None}})
            numbers: list[str | None] = [f"vars.{name} == {number}" for number in range(len(part.arms))]
            switch, after = self.switch(name, part.arms, [item] * len(part.arms), numbers)
            return [choose, stop, *switch], after
        self.coverage.add("Choice", f"{self._prefix}{part.node}", MAPPED, name)
        out = Item(Paths(item, part.node).doc(state["OutputPath"])) if "OutputPath" in state else item
        comment = state.get("Comment")
        asked.append(None)
        steps, after = self.switch(
            name, part.arms, [out] * len(part.arms), asked, (comment,) if isinstance(comment, str) else ()
        )
        if "Default" not in state and steps and "switch" in steps[0]:
            stop = Step(
                {
                    "name": self.names.take("no_choice"),
                    "fail": {"kind": "States.NoChoiceMatched", "message": "no choice fits"},
                }
            )
            steps[0]["switch"].append({"else": [stop]})
        return steps, after

    def caught(self, part: Choice, item: Item) -> Way:
        """A state with `Catch`: it may fail, and a `switch` behind it looks whether it has."""
        steps, after = self.state(part.node, item)
        state = self._states[part.node]
        ended = after is not None and (state.get("End") is True)
        name = str(steps[-1]["name"]) if steps else ""
        step = next((one for one in steps if "fail" not in one), None)
        if step is None or after is None:
            asked: list[str | None] = [None, *["false"] * (len(part.arms) - 1)]
            made, behind = self.switch(self.names.take(f"after_{name}"), part.arms, [after or item] * len(asked), asked)
            return [*steps, *made], behind
        step["continue_on_error"] = True
        conditions: list[str | None] = [None]
        items = [after]
        everything = False
        for catcher in state.get("Catch") or ():
            kinds = tasks.kinds_of(catcher.get("ErrorEquals"))
            everything = everything or kinds is None
            failed = f"steps.{name}.status == 'failed'"
            listed = "[" + ", ".join(f"'{kind}'" for kind in kinds or ()) + "]"
            conditions.append(failed if kinds is None else f"{failed} and steps.{name}.error.kind in {listed}")
            items.append(self._error(catcher, item, name))
        arms = [part.arms[0] if not ended else (), *part.arms[1:]]
        switch, behind = self._decided(name, arms, items, conditions, everything=everything, ended=ended)
        return [*steps, *switch], behind

    def _decided(
        self,
        name: str,
        arms: Sequence[Parts],
        items: Sequence[Item],
        asked: Sequence[str | None],
        *,
        everything: bool,
        ended: bool,
    ) -> Way:
        made, behind = self.switch(self.names.take(f"after_{name}"), arms, items, asked)
        if made and "switch" in made[0] and not everything:
            again = {"kind": filled(f"steps.{name}.error.kind"), "message": filled(f"steps.{name}.error.message")}
            stop = Step({"name": self.names.take("not_caught"), "fail": again})
            cases = made[0]["switch"]
            at = next((number for number, case in enumerate(cases) if "else" in case), len(cases))
            cases.insert(at, {"if": f"steps.{name}.status == 'failed'", "steps": [stop]})
        if not ended:
            return made, behind
        # The state is an end: its own way returns, whatever the others do.
        done = (
            self._leave("end", items[0])
            if self._loops
            else [Step({"name": self.names.take("done"), "return": filled(items[0].doc.whole)})]
        )
        if made and "switch" in made[0]:
            made[0]["switch"] = [case for case in made[0]["switch"] if "else" not in case] + [{"else": done}]
        else:
            made = [*made, *done]
        return made, None

    def _error(self, catcher: dict[str, Any], item: Item, name: str) -> Item:
        error = Doc(None, ((("Error",), f"steps.{name}.error.kind"), (("Cause",), f"steps.{name}.error.message")))
        where = catcher.get("ResultPath", "$")
        if where is None:
            return item
        if where == "$":
            return Item(error)
        doc = item.doc
        keys = Paths(item, name).keys(where)
        return Item(doc.put(keys, error.whole))


_Made = tuple[Steps, Item | None, str]
_KINDS = {
    "Task": Machine.task,
    "Pass": Machine.pass_,
    "Wait": Machine.wait,
    "Succeed": Machine.succeed,
    "Fail": Machine.fail,
    "Parallel": Machine.parallel_,
    "Map": Machine.map_,
}


def _graph(states: dict[str, Any]) -> Graph:
    ports: dict[str, tuple[tuple[str, ...], ...]] = {}
    for name, state in states.items():
        if state.get("Type") == "Choice":
            targets = [rule.get("Next") for rule in state.get("Choices") or () if isinstance(rule, dict)]
            ports[name] = tuple((str(target),) for target in [*targets, state.get("Default")])
            continue
        following = (str(state["Next"]),) if isinstance(state.get("Next"), str) else ()
        caught = [catcher.get("Next") for catcher in state.get("Catch") or () if isinstance(catcher, dict)]
        ports[name] = (following, *((str(target),) for target in caught))
    fails = frozenset(name for name, state in states.items() if state.get("Type") == "Fail")
    return Graph(ports=ports, fails=fails)


def _nodes(part: Any) -> set[str]:
    if isinstance(part, Plain):
        return {part.node}
    if isinstance(part, Choice):
        return {part.node, *(node for arm in part.arms for inner in arm for node in _nodes(inner))}
    if isinstance(part, Fan):
        return {node for arm in part.arms for inner in arm for node in _nodes(inner)}
    return {node for inner in part.body for node in _nodes(inner)} if isinstance(part, Loop) else set()


def _fixed(value: Any, paths: Paths) -> Any:
    """`Result` is data, whatever its keys look like."""
    if isinstance(value, dict):
        return {key: _fixed(item, paths) for key, item in value.items()}
    if isinstance(value, list):
        return [_fixed(item, paths) for item in value]
    return paths.template(value)


def _sets(steps: Any) -> bool:
    """Whether something in it is read from a variable of the run."""
    if isinstance(steps, str):
        return "vars." in steps
    if isinstance(steps, dict):
        return any(_sets(value) for value in steps.values())
    return any(_sets(item) for item in steps) if isinstance(steps, list) else False
