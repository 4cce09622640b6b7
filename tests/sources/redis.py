"""Redis streams with a consumer group."""

from __future__ import annotations

from collections.abc import Sequence

from reactor.testing.servers import Redis, Wire
from tests.sources.rig import Rig


class RedisStream(Rig):
    name = "redis stream"
    server: Redis

    def __init__(self) -> None:
        self.server = Redis(durable=True)
        self.server.__enter__()
        self.wire = Wire(self.server.port)
        self.wire.__enter__()
        self.stream = ""

    def close(self) -> None:
        self.wire.__exit__()
        self.server.__exit__()

    def fresh(self, number: int) -> None:
        self.stream = f"s{number}"
        self.ids: dict[int, bytes] = {}
        # The group is there before the trigger, so that a Reactor that dies before it listens misses nothing.
        self.server.do("XGROUP", "CREATE", self.stream, "g", "$", "MKSTREAM")

    def on(self) -> str:
        return f"{{redis: {{stream: {self.stream}, group: g, field: message, claim_after: 2s}}}}"

    def connections(self) -> str:
        return f"{{redis: {{type: redis, url: 'redis://127.0.0.1:{self.wire.port}'}}}}"

    def send(self, numbers: Sequence[int]) -> None:
        for n in numbers:
            self.ids[n] = self.server.do("XADD", self.stream, "*", "message", f'{{"n": {n}}}')

    def again(self, numbers: Sequence[int]) -> None:
        """The last one is pending again for the consumer that took it, as after an XACK that was lost. Earlier ones
        cannot be: the next delivery begins when the last one is acknowledged.
        """
        consumer = self.server.do("XINFO", "CONSUMERS", self.stream, "g")[0][1]
        self.server.do("XCLAIM", self.stream, "g", consumer, 0, self.ids[numbers[-1]], "FORCE", "JUSTID")

    def poison(self) -> None:
        self.server.do("XADD", self.stream, "*", "message", b"\xff\xfe")

    def left(self) -> int:
        [group] = self.server.do("XINFO", "GROUPS", self.stream)
        facts = dict(zip(group[::2], group[1::2], strict=True))
        return int(facts[b"pending"]) + int(facts[b"lag"] or 0)
