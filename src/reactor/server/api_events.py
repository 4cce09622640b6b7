"""Events: list, show with the reasons of every flow, take in again; and explain."""

from __future__ import annotations

from typing import Any

import msgspec

from reactor.engine import views
from reactor.model import ids
from reactor.model.errors import ConflictError, NotFoundError
from reactor.model.event import ENDS, Event, EventDraft
from reactor.model.journal import Run
from reactor.server import shapes
from reactor.server.ingest import as_dict
from reactor.server.table import Call, Page, cursor_of, get, key_of, page, post, time_of
from reactor.stores.port import EventFilter, EventRow

_RUNS_SHOWN = 10


class EventQuery(Page, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which events."""

    type: str | None = None
    """A type, or with `*` at its end what it begins with: `order.*`."""
    source: str | None = None
    subject: str | None = None
    since: str | None = None
    """A time, or how long ago (`24h`)."""
    until: str | None = None


class ExplainQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """For which flow."""

    flow: str | None = None


@get("/api/v1/events", shapes.Listed[shapes.EventListed], query=EventQuery)
async def events(call: Call) -> Any:
    """Events, newest first, without their data, and the runs that each has started."""
    query: EventQuery = call.query
    now = call.engine.clock.now()
    begins = query.type is not None and query.type.endswith("*")
    wanted = EventFilter(
        type=None if begins else query.type,
        prefix=query.type.rstrip("*") or None if begins and query.type else None,
        source=query.source,
        subject=query.subject,
        since=time_of("since", query.since, now),
        until=time_of("until", query.until, now),
        below=cursor_of("evt", query.cursor),
        limit=query.limit + 1,
    )
    found = await call.engine.history.events(wanted)
    runs = await call.engine.history.started([row.key for row in found])
    return page(
        found, query.limit, lambda row: ids.to_text("evt", row.key), lambda row: _listed(row, runs.get(row.key, []))
    )


def _listed(row: EventRow, runs: list[Run]) -> dict[str, Any]:
    """A row with the first of its runs; how many there are is told all the same."""
    shown = [
        {"id": ids.to_text("run", run.key), "flow": run.flow, "status": run.status.value} for run in runs[:_RUNS_SHOWN]
    ]
    return {**views.event_row(row), "runs": shown, "run_count": len(runs)}


async def _event(call: Call) -> Event:
    """The event of the path: by its id here, or by its source's own id."""
    text = call.params["id"]
    key = ids.from_text("evt", text)
    event = await call.engine.history.event(key) if key is not None else None
    event = event or await call.engine.history.event_by_id(text)
    if event is None:
        raise NotFoundError(f"there is no event {text[:80]!r}")
    return event


@get("/api/v1/events/{id}", shapes.EventWhole)
async def event(call: Call) -> Any:
    """One event with its data and, for every flow, whether it started it and why or why not."""
    found = await _event(call)
    return {**views.event_whole(found), "matches": await call.engine.explain.verdicts(found)}


@post("/api/v1/events/{id}/replay", shapes.ReceiptShape, status=202)
async def replay(call: Call) -> Any:
    """Take the same data in again as a new event, caused by this one; flows start as they are now."""
    found = await _event(call)
    causes = (*found.causes, ids.to_text("evt", found.key))
    limit = call.engine.limits.causes
    if len(causes) > limit:
        raise ConflictError(f"{len(causes)} events led to one another; the limit is {limit}")
    draft = EventDraft(
        type=found.type,
        data=found.data,
        raw=found.raw,
        source=found.source,
        subject=found.subject,
        metadata={**found.metadata, "replay_of": ids.to_text("evt", found.key)},
        to=found.to,
        causes=causes,
    )
    # The end of a run may be told once more, for it was: nobody else can say so.
    return as_dict((await call.engine.intake.accept((draft,), inside=found.type in ENDS))[0])


@get("/api/v1/events/{id}/explain", shapes.EventExplained, query=ExplainQuery)
async def explain_of_event(call: Call) -> Any:
    """The same as `/api/v1/explain/event/{id}`."""
    return await explain_event.handler(call)


@get("/api/v1/explain/event/{id}", shapes.EventExplained, query=ExplainQuery)
async def explain_event(call: Call) -> Any:
    """Why an event started, or did not start, each flow (or one): every rule with its result and the values that
    decided; and which runs that waited took it.
    """
    found = await _event(call)
    return await call.engine.explain.event(found.key, call.query.flow)


@get("/api/v1/explain/run/{id}", shapes.RunExplained)
async def explain_run(call: Call) -> Any:
    """What a run is doing, or what exactly blocks it, and until when."""
    return await call.engine.explain.run(key_of("run", call.params["id"]))


@get("/api/v1/explain/flow/{name}", shapes.FlowExplained)
async def explain_flow(call: Call) -> Any:
    """What starts a flow, whether it is enabled, what its flow control holds, and its live runs."""
    return await call.engine.explain.flow(call.params["name"])


LINES = (events, event, explain_of_event, replay, explain_event, explain_run, explain_flow)
