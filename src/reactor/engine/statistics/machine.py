"""What the process and its machine use: CPU, memory, disk."""

from __future__ import annotations

import os
import shutil
import socket
from pathlib import Path
from typing import Any

import msgspec


class Usage(msgspec.Struct, frozen=True):
    """One look."""

    cpu: float = 0.0
    """Percent of one core that this process has used since the look before."""
    memory: int = 0
    """Resident bytes of this process."""
    machine_cpu: float = 0.0
    """Percent of all cores that everything has used since the look before."""
    machine_memory: int = 0
    """Bytes that the machine has left for programs."""
    disk_free: int = 0
    disk_size: int = 0
    store: int = 0
    """Bytes of the store's file with its log; blobs are not counted."""


class Machine:
    """Looks at this process. psutil comes with the first look: who only executes a flow does not need it."""

    def __init__(self, folder: Path | None = None, store: Path | None = None) -> None:
        """`folder`: whose disk counts. `store`: the store's file."""
        self._folder = folder
        self._store = store
        self._psutil: Any = None
        self._process: Any = None

    def look(self) -> Usage:
        """Now. Blocks: a disk of the network may take its time."""
        if self._psutil is None:
            import psutil  # noqa: PLC0415 - see the class

            self._psutil, self._process = psutil, psutil.Process()
        free, size = self._disk()
        return Usage(
            cpu=self._process.cpu_percent(),
            memory=self._process.memory_info().rss,
            machine_cpu=self._psutil.cpu_percent(),
            machine_memory=self._psutil.virtual_memory().available,
            disk_free=free,
            disk_size=size,
            store=sum(map(_size, self._files())),
        )

    def about(self) -> dict[str, Any]:
        """What does not change."""
        import psutil  # noqa: PLC0415 - see the class

        return {
            "host": socket.gethostname(),
            "pid": os.getpid(),
            "cpus": os.cpu_count() or 1,
            "machine_memory_size": psutil.virtual_memory().total,
        }

    def _disk(self) -> tuple[int, int]:
        if self._folder is None:
            return 0, 0
        try:
            usage = shutil.disk_usage(self._folder)
        except OSError:
            return 0, 0  # no size: nobody takes that for a full disk
        return usage.free, usage.total

    def _files(self) -> list[Path]:
        if self._store is None:
            return []
        return [self._store, self._store.with_name(self._store.name + "-wal")]


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
