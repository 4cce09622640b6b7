"""What a pattern is made of. Following the events is the engine's own work (`reactor.engine.patterns`): a pattern lives
behind the door, on what is committed.
"""

from __future__ import annotations

from typing import ClassVar

import msgspec

from reactor.connectors.pattern.config import PatternConfig
from reactor.sdk import TriggerContext, TriggerLost


class PatternTrigger:
    """Several events that belong together, or one that does not come."""

    kind: ClassVar[str] = "pattern"
    config: ClassVar[type[msgspec.Struct]] = PatternConfig
    short: ClassVar[str | None] = None
    doc: ClassVar[str] = (
        "A pattern of events of one key (`by`) within a window (`within`): so many (`count`), one after the other or "
        "one that stays out (`sequence`), each of several (`all`), the first of several (`any`)."
    )
    default_type: ClassVar[str] = "pattern.matched"

    def check(self, config: PatternConfig) -> list[str]:
        """What its shape cannot tell."""
        return config.problems()

    async def run(self, ctx: TriggerContext) -> None:
        """The engine follows the log itself; without one there is nothing to follow."""
        del ctx
        raise TriggerLost("patterns are followed by the engine, and here there is none that does")
