"""Readings of weather stations as events, and announcements at a station.

A station is a folder with `readings.jsonl`, to which it adds a line of JSON for each reading; the announcements that it
shows stand in `announcements.jsonl`. So the example needs no network, and is complete all the same: a typed connection
with a test, a trigger with a durable cursor, dead letters and gaps, and an action that is safe to repeat.
"""

from reactor.sdk import Connector
from reactor_weather.actions import announce
from reactor_weather.station import STATION
from reactor_weather.trigger import Weather

connector = Connector(
    name="weather",
    doc="Readings of weather stations as events, and announcements at a station.",
    actions=(announce,),
    triggers=(Weather(),),
    connections=(STATION,),
    types={"weather.reading": "A station has taken a reading."},
)
VERSION = "1.0.0"
