"""The connector `mqtt`: topics of an MQTT broker."""

from reactor.connectors.mqtt.actions import links, publish
from reactor.connectors.mqtt.connection import MQTT
from reactor.connectors.mqtt.trigger import MqttTrigger
from reactor.sdk import Connector

connector = Connector(
    name="mqtt",
    doc="Tells the messages of MQTT topics, and publishes.",
    actions=(publish,),
    triggers=(MqttTrigger(),),
    connections=(MQTT,),
    close=links.close,
    types={"mqtt.message": "A message of an MQTT topic."},
)
