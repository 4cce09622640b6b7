"""The embedded engine on the real store: events, runs, borders, people's commands, restarts."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from reactor.engine.engine import Engine, Parts
from reactor.engine.limits import Limits
from reactor.model import ids
from reactor.model.clock import SystemClock, SystemEntropy
from reactor.model.errors import BusyError, ConflictError, InvalidError, NotFoundError, StoreBusyError, TransientError
from reactor.model.event import EventDraft
from reactor.model.flow import (
    ActionStep,
    BlockStep,
    CallStep,
    Dedupe,
    EmitStep,
    Flow,
    Retry,
    SetStep,
    Step,
    TriggerSpec,
    WaitStep,
)
from reactor.model.journal import Run
from reactor.model.states import RunStatus
from reactor.sdk.action import Action, Effect
from reactor.sdk.manifest import Catalog
from reactor.stores.port import RunFilter
from reactor.stores.sqlite.store import SqliteStore
from tests.property.values import Given, plain


class Params(msgspec.Struct):
    """Parameters of the actions of these tests."""

    x: int = 0


class Passive:
    """The trigger `event`."""

    kind, passive = "event", True


class Rig:
    """An engine on a folder, with actions that tests control; can be killed and started again."""

    def __init__(self, folder: Path, flows: dict[str, Flow], limits: Limits | None = None) -> None:
        self.folder, self.flows, self.limits = folder, flows, limits or Limits()
        self.calls: list[str] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.fails = 0
        self.failing: set[str] = set()
        self.engine = self._made()

    def _made(self) -> Engine:
        store = SqliteStore(self.folder / "reactor.db", clock=SystemClock())
        catalog = Catalog()
        catalog.triggers["event"] = Passive()  # type: ignore[assignment]
        catalog.actions["do"] = Action(name="do", handler=self._do, params=Params, effect=Effect.WRITE)
        return Engine(
            Parts(
                store=store,
                history=store,
                catalog=catalog,
                clock=SystemClock(),
                entropy=SystemEntropy(),
                limits=self.limits,
                http=None,  # type: ignore[arg-type]
                compile=lambda source, _file: self.flows.get(source),
                check_inputs=lambda _schema, values: (dict(values), []),
                action_settings={},
                env={},
                secret=lambda _name: None,
            )
        )

    async def _do(self, ctx: Any, params: Params) -> dict[str, Any]:
        self.calls.append(ctx.step)
        await self.gate.wait()
        if self.fails > 0 or ctx.step in self.failing:
            self.fails -= 1
            raise TransientError("http.503", "not now")
        return {"x": params.x, "key": ctx.idempotency_key}

    async def start(self) -> Rig:
        """Open, register the flows, start."""
        await self.engine.open()
        for flow in self.flows.values():
            await self.engine.book.take(flow)
        await self.engine.start()
        return self

    async def kill(self) -> Rig:
        """As a power cut would: nothing is written any more. The same folder again, started."""
        executor = self.engine.executor
        executor.stopping = True
        await executor.timers.stop()
        for live in list(executor.live.values()):
            live.abandon()
        executor.committer._dirty.clear()
        executor.committer._offers.clear()
        executor.committer._waiters.clear()
        while executor.committer._busy:
            await asyncio.sleep(0.001)
        await self.engine.store.close()
        self.engine = self._made()
        return await self.start()

    async def send(self, type_: str = "go", data: Any = None, **more: Any) -> Any:
        """One event; the receipt."""
        return (await self.engine.intake.accept([EventDraft(type=type_, data=data, **more)]))[0]

    async def run(self, receipt: Any, number: int = 0) -> Run:
        """The run as it is stored."""
        key = ids.from_text("run", receipt.runs[number][0])
        assert key is not None
        found = await self.engine.history.run(key)
        assert found is not None
        return found

    async def until(self, receipt: Any, wanted: Callable[[Run], bool], number: int = 0) -> Run:
        """Wait until the stored run is so."""
        run = await self.run(receipt, number)
        for _ in range(1000):
            if wanted(run):
                return run
            await asyncio.sleep(0.005)
            run = await self.run(receipt, number)
        raise AssertionError(f"it never came to that: {run}")

    async def end(self, receipt: Any, number: int = 0) -> Run:
        """Wait for the end."""
        return await self.until(receipt, lambda run: run.status.finished, number)

    def key(self, receipt: Any) -> int:
        """The run's number."""
        key = ids.from_text("run", receipt.runs[0][0])
        assert key is not None
        return key


def flow(name: str, *steps: Step, event: str = "go", **more: Any) -> Flow:
    """A flow that listens for one event type."""
    trigger = TriggerSpec(key=f"{name}/0", kind="event", config={"event": event})
    return Flow(name=name, source=name, digest=name, triggers=(trigger,), steps=steps, **more)


def do(name: str, **more: Any) -> ActionStep:
    """A step with an effect."""
    return ActionStep(name=name, action="do", params=plain({"x": 1}), **more)


@pytest.fixture
async def rig(tmp_path: Path) -> Any:
    """Makes rigs, and stops them."""
    made: list[Rig] = []

    async def make(*flows: Flow, limits: Limits | None = None) -> Rig:
        made.append(Rig(tmp_path, {f.name: f for f in flows}, limits))
        return await made[0].start()

    yield make
    for one in made:
        one.gate.set()
        await one.engine.stop()


async def test_an_event_starts_a_run_that_ends(rig: Any) -> None:
    it = await rig(flow("a", SetStep(name="s", values=plain({"v": 1})), do("d")))
    receipt = await it.send(data={"id": 1})
    assert [name for _, name in receipt.runs] == ["a"]
    run = await it.end(receipt)
    assert run.status is RunStatus.COMPLETED
    assert it.calls == ["d"]
    [loaded] = await it.engine.store.load([run.key])
    assert loaded.event.data == {"id": 1}
    assert [entry.key for entry in loaded.journal] == ["s#set", "d#started", "d", ""]


async def test_the_same_event_twice_starts_nothing_twice(rig: Any) -> None:
    it = await rig(flow("a", do("d")))
    first = await it.send(id="1", source="shop")
    again = await it.send(id="1", source="shop")
    other = await it.send(id="1", source="another shop")
    await it.end(first)
    await it.end(other)
    assert (first.duplicate, again.duplicate, other.duplicate) == (False, True, False)
    assert again.event_id == first.event_id
    assert again.runs == first.runs
    assert len(it.calls) == 2


async def test_the_same_event_twice_in_one_batch(rig: Any) -> None:
    it = await rig(flow("a", do("d")))
    drafts = [EventDraft(type="go", id="7", source="s") for _ in range(3)]
    receipts = await it.engine.intake.accept(drafts)
    await it.end(receipts[0])
    assert [r.duplicate for r in receipts] == [False, True, True]
    assert len(await it.engine.history.runs(RunFilter())) == 1


@pytest.mark.proves("flow.dedupe.key")
async def test_dedupe_by_key(rig: Any) -> None:
    key = Given(lambda scope: scope["event"]["data"])
    it = await rig(flow("a", do("d"), dedupe=Dedupe(key=key, for_=60_000)))
    first, second, third = [await it.send(data=n) for n in (1, 1, 2)]
    assert [len(r.runs) for r in (first, second, third)] == [1, 0, 1]
    [verdict] = (await it.engine.explain.event(ids.from_text("evt", second.event_id)))["flows"]
    assert (verdict["started"], verdict["rule"]) == (False, "dedupe")
    assert "less than 1m before" in verdict["reason"]
    assert "= 1)" in verdict["reason"]


async def test_a_finished_step_is_not_done_again_after_a_crash(rig: Any) -> None:
    it = await rig(flow("a", do("one"), do("two"), do("three")))
    receipt = await it.send()
    it.gate.clear()
    await it.until(receipt, lambda _run: it.calls in (["one", "two"], ["one"]))
    it.gate.set()
    await asyncio.sleep(0)
    await it.kill()
    assert (await it.end(receipt)).status is RunStatus.COMPLETED
    assert it.calls.count("three") >= 1
    assert len(it.calls) <= 4


async def test_a_sleeping_run_leaves_memory_and_comes_back(rig: Any) -> None:
    it = await rig(flow("a", WaitStep(name="w", for_=400), do("d")), limits=Limits(passivate_after=50))
    receipt = await it.send()
    run = await it.until(receipt, lambda run: run.status is RunStatus.WAITING)
    assert not it.engine.executor.live
    assert run.wake_at
    assert "step 'w' sleeps" in run.waiting_for
    explained = await it.engine.explain.run(run.key)
    assert "sleeps" in explained["explanation"]
    run = await it.end(receipt)
    assert run.status is RunStatus.COMPLETED
    assert it.calls == ["d"]


async def test_a_sleeping_run_wakes_after_a_restart(rig: Any) -> None:
    it = await rig(flow("a", WaitStep(name="w", for_=600), do("d")), limits=Limits(passivate_after=50))
    receipt = await it.send()
    await it.until(receipt, lambda run: run.status is RunStatus.WAITING)
    await it.kill()
    assert (await it.end(receipt)).status is RunStatus.COMPLETED
    assert it.calls == ["d"]


async def test_retry_goes_on_counting_after_a_crash(rig: Any) -> None:
    policy = Retry(max=3, delay=150, backoff="fixed", jitter=0)
    it = await rig(flow("a", do("d", retry=policy)))
    it.fails = 2
    receipt = await it.send()
    await it.until(receipt, lambda _run: len(it.calls) == 1)
    await asyncio.sleep(0.08)
    await it.kill()
    assert (await it.end(receipt)).status is RunStatus.COMPLETED
    assert len(it.calls) == 3


@pytest.mark.parametrize("state", ["running", "waiting", "paused"])
async def test_cancel_works_in_every_state(rig: Any, state: str) -> None:
    steps = {"running": do("d"), "waiting": WaitStep(name="w", for_=60_000), "paused": WaitStep(name="w", for_=60_000)}
    block = BlockStep(name="b", steps=(steps[state],), finally_=(SetStep(name="clean", values=plain({"c": 1})),))
    it = await rig(flow("a", block, do("never")), limits=Limits(passivate_after=20))
    if state == "running":
        it.gate.clear()
    receipt = await it.send()
    if state == "running":
        await it.until(receipt, lambda _run: it.calls == ["b.d"])
    else:
        await it.until(receipt, lambda run: run.status is RunStatus.WAITING)
    if state == "paused":
        await it.engine.control.pause(it.key(receipt))
    await it.engine.control.cancel(it.key(receipt), "no longer wanted")
    run = await it.end(receipt)
    assert run.status is RunStatus.CANCELLED
    assert "never" not in it.calls
    [loaded] = await it.engine.store.load([run.key])
    assert "b.finally.clean#set" in [entry.key for entry in loaded.journal]
    with pytest.raises(ConflictError):
        await it.engine.control.cancel(run.key)


async def test_pause_and_resume(rig: Any) -> None:
    it = await rig(flow("a", do("one"), do("two")))
    it.gate.clear()
    receipt = await it.send()
    await it.until(receipt, lambda _run: it.calls == ["one"])
    await it.engine.control.pause(it.key(receipt))
    it.gate.set()
    await it.until(receipt, lambda run: run.status is RunStatus.PAUSED)
    await it.kill()
    await asyncio.sleep(0.05)
    assert (await it.run(receipt)).status is RunStatus.PAUSED
    await it.engine.control.resume(it.key(receipt))
    assert (await it.end(receipt)).status is RunStatus.COMPLETED
    assert it.calls == ["one", "two"]


@pytest.mark.proves("step.retry.then")
async def test_a_step_that_pauses_for_a_person(rig: Any) -> None:
    it = await rig(flow("a", do("d", retry=Retry(max=1, then="pause"))))
    it.fails = 1
    receipt = await it.send()
    run = await it.until(receipt, lambda run: run.status is RunStatus.PAUSED)
    assert "not now" in run.waiting_for
    await it.engine.control.resume(it.key(receipt))
    assert (await it.end(receipt)).status is RunStatus.COMPLETED
    assert it.calls == ["d", "d"]


async def test_only_a_failed_run_can_be_retried(rig: Any) -> None:
    it = await rig(flow("a", do("one")))
    receipt = await it.send()
    await it.end(receipt)
    with pytest.raises(ConflictError, match="only a failed"):
        await it.engine.control.retry(it.key(receipt))


async def test_retry_does_only_what_failed(rig: Any) -> None:
    inner = BlockStep(name="b", steps=(do("one"), do("two"), do("three")))
    it = await rig(flow("a", inner, do("four"), on_failure=(SetStep(name="f", values=plain({"f": 1})),)))
    it.failing = {"b.two"}
    receipt = await it.send()
    run = await it.end(receipt)
    assert run.status is RunStatus.FAILED
    assert it.calls == ["b.one", "b.two"]
    it.failing = set()
    await it.engine.control.retry(run.key)
    assert (await it.end(receipt)).status is RunStatus.COMPLETED
    assert it.calls == ["b.one", "b.two", "b.two", "b.three", "four"]


async def test_fork_from_a_step_takes_over_what_came_before(rig: Any) -> None:
    it = await rig(flow("a", do("one"), do("two")))
    receipt = await it.send(data={"n": 1})
    await it.end(receipt)
    forked = ids.from_text("run", await it.engine.control.fork(it.key(receipt), "two"))
    assert forked is not None
    while not (await it.engine.history.run(forked)).status.finished:
        await asyncio.sleep(0.01)
    assert it.calls == ["one", "two", "two"]
    again = ids.from_text("run", await it.engine.control.fork(it.key(receipt), data={"n": 2}))
    assert again is not None
    [loaded] = await it.engine.store.load([again])
    assert loaded.event.data == {"n": 2}
    with pytest.raises(NotFoundError, match="never came to a step"):
        await it.engine.control.fork(it.key(receipt), "nine")
    with pytest.raises(InvalidError):
        await it.engine.control.fork(it.key(receipt), "two", data={})


async def test_a_call_waits_for_its_child_over_a_restart(rig: Any) -> None:
    child = flow("child", WaitStep(name="w", for_=500), do("d"), event="never", outputs=plain({"answer": 42}))
    parent = flow("parent", CallStep(name="c", flow="child", params=plain({"a": 1})))
    it = await rig(child, parent, limits=Limits(passivate_after=50))
    receipt = await it.send()
    await it.until(receipt, lambda run: run.status is RunStatus.WAITING)
    await it.kill()
    run = await it.end(receipt)
    assert run.status is RunStatus.COMPLETED
    [loaded] = await it.engine.store.load([run.key])
    assert loaded.journal[-1].value == {"answer": 42}
    assert it.calls == ["d"]
    assert [c.flow for c in await it.engine.store.children(run.key)] == ["child"]


async def test_cancel_goes_down_to_children(rig: Any) -> None:
    child = flow("child", WaitStep(name="w", for_=60_000), event="never")
    it = await rig(child, flow("parent", CallStep(name="c", flow="child", params=plain({}))))
    receipt = await it.send()
    await it.until(receipt, lambda _run: len(it.engine.executor.live) == 2)
    await it.engine.control.cancel(it.key(receipt))
    assert (await it.end(receipt)).status is RunStatus.CANCELLED
    [one] = await it.engine.store.children(it.key(receipt))
    for _ in range(200):
        if (await it.engine.history.run(one.key)).status is RunStatus.CANCELLED:
            break
        await asyncio.sleep(0.01)
    else:
        raise AssertionError("the child goes on")


async def test_an_emitted_event_starts_flows_and_carries_its_cause(rig: Any) -> None:
    emit = EmitStep(name="e", event=plain({"type": "more", "data": {"n": 1}}))
    it = await rig(flow("a", emit), flow("b", do("d"), event="more"))
    receipt = await it.send()
    await it.end(receipt)
    for _ in range(200):
        if it.calls:
            break
        await asyncio.sleep(0.01)
    [run] = await it.engine.history.runs(RunFilter(flow="b"))
    event = await it.engine.history.event(run.event_key)
    assert event.causes == (receipt.event_id,)


async def test_a_flow_that_triggers_itself_is_stopped(rig: Any) -> None:
    it = await rig(flow("a", EmitStep(name="e", event=plain({"type": "go"}))), limits=Limits(causes=5))
    await it.send()
    runs: list[Run] = []
    for _ in range(300):
        runs = await it.engine.history.runs(RunFilter(flow="a"))
        if any(run.status is RunStatus.FAILED for run in runs):
            break
        await asyncio.sleep(0.01)
    assert len(runs) == 6
    [failed] = [run for run in runs if run.error is not None]
    assert failed.error is not None
    assert failed.error.kind == "loop.guard"


async def test_a_full_queue_refuses_and_loses_nothing(rig: Any) -> None:
    it = await rig(flow("a", do("d")), limits=Limits(queued_events=10))
    answers = await asyncio.gather(*(it.send() for _ in range(50)), return_exceptions=True)
    taken = [a for a in answers if not isinstance(a, BaseException)]
    refused = [a for a in answers if isinstance(a, BusyError)]
    assert len(taken) + len(refused) == 50
    assert refused
    assert all(error.retry_after for error in refused)
    for receipt in taken:
        await it.end(receipt)
    assert len(await it.engine.history.runs(RunFilter(limit=100))) == len(taken)


async def test_a_store_that_cannot_write_refuses_events_and_keeps_the_work(rig: Any, monkeypatch: Any) -> None:
    it = await rig(flow("a", do("d"), do("e")))
    it.gate.clear()
    receipt = await it.send()
    await it.until(receipt, lambda _run: it.calls == ["d"])
    commit = it.engine.store.commit

    async def full(_batch: Any) -> Any:
        raise StoreBusyError("disk full")

    monkeypatch.setattr(it.engine.store, "commit", full)
    it.gate.set()
    await asyncio.sleep(0.1)
    with pytest.raises(BusyError, match="disk full"):
        await it.send()
    assert it.calls == ["d"], "no effect before what was decided is durable"
    monkeypatch.setattr(it.engine.store, "commit", commit)
    assert (await it.end(receipt)).status is RunStatus.COMPLETED
    assert it.calls == ["d", "e"]
    assert await it.send()


async def test_more_runs_than_memory_has_room_for(rig: Any) -> None:
    it = await rig(flow("a", do("d")), limits=Limits(live_runs=3))
    it.gate.clear()
    receipts = [await it.send() for _ in range(10)]
    await asyncio.sleep(0.05)
    assert len(it.engine.executor.live) == 3
    it.gate.set()
    for receipt in receipts:
        assert (await it.end(receipt)).status is RunStatus.COMPLETED
    assert len(it.calls) == 10


async def test_a_drained_engine_goes_on_where_it_stopped(rig: Any) -> None:
    it = await rig(flow("a", do("one"), do("two")))
    it.gate.clear()
    receipt = await it.send()
    await it.until(receipt, lambda _run: it.calls == ["one"])
    asyncio.get_running_loop().call_later(0.05, it.gate.set)
    await it.engine.stop()
    it.engine = it._made()
    await it.start()
    assert (await it.end(receipt)).status is RunStatus.COMPLETED
    assert it.calls == ["one", "two"]


async def test_explain_tells_why_a_flow_did_not_start(rig: Any) -> None:
    it = await rig(
        flow("a", do("d")), flow("b", do("d"), event="other.*"), flow("c", do("d"), if_=Given(lambda _scope: False))
    )
    receipt = await it.send()
    key = ids.from_text("evt", receipt.event_id)
    answer = await it.engine.explain.event(key)
    verdicts = {v["flow"]: (v["started"], v["rule"]) for v in answer["flows"]}
    assert verdicts == {"a": (True, "matched"), "b": (False, "type"), "c": (False, "if")}


@pytest.mark.proves("step.delivery")
async def test_at_most_once_is_not_done_again_after_a_crash(rig: Any) -> None:
    it = await rig(flow("a", do("once", delivery="at_most_once"), do("next")))
    it.gate.clear()
    receipt = await it.send()
    await it.until(receipt, lambda _run: it.calls == ["once"])
    await it.kill()
    it.gate.set()
    run = await it.end(receipt)
    assert (run.status, run.error and run.error.kind) == (RunStatus.FAILED, "interrupted")
    assert it.calls == ["once"]
