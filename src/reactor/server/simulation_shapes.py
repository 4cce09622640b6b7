"""What `simulate` answers, as JSON: for the API's OpenAPI document."""

from __future__ import annotations

from reactor.server.shapes import DivergenceShape
from reactor.server.trigger_shapes import Shape


class FateShape(Shape):
    """What would become of an event."""

    outcome: str
    """started, queued, held, dropped, merged, not_started, unknown."""
    rule: str
    reason: str
    starts_at: str | None


class RecordedFate(FateShape):
    """What became of an event."""

    version: int | None
    """The version of the flow that decided."""
    run_id: str | None


class PathShape(Shape):
    """A recorded run against another version."""

    same: bool
    diverges: list[DivergenceShape]
    error: str | None


class SimulatedEvent(Shape):
    """One event: what was, and what would be."""

    event_id: str
    type: str
    time: str
    differs: bool
    recorded: RecordedFate
    simulated: FateShape
    path: PathShape | None


class Simulated(Shape):
    """A version of a flow against recorded events."""

    flow: str
    version: int | None
    """The current one."""
    same_version: bool
    events: int
    more: bool
    """There are more events in that time than were looked at."""
    first_at: str | None
    last_at: str | None
    recorded: dict[str, int]
    simulated: dict[str, int]
    differences: int
    paths: dict[str, int]
    notes: list[str]
    items: list[SimulatedEvent]
    """Those that mean something to the flow; differences first, then the newest."""
