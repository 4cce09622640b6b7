"""One client of a broker on the event loop: connects once, and is lost once."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import time
from collections import deque
from typing import Any

import msgspec
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from reactor.connectors.mqtt import failures
from reactor.connectors.mqtt.connection import Mqtt
from reactor.connectors.mqtt.dial import PATIENCE, dialled
from reactor.connectors.mqtt.message import Message
from reactor.connectors.mqtt.paho import Paho, properties
from reactor.connectors.mqtt.stream import Stream
from reactor.sdk import PermanentError, StepError, TransientError
from reactor.sdk.sharing import Reach
from reactor.sdk.tls import Tls
from reactor.sdk.tls import context as tls_context

PING = 2.5
"""Seconds between two questions whether the broker is there."""
SILENT = 7.0
"""Seconds without a word after which it is lost."""
_TICK = 0.5
_READS = 200
"""Packets that are read before others have their turn."""
MOST_BYTES = 8 * 1024 * 1024
"""Of messages that wait to be taken; then nothing more is read."""
_FAILED = 0x80


class Filter(msgspec.Struct, frozen=True):
    """What is subscribed to."""

    topic: str
    qos: int
    retained: int = 0
    """MQTT 5: whether retained messages come. 0: with every subscription; 1: with a new one; 2: never."""


class Offer(msgspec.Struct, frozen=True, kw_only=True):
    """What the broker said in its CONNACK."""

    present: bool
    """It has our session still."""
    most_qos: int = 2
    retain: bool = True
    shared: bool = True
    wildcards: bool = True
    most_bytes: int | None = None
    """The largest packet it takes."""


class Link:
    """A connection of MQTT. `open` it once, `close` it whatever happened."""

    def __init__(
        self, reach: Reach[Mqtt], *, client_id: str = "", clean: bool = True, expiry: int = 0, window: int = 0
    ) -> None:
        """`clean`: without a session of before; `expiry`: seconds that the broker keeps it for us after the end.
        `window`: how many messages may be on their way to us unacknowledged (0: as the broker likes).
        """
        self.settings = reach.settings
        self.client_id = client_id or f"reactor-{secrets.token_hex(6)}"
        self.offer = Offer(present=False)
        self.pongs = 0
        """The last ping that was answered, with all messages taken that came before the answer."""
        self._reach, self._clean, self._expiry, self._window = reach, clean, expiry, window
        self._loop = asyncio.get_running_loop()
        self._paho: Paho | None = None
        self._stream: Stream | None = None
        self._watched = -1
        self._connack: asyncio.Future[Any] = self._loop.create_future()
        self._lost: StepError | None = None
        self._answers: dict[int, asyncio.Future[Any]] = {}
        self._open = 0
        """Messages that are not acknowledged."""
        self._ticket = 0
        """The ping behind the last acknowledgement."""
        self._inbox: deque[Message] = deque()
        self._bytes = 0
        self._came = asyncio.Event()
        self._paused = False
        self._since = 0.0
        """When it could begin to be heard: silence counts from here."""
        self._asked = 0.0
        self._ticked = 0.0
        self._ticker: asyncio.TimerHandle | None = None

    # ------------------------------------------------------------ for users

    @property
    def alive(self) -> bool:
        """Whether it is connected still."""
        return self._watched >= 0 and self._lost is None

    def found(self) -> str:
        """What is there, in a sentence."""
        offer, extra = self.offer, []
        if offer.most_qos < 2:
            extra.append(f"QoS up to {offer.most_qos}")
        if not offer.retain:
            extra.append("no retained messages")
        if not offer.shared:
            extra.append("no shared subscriptions")
        version = "5" if self.settings.five else "3.1.1"
        return f"MQTT {version} broker at {self.settings.address}{''.join(f', {text}' for text in extra)}"

    async def open(self) -> bool:
        """Connect; whether the broker has our session still.

        Raises:
            StepError: it cannot be reached, or refuses us.
        """
        scheme, host, port, path = self.settings.place
        secure = scheme in {"mqtts", "wss"}
        context = tls_context(self.settings.tls or Tls(), self._reach.operator) if secure else None
        self._stream = await dialled(scheme, host, port, path, context)
        self._greet(self._stream, host, port)
        self._watch()
        present, reason, told = await self._answer(self._connack, "our CONNECT")
        if reason.value >= _FAILED:
            raise failures.refused_connect(self.settings.address, self.client_id, reason.value, reason.getName())
        self.offer = _offer(told, present=bool(present))
        assert self._paho is not None  # noqa: S101 - `_greet` made it
        self._paho.limit(getattr(told, "ReceiveMaximum", 65_535))
        return self.offer.present

    async def subscribe(self, filters: list[Filter]) -> None:
        """Returns when the broker has confirmed each.

        Raises:
            StepError: it refuses one, or grants a lower QoS.
        """
        self._check_filters(filters)
        if self.settings.five:
            wanted: list[tuple[str, Any]] = [
                (f.topic, SubscribeOptions(qos=f.qos, retainHandling=f.retained)) for f in filters
            ]
        else:
            wanted = [(f.topic, f.qos) for f in filters]
        codes = await self._exchange(lambda paho: paho.subscribe(wanted)[1], "our SUBSCRIBE")
        for each, code in zip(filters, codes, strict=True):
            if code.value >= _FAILED:
                raise failures.refused_subscribe(self.settings.address, each.topic, code.value, code.getName())
            if code.value < each.qos:
                raise PermanentError(
                    "mqtt.refused",
                    f"the broker {self.settings.address} grants QoS {code.value} only for {each.topic!r}; set `qos` to "
                    "that if a lower promise will do",
                )

    async def unsubscribe(self, topics: list[str]) -> None:
        """Returns when the broker has confirmed it."""
        await self._exchange(lambda paho: paho.unsubscribe(topics)[1], "our UNSUBSCRIBE")

    async def publish(
        self, topic: str, payload: bytes, *, qos: int, retain: bool, properties: Properties | None
    ) -> bool | None:
        """Returns when the broker has taken it (QoS 0: when it is written). False: it says that nobody is subscribed.

        Raises:
            StepError: it does not.
        """
        self._check_message(topic, payload, qos, retain=retain)
        try:
            reason: ReasonCode = await self._exchange(
                lambda paho: paho.publish(topic, payload, qos, retain, properties).mid, "a message", patience=None
            )
        except ValueError as error:
            raise PermanentError("input", f"the topic {topic!r}: {error}") from error
        if reason.value >= _FAILED:
            raise failures.refused_publish(self.settings.address, topic, reason.value, reason.getName())
        return False if reason.value else None

    async def take(self, most: int, patience: float | None = None) -> list[Message]:
        """The messages that are there, at least one unless `patience` (seconds) is over first; what came before the
        end is given before the end is told.

        Raises:
            StepError: the connection is lost.
        """
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(patience):
                await self._some()
        taken = [self._inbox.popleft() for _ in range(min(most, len(self._inbox)))]
        if not self._inbox and self._paho is not None:
            self.pongs = self._paho.pongs
        self._bytes -= sum(len(message.payload) for message in taken)
        if self._paused and not self._full():
            self._resume()
        return taken

    def acknowledge(self, messages: list[tuple[int, int]]) -> int:
        """PUBACK or PUBREC of (packet id, QoS), written at once. `pongs` reaches the number when the broker has read
        it.
        """
        if self._paho is None or not self.alive:
            return 2**63
        ticket = self._paho.acknowledge(messages)
        if messages:
            self._open -= len(messages)
            self._ticket = ticket
        self._asked = time.monotonic()
        self._write(self._paho)
        return ticket

    def fail(self, error: StepError) -> None:
        """End it for a reason of ours."""
        self._lose(error)

    async def close(self) -> None:
        """Say goodbye where that is possible, and give everything back. The broker keeps the session."""
        paho, self._paho = self._paho, None
        if self._ticker is not None:
            self._ticker.cancel()
        if paho is not None:
            if self.alive and self._connack.done():
                with contextlib.suppress(OSError, ValueError):
                    paho.disconnect()
                    self._write(paho)
            paho.drop()
        self._unwatch()
        if self._stream is not None:
            self._stream.close()
        self._lose(failures.closed(self.settings.address, self.client_id))

    # ------------------------------------------------------------ connecting

    def _greet(self, stream: Stream, host: str, port: int) -> None:
        """Hand the stream to Paho and let it send CONNECT."""
        paho = self._paho = Paho(self.client_id, five=self.settings.five, clean=self._clean, give=self._on_message)
        paho.given = stream
        user, password = self.settings.credentials
        if user is not None:
            paho.username_pw_set(user, password)
        paho.on_connect = self._on_connect
        paho.on_disconnect = self._on_disconnect
        paho.on_subscribe = paho.on_unsubscribe = lambda _c, _u, mid, codes, _p: self._answered(mid, codes)
        paho.on_publish = lambda _c, _u, mid, code, _p: self._answered(mid, code)
        extra: dict[str, Any] = {}
        if self.settings.five:
            extra = {"clean_start": self._clean, "properties": self._properties()}
        paho.connect(host, port, self.settings.keepalive_seconds, **extra)

    def _properties(self) -> Properties:
        made = properties(PacketTypes.CONNECT)
        if self._expiry:
            made.SessionExpiryInterval = self._expiry
        if self._window:
            made.ReceiveMaximum = self._window
        return made

    # ------------------------------------------------------------ the socket

    def _watch(self) -> None:
        paho, stream = self._paho, self._stream
        if paho is None or stream is None:
            return
        self._watched = stream.fileno()
        if self._watched < 0:  # the other side hung up on our CONNECT, as with TLS 1.3 it does on a wrong certificate
            self._lose(failures.hung_up(self.settings.address))
            return
        paho.on_socket_register_write = lambda *_: self._loop.add_writer(self._watched, self._writable)
        paho.on_socket_unregister_write = self._unregister
        paho.on_socket_close = lambda *_: self._unwatch()
        self._loop.add_reader(self._watched, self._readable)
        if paho.want_write() or stream.unsent:
            self._loop.add_writer(self._watched, self._writable)
        self._since = self._ticked = self._asked = time.monotonic()
        self._ticker = self._loop.call_later(_TICK, self._tick)

    def _unwatch(self) -> None:
        if self._watched >= 0:
            self._loop.remove_reader(self._watched)
            self._loop.remove_writer(self._watched)
            self._watched = -1

    def _readable(self) -> None:
        for _ in range(_READS):
            paho, stream = self._paho, self._stream
            if paho is None or stream is None or self._paused or self._watched < 0:
                return
            before = paho.packets
            try:
                paho.loop_read()
            except Exception as error:  # noqa: BLE001 - whatever a decoder of Paho raises at what it does not expect
                self._lose(TransientError("mqtt.protocol", f"{self.settings.address} does not speak MQTT: {error!r}"))
                self._unwatch()
                return
            if paho.packets == before and not stream.pending():
                return
        self._loop.call_soon(self._readable)

    def _writable(self) -> None:
        if self._paho is not None:
            self._write(self._paho)

    def _write(self, paho: Paho) -> None:
        paho.loop_write()
        if self._stream is not None and self._watched >= 0:
            self._stream.flush()
            if self._stream.unsent:
                self._loop.add_writer(self._watched, self._writable)

    def _unregister(self, *_: Any) -> None:
        if self._watched >= 0:
            self._loop.remove_writer(self._watched)

    def _full(self) -> bool:
        return self._bytes >= MOST_BYTES or len(self._inbox) >= max(self._window, 100)

    def _pause(self) -> None:
        """Nothing more is read: the broker's window closes, and in the end its own queue holds the messages."""
        self._paused = True
        if self._watched >= 0:
            self._loop.remove_reader(self._watched)

    def _resume(self) -> None:
        self._paused = False
        self._since = time.monotonic()
        if self._watched >= 0:
            self._loop.add_reader(self._watched, self._readable)
            self._loop.call_soon(self._readable)  # TLS may hold what the socket does not show

    def _tick(self) -> None:
        self._ticker = self._loop.call_later(_TICK, self._tick)
        now, paho = time.monotonic(), self._paho
        if paho is None or not self.alive:
            return
        if self._paused or now - self._ticked > 2 * _TICK + 1:  # nothing could be heard, or it was us who slept
            self._since = now
        self._ticked = now
        if now - max(self._since, paho.heard) > SILENT:
            self._lose(failures.silent(self.settings.address, SILENT))
        elif now - self._asked >= PING:
            self.acknowledge([])

    # ------------------------------------------------------------ what comes

    def _on_connect(self, _client: Any, _data: Any, flags: Any, reason: Any, properties: Any) -> None:
        if not self._connack.done():
            self._connack.set_result((flags.session_present, reason, properties))

    def _on_disconnect(self, _client: Any, _data: Any, flags: Any, reason: Any, _properties: Any) -> None:
        address = self.settings.address
        if flags.is_disconnect_packet_from_server and reason is not None:
            self._lose(failures.ended(address, self.client_id, reason.value, reason.getName()))
        elif self._paho is not None and self._paho.outdated:
            self._lose(failures.refused_connect(address, self.client_id, 0x84, ""))
        elif self._connack.done():
            self._lose(failures.closed(address, self.client_id))
        else:
            self._lose(failures.hung_up(address))

    def _on_message(self, message: Message) -> None:
        if message.qos:
            paho = self._paho
            message.fresh = self._open == 0 and paho is not None and paho.pongs >= self._ticket
            self._open += 1
        self._inbox.append(message)
        self._bytes += len(message.payload)
        self._came.set()
        if not self._paused and self._full():
            self._pause()

    def _answered(self, mid: int, result: Any) -> None:
        waiting = self._answers.pop(mid, None)
        if waiting is not None and not waiting.done():
            waiting.set_result(result)

    def _lose(self, error: StepError) -> None:
        """The first reason counts; all who wait are told."""
        if self._lost is None:
            self._lost = error
            for answer in (self._connack, *self._answers.values()):
                if not answer.done():
                    answer.set_result(_again(error))
        self._came.set()

    async def _some(self) -> None:
        while not self._inbox:
            if self._lost is not None:
                raise _again(self._lost)
            self._came.clear()
            await self._came.wait()

    async def _exchange(self, send: Any, what: str, *, patience: float | None = PATIENCE) -> Any:
        """Send a packet and wait for the answer with its id."""
        if self._paho is None or not self.alive:
            raise _again(self._lost or failures.closed(self.settings.address, self.client_id))
        mid = send(self._paho)
        if mid is None:
            raise failures.closed(self.settings.address, self.client_id)
        answer = self._answers[mid] = self._loop.create_future()
        try:
            return await self._answer(answer, what, patience=patience)
        finally:
            self._answers.pop(mid, None)

    async def _answer(self, answer: asyncio.Future[Any], what: str, *, patience: float | None = PATIENCE) -> Any:
        try:
            async with asyncio.timeout(patience):
                found = await answer
        except TimeoutError:
            raise TransientError(
                "mqtt.timeout",
                f"the broker {self.settings.address} did not answer {what} within {PATIENCE:g} s; is it stuck, or does "
                "this port speak something else than MQTT?",
            ) from None
        if isinstance(found, StepError):
            raise found
        return found

    # ------------------------------------------------------------ what the broker allows

    def _check_filters(self, filters: list[Filter]) -> None:
        address = self.settings.address
        for each in filters:
            if each.topic.startswith("$share/") and not self.offer.shared:
                raise failures.refused_subscribe(address, each.topic, 0x9E, "")
            if ("#" in each.topic or "+" in each.topic) and not self.offer.wildcards:
                raise failures.refused_subscribe(address, each.topic, 0xA2, "")

    def _check_message(self, topic: str, payload: bytes, qos: int, *, retain: bool) -> None:
        """Brokers answer what they do not offer by ending the connection, for all who use it."""
        offer, address = self.offer, self.settings.address
        if not topic:
            raise PermanentError("input", "the topic is empty")
        if qos > offer.most_qos:
            raise PermanentError("mqtt.refused", f"the broker {address} offers QoS {offer.most_qos} at most; set `qos`")
        if retain and not offer.retain:
            raise PermanentError("mqtt.refused", f"the broker {address} has no retained messages; leave `retain` out")
        if offer.most_bytes is not None and len(topic) + len(payload) + 64 > offer.most_bytes:
            raise PermanentError(
                "mqtt.too_large", f"{len(payload)} bytes are more than the broker {address} takes ({offer.most_bytes})"
            )


def _offer(properties: Properties, *, present: bool) -> Offer:
    return Offer(
        present=present,
        most_qos=getattr(properties, "MaximumQoS", 2),
        retain=bool(getattr(properties, "RetainAvailable", 1)),
        shared=bool(getattr(properties, "SharedSubscriptionAvailable", 1)),
        wildcards=bool(getattr(properties, "WildcardSubscriptionAvailable", 1)),
        most_bytes=getattr(properties, "MaximumPacketSize", None),
    )


def _again(error: StepError) -> StepError:
    """The same for another who waits."""
    return type(error)(error.kind, error.message)
