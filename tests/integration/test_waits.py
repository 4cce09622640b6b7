"""Waits for events on the real engine and store: nothing is lost, whatever leaves memory or dies meanwhile."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import msgspec
import pytest

from reactor.engine.limits import Limits
from reactor.model import ids
from reactor.model.errors import InvalidError
from reactor.model.event import EventDraft
from reactor.model.flow import CallStep, EmitStep, ForEachStep, ReturnStep, SetStep, WaitForStep, WaitStep
from reactor.model.journal import Wanted
from reactor.model.states import RunStatus
from reactor.stores.port import RunFilter
from tests.integration.rig_kit import WaitingRig, ex, val
from tests.integration.test_engine import do, flow

SOON = Limits(passivate_after=30)


def wait_for(event: str = "paid", name: str = "w", **more: Any) -> WaitForStep:
    """A step that waits."""
    return WaitForStep(name=name, event=event, **more)


@pytest.fixture
async def rig(tmp_path: Path) -> Any:
    """Makes a rig, and stops it."""
    made: list[WaitingRig] = []

    async def make(*flows: Any, limits: Limits = SOON) -> WaitingRig:
        made.append(WaitingRig(tmp_path, {f.name: f for f in flows}, limits))
        await made[0].start()
        return made[0]

    yield make
    for one in made:
        one.gate.set()
        await one.engine.stop()


async def output(it: WaitingRig, receipt: Any, number: int = 0) -> Any:
    """What the run ended with."""
    run = await it.end(receipt, number)
    assert run.status is RunStatus.COMPLETED, run.error
    [loaded] = await it.engine.store.load([run.key])
    return loaded.journal[-1].value


async def test_an_event_wakes_who_waits_in_memory(rig: Any) -> None:
    it = await rig(flow("a", wait_for(), ReturnStep(name="r", value=ex("steps.w.output.data"))), limits=Limits())
    receipt = await it.send()
    await it.send("paid", {"n": 1})
    assert await output(it, receipt) == {"n": 1}


async def test_an_event_wakes_who_has_left_memory(rig: Any) -> None:
    it = await rig(flow("a", wait_for(accept=ex("received.data.n == event.data.n")), do("d")))
    first, second = await it.send(data={"n": 1}), await it.send(data={"n": 2})
    run = await it.asleep(first)
    await it.asleep(second)
    assert run.wake_at is None
    assert "waits for an event 'paid'" in run.waiting_for
    explained = await it.engine.explain.run(run.key)
    assert "paid" in explained["explanation"]
    await it.send("paid", {"n": 2})
    await it.end(second)
    assert (await it.asleep(first)).status is RunStatus.WAITING
    assert it.calls == ["d"]


async def test_an_event_that_came_before_the_wait_began_counts(rig: Any) -> None:
    it = await rig(flow("a", do("d"), wait_for(), ReturnStep(name="r", value=ex("steps.w.output.data"))))
    it.gate.clear()
    await it.send("paid", "before the run")
    receipt = await it.send()
    await it.send("paid", "first")
    await it.send("paid", "second")
    it.gate.set()
    assert await output(it, receipt) == "first"


async def test_each_pass_of_a_loop_takes_another_event(rig: Any) -> None:
    loop = ForEachStep(name="each", items=val([1, 2, 3]), steps=(wait_for(),), max_parallel=1)
    it = await rig(flow("a", loop, ReturnStep(name="r", value=ex("steps.each.output"))))
    receipt = await it.send()
    await it.send("paid", "one")
    await it.send("paid", "two")
    await it.asleep(receipt)
    await it.send("paid", "three")
    assert [event["data"] for event in await output(it, receipt)] == ["one", "two", "three"]


@pytest.mark.proves("step.wait_for.{event,source}")
async def test_patterns_sources_and_what_does_not_fit(rig: Any) -> None:
    step = wait_for("order.*", source="shop/*")
    it = await rig(flow("a", step, ReturnStep(name="r", value=ex("steps.w.output.type"))))
    receipt = await it.send()
    await it.asleep(receipt)
    await it.send("order.paid.twice", source="shop/1")
    await it.send("order.paid", source="bank")
    await it.send("orders.paid", source="shop/1")
    assert (await it.asleep(receipt)).status is RunStatus.WAITING
    await it.send("order.paid", source="shop/1")
    assert await output(it, receipt) == "order.paid"


async def test_a_wait_ends_in_time(rig: Any) -> None:
    step = wait_for(limit=150, on_timeout=(do("late"),))
    it = await rig(flow("a", step, ReturnStep(name="r", value=ex("steps.w.output"))))
    receipt = await it.send()
    run = await it.asleep(receipt)
    assert run.wake_at is not None
    assert await output(it, receipt) is None
    assert it.calls == ["w.on_timeout.late"]


async def test_without_steps_for_it_the_end_of_time_fails(rig: Any) -> None:
    it = await rig(flow("a", wait_for(limit=1)))
    run = await it.end(await it.send())
    assert run.error is not None
    assert run.error.kind == "timeout"


async def test_an_event_that_comes_after_the_time_is_too_late_also_when_nobody_looked(rig: Any) -> None:
    it = await rig(flow("a", wait_for(limit=400, on_timeout=(do("late"),))))
    receipt = await it.send()
    await it.asleep(receipt)
    it.engine.executor.wake = lambda keys: None
    await asyncio.sleep(0.5)
    await it.send("paid", "too late")
    await it.kill()
    assert await output(it, receipt) is None
    assert it.calls == ["w.on_timeout.late"]


async def test_after_a_restart_an_event_finds_who_waits(rig: Any) -> None:
    it = await rig(flow("a", wait_for(), ReturnStep(name="r", value=ex("steps.w.output.data"))))
    receipt = await it.send()
    await it.asleep(receipt)
    await it.kill()
    await asyncio.wait_for(it.engine.executor.waits.restored.wait(), 5)
    assert not it.in_memory(receipt)
    await it.send("paid", 5)
    assert await output(it, receipt) == 5


async def test_a_crash_between_the_commit_of_an_event_and_its_delivery(rig: Any) -> None:
    it = await rig(flow("a", wait_for(), do("d"), ReturnStep(name="r", value=ex("steps.w.output.data"))))
    receipt = await it.send()
    await it.asleep(receipt)
    it.engine.executor.waits.arrived = lambda event: None
    await it.send("paid", 5)
    await it.kill()
    assert await output(it, receipt) == 5
    assert it.calls == ["d"]


async def test_a_crash_after_the_event_was_taken(rig: Any) -> None:
    it = await rig(flow("a", wait_for(), do("d"), ReturnStep(name="r", value=ex("steps.w.output.data"))))
    receipt = await it.send()
    await it.asleep(receipt)
    it.gate.clear()
    await it.send("paid", 1)
    await it.send("paid", 2)
    await it.until(receipt, lambda _run: it.calls == ["d"])
    await it.kill()
    it.gate.set()
    assert await output(it, receipt) == 1


async def test_an_event_that_comes_while_a_run_leaves_is_seen(rig: Any) -> None:
    it = await rig(flow("a", wait_for()), limits=Limits(passivate_after=1))
    for number in range(30):
        receipt = await it.send()
        await asyncio.sleep(0.0004 * number)
        await it.send("paid", number)
        await it.end(receipt)
    assert not it.engine.executor.waits._runs


async def test_subjects_keep_waits_apart(rig: Any) -> None:
    """Who waits for one subject is not even asked about others."""
    it = await rig(flow("a", wait_for()), limits=Limits())
    receipt = await it.send()
    run = it.engine.executor.live[it.key(receipt)]
    asked: list[Any] = []

    def accept(event: dict[str, Any]) -> bool:
        asked.append(event["data"])
        return True

    async def receive(subject: str) -> Any:
        return await run.receive(subject, Wanted(type="told", accept=accept, key=subject), None)

    tasks = [asyncio.create_task(receive(f"s{number}")) for number in range(20)]
    await asyncio.sleep(0.05)
    await it.send("told", "other", subject="another")
    await it.send("told", "none")
    await it.send("told", 7, subject="s7")
    assert (await tasks[7])["data"] == 7
    assert asked == [7]
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)


async def test_an_error_in_the_condition_is_a_no(rig: Any) -> None:
    it = await rig(flow("a", wait_for(accept=ex("received.data.n.m > 1"))))
    receipt = await it.send()
    await it.send("paid", "a text")
    assert (await it.asleep(receipt)).status is RunStatus.WAITING
    await it.send("paid", {"n": {"m": 2}})
    await it.end(receipt)


async def test_cancel_and_pause_of_a_run_that_waits_out_of_memory(rig: Any) -> None:
    it = await rig(flow("a", wait_for(), do("d")))
    receipt, paused = await it.send(), await it.send()
    await it.asleep(receipt)
    await it.asleep(paused)
    await it.engine.control.pause(it.key(paused))
    await it.engine.control.cancel(it.key(receipt))
    assert (await it.end(receipt)).status is RunStatus.CANCELLED
    await it.send("paid")
    assert (await it.run(paused)).status is RunStatus.PAUSED
    await it.engine.control.resume(it.key(paused))
    assert (await it.end(paused)).status is RunStatus.COMPLETED
    assert it.calls == ["d"]
    assert not it.engine.executor.waits._runs


async def test_an_event_that_a_run_emits_wakes_another(rig: Any) -> None:
    teller = flow("b", EmitStep(name="e", event=val({"type": "paid", "data": 3})), event="tell")
    it = await rig(flow("a", wait_for(), ReturnStep(name="r", value=ex("steps.w.output.data"))), teller)
    receipt = await it.send()
    await it.asleep(receipt)
    await it.send("tell")
    assert await output(it, receipt) == 3


async def test_many_waits_and_one_event_for_each(rig: Any) -> None:
    """A page of looking back holds 500 events; here are more, and each run takes its own."""
    step = wait_for(accept=ex("received.data == event.data"))
    it = await rig(flow("a", step, ReturnStep(name="r", value=ex("steps.w.output.data"))))
    receipts = await it.engine.intake.accept([EventDraft(type="go", data=n) for n in range(40)])
    drafts = [EventDraft(type="paid", data=1000 + n) for n in range(600)]
    await it.engine.intake.accept(drafts)
    await it.engine.intake.accept([EventDraft(type="paid", data=n) for n in range(40)])
    for number, receipt in enumerate(receipts):
        assert await output(it, receipt) == number


async def test_after_a_restart_only_those_wake_for_whom_something_came(rig: Any) -> None:
    step = wait_for(accept=ex("received.data.n == event.data.n"))
    it = await rig(flow("a", step))
    first, second = await it.send(data={"n": 1}), await it.send(data={"n": 2})
    await it.asleep(first)
    await it.asleep(second)
    it.engine.executor.waits.arrived = lambda event: None
    await it.send("paid", {"n": 2})
    await it.kill()
    await it.end(second)
    run = await it.asleep(first)
    assert run.waits[0].match == (("data", "n"), 1)
    assert run.epoch == 1


async def test_how_far_all_were_told_is_kept(rig: Any) -> None:
    it = await rig(flow("a", wait_for(accept=ex("received.data == 'never'"))))
    receipt = await it.send()
    await it.asleep(receipt)
    await it.send("paid", 1)
    await it.asleep(receipt)
    it.engine.executor.waits.keep()
    await it.engine.executor.committer.flush()
    newest = it.engine.executor.ids.newest
    assert await it.engine.store.saved("#waits") == {"told": newest}
    await it.kill()
    await asyncio.wait_for(it.engine.executor.waits.restored.wait(), 5)
    [wait] = it.engine.executor.waits._runs[it.key(receipt)]
    assert wait.what.seen >= newest
    if it.engine.executor._tasks:  # the end of the restoring keeps it, too
        await asyncio.wait(it.engine.executor._tasks, timeout=5)
    await it.engine.executor.committer.flush()
    kept = await it.engine.store.saved("#waits")
    assert kept["told"] >= newest
    await it.send("paid", 2)
    await it.asleep(receipt)
    it.engine.executor._queue.append(1)
    it.engine.executor.waits.keep()
    await it.engine.executor.committer.flush()
    assert await it.engine.store.saved("#waits") == kept
    it.engine.executor._queue.clear()


async def test_what_was_looked_at_is_not_read_again(rig: Any) -> None:
    it = await rig(flow("a", wait_for(accept=ex("received.data > 100"))))
    receipt = await it.send()
    await it.engine.intake.accept([EventDraft(type="paid", data=n) for n in range(50)])
    await it.asleep(receipt)
    read: list[int] = []
    reading = it.engine.history.read

    async def noted(keys: Any) -> Any:
        read.extend(keys)
        return await reading(keys)

    it.engine.history.read = noted
    await it.send("paid", 200)
    await it.end(receipt)
    assert len(read) == 1


async def test_reserved_types_are_refused_at_every_door(rig: Any) -> None:
    emits = flow("b", EmitStep(name="e", event=val({"type": "reactor.approval.decided"})), event="tell")
    it = await rig(emits)
    with pytest.raises(InvalidError, match="Reactor's own"):
        await it.send("reactor.approval.decided")
    run = await it.end(await it.send("tell"))
    assert run.error is not None
    assert "Reactor's own" in run.error.message


@pytest.mark.proves("step.call.wait")
async def test_a_call_that_is_not_waited_for(rig: Any) -> None:
    child = flow("child", WaitStep(name="w", for_=200), do("d"), event="never")
    call = CallStep(name="c", flow="child", params=val({}), wait=False)
    it = await rig(flow("a", call, ReturnStep(name="r", value=ex("steps.c.output.run_id"))), child)
    receipt = await it.send()
    run_id = await output(it, receipt)
    key = ids.from_text("run", run_id)
    [found] = await it.engine.history.runs(RunFilter(parent_key=it.key(receipt)))
    assert (found.key, found.detached) == (key, True)
    for _ in range(400):
        if it.calls:
            break
        await asyncio.sleep(0.01)
    assert it.calls == ["d"]


async def test_cancel_does_not_go_down_to_a_child_that_is_not_waited_for(rig: Any) -> None:
    child = flow("child", WaitStep(name="w", for_=300), do("d"), event="never")
    call = CallStep(name="c", flow="child", params=val({}), wait=False)
    it = await rig(flow("a", call, wait_for()), child)
    receipt = await it.send()
    await it.asleep(receipt)
    await it.engine.control.cancel(it.key(receipt))
    assert (await it.end(receipt)).status is RunStatus.CANCELLED
    for _ in range(400):
        if it.calls:
            break
        await asyncio.sleep(0.01)
    assert it.calls == ["d"]


@pytest.mark.proves("step.call.version")
async def test_a_call_of_a_version(rig: Any) -> None:
    old = flow("child", SetStep(name="s", values=val({"is": "old"})), event="never")
    call = CallStep(name="c", flow="child", params=val({}), version=1)
    missing = CallStep(name="c", flow="child", params=val({}), version=9)
    it = await rig(flow("a", call), flow("b", missing, event="other"), old)
    new = flow("child", SetStep(name="s", values=val({"is": "new"})), event="never")
    await it.engine.book.take(msgspec.structs.replace(new, digest="new", source="child2"))
    assert it.engine.book.get("child").version == 2
    assert await output(it, await it.send()) == {"is": "old"}
    run = await it.end(await it.send("other"))
    assert run.error is not None
    assert (run.error.kind, "no version 9" in run.error.message) == ("call", True)


async def test_a_secret_output_is_not_looked_up(rig: Any) -> None:
    """What is looked up stands in the run's record."""
    secret = do("d", secret_output=True)
    condition = ex("received.data.key == steps.d.output.key and received.data.n == event.data")
    it = await rig(flow("a", secret, wait_for(accept=condition)))
    receipt = await it.send(data=5)
    run = await it.asleep(receipt)
    assert run.waits[0].match == (("data", "n"), 5)
    [loaded] = await it.engine.store.load([run.key])
    key = it.engine.executor.seals.unseal(next(e.value for e in loaded.journal if e.key == "d"))["key"]
    await it.send("paid", {"key": key, "n": 5})
    await it.end(receipt)


async def test_a_command_during_the_start_does_not_hide_who_waits(tmp_path: Path) -> None:
    flows = {"a": flow("a", wait_for())}
    it = WaitingRig(tmp_path, flows, SOON)
    await it.start()
    receipt = await it.send()
    await it.asleep(receipt)
    await it.engine.stop()
    it.engine = it._made()
    await it.engine.open()
    async with it.engine.executor.aside(it.key(receipt)) as live:
        assert live is None
        await it.engine.start()
        await it.engine.executor.waits.restored.wait()
    await it.send("paid")
    assert (await it.end(receipt)).status is RunStatus.COMPLETED
    await it.engine.stop()
