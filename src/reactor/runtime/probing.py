"""What a run waits for, found by walking through its journal: touches nothing, and stops where the record ends."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from reactor.model.clock import Instant
from reactor.model.flow import Flow
from reactor.model.journal import ActionCall, Entry, FlowCall, Outcome, StateChange, Wanted
from reactor.runtime.interpreter import Hands, Interpreter
from reactor.runtime.replay import ReplayRuntime, unshaped
from reactor.sdk.action import Action

_STILL = 5
"""Turns of the loop without any progress, after which nothing moves any more."""
_MOST = 20_000
"""Turns of the loop that a walk may take."""


class ProbeRuntime(ReplayRuntime):
    """As a replay, but whatever the record does not know rests for ever, and what is wanted there is remembered."""

    def __init__(self, journal: Sequence[Entry], find: Callable[[str], Action | None]) -> None:
        super().__init__(journal, find)
        self.wanted: dict[str, Wanted] = {}
        """Path of a step that waits → what it waits for."""
        self._moved = 0

    def record(self, entry: Entry) -> None:
        """See `Record.record`."""
        self._moved += 1
        super().record(entry)

    async def _known(self, path: str) -> None:
        self._moved += 1
        if self._recorded.get(path + "#body") is None and self._recorded.get(path) is None:
            await self._rest()

    async def _rest(self) -> None:
        await asyncio.get_running_loop().create_future()

    async def act(self, path: str, call: ActionCall, action: Action, params: Any) -> Outcome:
        """See `Durable.act`."""
        await self._known(path)
        return await super().act(path, call, action, params)

    async def sleep(self, path: str, until: Instant) -> None:
        """See `Durable.sleep`."""
        if path.endswith("#timeout") or self._recorded.get(path) is not None or "[" in path:
            await super().sleep(path, until)
        else:
            await self._rest()

    async def emit(self, path: str, event: dict[str, Any], entry: Entry) -> dict[str, Any]:
        """See `Durable.emit`."""
        await self._known(path)
        return await super().emit(path, event, entry)

    async def child(self, path: str, call: FlowCall) -> Outcome:
        """See `Durable.child`."""
        await self._known(path)
        return await super().child(path, call)

    async def receive(self, path: str, wanted: Wanted, until: Instant | None) -> dict[str, Any] | None:
        """See `Durable.receive`."""
        self._moved += 1
        if wanted.key is None and self._recorded.get(path) is None and self._recorded.get(path + "#event") is None:
            self.wanted[path] = wanted
            await self._rest()
        return await super().receive(path, wanted, until)

    async def state(self, path: str, change: StateChange) -> Any:
        """See `Durable.state`."""
        await self._known(path)
        return await super().state(path, change)

    async def walk(
        self, flow: Flow, *, event: dict[str, Any] | None, run: dict[str, Any], inputs: Any, hands: Hands
    ) -> None:
        """Walk as far as the record goes; then `wanted` is known."""
        interpreter = Interpreter(unshaped(flow), self, event=event, run=run, inputs=inputs, hands=hands)
        task = asyncio.get_running_loop().create_task(interpreter.run())
        try:
            still, seen = 0, -1
            for _ in range(_MOST):
                if task.done() or still >= _STILL:
                    return
                await asyncio.sleep(0)
                still, seen = (still + 1, seen) if self._moved == seen else (0, self._moved)
        finally:
            self.evicting = True
            task.cancel()
            await asyncio.wait({task})
            if not task.cancelled():
                task.exception()
