"""The trigger `schedule`; how it works is told in `clockwork`."""

from __future__ import annotations

from typing import ClassVar

import msgspec

from reactor.connectors.schedule.config import ScheduleConfig
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

    async def run(self, ctx: TriggerContext) -> None:
        if ctx.config.after is not None:
            from reactor.connectors.schedule.pauses import Pauses  # noqa: PLC0415 - paid by flows with schedules

            await Pauses(ctx, self.default_type).run()
            return
        from reactor.connectors.schedule.clockwork import Clockwork  # noqa: PLC0415

        await Clockwork(ctx, self.default_type).run()
