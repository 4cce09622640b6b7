"""The audit log."""

from __future__ import annotations

from typing import Any

import msgspec

from reactor.model.access import Role
from reactor.model.audit import Entry
from reactor.model.clock import to_iso
from reactor.server import access_shapes, shapes
from reactor.server.problems import Problem
from reactor.server.table import Call, Page, get, page, time_of
from reactor.stores.access import AuditFilter


class AuditQuery(Page, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which entries."""

    who: str | None = None
    action: str | None = None
    """As it is shown: `POST /api/v1/runs/{id}/cancel`, `sign-in`."""
    target: str | None = None
    since: str | None = None
    """A time, or how long ago (`24h`)."""
    until: str | None = None


class VerifyQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What to look for."""

    head: str | None = None
    """A hash that was the newest one earlier: is it still there?"""


@get("/api/v1/audit", shapes.Listed[access_shapes.AuditShape], query=AuditQuery, role=Role.ADMIN)
async def audit(call: Call) -> Any:
    """Who did what, the newest first."""
    query, now = call.query, call.engine.clock.now()
    wanted = AuditFilter(
        who=query.who,
        action=query.action,
        target=query.target,
        since=time_of("since", query.since, now),
        until=time_of("until", query.until, now),
        below=_below(query.cursor),
        limit=query.limit + 1,
    )
    return page(await call.engine.audit.entries(wanted), query.limit, lambda entry: str(entry.key), _shown)


@get("/api/v1/audit/verify", access_shapes.VerifiedShape, query=VerifyQuery, role=Role.ADMIN)
async def verify(call: Call) -> Any:
    """Whether every entry is as it was written, and none is missing."""
    return await call.engine.audit.verify(call.query.head)


def _below(cursor: str | None) -> int | None:
    if cursor is None:
        return None
    if not (cursor.isascii() and cursor.isdecimal() and len(cursor) < 19):
        raise Problem(
            400, f"{cursor[:80]!r} is no cursor of this list: take `next` of the page before", parameter="cursor"
        )
    return int(cursor)


def _shown(entry: Entry) -> dict[str, Any]:
    fact = entry.fact
    return {
        "id": entry.key,
        "at": to_iso(fact.at),
        "who": fact.who,
        "via": fact.via,
        "address": fact.address,
        "action": fact.action,
        "target": fact.target,
        "status": fact.status,
        "details": msgspec.json.decode(fact.details),
        "hash": entry.hash.hex(),
    }


LINES = (audit, verify)
