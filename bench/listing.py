"""A store with a million runs of all kinds, and the lists that a page of runs may ask of it."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import Iterator
from pathlib import Path

from bench.history import Past
from reactor.model import ids
from reactor.model.errors import ErrorInfo
from reactor.model.journal import Run
from reactor.model.states import RunStatus
from reactor.stores.port import Batch
from reactor.stores.sqlite.store import SqliteStore

_BATCH = 2_000
FLOWS = 200
KINDS = ("http.503", "http.404", "http.500", "timeout", "exit.1", "connection", "input", "order.invalid")
_STATES = (
    *(RunStatus.COMPLETED,) * 12, *(RunStatus.FAILED,) * 6, RunStatus.CANCELLED, RunStatus.PAUSED,
)  # fmt: skip


def flows() -> dict[str, str]:
    """The flows of the store: ten labels, the first flow is the busiest and the last the rarest."""
    return {
        f"flow-{number}": f"name: flow-{number}\nlabels: {{team: team-{number % 10}}}\n"
        f"on: {{event: bench.listing.{number}}}\nsteps: [{{set: {{x: 1}}}}]\n"
        for number in range(FLOWS)
    }


def fill(data: Path, count: int, until: int) -> None:
    """Put `count` runs into a new store; the last was made at `until` (ms)."""
    data.mkdir(parents=True, mode=0o700)
    asyncio.run(_fill(data / "reactor.db", count, Past(until - 4 * count)))


async def _fill(path: Path, count: int, clock: Past) -> None:
    store = SqliteStore(path, clock=clock, durability="process")
    await store.open()
    runs = _runs(ids.IdMaker(clock, 1), clock, count)
    try:
        while batch := list(itertools.islice(runs, _BATCH)):
            await store.commit(Batch(runs={run.key: run for run in batch}))
    finally:
        await store.close()


def _runs(maker: ids.IdMaker, clock: Past, count: int) -> Iterator[Run]:
    chance = random.Random(6)
    for _ in range(count):
        clock.at += 4
        number = min(int(chance.paretovariate(0.6)) - 1, FLOWS - 1)
        status = chance.choice(_STATES)
        # Of the second flow everything fails but one run in a thousand: a list of what it completed finds little.
        if number == 1:
            status = RunStatus.COMPLETED if chance.random() < 0.001 else RunStatus.FAILED
        kind = chance.choice(KINDS)
        yield Run(
            key=maker.next(),
            flow=f"flow-{number}",
            version=1,
            status=status,
            trigger=f"flow-{number}/{chance.randrange(2)}",
            created_at=clock.at,
            started_at=clock.at,
            finished_at=clock.at + 3 if status.finished else None,
            error=ErrorInfo(kind, f"it did not work for {chance.randrange(10**6)}", "charge")
            if status is RunStatus.FAILED
            else None,
            epoch=1,
        )


def queries(until: int) -> dict[str, str]:
    """Every combination of the filters that the page of runs offers: name → query."""
    hour = 3_600_000
    parts: dict[str, tuple[str, ...]] = {
        "flow": ("", "flow=flow-0", "flow=flow-1", "flow=flow-150"),
        "status": ("", "status=failed", "status=completed", "status=failed,cancelled", "status=paused"),
        "since": ("", f"since={_time(until - hour // 2)}", f"until={_time(until - hour // 2)}"),
        "trigger": ("", "trigger=flow-0/1"),
        "label": ("", "label=team=team-3"),
        "error": ("", "error=http.503", "error=http.*"),
    }
    found = ["&".join(filter(None, given)) for given in itertools.product(*parts.values())]
    return dict(zip(found, found, strict=True))


def _time(instant: int) -> str:
    from reactor.model.clock import to_iso

    return to_iso(instant)
