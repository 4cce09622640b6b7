"""The actions `log.debug`, `log.info`, `log.warn` and `log.error`."""

from reactor.connectors.log.actions import ACTIONS
from reactor.sdk import Connector

connector = Connector(name="log", doc="Lines in Reactor's log, with the run and step they belong to.", actions=ACTIONS)
