"""jq, in a process of its own: a program may loop for ever or fill memory, and C code cannot be stopped from inside.

The process is started when the first program is met, kept, and killed and replaced when a program overruns.
"""

from __future__ import annotations

import contextlib
import os
import select
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import IO, Any

import msgspec

from reactor.language.expressions.jq_worker import HEADER
from reactor.language.expressions.limits import LIMITS, OverLimit, Refusal

_START_SECONDS = 20.0
_LONGEST_SECONDS = 5.0
"""The most that a machine which is busy elsewhere is waited for."""
_CHUNK = 1 << 16


class _Gone(Exception):
    """The process ended before it answered."""


class Worker:
    """One jq process and the pipes to it. Calls from several threads take turns."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._owner = 0
        self._lock = threading.Lock()

    def ask(self, request: Any) -> Any:
        """One request, one answer.

        Raises:
            OverLimit: no answer in time.
            Refusal: the process cannot be started, or died over this request.
        """
        encoded = msgspec.json.encode(request)
        with self._lock:
            for _ in range(2):
                process = self._running()
                try:
                    return self._exchange(process, encoded)
                except _Gone:
                    self._kill()
                except OverLimit:
                    self._kill()
                    raise
        raise OverLimit("the jq program ended its process: it takes too much memory")

    def close(self) -> None:
        """End the process; the next request starts another."""
        with self._lock:
            self._kill()

    def _running(self) -> subprocess.Popen[bytes]:
        process = self._process
        if process is not None and self._owner == os.getpid() and process.poll() is None:
            return process
        if self._owner == os.getpid():
            self._kill()
        process = subprocess.Popen(
            _command(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "REACTOR_JQ_MEMORY": str(LIMITS.jq_memory)},
            bufsize=0,
        )
        self._process, self._owner = process, os.getpid()
        for pipe in _pipes(process):
            os.set_blocking(pipe.fileno(), False)
        try:
            _read(process, _Patience(_START_SECONDS))  # its greeting
        except (_Gone, OverLimit):
            self._kill()
            raise Refusal("jq cannot be started here; is the package `jq` installed?") from None
        return process

    def _exchange(self, process: subprocess.Popen[bytes], request: bytes) -> Any:
        patience = _Patience(LIMITS.jq_seconds, process.pid)
        _write(process, HEADER.pack(len(request)) + request, patience)
        return msgspec.json.decode(_read(process, patience))

    def _kill(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.kill()
        process.wait()
        for pipe in _pipes(process):
            with contextlib.suppress(OSError):
                pipe.close()


def _command() -> list[str]:
    if getattr(sys, "frozen", False):
        return [sys.executable, "_worker", "jq"]
    return [sys.executable, "-m", "reactor.language.expressions.jq_worker"]


def _pipes(process: subprocess.Popen[bytes]) -> tuple[IO[bytes], IO[bytes]]:
    if process.stdin is None or process.stdout is None:
        raise RuntimeError("the jq process was started without pipes")
    return process.stdin, process.stdout


class _Patience:
    """How long to wait for the process. A machine that stood still is no fault of the program: when the time is over
    by the clock, the process gets as much again of its own time, within bounds.
    """

    def __init__(self, seconds: float, pid: int | None = None) -> None:
        self._deadline = time.monotonic() + seconds
        self._last = time.monotonic() + _LONGEST_SECONDS
        self._pid = pid
        self._mark: float | None = None

    def wait(self, fd: int, event: int) -> None:
        """Until the pipe can be used.

        Raises:
            OverLimit: out of time.
        """
        poller = select.poll()
        poller.register(fd, event)
        while not poller.poll(max(1, int((self._deadline - time.monotonic()) * 1000))):
            self._extend()

    def _extend(self) -> None:
        used = _cpu_seconds(self._pid)
        if self._mark is None:
            self._mark = used
        spent = None if used is None or self._mark is None else used - self._mark
        if spent is None or spent >= LIMITS.jq_seconds / 2 or time.monotonic() >= self._last:
            raise OverLimit(f"the jq program takes longer than {round(LIMITS.jq_seconds * 1000)} ms")
        self._deadline = time.monotonic() + LIMITS.jq_seconds / 4


def _cpu_seconds(pid: int | None) -> float | None:
    """What a process has used of the processor, or None where that cannot be known."""
    if pid is None:
        return None
    try:
        fields = Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()
    except OSError:
        return None
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _write(process: subprocess.Popen[bytes], data: bytes, patience: _Patience) -> None:
    fd = _pipes(process)[0].fileno()
    view = memoryview(data)
    while view:
        try:
            view = view[os.write(fd, view) :]
        except BlockingIOError:
            patience.wait(fd, select.POLLOUT)
        except OSError:
            raise _Gone from None


def _read(process: subprocess.Popen[bytes], patience: _Patience) -> bytes:
    fd = _pipes(process)[1].fileno()
    data = bytearray()
    while len(data) < HEADER.size or len(data) < HEADER.size + HEADER.unpack_from(data)[0]:
        patience.wait(fd, select.POLLIN)
        try:
            chunk = os.read(fd, _CHUNK)
        except BlockingIOError:
            continue
        if not chunk:
            raise _Gone
        data += chunk
    return bytes(data[HEADER.size :])


_worker = Worker()


def run(program: str, data: str, *, everything: bool) -> list[Any]:
    """The results of a program over one JSON text: all of them, or at most two (enough to see that there are several).

    Raises:
        Refusal: the program is wrong or failed.
        OverLimit: out of time or memory.
    """
    kind, answer = _worker.ask([program, data, LIMITS.items // 10 if everything else 2])
    if kind == "ok":
        return list(answer)
    if kind == "limit":
        raise OverLimit(f"the jq program {answer}")
    raise Refusal(f"jq: {answer}")


def check(program: str) -> str | None:
    """What is wrong with a program, or None.

    Raises:
        Refusal: jq cannot be started.
    """
    kind, answer = _worker.ask([program, None, 0])
    return None if kind == "ok" else str(answer)


def close() -> None:
    """End the jq process; it starts again when it is needed."""
    _worker.close()
