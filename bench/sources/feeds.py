"""One class a source: starts the server, makes topic and trigger, sends messages `{"n", "sent", "pad"}`."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Any, Self

from reactor.testing.servers import Kafka, Mosquitto, Nats, Postgres, Redis, Server

FLOW = """
name: taker
on: {on}
connections: {{main: {connection}}}
steps:
  - {{name: note, set: {{n: "{{{{ {n} }}}}"}}}}
"""
_PAD = "x" * 150
_CHUNK = 500


def message(n: int) -> bytes:
    """About 200 bytes, with the time of sending in milliseconds."""
    return json.dumps({"n": n, "sent": time.time() * 1000, "pad": _PAD}).encode()


class Feed:
    """`with feed:` runs its server."""

    name = ""
    n = "event.data.n"
    sent = "$.sent"
    """Where in the event's data the time of sending stands (a JSON path of SQLite)."""
    server: Server
    before = False
    """Whether Reactor has to have been there once before messages are kept for it."""

    def __enter__(self) -> Self:
        self.server.__enter__()
        self.prepare()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.__exit__()

    def prepare(self) -> None:
        """Make topic, stream or table."""

    def on(self) -> str:
        raise NotImplementedError

    def connection(self) -> str:
        raise NotImplementedError

    def flow(self) -> str:
        """The flow that takes from it."""
        return FLOW.format(on=self.on(), connection=self.connection(), n=self.n)

    def send(self, numbers: Sequence[int], *, rate: float | None = None) -> None:
        """Send all, as quickly as it goes or so many a second; on return the server has them."""
        raise NotImplementedError


def paced(numbers: Sequence[int], rate: float | None) -> Iterator[Sequence[int]]:
    """Parts of the numbers, each when it is time."""
    if rate is None:
        yield from (numbers[at : at + _CHUNK] for at in range(0, len(numbers), _CHUNK))
        return
    begun, step = time.perf_counter(), max(1, round(rate / 100))
    for at in range(0, len(numbers), step):
        time.sleep(max(0.0, begun + at / rate - time.perf_counter()))
        yield numbers[at : at + step]


class _Async(Feed):
    """A feed whose driver is asyncio's."""

    def send(self, numbers: Sequence[int], *, rate: float | None = None) -> None:
        asyncio.run(self._send(numbers, rate))

    async def _send(self, numbers: Sequence[int], rate: float | None) -> None:
        raise NotImplementedError

    async def _parts(
        self, numbers: Sequence[int], rate: float | None, put: Callable[[Sequence[int]], Awaitable[Any]]
    ) -> None:
        begun = time.perf_counter()
        step = _CHUNK if rate is None else max(1, round(rate / 100))
        for at in range(0, len(numbers), step):
            if rate is not None:
                await asyncio.sleep(max(0.0, begun + at / rate - time.perf_counter()))
            await put(numbers[at : at + step])


class KafkaFeed(_Async):
    name = "kafka"

    def __init__(self) -> None:
        self.server = self.kafka = Kafka()

    def prepare(self) -> None:
        asyncio.run(self.kafka.make_topic("bench", 3))

    def on(self) -> str:
        return "{kafka: {topics: [bench], group: bench, start: earliest}}"

    def connection(self) -> str:
        return f'{{type: kafka, servers: "{self.kafka.servers}"}}'

    async def _send(self, numbers: Sequence[int], rate: float | None) -> None:
        from aiokafka import AIOKafkaProducer

        async with AIOKafkaProducer(bootstrap_servers=self.kafka.servers, linger_ms=2) as producer:

            async def put(part: Sequence[int]) -> None:
                sending = [await producer.send("bench", message(n), partition=n % 3) for n in part]
                await asyncio.gather(*sending)

            await self._parts(numbers, rate, put)


class JetStreamFeed(_Async):
    name = "jetstream"

    def __init__(self) -> None:
        self.server = self.nats = Nats()

    def prepare(self) -> None:
        asyncio.run(self._prepare())

    async def _prepare(self) -> None:
        import nats

        client = await nats.connect(self.nats.servers)
        await client.jetstream().add_stream(name="bench", subjects=["bench"])
        await client.close()

    def on(self) -> str:
        return "{nats: {stream: bench, durable: bench, start: all}}"

    def connection(self) -> str:
        return f'{{type: nats, servers: "{self.nats.servers}"}}'

    async def _send(self, numbers: Sequence[int], rate: float | None) -> None:
        import nats

        client = await nats.connect(self.nats.servers)
        stream = client.jetstream(publish_async_max_pending=1_000)

        async def put(part: Sequence[int]) -> None:
            sending = [await stream.publish_async("bench", message(n)) for n in part]
            await asyncio.gather(*sending)

        await self._parts(numbers, rate, put)
        await client.close()


class RedisFeed(Feed):
    name = "redis"

    def __init__(self) -> None:
        self.server = self.redis = Redis()

    def on(self) -> str:
        return "{redis: {stream: bench, group: bench, start: earliest, field: message}}"

    def connection(self) -> str:
        return f'{{type: redis, url: "{self.redis.url()}"}}'

    def send(self, numbers: Sequence[int], *, rate: float | None = None) -> None:
        from redis import Redis as Client

        with Client(self.redis.host, self.redis.port) as client:
            for part in paced(numbers, rate):
                pipeline = client.pipeline(transaction=False)
                for n in part:
                    pipeline.xadd("bench", {"message": message(n)})
                pipeline.execute()


class MqttFeed(Feed):
    name, before = "mqtt", True

    def __init__(self) -> None:
        self.server = self.broker = Mosquitto(options={"max_queued_messages": "0"})

    def on(self) -> str:
        return "{mqtt: {topic: bench, qos: 1, client_id: bench}}"

    def connection(self) -> str:
        return f'{{type: mqtt, url: "{self.broker.url()}"}}'

    def send(self, numbers: Sequence[int], *, rate: float | None = None) -> None:
        import paho.mqtt.client as mqtt

        client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv5)
        client.max_inflight_messages_set(500)
        client.connect(self.broker.host, self.broker.port)
        client.loop_start()
        for part in paced(numbers, rate):
            for sent in [client.publish("bench", message(n), qos=1) for n in part]:
                sent.wait_for_publish(60)
        client.loop_stop()
        client.disconnect()


class CdcFeed(Feed):
    name, before = "cdc", True
    n, sent = "event.data.new.n", "$.new.sent"

    def __init__(self) -> None:
        self.server = self.postgres = Postgres()

    def _connect(self) -> Any:
        import psycopg

        return psycopg.connect(self.postgres.url(), autocommit=True)

    def prepare(self) -> None:
        with self._connect() as connection:
            connection.execute("CREATE TABLE bench (id bigserial PRIMARY KEY, n int, sent float8, pad text)")

    def on(self) -> str:
        return "{cdc: {tables: [bench], operations: [insert]}}"

    def connection(self) -> str:
        return f'{{type: postgres, url: "{self.postgres.url()}"}}'

    def send(self, numbers: Sequence[int], *, rate: float | None = None) -> None:
        with self._connect() as connection, connection.cursor() as cursor:
            for part in paced(numbers, rate):
                rows = [(n, time.time() * 1000, _PAD) for n in part]
                cursor.executemany("INSERT INTO bench (n, sent, pad) VALUES (%s, %s, %s)", rows)


FEEDS: tuple[type[Feed], ...] = (KafkaFeed, JetStreamFeed, RedisFeed, MqttFeed, CdcFeed)
