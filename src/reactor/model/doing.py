"""What is being done right now, in this task or thread: so that every line of a log can say which run it belongs to."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar

import msgspec


class Doing(msgspec.Struct, frozen=True):
    """An attempt of a step, or what a run does between its steps."""

    run: str
    flow: str
    step: str = ""
    """Path; empty between steps."""
    attempt: int = 0
    """From 1; 0 between attempts."""
    trace: str = ""
    """Id of the run's trace, where there is one."""
    secrets: tuple[str, ...] = ()
    """Values that no line may show."""
    keep: Callable[[int, str, str], None] | None = None
    """Keeps a line with the run: level as in `logging`, text, path. For code that logs outside of attempts."""


DOING: ContextVar[Doing | None] = ContextVar("reactor.doing", default=None)
"""Threads that are started with a copy of the context (`asyncio.to_thread`) know it, too."""


def masked(text: str, secrets: tuple[str, ...]) -> str:
    """The text with `***` in place of each secret."""
    for secret in secrets:
        if secret:
            text = text.replace(secret, "***")
    return text
