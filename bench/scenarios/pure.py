"""40 steps that touch nothing: how long one run takes, and how many steps a second the engine walks."""

from __future__ import annotations

from collections.abc import Mapping

from bench import load
from bench.flows import event_body, forty_actions, forty_sets
from bench.measure import under_load
from bench.scenario import Context, Scenario, Spec, median, quantile

STEPS = 40


def measure(ctx: Context) -> Mapping[str, float]:
    """One run."""
    body = event_body()
    found: dict[str, float] = {}
    count = ctx.size(400, 100)
    flows = {"sets": forty_sets(), "actions": forty_actions("bench.pure", "/bench/actions")}
    with ctx.server(flows) as server:
        for name in flows:
            path = f"/bench/{name}"
            load.one_at_a_time(server.port, path, body, 50)
            times = load.one_at_a_time(server.port, path, body, count)
            seen = under_load(server, path, body, ctx.seconds)
            found |= {f"{name}_p50": median(times), f"{name}_p99": quantile(times, 0.99)}
            found |= {f"{name}_rate": seen.finished * STEPS, f"{name}_cpu": seen.cpu / STEPS}
    return found


def _specs(name: str, what: str) -> tuple[Spec, ...]:
    return (
        Spec(f"{name}_p50", f"40 {what}, one run at a time, p50", "ms", "≤ 3"),
        Spec(f"{name}_p99", "its p99", "ms"),
        Spec(f"{name}_rate", f"{what} at 64 connections, steps", "/s", "≥ 40,000"),
        Spec(f"{name}_cpu", "server CPU for each step (its share of the event in it)", "µs"),
    )


SCENARIO = Scenario(
    "pure",
    "A flow of 40 pure steps, through `respond: result`",
    (*_specs("sets", "`set` steps with an expression"), *_specs("actions", "pure actions with an expression")),
    measure,
)
