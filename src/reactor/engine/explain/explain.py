"""The answers to why, in one place."""

from __future__ import annotations

from typing import Any

from reactor.engine import views
from reactor.engine.executor import Executor
from reactor.engine.explain.event import EventExplained
from reactor.engine.explain.run import RunExplained
from reactor.model.event import Event
from reactor.model.states import RunStatus
from reactor.stores.port import EventLog, History, RunFilter

_ALIVE = (RunStatus.PENDING, RunStatus.RUNNING, RunStatus.WAITING, RunStatus.PAUSED)


class Explain:
    """Answers from the routes, the gates and the journal; changes nothing."""

    def __init__(self, executor: Executor, history: History, log: EventLog | None = None) -> None:
        """`log`: the store's states of keys, where there are any."""
        self._executor = executor
        self._history = history
        self._event = EventExplained(executor, history, log)
        self._run = RunExplained(executor, history)

    async def event(self, key: int, flow: str | None = None) -> dict[str, Any]:
        """See `EventExplained.event`.

        Raises:
            NotFoundError: there is no such event.
        """
        return await self._event.event(key, flow)

    async def verdicts(self, event: Event) -> list[dict[str, Any]]:
        """What an event was to every flow (see `EventExplained.event`)."""
        return await self._event.verdicts(event)

    async def run(self, key: int) -> dict[str, Any]:
        """See `RunExplained.run`.

        Raises:
            NotFoundError: there is no such run.
        """
        return await self._run.run(key)

    async def flow(self, name: str) -> dict[str, Any]:
        """What starts a flow, whether it is enabled, what its flow control holds, and its live runs.

        Raises:
            NotFoundError: there is no such flow.
        """
        flow = self._executor.book.get(name)
        runs = await self._history.runs(RunFilter(flow=name, status=_ALIVE, limit=20))
        return {
            "flow": name,
            "version": flow.version,
            "enabled": self._executor.book.enabled.get(name, True),
            "triggers": [
                {"key": t.key, "kind": t.kind, "config": t.config, "if": t.if_.source if t.if_ else None}
                for t in flow.triggers
            ],
            "if": flow.if_.source if flow.if_ else None,
            "unless": flow.unless.source if flow.unless else None,
            "control": self._executor.flow_control.state(name),
            "live_runs": [views.run_row(run) for run in runs],
        }
