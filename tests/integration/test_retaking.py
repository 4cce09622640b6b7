"""Retry and fork over everything that holds steps inside: branches, iterations, cases, undo."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from reactor.engine.limits import Limits
from reactor.model import ids
from reactor.model.flow import (
    ActionStep,
    BlockStep,
    Branch,
    Case,
    ForEachStep,
    Join,
    LoopStep,
    ParallelStep,
    ReturnStep,
    SwitchStep,
    WaitStep,
)
from reactor.model.states import RunStatus
from tests.integration.rig_kit import WaitingRig, ex, val
from tests.integration.test_engine import do, flow


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


async def failed_then_retried(it: WaitingRig, *paths: str) -> list[str]:
    """A run fails at these steps, is retried when they work again, and completes: what was called the second time."""
    it.failing.update(paths)
    receipt = await it.send()
    assert (await it.end(receipt)).status is RunStatus.FAILED
    it.calls.clear()
    it.failing.clear()
    await it.engine.control.retry(it.key(receipt))
    run = await it.end(receipt)
    assert run.status is RunStatus.COMPLETED, run.error
    return it.calls


def once(name: str, **more: Any) -> ActionStep:
    """A step with one attempt."""
    return do(name, **more)


async def test_a_retry_in_a_loop_takes_up_the_iteration_that_failed(rig: Any) -> None:
    each = ForEachStep(name="each", items=val([1, 2, 3]), steps=(once("a"), once("b")))
    it = await rig(flow("f", each, once("after")))
    assert await failed_then_retried(it, "each[1].b") == ["each[1].b", "each[2].a", "each[2].b", "after"]


async def test_a_retry_in_a_while_loop(rig: Any) -> None:
    loop = LoopStep(name="l", while_=ex("index < 3"), steps=(once("a"),))
    it = await rig(flow("f", loop))
    assert await failed_then_retried(it, "l[1].a") == ["l[1].a", "l[2].a"]


async def test_a_retry_in_branches_keeps_those_that_completed(rig: Any) -> None:
    branches = (Branch(name="x", steps=(once("a"), once("b"))), Branch(name="y", steps=(once("c"),)))
    both = ParallelStep(name="p", branches=branches, fail_fast=False)
    it = await rig(flow("f", both, once("after")))
    assert await failed_then_retried(it, "p.branches.x.b") == ["p.branches.x.b", "after"]


async def test_a_retry_does_not_wake_the_losers_of_a_join(rig: Any) -> None:
    branches = (
        Branch(name="x", steps=(once("a"),)),
        Branch(name="y", steps=(WaitStep(name="w", for_=60_000), once("b"))),
    )
    race = ParallelStep(name="p", branches=branches, join=Join(mode="any"))
    it = await rig(flow("f", race, once("after")))
    assert await failed_then_retried(it, "after") == ["after"]


async def test_a_retry_in_a_case_of_a_block(rig: Any) -> None:
    choice = SwitchStep(name="s", cases=(Case(if_=ex("true"), steps=(once("a"), once("b"))),))
    it = await rig(flow("f", BlockStep(name="block", steps=(once("first"), choice)), once("after")))
    assert await failed_then_retried(it, "block.s.cases[0].b") == ["block.s.cases[0].b", "after"]


async def test_what_was_undone_is_done_again(rig: Any) -> None:
    paid = once("pay", undo=once("undo"))
    it = await rig(flow("f", once("first"), paid, once("ship")))
    calls = await failed_then_retried(it, "ship")
    assert calls == ["pay", "ship"]


async def test_a_step_whose_undo_failed_stays_done(rig: Any) -> None:
    it = await rig(flow("f", once("pay", undo=BlockStep(name="undo", steps=(once("u"),))), once("ship")))
    assert await failed_then_retried(it, "ship", "pay.undo.u") == ["ship"]


async def test_a_fork_from_the_middle_of_a_loop(rig: Any) -> None:
    each = ForEachStep(name="each", items=val([1, 2, 3]), steps=(once("a"), once("b")))
    it = await rig(flow("f", once("first"), each, ReturnStep(name="r", value=ex("steps.each.output | length"))))
    receipt = await it.send()
    await it.end(receipt)
    it.calls.clear()

    key = ids.from_text("run", await it.engine.control.fork(it.key(receipt), "each[1].b"))
    run: Any = None
    for _ in range(1000):
        run = await it.engine.history.run(key)
        if run.status.finished:
            break

        await asyncio.sleep(0.005)
    assert run.status is RunStatus.COMPLETED
    assert it.calls == ["each[1].b", "each[2].a", "each[2].b"]
