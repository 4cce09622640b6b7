"""Figures over HTTP: series, flows, instances, and the lists that they count."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from reactor.model.clock import to_iso
from reactor.stores.port import Batch, Tally
from tests.integration.server_kit import Kit, flow, serving
from tests.integration.test_server_api import held, started

ARRAYS = ("completed", "failed", "cancelled", "started", "mean", "p50", "p95", "p99")


async def settled(kit: Kit) -> None:
    await kit.engine.executor.committer.flush()


async def some_runs(kit: Kit, good: int = 3, bad: int = 2) -> None:
    for run in [await started(kit, name) for name, count in (("a", good), ("b", bad)) for _ in range(count)]:
        await kit.finished(run)
    await settled(kit)


async def test_series_count_what_lists_show(tmp_path: Path) -> None:
    async with serving(tmp_path, flow("a"), flow("b", "test.fail")) as kit:
        await some_runs(kit)
        told = await held(kit, "GET", "/api/v1/metrics/series?since=1h&samples=true")
        assert told["step"] == 60
        assert {len(told[name]) for name in (*ARRAYS, "events")} == {len(told["times"])}
        assert [sum(told[name]) for name in ("completed", "failed", "cancelled", "started", "events")] == [
            3,
            2,
            0,
            5,
            5,
        ]
        totals = told["totals"]
        assert (totals["runs"], totals["success_rate"], totals["events"]) == (5, 0.6, 5)
        assert 0 <= totals["p50"] <= totals["p95"] <= totals["p99"] < 10_000
        assert told["before"]["runs"] == 0
        assert told["before"]["success_rate"] is None
        assert told["p50"][0] is None
        for n, at in enumerate(told["times"]):
            window = f"finished_since={to_iso(at * 1000)}&finished_until={to_iso((at + told['step']) * 1000)}"
            for status in ("completed", "failed"):
                listed = await held(kit, "GET", f"/api/v1/runs?status={status}&{window}")
                assert len(listed["items"]) == told[status][n]
        of_b = await held(kit, "GET", "/api/v1/metrics/series?since=1h&flow=b")
        assert (sum(of_b["failed"]), sum(of_b["completed"]), of_b["events"], of_b["samples"]) == (2, 0, None, None)
        of_trigger = await held(kit, "GET", "/api/v1/metrics/series?since=1h&trigger=a/0")
        assert of_trigger["totals"]["completed"] == 3


async def test_a_window_is_zoomed_into(tmp_path: Path) -> None:
    async with serving(tmp_path, flow("a")) as kit:
        now = kit.engine.clock.now() // 60_000
        tallies = [Tally(now - ago, "a", "a/0", "completed", ago % 7, 1, 5) for ago in range(0, 4_000, 3)]
        await kit.engine.store.commit(Batch(tallies=tallies))
        for query, step in (("since=1h", 60), ("since=24h", 300), ("since=24h&step=1h", 3600), ("since=60h", 3600)):
            told = await held(kit, "GET", f"/api/v1/metrics/series?{query}")
            assert told["step"] == step
            first = told["times"][0] // 60
            assert sum(told["completed"]) == sum(one.minute >= first for one in tallies) == told["totals"]["completed"]
        since, until = (to_iso((now - ago) * 60_000) for ago in (600, 540))
        told = await held(kit, "GET", f"/api/v1/metrics/series?since={since}&until={until}")
        assert (sum(told["completed"]), told["before"]["completed"], len(told["times"])) == (20, 20, 60)
        assert (told["since"], told["until"]) == (since, until)


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("since=0h", "not before"),
        ("since=1h&until=2h", "not before"),
        ("since=500d", "400 days"),
        ("since=1970-01-01T00:00:00Z", "400 days"),
        ("step=10s", "whole number of minutes"),
        ("step=1m&since=47h", "1500 points"),
        ("step=soon", "step"),
        ("since=soon", "neither RFC 3339"),
        ("samples=perhaps", "does not fit"),
        ("flows=a", "did you mean 'flow'"),
    ],
)
async def test_series_that_are_refused(tmp_path: Path, query: str, words: str) -> None:
    async with serving(tmp_path) as kit:
        answer = await kit.get(f"/api/v1/metrics/series?{query}")
        assert answer.status_code in {400, 422}, answer.text
        assert words in answer.json()["detail"]


async def test_each_flow_with_its_line_and_its_newest_run(tmp_path: Path) -> None:
    async with serving(tmp_path, flow("a"), flow("b", "test.fail"), flow("c")) as kit:
        await some_runs(kit)
        hanging = await started(kit, "a")
        told = await held(kit, "GET", "/api/v1/metrics/flows?since=24h")
        assert [one["flow"] for one in told["items"]] == ["a", "b", "c"]
        assert len(told["times"]) <= 31
        a, b, c = told["items"]
        assert a["last_run"]["id"] == hanging
        assert (b["runs"], b["failed"], b["success_rate"], b["last_run"]["status"]) == (2, 2, 0.0, "failed")
        assert (sum(b["line_runs"]), sum(b["line_failed"]), len(b["line_runs"])) == (2, 2, len(told["times"]))
        assert (c["runs"], c["success_rate"], c["p50"], c["last_run"], c["current"]) == (0, None, None, None, True)
        only = await held(kit, "GET", "/api/v1/metrics/flows?flow=b&points=5")
        assert ([one["flow"] for one in only["items"]], len(only["times"]) <= 6) == (["b"], True)
        assert (await kit.get("/api/v1/metrics/flows?points=0")).status_code == 400
        await kit.finished(hanging)


async def test_the_instance_tells_what_it_uses(tmp_path: Path) -> None:
    async with serving(tmp_path, flow("a")) as kit:
        await kit.engine.sampling.look()
        [one] = (await held(kit, "GET", "/api/v1/instances"))["items"]
        assert (one["ready"], one["reasons"], one["trouble"]) == (True, [], None)
        assert one["memory"] > 10_000_000
        assert 0 < one["disk_free"] <= one["disk_size"]
        assert one["store"] > 0
        assert one["machine_memory_size"] > one["machine_memory"] > 0
        told = await held(kit, "GET", "/api/v1/metrics/series?since=5m&samples=true")
        samples = told["samples"]
        assert {len(samples[name]) for name in ("cpu", "memory", "queued", "delay")} == {len(samples["times"])}
        assert samples["step"] == 5
        assert max(value for value in samples["memory"] if value is not None) > 10_000_000


async def test_samples_of_the_past_come_from_the_store(tmp_path: Path) -> None:
    async with serving(tmp_path, flow("a")) as kit:
        await kit.engine.sampling.look()
    async with serving(tmp_path, flow("a")) as kit:
        await kit.engine.sampling.look()
        rows = await kit.engine.store.samples(0, 1 << 40)  # type: ignore[attr-defined]
        assert len(rows) == 1
        told: Any = await held(kit, "GET", "/api/v1/metrics/series?since=3h&samples=true")
        assert any(value for value in told["samples"]["memory"])


async def test_the_loop_is_looked_at_by_itself(tmp_path: Path) -> None:
    async with serving(tmp_path, flow("a")) as kit:
        async with asyncio.timeout(10):
            while kit.engine.sampling.newest is None:
                await asyncio.sleep(0.02)
        sample = kit.engine.sampling.newest
        assert sample.delay < 5_000
