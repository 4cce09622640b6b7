"""What tests of MQTT share: benches on a broker, publishers, and a broker that is told what to say."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import struct

from reactor.connectors.mqtt import connector
from reactor.connectors.mqtt.connection import MQTT, Mqtt
from reactor.connectors.mqtt.driver import link_of
from reactor.connectors.mqtt.trigger import MqttTrigger
from reactor.sdk import ConnectionContext
from reactor.sdk.connection import converted
from reactor.sdk.sharing import Reach
from reactor.testing.actions import action_context, call
from reactor.testing.triggers import TriggerBench

(PUBLISH,) = connector.actions
VERSIONS = (5, "3.1.1")


def bench(url, topic="#", *, key="flow/0", settings=None, saved=None, **config):
    """A trigger on a bench; `settings`: more keys of its connection."""
    connection = {"type": "mqtt", "url": url, **(settings or {})}
    return TriggerBench(
        MqttTrigger(), {"topic": topic, **config}, key=key, saved=saved, connections={"mqtt": connection}
    )


async def armed(made):
    """Until it listens."""
    await made.until(lambda b: b.state() == "armed")


async def lost(made, seconds=10.0):
    """Until it is lost; why."""
    await made.until(lambda b: b.state() == "lost", seconds)
    return made.states[-1][1]


async def came(made, count, seconds=20.0):
    """Until that many events are there; their data."""
    await made.until(lambda b: len(b.drafts) >= count, seconds)
    return [draft.data for draft in made.drafts]


@contextlib.asynccontextmanager
async def publisher(url, **settings):
    """A client that publishes."""
    link = link_of(Reach(Mqtt(url=url, **settings)))
    try:
        await link.open()
        yield lambda topic, payload, qos=1, retain=False: link.publish(
            topic, payload, qos=qos, retain=retain, properties=None
        )
    finally:
        await link.close()


async def publish(url, topic, *payloads, qos=1, retain=False, **settings):
    """Publish these, in order."""
    async with publisher(url, **settings) as send:
        for payload in payloads:
            await send(topic, str(payload).encode(), qos, retain)


async def step(url, /, *, settings=None, ctx=None, **params):
    """The action `mqtt.publish`."""
    connections = {"mqtt": {"type": "mqtt", "url": url, **(settings or {})}}
    return await call(PUBLISH, params, action_context(connections=connections, **(ctx or {})))


async def inspected(url, **settings):
    """What the test of a connection finds."""
    assert MQTT.test is not None
    ctx = ConnectionContext(name="c", settings={}, log=logging.getLogger("reactor.test"))
    return await MQTT.test(ctx, converted(MQTT, "c", {"url": url, **settings}))


def flood(port, topic, count, size=1_000, *, qos=1):
    """Publish very many messages as fast as the broker reads, in MQTT 3.1.1, and wait until it has read all."""
    with socket.create_connection(("127.0.0.1", port), timeout=60) as it:
        it.sendall(b"\x10\x11\x00\x04MQTT\x04\x02\x00\x3c\x00\x05flood")
        assert it.recv(4)[:1] == b"\x20"
        for number in range(count):
            body = struct.pack("!H", len(topic)) + topic.encode()
            if qos:
                body += struct.pack("!H", number % 65_535 + 1)
            body += b"%d " % number + b"x" * size
            it.sendall(bytes((0x30 | qos << 1,)) + _length(len(body)) + body)
            if number % 500 == 0:
                _drain(it)
        it.sendall(b"\xc0\x00")
        tail = b""
        while not tail.endswith(b"\xd0\x00"):
            tail = (tail + it.recv(65_536))[-2:]


def _drain(it):
    it.setblocking(False)
    with contextlib.suppress(BlockingIOError):
        while it.recv(65_536):
            pass
    it.settimeout(60)


def _length(number):
    made = bytearray()
    while True:
        number, digit = divmod(number, 128)
        made.append(digit | (0x80 if number else 0))
        if not number:
            return bytes(made)


class Scripted:
    """Answers each packet as it is told: `answers[packet type]` is bytes, or a function of the packet."""

    def __init__(self, answers):
        self.answers = answers
        self.seen = []
        self.url = ""
        self._server: asyncio.Server
        self._writers = set()

    async def __aenter__(self):
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"mqtt://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_):
        for writer in self._writers:
            writer.transport.abort()
        self._server.close()
        await self._server.wait_closed()

    def of(self, kind):
        """The packets of a type that came."""
        return [packet for first, packet in self.seen if first >> 4 == kind]

    async def _serve(self, reader, writer):
        self._writers.add(writer)
        try:
            with contextlib.suppress(asyncio.IncompleteReadError, OSError):
                while True:
                    first, body = await self._packet(reader)
                    self.seen.append((first, body))
                    answer = self.answers.get(first >> 4)
                    found = answer(body) if callable(answer) else answer
                    if found == b"":
                        return
                    if found:
                        writer.write(found)
        finally:
            self._writers.discard(writer)
            writer.close()

    @staticmethod
    async def _packet(reader):
        first = (await reader.readexactly(1))[0]
        length = shift = 0
        while True:
            digit = (await reader.readexactly(1))[0]
            length |= (digit & 127) << shift
            shift += 7
            if digit < 128:
                break
        return first, await reader.readexactly(length)
