"""What once made the engine lose, double or stick, or well could: each a small story on the real engine and store."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from reactor.engine.limits import Limits
from reactor.model import ids
from reactor.model.errors import BusyError, ConflictError, StoreBrokenError, StoreBusyError
from reactor.model.flow import BlockStep, CallStep, EmitStep, Flow, Retry, SetStep, WaitStep
from reactor.model.journal import Entry
from reactor.model.states import RunStatus
from reactor.stores.port import Batch, RunFilter
from reactor.stores.sqlite.store import SqliteStore
from tests.integration.test_engine import Rig, do, flow
from tests.property.values import Given, plain

Make = Callable[..., Awaitable[Rig]]


@pytest.fixture
async def make(tmp_path: Path) -> AsyncIterator[Make]:
    """Starts rigs, and stops them."""
    made: list[Rig] = []

    async def start(*flows: Flow, limits: Limits | None = None) -> Rig:
        made.append(Rig(tmp_path, {one.name: one for one in flows}, limits))
        return await made[0].start()

    yield start
    for one in made:
        one.gate.set()
        await one.engine.stop()


async def _until(look: Callable[[], Any], patience: float = 5.0) -> None:
    end = asyncio.get_running_loop().time() + patience
    while not look():
        assert asyncio.get_running_loop().time() < end, "it never came to that"
        await asyncio.sleep(0.002)


class Held:
    """A store whose commits wait until they are let through."""

    def __init__(self, rig: Rig) -> None:
        self._store, self._commit = rig.engine.store, rig.engine.store.commit
        self.gate = asyncio.Event()
        self.waiting = 0
        rig.engine.store.commit = self.commit  # type: ignore[method-assign]

    async def commit(self, batch: Batch) -> Any:
        """One commit."""
        self.waiting += 1
        await self.gate.wait()
        self.waiting -= 1
        return await self._commit(batch)

    def free(self) -> None:
        """As before."""
        self.gate.set()
        self._store.commit = self._commit  # type: ignore[method-assign]


# --- callers that go away -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("id_", [None, "1"])
async def test_runs_begin_although_their_caller_has_gone(make: Make, id_: str | None) -> None:
    it = await make(flow("a", do("d")))
    held = Held(it)
    caller = asyncio.ensure_future(it.send(id=id_, source="s"))
    await _until(lambda: held.waiting)
    caller.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller
    held.free()
    await _until(lambda: it.calls == ["d"])
    [run] = await it.engine.history.runs(RunFilter())
    await it.end(_receipt(run.key))


async def test_a_caller_that_goes_as_it_is_answered(make: Make) -> None:
    it = await make(flow("a", do("d")))
    for n in range(40):
        caller = asyncio.ensure_future(it.send(id=str(n), source="s"))
        for _ in range(n // 2):
            await asyncio.sleep(0)
        caller.cancel()
        await asyncio.wait({caller})
    await it.engine.executor.committer.flush()
    for run in await it.engine.history.runs(RunFilter(limit=100)):
        await it.end(_receipt(run.key))


def _receipt(key: int) -> Any:
    return msgspec.defstruct("Receipt", ["runs"])([(ids.to_text("run", key), "")])


# --- values ---------------------------------------------------------------------------------------------------------


async def test_a_value_without_a_form_in_json_fails_its_run_alone(make: Make) -> None:
    odd = flow("odd", SetStep(name="s", values=plain({"v": {(1, 2): 3}})), do("never"), event="odd")
    it = await make(odd, flow("a", do("d")))
    bad, good = await asyncio.gather(it.send("odd"), it.send())
    run = await it.end(bad)
    assert run.status is RunStatus.FAILED
    assert run.error is not None
    assert run.error.kind == "output"
    assert "'s#set'" in run.error.message
    assert (await it.end(good)).status is RunStatus.COMPLETED
    assert it.calls == ["d"], "nothing happens after what cannot be written"
    await it.kill()
    assert (await it.run(bad)).status is RunStatus.FAILED


async def test_half_a_surrogate_pair_is_kept_as_it_is(make: Make) -> None:
    it = await make(flow("a", SetStep(name="s", values=plain({"v": "\ud800"})), do("d"), outputs=plain("\udfff")))
    receipt = await it.send()
    assert (await it.end(receipt)).status is RunStatus.COMPLETED
    [loaded] = await it.engine.store.load([it.key(receipt)])
    assert {entry.key: entry.value for entry in loaded.journal}["s#set"] == {"v": "\ud800"}


async def test_a_fault_of_ours_in_a_commit_is_loud_and_leaves_nothing_waiting(
    make: Make, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    it = await make(flow("a", do("d")))

    async def fault(_batch: Batch) -> Any:
        raise ZeroDivisionError("ours")

    monkeypatch.setattr(it.engine.store, "commit", fault)
    with caplog.at_level(logging.CRITICAL), pytest.raises(StoreBrokenError, match="ours"):
        await asyncio.wait_for(it.send(), 5)
    assert "nothing more is accepted" in caplog.text
    with pytest.raises(StoreBrokenError):
        await asyncio.wait_for(it.send(), 5)


async def test_a_time_that_is_none_is_a_failure_of_its_step(make: Make) -> None:
    wait = WaitStep(name="w", until=plain(1e30), on_error=(SetStep(name="h", values=plain({"h": 1})),))
    call = CallStep(name="c", flow="nowhere", params=plain({}), continue_on_error=True)
    it = await make(flow("a", wait, call, do("d")))
    receipt = await it.send()
    assert (await it.end(receipt)).status is RunStatus.COMPLETED
    [loaded] = await it.engine.store.load([it.key(receipt)])
    known = {entry.key: entry for entry in loaded.journal}
    assert known["w"].status == "completed"
    assert "w.on_error.h#set" in known
    assert (known["c"].status, known["c"].error.kind if known["c"].error else "") == ("failed", "call")


# --- the order on the disk ------------------------------------------------------------------------------------------


async def test_what_is_emitted_comes_to_the_disk_with_its_step_however_much_is_waiting(make: Make) -> None:
    emits = flow("a", do("d"), EmitStep(name="e", event=plain({"type": "more"})), do("later"))
    it = await make(emits, flow("b", do("d"), event="more"), limits=Limits(batch=2))
    it.gate.clear()
    receipts = [await it.send() for _ in range(12)]
    await _until(lambda: len(it.calls) == 12)
    commit = it.engine.store.commit
    seen: set[str] = set()
    alone: list[int] = []
    sources = {it.key(receipt): receipt.event_id for receipt in receipts}

    async def spy(batch: Batch) -> Any:
        seen.update(cause for accepted in batch.accepted for cause in accepted.event.causes)
        for key, segment in batch.journal:
            entries = msgspec.json.decode(segment, type=list[Entry])
            alone.extend(key for e in entries if e.key == "e" and key in sources and sources[key] not in seen)
        return await commit(batch)

    it.engine.store.commit = spy  # type: ignore[method-assign]
    it.gate.set()
    for receipt in receipts:
        await it.end(receipt)
    assert not alone, "a crash here would have lost an event"
    await _until(lambda: it.calls.count("d") == 24)


async def test_what_is_emitted_while_the_store_is_in_trouble_is_not_forgotten(make: Make) -> None:
    it = await make(
        flow("a", EmitStep(name="e", event=plain({"type": "more"}))),
        flow("b", do("d"), event="more"),
        limits=Limits(live_runs=1),
    )
    commit, troubles = it.engine.store.commit, 0

    async def trouble(batch: Batch) -> Any:
        nonlocal troubles
        if any(accepted.event.causes for accepted in batch.accepted) and troubles < 2:
            troubles += 1
            raise StoreBusyError("disk full")
        return await commit(batch)

    it.engine.store.commit = trouble  # type: ignore[method-assign]
    await it.send()
    await _until(lambda: it.calls == ["d"])
    assert troubles == 2


# --- memory, timers, children ---------------------------------------------------------------------------------------


async def test_timers_go_on_after_the_store_could_not_read(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    limits = Limits(passivate_after=20, horizon=200)
    it = await make(flow("a", WaitStep(name="w", for_=700), do("d")), limits=limits)
    receipt = await it.send()

    async def locked(*_: Any) -> Any:
        raise StoreBusyError("locked")

    with monkeypatch.context() as patch:
        patch.setattr(it.engine.store, "due", locked)
        await asyncio.sleep(0.3)
    assert (await it.end(receipt)).status is RunStatus.COMPLETED


async def test_a_run_that_cannot_be_read_keeps_no_other_back(make: Make, tmp_path: Path) -> None:
    it = await make(flow("a", WaitStep(name="w", for_=400), do("d")), limits=Limits(passivate_after=20))
    lost = await it.send(data="x" * 100_000)
    others = [await it.send() for _ in range(5)]
    await it.until(others[-1], lambda run: run.status is RunStatus.WAITING)
    blobs = [path for path in (tmp_path / "blobs").rglob("*") if path.is_file()]
    kept = {path: path.read_bytes() for path in blobs}
    for path in blobs:
        path.unlink()
    for receipt in others:
        assert (await it.end(receipt)).status is RunStatus.COMPLETED
    told = await it.engine.explain.run(it.key(lost))
    assert "cannot be read" in told["explanation"]
    assert "blob" in told["explanation"]
    for path, content in kept.items():
        path.write_bytes(content)
    it.engine.executor.wake([it.key(lost)])
    assert (await it.end(lost)).status is RunStatus.COMPLETED


async def test_a_child_that_ends_as_its_parent_leaves_memory_wakes_it(make: Make) -> None:
    child = flow("child", do("d"), event="never")
    parent = flow("parent", CallStep(name="c", flow="child", params=plain({})))
    it = await make(child, parent, limits=Limits(passivate_after=20))
    for n in range(60):
        it.gate.clear()
        before = len(it.calls)
        receipt = await it.send()
        await _until(functools.partial(_more, it, before))
        asyncio.get_running_loop().call_later(0.015 + n * 0.0002, it.gate.set)
        assert (await it.end(receipt)).status is RunStatus.COMPLETED


def _more(it: Rig, before: int) -> bool:
    return len(it.calls) > before


async def test_a_child_that_ended_before_the_crash_wakes_its_parent_after_it(make: Make) -> None:
    child = flow("child", do("d"), event="never")
    it = await make(
        child, flow("parent", CallStep(name="c", flow="child", params=plain({}))), limits=Limits(passivate_after=20)
    )
    it.gate.clear()
    receipt = await it.send()
    await it.until(receipt, lambda run: run.status is RunStatus.WAITING)
    it.engine.executor.wake = lambda keys: None  # type: ignore[method-assign] # nobody is told any more
    it.gate.set()
    [one] = await it.engine.store.children(it.key(receipt))
    await it.end(_receipt(one.key))
    await it.kill()
    assert (await it.end(receipt)).status is RunStatus.COMPLETED


async def test_room_is_used_again_after_runs_were_dropped(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    it = await make(flow("a", do("d")), limits=Limits(live_runs=1))
    it.gate.clear()
    first = await it.send()
    second = await it.send()
    await _until(lambda: it.calls == ["d"])
    # The only run in memory goes in a way that is no end.
    it.engine.executor.dropped([it.key(first)])
    it.gate.set()
    assert (await it.end(second)).status is RunStatus.COMPLETED
    await it.kill()
    assert (await it.end(first)).status is RunStatus.COMPLETED


async def test_two_thousand_sleeping_runs_leave_memory_and_wake_in_time(make: Make) -> None:
    it = await make(flow("a", WaitStep(name="w", for_=1_500), do("d")), limits=Limits(passivate_after=50))
    clock = it.engine.clock
    receipts = [r for _ in range(4) for r in await asyncio.gather(*(it.send() for _ in range(500)))]
    due = clock.now() + 1_500
    await _until(lambda: not it.engine.executor.live, 5)
    assert clock.now() < due, "they left before any of them woke"
    await _until(lambda: len(it.calls) == 2_000, 10)
    late = clock.now() - due
    assert late < 1_500, f"the last of 2,000 began {late} ms late"
    for receipt in receipts:
        assert (await it.end(receipt)).status is RunStatus.COMPLETED


# --- commands -------------------------------------------------------------------------------------------------------


async def test_a_pause_that_was_answered_outlives_a_crash(make: Make) -> None:
    it = await make(flow("a", do("one"), do("two")))
    it.gate.clear()
    receipt = await it.send()
    await _until(lambda: it.calls)
    await it.engine.control.pause(it.key(receipt))
    await it.kill()
    it.gate.set()
    await it.until(receipt, lambda run: run.status is RunStatus.PAUSED)
    assert "two" not in it.calls
    await it.engine.control.resume(it.key(receipt))
    assert (await it.end(receipt)).status is RunStatus.COMPLETED


async def test_a_paused_run_that_is_cancelled_unwinds(make: Make) -> None:
    block = BlockStep(name="b", steps=(do("one"), do("two")), finally_=(do("clean"),))
    it = await make(flow("a", block))
    it.gate.clear()
    receipt = await it.send()
    await _until(lambda: it.calls)
    await it.engine.control.pause(it.key(receipt))
    await it.engine.control.cancel(it.key(receipt))
    it.gate.set()
    assert (await it.end(receipt)).status is RunStatus.CANCELLED
    assert it.calls == ["b.one", "b.finally.clean"]


async def test_a_command_on_a_run_that_is_just_waking_is_not_lost(make: Make) -> None:
    it = await make(flow("a", WaitStep(name="w", for_=60), do("d")), limits=Limits(passivate_after=10))
    for n in range(60):
        receipt = await it.send()
        await it.until(receipt, lambda run: run.status is not RunStatus.RUNNING)
        await asyncio.sleep(0.03 + n * 0.0006)
        try:
            await it.engine.control.cancel(it.key(receipt))
        except ConflictError:
            assert (await it.run(receipt)).status is RunStatus.COMPLETED
            continue
        run = await it.end(receipt)
        [loaded] = await it.engine.store.load([run.key])
        keys = [entry.key for entry in loaded.journal]
        assert keys.count("") == 1, f"it ended twice: {keys}"
        assert run.status is RunStatus.CANCELLED


async def test_a_command_on_a_run_that_has_just_ended_is_refused(make: Make) -> None:
    it = await make(flow("a", do("d")))
    for turns in range(40):
        receipt = await it.send(id=str(turns), source="s")
        for _ in range(turns // 2):
            await asyncio.sleep(0)
        with contextlib.suppress(ConflictError):
            await it.engine.control.cancel(it.key(receipt))
        run = await it.end(receipt)
        [loaded] = await it.engine.store.load([run.key])
        assert [entry.key for entry in loaded.journal].count("") == 1
    assert len(it.calls) <= 40


async def test_the_end_of_a_run_is_told_whenever_it_is_asked_for(make: Make) -> None:
    it = await make(flow("a", do("d")))
    for turns in range(150):
        receipt = await it.send(id=str(turns), source="s")
        for _ in range(turns % 30):
            await asyncio.sleep(0)
        result = await it.engine.triggers.result(it.key(receipt), 3_000)
        assert result is not None, f"asked {turns % 30} turns of the loop later nobody tells its end"


async def test_cancel_of_a_run_whose_action_never_returns(make: Make) -> None:
    it = await make(
        flow("a", BlockStep(name="b", steps=(do("d"),), finally_=(SetStep(name="f", values=plain({"f": 1})),)))
    )
    it.gate.clear()
    receipt = await it.send()
    await _until(lambda: it.calls)
    await it.engine.control.cancel(it.key(receipt), "enough")
    run = await it.end(receipt)
    assert run.status is RunStatus.CANCELLED
    [loaded] = await it.engine.store.load([run.key])
    assert "b.finally.f#set" in [entry.key for entry in loaded.journal]


async def test_everything_can_be_cancelled_while_memory_is_full(make: Make) -> None:
    it = await make(flow("a", do("d")), limits=Limits(live_runs=2))
    it.gate.clear()
    receipts = [await it.send() for _ in range(6)]
    await _until(lambda: len(it.calls) == 2)
    for receipt in reversed(receipts):
        await it.engine.control.cancel(it.key(receipt))
    for receipt in receipts:
        assert (await it.end(receipt)).status is RunStatus.CANCELLED
    assert len(it.calls) == 2


# --- versions -------------------------------------------------------------------------------------------------------


async def test_a_flow_that_is_removed_leaves_its_runs_alone(make: Make) -> None:
    it = await make(flow("a", WaitStep(name="w", for_=300), do("d")), limits=Limits(passivate_after=20))
    receipt = await it.send()
    await it.until(receipt, lambda run: run.status is RunStatus.WAITING)
    await it.engine.book.forget("a")
    assert (await it.send()).runs == ()
    assert (await it.end(receipt)).status is RunStatus.COMPLETED
    assert it.calls == ["d"]


async def test_a_version_that_cannot_be_read_any_more_fails_its_runs_by_name(make: Make) -> None:
    it = await make(flow("a", WaitStep(name="w", for_=200), do("d")), limits=Limits(passivate_after=20))
    receipt = await it.send()
    await it.until(receipt, lambda run: run.status is RunStatus.WAITING)
    del it.flows["a"]
    await it.kill()
    run = await it.end(receipt)
    assert run.status is RunStatus.FAILED
    assert run.error is not None
    assert (run.error.kind, "version 1 of flow 'a'" in run.error.message) == ("version", True)
    assert it.calls == []


# --- the store ------------------------------------------------------------------------------------------------------


async def test_a_full_queue_behind_a_slow_store_refuses_at_once_and_keeps_what_it_took(make: Make) -> None:
    it = await make(flow("a", do("d")), limits=Limits(queued_events=20))
    held = Held(it)
    callers = [asyncio.ensure_future(it.send()) for _ in range(100)]
    await _until(lambda: sum(caller.done() for caller in callers) >= 60)
    refused = [caller.exception() for caller in callers if caller.done()]
    assert all(isinstance(error, BusyError) and error.retry_after for error in refused)
    held.free()
    receipts = [r for r in await asyncio.gather(*callers, return_exceptions=True) if not isinstance(r, BaseException)]
    assert 20 <= len(receipts) <= 40
    for receipt in receipts:
        await it.end(receipt)
    assert len(it.calls) == len(receipts) == len(await it.engine.history.runs(RunFilter(limit=200)))


async def test_it_ends_although_the_store_cannot_write(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    it = await make(flow("a", do("one"), do("two")), limits=Limits(drain=1_000))
    it.gate.clear()
    receipt = await it.send()
    await _until(lambda: it.calls)

    async def full(_batch: Batch) -> Any:
        raise StoreBusyError("disk full")

    monkeypatch.setattr(it.engine.store, "commit", full)
    it.gate.set()
    await asyncio.wait_for(it.engine.stop(), 8)
    it.engine = it._made()
    await it.start()
    assert (await it.end(receipt)).status is RunStatus.COMPLETED
    assert it.calls[-1] == "two"


async def test_retries_wait_for_space_and_go_on(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    it = await make(flow("a", do("d", retry=Retry(max=5, delay=10, backoff="fixed", jitter=0)), do("e")))
    it.fails = 2
    commit, count = it.engine.store.commit, 0

    async def sometimes(batch: Batch) -> Any:
        nonlocal count
        count += 1
        if count % 2:
            raise StoreBusyError("locked")
        return await commit(batch)

    receipt = await it.send()
    monkeypatch.setattr(it.engine.store, "commit", sometimes)
    assert (await it.end(receipt)).status is RunStatus.COMPLETED
    assert it.calls == ["d", "d", "d", "e"]


async def test_an_expression_that_fails_in_every_slot_ends_its_run(make: Make) -> None:
    def broken(_scope: Any) -> Any:
        raise RecursionError("ours")

    it = await make(
        flow("a", SetStep(name="s", values=Given(broken))),
        flow("b", do("d", if_=Given(broken))),
        flow("c", WaitStep(name="w", until=Given(broken))),
        flow("e", do("d"), outputs=Given(broken)),
    )
    receipt = await it.send()
    for number in range(4):
        run = await it.end(receipt, number)
        assert run.status is RunStatus.FAILED
        assert run.error is not None


@pytest.mark.parametrize("turns", range(12))
async def test_nothing_of_an_event_that_was_refused_happens(make: Make, turns: int) -> None:
    block = BlockStep(name="b", steps=(do("one"), do("two")), timeout=5_000, finally_=(do("clean"),))
    it = await make(flow("a", block, timeout=9_000))
    commit, gate = it.engine.store.commit, asyncio.Event()

    async def full(_batch: Batch) -> Any:
        await gate.wait()
        raise StoreBusyError("disk full")

    it.engine.store.commit = full  # type: ignore[method-assign,assignment]
    before = asyncio.ensure_future(it.send("nobody listens"))
    await asyncio.sleep(0.01)
    refused = asyncio.ensure_future(it.send())
    # Its run begins while another commit is under way, and has come more or less far when it is refused.
    for _ in range(turns):
        await asyncio.sleep(0)
    gate.set()
    for caller in (before, refused):
        with pytest.raises(BusyError):
            await caller
    it.engine.store.commit = commit  # type: ignore[method-assign]
    await asyncio.sleep(0.2)
    assert await it.engine.history.runs(RunFilter()) == []
    assert it.calls == []
    assert it.engine.executor.live == {}


async def test_who_waits_for_a_child_makes_room_for_it_however_slow_the_store_is(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    child = flow("child", WaitStep(name="w", for_=600), do("d"), event="never")
    parent = flow("parent", CallStep(name="c", flow="child", params=plain({})))
    it = await make(child, parent, limits=Limits(passivate_after=10, live_runs=1))
    receipt = await it.send()
    await it.until(receipt, lambda run: run.status is RunStatus.WAITING)
    load = SqliteStore.load

    async def slow(self: SqliteStore, keys: Any) -> Any:
        await asyncio.sleep(0.05)
        return await load(self, keys)

    monkeypatch.setattr(SqliteStore, "load", slow)
    await it.kill()
    assert (await it.end(receipt)).status is RunStatus.COMPLETED
