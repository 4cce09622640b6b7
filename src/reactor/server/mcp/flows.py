"""Flows as tools: their names, what they take, and what they do to the world."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from reactor.engine.flows import FlowBook
from reactor.model.flow import ActionStep, CallStep, EmitStep, Flow, StateStep, all_steps
from reactor.sdk.action import Effect
from reactor.sdk.manifest import Catalog
from reactor.server.mcp.lines import PREFIX

LABEL = "mcp"
"""A flow with this label and the value `off` is no tool."""
_OFF = ("off", "false", "no")
_ODD = re.compile(r"[^A-Za-z0-9_-]")
_LONGEST = 64
"""Characters of a tool's name that every client takes."""
_DATA = {
    "type": "object",
    "properties": {"data": {"description": "The data of the event that the run begins with (`event.data`)"}},
    "additionalProperties": False,
}
_DEPTH = 8
"""Flows that call flows are looked into so deep."""


class FlowTool(msgspec.Struct, frozen=True, kw_only=True):
    """A flow as a tool."""

    name: str
    flow: Flow

    def schema(self) -> dict[str, Any]:
        """Of its arguments: the flow's inputs, or the data of the event that starts it."""
        inputs = self.flow.inputs
        return _DATA if inputs is None else {**inputs, "type": "object"}

    def body(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """What the API is sent.

        Raises:
            ValueError: there is an argument that such a flow does not take.
        """
        if self.flow.inputs is not None:
            return {"inputs": dict(given)}
        if odd := next((name for name in given if name != "data"), None):
            raise ValueError(f"there is no argument {odd[:60]!r}: this flow has no `inputs`, give it `data`")
        return {"data": given.get("data")}


def tools(book: FlowBook) -> dict[str, FlowTool]:
    """By name, in the order of the flows' names."""
    found: dict[str, FlowTool] = {}
    for flow in sorted(book.current.values(), key=lambda flow: flow.name):
        if book.enabled.get(flow.name, True) and str(flow.labels.get(LABEL, "")).lower() not in _OFF:
            name = _free(flow.name, found)
            found[name] = FlowTool(name=name, flow=flow)
    return found


def _free(flow: str, taken: Mapping[str, FlowTool]) -> str:
    """A name that clients take and no other flow has."""
    name = _ODD.sub("_", flow)
    if name.startswith(PREFIX):
        name = f"flow_{name}"
    name, number = name[:_LONGEST], 1
    while name in taken:
        number += 1
        end = f"_{number}"
        name = _ODD.sub("_", flow)[: _LONGEST - len(end)] + end
    return name


def effects(flow: Flow, book: FlowBook, catalog: Catalog, depth: int = _DEPTH) -> tuple[bool, bool]:
    """(changes nothing, reaches other systems), as far as that can be known without running it."""
    reads, reaches = True, False
    for effect in _effects(flow, book, catalog, depth):
        reads = reads and effect is not Effect.WRITE
        reaches = reaches or effect is not Effect.PURE
    return reads, reaches


def _effects(flow: Flow, book: FlowBook, catalog: Catalog, depth: int) -> Iterator[Effect]:
    if flow.code is not None or depth == 0:
        yield Effect.WRITE
        return
    for _, step in all_steps(flow):
        if isinstance(step, (EmitStep, StateStep)):
            yield Effect.WRITE
        elif isinstance(step, CallStep):
            called = book.current.get(step.flow)
            yield from (Effect.WRITE,) if called is None else _effects(called, book, catalog, depth - 1)
        elif isinstance(step, ActionStep):
            action = catalog.actions.get(step.action)
            known = action is not None and isinstance(action.effect, Effect)
            yield action.effect if known else Effect.WRITE  # type: ignore[union-attr, misc]
