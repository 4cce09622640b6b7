"""PostgreSQL."""

from __future__ import annotations

import atexit
import contextlib
import functools
import os
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

from reactor.testing.servers.process import Server, give_to, launch, missing, server_user

_POSTGRES_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "shared_buffers": "16MB",
    "wal_level": "logical",
    "max_wal_senders": "8",
    "max_replication_slots": "8",
}


class Postgres(Server):
    """A server with an empty database `postgres` and a superuser of that name whom it trusts.

    Logical replication is on, fsync is off. The data folder is copied from a template made once a process.
    """

    name, program, package = "postgres", "postgres", "postgresql"
    end = signal.SIGQUIT

    def __init__(self, options: Mapping[str, str] | None = None) -> None:
        """`options`: settings such as `max_connections`."""
        super().__init__()
        self.user = server_user()
        self.role = "postgres"
        self.options = dict(options or {})

    def url(self, database: str = "postgres", scheme: str = "postgresql") -> str:
        """`postgresql://…`, for one of its databases."""
        return f"{scheme}://{self.role}@{self.host}:{self.port}/{database}"

    def find(self) -> str:
        return postgres_program("postgres")

    def prepare(self) -> None:
        data = self.folder / "data"
        shutil.copytree(_postgres_template(), data)
        give_to(self.user, self.folder)
        data.chmod(0o700)

    def command(self) -> list[str]:
        settings = _POSTGRES_SETTINGS | {"port": str(self.port)} | self.options
        arguments = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        return [self.find(), "-D", str(self.folder / "data"), *arguments]

    def hang(self) -> None:
        super().hang()
        for pid in self._children():
            os.kill(pid, signal.SIGSTOP)

    def wake(self) -> None:
        for pid in self._children():
            os.kill(pid, signal.SIGCONT)
        super().wake()

    def _children(self) -> list[int]:
        """One process a connection, and the server's own helpers: signals to the first reach none of them."""
        found = []
        for path in Path("/proc").glob("[0-9]*/stat"):
            with contextlib.suppress(OSError):  # it has ended meanwhile
                if int(path.read_text().rpartition(")")[2].split()[1]) == self.pid:
                    found.append(int(path.parent.name))
        return found

    def ready(self) -> bool:
        """As `pg_isready`: the first bytes of a connection, not merely an open port."""
        request = b"\x00\x03\x00\x00user\x00postgres\x00database\x00postgres\x00\x00"
        with socket.create_connection((self.host, self.port), timeout=1) as probe:
            probe.sendall((len(request) + 4).to_bytes(4, "big") + request)
            return probe.recv(1) == b"R"


def postgres_server(options: Mapping[str, str] | None = None) -> Postgres:
    """A server to be used with `with`; `options` are settings such as `max_connections`.

    Raises:
        Missing: PostgreSQL is not installed (in a test under pytest: the test is skipped).
    """
    return Postgres(options)


def postgres_program(name: str) -> str:
    """Path of one of PostgreSQL's programs; Debian keeps them out of PATH, one folder a version.

    Raises:
        Missing: it is not installed.
    """
    folders = sorted(
        Path("/usr/lib/postgresql").glob("*/bin"), key=lambda folder: int(folder.parent.name), reverse=True
    )
    found = shutil.which(name) or shutil.which(name, path=os.pathsep.join(map(str, folders)))
    if found is None:
        missing("postgresql", "postgresql")
    return found


@functools.cache
def _postgres_template() -> Path:
    """An initialised data folder, made once and copied for each server."""
    folder = Path(tempfile.mkdtemp(prefix="reactor-postgres-template-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    user = server_user()
    give_to(user, folder)
    options = ["-A", "trust", "-U", "postgres", "--no-sync", "--no-locale", "-E", "UTF8"]
    command = [postgres_program("initdb"), "-D", str(folder / "data"), *options]
    done = subprocess.run(launch(command, user, signal.SIGKILL), capture_output=True, text=True, cwd="/", check=False)
    if done.returncode:
        raise RuntimeError(f"initdb failed: {done.stderr or done.stdout}")
    return folder / "data"
