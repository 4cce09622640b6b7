"""Flows and actions in Python. Everything that programs need is also in `reactor` itself."""

from reactor.model.errors import PermanentError, StepError, TransientError
from reactor.model.flow import Retry
from reactor.python.app import Reactor
from reactor.python.event import Event
from reactor.python.flows import PythonFlow
from reactor.python.run import Decision, Run
from reactor.python.trial import Trial
from reactor.sdk import ActionContext

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
