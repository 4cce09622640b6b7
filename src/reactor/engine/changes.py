"""What changes, as it changes: a bounded ring that listeners (the SSE stream, waits in tests) read from any point
they knew.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator
from itertools import islice
from typing import Any

import msgspec

from reactor.model.clock import Instant


class Change(msgspec.Struct, frozen=True):
    """Something happened."""

    number: int
    """Rises by one; the id of the stream's event."""
    kind: str
    """`run`, `step`, `event`, `flow`, `trigger`, `log`."""
    at: Instant
    data: dict[str, Any]


class Changes:
    """The ring. Publishing costs next to nothing while nobody listens, and never waits for a slow listener."""

    def __init__(self, size: int = 4_096) -> None:
        self._ring: deque[Change] = deque(maxlen=size)
        self._number = 0
        self._waiting: list[asyncio.Future[None]] = []
        self.listeners = 0
        self.log_listeners = 0
        """Of these, who wants to hear what actions say: else that is not published at all."""
        self.closed = False

    def publish(self, kind: str, at: Instant, data: dict[str, Any]) -> None:
        """Add a change and wake who waits."""
        self._number += 1
        self._ring.append(Change(self._number, kind, at, data))
        if self._waiting:
            waiting, self._waiting = self._waiting, []
            for future in waiting:
                if not future.done():
                    future.set_result(None)

    def close(self) -> None:
        """End every listener."""
        self.closed = True
        self.publish("end", 0, {})

    async def listen(self, after: int | None = None) -> AsyncGenerator[Change, None]:
        """Changes after number `after` (None: from now on). A gap, because the listener was away too long or too
        slow, is told as a change of kind `gap` with the count of what was lost.
        """
        position = self._number if after is None or after > self._number else after
        self.listeners += 1
        try:
            while not self.closed:
                if position >= self._number:
                    future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
                    self._waiting.append(future)
                    await future
                    continue
                first = self._ring[0].number
                if position < first - 1:
                    yield Change(first - 1, "gap", self._ring[0].at, {"lost": first - 1 - position})
                    position = first - 1
                for change in list(islice(self._ring, position - first + 1, None)):
                    position = change.number
                    if change.kind != "end":
                        yield change
        finally:
            self.listeners -= 1
