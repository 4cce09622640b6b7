"""What a trigger sees of the HTTP server: requests as plain values, and a place to claim a path."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol

import msgspec


class HttpRequest(msgspec.Struct, frozen=True, kw_only=True):
    """One request, its body read whole and within the configured limit."""

    method: str
    path: str
    params: dict[str, str]
    """Values of the `{name}` parts of the claimed path."""
    query: str
    """The raw query string."""
    headers: list[tuple[bytes, bytes]]
    """As received, names in lower case."""
    body: bytes
    client: str
    """Address of the caller."""

    def header(self, name: str) -> str | None:
        """The first header of that name (give it in lower case), decoded as latin-1."""
        wanted = name.encode("latin-1")
        for key, value in self.headers:
            if key == wanted:
                return value.decode("latin-1")
        return None


class HttpResponse(msgspec.Struct, frozen=True, kw_only=True):
    """The answer. `body` is sent as it is."""

    status: int = 200
    body: bytes = b""
    headers: tuple[tuple[bytes, bytes], ...] = ((b"content-type", b"application/json"),)


HttpHandler = Callable[[HttpRequest], Awaitable[HttpResponse]]


class HttpRoutes(Protocol):
    """Where triggers claim paths."""

    def claim(self, methods: tuple[str, ...], path: str, handler: HttpHandler) -> Callable[[], None]:
        """Answer these methods on this path (`/orders/{id}`) by `handler`; returns a function that gives it back.

        A path belongs to one handler per method; a second claim of the same is refused.

        Raises:
            ConflictError: the path is taken, or is one of Reactor's own.
            InvalidError: the path is not a path.
        """
        ...
