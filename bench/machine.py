"""What the figures were measured on, in one line."""

from __future__ import annotations

import os
import platform
import sqlite3
from datetime import UTC, datetime
from pathlib import Path


def line(folder: Path) -> str:
    """Processor, memory, disk, versions, load before we began."""
    load = f"{os.getloadavg()[0]:.1f}"
    return (
        f"{os.cpu_count()} × {_processor()}, {_memory()} GB, {_file_system(folder)}; {platform.system()} "
        f"{platform.release()}, Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}; "
        f"load before the start {load}; {datetime.now(UTC):%Y-%m-%d %H:%M} UTC"
    )


def _processor() -> str:
    try:
        for row in Path("/proc/cpuinfo").read_text().splitlines():
            if row.startswith("model name"):
                return " ".join(row.partition(":")[2].split())
    except OSError:
        pass
    return platform.machine()


def _memory() -> int:
    return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9)


def _file_system(folder: Path) -> str:
    """The type of the file system that the data lies on; one in memory has no disk to wait for."""
    best, kind = "", "unknown file system"
    try:
        for row in Path("/proc/mounts").read_text().splitlines():
            _, place, name, *_ = row.split()
            if len(place) >= len(best) and folder.resolve().is_relative_to(place):
                best, kind = place, name
    except OSError:
        pass
    return f"{kind} (in memory: NOT DURABLE)" if kind in ("tmpfs", "ramfs") else kind
