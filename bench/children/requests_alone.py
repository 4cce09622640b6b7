"""KIND METHOD URL CONCURRENCY SECONDS: what an HTTP client reaches alone. KIND: `action` (ours) or `httpx2`."""

from __future__ import annotations

import asyncio
import logging
import sys
import time
from collections.abc import Awaitable, Callable

import uvloop

Send = Callable[[], Awaitable[object]]


def our_action(method: str, url: str) -> Send:
    """The handler of `http.request`, called with fresh parameters as a run does it, and no engine around it."""
    from reactor.connectors.http.request import Params, http_request
    from reactor.model.clock import SystemClock
    from reactor.sdk import ActionContext

    settings = {"http_allow": ("127.0.0.0/8",), "http_timeout": 30_000, "http_max_body": 10 << 20, "file_roots": ()}
    clock, log = SystemClock(), logging.getLogger("bench")

    async def send() -> object:
        params = Params(url=url, method=method) if method == "GET" else Params(url=url, method=method, json={"id": 7})
        ctx = ActionContext(
            run_id="run_0", flow="bench", step="ask", attempt=1, idempotency_key="run_0:ask",
            log=log, clock=clock, settings=settings,
        )  # fmt: skip
        return await http_request.handler(ctx, params)

    return send


def httpx(method: str, url: str, concurrency: int) -> Send:
    """A plain client with one pool."""
    import httpx2

    client = httpx2.AsyncClient(
        trust_env=False,
        limits=httpx2.Limits(max_connections=concurrency, max_keepalive_connections=concurrency),
    )

    async def send() -> object:
        answer = await client.request(method, url, json=None if method == "GET" else {"id": 7})
        return answer.json()

    return send


async def main(kind: str, method: str, url: str, concurrency: int, seconds: float) -> None:
    send = our_action(method, url) if kind == "action" else httpx(method, url, concurrency)
    count, begun = 0, 0.0

    async def loop(until: float) -> None:
        nonlocal count
        while time.perf_counter() < until:
            await send()
            count += 1

    for part in (min(1.0, seconds / 4), seconds):  # the first warms up
        count, begun = 0, time.perf_counter()
        await asyncio.gather(*(loop(begun + part) for _ in range(concurrency)))
    print(count / (time.perf_counter() - begun))


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]), float(sys.argv[5])))
