"""Producers, one for each connection, and sending by them."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable
from typing import Any

from aiokafka import AIOKafkaProducer, errors

from reactor.connectors.kafka.actions import PublishParams, instant
from reactor.connectors.kafka.cluster import Cluster
from reactor.connectors.kafka.connection import KafkaSettings
from reactor.connectors.kafka.outgoing import outgoing
from reactor.sdk import ActionContext, PermanentError, StepError, TransientError
from reactor.sdk.sharing import Reach, Shared

WITHIN = 10.0
"""Seconds in which a message has to be written; aiokafka tries again meanwhile, without writing it twice."""
LARGEST = 16 << 20
"""Bytes of a message that we offer to the brokers; they have limits of their own (`message.max.bytes`)."""


class _Producer:
    """A producer, and whether it will work again."""

    def __init__(self, client: AIOKafkaProducer) -> None:
        self.client = client
        self.broken = False


async def _open(reach: Reach[KafkaSettings]) -> _Producer:
    async with Cluster(reach.settings, reach.operator) as cluster:  # it says why, if it cannot be reached
        await cluster.reach()
        producer = AIOKafkaProducer(
            bootstrap_servers=reach.settings.addresses(),
            enable_idempotence=True,
            acks="all",
            request_timeout_ms=int(WITHIN * 1000),
            max_request_size=LARGEST,
            **cluster.options,
        )
        try:
            async with asyncio.timeout(WITHIN):
                await producer.start()
        except BaseException as error:
            await _stop(_Producer(producer))
            if isinstance(error, errors.KafkaError | TimeoutError):
                raise failure(error, "") from error
            raise
    return _Producer(producer)


async def _stop(producer: _Producer) -> None:
    """Close it, whatever state it is in; nothing runs on. One that is broken sends nothing more: what it has not sent
    was told as not written.
    """
    client = producer.client
    before = asyncio.all_tasks()
    if not producer.broken:
        stopping = asyncio.create_task(client.stop())
        await asyncio.wait({stopping}, timeout=2)
        await _cancelled([stopping])
    client._closed = True  # noqa: SLF001 - what `stop` does when it comes to its end
    sender = client._sender.sender_task  # noqa: SLF001 - `stop` waits for it as long as it likes
    await _cancelled([sender, client.client._sync_task])  # noqa: SLF001
    await _cancelled([task for task in asyncio.all_tasks() - before if "MessageAccumulator" in repr(task.get_coro())])
    with contextlib.suppress(errors.KafkaError, TimeoutError):
        async with asyncio.timeout(1):
            await client.client.close()
    await _cancelled([sender])  # it waits for requests that have failed by now


async def _cancelled(tasks: Iterable[asyncio.Task[Any] | None]) -> None:
    """End them, and take what they fail with: it has been told."""
    left = {task for task in tasks if task is not None}
    for task in left:
        task.cancel()
    if left:
        await asyncio.wait(left, timeout=1)
    for task in left:
        if task.done() and not task.cancelled():
            task.exception()


_producers: Shared[_Producer] = Shared(_open, _stop, usable=lambda producer: not producer.broken)


async def close() -> None:
    """Give back all producers."""
    await _producers.close()


async def send(ctx: ActionContext, settings: KafkaSettings, params: PublishParams) -> dict[str, Any]:
    """Write the message.

    Raises:
        StepError: it was not written, or it is not known whether it was (`kafka.timeout`).
    """
    message = outgoing(params, flow=ctx.flow, step=ctx.step, idempotency_key=ctx.idempotency_key, trace=ctx.trace)
    at = instant(params)
    async with _producers.use(Reach.of(settings, ctx.settings)) as producer:
        try:
            async with asyncio.timeout(WITHIN + 1):
                await _refuse_partition(producer.client, params)
                sent = await producer.client.send(
                    params.topic,
                    message.value,
                    key=message.key,
                    partition=params.partition,
                    timestamp_ms=at,
                    headers=message.headers,
                )
                found = await sent
        except (errors.KafkaError, TimeoutError) as error:
            told = failure(error, params.topic)
            producer.broken = producer.broken or told.retryable
            raise told from error
    return {"topic": found.topic, "partition": found.partition, "offset": found.offset, "timestamp": found.timestamp}


async def _refuse_partition(client: AIOKafkaProducer, params: PublishParams) -> None:
    if params.partition is None:
        return
    there = await client.partitions_for(params.topic)
    if params.partition not in there:
        raise PermanentError(
            "input", f"the topic {params.topic!r} has no partition {params.partition}; it has 0 to {len(there) - 1}"
        )


def failure(error: Exception, topic: str) -> StepError:
    """What an error of aiokafka means for the step."""
    if isinstance(error, errors.UnknownTopicOrPartitionError | errors.InvalidTopicError):
        return PermanentError("kafka.topic", f"there is no topic {topic!r}; make it, or check its name")
    if isinstance(error, errors.TopicAuthorizationFailedError | errors.ClusterAuthorizationFailedError):
        return PermanentError(
            "kafka.rights",
            f"this user may not write to the topic {topic!r}; give it the rights WRITE and DESCRIBE on it",
        )
    if isinstance(error, errors.MessageSizeTooLargeError | errors.RecordListTooLargeError):
        return PermanentError(
            "kafka.too_large", f"the message is larger than the topic {topic!r} takes (`max.message.bytes`)"
        )
    if isinstance(error, errors.InvalidTimestampError):
        return PermanentError("input", f"the topic {topic!r} takes no message with such a `timestamp`")
    if isinstance(error, TimeoutError | errors.KafkaTimeoutError | errors.RequestTimedOutError):
        return TransientError("kafka.timeout", f"Kafka did not confirm the message within {WITHIN:g} s")
    if isinstance(error, errors.KafkaConnectionError | errors.NodeNotReadyError):
        return TransientError("kafka.connection", f"the connection to Kafka broke: {error}")
    return TransientError("kafka.refused", f"Kafka did not take the message: {error}")
