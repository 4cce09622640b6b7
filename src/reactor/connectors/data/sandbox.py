"""jq and regular expressions in processes of their own: a loop or a flood of memory in C cannot be stopped from inside.

A few processes are kept and used again. Each answers one request at a time; one that is late is killed.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import select
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import msgspec

from reactor.connectors.data import child
from reactor.connectors.data.actions import TEXT_LIMIT, bounded
from reactor.sdk import PermanentError

PROCESSES = 4
_START_WITHIN = 20.0
_CHUNK = 1 << 16


async def jq(program: str, value: Any, args: Mapping[str, Any], seconds: float) -> list[Any]:
    """All results of a jq program.

    Raises:
        PermanentError: kinds `input`, `timeout`, `data.memory`, `data.jq`.
    """
    try:
        body = msgspec.json.encode(value)
        request = msgspec.json.encode({"op": "jq", "program": program, "args": args, "most": TEXT_LIMIT})
    except (TypeError, ValueError, RecursionError) as error:
        raise PermanentError("input", f"input: not a JSON value: {error}") from error
    if max(len(body), len(request)) > TEXT_LIMIT:
        raise PermanentError("input", f"input: {len(body):,} bytes as JSON, at most {TEXT_LIMIT:,} are taken")
    results: list[Any] = await SANDBOX.ask(request, body, seconds)
    return results


async def regex(request: Mapping[str, Any], text: str, seconds: float) -> Any:
    """What a regular expression says of a text.

    Raises:
        PermanentError: kinds `input`, `timeout`, `data.memory`.
    """
    try:
        head = msgspec.json.encode({"op": "regex", "most": TEXT_LIMIT, **request})
        body = bounded("text", text).encode()
    except UnicodeEncodeError as error:
        raise PermanentError("input", f"text or pattern: half a character at {error.start}") from error
    return await SANDBOX.ask(head, body, seconds)


class _Late(Exception):
    """No answer in time."""


class _Worker:
    """One process."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            _command(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            cwd="/",
            bufsize=0,
            start_new_session=True,
        )
        try:
            self._read(time.monotonic() + _START_WITHIN)
        except (OSError, _Late) as error:
            self.end()
            raise RuntimeError("the process for jq and regular expressions does not start") from error

    def ask(self, head: bytes, body: bytes, seconds: float) -> Any:
        """Its answer.

        Raises:
            OSError: it died.
            _Late: it has not answered in time.
        """
        if self.process.stdin is None:
            raise BrokenPipeError
        deadline = time.monotonic() + seconds
        for piece in child.framed(seconds, head, body):
            rest = memoryview(piece)
            while rest:
                rest = rest[self.process.stdin.write(rest) or 0 :]
        return msgspec.json.decode(self._read(deadline))

    def _read(self, deadline: float) -> bytes:
        return self._take(child.LENGTH.unpack(self._take(child.LENGTH.size, deadline))[0], deadline)

    def _take(self, size: int, deadline: float) -> bytes:
        out = self.process.stdout
        if out is None:
            raise BrokenPipeError
        poll = select.poll()
        poll.register(out, select.POLLIN | select.POLLHUP)
        parts = bytearray()
        while len(parts) < size:
            if not poll.poll(max(0, deadline - time.monotonic()) * 1000):
                raise _Late
            piece = out.read(min(_CHUNK, size - len(parts)))
            if not piece:
                raise EOFError
            parts += piece
        return bytes(parts)

    def end(self) -> None:
        """Kill it."""
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()


class Sandbox:
    """The processes, and the threads that wait for them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._idle: list[_Worker] = []
        self._threads: ThreadPoolExecutor | None = None

    async def ask(self, head: bytes, body: bytes, seconds: float) -> Any:
        """The answer to one request; when cancelled, the process that works on it is killed."""
        using: list[_Worker] = []
        gone = threading.Event()
        future = asyncio.get_running_loop().run_in_executor(
            self._executor(), self._ask, head, body, seconds, using, gone
        )
        try:
            kind, answer = await asyncio.shield(future)
        except asyncio.CancelledError:
            gone.set()
            for worker in using:
                worker.process.kill()
            future.add_done_callback(lambda done: done.cancelled() or done.exception())
            raise
        if kind != "ok":
            raise PermanentError(kind, answer)
        return answer

    def close(self) -> None:
        """End all processes. The sandbox can be used again afterwards."""
        with self._lock:
            idle, self._idle = self._idle, []
            threads, self._threads = self._threads, None
        for worker in idle:
            worker.end()
        if threads is not None:
            threads.shutdown(wait=False)

    def _executor(self) -> ThreadPoolExecutor:
        with self._lock:
            if self._threads is None:
                self._threads = ThreadPoolExecutor(PROCESSES, thread_name_prefix="reactor-data")
            return self._threads

    def _ask(
        self, head: bytes, body: bytes, seconds: float, using: list[_Worker], gone: threading.Event
    ) -> tuple[str, Any]:
        for worker in self._workers():
            using[:] = [worker]
            if gone.is_set():
                worker.end()
                return "cancelled", ""
            try:
                answer: tuple[str, Any] = worker.ask(head, body, seconds)
            except _Late:
                worker.end()
                return "timeout", f"not finished after {seconds:g} s; `max_time` may be longer"
            except (OSError, EOFError):
                worker.end()
                continue
            finally:
                using.clear()
            self._give_back(worker)
            return answer
        return "data.memory", "it took more memory than it may"

    def _workers(self) -> Iterator[_Worker]:
        """An idle process, then a new one: an old one may have died of something else than our request."""
        with self._lock:
            worker = self._idle.pop() if self._idle else None
        if worker is not None:
            yield worker
        yield _Worker()

    def _give_back(self, worker: _Worker) -> None:
        with self._lock:
            if self._threads is not None and len(self._idle) < PROCESSES:
                self._idle.append(worker)
                return
        worker.end()


def _command() -> list[str]:
    if getattr(sys, "frozen", False):  # one self-contained executable: there is no other python to start
        return [sys.executable, "_worker", "data"]
    return [sys.executable, "-P", str(Path(child.__file__))]


SANDBOX = Sandbox()
