"""Random flows: the tree of their spans is the tree of their steps, and no id is there twice."""

from __future__ import annotations

import re
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reactor.engine import views
from reactor.engine.tracing.spans import Span, spans
from reactor.engine.tracing.trail import Trail
from reactor.model.flow import Flow
from reactor.model.journal import Entry, Run, index
from reactor.model.states import RunStatus
from tests.property.test_crashes import ACTIONS, World, flows, play, runtime


def made(flow: Flow, journal: list[Entry], status: RunStatus) -> list[Span]:
    first, last = journal[0].at, max(entry.at for entry in journal)
    run = Run(key=1, flow=flow.name, version=1, status=status, created_at=first, started_at=first, finished_at=last)
    trail = Trail("run_1", run, None, b"salt", 1.0)
    trail.take(journal)
    return spans(trail, run, None, flow, None, ACTIONS.get)


def around(path: str) -> list[str]:
    found = []
    while path := re.sub(r"(\[\d+\]|(^|\.)[^.\[]+)$", "", path):
        found.append(path)
    return found


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(flows(races=True), st.integers(0, 1_000), st.sampled_from([0.0, 0.3, 0.7]))
async def test_the_tree_of_spans_is_the_tree_of_steps(flow: Flow, seed: int, failing: float) -> None:
    world = World(seed, failing)
    whole = runtime(world)
    status = await play(flow, world, whole)
    journal = whole.committed
    if not journal or status is None:
        return
    found = made(flow, journal, status)
    by_id = {span.context.span: span for span in found}
    assert len(by_id) == len(found)
    root, *rest = found
    assert {span.context.trace for span in rest} <= {root.context.trace}
    shown: list[dict[str, Any]] = views.steps(index(journal), flow)
    steps: dict[str, list[Span]] = {}
    for span in rest:
        if "reactor.attempt" not in span.attributes:
            steps.setdefault(span.attributes["reactor.step.path"], []).append(span)
    assert {step["path"] for step in shown} <= set(steps)
    for path, times in steps.items():
        parent = next((each for each in around(path) if each in steps), None)
        for span in times:
            assert span.start <= span.end
            if parent is None:
                assert span.parent == root.context.span
            else:
                assert by_id[span.parent].attributes["reactor.step.path"] == parent
                assert by_id[span.parent].start <= span.start
    for span in rest:
        if "reactor.attempt" in span.attributes:
            assert by_id[span.parent].attributes["reactor.step.path"] == span.attributes["reactor.step.path"]


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(flows(), st.integers(0, 1_000), st.sampled_from([0.0, 0.5]), st.data())
async def test_what_comes_back_makes_the_same_spans(flow: Flow, seed: int, failing: float, data: st.DataObject) -> None:
    """In whatever pieces a trail is made, from the journal and from what the run says itself."""
    world = World(seed, failing)
    whole = runtime(world)
    status = await play(flow, world, whole)
    journal = whole.committed
    if not journal or status is None:
        return
    cut = data.draw(st.integers(0, len(journal)))
    first = journal[0].at
    run = Run(key=1, flow=flow.name, version=1, status=status, created_at=first, started_at=first, finished_at=first)
    trail = Trail("run_1", run, None, b"salt", 1.0)
    trail.take(journal[:cut])
    for entry in journal[cut:]:
        trail.note(entry)
    run.finished_at = max(entry.at for entry in journal)
    assert spans(trail, run, None, flow, None, ACTIONS.get) == made(flow, journal, status)
