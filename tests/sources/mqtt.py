"""MQTT: topics of Mosquitto, with a persistent session."""

from __future__ import annotations

import asyncio
import os
import signal
import struct
import time
from collections.abc import Sequence

from reactor.connectors.mqtt.connection import Mqtt, Reach
from reactor.connectors.mqtt.driver import link_of
from reactor.testing.servers import Mosquitto, Wire
from tests.sources.rig import Rig

_HEAD = 15 + 4 + 4
_MESSAGE_OF_CLIENT = 3


class Keeping(Mosquitto):
    """Mosquitto holds its sessions in memory and writes them when it comes to it. What it had not written when it is
    killed it does not know, whoever asks: so it is killed when it has."""

    def waiting(self) -> int:
        """How many messages it holds for clients; it writes its file for that."""
        path = self.folder / "data" / "mosquitto.db"
        path.unlink(missing_ok=True)
        os.kill(self.pid, signal.SIGUSR1)
        end = time.monotonic() + 10
        while not path.exists():
            assert time.monotonic() < end, "it does not write its file"
            time.sleep(0.01)
        data, at, found = path.read_bytes(), _HEAD, 0
        while at + 8 <= len(data):
            kind, length = struct.unpack_from("!II", data, at)
            found += kind == _MESSAGE_OF_CLIENT
            at += 8 + length
        return found

    def kill(self) -> None:
        end = time.monotonic() + 20
        while self.waiting() and time.monotonic() < end:
            time.sleep(0.05)
        super().kill()


class MqttRig(Rig):
    """QoS 1, MQTT 5."""

    name = "mqtt"
    qos = 1
    version: int | str = 5

    def __init__(self) -> None:
        self.server: Keeping = Keeping({"autosave_on_changes": "false", "autosave_interval": 600})
        self.server.__enter__()
        self.wire = Wire(self.server.port)
        self.wire.__enter__()
        self.topic = ""

    def close(self) -> None:
        self.wire.__exit__(None, None, None)
        self.server.__exit__(None, None, None)

    def fresh(self, number: int) -> None:
        if not self.server.alive:
            self.server.start()
        self.server.stop()
        (self.server.folder / "data" / "mosquitto.db").unlink(missing_ok=True)
        self.server.start()
        self.wire.mend()
        self.topic = f"t{number}"
        asyncio.run(self._begin())

    def on(self) -> str:
        return f"{{mqtt: {{topic: {self.topic}/#, qos: {self.qos}, client_id: c{self.topic}, format: json}}}}"

    def connections(self) -> str:
        return f'{{mqtt: {{type: mqtt, url: "mqtt://127.0.0.1:{self.wire.port}", version: {self.version}}}}}'

    def send(self, numbers: Sequence[int]) -> None:
        asyncio.run(self._publish([b'{"n": %d}' % n for n in numbers]))

    def poison(self) -> None:
        asyncio.run(self._publish([b"{"]))

    def left(self) -> int:
        return self.server.waiting()

    async def _begin(self) -> None:
        """Let the session begin: what is published before that is nobody's."""
        from reactor.connectors.mqtt.link import Filter

        link = link_of(Reach(Mqtt(url=self.server.url())), client_id=f"c{self.topic}", clean=False, expiry=600)
        try:
            await link.open()
            await link.subscribe([Filter(f"{self.topic}/#", self.qos)])
        finally:
            await link.close()

    async def _publish(self, payloads: list[bytes]) -> None:
        link = link_of(Reach(Mqtt(url=self.server.url())))
        try:
            await link.open()
            await asyncio.gather(
                *(link.publish(f"{self.topic}/x", each, qos=2, retain=False, properties=None) for each in payloads)
            )
        finally:
            await link.close()


class MqttTwice(MqttRig):
    """QoS 2, MQTT 3.1.1."""

    name = "mqtt QoS 2"
    qos = 2
    version = "3.1.1"
