"""Flows and triggers."""

from __future__ import annotations

from typing import Any

import msgspec

from reactor.engine.editing import Held, etag_of
from reactor.language import reads
from reactor.model.clock import Instant, to_iso
from reactor.model.errors import NotFoundError
from reactor.model.flow import Flow
from reactor.server import flow_shapes, shapes
from reactor.server.api_triggers import trigger_rows
from reactor.server.doors import shown as problem_shown
from reactor.server.ingest import as_dict
from reactor.server.run_filters import labelled
from reactor.server.table import Call, Page, get, page, post
from reactor.stores.port import FlowVersion


class FlowQuery(Page, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which flows."""

    enabled: bool | None = None
    label: str | None = None
    """`NAME=VALUE`, or `NAME` with any value."""


class RunFlow(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What to start it with."""

    data: Any = None
    inputs: dict[str, Any] | None = None


def _time(instant: Instant | None) -> str | None:
    return to_iso(instant) if instant else None


def _row(call: Call, flow: Flow, by_flow: dict[str, list[dict[str, Any]]]) -> dict[str, Any]:
    return {
        "name": flow.name,
        "description": flow.description,
        "labels": flow.labels,
        "version": flow.version,
        "enabled": call.engine.book.enabled.get(flow.name, True),
        "file": flow.file,
        "sentence": reads.sentence(flow),
        "triggers": by_flow.get(flow.name, []),
        "problems": [p for p in _problems(call) if flow.file is not None and p["file"] == flow.file],
    }


def _problems(call: Call) -> list[dict[str, Any]]:
    return [problem_shown(problem) for problem in call.doors.problems()]


def _by_flow(call: Call) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    for row in trigger_rows(call):
        found.setdefault(row["flow"], []).append(row)
    return found


@get("/api/v1/flows", shapes.Listed[shapes.FlowRow], query=FlowQuery)
async def flows(call: Call) -> Any:
    """The flows that are there, by name."""
    query: FlowQuery = call.query
    book = call.engine.book
    names = [
        name
        for name in sorted(book.current)
        if (query.cursor is None or name > query.cursor)
        and query.enabled in (None, book.enabled.get(name, True))
        and (query.label is None or labelled(book.current[name], query.label))
    ][: query.limit + 1]
    by_flow = _by_flow(call)
    return page(names, query.limit, str, lambda name: _row(call, book.current[name], by_flow))


@get("/api/v1/problems", shapes.Listed[shapes.FileProblem])
async def problems(call: Call) -> Any:
    """What is wrong in the files of flows; a broken file leaves its flow as it was."""
    return {"items": _problems(call), "next": None}


@get("/api/v1/flows/{name}", flow_shapes.FlowWhole)
async def flow(call: Call) -> Any:
    """One flow with its text."""
    return await whole(call, call.engine.book.get(call.params["name"]))


async def whole(call: Call, found: Flow) -> dict[str, Any]:
    """A flow with its text."""
    row = _row(call, found, _by_flow(call))
    return {
        **row,
        "yaml": found.source,
        **await _held(call, found),
        "inputs": found.inputs,
        "steps": [step.name for step in found.steps],
        "reads": reads.lines(reads.diagram(found)),
    }


async def _held(call: Call, found: Flow) -> dict[str, Any]:
    if call.doors.editing is None:
        held = Held(
            text=found.source,
            etag=etag_of(found.source),
            file=found.file,
            writable=False,
            reason="flows cannot be changed here",
        )
    else:
        held = await call.doors.editing.held(found)
    return {
        "draft": None if held.text == found.source else held.text,
        "etag": held.etag,
        "writable": held.writable,
        "reason": held.reason,
    }


def _version(version: FlowVersion) -> dict[str, Any]:
    return {
        "flow": version.flow,
        "version": version.version,
        "digest": version.digest,
        "file": version.file,
        "created_at": to_iso(version.created_at),
        "current": version.current,
    }


@get("/api/v1/flows/{name}/versions", shapes.Listed[shapes.VersionRow])
async def versions(call: Call) -> Any:
    """All versions of a flow, oldest first."""
    found = await call.engine.store.versions(call.params["name"])
    if not found:
        raise NotFoundError(
            f"there is no flow {call.params['name']!r}; `reactor flows list` shows those that are there"
        )
    return {"items": [_version(version) for version in found], "next": None}


@get("/api/v1/flows/{name}/versions/{version}", shapes.VersionWhole)
async def version(call: Call) -> Any:
    """One version with its text."""
    name, number = call.params["name"], call.params["version"]
    found = await call.engine.store.version(name, int(number)) if number.isdecimal() and len(number) < 10 else None
    if found is None:
        raise NotFoundError(f"there is no version {number[:20]} of flow {name!r}")
    return {**_version(found), "yaml": found.source}


async def _enable(call: Call, *, enabled: bool) -> Any:
    name = call.params["name"]
    await call.engine.book.enable(name, enabled)
    return await flow.handler(call)


@post("/api/v1/flows/{name}/enable", flow_shapes.FlowWhole)
async def enable(call: Call) -> Any:
    """Let a flow start runs."""
    return await _enable(call, enabled=True)


@post("/api/v1/flows/{name}/disable", flow_shapes.FlowWhole)
async def disable(call: Call) -> Any:
    """Let a flow start no more runs; those under way go on."""
    return await _enable(call, enabled=False)


@post("/api/v1/flows/{name}/release", shapes.Released)
async def release(call: Call) -> Any:
    """Let all runs go that `hold` has held."""
    return {"released": await call.engine.control.release(call.params["name"])}


@post("/api/v1/flows/{name}/run", shapes.ReceiptShape, body=RunFlow, optional=True, status=202)
async def run(call: Call) -> Any:
    """Start a flow by hand, whatever its conditions say."""
    body: RunFlow = call.body
    receipt = await call.engine.run_flow(call.params["name"], body.data, body.inputs)
    return as_dict(receipt)


LINES = (flows, flow, versions, version, enable, disable, release, run, problems)
