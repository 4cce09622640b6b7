"""Requests as they were answered: by the template of their route, never by what strangers write into a path."""

from __future__ import annotations

from collections import Counter

from reactor.engine.meters import OTHER, SHORT, Spread

ROUTE = "reactor.route"
"""Key of the ASGI scope under which whoever leads a request somewhere says where."""
MOST_ROUTES = 200
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_ENDLESS = frozenset({"/api/v1/stream"})
"""They last as long as somebody listens: that says nothing of how quick the server is."""


class Requests:
    """All of one server."""

    def __init__(self) -> None:
        self.answered: Counter[tuple[str, str, str]] = Counter()
        """By route, method and status."""
        self.durations = Spread((*SHORT, 5.0, 10.0, 30.0), MOST_ROUTES)

    def took(self, route: str, method: str, status: int, seconds: float) -> None:
        """One was answered with this status after so long."""
        durations = self.durations
        if route not in durations.by and len(durations.by) >= MOST_ROUTES:
            route = OTHER
        self.answered[route, method if method in _METHODS else OTHER, str(status)] += 1
        if route not in _ENDLESS:
            durations.of(route).take(seconds)
