"""The connector `mqtt` on a real broker: what comes, what is sent, and what each key does."""

from __future__ import annotations

import asyncio

import pytest

from reactor.connectors.mqtt.trigger import MqttTrigger
from reactor.model.errors import PermanentError, StepError
from reactor.testing.servers import Mosquitto
from tests.integration.mqtt_kit import VERSIONS, armed, bench, came, inspected, lost, publish, publisher, step

QUIET = {"autosave_on_changes": "false"}
both = pytest.mark.parametrize("version", VERSIONS)


@pytest.fixture(scope="module")
def broker():
    with Mosquitto(QUIET) as running:
        yield running


@pytest.mark.proves("on.mqtt", "on.mqtt.{topic,qos,connection}")
@pytest.mark.parametrize("qos", [0, 1, 2])
@both
async def test_messages_come_in_order(broker, version, qos):
    topics = [f"order{version}{qos}/+/x", f"other{version}{qos}/#"]
    made = bench(broker.url(), topics, qos=qos, settings={"version": version}, key=f"order-{version}-{qos}/0")
    made.connections["another"] = {"type": "mqtt", "url": "mqtt://127.0.0.1:1"}
    async with made, publisher(broker.url(), version=version) as send:
        await armed(made)
        place = ["order{}{}/{}/x", "other{}{}/{}"]
        for n in range(60):
            await send(place[n % 2].format(version, qos, n), b'{"n": %d}' % n, qos)
        await send(f"order{version}{qos}/1/y", b"nobody asked for it", qos)
        await send(f"other{version}{qos}", b"the last")
        data = await came(made, 61)
        assert data == [*({"n": n} for n in range(60)), "the last"]
    first = made.drafts[0]
    assert first.subject == f"order{version}{qos}/0/x"
    assert first.metadata == {"topic": first.subject, "qos": qos, "retain": False}
    assert (first.type, first.source, first.id) == ("mqtt.message", "", None)
    other = bench("mqtt://127.0.0.1:1", "a", connection="good", key="named/0")
    other.connections["good"] = made.connections["mqtt"]
    async with other:
        await armed(other)


@pytest.mark.parametrize("qos", [1, 2])
@both
async def test_what_comes_while_we_are_away_waits(broker, version, qos):
    topic = f"away/{version}/{qos}"
    made = bench(broker.url(), topic, qos=qos, settings={"version": version}, key=f"away-{version}-{qos}/0")
    async with made:
        await armed(made)
        await publish(broker.url(), topic, 1, qos=qos)
        await came(made, 1)
    await publish(broker.url(), topic, 2, 3, qos=qos)
    again = made.again()
    async with again:
        assert await came(again, 2) == [2, 3]
    assert made.gaps == again.gaps == []


@pytest.mark.parametrize("qos", [1, 2])
@both
async def test_what_was_committed_and_not_acknowledged_is_not_told_twice(broker, version, qos):
    topic = f"crash/{version}/{qos}"
    made = bench(broker.url(), topic, qos=qos, settings={"version": version}, key=f"crash-{version}-{qos}/0")

    def die(_drafts):
        raise RuntimeError("the process is gone")

    async with made, publisher(broker.url()) as send:
        await armed(made)
        made.after_commit = die
        await asyncio.gather(*(send(topic, b"%d" % n, qos) for n in range(10)))
        with pytest.raises(RuntimeError, match="gone"):
            await made.until(lambda _: False)
    seen = [draft.data for draft in made.drafts]
    assert seen
    again = made.again()
    async with again:
        await armed(again)
        await publish(broker.url(), topic, "last", qos=qos)
        await again.until(lambda b: b.drafts and b.drafts[-1].data == "last")
    assert [*seen, *(draft.data for draft in again.drafts)] == [*range(10), "last"]
    third = again.again()
    async with third:
        await armed(third)
        await publish(broker.url(), topic, "end", qos=qos)
        assert await came(third, 1) == ["end"]


async def test_a_death_before_the_first_subscription(broker):
    """Messages of a session that somebody has made before us come at once, and what was committed of them counts."""
    made = bench(broker.url(), "first", client_id="made-before")
    before = bench(broker.url(), "first", client_id="made-before")
    async with before:
        await armed(before)
    await publish(broker.url(), "first", 1, 2)

    saved = {}

    def die(drafts):
        if drafts:
            saved.update(made.saved())
            raise RuntimeError("the process is gone")

    async with made:
        made.after_commit = die
        with pytest.raises(RuntimeError, match="gone"):
            await made.until(lambda _: False)
    again = bench(broker.url(), "first", client_id="made-before", saved=saved)
    async with again:
        await armed(again)
        await publish(broker.url(), "first", "last")
        await again.until(lambda b: b.drafts and b.drafts[-1].data == "last")
    assert [draft.data for draft in (*made.drafts, *again.drafts)] == [1, 2, "last"]
    assert again.gaps == []


@pytest.mark.parametrize("qos", [1, 2])
@both
async def test_what_was_not_committed_comes_again(broker, version, qos):
    topic = f"before/{version}/{qos}"
    made = bench(broker.url(), topic, qos=qos, settings={"version": version}, key=f"before-{version}-{qos}/0")

    def die(drafts):
        if drafts:
            raise RuntimeError("the process is gone")

    async with made:
        await armed(made)
        made.before_commit = die
        await publish(broker.url(), topic, *range(10), qos=qos)
        with pytest.raises(RuntimeError, match="gone"):
            await made.until(lambda _: False)
    again = made.again()
    async with again:
        assert await came(again, 10) == [*range(10)]
        assert again.drafts[0].metadata["dup"] is True


@pytest.mark.proves("on.mqtt.shared")
@both
async def test_a_group_shares_the_messages(broker, version):
    settings, topic = {"version": version}, f"group{version}/#"
    one = bench(broker.url(), topic, shared="g", settings=settings, key=f"one-{version}/0")
    two = bench(broker.url(), topic, shared="g", settings=settings, key=f"two-{version}/0")
    async with one, two, publisher(broker.url()) as send:
        await armed(one)
        await armed(two)
        for n in range(40):
            await send(f"group{version}/x", b"%d" % n)
        async with asyncio.timeout(10):
            while len(one.drafts) + len(two.drafts) < 40:
                await asyncio.sleep(0.01)
    assert one.drafts
    assert two.drafts
    assert sorted(draft.data for draft in (*one.drafts, *two.drafts)) == [*range(40)]


@pytest.mark.proves("on.mqtt.retained")
@both
async def test_last_values(broker, version):
    settings, topic = {"version": version}, f"kept/{version}"
    await publish(broker.url(), f"{topic}/a", "old", retain=True)
    seen = {}
    for retained in ("new", "include", "ignore"):
        made = bench(broker.url(), f"{topic}/#", retained=retained, settings=settings, key=f"{retained}-{version}/0")
        async with made:
            await armed(made)
            await publish(broker.url(), f"{topic}/b", "live", retain=True)
            await came(made, 1 if retained == "ignore" else 2)
        async with (again := made.again()):
            await armed(again)
            await publish(broker.url(), f"{topic}/c", "end")
            await again.until(lambda b: b.drafts[-1:] and b.drafts[-1].data == "end")
        assert made.gaps == again.gaps == []
        seen[retained] = [(d.data, d.metadata["retain"]) for d in (*made.drafts, *again.drafts)]
        await publish(broker.url(), f"{topic}/b", "", retain=True)
    assert seen["new"] == seen["include"] == [("old", True), ("live", False), ("end", False)]
    assert seen["ignore"] == [("live", False), ("end", False)]


async def test_last_values_of_a_new_session_are_told_once_or_again(broker):
    await publish(broker.url(), "state/a", "on", retain=True)
    counts = {}
    for retained in ("new", "include"):
        made = bench(broker.url(), "state/#", retained=retained, client_id=f"{retained}-1")
        async with made:
            await came(made, 1)
        again = made.again({"topic": "state/#", "retained": retained, "client_id": f"{retained}-2"})
        async with again:
            await again.until(lambda b: b.drafts or b.duplicates)
            counts[retained] = (len(again.drafts), len(again.duplicates))
        assert "client id was changed" in again.gaps[0]
    assert counts == {"new": (0, 1), "include": (1, 0)}


@pytest.mark.proves("on.mqtt.client_id")
async def test_a_client_id_belongs_to_one(broker):
    first = bench(broker.url(), "a", client_id="thermostat")
    async with first:
        await armed(first)
        second = bench(broker.url(), "a", client_id="thermostat")
        async with second:
            await armed(second)
            assert "another client came with the same client id 'thermostat'" in await lost(first)
    own = bench(broker.url(), "a", key="my-flow/3")
    async with own:
        await armed(own)
    assert own.saved()["client"].startswith("reactor-my-flow-3-")
    async with (again := own.again()):
        await armed(again)
    assert again.saved()["client"] == own.saved()["client"]


@pytest.mark.proves("on.mqtt.session_expiry")
async def test_a_session_ends(broker):
    made = bench(broker.url(), "short", session_expiry="1s")
    async with made:
        await armed(made)
    await publish(broker.url(), "short", "kept for a second")
    await asyncio.sleep(2.5)  # the broker counts seconds
    async with (again := made.again()):
        await armed(again)
        await publish(broker.url(), "short", "next")
        assert await came(again, 1) == ["next"]
    (gap,) = again.gaps
    assert "no longer has the session" in gap
    assert "is lost" in gap
    async with (third := again.again()):
        await armed(third)
    assert third.gaps == [], "told once"


async def test_a_changed_topic_ends_the_old_subscription(broker):
    made = bench(broker.url(), ["change/a", "change/b"])
    async with made:
        await armed(made)
    await publish(broker.url(), "change/a", "for nobody")
    await publish(broker.url(), "change/b", 1)
    async with (again := made.again({"topic": ["change/b", "change/c"]})):
        await armed(again)
        await publish(broker.url(), "change/a", "for nobody")
        await publish(broker.url(), "change/c", 2)
        assert await came(again, 2) == [1, 2]
    assert again.gaps == []


@pytest.mark.proves("on.mqtt.format")
async def test_poison_does_not_block(broker):
    made = bench(broker.url(), "poison/#", format="json")
    async with made, publisher(broker.url()) as send:
        await armed(made)
        for payload in (b"1", b"{", b"\xff", b"2"):
            await send("poison/x", payload)
        assert await came(made, 2) == [1, 2]
    assert [letter.payload for letter in made.dead] == [b"{", b"\xff"]
    assert "not valid JSON" in made.dead[0].reason
    assert made.dead[0].metadata["topic"] == "poison/x"
    async with (again := made.again({"topic": "poison/#", "format": "text"})):
        await armed(again)
        await publish(broker.url(), "poison/x", "3")
        assert await came(again, 1) == ["3"]
        assert MqttTrigger().redo(again.config, made.dead[0]).data == "{"


@pytest.mark.proves("on.mqtt.batch")
async def test_a_batch_is_one_commit(broker):
    made = bench(broker.url(), "batch", batch=10)
    async with made:
        await armed(made)
    async with publisher(broker.url()) as send:
        await asyncio.gather(*(send("batch", b"%d" % n) for n in range(100)))
    async with (again := made.again()):
        assert await came(again, 100) == [*range(100)]
        assert max(count for _, count in again.emitted) == 10


async def test_the_engine_can_be_busy(broker):
    made = bench(broker.url(), "busy")
    async with made:
        await armed(made)
        made.busy = 3
        await publish(broker.url(), "busy", 1, 2, 3)
        assert await came(made, 3) == [1, 2, 3]
    assert made.state() == "armed"


# ---------------------------------------------------------------- publishing


@pytest.mark.proves(
    "mqtt.publish.{topic,value,qos,connection,content_type,response_topic,correlation_data,expiry,properties}"
)
@both
async def test_a_step_publishes(broker, version):
    settings = {"version": version}
    made = bench(broker.url(), f"out{version}/#", qos=2, settings=settings, key=f"out-{version}/0")
    async with made:
        await armed(made)
        output = await step(
            broker.url(),
            settings=settings,
            ctx={"idempotency_key": "k7"},
            topic=f"out{version}/x",
            value={"n": 1},
            qos=2,
            content_type="application/vnd.x+json",
            response_topic="answers",
            correlation_data="base64:/w==",
            expiry="1m",
            properties={"a": 1, "b": "two"},
            connection="mqtt",
        )
        assert await came(made, 1) == [{"n": 1}]
    assert output == {"topic": f"out{version}/x", "qos": 2, "size": 7, "matched": None}
    assert made.drafts[0].metadata["qos"] == 2
    properties = made.drafts[0].metadata.get("properties")
    if version == 5:
        assert 0 < properties.pop("message_expiry") <= 60
        assert properties == {
            "content_type": "application/vnd.x+json",
            "response_topic": "answers",
            "correlation_data": "base64:/w==",
            "user": {"a": "1", "b": "two", "idempotency-key": "k7"},
        }
    else:
        assert properties is None
    other = await step(broker.url(), settings=settings, topic="nobody/listens", value=1)
    assert other["matched"] is (False if version == 5 else None)
    with pytest.raises(PermanentError, match="no connection 'x'"):
        await step(broker.url(), topic="a", connection="x")


@pytest.mark.proves("mqtt.publish.{payload,base64,retain}")
async def test_what_a_step_sends(broker):
    made = bench(broker.url(), "raw/#", format="binary")
    await step(broker.url(), topic="raw/kept", payload="text", retain=True)
    async with made:
        await armed(made)
        await step(broker.url(), topic="raw/x", base64="/w==")
        await step(broker.url(), topic="raw/x", payload=1.5)
        await step(broker.url(), topic="raw/x", payload=True)
        await step(broker.url(), topic="raw/kept", retain=True)
        assert await came(made, 5) == ["dGV4dA==", "/w==", "MS41", "dHJ1ZQ==", ""]
    assert made.drafts[0].metadata["retain"]
    async with (later := bench(broker.url(), "raw/#", key="later/0")):
        await armed(later)
        await step(broker.url(), topic="raw/end", payload="end")
        assert await came(later, 1) == ["end"], "an empty message takes the last value away"


@pytest.mark.parametrize(
    ("params", "says"),
    [
        ({"topic": "a/+"}, "topic 'a/.'"),
        ({"topic": ""}, "opic"),
        ({"topic": "a", "value": 1, "payload": "x"}, "one of"),
        ({"topic": "a", "base64": "?"}, "not base64"),
        ({"topic": "a", "correlation_data": "base64:?"}, "not base64"),
        ({"topic": "a", "expiry": "soon"}, "duration"),
        ({"topic": "a", "qos": 3}, "qos"),
    ],
)
async def test_what_cannot_be_sent(broker, params, says):
    with pytest.raises(Exception, match=says) as caught:
        await step(broker.url(), **params)
    assert not isinstance(caught.value, StepError) or caught.value.kind == "input"


async def test_a_connection_is_tested(broker):
    for version in VERSIONS:
        found = await inspected(broker.url(), version=version)
        assert found == f"MQTT {version} broker at 127.0.0.1:{broker.port}"
