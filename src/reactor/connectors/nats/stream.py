"""Listening to a stream, by a durable consumer that is pulled from.

What is taken is saved in the commit of its events, and each message is acknowledged by itself after it. (Acknowledging
all up to one would be cheaper, and wrong: after a crash newer messages come before those that were in flight.) A
message that comes again is passed over only when it is among those that were saved.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from hashlib import blake2b
from typing import Any

import msgspec

from reactor.connectors.nats import jetstream, message
from reactor.connectors.nats.config import NatsConfig
from reactor.connectors.nats.gaps import Gaps
from reactor.connectors.nats.link import ANSWER, Link, Message
from reactor.connectors.nats.taken import Order, Taken
from reactor.model import failpoints
from reactor.model.clock import Instant
from reactor.model.errors import PermanentError, StepError, TransientError
from reactor.sdk import DeadLetter, EventDraft, TriggerContext
from reactor.sdk.delivery import deliver

SAVED = "taken"
_GLANCE = 1.0
_PULL = 3.0
"""Seconds that a pull waits at the server for its messages; never as long as the time for acknowledgements: what was
on its way when we were cut off would be given to the pull of then once more, and nobody could tell it from messages
that others have taken."""
_POLL = 3.0
_GRACE = 2.5
"""Seconds that a commit may go on when we stop: one that is broken off half-way may be on the disk or not."""
_SAVE = 60.0
"""Seconds between two saves of a place that moved without messages for us."""
_ON_ITS_WAY = 0.05
_BYTES = 8 * 1024 * 1024
_ACK = "$JS.ACK."
_ACK_FIELDS, _ACK_FIELDS_LONG = 9, 11
_ENDS_PULL, _TOO_MUCH = {"404", "408"}, "exceeds maxbytes"


class Delivered(msgspec.Struct, gc=False):
    """A message as the consumer gave it."""

    msg: Message
    sequence: int
    """In the stream."""
    number: int
    """Of the delivery."""
    times: int
    time: Instant
    since: float
    """When it came, on the loop's clock; later, when the server was last told that it is worked on."""


class Streaming:
    """One trigger that listens to a stream."""

    def __init__(self, ctx: TriggerContext, link: Link) -> None:
        self._ctx = ctx
        self._link = link
        self._config: NatsConfig = ctx.config
        self._stream = ctx.config.stream
        self._durable: str = ctx.config.durable or default_durable(ctx.key)
        self._came = asyncio.Event()
        self._arrived: list[Delivered] = []
        self._held: dict[int, Delivered] = {}
        """By sequence: arrived and not acknowledged."""
        self._batch: list[Delivered] = []
        """What is being committed."""
        self._done: list[Delivered] = []
        """What is committed and not acknowledged yet."""
        self._asked = 0
        """Messages that the pull may still bring."""
        self._pulled, self._pull_ends = 0.0, 0.0
        self._trouble: Exception | None = None
        self._inbox = ""
        self._saved_at = 0.0
        self._moved = False
        """The floor was raised since it was saved."""

    async def run(self) -> None:
        """Until cancelled, or it cannot go on."""
        await self._prepare()
        self._inbox = self._link.new_inbox()
        leave = await self._link.subscribe(self._inbox, self._take)
        try:
            await self._pull()
            await self._link.flush()
            self._permitted()
            self._ctx.armed()
            await self._work()
        finally:
            await self._release(leave)

    # ------------------------------------------------------------ beginning

    async def _prepare(self) -> None:
        """The consumer as it is wanted, and what of its stream has been taken."""
        stream = await jetstream.stream_info(self._link, self._stream)
        taken, anew = self._remembered(stream)
        found = await jetstream.consumer_info(self._link, self._stream, self._durable)
        if found is None:
            begin = Taken(self._stream, stream.created, self._durable) if anew else taken
            found = await jetstream.make_consumer(self._link, self._config, self._durable, begin)
        jetstream.checked(self._config, self._durable, found)
        if taken is not None and stream.config.retention != "interest" and await self._alone(taken, found):
            found = await jetstream.begin_again(self._link, self._config, self._durable, taken)
            taken.consumer = found.created
        self._consumer = found
        if taken is None:
            taken = Taken(self._stream, stream.created, self._durable)
            taken.consumer = found.created
            taken.floor = 0 if anew else max(found.settled, stream.state.first_seq - 1)
        self._taken = taken
        self._gaps = Gaps(self._ctx, self._link, self._config, stream)
        self._gaps.passed_over(taken, found)
        on_its_way = taken.of(found.created) and found.delivered.consumer_seq > taken.number
        if on_its_way and self._config.durable is None:
            # What was on its way to us and trimmed meanwhile counts as settled at the server, and was not read.
            self._gaps.trimmed(taken, stream)
        taken.consumer, taken.number = found.created, found.delivered.consumer_seq
        taken.raise_floor(found.settled)
        self._gaps.trimmed(taken, stream)
        begun = max(found.delivered.stream_seq, stream.state.first_seq - 1)
        self._order = Order(found.delivered.consumer_seq, begun)
        await self._save()

    async def _alone(self, taken: Taken, found: jetstream.Consumer) -> bool:
        """See `jetstream.alone`; our own pull, from before we were cut off, may wait there for a moment."""
        until = asyncio.get_running_loop().time() + _PULL + _GLANCE
        while found.num_waiting and jetstream.alone(taken, msgspec.structs.replace(found, num_waiting=0)):
            if asyncio.get_running_loop().time() > until:
                return False
            await asyncio.sleep(_GLANCE / 4)
            again = await jetstream.consumer_info(self._link, self._stream, self._durable)
            if again is None:
                return False
            found = again
        return jetstream.alone(taken, found)

    def _remembered(self, stream: jetstream.Stream) -> tuple[Taken | None, bool]:
        """What was taken of this very stream, and whether the stream was made anew since."""
        try:
            taken = msgspec.convert(self._ctx.saved().get(SAVED), Taken)
        except msgspec.ValidationError:  # nothing was saved
            return None, False
        if (taken.stream, taken.durable) != (self._stream, self._durable):
            return None, False
        if taken.created != stream.created:
            self._ctx.gap(
                f"stream {self._stream!r} was deleted and made anew at {stream.created}; what the old one had after "
                f"its message {taken.top} is lost, the new one is read from its beginning"
            )
            return None, True
        if stream.state.last_seq < taken.top:
            self._ctx.gap(
                f"stream {self._stream!r} ends with message {stream.state.last_seq}, though {taken.top} had been read "
                "from it: its end was lost, or it was restored from a backup; messages after that are new ones"
            )
            taken.cut(stream.state.last_seq)
        return taken, False

    async def _save(self, items: Sequence[EventDraft | DeadLetter] = ()) -> None:
        loop = asyncio.get_running_loop()
        self._saved_at = loop.time()
        saving = loop.create_task(deliver(self._ctx, items, save={SAVED: msgspec.to_builtins(self._taken)}))
        try:
            await asyncio.shield(saving)
        except asyncio.CancelledError:
            await asyncio.wait({saving}, timeout=_GRACE)
            if not saving.cancel() and saving.exception() is None:
                self._committed()
            await asyncio.wait({saving})
            raise

    # ------------------------------------------------------------ taking

    async def _work(self) -> None:
        """Hand over what comes; beside it keep it, and look how far we are."""
        main = asyncio.create_task(self._hand_over())
        beside = [asyncio.create_task(self._noting(one())) for one in (self._keep, self._poll, self._watch)]
        try:
            await asyncio.wait({main, *beside}, return_when=asyncio.FIRST_COMPLETED)
            if not main.done():
                self._came.set()
                await asyncio.wait({main}, timeout=_GRACE)
        finally:
            for task in (main, *beside):
                task.cancel()
            await asyncio.wait({main, *beside})
        if self._trouble is not None:
            raise self._trouble
        main.result()

    async def _noting(self, work: Coroutine[Any, Any, None]) -> None:
        """Note the trouble that ends it."""
        try:
            await work
        except (StepError, TimeoutError) as error:
            self._trouble = self._trouble or error

    async def _hand_over(self) -> None:
        while self._trouble is None:
            self._check()
            if not self._arrived and self._asked:
                await self._wait()
                continue
            batch, self._arrived = self._arrived, []
            if self._asked == 0:  # the next come while these are committed
                await self._pull()
            if batch:
                await self._commit(batch)

    async def _wait(self) -> None:
        self._came.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_GLANCE):
                await self._came.wait()
        if not self._arrived and asyncio.get_running_loop().time() - self._saved_at > _SAVE and self._moved:
            self._moved = False
            await self._save()

    async def _commit(self, batch: list[Delivered]) -> None:
        new: dict[int, Delivered] = {}
        holes = []
        for one in batch:
            self._taken.number = one.number
            first, last = self._order.next(one.number, one.sequence, again=one.times > 1)
            if first < last:
                holes.append((first, last - 1))
            if not self._taken.has(one.sequence):
                new.setdefault(one.sequence, one)
                self._taken.add(first, last)
        items = [self._read(one) for one in new.values()]
        await self._gaps.look(holes)
        self._batch = batch
        if items:
            await self._save(items)
        self._committed()
        await self._acknowledge()

    def _read(self, one: Delivered) -> EventDraft | DeadLetter:
        msg = one.msg
        metadata: dict[str, Any] = {"subject": msg.subject, "stream": self._stream, "sequence": one.sequence}
        if one.times > 1:
            metadata["deliveries"] = one.times
        return message.read(msg.data, msg.headers, metadata, self._config.format, time=one.time)

    def _committed(self) -> None:
        for one in self._batch:
            self._held.pop(one.sequence, None)
        self._done += self._batch
        self._batch = []

    async def _acknowledge(self) -> None:
        done, self._done = self._done, []
        async with asyncio.timeout(ANSWER):
            for one in done:
                await self._link.send(one.msg.reply)
        failpoints.reach("source.acknowledged")

    # ------------------------------------------------------------ pulling

    async def _pull(self) -> None:
        """Ask for a batch. The answers come to `_take`."""
        asked = self._config.batch
        waits = max(_GLANCE / 4, min(_PULL, self._consumer.patience / 2))
        request = {
            "batch": asked,
            "expires": int(waits * 1e9),
            "max_bytes": max(_BYTES, self._link.max_payload + 65_536),
        }
        self._asked = asked
        self._pulled = asyncio.get_running_loop().time()
        self._pull_ends = self._pulled + waits
        subject = f"$JS.API.CONSUMER.MSG.NEXT.{self._stream}.{self._durable}"
        await self._link.send(subject, msgspec.json.encode(request), reply=self._inbox)

    async def _take(self, msg: Message) -> None:
        """A message, or a word of the server about the pull."""
        if not msg.reply.startswith(_ACK):
            self._told(msg.headers or {})
            return
        fields = msg.reply.split(".")
        at = 4 if len(fields) == _ACK_FIELDS else 6  # with the names of domain and account before
        times, sequence, number, nanos = (int(text) for text in fields[at : at + 4])
        one = Delivered(msg, sequence, number, times, nanos // 1_000_000, asyncio.get_running_loop().time())
        self._asked = max(0, self._asked - 1)
        self._held[sequence] = one
        self._arrived.append(one)
        self._came.set()

    def _told(self, headers: dict[str, str]) -> None:
        status, why = str(headers.get("Status", "")), str(headers.get("Description", ""))
        if status == "100":
            return
        self._asked = 0
        if status == "409" and "deleted" in why.lower():
            self._trouble = TransientError(
                "nats.consumer",
                f"the consumer {self._durable!r} of stream {self._stream!r} was deleted; it is made anew if the stream "
                "is there",
            )
        elif status not in _ENDS_PULL and _TOO_MUCH not in why.lower():
            self._trouble = TransientError(
                "nats.consumer", f"stream {self._stream!r} gives nothing: {status} {why}; is JetStream running?"
            )
        self._came.set()

    def _check(self) -> None:
        self._link.check()
        self._permitted()
        now = asyncio.get_running_loop().time()
        if self._asked and not self._arrived and now > self._pull_ends + _POLL:
            raise TransientError(
                "nats.consumer", f"stream {self._stream!r} does not answer to a pull; is its consumer still there?"
            )

    def _permitted(self) -> None:
        if self._link.denied:
            self._link.permitted("publish", f"$JS.API.CONSUMER.MSG.NEXT.{self._stream}.{self._durable}")
            for told in self._link.denied:
                if f'publish to "{_ACK.lower()}{self._stream.lower()}.{self._durable.lower()}.' in told:
                    raise PermanentError(
                        "nats.denied",
                        f"the server does not permit us to acknowledge; permit publish on {_ACK}{self._stream}.>",
                    )

    # ------------------------------------------------------------ beside it

    async def _keep(self) -> None:
        """Tell the server of messages that wait for long that they are worked on, so that nobody else gets them."""
        loop = asyncio.get_running_loop()
        pause = self._consumer.patience / 3
        while True:
            await asyncio.sleep(pause)
            now = loop.time()
            for one in list(self._held.values()):
                if now - one.since > pause / 2:
                    await self._link.send(one.msg.reply, b"+WPI")
                    one.since = now

    async def _watch(self) -> None:
        """The connection, also while a delivery waits."""
        while True:
            await asyncio.sleep(_GLANCE)
            self._link.check()

    async def _poll(self) -> None:
        """How far behind we are, and what nobody needs to remember any more."""
        while True:
            stream = await jetstream.stream_info(self._link, self._stream) if self._config.subject else None
            found = await jetstream.consumer_info(self._link, self._stream, self._durable)
            if found is None:
                raise TransientError(
                    "nats.consumer",
                    f"the consumer {self._durable!r} of stream {self._stream!r} is gone; it is made anew",
                )
            self._ctx.lag(found.num_pending)
            before = self._taken.floor
            self._taken.raise_floor(found.ack_floor.stream_seq)
            if stream is not None and not self._held and not found.num_pending and not found.num_ack_pending:
                self._taken.raise_floor(stream.state.last_seq)
            self._moved = self._moved or self._taken.floor > before
            await asyncio.sleep(_POLL)

    # ------------------------------------------------------------ leaving

    async def _release(self, leave: Callable[[], Awaitable[None]]) -> None:
        """Give back what was not committed, so that it need not wait for the time of acknowledgements to be over."""
        if self._link.alive and asyncio.get_running_loop().time() < self._pulled + _ON_ITS_WAY:
            await asyncio.sleep(_ON_ITS_WAY)  # the server may be about to answer to a pull
        await leave()
        if not self._link.alive:
            return
        with contextlib.suppress(TransientError, TimeoutError):
            await self._acknowledge()
            async with asyncio.timeout(1):
                for one in self._held.values():
                    await self._link.send(one.msg.reply, b"-NAK")


def default_durable(key: str) -> str:
    """The name of a trigger's consumer where the flow names none: `reactor_FLOW_INDEX`."""
    flow, _, index = key.rpartition("/")
    name = re.sub(r"[^\w-]", "_", flow, flags=re.ASCII)
    mark = "" if name == flow else "_" + blake2b(flow.encode(), digest_size=4).hexdigest()
    return f"reactor_{name}{mark}_{index}"
