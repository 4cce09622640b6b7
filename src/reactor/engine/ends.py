"""Who waits for the end of which run, wherever that run is meanwhile: in memory, on disk, or about to start."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from reactor.runtime.interpreter import RunEnd


class Ends:
    """Futures of ends by the key of the run."""

    def __init__(self) -> None:
        self._waiting: dict[int, list[asyncio.Future[RunEnd]]] = {}
        self._expected: dict[int, asyncio.Future[RunEnd]] = {}
        """Those of them that nobody has asked for yet."""

    def __contains__(self, key: int) -> bool:
        return key in self._waiting

    def wait(self, key: int) -> asyncio.Future[RunEnd]:
        """A future of the run's end."""
        future: asyncio.Future[RunEnd] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(key, []).append(future)
        return future

    def expect(self, keys: Iterable[int]) -> None:
        """Somebody will ask for the ends of runs that are about to start; they may end before they are asked for."""
        for key in keys:
            self._expected[key] = self.wait(key)

    def expected(self, key: int) -> asyncio.Future[RunEnd] | None:
        """The future of an end that was expected, once; None: it was not."""
        return self._expected.pop(key, None)

    def unexpect(self, keys: Iterable[int]) -> None:
        """Nobody will ask after all."""
        for key in keys:
            future = self.expected(key)
            if future is not None:
                self.leave(key, future)

    def leave(self, key: int, future: asyncio.Future[RunEnd]) -> None:
        """Wait no longer."""
        waiting = self._waiting.get(key)
        if waiting is not None and future in waiting:
            waiting.remove(future)
            if not waiting:
                del self._waiting[key]

    def tell(self, key: int, end: RunEnd) -> None:
        """The run has ended, durably."""
        for future in self._waiting.pop(key, ()):
            if not future.done():
                future.set_result(end)
