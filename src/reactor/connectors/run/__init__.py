"""The trigger `run`: a flow that listens for the ends of other flows' runs."""

from reactor.connectors.run.trigger import RunTrigger
from reactor.sdk import Connector

connector = Connector(
    name="run",
    doc="Starts flows when runs of other flows end: to tell somebody of a failure, or to go on with a result.",
    triggers=(RunTrigger(),),
)
