"""The event stream (SSE): one pump encodes each change once, every listener reads a bounded ring at its own pace."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from itertools import islice

import msgspec

from reactor.engine.changes import Change
from reactor.engine.engine import Engine
from reactor.engine.texts import encode
from reactor.model.clock import to_iso
from reactor.model.errors import BusyError

LOG = "log"
KINDS = ("run", "step", "event", "flow", "trigger", "alert", LOG)
HEARTBEAT = 15.0
_RING = 4_096
_BREATH = 0.05
"""Seconds that changes are gathered before listeners are woken: many a second cost a listener 20 wakes a second."""
_SEND = 60e-6
"""Seconds of the processor that waking one listener costs, about."""
_SHARE = 0.06
"""Of one processor that waking all of them may cost: a thousand are woken once a second, sixty as often as can be."""
_SENT, _FEWEST, _MOST = 32_000, 32, 1_024
"""Changes that all listeners together, and one alone at least and at most, are sent at once; of more they are told that
there were more, and what was not sent is never written down.
"""
_KEPT, _LARGEST = 256, 65_536
"""Chunks that are made once for several listeners, and bytes of one of them."""
_LINGER = 300.0
"""Seconds after the last listener left for which changes are still kept, so that one who comes back misses nothing."""
_EPOCH = 10**9
"""Ids are `seconds since 1970 of this start * _EPOCH + number`: they rise over restarts too."""


Still = Callable[[], Awaitable[bool]]


class Item:
    """A change; written down when somebody is sent it, and then once for all."""

    __slots__ = ("_change", "_text", "flow", "id", "kind", "run")

    def __init__(self, number: int, change: Change) -> None:
        self.id = number
        self.kind = change.kind
        data = change.data
        self.flow = str(data.get("flow") or (data.get("name") if change.kind == "flow" else None) or "")
        self.run = str(data.get("run") or (data.get("id") if change.kind == "run" else None) or "")
        self._change = change
        self._text = b""

    @property
    def text(self) -> bytes:
        """As it is sent."""
        if not self._text:
            shown = {"at": to_iso(self._change.at), **self._change.data}
            self._text = b"id: %d\nevent: %b\ndata: %b\n\n" % (self.id, self.kind.encode(), encode(shown))
        return self._text


class Wanted(msgspec.Struct, frozen=True):
    """What a listener asked for; empty: everything but what actions say, which is asked for by its name."""

    kinds: frozenset[str] = frozenset()
    flow: str | None = None
    run: str | None = None

    def fits(self, item: Item) -> bool:
        """Whether it is sent."""
        if item.kind == "gap":
            return True
        if item.kind not in self.kinds if self.kinds else item.kind == LOG:
            return False
        return (self.flow is None or item.flow == self.flow) and (self.run is None or item.run == self.run)


class Stream:
    """All listeners of one server."""

    def __init__(self, engine: Engine, most: int) -> None:
        self._engine = engine
        self._most = most
        self._base = engine.clock.now() // 1000 * _EPOCH
        self._ring: deque[Item] = deque(maxlen=_RING)
        self._floor = self._newest = self._base
        """From the floor on the ring is whole, as far as it reaches back."""
        self._chunks: dict[tuple[int, int, Wanted], bytes] = {}
        """What listeners who ask for the same are sent now: made once for all of them."""
        self._waiting: set[asyncio.Event] = set()
        self._pump: asyncio.Task[None] | None = None
        self._waking: asyncio.TimerHandle | None = None
        self._lingering: asyncio.TimerHandle | None = None
        self.listeners = 0
        self.closed = False

    def close(self) -> None:
        """End every listener now. Before the server is told to leave: it waits for answers under way."""
        self.closed = True
        for handle in (self._waking, self._lingering):
            if handle is not None:
                handle.cancel()
        self._wake()
        if self._pump is not None:
            self._pump.cancel()

    async def wait_closed(self) -> None:
        """Returns when the pump has ended."""
        if self._pump is not None:
            await asyncio.wait({self._pump})

    # --- the pump ----------------------------------------------------------------------------------------------------

    async def _begin(self) -> None:
        if self._lingering is not None:
            self._lingering.cancel()
            self._lingering = None
        if self._pump is None or self._pump.done():
            # What happened since the last pump ended is not known: an id between tells those who knew the old ones.
            self._base += 1
            self._floor = self._newest = self._newest + 1
            self._ring.clear()
            self._pump = asyncio.get_running_loop().create_task(self._run())
            await asyncio.sleep(0)  # now it listens

    async def _run(self) -> None:
        async with contextlib.aclosing(_changes(self._engine)) as changes:
            async for change in changes:
                self._take(change)

    def _take(self, change: Change) -> None:
        number = self._base + change.number
        self._ring.append(Item(number, change))
        self._newest = number
        if self._chunks:
            self._chunks.clear()
        if self._waking is None and self._waiting:
            breath = max(_BREATH, len(self._waiting) * _SEND / _SHARE)
            self._waking = asyncio.get_running_loop().call_later(breath, self._wake)

    def _wake(self) -> None:
        self._waking = None
        for event in self._waiting:
            event.set()

    def _end(self) -> None:
        if self._pump is not None:
            self._pump.cancel()

    # --- a listener --------------------------------------------------------------------------------------------------

    def check_room(self) -> None:
        """Raises BusyError when there are as many listeners as may be, or the server is stopping."""
        if self.closed:
            raise BusyError("Reactor is stopping", retry_after=2_000)
        if self.listeners >= self._most:
            raise BusyError(f"{self.listeners} listen already; that is the limit", retry_after=10_000)

    async def listen(
        self, wanted: Wanted, after: int | None = None, still: Still | None = None
    ) -> AsyncIterator[bytes]:
        """The stream for one listener, from the change after `after` on (None: from now). `still`: whether it may go
        on, asked with each heartbeat.
        """
        asked = _Asked(still)
        self.listeners += 1
        logs = int(LOG in wanted.kinds)
        self._engine.changes.log_listeners += logs
        await self._begin()
        event = asyncio.Event()
        self._waiting.add(event)
        try:
            position, missed = self._place(after)
            away = None if missed else self._newest - position
            yield b"retry: 2000\nid: %d\nevent: hello\ndata: %b\n\n" % (position, encode({"missed": away}))
            if missed:
                yield self._gap(position, None)
            while not self.closed and await asked.fine():
                event.clear()
                position, chunk = self._read(position, wanted)
                if chunk:
                    yield chunk
                elif not await _within(event, HEARTBEAT):
                    yield b": still here\n\n"
        finally:
            self._waiting.discard(event)
            self.listeners -= 1
            self._engine.changes.log_listeners -= logs
            if not self.listeners and not self.closed:
                self._lingering = asyncio.get_running_loop().call_later(_LINGER, self._end)

    def _place(self, after: int | None) -> tuple[int, bool]:
        """Where to begin, and whether something may be missing before it."""
        if after is None or after == self._newest:
            return self._newest, False
        if not self._floor <= after < self._newest:
            return self._newest, True  # another start of the server, or nobody listened meanwhile
        return after, False

    def _read(self, position: int, wanted: Wanted) -> tuple[int, bytes]:
        """What there is after a position, as one chunk."""
        if not self._ring or position >= self._newest:
            return position, b""
        key = (position, self._newest, wanted)
        chunk = self._chunks.get(key)
        if chunk is None:
            chunk = self._chunk(position, wanted)
            if len(self._chunks) < _KEPT and len(chunk) <= _LARGEST:
                self._chunks[key] = chunk
        return self._newest, chunk

    def _chunk(self, position: int, wanted: Wanted) -> bytes:
        first = self._ring[0].id
        head = b""
        if position < first - 1 and len(self._ring) == _RING:
            head = self._gap(first - 1, first - 1 - position)
            position = first - 1
        fresh = islice(self._ring, max(0, len(self._ring) - (self._newest - position)), None)
        items = [item for item in fresh if item.id > position and wanted.fits(item)]
        most = min(_MOST, max(_FEWEST, _SENT // max(self.listeners, 1)))
        if len(items) > most:
            # Many listeners in a flood: the newest, and that there were more.
            lost = len(items) - most
            items = items[-most:]
            return head + self._gap(items[0].id - 1, lost) + b"".join([item.text for item in items])
        return head + b"".join([item.text for item in items])

    @staticmethod
    def _gap(number: int, lost: int | None) -> bytes:
        return b"id: %d\nevent: gap\ndata: %b\n\n" % (number, encode({"lost": lost}))


class _Asked:
    """Whether a listener may go on, asked seldom: there may be a thousand, woken again and again."""

    def __init__(self, still: Still | None) -> None:
        self._still = still
        self._next = asyncio.get_running_loop().time() + HEARTBEAT

    async def fine(self) -> bool:
        """As far as is known."""
        now = asyncio.get_running_loop().time()
        if self._still is None or now < self._next:
            return True
        self._next = now + HEARTBEAT
        return await self._still()


async def _changes(engine: Engine) -> AsyncGenerator[Change]:
    async for change in engine.changes.listen():
        yield change


async def _within(event: asyncio.Event, seconds: float) -> bool:
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return False
    return True
