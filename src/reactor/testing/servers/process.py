"""What all throw-away servers share: a process that is gone with ours, killed and started again by tests."""

from __future__ import annotations

import contextlib
import functools
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NoReturn, Self

READY_WITHIN = 30.0
"""Seconds."""
# Becomes another user, asks the kernel to be ended with its parent (in this order: a change of user would cancel it),
# and turns into the program. `sys.argv`: user, signal, parent, program and arguments.
_LAUNCH = """
import ctypes, os, pwd, sys
user, number = sys.argv[1], int(sys.argv[2])
if user:
    entry = pwd.getpwnam(user)
    os.setgroups([]), os.setgid(entry.pw_gid), os.setuid(entry.pw_uid)
getattr(ctypes.CDLL(None), "prctl", lambda *_: None)(1, number, 0, 0, 0)
if os.getppid() != int(sys.argv[3]):
    sys.exit("the parent is gone")
os.execv(sys.argv[4], sys.argv[4:])
"""


class Missing(RuntimeError):
    """A server program is not installed; the message says how to install it."""


def free_port() -> int:
    """A TCP port of the loopback that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


class Server:
    """A server program on a port and a folder of its own. It keeps both when it is killed and started again.

    Subclasses give the command line and tell when it is ready. `with` starts it, and leaves nothing behind.
    """

    name = "server"
    program = ""
    """Name of the executable."""
    package = ""
    """Debian package that brings it."""
    user = ""
    """Who it runs as; empty: as we are."""
    end = signal.SIGTERM

    def __init__(self) -> None:
        self.host = "127.0.0.1"
        self.port = free_port()
        self.folder = Path(tempfile.mkdtemp(prefix=f"reactor-{self.name}-"))
        self._process: subprocess.Popen[bytes] | None = None

    def command(self) -> list[str]:
        """Program and arguments."""
        raise NotImplementedError

    def prepare(self) -> None:
        """Once, before the first start: files in `folder`."""

    def ready(self) -> bool:
        """Whether it answers; asked every 20 ms. May raise OSError for no."""
        with socket.create_connection((self.host, self.port), timeout=1):
            return True

    @property
    def pid(self) -> int:
        """Of the running process."""
        return self._running().pid

    @property
    def alive(self) -> bool:
        """Whether the process runs."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start it on its port and folder; returns when it is ready.

        Raises:
            Missing: the program is not installed (in a test under pytest: the test is skipped).
            RuntimeError: it does not start; with the end of its log.
        """
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                launch(self.command(), self.user, self.end), stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/"
            )
        until = time.monotonic() + READY_WITHIN
        while time.monotonic() < until and self.alive:
            with contextlib.suppress(OSError):
                if self.ready():
                    return
            time.sleep(0.02)
        raise RuntimeError(f"{self.name} did not start: {self.log()[-2000:]}")

    def kill(self) -> None:
        """`kill -9`: whatever it had not written is lost."""
        self._running().kill()
        self._running().wait(10)

    def stop(self) -> None:
        """Ask it to end, and wait."""
        process = self._running()
        process.send_signal(self.end)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(10)

    def hang(self) -> None:
        """Stop the process without ending it: connections stay open, nothing answers. `wake` lets it go on."""
        self._running().send_signal(signal.SIGSTOP)

    def wake(self) -> None:
        """After `hang`."""
        self._running().send_signal(signal.SIGCONT)

    def log(self) -> str:
        """What it has said."""
        return (self.folder / "log").read_text(errors="replace")

    def find(self) -> str:
        """Path of the program.

        Raises:
            Missing: it is not installed (in a test under pytest: the test is skipped).
        """
        found = shutil.which(self.program, path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/usr/local/sbin")
        if found is None:
            missing(self.program, self.package)
        return found

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            raise RuntimeError(f"{self.name} has not been started")
        return self._process

    def __enter__(self) -> Self:
        try:
            self.prepare()
            self.start()
        except BaseException:
            self._leave()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._leave()

    def _leave(self) -> None:
        if self.alive:
            with contextlib.suppress(ProcessLookupError):
                self.wake()
            self._running().kill()
            self._running().wait(10)
        shutil.rmtree(self.folder, ignore_errors=True)


def launch(command: list[str], user: str, end: signal.Signals) -> list[str]:
    """The command line that runs `command` as this user, ended by the signal `end` when this process is gone."""
    return [sys.executable, "-I", "-S", "-c", _LAUNCH, user, str(int(end)), str(os.getpid()), *command]


@functools.cache
def server_user() -> str:
    """Servers that refuse to run as root run as this user; empty: as we are."""
    if os.geteuid() != 0:
        return ""
    known = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in known else "nobody"


def give_to(user: str, folder: Path) -> None:
    """Make a folder with all that is in it a user's."""
    if user:
        entry = pwd.getpwnam(user)
        for path in (folder, *folder.rglob("*")):
            os.chown(path, entry.pw_uid, entry.pw_gid)


def missing(name: str, package: str, how: str = "apt-get install") -> NoReturn:
    """Skip the test that runs, with what to install; without pytest raise `Missing`."""
    reason = f"service: {name} — {how} {package}"
    if "pytest" in sys.modules:
        import pytest  # noqa: PLC0415 - only where it is there already

        pytest.skip(reason)
    raise Missing(reason)
