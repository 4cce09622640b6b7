"""Topics of an MQTT broker."""

from reactor.sdk import Connector

connector = Connector(name="mqtt", doc="Topics of an MQTT broker.")
