"""The action `email.send`: a message over SMTP."""

from reactor.connectors.email.actions import send
from reactor.sdk import Connector

connector = Connector(name="email", doc="Sends email through an SMTP server.", actions=(send,))
