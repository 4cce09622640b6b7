"""States of runs and steps.

        ┌────────────── pause ─────────────┐
        v                                  │
    paused ── resume ──> pending ──> running ──> completed
                            ^           │  ├──> failed ── retry ──> pending
                            │           │  └──> cancelled
                            └─ wake ─ waiting
Cancel works in every state that is not finished.
"""

from __future__ import annotations

from enum import StrEnum


class RunStatus(StrEnum):
    """State of one run."""

    PENDING = "pending"
    RUNNING = "running"
    WAITING = "waiting"
    PAUSED = "paused"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def finished(self) -> bool:
        """Nothing more will happen by itself."""
        return self in _FINISHED


_FINISHED = frozenset({RunStatus.COMPLETED, RunStatus.FAILED, RunStatus.CANCELLED})


class StepStatus(StrEnum):
    """State of one step of a run."""

    PENDING = "pending"
    RUNNING = "running"
    WAITING = "waiting"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    SKIPPED = "skipped"


class TriggerState(StrEnum):
    """Whether a trigger really listens."""

    ARMING = "arming"
    ARMED = "armed"
    LAGGING = "lagging"
    FAILED = "failed"
    DISABLED = "disabled"
