"""A thousand browsers that listen to everything: memory, and what they cost the runs."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from bench.flows import ONE_PURE, event_body
from bench.measure import under_load
from bench.process import ROOT, BenchError, Child
from bench.scenario import Context, Scenario, Spec
from bench.server import TOKEN, Server

_PATIENCE = 60.0


def measure(ctx: Context) -> Mapping[str, float]:
    """One run: nobody, one, and a thousand."""
    body, found = event_body(), dict[str, float]()
    many = ctx.size(1_000, 100)
    for name, count in (("none", 0), ("one", 1), ("many", many)):
        with ctx.server({"one": ONE_PURE}) as server:
            before = server.process.rss()
            with _listening(server, count) as told:
                found[f"{name}_idle"] = server.process.rss() - before
                seen = under_load(server, "/bench/one", body, ctx.seconds)
                found[f"{name}_memory"] = server.process.rss() - before
                found[f"{name}_rate"], found[f"{name}_cpu"] = seen.finished, seen.cpu
                if count:
                    time.sleep(1)
                    last = told()
                    if last["ended"]:
                        raise BenchError(f"{last['ended']} listeners were cut off")
                    found[f"{name}_heard"] = last["bytes"] / count / 2**10
    found["more"] = found["many_idle"]
    found["share"] = found["many_cpu"] / found["none_cpu"]
    return found


@contextmanager
def _listening(server: Server, count: int) -> Iterator[Callable[[], dict[str, int]]]:
    file = server.folder / "listeners.json"

    def told() -> dict[str, int]:
        return dict(json.loads(file.read_text()))

    if not count:
        yield told
        return
    argv = [sys.executable, "-m", "bench.children.listeners", str(server.port), TOKEN, str(count), str(file)]
    child = Child(argv, cwd=Path(ROOT), log=server.folder / "listeners.log")
    try:
        until = time.perf_counter() + _PATIENCE
        while not file.exists() or told()["open"] < count:
            child.check()
            if time.perf_counter() > until:
                raise BenchError(f"of {count} listeners {told() if file.exists() else 'none'} came in")
            time.sleep(0.1)
        yield told
    finally:
        child.stop()


SCENARIO = Scenario(
    "listeners",
    "1,000 browsers listen to everything that changes",
    (
        Spec("none_rate", "nobody listens: finished runs of one pure step", "/s"),
        Spec("one_rate", "one listens", "/s", "", "none_rate"),
        Spec("many_rate", "1,000 listen (their client shares the two cores)", "/s", "≥ 90 %", "none_rate"),
        Spec("none_cpu", "nobody: server CPU for each run", "µs"),
        Spec("one_cpu", "one", "µs"),
        Spec("many_cpu", "1,000", "µs"),
        Spec("share", "CPU for each run, of that without listeners", "×", "≤ 1.1"),
        Spec("more", "memory that 1,000 quiet listeners take", "MB", "≤ 150"),
        Spec("many_memory", "memory after the flood, more than before they came", "MB", "≤ 150"),
        Spec("many_heard", "what each was sent in the flood", "KB"),
    ),
    measure,
)
