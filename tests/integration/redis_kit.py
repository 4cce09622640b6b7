"""What the tests of Redis share."""

from __future__ import annotations

from typing import Any

import msgspec

from reactor.connectors.redis.config import RedisConfig
from reactor.connectors.redis.trigger import RedisTrigger
from reactor.testing.servers import Redis, Wire
from reactor.testing.triggers import TriggerBench

_ADD = """
local ids = {}
for _, n in ipairs(ARGV) do ids[#ids + 1] = redis.call('XADD', KEYS[1], '*', 'n', n) end
return ids
"""


def make(
    server: Redis | Wire, saved: Any = None, login: Any = None, key: str = "flow/0", **config: Any
) -> TriggerBench:
    """A bench with a trigger; `login`: more settings of the connection."""
    url = f"redis://{server.host}:{server.port}"
    connections = {"redis": {"type": "redis", "url": url, **(login or {})}}
    bench = TriggerBench(RedisTrigger(), config, saved=saved, key=key, connections=connections)
    assert bench.problems == []
    return bench


async def armed(bench: TriggerBench) -> None:
    """It listens."""
    await bench.until(lambda b: b.state() == "armed")


async def lost(bench: TriggerBench, *words: str) -> str:
    """It says that it cannot listen, in such words; what it says."""

    def found(b: TriggerBench) -> bool:
        return any(name == "lost" and all(word in str(why) for word in words) for name, why in b.states)

    await bench.until(found)
    return next(why for name, why in bench.states if name == "lost" and all(word in why for word in words))


async def count(bench: TriggerBench, number: int) -> None:
    """So many events and dead letters have come."""
    await bench.until(lambda b: len(b.drafts) + len(b.dead) >= number)


def data(bench: TriggerBench, field: str = "n") -> list[Any]:
    """One value of each event, in order."""
    return [draft.data[field] for draft in bench.drafts]


def again(bench: TriggerBench, **config: Any) -> Any:
    """Its only dead letter, read again with another configuration."""
    (letter,) = bench.dead
    return RedisTrigger().redo(msgspec.convert(config, RedisConfig), letter)


def add(server: Redis, stream: str, *values: Any) -> list[str]:
    """Entries with the field `n`; their ids."""
    ids: list[bytes] = server.do("EVAL", _ADD, 1, stream, *values)
    return [id_.decode() for id_ in ids]


def pending(server: Redis, stream: str, group: str = "reactor-flow") -> int:
    """How many entries the group has given and not been acknowledged."""
    return int(server.do("XPENDING", stream, group)[0])
