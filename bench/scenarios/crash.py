"""kill -9 with 10,000 runs in a long step: how long after the restart until every attempt has begun again."""

from __future__ import annotations

import time
from collections.abc import Mapping

from bench.flows import LONG
from bench.process import BenchError
from bench.scenario import Context, Scenario, Spec
from bench.server import Server


def measure(ctx: Context) -> Mapping[str, float]:
    """One run."""
    count = ctx.size(10_000, 1_000)
    with ctx.server({"long": LONG}) as server:
        server.send({"type": "bench.long", "data": {"number": number}} for number in range(count))
        first = _begun(server, count)
        server.kill()
        server.trace.unlink()
        server.start()
        again = _begun(server, count)
        moved = time.perf_counter() - server.process.started
        if again != first:
            raise BenchError(f"{len(first - again)} runs did not go on, {len(again - first)} are others")
        return {"moved": moved, "ready": server.ready_after, "rss": server.process.rss()}


def _begun(server: Server, count: int) -> set[str]:
    """The runs whose attempt has begun, once there are so many."""
    until = time.perf_counter() + 120
    while True:
        found = server.trace.read_bytes().count(b"\n") if server.trace.exists() else 0
        if found >= count:
            runs = server.trace.read_text().split()
            if len(set(runs)) != len(runs):
                raise BenchError("an attempt began twice")
            return set(runs)
        server.process.check()
        if time.perf_counter() > until:
            raise BenchError(f"only {found} of {count} attempts have begun")
        time.sleep(0.01)


SCENARIO = Scenario(
    "crash",
    "kill -9 with 10,000 runs in flight, each in a long step",
    (
        Spec("moved", "start of the new process → every attempt begun again", "s", "≤ 5"),
        Spec("ready", "start of the new process → /ready", "s"),
        Spec("rss", "memory with 10,000 runs in it", "MB"),
    ),
    measure,
)
