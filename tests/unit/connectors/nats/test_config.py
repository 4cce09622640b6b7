"""Configurations of the trigger and the connection: what is refused, and with what words."""

import msgspec
import pytest

from reactor.connectors.nats import connector
from reactor.connectors.nats.config import policy
from reactor.connectors.nats.settings import NATS
from reactor.connectors.nats.stream import default_durable
from reactor.model.errors import PermanentError
from reactor.sdk.connection import converted

(TRIGGER,) = connector.triggers


def problems(**given):
    return TRIGGER.check(msgspec.convert(given, TRIGGER.config))


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({}, "give `subject`, or `stream`"),
        ({"subject": "a", "durable": "d"}, "`durable` is for streams"),
        ({"subject": "a", "start": "all"}, "`start` is for streams"),
        ({"subject": "a", "ack_wait": "5s"}, "`ack_wait` is for streams"),
        ({"stream": "S", "queue": "q"}, "`queue` is not for streams"),
        ({"subject": "a..b"}, "nothing between two dots"),
        ({"subject": "a b"}, "has blanks"),
        ({"subject": "a*.b"}, "stand for whole parts"),
        ({"subject": "a.>.b"}, "`>` is not at the end"),
        ({"stream": "a.b"}, "stream: 'a.b' cannot be a name"),
        ({"stream": "S", "durable": ""}, "durable: '' cannot be a name"),
        ({"subject": "a", "queue": "q r"}, "queue: the name of a queue group"),
        ({"stream": "S", "start": "yesterday"}, "is none of new, all, last"),
        ({"stream": "S", "start": "0"}, "sequences begin with 1"),
        ({"stream": "S", "start": "2026-01-01T00:00:00"}, "has no offset"),
        ({"stream": "S", "ack_wait": "10ms"}, "should be 1s at least"),
        ({"stream": "S", "ack_wait": "soon"}, "ack_wait: 'soon' is not a duration"),
    ],
)
def test_what_cannot_be(given, told):
    (problem,) = problems(**given)
    assert told in problem


@pytest.mark.parametrize(
    "given",
    [
        {"subject": "orders.*.eu.>"},
        {"subject": "a", "queue": "q"},
        {"stream": "S", "subject": ">", "durable": "my-durable", "start": 7, "ack_wait": "1m", "max_ack_pending": 1},
    ],
)
def test_what_can_be(given):
    assert problems(**given) == []


def test_where_a_consumer_begins():
    assert policy("new") == {"deliver_policy": "new"}
    assert policy("12") == policy(12) == {"deliver_policy": "by_start_sequence", "opt_start_seq": 12}
    assert policy("2026-01-31T09:00:00+01:00") == {
        "deliver_policy": "by_start_time",
        "opt_start_time": "2026-01-31T08:00:00Z",
    }


def test_names_of_consumers():
    assert default_durable("orders/0") == "reactor_orders_0"
    assert default_durable("a.b/1") != default_durable("a_b/1")
    assert not {".", "/", " "} & set(default_durable("team x/a.b/12"))


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"servers": ""}, "servers: is empty"),
        ({"servers": "nats://ann:s3cret@h"}, "holds a user or a token"),
        ({"servers": "http://h"}, "is no address"),
        ({"servers": "h:port"}, "is no address"),
        ({"servers": "h", "user": "ann"}, "`user` and `password` go together"),
        ({"servers": "h", "token": "s3cret", "nkey": "s3cret"}, "give one of"),
        ({"servers": "h", "inbox_prefix": "a.*"}, "without wildcards"),
    ],
)
def test_connections_that_cannot_be(given, told):
    with pytest.raises(PermanentError, match=told) as caught:
        converted(NATS, "mine", {"type": "nats", **given})
    assert "s3cret" not in caught.value.message


def test_addresses():
    assert converted(NATS, "mine", {"servers": "a, b:1,tls://c"}).addresses == [
        "nats://a:4222",
        "nats://b:1",
        "tls://c:4222",
    ]
    assert converted(NATS, "mine", {"servers": ["[::1]:4223"]}).addresses == ["nats://[::1]:4223"]
