"""Approvals: list, show, decide."""

from __future__ import annotations

from typing import Any

import msgspec

from reactor.model import ids
from reactor.model.access import ADMIN, Role
from reactor.model.errors import ForbiddenError
from reactor.server import shapes
from reactor.server.table import Call, Page, cursor_of, get, post


class Decision(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is decided, and by whom."""

    decision: str
    """approve | reject"""
    by: str | None = None
    """Who decides: whoever is signed in, and may be left out. Only who has the admin token may name another."""
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


@post("/api/v1/approvals/{id}/decide", shapes.Approval, body=Decision, role=Role.VIEWER, audited=True)
async def decide(call: Call) -> Any:
    """Approve or reject. The decision is durable when this answers; the answer is the approval as it was decided.
    Whoever is asked by name may, whatever their role; where nobody is named, editors.
    """
    body: Decision = call.body
    by = await _decider(call, body.by)
    call.details |= {"decision": body.decision, "by": by}
    return (await call.engine.approvals.decide(call.params["id"], body.decision, by, body.form)).view()


async def _decider(call: Call, named: str | None) -> str:
    """Who decides.

    Raises:
        ForbiddenError: not whom the body names, or not in this role.
    """
    who = call.who
    if who.has_admin_token:
        return ADMIN.name if named is None else named
    people = (await call.engine.approvals.get(call.params["id"])).people
    person = who.person or ADMIN.name
    asked = next((one for one in people if one.lower() == person), None)
    if named is not None and named not in (person, asked):
        raise ForbiddenError(f"{person} decides as {person}, not as {named[:80]!r}; leave `by` out")
    if not who.may(Role.EDITOR) and (asked is None or who.via == "api_token"):
        raise ForbiddenError(f"this needs the role {Role.EDITOR}, or to be asked by name; {who.name} is {who.role}")
    return asked or person


LINES = (approvals, approval, decide)
