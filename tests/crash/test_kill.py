"""`kill -9` at random moments under load: nothing that was acknowledged is lost, nothing is doubled, nothing sticks."""

from __future__ import annotations

import contextlib
import random
import sqlite3
import sys
import time
from pathlib import Path

import pytest

from tests.crash.harness import World, server
from tests.crash.load import CONCURRENCY, SETTINGS, Clients, Count, Sent, count, flows


def _killed(folder: Path, world: World, *, kills: int, events: int, clients: int) -> tuple[list[Sent], list[float]]:
    """The load, with its kills; what was sent, and how long each recovery took."""
    seed = random.randrange(1 << 30)
    chance = random.Random(seed)
    recovered: list[float] = []
    with server(folder, flows(world), **SETTINGS) as it:
        it.start()
        load = Clients(it.port, clients, seed)
        while kills:
            time.sleep(chance.uniform(0.1, 1.2))
            it.kill()
            kills -= 1
            while kills and chance.random() < 0.2:
                # Also while it starts: it has read some of what was under way, or nothing yet.
                it.spawn()
                time.sleep(chance.uniform(0.2, 0.7))
                it.kill()
                kills -= 1
            load.first_answer, begun = None, time.monotonic()
            it.start()
            while (answered := _seen(load)) is None and time.monotonic() < begun + 10:
                time.sleep(0.005)
            assert answered is not None, f"no event was taken in 10 s after a start\n{it.log()}"
            recovered.append(answered - begun)
        while len(load.sent) < events:
            time.sleep(0.05)
        load.stop()
        it.until_idle(120)
        assert it.signal(15) == 0, it.log()
        assert "Traceback" not in it.log(), it.log()
        return load.sent, recovered


def _judge(result: Count, kills: int, recovered: list[float], capsys: pytest.CaptureFixture[str]) -> None:
    rows = {
        "kills": kills,
        "events sent": result.sent,
        "acknowledged": result.acknowledged,
        "no answer (killed)": result.unanswered,
        "refused (503)": result.refused,
        "runs": result.runs,
        "lost": len(result.lost),
        "doubled": len(result.doubled),
        "otherwise wrong": len(result.wrong),
        "redone in flight": result.redone,
        "recovery, longest": f"{max(recovered):.2f} s",
    }
    with capsys.disabled():
        sys.stdout.write("\n" + "".join(f"  {name:<20}{value:>10}\n" for name, value in rows.items()))
    assert not result.lost, result.lost[:10]
    assert not result.doubled, result.doubled[:10]
    assert not result.wrong, result.wrong[:10]
    assert result.redone <= kills * CONCURRENCY


@pytest.mark.crash
@pytest.mark.timeout(240)
async def test_twenty_kills_under_load(tmp_path: Path, world: World, capsys: pytest.CaptureFixture[str]) -> None:
    sent, recovered = _killed(tmp_path, world, kills=24, events=12_000, clients=6)
    assert len(sent) >= 10_000
    _judge(await count(tmp_path, sent, world), 24, recovered, capsys)


async def test_some_kills_under_load(tmp_path: Path, world: World, capsys: pytest.CaptureFixture[str]) -> None:
    sent, recovered = _killed(tmp_path, world, kills=3, events=500, clients=3)
    _judge(await count(tmp_path, sent, world), 3, recovered, capsys)
    _counted(tmp_path / "data" / "reactor.db")


def _counted(path: Path) -> None:
    """The figures that were written along are those of what is there: a kill loses none and doubles none."""
    tallied = "SELECT minute, flow, what, sum(count), sum(total) FROM tallies JOIN origins ON origin = id"
    with contextlib.closing(sqlite3.connect(path)) as store:
        ends = store.execute(f"{tallied} WHERE what BETWEEN 4 AND 6 GROUP BY 1, 2, 3").fetchall()
        runs = store.execute(
            """SELECT finished_at / 60000, flow, status, count(*), sum(finished_at - started_at)
            FROM runs JOIN origins ON origin = id WHERE status BETWEEN 4 AND 6 GROUP BY 1, 2, 3"""
        ).fetchall()
        [started] = store.execute("SELECT sum(count) FROM tallies WHERE what = 7").fetchone()
        [events] = store.execute("SELECT sum(count) FROM tallies WHERE what = 8").fetchone()
        assert sorted(ends) == sorted(runs)
        assert started == sum(run[3] for run in runs)
        assert [events] == [*store.execute("SELECT count(*) FROM events").fetchone()]


def _seen(load: Clients) -> float | None:
    return load.first_answer
