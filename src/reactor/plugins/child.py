"""The process of a plugin: how it is started, how it says that it is there, how it is ended. It never outlives us."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import secrets
import shutil
import signal
import socket
import stat
import sys
import tempfile
from pathlib import Path

import msgspec

from reactor.plugins.folder import PluginFolder, other_protocol
from reactor.plugins.limits import Limits
from reactor.plugins.noise import Noise
from reactor.sdk.plugin import protocol
from reactor.sdk.plugin.protocol import Handshake

# Asks the kernel to be ended with its parent, and turns into the plugin. `sys.argv`: parent, program and arguments.
_LAUNCH = """
import ctypes, os, sys
getattr(ctypes.CDLL(None), "prctl", lambda *_: None)(1, 9, 0, 0, 0)
if os.getppid() != int(sys.argv[1]):
    sys.exit("the parent is gone")
os.execv(sys.argv[2], sys.argv[2:])
"""
HANDED_ON = ("PATH", "HOME", "USER", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "TMPDIR")
"""Variables that every plugin gets; all others only if its declaration names them."""
_LONGEST_LINE = 64 << 10
_PREFIX = "reactor-plugin-"
_GLANCE = 0.1
"""Seconds."""
_SHOWN = 80
"""Characters of what was said in place of the handshake."""


def _sweep() -> None:
    """Take away the folders that a killed Reactor has left: its process is gone, and nobody listens in them."""
    if not Path("/proc/self").exists():
        return
    for place in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*-*"):
        number = place.name.removeprefix(_PREFIX).partition("-")[0]
        with contextlib.suppress(OSError):
            ours = number.isdecimal() and place.stat().st_uid == os.getuid()
            if ours and not Path("/proc", number).exists() and not _listens(place):
                shutil.rmtree(place, ignore_errors=True)


def _listens(place: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(str(place / "socket"))
        except OSError:
            return False
    return True


class Unstarted(Exception):
    """The plugin does not come up; one sentence."""


class Child:
    """One running process of a plugin. Made by `start`."""

    def __init__(self, folder: PluginFolder, limits: Limits, log: logging.Logger) -> None:
        self._folder, self._limits = folder, limits
        self._noise = Noise(log)
        _sweep()
        self._place = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-"))  # mode 0700
        self.socket = self._place / "socket"
        self.token, self.proof = secrets.token_urlsafe(32), secrets.token_urlsafe(32)
        self.last_line = ""
        """The last thing that it said on stderr."""
        self._process: asyncio.subprocess.Process | None = None
        self._drains: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Start it; returns when its socket listens. A failed start leaves nothing behind.

        Raises:
            Unstarted: it cannot be started, ends, says something else, or nothing in time.
        """
        try:
            await self._start()
            async with asyncio.timeout(self._limits.start):
                self._check(await self._handshake())
        except TimeoutError:
            await self.end(0)
            raise Unstarted(
                f"it said nothing within {self._limits.start:g} s of its start; it has to write its handshake"
            ) from None
        except BaseException:
            await self.end(0)
            raise

    async def _start(self) -> None:
        command = [sys.executable, "-I", "-S", "-c", _LAUNCH, str(os.getpid()), *self._command()]
        try:
            self._process = await asyncio.create_subprocess_exec(
                *command,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                cwd=self._folder.path,
                env=self._environment(),
                start_new_session=True,
                limit=_LONGEST_LINE,
            )
        except OSError as error:
            raise Unstarted(f"it cannot be started: {error.strerror}") from None
        assert self._process.stderr is not None  # noqa: S101 - a pipe, as asked
        self._drain(self._process.stderr, remember=True)

    def _command(self) -> list[str]:
        program, *arguments = self._folder.declared.command
        if program == "{python}":
            found: str | None = sys.executable
        elif "/" in program:
            inside = self._folder.path / program
            found = str(inside) if os.access(inside, os.X_OK) and inside.is_file() else None
        else:
            found = shutil.which(program)
        if found is None:
            raise Unstarted(f"its program {program!r} is not there; install or build it")
        return [found, *arguments]

    def _environment(self) -> dict[str, str]:
        names = (*HANDED_ON, *self._folder.declared.env)
        kept = {name: os.environ[name] for name in names if name in os.environ}
        return kept | {
            protocol.SOCKET: str(self.socket),
            protocol.TOKEN: self.token,
            protocol.PROOF: self.proof,
            protocol.PROTOCOLS: str(protocol.VERSION),
        }

    def _drain(self, stream: asyncio.StreamReader, *, remember: bool = False) -> None:
        seen = self._remember if remember else (lambda _: None)
        self._drains.append(asyncio.create_task(self._noise.drain(stream, seen)))

    def _remember(self, line: str) -> None:
        self.last_line = line

    async def _handshake(self) -> bytes:
        assert self._process is not None  # noqa: S101 - started
        assert self._process.stdout is not None  # noqa: S101 - a pipe, as asked
        try:
            line = await self._process.stdout.readline()
        except ValueError:
            raise Unstarted(f"the first line on its stdout is longer than {_LONGEST_LINE} bytes") from None
        if not line:
            raise Unstarted(f"it ended before it was ready{await self.ended()}")
        self._drain(self._process.stdout)
        return line

    def _check(self, line: bytes) -> None:
        try:
            said = msgspec.json.decode(line, type=Handshake)
        except msgspec.MsgspecError:
            shown = line[:_SHOWN].decode("utf-8", "replace").strip()
            raise Unstarted(
                f"the first line on its stdout is {shown!r}, not the handshake; let it write everything else to stderr"
            ) from None
        if said.protocol != protocol.VERSION:
            raise Unstarted(other_protocol(said.protocol))
        if not said.ready or not self.socket.exists() or not stat.S_ISSOCK(self.socket.lstat().st_mode):
            raise Unstarted(f"it said that it is ready, and does not listen on ${protocol.SOCKET}")

    async def ended(self) -> str:
        """Wait for the end, and tell how: ` (exit status 3): the last line`."""
        assert self._process is not None  # noqa: S101 - started
        await self.wait()
        status = self._process.returncode or 0
        await asyncio.wait(self._drains[:1], timeout=0.5)  # what it said last; a grandchild may hold the pipe open
        known = {number.value: number.name for number in signal.Signals}
        how = f"signal {known.get(-status, -status)}" if status < 0 else f"exit status {status}"
        last = f"; it said: {self.last_line[:300]}" if self.last_line else ""
        return f" ({how}){last}"

    async def wait(self) -> None:
        """Until it has ended. asyncio alone may wait for its pipes too, which a grandchild can hold open for ever."""
        assert self._process is not None  # noqa: S101 - started
        waiting = asyncio.create_task(self._process.wait())
        try:
            while self._process.returncode is None:
                await asyncio.wait({waiting}, timeout=_GLANCE)
        finally:
            waiting.cancel()
            await asyncio.gather(waiting, return_exceptions=True)

    def kill(self) -> None:
        """End it with all that it has started."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)
            if self._process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    self._process.kill()

    async def end(self, grace: float) -> None:
        """Close its standard input, wait so many seconds, kill what is left, and clean up."""
        try:
            if self._process is not None:
                if self._process.stdin is not None:
                    self._process.stdin.close()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(grace):
                        await self.wait()
                self.kill()
                await self.wait()
                self._process._transport.close()  # type: ignore[attr-defined]  # noqa: SLF001 - a grandchild may hold the pipes
        finally:
            for drain in self._drains:
                drain.cancel()
            await asyncio.gather(*self._drains, return_exceptions=True)
            shutil.rmtree(self._place, ignore_errors=True)

    @property
    def pid(self) -> int:
        """Of the process."""
        assert self._process is not None  # noqa: S101 - started
        return self._process.pid
