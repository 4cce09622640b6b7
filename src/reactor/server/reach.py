"""What a token of the API may reach, beside its role: parts of the API, and single flows."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from reactor.engine.engine import Engine
from reactor.model import ids
from reactor.model.access import Principal
from reactor.model.errors import ForbiddenError, InvalidError
from reactor.model.patterns import glob
from reactor.server.table import Line

_FILTERED = ("/api/v1/runs", "/api/v1/stream")
"""Lists in which everything is of the flow that is asked for."""
_BEYOND = ("/api/v1/runs/{id}/chain",)
"""Of one run, but about others, too."""
INGEST = "ingest"
"""The scope of the doors for events."""


def scopes(lines: Iterable[Line]) -> list[str]:
    """All that there are: the parts of the API, and the doors for events."""
    return sorted({line.tag for line in lines} | {INGEST})


def check_scopes(given: Collection[str], known: Collection[str]) -> None:
    """Raises InvalidError when there is no such scope."""
    wrong = sorted(set(given) - set(known))
    if wrong:
        raise InvalidError(f"there is no scope {wrong[0][:60]!r}; there are {', '.join(known)}")


async def check(who: Principal, line: Line, engine: Engine, params: dict[str, str], query: object) -> None:
    """Whether a token is good for this.

    Raises:
        ForbiddenError: says what it is good for.
    """
    if who.scopes and line.tag not in who.scopes:
        raise ForbiddenError(f"this token is not good for {line.tag}: its scopes are {', '.join(who.scopes)}")
    if who.flows:
        flow = await _flow(line, engine, params, query)
        if flow is None or not any(glob(pattern).fullmatch(flow) for pattern in who.flows):
            asked = "this asks for more than one flow" if flow is None else f"not for {flow[:80]!r}"
            raise ForbiddenError(f"this token is for the flows {', '.join(who.flows)}; {asked}")


async def _flow(line: Line, engine: Engine, params: dict[str, str], query: object) -> str | None:
    """The one flow that a request is about, or None."""
    if line.tag == "flows" and "name" in params:
        return params["name"]
    if line.tag == "triggers" and "flow" in params:
        return params["flow"]
    if line.tag in ("runs", "approvals") and "id" in params and line.path not in _BEYOND:
        key = ids.from_text("run", params["id"].partition(":")[0])
        run = None if key is None else await engine.history.run(key)
        return "" if run is None else run.flow
    named = getattr(query, "flow", None) if line.path in _FILTERED else None
    return named if isinstance(named, str) and "," not in named else None
