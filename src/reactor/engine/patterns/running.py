"""How the engine runs triggers of the kind `pattern`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reactor.engine.executor import Executor
from reactor.engine.patterns.feed import Feed
from reactor.engine.patterns.pattern import Pattern
from reactor.engine.patterns.watch import Watch
from reactor.model.flow import TriggerSpec
from reactor.stores.port import EventLog


class Patterns:
    """All of them share one feed."""

    def __init__(self, log: EventLog, executor: Executor, env: Mapping[str, str]) -> None:
        """`env`: what `env.` may read."""
        self._executor = executor
        self._env = env
        self._feed = Feed(log, executor.committer, executor.ids)

    async def run(self, ctx: Any, spec: TriggerSpec) -> None:
        """Follow one pattern until cancelled (`Triggers.runners`)."""
        executor = self._executor
        pattern = Pattern(ctx.config, spec, self._env)
        await Watch(ctx, pattern, self._feed, executor.limits).run()
