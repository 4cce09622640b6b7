"""A list as a queue: its elements are moved to a list of ours, batch by batch, and deleted there after the commit.

Each batch has a number and a list of its own, and the number of the last one is in the commit of its events. So what a
crash leaves in our lists is either done (deleted then) or the next batch (taken then): never both, never lost.
"""

from __future__ import annotations

import asyncio
import secrets

from reactor.connectors.redis.config import RedisConfig
from reactor.connectors.redis.connection import Link, Opening, link
from reactor.connectors.redis.entries import of_message
from reactor.connectors.redis.handing import BEAT, hand_over
from reactor.model import failpoints
from reactor.sdk import TriggerContext
from reactor.sdk.delivery import deliver

BLOCK = 2.0
"""Seconds that Redis lets us wait for an element; a server that hangs is noticed `connection.WITHIN` later."""
_BYTES = 4_000_000
_FIRST_COUNT = 32


class Elements:
    """One trigger on one list."""

    def __init__(self, ctx: TriggerContext, opened: Opening) -> None:
        config: RedisConfig = ctx.config
        self._ctx, self._config, self._opened = ctx, config, opened
        self._list = config.list_
        # Kept for each list, so that a trigger that is changed to another one and back finds what it had in hand.
        self._key = f"queue {opened.place} {self._list}"
        self._most = min(_FIRST_COUNT, config.batch)
        self._told_at = 0.0
        self._name, self._done = "", 0
        self._link: Link

    async def run(self) -> None:
        """Take until cancelled.

        Raises:
            StepError: the server is lost, or refuses.
        """
        async with link(self._opened) as self._link:
            await self._begin()
            await self._link.call("LLEN", self._list)
            left = await self._link.call("LRANGE", self._batch(self._done + 1), 0, -1)
            self._ctx.armed()
            if left:
                await self._hand_over(left)
            while True:
                if taken := await self._more(self._most) or await self._first():
                    await self._hand_over(taken)

    async def _begin(self) -> None:
        kept = self._ctx.saved().get(self._key)
        if isinstance(kept, dict):
            self._name, self._done = str(kept["name"]), int(kept["done"])
        else:
            self._name = f"{self._list}:reactor-{self._ctx.key}-{secrets.token_hex(4)}"
            await deliver(self._ctx, [], save={self._key: self._saved()})
        await self._link.call("DEL", self._batch(self._done))

    def _saved(self) -> dict[str, str | int]:
        return {"name": self._name, "done": self._done}

    def _batch(self, number: int) -> str:
        """The list that holds a batch."""
        return f"{self._name}:{number}"

    def _ways(self) -> tuple[str, str]:
        """From which end of the list, to which end of ours."""
        return self._config.take.upper(), "RIGHT"

    async def _first(self) -> list[bytes]:
        """What comes within two seconds."""
        move = ("BLMOVE", self._list, self._batch(self._done + 1), *self._ways(), BLOCK)
        first = await self._link.call(*move, wait=BLOCK)
        return [] if first is None else [first, *await self._more(self._most - 1)]

    async def _more(self, count: int) -> list[bytes]:
        """What is there already."""
        waiting: int = await self._link.call("LLEN", self._list)
        self._say(max(0, waiting - count))
        move = ("LMOVE", self._list, self._batch(self._done + 1), *self._ways())
        moves = [move] * min(count, waiting)
        if not moves:
            return []
        answers = [self._link.answered(one) for one in await self._link.together(*moves)]
        return [one for one in answers if one is not None]

    def _say(self, waiting: int) -> None:
        now = asyncio.get_running_loop().time()
        if now - self._told_at >= BEAT or not waiting:
            self._told_at = now
            self._ctx.lag(waiting)

    async def _hand_over(self, elements: list[bytes]) -> None:
        """Hand elements to the door, and delete them after that."""
        items = [of_message(self._config, element, {"list": self._list}) for element in elements]
        self._done += 1
        await hand_over(self._ctx, items, {self._key: self._saved()}, meanwhile=lambda: self._link.call("PING"))
        await self._link.call("DEL", self._batch(self._done))
        failpoints.reach("source.acknowledged")
        size = sum(map(len, elements))
        if size > _BYTES:
            self._most = max(1, len(elements) * _BYTES // size)
        elif len(elements) >= self._most:
            self._most = min(self._config.batch, self._most * 2)
