"""`kafka.publish` on a real broker."""

import json

import pytest

from reactor.connectors.kafka import actions, publishing
from reactor.sdk import PermanentError
from reactor.testing.actions import action_context, call
from reactor.testing.servers.kafka import USERS


@pytest.fixture
async def publish(broker):
    """Publish with these parameters."""

    async def send(_connection=None, **params):
        connection = {"type": "kafka", "servers": broker.servers, **(_connection or {})}
        ctx = action_context(flow="shop", step="tell", idempotency_key="k-1", connections={"kafka": connection})
        return await call(actions.publish, params, ctx)

    yield send
    await publishing.close()


@pytest.mark.proves("kafka.publish.{topic,value,key,headers,partition,timestamp}")
async def test_a_message_is_written_as_it_is_said(broker, publish):
    await broker.make_topic("out", 3)
    at = await publish(
        topic="out",
        value={"a": [1, "ü"]},
        key=7,
        headers={"x": "y", "n": 1},
        partition=2,
        timestamp="2026-01-02T03:04:05Z",
    )
    assert at == {"topic": "out", "partition": 2, "offset": 0, "timestamp": 1_767_323_045_000}
    (record,) = await broker.read("out", 1)
    assert (record.value, record.key, record.partition) == ('{"a":[1,"ü"]}'.encode(), b"7", 2)
    assert record.timestamp == 1_767_323_045_000
    assert dict(record.headers) == {
        "x": b"y", "n": b"1", "content-type": b"application/json", "idempotency-key": b"k-1"
    }  # fmt: skip


async def test_text_is_sent_as_it_is_and_null_is_a_tombstone(broker, publish):
    await broker.make_topic("plain-out")
    await publish(topic="plain-out", value="hé", headers={"content-type": "text/csv"})
    await publish(topic="plain-out", value=None, key="gone")
    one, two = await broker.read("plain-out", 2)
    assert (one.value, dict(one.headers)["content-type"]) == ("hé".encode(), b"text/csv")
    assert (two.value, two.key) == (None, b"gone")
    with pytest.raises(PermanentError, match="tombstone"):
        await publish(topic="plain-out", value=None)


@pytest.mark.proves("kafka.publish.cloudevents", "kafka.publish.cloudevents.{type,source,subject,id,mode}")
async def test_a_cloudevent_binary_and_structured(broker, publish):
    await broker.make_topic("ce-out")
    await publish(topic="ce-out", value={"n": 1}, key="k", cloudevents=True)
    event = {"type": "order.paid", "source": "/s", "subject": "o-1", "id": "i", "mode": "structured"}
    await publish(topic="ce-out", value={"n": 2}, cloudevents=event)
    one, two = await broker.read("ce-out", 2)
    headers = dict(one.headers)
    assert json.loads(one.value) == {"n": 1}
    assert {name: headers[name] for name in headers if name.startswith("ce_")} == {
        "ce_specversion": b"1.0", "ce_id": b"k-1", "ce_type": b"shop.tell", "ce_source": b"/flows/shop",
        "ce_subject": b"k",
    }  # fmt: skip
    assert headers["content-type"] == b"application/json"
    assert dict(two.headers)["content-type"] == b"application/cloudevents+json"
    assert json.loads(two.value) == {
        "specversion": "1.0", "type": "order.paid", "source": "/s", "subject": "o-1", "id": "i",
        "datacontenttype": "application/json", "data": {"n": 2},
    }  # fmt: skip


@pytest.mark.proves("kafka.publish.connection")
async def test_by_a_connection_of_another_name(broker):
    await broker.make_topic("named-out")
    connections = {
        "kafka": {"type": "kafka", "servers": "127.0.0.1:1"},
        "b": {"type": "kafka", "servers": broker.servers},
    }
    ctx = action_context(connections=connections)
    try:
        told = await call(actions.publish, {"topic": "named-out", "value": 1, "connection": "b"}, ctx)
    finally:
        await publishing.close()
    assert told["offset"] == 0


async def test_what_cannot_be_written_says_why(broker, publish):
    await broker.make_topic("narrow", max_message_bytes="1000")
    with pytest.raises(PermanentError, match="no partition 5; it has 0 to 0") as caught:
        await publish(topic="narrow", value=1, partition=5)
    assert caught.value.kind == "input"
    with pytest.raises(PermanentError, match="larger than the topic") as caught:
        await publish(topic="narrow", value="x" * 2000)
    assert caught.value.kind == "kafka.too_large"
    with pytest.raises(PermanentError, match="cannot be one"):
        await publish(topic="no such topic!", value=1)
    bob = {"user": "bob", "password": USERS["bob"]}
    sasl = {"servers": f"127.0.0.1:{broker.sasl_port}", "sasl": bob}
    with pytest.raises(PermanentError, match="may not write") as caught:
        await publish(topic="narrow", value=1, _connection=sasl)
    assert caught.value.kind == "kafka.rights"
    bob["password"] = "wrong"
    with pytest.raises(PermanentError, match="refuses the user 'bob'"):
        await publish(topic="narrow", value=1, _connection=sasl)
