"""One running schedule.

What it keeps (in the same commit as the event): `last`, the last tick that is settled; `queued`, a tick that waits for
an earlier run; `skipped`, how many ticks overlap has dropped; `plan`, which timetable `last` belongs to.

- A tick at most ten seconds (and the jitter) late is not missed but late: it fires, also after a quick restart.
- Older ticks, found after a restart, a sleep of the machine or a clock set forward, are missed: `catch_up` decides.
- Ticks that came due while the door was busy are not missed: they fire in order.
- A clock set back fires nothing twice: `last` holds for up to an hour; beyond that the ticks are planned anew from the
  clock, and the door knows those that it has seen by their id (`FLOW/INDEX/TICK`).
- A changed timetable makes up nothing of the time before the change.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from reactor.connectors.schedule.config import CatchUp, ScheduleConfig
from reactor.connectors.schedule.timetable import Timetable, delay
from reactor.model.clock import from_iso, to_iso
from reactor.model.errors import BusyError
from reactor.sdk import EventDraft, Instant, TriggerContext, TriggerLost

GRACE = 10_000
"""Milliseconds: a tick that is less late than this fires, whatever `catch_up` says."""
SETBACK = 3_600_000
"""Milliseconds: a clock set back by less than this is waited for."""
POLL = 250
"""Milliseconds between two looks at the runs that a queued tick waits for."""
BUSY_FIRST, BUSY_MOST = 100, 5_000
DAY = 86_400_000


class Clockwork:
    """One running schedule."""

    def __init__(self, ctx: TriggerContext, event_type: str) -> None:
        self._ctx = ctx
        self._type = event_type
        self._config: ScheduleConfig = ctx.config
        try:
            self._plan: Timetable = self._config.plan(ctx.timezone)
            self._jitter = self._config.jitter_ms()
        except ValueError as error:
            raise TriggerLost(str(error)) from error
        self._print = self._config.fingerprint(ctx.timezone)
        self._last: Instant = 0
        self._queued: Instant | None = None
        self._skipped = 0
        self._covered: Instant = 0
        """Ticks up to here came due while this was running and kept waiting: they are never missed."""

    async def run(self) -> None:
        """Fire ticks until cancelled."""
        await self._begin()
        while True:
            tick = self._plan.next(self._last)
            due = None if tick is None else tick + delay(self._ctx.key, tick, self._jitter)
            self._ctx.armed(next_at=due)
            await self._until(due)
            if tick is not None:
                await self._come(tick)

    async def _begin(self) -> None:
        saved = self._ctx.saved()
        now = self._ctx.clock.now()
        queued = saved.get("queued")
        self._queued = None if queued is None else from_iso(queued)
        self._skipped = int(saved.get("skipped") or 0)
        last = saved.get("last")
        if last is not None and saved.get("plan") == self._print:
            self._last = from_iso(last)
            if self._last - now > SETBACK:
                self._ctx.log.warning("the clock is behind the last tick %s: planning anew from now", last)
                self._last = now
            return
        self._last = now
        await self._emit((), now)

    async def _until(self, due: Instant | None) -> None:
        """Until that instant; a queued tick that becomes free meanwhile is fired."""
        ctx = self._ctx
        while True:
            await self._release()
            now = ctx.clock.now()
            if due is not None and now >= due:
                return
            until = now + 365 * DAY if due is None else due
            await ctx.sleep_until(until if self._queued is None else min(until, now + POLL))

    async def _come(self, tick: Instant) -> None:
        """A tick is due, or is found to be long over."""
        border = self._ctx.clock.now() - GRACE - self._jitter
        if tick > border or tick <= self._covered:
            await self._fire(tick)
        else:
            await self._missed(tick, border)

    async def _missed(self, tick: Instant, border: Instant) -> None:
        """Ticks from `tick` to `border` did not fire in their time."""
        policy = self._config.catch_up
        if policy == "all":
            await self._fire(tick, caught_up=True)
            return
        wanted = policy.max if isinstance(policy, CatchUp) else int(policy == "one")
        ticks: list[Instant] = []
        end: Instant = border + 1
        latest = self._plan.previous(end) or tick
        while len(ticks) < wanted and (found := self._plan.previous(end)) is not None and found >= tick:
            ticks.append(found)
            end = found
        self._ctx.log.warning(
            "ticks from %s to %s were missed; %d of them are made up", to_iso(tick), to_iso(latest), len(ticks)
        )
        for each in reversed(ticks):
            await self._fire(each, caught_up=True)
        if self._last < latest:
            self._last = latest
            await self._emit((), latest)

    async def _fire(self, tick: Instant, *, caught_up: bool = False) -> None:
        """Emit the tick, or what `overlap` makes of it."""
        ctx, overlap = self._ctx, self._config.overlap
        if overlap == "queue":
            await self._release()
        active = () if overlap == "allow" else await ctx.active_runs()
        if overlap == "skip" and active:
            await self._skip(tick, f"run {active[0]} is not finished")
        elif overlap == "queue" and (active or self._queued is not None):
            if self._queued is not None:
                await self._skip(tick, f"the tick {to_iso(self._queued)} is waiting already")
            else:
                self._queued = tick
                await self._emit((), tick)
        else:
            if overlap == "cancel" and active:
                stopped = await ctx.cancel_runs(f"the schedule's tick {to_iso(tick)} takes its place")
                ctx.log.info("asked %d earlier runs to stop", stopped)
            await self._emit((self._draft(tick, caught_up=caught_up),), tick)

    async def _skip(self, tick: Instant, why: str) -> None:
        self._skipped += 1
        self._ctx.log.warning("tick %s skipped: %s (%d so far)", to_iso(tick), why, self._skipped)
        await self._emit((), tick)

    async def _release(self) -> None:
        """Fire the queued tick when nothing is in its way."""
        tick = self._queued
        if tick is None or await self._ctx.active_runs():
            return
        self._queued = None
        await self._emit((self._draft(tick, caught_up=False),), self._last)

    def _draft(self, tick: Instant, *, caught_up: bool) -> EventDraft:
        following = self._plan.next(tick)
        data = {
            "scheduled_at": to_iso(tick),
            "previous": None if (earlier := self._before(tick)) is None else to_iso(earlier),
            "next": None if following is None else to_iso(following),
        }
        about: dict[str, Any] = {**data, "timezone": self._config.timezone or self._ctx.timezone}
        if caught_up:
            about["caught_up"] = True
        return EventDraft(
            type=self._type,
            source="schedule",
            id=f"{self._ctx.key}/{data['scheduled_at']}",
            time=tick,
            data=data,
            metadata=about,
        )

    def _before(self, tick: Instant) -> Instant | None:
        """The tick before; most often it is the last one that fired."""
        if self._plan.next(self._last - 1) == self._last and self._plan.next(self._last) == tick:
            return self._last
        return self._plan.previous(tick)

    async def _emit(self, drafts: Sequence[EventDraft], last: Instant) -> None:
        """Commit events and cursor; while the door is busy, try again."""
        ctx, wait, stuck = self._ctx, BUSY_FIRST, False
        save = {
            "last": to_iso(last),
            "plan": self._print,
            "queued": None if self._queued is None else to_iso(self._queued),
            "skipped": self._skipped or None,
        }
        while True:
            try:
                await ctx.emit(drafts, save=save)
            except BusyError as error:
                stuck = True
                now = ctx.clock.now()
                ctx.lagging("the door is busy; the tick waits and is tried again", lag=max(0, now - last))
                await ctx.sleep_until(now + max(wait, error.retry_after or 0))
                wait = min(wait * 2, BUSY_MOST)
            else:
                break
        self._last = last
        if stuck:
            self._covered = ctx.clock.now()
