"""How steps end otherwise than by going on: control flow between the lists of steps."""

from __future__ import annotations

import asyncio
from typing import Any

from reactor.model.errors import ErrorInfo
from reactor.model.flow import Step
from reactor.model.journal import Entry


class Failure(Exception):
    """A step has failed and no handler of its own took it."""

    def __init__(self, error: ErrorInfo, output: Any = None, attempts: int = 0) -> None:
        super().__init__(error.message)
        self.error = error
        self.output = output
        self.attempts = attempts


class Returned(Exception):
    """A `return` step was reached: the nearest branch, iteration or run ends."""

    def __init__(self, value: Any) -> None:
        super().__init__()
        self.value = value


class Interrupted(asyncio.CancelledError):
    """A step was cancelled while it cleaned up: that is done, and the step has the outcome that it had before."""


class Broke(Exception):
    """A `break` step was reached: the nearest loop ends."""


def failure_of(step: Step, entry: Entry, path: str, output: Any) -> Failure:
    """A step's failure for those around it, who keep what it gave in their own outcomes: a secret stays where it is
    sealed.
    """
    error = entry.error or ErrorInfo("failed", "the step failed", path)
    return Failure(error, None if step.secret_output else output, entry.attempt)
