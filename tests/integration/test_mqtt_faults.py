"""The trigger `mqtt` when the broker dies, hangs or forgets, or the network breaks: nothing lost, nothing twice."""

from __future__ import annotations

import asyncio
import shutil
import tracemalloc

import pytest

from reactor.model.errors import TransientError
from reactor.testing.servers import Mosquitto, Wire
from tests.integration.mqtt_kit import VERSIONS, Scripted, armed, bench, came, flood, lost, publish, publisher, step

both = pytest.mark.parametrize("version", VERSIONS)
OK5, PONG = b"\x20\x03\x01\x00\x00", b"\xd0\x00"


@pytest.fixture
def broker():
    with Mosquitto() as running:
        yield running


async def saved(broker):
    """Until the broker has written all it knows to its file, as it does at each change."""
    found, size = broker.folder / "data/mosquitto.db", -1
    async with asyncio.timeout(10):
        while not found.exists() or found.stat().st_mtime_ns != size:
            size = found.stat().st_mtime_ns if found.exists() else -1
            await asyncio.sleep(0.3)


@pytest.mark.parametrize("qos", [1, 2])
@both
async def test_a_broker_that_is_killed(broker, version, qos):
    settings = {"version": version}
    made = bench(broker.url(), "t/#", qos=qos, settings=settings)
    async with made:
        await armed(made)
        await publish(broker.url(), "t/x", *range(20), qos=qos)
        await came(made, 20)
        await saved(broker)
        broker.kill()
        assert str(broker.port) in await lost(made)
        broker.start()
        await armed(made)
        await publish(broker.url(), "t/x", *range(20, 40), qos=qos)
        assert await came(made, 40) == [*range(40)]
        await publish(broker.url(), "t/x", "end", qos=qos)
        assert (await came(made, 41))[-1] == "end"
    assert made.gaps == []


async def test_a_broker_that_is_killed_while_messages_wait(broker):
    made = bench(broker.url(), "t/#")
    async with made:
        await armed(made)
    await publish(broker.url(), "t/x", *range(50))
    await saved(broker)
    broker.kill()
    again = made.again()
    async with again:
        assert "cannot be reached" in await lost(again)
        broker.start()
        assert await came(again, 50) == [*range(50)]
    assert again.gaps == []


@both
async def test_a_broker_that_forgets_the_session_is_a_gap(broker, version):
    made = bench(broker.url(), "t/#", settings={"version": version})
    async with made:
        await armed(made)
        await publish(broker.url(), "t/x", 1)
        await came(made, 1)
    broker.stop()
    shutil.rmtree(broker.folder / "data")
    broker.configure()
    broker.start()
    again = made.again()
    async with again:
        await armed(again)
        await publish(broker.url(), "t/x", 2)
        assert await came(again, 1) == [2]
    (gap,) = again.gaps
    assert "no longer has the session" in gap
    assert "T" in gap.partition("since ")[2], "from where to where"
    quick = bench(broker.url(), "t/#", qos=0, settings={"version": version}, saved=made.saved(), key="quick/0")
    async with quick:
        await armed(quick)
    assert quick.gaps == [], "at QoS 0 nothing was promised"


async def test_a_broker_that_hangs_is_told_of_within_ten_seconds(broker):
    made = [bench(broker.url(), "t/#", settings={"version": version}, key=f"f{version}/0") for version in VERSIONS]
    async with made[0], made[1]:
        for each in made:
            await armed(each)
        await step(broker.url(), topic="t/x", value=0)
        broker.hang()
        try:
            async with asyncio.timeout(10):
                found = await asyncio.gather(
                    *(lost(each) for each in made), step(broker.url(), topic="t/x", value=1), return_exceptions=True
                )
            assert ["has not answered for 7 s" in str(said) for said in found] == [True] * 3
            assert isinstance(found[-1], TransientError)
            assert found[-1].kind == "mqtt.timeout"
        finally:
            broker.wake()
        for each in made:
            await armed(each)
        await publish(broker.url(), "t/x", 2)
        for each in made:  # 1 may have come, too: the broker found it when it woke
            await each.until(lambda b: b.drafts[-1].data == 2)


@pytest.mark.parametrize("qos", [1, 2])
@both
async def test_a_line_that_is_cut_again_and_again(broker, version, qos):
    count = 600
    with Wire(broker.port) as wire:
        made = bench(f"mqtt://127.0.0.1:{wire.port}", "t/#", qos=qos, settings={"version": version}, batch=20)
        async with made, publisher(broker.url()) as send:
            await armed(made)
            sending = asyncio.gather(*(send("t/x", b"%d" % n, qos) for n in range(count)))
            for step_ in range(1, 5):
                await came(made, step_ * 100)
                wire.reset()
            await sending
            data = await came(made, count)
            await publish(broker.url(), "t/x", "end", qos=qos)
            await made.until(lambda b: b.drafts[-1].data == "end")
        assert sorted(data) == [*range(count)]
        assert len(made.drafts) == count + 1
        assert len([state for state, _ in made.states if state == "lost"]) >= 3
        assert made.gaps == []


@pytest.mark.parametrize("qos", [1, 0])
async def test_memory_is_bounded_while_fifty_thousand_messages_wait(qos):
    size, most = 300, 5_000 if qos else 200
    with Mosquitto({"autosave_on_changes": "false"}) as broker:
        made = bench(broker.url(), "t/#", qos=qos)
        async with made:
            await armed(made)
            made.busy = 10**9
            tracemalloc.start()
            try:
                await asyncio.to_thread(flood, broker.port, "t/x", 50_000, size, qos=qos)
                held, _ = tracemalloc.get_traced_memory()
            finally:
                tracemalloc.stop()
            assert held < 4_000_000, "of more than 15 MB"
            assert not made.drafts
            made.busy = 0
            data = await came(made, most, 30)
        numbers = [int(text.split()[0]) for text in data]
        assert numbers == [*range(len(numbers))] if qos else numbers == sorted(set(numbers))
        assert made.state() == "armed"


async def test_a_message_whose_id_was_another_is_not_taken_for_a_repetition():
    """A broker that uses packet ids again at once (Mosquitto counts upwards): same id, same content."""
    topic, sent = b"\x00\x01a", []

    def message(*, dup):
        body = topic + b"\x00\x01\x00" + b"on"
        return bytes((0x32 | dup << 3, len(body))) + body

    def suback(packet):
        return b"\x90\x04" + packet[:2] + b"\x00\x01" + message(dup=False)

    def puback(_packet):
        sent.append(1)
        return message(dup=False) if len(sent) < 3 else None

    made = bench("mqtt://127.0.0.1:1", "a", saved={"session": {"client": "me", "filters": ["a"]}}, client_id="me")
    async with Scripted({1: OK5, 8: suback, 4: puback, 12: PONG}) as broker:
        made.connections["mqtt"] = {"type": "mqtt", "url": broker.url}
        async with made:
            assert await came(made, 3) == ["on", "on", "on"]
            await made.until(lambda b: not [name for name in b.saved() if name.startswith("ids.")])
    async with Scripted({1: OK5, 8: lambda p: suback(p)[:6] + message(dup=True), 12: PONG}) as broker:
        again = made.again()
        again.connections["mqtt"] = {"type": "mqtt", "url": broker.url}
        async with again:
            assert await came(again, 1) == ["on"], "the third was acknowledged, so this is a fourth"
