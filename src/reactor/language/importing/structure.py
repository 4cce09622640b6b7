"""A graph of nodes with arrows → steps within steps: choices, branches side by side, loops.

What cannot be said so (an arrow into the middle of a loop) is a `Jump` of kind `again`, and never left out.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Mapping

import msgspec

EXIT = "\x00exit"
_DEEPEST = 14
Ports = tuple[tuple[str, ...], ...]


class Graph(msgspec.Struct, kw_only=True):
    """What is to be put in order. Names of nodes are texts; arrows to nodes that are not there are left out."""

    ports: dict[str, Ports]
    """Of each node its ways out, each with the nodes it leads to. Several ways out: one of them is taken."""
    merges: frozenset[str] = frozenset()
    """Nodes that wait for all that lead to them."""
    each: Mapping[str, int] = msgspec.field(default_factory=dict)
    """Nodes that go over items, and which of their ways out leads into the loop."""
    fails: frozenset[str] = frozenset()
    """Nodes that end everything."""

    def after(self, node: str) -> Iterator[str]:
        """All nodes that a node leads to, each once."""
        yield from dict.fromkeys(target for port in self.ports[node] for target in port if target in self.ports)


class Plain(msgspec.Struct, frozen=True):
    """One node."""

    node: str


class Choice(msgspec.Struct, frozen=True):
    """A node with several ways out, and what happens on each."""

    node: str
    arms: tuple[Parts, ...]


class Fan(msgspec.Struct, frozen=True):
    """Ways that are all gone, side by side, and waited for."""

    arms: tuple[Parts, ...]


class Each(msgspec.Struct, frozen=True):
    """A node that goes over items, and what it does with each."""

    node: str
    body: Parts


class Loop(msgspec.Struct, frozen=True):
    """What is done again until a `break`."""

    node: str
    body: Parts
    goes_on: bool = False
    """Whether something stands behind it; then a way that ends in its middle must not come there."""


class Jump(msgspec.Struct, frozen=True):
    """The end of a way: `join` goes on behind what is around it, `continue` and `break` are of the loop around it,
    `again` cannot be said with steps, `deep` is nested too deep, `end` ends in the middle of a loop.
    """

    kind: str
    node: str


Part = Plain | Choice | Fan | Each | Loop | Jump
Parts = tuple[Part, ...]
Stops = dict[str, str]
_Targets = Generator[Part, None, tuple[str, ...] | None]


def structured(graph: Graph, starts: Iterable[str]) -> Parts:
    """The parts of everything that can be reached from these nodes, all begun side by side."""
    walker = _Walker(graph, [start for start in starts if start in graph.ports])
    return tuple(walker.onward(walker.starts, {}, 0))


class _Walker:
    def __init__(self, graph: Graph, starts: list[str]) -> None:
        self.graph = graph
        self.starts = starts
        self.budget = 8 * len(graph.ports) + 60
        self.back: set[tuple[str, str]] = set()
        self.loops: dict[str, frozenset[str]] = {}
        self.live = self.reach(self.starts, ())
        """What can be reached at all; arrows from elsewhere mean nothing."""
        self._find_loops()

    # --- loops ---------------------------------------------------------------------------------------------------

    def _find_loops(self) -> None:
        for node, port in self.graph.each.items():
            targets = self.graph.ports[node][port] if port < len(self.graph.ports[node]) else ()
            inside = self.reach(targets, {node})
            self.back |= {(inner, node) for inner in inside if node in set(self.graph.after(inner))}
        for start in self.starts:
            self._find_back(start)
        heads = {head for _, head in self.back if head not in self.graph.each}
        for head in sorted(heads):
            body = self._loop_body(head)
            entered = any(
                target in body and target != head and node not in body
                for node in self.live
                for target in self.graph.after(node)
            ) or any(start in body and start != head for start in self.starts)
            if not entered:
                self.loops[head] = body

    def _find_back(self, start: str) -> None:
        state: dict[str, int] = {}
        stack: list[tuple[str, Iterator[str]]] = [(start, self.graph.after(start))]
        state[start] = 1
        while stack:
            node, targets = stack[-1]
            target = next(targets, None)
            if target is None:
                state[node] = 2
                stack.pop()
            elif (node, target) in self.back:
                continue
            elif state.get(target) == 1:
                self.back.add((node, target))
            elif target not in state:
                state[target] = 1
                stack.append((target, self.graph.after(target)))

    def _loop_body(self, head: str) -> frozenset[str]:
        body, waiting = {head}, [node for node, target in self.back if target == head]
        while waiting:
            node = waiting.pop()
            if node not in body:
                body.add(node)
                waiting += [other for other in self.live if node in set(self.graph.after(other))]
        return frozenset(body)

    def reach(self, starts: Iterable[str], stops: Iterable[str]) -> dict[str, None]:
        """Everything that can be reached without going through a stop, in the order of a walk."""
        found: dict[str, None] = {}
        waiting = [start for start in starts if start in self.graph.ports]
        stopped = set(stops)
        while waiting:
            node = waiting.pop(0)
            if node in found or node in stopped:
                continue
            found[node] = None
            waiting += [target for target in self.graph.after(node) if (node, target) not in self.back]
        return found

    # --- where ways meet -----------------------------------------------------------------------------------------

    def meets(self, groups: Iterable[tuple[str, ...]], stops: Stops) -> str | None:
        """The nearest node that every one of these ways comes to; None: there is none."""
        known: dict[str, frozenset[str] | None] = {}
        common: frozenset[str] | None = None
        for targets in groups:
            there = [target for target in targets if target in self.graph.ports]
            for way in [self._passes(target, stops, known) for target in there] or [frozenset({EXIT})]:
                if way is not None:
                    common = way if common is None else common & way
        found = (common or frozenset()) - {EXIT}
        return max(found, key=lambda node: (len(known.get(node) or ()), node), default=None)

    def _passes(self, start: str, stops: Stops, known: dict[str, frozenset[str] | None]) -> frozenset[str] | None:
        """The nodes that every way from here passes; None where every way fails."""
        order: list[str] = []
        seen: set[str] = set(known)
        stack: list[tuple[str, bool]] = [(start, False)]
        while stack:
            node, done = stack.pop()
            if done:
                order.append(node)
            elif node not in seen:
                seen.add(node)
                stack.append((node, True))
                if node not in stops:
                    stack += [(t, False) for t in self.graph.after(node) if (node, t) not in self.back]
        for node in order:
            known[node] = self._own(node, stops, known)
        return known[start]

    def _own(self, node: str, stops: Stops, known: dict[str, frozenset[str] | None]) -> frozenset[str] | None:
        if node in stops:
            return frozenset({node})
        if node in self.graph.fails:
            return None
        ports = self.graph.ports[node]
        if node in self.graph.each:
            ports = tuple(port for number, port in enumerate(ports) if number != self.graph.each[node]) or ((),)
        ways: list[frozenset[str] | None] = []
        for port in ports or ((),):
            targets = [target for target in port if target in self.graph.ports and (node, target) not in self.back]
            ways += [known.get(target, frozenset({EXIT})) for target in targets] or [frozenset({EXIT})]
        certain = [way for way in ways if way is not None]
        if not certain:
            return None
        return frozenset.intersection(*certain) | {node}

    # --- the walk ------------------------------------------------------------------------------------------------

    def onward(self, targets: Iterable[str], stops: Stops, depth: int, *, loop: bool = False) -> Iterator[Part]:
        """What follows: one node, several side by side, or nothing."""
        ways = [target for target in dict.fromkeys(targets) if target in self.graph.ports]
        if not ways:
            if loop:
                yield Jump("end", "")
        elif len(ways) == 1:
            yield from self.walk(ways[0], stops, depth, loop=loop)
        else:
            yield from self.fan(ways, stops, depth)

    def walk(self, node: str, stops: Stops, depth: int, *, loop: bool = False, head: bool = False) -> Iterator[Part]:
        """From a node to the end of its way. `loop`: in a loop, where a way that ends nowhere has to be told."""
        while True:
            self.budget -= 1
            if not head and node in stops:
                yield Jump(stops[node], node)
                return
            if self.budget < 0 or depth > _DEEPEST:
                yield Jump("deep", node)
                return
            whole = not head and node in self.loops
            targets = yield from self._around(node, stops, depth) if whole else self._one(node, stops, depth, loop=loop)
            head = False
            if targets is None:
                return
            following = [target for target in dict.fromkeys(targets) if target in self.graph.ports]
            if len(following) != 1:
                yield from self.onward(following, stops, depth, loop=loop)
                return
            if not whole and (node, following[0]) in self.back and following[0] not in stops:
                yield Jump("again", following[0])
                return
            node = following[0]

    def _around(self, head: str, stops: Stops, depth: int) -> _Targets:
        """A loop, and what stands behind it; None: nothing ever comes out of it."""
        exit_ = self._way_out(head, stops)
        yield self._loop(head, exit_, stops, depth)
        return None if exit_ is None else (exit_,)

    def _one(self, node: str, stops: Stops, depth: int, *, loop: bool) -> _Targets:
        """One node, and what it leads to; None: all of that has been said."""
        ports = self.graph.ports[node]
        if node in self.graph.each:
            return (yield from self._each(node, depth))
        if len(ports) > 1:
            met = self.meets(ports, stops)
            inner = self._inner(node, stops, met)
            yield Choice(node, tuple(tuple(self.onward(port, inner, depth + 1, loop=loop)) for port in ports))
            return None if met is None or met in stops else (met,)
        yield Plain(node)
        if node in self.graph.fails:
            return None
        return ports[0] if ports else ()

    def _inner(self, node: str, stops: Stops, met: str | None) -> Stops:
        inner = dict(stops)
        if met is not None:
            inner.setdefault(met, "join")
        for target in self.graph.after(node):
            if (node, target) in self.back:
                inner.setdefault(target, "again")
        return inner

    def _each(self, node: str, depth: int) -> Generator[Part, None, tuple[str, ...]]:
        ports, port = self.graph.ports[node], self.graph.each[node]
        targets = ports[port] if port < len(ports) else ()
        yield Each(node, tuple(self.onward(targets, {node: "continue"}, depth + 1)))
        return tuple(target for number, way in enumerate(ports) if number != port for target in way)

    def _way_out(self, head: str, stops: Stops) -> str | None:
        body = self.loops[head]
        exits = dict.fromkeys(
            target for node in sorted(body) for target in self.graph.after(node) if target not in body
        )
        wanted = [target for target in exits if target not in self.graph.fails]
        if not wanted:
            return None
        met = self.meets([(target,) for target in wanted], {**stops, head: "continue"})
        if met is not None:
            return met
        return max(wanted, key=lambda target: len(self.reach([target], stops)))

    def _loop(self, head: str, exit_: str | None, stops: Stops, depth: int) -> Loop:
        inner: Stops = {**dict.fromkeys(stops, "again"), head: "continue"}
        if exit_ is not None:
            inner[exit_] = "break"
        return Loop(head, tuple(self.walk(head, inner, depth + 1, loop=True, head=True)), exit_ is not None)

    # --- side by side --------------------------------------------------------------------------------------------

    def fan(self, targets: list[str], stops: Stops, depth: int) -> Iterator[Part]:
        """Several ways at once; those that meet in a merge are joined there, and go on as one."""
        inside = {node: "again" if kind == "break" else kind for node, kind in stops.items()}
        ways = [_Way(target, (), dict(self.reach([target], stops))) for target in targets]
        while len(ways) > 1:
            merge = self._shared(ways)
            if merge is None:
                break
            joined = [way for way in ways if merge in way.reach]
            made = _Way(merge, tuple(joined), dict(self.reach([merge], stops)))
            ways = [made if way is joined[0] else way for way in ways if way is joined[0] or way not in joined]
        if len(ways) == 1:
            yield from self._gone(ways[0], inside, depth)
        else:
            yield Fan(tuple(tuple(self._gone(way, inside, depth + 1)) for way in ways))

    def _shared(self, ways: list[_Way]) -> str | None:
        """The first merge that two of the ways come to."""
        shared = [
            merge for merge in self.graph.merges if sum(merge in way.reach and way.start != merge for way in ways) > 1
        ]
        # The first one is that which leads to the others, and to which none of them leads.
        return max(shared, key=lambda merge: (len(self.reach([merge], ())), merge), default=None)

    def _gone(self, way: _Way, stops: Stops, depth: int) -> Iterator[Part]:
        if not way.joined:
            yield from self.walk(way.start, stops, depth)
            return
        inner = {**stops, way.start: "join"}
        yield Fan(tuple(tuple(self._gone(one, inner, depth + 1)) for one in way.joined))
        yield from self.walk(way.start, stops, depth)


class _Way(msgspec.Struct, eq=False):
    """One of several ways side by side: from a node, or from where other ways have met."""

    start: str
    joined: tuple[_Way, ...]
    reach: dict[str, None]
