"""MQTT at QoS 1 and 2, with a session that the broker keeps."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import struct
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from reactor.testing.servers import Mosquitto, Wire
from tests.sources.rig import Rig

_PUBACK, _PUBREC, _PUBCOMP, _SUBACK, _PINGRESP, _CONNACK = 0x40, 0x50, 0x70, 0x90, 0xD0, 0x20
_HEAD = 23
"""Bytes of Mosquitto's file before its chunks."""
_OF_CLIENT = 3
"""The kind of the chunk of a message that a client is to get and has not acknowledged."""
_AT_ONCE = 20


class Client:
    """Just enough of MQTT 3.1.1, without threads: whoever returns has the broker's answer."""

    def __init__(self, port: int, name: str, *, clean: bool = True) -> None:
        self._line = socket.create_connection(("127.0.0.1", port), timeout=20)
        self._line.sendall(_packet(0x10, b"\0\4MQTT\4", bytes((2 if clean else 0,)), b"\0\x3c", _text(name)))
        self._answer(_CONNACK)
        self._last = 0

    def subscribe(self, topic: str, qos: int) -> None:
        self._line.sendall(_packet(0x82, b"\0\1", _text(topic), bytes((qos,))))
        self._answer(_SUBACK)

    def publish(self, topic: str, payloads: Sequence[bytes], qos: int) -> None:
        """In this order; on return the broker has them in its file."""
        for at in range(0, len(payloads), _AT_ONCE):
            mids = []
            for payload in payloads[at : at + _AT_ONCE]:
                self._last += 1
                mids.append(struct.pack("!H", self._last))
                self._line.sendall(_packet(0x30 | qos << 1, _text(topic), mids[-1], payload))
            if qos == 2:
                for mid in mids:
                    self._answer(_PUBREC)
                    self._line.sendall(_packet(0x62, mid))
            for _ in mids:
                self._answer(_PUBACK if qos == 1 else _PUBCOMP)
        # It saves what has changed before it reads on.
        self._line.sendall(b"\xc0\0")
        self._answer(_PINGRESP)

    def close(self) -> None:
        self._line.sendall(b"\xe0\0")
        self._line.shutdown(socket.SHUT_WR)
        while self._line.recv(1_000):
            pass
        self._line.close()

    def _answer(self, kind: int) -> None:
        first, size = self._read(2)
        self._read(size)
        assert first & 0xF0 == kind, hex(first)

    def _read(self, size: int) -> bytes:
        found = b""
        while len(found) < size:
            more = self._line.recv(size - len(found))
            assert more, "the broker has closed"
            found += more
        return found


class Broker(Mosquitto):
    """Is killed with all written that it has read.

    Mosquitto writes nothing when a message is acknowledged, and so gives it again. In the first burst of a session
    Reactor cannot know yet whether such an id is one that is used anew, and takes the message: twice rather than not.
    """

    wire: Wire

    def kill(self) -> None:
        self.wire.stall()  # whatever is on its way to it now, it never gets
        time.sleep(0.05)
        self.save()
        super().kill()
        self.wire.reset()
        self.wire.mend()

    @property
    def file(self) -> Path:
        """Its state."""
        return self.folder / "data" / "mosquitto.db"

    def save(self) -> None:
        """Let it write its state."""
        before = self.file.stat().st_mtime_ns if self.file.exists() else 0
        os.kill(self.pid, signal.SIGUSR1)
        until = time.monotonic() + 10
        while not self.file.exists() or self.file.stat().st_mtime_ns == before:
            assert time.monotonic() < until, "the broker does not write its state"
            time.sleep(0.01)


class _Mqtt(Rig):
    """See `Rig`."""

    qos: int
    version: str
    server: Broker

    def __init__(self) -> None:
        # More than a test sends: what still waits for its turn when a broker is killed it may give twice as something
        # new, because Mosquitto writes nothing when a message gets its turn.
        self.server = Broker({"max_inflight_messages": 1_000})
        self.server.__enter__()
        self.wire = Wire(self.server.port)
        self.wire.__enter__()
        self.server.wire = self.wire
        self._number = 0
        self._remembering = False

    def close(self) -> None:
        self.wire.__exit__()
        self.server.__exit__()

    def fresh(self, number: int) -> None:
        if not self.server.alive:
            self.server.start()
        self.wire.mend()
        if self._number:  # the session of the test before goes
            Client(self.server.port, self._client).close()
        self._number = number
        # The session is there before the trigger, so that a Reactor that dies before it listens misses nothing.
        session = Client(self.server.port, self._client, clean=False)
        session.subscribe(self._topic, self.qos)
        session.close()

    def on(self) -> str:
        return f"{{mqtt: {{topic: {self._topic}, qos: {self.qos}, client_id: {self._client}, format: json}}}}"

    def connections(self) -> str:
        return f"{{mqtt: {{type: mqtt, url: 'mqtt://127.0.0.1:{self.wire.port}', version: '{self.version}'}}}}"

    def send(self, numbers: Sequence[int]) -> None:
        if self._remembering:
            self._remembering = False
            self._send_apart(numbers[:5])
            self._send_apart(numbers[5:10])
            self.wire.stall()
            self._send(numbers[10:])
            self.server.save()
            shutil.copyfile(self.server.file, self._kept)
            self.wire.mend()
        else:
            self._send(numbers)

    def remember(self) -> None:
        """The broker's state is kept in which it has sent most of the messages and no acknowledgement has come. Those
        before them tell Reactor that this broker counts its ids upwards.
        """
        self._remembering = True

    def again(self, numbers: Sequence[int]) -> None:
        """The broker comes back with that state: it has to send all of them again, as duplicates."""
        self.server.kill()
        self.server.file.write_bytes(self._kept.read_bytes())  # it stays the broker's own file
        self.server.start()
        assert self.left() >= len(numbers)

    def poison(self) -> None:
        self._publish([b"\xff\xfe"])

    def left(self) -> int:
        self.server.save()
        mine = self._client.encode()
        return sum(kind == _OF_CLIENT and mine in body for kind, body in _chunks(self.server.file.read_bytes()))

    @property
    def _topic(self) -> str:
        return f"t{self._number}"

    @property
    def _client(self) -> str:
        return f"taker-{self._number}"

    @property
    def _kept(self) -> Path:
        return self.server.file.with_name("kept")

    def _send(self, numbers: Sequence[int]) -> None:
        self._publish([b'{"n": %d}' % number for number in numbers])

    def _send_apart(self, numbers: Sequence[int]) -> None:
        """Send, and wait until all are acknowledged."""
        self._send(numbers)
        until = time.monotonic() + 20
        while self.left():
            assert time.monotonic() < until, "not all were acknowledged"
            time.sleep(0.05)

    def _publish(self, payloads: Sequence[bytes]) -> None:
        with contextlib.closing(Client(self.server.port, "sender")) as sender:
            sender.publish(self._topic, payloads, self.qos)


def _chunks(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Of Mosquitto's file, version 6: each is its kind, its length and a body."""
    at = _HEAD
    while at < len(data):
        kind, size = struct.unpack_from("!II", data, at)
        yield kind, data[at + 8 : at + 8 + size]
        at += 8 + size


class MqttOnce(_Mqtt):
    """QoS 1, MQTT 5."""

    name = "mqtt"
    qos = 1
    version = "5"


class MqttTwice(_Mqtt):
    """QoS 2, MQTT 3.1.1."""

    name = "mqtt QoS 2"
    qos = 2
    version = "3.1.1"


def _packet(first: int, *parts: bytes) -> bytes:
    body = b"".join(parts)
    assert len(body) < 128
    return bytes((first, len(body))) + body


def _text(text: str) -> bytes:
    return struct.pack("!H", len(text)) + text.encode()
