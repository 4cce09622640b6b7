"""10,000 registered flows against ten, for an event that starts one of them."""

from __future__ import annotations

from collections.abc import Mapping

from bench.flows import event_body, registered
from bench.measure import under_load
from bench.scenario import Context, Scenario, Spec


def measure(ctx: Context) -> Mapping[str, float]:
    """One run."""
    event = b'{"type": "bench.mine", "data": ' + event_body() + b"}"
    found: dict[str, float] = {}
    for name, count in (("few", 10), ("many", ctx.size(10_000, 1_000))):
        with ctx.server(registered(count)) as server:
            seen = under_load(server, "/events", event, ctx.seconds)
            found |= {f"{name}_rate": seen.finished, f"{name}_cpu": seen.cpu}
            found |= {f"{name}_ready": server.ready_after, f"{name}_rss": server.process.rss()}
    found["times"] = found["many_cpu"] / found["few_cpu"]
    return found


SCENARIO = Scenario(
    "flows",
    "10,000 registered flows against ten, for an event that matches one: 64 connections",
    (
        Spec("few_rate", "ten flows, finished runs", "/s"),
        Spec("many_rate", "10,000 flows, finished runs", "/s", "≥ 50 %", "few_rate"),
        Spec("few_cpu", "ten flows, server CPU for each", "µs"),
        Spec("many_cpu", "10,000 flows, server CPU for each", "µs"),
        Spec("times", "cost of an event, 10,000 against ten", "×", "≤ 2"),
        Spec("many_ready", "start of the process → /ready with 10,000", "s"),
        Spec("few_rss", "memory after the load with ten", "MB"),
        Spec("many_rss", "memory after the load with 10,000", "MB"),
    ),
    measure,
)
