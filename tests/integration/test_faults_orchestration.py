"""Random flows in YAML with every kind of step, on the real engine and store, under commands, events and power cuts."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import pytest

from reactor.connectors.event.trigger import EventTrigger
from reactor.engine.committer import Committer
from reactor.engine.engine import Engine
from reactor.engine.limits import Limits
from reactor.language.inputs import check_inputs
from reactor.language.loader import load
from reactor.model import ids
from reactor.model.errors import RefusedError, TransientError
from reactor.model.event import EventDraft
from reactor.model.flow import ActionStep, EmitStep, Flow, StateStep, Step, all_steps
from reactor.model.journal import RESET, Entry, forget
from reactor.model.states import RunStatus
from reactor.sdk.action import Action, Effect
from reactor.sdk.manifest import Catalog
from reactor.stores.port import Loaded, RunFilter
from tests.integration.story_flows import CALLEE, PINGS, Maker
from tests.integration.test_faults_random import Chaos, Params, Watched

FLOWS = 12
"""Of one story."""
UNFINISHED = (RunStatus.PENDING, RunStatus.RUNNING, RunStatus.WAITING, RunStatus.PAUSED)
NUMBER = re.compile(r"(?<!\.cases)\[\d+\]")


def shape(path: str) -> str:
    """A path without the numbers of its iterations, as `all_steps` has it."""
    return NUMBER.sub("[]", path)


class Story(Chaos):
    """One random story."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.catalog = Catalog()
        self.catalog.triggers["event"] = EventTrigger()
        self.catalog.actions["do"] = Action(name="do", handler=self._act, params=Params, effect=Effect.WRITE)
        texts = {f"f{n}": Maker(seed * 1_000 + n).flow(f"f{n}") for n in range(FLOWS)}
        self.flows: dict[str, Flow] = {}
        for name, text in {**texts, "callee": CALLEE}.items():
            loaded = load(text, file=None, catalog=self.catalog)
            assert loaded.flow is not None, (name, [problem.message for problem in loaded.problems], text)
            self.flows[name] = loaded.flow
        self.at: dict[int, dict[str, Entry]] = defaultdict(dict)
        """What every run has recorded, durable or not, by key."""
        self.asleep: set[int] = set()
        """Runs that are paused on disk."""
        self.count = 0
        self.dead: list[Committer] = []
        self.older = asyncio.all_tasks()
        super().__init__(folder, seed)
        self.limits = Limits(
            passivate_after=self.chance.choice([1, 1, 20]),
            live_runs=self.chance.choice([1, 2, 6, 100]),
            batch=self.chance.choice([1, 3, 512]),
            horizon=self.chance.choice([50, 2_000]),
            drain=500,
        )
        self.store, self.engine = self._made()

    def _made(self) -> tuple[Watched, Engine]:
        store, engine = super()._made()
        engine.parts.catalog = engine.catalog = self.catalog
        engine.parts.derive = lambda purpose: (purpose * 32).encode()[:32]
        engine.book._compile = lambda text, file: load(text, file=file, catalog=self.catalog).flow
        engine.parts.check_inputs = engine.book.check_inputs = check_inputs
        return store, engine

    async def start(self) -> None:
        """As the program does."""
        # What was not durable never was.
        self.at.clear()
        self.older = asyncio.all_tasks()
        await self.engine.open()
        executor = self.engine.executor
        recorded = executor.recorded

        def watched(live: Any, entry: Entry) -> None:
            known = self.at[live.key]
            if entry.status == RESET:
                forget(known, entry)
            else:
                known[entry.key] = entry
            recorded(live, entry)

        executor.recorded = watched  # type: ignore[method-assign]
        for flow in self.flows.values():
            await self.engine.book.take(flow)
        await self.engine.start()

    async def kill(self) -> None:
        """Remember whose last commit never ends."""
        self.dead.append(self.engine.executor.committer)
        await super().kill()

    async def _act(self, ctx: Any, _params: Params) -> dict[str, Any]:
        key = ids.from_text("run", ctx.run_id)
        assert key is not None
        known = self.at[key].get(ctx.step)
        if (key, ctx.step) in self.durable or (known is not None and known.status == "completed"):
            self.redone.append(f"{ctx.flow} {ctx.run_id}/{ctx.step}: {known}")
        if key in self.asleep:
            self.redone.append(f"{ctx.flow} {ctx.run_id}/{ctx.step} while paused")
        if self.chance.random() < 0.7:
            await asyncio.sleep(self.chance.random() * 0.008)
        if self.chance.random() < self.failing and "undo" not in ctx.step:
            raise TransientError("http.503", "not now")
        return {}

    # --- what happens ---------------------------------------------------------------------------------------------

    async def send(self) -> None:
        """Runs, and what they wait for."""
        if self.chance.random() < 0.5:
            await self.ping()
            return
        self.count += 1
        id_ = f"id-{self.count // 2}" if self.chance.random() < 0.3 else None
        name = f"f{(self.count // 2 if id_ else self.count) % FLOWS}"
        draft = EventDraft(type=name, id=id_, source="s", data={"n": self.count})
        [receipt] = await self.engine.intake.accept([draft])
        self.receipts.append(receipt)
        self.known += [ids.from_text("run", run) or 0 for run, _ in receipt.runs]

    async def ping(self) -> None:
        """An event that somebody may wait for, or a decision."""
        if self.chance.random() < 0.6:
            number = self.chance.randrange(PINGS)
            await self.engine.intake.accept([EventDraft(type="ping", source="s", data={"n": number})])
            return
        found, _ = await self.engine.approvals.page()
        for approval in found[:2]:
            decision = self.chance.choice(["approve", "approve", "approve", "reject"])
            await self.engine.approvals.decide(approval.id, decision, self.chance.choice(["ann", "bob"]))

    async def command(self) -> None:
        """What people do to runs."""
        if not self.known:
            return
        key = self.chance.choice(self.known[-20:])
        control = self.engine.control
        what = self.chance.choice(["cancel", "cancel", "pause", "resume", "resume", "retry", "fork"])
        if what == "cancel":
            self.asleep.discard(key)
            await control.cancel(key, "story")
        elif what == "pause":
            await control.pause(key)
        elif what == "resume":
            self.asleep.discard(key)
            await control.resume(key)
        elif what == "retry":
            await control.retry(key)
            self.at.pop(key, None)
        else:
            self.known.append(ids.from_text("run", await control.fork(key)) or 0)

    async def nap(self) -> None:
        """A run is paused, and does nothing while it is."""
        if not self.known:
            return
        key, engine = self.chance.choice(self.known[-20:]), self.engine
        await engine.control.pause(key)
        for _ in range(20):
            if not engine.executor.knows(key):
                break
            await asyncio.sleep(0.005)
        async with engine.executor.aside(key) as live:
            [found] = await engine.store.load([key])
            if live is None and found.run.status is RunStatus.PAUSED:
                self.asleep.add(key)
        await asyncio.sleep(0.05)
        if key in self.asleep:
            self.asleep.discard(key)
            await engine.control.resume(key)

    async def settle(self) -> list[Loaded]:
        """No more troubles; whatever is waited for comes. All runs, once they have ended."""
        if self.going:
            await asyncio.wait(self.going, timeout=10)
        self.failing, left = 0.0, []
        self.asleep.clear()
        engine = self.engine
        for turn in range(400):
            left = await self.store.runs(RunFilter(status=UNFINISHED, limit=1_000))
            if not left and not engine.executor.live:
                break
            for run in left:
                live = engine.executor.live.get(run.key)
                if run.status is RunStatus.PAUSED or (live is not None and live.pausing):
                    with contextlib.suppress(RefusedError):
                        await engine.control.resume(run.key)
            if turn % 10 == 0:
                drafts = [EventDraft(type="ping", source="s", data={"n": number}) for number in range(PINGS)]
                with contextlib.suppress(RefusedError):
                    await engine.intake.accept(drafts)
                for approval in (await engine.approvals.page())[0]:
                    for by in ("ann", "bob"):
                        with contextlib.suppress(RefusedError):
                            await engine.approvals.decide(approval.id, "approve", by)
            await asyncio.sleep(0.01)
        else:
            told = [(await engine.explain.run(run.key)) for run in left[:5]]
            raise AssertionError(
                f"{len(left)} runs are stuck: {[(t['flow'], t['id'], t['status'], t['explanation']) for t in told]}"
            )
        await engine.executor.committer.flush()
        keys = [run.key for run in await self.store.runs(RunFilter(limit=10_000))]
        return await self.store.load(keys)


# --- what must hold ------------------------------------------------------------------------------------------------


def judge(story: Story, runs: list[Loaded]) -> list[str]:
    """What is wrong."""
    wrong = [f"raised: {bug!r}" for bug in story.bugs] + [f"done again: {what}" for what in story.redone]
    sums: dict[str, list[Any]] = defaultdict(list)
    for one in runs:
        judged = _Judged(one, story.flows[one.run.flow])
        wrong += [
            f"{ids.to_text('run', one.run.key)} of {one.run.flow} ({one.run.status}): {w}" for w in judged.wrong()
        ]
        sums[one.run.flow] += judged.sums
    for flow, values in sums.items():
        if sorted(values) != list(range(1, len(values) + 1)):
            wrong.append(f"{flow} counted {sorted(values)}")
    return wrong


class _Judged:
    """One run, as its journal tells it."""

    def __init__(self, one: Loaded, flow: Flow) -> None:
        self.run, self.flow = one.run, flow
        self.steps: dict[str, Step] = dict(all_steps(flow))
        self.known: dict[str, Entry] = {}
        self.order: dict[str, int] = {}
        self.sums: set[int] = set()
        self.taken: Counter[tuple[str, str]] = Counter()
        self.twice: list[str] = []
        self.retried = False
        for number, entry in enumerate(one.journal):
            self._read(number, entry)

    def _read(self, number: int, entry: Entry) -> None:
        if entry.status == RESET:
            forget(self.known, entry)
            return
        self.retried = self.retried or entry.key == "#retry"
        before = self.known.get(entry.key)
        lost = before is not None and entry.status == "cancelled" and ".branches." in entry.key
        if "#" not in entry.key and before is not None and not lost:
            self.twice.append(f"a second outcome of {entry.key!r}: {before} and {entry}")
        self.known[entry.key] = entry
        self.order[entry.key] = number
        if entry.key.endswith("#event") and entry.value:
            self.taken[shape(entry.key), entry.value["id"]] += 1
        if entry.status == "completed" and type(self.steps.get(shape(entry.key.removesuffix("#body")))) is StateStep:
            self.sums.add(entry.value)

    def wrong(self) -> list[str]:
        """What is."""
        found = self.twice + [f"took {what} {n} times" for what, n in self.taken.items() if n > 1]
        end = self.known.get("")
        if end is None or end.status != self.run.status.value:
            found.append(f"its end is {end}")
        if "#cancel" in self.known and self.run.status is RunStatus.COMPLETED:
            after = [
                key
                for key, n in self.order.items()
                if n > self.order["#cancel"] and type(self.steps.get(shape(key))) in (ActionStep, StateStep, EmitStep)
            ]
            if after:
                found.append(f"was cancelled and went on with {after}")
        if self.run.status is RunStatus.CANCELLED and self.flow.on_cancel:
            found += self._done("on_cancel.bye")
        if self.run.status is RunStatus.FAILED and self.flow.on_failure and "#retry" not in self.known:
            found += self._done("on_failure.sorry")
        for key, entry in self.known.items():
            step = self.steps.get(shape(key))
            if "#" not in key and step is not None and step.finally_ and entry.status != "skipped":
                found += self._done(f"{key}.finally.clean")
        return found + (self._undone() if not self.retried else [])

    def _done(self, path: str) -> list[str]:
        entry = self.known.get(path)
        return [] if entry is not None and entry.status in ("completed", "failed") else [f"{path} is {entry}"]

    def _undone(self) -> list[str]:
        """What had to be taken back and was not, or in another order than it had to."""
        bad = self.run.status in (RunStatus.FAILED, RunStatus.CANCELLED)
        mine = {
            key: entry
            for key, entry in self.known.items()
            if "#" not in key
            and (step := self.steps.get(shape(key))) is not None
            and step.undo is not None
            and not key.startswith(("on_failure.", "on_cancel."))
        }
        found, last = [], []
        for key, entry in mine.items():
            undone = self.known.get(key + ".undo")
            handled = (body := self.known.get(key + "#body")) is not None and body.status == "failed"
            wanted = entry.status == "completed" and not handled and (bad or self._lost(key))
            if wanted != (undone is not None and undone.status == "completed"):
                found.append(f"{key} is {entry.status}, its undo {undone.status if undone else None}")
            if undone is not None and "#body" in self.order and self.order[key + ".undo"] > self.order["#body"]:
                last.append(key)
        completed = sorted(last, key=lambda key: self.order[key])
        if completed != sorted(last, key=lambda key: -self.order[key + ".undo"]):
            found.append(
                f"undone in the order {sorted(last, key=lambda key: self.order[key + '.undo'])}, done {completed}"
            )
        return found

    def _lost(self, key: str) -> bool:
        """Whether it stands in a branch that lost."""
        places = [key[: m.end()] for m in re.finditer(r"\.branches\.[a-z]", key)]
        return any((entry := self.known.get(place)) is not None and entry.status == "cancelled" for place in places)


async def leftovers(story: Story) -> list[str]:
    """What the engine goes on holding when nothing is under way."""
    found: list[str] = []
    for _ in range(40):
        await asyncio.sleep(0.05)
        if not (found := _held(story)):
            break
    return found


def _held(story: Story) -> list[str]:
    executor = story.engine.executor
    committer, waits, timers = executor.committer, executor.waits, executor.timers
    held = {
        "live": executor.live,
        "leaving": executor._leaving,
        "queue": executor._queue,
        "queued": executor._queued,
        "loading": executor._loading,
        "unreadable": executor.unreadable,
        "tasks": executor._tasks,
        "waits": waits._runs,
        "exact": waits._exact,
        "patterns": waits._patterns,
        "coming": waits._coming,
        "ends": executor.ends._waiting,
        "expected": executor.ends._expected,
        "offers": committer._offers,
        "dirty": committer._dirty,
        "waiters": committer._waiters,
        "carried": committer._carried,
        "loads": executor.states._loading,
    }
    found = [f"left behind: {name}: {what}" for name, what in held.items() if what]
    calls = [what for _, _, what in timers._heap if not isinstance(what, int) and what.callback is not None]
    if len(calls) > 1:
        found.append(f"{len(calls)} timers are left")
    return found


def strangers(story: Story) -> list[str]:
    """Tasks that outlive the engine."""
    dead = {task for store in story.dead for task in store.tasks}
    return [f"still there: {task}" for task in asyncio.all_tasks() - story.older - dead - {asyncio.current_task()}]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("seed", range(4))
async def test_a_random_story(tmp_path: Path, seed: int) -> None:
    story = Story(tmp_path, seed)
    wrong: list[str] = []
    try:
        await story.play(turns=120, kills=3)
        wrong += judge(story, await story.settle())
        wrong += await leftovers(story)
    finally:
        await story.engine.stop()
        wrong += strangers(story)
        for task in asyncio.all_tasks() - story.kept - {asyncio.current_task()}:
            task.cancel()
    assert not wrong, "\n".join(wrong[:20])
