"""The trigger `nats` on streams of a real server: each message exactly once, whatever happens between."""

import asyncio

import pytest

from reactor.sdk import TriggerLost
from reactor.testing.servers import Nats, Wire
from tests.integration.nats_kit import TRIGGER, armed, bench, close, drained, lost, other, settled


@pytest.fixture(scope="module")
def server():
    with Nats() as running:
        yield running


@pytest.fixture
async def someone(server, anyio_backend):
    async with other(server) as client:
        yield client
    await close()


@pytest.fixture
def name(request):
    """A stream of the test's own."""
    return "".join(part.title() for part in request.node.name.replace("[", "_").replace("]", "").split("_"))[:60]


@pytest.mark.proves("on.nats", "on.nats.{stream,durable}")
async def test_messages_of_a_stream_are_events_in_their_order(server, someone, name):
    await someone.stream(name)
    async with bench(server, {"stream": name, "durable": "mine"}) as running:
        await armed(running)
        await someone.store(f"{name}.a", {"n": 1}, headers={"Kind": "first"})
        await someone.store(f"{name}.b", *({"n": n} for n in range(2, 301)))
        assert await drained(running, 300) == [{"n": n} for n in range(1, 301)]
        found = await settled(someone, name, "mine")
    assert found["ack_floor"]["stream_seq"] == 300
    first = running.drafts[0]
    assert (first.type, first.subject, first.raw, first.id) == ("nats.message", f"{name}.a", b'{"n": 1}', None)
    assert first.metadata == {"subject": f"{name}.a", "stream": name, "sequence": 1, "headers": {"Kind": "first"}}
    assert first.time is not None
    assert abs(first.time - running.clock.now()) < 60_000


@pytest.mark.proves("on.nats.subject")
async def test_only_messages_on_the_subject(server, someone, name):
    await someone.stream(name)
    async with bench(server, {"stream": name, "subject": f"{name}.a.*", "start": "all"}) as running:
        await armed(running)
        await someone.store(f"{name}.b", "other")
        await someone.store(f"{name}.a.x", "one")
        await someone.store(f"{name}.a.x.y", "other")
        await someone.store(f"{name}.a.z", "two")
        assert await drained(running, 2) == ["one", "two"]
        found = await someone.info(name, "reactor_flow_0")
        assert found["config"]["filter_subject"] == f"{name}.a.*"


@pytest.mark.parametrize(
    ("start", "expected"),
    [("new", [6]), ("all", [1, 2, 3, 4, 5, 6]), ("last", [5, 6]), (3, [3, 4, 5, 6]), ("4", [4, 5, 6])],
)
@pytest.mark.proves("on.nats.start")
async def test_where_a_consumer_begins(server, someone, name, start, expected):
    await someone.stream(name)
    await someone.store(f"{name}.a", 1, 2, 3, 4, 5)
    async with bench(server, {"stream": name, "start": start}) as running:
        await armed(running)
        await someone.store(f"{name}.a", 6)
        assert await drained(running, len(expected)) == expected
    assert running.gaps == []
    again = running.again()
    async with again:
        await someone.store(f"{name}.a", 7)
        assert await drained(again, 1) == [7]


@pytest.mark.proves("on.nats.start")
async def test_a_start_in_time(server, someone, name):
    await someone.stream(name)
    await someone.store(f"{name}.a", 1, 2)
    await asyncio.sleep(0.05)
    await someone.store(f"{name}.a", 3)
    time = (await someone.api(f"STREAM.INFO.{name}"))["state"]["last_ts"]
    async with bench(server, {"stream": name, "start": time[:26] + "Z"}) as running:
        assert await drained(running, 1) == [3]


@pytest.mark.proves("on.nats.{ack_wait,max_ack_pending,batch}")
async def test_how_a_consumer_is_made(server, someone, name):
    await someone.stream(name)
    await someone.store(f"{name}.a", *range(20))
    given = {"stream": name, "start": "all", "ack_wait": "7s", "max_ack_pending": 8, "batch": 3}
    running = bench(server, given)
    running.busy = 2
    async with running:
        assert await drained(running, 20) == list(range(20))
        assert max(number for _, number in running.emitted) == 3
        config = (await someone.info(name, "reactor_flow_0"))["config"]
    assert (config["ack_wait"], config["max_ack_pending"], config["max_deliver"]) == (7_000_000_000, 8, -1)


@pytest.mark.proves("on.nats.max_ack_pending")
async def test_no_more_is_taken_while_the_door_is_closed(server, someone, name):
    await someone.stream(name)
    await someone.store(f"{name}.a", *range(50))
    running = bench(server, {"stream": name, "start": "all", "batch": 10, "max_ack_pending": 15})
    running.busy = 1
    async with running:
        await armed(running)
        running.busy = 10_000
        await someone.store(f"{name}.a", *range(50, 100))
        found = await someone.info(name, "reactor_flow_0")
        assert 0 < found["num_ack_pending"] <= 15  # given out, and not acknowledged as nothing is committed
        running.busy = 0
        assert await drained(running, 100) == list(range(100))
        await settled(someone, name, "reactor_flow_0")


async def test_what_waits_for_long_is_not_given_to_others(server, someone, name):
    await someone.stream(name)
    running = bench(server, {"stream": name, "ack_wait": "1s"})
    async with running:
        await armed(running)
        running.busy = 10_000
        await someone.store(f"{name}.a", 1, 2, 3)
        await asyncio.sleep(2.5)
        assert (await someone.info(name, "reactor_flow_0"))["num_redelivered"] == 0
        running.busy = 0
        assert await drained(running, 3) == [1, 2, 3]


@pytest.mark.parametrize("place", ["before", "after"])
async def test_a_commit_that_fails_or_is_not_acknowledged(server, someone, name, place):
    """Not committed: it comes again. Committed and not acknowledged: it is not told again."""
    await someone.stream(name)
    await someone.store(f"{name}.a", *range(10))
    running = bench(server, {"stream": name, "start": "all", "batch": 4, "ack_wait": "1s"})
    left = [3]

    def fail(drafts):
        if drafts and left[0]:
            left[0] -= 1
            raise TriggerLost("the power is gone")

    setattr(running, f"{place}_commit", fail)
    async with running:
        assert sorted(await drained(running, 10)) == list(range(10))
        await settled(someone, name, "reactor_flow_0")
    assert left == [0]
    assert len(running.drafts) == 10


@pytest.mark.parametrize("who", ["alone", "shared"])
async def test_messages_in_flight_when_we_are_cut_off(server, someone, name, who):
    """As after a crash: nothing could be given back. Alone we have them at once and in their order; when others take
    from the same consumer they come when `ack_wait` is over, after newer ones.
    """
    await someone.stream(name)
    await someone.store(f"{name}.a", *range(10))
    with Wire(server.port) as wire:
        running = bench(wire, {"stream": name, "start": "all", "ack_wait": "5s", "batch": 5})
        async with running:
            await armed(running)
            await drained(running, 10)
            await settled(someone, name, "reactor_flow_0")
            running.busy = 10_000
            await someone.store(f"{name}.a", *range(10, 20))
            await running.until(lambda it: it.busy < 9_999)
            wire.cut()
        wire.mend()
        again = running.again()
        await someone.store(f"{name}.a", *range(20, 30))
        theirs = 30
        if who == "shared":
            inbox = await someone.client.subscribe("others")
            pull = f"$JS.API.CONSUMER.MSG.NEXT.{name}.reactor_flow_0"
            await someone.client.publish(pull, b'{"batch": 1}', reply="others")
            message = await inbox.next_msg(5)
            theirs = int(message.data)
            assert 10 < theirs <= 20
            await message.ack()
            await someone.client.flush()
        async with again:
            if who == "shared":
                assert await drained(again, 19) == [*range(theirs + 1, 30), *range(10, theirs)]
                return
            assert await drained(again, 20) == list(range(10, 30))
            await settled(someone, name, "reactor_flow_0")
    assert again.gaps == []


async def test_nothing_is_given_again_to_a_connection_that_is_dead(server, someone, name):
    """Else what was in flight could not be told from what others took, and would come after newer messages."""
    await someone.stream(name)
    with Wire(server.port) as wire:
        running = bench(wire, {"stream": name, "start": "all", "ack_wait": "1s"})
        async with running:
            await armed(running)
            wire.stall()
            await someone.store(f"{name}.a", *range(10))
            async with asyncio.timeout(10):
                while (found := await someone.info(name, "reactor_flow_0"))["num_waiting"]:
                    await asyncio.sleep(0.02)
            assert found["num_redelivered"] == 0
            wire.cut()
        wire.mend()
        again = running.again()
        await someone.store(f"{name}.a", *range(10, 20))
        async with again:
            assert await drained(again, 20) == list(range(20))


async def test_acknowledgements_that_are_lost(server, someone, name):
    await someone.stream(name)
    with Wire(server.port) as wire:
        running = bench(wire, {"stream": name, "ack_wait": "1s"})
        async with running:
            await armed(running)
            running.after_commit = lambda drafts: wire.cut() if drafts else None
            await someone.store(f"{name}.a", *range(10))
            await lost(running)
            running.after_commit = None
            wire.mend()
            await armed(running)
            await someone.store(f"{name}.a", 10)
            await drained(running, 11)
            await settled(someone, name, "reactor_flow_0")
    assert sorted(draft.data for draft in running.drafts) == list(range(11))


async def test_two_that_share_a_consumer_share_its_messages(server, someone, name):
    await someone.stream(name)
    config = {"stream": name, "durable": "shared", "batch": 5}
    one, two = bench(server, config), bench(server, config, key="flow/1")
    async with one, two:
        await armed(one)
        await armed(two)
        for start in range(0, 400, 20):
            await someone.store(f"{name}.a", *range(start, start + 20))
        async with asyncio.timeout(10):
            while len(one.drafts) + len(two.drafts) < 400:
                await asyncio.sleep(0.02)
        await settled(someone, name, "shared")
    assert sorted(draft.data for draft in [*one.drafts, *two.drafts]) == list(range(400))
    assert one.drafts
    assert two.drafts
    assert one.gaps == two.gaps == []


async def test_a_consumer_that_is_not_as_the_flow_says(server, someone, name):
    await someone.stream(name)
    await someone.consumer(name, "mine", filter_subject=f"{name}.b", max_deliver=5, ack_wait=60_000_000_000)
    async with bench(server, {"stream": name, "durable": "mine", "subject": f"{name}.a"}) as running:
        reason = await lost(running)
        assert f"its subject is {name}.b, not {name}.a; its max_deliver is 5" in reason
        assert f"nats consumer rm {name} mine" in reason
        await someone.api(f"CONSUMER.DELETE.{name}.mine")
        await armed(running)
        await someone.store(f"{name}.a", 1)
        assert await drained(running, 1) == [1]


async def test_a_stream_that_is_not_there(server, someone, name):
    async with bench(server, {"stream": name}) as running:
        assert (
            await lost(running) == f"there is no stream '{name}' at {server.servers}; make it: nats stream add {name}"
        )
        await someone.stream(name)
        await armed(running)


async def test_a_consumer_that_is_deleted_goes_on_where_it_was(server, someone, name):
    await someone.stream(name)
    async with bench(server, {"stream": name, "durable": "mine"}) as running:
        await armed(running)
        await someone.store(f"{name}.a", *range(5))
        await drained(running, 5)
        await settled(someone, name, "mine")
        await someone.api(f"CONSUMER.DELETE.{name}.mine")
        await someone.store(f"{name}.a", *range(5, 10))
        assert await drained(running, 10) == list(range(10))
        assert "was deleted" in await lost_once(running)
    assert running.gaps == []


async def lost_once(running):
    return next(reason for state, reason in running.states if state == "lost")


async def test_a_stream_that_is_made_anew_is_told_and_read_from_its_beginning(server, someone, name):
    await someone.stream(name)
    async with bench(server, {"stream": name, "durable": "mine"}) as running:
        await armed(running)
        await someone.store(f"{name}.a", *range(5))
        await drained(running, 5)
        await settled(someone, name, "mine")
    await someone.api(f"STREAM.DELETE.{name}")
    created = (await someone.stream(name))["created"]
    await someone.store(f"{name}.a", "a", "b")
    again = running.again()
    async with again:
        assert await drained(again, 2) == ["a", "b"]
    (gap,) = again.gaps
    assert gap.startswith(
        f"stream '{name}' was deleted and made anew at {created}; what the old one had after its message 5"
    )


@pytest.mark.parametrize("subject", [None, "a"])
async def test_what_was_trimmed_while_nobody_listened_is_told(server, someone, name, subject):
    await someone.stream(name, max_msgs=10)
    config = {"stream": name, **({"subject": f"{name}.{subject}"} if subject else {})}
    async with bench(server, config) as running:
        await armed(running)
        await someone.store(f"{name}.a", 1, 2, 3)
        await drained(running, 3)
        await settled(someone, name, "reactor_flow_0")
    await someone.store(f"{name}.a", *range(4, 51))
    again = running.again()
    async with again:
        assert await drained(again, 10) == list(range(41, 51))
        await someone.store(f"{name}.a", 51)
        await drained(again, 11)
    (gap,) = again.gaps
    assert f"messages 4 to 40 of stream '{name}' were removed before they were read" in gap
    assert (f"those of them on {name}.a are lost" in gap) is (subject is not None)


async def test_what_was_on_its_way_to_us_and_is_trimmed_is_told(server, someone, name):
    await someone.stream(name, max_msgs=3)
    with Wire(server.port) as wire:
        running = bench(wire, {"stream": name})
        async with running:
            await armed(running)
            running.busy = 10_000
            await someone.store(f"{name}.a", 1, 2)
            await running.until(lambda it: it.busy < 10_000)
            wire.cut()
        await someone.store(f"{name}.a", *range(3, 7))
        wire.mend()
        again = running.again()
        async with again:
            assert await drained(again, 3) == [4, 5, 6]
    (gap,) = again.gaps
    assert f"messages 1 to 3 of stream '{name}' were removed before they were read" in gap


@pytest.mark.parametrize("subject", [None, "a"])
async def test_what_is_trimmed_while_we_are_slow_is_told(server, someone, name, subject):
    await someone.stream(name, max_msgs=10)
    config = {"stream": name, "batch": 2, **({"subject": f"{name}.{subject}"} if subject else {})}
    running = bench(server, config)
    async with running:
        await armed(running)
        running.busy = 10_000
        await someone.store(f"{name}.a", 1)
        await running.until(lambda it: it.busy < 10_000)
        await someone.store(f"{name}.a", *range(2, 31))
        running.busy = 0
        await running.until(lambda it: it.drafts and it.drafts[-1].data == 30)
    read = [draft.data for draft in running.drafts]
    told = [tuple(int(word) for word in gap.split() if word.isdecimal()) for gap in running.gaps]
    missing = sorted(set(range(1, 31)) - set(read))
    assert missing
    assert [(missing[0], missing[-1])] == told


async def test_messages_on_other_subjects_are_no_gap(server, someone, name):
    await someone.stream(name)
    async with bench(server, {"stream": name, "subject": f"{name}.a"}) as running:
        await armed(running)
        for n in range(5):
            await someone.store(f"{name}.b", "other", "other")
            await someone.store(f"{name}.a", n)
        await drained(running, 5)
        await settled(someone, name, "reactor_flow_0")
    await someone.store(f"{name}.b", *(["other"] * 5))
    again = running.again()
    async with again:
        await someone.store(f"{name}.a", 5)
        assert await drained(again, 1) == [5]
    assert running.gaps == again.gaps == []


@pytest.mark.proves("on.nats.format")
async def test_poison_is_put_aside_in_its_place(server, someone, name):
    await someone.stream(name)
    async with bench(server, {"stream": name, "format": "json", "batch": 4}) as running:
        await armed(running)
        await someone.store(f"{name}.a", 1, b"\xff{", 2, b"", 3, headers={"Kind": "k"})
        assert await drained(running, 3) == [1, 2, 3]
        await settled(someone, name, "reactor_flow_0")
    bad, empty = running.dead
    assert (bad.payload, bad.metadata["sequence"], bad.subject) == (b"\xff{", 2, f"{name}.a")
    assert "not valid" in bad.reason
    assert empty.metadata["headers"] == {"Kind": "k"}
    again = TRIGGER.redo(bench(server, {"stream": name, "format": "binary"}).config, bad)
    assert (again.data, again.metadata["sequence"]) == ("/3s=", 2)


async def test_an_event_that_the_door_refuses_is_put_aside(server, someone, name):
    await someone.stream(name)
    running = bench(server, {"stream": name})
    running.refuse = lambda draft: "too large" if draft.data == 2 else None
    async with running:
        await armed(running)
        await someone.store(f"{name}.a", 1, 2, 3)
        assert await drained(running, 2) == [1, 3]
        await settled(someone, name, "reactor_flow_0")
    assert [letter.reason for letter in running.dead] == ["too large"]


async def test_cloud_events_keep_their_attributes(server, someone, name):
    await someone.stream(name)
    headers = {"ce-specversion": "1.0", "ce-id": "7", "ce-source": "/shop", "ce-type": "order.paid"}
    async with bench(server, {"stream": name}) as running:
        await armed(running)
        await someone.store(f"{name}.a", {"n": 1}, headers=headers | {"ce-datacontenttype": "application/json"})
        whole = {"specversion": "1.0", "id": "8", "source": "/shop", "type": "order.sent", "data": {"n": 2}}
        await someone.store(f"{name}.a", whole, headers={"content-type": "application/cloudevents+json"})
        await someone.store(f"{name}.a", {"n": 3}, headers=headers | {"ce-id": ""})
        await someone.store(f"{name}.a", {"n": 4}, headers=headers)  # the id of the first
        assert await drained(running, 2) == [{"n": 1}, {"n": 2}]
        await settled(someone, name, "reactor_flow_0")
    assert [(one.id, one.source, one.type) for one in running.drafts] == [
        ("7", "/shop", "order.paid"),
        ("8", "/shop", "order.sent"),
    ]
    assert [one.data for one in running.duplicates] == [{"n": 4}]
    assert "needs `id`" in running.dead[0].reason


async def test_large_messages_come_in_small_helpings(server, someone, name):
    await someone.stream(name)
    big = ["x" * 900_000 + str(n) for n in range(25)]
    await someone.store(f"{name}.a", *big)
    async with bench(server, {"stream": name, "start": "all"}) as running:
        assert await drained(running, 25) == big
    assert max(number for _, number in running.emitted) < 12


async def test_how_far_behind_it_is(server, someone, name):
    await someone.stream(name)
    await someone.store(f"{name}.a", *range(50))
    running = bench(server, {"stream": name, "start": "all", "batch": 10})
    async with running:
        await armed(running)
        running.busy = 10_000
        await running.until(lambda it: it.behind and it.behind >= 20)
        running.busy = 0
        await running.until(lambda it: it.behind == 0 and len(it.drafts) == 50)


async def test_a_server_that_is_killed_and_comes_again():
    with Nats() as own:
        async with other(own) as client:
            await client.stream("S")
            running = bench(own, {"stream": "S", "ack_wait": "1s"})
            async with running:
                await armed(running)
                await client.store("S.a", *range(100))
                own.kill()
                begun = asyncio.get_running_loop().time()
                assert "is the server running?" in await lost(running)
                assert asyncio.get_running_loop().time() - begun < 10
                own.start()
                await armed(running)
                async with other(own) as after:
                    last = (await after.api("STREAM.INFO.S"))["state"]["last_seq"]
                    await after.store("S.a", *range(100, 110))
                    data = await drained(running, 110)
                    await settled(after, "S", "reactor_flow_0")
            assert last == 100
            assert sorted(data) == list(range(110))
            assert len(running.drafts) == 110
        await close()


async def test_a_server_that_hangs():
    with Nats() as own:
        async with other(own) as client:
            await client.stream("S")
        running = bench(own, {"stream": "S"})
        async with running:
            await armed(running)
            own.hang()
            begun = asyncio.get_running_loop().time()
            reason = await lost(running, 12)
            assert asyncio.get_running_loop().time() - begun < 10
            assert f"127.0.0.1:{own.port}" in reason
            own.wake()
            await armed(running)
            async with other(own) as client:
                await client.store("S.a", 1)
                assert await drained(running, 1) == [1]
        await close()


async def test_a_server_without_jetstream():
    with Nats(jetstream=False) as own:
        async with bench(own, {"stream": "S"}) as running:
            assert "has no JetStream for this user; enable it" in await lost(running)
        await close()


@pytest.mark.parametrize(
    ("denied", "told"),
    [
        ("$JS.API.STREAM.INFO.S", "publish to"),
        ("$JS.API.CONSUMER.MSG.NEXT.>", "publish to"),
        ("$JS.ACK.>", "acknowledge; permit publish on $JS.ACK.S.>"),
    ],
)
async def test_permissions_that_are_missing(denied, told):
    users = [
        {"user": "all", "password": "p"},
        {"user": "some", "password": "p", "permissions": {"publish": {"deny": [denied]}}},
    ]
    with Nats(authorization={"users": users}) as own:
        async with other(own, user="all", password="p") as client:
            await client.stream("S")
            await client.store("S.a", 1)
            given = {"stream": "S", "start": "all"}
            async with bench(own, given, connection={"user": "some", "password": "p"}) as running:
                reason = await lost(running)
        assert "does not permit us" in reason
        assert told in reason
        await close()
