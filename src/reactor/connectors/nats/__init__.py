"""Subjects of NATS, and streams of JetStream."""

from reactor.sdk import Connector

connector = Connector(name="nats", doc="Subjects of NATS, and streams of JetStream.")
