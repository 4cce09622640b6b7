"""Which flows lead to which: by calls, by events that one tells and another listens for, by the ends of runs."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from reactor.engine.flows import FlowBook
from reactor.language.reads import emitted
from reactor.model.flow import CallStep, EmitStep, Flow, all_steps
from reactor.model.patterns import fits, glob
from reactor.routing.answers import pattern_of


class Neighbour(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Another flow that one leads to, or that leads to it."""

    flow: str
    by: str
    """call: it is called; event: an event that one of them tells starts the other; run: the end of a run does."""
    event: str | None = None
    """The event's type, where there is one."""
    path: str | None = None
    """The step that calls or tells; null: a trigger."""


class _Leads(msgspec.Struct, frozen=True):
    flow: Flow
    tells: dict[str, str]
    """Type → the first step that tells it."""
    calls: dict[str, str]
    """Flow → the first step that calls it."""


class Neighbours:
    """Looks at the flows of a book; each is walked once."""

    def __init__(self, book: FlowBook) -> None:
        self._book = book
        self._known: dict[str, _Leads] = {}

    def of(self, flow: Flow) -> tuple[list[Neighbour], list[Neighbour]]:
        """(those that lead to it, those that it leads to), by name."""
        before: list[Neighbour] = []
        after: list[Neighbour] = []
        own = self._leads(flow)
        for name in sorted(self._book.current):
            other = self._leads(self._book.current[name])
            after += _between(own, other)
            before += [msgspec.structs.replace(one, flow=name) for one in _between(other, own)]
        return before, after

    def _leads(self, flow: Flow) -> _Leads:
        known = self._known.get(flow.name)
        if known is not None and known.flow is flow:
            return known
        tells: dict[str, str] = {}
        calls: dict[str, str] = {}
        for path, step in all_steps(flow):
            if isinstance(step, CallStep):
                calls.setdefault(step.flow, path)
            elif isinstance(step, EmitStep) and (kind := emitted(step)) is not None and "{" not in kind:
                tells.setdefault(kind, path)
        found = _Leads(flow, tells, calls)
        if self._book.current.get(flow.name) is flow:
            self._known[flow.name] = found
        return found


def _between(first: _Leads, then: _Leads) -> Iterator[Neighbour]:
    """How one flow leads to another."""
    name = then.flow.name
    if name in first.calls:
        yield Neighbour(flow=name, by="call", path=first.calls[name])
    for spec in then.flow.triggers:
        if spec.kind == "event":
            for kind, path in first.tells.items():
                if fits(pattern_of(spec), kind):
                    yield Neighbour(flow=name, by="event", event=kind, path=path)
        elif spec.kind == "run":
            wanted = str(spec.config.get("flow", spec.config.get("", "")))
            if glob(wanted).fullmatch(first.flow.name) is not None:
                yield Neighbour(flow=name, by="run")
