"""From the configuration to the timetable."""

from __future__ import annotations

from zoneinfo import ZoneInfo

from reactor.connectors.schedule.config import SHORTEST, ScheduleConfig
from reactor.connectors.schedule.cron import Cron
from reactor.connectors.schedule.timetable import (
    AtRule,
    CronRule,
    EveryRule,
    Rule,
    Timetable,
    read_at,
    read_exclusions,
)
from reactor.connectors.schedule.zone import load
from reactor.model import durations


def plan(config: ScheduleConfig, default_zone: str) -> Timetable:
    """See `ScheduleConfig.plan`."""
    where = load(config.timezone or default_zone)
    listed = [config.except_] if isinstance(config.except_, str) else config.except_
    days = [value if isinstance(value, str) else f"{value.start}..{value.end}" for value in listed]
    return Timetable(_rule(config, where), where, read_exclusions(days))


def _rule(config: ScheduleConfig, where: ZoneInfo) -> Rule:
    given = [name for name in ("cron", "every", "at") if getattr(config, name) is not None]
    if len(given) != 1:
        raise ValueError(f"give one of cron, every and at (or after), not {' and '.join(given) or 'none of them'}")
    if config.at is not None:
        times = [config.at] if isinstance(config.at, str) else config.at
        if not times:
            raise ValueError("at is an empty list")
        return AtRule([read_at(text, where) for text in times])
    if config.every is not None:
        return EveryRule(_interval(config.every))
    word, _, rest = (config.cron or "").strip().partition(" ")
    if word.lower() == "@every":
        return EveryRule(_interval(rest.strip()))
    return CronRule(Cron(config.cron or ""), where)


def _interval(value: str | float) -> int:
    step = durations.parse(value)
    if step < SHORTEST:
        raise ValueError(f"every {value} is too often; the shortest interval is {durations.show(SHORTEST)}")
    return step
