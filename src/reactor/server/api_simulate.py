"""A changed flow against the recorded events."""

from __future__ import annotations

from typing import Any

import msgspec

from reactor.engine.simulation.simulate import Wanted
from reactor.model.access import Role
from reactor.model.flow import Flow
from reactor.server.doors import shown as problem_shown
from reactor.server.problems import Problem
from reactor.server.simulation_shapes import Simulated
from reactor.server.table import Call, post, time_of

_TOLD = 5
"""Problems that an answer names."""


class SimulateQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Against which events."""

    since: str | None = None
    """A time, or how long ago (`24h`); none: however old."""
    until: str | None = None
    limit: int = 1_000
    """The newest so many events."""
    paths: int = 50
    """Runs whose paths are compared."""
    items: int = 200
    """Events that are told one by one."""
    file: str | None = None
    """Name of the file that the text stands in, for messages."""


@post("/api/v1/flows/simulate", Simulated, query=SimulateQuery, body=bytes, role=Role.VIEWER)
async def simulate(call: Call) -> Any:
    """What the flow whose YAML text is the body would have done with the recorded events, beside what was done. Nothing
    is changed.
    """
    query: SimulateQuery = call.query
    now = call.engine.clock.now()
    wanted = Wanted(
        since=time_of("since", query.since, now),
        until=time_of("until", query.until, now),
        limit=query.limit,
        paths=query.paths,
        items=query.items,
    )
    return await call.engine.simulate(read_flow(call, query.file), wanted)


def read_flow(call: Call, file: str | None) -> Flow:
    """The flow whose YAML text is the body.

    Raises:
        Problem: 400: it cannot be read, with its first problems.
    """
    if call.doors.load is None:
        raise Problem(501, "this server was started without the flow language")
    try:
        text = call.text.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Problem(400, f"the text is not UTF-8 (byte {error.start})") from None
    loaded = call.doors.load(text, file)
    if loaded.flow is None:
        found = [problem_shown(problem) for problem in loaded.problems]
        wrong = [one for one in found if one["severity"] == "error"]
        told = "; ".join(
            ":".join(str(part) for part in (one["file"], one["line"], one["column"]) if part) + f": {one['message']}"
            for one in wrong[:_TOLD]
        )
        more = f"; and {len(wrong) - _TOLD} more" if len(wrong) > _TOLD else ""
        raise Problem(400, f"the flow cannot be read: {told}{more}", problems=found)
    flow: Flow = loaded.flow
    return flow


LINES = (simulate,)
