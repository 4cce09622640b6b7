"""Cancelling a run at every place: clean-ups come to their end, once, and nothing follows them."""

from __future__ import annotations

import asyncio
import gc
import json
from pathlib import Path
from typing import Any

import pytest

from reactor.connectors.event.trigger import EventTrigger
from reactor.engine.limits import Limits
from reactor.language.loader import load
from reactor.model.event import EventDraft
from reactor.model.flow import Flow
from reactor.model.journal import Entry, Outcome
from reactor.model.states import RunStatus
from reactor.runtime.virtual import VirtualRuntime
from reactor.sdk.action import Action, Effect
from reactor.sdk.manifest import Catalog
from tests.integration.rig_kit import WaitingRig
from tests.integration.test_engine import Params


def flow(*steps: Any, **more: Any) -> Flow:
    """A flow `a` in YAML, started by `go`."""
    catalog = Catalog()
    catalog.triggers["event"] = EventTrigger()
    catalog.actions["do"] = Action(name="do", handler=lambda *_: None, params=Params, effect=Effect.WRITE)
    loaded = load(json.dumps({"name": "a", "on": {"event": "go"}, **more, "steps": steps}), catalog=catalog)
    assert loaded.flow is not None, [problem.message for problem in loaded.problems]
    return loaded.flow


def do(name: str, **more: Any) -> dict[str, Any]:
    """An effect."""
    return {"name": name, "action": "do", **more}


UNDO = {"action": "do"}
CLEAN = [do("clean")]


class Rig(WaitingRig):
    """Effects wait at the gate only where a test says so, and may cancel the run."""

    stop_at = ""
    cancel_at = -1
    key_ = 0

    async def _do(self, ctx: Any, params: Any) -> dict[str, Any]:
        if len(self.calls) == self.cancel_at:
            await self.engine.control.cancel(self.key_, "now")
        if ctx.step == self.stop_at:
            return await super()._do(ctx, params)
        self.calls.append(ctx.step)
        if ctx.step in self.failing:
            raise RuntimeError(ctx.step)
        await asyncio.sleep(0)
        return {}

    async def until_called(self, step: str) -> None:
        """Return when the step is under way."""
        for _ in range(1_000):
            if step in self.calls:
                return
            await asyncio.sleep(0.002)
        raise AssertionError(f"{step} is never called: {self.calls}")

    async def cancelled_in(self, step: str) -> Any:
        """A run that is cancelled while this step is under way; its end."""
        self.stop_at = step
        self.gate.clear()
        [receipt] = await self.engine.intake.accept([EventDraft(type="go", data={})])
        await self.until_called(step)
        await self.engine.control.cancel(self.key(receipt), "now")
        await asyncio.sleep(0.01)
        self.gate.set()
        return await self.end(receipt)


@pytest.fixture
async def rig(tmp_path: Path) -> Any:
    """Makes a rig, and stops it."""
    made: list[Rig] = []

    async def make(*steps: Any, limits: Limits | None = None, **more: Any) -> Rig:
        one = flow(*steps, **more)
        made.append(Rig(tmp_path, {one.name: one}, limits))
        made[0].flows[one.source] = one
        await made[0].start()
        return made[0]

    yield make
    for one in made:
        one.gate.set()
        await one.engine.stop()


async def test_a_cancellation_during_finally_waits_for_its_end_and_undoes_the_step(rig: Any) -> None:
    it = await rig(do("one", undo=UNDO, **{"finally": CLEAN}), do("two"), on_cancel=[do("bye")])
    assert (await it.cancelled_in("one.finally.clean")).status is RunStatus.CANCELLED
    assert it.calls == ["one", "one.finally.clean", "one.undo", "on_cancel.bye"]


async def test_a_cancellation_during_undo_does_not_undo_twice(rig: Any) -> None:
    it = await rig(do("one", undo=UNDO), do("two", undo=UNDO), {"fail": "so"}, on_cancel=[do("bye")])
    assert (await it.cancelled_in("one.undo")).status is RunStatus.CANCELLED
    assert it.calls == ["one", "two", "two.undo", "one.undo", "on_cancel.bye"]


async def test_a_cancellation_during_on_error_runs_finally(rig: Any) -> None:
    it = await rig({"name": "b", "fail": "so", "on_error": [do("mend")], "finally": CLEAN}, do("two"))
    assert (await it.cancelled_in("b.on_error.mend")).status is RunStatus.CANCELLED
    assert it.calls == ["b.on_error.mend", "b.finally.clean"]


async def test_a_finally_that_fails_does_not_bring_a_cancelled_run_back(rig: Any) -> None:
    inner = do("one", **{"finally": CLEAN})
    it = await rig({"name": "b", "steps": [inner], "on_error": [do("mend")]}, do("two"))
    it.failing = {"b.one.finally.clean"}
    assert (await it.cancelled_in("b.one")).status is RunStatus.CANCELLED
    assert it.calls == ["b.one", "b.one.finally.clean"]


async def test_what_was_done_is_undone_when_its_finally_fails(rig: Any) -> None:
    it = await rig(do("one", undo=UNDO, **{"finally": CLEAN}), do("two"))
    it.failing = {"one.finally.clean"}
    [receipt] = await it.engine.intake.accept([EventDraft(type="go", data={})])
    assert (await it.end(receipt)).status is RunStatus.FAILED
    assert it.calls == ["one", "one.finally.clean", "one.undo"]


async def test_a_branch_that_loses_cleans_up_to_its_end(rig: Any) -> None:
    slow = [do("x", undo=UNDO, **{"finally": CLEAN}), do("y")]
    it = await rig({"name": "p", "parallel": {"branches": {"a": [{"wait": "20ms"}], "b": slow}, "join": "first"}})
    it.stop_at = "p.branches.b.x.finally.clean"
    it.gate.clear()
    [receipt] = await it.engine.intake.accept([EventDraft(type="go", data={})])
    await it.until_called(it.stop_at)
    await asyncio.sleep(0.04)
    it.gate.set()
    assert (await it.end(receipt)).status is RunStatus.COMPLETED
    names = ["x", "x.finally.clean", "x.undo"]
    assert it.calls == [f"p.branches.b.{name}" for name in names]


async def test_cancelled_while_it_is_paused_in_its_last_finally(rig: Any) -> None:
    it = await rig(do("one", **{"finally": [do("clean"), do("more")]}))
    it.stop_at = "one.finally.clean"
    it.gate.clear()
    [receipt] = await it.engine.intake.accept([EventDraft(type="go", data={})])
    await it.until_called(it.stop_at)
    await it.engine.control.pause(it.key(receipt))
    it.gate.set()
    await it.until(receipt, lambda run: run.status is RunStatus.PAUSED)
    await it.engine.control.cancel(it.key(receipt), "now")
    assert (await it.end(receipt)).status is RunStatus.CANCELLED
    assert it.calls == ["one", "one.finally.clean", "one.finally.more"]


async def test_a_cancellation_that_is_felt_by_a_timer_counts(rig: Any) -> None:
    it = await rig(do("one"), {"name": "b", "timeout": "1h", "steps": [{"set": {"v": 1}}]}, do("two"))
    it.stop_at = "one"
    it.gate.clear()
    [receipt] = await it.engine.intake.accept([EventDraft(type="go", data={})])
    await it.until_called("one")
    await it.engine.control.pause(it.key(receipt))
    it.gate.set()
    await it.until(receipt, lambda run: run.status is RunStatus.PAUSED)
    await it.engine.control.cancel(it.key(receipt), "now")
    assert (await it.end(receipt)).status is RunStatus.CANCELLED
    assert it.calls == ["one"]


SAGA = (
    do("one", undo=UNDO),
    {
        "name": "p",
        "parallel": {
            "branches": {
                "a": [do("a1", undo=UNDO), {"wait": "1ms"}, do("a2", undo=UNDO, **{"finally": CLEAN})],
                "b": [{"name": "sum", "state": {"key": "n", "add": 1}}, do("b1", undo=UNDO)],
            }
        },
        "finally": CLEAN,
    },
    {
        "name": "each",
        "for_each": "[1, 2]",
        "timeout": "1m",
        "steps": [do("pack", undo=UNDO), {"wait": "1ms"}, do("send", undo=UNDO)],
    },
    {"name": "loop", "until": "index >= 1", "every": "1ms", "steps": [do("again", undo=UNDO)]},
    do("last"),
)
EFFECTS = 12
"""Of the steps of the saga itself, when nobody stops it."""


@pytest.mark.parametrize("fails", ["", "last"])
@pytest.mark.parametrize("out", [False, True])
async def test_cancelled_at_every_effect(tmp_path: Path, fails: str, out: bool) -> None:
    limits = Limits(passivate_after=0) if out else None
    saga = flow(*SAGA, on_cancel=[do("bye")], on_failure=[do("sorry")])
    for number in range(EFFECTS + 8 if fails else EFFECTS):
        it = Rig(tmp_path / f"{number}", {saga.name: saga, saga.source: saga}, limits)
        (tmp_path / f"{number}").mkdir()
        it.cancel_at, it.failing = number, {fails}
        await it.start()
        receiving = asyncio.ensure_future(it.engine.intake.accept([EventDraft(type="go", data={})]))
        [receipt] = await receiving
        it.key_ = it.key(receipt)
        run = await it.end(receipt)
        [loaded] = await it.engine.store.load([run.key])
        await it.engine.stop()
        _judge(number, it.calls, run.status, loaded.journal)


def _judge(number: int, calls: list[str], status: RunStatus, journal: list[Entry]) -> None:
    told = (number, status, calls)
    assert status is RunStatus.CANCELLED, told
    assert calls[-1] == "on_cancel.bye", told
    assert len(calls) == len(set(calls)), told
    known = {entry.key: n for n, entry in enumerate(journal)}
    done = [
        entry.key
        for entry in journal
        if entry.status == "completed"
        and entry.key.rpartition(".")[2] in ("one", "a1", "a2", "b1", "pack", "send", "again")
    ]
    undone = [call.removesuffix(".undo") for call in calls if call.endswith(".undo")]
    assert undone == sorted(done, key=lambda key: -known[key]), told
    for step in ("p", "p.branches.a.a2"):
        assert (f"{step}.finally.clean" in calls) == (f"{step}#started" in known), told


async def test_what_a_run_did_is_undone_though_it_did_not_come_past_it_again() -> None:
    block = {"name": "b", "retry": 3, "steps": [do("x", undo=UNDO), {"wait": "1h"}]}
    known = [
        Entry("b#started", 1),
        Entry("b#attempt", 1, "failed", 1, None, 1),
        Entry("b.x", 2, "completed", {}),
        Entry("#cancel", 3, value="now"),
    ]
    params = {"do": Action(name="do", handler=lambda *_: None, params=Params, effect=Effect.WRITE)}
    it = VirtualRuntime(actions=params, journal=known, mock=lambda *_: Outcome({}))
    it.cancelled = True
    assert (await it.play(flow(block))).status is RunStatus.CANCELLED
    assert it.called == ["b.x.undo"]


async def test_the_end_of_something_nested_is_waited_for_in_memory(tmp_path: Path) -> None:
    inner: dict[str, Any] = {"name": "s0", "action": "do"}
    for number in range(1, 7):
        inner = {"name": f"s{number}", "timeout": "1h", "steps": [inner]}
    deep = flow(inner)
    it = Rig(tmp_path, {deep.name: deep, deep.source: deep}, Limits(passivate_after=0))
    await it.start()
    receipts = [await it.send() for _ in range(50)]
    for receipt in receipts:
        assert (await it.end(receipt)).status is RunStatus.COMPLETED
    await it.engine.stop()


async def test_nobody_listens_for_an_end_after_a_cancellation(rig: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    it = await rig(do("one"))
    executor = it.engine.executor
    looks = asyncio.Event()

    async def load(_keys: Any) -> Any:
        looks.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(executor.store, "load", load)
    task = asyncio.ensure_future(executor.end_of(17))
    await looks.wait()
    task.cancel()
    await asyncio.wait([task])
    assert not executor.ends._waiting


@pytest.mark.slow
async def test_what_has_ended_leaves_nothing_in_memory(tmp_path: Path) -> None:
    saga = flow(*SAGA, {"name": "end", "if": "event.data.n % 3 == 0", "fail": "so"}, on_failure=[do("sorry")])
    it = Rig(tmp_path, {saga.name: saga, saga.source: saga}, Limits(passivate_after=20))
    await it.start()
    counts: list[int] = []
    for _ in range(4):
        receipts = await it.engine.intake.accept([EventDraft(type="go", data={"n": n}) for n in range(100)])
        for receipt in receipts:
            await it.end(receipt)
        it.calls.clear()
        del receipts
        await asyncio.sleep(0.1)
        gc.collect()
        counts.append(len(gc.get_objects()))
    await it.engine.stop()
    # A hundred runs that leave one object each would be seen.
    assert counts[-1] - counts[1] < 150, counts
