"""The compiled route table: event → matches, and for each flow that did not start a reason. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec

from reactor.language.expressions import truth
from reactor.model.errors import StepError
from reactor.model.event import Event
from reactor.model.flow import Expr, Flow, TriggerSpec
from reactor.model.patterns import fits, glob
from reactor.routing.answers import pattern_of, values_of

_ASKED = 4_096
"""Types of which it is remembered whether a pattern asks for them."""


class Match(msgspec.Struct, frozen=True):
    """This flow starts, because of this trigger."""

    flow: Flow
    trigger: TriggerSpec


class NonMatch(msgspec.Struct, frozen=True, kw_only=True):
    """This flow does not start, because."""

    flow: str
    trigger: str
    """Key of the trigger that was asked, or empty when the flow as a whole said no."""
    rule: str
    """`type`, `source`, `address`, `enabled`, `trigger.if`, `if`, `unless`, `error`, `already`."""
    reason: str
    """A sentence with the values that decided."""


class Route(msgspec.Struct, frozen=True):
    """One trigger of one flow, compiled."""

    flow: Flow
    trigger: TriggerSpec
    pattern: str | None
    """Type pattern of an `event` trigger; None: only events addressed to the trigger."""
    source: re.Pattern[str] | None = None


class _Node:
    """One segment of the tree of type patterns."""

    __slots__ = ("any", "below", "deep", "routes")

    def __init__(self) -> None:
        self.below: dict[str, _Node] = {}
        self.any: _Node | None = None
        self.deep: _Node | None = None
        self.routes: list[Route] = []


def compile_route(flow: Flow, trigger: TriggerSpec) -> Route:
    """The route of one trigger."""
    if trigger.kind != "event":
        return Route(flow, trigger, None)
    source = trigger.config.get("source")
    return Route(flow, trigger, pattern_of(trigger), glob(str(source)) if source else None)


def _followed(trigger: TriggerSpec) -> Iterator[str]:
    """The types in a pattern of events (`connectors.pattern`)."""
    if trigger.kind == "pattern":
        for given in trigger.config.values():
            for part in given if isinstance(given, list) else [given]:
                if isinstance(part, dict):
                    yield from (str(part[key]) for key in ("event", "absent") if part.get(key) is not None)


class RouteTable:
    """All routes of the current version of every enabled flow. Immutable: a change makes a new table or replaces a
    flow.
    """

    def __init__(self, flows: Iterable[Flow] = (), env: Mapping[str, str] | None = None) -> None:
        self._env = env or {}
        self._exact: dict[str, list[Route]] = {}
        self._tree = _Node()
        self._addressed: dict[str, Route] = {}
        self._by_flow: dict[str, list[Route]] = {}
        self._silent: dict[str, tuple[str, str, str]] = {}
        """Flow → what it says of an event that it does not listen for."""
        self._followed: dict[str, list[str]] = {}
        """Flow → types that its `pattern` triggers ask for by name."""
        self._asked: dict[str, bool] = {}
        for flow in flows:
            self.add(flow)

    def add(self, flow: Flow) -> None:
        """Take in a flow, in place of an earlier version of it."""
        self.remove(flow.name)
        routes = [compile_route(flow, trigger) for trigger in flow.triggers if trigger.enabled]
        self._by_flow[flow.name] = routes
        self._silent[flow.name] = _silent(routes)
        followed = [name for route in routes for name in _followed(route.trigger) if not name.startswith("*")]
        if followed:
            self._followed[flow.name] = followed
            self._asked.clear()
        for route in routes:
            self._addressed[route.trigger.key] = route
            if route.pattern is not None:
                self._place(route.pattern).append(route)

    def remove(self, name: str) -> None:
        """Take a flow out."""
        if self._followed.pop(name, None):
            self._asked.clear()
        self._silent.pop(name, None)
        for route in self._by_flow.pop(name, ()):
            self._addressed.pop(route.trigger.key, None)
            if route.pattern is not None:
                self._place(route.pattern).remove(route)

    def _place(self, pattern: str) -> list[Route]:
        if "*" not in pattern:
            return self._exact.setdefault(pattern, [])
        node = self._tree
        for segment in pattern.split("."):
            if segment == "*":
                node.any = node.any or _Node()
                node = node.any
            elif segment == "**":
                node.deep = node.deep or _Node()
                node = node.deep
            else:
                node = node.below.setdefault(segment, _Node())
        return node.routes

    def starts(self, event: Event) -> list[Match]:
        """The flows that this event starts, each once. The quick way: no reasons are put into words."""
        return [Match(route.flow, route.trigger) for route, no in self._verdicts(event) if no is None]

    def listens(self, type_: str) -> bool:
        """Whether a flow asks for this type by name: a pattern that begins with `*` takes what comes, and asks for
        nothing.
        """
        if self._exact.get(type_) or self._is_followed(type_):
            return True
        segments = type_.split(".")
        node = self._tree.below.get(segments[0])
        return node is not None and next(_walk(node, segments, 1), None) is not None

    def _is_followed(self, type_: str) -> bool:
        """Whether a `pattern` trigger asks for this type by name."""
        known = self._asked.get(type_)
        if known is None:
            known = any(fits(name, type_) for names in self._followed.values() for name in names)
            if len(self._asked) < _ASKED:
                self._asked[type_] = known
        return known

    def match(self, event: Event) -> tuple[list[Match], list[NonMatch]]:
        """The flows that this event starts, each once, and those that listen for it but said no."""
        matches: list[Match] = []
        misses: list[NonMatch] = []
        for route, no in self._verdicts(event):
            if no is None:
                matches.append(Match(route.flow, route.trigger))
            else:
                misses.append(_miss(route, no.rule, no.words()))
        return matches, misses

    def _verdicts(self, event: Event) -> Iterator[tuple[Route, _No | None]]:
        started: set[str] = set()
        scope: dict[str, Any] | None = None
        for route in self._candidates(event):
            flow, trigger = route.flow, route.trigger
            if flow.name in started:
                continue
            no = None
            if route.source is not None and route.source.fullmatch(event.source) is None:
                no = _No("source", text=f"source {event.source!r} does not fit {trigger.config.get('source')!r}")
            elif trigger.if_ is not None or flow.if_ is not None or flow.unless is not None:
                scope = scope or {"event": event.view(), "env": self._env}
                no = _asked(route, scope)
            if no is None:
                started.add(flow.name)
            yield route, no

    def _candidates(self, event: Event) -> list[Route]:
        routes = list(self._exact.get(event.type, ()))
        if self._tree.below or self._tree.any or self._tree.deep:
            routes.extend(_walk(self._tree, event.type.split("."), 0))
        if event.to:
            routes.extend(route for key in event.to if (route := self._addressed.get(key)) and route not in routes)
        return routes

    def explain(self, event: Event, flow: str | None = None) -> list[Match | NonMatch]:
        """The verdict for every flow (or one), whether it listens for the event or not."""
        matches, misses = self.match(event)
        verdicts: list[Match | NonMatch] = [*matches, *misses]
        if flow is not None:
            verdicts = [v for v in verdicts if (v.flow.name if isinstance(v, Match) else v.flow) == flow]
            there = self._silent.get(flow)
            return verdicts or ([_stranger(flow, there, event)] if there is not None else [])
        known = {m.flow.name for m in matches} | {m.flow for m in misses}
        others = self._silent.items()
        verdicts += [_stranger(name, silent, event) for name, silent in others if name not in known]
        return verdicts


def _walk(node: _Node, segments: list[str], at: int) -> Iterator[Route]:
    if at == len(segments):
        yield from node.routes
        if node.deep is not None:
            yield from _walk(node.deep, segments, at)
        return
    below = node.below.get(segments[at])
    if below is not None:
        yield from _walk(below, segments, at + 1)
    if node.any is not None:
        yield from _walk(node.any, segments, at + 1)
    if node.deep is not None:
        for end in range(at, len(segments) + 1):
            yield from _walk(node.deep, segments, end)


def _miss(route: Route, rule: str, reason: str) -> NonMatch:
    return NonMatch(flow=route.flow.name, trigger=route.trigger.key, rule=rule, reason=reason)


class _No:
    """A condition that said no; put into words only when somebody asks."""

    __slots__ = ("condition", "holds", "rule", "scope", "text")

    def __init__(
        self,
        rule: str,
        *,
        text: str = "",
        condition: Expr | None = None,
        holds: bool = False,
        scope: dict[str, Any] | None = None,
    ) -> None:
        self.rule = rule
        self.text = text
        self.condition = condition
        self.holds = holds
        self.scope = scope or {}

    def words(self) -> str:
        """The reason, with the values that decided."""
        if self.condition is None:
            return self.text
        values = _values(self.condition, self.scope)
        return f"{self.rule}: `{self.condition.source}` is {str(self.holds).lower()}{values}"


def _asked(route: Route, scope: dict[str, Any]) -> _No | None:
    """The three conditions in their order: the trigger's `if`, the flow's `if`, its `unless`."""
    conditions: tuple[tuple[str, Expr | None, bool], ...] = (
        ("trigger.if", route.trigger.if_, True),
        ("if", route.flow.if_, True),
        ("unless", route.flow.unless, False),
    )
    for rule, condition, wanted in conditions:
        if condition is None:
            continue
        try:
            holds = truth(condition.evaluate(scope))
        except StepError as error:
            text = f"{rule}: `{condition.source}` could not be evaluated: {error.message}"
            return _No("error", text=text)
        if holds is not wanted:
            return _No(rule, condition=condition, holds=holds, scope=scope)
    return None


def _values(condition: Expr, scope: dict[str, Any]) -> str:
    """The values behind a condition in words: ` (event.data.total = 40)`."""
    found = values_of(condition, scope).items()
    shown = ", ".join(f"{path} = {msgspec.json.encode(value).decode()[:80]}" for path, value in found)
    return f" ({shown})" if shown else ""


def _silent(routes: list[Route]) -> tuple[str, str, str]:
    """(trigger, rule, reason) of a flow for events that it does not listen for; a reason of the rule `type` goes on
    behind the event's type.
    """
    if not routes:
        return "", "enabled", "it has no enabled trigger: it starts only when called or by hand"
    patterns = [route.pattern for route in routes if route.pattern is not None]
    if patterns:
        return routes[0].trigger.key, "type", f"does not fit {', '.join(map(repr, patterns))}"
    kinds = ", ".join(sorted({route.trigger.kind for route in routes}))
    reason = f"it listens through its own {kinds} trigger, and this event did not come from there"
    return routes[0].trigger.key, "address", reason


def _stranger(name: str, silent: tuple[str, str, str], event: Event) -> NonMatch:
    trigger, rule, reason = silent
    if rule == "type":
        reason = f"the event's type {event.type!r} {reason}"
    return NonMatch(flow=name, trigger=trigger, rule=rule, reason=reason)
