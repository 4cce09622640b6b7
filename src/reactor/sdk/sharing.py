"""Clients that are shared by all who use the same connection, opened by the first and closed after the last."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any, Generic, Self, TypeVar

import msgspec

C = TypeVar("C")
S = TypeVar("S")
LINGER = 30.0
"""Seconds that a client stays open after its last user, so that one action after the other finds it."""


class Reach(msgspec.Struct, Generic[S], frozen=True):
    """What a client is made of, and what a shared one is known by: the settings of a connection, and those settings of
    the operator on which TLS depends.
    """

    settings: S
    file_roots: tuple[str, ...] = ()
    data_dir: str | None = None

    @classmethod
    def of(cls, settings: S, operator: Mapping[str, Any]) -> Self:
        """`operator`: the settings of a context."""
        data = operator.get("data_dir")
        return cls(settings, tuple(map(str, operator.get("file_roots") or ())), None if data is None else str(data))

    @property
    def operator(self) -> dict[str, Any]:
        """As `of` was given it."""
        return {"file_roots": self.file_roots, "data_dir": self.data_dir}


class _Shared(Generic[C]):
    """One client, or the attempt to open it."""

    def __init__(self, opening: asyncio.Task[C]) -> None:
        self.opening = opening
        self.users = 0
        self.closer: asyncio.TimerHandle | None = None


class Shared(Generic[C]):
    """A pool with one client for each (event loop, settings). For clients that many tasks may use at the same time."""

    def __init__(
        self,
        open_: Callable[[Any], Awaitable[C]],
        close: Callable[[C], Awaitable[object]],
        *,
        usable: Callable[[C], bool] = lambda _: True,
        linger: float = LINGER,
    ) -> None:
        """`open_`: settings struct → client. `usable`: False of a client that will not work again: it is replaced."""
        self._open = open_
        self._close = close
        self._usable = usable
        self._linger = linger
        self._held: dict[tuple[int, bytes], _Shared[C]] = {}
        self._closing: set[asyncio.Task[object]] = set()

    @contextlib.asynccontextmanager
    async def use(self, settings: Any) -> AsyncIterator[C]:
        """The client for these settings. Whatever `open_` raises comes through, to all who wait for it."""
        loop = asyncio.get_running_loop()
        key = (id(loop), hashlib.blake2b(msgspec.msgpack.encode(settings), digest_size=16).digest())
        held = self._held.get(key)
        if held is None or not self._alive(held):
            held = self._held[key] = _Shared(loop.create_task(self._opened(settings)))
        held.users += 1
        if held.closer is not None:
            held.closer.cancel()
            held.closer = None
        try:
            yield await asyncio.shield(held.opening)
        finally:
            held.users -= 1
            if held.users == 0:
                self._left(key, held)

    async def close(self) -> None:
        """Close all clients of this loop, used or not."""
        loop = id(asyncio.get_running_loop())
        for key, held in list(self._held.items()):
            if key[0] == loop:
                self._drop(key, held)
        if self._closing:
            await asyncio.wait(self._closing, timeout=5)

    async def _opened(self, settings: Any) -> C:
        return await self._open(settings)

    def _alive(self, held: _Shared[C]) -> bool:
        opening = held.opening
        if not opening.done():
            return True
        return not opening.cancelled() and opening.exception() is None and self._usable(opening.result())

    def _left(self, key: tuple[int, bytes], held: _Shared[C]) -> None:
        if self._held.get(key) is held and held.opening.done() and self._alive(held):
            held.closer = asyncio.get_running_loop().call_later(self._linger, self._drop, key, held)
        else:
            self._drop(key, held)

    def _drop(self, key: tuple[int, bytes], held: _Shared[C]) -> None:
        if self._held.get(key) is held:
            del self._held[key]
        if held.closer is not None:
            held.closer.cancel()
        task = asyncio.get_running_loop().create_task(self._ended(held))
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    async def _ended(self, held: _Shared[C]) -> None:
        held.opening.cancel()
        with contextlib.suppress(asyncio.CancelledError, Exception):  # why it could not be opened has been told
            client = await held.opening
            await self._close(client)
