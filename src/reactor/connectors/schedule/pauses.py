"""`schedule: {after: 5m}`: the next run starts so long after the one before has ended.

Saved beside the events: `begun`, that there was a first start; `ended`, since when nothing runs, while nothing does.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from reactor.connectors.schedule.clockwork import BUSY_FIRST, BUSY_MOST, POLL
from reactor.model.clock import from_iso, to_iso
from reactor.model.errors import BusyError
from reactor.sdk import EventDraft, Instant, TriggerContext, TriggerLost


class Pauses:
    """One running schedule of this kind."""

    def __init__(self, ctx: TriggerContext, event_type: str) -> None:
        self._ctx = ctx
        self._type = event_type
        try:
            self._pause: int = ctx.config.pause_ms()
        except ValueError as error:
            raise TriggerLost(str(error)) from error

    async def run(self) -> None:
        """Start one run after another until cancelled."""
        ctx = self._ctx
        ended = self._known()
        while True:
            if ended is None:
                ended = await self._end()
            due = max(ended + self._pause, ctx.clock.now())
            ctx.armed(next_at=due)
            await ctx.sleep_until(due)
            await self._emit((self._draft(due, ended),), None)
            ended = None

    def _known(self) -> Instant | None:
        """Since when nothing runs, as it was saved; before the first run so long ago that it starts at once."""
        saved = self._ctx.saved()
        if not saved:
            return int(self._ctx.clock.now()) - self._pause
        ended = saved.get("ended")
        return None if ended is None else from_iso(ended)

    async def _end(self) -> Instant:
        """Wait until no run of ours is left; when that was found."""
        ctx = self._ctx
        ctx.armed()
        while await ctx.active_runs():
            await ctx.sleep_until(ctx.clock.now() + POLL)
        ended = ctx.clock.now()
        await self._emit((), ended)
        return ended

    def _draft(self, due: Instant, ended: Instant) -> EventDraft:
        data: dict[str, Any] = {"scheduled_at": to_iso(due), "previous_ended_at": to_iso(ended)}
        return EventDraft(
            type=self._type,
            source="schedule",
            id=f"{self._ctx.key}/{data['scheduled_at']}",
            time=due,
            data=data,
            metadata=dict(data),
        )

    async def _emit(self, drafts: Sequence[EventDraft], ended: Instant | None) -> None:
        """Commit events and what is saved; while the door is busy, try again."""
        ctx, wait = self._ctx, BUSY_FIRST
        while True:
            try:
                await ctx.emit(drafts, save={"begun": True, "ended": None if ended is None else to_iso(ended)})
            except BusyError as error:
                now = ctx.clock.now()
                ctx.lagging("the door is busy; the start waits and is tried again")
                await ctx.sleep_until(now + max(wait, error.retry_after or 0))
                wait = min(wait * 2, BUSY_MOST)
            else:
                return
