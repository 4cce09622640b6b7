"""A pattern with a million keys costs disk, not memory."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from pathlib import Path

import pytest

from reactor.engine.patterns.pattern import Pattern, owner_of
from reactor.engine.triggers import convert
from reactor.model.event import Event
from reactor.model.ids import IdMaker, to_text
from reactor.model.states import TriggerState
from reactor.stores.port import Acceptance, Batch
from reactor.stores.sqlite.store import SqliteStore
from reactor.testing.actions import StillClock
from tests.integration.test_patterns import Rig, rig

KEYS = int(os.environ.get("REACTOR_TEST_KEYS", "20000"))
"""`REACTOR_TEST_KEYS=1000000` takes some minutes."""
FLOW = """\
name: many
on: {pattern: {by: event.data.device, within: 1h, sequence: [{event: beat}, {absent: beat}]}, if: event.data.by == 7}
steps: [{return: event.data.by}]
"""
MOST = 96 << 20
"""Bytes that may be added, whatever the number of keys: caches of SQLite, of states, of compiled code."""


def say(text: str) -> None:
    """For whoever runs it with `-s`."""
    sys.stdout.write(text + "\n")


def resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.slow
@pytest.mark.timeout(2_400)
async def test_memory_does_not_grow_with_the_keys(tmp_path: Path) -> None:
    clock = StillClock()
    async with rig(tmp_path, FLOW, clock=clock) as it:
        await it.armed()
        await it.send("beat", {"device": -1})
        await it.quiet()
    clock.time += 1_000
    # In a process of its own: what making them leaves in memory is not what is measured.
    argv = [sys.executable, "-m", "tests.integration.test_patterns_memory", str(tmp_path), str(clock.now())]
    making = await asyncio.create_subprocess_exec(*argv, cwd=Path(__file__).parents[2])
    assert await making.wait() == 0
    before = peak = resident()
    begun = time.monotonic()
    async with rig(tmp_path, FLOW, clock=clock) as it:
        while it.status("many/0").state is not TriggerState.ARMED:
            peak = max(peak, resident())
            await asyncio.sleep(0.1)
        say(f"\n{KEYS} keys: {(peak - before) >> 20} MB more, {KEYS / (time.monotonic() - begun):,.0f} events/s")
        owner = _owner(it)
        assert len(await it.store.states_due(owner, 1 << 62, KEYS + 10)) == KEYS + 1
        before_all = (await it.store.counts())["events"]
        # An hour later each of them is told, and nothing of them is left.
        clock.time += 3_700_000
        begun = time.monotonic()
        while await it.store.states_due(owner, 1 << 62, 1):
            peak = max(peak, resident())
            await asyncio.sleep(0.1)
        say(f"all absent: {(peak - before) >> 20} MB more, {KEYS / (time.monotonic() - begun):,.0f} matches/s")
        counts = await it.store.counts()
        assert (counts["events"] - before_all, counts["runs"]) == (KEYS + 1, 1)
    assert peak - before < MOST


def _owner(it: Rig) -> int:
    engine = it.engine
    spec = engine.book.get("many").triggers[0]
    pattern = Pattern(convert(engine.catalog.triggers["pattern"], spec.config), spec, {})
    return owner_of(spec.key, pattern.digest)


async def _events(folder: Path, clock: StillClock) -> None:
    """So many beats in the log, as if they had come while the flow did not look."""
    store = SqliteStore(folder / "reactor.db", clock=clock, durability="process")
    await store.open()
    ids = IdMaker(clock)
    for start in range(0, KEYS, 500):
        batch = Batch()
        for device in range(start, min(start + 500, KEYS)):
            key = ids.next()
            event = Event(
                key=key, id=to_text("evt", key), type="beat", source="s", subject=None, time=clock.now(),
                data={"device": device},
            )  # fmt: skip
            batch.accepted.append(Acceptance(event=event))
        await store.commit(batch)
    await store.close()


if __name__ == "__main__":
    asyncio.run(_events(Path(sys.argv[1]), StillClock(int(sys.argv[2]))))
