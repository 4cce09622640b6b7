"""A plugin that is a process of its own, which is the server: the example `weather-py`, which reads a growing file."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from tests.sources.rig import Rig

EXAMPLE = Path(__file__).parents[2] / "examples/plugins/weather-py"
_WITHIN = 20.0
"""Seconds in which Reactor starts a plugin."""


class Process:
    """The plugin's process, which Reactor starts, and starts again by itself. It is known by the folder it runs in."""

    alive = True
    """What is sent is kept, whether it runs or not."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder.resolve()
        self._hung: int | None = None

    def pid(self) -> int:
        """Of the process, once it is there."""
        end = time.monotonic() + _WITHIN
        while time.monotonic() < end:
            for found in Path("/proc").glob("[0-9]*"):
                with contextlib.suppress(OSError):
                    if (found / "cwd").readlink() == self._folder:
                        return int(found.name)
            time.sleep(0.02)
        raise AssertionError(f"no plugin runs in {self._folder}")

    def kill(self) -> None:
        """`kill -9`."""
        os.kill(self.pid(), signal.SIGKILL)

    def start(self) -> None:
        """Reactor does that."""

    def hang(self) -> None:
        """It stands still."""
        self._hung = self.pid()
        os.kill(self._hung, signal.SIGSTOP)

    def wake(self) -> None:
        """It goes on, if Reactor has not ended it."""
        assert self._hung is not None
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._hung, signal.SIGCONT)


class Plugin(Rig):
    """A copy of the example in a folder of its own, and a new station for each test."""

    name = "plugin"

    def __init__(self) -> None:
        self._place = Path(tempfile.mkdtemp(prefix="reactor-plugin-rig-"))
        self._folder = self._place / "plugin"
        shutil.copytree(EXAMPLE, self._folder, ignore=shutil.ignore_patterns("__pycache__"))
        self.server = Process(self._folder)  # type: ignore[assignment]  # nothing that we start
        self.file = self._place / "readings.jsonl"

    def close(self) -> None:
        shutil.rmtree(self._place)

    def fresh(self, number: int) -> None:
        self.file = self._place / f"station-{number}" / "readings.jsonl"
        self.file.parent.mkdir()
        self.file.touch()

    def on(self) -> str:
        return "{weather: {connection: station, every: 0.02}}"

    def connections(self) -> str:
        return json.dumps({"station": {"type": "weather-station", "folder": str(self.file.parent)}})

    def settings(self) -> dict[str, str]:
        return {"REACTOR_PLUGINS": str(self._folder), "REACTOR_FILE_ROOTS": str(self._place)}

    def send(self, numbers: Sequence[int]) -> None:
        with self.file.open("a") as file:
            file.writelines(f'{{"n": {n}}}\n' for n in numbers)

    def again(self, numbers: Sequence[int]) -> None:
        """The whole file is written anew, as it was."""
        new = self.file.with_suffix(".new")
        new.write_bytes(self.file.read_bytes())
        new.replace(self.file)

    def poison(self) -> None:
        with self.file.open("ab") as file:
            file.write(b"\xff\xfe\n")

    def left(self) -> int:
        """A file does not know who has read it."""
        return 0
