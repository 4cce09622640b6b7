"""1,000 flows with keyed concurrency against 1,000 without any control, for an event that starts one of them."""

from __future__ import annotations

from collections.abc import Mapping

from bench.flows import controlled, event_body
from bench.measure import under_load
from bench.scenario import Context, Scenario, Spec

CONTROLS = {
    "none": "",
    "keyed": "concurrency: {limit: 1000, key: event.data.customer.id}\n",
    "drops": "rate_limit: {max: 1, per: 1h}\n",
    "debounce": "debounce: {for: 1s}\n",
}


def measure(ctx: Context) -> Mapping[str, float]:
    """One run."""
    event = b'{"type": "bench.mine", "data": ' + event_body() + b"}"
    found: dict[str, float] = {}
    for name, control in CONTROLS.items():
        with ctx.server(controlled(ctx.size(1_000, 200), control)) as server:
            seen = under_load(server, "/events", event, ctx.seconds)
            found |= {f"{name}_rate": seen.rate, f"{name}_cpu": seen.cpu, f"{name}_p99": seen.p99}
    found["times"] = found["keyed_cpu"] / found["none_cpu"]
    return found


SCENARIO = Scenario(
    "control",
    "1,000 flows with keyed concurrency against none, for an event that matches one: 64 connections",
    (
        Spec("none_rate", "no control, events", "/s"),
        Spec("keyed_rate", "keyed concurrency, events", "/s", "≥ 75 %", "none_rate"),
        Spec("none_cpu", "no control, server CPU for each", "µs"),
        Spec("keyed_cpu", "keyed concurrency, server CPU for each", "µs"),
        Spec("times", "cost of an event, keyed concurrency against none", "×", "≤ 1.3"),
        Spec("none_p99", "no control, p99", "ms"),
        Spec("keyed_p99", "keyed concurrency, p99", "ms"),
        Spec("drops_rate", "events that `rate_limit` drops", "/s"),
        Spec("debounce_rate", "events that `debounce` merges", "/s"),
    ),
    measure,
)
