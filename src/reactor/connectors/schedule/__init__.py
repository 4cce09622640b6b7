"""The connector `schedule`: events by the clock."""

from reactor.connectors.schedule.trigger import ScheduleTrigger
from reactor.sdk import Connector

connector = Connector(
    name="schedule",
    doc="Starts flows by the clock: cron lines, fixed intervals and single times, in any time zone.",
    triggers=(ScheduleTrigger(),),
    types={"schedule": "A planned time has come."},
)
