"""Drawings: of a flow, and of a run on its flow."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import msgspec

from reactor.engine import views
from reactor.engine.overlay import overlay
from reactor.language import reads
from reactor.language.reads import Node
from reactor.model import ids
from reactor.model.errors import NotFoundError
from reactor.model.flow import Flow
from reactor.server import flow_shapes
from reactor.server.api_runs import load
from reactor.server.table import Call, get, key_of

_MANY = 2_000
"""Entries of a journal from which on it is not read on the loop's thread."""
_NEIGHBOURS = 200


class DiagramQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Of which version."""

    version: int | None = None
    """Null: the current one."""


@get("/api/v1/flows/{name}/diagram", flow_shapes.FlowDiagram, query=DiagramQuery)
async def diagram(call: Call) -> Any:
    """The flow as a tree of steps for a drawing, with the sentence of each, and the flows before and behind it."""
    book, name, number = call.engine.book, call.params["name"], call.query.version
    flow = book.current.get(name)
    if number is not None or flow is None:
        flow = await _version(call, name, number)
    before, after = call.engine.neighbours.of(flow)
    return {"diagram": reads.diagram(flow), "before": before[:_NEIGHBOURS], "after": after[:_NEIGHBOURS]}


async def _version(call: Call, name: str, number: int | None) -> Flow:
    book = call.engine.book
    if number is None:
        return book.get(name)
    if 0 < number < 1 << 31:
        await book.prefetch([(name, number)])
        found = book.version(name, number)
        if found is not None:
            return found
    raise NotFoundError(f"there is no version {number} of flow {name!r}, or it cannot be read any more")


@get("/api/v1/runs/{id}/diagram", flow_shapes.RunDiagram)
async def run_diagram(call: Call) -> Any:
    """The drawing of the run's version of its flow, and how each step stands, all iterations of a loop together."""
    loaded = await load(call, key_of("run", call.params["id"]))
    record, book = loaded.run, call.engine.book
    await book.prefetch([(record.flow, record.version)])
    flow = book.version(record.flow, record.version)
    drawn = None if flow is None else reads.diagram(flow)

    def states() -> list[dict[str, Any]]:
        return overlay(views.steps_of(loaded, flow))

    found = states() if len(loaded.journal) < _MANY else await asyncio.to_thread(states)
    there = {path for node in _all(drawn) for path in (node.path, *(part.path[:-1] for part in node.parts))}
    return {
        "id": ids.to_text("run", record.key),
        "flow": record.flow,
        "version": record.version,
        "status": record.status.value,
        "diagram": drawn,
        "states": found,
        "gone": [state["path"] for state in found if state["path"] not in there],
    }


def _all(drawn: reads.Diagram | None) -> Iterator[Node]:
    waiting = [] if drawn is None else [*drawn.steps, *drawn.on_failure, *drawn.on_cancel]
    while waiting:
        node = waiting.pop()
        yield node
        for part in node.parts:
            waiting += part.steps


LINES = (diagram, run_diagram)
"""The API's lines of drawings."""
