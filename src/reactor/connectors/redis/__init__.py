"""Channels, streams and keys of Redis."""

from reactor.sdk import Connector

connector = Connector(name="redis", doc="Channels, streams and keys of Redis.")
