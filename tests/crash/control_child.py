"""One life of an engine whose flows use every control: `python -m tests.crash.control_child FOLDER LIFE FAILPOINT`.

It sends the events of earlier lives once more and some of its own, and dies where it is told to. Without a failpoint it
brings everything to its end and prints what is wrong, one line each; nothing means that all is well.
"""

from __future__ import annotations

import asyncio
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from reactor.engine.flowcontrol.collecting import BATCH
from reactor.model import failpoints
from reactor.model.event import EventDraft
from reactor.model.flow import (
    Concurrency,
    Control,
    Debounce,
    EventBatch,
    Flow,
    Hold,
    Rate,
    Singleton,
    WaitStep,
)
from reactor.model.journal import Run
from reactor.model.states import RunStatus
from reactor.stores.port import EventFilter
from tests.integration.control_rig import MINUTE, ControlRig, by, flow, work
from tests.property.values import Given

EVENTS = 24
"""Of one life."""
LIMIT = 2
UNFINISHED = (RunStatus.PENDING, RunStatus.RUNNING, RunStatus.WAITING, RunStatus.PAUSED)
NAPS = Given(lambda scope: scope["event"]["data"]["n"] % 5 == 0)
CONTROLS = {
    "slots": Control(concurrency=Concurrency(limit=LIMIT, key=by("who"))),
    "throttle": Control(throttle=Rate(max=3, per=MINUTE), concurrency=Concurrency(limit=LIMIT)),
    "rate": Control(rate_limit=Rate(max=5, per=MINUTE, key=by("who"))),
    "batch": Control(batch=EventBatch(size=3, for_=MINUTE, key=by("who"))),
    "debounce": Control(debounce=Debounce(for_=MINUTE, key=by("who"))),
    "hold": Control(hold=Hold(over=4, per=MINUTE)),
    "skip": Control(singleton=Singleton(key=by("who"))),
    "cancel": Control(singleton=Singleton(key=by("who"), on_conflict="cancel")),
}


class Rig(ControlRig):
    """Counts who works at the same time."""

    def __init__(self, folder: Path, flows: tuple[Flow, ...], now: int) -> None:
        super().__init__(folder, flows)
        self.clock.time = now
        self.together: Counter[tuple[str, Any]] = Counter()
        self.wrong: list[str] = []

    async def _work(self, ctx: Any, params: Any) -> Any:
        who = params.n % 2 if ctx.flow == "slots" else 0
        self.together[ctx.flow, who] += 1
        if ctx.flow in ("slots", "throttle") and self.together[ctx.flow, who] > LIMIT:
            self.wrong.append(f"{self.together[ctx.flow, who]} at once in {ctx.flow} of {who}")
        try:
            await asyncio.sleep(0.002)
        finally:
            self.together[ctx.flow, who] -= 1
        return {"n": params.n}


async def live(folder: Path, life: int, failpoint: str) -> list[str]:
    """One life; what is wrong, if it was not to die."""
    steps = (work("one"), WaitStep(name="nap", for_=3_000, if_=NAPS), work("two"))
    flows = tuple(flow(name, *steps, control=control) for name, control in CONTROLS.items())
    rig = Rig(folder, flows, 1_700_000_000_000 + life * 20_000)
    failpoints.arm(failpoint or None)
    await rig.start()
    numbers = range((life + 1) * EVENTS)
    drafts = [EventDraft(type="go", id=str(n), source="s", data={"n": n, "who": n % 2}) for n in numbers]
    for start in range(0, len(drafts), 5):
        await rig.engine.intake.accept(drafts[start : start + 5])
        await rig.forward(500)
    for _ in range(200):
        await rig.forward(30_000)
        await rig.engine.control.release("hold")
        await rig.idle()
        if not await rig.runs(status=UNFINISHED):
            break
    if failpoint:
        return [f"{failpoint} was not reached"]
    wrong = rig.wrong + await check(rig, len(drafts))
    await rig.engine.stop()
    return wrong


async def check(rig: Rig, count: int) -> list[str]:
    """What every event has come to, flow by flow."""
    wrong = [f"{run.key} of {run.flow} is {run.status}" for run in await rig.runs(status=UNFINISHED)]
    events = await rig.engine.history.events(EventFilter(limit=1_000))
    if len(events) != count:
        wrong.append(f"{len(events)} events of {count}")
    verdicts = {
        (verdict.flow, event.key): verdict
        for event in events
        for verdict in await rig.engine.history.verdicts(event.key)
    }
    for name in CONTROLS:
        runs = await rig.runs(flow=name, limit=1_000)
        there = await members(rig, runs)
        if any(number > 1 for number in there.values()):
            wrong.append(f"{name}: an event is in several runs")
        for event in events:
            verdict = verdicts.get((name, event.key))
            if (there[event.key] == 0) == (verdict is None or verdict.rule == "batch"):
                wrong.append(f"{name}: event {event.id} has {there[event.key]} runs and {verdict}")
        ends = {run.status for run in runs} - {RunStatus.COMPLETED}
        if ends and not (name == "cancel" and ends == {RunStatus.CANCELLED}):
            wrong.append(f"{name} has runs that are {ends}")
    control = rig.engine.executor.flow_control
    left = (control._queued, control._parked, control._held, control.lanes._slots, control.singles._names)
    if any(left):
        wrong.append(f"left behind: {left}")
    return wrong


async def members(rig: Rig, runs: list[Run]) -> Counter[int]:
    """Event → how many runs have it."""
    there: Counter[int] = Counter()
    for loaded in await rig.engine.store.load([run.key for run in runs]):
        assert loaded.run.event_key is not None
        there[loaded.run.event_key] += 1
        there.update({entry.value for entry in loaded.journal if entry.key.startswith(BATCH)})
    return there


if __name__ == "__main__":
    sys.stdout.write("\n".join(asyncio.run(live(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]))))
