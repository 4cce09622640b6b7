"""The rig of `test_engine`, for the parts of the language that wait for events and people, or keep state."""

from __future__ import annotations

import asyncio
import hashlib
from typing import Any

from reactor.engine.engine import Engine
from reactor.language.expressions import compile_expression, compile_value
from reactor.language.inputs import check_inputs
from reactor.model import ids
from tests.integration.test_engine import Passive, Rig


class WaitingRig(Rig):
    """An engine with a key, real checks of forms, and the trigger `run`."""

    def _made(self) -> Engine:
        engine = super()._made()
        engine.parts.derive = lambda purpose: hashlib.sha256(purpose.encode()).digest()
        engine.parts.check_inputs = check_inputs
        engine.book.check_inputs = check_inputs
        engine.catalog.triggers["run"] = Passive()  # type: ignore[assignment]
        return engine

    async def journal(self, receipt: Any) -> dict[str, Any]:
        """The values that a run's journal holds, by key; the newest of each."""
        [loaded] = await self.engine.store.load([self.key(receipt)])
        return {entry.key: entry.value for entry in loaded.journal}

    async def asleep(self, receipt: Any, number: int = 0) -> Any:
        """The run, once it has left memory to wait."""
        run = await self.until(receipt, lambda run: run.status == "waiting", number)
        for _ in range(1000):
            if not self.engine.executor.knows(run.key):
                return run
            await asyncio.sleep(0.005)
        raise AssertionError("it stays in memory")

    def in_memory(self, receipt: Any, number: int = 0) -> bool:
        """Whether the run is in memory now."""
        return ids.from_text("run", receipt.runs[number][0]) in self.engine.executor.live


def ex(text: str) -> Any:
    """A bare expression."""
    return compile_expression(text)


def val(value: Any) -> Any:
    """A value with templates in it."""
    return compile_value(value)
