"""The ASGI end of `/mcp` (Streamable HTTP, no sessions: each request brings its credentials and stands for itself). The
library, and what hangs on it, comes in with the first request.
"""

from __future__ import annotations

import asyncio
import contextlib
from importlib.util import find_spec
from typing import TYPE_CHECKING

from reactor.engine.engine import Engine
from reactor.model.access import Principal
from reactor.server.problems import App, Problem, Receive, Scope, Send

if TYPE_CHECKING:
    from mcp.server.streamable_http_manager import StreamableHTTPSessionManager

PATH = "/mcp"
WHO = "reactor.who"
"""Key of the ASGI scope under which it says who asks."""
_LARGEST = 4 << 20
"""Bytes of a request."""
_PATIENCE = 5.0
"""Seconds that calls under way have at shutdown."""
_AT_ONCE = 64
"""Calls under way; more are told to come again."""


class Door:
    """See the module."""

    def __init__(self, engine: Engine, api: App) -> None:
        self._engine = engine
        self._api = api
        self._manager: StreamableHTTPSessionManager | None = None
        self._task: asyncio.Task[None] | None = None
        self._open = asyncio.Event()
        self._closing = asyncio.Event()
        self._under_way = 0
        self._idle = asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send, who: Principal) -> None:
        """One request of somebody who may read.

        Raises:
            Problem: 405, 501 or 503.
        """
        if scope["method"] != "POST":
            # Streams of their own and sessions: there is nothing that we would tell unasked, and nothing to end.
            raise Problem(405, "MCP is spoken by POST here", headers=[(b"allow", b"POST")])
        if self._closing.is_set():
            raise Problem(503, "Reactor is stopping; try again", retry_after=2_000)
        if self._under_way >= _AT_ONCE:
            raise Problem(503, f"{self._under_way} calls are under way; that is the limit", retry_after=1_000)
        self._under_way += 1
        self._idle.clear()
        try:
            manager = await self._ready()
            scope[WHO] = who
            await manager.handle_request(scope, receive, send)
        finally:
            self._under_way -= 1
            if not self._under_way:
                self._idle.set()

    async def _ready(self) -> StreamableHTTPSessionManager:
        if self._manager is None:
            if find_spec("mcp") is None:
                raise Problem(501, "MCP is not installed here: pip install reactor-engine[mcp]")
            # Some 0.5 s, once: not on the loop.
            self._manager = await asyncio.to_thread(self._made)
            self._task = asyncio.get_running_loop().create_task(self._serve(self._manager))
        await self._open.wait()
        return self._manager

    def _made(self) -> StreamableHTTPSessionManager:
        from mcp.server.streamable_http_manager import StreamableHTTPSessionManager  # noqa: PLC0415 - an extra

        from reactor.server.mcp.server import Tools  # noqa: PLC0415 - needs the extra

        tools = Tools(self._engine, self._api, self._closing)
        return StreamableHTTPSessionManager(tools.server(), stateless=True, max_request_body_size=_LARGEST)

    async def _serve(self, manager: StreamableHTTPSessionManager) -> None:
        async with manager.run():
            self._open.set()
            await self._closing.wait()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_PATIENCE if self._under_way else 0):
                    await self._idle.wait()

    def close(self) -> None:
        """Take nothing new; calls that wait for a run say that it goes on."""
        self._closing.set()

    async def wait_closed(self) -> None:
        """Returns when all has ended."""
        if self._task is not None:
            await asyncio.wait({self._task})
