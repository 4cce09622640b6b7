"""Child processes: started, watched through /proc, ended by their id, and never left behind."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
_TICKS = os.sysconf("SC_CLK_TCK")
_PDEATHSIG = 1


class BenchError(Exception):
    """A measurement that would not mean what its name says: nothing is reported then."""


def free_port() -> int:
    """A TCP port of the loopback that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _die_with_parent() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


class Child:
    """One running program."""

    def __init__(
        self, argv: Sequence[str], *, cwd: Path, env: Mapping[str, str] | None = None, log: Path | None = None
    ) -> None:
        """`log`: takes its output and errors; without, they can be read by `output`."""
        self._log = log
        self.started = time.perf_counter()
        with contextlib.ExitStack() as stack:
            sink = subprocess.PIPE if log is None else stack.enter_context(log.open("ab"))
            self.popen = subprocess.Popen(
                argv,
                cwd=cwd,
                env=dict(env if env is not None else os.environ),
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=subprocess.PIPE if log is None else sink,
                preexec_fn=_die_with_parent,  # noqa: PLW1509 - the bench has no threads
            )

    @property
    def pid(self) -> int:
        return self.popen.pid

    def check(self) -> None:
        """Raises BenchError when it has ended."""
        code = self.popen.poll()
        if code is not None:
            raise BenchError(f"{self.popen.args!r} ended with {code}: {self.tail()}")

    def tail(self) -> str:
        """The last of what it said."""
        if self._log is not None:
            return self._log.read_text("utf-8", "replace")[-2_000:]
        return self.popen.stderr.read().decode("utf-8", "replace")[-2_000:] if self.popen.stderr else ""

    def output(self, timeout: float) -> str:
        """What it printed, once it has ended well."""
        out, err = self.popen.communicate(timeout=timeout)
        if self.popen.returncode:
            raise BenchError(f"{self.popen.args!r} ended with {self.popen.returncode}: {err.decode()[-2_000:]}")
        return out.decode()

    def stop(self, number: int = signal.SIGTERM, patience: float = 60.0) -> None:
        """End it and wait. Safe to call twice."""
        if self.popen.poll() is None:
            self.popen.send_signal(number)
            try:
                self.popen.wait(patience)
            except subprocess.TimeoutExpired:
                self.popen.kill()
                self.popen.wait()
        for pipe in (self.popen.stdout, self.popen.stderr):
            if pipe is not None:
                pipe.close()

    def cpu(self) -> float:
        """Seconds of processor time that it has used, all threads."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS

    def rss(self) -> float:
        """Resident megabytes (10^6)."""
        for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024 / 1e6
        return 0.0


def own(module: str, *args: object, cwd: Path, env: Mapping[str, str] | None = None) -> Child:
    """One of `bench.children`, in our own interpreter."""
    merged = {**os.environ, **(env or {})}
    merged["PYTHONPATH"] = os.pathsep.join(filter(None, (str(ROOT), merged.get("PYTHONPATH", ""))))
    return Child([sys.executable, "-m", f"bench.children.{module}", *map(str, args)], cwd=cwd, env=merged)


def wait_for_port(child: Child, port: int, patience: float = 20.0) -> None:
    """Until somebody listens."""
    until = time.perf_counter() + patience
    while time.perf_counter() < until:
        child.check()
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.01)
    raise BenchError(f"{child.popen.args!r} does not listen on port {port}")
