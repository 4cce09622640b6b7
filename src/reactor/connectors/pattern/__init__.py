"""The trigger `pattern`: several events that belong together, or one that does not come."""

from reactor.connectors.pattern.trigger import PatternTrigger
from reactor.sdk import Connector

connector = Connector(
    name="pattern",
    doc="Starts flows on patterns of events: so many in a time, one after the other, or one that stays out.",
    triggers=(PatternTrigger(),),
    types={"pattern.matched": "A pattern of events has come together for one key."},
)
