"""The durable state of flows: no increment is lost or made twice, and it stays within its bounds."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from reactor.engine.limits import Limits
from reactor.engine.states import place
from reactor.model.event import EventDraft
from reactor.model.flow import ReturnStep, StateStep
from reactor.model.states import RunStatus
from tests.integration.rig_kit import WaitingRig, ex, val
from tests.integration.test_engine import do, flow


def state(key: Any = "n", op: str = "add", value: Any = 1, name: str = "s") -> StateStep:
    """A step that changes the state."""
    return StateStep(name=name, key=val(key), op=op, value=None if op == "delete" else val(value))


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


async def kept(it: WaitingRig, name: str = "a") -> dict[str, Any]:
    """What is on disk."""
    return await it.engine.store.saved(place(name))


async def output(it: WaitingRig, receipt: Any) -> Any:
    """What the run ended with."""
    run = await it.end(receipt)
    assert run.status is RunStatus.COMPLETED, run.error
    [loaded] = await it.engine.store.load([run.key])
    return loaded.journal[-1].value


async def test_two_hundred_runs_at_once_lose_no_increment(rig: Any) -> None:
    it = await rig(flow("a", state(), do("d"), state("m", value=2, name="t")))
    receipts = await it.engine.intake.accept([EventDraft(type="go", data=n) for n in range(200)])
    for receipt in receipts:
        assert (await it.end(receipt)).status is RunStatus.COMPLETED
    assert await kept(it) == {"n": 200, "m": 400}
    seen = [(await it.journal(receipt))["s"] for receipt in receipts]
    assert sorted(seen) == list(range(1, 201))


async def test_crashes_neither_lose_nor_double_an_increment(rig: Any) -> None:
    it = await rig(flow("a", state(), do("d"), state("m", name="t")))
    receipts = []
    for _round in range(4):
        receipts += await it.engine.intake.accept([EventDraft(type="go", data=n) for n in range(25)])
        await asyncio.sleep(0.004 * _round)
        await it.kill()
    for receipt in receipts:
        assert (await it.end(receipt)).status is RunStatus.COMPLETED
    assert await kept(it) == {"n": 100, "m": 100}


async def test_set_add_delete_and_what_expressions_see(rig: Any) -> None:
    seen = {"x": "state.x.deep[0]", "n": "state.n", "s": "steps.five.output"}
    steps = (
        state("x", "set", {"deep": [1]}, "one"),
        state("n", "add", 2.5, "two"),
        state("n", "add", 1, "three"),
        state("gone", "set", 1, "four"),
        state("gone", "delete", name="five"),
        ReturnStep(name="r", value=val({name: f"{{{{ {text} }}}}" for name, text in seen.items()})),
    )
    it = await rig(flow("a", *steps))
    assert await output(it, await it.send()) == {"x": 1, "n": 3.5, "s": None}
    assert await kept(it) == {"x": {"deep": [1]}, "n": 3.5}


async def test_state_outlives_a_restart_and_is_each_flows_own(rig: Any) -> None:
    reads = flow("b", ReturnStep(name="r", value=ex("state.n | default(0)")), event="read")
    it = await rig(flow("a", state()), flow("c", ReturnStep(name="r", value=ex("state.n")), event="no"), reads)
    await it.end(await it.send())
    await it.kill()
    receipt = await it.send()
    await it.end(receipt)
    assert (await it.journal(receipt))["s"] == 2
    assert await output(it, await it.send("read")) == 0


async def test_what_cannot_be_added_to_fails_the_step(rig: Any) -> None:
    it = await rig(flow("a", state("t", "set", "a text", "one"), state("t", "add", 1, "two")))
    run = await it.end(await it.send())
    assert run.error is not None
    assert (run.error.kind, run.error.step) == ("input", "two")
    assert await kept(it) == {"t": "a text"}


@pytest.mark.parametrize("value", ["x" * 200, {"k": ["y" * 200]}])
async def test_a_value_that_is_too_large(rig: Any, value: Any) -> None:
    it = await rig(flow("a", state("t", "set", value)), limits=Limits(state_value=100))
    run = await it.end(await it.send())
    assert run.error is not None
    assert run.error.kind == "state.limit"
    assert await kept(it) == {}


async def test_too_many_keys(rig: Any) -> None:
    it = await rig(flow("a", state("{{ event.data }}", "set")), limits=Limits(state_keys=2))
    for number in (1, 2, 1):
        assert (await it.end(await it.send(data=str(number)))).status is RunStatus.COMPLETED
    run = await it.end(await it.send(data="3"))
    assert run.error is not None
    assert run.error.kind == "state.limit"
    assert sorted(await kept(it)) == ["1", "2"]
    long = await it.end(await it.send(data="k" * 600))
    assert long.error is not None
    assert "512 characters" in long.error.message


async def test_the_whole_state_as_a_value(rig: Any) -> None:
    it = await rig(flow("a", state(), ReturnStep(name="r", value=ex("state"))))
    assert await output(it, await it.send()) == {"n": 1}
    assert await output(it, await it.send()) == {"n": 2}
