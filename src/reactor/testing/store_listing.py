"""Lists of runs: whatever is asked together, the answer is what a look at every run would give."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

from reactor.model.errors import ErrorInfo
from reactor.model.journal import Run
from reactor.model.states import RunStatus
from reactor.stores.port import RunFilter
from reactor.testing.store_kit import Opened, same

_FILTERS: dict[str, tuple[Any, Callable[[Run], bool]]] = {
    "flow": ("f1", lambda run: run.flow == "f1"),
    "flows": (("f0", "f2", "gone"), lambda run: run.flow in ("f0", "f2")),
    "trigger": ("f1/1", lambda run: run.trigger == "f1/1"),
    "status": (
        (RunStatus.FAILED, RunStatus.WAITING),
        lambda run: run.status in (RunStatus.FAILED, RunStatus.WAITING),
    ),
    "error": ("http.*", lambda run: run.error is not None and run.error.kind.startswith("http.")),
    "text": ("REFUSED 5%", lambda run: run.error is not None and "refused 5%" in run.error.message.lower()),
}


async def _made(opened: Opened) -> list[Run]:
    """Runs of a few flows in every state, seven of a kind."""
    runs: list[Run] = []
    for number in range(168):
        opened.clock.time += 1_000
        status, flow = tuple(RunStatus)[number % 7], f"f{number % 3}"
        kind = ("http.503", "http.404", "httpd", "exit.1")[number % 4]
        more: dict[str, Any] = {}
        if status is RunStatus.FAILED:
            more["error"] = ErrorInfo(kind, f'it "refused" {number % 10}%' if number % 2 else f"refused {number % 10}%")
        if status.finished:
            more["finished_at"] = opened.clock.time + (200_000 if number % 5 == 0 else 10)
        if status is RunStatus.WAITING:
            more["waiting_for"] = "step 'x' waits"
        runs.append(opened.run(flow=flow, trigger=f"{flow}/{number % 2}", status=status, **more))
    for start in range(0, len(runs), 50):
        await opened.keep(*runs[start : start + 50])
    return runs[::-1]


class ListingSuite:
    """Filters together, pages, bounds, counts."""

    async def test_any_filters_together_give_what_a_look_at_every_run_gives(self, opened: Opened) -> None:
        runs = await _made(opened)
        for size in range(4):
            for names in itertools.combinations(_FILTERS, size):
                wanted = RunFilter(limit=200, **{name: _FILTERS[name][0] for name in names})
                expected = [run.key for run in runs if all(_FILTERS[name][1](run) for name in names)]
                same([run.key for run in await opened.store.runs(wanted)], expected)
                same(await opened.store.count_runs(wanted, 1_000, 1_000), (len(expected), True))

    async def test_pages_follow_each_other_whatever_is_asked(self, opened: Opened) -> None:
        runs = await _made(opened)
        middle = runs[80].created_at
        for given in (
            {"flow": "f1"},
            {"error": "http.*"},
            {"error": "httpd", "flow": "f0"},
            {"since": middle},
            {"until": middle, "status": (RunStatus.FAILED,)},
            {"finished_since": middle + 50_000},
            {"finished_since": middle, "finished_until": middle + 60_000, "flows": ("f1", "f2")},
        ):
            whole = [run.key for run in await opened.store.runs(RunFilter(limit=500, **given))]
            pages: list[int] = []
            below = None
            while page := await opened.store.runs(RunFilter(limit=7, below=below, **given)):
                pages += [run.key for run in page]
                below = page[-1].key
            same(pages, whole)
            same((await opened.store.count_runs(RunFilter(limit=1, **given), 1_000, 1_000))[0], len(whole))

    async def test_a_look_that_is_bounded_says_how_far_it_went(self, opened: Opened) -> None:
        runs = await _made(opened)
        wanted = RunFilter(text="refused 9%", limit=200)
        whole = [run.key for run in await opened.store.runs(wanted)]
        found: list[int] = []
        below: int | None = None
        looks = 0
        while True:
            page, floor = await opened.store.look_for_runs(RunFilter(text="refused 9%", limit=200, below=below), 30)
            found += [run.key for run in page]
            looks += 1
            if not floor:
                break
            below = floor
        same(found, whole)
        same(looks, len(runs) // 30 + 1)
        same(await opened.store.count_runs(wanted, 1_000, 30), (len(found[: _in(found, runs[:30])]), False))
        same(await opened.store.count_runs(RunFilter(), 100, 1_000), (100, False))

    async def test_an_error_is_forgotten_with_a_retry(self, opened: Opened) -> None:
        failed = opened.run(status=RunStatus.FAILED, error=ErrorInfo("http.503", "no"), finished_at=1)
        await opened.keep(failed)
        same(await opened.keys(error="http.503"), [failed.key])
        failed.status, failed.error, failed.finished_at = RunStatus.PENDING, None, None
        await opened.keep(failed)
        same(await opened.keys(error="http.503"), [])
        odd = opened.run(status=RunStatus.FAILED, error=ErrorInfo("\ud800", "50%_\ud800"), finished_at=1)
        await opened.keep(odd)
        same(await opened.keys(text="50%_"), [odd.key])
        same(await opened.keys(text="50%x"), [])


def _in(found: list[int], runs: list[Run]) -> int:
    there = {run.key for run in runs}
    return sum(key in there for key in found)
