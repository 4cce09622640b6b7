"""Reactor: a self-hosted, event-driven workflow engine."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from reactor.python import (
        ActionContext,
        Decision,
        Event,
        PermanentError,
        PythonFlow,
        Reactor,
        Retry,
        Run,
        StepError,
        TransientError,
        Trial,
    )

__all__ = [
    "ActionContext",
    "Decision",
    "Event",
    "PermanentError",
    "PythonFlow",
    "Reactor",
    "Retry",
    "Run",
    "StepError",
    "TransientError",
    "Trial",
]
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """What Python flows need comes with the first use: `import reactor` alone costs nothing."""
    if not name.startswith("_"):
        programs = import_module("reactor.python")
        if name in programs.__all__:
            return getattr(programs, name)
    raise AttributeError(f"module 'reactor' has no attribute {name!r}")
