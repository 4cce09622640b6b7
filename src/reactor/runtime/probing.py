"""What a run waits for, found by playing its record up to where it ends. Touches nothing."""

from __future__ import annotations

from typing import Any

from reactor.model.clock import Instant
from reactor.model.journal import Wanted
from reactor.runtime.replay import ReplayRuntime


class ProbeRuntime(ReplayRuntime):
    """A replay that remembers which events each step has wanted."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """See `ReplayRuntime`."""
        super().__init__(*args, **kwargs)
        self.wanted: dict[str, Wanted] = {}
        """Path of a `wait_for` step → what it wanted last."""

    async def receive(self, path: str, wanted: Wanted, until: Instant | None) -> dict[str, Any] | None:
        """See `Durable.receive`."""
        if wanted.key is None:
            self.wanted[path] = wanted
        return await super().receive(path, wanted, until)
