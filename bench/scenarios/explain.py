"""`explain` of an event with 1,000 flows, and a changed flow against recorded events: asked of a real server."""

from __future__ import annotations

import statistics
import time
from collections.abc import Mapping

from bench import load
from bench.flows import event_body, registered
from bench.scenario import Context, Scenario, Spec
from bench.server import TOKEN

FLOW = """\
name: seen
on: {event: bench.mine}
if: event.data.total > 100
unless: event.data.total > 1000
dedupe: {key: event.id, for: 1h}
concurrency: {limit: 5, key: event.data.customer.id}
priority: event.data.total
steps:
  - {name: a, set: {x: "{{ event.data.total }}"}}
"""


def measure(ctx: Context) -> Mapping[str, float]:
    """One run."""
    flows = {**registered(1_000), "seen": FLOW}
    events, asked = ctx.size(10_000, 1_000), ctx.size(200, 40)
    body = event_body()
    headers = {"Authorization": f"Bearer {TOKEN}"}
    with ctx.server(flows) as server:
        text = b'{"type": "bench.mine", "data": ' + body + b"}"
        status, answer = load.ask(server.port, "POST", "/events", text, {"Content-Type": "application/json"})
        assert status == 202, answer
        event_id = answer.decode().partition('"event_id":"')[2][:17]
        one = _median(server.port, f"/api/v1/explain/event/{event_id}?flow=seen", asked)
        whole = _median(server.port, f"/api/v1/explain/event/{event_id}", asked)
        server.send({"type": "bench.mine", "data": {"total": number % 200}} for number in range(events))
        server.wait_until(lambda figures: figures.get("queue_events", 0) == 0, "the events are taken")
        began = time.perf_counter()
        changed = FLOW.replace("> 100", "> 150").encode()
        path = f"/api/v1/flows/simulate?limit={events}&paths=0"
        status, answer = load.ask(server.port, "POST", path, changed, headers)
        took = time.perf_counter() - began
        assert status == 200, answer[:500]
    return {"one": one, "whole": whole, "simulate": took / events * 1e6}


def _median(port: int, path: str, times: int) -> float:
    """Milliseconds from the question to its answer."""
    headers = {"Authorization": f"Bearer {TOKEN}"}
    found = []
    for _ in range(times):
        began = time.perf_counter()
        status, answer = load.ask(port, "GET", path, headers=headers)
        found.append((time.perf_counter() - began) * 1000)
        assert status == 200, answer[:500]
    return statistics.median(found)


SCENARIO = Scenario(
    "explain",
    "`explain` of an event with 1,000 flows; a changed flow against 10,000 recorded events",
    (
        Spec("one", "one flow's verdicts, question to answer (HTTP)", "ms", "≤ 5"),
        Spec("whole", "the verdicts of all 1,000 flows (HTTP)", "ms"),
        Spec("simulate", "`simulate`, for each recorded event", "µs"),
    ),
    measure,
)
