"""Consumers of aiokafka: how they are made, and how they are let go of whatever state the broker is in."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable, Mapping
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition, errors
from aiokafka.abc import ConsumerRebalanceListener
from aiokafka.structs import OffsetAndMetadata

SESSION = 6_000
"""Milliseconds after which the group gives our partitions to others when we are gone without a word."""
REBALANCE = 60_000
"""Milliseconds in which a member has to finish what it has in hand when the group shares anew."""
FETCH = 8 << 20
"""Bytes that are fetched from a broker at once."""
METADATA = 10_000
"""Milliseconds after which new topics and partitions are noticed."""
LEAVING = 2.0
"""Seconds for leaving the group."""
_SHARED_ANEW = (errors.UnknownMemberIdError, errors.IllegalGenerationError, errors.RebalanceInProgressError)


def made(
    options: Mapping[str, Any],
    servers: list[str],
    group: str,
    wanted: re.Pattern[str],
    listener: ConsumerRebalanceListener,
) -> AIOKafkaConsumer:
    """A consumer that is not started. It subscribes to an expression even for one topic: then it asks for all topics,
    and never for one by name, which would make it where brokers are set so.
    """
    consumer = AIOKafkaConsumer(
        bootstrap_servers=servers,
        group_id=group,
        enable_auto_commit=False,
        auto_offset_reset="none",
        isolation_level="read_committed",
        session_timeout_ms=SESSION,
        heartbeat_interval_ms=1_000,
        rebalance_timeout_ms=REBALANCE,
        request_timeout_ms=REBALANCE + 5_000,  # joining a group is one request; who hangs is found by `Cluster`
        max_poll_interval_ms=86_400_000,  # we may wait long for the store, and give up nothing meanwhile
        metadata_max_age_ms=METADATA,
        fetch_max_bytes=FETCH,
        **options,
    )
    consumer.subscribe(pattern=wanted.pattern, listener=listener)
    return consumer


async def commit(consumer: AIOKafkaConsumer, offsets: Mapping[TopicPartition, int]) -> None:
    """Commit the next offsets of partitions.

    `AIOKafkaConsumer.commit` refuses while a topic comes or goes, though the group still knows our partitions, and
    leaves a task behind when it is cancelled.

    Raises:
        CommitFailedError: the group has shared anew without us. KafkaError: it is refused.
    """
    coordinator = consumer._coordinator  # noqa: SLF001 - see above
    kept = {at: OffsetAndMetadata(offset, "") for at, offset in offsets.items()}
    while True:
        await coordinator.ensure_coordinator_known()
        try:
            await coordinator._do_commit_offsets(None, kept)  # noqa: SLF001 - see above
        except _SHARED_ANEW as error:
            raise errors.CommitFailedError(str(error)) from error
        except errors.KafkaError as error:
            if not error.retriable:
                raise
            await asyncio.sleep(0.1)
        else:
            return


def check(consumer: AIOKafkaConsumer) -> None:
    """See that nothing of it has ended by itself: then it would be silent for ever.

    Raises:
        KafkaError: something has.
    """
    fetcher = consumer._fetcher  # noqa: SLF001 - nothing public tells
    if fetcher is not None and fetcher.error_future.done():
        raise errors.KafkaError("fetching has ended by itself")


async def let_go(consumer: AIOKafkaConsumer, *, gently: bool) -> None:
    """Leave the group, and let nothing run on. Not `gently`: the broker does not answer, so only the latter."""
    if gently:
        leaving = asyncio.create_task(consumer.stop())
        done, _ = await asyncio.wait({leaving}, timeout=LEAVING)
        if done and not leaving.cancelled() and leaving.exception() is None:
            return
        await _ended([leaving])
    consumer._closed = True  # noqa: SLF001 - what `stop` does when it comes to its end
    coordinator, fetcher, client = consumer._coordinator, consumer._fetcher, consumer._client  # noqa: SLF001
    tasks = [client._sync_task]  # noqa: SLF001
    if coordinator is not None:
        tasks += [coordinator._coordination_task, coordinator._heartbeat_task, coordinator._commit_refresh_task]  # noqa: SLF001
    if fetcher is not None:
        tasks += [fetcher._fetch_task, *fetcher._pending_tasks]  # noqa: SLF001
    await _ended(tasks)
    await _ended([asyncio.create_task(client.close())], patience=1.0)


async def _ended(tasks: Iterable[asyncio.Task[Any] | None], patience: float = 0.0) -> None:
    """Cancel those that have not ended, after `patience` seconds; what they fail with has been told elsewhere."""
    left = {task for task in tasks if task is not None}
    if not left:
        return
    if patience:
        await asyncio.wait(left, timeout=patience)
    for _ in range(3):  # some of aiokafka's wait on after a cancellation
        waiting = {task for task in left if not task.done()}
        if not waiting:
            break
        for task in waiting:
            task.cancel()
        await asyncio.wait(waiting, timeout=1)
    for task in left:
        if task.done() and not task.cancelled():
            task.exception()
