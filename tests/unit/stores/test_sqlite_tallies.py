"""What a crash has taken of the figures is counted again when the store is opened."""

from pathlib import Path

from reactor.model.states import RunStatus
from reactor.stores.port import Acceptance, Batch, Tally
from reactor.stores.sqlite import SqliteStore
from reactor.stores.statistics import TallyFilter
from reactor.testing.actions import StillClock
from reactor.testing.store_kit import Opened

MINUTE, DAY = 60_000, 86_400_000


async def _again(folder: Path, clock: StillClock) -> SqliteStore:
    store = SqliteStore(folder / "r.db", clock=clock, durability="process")
    await store.open()
    return store


async def _told(store: SqliteStore, clock: StillClock) -> dict[tuple[str, int], int]:
    last = clock.now() // MINUTE + 1
    found = await store.tallied(TallyFilter(since=last - 3_000, until=last, step=3_000))
    return {(one.what, one.bucket): one.count for one in found}


async def test_the_last_minutes_are_counted_again_and_never_twice(tmp_path: Path) -> None:
    clock = StillClock()
    store = await _again(tmp_path, clock)
    opened, now = Opened(store, clock), clock.now()
    event = opened.event()
    ends = [
        opened.run(event, status=RunStatus.COMPLETED, started_at=now, finished_at=now + 5),
        opened.run(event, status=RunStatus.FAILED, started_at=now - DAY, finished_at=now + 200_000),
        opened.run(event, status=RunStatus.CANCELLED, finished_at=now + 1),
    ]
    still = opened.run(event, started_at=now)
    # One failed before it was retried: only its tally tells of it.
    kept = [Tally(now // MINUTE, "f", "f/0", "failed", 9, 1, 9), Tally(now // MINUTE, "f", "f/0", "started", -1, 1)]
    await store.commit(
        Batch(accepted=[Acceptance(event=event)], runs={one.key: one for one in (*ends, still)}, tallies=kept)
    )
    await store.close()
    wanted = {("completed", 5): 1, ("failed", 9): 1, ("cancelled", -1): 1, ("started", -1): 2, ("event", -1): 1}
    clock.time += 200_000
    for _ in range(3):
        store = await _again(tmp_path, clock)
        told = await _told(store, clock)
        assert {key: count for key, count in told.items() if key[1] < 100} == wanted
        assert [key[0] for key in told if key[1] >= 100] == ["failed"]
        await store.close()


async def test_what_may_be_rolled_up_is_not_counted_again(tmp_path: Path) -> None:
    clock = StillClock()
    store = await _again(tmp_path, clock)
    opened, now = Opened(store, clock), clock.now()
    done = opened.run(status=RunStatus.COMPLETED, started_at=now, finished_at=now + 5)
    await store.commit(Batch(runs={done.key: done}, tallies=[Tally(now // MINUTE, "f", "f/0", "failed", 9, 1, 9)]))
    await store.close()
    clock.time += 26 * 3_600_000
    store = await _again(tmp_path, clock)
    assert await _told(store, clock) == {("failed", 9): 1}
    await store.close()
