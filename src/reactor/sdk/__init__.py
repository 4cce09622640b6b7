"""All that a connector or plugin may import.

A connector is a module with a value `connector = Connector(...)` behind an entry point of the group
`reactor.connectors`:
its actions (async or pure sync functions with a typed parameter struct) and its triggers (long-lived listeners).
"""

from reactor.model.clock import Clock, Instant
from reactor.model.errors import PermanentError, StepError, TransientError
from reactor.model.event import JSON, Event, EventDraft
from reactor.model.flow import Retry
from reactor.sdk.action import Action, ActionContext, Effect, action
from reactor.sdk.connection import Connection, ConnectionContext, ConnectionType
from reactor.sdk.http import HttpRequest, HttpResponse, HttpRoutes
from reactor.sdk.manifest import Catalog, Connector
from reactor.sdk.trigger import (
    Condition,
    DeadLetter,
    Expression,
    Receipt,
    RunResult,
    Trigger,
    TriggerContext,
    TriggerLost,
)

__all__ = [
    "JSON",
    "Action",
    "ActionContext",
    "Catalog",
    "Clock",
    "Condition",
    "Connection",
    "ConnectionContext",
    "ConnectionType",
    "Connector",
    "DeadLetter",
    "Effect",
    "Event",
    "EventDraft",
    "Expression",
    "HttpRequest",
    "HttpResponse",
    "HttpRoutes",
    "Instant",
    "PermanentError",
    "Receipt",
    "Retry",
    "RunResult",
    "StepError",
    "TransientError",
    "Trigger",
    "TriggerContext",
    "TriggerLost",
    "action",
]
