"""Memory under a load that goes on: five minutes, or an hour with `--hour`."""

from __future__ import annotations

import time
from collections.abc import Mapping

from bench import load
from bench.flows import ONE_PURE, event_body
from bench.scenario import Context, Scenario, Spec

_EVERY = 2.0


def measure(ctx: Context) -> Mapping[str, float]:
    """One run. Runs older than a minute are purged, so the disk does not fill."""
    seconds = 3_600 if ctx.hour else ctx.size(300, 20)
    with ctx.server({"one": ONE_PURE}, settings={"retention": "1m"}) as server:
        running = load.start(server.url("/bench/one"), event_body(), server.folder, seconds=seconds)
        points: list[tuple[float, float]] = []
        begun = time.perf_counter()
        while time.perf_counter() - begun < seconds - _EVERY:
            time.sleep(_EVERY)
            points.append((time.perf_counter() - begun, server.process.rss()))
        found = running.wait()
        finished = server.metrics()["runs_finished_total"]
        stored = float(server.api("/metrics")["runs"]["stored"])
        size = sum(path.stat().st_size for path in server.data.glob("reactor.db*")) / 1e6
    settled = [point for point in points if point[0] > seconds / 4]
    return {
        "seconds": seconds,
        "rate": finished / found.seconds,
        "early": settled[0][1],
        "last": points[-1][1],
        "most": max(rss for _, rss in points),
        "slope": _slope(settled) * 3_600,
        "a_run": _slope(settled) * 1e6 / (finished / found.seconds),
        "disk": size,
        "stored": stored * found.seconds / finished,
    }


def _slope(points: list[tuple[float, float]]) -> float:
    """Least squares, megabytes a second."""
    middle = sum(at for at, _ in points) / len(points)
    level = sum(rss for _, rss in points) / len(points)
    square = sum((at - middle) ** 2 for at, _ in points)
    return sum((at - middle) * (rss - level) for at, rss in points) / square if square else 0.0


SCENARIO = Scenario(
    "memory",
    "Memory under sustained load: 64 connections, runs of one pure step, kept for a minute",
    (
        Spec("seconds", "length of the load", "s"),
        Spec("rate", "finished runs", "/s"),
        Spec("early", "memory after a quarter of it", "MB"),
        Spec("last", "memory at its end", "MB", "flat"),
        Spec("most", "the most", "MB"),
        Spec("slope", "slope over the last three quarters", "MB/h", "flat"),
        Spec("a_run", "slope for each finished run", "bytes"),
        Spec("disk", "database and log at the end", "MB"),
        Spec("stored", "the load of so long is in the store (60 to 120 when purging keeps up)", "s"),
    ),
    measure,
    once=True,
)
