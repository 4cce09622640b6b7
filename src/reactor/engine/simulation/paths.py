"""Whether a recorded run would take another path with another version."""

from __future__ import annotations

import asyncio
from typing import Any

from reactor.engine.executor import Executor
from reactor.engine.rehearsal import divergence_view, replayed
from reactor.model.errors import ReactorError
from reactor.model.flow import Flow
from reactor.stores.port import Loaded

_PATIENCE = 5.0
"""Seconds for one run."""
_SHOWN = 5
"""Places at which one run takes another path that are told."""


async def compared(executor: Executor, loaded: Loaded, flow: Flow) -> dict[str, Any]:
    """`{same, diverges: [{path, kind, recorded, replayed}], error}` of a run's record against a version. Other
    parameters of the same steps are told, and are the same path.
    """
    try:
        async with asyncio.timeout(_PATIENCE):
            went = await replayed(executor, loaded, flow)
    except (ReactorError, TimeoutError) as error:
        return {"same": True, "diverges": [], "error": str(error) or "it took too long"}
    shown = [divergence_view(one) for one in went.diverged[:_SHOWN]]
    return {"same": went.same, "diverges": shown, "error": None}
