"""What became of an event, or would: the same words for what was recorded and for what is simulated."""

from __future__ import annotations

from typing import Any

import msgspec

from reactor.model.clock import Instant, to_iso

STARTED, QUEUED, HELD, DROPPED, MERGED, NOT, UNKNOWN = (
    "started", "queued", "held", "dropped", "merged", "not_started", "unknown",
)  # fmt: skip
LATE = 1_000
"""Milliseconds of waiting from which a start counts as queued."""


class Fate(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one event."""

    outcome: str
    """started | queued (started later, or waits) | held | dropped | merged | not_started (a trigger or a condition said
    no) | unknown (the flow was not there, was disabled, or was started in another way)."""
    rule: str = ""
    """Which rule decided."""
    reason: str = ""
    starts_at: Instant | None = None
    """When its run begins; None: there is none, or it does not begin by itself."""
    run: int | None = None
    """The recorded run that it is in."""
    version: int | None = None
    """The version that decided then, where that is known."""

    def view(self) -> dict[str, Any]:
        """As every door shows it."""
        shown = {"outcome": self.outcome, "rule": self.rule, "reason": self.reason}
        return {**shown, "starts_at": None if self.starts_at is None else to_iso(self.starts_at)}


def differ(recorded: Fate, simulated: Fate) -> bool:
    """Whether the two mean something else to whoever sent the event. What is not known differs from nothing."""
    if recorded.outcome == UNKNOWN:
        return False
    if recorded.outcome in (NOT, STARTED, QUEUED):
        return recorded.outcome != simulated.outcome
    return (recorded.outcome, recorded.rule) != (simulated.outcome, simulated.rule)
