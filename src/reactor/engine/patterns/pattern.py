"""A trigger's configuration as something to ask: which events count, for which key, and what becomes of the key."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import msgspec

from reactor.engine.patterns.matcher import Count, EachOf, FirstOf, InOrder, Matcher
from reactor.language.expressions import truth
from reactor.model.errors import StepError
from reactor.model.event import Event
from reactor.model.flow import Expr, TriggerSpec
from reactor.model.patterns import fits

KEY_LIMIT = 1_024
"""Characters of a key as JSON."""
_TYPES = 4_096
_encode = msgspec.json.Encoder(order="deterministic").encode


class Part(msgspec.Struct, frozen=True):
    """One event that is wanted, or must not come."""

    place: str
    type: str
    if_: Expr | None
    absent: bool = False


class Sorted(msgspec.Struct, frozen=True):
    """What an event is to the pattern."""

    key: str
    parts: frozenset[int]
    """Those that it fits; empty: nothing to do."""
    wrong: str = ""
    """Why it, or a part of it, could not be asked."""


_NOTHING = Sorted("", frozenset())


class Pattern:
    """One configured pattern. Pure."""

    def __init__(self, config: Any, spec: TriggerSpec, env: Mapping[str, str]) -> None:
        """`config`: the trigger's struct (`connectors.pattern`)."""
        self.kind: str = config.kind
        self.within: int = config.window
        self.by = spec.exprs.get("by")
        self._env = env
        self._parts = _parts(self.kind, config, spec.exprs)
        self._by_type: dict[str, tuple[int, ...]] = {}
        self.matcher: Matcher = _matcher(self.kind, self.within, config, self._parts)
        self.waits = isinstance(self.matcher, InOrder) and self.matcher.waits
        """Whether something is found by time alone."""
        self.digest = self._print(config)

    def _print(self, config: Any) -> str:
        """Two patterns with one digest mean the same."""
        parts = [(part.type, part.absent, part.if_ and part.if_.source) for part in self._parts]
        at_least = config.count.at_least if config.count is not None else 0
        by = self.by.source if self.by is not None else None
        whole = _encode((self.kind, self.within, by, at_least, parts))
        return hashlib.blake2b(whole, digest_size=8).hexdigest()

    @property
    def parts(self) -> list[Part]:
        """What is wanted, in the order of the file."""
        return self._parts

    @property
    def types(self) -> list[str] | None:
        """All types that matter; None when they cannot be listed."""
        found = sorted({part.type for part in self._parts})
        return None if any("*" in name for name in found) else found

    def wants(self, name: str) -> bool:
        """Whether events of this type matter."""
        return bool(self._candidates(name))

    def _candidates(self, name: str) -> tuple[int, ...]:
        known = self._by_type.get(name)
        if known is None:
            if len(self._by_type) >= _TYPES:
                self._by_type.clear()
            known = tuple(at for at, part in enumerate(self._parts) if fits(part.type, name))
            self._by_type[name] = known
        return known

    def sort(self, event: Event) -> Sorted:
        """Which parts an event fits, and which key it belongs to. Never raises: what fails is told in `wrong`."""
        candidates = self._candidates(event.type)
        if not candidates:
            return _NOTHING
        scope = {"event": event.view(), "env": self._env}
        parts, wrong = self._ask(candidates, scope)
        if not parts:
            return Sorted("", parts, wrong) if wrong else _NOTHING
        if self.by is None:
            return Sorted("null", parts, wrong)
        try:
            value = self.by.evaluate(scope)
            key = _encode(value).decode()
        except StepError as error:
            return Sorted("", frozenset(), f"`by: {self.by.source}` could not be evaluated: {error.message}")
        except (TypeError, ValueError, RecursionError) as error:
            return Sorted("", frozenset(), f"`by: {self.by.source}` gives what no key can be made of: {error}")
        if value is None:
            return Sorted("", frozenset(), f"`by: {self.by.source}` is null, so the event belongs to no key")
        if len(key) > KEY_LIMIT:
            text = f"`by: {self.by.source}` gives {len(key)} characters; a key has at most {KEY_LIMIT}"
            return Sorted("", frozenset(), text)
        return Sorted(key, parts, wrong)

    def _ask(self, candidates: tuple[int, ...], scope: dict[str, Any]) -> tuple[frozenset[int], str]:
        held = []
        wrong = ""
        for at in candidates:
            part = self._parts[at]
            try:
                if part.if_ is None or truth(part.if_.evaluate(scope)):
                    held.append(at)
            except StepError as error:
                wrong = f"`{part.place}.if: {part.if_ and part.if_.source}` could not be evaluated: {error.message}"
        return frozenset(held), wrong


def _parts(kind: str, config: Any, exprs: Mapping[str, Expr]) -> list[Part]:
    given = getattr(config, kind)
    listed = [(kind, given)] if kind == "count" else [(f"{kind}.{at}", part) for at, part in enumerate(given)]
    found = []
    for place, part in listed:
        absent = getattr(part, "absent", None)
        name = absent if absent is not None else part.event
        found.append(Part(place, name, exprs.get(f"{place}.if"), absent is not None))
    return found


def _matcher(kind: str, within: int, config: Any, parts: list[Part]) -> Matcher:
    if kind == "count":
        return Count(within, config.count.at_least)
    if kind == "sequence":
        return InOrder(within, [part.absent for part in parts])
    return EachOf(within, len(parts)) if kind == "all" else FirstOf(within)


def owner_of(trigger: str, digest: str) -> int:
    """The number of the states of a trigger's pattern: another pattern has states of its own."""
    whole = hashlib.blake2b(f"{trigger}\0{digest}".encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(whole, "big") >> 1 or 1
