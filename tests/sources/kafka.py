"""The rig of Kafka: a topic of one partition, and a broker that sends Reactor to the wire."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence

from reactor.testing.servers import Kafka, Wire
from tests.sources.rig import Rig


class KafkaRig(Rig):
    """See `Rig`."""

    name = "kafka"
    server: Kafka

    def __init__(self) -> None:
        self.server = Kafka()
        self.wire = Wire(self.server.wire_port)
        self.server.told = self.wire.port
        self.server.__enter__()
        self.wire.__enter__()
        self._at = ("", 0)
        self._group = ""
        self._offsets: dict[int, int] = {}
        self._poisons = 0

    def close(self) -> None:
        self.wire.__exit__(None, None, None)
        self.server.__exit__(None, None, None)

    def fresh(self, number: int) -> None:
        if not self.server.alive:
            self.server.start()
        self.wire.mend()
        self._at = (f"t{number}", 0)
        self._group = f"g{number}"
        self._offsets = {}
        self._poisons = 0
        asyncio.run(self.server.make_topic(self._at[0]))

    def on(self) -> str:
        return f"{{kafka: {{topics: {self._at[0]}, group: {self._group}, start: earliest}}}}"

    def connections(self) -> str:
        return f'{{kafka: {{type: kafka, servers: "{self.wire.host}:{self.wire.port}"}}}}'

    def send(self, numbers: Sequence[int]) -> None:
        for number in numbers:
            self._offsets[number] = len(self._offsets) + self._poisons
        asyncio.run(self.server.produce(self._at[0], [json.dumps({"n": n}).encode() for n in numbers], key=b"k"))

    def again(self, numbers: Sequence[int]) -> None:
        asyncio.run(self.server.commit(self._group, {self._at: min(self._offsets[number] for number in numbers)}))

    def poison(self) -> None:
        self._poisons += 1
        asyncio.run(self.server.produce(self._at[0], [b"\xff\xfe"], key=b"k"))

    def left(self) -> int:
        async def count() -> int:
            committed = await self.server.committed(self._group)
            return (await self.server.ends(self._at[0]))[self._at] - committed.get(self._at, 0)

        return asyncio.run(count())
