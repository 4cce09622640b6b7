"""What the steps of a flow do: every verb with the function that reads it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from reactor.language import actions, orchestration, people, shapes
from reactor.language.keys import VERB
from reactor.language.lists import Call, Lists, Maker, Named, Own
from reactor.language.names import Scope
from reactor.language.reading import Reader
from reactor.model.flow import EmitStep, FailStep, ReturnStep, SetStep, StateStep, Step, WaitStep

__all__ = ["Call", "Steps"]


class Steps(Lists):
    """Reads the lists of steps of one flow."""

    def __init__(self, reader: Reader) -> None:
        super().__init__(reader, _MAKERS)


def _simple(lists: Lists, named: Named, scope: Scope, where: str) -> Own | None:
    """The verbs that are one value."""
    verb = named.verb or ""
    value = shapes.read(lists.reader, named.node.entries[verb], VERB[verb], scope, where)
    if value is None:
        return None
    return lambda common: _SIMPLE[verb](common, value)


_SIMPLE: dict[str, Callable[[dict[str, Any], Any], Step]] = {
    "wait": lambda common, value: WaitStep(**common, **value),
    "emit": lambda common, value: EmitStep(**common, event=value),
    "set": lambda common, value: SetStep(**common, values=value),
    "state": lambda common, value: StateStep(**common, **value),
    "return": lambda common, value: ReturnStep(**common, value=value),
    "fail": lambda common, value: FailStep(**common, error=value),
}
_MAKERS: dict[str, Maker] = {
    "action": actions.action,
    "call": actions.call,
    "steps": orchestration.block,
    "parallel": orchestration.parallel,
    "for_each": orchestration.for_each,
    "while": orchestration.loop,
    "until": orchestration.loop,
    "switch": orchestration.switch,
    "break": orchestration.leave,
    "wait_for": people.wait_for,
    "approve": people.approve,
    **dict.fromkeys(_SIMPLE, _simple),
}
