"""The connector `kafka` and a broker that dies or hangs, beyond what `tests/sources` puts all sources through."""

import time

import pytest
from aiokafka import AIOKafkaConsumer
from aiokafka.coordinator.assignors.range import RangePartitionAssignor

from reactor.connectors.kafka import actions, consumer, publishing
from reactor.connectors.kafka.trigger import KafkaTrigger
from reactor.sdk import TransientError
from reactor.testing.actions import action_context, call
from reactor.testing.servers import Kafka, free_port
from reactor.testing.triggers import TriggerBench


@pytest.fixture(scope="module")
def mortal():
    """A broker of our own; a test leaves it running."""
    with Kafka({"group.min.session.timeout.ms": "1000"}) as server:
        yield server


@pytest.fixture(autouse=True)
def soon(monkeypatch):
    """A member that is gone without a word is given up soon."""
    monkeypatch.setattr(consumer, "SESSION", 2_000)


def bench(server, config):
    """A trigger on it."""
    return TriggerBench(KafkaTrigger(), config, connections={"kafka": {"type": "kafka", "servers": server.servers}})


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"sasl": {"user": "a", "password": "hush"}}, "asks for no user at this port; take `sasl` out"),
        ({"tls": True}, "closed the connection; does this port speak TLS? does it want `sasl`?"),
        ({"servers": "nowhere.invalid:9092"}, "there is no host of the name in nowhere.invalid:9092"),
        ({"tls": {"ca": "/etc/passwd"}}, "no folder is open to flows"),
    ],
)
async def test_a_connection_that_does_not_fit_the_broker(mortal, wrong, says):
    connections = {"kafka": {"type": "kafka", "servers": mortal.servers, **wrong}}
    async with TriggerBench(KafkaTrigger(), "any", connections=connections) as it:
        await it.until(lambda b: b.state() == "lost")
    assert says in it.states[-1][1]
    assert "hush" not in it.states[-1][1]


async def test_one_broker_that_answers_is_enough(mortal):
    await mortal.make_topic("enough")
    servers = [f"127.0.0.1:{free_port()}", mortal.servers]
    async with TriggerBench(
        KafkaTrigger(), "enough", connections={"kafka": {"type": "kafka", "servers": servers}}
    ) as it:
        await it.until(lambda b: b.state() == "armed")


async def test_a_broker_that_wants_longer_sessions(mortal, monkeypatch):
    monkeypatch.setattr(consumer, "SESSION", 500)
    await mortal.make_topic("sessions")
    async with bench(mortal, "sessions") as it:
        await it.until(lambda b: b.state() == "lost")
    assert it.states[-1] == ("lost", "Kafka takes no session of 500 ms; lower its `group.min.session.timeout.ms`")


async def test_a_group_of_members_that_share_in_another_way(mortal):
    await mortal.make_topic("foreign")
    foreign = AIOKafkaConsumer(
        "foreign",
        bootstrap_servers=mortal.servers,
        group_id="foreign",
        partition_assignment_strategy=[RangePartitionAssignor],
    )
    async with foreign, bench(mortal, {"topics": "foreign", "group": "foreign"}) as it:
        await it.until(lambda b: b.state() == "lost")
    assert "has members that are no Reactor and share partitions in another way" in it.states[-1][1]


async def test_stopping_while_the_broker_hangs_leaves_nothing_behind(mortal):
    await mortal.make_topic("stopping")
    it = bench(mortal, "stopping")
    async with it:
        await it.until(lambda b: b.state() == "armed")
        mortal.hang()
        begun = time.monotonic()
        try:
            await it.stop()
            assert time.monotonic() - begun < 6
        finally:
            mortal.wake()


async def test_publishing_to_a_broker_that_dies_fails_and_works_again_when_it_is_back(mortal, monkeypatch):
    monkeypatch.setattr(publishing, "WITHIN", 1.0)
    await mortal.make_topic("out")
    ctx = action_context(connections={"kafka": {"type": "kafka", "servers": mortal.servers}})
    try:
        assert (await call(actions.publish, {"topic": "out", "value": 1}, ctx))["offset"] == 0
        mortal.kill()
        with pytest.raises(TransientError) as caught:
            await call(actions.publish, {"topic": "out", "value": 2}, ctx)
        assert caught.value.kind in {"kafka.timeout", "kafka.connection"}
        with pytest.raises(TransientError, match="nobody listens"):
            await call(actions.publish, {"topic": "out", "value": 3}, ctx)
        mortal.start()
        # What was told as not written is not written later by a producer that was given up.
        assert (await call(actions.publish, {"topic": "out", "value": 4}, ctx))["offset"] == 1
    finally:
        await publishing.close()
