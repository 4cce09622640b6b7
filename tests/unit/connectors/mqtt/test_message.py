"""Messages as events."""

import msgspec
import pytest
from paho.mqtt.packettypes import PacketTypes

from reactor.connectors.mqtt.config import MqttConfig
from reactor.connectors.mqtt.message import Message, item, packed, unpacked
from reactor.connectors.mqtt.paho import properties
from reactor.connectors.mqtt.trigger import MqttTrigger
from reactor.sdk import DeadLetter
from reactor.sdk.content import MalformedError


def message(payload=b"{}", topic="a/b", *, qos=1, retain=False, dup=False, **told):
    made = Message(mid=7, topic=topic.encode(), payload=payload, qos=qos, retain=retain, dup=dup)
    made.properties = properties(PacketTypes.PUBLISH)
    for name, value in told.items():
        setattr(made.properties, name, value)
    return made


def read(received, **config):
    return item(msgspec.convert({"topic": "#", **config}, MqttConfig), received)


def test_an_event():
    made = read(message(b'{"n": 1}', dup=True, ContentType="application/json", ResponseTopic="r",
                        CorrelationData=b"\xff", MessageExpiryInterval=5, PayloadFormatIndicator=1,
                        UserProperty=[("a", "1"), ("b", "2"), ("b", "3"), ("b", "4")]))  # fmt: skip
    assert (made.type, made.data, made.raw, made.subject, made.id) == (
        "mqtt.message",
        {"n": 1},
        b'{"n": 1}',
        "a/b",
        None,
    )
    assert made.metadata == {
        "topic": "a/b",
        "qos": 1,
        "retain": False,
        "dup": True,
        "properties": {
            "content_type": "application/json",
            "response_topic": "r",
            "correlation_data": "base64:/w==",
            "message_expiry": 5,
            "payload_format": 1,
            "user": {"a": "1", "b": ["2", "3", "4"]},
        },
    }


@pytest.mark.parametrize(
    ("payload", "form", "data"),
    [
        (b"21.5", "auto", 21.5),
        (b"on", "auto", "on"),
        (b"", "auto", ""),
        (b"1", "text", "1"),
        (b"\xff", "binary", "/w=="),
    ],
)
def test_formats(payload, form, data):
    assert read(message(payload), format=form).data == data


def test_one_that_cannot_be_read_is_a_letter_that_can_be_read_later():
    letter = read(message(b"\xff"))
    assert isinstance(letter, DeadLetter)
    assert (letter.payload, letter.subject, letter.metadata["topic"]) == (b"\xff", "a/b", "a/b")
    assert "format: binary" in letter.reason
    trigger = MqttTrigger()
    with pytest.raises(MalformedError):
        trigger.redo(MqttConfig(topic="#"), letter)
    assert trigger.redo(MqttConfig(topic="#", format="binary"), letter).data == "/w=="


def test_cloudevents():
    attributes = [("specversion", "1.0"), ("id", "7"), ("source", "/s"), ("type", "t"), ("seat", "4a")]
    binary = read(message(b'{"n": 1}', ContentType="application/json", UserProperty=attributes))
    assert (binary.type, binary.id, binary.source, binary.data) == ("t", "7", "/s", {"n": 1})
    assert binary.metadata["extensions"] == {"seat": "4a"}
    whole = b'{"specversion":"1.0","id":"8","source":"/s","type":"t","data":[1]}'
    structured = read(message(whole, ContentType="application/cloudevents+json; charset=utf-8"))
    assert (structured.id, structured.data) == ("8", [1])
    assert read(message(whole)).data["id"] == "8", "without the content type it is JSON like any other"
    assert read(message(b"1", UserProperty=attributes), format="text").type == "mqtt.message"
    broken = read(message(b"{}", UserProperty=[("specversion", "1.0")]))
    assert "needs `id`" in broken.reason
    twice = read(message(b"{}", UserProperty=[("specversion", "1.0"), ("id", "1"), ("id", "2")]))
    assert "twice" in twice.reason


def test_a_retained_message_is_known_by_its_content():
    first, again, other = (read(message(payload, retain=True)) for payload in (b"1", b"1", b"2"))
    assert first.id == again.id != other.id
    assert read(message(b"1", topic="c", retain=True)).id != first.id
    assert read(message(b"1")).id is None
    assert read(message(b"1", retain=True), retained="include").id is None


@pytest.mark.parametrize("data", [b"", b"text", b"\xff\x00", b"base64:x"])
def test_correlation_data_come_back_as_they_were(data):
    assert packed(unpacked(data)) == data
