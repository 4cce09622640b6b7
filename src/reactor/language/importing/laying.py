"""Parts of a graph laid out as lists of steps: the half of an importer that is the same for every engine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from reactor.language.importing.coverage import PLACEHOLDER, Coverage
from reactor.language.importing.documents import Doc, Item, access
from reactor.language.importing.making import Names, placeholder
from reactor.language.importing.structure import Choice, Each, Fan, Jump, Loop, Part, Plain
from reactor.language.importing.writing import Step

Steps = list[Step]
Way = tuple[Steps, Item | None]
"""Steps, and what comes out of them; None: nothing, the way ends or leads elsewhere."""
NOTHING = {"action": "log.debug", "message": "nothing to do here"}
"""A step that does nothing."""
_REASONS = {
    "again": "it goes back here in a way that steps cannot say: write it as a `while` or `until` loop",
    "deep": "it goes on here, nested too deep for one flow: put the rest into a flow of its own and `call` it",
}


class Layer:
    """Turns parts into steps. Subclasses know what a node is."""

    engine = "engine"

    def __init__(self, coverage: Coverage) -> None:
        self.coverage = coverage
        self.names = Names()
        self.origin: dict[str, str] = {}
        """Step → node."""
        self._loops: list[str] = []
        """The variables of the loops around, the innermost last."""
        self._ended: set[str] = set()

    # --- what subclasses know ------------------------------------------------------------------------------------

    def plain(self, name: str, item: Item) -> Way:
        """One node."""
        raise NotImplementedError

    def choice(self, part: Choice, item: Item) -> Way:
        """A node with several ways out."""
        raise NotImplementedError

    def fan(self, part: Fan, item: Item) -> Way:
        """Ways side by side."""
        raise NotImplementedError

    def each(self, part: Each, item: Item) -> Way:
        """A node that goes over items."""
        raise NotImplementedError

    def inside(self, parts: Sequence[Part], item: Item) -> Way:
        """Steps whose outputs are not seen outside."""
        return self.way(parts, item)

    # --- what is the same ----------------------------------------------------------------------------------------

    def step_name(self, original: str, otherwise: str = "step") -> str:
        """A free name for a node's step."""
        name = self.names.take(original, otherwise)
        self.origin[name] = original
        return name

    def way(self, parts: Sequence[Part], item: Item) -> Way:
        """A list of steps."""
        steps: Steps = []
        now: Item | None = item
        for part in parts:
            if now is None:
                break
            made, now = self.part(part, now)
            steps += made
        return steps, now

    def part(self, part: Part, item: Item) -> Way:
        """One part."""
        if isinstance(part, Plain):
            return self.plain(part.node, item)
        if isinstance(part, Choice):
            return self.choice(part, item)
        if isinstance(part, Fan):
            return self.fan(part, item)
        if isinstance(part, Each):
            return self.each(part, item)
        if isinstance(part, Loop):
            return self.loop(part, item)
        return self.jump(part, item)

    def jump(self, part: Jump, item: Item) -> Way:
        """The end of a way."""
        if part.kind in ("join", "continue"):
            return [], item
        if part.kind in ("break", "end"):
            return self._leave(part.kind, item), None
        where = part.node.lstrip("\x00")
        name = self.names.take(f"go_on_at_{where}", "go_on")
        reason = _REASONS[part.kind]
        self.coverage.add("connection", f"→ {where}", PLACEHOLDER, name, reason)
        return [placeholder(name, f'the way to "{where}" of {self.engine}', reason, None)], None

    def _leave(self, kind: str, item: Item) -> Steps:
        values: dict[str, Any] = {self._loops[-1]: filled(item.doc.whole)} if self._loops else {}
        if kind == "end" and self._loops:
            self._ended.add(self._loops[-1])
            values[_done(self._loops[-1])] = True
        leave = Step({"name": self.names.take("leave"), "break": True})
        return [Step({"name": self.names.take("result"), "set": values}), leave] if values else [leave]

    def loop(self, part: Loop, item: Item) -> Way:
        """What is done by an arrow back: `while`, with the item in a variable from one round to the next."""
        name = self.names.take(f"round_{part.node}")
        self._loops.append(name)
        body, after = self.inside(part.body, Item(Doc(f"vars.{name}")))
        self._loops.pop()
        if after is not None:
            body.append(Step({"name": self.names.take("next"), "set": {name: filled(after.doc.whole)}}))
        ended = name in self._ended and part.goes_on
        values: dict[str, Any] = {name: filled(item.doc.whole), **({_done(name): False} if ended else {})}
        step = Step({"name": self.names.take(f"loop_{part.node}"), "while": "true", "max": 10_000, "steps": body})
        steps = [Step({"name": self.names.take("begin"), "set": values}), step]
        return [*steps, *(self._ends(name) if ended else [])], Item(Doc(f"vars.{name}"))

    def _ends(self, name: str) -> Steps:
        """Behind a loop in which a way has ended: nothing of what follows is for it."""
        asked = f"vars.{_done(name)}"
        if not self._loops:
            return [Step({"name": self.names.take("finish"), "if": asked, "return": filled(f"vars.{name}")})]
        outer = self._loops[-1]
        self._ended.add(outer)
        values = {outer: filled(f"vars.{name}"), _done(outer): True}
        return [
            Step({"name": self.names.take("result"), "if": asked, "set": values}),
            Step({"name": self.names.take("leave"), "if": asked, "break": True}),
        ]

    def switch(
        self,
        name: str,
        parts: Sequence[Sequence[Part]],
        items: Sequence[Item],
        asked: Sequence[str | None],
        comment: Sequence[str] = (),
    ) -> Way:
        """Ways out as a `switch`; that without a condition is its `else`."""
        ways = [self.way(arm, item) for arm, item in zip(parts, items, strict=True)]
        order = sorted(range(len(ways)), key=lambda number: (asked[number] is None, number))
        after = self.meet(name, [ways[number] for number in order])
        cases: list[dict[str, Any]] = []
        for number in order:
            condition, body = asked[number], ways[number][0]
            if condition is None and not body:
                continue
            inner = body or [self.nothing()]
            cases.append({"else": inner} if condition is None else {"if": condition, "steps": inner})
        while cases and _is_nothing(cases[-1].get("steps")):
            cases.pop()
        if not cases:
            return [], after
        if len(cases) == 1 and "else" in cases[0]:
            return list(cases[0]["else"]), after
        return [Step({"name": name, "switch": cases}, comment)], after

    def nothing(self) -> Step:
        """A step that does nothing, where one has to stand."""
        return Step({"name": self.names.take("nothing"), **NOTHING})

    def meet(self, name: str, ways: Sequence[Way]) -> Item | None:
        """What goes on where ways meet again: the item they agree in, else a variable that each of them sets."""
        items = [item for _, item in ways if item is not None]
        if not items:
            return None
        if all(item.doc == items[0].doc for item in items):
            return items[0]
        variable = self.names.take(f"after_{name}")
        for steps, item in ways:
            if item is not None:
                steps.append(
                    Step({"name": self.names.take(f"set_{variable}"), "set": {variable: filled(item.doc.whole)}})
                )
        return Item(Doc(f"vars.{variable}"))

    def parallel(self, name: str, arms: Sequence[tuple[Steps, Item | None, bool]], labels: Sequence[str] = ()) -> Way:
        """`parallel`, and a list of what its branches give. Each: its steps, its item, whether it goes on behind."""
        branches: dict[str, Steps] = {}
        ends: list[str] = []
        for number, (steps, after, goes_on) in enumerate(arms):
            if not steps:
                ends += [after.doc.whole] if after is not None and goes_on else []
                continue
            branch = free(labels[number] if labels else str(steps[0]["name"]), branches)
            if after is not None and goes_on:
                steps.append(Step({"name": self.names.take("give"), "return": filled(after.doc.whole)}))
                ends.append(access(f"steps.{name}.output.branches", (branch, "output")))
            branches[branch] = steps
        many = f"[{', '.join(ends)}]"
        step = Step({"name": name, "parallel": {"branches": branches}})
        return [step], Item(Doc(ends[0]), many) if ends else None


def filled(expression: str) -> str:
    """An expression as a template that keeps its type."""
    return f"{{{{ {expression} }}}}"


def free(base: str, taken: Mapping[str, Any]) -> str:
    """A name that is not taken, like this one."""
    name, count = base, 1
    while name in taken:
        count += 1
        name = f"{base}_{count}"
    return name


def _done(name: str) -> str:
    return f"{name}_done"


def _is_nothing(steps: Steps | None) -> bool:
    return steps is not None and len(steps) == 1 and steps[0].get("message") == NOTHING["message"]
