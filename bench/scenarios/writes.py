"""40 steps of which each waits for its own commit, one run at a time."""

from __future__ import annotations

from collections.abc import Mapping

from bench import ceilings, load
from bench.flows import event_body, forty_actions
from bench.measure import under_load
from bench.scenario import Context, Scenario, Spec, median, quantile


def measure(ctx: Context) -> Mapping[str, float]:
    """One run."""
    body = event_body()
    with ctx.server({"writes": forty_actions("bench.write", "/bench/writes")}) as server:
        flush = ceilings.flush(server.folder)
        load.one_at_a_time(server.port, "/bench/writes", body, 20)
        times = load.one_at_a_time(server.port, "/bench/writes", body, ctx.size(200, 50))
        seen = under_load(server, "/bench/writes", body, ctx.seconds)
    return {
        "flush": flush,
        "p50": median(times),
        "p99": quantile(times, 0.99),
        "a_step": median(times) / 40 * 1000,
        "rate": seen.finished * 40,
        "cpu": seen.cpu / 40,
    }


SCENARIO = Scenario(
    "writes",
    "A flow of 40 writes that return at once, through `respond: result`",
    (
        Spec("flush", "one fdatasync", "µs"),
        Spec("p50", "one run at a time, p50", "ms", "≤ 20"),
        Spec("p99", "its p99", "ms"),
        Spec("a_step", "for each step", "µs"),
        Spec("rate", "at 64 connections, steps with a commit", "/s"),
        Spec("cpu", "server CPU for each step", "µs"),
    ),
    measure,
)
