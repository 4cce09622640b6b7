"""A million runs in history: throughput against an empty store, and pages of lists."""

from __future__ import annotations

import time
from collections.abc import Mapping

from bench import history
from bench.flows import ONE_PURE, event_body
from bench.measure import under_load
from bench.scenario import Context, Scenario, Spec, median
from bench.server import Server

_PAGES = {
    "page": "/runs?limit=100",
    "failed": "/runs?limit=100&status=failed",
    "flow": "/runs?limit=100&flow=orders",
    "events": "/events?limit=100",
}


def measure(ctx: Context) -> Mapping[str, float]:
    """One run: empty and full after one another, the other way round each second time."""
    body = event_body()
    found: dict[str, float] = {}
    order = ("empty", "full") if ctx.number % 2 == 0 else ("full", "empty")
    for name in order:
        if name == "empty":
            with ctx.server({"one": ONE_PURE}) as server:
                seen = under_load(server, "/bench/one", body, ctx.seconds)
        else:
            with _full(ctx) as server:
                found["ready"] = server.ready_after
                found |= {page: _page(server, path) for page, path in _PAGES.items()}
                found["far"] = _far(server)
                seen = under_load(server, "/bench/one", body, ctx.seconds)
        found |= {f"{name}_rate": seen.finished, f"{name}_cpu": seen.cpu}
    return found


def _full(ctx: Context) -> Server:
    """A server on the filled folder, which is made once."""
    folder = ctx.folder / "history"
    count = ctx.size(1_000_000, 50_000)
    if not folder.exists():
        begun = time.perf_counter()
        history.fill(folder / "data", count, time.time_ns() // 1_000_000 - 3_600_000)
        ctx.say(f"{count} runs written in {time.perf_counter() - begun:.0f} s")
    return Server(folder, {"one": ONE_PURE})


def _page(server: Server, path: str) -> float:
    """Milliseconds for the first page, the median of 20; the first of them is not better than the others."""
    times = []
    for _ in range(20):
        begun = time.perf_counter()
        answer = server.api(path)
        times.append((time.perf_counter() - begun) * 1000)
        assert len(answer["items"]) == 100, path
    return median(times)


def _far(server: Server) -> float:
    """Milliseconds for the hundredth page of failed runs."""
    cursor, lasted = "", 0.0
    for _ in range(100):
        begun = time.perf_counter()
        answer = server.api(f"/runs?limit=100&status=failed{cursor}")
        lasted = (time.perf_counter() - begun) * 1000
        if answer["next"] is None:
            break
        cursor = f"&cursor={answer['next']}"
    return lasted


SCENARIO = Scenario(
    "history",
    "1,000,000 runs in history",
    (
        Spec("empty_rate", "empty store, finished runs of one pure step", "/s"),
        Spec("full_rate", "1,000,000 runs there, the same", "/s", "≥ 90 %", "empty_rate"),
        Spec("empty_cpu", "empty store, server CPU for each", "µs"),
        Spec("full_cpu", "1,000,000 runs there, server CPU for each", "µs"),
        Spec("page", "page of 100 runs through the API", "ms", "≤ 50"),
        Spec("failed", "page of 100 failed runs", "ms", "≤ 50"),
        Spec("flow", "page of 100 runs of one flow", "ms", "≤ 50"),
        Spec("far", "hundredth page of failed runs", "ms", "≤ 50"),
        Spec("events", "page of 100 events", "ms"),
        Spec("ready", "start of the process → /ready", "s"),
    ),
    measure,
)
