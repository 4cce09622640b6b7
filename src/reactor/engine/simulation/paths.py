"""Whether a recorded run would take another path with another version."""

from __future__ import annotations

import asyncio
from typing import Any

from reactor.engine.executor import Executor
from reactor.engine.sealing import masked
from reactor.language.dialects.gotemplate import legacy_event_view
from reactor.model.errors import ReactorError
from reactor.model.flow import Flow
from reactor.runtime.replay import ReplayRuntime
from reactor.stores.port import Loaded

_PATIENCE = 5.0
"""Seconds for one run."""
_SHOWN = 5
"""Places at which one run takes another path that are told."""


async def compared(executor: Executor, loaded: Loaded, flow: Flow) -> dict[str, Any]:
    """`{same, diverges: [{path, kind, recorded, replayed}], error}` of a run's record against a version."""
    if flow.code is not None or (flow.control is not None and flow.control.batch is not None):
        return {"same": True, "diverges": [], "error": "the paths of such a flow are not compared"}
    event = loaded.event.view() if loaded.event is not None else None
    if flow.legacy and event is not None:
        event = legacy_event_view(event)
    inputs = next((entry.value for entry in loaded.journal if entry.key == "#inputs"), None)
    replay = ReplayRuntime(loaded.journal, executor.catalog.actions.get)
    try:
        async with asyncio.timeout(_PATIENCE):
            found = await replay.compare(flow, event=event, inputs=inputs)
    except (ReactorError, TimeoutError) as error:
        return {"same": True, "diverges": [], "error": str(error) or "it took too long"}
    if not loaded.run.status.finished:
        # A run that has not ended may go on anywhere behind its record.
        found = [one for one in found if one.kind != "new"]
    shown = [
        {"path": one.path, "kind": one.kind, "recorded": masked(one.recorded), "replayed": masked(one.replayed)}
        for one in found[:_SHOWN]
    ]
    return {"same": not found, "diverges": shown, "error": None}
