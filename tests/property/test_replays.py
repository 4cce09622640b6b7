"""Random flows, whole or cut off by crashes: played against the version that they ran with, nothing parts."""

from __future__ import annotations

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reactor.model.flow import Flow
from reactor.model.journal import Entry
from reactor.runtime.divergences import Replayed
from reactor.runtime.replay import ReplayRuntime
from tests.property.test_crashes import ACTIONS, World, flows, play, runtime


async def replayed(flow: Flow, journal: list[Entry]) -> Replayed:
    run = {"id": "run_test", "started_at": "", "version": flow.version}
    return await ReplayRuntime(journal, ACTIONS.get).replay(flow, event=None, run=run)


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(flows(races=True), st.integers(0, 1_000), st.sampled_from([0.0, 0.3, 0.7]))
async def test_a_whole_run_takes_its_own_path(flow: Flow, seed: int, failing: float) -> None:
    world = World(seed, failing)
    whole = runtime(world)
    status = await play(flow, world, whole)
    went = await replayed(flow, whole.committed)
    assert went.diverged == []
    assert went.end is not None
    assert went.end.status == status


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(flows(), st.integers(0, 1_000), st.sampled_from([0.0, 0.3]), st.integers(1, 12))
async def test_a_run_that_is_cut_off_takes_its_own_path(flow: Flow, seed: int, failing: float, crash_at: int) -> None:
    world = World(seed, failing)
    part = runtime(world, crash_at=crash_at)
    await play(flow, world, part)
    assert (await replayed(flow, part.committed)).diverged == []
