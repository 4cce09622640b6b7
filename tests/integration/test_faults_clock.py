"""The clock of the machine is set back or forward under a running engine: ids rise, timers fire, nothing is doubled."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from reactor.engine.limits import Limits
from reactor.model import clock, ids
from reactor.model.flow import Retry, WaitStep
from reactor.model.states import RunStatus
from reactor.stores.port import RunFilter
from tests.integration.test_engine import Rig, do, flow

HOUR = 3_600


class Wall:
    """The module `time` as `SystemClock` sees it; its wall clock can be set."""

    def __init__(self) -> None:
        self.offset = 0.0
        self.monotonic_ns = time.monotonic_ns

    def time_ns(self) -> int:
        """The wall clock."""
        return time.time_ns() + int(self.offset * 1e9)


@pytest.fixture
def wall(monkeypatch: pytest.MonkeyPatch) -> Wall:
    """A wall clock that can be set."""
    made = Wall()
    monkeypatch.setattr(clock, "time", made)
    return made


_RETRY = Retry(max=3, delay=100, backoff="fixed", jitter=0)
FLOWS = (
    flow("a", do("one", retry=_RETRY), do("two", retry=_RETRY)),
    flow("nap", WaitStep(name="w", for_=600), do("d"), event="nap"),
)


@pytest.fixture
async def rig(tmp_path: Path, wall: Wall) -> AsyncIterator[Rig]:
    """An engine on that clock."""
    made = Rig(tmp_path, {one.name: one for one in FLOWS}, Limits(passivate_after=20, horizon=2_000))
    yield await made.start()
    await made.engine.stop()


def _keys(receipts: list[Any]) -> list[int]:
    found = []
    for receipt in receipts:
        event, run = ids.from_text("evt", receipt.event_id), ids.from_text("run", receipt.runs[0][0])
        assert event is not None
        assert run is not None
        found += [event, run]
    return found


async def test_set_back_by_an_hour(rig: Rig, wall: Wall) -> None:
    receipts = [await rig.send(id="1", source="s")]
    naps = [await rig.send("nap") for _ in range(5)]
    await rig.until(naps[-1], lambda run: run.status is RunStatus.WAITING)
    wall.offset = -HOUR
    rig.fails = 2
    receipts += [await rig.send(id=str(n), source="s") for n in range(2, 6)]
    again = await rig.send(id="1", source="s")
    assert (again.duplicate, again.event_id) == (True, receipts[0].event_id)
    keys = _keys(receipts)
    assert keys == sorted(keys)
    assert len(set(keys)) == len(keys)
    for receipt in (*receipts, *naps):
        run = await rig.end(receipt)
        assert run.status is RunStatus.COMPLETED
        assert run.created_at <= (run.started_at or 0) <= (run.finished_at or 0)
    assert rig.calls.count("d") == len(naps)


async def test_set_back_while_it_was_down(rig: Rig, wall: Wall) -> None:
    before = await rig.send(id="1", source="s")
    rig.gate.clear()
    under_way = await rig.send(id="2", source="s")
    await asyncio.sleep(0.05)
    wall.offset = -HOUR
    await rig.kill()
    rig.gate.set()
    after = [await rig.send(id=str(n), source="s") for n in range(3, 6)]
    keys = _keys([before, under_way, *after])
    assert keys == sorted(keys), "ids go on above those that are there"
    assert (await rig.send(id="2", source="s")).duplicate
    for receipt in (before, under_way, *after):
        assert (await rig.end(receipt)).status is RunStatus.COMPLETED
    assert len(await rig.engine.history.runs(RunFilter())) == 5


async def test_set_forward_and_back_again(rig: Rig, wall: Wall) -> None:
    naps = [await rig.send("nap") for _ in range(3)]
    await rig.until(naps[-1], lambda run: run.status is RunStatus.WAITING)
    wall.offset = HOUR
    for receipt in naps:
        assert (await rig.end(receipt)).status is RunStatus.COMPLETED
    late = await rig.send("nap")
    wall.offset = 0
    begun = time.monotonic()
    assert (await rig.end(late)).status is RunStatus.COMPLETED
    assert time.monotonic() - begun < 4, "it does not rest until the wall clock has caught up"
    assert rig.calls.count("d") == 4
