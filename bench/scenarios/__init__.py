"""All scenarios, in the order of the table."""

from __future__ import annotations

from bench.scenario import Scenario
from bench.scenarios import (
    accept,
    control,
    crash,
    diagram,
    explain,
    flow_tests,
    history,
    idle,
    listeners,
    listing,
    many_flows,
    memory,
    orchestration,
    patterns,
    pure,
    requests,
    sources,
    sustained,
    waiting,
    writes,
)

ALL: tuple[Scenario, ...] = (
    accept.SCENARIO,
    sustained.SCENARIO,
    sources.SCENARIO,
    pure.SCENARIO,
    writes.SCENARIO,
    orchestration.SCENARIO,
    patterns.SCENARIO,
    requests.SCENARIO,
    idle.SCENARIO,
    waiting.SCENARIO,
    crash.SCENARIO,
    many_flows.SCENARIO,
    control.SCENARIO,
    explain.SCENARIO,
    history.SCENARIO,
    listing.SCENARIO,
    listeners.SCENARIO,
    memory.SCENARIO,
    diagram.SCENARIO,
    flow_tests.SCENARIO,
)
