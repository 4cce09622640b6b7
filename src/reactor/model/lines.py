"""What actions say while they work, line by line, as it is kept with their run."""

from __future__ import annotations

import msgspec

from reactor.model.clock import Instant

LEVELS = ("debug", "info", "warning", "error")
"""From the least."""


class LogLine(msgspec.Struct, frozen=True, array_like=True):
    """One line."""

    at: Instant
    level: str
    step: str
    """Path; empty: the code of a flow says it, outside of its steps."""
    attempt: int
    """From 1; 0 outside of attempts."""
    message: str
