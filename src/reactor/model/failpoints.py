"""Named places where a test may kill the process: `REACTOR_FAILPOINT=NAME` or `NAME:7` (the seventh time it is
reached).

Costs one global read when unset. The names are listed here so that tests can walk all of them.
"""

from __future__ import annotations

import os
import signal

NAMES = (
    "intake.routed",
    "commit.before",
    "commit.written",
    "commit.after",
    "act.before",
    "act.after",
    "run.finished",
    "emit.after",
    "child.started",
    "event.arrived",
    "state.after",
    "wake.loaded",
    "source.received",
    "source.committed",
    "source.acknowledged",
    "cursor.before",
    "blob.written",
    "pattern.matched",
    "pattern.due",
    "migrate.before",
    "migrate.after",
)

_armed: str | None = None
_left = 0


def arm(spec: str | None) -> None:
    """Arm one failpoint (`NAME` or `NAME:COUNT`), or none.

    Raises:
        ValueError: there is no failpoint of that name.
    """
    global _armed, _left  # noqa: PLW0603 - process-wide by nature
    if not spec:
        _armed = None
        return
    name, _, count = spec.partition(":")
    if name not in NAMES:
        raise ValueError(f"no failpoint {name!r}; there are: {', '.join(NAMES)}")
    _armed, _left = name, int(count or 1)


def reach(name: str) -> None:
    """Die here, as a power cut would, if this is the armed place."""
    global _left  # noqa: PLW0603
    if _armed is None or _armed != name:
        return
    _left -= 1
    if _left <= 0:
        os.kill(os.getpid(), signal.SIGKILL)
