"""The configuration of a schedule, and the timetable that it means."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import msgspec

from reactor.model import durations

if TYPE_CHECKING:
    from reactor.connectors.schedule.timetable import Timetable

SHORTEST = 100
"""The shortest `every` and `after`, in milliseconds."""
MOST = 1_000
"""The most missed ticks that `catch_up: {max}` makes up."""
_SOME_TIME = 1_704_067_200_000  # 2024-01-01: any instant will do to ask whether something is ever due


class CatchUp(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`catch_up: {max: N}`."""

    max: int
    """The latest N missed ticks are made up."""


class ExceptRange(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename={"start": "from", "end": "to"}):
    """`except: [{from: 2026-12-24, to: 2027-01-06}]`."""

    start: str
    end: str


class ScheduleConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What may stand under `schedule:`."""

    cron: str | None = None
    """5 or 6 fields, `@daily` and the like, or `@every 5m`."""
    every: str | int | float | None = None
    """An interval, aligned to 1970-01-01T00:00Z."""
    after: str | int | float | None = None
    """A pause: the next run starts so long after the one before has ended; the first at once."""
    at: str | list[str] | None = None
    """One time or several; in `timezone` unless they have an offset."""
    timezone: str | None = None
    """IANA name; default: the flow's."""
    jitter: str | int | float = 0
    """Each tick is up to this much late: how much depends on the trigger and the tick alone."""
    catch_up: Literal["none", "one", "all"] | CatchUp = "none"
    """What happens with ticks that were missed while Reactor was down or the machine slept."""
    overlap: Literal["allow", "skip", "queue", "cancel"] = "allow"
    """What happens when a run of the tick before is not finished."""
    except_: str | list[str | ExceptRange] = msgspec.field(default_factory=list, name="except")
    """Days without ticks, in `timezone`."""

    def plan(self, default_zone: str) -> Timetable:
        """The timetable.

        Raises:
            ValueError: something is wrong with it.
        """
        from reactor.connectors.schedule.plan import plan  # noqa: PLC0415 - paid by flows with schedules

        return plan(self, default_zone)

    def jitter_ms(self) -> int:
        """The jitter in milliseconds.

        Raises:
            ValueError: it is not a duration.
        """
        return durations.parse(self.jitter)

    def fingerprint(self, default_zone: str) -> str:
        """Equal for configurations with the same ticks: a changed schedule makes up none of the new one's past."""
        listed = [self.cron, self.every, self.at, self.timezone or default_zone, self.except_]
        return msgspec.json.encode(listed).decode()

    def pause_ms(self) -> int:
        """`after` in milliseconds.

        Raises:
            ValueError: it is not a duration, or too short.
        """
        pause = durations.parse(self.after)
        if pause < SHORTEST:
            raise ValueError(f"after: {self.after} is too short; the shortest is {durations.show(SHORTEST)}")
        return pause

    def _problems_of_pause(self) -> list[str]:
        others = {"cron": None, "every": None, "at": None, "jitter": 0, "catch_up": "none", "overlap": "allow"}
        found = [
            f"{name}: does not go with `after`, which starts one run after another; take it out"
            for name, default in others.items()
            if getattr(self, name) != default
        ]
        if self.except_:
            found.append("except: does not go with `after`; use `every`")
        try:
            self.pause_ms()
        except ValueError as error:
            found.append(str(error))
        return found

    def problems(self) -> list[str]:
        """All that is wrong with it."""
        if self.after is not None:
            return self._problems_of_pause()
        found = []
        try:
            plan = self.plan("UTC")
            if self.at is None and plan.next(_SOME_TIME) is None:
                found.append(f"{self.cron or self.every!r} never fires: no day of the calendar matches")
        except ValueError as error:
            found.append(str(error))
        try:
            self.jitter_ms()
        except ValueError as error:
            found.append(f"jitter: {error}")
        if isinstance(self.catch_up, CatchUp) and not 0 <= self.catch_up.max <= MOST:
            found.append(f"catch_up.max is from 0 to {MOST:,}; write `catch_up: all` for every missed tick")
        return found
