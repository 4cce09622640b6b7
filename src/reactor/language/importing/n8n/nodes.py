"""A workflow of n8n as its JSON says: nodes, and what leads where."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from reactor.language.importing.structure import Graph, Ports

_PREFIXES = ("n8n-nodes-base.", "@n8n/n8n-nodes-langchain.")
_STARTS = frozenset({"webhook", "cron", "interval", "start", "emailReadImap", "rssFeedReadTrigger"})
_GATHERING = frozenset({"aggregate", "summarize"})
PASSING = frozenset({"noOp", "limit", "merge", "splitInBatches", "splitOut", "aggregate", "itemLists"})


class Node(msgspec.Struct, frozen=True):
    """One node."""

    name: str
    type: str
    version: float
    parameters: dict[str, Any]
    raw: dict[str, Any]

    @property
    def kind(self) -> str:
        """The type without its package where that is n8n's own."""
        for prefix in _PREFIXES:
            if self.type.startswith(prefix):
                return self.type.removeprefix(prefix)
        return self.type

    @property
    def what(self) -> str:
        """In words."""
        return f'n8n node "{self.name}" ({self.type} {self.version:g})'

    @property
    def disabled(self) -> bool:
        """Whether n8n goes past it."""
        return self.raw.get("disabled") is True

    @property
    def starts(self) -> bool:
        """Whether it is a trigger."""
        return self.kind.lower().endswith("trigger") or self.kind in _STARTS

    @property
    def error_port(self) -> bool:
        """Whether its last way out is for errors."""
        return self.raw.get("onError") == "continueErrorOutput"

    def options(self, name: str = "options") -> dict[str, Any]:
        """A parameter that is a map."""
        found = self.parameters.get(name)
        return found if isinstance(found, dict) else {}

    def text(self, name: str, otherwise: str = "") -> str:
        """A parameter that is a text."""
        found = self.parameters.get(name)
        return found if isinstance(found, str) else otherwise


class Workflow:
    """All nodes, by name, and the arrows between them."""

    def __init__(self, data: Mapping[str, Any]) -> None:
        self.name = data.get("name") if isinstance(data.get("name"), str) else None
        self.data = data
        self.nodes: dict[str, Node] = {}
        for raw in data.get("nodes") or ():
            node = _node(raw)
            if node is not None:
                self.nodes.setdefault(node.name, node)
        self.ways: dict[str, Ports] = dict.fromkeys(self.nodes, ())
        self.parts: dict[str, str] = {}
        """Nodes that are parts of another one (the model of an agent), and of which."""
        self.astray: list[str] = []
        """Names that arrows begin or end at though there is no such node."""
        connections = data.get("connections")
        for name, kinds in (connections if isinstance(connections, dict) else {}).items():
            if name in self.nodes and isinstance(kinds, dict):
                self._connect(name, kinds)
            elif name not in self.nodes:
                self.astray.append(name)

    def _connect(self, name: str, kinds: Mapping[str, Any]) -> None:
        self.ways[name] = tuple(tuple(self._targets(port)) for port in kinds.get("main") or ())
        for kind, ports in kinds.items():
            if kind == "main" or not isinstance(ports, list):
                continue
            for port in ports:
                for target in self._targets(port):
                    self.parts.setdefault(name, target)

    def _targets(self, port: Any) -> Iterator[str]:
        for target in port if isinstance(port, list) else ():
            name = target.get("node") if isinstance(target, dict) else None
            if name in self.nodes:
                yield str(name)
            elif isinstance(name, str):
                self.astray.append(name)

    @property
    def triggers(self) -> list[Node]:
        """The nodes that start it."""
        led_to = {target for ports in self.ways.values() for port in ports for target in port}
        return [node for node in self.nodes.values() if node.starts and node.name not in led_to]

    def before(self, name: str) -> list[str]:
        """The nodes that lead to one."""
        return [other for other, ports in self.ways.items() if any(name in port for port in ports)]

    def graph(self) -> Graph:
        """The graph of what is done, with loops over items named."""
        ports = {name: self._ports(self.nodes[name], ways) for name, ways in self.ways.items()}
        each: dict[str, int] = {}
        for name, node in self.nodes.items():
            if node.disabled:
                continue
            if node.kind == "splitInBatches":
                loop = 1 if node.version >= 3 else 0
                if len(ports[name]) > loop and ports[name][loop]:
                    each[name] = loop
        merges = frozenset(name for name, node in self.nodes.items() if node.kind == "merge")
        fails = frozenset(
            name for name, node in self.nodes.items() if node.kind == "stopAndError" and not node.disabled
        )
        graph = Graph(ports=ports, merges=merges, each=each, fails=fails)
        for name, node in self.nodes.items():
            if _splits(node) and not node.disabled and ports[name] and ports[name][0]:
                self._split(graph, each, name)
        _share(graph)
        return graph

    def _ports(self, node: Node, ways: Ports) -> Ports:
        if node.disabled:
            return ways[:1]
        least = {"if": 2, "filter": 2, "splitInBatches": 2}.get(node.kind, 1)
        if node.kind == "switch":
            least = 2
        if node.error_port and len(ways) < 2 and node.kind not in ("if", "switch"):
            least = max(least, 2)
        if node.kind in ("splitInBatches", "if", "filter", "switch") or node.error_port:
            return (*ways, *[()] * (least - len(ways)))
        # Whatever else has several ways out is a node that this importer does not know; all its ways are gone.
        return (
            (tuple(target for port in ways for target in port),) if len(ways) > 1 else (*ways, *[()] * (1 - len(ways)))
        )

    def _split(self, graph: Graph, each: dict[str, int], name: str) -> None:
        """What stands behind a node that splits a list is done for each item, up to where items are gathered again."""
        (targets,) = graph.ports[name][:1]
        if any(self.nodes[target].kind == "splitInBatches" for target in targets):
            return
        gather = None
        seen: set[str] = set()
        waiting = list(targets)
        while waiting and gather is None:
            other = waiting.pop(0)
            if other in seen:
                continue
            seen.add(other)
            if gathers(self.nodes[other]):
                gather = other
            waiting += graph.after(other)
        if gather is not None:
            inner = {node for node in seen if node != gather}
            for node in inner:
                graph.ports[node] = tuple(
                    tuple(name if target == gather else target for target in port) for port in graph.ports[node]
                )
            if gather in targets:
                return
        graph.ports[name] = (targets, (gather,) if gather is not None else ())
        each[name] = 0


def _share(graph: Graph) -> None:
    """Where several ways lead to the same nodes side by side, they meet in one made-up node in front of these."""
    ways = [port for ports in graph.ports.values() for port in ports if len(port) > 1]
    shared = {way: f"\x00to {' and '.join(way)}" for way in ways if ways.count(way) > 1}
    if shared:
        for node, ports in list(graph.ports.items()):
            graph.ports[node] = tuple((shared[port],) if port in shared else port for port in ports)
        graph.ports.update({name: (way,) for way, name in shared.items()})


def _node(raw: Any) -> Node | None:
    if not isinstance(raw, dict) or not isinstance(raw.get("name"), str) or not isinstance(raw.get("type"), str):
        return None
    version = raw.get("typeVersion", 1)
    parameters = raw.get("parameters")
    return Node(
        raw["name"],
        raw["type"],
        float(version) if isinstance(version, (int, float)) else 1.0,
        parameters if isinstance(parameters, dict) else {},
        raw,
    )


def _splits(node: Node) -> bool:
    return node.kind == "splitOut" or (
        node.kind == "itemLists" and node.text("operation", "splitOutItems") == "splitOutItems"
    )


def gathers(node: Node) -> bool:
    """Whether it makes one item of many."""
    return node.kind in _GATHERING or (
        node.kind == "itemLists" and node.text("operation") in ("aggregateItems", "concatenateItems", "summarize")
    )
