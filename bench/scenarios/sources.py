"""Sources on real servers: a backlog is taken as quickly as it goes; then messages come at half the wanted rate."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Mapping
from typing import Self

from bench import ceilings
from bench.flows import event_body
from bench.process import BenchError
from bench.scenario import Context, Scenario, Spec, quantile
from bench.server import Server
from bench.sources.feeds import FEEDS, Feed

WANTED = {"kafka": 4_000, "jetstream": 4_000, "redis": 4_000, "mqtt": 2_000, "cdc": 3_000}
"""Events a second."""


def measure(ctx: Context) -> Mapping[str, float]:
    """One run."""
    with ctx.fresh() as folder:
        found = {"group": ceilings.group_commit(folder, ctx.seconds), "web": ceilings.web(folder, event_body(200), 2)}
    for kind in FEEDS:
        with kind() as feed:
            ctx.say(feed.name)
            found |= _backlog(ctx, feed)
            found |= _half(ctx, feed)
    return found


def _backlog(ctx: Context, feed: Feed) -> dict[str, float]:
    """Messages that wait before Reactor starts: from the first run's end to the last one's."""
    number = ctx.size(30_000, 2_000)
    with ctx.fresh() as folder:
        server = Server(folder, {"taker": feed.flow()})
        if feed.before:
            with server:
                _armed(server)
        feed.send(range(number))
        peak = Peak(server)
        with server, peak:
            server.wait_until(lambda m: m["runs_finished_total"] > 0, "the first run")
            begun, cpu, first = time.perf_counter(), server.process.cpu(), server.metrics()["runs_finished_total"]
            server.wait_until(lambda m: m["runs_finished_total"] >= number, "all runs")
            took, used = time.perf_counter() - begun, server.process.cpu() - cpu
            if server.metrics()["runs_finished_total"] != number:
                raise BenchError(f"{feed.name}: {number} sent, {server.metrics()['runs_finished_total']} runs")
        name = feed.name
        taken = number - first
        return {f"{name}_rate": taken / took, f"{name}_cpu": used / taken * 1e6, f"{name}_peak": peak.most}


def _half(ctx: Context, feed: Feed) -> dict[str, float]:
    """Messages at half the wanted rate: from the moment of sending to the start of the run, by the two clocks' own word
    (they are of one machine).
    """
    rate = WANTED[feed.name] / 2
    number = int(rate * ctx.seconds)
    with ctx.fresh() as folder, Server(folder, {"taker": feed.flow()}) as server:
        _armed(server)
        before = server.metrics()["runs_finished_total"]
        feed.send(range(200), rate=rate)
        server.wait_until(lambda m: m["runs_finished_total"] >= before + 200, "the first runs")
        time.sleep(0.5)
        begun = time.time() * 1000
        feed.send(range(number), rate=rate)
        server.wait_until(lambda m: m["runs_finished_total"] >= before + 200 + number, "all runs")
        time.sleep(0.2)
        late = _late(server, feed, begun)
        if len(late) < number:
            raise BenchError(f"{feed.name}: {number} sent, {len(late)} runs")
        return {f"{feed.name}_p50": quantile(late, 0.5), f"{feed.name}_p99": quantile(late, 0.99)}


def _late(server: Server, feed: Feed, begun: float) -> list[float]:
    sent = f"json_extract(e.data, '{feed.sent}')"
    query = f"SELECT r.started_at - {sent} FROM runs r JOIN events e ON e.key = r.event_key WHERE {sent} >= ?"
    with sqlite3.connect(f"file:{server.data}/reactor.db?mode=ro", uri=True) as store:
        rows = store.execute(query, (begun,)).fetchall()
    return [row[0] for row in rows]


def _armed(server: Server) -> None:
    server.wait_until(lambda m: m.get('triggers{state="armed"}') == 1, "armed")
    time.sleep(0.2)


class Peak:
    """The most memory that the server has while the block lasts, in MB."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self.most = 0.0

    def _look(self) -> None:
        while not self._done.wait(0.1):
            if self._server.child is not None:
                self.most = max(self.most, self._server.child.rss())

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()


def _specs() -> list[Spec]:
    specs = [
        Spec("web", "ceiling: bare Starlette route, 202", "/s"),
        Spec("group", "ceiling: flows of two group commits, no engine, no source", "/s"),
    ]
    for name, rate in WANTED.items():
        specs += [
            Spec(f"{name}_rate", f"{name}: a backlog of 30,000, finished runs", "/s", f"≥ {rate:,}", "group"),
            Spec(f"{name}_cpu", f"{name}: server CPU for each", "µs"),
            Spec(f"{name}_peak", f"{name}: most memory meanwhile", "MB"),
            Spec(f"{name}_p50", f"{name}: sent → run started at {rate // 2:,}/s, p50", "ms"),
            Spec(f"{name}_p99", f"{name}: the same, p99", "ms", "≤ 50"),
        ]
    return specs


SCENARIO = Scenario(
    "sources",
    "Sources on real servers → finished run of one step, 200 bytes of JSON a message",
    tuple(_specs()),
    measure,
)
