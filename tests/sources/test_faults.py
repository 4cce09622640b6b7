"""Every source through every fault: nothing lost, nothing doubled, in order where the source promises it."""

from __future__ import annotations

import importlib
import itertools
import signal
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.sources.matrix import FAILPOINTS, cases
from tests.sources.matrix import SOURCES as RIGS
from tests.sources.rig import Rig, taking

_rigs: dict[str, Rig] = {}
_numbers = itertools.count(1)


@pytest.fixture(scope="session", autouse=True)
def _close() -> Iterator[None]:
    yield
    while _rigs:
        _rigs.popitem()[1].close()


@pytest.fixture
def rig(source: str) -> Rig:
    """The source's rig, its server started once for all tests of this process."""
    if source not in _rigs:
        module, _, name = RIGS[source].partition(":")
        _rigs[source] = getattr(importlib.import_module(f"tests.sources.{module}"), name)()
    made = _rigs[source]
    made.fresh(next(_numbers))
    return made


def _of(*faults: str) -> pytest.MarkDecorator:
    """The sources that go through these faults; all tests of a source in one process: it has one server."""
    wanted = [
        pytest.param(source, fault, marks=pytest.mark.xdist_group(source), id=f"{source}-{fault}")
        for source, fault in cases()
        if fault in faults
    ]
    return pytest.mark.parametrize(("source", "fault"), wanted)


@_of("nothing")
def test_nothing(rig: Rig, fault: str, tmp_path: Path) -> None:
    with taking(tmp_path, rig) as it:
        rig.send(range(50))
        it.check(range(50))
        rig.send(range(50, 60))
        it.check(range(60))
        assert it.trigger()["events"] == 60
        # What comes while Reactor is away is taken when it is back, and nothing of before again.
        assert it.reactor.signal(signal.SIGTERM) == 0
        rig.send(range(60, 70))
        it.reactor.start()
        it.check(range(70))


@_of("broker killed")
def test_broker_killed(rig: Rig, fault: str, tmp_path: Path) -> None:
    with taking(tmp_path, rig) as it:
        rig.send(range(200))
        it.until(lambda: it.runs() > 20, "some runs")
        rig.server.kill()
        it.red(10)
        rig.server.start()
        it.armed()
        rig.send(range(200, 220))
        it.check(range(220))


@_of("broker hangs")
def test_broker_hangs(rig: Rig, fault: str, tmp_path: Path) -> None:
    with taking(tmp_path, rig) as it:
        rig.send(range(20))
        it.until(lambda: it.runs() == 20, "all runs")
        rig.server.hang()
        try:
            it.red(10.5)
        finally:
            rig.server.wake()
        it.armed()
        rig.send(range(20, 40))
        it.check(range(40))


@_of("connection cut")
def test_connection_cut(rig: Rig, fault: str, tmp_path: Path) -> None:
    with taking(tmp_path, rig) as it:
        rig.send(range(200))
        it.until(lambda: it.runs() > 20, "some runs")
        rig.wire.cut()
        it.red(10)
        rig.send(range(200, 210))
        time.sleep(1)
        rig.wire.mend()
        it.armed()
        it.check(range(210))
        rig.wire.reset()
        rig.send(range(210, 220))
        it.check(range(220))


@_of("group rebalanced")
def test_group_rebalanced(rig: Rig, fault: str, tmp_path: Path) -> None:
    with taking(tmp_path, rig) as it:
        rig.send(range(100))
        it.until(lambda: it.runs() > 10, "some runs")
        other = tmp_path / "flows" / "other.yaml"
        other.write_text(it.flow("other"))
        it.until(lambda: it.reactor.get("/api/v1/flows/other")[0] == 200, "the other flow")
        rig.send(range(100, 200))
        it.until(lambda: it.trigger("other")["state"] == "armed", "the other one armed")
        rig.send(range(200, 300))
        it.until(lambda: it.runs() + it.runs("other") >= 250, "most runs")
        other.unlink()
        rig.send(range(300, 400))
        it.check(range(400), "taker", "other", ordered=False)


@_of(*FAILPOINTS)
def test_killed(rig: Rig, fault: str, tmp_path: Path) -> None:
    sent = 0
    with taking(tmp_path, rig, start=False) as it:
        # The first batch, and a later one with others before it.
        for count in (1, 3):
            if rig.begins_when_armed and count > 1:  # the first kill came before; this one comes in the stream
                it.reactor.start()
                it.armed()
                it.reactor.kill()
            process = it.reactor.spawn(REACTOR_FAILPOINT=FAILPOINTS[fault].format(count=count))
            end = time.monotonic() + 40
            while process.poll() is None and time.monotonic() < end:
                if it.rig.server.alive:
                    rig.send(range(sent, sent + 5))
                    sent += 5
                time.sleep(0.1)
            assert process.poll() == -signal.SIGKILL, it.reactor.log()[-3000:]
        it.reactor.start()
        it.check(range(sent))


@_of("duplicates")
def test_duplicates(rig: Rig, fault: str, tmp_path: Path) -> None:
    with taking(tmp_path, rig) as it:
        rig.remember()
        rig.send(range(30))
        it.check(range(30))
        it.reactor.kill()
        rig.again(range(10, 30))
        it.reactor.start()
        rig.send(range(30, 35))
        it.check(range(35))


@_of("out of order")
def test_out_of_order(rig: Rig, fault: str, tmp_path: Path) -> None:
    mixed = [(n * 7) % 40 for n in range(40)]
    with taking(tmp_path, rig) as it:
        rig.send(mixed[:20])
        it.until(lambda: it.runs() >= 20, "the first half")
        rig.send(mixed[20:])
        it.check(mixed)


@_of("slow database")
def test_slow_database(rig: Rig, fault: str, tmp_path: Path) -> None:
    with taking(tmp_path, rig) as it:
        rig.send(range(20))
        it.until(lambda: it.runs() == 20, "all runs")
        lock = sqlite3.connect(tmp_path / "data" / "reactor.db", isolation_level=None)
        try:
            lock.execute("BEGIN IMMEDIATE")
            rig.send(range(20, 120))
            time.sleep(3)
            lock.execute("ROLLBACK")
        finally:
            lock.close()
        it.check(range(120))


@_of("poison")
def test_poison(rig: Rig, fault: str, tmp_path: Path) -> None:
    with taking(tmp_path, rig) as it:
        rig.send(range(10))
        rig.poison()
        rig.send(range(10, 20))
        it.check(range(20))
        it.until(lambda: it.trigger()["letters"] == 1, "one dead letter")
        assert it.trigger()["errors"] == 1
        it.reactor.kill()
        it.reactor.start()
        rig.send(range(20, 25))
        it.check(range(25))
        assert it.trigger()["letters"] == 1
