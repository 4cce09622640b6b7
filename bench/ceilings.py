"""What this machine allows, measured in the same run as what Reactor reaches."""

from __future__ import annotations

import os
import statistics
import time
from pathlib import Path

from bench import load
from bench.process import free_port, own, wait_for_port


def web(folder: Path, body: bytes, seconds: float) -> float:
    """Requests a second of a bare Starlette route that reads the JSON and answers 202."""
    port = free_port()
    child = own("bare", port, cwd=folder)
    try:
        wait_for_port(child, port)
        url = f"http://127.0.0.1:{port}/hook"
        load.run(url, body, folder, seconds=1)
        return load.run(url, body, folder, seconds=seconds).rate
    finally:
        child.stop()


def group_commit(folder: Path, seconds: float) -> float:
    """Flows a second that a prototype of group commit puts on disk for 64 waiters, without an engine or HTTP."""
    place = folder / f"group-{time.monotonic_ns()}"
    place.mkdir()
    child = own("group_commit", place, seconds, cwd=folder)
    try:
        return float(child.output(seconds + 60).split()[0])
    finally:
        child.stop()


def requests_alone(folder: Path, kind: str, method: str, url: str, seconds: float) -> float:
    """Requests a second of an HTTP client alone, as many at a time as there are connections in a load."""
    child = own("requests_alone", kind, method, url, load.CONNECTIONS, seconds, cwd=folder)
    try:
        return float(child.output(seconds + 60))
    finally:
        child.stop()


def flush(folder: Path, count: int = 300) -> float:
    """Microseconds of one fdatasync after 4 KB more, the median."""
    path = folder / f"flush-{time.monotonic_ns()}"
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    times = []
    try:
        for _ in range(count):
            os.write(handle, b"x" * 4096)
            begun = time.perf_counter()
            os.fdatasync(handle)
            times.append((time.perf_counter() - begun) * 1e6)
    finally:
        os.close(handle)
        path.unlink()
    return statistics.median(times)
