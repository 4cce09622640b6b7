"""A data folder with a long past, written by the store's own code."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import msgspec

from reactor.model import ids
from reactor.model.errors import ErrorInfo
from reactor.model.event import Event
from reactor.model.journal import Entry, Run
from reactor.model.states import RunStatus
from reactor.stores.port import Acceptance, Batch
from reactor.stores.sqlite.store import SqliteStore

_BATCH = 1_000
_FLOWS = ("orders", "invoices", "signups", "reports", "alerts")
_encode = msgspec.json.Encoder().encode


class Past:
    """A clock that moves four milliseconds with every run."""

    def __init__(self, start: int) -> None:
        self.at = start

    def now(self) -> int:
        return self.at


def fill(data: Path, count: int, until: int) -> None:
    """Put `count` finished runs, with their events and journals, into a new store; the last ended at `until` (ms)."""
    data.mkdir(parents=True, mode=0o700)
    asyncio.run(_fill(data / "reactor.db", count, Past(until - 4 * count)))


async def _fill(path: Path, count: int, clock: Past) -> None:
    store = SqliteStore(path, clock=clock, durability="process")
    await store.open()
    maker = ids.IdMaker(clock, 1)
    try:
        for start in range(0, count, _BATCH):
            await store.commit(_batch(maker, clock, range(start, min(count, start + _BATCH))))
    finally:
        await store.close()


def _batch(maker: ids.IdMaker, clock: Past, numbers: range) -> Batch:
    accepted: list[Acceptance] = []
    journal: list[tuple[int, bytes]] = []
    for event, run in _finished(maker, clock, numbers):
        accepted.append(Acceptance(event=event, runs=(run,)))
        entries = [
            Entry("note#set", clock.at, "completed", {"total": 84}, attempt=1),
            Entry("", clock.at, run.status.value, {"total": 84}, run.error),
        ]
        journal.append((run.key, _encode(entries)))
    return Batch(accepted=accepted, runs={item.runs[0].key: item.runs[0] for item in accepted}, journal=journal)


def _finished(maker: ids.IdMaker, clock: Past, numbers: range) -> Iterator[tuple[Event, Run]]:
    for number in numbers:
        clock.at += 4
        key = maker.next()
        data = {"id": number, "total": 42, "note": "x" * 200}
        event = Event(
            key=key,
            id=ids.to_text("evt", key),
            type="order.created",
            source="/events",
            subject=None,
            time=clock.at,
            data=data,
            raw=_encode(data),
        )
        failed = number % 50 == 0
        yield (
            event,
            Run(
                key=maker.next(),
                flow=_FLOWS[number % len(_FLOWS)],
                version=1,
                status=RunStatus.FAILED if failed else RunStatus.COMPLETED,
                event_key=key,
                trigger=f"{_FLOWS[number % len(_FLOWS)]}/0",
                created_at=clock.at,
                started_at=clock.at,
                finished_at=clock.at + 3,
                error=ErrorInfo("http.503", "the other side is busy", "note") if failed else None,
                epoch=1,
            ),
        )
