"""A webhook's surroundings in memory: routes that are called by hand, and a door that keeps what comes in."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest

from reactor.connectors.http.webhook import Config, Webhook
from reactor.model.errors import ConflictError
from reactor.sdk import EventDraft, HttpRequest, HttpResponse, Receipt, RunResult, TriggerLost

NOW = 1_614_265_330_000


class FakeRoutes:
    def __init__(self) -> None:
        self.handlers: dict[tuple[str, str], Any] = {}

    def claim(self, methods, path, handler):
        if any((method, path) in self.handlers for method in methods):
            raise ConflictError(f"{path} is taken")
        for method in methods:
            self.handlers[method, path] = handler
        return lambda: [self.handlers.pop((method, path)) for method in methods]


class FakeContext:
    """What a trigger sees."""

    key, flow, timezone = "orders/0", "orders", "UTC"

    def __init__(self, config: Config, secrets: dict[str, str]) -> None:
        self.config = config
        self.http = FakeRoutes()
        self.log = logging.LoggerAdapter(logging.getLogger("test.webhook"), {})
        self.clock = self
        self.settings: dict[str, Any] = {}
        self.instant = NOW
        self.drafts: list[EventDraft] = []
        self.errors: list[str] = []
        self.is_armed = asyncio.Event()
        self.refusal: Exception | None = None
        self.runs: tuple[tuple[str, str], ...] = (("run_1", "orders"),)
        self.outcome: RunResult | None = None
        self.waited: list[tuple[bool, int | None]] = []
        self._secrets = secrets

    def now(self) -> int:
        return self.instant

    def secret(self, name: str) -> str:
        if name not in self._secrets:
            raise TriggerLost(f"there is no secret {name}")
        return self._secrets[name]

    async def emit(self, drafts, *, save=None, wait=False):
        if self.refusal is not None:
            raise self.refusal
        known = {(draft.source, draft.id) for draft in self.drafts if draft.id is not None}
        self.drafts += drafts
        self.waited.append((wait, None))
        return [
            Receipt(event_id=draft.id or "evt_1", runs=self.runs, duplicate=(draft.source, draft.id) in known)
            for draft in drafts
        ]

    async def result(self, receipt, timeout):
        self.waited.append((True, timeout))
        return self.outcome

    def armed(self, *, next_at=None) -> None:
        self.is_armed.set()

    def error(self, reason: str) -> None:
        self.errors.append(reason)


class Armed:
    """A webhook that listens."""

    def __init__(self, ctx: FakeContext) -> None:
        self.ctx = ctx

    @property
    def event(self) -> EventDraft:
        (draft,) = self.ctx.drafts
        return draft

    async def call(
        self,
        body: bytes | str = b"",
        headers: dict[str, str] | None = None,
        *,
        method: str = "POST",
        query: str = "",
        params: dict[str, str] | None = None,
    ) -> HttpResponse:
        (path,) = {path for _, path in self.ctx.http.handlers}
        request = HttpRequest(
            method=method,
            path=path,
            params=params or {},
            query=query,
            headers=[(name.lower().encode(), value.encode()) for name, value in (headers or {}).items()],
            body=body.encode() if isinstance(body, str) else body,
            client="203.0.113.9",
        )
        return await self.ctx.http.handlers[method, path](request)


@pytest.fixture
def arm() -> Callable[..., Any]:
    @asynccontextmanager
    async def armed(*, secrets: dict[str, str] | None = None, **config: Any) -> AsyncIterator[Armed]:
        trigger = Webhook()
        converted = msgspec.convert({"path": "/hook", **config}, Config)
        assert trigger.check(converted) == []
        ctx: Any = FakeContext(converted, secrets or {})
        task = asyncio.create_task(trigger.run(ctx))
        ready = asyncio.create_task(ctx.is_armed.wait())
        await asyncio.wait({task, ready}, return_when=asyncio.FIRST_COMPLETED)
        ready.cancel()
        if task.done():
            task.result()
        yield Armed(ctx)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        assert not ctx.http.handlers

    return armed
