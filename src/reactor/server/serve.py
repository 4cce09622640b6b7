"""uvicorn inside our loop: binds, serves, and leaves promptly."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import uvicorn

from reactor.engine.engine import Engine
from reactor.model.errors import SettingsError
from reactor.server.config import ServerConfig, check
from reactor.server.doors import Doors
from reactor.server.guard import Guard
from reactor.server.headers import EVERYWHERE
from reactor.server.ingest import Ingest
from reactor.server.mcp.door import Door
from reactor.server.protocol import Connection, date_line
from reactor.server.routes import RouteClaims
from reactor.server.stream import Stream

_BACKLOG = 2_048
_TICK = 1.0
"""Seconds."""
_IN_USE = "another program"


class _Server(uvicorn.Server):
    """Leaves signals to the program, and watches over its connections."""

    def __init__(self, config: uvicorn.Config, engine: Engine) -> None:
        super().__init__(config)
        self._engine = engine
        self.leaving = asyncio.Event()
        date_line(self.server_state)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals are the program's."""
        yield

    async def main_loop(self) -> None:
        """Until told to leave: once a second the date header, and connections that are overdue."""
        loop = asyncio.get_running_loop()
        while not await self.on_tick(0):
            date_line(self.server_state)
            for connection in list(self.server_state.connections):
                if isinstance(connection, Connection):
                    connection.sweep(loop.time())
            due = loop.time() + _TICK
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_TICK):
                    await self.leaving.wait()
            if hasattr(self._engine, "executor") and not self.leaving.is_set():
                self._engine.executor.meters.loop_delay.take(max(0.0, loop.time() - due))


class Running:
    """A server that is up."""

    def __init__(
        self, config: ServerConfig, server: _Server, ingest: Ingest, stream: Stream, guard: Guard, mcp: Door
    ) -> None:
        self.config = config
        self.guard = guard
        self.ingest = ingest
        self._server = server
        self._stream = stream
        self._mcp = mcp
        self._task: asyncio.Task[None] | None = None
        self.port = 0

    @property
    def url(self) -> str:
        """Where a person on this machine finds it."""
        host = {"0.0.0.0": "127.0.0.1", "::": "[::1]", "": "127.0.0.1"}.get(self.config.host, self.config.host)  # noqa: S104
        host = f"[{host}]" if ":" in host and not host.startswith("[") else host
        return f"http://{host}:{self.port}"

    def sign_in_link(self) -> str:
        """A link that signs one browser in, once."""
        return f"{self.url}/login?code={self.guard.new_code()}"

    async def _begin(self, sockets: list[socket.socket]) -> None:
        self._task = asyncio.get_running_loop().create_task(self._server.serve(sockets))
        while not self._server.started:
            if self._task.done():
                self._task.result()
                raise SettingsError("the HTTP server ended as it began; see the log")
            await asyncio.sleep(0)

    def close_doors(self) -> None:
        """Take nothing new and end the streams; what is under way is answered."""
        self.ingest.closing = True
        self._stream.close()
        self._mcp.close()

    async def stop(self) -> None:
        """Answer what is under way, then leave. Safe to call twice."""
        self.close_doors()
        self._server.should_exit = True
        self._server.leaving.set()
        if self._task is not None:
            await asyncio.wait({self._task})
        await self._stream.wait_closed()
        await self._mcp.wait_closed()


async def start(engine: Engine, claims: RouteClaims, config: ServerConfig, doors: Doors | None = None) -> Running:
    """Serve this engine. The engine may still be opening: until it is ready, `/ready` and ingest answer 503.

    Raises:
        SettingsError: the address cannot be bound, or would be open to strangers.
    """
    check(config)
    sockets = _bind(config.host, config.port)
    port: int = sockets[0].getsockname()[1]
    guard = Guard(config, engine.clock, engine.access)
    guard.cookie = f"reactor_{port}"
    stream = Stream(engine, config.streams)
    from reactor.server.api import build  # noqa: PLC0415 - Starlette comes in only with a server

    ingest = Ingest(engine, claims, guard, config, _nowhere)
    ingest.inner = api = build(engine, guard, config, stream, ingest, doors or Doors())
    server = _Server(_uvicorn(config, ingest), engine)
    running = Running(config, server, ingest, stream, guard, api.mcp)
    running.port = port
    await running._begin(sockets)  # noqa: SLF001 - its own other half
    return running


async def _nowhere(scope: Any, receive: Any, send: Any) -> None:
    """Stands where the API will be."""


def _uvicorn(config: ServerConfig, ingest: Ingest) -> uvicorn.Config:
    connection = type(
        "Connection", (Connection,), {"head_timeout": config.head_timeout, "body_timeout": config.body_timeout}
    )
    return uvicorn.Config(
        ingest,
        http=connection,
        loop="none",
        ws="none",
        lifespan="off",
        interface="asgi3",
        log_config=None,
        log_level="warning",
        access_log=False,
        proxy_headers=bool(config.proxies),
        forwarded_allow_ips=list(config.proxies),
        server_header=False,
        headers=EVERYWHERE,
        backlog=_BACKLOG,
        timeout_keep_alive=config.keep_alive,
        timeout_graceful_shutdown=config.drain,
    )


def _bind(host: str, port: int) -> list[socket.socket]:
    """A listening socket for every address of the host, all on one port."""
    try:
        found = socket.getaddrinfo(host.strip("[]") or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError) as error:
        raise SettingsError(f"host {host!r} cannot be found ({error}); give an address of this machine") from None
    sockets: list[socket.socket] = []
    # IPv4 first: with port 0 it is the one whose port the others take.
    for family, kind, protocol, _, address in sorted(found, key=lambda each: each[0] != socket.AF_INET):
        sock = socket.socket(family, kind, protocol)
        try:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            sock.bind((address[0], port, *address[2:]))
            sock.listen(_BACKLOG)
        except OSError as error:
            sock.close()
            if sockets and error.errno in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT):
                continue
            for other in sockets:
                other.close()
            raise SettingsError(_why_not(host, port, error)) from None
        sock.setblocking(False)
        port = sock.getsockname()[1]
        sockets.append(sock)
    return sockets


def _why_not(host: str, port: int, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return (
            f"port {port} on {host} is in use by {_holder(port)}; stop that, or take another port with --port or "
            f"REACTOR_PORT"
        )
    if error.errno == errno.EACCES:
        return f"this user may not listen on port {port}; take one from 1024 up with --port or REACTOR_PORT"
    if error.errno == errno.EADDRNOTAVAIL:
        return f"{host} is no address of this machine; take 127.0.0.1 (this machine only) or 0.0.0.0 (every address)"
    return f"{host}:{port} cannot be listened on: {os.strerror(error.errno or 0)}"


def _holder(port: int) -> str:
    """The process that listens on a port, where this user may know."""
    try:
        inodes = _listening(port)
        for folder in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if any(str(fd.readlink()) in inodes for fd in (folder / "fd").iterdir()):
                    name = (folder / "comm").read_text().strip()
                    return f"process {folder.name} ({name})"
    except OSError:
        return _IN_USE
    return _IN_USE


def _listening(port: int) -> set[str]:
    found = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        with contextlib.suppress(OSError):
            for line in Path(table).read_text().splitlines()[1:]:
                fields = line.split()
                if fields[3] == "0A" and int(fields[1].rpartition(":")[2], 16) == port:
                    found.add(f"socket:[{fields[9]}]")
    return found
