"""What may be written under `mqtt:` and in a connection."""

import msgspec
import pytest

from reactor.connectors.mqtt.config import MqttConfig, fits, wrong_filter
from reactor.connectors.mqtt.connection import MQTT, Mqtt
from reactor.connectors.mqtt.trigger import MqttTrigger
from reactor.model.errors import PermanentError
from reactor.sdk.connection import converted


def problems(**config):
    return MqttTrigger().check(msgspec.convert({"topic": "a", **config}, MqttConfig))


def test_good_ones():
    assert problems() == []
    assert problems(topic=["a/+/b", "#", "+", "$SYS/#"], shared="g", client_id="me", session_expiry="1h") == []


@pytest.mark.parametrize(
    ("config", "says"),
    [
        ({"topic": ""}, "empty"),
        ({"topic": []}, "empty"),
        ({"topic": "a/#/b"}, "last level"),
        ({"topic": "a#"}, "last level"),
        ({"topic": "a/b+"}, "whole level"),
        ({"topic": "$share/g/a"}, "`shared: GROUP`"),
        ({"topic": ["a", "a"]}, "twice"),
        ({"shared": "a/b"}, "shared"),
        ({"shared": ""}, "shared"),
        ({"client_id": ""}, "client_id"),
        ({"batch": 0}, "batch"),
        ({"session_expiry": "0s"}, "lost"),
        ({"session_expiry": "soon"}, "not a duration"),
    ],
)
def test_bad_ones(config, says):
    assert any(says in problem for problem in problems(**config)), problems(**config)


@pytest.mark.parametrize(
    ("topic", "wanted", "does"),
    [
        ("a/b", "a/b", True),
        ("a/b", "a/+", True),
        ("a/b", "#", True),
        ("a", "a/#", True),
        ("a/b/c", "a/#", True),
        ("a/b/c", "a/+", False),
        ("a", "a/+", False),
        ("$SYS/x", "#", False),
        ("$SYS/x", "$SYS/#", True),
        ("b", "a", False),
    ],
)
def test_what_a_filter_means(topic, wanted, does):
    assert fits(topic, wanted) is does
    assert wrong_filter(wanted) is None


@pytest.mark.parametrize(
    ("written", "says"),
    [
        ({"url": "http://h"}, "url"),
        ({"url": "mqtt://"}, "url"),
        ({"url": "mqtt://h:x"}, "url: its port"),
        ({"url": "mqtt://h:99999"}, "url: its port"),
        ({"url": "mqtt://h/path"}, "path"),
        ({"url": "mqtt://h", "tls": {}}, "tls"),
        ({"url": "mqtt://h", "password": "p"}, "user"),
        ({"url": "mqtt://h", "version": 4}, "version"),
        ({"url": "mqtt://h", "keepalive": "1ms"}, "keepalive"),
        ({"url": "mqtt://h", "name": "x"}, "name"),
    ],
)
def test_connections_that_cannot_be(written, says):
    with pytest.raises(PermanentError, match=says):
        converted(MQTT, "c", written)


def test_what_a_connection_says():
    made = converted(MQTT, "c", {"url": "wss://ann:p%40ss@broker/x", "version": "5"})
    assert made.place == ("wss", "broker", 443, "/x")
    assert made.credentials == ("ann", "p@ss")
    assert made.five
    other = Mqtt(url="mqtt://h", user="u", password="p", version="3.1.1", keepalive="1m")
    assert (other.address, other.credentials, other.five, other.keepalive_seconds) == ("h:1883", ("u", "p"), False, 60)
