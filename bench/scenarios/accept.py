"""A webhook is answered 202 after its event is on disk. How many a second?"""

from __future__ import annotations

from collections.abc import Mapping

from bench import ceilings
from bench.flows import QUIET, event_body
from bench.measure import under_load
from bench.scenario import Context, Scenario, Spec


def measure(ctx: Context) -> Mapping[str, float]:
    """One run."""
    body = event_body()
    event = b'{"type": "bench.nobody", "data": ' + body + b"}"
    with ctx.fresh() as folder:
        web = ceilings.web(folder, body, ctx.seconds)
        found = {"web": web, "group": ceilings.group_commit(folder, ctx.seconds), "flush": ceilings.flush(folder)}
    with ctx.server({"quiet": QUIET}) as server:
        hook = under_load(server, "/bench/quiet", body, ctx.seconds)
        open_door = under_load(server, "/webhook/bench.nobody", body, ctx.seconds)
        events = under_load(server, "/events", event, ctx.seconds)
    found |= {"hook": hook.rate, "p99": hook.p99, "cpu": hook.cpu, "open": open_door.rate, "events": events.rate}
    return {**found, "events_cpu": events.cpu}


SCENARIO = Scenario(
    "accept",
    "A webhook is accepted durably: 64 connections, 1 KB JSON, no run started",
    (
        Spec("web", "ceiling: bare Starlette route, 202", "/s"),
        Spec("group", "ceiling: flows of two group commits, no engine, no HTTP", "/s"),
        Spec("flush", "one fdatasync", "µs"),
        Spec("hook", "claimed webhook whose flow's `if` says no", "/s", "≥ 8,000", "web"),
        Spec("p99", "its p99", "ms"),
        Spec("cpu", "server CPU for each", "µs"),
        Spec("open", "POST /webhook/TYPE, no flow", "/s", "≥ 8,000", "web"),
        Spec("events", "POST /events, no flow", "/s", "≥ 8,000", "web"),
        Spec("events_cpu", "server CPU for each", "µs"),
    ),
    measure,
)
