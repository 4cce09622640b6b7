"""A connector's manifest: one system's triggers, actions and kinds of connections."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import msgspec

from reactor.sdk.action import Action
from reactor.sdk.connection import ConnectionType
from reactor.sdk.trigger import Trigger


class Connector(msgspec.Struct, frozen=True, kw_only=True):
    """What an entry point of the group `reactor.connectors` gives.

    Its module must be cheap to import (< 5 ms): heavy libraries are imported inside the functions that use them.
    """

    name: str
    doc: str = ""
    actions: tuple[Action, ...] = ()
    triggers: tuple[Trigger, ...] = ()
    connections: tuple[ConnectionType, ...] = ()
    close: Callable[[], object] | None = None
    """Awaitable-returning or plain function called at shutdown to give back pools and clients."""
    types: Mapping[str, str] = msgspec.field(default_factory=dict)
    """Event types that the connector's triggers give → what they mean; for `validate`, docs and completion."""


class Catalog:
    """All actions and triggers of all connectors, by name. Built once by `plugins`, read by everybody."""

    def __init__(self, connectors: Iterable[Connector] = ()) -> None:
        self.connectors: dict[str, Connector] = {}
        self.actions: dict[str, Action] = {}
        self.triggers: dict[str, Trigger] = {}
        self.connections: dict[str, ConnectionType] = {}
        for connector in connectors:
            self.add(connector)

    def add(self, connector: Connector) -> None:
        """Take a connector in.

        Raises:
            ValueError: its name, or the name of one of its actions, triggers or connections, is taken.
        """
        taken = [a.name for a in connector.actions if a.name in self.actions]
        taken += [t.kind for t in connector.triggers if t.kind in self.triggers]
        taken += [c.name for c in connector.connections if c.name in self.connections]
        if connector.name in self.connectors:
            taken.append(connector.name)
        if taken:
            raise ValueError(f"connector {connector.name!r}: {', '.join(taken)} is there already; give it another name")
        self.connectors[connector.name] = connector
        self.actions.update((a.name, a) for a in connector.actions)
        self.triggers.update((t.kind, t) for t in connector.triggers)
        self.connections.update((c.name, c) for c in connector.connections)
