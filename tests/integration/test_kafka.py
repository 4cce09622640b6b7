"""The connector `kafka` on a real broker."""

import json
import logging

import pytest
from aiokafka import AIOKafkaProducer

from reactor.connectors.kafka import consumer, reading
from reactor.connectors.kafka.config import KafkaConfig
from reactor.connectors.kafka.connection import KAFKA
from reactor.connectors.kafka.trigger import KafkaTrigger
from reactor.sdk import ConnectionContext, StepError, TriggerLost
from reactor.sdk.connection import converted
from reactor.testing.servers import free_port
from reactor.testing.servers.kafka import USERS
from reactor.testing.triggers import TriggerBench


@pytest.fixture(autouse=True)
def often(monkeypatch):
    """It looks often how the broker is."""
    monkeypatch.setattr(reading, "WATCH", 0.5)


def bench(server, config, **more):
    """A trigger on it."""
    connections = {"kafka": {"type": "kafka", "servers": server.servers}}
    return TriggerBench(KafkaTrigger(), config, **{"connections": connections, **more})


def numbers(count, start=0):
    """Values `{"n": 0}` and on."""
    return [json.dumps({"n": n}).encode() for n in range(start, start + count)]


async def armed(it):
    """Wait until it listens."""
    await it.until(lambda b: b.state() == "armed")


def told(it):
    """The numbers that came, in order."""
    return [draft.data["n"] for draft in it.drafts]


@pytest.mark.proves("on.kafka", "on.kafka.topics")
async def test_a_message_is_an_event_and_its_offset_is_committed(broker):
    await broker.make_topic("orders")
    async with bench(broker, "orders") as it:
        await armed(it)
        await broker.produce("orders", numbers(3), key=b"k1", headers=[("a", b"b")], timestamp=1_700_000_000_000)
        await it.until(lambda b: len(b.drafts) == 3)
        first = it.drafts[0]
        assert (first.type, first.subject, first.time) == ("kafka.message", "k1", 1_700_000_000_000)
        assert (first.data, first.raw) == ({"n": 0}, b'{"n": 0}')
        assert first.metadata == {
            "topic": "orders",
            "partition": 0,
            "offset": 0,
            "timestamp": 1_700_000_000_000,
            "key": "k1",
            "headers": {"a": "b"},
        }
        assert told(it) == [0, 1, 2]
    assert (await broker.committed("reactor.flow"))[("orders", 0)] == 3


# ------------------------------------------------------------ what is read


@pytest.mark.proves("on.kafka.topics")
async def test_topics_by_list_pattern_and_expression_and_one_that_is_made_later(broker, monkeypatch):
    monkeypatch.setattr(consumer, "METADATA", 300)
    for name in ("wide.a", "wide.b", "tall-1", "plain", "other"):
        await broker.make_topic(name)
    async with bench(broker, {"topics": ["wide.*", "/tall-\\d+/", "plain"]}) as it:
        await armed(it)
        for n, name in enumerate(("wide.a", "wide.b", "tall-1", "other", "plain")):
            await broker.produce(name, numbers(1, n))
        await it.until(lambda b: len(b.drafts) == 4)
        await broker.make_topic("wide.new")
        await broker.produce("wide.new", numbers(2, 10))  # `latest` holds for what was there at the start only
        await it.until(lambda b: len(b.drafts) == 6)
    assert sorted(told(it)) == [0, 1, 2, 4, 10, 11]
    assert {draft.metadata["topic"] for draft in it.drafts} == {"wide.a", "wide.b", "tall-1", "plain", "wide.new"}


@pytest.mark.proves("on.kafka.start")
@pytest.mark.parametrize(
    ("start", "expected"),
    [("earliest", [0, 1, 2, 3]), ("latest", [3]), ("2023-11-14T22:13:21Z", [1, 2, 3])],
)
async def test_where_a_group_begins_that_is_new(broker, start, expected):
    topic = f"start-{expected[0]}"
    await broker.make_topic(topic)
    for n in range(3):
        await broker.produce(topic, numbers(1, n), timestamp=1_700_000_000_000 + n * 1000)
    async with bench(broker, {"topics": topic, "start": start, "group": topic}) as it:
        await armed(it)
        await broker.produce(topic, numbers(1, 3), timestamp=1_700_000_003_000)
        await it.until(lambda b: told(b) == expected)


@pytest.mark.proves("on.kafka.group")
async def test_groups_read_by_themselves_and_a_new_one_begins_anew(broker):
    await broker.make_topic("grouped")
    await broker.produce("grouped", numbers(2))
    config = {"topics": "grouped", "start": "earliest", "group": "one"}
    async with bench(broker, config) as one:
        await one.until(lambda b: len(b.drafts) == 2)
    again = one.again({**config, "group": "two"})  # what was saved as another group means nothing
    async with again:
        await again.until(lambda b: len(b.drafts) == 2)
        assert again.gaps == []
    third = again.again()
    async with third:
        await armed(third)
        await broker.produce("grouped", numbers(1, 2))
        await third.until(lambda b: b.drafts)
    assert told(third) == [2]
    assert await broker.committed("one") == {("grouped", 0): 2}
    assert await broker.committed("two") == {("grouped", 0): 3}


@pytest.mark.proves("on.kafka.format")
@pytest.mark.parametrize(
    ("form", "data", "encoding"),
    [("text", '{"n": 1}', None), ("binary", "eyJuIjogMX0=", "base64"), ("auto", {"n": 1}, None)],
)
async def test_how_values_are_read(broker, form, data, encoding):
    await broker.make_topic(f"form-{form}")
    await broker.produce(f"form-{form}", [b'{"n": 1}', None], key=b"k")
    async with bench(broker, {"topics": f"form-{form}", "start": "earliest", "format": form}) as it:
        await it.until(lambda b: len(b.drafts) == 2)
    assert (it.drafts[0].data, it.drafts[0].metadata.get("encoding")) == (data, encoding)
    assert it.drafts[1].data is None  # a tombstone


@pytest.mark.proves("on.kafka.batch", "on.kafka.batch.{size,for}")
async def test_many_messages_are_one_event(broker):
    await broker.make_topic("bulk")
    values = [*numbers(2), b"\xff\xfe", *numbers(3, 2)]
    await broker.produce("bulk", values, key=b"k")
    config = {"topics": "bulk", "start": "earliest", "batch": {"size": 3, "for": "300ms"}}
    async with bench(broker, config) as it:
        await it.until(lambda b: len(b.drafts) == 2)
        first, second = it.drafts
        assert (first.data, second.data) == ([{"n": 0}, {"n": 1}, {"n": 2}], [{"n": 3}, {"n": 4}])
        assert first.raw == b'[{"n": 0},{"n": 1},{"n": 2}]'
        assert (first.metadata["topic"], first.metadata["count"]) == ("bulk", 3)
        assert (first.metadata["offsets"], first.metadata["partitions"]) == ([0, 1, 3], [0, 0, 0])
        assert first.metadata["keys"] == ["k"] * 3
        assert [letter.payload for letter in it.dead] == [b"\xff\xfe"]
    assert (await broker.committed("reactor.flow"))[("bulk", 0)] == 6


async def test_what_has_gathered_is_passed_on_when_partitions_are_taken_away(broker):
    await broker.make_topic("gathering", 2)
    config = {"topics": "gathering", "batch": {"size": 1_000, "for": "1h"}, "group": "gathering"}
    async with bench(broker, config) as it:
        await armed(it)
        await broker.produce("gathering", numbers(5), partition=0)
        await broker.produce("gathering", numbers(5, 5), partition=1)
        await it.until(lambda b: b.behind == 10)
        async with bench(broker, config) as other:
            await armed(other)
            assert sorted(row["n"] for draft in it.drafts for row in draft.data) == list(range(10))
        assert other.drafts == []


async def test_poison_becomes_a_dead_letter_and_the_rest_goes_on(broker):
    await broker.make_topic("poison")
    await broker.produce("poison", [b'{"n": 0}', b"{", b'{"n": 1}'], key=b"k", headers=[("h", b"v")])
    async with bench(broker, {"topics": "poison", "format": "json", "start": "earliest"}) as it:
        await it.until(lambda b: len(b.drafts) == 2)
    (letter,) = it.dead
    assert told(it) == [0, 1]
    assert letter.payload == b"{"
    assert letter.reason.startswith("the body is not valid JSON")
    assert (letter.metadata["offset"], letter.metadata["headers"], letter.subject) == (1, {"h": "v"}, "k")
    again = it.trigger.redo(KafkaConfig(topics="poison", format="text"), letter)
    assert (again.data, again.metadata["offset"]) == ("{", 1)
    assert (await broker.committed("reactor.flow"))[("poison", 0)] == 3


async def test_cloudevents_binary_and_structured(broker):
    await broker.make_topic("ce")
    binary = [
        ("ce_specversion", b"1.0"),
        ("ce_id", b"e-1"),
        ("ce_source", b"/shop"),
        ("ce_type", b"order.created"),
        ("ce_time", b"2026-01-02T03:04:05Z"),
        ("content-type", b"application/json"),
    ]
    whole = {"specversion": "1.0", "id": "e-2", "source": "/shop", "type": "order.paid", "subject": "s", "data": [1]}
    await broker.produce("ce", [b'{"n": 1}'], key=b"k", headers=binary, timestamp=1_700_000_000_000)
    structured = [("content-type", b"application/cloudevents+json; charset=utf-8")]
    await broker.produce("ce", [json.dumps(whole).encode(), b"{}"], headers=structured, timestamp=1_700_000_000_000)
    async with bench(broker, {"topics": "ce", "start": "earliest"}) as it:
        await it.until(lambda b: len(b.drafts) == 2 and b.dead)
    one, two = it.drafts
    assert (one.id, one.source, one.type, one.subject, one.data) == ("e-1", "/shop", "order.created", "k", {"n": 1})
    assert one.time == 1_767_323_045_000
    assert (two.id, two.source, two.type, two.subject, two.data) == ("e-2", "/shop", "order.paid", "s", [1])
    assert two.time == 1_700_000_000_000
    assert (one.metadata["offset"], two.metadata["offset"]) == (0, 1)
    assert "specversion" in it.dead[0].reason


async def test_keys_and_headers_that_are_no_text(broker):
    await broker.make_topic("odd")
    await broker.produce("odd", [b"1"], key=b"\xff", headers=[("x", b"\xfe"), ("y", b"1"), ("y", b"2")])
    async with bench(broker, {"topics": "odd", "start": "earliest"}) as it:
        await it.until(lambda b: b.drafts)
    assert it.drafts[0].subject is None
    assert it.drafts[0].metadata["key"] == {"base64": "/w=="}
    assert it.drafts[0].metadata["headers"] == {"x": {"base64": "/g=="}, "y": ["1", "2"]}


async def test_of_transactions_only_what_was_committed_and_their_marks_are_stepped_over(broker):
    await broker.make_topic("tx")
    producer = AIOKafkaProducer(bootstrap_servers=broker.servers, transactional_id="t")
    async with producer:
        await producer.begin_transaction()
        await producer.send_and_wait("tx", b'{"n": 0}')
        await producer.abort_transaction()
        async with producer.transaction():
            await producer.send_and_wait("tx", b'{"n": 1}')
    async with bench(broker, {"topics": "tx", "start": "earliest", "group": "tx"}) as it:
        await it.until(lambda b: b.behind == 0 and b.drafts)
    assert told(it) == [1]
    assert await broker.committed("tx") == {("tx", 0): 4}


# ------------------------------------------------------------ nothing lost, nothing twice


async def test_two_members_share_and_a_rebalance_loses_and_doubles_nothing(broker):
    await broker.make_topic("shared", 4)
    config = {"topics": "shared", "group": "shared", "start": "earliest"}
    count = 0

    async def more():
        nonlocal count
        for partition in range(4):
            await broker.produce("shared", numbers(100, count), partition=partition)
            count += 100

    async with bench(broker, config) as one:
        await armed(one)
        await more()
        async with bench(broker, config) as two:
            while not (one.drafts and two.drafts):
                await more()
        await more()
        await one.until(lambda b: len(b.drafts) + len(two.drafts) >= count)
    both = one.drafts + two.drafts
    assert sorted(told(one) + told(two)) == list(range(count))
    for it in (one, two):
        for partition in range(4):
            mine = [draft.metadata["offset"] for draft in it.drafts if draft.metadata["partition"] == partition]
            assert mine == sorted(mine)
    assert len({(draft.metadata["partition"], draft.metadata["offset"]) for draft in both}) == count


async def test_a_crash_between_our_commit_and_the_groups_doubles_nothing(broker):
    await broker.make_topic("crash")
    await broker.produce("crash", numbers(5))

    def dies(drafts):
        if drafts:
            it.after_commit = None
            raise TriggerLost("the process is gone")

    it = bench(broker, {"topics": "crash", "start": "earliest", "group": "crash"})
    it.after_commit = dies
    async with it:
        await it.until(lambda b: ("lost", "the process is gone") in b.states)
    assert await broker.committed("crash") == {("crash", 0): 0}
    again = it.again()
    async with again:
        await armed(again)
        await broker.produce("crash", numbers(1, 5))
        await again.until(lambda b: b.drafts)
    assert (told(it), told(again), again.duplicates) == ([0, 1, 2, 3, 4], [5], [])
    assert await broker.committed("crash") == {("crash", 0): 6}


async def test_new_partitions_are_read_from_their_beginning(broker, monkeypatch):
    monkeypatch.setattr(consumer, "METADATA", 300)
    await broker.make_topic("growing")
    async with bench(broker, "growing") as it:
        await armed(it)
        await broker.add_partitions("growing", 2)
        await broker.produce("growing", numbers(3), partition=1)
        await it.until(lambda b: len(b.drafts) == 3)
    assert told(it) == [0, 1, 2]


async def test_lag_is_what_waits_in_all_partitions(broker):
    await broker.make_topic("behind", 2)
    async with bench(broker, "behind") as it:
        await armed(it)
        it.busy = 1_000_000
        await broker.produce("behind", numbers(30), partition=0)
        await broker.produce("behind", numbers(20), partition=1)
        await it.until(lambda b: b.behind == 50)
        assert it.drafts == []
        it.busy = 0
        await it.until(lambda b: b.behind == 0)
    assert sorted(told(it)) == sorted([*range(30), *range(20)])


async def test_what_retention_deleted_is_a_gap(broker):
    await broker.make_topic("short")
    await broker.produce("short", numbers(2))
    config = {"topics": "short", "start": "earliest", "group": "short"}
    async with bench(broker, config) as it:
        await it.until(lambda b: len(b.drafts) == 2)
    await broker.produce("short", numbers(4, 2))
    await broker.delete_records("short", 0, 5)
    again = it.again()
    async with again:
        await again.until(lambda b: b.drafts)
    assert told(again) == [5]
    (gap,) = again.gaps
    assert gap == (
        "short, partition 0: the messages 2 to 4 were deleted at the broker before they were read (retention); keep "
        "them longer there, or read faster"
    )


async def test_retention_that_overtakes_a_slow_reader_is_a_gap(broker):
    await broker.make_topic("overtaken")
    async with bench(broker, {"topics": "overtaken", "group": "overtaken"}) as it:
        await armed(it)
        it.busy = 1_000_000
        await broker.produce("overtaken", numbers(1))
        await it.until(lambda b: b.busy < 1_000_000)
        for n in range(3):  # more than what is fetched ahead
            await broker.produce("overtaken", [b'{"n": 7, "x": "%s"}' % (b"x" * 900_000)] * 3)
            assert n >= 0
        await broker.produce("overtaken", numbers(1, 1))
        await broker.delete_records("overtaken", 0, 10)
        it.busy = 0
        await it.until(lambda b: told(b)[-1:] == [1])
    assert len(it.gaps) == 1
    assert "to 9 were deleted at the broker" in it.gaps[0]


async def test_a_topic_that_is_made_anew_is_noticed_and_read_from_its_beginning(broker):
    await broker.make_topic("anew")
    await broker.produce("anew", numbers(3))
    config = {"topics": "anew", "start": "earliest", "group": "anew"}
    async with bench(broker, config) as it:
        await it.until(lambda b: len(b.drafts) == 3)
    await broker.delete_topic("anew")
    await broker.make_topic("anew")
    await broker.produce("anew", numbers(5, 10))  # more than were read of the old one
    again = it.again()
    async with again:
        await again.until(lambda b: len(b.drafts) == 5)
    assert told(again) == [10, 11, 12, 13, 14]
    (gap,) = again.gaps
    assert gap.startswith("anew, partition 0: the topic was deleted and made anew after 3 messages")


async def test_a_topic_that_is_deleted_is_told_and_read_again_when_it_is_back(broker):
    await broker.make_topic("vanishing")
    async with bench(broker, {"topics": "vanishing", "group": "vanishing"}) as it:
        await armed(it)
        await broker.produce("vanishing", numbers(2))
        await it.until(lambda b: len(b.drafts) == 2)
        await broker.delete_topic("vanishing")
        await it.until(lambda b: b.state() == "lost")
        assert it.states[-1][1].startswith("there is no topic 'vanishing' in Kafka at 127.0.0.1:")
        assert "vanishing" not in await broker.topics()  # nobody makes it by asking for it
        await broker.make_topic("vanishing")
        await broker.produce("vanishing", numbers(1, 5))
        await it.until(lambda b: len(b.drafts) == 3)
    assert told(it) == [0, 1, 5]
    assert len(it.gaps) == 1


# ------------------------------------------------------------ red, with a sentence


async def lost(it, seconds=10.0):
    """What the trigger says when it is lost."""
    await it.until(lambda b: b.state() == "lost", seconds)
    assert it.state() == "lost"
    return it.states[-1][1]


async def test_a_topic_that_is_not_there_is_told_and_not_made(broker):
    async with bench(broker, "nowhere") as it:
        assert "there is no topic 'nowhere'" in await lost(it)
    assert "nowhere" not in await broker.topics()


@pytest.mark.proves("on.kafka.connection")
async def test_nobody_listens(broker):
    connections = {
        "far": {"type": "kafka", "servers": f"127.0.0.1:{free_port()}"},
        "kafka": {"type": "kafka", "servers": broker.servers},
    }
    async with bench(broker, {"topics": "x", "connection": "far"}, connections=connections) as it:
        assert "nobody listens at 127.0.0.1:" in await lost(it)


SASL = [("plain", "alice"), ("scram-sha-256", "alice"), ("scram-sha-512", "alice")]


def sasl(broker, mechanism, user, password):
    """A connection with these credentials."""
    who = {"mechanism": mechanism, "user": user, "password": password}
    return {"kafka": {"type": "kafka", "servers": f"127.0.0.1:{broker.sasl_port}", "sasl": who}}


@pytest.mark.parametrize(("mechanism", "user"), SASL)
@pytest.mark.proves("connection.kafka.sasl", "connection.kafka.sasl.{user,password,mechanism}")
async def test_credentials_right_and_wrong(broker, mechanism, user):
    name = f"sasl-{mechanism}"
    await broker.make_topic(name)
    async with bench(broker, name, connections=sasl(broker, mechanism, user, USERS[user])) as it:
        await armed(it)
        await broker.produce(name, numbers(1))
        await it.until(lambda b: b.drafts)
    async with bench(broker, name, connections=sasl(broker, mechanism, user, "w" + USERS[user])) as it:
        reason = await lost(it)
    assert "refuses the user 'alice': wrong name, password or `sasl.mechanism`" in reason
    assert USERS[user] not in reason


async def test_a_user_without_rights(broker):
    await broker.make_topic("closed")
    async with bench(broker, "closed", connections=sasl(broker, "plain", "bob", USERS["bob"])) as it:
        assert "this user may not read the topic 'closed'" in await lost(it)


async def test_a_user_who_may_read_the_topic_but_not_as_the_group(broker):
    await broker.make_topic("half-open")
    broker.allow("bob", "topic", "half-open")
    connections = sasl(broker, "plain", "bob", USERS["bob"])
    async with bench(broker, {"topics": "half-open", "group": "bobs"}, connections=connections) as it:
        assert "this user may not read as the group 'bobs'" in await lost(it)
        broker.allow("bob", "group", "bobs")
        await armed(it)
        await broker.produce("half-open", numbers(1))
        await it.until(lambda b: b.drafts)


async def test_no_credentials_where_they_are_wanted(broker):
    connections = {"kafka": {"type": "kafka", "servers": f"127.0.0.1:{broker.sasl_port}"}}
    async with bench(broker, "x", connections=connections) as it:
        assert "closed the connection; does it want `tls` or `sasl`?" in await lost(it)


@pytest.mark.proves("connection.kafka.tls", "connection.kafka.tls.{ca,verify}")
async def test_tls_with_a_certificate_that_is_trusted_and_one_that_is_not(broker):
    await broker.make_topic("secure")
    servers = f"127.0.0.1:{broker.tls_port}"
    trusted = {"kafka": {"type": "kafka", "servers": servers, "tls": {"ca": broker.ca}}}
    async with bench(broker, "secure", connections=trusted) as it:
        await armed(it)
        await broker.produce("secure", numbers(1))
        await it.until(lambda b: b.drafts)
    for tls, expected in ((True, "is not trusted"), (False, "does it want `tls`")):
        connections = {"kafka": {"type": "kafka", "servers": servers, "tls": tls}}
        async with bench(broker, "secure", connections=connections) as it:
            assert expected in await lost(it)
    assert (await connection_tested(servers=servers, tls={"verify": False})).startswith("Kafka, 1 broker, ")


@pytest.mark.proves("connection.kafka.tls.{cert,key}")
async def test_a_certificate_says_who_we_are(broker):
    await broker.make_topic("not-for-everybody")
    servers, (cert, key) = f"127.0.0.1:{broker.tls_port}", broker.client
    assert " 0 topics" not in await connection_tested(servers=servers, tls={"ca": broker.ca})
    shown = {"ca": broker.ca, "cert": cert, "key": key}
    assert await connection_tested(servers=servers, tls=shown) == "Kafka, 1 broker, 0 topics that we may see"


async def connection_tested(**settings):
    """What a test of a connection tells."""
    ctx = ConnectionContext(name="kafka", settings={}, log=logging.getLogger("test"))
    assert KAFKA.test is not None
    return await KAFKA.test(ctx, converted(KAFKA, "kafka", settings))


@pytest.mark.proves("connection.kafka.servers")
async def test_a_connection_is_tested(broker):
    nobody = f"127.0.0.1:{free_port()}"
    for servers in (broker.servers, [nobody, broker.servers], f"{nobody}, {broker.servers}"):
        assert (await connection_tested(servers=servers)).startswith("Kafka, 1 broker, ")
    with pytest.raises(StepError, match="nobody listens"):
        await connection_tested(servers=nobody)
