"""A webhook starts a run of one step; counted are runs that have ended, while the load goes on."""

from __future__ import annotations

from collections.abc import Mapping

from bench import ceilings
from bench.flows import ONE_PURE, ONE_PURE_RESULT, ONE_WRITE, ONE_WRITE_RESULT, event_body
from bench.measure import under_load
from bench.scenario import Context, Scenario, Spec

_FLOWS = {"a": ONE_PURE, "b": ONE_WRITE, "c": ONE_PURE_RESULT, "d": ONE_WRITE_RESULT}


def measure(ctx: Context) -> Mapping[str, float]:
    """One run."""
    body = event_body()
    with ctx.fresh() as folder:
        found = {
            "web": ceilings.web(folder, body, ctx.seconds),
            "group": ceilings.group_commit(folder, ctx.seconds),
        }
    for name, path in (("pure", "/bench/one"), ("write", "/bench/write")):
        with ctx.server(_FLOWS) as server:
            seen = under_load(server, path, body, ctx.seconds)
            ended = under_load(server, f"{path}-result", body, ctx.seconds)
        found |= {f"{name}_runs": seen.finished, f"{name}_web": seen.finished, f"{name}_cpu": seen.cpu}
        found |= {f"{name}_p99": ended.p99, f"{name}_p50": ended.p50, f"{name}_result": ended.finished}
    return found


SCENARIO = Scenario(
    "sustained",
    "Webhook → finished run of one step, sustained: 64 connections, 1 KB JSON",
    (
        Spec("web", "ceiling: bare Starlette route, 202", "/s"),
        Spec("group", "ceiling: flows of two group commits, no engine, no HTTP", "/s"),
        Spec("pure_runs", "finished runs, the step is pure (`set`)", "/s", "≥ 5,000", "group"),
        Spec("pure_web", "the same, as a share of bare Starlette", "/s", "", "web"),
        Spec("pure_cpu", "server CPU for each", "µs"),
        Spec("pure_result", "finished runs, the caller waits for the end", "/s", "", "web"),
        Spec("pure_p50", "request → end of the run on disk, p50", "ms"),
        Spec("pure_p99", "request → end of the run on disk, p99", "ms", "≤ 50"),
        Spec("write_runs", "finished runs, the step waits for its own commit", "/s", "≥ 5,000", "group"),
        Spec("write_web", "the same, as a share of bare Starlette", "/s", "", "web"),
        Spec("write_cpu", "server CPU for each", "µs"),
        Spec("write_result", "finished runs, the caller waits for the end", "/s", "", "web"),
        Spec("write_p50", "request → end of the run on disk, p50", "ms"),
        Spec("write_p99", "request → end of the run on disk, p99", "ms", "≤ 50"),
    ),
    measure,
)
