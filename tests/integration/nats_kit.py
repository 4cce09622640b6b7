"""What the tests of NATS share: somebody else at the server, and the trigger on a bench."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any, cast

from nats.aio.client import Client

from reactor.connectors.nats import connector
from reactor.connectors.nats.link import LINKS
from reactor.connectors.nats.trigger import NatsTrigger
from reactor.testing.servers import Nats, Wire
from reactor.testing.triggers import TriggerBench

(TRIGGER,) = cast("tuple[NatsTrigger]", connector.triggers)


class Other:
    """Another client: publishes, and manages streams."""

    def __init__(self, client: Client) -> None:
        self.client = client

    async def api(self, what: str, body: Any = None) -> dict[str, Any]:
        """Ask JetStream."""
        answer = await self.client.request(
            f"$JS.API.{what}", b"" if body is None else json.dumps(body).encode(), timeout=5
        )
        found: dict[str, Any] = json.loads(answer.data)
        assert "error" not in found, found
        return found

    async def stream(self, name: str, *subjects: str, **config: Any) -> dict[str, Any]:
        """Make a stream; by default of `NAME.>`."""
        given = {"name": name, "subjects": list(subjects) or [f"{name}.>"], "storage": "file", **config}
        return await self.api(f"STREAM.CREATE.{name}", given)

    async def consumer(self, stream: str, name: str, **config: Any) -> dict[str, Any]:
        """Make a durable consumer."""
        given = {"durable_name": name, "ack_policy": "explicit", "deliver_policy": "all", **config}
        return await self.api(f"CONSUMER.DURABLE.CREATE.{stream}.{name}", {"stream_name": stream, "config": given})

    async def info(self, stream: str, consumer: str) -> dict[str, Any]:
        """A consumer."""
        return await self.api(f"CONSUMER.INFO.{stream}.{consumer}")

    async def store(self, subject: str, *payloads: Any, headers: dict[str, str] | None = None) -> list[int]:
        """Messages into a stream; their sequences."""
        found = []
        for payload in payloads:
            data = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
            found.append(json.loads((await self.client.request(subject, data, headers=headers, timeout=5)).data)["seq"])
        return found

    async def publish(self, subject: str, *payloads: Any, headers: dict[str, str] | None = None) -> None:
        """Messages on a subject; the server has them when this returns."""
        for payload in payloads:
            data = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
            await self.client.publish(subject, data, headers=headers)
        await self.client.flush()


@contextlib.asynccontextmanager
async def other(server: Nats, **options: Any) -> AsyncIterator[Other]:
    """Another client of a server."""
    client = Client()
    await client.connect(server.servers, allow_reconnect=False, error_cb=_ignored, **options)
    try:
        yield Other(client)
    finally:
        await client.close()


async def _ignored(_: Exception) -> None:
    """Told by what fails."""


def bench(server: Nats | Wire, config: Any, **options: Any) -> TriggerBench:
    """The trigger, with a connection to this server."""
    settings = {"type": "nats", "servers": f"127.0.0.1:{server.port}", **options.pop("connection", {})}
    return TriggerBench(TRIGGER, config, connections={"nats": settings}, **options)


async def lost(running: TriggerBench, seconds: float = 10.0) -> str:
    """Wait until it is lost; why."""
    await running.until(lambda it: it.state() == "lost", seconds)
    return str([reason for name, reason in running.states if name == "lost"][-1])


async def armed(running: TriggerBench, seconds: float = 10.0) -> None:
    """Wait until it listens."""
    await running.until(lambda it: it.state() == "armed", seconds)


async def drained(running: TriggerBench, number: int, seconds: float = 20.0) -> list[Any]:
    """Wait for so many events; their data."""
    await running.until(lambda it: len(it.drafts) >= number, seconds)
    return [draft.data for draft in running.drafts]


async def settled(someone: Other, stream: str, consumer: str) -> dict[str, Any]:
    """Wait until all that was given out is acknowledged; the consumer."""
    async with asyncio.timeout(10):
        while (found := await someone.info(stream, consumer))["num_ack_pending"]:
            await asyncio.sleep(0.02)
    return found


async def close() -> None:
    """Give back connections."""
    await LINKS.close()
