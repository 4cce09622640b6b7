"""One running Kafka trigger: a member of a consumer group on one side, the door on the other."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from aiokafka import TopicPartition, errors
from aiokafka.abc import ConsumerRebalanceListener

from reactor.connectors.kafka import consumer as consumers
from reactor.connectors.kafka import positions
from reactor.connectors.kafka.cluster import ANSWER, Cluster, Topic
from reactor.connectors.kafka.config import EARLIEST, LATEST, KafkaConfig, start_time
from reactor.connectors.kafka.connection import KAFKA
from reactor.connectors.kafka.hold import Hold
from reactor.connectors.kafka.positions import Place, Saved
from reactor.model import failpoints
from reactor.sdk import JSON, DeadLetter, EventDraft, TriggerContext, TriggerLost
from reactor.sdk.delivery import deliver

MOST = 500
"""Messages that are taken at once."""
IDLE = 200
"""Milliseconds of waiting for messages before other things are looked at."""
WATCH = 2.0
"""Seconds between two looks at how the broker and the topics are."""
LOOK = 5
"""Every so many looks, all topics are looked at, where there are patterns."""
SHARING = 8.0
"""Seconds after which it is told that the group has not shared its partitions yet."""
_SEEN = "seen"
"""The saved key beside the partitions: in which cluster, as which group and to which topics it was subscribed."""


class Reading(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka's types are not read
    """The state of one running trigger."""

    def __init__(self, ctx: TriggerContext) -> None:
        self._ctx = ctx
        self._config: KafkaConfig = ctx.config
        if problems := self._config.problems():
            raise TriggerLost("; ".join(problems))
        self._group = self._config.group or f"reactor.{ctx.flow}"
        self._wanted = self._config.expression()
        self._topics: dict[str, Topic] = {}
        self._consumer: Any = None
        self._hold = Hold(self._config.batching(), self._config.format)
        self._passing = asyncio.Lock()
        self._given: frozenset[TopicPartition] | None = None  # partitions whose place has to be found
        self._settled = False
        self._ids: dict[TopicPartition, str] = {}
        self._next: dict[TopicPartition, int] = {}
        self._owed: dict[TopicPartition, int] = {}
        self._failure: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def run(self) -> None:
        """Read until cancelled.

        Raises:
            TriggerLost: it cannot go on; says why and what to do. StepError: the same, of the cluster.
        """
        try:
            settings = self._ctx.connection(self._config.connection, KAFKA).settings
            async with Cluster(settings, self._ctx.settings) as cluster:
                await self._look(cluster)
                await cluster.reach()
                self._consumer = consumers.made(
                    cluster.options, settings.addresses(), self._group, self._wanted, listener=self
                )
                await self._read(cluster)
        except errors.KafkaError as error:
            raise TriggerLost(self._explained(error)) from error

    async def _read(self, cluster: Cluster) -> None:
        """Take and watch, until one of the two fails."""
        taking, watching = asyncio.create_task(self._take(cluster)), asyncio.create_task(self._watch(cluster))
        hangs = False
        try:
            await asyncio.wait([taking, watching, self._failure], return_when=asyncio.FIRST_COMPLETED)
            hangs = watching.done()
        finally:
            taking.cancel()
            watching.cancel()
            await asyncio.wait([taking, watching])
            self._failure.cancel()
            if not hangs:
                await self._pay_at_last()
            await consumers.let_go(self._consumer, gently=not hangs)
        failed = [done.exception() for done in (watching, taking, self._failure) if not done.cancelled()]
        for error in failed:
            if error is not None:
                raise error

    # ------------------------------------------------------------ messages

    async def _take(self, cluster: Cluster) -> None:
        try:
            async with asyncio.timeout(2 * ANSWER):
                await self._consumer.start()
        except TimeoutError:
            raise TriggerLost(f"Kafka at {cluster.where} does not answer within {2 * ANSWER:g} s") from None
        while True:
            if self._given is not None:
                await self._settle(cluster, self._given)
            try:
                found = await self._consumer.getmany(timeout_ms=self._hold.patience(IDLE), max_records=MOST)
            except (errors.OffsetOutOfRangeError, errors.NoOffsetForPartitionError):
                self._again()
                continue
            # Nothing may come in between: whoever takes our partitions away finds in the hold what was taken.
            for at, records in found.items():
                self._hold.add(at, self._fresh(at, records))
            if not found and self._settled and self._hold.empty:
                await self._step_over()
            async with self._passing:
                await self._pass_on(*self._hold.due())

    def _fresh(self, at: TopicPartition, records: list[Any]) -> list[Any]:
        """Without those that were passed on already."""
        start = self._next.get(at, 0)
        return records if records[0].offset >= start else [record for record in records if record.offset >= start]

    async def _step_over(self) -> None:
        """Where nothing follows but what is no message (marks of transactions), the place is behind that."""
        behind = {}
        for at in self._consumer.assignment() & self._next.keys():
            if (position := await self._consumer.position(at)) > self._next[at]:  # at once: all have one
                behind[at] = position
        if behind:
            async with self._passing:
                await self._pass_on([], behind)

    async def _pass_on(self, items: Sequence[EventDraft | DeadLetter], reached: Mapping[TopicPartition, int]) -> None:
        """Commit events with the positions behind them, then tell the group."""
        if not reached:
            return
        await deliver(self._ctx, items, save={_key(at): self._saved(at, offset) for at, offset in reached.items()})
        self._next |= reached
        self._owed |= reached
        await self._pay()
        failpoints.reach("source.acknowledged")

    async def _pay(self, within: float = 2 * ANSWER) -> None:
        """Commit to the group what we have committed. Where it shares anew without us, what we saved is enough."""
        if not self._owed:
            return
        owed = dict(self._owed)
        try:
            async with asyncio.timeout(within):
                await consumers.commit(self._consumer, owed)
        except errors.CommitFailedError as error:
            self._ctx.log.info("the group %s did not take our offsets: %s", self._group, error)
        except TimeoutError:
            raise TriggerLost(
                f"Kafka does not take the offsets of the group {self._group!r} within {within:g} s; is it overloaded?"
            ) from None
        self._owed = {}

    async def _pay_at_last(self) -> None:
        with contextlib.suppress(TriggerLost, errors.KafkaError):  # what we saved is enough
            await self._pay(within=1.0)

    # ------------------------------------------------------------ the group

    async def on_partitions_revoked(self, revoked: set[TopicPartition]) -> None:
        """Finish what is in hand; others go on behind it."""
        self._settled = False
        if self._failure.done():
            return
        try:
            async with self._passing:
                await self._pass_on(*self._hold.all())
        except Exception as error:  # noqa: BLE001 - aiokafka would log it and go on; `_read` raises it
            self._fail(error)

    def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:
        """Nothing is read of them before they have their place."""
        self._consumer.pause(*assigned)
        self._given = frozenset(assigned)
        self._settled = False

    def _fail(self, error: Exception) -> None:
        if not self._failure.done():
            self._failure.set_exception(error)

    def _again(self) -> None:
        """Find the places of our partitions anew."""
        self.on_partitions_assigned(set(self._consumer.assignment()))

    async def _settle(self, cluster: Cluster, given: frozenset[TopicPartition]) -> None:
        """Say where reading begins in each partition, and begin."""
        async with self._passing:
            await self._pass_on(*self._hold.all())
        try:
            async with asyncio.timeout(2 * ANSWER):
                await self._look(cluster, everything=True)
                places = await self._places(cluster, given)
        except TimeoutError:
            raise TriggerLost(
                f"Kafka does not tell the offsets of the group {self._group!r}; is it overloaded?"
            ) from None
        begins = {at: positions.begin(place) for at, place in places.items()}
        if self._shared_anew(given):
            return
        for at, begin in begins.items():
            if begin.gap is not None:
                self._ctx.gap(f"{at.topic}, partition {at.partition}: {begin.gap}")
        self._ids = {at: place.topic for at, place in places.items()}
        self._next = {at: begin.offset for at, begin in begins.items()}
        new = {at: offset for at, offset in self._next.items() if places[at].committed != offset}
        kept = {_key(at): self._saved(at, offset) for at, offset in self._next.items()}
        await deliver(self._ctx, [], save=self._forgotten(cluster) | kept | {_SEEN: self._seen(cluster)})
        self._owed = new
        await self._pay()
        if self._shared_anew(given):
            return
        for at, offset in self._next.items():
            self._consumer.seek(at, offset)
        self._consumer.resume(*given)
        self._given, self._settled = None, True
        self._ctx.armed()

    def _shared_anew(self, given: frozenset[TopicPartition]) -> bool:
        """Whether our partitions are others by now."""
        return given is not self._given or not given <= self._consumer.assignment()

    async def _places(self, cluster: Cluster, given: frozenset[TopicPartition]) -> dict[TopicPartition, Place]:
        if not given:
            return {}
        begins = await self._consumer.beginning_offsets(list(given))
        ends = await self._consumer.end_offsets(list(given))
        here = self._was_here(cluster)
        wanted = {} if here else await self._starts(given, ends)
        saved = self._ctx.saved() if self._was_here(cluster, topics=False) else {}
        return {
            at: Place(
                topic=self._topics[at.topic].id if at.topic in self._topics else "",
                begin=begins[at],
                end=ends[at],
                committed=await self._consumer.committed(at),
                saved=_read(saved.get(_key(at))),
                wanted=wanted.get(at),
            )
            for at in given
        }

    async def _starts(
        self, given: frozenset[TopicPartition], ends: Mapping[TopicPartition, int]
    ) -> dict[TopicPartition, int]:
        """Where `start` wants partitions to begin; nothing of those that begin at their oldest message."""
        if self._config.start == EARLIEST:
            return {}
        if self._config.start == LATEST:
            return dict(ends)
        since = start_time(self._config.start)
        found = await self._consumer.offsets_for_times(dict.fromkeys(given, since))
        return {at: found[at].offset if found[at] is not None else ends[at] for at in given}

    # ------------------------------------------------------------ watching

    async def _watch(self, cluster: Cluster) -> None:
        """See that the broker answers and the topics are there, and tell how far behind we are."""
        turn, waits = 0, 0.0
        while True:
            await asyncio.sleep(WATCH)
            turn += 1
            before = self._topics
            await self._look(cluster, everything=turn % LOOK == 0)
            consumers.check(self._consumer)
            if self._settled:
                waits = 0.0
                if any(name in before and before[name].id != topic.id for name, topic in self._topics.items()):
                    self._again()
                else:
                    await self._measure()
                continue
            waits += WATCH
            if waits - WATCH < SHARING <= waits:
                self._ctx.lagging(
                    f"the group {self._group!r} has not shared its partitions yet; another member is busy, or has gone "
                    "without a word"
                )

    async def _look(self, cluster: Cluster, *, everything: bool = True) -> None:
        """Which topics there are. Not `everything`: those that are known already.

        Raises:
            TriggerLost: one that is wanted by name is not there, or we may not see it.
        """
        names = self._config.names()
        patterns = len(names) < len(self._config.selection())
        asked = None if everything and patterns else list({*names, *self._topics})
        found = await cluster.topics(asked)
        for name in names:
            topic = found.get(name)
            if topic is None or topic.error is errors.UnknownTopicOrPartitionError:
                raise TriggerLost(
                    f"there is no topic {name!r} in Kafka at {cluster.where}, or this user may not see it; make it, or "
                    "check its name"
                )
            if topic.error is errors.TopicAuthorizationFailedError:
                raise TriggerLost(_no_topic_rights(name))
        self._topics = {
            name: topic
            for name, topic in found.items()
            if topic.partitions and not topic.internal and self._wanted.match(name)
        }

    async def _measure(self) -> None:
        assigned = [at for at in self._consumer.assignment() if at.topic in self._topics]
        if not assigned:
            self._ctx.lag(0)
            return
        try:
            async with asyncio.timeout(ANSWER):
                ends = await self._consumer.end_offsets(assigned)
        except TimeoutError:
            raise TriggerLost(
                f"a broker that holds partitions of {', '.join(sorted({at.topic for at in assigned}))} does not answer "
                f"within {ANSWER:g} s; is it down?"
            ) from None
        self._ctx.lag(sum(max(0, end - self._next[at]) for at, end in ends.items() if at in self._next))

    # ------------------------------------------------------------ what is kept

    def _saved(self, at: TopicPartition, offset: int) -> JSON:
        return [offset, self._ids.get(at, "")]

    def _seen(self, cluster: Cluster) -> dict[str, JSON]:
        return {"cluster": cluster.id, "group": self._group, "topics": self._config.selection()}

    def _was_here(self, cluster: Cluster, *, topics: bool = True) -> bool:
        """Whether it has been subscribed like this before; then `start` means nothing any more."""
        kept, now = self._ctx.saved().get(_SEEN), self._seen(cluster)
        names = now.keys() if topics else ("cluster", "group")
        return isinstance(kept, dict) and all(kept.get(name) == now[name] for name in names)

    def _forgotten(self, cluster: Cluster) -> dict[str, JSON]:
        """What was saved of another cluster or as another group."""
        return {} if self._was_here(cluster, topics=False) else dict.fromkeys(self._ctx.saved())

    # ------------------------------------------------------------ words

    def _explained(self, error: errors.KafkaError) -> str:
        if isinstance(error, errors.GroupAuthorizationFailedError):
            return (
                f"this user may not read as the group {self._group!r}; give it the right READ on that group, or say "
                "another `group`"
            )
        if isinstance(error, errors.TopicAuthorizationFailedError):
            return _no_topic_rights(str(error.args[0]) if error.args else ", ".join(sorted(self._topics)))
        if isinstance(error, errors.InconsistentGroupProtocolError):
            return (
                f"the group {self._group!r} has members that are no Reactor and share partitions in another way; say "
                "another `group`"
            )
        if isinstance(error, errors.InvalidSessionTimeoutError):
            return f"Kafka takes no session of {consumers.SESSION} ms; lower its `group.min.session.timeout.ms`"
        if isinstance(error, errors.UnsupportedCodecError):
            return f"{error}: pip install reactor-engine[kafka]"
        return f"Kafka: {error}; see the broker's log"


def _key(at: TopicPartition) -> str:
    return f"{at.topic}/{at.partition}"


def _read(kept: JSON) -> Saved | None:
    """What `_saved` made, as it came back."""
    try:
        return msgspec.convert(kept, Saved) if kept is not None else None
    except msgspec.ValidationError:
        return None


def _no_topic_rights(name: str) -> str:
    return f"this user may not read the topic {name!r}; give it the rights READ and DESCRIBE on it"
