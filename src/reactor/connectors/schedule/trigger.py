"""The trigger `schedule`; how it works is told in `clockwork`."""

from __future__ import annotations

from typing import ClassVar

import msgspec

from reactor.connectors.schedule.config import ScheduleConfig
from reactor.model.clock import Instant
from reactor.sdk import TriggerContext


class ScheduleTrigger:
    """Fires by the clock: cron lines (5 or 6 fields, `L W #`, names, `@daily`), `every`, `after` and `at`."""

    kind: ClassVar[str] = "schedule"
    config: ClassVar[type[msgspec.Struct]] = ScheduleConfig
    short: ClassVar[str | None] = "cron"
    doc: ClassVar[str] = "An event at each planned time; unique per tick across instances and restarts."
    default_type: ClassVar[str] = "schedule"

    def check(self, config: ScheduleConfig) -> list[str]:
        return config.problems()

    def upcoming(self, config: ScheduleConfig, key: str, timezone: str, after: Instant, count: int) -> list[Instant]:
        """When it fires next; nothing for `after`, whose runs decide."""
        from reactor.connectors.schedule.timetable import delay  # noqa: PLC0415

        found: list[Instant] = []
        if config.after is not None:
            return found
        plan, jitter = config.plan(timezone), config.jitter_ms()
        while len(found) < count and (tick := plan.next(after)) is not None:
            found.append(tick + delay(key, tick, jitter))
            after = tick
        return found

    async def run(self, ctx: TriggerContext) -> None:
        if ctx.config.after is not None:
            from reactor.connectors.schedule.pauses import Pauses  # noqa: PLC0415 - paid by flows with schedules

            await Pauses(ctx, self.default_type).run()
            return
        from reactor.connectors.schedule.clockwork import Clockwork  # noqa: PLC0415

        await Clockwork(ctx, self.default_type).run()
