"""Random events, ids, commands, troubles of the store and kills on the real engine and store: every run comes to an end
or says why not, nothing acknowledged is lost, no completed effect is done again.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections import Counter
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import msgspec
import pytest

from reactor.engine.engine import Engine, Parts
from reactor.engine.limits import Limits
from reactor.model import ids
from reactor.model.clock import SystemClock, SystemEntropy
from reactor.model.errors import RefusedError, StoreBusyError, StoreError, TransientError
from reactor.model.event import EventDraft
from reactor.model.flow import (
    ActionStep,
    BlockStep,
    CallStep,
    EmitStep,
    Flow,
    Retry,
    SetStep,
    Step,
    TriggerSpec,
    WaitStep,
)
from reactor.model.journal import RESET, Entry
from reactor.model.states import RunStatus
from reactor.sdk.action import Action, Effect
from reactor.sdk.manifest import Catalog
from reactor.sdk.trigger import Receipt
from reactor.stores.port import Batch, Committed, Loaded, RunFilter
from reactor.stores.sqlite.store import SqliteStore
from tests.property.values import plain


class Params(msgspec.Struct):
    """Of the action of these tests."""


class Passive:
    """The trigger `event`."""

    kind, passive = "event", True


def _do(name: str, **more: Any) -> ActionStep:
    return ActionStep(name=name, action="do", params=plain({}), **more)


def _flow(name: str, *steps: Step, **more: Any) -> Flow:
    trigger = TriggerSpec(key=f"{name}/0", kind="event", config={"event": name})
    return Flow(name=name, source=name, digest=name, triggers=(trigger,), steps=steps, **more)


_TWICE = Retry(max=2, delay=10, backoff="fixed", jitter=0)
FLOWS = {
    flow.name: flow
    for flow in (
        _flow("pure", SetStep(name="s", values=plain({"v": 1}))),
        _flow("write", _do("one"), SetStep(name="s", values=plain({"v": 1})), _do("two", retry=_TWICE), _do("three")),
        _flow("nap", _do("one"), WaitStep(name="w", for_=60), _do("two")),
        _flow("chain", _do("one"), EmitStep(name="e", event=plain({"type": "link"})), _do("two")),
        _flow("link", EmitStep(name="e", event=plain({"type": "end"})), _do("one")),
        _flow("end", _do("one")),
        _flow("caller", _do("one"), CallStep(name="c", flow="callee", params=plain({})), _do("two")),
        _flow("callee", WaitStep(name="w", for_=40), _do("one")),
        _flow("person", _do("one", retry=Retry(max=1, then="pause")), _do("two")),
        _flow(
            "guarded",
            BlockStep(
                name="b",
                steps=(_do("one"), WaitStep(name="w", for_=30), _do("two")),
                on_error=(_do("mend"),),
                finally_=(_do("clean"),),
                timeout=5_000,
            ),
            _do("after"),
            on_failure=(_do("sorry"),),
        ),
    )
}
KINDS = ("pure", "write", "nap", "chain", "caller", "person", "guarded")
LINKS = {"chain": "link", "link": "end"}


class Watched(SqliteStore):
    """The store, that can be dead or in trouble, and of which it is known what outcomes are durable."""

    def __init__(self, path: Path, durable: set[tuple[int, str]]) -> None:
        super().__init__(path, clock=SystemClock(), durability="process")
        self.durable = durable
        self.dead = False
        self.busy = False
        self.committing: asyncio.Task[Committed] | None = None

    async def commit(self, batch: Batch) -> Committed:
        """As a store in this state would."""
        if self.dead:
            await asyncio.get_running_loop().create_future()
        if self.busy:
            raise StoreBusyError("in trouble")
        self.committing = committing = asyncio.ensure_future(super().commit(batch))
        try:
            await asyncio.wait({committing})
        finally:
            # A kill in the middle: what the thread is writing comes to the disk all the same.
            while not committing.done():
                with contextlib.suppress(asyncio.CancelledError):
                    await asyncio.wait({committing})
            committed = committing.result()
            for key, segment in batch.journal:
                if key not in committed.dropped:
                    self._learn(key, msgspec.json.decode(segment, type=list[Entry]))
        if self.dead:
            await asyncio.get_running_loop().create_future()
        return committed

    def _learn(self, key: int, entries: list[Entry]) -> None:
        for entry in entries:
            if entry.status == RESET:
                gone = {
                    path
                    for run, path in self.durable
                    if run == key
                    and (path == entry.key or (not entry.value and path.startswith((entry.key + ".", entry.key + "["))))
                }
                self.durable -= {(key, path) for path in gone}
            elif "#" not in entry.key and entry.key:
                self.durable.add((key, entry.key))


class Chaos:
    """One random story."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.folder = folder
        self.chance = random.Random(seed)
        self.limits = Limits(
            passivate_after=self.chance.choice([1, 20, 100]),
            live_runs=self.chance.choice([1, 2, 6, 100]),
            batch=self.chance.choice([1, 3, 512]),
            queued_events=self.chance.choice([5, 1_000]),
            horizon=2_000,
            drain=500,
        )
        self.durable: set[tuple[int, str]] = set()
        self.failing = 0.1
        self.redone: list[str] = []
        self.receipts: list[Receipt] = []
        self.by_id: dict[str, set[str]] = {}
        self.ids: Counter[str] = Counter()
        self.known: list[int] = []
        self.forked: set[int] = set()
        self.bugs: list[BaseException] = []
        self.going: set[asyncio.Task[None]] = set()
        self.kept = asyncio.all_tasks()
        self.store, self.engine = self._made()

    def _made(self) -> tuple[Watched, Engine]:
        store = Watched(self.folder / "reactor.db", self.durable)
        catalog = Catalog()
        catalog.triggers["event"] = Passive()  # type: ignore[assignment]
        catalog.actions["do"] = Action(name="do", handler=self._act, params=Params, effect=Effect.WRITE)
        return store, Engine(
            Parts(
                store=store,
                history=store,
                catalog=catalog,
                clock=SystemClock(),
                entropy=SystemEntropy(),
                limits=self.limits,
                http=None,  # type: ignore[arg-type]
                compile=lambda source, _file: FLOWS.get(source),
                check_inputs=lambda _schema, values: (dict(values), []),
                action_settings={},
                env={},
                secret=lambda _name: None,
            )
        )

    async def _act(self, ctx: Any, _params: Params) -> dict[str, Any]:
        key = ids.from_text("run", ctx.run_id)
        if (key, ctx.step) in self.durable:
            self.redone.append(f"{ctx.run_id}/{ctx.step}")
        if self.chance.random() < 0.7:
            await asyncio.sleep(self.chance.random() * 0.008)
        if self.chance.random() < self.failing:
            raise TransientError("http.503", "not now")
        return {}

    async def start(self) -> None:
        """As the program does."""
        await self.engine.open()
        for flow in FLOWS.values():
            await self.engine.book.take(flow)
        await self.engine.start()

    async def kill(self) -> None:
        """Nothing is written from here on; whatever was going on is gone. Then a new start."""
        store, engine = self.store, self.engine
        store.dead = True
        engine.executor.stopping = True
        await engine.executor.timers.stop()
        me = asyncio.current_task()
        for _ in range(3):
            rest = {task for task in asyncio.all_tasks() - self.kept if task is not me and task is not store.committing}
            for task in rest:
                task.cancel()
            if rest:
                await asyncio.wait(rest, timeout=5)
        await store.close()
        self.store, self.engine = self._made()
        await self.start()

    async def restart(self) -> None:
        """An orderly end, while people go on asking for things, and a new start."""
        await asyncio.wait_for(self.engine.stop(), 15)
        if self.going:
            await asyncio.wait(self.going, timeout=10)
        self.store, self.engine = self._made()
        await self.start()

    # --- what happens ---------------------------------------------------------------------------------------------

    async def send(self) -> None:
        """One to three events, some with an id that was there before."""
        drafts = []
        for _ in range(self.chance.choice([1, 1, 1, 3])):
            id_ = f"id-{self.chance.randrange(40)}" if self.chance.random() < 0.4 else None
            # An id goes with one type, as it does with a real source.
            kind = KINDS[int(id_[3:]) % len(KINDS)] if id_ else self.chance.choice(KINDS)
            # Some are so large that they are kept beside the database.
            much = "x" * 70_000 + str(self.chance.random()) if self.chance.random() < 0.03 else ""
            drafts.append(EventDraft(type=kind, id=id_, source="s", data={"k": kind, "much": much}))
        receipts = await self.engine.intake.accept(drafts)
        for draft, receipt in zip(drafts, receipts, strict=True):
            self.receipts.append(receipt)
            self.known += [ids.from_text("run", run) or 0 for run, _ in receipt.runs]
            if draft.id is not None:
                self.by_id.setdefault(draft.id, set()).add(receipt.event_id)

    async def leave(self) -> None:
        """A caller that goes away at once."""
        task = asyncio.ensure_future(self.send())
        for _ in range(self.chance.randrange(4)):
            await asyncio.sleep(0)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError, RefusedError):
            await task

    async def command(self) -> None:
        """What people do to runs."""
        if not self.known:
            return
        key = self.chance.choice(self.known[-30:])
        if self.chance.random() < 0.3 and (children := await self.engine.store.children(key)):
            key = children[0].key
        control = self.engine.control
        what = self.chance.choice(["cancel", "pause", "resume", "resume", "retry", "fork"])
        if what == "cancel":
            await control.cancel(key, "chaos")
        elif what == "pause":
            await control.pause(key)
        elif what == "resume":
            await control.resume(key)
        elif what == "retry":
            await control.retry(key)
        else:
            forked = ids.from_text("run", await control.fork(key, self.chance.choice([None, "two"]))) or 0
            self.forked.add(forked)
            self.known.append(forked)

    async def trouble(self) -> None:
        """The store cannot write for a moment."""
        self.store.busy = True
        await asyncio.sleep(self.chance.random() * 0.02)
        self.store.busy = False

    def go(self, work: Coroutine[Any, Any, None]) -> None:
        """Beside everything else."""

        async def guarded() -> None:
            try:
                await work
            except RefusedError:
                pass
            except Exception as error:
                if engine.ready or not isinstance(error, StoreError):
                    self.bugs.append(error)

        engine = self.engine

        task = asyncio.get_running_loop().create_task(guarded())
        self.going.add(task)
        task.add_done_callback(self.going.discard)

    async def play(self, turns: int, kills: int) -> None:
        """The story."""
        await self.start()
        dies = {self.chance.randrange(turns) for _ in range(kills)}
        for turn in range(turns):
            dice = self.chance.random()
            if dice < 0.5:
                self.go(self.send())
            elif dice < 0.55:
                self.go(self.leave())
            elif dice < 0.9:
                self.go(self.command())
            elif dice < 0.92:
                self.go(self.trouble())
            await asyncio.sleep(self.chance.choice([0, 0, 0.001, 0.01]))
            if turn in dies:
                await (self.kill() if self.chance.random() < 0.7 else self.restart())

    async def settle(self) -> list[Loaded]:
        """No more troubles; paused runs go on. All runs, once they have ended."""
        if self.going:
            await asyncio.wait(self.going, timeout=10)
        self.failing, left = 0.0, []
        unfinished = (RunStatus.PENDING, RunStatus.RUNNING, RunStatus.WAITING, RunStatus.PAUSED)
        for _ in range(600):
            left = await self.store.runs(RunFilter(status=unfinished, limit=1_000))
            if not left and not self.engine.executor.live:
                break
            for run in left:
                live = self.engine.executor.live.get(run.key)
                if run.status is RunStatus.PAUSED or (live is not None and live.pausing):
                    with contextlib.suppress(RefusedError):
                        await self.engine.control.resume(run.key)
            await asyncio.sleep(0.02)
        else:
            told = [(await self.engine.explain.run(run.key)) for run in left[:5]]
            raise AssertionError(
                f"{len(left)} runs are stuck: {[(t['flow'], t['status'], t['explanation']) for t in told]}"
            )
        await self.engine.executor.committer.flush()
        keys = [run.key for run in await self.store.runs(RunFilter(limit=10_000))]
        return await self.store.load(keys)


def _judge(chaos: Chaos, runs: list[Loaded]) -> None:
    assert not chaos.bugs, chaos.bugs
    assert not chaos.redone, f"completed and done again: {chaos.redone[:10]}"
    stored = {one.run.key: one for one in runs}
    for receipt in chaos.receipts:
        for run, _ in receipt.runs:
            assert ids.from_text("run", run) in stored, f"{run} was acknowledged and is not there"
    for id_, events in chaos.by_id.items():
        assert len(events) == 1, f"{id_} was taken in more than once: {events}"
    by_event = Counter(
        (one.run.event_key, one.run.flow) for one in runs if one.run.parent_key is None and one.run.forked_from is None
    )
    assert all(number == 1 for number in by_event.values()), "one event started a flow twice"
    for one in runs:
        _judge_run(one, stored, by_event)


def _judge_run(one: Loaded, stored: dict[int, Loaded], by_event: Counter[tuple[int | None, str]]) -> None:
    name = f"{ids.to_text('run', one.run.key)} of {one.run.flow}"
    known: dict[str, Entry] = {}
    for entry in one.journal:
        if entry.status == RESET:
            for key in [
                k
                for k in known
                if k == entry.key
                or (not entry.value and k.startswith((f"{entry.key}.", f"{entry.key}#", f"{entry.key}[")))
            ]:
                del known[key]
            continue
        if "#" not in entry.key:
            before = known.get(entry.key)
            assert before is None, f"{name}: a second outcome of {entry.key!r}: {before} and {entry}"
        known[entry.key] = entry
    assert "" in known, f"{name} has no end: {list(known)}"
    assert known[""].status == one.run.status.value, f"{name}: {known['']} but {one.run.status}"
    if "e" in known and known["e"].status == "completed":
        event = ids.from_text("evt", known["e"].value["event_id"])
        assert by_event[event, LINKS[one.run.flow]] == 1, f"{name}: what it emitted started nothing"
    if "c#child" in known:
        assert int(known["c#child"].value) in stored, f"{name}: its child is gone"


@pytest.mark.parametrize("seed", range(6))
async def test_a_random_story(tmp_path: Path, seed: int) -> None:
    chaos = Chaos(tmp_path, seed)
    try:
        await chaos.play(turns=150, kills=3)
        _judge(chaos, await chaos.settle())
    finally:
        await chaos.engine.stop()
        for task in asyncio.all_tasks() - chaos.kept - {asyncio.current_task()}:
            task.cancel()
