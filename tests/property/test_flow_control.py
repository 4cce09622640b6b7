"""Random events, ends, naps, cancellations, pauses, power cuts and limits: slots are kept, nothing is lost or stuck."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from reactor.model import ids
from reactor.model.errors import ConflictError
from reactor.model.flow import Concurrency, Control, Flow, Rate, WaitStep
from reactor.model.journal import Run
from reactor.model.states import RunStatus
from tests.integration.control_rig import MINUTE, ControlRig, by, flow, work
from tests.property.values import Given

NAPS = Given(lambda scope: scope["event"]["data"]["nap"])
UNFINISHED = (RunStatus.PENDING, RunStatus.RUNNING, RunStatus.WAITING, RunStatus.PAUSED)


def limited(version: int, limit: int, throttle: int | None) -> Flow:
    """Two pieces of work, for some events with a nap between them."""
    control = Control(
        throttle=None if throttle is None else Rate(max=throttle, per=MINUTE),
        concurrency=Concurrency(limit=limit, key=by("who")),
        priority=by("priority"),
    )
    steps = (work("one"), WaitStep(name="nap", for_=5 * MINUTE, if_=NAPS), work("two"))
    return flow("a", *steps, version=str(version), control=control)


class Slots(RuleBasedStateMachine):
    """See the module."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.folder = tempfile.mkdtemp(prefix="reactor-control-")
        self.sent: dict[int, tuple[str, int]] = {}
        """Run → key of concurrency, priority."""
        self.before: dict[str, set[int]] = {}
        self.aside: set[int] = set()
        """Cancelled: they clean up without a slot."""
        self.version = 0

    def do(self, work_: Any) -> Any:
        return self.loop.run_until_complete(work_)

    @initialize(limit=st.integers(1, 3), throttle=st.sampled_from([None, None, 2, 3]))
    def begin(self, limit: int, throttle: int | None) -> None:
        self.limit, self.throttle = limit, throttle
        self.rig = ControlRig(Path(self.folder), (limited(0, limit, throttle),))
        self.do(self.rig.start())

    @rule(who=st.sampled_from("xy"), nap=st.booleans(), priority=st.sampled_from([0, 0, 1]), count=st.integers(1, 3))
    def send(self, who: str, nap: bool, priority: int, count: int) -> None:
        for _ in range(count):
            receipt = self.do(self.rig.send(len(self.sent), who=who, nap=nap, priority=priority))
            assert len(receipt.runs) == 1
            self.sent[self.rig.key(receipt)] = (who, priority)
        self.do(self.rig.idle())

    def running(self) -> dict[str, set[int]]:
        found: dict[str, set[int]] = {"x": set(), "y": set()}
        for key, live in self.rig.engine.executor.live.items():
            if live._acts and key not in self.aside:
                found[self.sent[key][0]].add(key)
        return found

    @precondition(lambda self: any(self.running().values()))
    @rule(data=st.data())
    def end_one(self, data: st.DataObject) -> None:
        key = data.draw(st.sampled_from(sorted(set().union(*self.running().values()))))
        gate = self.rig.open.pop(ids.to_text("run", key))
        gate.set()
        self.do(self.rig.idle())

    def any_run(self, data: st.DataObject) -> int:
        return data.draw(st.sampled_from(sorted(self.sent)))

    @precondition(lambda self: self.sent)
    @rule(data=st.data(), what=st.sampled_from(["cancel", "pause", "resume"]))
    def command(self, data: st.DataObject, what: str) -> None:
        key = self.any_run(data)
        try:
            self.do(getattr(self.rig.engine.control, what)(key))
        except ConflictError:
            return
        if what == "cancel":
            self.aside.add(key)
        self.do(self.rig.idle())

    @rule(milliseconds=st.sampled_from([100, MINUTE, 6 * MINUTE]))
    def forward(self, milliseconds: int) -> None:
        self.do(self.rig.forward(milliseconds))

    @rule()
    def power_cut(self) -> None:
        self.do(self.rig.kill())
        self.do(self.rig.idle())

    @rule(limit=st.integers(1, 3), throttle=st.sampled_from([None, 2, 3]))
    def change(self, limit: int, throttle: int | None) -> None:
        self.version += 1
        self.limit, self.throttle = limit, throttle
        self.do(self.rig.take(limited(self.version, limit, throttle)))
        self.do(self.rig.idle())

    @invariant()
    def slots_are_kept(self) -> None:
        if not hasattr(self, "rig"):
            return
        for who, now in self.running().items():
            assert len(now) <= self.limit or now <= self.before.get(who, set()), f"{who}: {now} run, {self.limit} may"
            self.before[who] = now

    @invariant()
    def what_waits_says_why(self) -> None:
        if not hasattr(self, "rig"):
            return
        for run in self.do(self.rig.runs(status=(RunStatus.PENDING,))):
            assert self.rig.engine.executor.flow_control.why(run.key), f"nobody knows why {run} waits"

    def teardown(self) -> None:
        try:
            if hasattr(self, "rig"):
                self.do(self.finish())
        finally:
            self.loop.close()
            shutil.rmtree(self.folder)

    async def finish(self) -> None:
        """Everything ends once the others have ended, and nothing is left behind."""
        rig = self.rig
        rig.at_once = True
        left: list[Run] = []
        for _ in range(100):
            for gate in rig.open.values():
                gate.set()
            await rig.idle()
            left = await rig.runs(status=UNFINISHED)
            if not left:
                break
            for run in left:
                if run.status is RunStatus.PAUSED:
                    await rig.engine.control.resume(run.key)
            await rig.forward(6 * MINUTE)
        assert not left, f"never ended: {left}"
        runs = await rig.runs(limit=10_000)
        assert {run.key for run in runs} == set(self.sent)
        for run in runs:
            wanted = RunStatus.CANCELLED if run.key in self.aside else RunStatus.COMPLETED
            assert run.status in (wanted, RunStatus.COMPLETED)
        steps = Counter(rig.begun)
        assert all(steps[n] >= 1 or key in self.aside for n, key in enumerate(sorted(self.sent)))
        control = rig.engine.executor.flow_control
        assert not control._queued
        assert not control._held
        assert not control.lanes._slots
        assert not control.lanes._lanes
        await rig.engine.stop()


TestSlots = Slots.TestCase
TestSlots.settings = settings(
    max_examples=25, stateful_step_count=25, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
