"""100,000 runs that sleep: what they cost in memory, and how late timers among them fire."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator, Mapping
from contextlib import closing
from typing import Any

from bench.flows import SLEEPING
from bench.scenario import Context, Scenario, Spec, median, quantile
from bench.server import Server

_LATER = 6 * 3600.0
_SPREAD_OVER = 10.0
_BEFORE_DUE = 8.0


def measure(ctx: Context) -> Mapping[str, float]:
    """One run."""
    count, spread, burst = ctx.size(100_000, 5_000), ctx.size(5_000, 1_000), ctx.size(1_000, 200)
    with ctx.server({"sleeping": SLEEPING}) as server:
        now = time.time()
        server.send(_naps(2_000, lambda _: now - 1))  # the code is warm, and what it allocates is there
        server.wait_until(lambda m: m["runs_in_memory"] == 0, "the first runs end")
        time.sleep(2)
        before = server.process.rss()
        begun = time.perf_counter()
        later = time.time() + _LATER
        server.send(_naps(count, lambda number: later + number / 100))
        _asleep(server, count)
        lasted = time.perf_counter() - begun
        time.sleep(2)
        grown = server.process.rss() - before
        slow, quick = _fire(server, spread, burst, count)
        after = server.process.rss() - before
    return {
        "grown": grown,
        "start": count / lasted,
        "p50": median(slow),
        "p99": quantile(slow, 0.99),
        "max": max(slow),
        "burst_p50": median(quick),
        "burst_max": max(quick),
        "after": after,
    }


def _naps(count: int, at: Any) -> Iterator[dict[str, Any]]:
    return ({"type": "bench.sleep", "data": {"at": at(number)}} for number in range(count))


def _asleep(server: Server, count: int) -> None:
    server.wait_until(
        lambda m: m.get('runs_live{status="waiting"}', 0) >= count and m["runs_in_memory"] == 0,
        "runs leave memory",
        600,
    )


def _fire(server: Server, spread: int, burst: int, others: int) -> tuple[list[float], list[float]]:
    """Milliseconds from when each was due to when its run had ended: timers over ten seconds, then many at once."""
    due = time.time() + _BEFORE_DUE
    together = due + _SPREAD_OVER + 3
    step = _SPREAD_OVER / spread
    server.send(_naps(spread, lambda number: due + number * step))
    server.send(_naps(burst, lambda _: together))
    _asleep(server, others + spread + burst)
    time.sleep(max(0.0, together - time.time()))
    server.wait_until(lambda m: m.get('runs_live{status="waiting"}', 0) == others, "the timers fire")
    # Rides with the next commit, which comes within 50 ms.
    time.sleep(0.5)
    with closing(sqlite3.connect(f"file:{server.data / 'reactor.db'}?mode=ro", uri=True)) as connection:
        rows = connection.execute(
            "SELECT json_extract(CAST(e.data AS TEXT), '$.at'), r.finished_at "
            "FROM runs r JOIN events e ON e.key = r.event_key "
            "WHERE r.finished_at IS NOT NULL ORDER BY r.key DESC LIMIT ?",
            (spread + burst,),
        ).fetchall()
    late = [(at, finished - at * 1000) for at, finished in rows]
    return [ms for at, ms in late if at < together], [ms for at, ms in late if at >= together]


SCENARIO = Scenario(
    "waiting",
    "100,000 runs that sleep for hours",
    (
        Spec("grown", "memory that they add", "MB", "≤ 60"),
        Spec("start", "accepted, begun, and out of memory again", "/s"),
        Spec("p50", "timers among them, 500 a second: due → run ended, p50", "ms"),
        Spec("p99", "p99", "ms"),
        Spec("max", "the latest of 5,000", "ms", "≤ 100"),
        Spec("burst_p50", "1,000 timers due in one instant: p50", "ms"),
        Spec("burst_max", "the latest of them", "ms", "≤ 100"),
        Spec("after", "memory added after all that", "MB"),
    ),
    measure,
)
