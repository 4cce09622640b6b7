"""Where secrets are used, by flows and saved connections; when triggers fire next."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import msgspec

from reactor.engine.flows import FlowBook
from reactor.engine.saved_connections import SavedConnections
from reactor.model.flow import Flow

_SECRET = re.compile(r"""\bsecrets(?:\.([A-Za-z_][A-Za-z0-9_-]*)|\[\s*['"]([^'"\]]{1,128})['"]\s*\])""")


class _Used(msgspec.Struct, frozen=True):
    flow: Flow
    secrets: frozenset[str]


class Usage:
    """Looks at the flows of a book; each is read once."""

    def __init__(self, book: FlowBook, saved: SavedConnections) -> None:
        self._book = book
        self._saved = saved
        self._known: dict[str, _Used] = {}

    def secrets(self) -> dict[str, tuple[list[str], list[str]]]:
        """Secret → (flows, saved connections) that name it."""
        found: dict[str, tuple[list[str], list[str]]] = {}
        for name in sorted(self._book.current):
            for secret in self._used(self._book.current[name]).secrets:
                found.setdefault(secret, ([], []))[0].append(name)
        for one in self._saved.list():
            for secret in set(_secrets(msgspec.json.encode(one.settings).decode())):
                found.setdefault(secret, ([], []))[1].append(one.name)
        return found

    def _used(self, flow: Flow) -> _Used:
        known = self._known.get(flow.name)
        if known is None or known.flow is not flow:
            known = _Used(flow, frozenset(_secrets(flow.source)))
            self._known[flow.name] = known
        return known


def _secrets(text: str) -> Iterator[str]:
    for match in _SECRET.finditer(text):
        yield match[1] or match[2]


def upcoming(trigger: Any, config: Any, key: str, timezone: str, after: int, count: int) -> list[int]:
    """When a trigger fires next, where its kind can tell."""
    asked = getattr(trigger, "upcoming", None)
    return [] if asked is None else list(asked(config, key, timezone, after, count))
