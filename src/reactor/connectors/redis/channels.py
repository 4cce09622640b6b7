"""Channels of publish/subscribe: what comes while we listen, and no more than that."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

from reactor.connectors.redis.config import MOST, RedisConfig
from reactor.connectors.redis.connection import WITHIN, Link, Opening, link
from reactor.connectors.redis.entries import of_message
from reactor.model.clock import to_iso
from reactor.sdk import JSON, DeadLetter, EventDraft, StepError, TriggerContext, TriggerLost
from reactor.sdk.delivery import deliver

_PING = 3.0
"""Seconds of silence after which the server is asked whether it is there."""
_BYTES = 4_000_000


class Channels:
    """One trigger on channels and patterns."""

    def __init__(self, ctx: TriggerContext, opened: Opening) -> None:
        self._ctx, self._opened = ctx, opened
        self._config: RedisConfig = ctx.config
        self._queue: asyncio.Queue[tuple[bytes, dict[str, JSON]]] = asyncio.Queue(MOST)

    async def run(self) -> None:
        """Listen until cancelled.

        Raises:
            StepError, TriggerLost: the server is lost, or refuses.
        """
        async with link(self._opened) as linked:
            await self._subscribe(linked)
            self._ctx.armed()
            await self._tell_gap()
            reading = asyncio.ensure_future(self._read(linked))
            handing = asyncio.ensure_future(self._hand_over())
            try:
                await asyncio.wait({reading, handing}, return_when=asyncio.FIRST_COMPLETED)
                if reading.done() and not handing.done():
                    with contextlib.suppress(TimeoutError):  # a busy door does not hide for long that we are deaf
                        async with asyncio.timeout(WITHIN):
                            await deliver(self._ctx, [], save={"lost": self._ctx.clock.now()})
                            await self._rest(handing)
            finally:
                for task in (reading, handing):
                    task.cancel()
                await asyncio.gather(reading, handing, return_exceptions=True)
            for task in (reading, handing):
                if not task.cancelled():
                    task.result()

    async def _rest(self, handing: asyncio.Task[None]) -> None:
        """What had come before the server was lost is still handed over, if that is soon done."""
        emptied = asyncio.ensure_future(self._queue.join())
        try:
            await asyncio.wait({emptied, handing}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            emptied.cancel()

    async def _tell_gap(self) -> None:
        lost = self._ctx.saved().get("lost")
        if isinstance(lost, int):
            since, until = to_iso(lost), to_iso(self._ctx.clock.now())
            self._ctx.gap(
                f"what was published between {since} and {until}, while Redis was lost to us, has not come: channels "
                "keep nothing; use a stream for what must not be lost"
            )
            await deliver(self._ctx, [], save={"lost": None})

    async def _subscribe(self, linked: Link) -> None:
        wanted = [("SUBSCRIBE", self._config.channels()), ("PSUBSCRIBE", self._config.patterns())]
        for command, names in wanted:
            if not names:
                continue
            await linked.send(command, *names)
            left = len(names)
            while left:
                answer = await linked.receive(WITHIN)
                if answer is None:
                    raise StepError("redis.connection", f"Redis at {linked.place} has not answered; look there")
                if answer[0] in {b"subscribe", b"psubscribe"}:
                    left -= 1
                else:
                    await self._queue.put(self._message(answer))

    async def _read(self, linked: Link) -> None:
        """Messages into the queue; while that is full nothing is read, and Redis keeps them for a while."""
        asked = False
        while True:
            answer = await linked.receive(WITHIN if asked else _PING)
            if answer is None:
                if asked:
                    raise TriggerLost(
                        f"Redis at {linked.place} has not answered within {_PING + WITHIN:.0f} s; look whether it hangs"
                    )
                await linked.send("PING")
            asked = answer is None
            if answer is not None and answer[0] in {b"message", b"pmessage"}:
                await self._queue.put(self._message(answer))

    def _message(self, answer: list[Any]) -> tuple[bytes, dict[str, JSON]]:
        metadata: dict[str, JSON] = {"channel": answer[-2].decode("utf-8", "replace")}
        if answer[0] == b"pmessage":
            metadata["pattern"] = answer[1].decode("utf-8", "replace")
        return answer[-1], metadata

    async def _hand_over(self) -> None:
        while True:
            taken = [await self._queue.get()]
            size = len(taken[0][0])
            while not self._queue.empty() and len(taken) < self._config.batch and size < _BYTES:
                taken.append(self._queue.get_nowait())
                size += len(taken[-1][0])
            items: list[EventDraft | DeadLetter] = [of_message(self._config, *message) for message in taken]
            await deliver(self._ctx, items)
            for _ in taken:
                self._queue.task_done()
