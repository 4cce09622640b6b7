"""The trigger `event`: a flow that listens for events by their type, whichever door they came through."""

from reactor.connectors.event.trigger import EventTrigger
from reactor.sdk import Connector

connector = Connector(
    name="event",
    doc="Starts flows on events by type: posted to `/events`, emitted by other flows, or given by plugins.",
    triggers=(EventTrigger(),),
)
