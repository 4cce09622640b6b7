"""Measurements that several scenarios share: a load, and what the server did meanwhile."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from bench import load
from bench.process import BenchError
from bench.server import Server

_SLACK = load.CONNECTIONS * 2


@dataclass(frozen=True)
class Seen:
    """What a load met, and the server's own account of the time."""

    rate: float
    """Answers a second."""
    p50: float
    p99: float
    finished: float
    """Runs that ended, a second."""
    cpu: float
    """Microseconds of the server's processor time for one request."""


def under_load(server: Server, path: str, body: bytes, seconds: float, *, connections: int = load.CONNECTIONS) -> Seen:
    """Warm up, then load: rates are of the window in which the load was on, counted by the server.

    Raises:
        BenchError: what was acknowledged and what the server has committed differ.
    """
    folder: Path = server.folder
    load.run(server.url(path), body, folder, seconds=1, connections=connections)
    _settle(server)
    before = server.metrics()
    running = load.start(server.url(path), body, folder, seconds=seconds + 1, connections=connections)
    time.sleep(0.5)
    begun, cpu, first = time.perf_counter(), server.process.cpu(), server.metrics()
    time.sleep(seconds)
    ended, used, last = time.perf_counter(), server.process.cpu() - cpu, server.metrics()
    found = running.wait()
    _settle(server)
    after = server.metrics()
    committed = after["events_accepted_total"] - before["events_accepted_total"]
    if not found.requests <= committed <= found.requests + _SLACK:
        raise BenchError(f"{path}: {found.requests} acknowledged, {committed} committed")
    if after["runs_failed_total"] != before["runs_failed_total"]:
        raise BenchError(f"{path}: runs failed")
    lasted = ended - begun
    accepted = last["events_accepted_total"] - first["events_accepted_total"]
    finished = last["runs_finished_total"] - first["runs_finished_total"]
    return Seen(found.rate, found.p50, found.p99, finished / lasted, used / max(accepted, 1) * 1e6)


def _settle(server: Server) -> None:
    """Until nothing is under way."""
    server.wait_until(lambda m: m["runs_in_memory"] == 0 and m["queue_events"] == 0, "runs end")
