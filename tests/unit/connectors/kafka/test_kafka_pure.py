"""The connector `kafka` without a broker: configuration, messages, places and batches."""

import msgspec
import pytest

from reactor.connectors.kafka import message, positions
from reactor.connectors.kafka.actions import PublishParams
from reactor.connectors.kafka.config import Batch, KafkaConfig
from reactor.connectors.kafka.connection import KafkaSettings, Sasl, options
from reactor.connectors.kafka.hold import HEAVY, Hold
from reactor.connectors.kafka.message import Message
from reactor.connectors.kafka.outgoing import outgoing
from reactor.connectors.kafka.positions import Place, Saved
from reactor.sdk import DeadLetter, EventDraft
from reactor.sdk.content import MalformedError


class At:
    """A partition."""

    def __init__(self, topic="t", partition=0):
        self.topic, self.partition = topic, partition


def record(value=b"1", offset=0, key=None, headers=(), topic="t", timestamp=5):
    """A message."""
    return Message(topic, 0, offset, timestamp, key, value, headers)


def draft(item):
    """It was read."""
    assert isinstance(item, EventDraft), item
    return item


# ------------------------------------------------------------ configuration


@pytest.mark.parametrize(
    ("config", "says"),
    [
        ({"topics": []}, "topics is empty"),
        ({"topics": "a b"}, "'a b' cannot be a topic"),
        ({"topics": "/(/"}, "'/(/' is not a regular expression"),
        ({"topics": "t", "start": "soon"}, "neither latest, earliest nor a time"),
        ({"topics": "t", "start": "1960-01-01T00:00:00Z"}, "neither latest, earliest nor a time"),
        ({"topics": "t", "group": " "}, "group is empty"),
        ({"topics": "t", "batch": {"for": "long"}}, "batch: for: 'long' is not a duration"),
        ({"topics": "t", "batch": {"for": "2h"}}, "more than an hour"),
    ],
)
def test_what_is_wrong_with_a_configuration(config, says):
    (problem,) = msgspec.convert(config, KafkaConfig).problems()
    assert says in problem


@pytest.mark.parametrize(
    ("topics", "matches", "misses"),
    [
        ("a.b", ["a.b"], ["a-b", "a.b.c", "xa.b"]),
        ("a.*", ["a.b", "a."], ["ab", "b.a.c"]),
        (["x", "/y\\d+|z/"], ["x", "y12", "z"], ["xx", "y", "zz", "y1z"]),
    ],
)
def test_which_topics_are_meant(topics, matches, misses):
    config = KafkaConfig(topics=topics)
    assert config.problems() == []
    found = config.expression()
    assert [name for name in [*matches, *misses] if found.match(name)] == matches


def test_only_names_have_to_be_there():
    assert KafkaConfig(topics=["a", "b.*", "/c/", "d?"]).names() == ["a"]


def test_a_number_is_the_size_of_a_batch():
    assert KafkaConfig(topics="t", batch=7).batching() == Batch(size=7, for_="1s")
    assert KafkaConfig(topics="t").batching() is None


@pytest.mark.parametrize(
    "servers", ["", "h:0", "h:x", ":9092", "h:70000", [], "a:1,b:", "[::1", "h\0:1", "a b:1", "u:hunter2@h:1"]
)
def test_servers_that_cannot_be(servers):
    with pytest.raises(ValueError, match="servers: ") as caught:
        KafkaSettings(servers=servers)
    assert "hunter2" not in str(caught.value)


@pytest.mark.proves("connection.kafka.client_id")
def test_what_clients_are_made_with():
    assert KafkaSettings(servers="a:1, b").addresses() == ["a:1", "b"]
    plain = options(KafkaSettings(servers="h:1", client_id="me"), {})
    assert plain == {"client_id": "me", "ssl_context": None, "security_protocol": "PLAINTEXT"}
    who = Sasl(user="u", password="p", mechanism="scram-sha-512")
    found = options(KafkaSettings(servers="h:1", tls=True, sasl=who), {})
    assert (found["security_protocol"], found["sasl_mechanism"]) == ("SASL_SSL", "SCRAM-SHA-512")
    assert (found["sasl_plain_username"], found["sasl_plain_password"]) == ("u", "p")
    assert found["ssl_context"].check_hostname


# ------------------------------------------------------------ messages


def test_a_message_is_read_by_its_content_type():
    read = draft(message.read(record(b"[1]", headers=(("Content-Type", b"text/plain"),)), "auto"))
    assert (read.data, read.raw, read.metadata["headers"]) == ("[1]", None, {"Content-Type": "text/plain"})


def test_a_message_without_a_timestamp_has_the_time_when_it_is_taken():
    assert draft(message.read(record(timestamp=-1), "auto")).time is None


def test_a_header_of_cloudevents_that_is_no_text_makes_a_dead_letter_that_can_be_read_as_json():
    headers = (("ce_specversion", b"1.0"), ("ce_id", b"\xff"), ("x", None))
    letter = message.read(record(b"{}", headers=headers, key=b"k"), "auto")
    assert isinstance(letter, DeadLetter)
    assert letter.reason == "the header ce_id is not UTF-8"
    with pytest.raises(MalformedError, match="ce_id"):
        message.again(letter, "auto")
    read = message.again(letter, "json")
    assert (read.data, read.subject, read.time, read.metadata["offset"]) == ({}, "k", 5, 0)


def test_many_messages_are_one_event_whose_json_is_theirs():
    drafts = [draft(message.read(record(value, n), "auto")) for n, value in enumerate((b"1", b"text"))]
    both = message.many(drafts)
    assert (both.data, both.raw, both.metadata["offsets"]) == ([1, "text"], None, [0, 1])
    assert message.many(drafts[:1]).raw == b"[1]"


# ------------------------------------------------------------ places


def place(**given):
    """A partition with the messages 10 to 19, of which we know nothing."""
    known = {"topic": "id", "begin": 10, "end": 20, "committed": None, "saved": None, "wanted": None}
    return Place(**{**known, **given})


@pytest.mark.parametrize(
    ("given", "offset"),
    [
        ({}, 10),
        ({"wanted": 20}, 20),
        ({"committed": 15, "wanted": 20}, 15),
        ({"committed": 15, "saved": Saved(17, "id")}, 17),
        ({"committed": 18, "saved": Saved(17, "id")}, 18),
        ({"committed": 12, "saved": Saved(17, "")}, 17),
        ({"topic": "", "saved": Saved(17, "id")}, 17),
        ({"saved": Saved(20, "id")}, 20),
        ({"saved": Saved(10, "id")}, 10),
    ],
)
def test_where_reading_begins(given, offset):
    assert positions.begin(place(**given)) == (offset, None)


@pytest.mark.parametrize(
    ("given", "offset", "says"),
    [
        ({"saved": Saved(4, "id")}, 10, "the messages 4 to 9 were deleted"),
        ({"committed": 4}, 10, "the messages 4 to 9 were deleted"),
        ({"saved": Saved(25, "")}, 10, "read up to 24, but ends at 19"),
        ({"saved": Saved(12, "old")}, 10, "deleted and made anew after 12"),
        ({"saved": Saved(12, "old"), "committed": 12}, 10, "deleted and made anew"),
        ({"saved": Saved(12, "old"), "committed": 14}, 14, "deleted and made anew"),
        ({"saved": Saved(12, "old"), "committed": 99}, 10, "deleted and made anew"),
    ],
)
def test_gaps_have_a_name(given, offset, says):
    begin = positions.begin(place(**given))
    assert begin.offset == offset
    assert says in str(begin.gap)


# ------------------------------------------------------------ batches


def test_a_batch_is_full_or_has_waited():
    now = 100.0
    hold = Hold(Batch(size=2, for_="1s"), "auto", now=lambda: now)
    at, other = At(), At("u")
    hold.add(at, [record(b"1", 0), record(b"\xff", 1), record(b"2", 2), record(b"3", 3)])
    hold.add(other, [record(b"9", 7, topic="u")])
    items, behind = hold.due()
    assert [type(item) for item in items] == [DeadLetter, EventDraft]
    assert (draft(items[1]).data, behind) == ([1, 2], {at: 3})
    assert (hold.due(), hold.empty, hold.patience(5_000), hold.patience(10)) == (([], {}), False, 1_001, 10)
    now = 101.0
    items, behind = hold.due()
    assert ([draft(item).data for item in items], behind) == ([[3], [9]], {at: 4, other: 8})
    assert hold.empty


def test_a_batch_has_a_limit_in_bytes():
    hold = Hold(Batch(size=10), "text")
    hold.add(At(), [record(b"x" * (HEAVY // 2 + 1), n) for n in range(2)])
    ((first,), behind) = hold.due()
    assert (len(draft(first).data), list(behind.values())) == (1, [1])
    assert [len(draft(item).data) for item in hold.all()[0]] == [1]


# ------------------------------------------------------------ what is sent


@pytest.mark.parametrize(
    ("params", "says"),
    [
        ({"topic": "", "value": 1}, "cannot be one"),
        ({"topic": "t", "value": None}, "tombstone"),
        ({"topic": "t", "value": 1, "partition": -1}, "partition"),
        ({"topic": "t", "value": 1, "timestamp": "soon"}, "timestamp|soon|Invalid"),
    ],
)
def test_a_message_that_cannot_be(params, says):
    with pytest.raises(msgspec.ValidationError, match=says):
        msgspec.convert(params, PublishParams)


def test_own_headers_come_before_ours():
    params = PublishParams(
        topic="t", value={"n": 1}, headers={"Content-Type": "a/b", "idempotency-key": "mine", "gone": None}
    )
    sent = outgoing(params, flow="f", step="s", idempotency_key="k")
    assert sent.headers == [("Content-Type", b"a/b"), ("idempotency-key", b"mine"), ("gone", None)]


def test_a_cloudevent_of_text_says_so():
    params = PublishParams(topic="t", value="hi", cloudevents=True)
    headers = dict(outgoing(params, flow="f", step="s", idempotency_key="k").headers)
    assert headers["content-type"] == b"text/plain; charset=utf-8"


def test_the_trace_goes_along_unless_the_flow_says_another():
    trace = {"traceparent": "00-" + "a" * 32 + "-" + "b" * 16 + "-01", "tracestate": "x=1"}
    params = PublishParams(topic="t", value="x", headers={"Traceparent": "mine"})
    assert (
        dict(outgoing(params, flow="f", step="s", idempotency_key="k", trace=trace).headers)["Traceparent"] == b"mine"
    )
    params = PublishParams(topic="t", value={"a": 1}, cloudevents=True)
    sent = dict(outgoing(params, flow="f", step="s", idempotency_key="k", trace=trace).headers)
    assert sent["traceparent"] == sent["ce_traceparent"] == trace["traceparent"].encode()
    assert sent["tracestate"] == b"x=1"
