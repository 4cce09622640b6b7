"""Triggers: whether they listen, their gaps, and the dead letters that they have left."""

from __future__ import annotations

import asyncio
import base64
from typing import Any

import msgspec

from reactor.engine.letters import PREFIX, LetterView
from reactor.engine.trigger_context import TriggerStatus
from reactor.engine.triggers import convert
from reactor.engine.usage import upcoming
from reactor.language.reads import when
from reactor.model import ids
from reactor.model.access import Role
from reactor.model.clock import Instant, to_iso
from reactor.model.errors import NotFoundError
from reactor.model.flow import TriggerSpec
from reactor.model.states import TriggerState
from reactor.server import shapes, trigger_shapes
from reactor.server.ingest import as_dict
from reactor.server.problems import Problem
from reactor.server.table import Call, Page, cursor_of, delete, get, page, post


class TriggerQuery(Page, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which triggers."""

    flow: str | None = None
    kind: str | None = None
    state: str | None = None


class LetterQuery(Page, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which dead letters."""

    trigger: str | None = None
    """Key of a trigger: `FLOW/INDEX`."""


class Which(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whose dead letters."""

    trigger: str | None
    """Key of a trigger; null: of all."""


class Retry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What to take in the place of what cannot be read."""

    data: Any = msgspec.UNSET


_MOST_TIMES = 100


def _time(instant: Instant | None) -> str | None:
    return to_iso(instant) if instant else None


def trigger_row(status: TriggerStatus, spec: TriggerSpec | None = None) -> dict[str, Any]:
    """A trigger as the API shows it. `spec`: as it stands in its flow."""
    says = when(spec) if spec is not None else ""
    return {
        "key": status.key,
        "flow": status.flow,
        "kind": status.kind,
        "says": says,
        "state": status.state.value,
        "reason": status.reason,
        "since": _time(status.since),
        "last_event_at": _time(status.last_event_at),
        "events": status.events,
        "errors": status.errors,
        "last_error": status.last_error,
        "lag": status.lag,
        "expects_within_ms": status.expects,
        "next_at": _time(status.next_at),
        "letters": status.letters,
        "gap": {"at": to_iso(status.gap.at), "reason": status.gap.reason} if status.gap is not None else None,
        "connections": sorted(status.connections),
    }


def trigger_rows(call: Call) -> list[dict[str, Any]]:
    """All triggers, those of disabled flows too."""
    specs = {spec.key: spec for flow in call.engine.book.current.values() for spec in flow.triggers}
    rows = {status.key: trigger_row(status, specs.get(status.key)) for status in call.engine.triggers.status()}
    for name, flow in call.engine.book.current.items():
        if not call.engine.book.enabled.get(name, True):
            for spec in flow.triggers:
                status = TriggerStatus(
                    key=spec.key, flow=name, kind=spec.kind, state=TriggerState.DISABLED, reason="the flow is disabled"
                )
                rows[spec.key] = trigger_row(status, spec)
    return [rows[key] for key in sorted(rows)]


@get("/api/v1/triggers", shapes.Listed[trigger_shapes.TriggerShape], query=TriggerQuery)
async def triggers(call: Call) -> Any:
    """All triggers: which ones really listen, and why the others do not."""
    query: TriggerQuery = call.query
    if query.state is not None and query.state not in {state.value for state in TriggerState}:
        raise Problem(400, f"state: there are {', '.join(state.value for state in TriggerState)}", parameter="state")
    rows = [
        row
        for row in trigger_rows(call)
        if query.flow in (None, row["flow"])
        and query.kind in (None, row["kind"])
        and query.state in (None, row["state"])
    ]
    rows = [row for row in rows if query.cursor is None or row["key"] > query.cursor]
    return page(rows, query.limit, lambda row: str(row["key"]), lambda row: row)


class NextQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How many."""

    limit: int = 10
    """1 to 100."""

    def __post_init__(self) -> None:
        """Bounds."""
        if not 1 <= self.limit <= _MOST_TIMES:
            raise ValueError(f"limit is 1 to {_MOST_TIMES}")


@get("/api/v1/triggers/{flow}/{index}/upcoming", trigger_shapes.Upcoming, query=NextQuery)
async def upcoming_of(call: Call) -> Any:
    """When a trigger that goes by the clock fires next; nothing of one that waits for others."""
    flow, key = call.engine.book.get(call.params["flow"]), f"{call.params['flow']}/{call.params['index']}"
    spec = next((spec for spec in flow.triggers if spec.key == key), None)
    trigger = call.engine.catalog.triggers.get(spec.kind) if spec is not None else None
    if spec is None or trigger is None:
        raise NotFoundError(f"there is no trigger {key[:100]!r}")
    now, limit = call.engine.clock.now(), call.query.limit
    work = (trigger, convert(trigger, spec.config), key, flow.timezone, now, limit)
    return {"key": key, "times": [to_iso(at) for at in await asyncio.to_thread(upcoming, *work)]}


@post("/api/v1/triggers/{flow}/{index}/confirm-gap", trigger_shapes.TriggerShape, role=Role.OPERATOR)
async def confirm_gap(call: Call) -> Any:
    """Somebody has taken note of the gap: it is shown no more."""
    key = f"{call.params['flow']}/{call.params['index']}"
    await call.engine.triggers.confirm_gap(key)
    return next(row for row in trigger_rows(call) if row["key"] == key)


# --- dead letters ---


@get("/api/v1/dead-letters", shapes.Listed[trigger_shapes.LetterRow], query=LetterQuery)
async def letters(call: Call) -> Any:
    """Messages that made no event, the newest first."""
    query: LetterQuery = call.query
    found = await call.engine.letters.page(query.trigger, cursor_of(PREFIX, query.cursor), query.limit + 1)
    return page(found, query.limit, lambda one: ids.to_text(PREFIX, one.key), _row)


@get("/api/v1/dead-letters/{id}", trigger_shapes.LetterShape)
async def letter(call: Call) -> Any:
    """One message that made no event, with what it holds."""
    return _whole(await call.engine.letters.show(_key(call)))


@post("/api/v1/dead-letters/{id}/retry", shapes.ReceiptShape, body=Retry, optional=True, role=Role.OPERATOR)
async def retry(call: Call) -> Any:
    """Read it again with the flow as it is now, or take the given data: then it is an event, and no dead letter."""
    body: Retry = call.body
    given = {} if body.data is msgspec.UNSET else {"data": body.data}
    return as_dict(await call.engine.letters.retry(_key(call), **given))


@delete("/api/v1/dead-letters/{id}", trigger_shapes.LetterShape, role=Role.OPERATOR)
async def drop(call: Call) -> Any:
    """Forget a message that made no event; the answer is what was forgotten."""
    found = await call.engine.letters.show(_key(call))
    await call.engine.letters.drop(found.key)
    return _whole(found)


@post("/api/v1/dead-letters/drop", trigger_shapes.Dropped, body=Which, role=Role.OPERATOR)
async def drop_all(call: Call) -> Any:
    """Forget all messages that made no event: of one trigger, or of all."""
    body: Which = call.body
    return {"dropped": await call.engine.letters.drop_all(body.trigger)}


def _key(call: Call) -> int:
    key = ids.from_text(PREFIX, call.params["id"])
    if key is None:
        raise Problem(404, f"{call.params['id'][:80]!r} is no id of a dead letter ({PREFIX}_…)")
    return key


def _row(one: LetterView) -> dict[str, Any]:
    return {
        "id": ids.to_text(PREFIX, one.key),
        "trigger": one.trigger,
        "flow": one.flow,
        "kind": one.kind,
        "at": to_iso(one.at),
        "reason": one.reason,
        "size": one.size,
        "metadata": one.metadata,
    }


def _whole(one: LetterView) -> dict[str, Any]:
    payload = one.payload or b""
    try:
        return {**_row(one), "text": payload.decode(), "base64": None}
    except UnicodeDecodeError:
        return {**_row(one), "text": None, "base64": base64.b64encode(payload).decode()}


LINES = (triggers, upcoming_of, confirm_gap, letters, letter, retry, drop, drop_all)
