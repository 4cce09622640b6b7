"""Running one program: its streams, its end, and the end of everything that it started."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from reactor.connectors.shell.guard import GUARD
from reactor.sdk import PermanentError, TransientError

GRACE = 2.0
"""Seconds between SIGTERM and SIGKILL."""
DRAIN = 0.2
"""Seconds that the streams may stay open after the program has ended, before its left-over children are ended too."""
_STREAMS = 2
_MOST_LINES, _LONGEST_LINE = 2_000, 8_192
"""Of each stream that are told as they come; all of it is in the output."""
_ENDED = ("Z", "X")
# The program is held at a gate, the first line of its input, until the guard knows it: if Reactor dies in between, the
# gate never opens. (`read` takes single bytes from a pipe, so the rest of the input is left for the program.)
_GATE = 'IFS= read -r _ || exit 125; exec "$@"'


class Program(msgspec.Struct, frozen=True, kw_only=True):
    """What to run."""

    argv: list[str]
    env: dict[str, str]
    cwd: str | None
    stdin: bytes
    keep: int
    """Bytes kept of each stream."""
    say: Callable[[str], None] = lambda _: None
    """Told lines of its output as they come."""


class Stream(asyncio.Protocol):
    """Reads one output stream to its end, keeps its beginning and its end, and tells its first lines as they come."""

    def __init__(self, keep: int, say: Callable[[str], None] | None = None) -> None:
        self._say = say
        self._line = b""
        self._said = 0
        self._head_room = keep // 2
        self._tail_room = keep - keep // 2
        self._head = bytearray()
        self._tail = bytearray()
        self._total = 0
        self.closed = asyncio.get_running_loop().create_future()

    def data_received(self, data: bytes) -> None:
        self._total += len(data)
        if self._say is not None:
            self._tell(data)
        missing = self._head_room - len(self._head)
        if missing > 0:
            self._head += data[:missing]
            data = data[missing:]
        self._tail += data
        if len(self._tail) > 2 * self._tail_room:
            del self._tail[: len(self._tail) - self._tail_room]

    def _tell(self, data: bytes) -> None:
        *lines, rest = (self._line + data).split(b"\n")
        if len(rest) > _LONGEST_LINE:
            lines, rest = [*lines, rest], b""
        self._line = rest
        for line in lines:
            if self._say is not None and (text := line.decode("utf-8", "replace").rstrip()):
                self._say(text)
                self._said += 1
                if self._said > _MOST_LINES:
                    self._say = None

    def connection_lost(self, exc: Exception | None) -> None:
        if self._say is not None and self._line:
            self._tell(b"\n")
        if not self.closed.done():
            self.closed.set_result(None)

    @property
    def left_out(self) -> int:
        """Bytes of the middle that were not kept."""
        return max(0, self._total - self._head_room - self._tail_room)

    def text(self) -> str:
        """What was kept, as text; bytes that are not UTF-8 become `�`."""
        if not self.left_out:
            return (self._head + self._tail).decode("utf-8", "replace")
        head = self._head.decode("utf-8", "replace")
        tail = self._tail[len(self._tail) - self._tail_room :].decode("utf-8", "replace")
        return f"{head}\n… {self.left_out} bytes left out …\n{tail}"


class _Input(asyncio.BaseProtocol):
    """Knows whether the program's input is still open."""

    lost = False

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost = True


class Ended(msgspec.Struct, frozen=True):
    """How it went. A negative `code` is the signal that killed it."""

    code: int
    stdout: Stream
    stderr: Stream
    timed_out: bool


async def run(program: Program, timeout: float | None) -> Ended:
    """Run it to its end, to the timeout, or to our cancellation; nothing of it is left afterwards.

    Raises:
        PermanentError: kind `input`: a NUL in an argument, no such `cwd`, or more arguments than the system takes.
        TransientError: kind `shell.start`: the system has no room for another process.
    """
    child = _Child(await _start(program), program)
    timed_out = False
    try:
        async with asyncio.timeout(timeout):
            await child.talk(program.stdin)
    except TimeoutError:
        timed_out = True
    finally:
        await _see_out(child)
    return Ended(child.process.returncode, child.stdout, child.stderr, timed_out)


async def _start(program: Program) -> subprocess.Popen[bytes]:
    """Start it off the loop (its file may be on a slow disk). Cancelled meanwhile, it never passes the gate."""
    starting = asyncio.ensure_future(asyncio.to_thread(_spawn, program))
    try:
        return await asyncio.shield(starting)
    except asyncio.CancelledError:
        await asyncio.wait([starting])
        if not starting.exception():
            await _see_out(_Child(starting.result(), program))
        raise


async def _see_out(child: _Child) -> None:
    """Wait for the end of everything, even if we are cancelled meanwhile (then without grace)."""
    ending = asyncio.ensure_future(child.end())
    try:
        await asyncio.shield(ending)
    except asyncio.CancelledError:
        child.signal(signal.SIGKILL)
        await asyncio.wait([ending])
        raise


class _Child:
    """A process in a session of its own, with the transports of its three pipes."""

    def __init__(self, process: subprocess.Popen[bytes], program: Program) -> None:
        self.process = process
        self.stdout = Stream(program.keep, program.say)
        self.stderr = Stream(program.keep, program.say)
        self._exited, self._unwatch = _watch(process)
        self._readers: list[asyncio.BaseTransport] = []
        self._writer: asyncio.WriteTransport | None = None
        self._input = _Input()

    async def talk(self, stdin: bytes) -> None:
        """Open the gate, feed the input, and wait until the program has ended."""
        loop = asyncio.get_running_loop()
        for stream, pipe in ((self.stdout, self.process.stdout), (self.stderr, self.process.stderr)):
            transport, _ = await loop.connect_read_pipe(lambda stream=stream: stream, pipe)  # type: ignore[misc]
            self._readers.append(transport)
        self._writer, _ = await loop.connect_write_pipe(lambda: self._input, self.process.stdin)
        self._writer.write(b"\n" + stdin)
        self._writer.write_eof()
        await asyncio.shield(self._exited)

    def signal(self, number: int) -> None:
        """To every process of the group, while its id is still ours."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, number)

    async def end(self) -> None:
        """Leave nothing behind: no process of the group, no zombie, no open pipe."""
        try:
            if self._exited.done():
                await self._drain(DRAIN)
            else:
                await self._stop()
            self.signal(signal.SIGTERM)  # what is left in the background; before the leader's id can be used again
            self.process.wait()
            await self._clear()
        except asyncio.CancelledError:  # the loop itself is being shut down
            self.signal(signal.SIGKILL)
            self.process.wait()
            raise
        finally:
            self._unwatch()
            GUARD.remove(self.process.pid)
            await self._close()

    async def _stop(self) -> None:
        self.signal(signal.SIGTERM)
        self.signal(signal.SIGCONT)
        await asyncio.wait([self._exited], timeout=GRACE)
        if not self._exited.done():
            self.signal(signal.SIGKILL)
            await asyncio.wait([self._exited])

    async def _drain(self, seconds: float) -> None:
        if len(self._readers) == _STREAMS:
            await asyncio.wait([self.stdout.closed, self.stderr.closed], timeout=seconds)

    async def _clear(self) -> None:
        """Wait for the group's other processes; after the grace they are killed."""
        until, pause = time.monotonic() + GRACE, 0.005
        while _group_exists(self.process.pid) and await asyncio.to_thread(_group_runs, self.process.pid):
            if time.monotonic() > until:
                self.signal(signal.SIGKILL)
                return
            await asyncio.sleep(pause)
            pause = min(pause * 2, 0.2)

    async def _close(self) -> None:
        await self._drain(GRACE)  # only somebody who left the group can still hold them open
        if self._writer is not None and not self._input.lost:
            self._writer.abort()
        for transport in self._readers:
            transport.close()
        await self._drain(GRACE)
        if self._writer is None or len(self._readers) < _STREAMS:
            for pipe in (self.process.stdin, self.process.stdout, self.process.stderr):
                if pipe is not None:
                    pipe.close()


def _spawn(program: Program) -> subprocess.Popen[bytes]:
    try:
        process = subprocess.Popen(
            ["/bin/sh", "-c", _GATE, "sh", *program.argv],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            env=program.env,
            cwd=program.cwd,
            start_new_session=True,
        )
    except ValueError as error:  # a NUL or half a surrogate pair
        raise PermanentError("input", f"the command, its arguments or its env cannot be passed on: {error}") from error
    except OSError as error:
        raise _not_spawned(error, program.cwd) from error
    GUARD.add(process.pid)
    return process


def _not_spawned(error: OSError, cwd: str | None) -> PermanentError | TransientError:
    if error.errno in {errno.EAGAIN, errno.ENOMEM, errno.EMFILE, errno.ENFILE}:
        return TransientError("shell.start", f"the system could not start a process: {error.strerror}")
    if error.errno == errno.E2BIG:
        return PermanentError("input", "the command, its arguments and environment are longer than the system takes")
    return PermanentError("input", f"cwd {cwd!r}: {error.strerror}")


def _group_exists(group: int) -> bool:
    with contextlib.suppress(ChildProcessError):  # where we are process 1, orphans become our children
        while os.waitpid(-group, os.WNOHANG) != (0, 0):
            pass
    try:
        os.killpg(group, 0)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def _group_runs(group: int) -> bool:
    """Whether a process of the group still runs; one that has ended and was only not reaped does not count."""
    stats = [stat for entry in Path("/proc").glob("[0-9]*/stat") if (stat := _stat(entry))]
    return not stats or any(int(stat[2]) == group and stat[0] not in _ENDED for stat in stats)


def _stat(path: Path) -> list[str] | None:
    """The fields of `/proc/PID/stat` from the third on: state, parent, group."""
    try:
        return path.read_text(errors="replace").rpartition(")")[2].split()
    except OSError:
        return None


def _watch(process: subprocess.Popen[bytes]) -> tuple[asyncio.Future[None], Callable[[], None]]:
    """A future that is done when the process has ended (not reaped: its id stays ours), and how to stop watching."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[None] = loop.create_future()
    try:
        descriptor = os.pidfd_open(process.pid)
    except (AttributeError, OSError):  # not on Linux, or out of file descriptors
        threading.Thread(target=_wait_in_thread, args=(process, loop, done), daemon=True).start()
        return done, lambda: None

    def unwatch() -> None:
        nonlocal descriptor
        if descriptor >= 0:
            loop.remove_reader(descriptor)
            os.close(descriptor)
            descriptor = -1

    loop.add_reader(descriptor, _finish, done)
    return done, unwatch


def _wait_in_thread(
    process: subprocess.Popen[bytes], loop: asyncio.AbstractEventLoop, done: asyncio.Future[None]
) -> None:
    process.wait()
    with contextlib.suppress(RuntimeError):  # the loop has been closed
        loop.call_soon_threadsafe(_finish, done)


def _finish(done: asyncio.Future[None]) -> None:
    if not done.done():
        done.set_result(None)
