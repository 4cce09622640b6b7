"""The connector `kafka` and a broker that dies, hangs and comes back."""

import json
import time

import pytest

from reactor.connectors.kafka import actions, consumer, publishing
from reactor.connectors.kafka.trigger import KafkaTrigger
from reactor.sdk import TransientError
from reactor.testing.actions import action_context, call
from reactor.testing.servers import Kafka
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


def numbers(count, start=0):
    """Values `{"n": 0}` and on."""
    return [json.dumps({"n": n}).encode() for n in range(start, start + count)]


async def red_within(it, seconds):
    """What it says when it is lost."""
    begun = time.monotonic()
    await it.until(lambda b: b.state() == "lost", seconds)
    assert time.monotonic() - begun < seconds
    return it.states[-1][1]


async def test_a_broker_that_is_killed_is_told_and_read_on_when_it_is_back(mortal):
    await mortal.make_topic("killed", 2)
    async with bench(mortal, "killed") as it:
        await it.until(lambda b: b.state() == "armed")
        await mortal.produce("killed", numbers(10), partition=0)
        await it.until(lambda b: len(b.drafts) == 10)
        mortal.kill()
        assert "nobody listens at 127.0.0.1:" in await red_within(it, 10)
        mortal.start()
        await mortal.produce("killed", numbers(10, 10), partition=1)
        await it.until(lambda b: len(b.drafts) == 20, 30)
        await it.until(lambda b: b.state() == "armed")
    assert sorted(draft.data["n"] for draft in it.drafts) == list(range(20))
    assert it.gaps == []


async def test_a_broker_that_hangs_is_told_and_read_on_when_it_wakes(mortal):
    await mortal.make_topic("hung")
    async with bench(mortal, "hung") as it:
        await it.until(lambda b: b.state() == "armed")
        await mortal.produce("hung", numbers(1))
        await it.until(lambda b: b.drafts)
        mortal.hang()
        try:
            assert "does not answer within" in await red_within(it, 10)
        finally:
            mortal.wake()
        await mortal.produce("hung", numbers(1, 1))
        await it.until(lambda b: len(b.drafts) == 2, 30)
    assert [draft.data["n"] for draft in it.drafts] == [0, 1]


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
    monkeypatch.setattr(publishing, "WITHIN", 2.0)
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
        assert (await call(actions.publish, {"topic": "out", "value": 4}, ctx))["topic"] == "out"
    finally:
        await publishing.close()
