"""A stream of JetStream, and what others do at its server."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Coroutine, Iterator, Sequence
from typing import Any

from reactor.testing.servers import Nats, Wire
from tests.integration.nats_kit import Other, other
from tests.sources.rig import Rig


class NatsRig(Rig):
    """Streams `S1`, `S2` … with a durable consumer `workers`."""

    name = "nats"

    def __init__(self) -> None:
        self.server: Nats = Nats()
        self.server.__enter__()
        self.wire = Wire(self.server.port)
        self.wire.__enter__()
        self._stream = ""

    def close(self) -> None:
        self.wire.__exit__()
        self.server.__exit__()

    def fresh(self, number: int) -> None:
        self.wire.mend()
        if not self.server.alive:
            self.server.start()
        if self._stream:
            with contextlib.suppress(AssertionError):
                self._do(lambda it: it.api(f"STREAM.DELETE.{self._stream}"))
        self._stream = f"S{number}"
        self._do(lambda it: it.stream(self._stream))

    def on(self) -> str:
        return f"{{nats: {{stream: {self._stream}, durable: workers, start: all, format: json, ack_wait: 2s}}}}"

    def connections(self) -> str:
        return f'{{nats: {{type: nats, servers: "127.0.0.1:{self.wire.port}"}}}}'

    def send(self, numbers: Sequence[int]) -> None:
        self._do(lambda it: it.store(f"{self._stream}.a", *({"n": n} for n in numbers)))

    def again(self, numbers: Sequence[int]) -> None:
        """Somebody makes the consumer anew, further back."""

        async def back(it: Other) -> None:
            first = await _sequence(it, self._stream, min(numbers))
            await it.api(f"CONSUMER.DELETE.{self._stream}.workers")
            begin = {"deliver_policy": "by_start_sequence", "opt_start_seq": first, "ack_wait": 2_000_000_000}
            await it.consumer(self._stream, "workers", **begin)

        self._do(back)

    def poison(self) -> None:
        self._do(lambda it: it.store(f"{self._stream}.a", b"\xff{"))

    def left(self) -> int:
        found = self._do(lambda it: it.info(self._stream, "workers"))
        return int(found["num_pending"] + found["num_ack_pending"])

    @contextlib.contextmanager
    def member(self) -> Iterator[None]:
        yield

    def _do(self, work: Any) -> Any:
        async def done() -> Any:
            async with other(self.server) as it:
                return await work(it)

        return _run(done())


def _run(work: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(work)


async def _sequence(it: Other, stream: str, number: int) -> int:
    """Where in the stream a message is."""
    import base64

    last = (await it.api(f"STREAM.INFO.{stream}"))["state"]["last_seq"]
    for sequence in range(1, last + 1):
        found = await it.api(f"STREAM.MSG.GET.{stream}", {"seq": sequence})
        if json.loads(base64.b64decode(found["message"]["data"]))["n"] == number:
            return sequence
    raise LookupError(number)
