"""Flows that start when runs end."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from reactor.engine.limits import Limits
from reactor.model.errors import InvalidError
from reactor.model.flow import FailStep, Flow, ReturnStep, Step, TriggerSpec
from reactor.model.states import RunStatus
from reactor.stores.port import EventFilter, RunFilter
from tests.integration.rig_kit import WaitingRig, ex, val
from tests.integration.test_engine import do, flow


def after(name: str, *steps: Step, **config: Any) -> Flow:
    """A flow that listens for ends of runs."""
    trigger = TriggerSpec(key=f"{name}/0", kind="run", config=config)
    return Flow(name=name, source=name, digest=name, triggers=(trigger,), steps=steps)


@pytest.fixture
async def rig(tmp_path: Path) -> Any:
    """Makes a rig, and stops it."""
    made: list[WaitingRig] = []

    async def make(*flows: Any, limits: Limits | None = None) -> WaitingRig:
        made.append(WaitingRig(tmp_path, {f.name: f for f in flows}, limits))
        await made[0].start()
        return made[0]

    yield make
    for one in made:
        one.gate.set()
        await one.engine.stop()


async def runs_of(it: WaitingRig, name: str, count: int) -> list[Any]:
    """So many finished runs of a flow; fails if there come more."""
    for _ in range(600):
        found = await it.engine.history.runs(RunFilter(flow=name))
        if len(found) >= count and all(run.status.finished for run in found):
            break
        await asyncio.sleep(0.01)
    await asyncio.sleep(0.05)
    found = await it.engine.history.runs(RunFilter(flow=name))
    assert len(found) == count
    return found


@pytest.mark.proves("on.run", "on.run.{flow,status}")
async def test_a_failure_starts_who_listens_for_it(rig: Any) -> None:
    bad = flow("bad", FailStep(name="f", error=val("broken")))
    good = flow("good", ReturnStep(name="r", value=ex("event.data")))
    tell = after("tell", ReturnStep(name="r", value=ex("event")), flow="*", status=["failed"])
    it = await rig(bad, good, tell)
    receipt = await it.send(data=1)
    [run] = await runs_of(it, "tell", 1)
    [loaded] = await it.engine.store.load([run.key])
    event = loaded.journal[-1].value
    failed = next(id_ for id_, name in receipt.runs if name == "bad")
    assert (event["type"], event["subject"], event["source"]) == ("run.failed", failed, "reactor/flows/bad")
    assert event["data"]["run_id"] == failed
    assert event["data"]["error"]["message"] == "broken"
    assert (event["data"]["flow"], event["data"]["version"], event["data"]["status"]) == ("bad", 1, "failed")
    # The failure was told; the end of `good` interested nobody, nor did that of `tell`.
    assert [row.type for row in await it.engine.history.events(EventFilter())] == ["run.failed", "go"]
    assert loaded.event is not None
    assert loaded.event.causes == (receipt.event_id,)


async def test_nothing_is_told_when_nobody_listens(rig: Any) -> None:
    it = await rig(flow("a", do("d")), flow("all", do("d"), event="**"))
    receipt = await it.send()
    await it.end(receipt)
    await it.end(receipt, 1)
    assert len(await it.engine.history.events(EventFilter())) == 1


async def test_an_event_pattern_listens_too(rig: Any) -> None:
    it = await rig(flow("a", ReturnStep(name="r", value=val("out"))), flow("b", do("d"), event="run.completed"))
    it.engine.book.routes.remove("none")
    await it.send()
    for _ in range(300):
        if it.calls:
            break
        await asyncio.sleep(0.01)
    events = await it.engine.history.events(EventFilter(type="run.completed"))
    [first] = await it.engine.history.read([events[-1].key])
    assert first.data["output"] == "out"


async def test_who_starts_itself_comes_to_an_end(rig: Any) -> None:
    mad = after("mad", do("d"), flow="*")
    it = await rig(mad, flow("a", do("d")), limits=Limits(causes=5))
    await it.send()
    # The end of `a` has one cause, and so on: 5 events led to the last run.
    await runs_of(it, "mad", 5)


async def test_an_outsider_cannot_start_it(rig: Any) -> None:
    it = await rig(after("tell", do("d"), flow="*"))
    with pytest.raises(InvalidError, match="Reactor's own"):
        await it.send("run.failed", {"flow": "a", "status": "failed"}, source="reactor/flows/a")
    assert await it.engine.history.events(EventFilter()) == []
    assert (await it.send("run.started", {"flow": "a"})).runs == ()


async def test_a_crash_loses_no_end(rig: Any) -> None:
    it = await rig(flow("a", do("d")), after("tell", do("t"), flow="a", status="completed"))
    receipts = []
    for number in range(5):
        receipts.append(await it.send(data=number))
        await asyncio.sleep(0.002 * number)
        await it.kill()
    for receipt in receipts:
        assert (await it.end(receipt)).status is RunStatus.COMPLETED
    await runs_of(it, "tell", 5)


async def test_a_flow_that_is_disabled_hears_nothing(rig: Any) -> None:
    it = await rig(flow("a", do("d")), after("tell", do("t"), flow="a"))
    await it.engine.book.enable("tell", False)
    await it.end(await it.send())
    assert len(await it.engine.history.events(EventFilter())) == 1
    await it.engine.book.enable("tell", True)
    await it.end(await it.send())
    await runs_of(it, "tell", 1)
