"""The parts of a workflow of n8n as lists of steps: who sees whose output, and where ways meet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from reactor.language.importing.coverage import IGNORED, MAPPED, PLACEHOLDER, Coverage
from reactor.language.importing.documents import Doc, Item, access
from reactor.language.importing.javascript import NotUnderstood
from reactor.language.importing.laying import Layer, Way
from reactor.language.importing.making import Names as StepNames
from reactor.language.importing.making import placeholder
from reactor.language.importing.n8n import conditions
from reactor.language.importing.n8n.actions import handler
from reactor.language.importing.n8n.fields import field_of, listed
from reactor.language.importing.n8n.nodes import Node, Workflow
from reactor.language.importing.n8n.place import At, Made
from reactor.language.importing.n8n.values import Names, Values
from reactor.language.importing.structure import Choice, Each, Fan, Jump, Part
from reactor.language.importing.writing import Step

_QUIET = frozenset({"noOp", "if", "switch", "filter", "merge", "splitInBatches", "splitOut", "aggregate", "limit"})
"""Nodes that are no step of their own."""


class Walker(Layer):
    """Turns parts into steps. One walker is one attempt; see `workflow.read_n8n`."""

    def __init__(
        self, workflow: Workflow, coverage: Coverage, *, starts: Mapping[str, Doc], doubtful: set[str], kept: set[str]
    ) -> None:
        super().__init__(coverage)
        self.workflow = workflow
        self.doubtful = doubtful
        """Steps that the loader has refused: they become placeholders."""
        self.kept = kept
        """Nodes whose output is read from outside of the branch or loop they stand in: it is put into a variable."""
        self.wanted: set[str] = set()
        """Such nodes that were met in this attempt."""
        self.connections: dict[str, dict[str, Any]] = {}
        self.response: list[str] = []
        self.visible: dict[str, Item] = {name: Item(doc) for name, doc in starts.items()}
        self.hidden: set[str] = set()
        self._variables: dict[str, str] = {}
        self._variable_names = StepNames(("response", "nothing"))
        self._order: list[str] = []
        """The nodes that have become steps, as often as they have."""
        self._twice: set[str] = set()
        """Nodes that became several steps, as they stand on several ways."""

    # --- names ---------------------------------------------------------------------------------------------------

    def find(self, name: str) -> Item:
        """What a node hands on, as it is seen from here."""
        if name in self._twice and name not in self.kept:
            # Which of its steps has run is known only then.
            self.wanted.add(name)
        if name in self.visible:
            return self.visible[name]
        if name in self.hidden:
            self.wanted.add(name)
            raise NotUnderstood(f'what "{name}" gives is not seen from here')
        raise NotUnderstood(
            f'"{name}" has not run before this' if name in self.workflow.nodes else f'there is no "{name}"'
        )

    def variable(self, node: Node) -> str:
        """The variable of a node."""
        if node.name not in self._variables:
            self._variables[node.name] = self._variable_names.take(node.name, node.kind)
        return self._variables[node.name]

    def values(self, node: Node, item: Item) -> Values:
        """Translates parameters of a node."""
        return Values(Names(item, self.find), self.coverage, node.name)

    # --- nodes ---------------------------------------------------------------------------------------------------

    def plain(self, name: str, item: Item) -> Way:
        """One node."""
        if name not in self.workflow.nodes:
            return [], item
        node = self.workflow.nodes[name]
        made = self.made(node, item)
        after = self.keep(node, made)
        ended = node.kind == "stopAndError" and not node.disabled and made.steps and "fail" in made.steps[-1]
        return made.steps, None if ended else after

    def made(self, node: Node, item: Item) -> Made:
        """The steps of one node; a placeholder when it cannot be said."""
        turn = handler(node)
        name = self.step_name(node.name, node.kind) if node.kind not in _QUIET or turn is None else node.name
        output = Doc(f"steps.{name}.output")
        at = At(
            node,
            name,
            self.variable(node),
            item,
            self.values(node, item),
            self.coverage,
            self.connections,
            output,
            self.response,
        )
        try:
            if name in self.doubtful:
                raise NotUnderstood("what came out of it was no valid step")
            if turn is None:
                raise NotUnderstood(self._unknown(node))
            made = turn(at)
        except NotUnderstood as error:
            return self.left(node, at, str(error))
        for step in made.steps:
            step.update(_common(node))
            step.comment = (*_notes(node), *step.comment)
        if node.disabled:
            self.coverage.add(node.type, node.name, IGNORED, "", "it is disabled in n8n")
        else:
            became = ", ".join(str(step["name"]) for step in made.steps)
            self.coverage.add(node.type, node.name, MAPPED, became, made.note)
        return made

    def left(self, node: Node, at: At, reason: str) -> Made:
        """A placeholder in place of a node."""
        name = at.name if at.name in self.origin else self.step_name(node.name, node.kind)
        more = [
            f"with {part.what}: {part.parameters}"[:500]
            for part in self.workflow.nodes.values()
            if self.workflow.parts.get(part.name) == node.name
        ]
        step = placeholder(name, node.what, reason, node.parameters, more)
        step.comment = (*_notes(node), *step.comment)
        self.coverage.add(node.type, node.name, PLACEHOLDER, name, reason)
        output = f"steps.{name}.output"
        return Made([step], Item(Doc(output), output))

    def _unknown(self, node: Node) -> str:
        service = node.kind.removesuffix("Tool")
        return f"there is no action for `{service}`: use `http.request` with its API, or a connector of a plugin"

    def keep(self, node: Node, made: Made) -> Item:
        """Remember what a node gives, in a variable if others need it from outside."""
        item = made.item
        if node.name in self._order and not item.doc.whole.startswith("vars."):
            self._twice.add(node.name)
        self._order.append(node.name)
        if node.name in self.kept and item.doc.whole != "none":
            name, variable = self.names.take(f"keep_{node.name}"), self.variable(node)
            made.steps.append(Step({"name": name, "set": {variable: f"{{{{ {item.doc.whole} }}}}"}}))
            item = Item(Doc(f"vars.{variable}"), item.many and f"[vars.{variable}]")
        self.visible[node.name] = item
        return item

    # --- choices -------------------------------------------------------------------------------------------------

    def choice(self, part: Choice, item: Item) -> Way:
        """A node with several ways out, one of which is taken."""
        node = self.workflow.nodes[part.node]
        if node.kind in ("if", "filter", "switch"):
            return self.asked(node, part, item)
        made = self.made(node, item)
        after = self.keep(node, made)
        step = next((step for step in made.steps if "fail" not in step), None)
        if step is None:
            # A placeholder in its place: no way out of it is taken.
            asked = [None, *["false"] * (len(part.arms) - 1)]
            made_switch, behind = self.switch(
                self.names.take(f"after_{node.name}"), part.arms, [after] * len(asked), asked
            )
            return [*made.steps, *made_switch], behind
        name = str(step["name"])
        failed = Item(Doc(f"steps.{name}.error").put(("error",), f"steps.{name}.error"))
        step["continue_on_error"] = True
        ways = [*[after] * (len(part.arms) - 1), failed]
        conditions_ = [None, *["false"] * (len(part.arms) - 2), f"steps.{name}.status == 'failed'"]
        switch, behind = self.switch(self.names.take(f"after_{node.name}"), part.arms, ways, conditions_)
        return [*made.steps, *switch], behind

    def asked(self, node: Node, part: Choice, item: Item) -> Way:
        """`if`, `filter`, `switch`."""
        name = self.step_name(node.name, node.kind)
        values = self.values(node, item)
        try:
            if name in self.doubtful:
                raise NotUnderstood("what came out of it was no valid condition")
            asked = self._conditions(node, values, len(part.arms))
        except NotUnderstood as error:
            reason = f"{error}: the ways behind it stand below, and none is taken"
            step = placeholder(self.names.take(f"decide_{node.name}"), node.what, reason, node.parameters)
            self.coverage.add(node.type, node.name, PLACEHOLDER, str(step["name"]), reason)
            self.visible[node.name] = item
            numbers = [f"vars.{name} == {number}" for number in range(len(part.arms))]
            choose = Step({"name": self.names.take(f"choose_{node.name}"), "set": {name: None}})
            switch, after = self.switch(name, part.arms, [item] * len(part.arms), numbers, _notes(node))
            return [choose, step, *switch], after
        self.coverage.add(node.type, node.name, MAPPED, name)
        self.visible[node.name] = item
        return self.switch(name, part.arms, [item] * len(part.arms), asked, _notes(node))

    def _conditions(self, node: Node, values: Values, ports: int) -> list[str | None]:
        if node.kind != "switch":
            return [conditions.condition(node, values), None]
        asked = conditions.cases(node, values, ports)
        extra = conditions.fallback(node, ports)
        return [one if one is not None or number == extra else "false" for number, one in enumerate(asked)]

    # --- side by side, and loops ---------------------------------------------------------------------------------

    def inside(self, parts: Sequence[Part], item: Item) -> Way:
        """Steps whose outputs are not seen outside."""
        before = dict(self.visible)
        way = self.way(parts, item)
        new = {name for name in self.visible if self.visible[name] != before.get(name)}
        lasting = {name: self.visible[name] for name in new if self.visible[name].doc.whole.startswith("vars.")}
        self.hidden |= new - set(lasting)
        self.visible = {**before, **lasting}
        return way

    def fan(self, part: Fan, item: Item) -> Way:
        """Ways side by side: `parallel`, with what each hands on as its output."""
        arms = []
        here: list[str] = []
        for arm in part.arms:
            # Two branches must not write to one variable, though one node stands in both.
            for name in here:
                self._variables.pop(name, None)
            before = len(self._order)
            arms.append((*self.inside(arm, item), _joins(arm)))
            here += self._order[before:]
        real = [arm for arm in arms if arm[0]]
        if not real:
            return [], item
        if len(arms) == 1:
            return real[0][0], real[0][1]
        return self.parallel(self.names.take("parallel"), arms)

    def each(self, part: Each, item: Item) -> Way:
        """`for_each`."""
        node = self.workflow.nodes[part.node]
        name = self.step_name(node.name, node.kind)
        values = self.values(node, item)
        at = At(node, name, self.variable(node), item, values, self.coverage, self.connections, Doc(""), self.response)
        try:
            items = listed(at) if node.kind != "splitInBatches" else item.many or f"[{item.doc.whole}]"
        except NotUnderstood as error:
            return self.left(node, at, str(error)).steps, None
        own = f"{name.lower()}_item"
        size = node.parameters.get("batchSize", 1 if node.version >= 2 else 10)
        batch = size if node.kind == "splitInBatches" and isinstance(size, int) and size > 1 else None
        one = f"{own}[0]" if batch else own
        field = item.field if node.kind == "splitInBatches" else field_of(node)
        # n8n makes `{FIELD: value}` of items that are no maps.
        alias = (field, f"({access(one, (field,))} if {one} is mapping else {one})") if field else None
        inner = Item(Doc(one, alias=alias), own if batch else f"[{own}]")
        before = self.visible.get(node.name)
        self.visible[node.name] = inner
        body, after = self.inside(part.body, inner)
        self.visible.pop(node.name, None)
        if before is not None:
            self.visible[node.name] = before
        if after is not None:
            body.append(Step({"name": self.names.take("give"), "return": f"{{{{ {after.doc.whole} }}}}"}))
        step = {"name": name, "for_each": items, "as": own, **({"batch": batch} if batch else {}), "steps": body}
        note = (
            "the first item of each batch is what `$json` was" if batch else "n8n goes node by node, this item by item"
        )
        self.coverage.add(node.type, node.name, MAPPED, name, note)
        output = f"steps.{name}.output"
        done = Item(Doc(f"{output}[0]"), output)
        self.visible[node.name] = done
        return [Step(step, _notes(node))], done


def _joins(arm: Sequence[Part]) -> bool:
    return bool(arm) and isinstance(arm[-1], Jump) and arm[-1].kind in ("join", "continue")


def _common(node: Node) -> dict[str, Any]:
    """What every node of n8n may have."""
    found: dict[str, Any] = {}
    if node.raw.get("retryOnFail") is True:
        tries, pause = node.raw.get("maxTries", 3), node.raw.get("waitBetweenTries", 1000)
        tries = tries if isinstance(tries, int) and tries > 0 else 3
        pause = pause if isinstance(pause, int) and pause >= 0 else 1000
        found["retry"] = {"max": tries, "backoff": "fixed", "delay": f"{pause}ms"}
    if node.raw.get("continueOnFail") is True or node.raw.get("onError") == "continueRegularOutput":
        found["continue_on_error"] = True
    return found


def _notes(node: Node) -> tuple[str, ...]:
    notes = node.raw.get("notes")
    return (notes.strip(),) if isinstance(notes, str) and notes.strip() else ()
