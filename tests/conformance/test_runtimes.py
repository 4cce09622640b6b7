"""The suite of the port `Durable` on every runtime that there is."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import msgspec
import pytest

from reactor.engine.engine import Engine, Parts
from reactor.engine.limits import Limits
from reactor.language.inputs import check_inputs
from reactor.model import ids
from reactor.model.clock import SystemClock, SystemEntropy
from reactor.model.errors import NotFoundError
from reactor.model.event import EventDraft
from reactor.model.flow import TriggerSpec
from reactor.model.journal import Entry
from reactor.runtime.people import DECIDED
from reactor.runtime.replay import ReplayRuntime
from reactor.runtime.virtual import START, VirtualRuntime
from reactor.stores.sqlite.store import SqliteStore
from reactor.testing.runtime_scenarios import Scenario
from reactor.testing.runtime_suite import SCENARIOS, differences, suite_catalog, suite_flow

every = pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda s: s.name)


def event_view(data: Any) -> dict[str, Any]:
    """The event as expressions see it."""
    return {"id": "e", "type": "suite", "source": "", "data": data, "payload": data, "metadata": {}}


def inbox(scenario: Scenario) -> list[tuple[int, dict[str, Any]]]:
    """What comes while it runs, as the virtual runtime takes it."""
    blank = {"id": "", "source": "", "subject": None, "time": "", "data": None}
    sent = [{**blank, **event, "id": f"sent-{number}"} for number, event in enumerate(scenario.sends)]
    for path, by, decision in scenario.decides:
        subject = f"run_test:{path}"
        data = {"approval": subject, "decision": decision, "by": by, "form": None}
        sent.append({**blank, "id": f"{subject}:{by}", "type": DECIDED, "subject": subject, "data": data})
    return [(START + 10 * (number + 1), event) for number, event in enumerate(sent)]


async def happen(scenario: Scenario, engine: Engine, run: str) -> None:
    """What comes while it runs, on the engine."""
    for event in scenario.sends:
        await engine.intake.accept([EventDraft(**event)])
    for path, by, decision in scenario.decides:
        while True:
            try:
                await engine.approvals.decide(f"{run}:{path}", decision, by)
                break
            except NotFoundError:
                await asyncio.sleep(0.01)


def statuses(journal: list[Entry]) -> dict[str, str]:
    """Path → status."""
    return {entry.key.removesuffix("#set"): entry.status for entry in journal if entry.status}


async def virtually(scenario: Scenario) -> tuple[VirtualRuntime, list[str], Any, Any]:
    """A run on the virtual runtime."""
    called: list[str] = []
    catalog = suite_catalog(called)
    flow = suite_flow(scenario, catalog)
    runtime = VirtualRuntime(actions=catalog.actions, inbox=inbox(scenario))
    end = await runtime.play(flow, event=event_view(scenario.data))
    return runtime, called, end, flow


@every
async def test_virtual(scenario: Scenario) -> None:
    runtime, called, end, _flow = await virtually(scenario)
    found = statuses(runtime.committed)
    assert not differences(
        scenario, status=end.status, output=end.output, error=end.error, called=called, statuses=found
    )


@every
async def test_replay_takes_the_same_path(scenario: Scenario) -> None:
    runtime, called, _end, flow = await virtually(scenario)
    before = list(called)
    replay = ReplayRuntime(runtime.committed, runtime.find)
    assert await replay.compare(flow, event=event_view(scenario.data)) == []
    assert called == before, "a replay does nothing"


@every
@pytest.mark.parametrize("passivate_after", [20, 10_000])
async def test_journal(scenario: Scenario, passivate_after: int, tmp_path: Path) -> None:
    called: list[str] = []
    catalog = suite_catalog(called)
    flow = suite_flow(scenario, catalog)
    trigger = TriggerSpec(key=f"{flow.name}/0", kind="event", config={"event": "suite"})
    flow = msgspec.structs.replace(flow, triggers=(trigger,))
    store = SqliteStore(tmp_path / "r.db", clock=SystemClock())
    engine = Engine(
        Parts(
            store=store,
            history=store,
            catalog=catalog,
            clock=SystemClock(),
            entropy=SystemEntropy(),
            limits=Limits(passivate_after=passivate_after),
            http=None,  # type: ignore[arg-type]
            compile=lambda _text, _file: flow,
            check_inputs=check_inputs,
            action_settings={},
            env={},
            secret=lambda _name: None,
            derive=lambda purpose: purpose.encode().ljust(32, b"-")[:32],
        )
    )
    await engine.open()
    await engine.book.take(flow)
    await engine.start()
    try:
        [receipt] = await engine.intake.accept([EventDraft(type="suite", data=scenario.data)])
        key = ids.from_text("run", receipt.runs[0][0])
        assert key is not None
        await asyncio.wait_for(happen(scenario, engine, receipt.runs[0][0]), 5)
        result = await engine.triggers.result(key, 5_000)
        assert result is not None
        [loaded] = await store.load([key])
        found = statuses(loaded.journal)
        assert not differences(
            scenario,
            status=result.status,
            output=result.output,
            error=loaded.run.error,
            called=called,
            statuses=found,
        )
        before = list(called)
        replay = ReplayRuntime(loaded.journal, catalog.actions.get)
        run = {"id": receipt.runs[0][0], "started_at": "", "version": flow.version}
        event = None if loaded.event is None else loaded.event.view()
        assert await replay.compare(flow, event=event, run=run) == []
        assert called == before, "a replay does nothing"
    finally:
        await asyncio.wait_for(engine.stop(), 5)
