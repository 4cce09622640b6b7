"""Approvals: list, show, decide."""

from __future__ import annotations

from typing import Any

import msgspec

from reactor.model import ids
from reactor.server import shapes
from reactor.server.table import Call, Page, cursor_of, get, post


class Decision(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is decided, and by whom."""

    decision: str
    """approve | reject"""
    by: str = "admin"
    """Who decides: one of the people that are asked, where some are named."""
    form: dict[str, Any] | None = None
    """The values of the form's fields."""


class ApprovalQuery(Page, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which approvals."""

    open: bool = True
    """False: those of which somebody has decided, the newest decision first."""


@get("/api/v1/approvals", shapes.Listed[shapes.Approval], query=ApprovalQuery)
async def approvals(call: Call) -> Any:
    """Open approvals, the oldest run's first; or those that were decided."""
    query: ApprovalQuery = call.query
    if not query.open:
        below = cursor_of("evt", query.cursor)
        decided, below = await call.engine.approvals.decided(below, query.limit)
        return {
            "items": [one.view() for one in decided],
            "next": None if below is None else ids.to_text("evt", below),
        }
    found, more = await call.engine.approvals.page(cursor_of("run", query.cursor) or 0, query.limit)
    return {"items": [one.view() for one in found], "next": None if more is None else ids.to_text("run", more)}


@get("/api/v1/approvals/{id}", shapes.Approval)
async def approval(call: Call) -> Any:
    """One approval, open or not."""
    return (await call.engine.approvals.get(call.params["id"])).view()


@post("/api/v1/approvals/{id}/decide", shapes.Approval, body=Decision)
async def decide(call: Call) -> Any:
    """Approve or reject. The decision is durable when this answers; the answer is the approval as it was decided."""
    body: Decision = call.body
    return (await call.engine.approvals.decide(call.params["id"], body.decision, body.by, body.form)).view()


LINES = (approvals, approval, decide)
