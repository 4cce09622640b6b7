"""Topics of Apache Kafka."""

from reactor.sdk import Connector

connector = Connector(name="kafka", doc="Topics of Apache Kafka.")
