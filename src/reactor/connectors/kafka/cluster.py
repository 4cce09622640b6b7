"""A connection of our own to a broker, beside those of aiokafka's clients: it says why it cannot be made, and tells
what topics there are without making any.

aiokafka's clients hide why they cannot connect, ask for a topic in a way that makes it where the broker is set so, and
do not know the ids of topics.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import ssl
import uuid
from collections.abc import Mapping
from types import TracebackType
from typing import Any, NamedTuple, Self

from aiokafka import errors
from aiokafka.conn import AIOKafkaConnection, collect_hosts, create_conn
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.metadata import MetadataRequest
from aiokafka.protocol.types import Boolean, CompactArray, CompactString, Int16, Int32, Schema, TaggedFields

from reactor.connectors.kafka.connection import KafkaSettings, options
from reactor.sdk import PermanentError, StepError, TransientError

ANSWER = 3.5
"""Seconds in which a broker has to answer."""
OPENING = 8.0
"""Seconds for finding a broker that answers, among all that are named."""
_NO_ID = uuid.UUID(int=0)
# It says in its log what we say ourselves, and again with each of its own tries.
logging.getLogger("aiokafka").setLevel(logging.CRITICAL)


class Topic(NamedTuple):
    """A topic as a broker tells of it."""

    id: str
    """Empty: the broker is too old to tell."""
    error: type[errors.KafkaError]
    internal: bool
    partitions: int


class _Uuid:
    """16 bytes."""

    @classmethod
    def encode(cls, value: uuid.UUID) -> bytes:
        return value.bytes

    @classmethod
    def decode(cls, data: Any) -> uuid.UUID:
        return uuid.UUID(bytes=data.read(16))

    @classmethod
    def repr(cls, value: uuid.UUID) -> str:
        return str(value)


def _array(*fields: Any) -> CompactArray:
    """Of one type, or of structs with tags at their end."""
    array: CompactArray = CompactArray(Int32)
    array.array_of = fields[0] if len(fields) == 1 else Schema(*fields, ("tags", TaggedFields))
    return array


class _TopicsResponse(Response):  # type: ignore[misc]  # aiokafka's types are not read
    """Metadata, version 10: https://kafka.apache.org/protocol#The_Messages_Metadata."""

    API_KEY = 3
    API_VERSION = 10
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        ("brokers", _array(("node_id", Int32), ("host", CompactString()), ("port", Int32), ("rack", CompactString()))),
        ("cluster_id", CompactString()),
        ("controller_id", Int32),
        (
            "topics",
            _array(
                ("error_code", Int16),
                ("name", CompactString()),
                ("topic_id", _Uuid),
                ("is_internal", Boolean),
                (
                    "partitions",
                    _array(
                        ("error_code", Int16),
                        ("partition", Int32),
                        ("leader", Int32),
                        ("leader_epoch", Int32),
                        ("replicas", _array(Int32)),
                        ("isr", _array(Int32)),
                        ("offline", _array(Int32)),
                    ),
                ),
                ("operations", Int32),
            ),
        ),
        ("operations", Int32),
        ("tags", TaggedFields),
    )


class _TopicsRequest_v10(RequestStruct):  # type: ignore[misc]  # noqa: N801 - as aiokafka calls them
    FLEXIBLE_VERSION = True
    API_KEY = 3
    API_VERSION = 10
    RESPONSE_TYPE = _TopicsResponse
    SCHEMA = Schema(
        ("topics", _array(("topic_id", _Uuid), ("name", CompactString()))),
        ("allow_auto_topic_creation", Boolean),
        ("include_cluster_operations", Boolean),
        ("include_topic_operations", Boolean),
        ("tags", TaggedFields),
    )


class _TopicsRequest(Request[_TopicsRequest_v10]):  # type: ignore[misc]
    API_KEY = 3

    def __init__(self, names: list[str] | None) -> None:
        self._names = names

    def build(self, request_struct_class: type[_TopicsRequest_v10]) -> _TopicsRequest_v10:
        asked: Any = None if self._names is None else [(_NO_ID, name, {}) for name in self._names]
        return request_struct_class(asked, False, False, False, {})


class Cluster:
    """`async with Cluster(settings, operator)`: connected to one of the brokers."""

    def __init__(self, settings: KafkaSettings, operator: Mapping[str, Any]) -> None:
        """`operator`: what the operator set.

        Raises:
            PermanentError: kind `input`: a certificate cannot be read.
        """
        self._settings = settings
        self.options = options(settings, operator)
        self._connection: AIOKafkaConnection | None = None
        self._asking = asyncio.Lock()
        self.id = ""
        """Of the cluster, once it was asked something; empty when its brokers do not tell."""

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def open(self) -> None:
        """Connect to the first broker that answers.

        Raises:
            StepError: none does, or it does not let us in; the message says why and what to do.
        """
        told: list[StepError] = []
        hosts = collect_hosts(self._settings.addresses())
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(OPENING):
                for host, port, _ in hosts:
                    try:
                        self._connection = await self._connect(host, port)
                    except StepError as error:
                        told.append(error)
                        if not error.retryable:
                            raise
                    else:
                        return
        if told:
            raise told[0]
        raise TransientError("kafka.connection", f"no broker of {self.where} answers within {OPENING:g} s")

    async def close(self) -> None:
        """Let go of the connection."""
        connection, self._connection = self._connection, None
        if connection is not None and (closed := connection.close()) is not None:
            await asyncio.wait({closed}, timeout=1)

    @property
    def where(self) -> str:
        """The servers, for messages."""
        return ", ".join(self._settings.addresses())

    async def reach(self) -> None:
        """See that the brokers can be reached where they say they are.

        Raises:
            TransientError: none of them can.
        """
        brokers = [(broker[1], broker[2]) for broker in (await self._ask([])).brokers]
        found = await asyncio.gather(*(_open(host, port) for host, port in brokers))
        if brokers and not any(found):
            told = ", ".join(f"{host}:{port}" for host, port in brokers)
            raise TransientError(
                "kafka.connection",
                f"Kafka at {self.where} says that its brokers are at {told}, where they cannot be reached from here; "
                "check its `advertised.listeners`",
            )

    async def overview(self) -> tuple[int, int]:
        """How many brokers there are, and how many topics that we may see.

        Raises:
            StepError: see `open`.
        """
        answer = await self._ask(None)
        return len(answer.brokers), sum(not topic.internal for topic in _topics(answer).values())

    async def topics(self, names: list[str] | None) -> dict[str, Topic]:
        """Those of these names, or all that we may see. None is made.

        Raises:
            StepError: see `open`.
        """
        return _topics(await self._ask(names))

    async def _ask(self, names: list[str] | None) -> Any:
        async with self._asking:
            answer = await self._answer(names)
        self.id = getattr(answer, "cluster_id", None) or ""
        return answer

    async def _answer(self, names: list[str] | None) -> Any:
        """Metadata from the broker that we have, or else from any."""
        if self._connection is not None and self._connection.connected():
            try:
                return await self._send(self._connection, names)
            except (errors.KafkaError, TimeoutError, OSError) as error:
                if len(self._settings.addresses()) == 1 and isinstance(error, TimeoutError):
                    raise _explained(error, self.where, self._settings) from error
        await self.close()
        await self.open()
        if self._connection is None:
            raise TransientError("kafka.connection", f"no broker of {self.where} answers")
        try:
            return await self._send(self._connection, names)
        except (errors.KafkaError, TimeoutError, OSError) as error:
            raise _explained(error, self.where, self._settings) from error

    async def _send(self, connection: AIOKafkaConnection, names: list[str] | None) -> Any:
        try:
            request = _TopicsRequest(names)
            return await connection.send(request)
        except NotImplementedError:  # a broker before Kafka 2.8
            return await connection.send(MetadataRequest(names, allow_auto_topic_creation=False))

    async def _connect(self, host: str, port: int) -> AIOKafkaConnection:
        """Connect, prove who we are, and see that the broker answers us."""
        where = f"{host}:{port}"
        try:
            connection = await create_conn(host, port, request_timeout_ms=int(ANSWER * 1000), **self.options)
        except (errors.KafkaError, TimeoutError, OSError, ValueError, AssertionError) as error:
            raise _explained(error, where, self._settings) from error
        try:
            await connection.send(MetadataRequest([], allow_auto_topic_creation=False))
        except (errors.KafkaError, TimeoutError, OSError) as error:
            connection.close()
            raise _explained(error, where, self._settings) from error
        return connection


async def _open(host: str, port: int) -> bool:
    """Whether somebody listens there."""
    try:
        async with asyncio.timeout(ANSWER):
            _, writer = await asyncio.open_connection(host, port)
    except (OSError, TimeoutError):
        return False
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
    return True


def _topics(answer: Any) -> dict[str, Topic]:
    found = {}
    for topic in answer.topics:
        if answer.API_VERSION == _TopicsResponse.API_VERSION:
            code, name, id_, internal, partitions, *_ = topic
            told = "" if id_ == _NO_ID else id_.hex
        else:
            code, name, internal, partitions = topic
            told = ""
        found[name] = Topic(told, errors.for_code(code), internal, len(partitions))
    return found


def _explained(error: Exception, where: str, settings: KafkaSettings) -> StepError:
    """What it means that we cannot talk with a broker, and what to do."""
    if isinstance(error, errors.SaslAuthenticationFailed):
        user = settings.sasl.user if settings.sasl else ""
        return PermanentError(
            "kafka.credentials",
            f"Kafka at {where} refuses the user {user!r}: wrong name, password or `sasl.mechanism`; "
            "mend the connection",
        )
    if isinstance(error, errors.UnsupportedSaslMechanismError):
        mechanism = settings.sasl.mechanism if settings.sasl else ""
        return PermanentError(
            "kafka.credentials", f"Kafka at {where} does not take `sasl.mechanism: {mechanism}`; try another"
        )
    if isinstance(error, errors.IllegalSaslStateError):
        return PermanentError(
            "kafka.credentials", f"Kafka at {where} asks for no user at this port; take `sasl` out of the connection"
        )
    if isinstance(error, ssl.SSLCertVerificationError):
        return PermanentError(
            "kafka.tls", f"the certificate of {where} is not trusted ({error.verify_message}); give its CA as `tls.ca`"
        )
    if isinstance(error, ssl.SSLError):
        return PermanentError("kafka.tls", f"no TLS with {where} ({error.reason or error}); does this port speak TLS?")
    return TransientError("kafka.connection", _unreachable(error, where, settings))


def _unreachable(error: Exception, where: str, settings: KafkaSettings) -> str:
    if isinstance(error, socket.gaierror):
        return f"there is no host of the name in {where}; check `servers` of the connection"
    if isinstance(error, TimeoutError):
        return f"Kafka at {where} does not answer within {ANSWER:g} s; is it overloaded, or behind a firewall?"
    if isinstance(error, ConnectionRefusedError):
        return f"nobody listens at {where}; start Kafka, or check `servers` of the connection"
    wanted = " or ".join(f"`{name}`" for name, given in (("tls", settings.tls), ("sasl", settings.sasl)) if not given)
    hint = f"; does it want {wanted}?" if wanted else ""
    if settings.tls:
        hint = f"; does this port speak TLS?{hint.replace(';', '')}"
    return f"Kafka at {where} closed the connection{hint}"
