"""Memory of a server that has nothing to do, and the time until it is ready."""

from __future__ import annotations

import time
from collections.abc import Mapping

from bench.flows import ONE_PURE, QUIET, forty_sets, request
from bench.scenario import Context, Scenario, Spec

_FLOWS = {"a": QUIET, "b": ONE_PURE, "c": forty_sets(), "d": request("GET", "https://example.org/")}


def measure(ctx: Context) -> Mapping[str, float]:
    """One run."""
    with ctx.server(_FLOWS, plugin=False) as server:
        ready = server.ready_after
        time.sleep(3)
        rss, cpu = server.process.rss(), server.process.cpu()
        time.sleep(5)
        return {"ready": ready, "rss": rss, "idle": (server.process.cpu() - cpu) / 5 * 100}


SCENARIO = Scenario(
    "idle",
    "A server with four flows and nothing to do",
    (
        Spec("ready", "start of the process → /ready answers 200", "s", "≤ 0.8"),
        Spec("rss", "resident memory", "MB", "≤ 80"),
        Spec("idle", "CPU while idle, of one core", "%"),
    ),
    measure,
)
