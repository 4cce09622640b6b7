"""uvicorn's connection with bounds of its own: how long a request may take to arrive, how large its head may be."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any, ClassVar

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

_HEAD_LIMIT = 64 << 10
"""Bytes of a request's line and headers."""
_HEADERS_LIMIT = 200
EXTENSION = "reactor.accepted"
"""Name of the ASGI extension behind `accepted`."""
_MOST_DISCARDED = 64 << 20
"""Bytes of a refused body that are read and dropped, so that its sender gets to read the answer."""
_SLOWEST = 10_000
"""Bytes a second: a large body may take longer than the body timeout, as long as it comes at least so fast."""


_PHRASES = {200: b"200 OK", 201: b"201 Created", 202: b"202 Accepted"}
"""The answers that are given often."""


class Connection(HttpToolsProtocol):
    """One connection. `sweep`, called every second, ends those whose request does not come on."""

    head_timeout: ClassVar[float] = 15.0
    body_timeout: ClassVar[float] = 30.0

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._since: float | None = None
        """When the request that is still arriving began (or the connection, before its first)."""
        self._in_head = True
        self._taken = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A caller connects."""
        super().connection_made(transport)
        self._since = self.loop.time()

    def data_received(self, data: bytes) -> None:
        """Bytes arrive."""
        self._taken += len(data)
        super().data_received(data)
        if self._in_head and self._since is not None and self._taken > _HEAD_LIMIT:
            self._end(431, b"Request Header Fields Too Large")
        elif self._taken > _MOST_DISCARDED and self._since is not None and self.cycle.response_complete:
            self._since = None
            self.transport.close()

    def on_message_begin(self) -> None:
        """The first byte of a request."""
        super().on_message_begin()
        self._since = self.loop.time()
        self._in_head = True
        self._taken = 0

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header."""
        if len(self.headers) >= _HEADERS_LIMIT:
            raise ValueError("too many headers")
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """The head is whole."""
        self._in_head = False
        super().on_headers_complete()
        self.scope["extensions"] = {EXTENSION: (self, self.cycle)}  # type: ignore[dict-item] # for ourselves alone

    def on_message_complete(self) -> None:
        """The request is whole."""
        self._since = None
        self._in_head = True
        super().on_message_complete()
        if self.cycle.response_complete and self.timeout_keep_alive_task is None:
            # Answered before it had come whole, so uvicorn's timer of idle connections has been stopped since.
            self.timeout_keep_alive_task = self.loop.call_later(
                self.timeout_keep_alive, self.timeout_keep_alive_handler
            )

    def _unsupported_upgrade_warning(self) -> None:
        """Upgrades are offered by many clients; they are answered as plain HTTP, which is no news for the log."""

    def sweep(self, now: float) -> None:
        """End the connection if its request is overdue."""
        if self._since is None or self.transport.is_closing():
            return
        cycle: RequestResponseCycle | None = self.cycle  # uvicorn says it is always there
        if cycle is not None and not cycle.response_complete and self._in_head:
            return  # an answer is still under way, and a pipelined request behind it waits for us, not we for it
        late = now - self._since
        allowed = self.head_timeout if self._in_head else self.body_timeout + self._taken / _SLOWEST
        if late > allowed:
            self._end(408, b"Request Timeout")

    def _end(self, status: int, phrase: bytes) -> None:
        self._since = None
        if self.transport.is_closing():
            return
        cycle: RequestResponseCycle | None = self.cycle
        if cycle is None or cycle.response_complete or not cycle.response_started:
            if cycle is not None:
                cycle.disconnected = True
                cycle.message_event.set()
            self.transport.write(b"HTTP/1.1 %d %b\r\ncontent-length: 0\r\nconnection: close\r\n\r\n" % (status, phrase))
        self.transport.close()


def date_line(state: ServerState) -> None:
    """Prepare what begins every answer, for as long as its date holds."""
    common = b"".join(b"%b: %b\r\n" % header for header in state.default_headers)
    state.common_head = common  # type: ignore[attr-defined] # uvicorn's record of what its connections share


def at_once(
    extension: tuple[Connection, RequestResponseCycle],
    status: int,
    headers: Iterable[tuple[bytes, bytes]],
    body: bytes,
) -> bool:
    """Send a whole answer in one write, past all that the general way has to look at.

    False when it has to be the general way after all: the caller went away, does not read, wants to close or asked for
    the head alone, or the answer is of a kind that has no body or could not be written as it is.
    """
    connection, cycle = extension
    if cycle.response_started or cycle.disconnected or not cycle.keep_alive or cycle.flow.write_paused:
        return False
    phrase = _PHRASES.get(status)
    lines = b"".join([b"%b: %b\r\n" % header for header in headers])
    if phrase is None or cycle.scope["method"] == "HEAD" or lines.count(b"\n") != lines.count(b"\r\n"):
        return False
    cycle.response_started = cycle.response_complete = True
    common: bytes = connection.server_state.common_head  # type: ignore[attr-defined] # see `date_line`
    cycle.transport.write(b"HTTP/1.1 %b\r\n%b%bcontent-length: %d\r\n\r\n%b" % (phrase, common, lines, len(body), body))
    cycle.message_event.set()
    cycle.on_response()
    return True
