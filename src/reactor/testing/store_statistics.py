"""The part of the store's suite that is about figures: tallies, samples, and runs by their end."""

from __future__ import annotations

from typing import Any

from reactor.model.journal import Run
from reactor.model.states import RunStatus
from reactor.stores.port import Batch, Tally
from reactor.stores.statistics import Tallied, TallyFilter
from reactor.testing.store_kit import HARD_TEXTS, Opened, same

_HOUR = 29_000_040
"""A full hour, in minutes since 1970."""


class StatisticsSuite:
    """Tallies add up, are rolled up and forgotten; samples are replaced."""

    async def test_tallies_are_added_to_what_is_there(self, opened: Opened) -> None:
        await _count(opened, Tally(_HOUR, "f", "f/0", "completed", 3, 2, 7), Tally(_HOUR, "f", "", "failed", 3, 1, 3))
        await _count(opened, Tally(_HOUR, "f", "f/0", "completed", 3, 5, 20), Tally(_HOUR + 1, "", "", "event", -1, 9))
        await _count(opened, Tally(_HOUR + 9, "g", "g/0", "completed", 4, 1, 4))
        same(
            await _sums(opened, step=10),
            {(0, "", "completed", 3, 7, 27), (0, "", "failed", 3, 1, 3), (0, "", "event", -1, 9, 0),
             (0, "", "completed", 4, 1, 4)},
        )  # fmt: skip
        same({one[0] for one in await _sums(opened, step=1)}, {0, 1, 9})
        same(await _sums(opened, step=10, flow="f", trigger="f/0"), {(0, "", "completed", 3, 7, 27)})
        same(await _sums(opened, step=10, flow="nobody"), set())
        same(
            await _sums(opened, step=60, by_flow=True, durations=False),
            {(0, "f", "completed", 0, 7, 27), (0, "f", "failed", 0, 1, 3), (0, "", "event", 0, 9, 0),
             (0, "g", "completed", 0, 1, 4)},
        )  # fmt: skip

    async def test_what_is_taken_back_is_not_counted(self, opened: Opened) -> None:
        await _count(opened, Tally(_HOUR, "", "", "event", -1, 2))
        await _count(opened, Tally(_HOUR, "", "", "event", -1, -2))
        same(await _sums(opened, step=1), set())

    async def test_any_text_names_a_flow(self, opened: Opened) -> None:
        await _count(opened, *(Tally(_HOUR, text, text, "failed", 1, 1, 1) for text in HARD_TEXTS if text))
        found = await _sums(opened, step=1, by_flow=True)
        same({one[1] for one in found}, {text for text in HARD_TEXTS if text})

    async def test_hours_take_the_place_of_minutes(self, opened: Opened) -> None:
        flows = [f"f{number}" for number in range(30)]
        await _count(opened, *(Tally(_HOUR + n, flow, "", "completed", 5, 1, n) for n in range(120) for flow in flows))
        while await opened.store.roll(_HOUR + 60):
            pass
        found = await _sums(opened, step=1)
        same({one for one in found if one[0] < 60}, {(0, "", "completed", 5, 30 * 60, 30 * sum(range(60)))})
        same(len({one[0] for one in found}), 61)
        same(await opened.store.roll(_HOUR + 60), False)
        await opened.store.forget_statistics(_HOUR + 60, 0)
        same({one[0] for one in await _sums(opened, step=1)}, set(range(60, 120)))

    async def test_a_late_count_is_rolled_up_too(self, opened: Opened) -> None:
        await _count(opened, Tally(_HOUR, "f", "", "failed", 5, 1, 1))
        await _count(opened, Tally(_HOUR + 7, "f", "", "failed", 5, 1, 1))
        while await opened.store.roll(_HOUR + 120):
            pass
        same(await _sums(opened, step=1), {(0, "", "failed", 5, 2, 2)})

    async def test_samples(self, opened: Opened) -> None:
        await opened.store.commit(Batch(samples=[(_HOUR, b"[1]"), (_HOUR + 1, b"[2]")]))
        await opened.store.commit(Batch(samples=[(_HOUR + 1, b"[3]")]))
        same(await opened.store.samples(_HOUR, _HOUR + 2), [(_HOUR, b"[1]"), (_HOUR + 1, b"[3]")])
        same(await opened.store.samples(_HOUR + 1, _HOUR + 1), [])
        await opened.store.forget_statistics(0, _HOUR + 1)
        same(await opened.store.samples(0, _HOUR * 2), [(_HOUR + 1, b"[3]")])

    async def test_runs_by_their_end(self, opened: Opened) -> None:
        ends: dict[int, int] = {}
        runs: list[Run] = []
        for took in (0, 5, 59_999, 60_000, 60_001, 3_600_000, 86_400_000, -5):
            opened.clock.time += 7_000
            run = opened.run(status=RunStatus.COMPLETED, finished_at=opened.clock.now() + took)
            ends[run.key] = opened.clock.now() + took
            runs.append(run)
        runs.append(opened.run(flow="g", trigger="g/0", status=RunStatus.FAILED, finished_at=opened.clock.now()))
        ends[runs[-1].key] = opened.clock.now()
        await opened.keep(*runs, opened.run())
        borders = sorted({*ends.values(), *(end + 1 for end in ends.values())})
        for since in borders:
            for until in borders:
                wanted = [key for key in sorted(ends, reverse=True) if since <= ends[key] < until]
                same(await opened.keys(finished_since=since, finished_until=until), wanted)
            same(len(await opened.keys(finished_since=since)), sum(end >= since for end in ends.values()))
            same(len(await opened.keys(finished_until=since)), sum(end < since for end in ends.values()))
        last = max(ends.values()) + 1
        same(await opened.keys(finished_until=last, flow="g"), [runs[-1].key])
        same(await opened.keys(finished_until=last, status=(RunStatus.FAILED,)), [runs[-1].key])
        same(await opened.keys(finished_until=last, status=(RunStatus.RUNNING,)), [])
        page = await opened.keys(finished_until=last, limit=4)
        same(page + await opened.keys(finished_until=last, below=page[-1], limit=9), sorted(ends, reverse=True))

    async def test_unfinished_and_newest_runs(self, opened: Opened) -> None:
        kept = [opened.run(flow=flow, trigger=f"{flow}/{n}") for n in range(2) for flow in ("f", "g")]
        done = opened.run(flow="f", trigger="f/0", status=RunStatus.COMPLETED, finished_at=1)
        await opened.keep(*kept, done, opened.run(flow="h", trigger="", status=RunStatus.WAITING))
        same(await opened.store.unfinished(), {"running": 4, "waiting": 1})
        newest = await opened.store.newest_runs(["f", "g", "nobody"])
        same({run.flow: run.key for run in newest}, {"f": done.key, "g": kept[3].key})


async def _count(opened: Opened, *tallies: Tally) -> None:
    await opened.store.commit(Batch(tallies=list(tallies)))


async def _sums(opened: Opened, **given: Any) -> set[tuple[int, str, str, int, int, int]]:
    wanted = TallyFilter(since=_HOUR, until=_HOUR + 600, **given)
    return {_fields(one) for one in await opened.store.tallied(wanted)}


def _fields(one: Tallied) -> tuple[int, str, str, int, int, int]:
    return (one.slot, one.flow, one.what, one.bucket, one.count, one.total)
