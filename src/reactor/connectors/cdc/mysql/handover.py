"""From the thread that reads to the loop that delivers: bounded, in order."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable
from typing import NamedTuple

from reactor.connectors.cdc.mysql.position import Position
from reactor.sdk import JSON, DeadLetter, EventDraft

_HEAVY = 4 * 1024 * 1024
"""Bytes that are held at most."""


class Item(NamedTuple):
    """One thing that was read."""

    draft: EventDraft | DeadLetter | None = None
    position: Position | None = None
    """After it."""
    weight: int = 0
    """Bytes, roughly."""
    save: dict[str, JSON] | None = None
    """To be saved with it, beside the position."""
    note: Callable[[], None] | None = None
    """To be called in the loop when everything before it is committed."""


class Stopped(Exception):
    """Nobody takes any more."""


class Handover:
    """One reader puts, one consumer takes."""

    def __init__(self, most: int) -> None:
        """`most`: items that are taken at once, and waiting at most."""
        self._loop = asyncio.get_running_loop()
        self._most = most
        self._items: deque[Item] = deque()
        self._weight = 0
        self._room = threading.Condition()
        self._there = asyncio.Event()
        self._stopped = False
        self._error: BaseException | None = None
        self._ended = False

    def put(self, item: Item) -> None:
        """In the thread; waits for room.

        Raises:
            Stopped: nobody takes it.
        """
        with self._room:
            while len(self._items) >= self._most or self._weight >= _HEAVY:
                if self._stopped:
                    raise Stopped
                self._room.wait()
            if self._stopped:
                raise Stopped
            first = not self._items
            self._items.append(item)
            self._weight += item.weight
        if first:
            self._loop.call_soon_threadsafe(self._there.set)

    def end(self, error: BaseException | None) -> None:
        """In the thread: nothing comes any more; the error is raised where it is taken."""
        self._error, self._ended = error, True
        self._loop.call_soon_threadsafe(self._there.set)

    def stop(self) -> None:
        """In the loop: nothing is taken any more."""
        with self._room:
            self._stopped = True
            self._room.notify_all()

    async def take(self) -> list[Item]:
        """All that is there, at least one; what the thread failed with is raised after the last."""
        while True:
            self._there.clear()
            with self._room:
                found = [*self._items]
                self._items.clear()
                self._weight = 0
                self._room.notify_all()
            if found:
                return found
            if self._error is not None:
                raise self._error
            if self._ended:
                raise Stopped
            await self._there.wait()
