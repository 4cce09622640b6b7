"""The server itself: figures, the stream of changes, sign-in links."""

from __future__ import annotations

from typing import Any

import msgspec

from reactor.model.access import Role
from reactor.model.errors import ForbiddenError
from reactor.server import metrics, metrics_shapes, shapes
from reactor.server.problems import Problem
from reactor.server.stream import KINDS, Wanted
from reactor.server.table import Call, get, post


class StreamQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What to hear of."""

    kinds: str | None = None
    """One or several of run, step, event, flow, trigger, alert, log, with commas between."""
    flow: str | None = None
    run: str | None = None
    """Only of this run."""
    after: int | None = None
    """The last id that was seen. `Last-Event-ID` counts for more."""


@get("/api/v1/metrics", metrics_shapes.Figures)
async def figures(call: Call) -> Any:
    """The engine in numbers."""
    return await metrics.figures(call.engine)


@get("/api/v1/stream", "text/event-stream", query=StreamQuery)
async def stream(call: Call) -> Any:
    """What changes, as server-sent events, and gap where some were missed. log comes only when it is named."""
    from starlette.responses import StreamingResponse  # noqa: PLC0415 - with the first listener

    query: StreamQuery = call.query
    kinds = frozenset(part.strip() for part in (query.kinds or "").split(",") if part.strip())
    if not kinds <= set(KINDS):
        raise Problem(400, f"kinds: there are {', '.join(KINDS)}", parameter="kinds")
    call.stream.check_room()
    after = _last(call) if b"last-event-id" in call.head else query.after

    async def still() -> bool:
        # Not when the session has ended, or the role is another.
        return await call.guard.principal(call.head) == call.who

    return StreamingResponse(
        call.stream.listen(Wanted(kinds, query.flow, query.run), after, still),
        media_type="text/event-stream",
        headers={"cache-control": "no-store", "x-accel-buffering": "no"},
    )


def _last(call: Call) -> int | None:
    text = call.head[b"last-event-id"].decode("latin-1").strip()
    if not text:
        return None
    if not (text.isascii() and text.isdecimal() and len(text) < 20):
        raise Problem(400, "Last-Event-ID is no id of this stream")
    return int(text)


@post("/api/v1/sign-in-links", shapes.Link, status=201, role=Role.ADMIN)
async def sign_in_link(call: Call) -> Any:
    """A link that signs one browser in, once, as whoever makes it."""
    if call.who.via == "api_token":
        raise ForbiddenError("a token makes no sign-in links; sign in, or use the admin token")
    return {"url": f"{call.url}/login?code={call.guard.new_code(call.who.person)}"}


LINES = (figures, stream, sign_in_link)
