"""Connections: saved ones and those of flows, with their health; and what connectors there are."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import msgspec

from reactor.engine.saved_connections import Saved, Tested
from reactor.engine.trigger_context import TriggerStatus
from reactor.language.connections import FILLED
from reactor.model.access import Role
from reactor.model.clock import to_iso
from reactor.model.flow import ActionStep, Flow, all_steps
from reactor.model.states import TriggerState
from reactor.sdk.connection import ConnectionType
from reactor.sdk.manifest import Connector
from reactor.server import shapes, trigger_shapes
from reactor.server.connection_forms import form_of
from reactor.server.table import Call, Page, delete, get, page, post, put


class ConnectionQuery(Page, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which connections."""

    type: str | None = None


class Given(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A connection as it is to be."""

    type: str
    settings: dict[str, Any] = {}


@get("/api/v1/connections", shapes.Listed[trigger_shapes.ConnectionShape], query=ConnectionQuery)
async def connections(call: Call) -> Any:
    """Saved connections and those that flows bring along, by name, with their health."""
    query: ConnectionQuery = call.query
    rows = [row for row in _rows(call) if query.type in (None, row["type"])]
    rows = [row for row in rows if query.cursor is None or _place(row) > query.cursor]
    return page(rows[: query.limit + 1], query.limit, _place, lambda row: row)


@get("/api/v1/connections/{name}", trigger_shapes.ConnectionShape)
async def connection(call: Call) -> Any:
    """One saved connection."""
    return _saved_row(call, call.engine.connections.get(call.params["name"]))


@put("/api/v1/connections/{name}", trigger_shapes.ConnectionShape, body=Given, role=Role.OPERATOR)
async def save(call: Call) -> Any:
    """Save a connection, or another in its place. Triggers that use it begin anew."""
    body: Given = call.body
    return _saved_row(call, call.engine.connections.put(call.params["name"], body.type, body.settings))


@delete("/api/v1/connections/{name}", trigger_shapes.ConnectionShape, role=Role.OPERATOR)
async def forget(call: Call) -> Any:
    """Forget a saved connection; the answer is what it was."""
    saved = call.engine.connections.get(call.params["name"])
    row = _saved_row(call, saved)
    call.engine.connections.delete(saved.name)
    return row


@post("/api/v1/connections/{name}/test", trigger_shapes.TestShape, role=Role.OPERATOR)
async def test(call: Call) -> Any:
    """Reach the system behind a saved connection, as a trigger or action would, and change nothing there."""
    engine, name = call.engine, call.params["name"]
    engine.connections.get(name)
    known = engine.executor.connections({})
    return _tested(await engine.connections.test(name, known, engine.parts.action_settings))


@get("/api/v1/connectors", shapes.Listed[trigger_shapes.ConnectorShape], query=Page)
async def connectors(call: Call) -> Any:
    """The systems that flows can work with: triggers, actions and kinds of connections."""
    query: Page = call.query
    found = sorted(call.engine.catalog.connectors.values(), key=lambda connector: connector.name)
    found = [one for one in found if query.cursor is None or one.name > query.cursor]
    # Forms are made of the connectors' sources, once.
    shown = await asyncio.to_thread(lambda: [_connector(one) for one in found[: query.limit + 1]])
    return page(shown, query.limit, lambda one: str(one["name"]), lambda one: one)


def _rows(call: Call) -> list[dict[str, Any]]:
    rows = [_saved_row(call, saved) for saved in call.engine.connections.list()]
    for flow in call.engine.book.current.values():
        for name, written in flow.connections.items():
            rows.append(_flow_row(call, flow.name, name, written))
    return sorted(rows, key=_place)


def _place(row: dict[str, Any]) -> str:
    return f"{row['name']}/{row['flow'] or ''}"


def _saved_row(call: Call, saved: Saved) -> dict[str, Any]:
    own = {name for name, flow in call.engine.book.current.items() if saved.name in flow.connections}
    users = [one for one in call.engine.triggers.status() if saved.name in one.connections and one.flow not in own]
    tested = call.engine.connections.tested.get(saved.name)
    return {
        "name": saved.name,
        "type": saved.type,
        "flow": None,
        "settings": saved.settings,
        "updated_at": to_iso(saved.updated_at),
        **_health(users, tested),
        "flows": sorted(
            name
            for name, flow in call.engine.book.current.items()
            if name not in own and saved.name in _named_in_steps(flow)
        ),
        "tested": _tested(tested) if tested is not None else None,
    }


def _flow_row(call: Call, flow: str, name: str, written: dict[str, Any]) -> dict[str, Any]:
    users = [one for one in call.engine.triggers.status() if name in one.connections and one.flow == flow]
    return {
        "name": name,
        "type": str(written.get("type")),
        "flow": flow,
        "settings": {key: _masked(value) for key, value in written.items() if key != "type"},
        "updated_at": None,
        **_health(users, None),
        "flows": [flow],
        "tested": None,
    }


def _named_in_steps(flow: Flow) -> set[str]:
    """The connections that a flow's actions name. What an expression gives, or is left out, is not known here."""
    found = set()
    for _, step in all_steps(flow):
        if isinstance(step, ActionStep):
            written = getattr(step.params, "value", None) or getattr(step.params, "entries", None) or {}
            name = written.get("connection") if isinstance(written, Mapping) else None
            name = getattr(name, "value", name)
            if isinstance(name, str):
                found.add(name)
    return found


def _masked(value: Any) -> Any:
    """What a flow has written out may be secret: only references and plain facts are shown."""
    if isinstance(value, dict):
        return {key: _masked(inner) for key, inner in value.items()}
    if isinstance(value, str) and not FILLED.fullmatch(value.strip()):
        return "…"
    return value


def _health(users: list[TriggerStatus], tested: Tested | None) -> dict[str, Any]:
    """The newest word counts: a test, or the state of a trigger that uses it."""
    said = [(one.since, one.state is not TriggerState.FAILED, one.reason) for one in users if _speaks(one)]
    if tested is not None:
        said.append((tested.at, tested.ok, "" if tested.ok else tested.message))
    # A trigger that cannot listen is worse than any older good news.
    bad = [reason for at, ok, reason in said if not ok and not _mended(at, said)]
    health = "failing" if bad else "ok" if said else "unknown"
    return {"health": health, "reason": bad[0] if bad else "", "used_by": sorted(one.key for one in users)}


def _speaks(one: TriggerStatus) -> bool:
    return one.state in (TriggerState.ARMED, TriggerState.LAGGING, TriggerState.FAILED)


def _mended(at: int, said: list[tuple[int, bool, str]]) -> bool:
    return any(later > at and ok for later, ok, _ in said)


def _tested(tested: Tested) -> dict[str, Any]:
    return {"at": to_iso(tested.at), "ok": tested.ok, "message": tested.message, "took_ms": tested.took}


def _connector(one: Connector) -> dict[str, Any]:
    return {
        "name": one.name,
        "doc": one.doc,
        "triggers": [trigger.kind for trigger in one.triggers],
        "actions": [action.name for action in one.actions],
        "connections": [_type(kind) for kind in one.connections],
    }


def _type(kind: ConnectionType) -> dict[str, Any]:
    fields = msgspec.structs.fields(kind.settings)
    settings = [
        {
            "name": field.encode_name,
            "required": field.required,
            "secret": any(place.partition(".")[0] == field.encode_name for place in kind.secret),
        }
        for field in fields
    ]
    return {
        "name": kind.name,
        "doc": kind.doc,
        "settings": settings,
        "testable": kind.test is not None,
        "form": form_of(kind),
    }


LINES = (connections, connection, save, forget, test, connectors)
