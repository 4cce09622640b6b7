"""A million runs of all kinds: a page of a hundred for every combination of filters, deep pages, counts, search."""

from __future__ import annotations

import time
from collections.abc import Mapping

from bench import listing
from bench.scenario import Context, Scenario, Spec, median, quantile
from bench.server import Server

_DEEP = 200


def measure(ctx: Context) -> Mapping[str, float]:
    """One run."""
    folder, count = ctx.folder / "listing", ctx.size(1_000_000, 20_000)
    until = int(ctx.kept.setdefault("until", time.time_ns() // 1_000_000 - 60_000))  # type: ignore[call-overload]
    if not folder.exists():
        begun = time.perf_counter()
        listing.fill(folder / "data", count, until)
        ctx.say(f"{count} runs written in {time.perf_counter() - begun:.0f} s")
    with Server(folder, listing.flows(), plugin=False) as server:
        asked = listing.queries(until)
        times = {name: _took(server, f"/runs?limit=100&{query}") for name, query in asked.items()}
        worst = max(times, key=lambda name: times[name])
        ctx.say(f"{len(times)} combinations; the slowest, {times[worst]:.0f} ms: {worst or 'none'}")
        return {
            "combinations": float(len(times)),
            "median": median(list(times.values())),
            "p99": quantile(list(times.values()), 0.99),
            "worst": times[worst],
            "deep": _deep(server, "status=failed&flow=flow-0"),
            "text": _took(server, "/runs?limit=100&q=nothing-like-that"),
            "count": _took(server, "/runs/count?status=failed"),
            "counts": _took(server, "/runs/count"),
            "search": _took(server, "/search?q=flow-1"),
        }


def _took(server: Server, path: str) -> float:
    """Milliseconds, the median of three."""
    times = []
    for _ in range(3):
        begun = time.perf_counter()
        server.api(path)
        times.append((time.perf_counter() - begun) * 1000)
    return median(times)


def _deep(server: Server, query: str) -> float:
    """Milliseconds for the two hundredth page."""
    cursor, took = "", 0.0
    for _ in range(_DEEP):
        begun = time.perf_counter()
        answer = server.api(f"/runs?limit=100&{query}{cursor}")
        took = (time.perf_counter() - begun) * 1000
        if answer["next"] is None:
            break
        cursor = f"&cursor={answer['next']}"
    return took


SCENARIO = Scenario(
    "listing",
    "Lists of 1,000,000 runs of 200 flows, a third of them failed, by any filters together",
    (
        Spec("combinations", "combinations of flow, status, time, trigger, label and error", ""),
        Spec("median", "page of 100 of each, median", "ms"),
        Spec("p99", "the same, p99", "ms", "≤ 100"),
        Spec("worst", "the slowest", "ms", "≤ 100"),
        Spec("deep", "two hundredth page of failed runs of the busiest flow", "ms", "≤ 100"),
        Spec("text", "a text that is nowhere (20,000 runs are looked at)", "ms", "≤ 100"),
        Spec("count", "count of failed runs", "ms"),
        Spec("counts", "count of all", "ms"),
        Spec("search", "search for a flow's name", "ms", "≤ 50"),
    ),
    measure,
)
