"""The bounds of the engine: every queue and every memory it holds ends here."""

from __future__ import annotations

import msgspec


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """All configurable; the defaults fit a small server."""

    queued_events: int = 10_000
    """Events that wait for the commit. Beyond it the door answers 503."""
    queued_bytes: int = 64 << 20
    """Bytes of data of these."""
    live_runs: int = 10_000
    """Runs in memory. More are accepted, and wait on disk until one leaves."""
    batch: int = 512
    """Events, and runs, of one commit."""
    batch_bytes: int = 8 << 20
    causes: int = 32
    """Longest chain of events that led to one another."""
    output: int = 16 << 20
    """Bytes of one step's output as JSON."""
    passivate_after: int = 1_000
    """Milliseconds: a run that only waits, for longer than this, leaves memory."""
    horizon: int = 60_000
    """Milliseconds: timers further away are on disk only."""
    drain: int = 30_000
    """Milliseconds that runs get to come to a border at shutdown."""
    event_data: int = 10 << 20
    """Bytes of one event's data as JSON."""
    state_keys: int = 10_000
    """Keys of one flow's durable state."""
    state_value: int = 64 << 10
    """Bytes of one value in it as JSON."""
