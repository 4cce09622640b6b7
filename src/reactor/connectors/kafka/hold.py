"""What has been taken from Kafka and is not passed on yet: at most one poll, or the batches that fill. No I/O."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

from reactor.connectors.kafka import message
from reactor.connectors.kafka.config import Batch
from reactor.sdk import DeadLetter, EventDraft
from reactor.sdk.payload import Format

HEAVY = 4 << 20
"""Bytes of messages in one event, at most (and at least one message)."""

Item = EventDraft | DeadLetter


class _Filling:
    """A batch of one topic that is not full."""

    def __init__(self, until: float) -> None:
        self.until = until
        self.drafts: list[EventDraft] = []
        self.dead: list[DeadLetter] = []
        self.size = 0
        self.behind: dict[Any, int] = {}


class Hold:
    """Messages in, events out; with the offsets behind them."""

    def __init__(self, batch: Batch | None, form: Format, now: Callable[[], float] = time.monotonic) -> None:
        self._batch = batch
        self._form = form
        self._now = now
        self._items: list[Item] = []
        self._behind: dict[Any, int] = {}  # partition → the offset behind what lies in `_items`
        self._filling: dict[str, _Filling] = {}

    @property
    def empty(self) -> bool:
        """Whether nothing is held."""
        return not self._items and not self._filling

    def add(self, at: Any, records: Sequence[Any]) -> None:
        """Messages of one partition in their order; `at` is its `TopicPartition`."""
        if not records:
            return
        if self._batch is not None:
            for record in records:
                self._fill(self._batch, at, record)
            return
        form = self._form
        self._items += [message.read(record, form) for record in records]
        self._behind[at] = records[-1].offset + 1

    def due(self) -> tuple[list[Item], dict[Any, int]]:
        """What can be passed on now, and the offsets behind it."""
        now = self._now()
        return self._out([topic for topic, filling in self._filling.items() if filling.until <= now])

    def all(self) -> tuple[list[Item], dict[Any, int]]:
        """Everything, full or not."""
        return self._out(list(self._filling))

    def patience(self, most: int) -> int:
        """Milliseconds until something is due, at most `most`."""
        if not self._filling:
            return most
        left = min(filling.until for filling in self._filling.values()) - self._now()
        return max(1, min(most, int(left * 1000) + 1))

    def _fill(self, batch: Batch, at: Any, record: Any) -> None:
        size = len(record.value or b"")
        filling = self._filling.get(at.topic)
        if filling is not None and filling.size + size > HEAVY:
            self._finish(at.topic)
            filling = None
        if filling is None:
            filling = self._filling[at.topic] = _Filling(self._now() + batch.wait)
        item = message.read(record, self._form)
        if isinstance(item, DeadLetter):
            filling.dead.append(item)
        else:
            filling.drafts.append(item)
        filling.size += size
        filling.behind[at] = record.offset + 1
        if len(filling.drafts) >= batch.size:
            self._finish(at.topic)

    def _finish(self, topic: str) -> None:
        filling = self._filling.pop(topic)
        self._items += filling.dead
        if filling.drafts:
            self._items.append(message.many(filling.drafts))
        self._behind |= filling.behind

    def _out(self, topics: Sequence[str]) -> tuple[list[Item], dict[Any, int]]:
        for topic in topics:
            self._finish(topic)
        out = self._items, self._behind
        self._items, self._behind = [], {}
        return out
