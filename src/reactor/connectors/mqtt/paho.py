"""The client of Eclipse Paho with its acknowledgements in our hands.

Paho's own `manual_ack` waits with the PUBACK of QoS 1. At QoS 2 it does not: it answers PUBREC at once and keeps the
message in memory only, so that a message is lost when the process dies before the PUBREL. Here a message of QoS 2 is
handed over when it arrives, PUBREC is sent when it is acknowledged, and each PUBREL is answered by PUBCOMP (method A of
MQTT 5 §4.3.3, where the store of packet ids is the trigger's).

This leans on names that Paho keeps to itself. They are the same in 2.1 and 2.2; the tests on a real broker see what
they do.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable, Iterable
from typing import cast

from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from reactor.connectors.mqtt.message import Message
from reactor.connectors.mqtt.stream import Stream

_PUBACK, _PUBREC, _PINGREQ = 0x40, 0x50, 0xC0
_FAILED = 0x80
_HIGHEST = 2
_REASON_AT = 2
"""Where a PUBREC has its reason, after the packet id."""
_ack = struct.Struct("!BBH").pack


def properties(packet: int) -> Properties:
    """Empty properties of MQTT 5 for a type of packet."""
    return Properties(packet)  # type: ignore[no-untyped-call]


class Paho(Client):
    """A client on a stream that it is given."""

    def __init__(self, client_id: str, *, five: bool, clean: bool, give: Callable[[Message], None]) -> None:
        """`give` is called with each message."""
        super().__init__(
            CallbackAPIVersion.VERSION2,
            client_id,
            clean_session=None if five else clean,
            protocol=MQTTProtocolVersion.MQTTv5 if five else MQTTProtocolVersion.MQTTv311,
            reconnect_on_failure=False,
            manual_ack=True,
        )
        self.five = five
        self.give = give
        self.packets = 0
        """How many have come."""
        self.pings = 0
        """PINGREQ sent."""
        self.pongs = 0
        """PINGRESP come: all that was sent before as many PINGREQ has been read by the broker."""
        self.given: Stream | None = None
        """Connected, and through all handshakes; it becomes the client's."""
        self.outdated = False
        """The broker does not speak MQTT 3.1.1: Paho would try an older version, or say nothing."""

    @property
    def heard(self) -> float:
        """When the last byte came, on the monotonic clock."""
        return self._last_bytes_received

    def limit(self, window: int) -> None:
        """Have at most so many messages of our own unacknowledged."""
        self._max_inflight_messages = min(self._max_inflight_messages, window)

    def acknowledge(self, messages: Iterable[tuple[int, int]]) -> int:
        """PUBACK or PUBREC of each (packet id, QoS) in one piece, with a PINGREQ behind them: the answer to it says
        that the broker has read them. Which ping it is.
        """
        parts = [_ack(_PUBACK if qos == 1 else _PUBREC, 2, mid) for mid, qos in messages]
        parts.append(bytes((_PINGREQ, 0)))
        self.pings += 1
        self._packet_queue(_PUBACK, b"".join(parts), 0, 1)
        return self.pings

    def drop(self) -> None:
        """Close the socket without a word."""
        self._sock_close()

    def _create_socket_connection(self) -> socket.socket:
        given, self.given = self.given, None
        if given is None:
            raise ConnectionError("a client connects once")
        return cast("socket.socket", given)

    def _handle_connack(self) -> MQTTErrorCode:
        self.outdated = self._in_packet["packet"][1:] == b"\x01"
        return super()._handle_connack()

    def _packet_handle(self) -> MQTTErrorCode:
        self.packets += 1
        return super()._packet_handle()

    def _handle_pingresp(self) -> MQTTErrorCode:
        self.pongs += 1
        return super()._handle_pingresp()

    def _handle_publish(self) -> MQTTErrorCode:
        """Read a PUBLISH (MQTT 5 §3.3). Without Paho's bookkeeping, which is most of what a message costs there."""
        command, packet = self._in_packet["command"], self._in_packet["packet"]
        at = 2 + int.from_bytes(packet[:2], "big")
        topic, qos, mid, told = bytes(packet[2:at]), command >> 1 & 3, 0, None
        if qos:
            mid = int.from_bytes(packet[at : at + 2], "big")
            at += 2
        if self.five:
            if packet[at]:
                told = properties(PacketTypes.PUBLISH)
                at += told.unpack(bytes(packet[at:]))[1]  # type: ignore[no-untyped-call]
            else:
                at += 1
        if at > len(packet) or qos > _HIGHEST or (qos and not mid):
            return MQTTErrorCode.MQTT_ERR_PROTOCOL
        self.give(
            Message(
                mid=mid,
                topic=topic,
                payload=bytes(packet[at:]),
                qos=qos,
                retain=bool(command & 1),
                dup=bool(command & 8),
                properties=told,
            )
        )
        return MQTTErrorCode.MQTT_ERR_SUCCESS

    def _handle_pubrel(self) -> MQTTErrorCode:
        (mid,) = struct.unpack("!H", self._in_packet["packet"][:2])
        return self._send_pubcomp(mid)

    def _handle_pubrec(self) -> MQTTErrorCode:
        """A PUBREC that refuses is the end of the message; Paho would go on with PUBREL."""
        packet = self._in_packet["packet"]
        if len(packet) > _REASON_AT and packet[_REASON_AT] >= _FAILED:
            (mid,) = struct.unpack("!H", packet[:2])
            if mid in self._out_messages:
                reason = ReasonCode(PacketTypes.PUBREC, identifier=packet[_REASON_AT])
                return self._do_on_publish(mid, reason, properties(PacketTypes.PUBREC))
        return super()._handle_pubrec()
