"""Requests as they were answered: by the template of their route, never by what strangers write into a path."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from reactor.engine.meters import OTHER, SHORT, Counted, Histogram, Spread

ROUTE = "reactor.route"
"""Key of the ASGI scope under which whoever leads a request somewhere says where."""
MOST_ROUTES = 200
_BOUNDS = (*SHORT, 5.0, 10.0, 30.0)
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_ENDLESS = frozenset({"/api/v1/stream"})
"""They last as long as somebody listens: that says nothing of how quick the server is."""


class Requests:
    """All of one server."""

    def __init__(self) -> None:
        self._routes = Spread(lambda: Counted(_BOUNDS), MOST_ROUTES)
        self._endless: Counter[tuple[str, str, int]] = Counter()
        self._keys: dict[tuple[str, int], str] = {}

    def took(self, route: str, method: str, status: int, seconds: float) -> None:
        """One was answered with this status after so long."""
        key = self._keys.get((method, status))
        if key is None:
            method = method if method in _METHODS else OTHER  # strangers may think of others without end
            key = self._keys[method, status] = f"{method} {status}"
        if route in _ENDLESS:
            self._endless[route, key.partition(" ")[0], status] += 1
        else:
            self._routes.of(route).take(key, seconds)

    def answered(self) -> Iterator[tuple[str, str, str, int]]:
        """Route, method, status, and how many."""
        for route, meter in sorted(self._routes.by.items()):
            for key, number in sorted(meter.by.items()):
                method, _, status = key.partition(" ")
                yield route, method, status, number
        for (route, method, code), number in sorted(self._endless.items()):
            yield route, method, str(code), number

    def durations(self) -> Iterator[tuple[str, Histogram]]:
        """How long they took, by route."""
        for route, meter in sorted(self._routes.by.items()):
            yield route, meter.durations
