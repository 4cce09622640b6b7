"""Flow control on the real engine and store: each control alone, together, over restarts."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from reactor.engine.limits import Limits
from reactor.model import ids
from reactor.model.errors import NotFoundError, PermanentError
from reactor.model.event import EventDraft
from reactor.model.flow import (
    CallStep,
    Concurrency,
    Control,
    Debounce,
    Dedupe,
    EventBatch,
    Hold,
    Rate,
    ReturnStep,
    SetStep,
    Singleton,
    WaitStep,
)
from reactor.model.states import RunStatus
from tests.integration.control_rig import MINUTE, ControlRig, by, flow, work
from tests.property.values import Given, plain


@pytest.fixture
async def rig(tmp_path: Path) -> Any:
    """Makes rigs, and stops them."""
    made: list[ControlRig] = []

    async def make(*flows: Any, limits: Limits | None = None) -> ControlRig:
        made.append(ControlRig(tmp_path, flows, limits))
        return await made[0].start()

    yield make
    for one in made:
        one.at_once = True
        for gate in one.open.values():
            gate.set()
        await one.engine.stop()


# --- concurrency -------------------------------------------------------------------------------------------------


async def test_no_more_runs_than_slots_and_the_oldest_waits_least(rig: Any) -> None:
    it = await rig(flow("a", control=Control(concurrency=Concurrency(limit=2))))
    sent = [await it.send(n) for n in range(5)]
    assert [len(receipt.runs) for receipt in sent] == [1] * 5
    await it.idle()
    assert it.begun == [0, 1]
    assert (await it.run(sent[2])).status is RunStatus.PENDING
    names = ", ".join(receipt.runs[0][0] for receipt in sent[:2])
    assert await it.why(sent[2]) == f"waits for a slot of `concurrency`: 2 of 2 taken by {names}."
    assert "; 2 of the same keys before it" in await it.why(sent[4])
    assert "it has not begun: waits for a slot" in (await it.verdict(sent[3]))["reason"]
    await it.end(sent[1])
    await it.idle()
    assert it.begun == [0, 1, 2]
    await it.end_all()
    assert it.begun == [0, 1, 2, 3, 4]
    assert {run.status for run in await it.runs()} == {RunStatus.COMPLETED}


async def test_slots_are_by_key(rig: Any) -> None:
    it = await rig(flow("a", control=Control(concurrency=Concurrency(limit=1, key=by("who")))))
    sent = [await it.send(n, who=who) for n, who in enumerate(("x", "x", "y"))]
    await it.idle()
    assert it.begun == [0, 2]
    assert 'of key "x": 1 of 1 taken by' in await it.why(sent[1])


async def test_a_global_key_is_shared_by_flows(rig: Any) -> None:
    shared = Control(concurrency=Concurrency(limit=1, key=by("who"), scope="global"))
    own = Control(concurrency=Concurrency(limit=1, key=by("who")))
    it = await rig(flow("a", control=shared), flow("b", control=shared, event="b"), flow("c", control=own, event="c"))
    first = await it.send("a", who="x")
    second = await it.send("b", "b", who="x")
    await it.send("c", "c", who="x")
    await it.idle()
    assert sorted(it.begun) == ["a", "c"]
    assert "which several flows share" in await it.why(second)
    await it.end(first)
    await it.idle()
    assert "b" in it.begun


async def test_a_sleeping_run_holds_no_slot_and_takes_one_again(rig: Any) -> None:
    steps = (WaitStep(name="nap", for_=10 * MINUTE), work())
    it = await rig(flow("a", *steps, control=Control(concurrency=Concurrency(limit=1))))
    sent = [await it.send(n) for n in range(3)]
    # Each sleeps as soon as it starts, and lets the next in.
    for receipt in sent:
        await it.forward(100)
        await it.until(receipt, lambda run: run.status is RunStatus.WAITING)
    assert it.begun == []
    await it.forward(11 * MINUTE)
    assert it.begun == [0]
    waiting = await it.until(sent[1], lambda run: run.status is RunStatus.PENDING)
    assert "its turn" in waiting.waiting_for
    assert "1 of 1 taken by" in await it.why(sent[1])
    await it.end_all()
    assert it.begun == [0, 1, 2]


async def test_a_parent_lets_its_child_have_the_slot(rig: Any) -> None:
    one = Control(concurrency=Concurrency(limit=1, scope="global"))
    parent = flow("parent", CallStep(name="sub", flow="child", params=plain({"n": 7})), control=one)
    child = flow(
        "child",
        SetStep(name="s", values=plain({"x": 1})),
        ReturnStep(name="r", value=plain(5)),
        event="never",
        control=one,
    )
    it = await rig(parent, child)
    receipt = await it.send(1)
    await it.idle()
    await it.forward(2_000)
    run = await it.until(receipt, lambda run: run.status.finished)
    assert run.status is RunStatus.COMPLETED


async def test_a_called_run_waits_for_its_turn(rig: Any) -> None:
    parent = flow("parent", CallStep(name="sub", flow="child", params=plain({})))
    child = flow("child", event="child", control=Control(concurrency=Concurrency(limit=1)))
    it = await rig(parent, child)
    first = await it.send("own", "child")
    caller = await it.send("called")
    await it.idle()
    assert it.begun == ["own"]
    [called] = await it.runs(parent_key=it.key(caller))
    assert called.status is RunStatus.PENDING
    await it.end(first)
    await it.end_all()
    await it.forward(2_000)
    assert (await it.until(caller, lambda run: run.status.finished)).status is RunStatus.COMPLETED
    assert it.begun == ["own", "called"]


async def test_runs_by_hand_and_forks_wait_too(rig: Any) -> None:
    it = await rig(flow("a", control=Control(concurrency=Concurrency(limit=1), rate_limit=Rate(max=1, per=MINUTE))))
    first = await it.send(1)
    by_hand = await it.engine.run_flow("a", {"n": 2})
    forked = await it.engine.control.fork(it.key(first))
    await it.idle()
    assert it.begun == [1]
    assert "1 of 1 taken by" in await it.why(by_hand)
    assert (await it.run(by_hand)).status is RunStatus.PENDING
    await it.end_all()
    assert it.begun == [1, 2, 1]
    assert ids.from_text("run", forked)


async def test_a_queued_run_can_be_cancelled_and_paused(rig: Any) -> None:
    it = await rig(flow("a", control=Control(concurrency=Concurrency(limit=1))))
    sent = [await it.send(n) for n in range(4)]
    await it.engine.control.cancel(it.key(sent[1]))
    assert (await it.until(sent[1], lambda run: run.status.finished)).status is RunStatus.CANCELLED
    await it.engine.control.pause(it.key(sent[2]))
    await it.end(sent[0])
    await it.idle()
    assert it.begun == [0, 3]
    await it.engine.control.resume(it.key(sent[2]))
    await it.idle()
    assert (await it.run(sent[2])).status is RunStatus.PENDING
    await it.end(sent[3])
    await it.idle()
    assert it.begun == [0, 3, 2]


async def test_a_running_run_that_is_cancelled_gives_its_slot(rig: Any) -> None:
    it = await rig(flow("a", control=Control(concurrency=Concurrency(limit=1))))
    first, _ = await it.send(1), await it.send(2)
    await it.idle()
    await it.engine.control.cancel(it.key(first))
    await it.idle()
    assert it.begun == [1, 2]


async def test_limits_change_at_once_and_running_runs_stay(rig: Any) -> None:
    def limited(limit: int) -> Any:
        return flow("a", version=str(limit), control=Control(concurrency=Concurrency(limit=limit)))

    it = await rig(limited(3))
    sent = [await it.send(n) for n in range(6)]
    await it.idle()
    await it.take(limited(1))
    await it.end(sent[0])
    await it.end(sent[1])
    await it.idle()
    assert it.begun == [0, 1, 2], "one still runs, and one is allowed"
    assert "1 of 1 taken" in await it.why(sent[3])
    await it.take(limited(2))
    await it.idle()
    assert it.begun == [0, 1, 2, 3]
    await it.take(flow("a", version="free"))
    await it.idle()
    assert it.begun == [0, 1, 2, 3, 4, 5]


async def test_a_limit_that_comes_counts_what_runs_already(rig: Any) -> None:
    it = await rig(flow("a"))
    first = await it.send(1)
    await it.idle()
    await it.take(flow("a", version="2", control=Control(concurrency=Concurrency(limit=1))))
    await it.send(2)
    await it.idle()
    assert it.begun == [1]
    await it.end(first)
    await it.idle()
    assert it.begun == [1, 2]


async def test_what_queues_runs_though_the_flow_is_disabled(rig: Any) -> None:
    it = await rig(flow("a", control=Control(concurrency=Concurrency(limit=1))))
    first, second = await it.send(1), await it.send(2)
    await it.engine.book.enable("a", enabled=False)
    assert (await it.send(3)).runs == ()
    await it.kill()
    await it.idle()
    assert it.begun == [1, 1]
    await it.end(first)
    await it.end(second)


async def test_slots_after_a_crash(rig: Any) -> None:
    it = await rig(flow("a", control=Control(concurrency=Concurrency(limit=2, key=by("who")))))
    sent = [await it.send(n, who="x") for n in range(5)]
    await it.idle()
    for _ in range(3):
        await it.kill()
        await it.idle()
        assert sorted(it.begun[-2:]) == [0, 1], "the two that ran go on, nobody else begins"
    await it.end(sent[0])
    await it.idle()
    assert it.begun[-1] == 2
    await it.end_all()
    assert {run.status for run in await it.runs()} == {RunStatus.COMPLETED}
    assert not it.engine.executor.flow_control._held
    assert not it.engine.executor.flow_control.lanes._slots


async def test_priority_first_then_every_key_in_turn(rig: Any) -> None:
    priority = Given(lambda scope: scope["event"]["data"].get("priority", 0))
    control = Control(
        throttle=Rate(max=1_000, per=MINUTE, key=by("who")), concurrency=Concurrency(limit=1), priority=priority
    )
    it = await rig(flow("a", control=control))
    await it.send("first", who="z")
    for n in range(3):
        await it.send(f"x{n}", who="x")
    for n in range(3):
        await it.send(f"y{n}", who="y")
    await it.send("late", who="x", priority=5)
    await it.idle()
    await it.end_all()
    assert it.begun == ["first", "late", "y0", "x0", "y1", "x1", "y2", "x2"], "x has just been served"


# --- rate_limit, throttle ------------------------------------------------------------------------------------------


async def test_rate_limit_drops_by_key_and_says_so(rig: Any) -> None:
    it = await rig(flow("a", control=Control(rate_limit=Rate(max=2, per=MINUTE, key=by("who")))))
    sent = [await it.send(n, who="x") for n in range(3)]
    other = await it.send(9, who="y")
    assert [len(receipt.runs) for receipt in (*sent, other)] == [1, 1, 0, 1]
    await it.idle()
    assert it.begun == [0, 1, 9]
    told = await it.verdict(sent[2])
    assert (told["started"], told["rule"], told["run_id"]) == (False, "rate_limit", None)
    assert told["reason"].startswith(
        'dropped by `rate_limit` of key "x": 2 within 1m were let in already; the next is at'
    )
    assert len(await it.runs()) == 3
    await it.kill()
    assert (await it.send(3, who="x")).runs == ()
    await it.forward(MINUTE)
    assert len((await it.send(4, who="x")).runs) == 1


async def test_duplicates_and_deduped_events_use_no_rate(rig: Any) -> None:
    control = Control(rate_limit=Rate(max=2, per=MINUTE))
    it = await rig(flow("a", control=control, dedupe=Dedupe(key=by("n"), for_=MINUTE)))
    first = await it.engine.intake.accept([EventDraft(type="go", id="1", source="s", data={"n": 1})] * 3)
    assert [receipt.duplicate for receipt in first] == [False, True, True]
    assert (await it.send(1)).runs == ()
    assert len((await it.send(2)).runs) == 1
    last = await it.send(3)
    assert (await it.verdict(last))["rule"] == "rate_limit"


async def test_throttle_queues_and_goes_on_in_time(rig: Any) -> None:
    it = await rig(flow("a", control=Control(throttle=Rate(max=2, per=MINUTE))))
    it.at_once = True
    sent = [await it.send(n) for n in range(5)]
    await it.idle()
    assert it.begun == [0, 1]
    assert await it.why(sent[2]) == "`throttle`: 2 starts within 1m; the next start is at 2023-11-14T22:14:20.000Z."
    await it.forward(MINUTE - 1)
    assert it.begun == [0, 1]
    await it.forward(1)
    assert it.begun == [0, 1, 2, 3]
    await it.kill()
    await it.idle()
    assert it.begun == [0, 1, 2, 3], "the two starts of before count"
    await it.forward(MINUTE)
    assert it.begun == [0, 1, 2, 3, 4]


async def test_throttle_and_concurrency_together(rig: Any) -> None:
    control = Control(throttle=Rate(max=1, per=MINUTE), concurrency=Concurrency(limit=1, key=by("who")))
    it = await rig(flow("a", control=control))
    sent = [await it.send(n, who=who) for n, who in enumerate("xxyy")]
    await it.idle()
    await it.forward(MINUTE)
    assert it.begun == [0, 2], "x has no slot, so the start is for y"
    await it.end(sent[0])
    await it.idle()
    assert it.begun == [0, 2]
    await it.forward(MINUTE)
    assert it.begun == [0, 2, 1]
    await it.end(sent[2])
    await it.forward(MINUTE)
    assert it.begun == [0, 2, 1, 3]


# --- batch, debounce -----------------------------------------------------------------------------------------------

ALL = Given(lambda scope: {"n": [event["data"]["n"] for event in scope["events"]] + [scope["event"]["data"]["n"]]})


def batched(**control: Any) -> Any:
    return flow("a", work().__class__(name="work", action="work", params=ALL), control=Control(**control))


async def test_a_batch_starts_when_it_is_full(rig: Any) -> None:
    it = await rig(batched(batch=EventBatch(size=3, for_=MINUTE, key=by("who"))))
    it.at_once = True
    sent = [await it.send(n, who="x") for n in range(4)]
    other = await it.send(9, who="y")
    await it.idle()
    assert it.begun == [[0, 1, 2, 2]]
    assert sent[0].runs == sent[1].runs == sent[2].runs != sent[3].runs
    assert [run.status for run in await it.runs()] == [RunStatus.COMPLETED, RunStatus.PENDING, RunStatus.PENDING]
    told = await it.verdict(sent[0])
    assert (told["started"], told["rule"], told["run_id"]) == (False, "batch", sent[0].runs[0][0])
    assert (await it.verdict(sent[2]))["started"]
    assert "1 of 3 events; it starts when it has them, at the latest at" in await it.why(other)
    await it.forward(MINUTE)
    assert sorted(it.begun[1:]) == [[3, 3], [9, 9]]


async def test_a_batch_by_hand_has_the_one_event(rig: Any) -> None:
    it = await rig(batched(batch=EventBatch(size=3, for_=MINUTE)))
    it.at_once = True
    receipt = await it.engine.run_flow("a", {"n": 5})
    await it.until(receipt, lambda run: run.status.finished)
    assert it.begun == [[5, 5]]


async def test_a_batch_over_a_crash_and_a_fork_of_it(rig: Any) -> None:
    it = await rig(batched(batch=EventBatch(size=4, for_=MINUTE)))
    it.at_once = True
    sent = [await it.send(0), await it.send(1)]
    await it.idle()
    await it.kill()
    await it.send(2)
    await it.kill()
    last = await it.send(3)
    run = await it.until(sent[0], lambda run: run.status.finished)
    assert it.begun == [[0, 1, 2, 3, 3]]
    assert last.runs == sent[0].runs
    await it.engine.control.fork(run.key)
    await it.idle()
    assert it.begun[1:] == [[0, 1, 2, 3, 3]]


async def test_events_with_ids_of_their_own_are_told_their_batch_again(rig: Any) -> None:
    it = await rig(batched(batch=EventBatch(size=3, for_=MINUTE)))
    drafts = [EventDraft(type="go", id=str(n), source="s", data={"n": n}) for n in range(2)]
    first = await it.engine.intake.accept(drafts)
    again = await it.engine.intake.accept(drafts)
    assert [receipt.runs for receipt in again] == [receipt.runs for receipt in first]
    assert all(receipt.duplicate for receipt in again)
    assert len(await it.runs()) == 1


async def test_debounce_takes_the_last_event_after_silence(rig: Any) -> None:
    it = await rig(flow("a", control=Control(debounce=Debounce(for_=1_000, max=2_500, key=by("who")))))
    it.at_once = True
    sent = [await it.send(0, who="x")]
    for n in (1, 2):
        await it.forward(900)
        sent.append(await it.send(n, who="x"))
    await it.idle()
    assert it.begun == []
    assert len(await it.runs()) == 1
    assert 'debounce` of key "x" until 2023-11-14T22:13:22.500Z' in await it.why(sent[0])
    told = await it.verdict(sent[0])
    assert (told["rule"], told["run_id"]) == ("debounce", sent[0].runs[0][0])
    assert sent[1].event_id in told["reason"]
    await it.forward(699)
    assert it.begun == []
    await it.forward(1)
    assert it.begun == [2], "not more than `max` after the first"
    fresh = await it.send(3, who="x")
    assert fresh.runs != sent[0].runs
    await it.forward(1_000)
    assert it.begun == [2, 3]


async def test_debounce_over_a_crash(rig: Any) -> None:
    it = await rig(flow("a", control=Control(debounce=Debounce(for_=1_000))))
    it.at_once = True
    first = await it.send(0)
    await it.send(1)
    await it.idle()
    await it.kill()
    await it.forward(500)
    assert (await it.send(2)).runs == first.runs
    await it.idle()
    await it.kill()
    await it.forward(999)
    assert it.begun == []
    await it.forward(1)
    assert it.begun == [2]


async def test_a_cancelled_debounce_takes_no_more_events(rig: Any) -> None:
    it = await rig(flow("a", control=Control(debounce=Debounce(for_=1_000))))
    it.at_once = True
    first = await it.send(0)
    await it.engine.control.cancel(it.key(first))
    second = await it.send(1)
    assert second.runs != first.runs
    await it.forward(1_000)
    assert it.begun == [1]
    assert (await it.run(first)).status is RunStatus.CANCELLED


# --- hold, singleton -----------------------------------------------------------------------------------------------


async def test_a_flood_waits_for_a_person(rig: Any) -> None:
    it = await rig(flow("a", control=Control(hold=Hold(over=2, per=MINUTE))))
    it.at_once = True
    sent = [await it.send(n) for n in range(5)]
    await it.idle()
    assert it.begun == [0, 1]
    held = await it.run(sent[2])
    assert held.status is RunStatus.PAUSED
    assert held.waiting_for == "held by `hold`: more than 2 events within 1m"
    assert "reactor runs resume" in await it.why(sent[2])
    assert "it has not begun: held by" in (await it.verdict(sent[2]))["reason"]
    await it.engine.control.resume(held.key)
    await it.idle()
    assert it.begun == [0, 1, 2]
    await it.kill()
    assert (await it.send(5)).runs
    await it.idle()
    assert it.begun == [0, 1, 2]
    assert await it.engine.control.release("a") == 3
    await it.idle()
    assert it.begun == [0, 1, 2, 3, 4, 5]
    await it.forward(MINUTE)
    await it.send(6)
    await it.idle()
    assert it.begun[-1] == 6
    with pytest.raises(NotFoundError):
        await it.engine.control.release("nobody")


async def test_singleton_skips_while_one_is_unfinished(rig: Any) -> None:
    steps = (WaitStep(name="nap", for_=10 * MINUTE), work())
    it = await rig(flow("a", *steps, control=Control(singleton=Singleton(key=by("who")))))
    first = await it.send(0, who="x")
    await it.forward(100)
    await it.until(first, lambda run: run.status is RunStatus.WAITING)
    second, other = await it.send(1, who="x"), await it.send(2, who="y")
    assert (len(second.runs), len(other.runs)) == (0, 1)
    told = await it.verdict(second)
    assert told["rule"] == "singleton"
    assert first.runs[0][0] in told["reason"]
    await it.idle()
    await it.kill()
    assert (await it.send(3, who="x")).runs == ()
    await it.forward(11 * MINUTE)
    await it.end(first)
    assert len((await it.send(4, who="x")).runs) == 1


async def test_singleton_cancels_the_old_one_and_waits_for_its_end(rig: Any) -> None:
    it = await rig(
        flow("a", work(finally_=(work("clean"),)), control=Control(singleton=Singleton(on_conflict="cancel")))
    )
    first = await it.send(0)
    await it.idle()
    second = await it.send(1)
    await it.idle()
    assert it.begun == [0, 0], "the old one cleans up"
    assert await it.why(second) == f"`singleton`: waits for the end of {first.runs[0][0]}, which is being cancelled."
    third = await it.send(2)
    assert (await it.end(second)).status is RunStatus.CANCELLED
    assert (await it.run(third)).status is RunStatus.PENDING
    await it.kill()
    await it.idle()
    assert (await it.run(third)).status is RunStatus.PENDING
    run = await it.end(first)
    assert run.status is RunStatus.CANCELLED
    assert (await it.end(third)).status is RunStatus.COMPLETED
    assert it.begun[-1] == 2


# --- what goes wrong -----------------------------------------------------------------------------------------------


async def test_a_key_that_fails_makes_a_failed_run_that_can_be_retried(rig: Any) -> None:
    def fails(_scope: Any) -> Any:
        raise PermanentError("expression", "'who' is undefined")

    it = await rig(flow("a", control=Control(concurrency=Concurrency(limit=1, key=Given(fails)))))
    receipt = await it.send(1)
    run = await it.until(receipt, lambda run: run.status.finished)
    assert run.status is RunStatus.FAILED
    assert run.error is not None
    assert run.error.message == "the key of `concurrency` (`given`) cannot be evaluated: 'who' is undefined"
    assert it.engine.executor.flow_control.decisions.counts["error"] == 1
    await it.take(flow("a", version="2", control=Control(concurrency=Concurrency(limit=1, key=by("n")))))
    await it.engine.control.retry(run.key)
    await it.idle()
    assert it.begun == [1]


@pytest.mark.parametrize("value", [True, "1", None, float("nan"), float("inf")])
async def test_a_priority_has_to_be_a_number(rig: Any, value: Any) -> None:
    it = await rig(flow("a", control=Control(concurrency=Concurrency(limit=1), priority=plain(value))))
    run = await it.until(await it.send(1), lambda run: run.status.finished)
    assert run.error is not None
    assert run.error.message.startswith("`priority` (`given`) cannot be evaluated: it has to be a number")


async def test_a_call_with_a_key_that_fails_fails_the_step(rig: Any) -> None:
    bad = Control(concurrency=Concurrency(limit=1, key=Given(lambda _scope: object())))
    it = await rig(flow("p", CallStep(name="c", flow="b", params=plain({}))), flow("b", event="b", control=bad))
    run = await it.until(await it.send(1), lambda run: run.status.finished)
    assert run.status is RunStatus.FAILED
    assert run.error is not None
    assert "the key of `concurrency`" in run.error.message


async def test_waiting_for_the_result_of_a_queued_run(rig: Any) -> None:
    it = await rig(flow("a", control=Control(concurrency=Concurrency(limit=1), rate_limit=Rate(max=2, per=MINUTE))))
    intake = it.engine.intake
    first = await it.send(1)
    [second] = await intake.accept([EventDraft(type="go", data={"n": 2})], expect="a")
    [third] = await intake.accept([EventDraft(type="go", data={"n": 3})], expect="a")
    assert third.runs == ()
    end = asyncio.ensure_future(it.engine.executor.end_of(it.key(second)))
    await it.end(first)
    await it.end(second)
    assert (await end).output == {"n": 2}
    assert not it.engine.executor.ends._expected
    assert not it.engine.executor.ends._waiting


async def test_full_memory_and_slots(rig: Any) -> None:
    control = Control(concurrency=Concurrency(limit=3))
    it = await rig(flow("a", control=control), limits=Limits(live_runs=2, passivate_after=20))
    for n in range(8):
        await it.send(n)
    await it.end_all()
    assert sorted(it.begun) == list(range(8))
