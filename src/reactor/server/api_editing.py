"""Flows changed by people: made, changed, taken away; and what an editor needs to help them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import msgspec

from reactor.engine.editing import Editing, StaleError, WrongFlowError
from reactor.language import reads
from reactor.model.access import Role
from reactor.server import flow_shapes
from reactor.server.api_flows import whole
from reactor.server.doors import shown as problem_shown
from reactor.server.problems import Problem
from reactor.server.table import Call, delete, get, post, put

_BIG = 20_000
"""Bytes of a text from which on it is not read on the loop's thread."""


class FileQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where a new flow goes."""

    file: str | None = None
    """Below the folder of flows, such as `orders/order.yaml`; null: `NAME.yaml`."""


class EtagQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which text a change was made from."""

    etag: str | None = None
    """`etag` of the flow as it was read; the header `If-Match` says the same."""


@post("/api/v1/flows", flow_shapes.FlowWhole, query=FileQuery, body=bytes, status=201)
async def create(call: Call) -> Any:
    """A new flow from the YAML text that is the body: in a file of the folder, or in the store where there is none."""
    editing, text = _editing(call), _text(call)
    try:
        made = await editing.create(text, call.query.file)
    except WrongFlowError as error:
        raise _wrong(error) from None
    return await whole(call, made)


@put("/api/v1/flows/{name}", flow_shapes.FlowWhole, query=EtagQuery, body=bytes)
async def change(call: Call) -> Any:
    """Another YAML text for a flow, written back to its file: the next version, if it means something else. An older
    version is restored by sending its text. Refused with 409 when it is no longer the text that was read.
    """
    editing, text = _editing(call), _text(call)
    try:
        changed = await editing.replace(call.params["name"], text, _etag(call))
    except WrongFlowError as error:
        raise _wrong(error) from None
    except StaleError as error:
        raise _stale(error) from None
    return await whole(call, changed)


@delete("/api/v1/flows/{name}", flow_shapes.FlowGone, query=EtagQuery)
async def remove(call: Call) -> Any:
    """Take a flow away, and its file; runs under way go on. The answer is what it was."""
    try:
        gone = await _editing(call).delete(call.params["name"], _etag(call))
    except StaleError as error:
        raise _stale(error) from None
    return {"name": gone.name, "version": gone.version, "file": gone.file, "yaml": gone.source}


@post("/api/v1/flows/validate", flow_shapes.Validated, body=bytes, role=Role.VIEWER)
async def validate(call: Call) -> Any:
    """What is wrong with the YAML text that is the body, and what the flow would read and look like."""
    load = call.doors.load
    if load is None:
        raise Problem(503, "flows cannot be checked here")
    text = _text(call)
    loaded = load(text, None) if len(text) < _BIG else await asyncio.to_thread(load, text, None)
    found = _problems(loaded.problems)
    flow = loaded.flow
    drawn = None if flow is None else reads.diagram(flow)
    return {
        "valid": flow is not None and all(problem["severity"] != "error" for problem in found),
        "problems": found,
        "name": getattr(loaded, "name", None) if flow is None else flow.name,
        "sentence": None if flow is None else reads.sentence(flow),
        "reads": [] if drawn is None else reads.lines(drawn),
        "diagram": drawn,
    }


@get("/api/v1/schema", dict[str, Any])
async def schema(call: Call) -> Any:
    """JSON Schema (2020-12) of flows, with the triggers, actions and connections that are installed."""
    if call.doors.schema is None:
        raise Problem(503, "there is no schema here")
    return await asyncio.to_thread(call.doors.schema)


def _editing(call: Call) -> Editing:
    editing: Editing | None = call.doors.editing
    if editing is None:
        raise Problem(503, "flows cannot be changed here")
    return editing


def _text(call: Call) -> str:
    try:
        text: str = call.text.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Problem(400, f"the text is not UTF-8 (byte {error.start})") from None
    return text


def _etag(call: Call) -> str:
    given = call.query.etag or call.head.get(b"if-match", b"").decode("latin-1").strip().strip('"')
    if not given:
        raise Problem(
            428,
            "say which text the change was made from: `?etag=` (or If-Match) with the `etag` of GET "
            f"/api/v1/flows/{call.params['name']}",
        )
    return str(given)


def _problems(problems: Sequence[Any]) -> list[dict[str, Any]]:
    return [problem_shown(problem) for problem in problems]


def _wrong(error: WrongFlowError) -> Problem:
    return Problem(422, error.message, problems=_problems(error.problems))


def _stale(error: StaleError) -> Problem:
    held = error.held
    return Problem(409, error.message, etag=held.etag, yaml=held.text, file=held.file)


LINES = (create, change, remove, validate, schema)
"""The API's lines of changes to flows."""
