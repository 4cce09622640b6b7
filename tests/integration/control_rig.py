"""An engine for the tests of flow control: its clock is set forward, and each run waits until the test lets it end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from reactor.engine.engine import Engine, Parts
from reactor.engine.limits import Limits
from reactor.model import ids
from reactor.model.clock import SystemEntropy
from reactor.model.event import EventDraft
from reactor.model.flow import ActionStep, Control, Expr, Flow, Step, TriggerSpec
from reactor.model.journal import Run
from reactor.model.states import RunStatus
from reactor.sdk.action import Action, Effect
from reactor.sdk.manifest import Catalog
from reactor.stores.port import RunFilter
from reactor.stores.sqlite.store import SqliteStore
from tests.property.values import Given

MINUTE = 60_000


class ForwardClock:
    """The time of a test: it moves only when it is told to, and a little at every look, as a clock does."""

    def __init__(self) -> None:
        self.time = 1_700_000_000_000

    def now(self) -> int:
        return self.time


class Params(msgspec.Struct):
    """Parameters of the action."""

    n: Any = None


class Passive:
    """The trigger `event`."""

    kind, passive = "event", True


def by(name: str) -> Expr:
    """A key: that field of the event's data."""

    class Key(Given):
        source = f"event.data.{name}"

    return Key(lambda scope: scope["event"]["data"][name])


def work(name: str = "work", **more: Any) -> ActionStep:
    """A step that ends when the test says so. Its parameter is the number of the event."""
    given = Given(lambda scope: {"n": scope["event"]["data"].get("n")})
    return ActionStep(name=name, action="work", params=given, **more)


def flow(
    name: str, *steps: Step, event: str = "go", version: str = "", control: Control | None = None, **more: Any
) -> Flow:
    """A flow that listens for one event type; another `version` is another text."""
    trigger = TriggerSpec(key=f"{name}/0", kind="event", config={"event": event})
    source = name + version
    steps = steps or (work(),)
    return Flow(name=name, source=source, digest=source, triggers=(trigger,), steps=steps, control=control, **more)


class ControlRig:
    """See the module."""

    def __init__(self, folder: Path, flows: tuple[Flow, ...], limits: Limits | None = None) -> None:
        self.folder = folder
        self.limits = limits or Limits(passivate_after=20, horizon=1_000_000 * MINUTE)
        self.texts = {one.source: one for one in flows}
        self.flows = {one.name: one for one in flows}
        self.clock = ForwardClock()
        self.begun: list[Any] = []
        """Numbers of the events whose runs came to their step, in order."""
        self.open: dict[str, asyncio.Event] = {}
        """Run id → lets its step end."""
        self.at_once = False
        self.most: dict[Any, int] = {}
        self.engine = self._made()

    def _made(self) -> Engine:
        store = SqliteStore(self.folder / "reactor.db", clock=self.clock, durability="process")
        catalog = Catalog()
        catalog.triggers["event"] = Passive()  # type: ignore[assignment]
        catalog.actions["work"] = Action(name="work", handler=self._work, params=Params, effect=Effect.WRITE)
        return Engine(
            Parts(
                store=store,
                history=store,
                catalog=catalog,
                clock=self.clock,
                entropy=SystemEntropy(),
                limits=self.limits,
                http=None,  # type: ignore[arg-type]
                compile=lambda source, _file: self.texts.get(source),
                check_inputs=lambda _schema, values: (dict(values), []),
                action_settings={},
                env={},
                secret=lambda _name: None,
            )
        )

    async def _work(self, ctx: Any, params: Params) -> dict[str, Any]:
        self.begun.append(params.n)
        if not self.at_once:
            gate = self.open.setdefault(ctx.run_id, asyncio.Event())
            await gate.wait()
        return {"n": params.n}

    async def start(self) -> ControlRig:
        """Open, register the flows, start."""
        await self.engine.open()
        for one in self.flows.values():
            await self.engine.book.take(one)
        await self.engine.start()
        return self

    async def take(self, one: Flow) -> None:
        """A new version of a flow."""
        self.texts[one.source] = self.flows[one.name] = one
        await self.engine.book.take(one)

    async def kill(self) -> None:
        """As a power cut would: nothing is written any more. The same folder again, started."""
        executor = self.engine.executor
        executor.stopping = True
        await executor.timers.stop()
        await self.engine.retention.stop()
        for live in list(executor.live.values()):
            live.abandon()
        executor.committer._dirty.clear()
        executor.committer._offers.clear()
        executor.committer._waiters.clear()
        executor.committer._carried = None
        while executor.committer._busy:
            await asyncio.sleep(0.001)
        await self.engine.store.close()
        self.open.clear()
        self.engine = self._made()
        await self.start()

    async def send(self, n: Any = None, type_: str = "go", **data: Any) -> Any:
        """One event with a number; the receipt."""
        return (await self.engine.intake.accept([EventDraft(type=type_, data={"n": n, **data})]))[0]

    async def idle(self) -> None:
        """Return when nothing moves: all is written and read, and every run in memory is in its step or waits."""
        executor = self.engine.executor
        quiet = 0
        for _ in range(5_000):
            committer = executor.committer
            moving: list[Any] = [committer._busy, committer._offers, committer._dirty, committer._carried]
            moving += [executor._queue, executor._loading, executor._leaving, executor.flow_control.decisions.tasks]
            moving += [not (live._acts or live._waits) for live in executor.live.values()]
            quiet = 0 if any(moving) else quiet + 1
            if quiet > 3:
                return
            await asyncio.sleep(0.001)
        raise AssertionError(f"it never came to rest: {executor.live}")

    async def forward(self, milliseconds: int) -> None:
        """Time passes."""
        self.clock.time += milliseconds
        self.engine.executor.timers._fire()
        await self.idle()

    async def end(self, receipt: Any) -> Run:
        """Let the run of a receipt end."""
        [(run_id, _)] = receipt.runs
        self.open.setdefault(run_id, asyncio.Event()).set()
        return await self.until(receipt, lambda run: run.status.finished)

    async def end_all(self) -> None:
        """Let everything that runs, and whatever then starts, end."""
        self.at_once = True
        left: list[Run] = []
        for _ in range(200):
            for gate in self.open.values():
                gate.set()
            await self.idle()
            left = await self.engine.history.runs(RunFilter(status=(RunStatus.PENDING, RunStatus.RUNNING), limit=1))
            if not left:
                self.at_once = False
                return
        raise AssertionError(f"never ended: {left} {await self.engine.explain.run(left[0].key)}")

    def key(self, receipt: Any) -> int:
        """The run's number."""
        key = ids.from_text("run", receipt.runs[0][0])
        assert key is not None
        return key

    async def run(self, receipt: Any) -> Run:
        """The run as it is stored."""
        found = await self.engine.history.run(self.key(receipt))
        assert found is not None
        return found

    async def until(self, receipt: Any, wanted: Callable[[Run], bool]) -> Run:
        """Wait until the stored run is so."""
        run = await self.run(receipt)
        for _ in range(1_000):
            if wanted(run):
                return run
            await asyncio.sleep(0.002)
            run = await self.run(receipt)
        raise AssertionError(f"it never came to that: {run} {await self.why(receipt)}")

    async def why(self, receipt: Any) -> str:
        """The explanation of the run."""
        return str((await self.engine.explain.run(self.key(receipt)))["explanation"])

    async def verdict(self, receipt: Any) -> dict[str, Any]:
        """What became of the event, by the first flow."""
        key = ids.from_text("evt", receipt.event_id)
        assert key is not None
        found: dict[str, Any] = (await self.engine.explain.event(key))["flows"][0]
        return found

    async def runs(self, **wanted: Any) -> list[Run]:
        """Stored runs, oldest first."""
        return list(reversed(await self.engine.history.runs(RunFilter(**wanted))))
