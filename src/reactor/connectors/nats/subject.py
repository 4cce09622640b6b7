"""Listening to a subject: what comes waits in a queue of bounded length until it is committed.

NATS has no way to slow down who publishes, and keeps nothing. So when the queue is full, messages are dropped, counted,
and told as a gap.
"""

from __future__ import annotations

import asyncio
from collections import deque

from reactor.connectors.nats import message
from reactor.connectors.nats.config import NatsConfig
from reactor.connectors.nats.link import Link, Message
from reactor.model.clock import to_iso
from reactor.model.errors import TransientError
from reactor.sdk import DeadLetter, EventDraft, TriggerContext
from reactor.sdk.delivery import deliver

_BYTES = 32 * 1024 * 1024
"""Payloads that wait, whatever their number."""
_LOST = "lost"
"""What is saved while there is no connection: since when."""
_GLANCE = 1.0
"""Seconds between two looks at the connection."""
_TELL = 5_000
"""Milliseconds between two gaps that are told, while messages are dropped all the time."""


class Listening:
    """One trigger that listens to a subject."""

    def __init__(self, ctx: TriggerContext, link: Link) -> None:
        self._ctx = ctx
        self._link = link
        self._config: NatsConfig = ctx.config
        self._waiting: deque[Message] = deque()
        self._bytes = 0
        self._came = asyncio.Event()
        self._dropped = 0
        self._since = 0
        """When the first of them was dropped."""
        self._told = 0

    async def run(self) -> None:
        """Until cancelled, or the connection is lost."""
        config = self._config
        leave = await self._link.subscribe(config.subject or "", self._take, queue=config.queue or "")
        try:
            await self._arm()
            watching = asyncio.create_task(self._watch())
            try:
                await self._hand_over()
            except TransientError:
                await self._save(self._ctx.clock.now())
                raise
            finally:
                watching.cancel()
                await asyncio.wait({watching})
        finally:
            await leave()
            if self._waiting:
                self._since = self._since or self._ctx.clock.now()
                self._dropped += len(self._waiting)
            self._tell(now=True)

    async def _arm(self) -> None:
        """From now on nothing is missed; what was since the connection was lost may have been."""
        since = self._ctx.saved().get(_LOST)
        now = to_iso(self._ctx.clock.now())
        if isinstance(since, int) and self._config.queue is None:  # of a group, others were there
            self._ctx.gap(
                f"messages on {self._config.subject} between {to_iso(since)} and {now} are lost: "
                "there was no connection, and NATS keeps none; use a stream where each one counts"
            )
        if since is not None:
            await self._save(None)
        self._ctx.armed()

    async def _save(self, lost: int | None) -> None:
        await deliver(self._ctx, [], save={_LOST: lost})

    async def _take(self, msg: Message) -> None:
        if len(self._waiting) >= self._config.pending or self._bytes + len(msg.data) > _BYTES:
            self._dropped += 1
            self._since = self._since or self._ctx.clock.now()
            return
        self._waiting.append(msg)
        self._bytes += len(msg.data)
        self._came.set()

    async def _hand_over(self) -> None:
        while True:
            if not self._waiting:
                self._link.check()  # what has come is good, also when nothing more can
                self._came.clear()
                try:
                    async with asyncio.timeout(_GLANCE):
                        await self._came.wait()
                except TimeoutError:
                    continue
            batch = [self._waiting.popleft() for _ in range(min(len(self._waiting), self._config.batch))]
            await deliver(self._ctx, [self._read(msg) for msg in batch])
            self._bytes -= sum(len(msg.data) for msg in batch)

    def _read(self, msg: Message) -> EventDraft | DeadLetter:
        metadata = {"subject": msg.subject}
        if msg.reply:
            metadata["reply"] = msg.reply
        return message.read(msg.data, msg.headers, metadata, self._config.format, time=None)

    async def _watch(self) -> None:
        """Tell how much waits, and what was dropped, also while a delivery waits."""
        while True:
            await asyncio.sleep(_GLANCE)
            self._ctx.lag(len(self._waiting))
            self._tell()

    def _tell(self, *, now: bool = False) -> None:
        time = self._ctx.clock.now()
        if not self._dropped or (time - self._told < _TELL and not now):
            return
        self._ctx.gap(
            f"{self._dropped} messages on {self._config.subject} were dropped between {to_iso(self._since)} and "
            f"{to_iso(time)}: they waited when the trigger was stopped, or came faster than they could be taken while "
            f"{self._config.pending} waited already; use a stream, or share the subject with a `queue`"
        )
        self._dropped, self._since, self._told = 0, 0, time
