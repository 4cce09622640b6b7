"""Apache Kafka: one broker in KRaft mode, from Maven Central."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import socket
import struct
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from reactor.testing.servers.process import Server, free_port, missing
from reactor.testing.servers.smtp import certificate_files

VERSION = "4.1.1"
USERS = {"alice": "alice-secret", "bob": "bob-secret"}
"""Name → password, of the SASL listeners. Alice may do everything, Bob nothing that no ACL grants him."""
_POM = f"""<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>reactor</groupId><artifactId>kafka</artifactId><version>1</version>
  <dependencies><dependency>
    <groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>{VERSION}</version>
  </dependency></dependencies>
</project>
"""
_SETTINGS = {
    "process.roles": "broker,controller",
    "node.id": "1",
    "listener.security.protocol.map": (
        "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SASL:SASL_PLAINTEXT,TLS:SSL,WIRE:PLAINTEXT"
    ),
    "controller.listener.names": "CONTROLLER",
    "inter.broker.listener.name": "PLAINTEXT",
    "sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512",
    "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
    "super.users": "User:ANONYMOUS;User:alice",
    "offsets.topic.num.partitions": "1",
    "offsets.topic.replication.factor": "1",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "transaction.state.log.num.partitions": "1",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    "group.initial.rebalance.delay.ms": "0",
    "broker.heartbeat.interval.ms": "200",
    "broker.session.timeout.ms": "2000",  # a broker that was killed is not let in before this is over
    "log.retention.ms": "-1",  # messages of tests may be years old
    "file.delete.delay.ms": "100",
}
_JVM = ("-Xms64m", "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto")
_FENCED = 38
"""INVALID_REPLICATION_FACTOR: what a broker says that was just woken, until it is let in again."""
_CLUSTER = "UmVhY3RvclRlc3RLYWZrYQ"  # any 16 bytes in base64url


class Kafka(Server):
    """A broker. `port` asks nothing of clients; `sasl_port` asks for one of `USERS` (PLAIN or SCRAM); `tls_port` speaks
    TLS with a certificate that `ca` vouches for. Who shows it the certificate `client` (itself and its key, PEM texts)
    is the user `CN=localhost`, who may do nothing; the nameless may do everything. Clients of `wire_port` are told to
    come to the port `told`: a `Wire` in front of it, which has to be said before the start.
    """

    name, program, package = "kafka", "java", "default-jre-headless"

    def __init__(self, options: Mapping[str, str] | None = None) -> None:
        """`options`: settings of the broker such as `auto.create.topics.enable`."""
        super().__init__()
        self.sasl_port, self.tls_port, self.wire_port = free_port(), free_port(), free_port()
        self.told = self.wire_port
        self._controller_port = free_port()
        self.options = dict(options or {})
        self.ca, self._key = certificate_files()
        self.client = certificate_files()

    @property
    def servers(self) -> str:
        """As a connection has it: `127.0.0.1:PORT`."""
        return f"{self.host}:{self.port}"

    def prepare(self) -> None:
        shutil.copytree(_formatted(self.find()), self.folder / "data")
        settings = _SETTINGS | self._listeners() | self._identity() | {"log.dirs": str(self.folder / "data")}
        lines = [f"{name}={value}" for name, value in (settings | self.options).items()]
        (self.folder / "server.properties").write_text("\n".join(lines))

    def command(self) -> list[str]:
        classes = f"{_jars()}/*"
        return [self.find(), *_JVM, "-cp", classes, "kafka.Kafka", str(self.folder / "server.properties")]

    def ready(self) -> bool:
        """Whether groups have a coordinator: an open port, and a leader for topics, come before."""
        # FindCoordinator, version 0: the group. https://kafka.apache.org/protocol
        answer = self._asked(10, 0, _text("ready"))
        return answer[:2] == b"\0\0"

    def allow(self, user: str, kind: str, name: str) -> None:
        """Let a user do everything with a `topic` or `group` of this name."""
        kinds = {"topic": 2, "group": 3}
        literal, everything, allowed = 3, 2, 3
        # CreateAcls, version 1: one of them.
        body = struct.pack(">ib", 1, kinds[kind]) + _text(name) + struct.pack(">b", literal)
        body += _text(f"User:{user}") + _text("*") + struct.pack(">bb", everything, allowed)
        answer = self._asked(30, 1, body)
        if struct.unpack(">iih", answer[:10])[2]:
            raise RuntimeError(f"the broker refused the rights of {user}: {answer!r}")

    def _asked(self, key: int, version: int, body: bytes) -> bytes:
        """One request, and the answer to it, without sizes and ids."""
        request = struct.pack(">hhi", key, version, 1) + _text("tests") + body
        with socket.create_connection((self.host, self.port), timeout=5) as probe:
            probe.sendall(struct.pack(">i", len(request)) + request)
            with probe.makefile("rb") as answers:
                size = struct.unpack(">i", answers.read(4).rjust(4, b"\0"))[0]
                return answers.read(size)[4:].ljust(2, b"\xff")

    # ------------------------------------------------------------ what tests do with it

    async def make_topic(self, name: str, partitions: int = 1, **config: str) -> None:
        """Make a topic; returns when it is there. `config` has names such as `retention_ms`."""
        from aiokafka.admin import NewTopic  # noqa: PLC0415

        topic = NewTopic(name, partitions, 1, topic_configs={k.replace("_", "."): v for k, v in config.items()})
        async with self._admin() as admin:
            while (error := (await admin.create_topics([topic])).topic_errors[0])[1] == _FENCED:
                await _nap()
            if error[1]:
                raise RuntimeError(f"topic {name} was not made: {error}")
            while name not in await admin.list_topics():
                await _nap()

    async def delete_topic(self, name: str) -> None:
        """Delete a topic; returns when it is gone."""
        async with self._admin() as admin:
            await admin.delete_topics([name])
            while name in await admin.list_topics():
                await _nap()

    async def topics(self) -> set[str]:
        """Names of those that are there."""
        async with self._admin() as admin:
            return set(await admin.list_topics())

    async def add_partitions(self, name: str, total: int) -> None:
        """Let a topic have so many partitions."""
        from aiokafka.admin import NewPartitions  # noqa: PLC0415

        async with self._admin() as admin:
            await admin.create_partitions({name: NewPartitions(total)})

    async def delete_records(self, name: str, partition: int, before: int) -> None:
        """Forget the messages of a partition before this offset, as retention would."""
        from aiokafka import TopicPartition  # noqa: PLC0415
        from aiokafka.admin import RecordsToDelete  # noqa: PLC0415

        async with self._admin() as admin:
            await admin.delete_records({TopicPartition(name, partition): RecordsToDelete(before)})

    async def committed(self, group: str) -> dict[tuple[str, int], int]:
        """(topic, partition) → the offset that the group has committed."""
        async with self._admin() as admin:
            found = await admin.list_consumer_group_offsets(group)
        return {(at.topic, at.partition): offset.offset for at, offset in found.items()}

    async def commit(self, group: str, offsets: Mapping[tuple[str, int], int]) -> None:
        """Set what a group has committed; waits until it has no members."""
        from aiokafka import AIOKafkaConsumer, TopicPartition, errors  # noqa: PLC0415

        consumer = AIOKafkaConsumer(bootstrap_servers=self.servers, group_id=group, enable_auto_commit=False)
        await consumer.start()
        try:
            consumer.assign([TopicPartition(*at) for at in offsets])
            while True:
                try:
                    await consumer.commit({TopicPartition(*at): offset for at, offset in offsets.items()})
                except errors.CommitFailedError:
                    await _nap()
                else:
                    return
        finally:
            await consumer.stop()

    async def ends(self, topic: str) -> dict[tuple[str, int], int]:
        """(topic, partition) → the offset of the next message, of all its partitions."""
        from aiokafka import AIOKafkaConsumer, TopicPartition  # noqa: PLC0415

        consumer = AIOKafkaConsumer(topic, bootstrap_servers=self.servers)
        await consumer.start()
        try:
            found = await consumer.end_offsets(
                [TopicPartition(topic, at) for at in consumer.partitions_for_topic(topic) or ()]
            )
        finally:
            await consumer.stop()
        return {(at.topic, at.partition): offset for at, offset in found.items()}

    async def produce(
        self,
        topic: str,
        values: Iterable[bytes | None],
        *,
        key: bytes | None = None,
        partition: int | None = None,
        headers: Iterable[tuple[str, bytes]] = (),
        timestamp: int | None = None,
    ) -> None:
        """Write messages; returns when all of them are written. `timestamp` in ms since 1970."""
        from aiokafka import AIOKafkaProducer  # noqa: PLC0415

        producer = AIOKafkaProducer(bootstrap_servers=self.servers, max_batch_size=262_144, linger_ms=5)
        await producer.start()
        try:
            sent = [
                await producer.send(
                    topic, value, key=key, partition=partition, headers=list(headers), timestamp_ms=timestamp
                )
                for value in values
            ]
            for one in sent:
                await one
        finally:
            await producer.stop()

    async def read(self, topic: str, count: int) -> list[Any]:
        """The first `count` messages of a topic, as `aiokafka.ConsumerRecord`."""
        from aiokafka import AIOKafkaConsumer  # noqa: PLC0415

        consumer = AIOKafkaConsumer(topic, bootstrap_servers=self.servers, auto_offset_reset="earliest")
        await consumer.start()
        try:
            return [await consumer.getone() for _ in range(count)]
        finally:
            await consumer.stop()

    # ------------------------------------------------------------ inside

    def _listeners(self) -> dict[str, str]:
        ports = {"PLAINTEXT": self.port, "SASL": self.sasl_port, "TLS": self.tls_port, "WIRE": self.wire_port}
        opened = [f"{name}://{self.host}:{port}" for name, port in ports.items()]
        told = [f"{name}://{self.host}:{port}" for name, port in (ports | {"WIRE": self.told}).items()]
        module = "org.apache.kafka.common.security"
        scram = f"{module}.scram.ScramLoginModule required;"
        known = " ".join(f'user_{name}="{password}"' for name, password in USERS.items())
        return {
            "listeners": ",".join([*opened, f"CONTROLLER://{self.host}:{self._controller_port}"]),
            "advertised.listeners": ",".join(told),
            "controller.quorum.voters": f"1@{self.host}:{self._controller_port}",
            "listener.name.sasl.plain.sasl.jaas.config": f"{module}.plain.PlainLoginModule required {known};",
            "listener.name.sasl.scram-sha-256.sasl.jaas.config": scram,
            "listener.name.sasl.scram-sha-512.sasl.jaas.config": scram,
        }

    def _identity(self) -> dict[str, str]:
        return {
            "listener.name.tls.ssl.keystore.type": "PEM",
            "listener.name.tls.ssl.keystore.certificate.chain": self.ca.replace("\n", "\\n"),
            "listener.name.tls.ssl.keystore.key": self._key.replace("\n", "\\n"),
            "listener.name.tls.ssl.client.auth": "requested",
            "listener.name.tls.ssl.truststore.type": "PEM",
            "listener.name.tls.ssl.truststore.certificates": self.client[0].replace("\n", "\\n"),
        }

    def _admin(self) -> Any:
        return _Admin(self.servers)


class _Admin:
    """`async with` for aiokafka's client of administrators."""

    def __init__(self, servers: str) -> None:
        self._servers = servers
        self._client: Any = None

    async def __aenter__(self) -> Any:
        from aiokafka.admin import AIOKafkaAdminClient  # noqa: PLC0415

        self._client = AIOKafkaAdminClient(bootstrap_servers=self._servers)
        await self._client.start()
        return self._client

    async def __aexit__(self, *_: object) -> None:
        await self._client.close()


def _text(value: str) -> bytes:
    """A string of Kafka's protocol."""
    return struct.pack(">h", len(value)) + value.encode()


async def _nap() -> None:
    import asyncio  # noqa: PLC0415

    await asyncio.sleep(0.02)


def _cache() -> Path:
    """Where the jars and the formatted data folder lie; shared by all who test on this machine as this user."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "reactor-tests" / f"kafka-{VERSION}"


def _jars() -> Path:
    return _cache() / "libs"


def _made(target: Path, make: Any) -> Path:
    """`target`, made by `make(folder)` if it is not there yet; whole or not at all, by one process at a time."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with (target.parent / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not target.is_dir():
            half = target.with_suffix(".half")
            shutil.rmtree(half, ignore_errors=True)
            half.mkdir()
            make(half)
            half.rename(target)
    return target


def _fetch(folder: Path) -> None:
    maven = shutil.which("mvn")
    if maven is None:
        missing("mvn", "maven")
    (folder.parent / "pom.xml").write_text(_POM)
    goal = ["dependency:copy-dependencies", f"-DoutputDirectory={folder}", "-DincludeScope=runtime"]
    _done([maven, "-q", "-B", *goal], folder.parent)


def _formatted(java: str) -> Path:
    """A data folder that a broker takes as its own, with the users of SCRAM in it."""
    _made(_jars(), _fetch)

    def make(folder: Path) -> None:
        scratch = folder.parent / "format.properties"
        lines = _SETTINGS | {
            "listeners": "PLAINTEXT://127.0.0.1:9092,CONTROLLER://127.0.0.1:9093",
            "controller.quorum.voters": "1@127.0.0.1:9093",
            "log.dirs": str(folder),
        }
        scratch.write_text("\n".join(f"{name}={value}" for name, value in lines.items()))
        users = [
            f"--add-scram=SCRAM-SHA-{bits}=[name={name},password={password}]"
            for name, password in USERS.items()
            for bits in (256, 512)
        ]
        tool = [java, "-cp", f"{_jars()}/*", "kafka.tools.StorageTool"]
        _done([*tool, "format", "-t", _CLUSTER, "-c", str(scratch), *users], folder.parent)

    told = hashlib.blake2b(repr((USERS, _SETTINGS, _CLUSTER)).encode(), digest_size=6).hexdigest()
    return _made(_cache() / f"data-{told}", make)


def _done(command: list[str], folder: Path) -> None:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{command[0]} failed in {folder}: {(done.stderr or done.stdout)[-2000:]}")
