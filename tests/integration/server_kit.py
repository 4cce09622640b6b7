"""A real server on a real engine and store, with flows made by hand: for tests of the HTTP doors alone."""

from __future__ import annotations

import asyncio
import hashlib
import importlib
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import msgspec

from reactor.engine.engine import Engine, Parts
from reactor.engine.limits import Limits
from reactor.engine.statistics.machine import Machine
from reactor.model.clock import SystemClock, SystemEntropy
from reactor.model.flow import ActionStep, Flow, TriggerSpec
from reactor.sdk import Connector, Effect, PermanentError, action
from reactor.sdk.manifest import Catalog
from reactor.server.config import ServerConfig
from reactor.server.doors import Doors
from reactor.server.routes import RouteClaims
from reactor.server.serve import Running, start
from reactor.stores.sqlite.store import SqliteStore

TOKEN = "a-token-of-the-tests-0123456789"


class Const:
    """An expression that is a constant."""

    names: frozenset[str] = frozenset()
    paths: frozenset[Any] = frozenset()

    def __init__(self, value: Any) -> None:
        self.value = value
        self.source = json.dumps(value)

    def evaluate(self, scope: Any) -> Any:
        return self.value


class Nothing(msgspec.Struct):
    """No parameters."""


@action("test.ok", params=Nothing, effect=Effect.WRITE)
async def ok(ctx: Any, params: Nothing) -> Any:
    return {"done": ctx.step}


@action("test.fail", params=Nothing, effect=Effect.WRITE)
async def fail(ctx: Any, params: Nothing) -> Any:
    raise PermanentError("test.no", "it never works")


@action("test.hang", params=Nothing, effect=Effect.READ)
async def hang(ctx: Any, params: Nothing) -> Any:
    await asyncio.sleep(3600)


def flow(name: str, *actions: str, on: list[dict[str, Any]] | None = None, **more: Any) -> Flow:
    """A flow whose steps call these actions. `on`: [{kind, config, …}]."""
    specs = [{"kind": "event", "config": {"": name}}] if on is None else on
    triggers = tuple(TriggerSpec(key=f"{name}/{n}", **spec) for n, spec in enumerate(specs))
    steps = tuple(
        ActionStep(name=f"s{n}", action=called, params=Const({})) for n, called in enumerate(actions or ("test.ok",))
    )
    return Flow(name=name, source=f"name: {name}\n", digest=f"digest-of-{name}", triggers=triggers, steps=steps, **more)


class Kit:
    """What a test has in hand."""

    def __init__(self, running: Running, engine: Engine, claims: RouteClaims, http: httpx2.AsyncClient) -> None:
        self.running = running
        self.engine = engine
        self.claims = claims
        self.http = http
        self.port = running.port
        self.auth = {"authorization": f"Bearer {TOKEN}"}

    async def get(self, path: str, **more: Any) -> httpx2.Response:
        """GET with the token."""
        return await self.http.get(path, headers=self.auth | more.pop("headers", {}), **more)

    async def post(self, path: str, **more: Any) -> httpx2.Response:
        """POST with the token."""
        return await self.http.post(path, headers=self.auth | more.pop("headers", {}), **more)

    async def put(self, path: str, **more: Any) -> httpx2.Response:
        """PUT with the token."""
        return await self.http.put(path, headers=self.auth | more.pop("headers", {}), **more)

    async def delete(self, path: str, **more: Any) -> httpx2.Response:
        """DELETE with the token."""
        return await self.http.delete(path, headers=self.auth | more.pop("headers", {}), **more)

    async def finished(self, run_id: str) -> dict[str, Any]:
        """The run, once it has ended."""
        run: dict[str, Any] = {}
        for _ in range(500):
            run = (await self.get(f"/api/v1/runs/{run_id}")).json()
            if run["status"] in {"completed", "failed", "cancelled"}:
                return run
            await asyncio.sleep(0.01)
        raise AssertionError(f"{run_id} did not end: {run}")

    async def raw(self, data: bytes, *, whole: bool = True) -> bytes:
        """Send bytes on a connection of their own; what comes back until it is closed."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(data)
        if whole:
            writer.write_eof()
        answer = await reader.read()
        writer.close()
        await writer.wait_closed()
        return answer


@asynccontextmanager
async def serving(
    folder: Path, *flows: Flow, limits: Limits | None = None, doors: Doors | None = None, **config: Any
) -> AsyncIterator[Kit]:
    """Serve these flows."""
    claims, clock = RouteClaims(), SystemClock()
    store = SqliteStore(folder / "reactor.db", clock=clock, durability="process")
    known = {each.source: each for each in flows}
    tests = Connector(name="tests", actions=(ok, fail, hang))
    # The built-in ones come in as a stranger would: by name.
    built_in = [importlib.import_module(f"reactor.connectors.{name}").connector for name in ("event", "http")]
    engine = Engine(
        Parts(
            store=store,
            history=store,
            statistics=store,
            alerts=True,
            machine=Machine(folder, folder / "reactor.db"),
            access=store,
            audit=store,
            catalog=Catalog([tests, *built_in]),
            clock=clock,
            entropy=SystemEntropy(),
            limits=limits or Limits(drain=100),
            http=claims,
            compile=lambda text, file: known.get(text),
            check_inputs=lambda schema, values: (dict(values), ["n is missing"] if "n" not in values else []),
            action_settings={},
            env={},
            secret=lambda name: None,
            derive=lambda purpose: hashlib.sha256(purpose.encode()).digest(),
        )
    )
    await engine.open()
    for each in flows:
        await engine.book.take(each)
    running = await start(engine, claims, ServerConfig(**{"token": TOKEN, "port": 0, **config}), doors)
    await engine.start()
    try:
        async with httpx2.AsyncClient(base_url=running.url, timeout=10) as http:
            yield Kit(running, engine, claims, http)
    finally:
        await running.stop()
        await engine.stop()
