"""Streams of Redis, on the real server: every entry starts one run, whatever happens."""

import asyncio
import secrets

import pytest

from reactor.sdk import TriggerLost
from reactor.testing.servers import Redis
from tests.integration.redis_kit import add, again, armed, count, data, lost, make, pending


@pytest.fixture(scope="module")
def server():
    with Redis() as running:
        yield running


@pytest.fixture
def name():
    """Of a stream that nobody else has."""
    return f"s{secrets.token_hex(4)}"


async def acknowledged(bench, server, name, group="reactor-flow"):
    async with asyncio.timeout(10):
        while pending(server, name, group):
            await asyncio.sleep(0.01)
    assert bench.state() != "lost"


def once(what):
    """A hook that does this at the first commit of events only."""
    left = [True]

    def hook(drafts):
        if drafts and left:
            left.clear()
            what()

    return hook


def fail():
    raise TriggerLost("cut off here")


@pytest.mark.proves("on.redis", "on.redis.{stream,connection}")
async def test_an_entry_becomes_an_event_and_is_acknowledged_after_the_commit(server, name):
    bench = make(server, stream=name, connection="redis")
    waiting = []
    bench.before_commit = lambda drafts: waiting.append(pending(server, name)) if drafts else None
    async with bench:
        await bench.until(lambda b: b.states)
        id_ = server.do("XADD", name, "*", "n", "1", "who", "Ännchen").decode()
        await count(bench, 1)
        await acknowledged(bench, server, name)
    assert waiting == [1]
    (draft,) = bench.drafts
    assert draft.type == "redis.message"
    assert draft.data == {"n": "1", "who": "Ännchen"}
    assert draft.metadata == {"stream": name, "id": id_}
    assert draft.time == int(id_.partition("-")[0])
    assert draft.id is None


@pytest.mark.proves("on.redis.start")
@pytest.mark.parametrize(("start", "wanted"), [("new", ["4"]), ("earliest", ["1", "2", "3", "4"]), (1, ["3", "4"])])
async def test_where_a_group_begins(server, name, start, wanted):
    ids = add(server, name, 1, 2, 3)
    async with make(server, stream=name, start=ids[start] if isinstance(start, int) else start) as bench:
        await armed(bench)
        add(server, name, 4)
        await count(bench, len(wanted))
    assert data(bench) == wanted
    assert bench.gaps == []
    async with bench.again() as second:
        await armed(second)
        add(server, name, 5)
        await count(second, 1)
    assert data(second) == ["5"], "the start holds for a group that is made, and for no other"


@pytest.mark.proves("on.redis.group")
async def test_members_of_a_group_share_and_groups_do_not(server, name):
    first, second = make(server, stream=name, group="g"), make(server, stream=name, group="g", key="flow/1")
    other = make(server, stream=name, key="other/0")
    async with first, second, other:
        for bench in (first, second, other):
            await bench.until(lambda b: b.states)
        add(server, name, *range(40))
        await count(other, 40)
        async with asyncio.timeout(10):
            while len(first.drafts) + len(second.drafts) < 40:
                await asyncio.sleep(0.01)
    assert sorted([*data(first), *data(second)], key=int) == data(other) == [str(n) for n in range(40)]
    groups = {group[1]: group[3] for group in server.do("XINFO", "GROUPS", name)}
    assert groups == {b"g": 4, b"reactor-other": 2}, "each has a consumer, and one for what it takes over"


@pytest.mark.proves("on.redis.batch")
async def test_many_are_taken_at_a_time_and_in_their_order(server, name):
    add(server, name, *range(300))
    async with (
        make(server, stream=name, start="earliest") as bench,
        make(server, stream=name, start="earliest", group="few", batch=7) as few,
    ):
        await count(bench, 300)
        await count(few, 300)
    assert data(bench) == data(few) == [str(n) for n in range(300)]
    assert len(bench.emitted) < 10
    assert max(many for _, many in few.emitted) == 7


async def test_large_entries_are_taken_few_at_a_time(server, name):
    for n in range(40):
        server.do("XADD", name, "*", "n", n, "x", b"x" * 1_000_000)
    async with make(server, stream=name, start="earliest") as bench:
        await count(bench, 40)
    assert max(many for _, many in bench.emitted[1:]) < 6
    assert data(bench) == [str(n) for n in range(40)]


async def test_a_stream_that_is_not_there_is_waited_for_and_that_is_shown(server, name):
    async with make(server, stream=name) as bench:
        await bench.until(lambda b: b.state() == "lagging")
        assert f"the stream '{name}' has no entry yet" in bench.states[-1][1]
        add(server, name, 1)
        await count(bench, 1)
        await armed(bench)
        await bench.until(lambda b: b.behind == 0)
    assert data(bench) == ["1"]


async def test_how_far_it_is_behind(server, name):
    add(server, name, *range(100))
    bench = make(server, stream=name, start="earliest", batch=10)
    told = []
    bench.before_commit = lambda drafts: told.append(bench.behind)
    async with bench:
        await bench.until(lambda b: b.behind == 0)
    assert told[-10] == 90


# ---------------------------------------------------------------- crashes


async def test_what_is_committed_and_not_acknowledged_comes_no_second_time(server, name):
    bench = make(server, stream=name)
    async with bench:
        await armed_or_waiting(bench)
        bench.after_commit = once(fail)
        add(server, name, 1)
        await lost(bench, "cut off")
        add(server, name, 2)
        await count(bench, 2)
        await acknowledged(bench, server, name)
    assert data(bench) == ["1", "2"]


async def armed_or_waiting(bench):
    await bench.until(lambda b: b.state() in {"armed", "lagging"})


async def test_what_was_given_and_not_committed_comes_again_first(server, name):
    bench = make(server, stream=name)
    async with bench:
        await armed_or_waiting(bench)
        bench.before_commit = once(fail)
        add(server, name, 1, 2, 3)
        await lost(bench, "cut off")
    add(server, name, 4)
    async with bench.again() as second:
        await count(second, 4 - len(bench.drafts))
        await acknowledged(second, server, name)
    assert [*data(bench), *data(second)] == ["1", "2", "3", "4"]
    consumers = {told[1].decode() for told in server.do("XINFO", "CONSUMERS", name, "reactor-flow")}
    own = bench.saved()["consumer"]
    assert consumers == {own, f"{own}-claims"}, "it is the same consumer after a restart"


async def test_while_the_door_is_busy_nothing_more_is_taken_and_nothing_is_taken_over(server, name, monkeypatch):
    monkeypatch.setattr("reactor.connectors.redis.handing.BEAT", 0.2)
    bench = make(server, stream=name, group="g", batch=10)
    other = make(server, stream=name, group="g", claim_after="1s", key="other/0", batch=10)
    async with bench, other:
        await armed_or_waiting(bench)
        await armed_or_waiting(other)
        bench.busy = 6  # about three seconds
        add(server, name, *range(100))
        async with asyncio.timeout(20):
            while len(bench.drafts) + len(other.drafts) < 100:
                await asyncio.sleep(0.01)
    assert sorted([*data(bench), *data(other)], key=int) == [str(n) for n in range(100)]
    assert bench.busy == 0
    assert [draft for draft in other.drafts if draft.id] == []


# ---------------------------------------------------------------- other consumers


def abandoned(server, name, *values, group="reactor-flow"):
    """Entries that another consumer takes, and leaves."""
    server.do("XGROUP", "CREATE", name, group, "0", "MKSTREAM")
    ids = add(server, name, *values)
    server.do("XREADGROUP", "GROUP", group, "dead", "COUNT", len(values), "STREAMS", name, ">")
    return ids


@pytest.mark.proves("on.redis.claim_after")
async def test_what_another_consumer_has_left_behind_is_taken_over(server, name):
    ids = abandoned(server, name, 1, 2)
    never = make(server, stream=name, claim_after="never", key="flow/1")
    async with make(server, stream=name, claim_after="1s") as bench, never:
        await armed(bench)
        assert bench.drafts == []
        await count(bench, 2)
        await acknowledged(bench, server, name)
    assert data(bench) == ["1", "2"]
    assert [draft.id for draft in bench.drafts] == ids
    assert never.drafts == []


async def test_what_was_taken_over_is_not_lost_by_a_crash_nor_comes_twice(server, name):
    abandoned(server, name, 1, 2)
    add(server, name, 3)
    bench = make(server, stream=name, claim_after="1s")
    crashes: list[str] = []

    def crash(drafts):
        if any(draft.id for draft in drafts) and len(crashes) < 2:
            crashes.append("before" if not crashes else "after")
            fail()

    bench.before_commit = lambda drafts: crash(drafts) if not crashes else None
    bench.after_commit = lambda drafts: crash(drafts) if crashes else None
    async with bench:
        await count(bench, 3)
        await bench.until(lambda b: len(b.duplicates) == 2)
        await acknowledged(bench, server, name)
    assert crashes == ["before", "after"]
    assert data(bench) == ["3", "1", "2"]


# ---------------------------------------------------------------- what is gone


async def test_entries_deleted_while_they_were_pending_are_a_gap(server, name):
    bench = make(server, stream=name)
    async with bench:
        await armed_or_waiting(bench)
        bench.before_commit = once(fail)
        ids = add(server, name, 1, 2, 3)
        await lost(bench, "cut off")
        await bench.stop()
    server.do("XDEL", name, *ids)
    left = [id_ for id_, value in zip(ids, "123", strict=True) if value not in data(bench)]
    async with bench.again() as second:
        await bench_gap(second)
        await acknowledged(second, server, name)
    (gap,) = second.gaps
    assert left[0] in gap
    assert left[-1] in gap
    assert "trimmed or deleted while they were pending" in gap


async def bench_gap(bench):
    await bench.until(lambda b: b.gaps)


async def test_entries_of_another_consumer_that_are_gone_are_a_gap(server, name):
    ids = abandoned(server, name, 1, 2)
    server.do("XDEL", name, ids[0])
    async with make(server, stream=name, claim_after="1s") as bench:
        await count(bench, 1)
        await acknowledged(bench, server, name)
    assert data(bench) == ["2"]
    (gap,) = bench.gaps
    assert ids[0] in gap


async def test_entries_trimmed_before_they_were_read_are_a_gap_that_is_told_once(server, name):
    bench = make(server, stream=name)
    async with bench:
        await armed_or_waiting(bench)
        (before,) = add(server, name, 0)
        await count(bench, 1)
        await acknowledged(bench, server, name)
    ids = add(server, name, *range(1, 11))
    server.do("XTRIM", name, "MAXLEN", 4)
    async with bench.again() as second:
        await count(second, 4)
        await acknowledged(second, server, name)
        add(server, name, 11)
        await count(second, 5)
        server.do("XTRIM", name, "MAXLEN", 2)  # of what has been read: no gap
        add(server, name, 12)
        await count(second, 6)
    assert data(second) == ["7", "8", "9", "10", "11", "12"]
    async with second.again() as third:
        await armed(third)
        await third.until(lambda b: b.behind == 0)
    (gap,) = [*second.gaps, *third.gaps]
    assert gap.startswith(f"6 entries of stream '{name}' after {before} and before {ids[6]} were trimmed")


async def test_a_stream_whose_unread_entries_are_all_gone(server, name):
    bench = make(server, stream=name)
    async with bench:
        await armed_or_waiting(bench)
        add(server, name, 0)
        await count(bench, 1)
        await acknowledged(bench, server, name)
    add(server, name, 1, 2)
    server.do("XTRIM", name, "MAXLEN", 0)
    async with bench.again() as second:
        await bench_gap(second)
        add(server, name, 3)
        await count(second, 1)
    assert data(second) == ["3"]
    assert len(second.gaps) == 1
    assert second.gaps[0].startswith("2 entries")


@pytest.mark.parametrize("when", ["down", "running"])
async def test_a_stream_that_was_deleted_and_made_anew(server, name, when):
    bench = make(server, stream=name)
    async with bench:
        await armed_or_waiting(bench)
        add(server, name, 0, 1)
        await count(bench, 2)
        await acknowledged(bench, server, name)
        second = bench
        if when == "running":
            server.do("DEL", name)
            await bench_gap(bench)
            add(server, name, 2)
            await count(bench, 3)
            assert bench.state() != "lost"
    if when == "down":
        server.do("DEL", name)
        server.do("XADD", name, "5-1", "n", "2")  # an id that is lower than what was read
        async with bench.again() as second:
            await count(second, 1)
            await acknowledged(second, server, name)
    assert data(second)[-1] == "2"
    (gap,) = second.gaps
    assert "was deleted or made anew" in gap


async def test_a_stream_and_group_made_anew_by_somebody_else(server, name):
    bench = make(server, stream=name)
    async with bench:
        await armed_or_waiting(bench)
        add(server, name, 0, 1)
        await count(bench, 2)
        await acknowledged(bench, server, name)
    server.do("DEL", name)
    server.do("XGROUP", "CREATE", name, "reactor-flow", "0", "MKSTREAM")
    add(server, name, 2)
    async with bench.again() as second:
        await count(second, 1)
    assert data(second) == ["2"]
    assert len(second.gaps) == 1


async def test_a_group_that_was_deleted_goes_on_where_it_was(server, name):
    bench = make(server, stream=name)
    async with bench:
        await armed_or_waiting(bench)
        add(server, name, 0, 1)
        await count(bench, 2)
        await acknowledged(bench, server, name)
        server.do("XGROUP", "DESTROY", name, "reactor-flow")
        add(server, name, 2)
        await count(bench, 3)
    assert data(bench) == ["0", "1", "2"]
    assert bench.gaps == []


async def test_a_group_that_somebody_sets_back_gives_its_entries_again(server, name):
    bench = make(server, stream=name)
    async with bench:
        await armed_or_waiting(bench)
        add(server, name, 0, 1)
        await count(bench, 2)
        await acknowledged(bench, server, name)
    server.do("XGROUP", "SETID", name, "reactor-flow", "0")
    server.do("XREADGROUP", "GROUP", "reactor-flow", bench.saved()["consumer"], "COUNT", 1, "STREAMS", name, ">")
    async with bench.again() as second:
        await count(second, 2)
        await acknowledged(second, server, name)
    assert data(second) == ["0", "1"]


@pytest.mark.parametrize("newer", [0, 5])
async def test_a_redis_that_comes_back_with_an_older_state_doubles_nothing(name, newer):
    with Redis() as forgetful:
        bench = make(forgetful, stream=name)
        async with bench:
            await armed_or_waiting(bench)
            add(forgetful, name, 0, 1)
            await count(bench, 2)
            bench.before_commit = once(lambda: forgetful.do("SAVE"))  # with 2 pending, and 3 not yet read
            add(forgetful, name, 2)
            await count(bench, 3)
            add(forgetful, name, 3, 4)
            await count(bench, 5)
            await acknowledged(bench, forgetful, name)
            await bench.stop()
            forgetful.kill()
            forgetful.start()
            add(forgetful, name, *range(10, 10 + newer))
        async with bench.again() as second:
            await bench_gap(second)
            add(forgetful, name, 20)
            await count(second, newer + 1)
            await acknowledged(second, forgetful, name)
    assert [*data(bench), *data(second)] == [str(n) for n in (*range(5), *range(10, 10 + newer), 20)]
    (gap,) = second.gaps
    assert "an older state" in gap


async def test_an_older_state_of_a_group_that_others_share_gives_entries_again_rather_than_none(name):
    with Redis() as forgetful:
        bench = make(forgetful, stream=name)
        async with bench:
            await armed_or_waiting(bench)
        forgetful.do("XGROUP", "CREATECONSUMER", name, "reactor-flow", "other")
        add(forgetful, name, 0, 1)
        forgetful.do("SAVE")
        async with bench.again() as second:
            await count(second, 2)
            await acknowledged(second, forgetful, name)
        forgetful.kill()
        forgetful.start()
        async with second.again() as third:
            await count(third, 2)
    assert data(second) == data(third) == ["0", "1"]


# ---------------------------------------------------------------- what is in an entry


@pytest.mark.proves("on.redis.field")
async def test_one_field_is_the_data(server, name):
    async with make(server, stream=name, field="order") as bench:
        await armed_or_waiting(bench)
        server.do("XADD", name, "*", "order", '{"id": 7}', "kind", "big")
        server.do("XADD", name, "*", "kind", "small")
        server.do("XADD", name, "*", "order", "just text")
        await count(bench, 3)
    first, second = bench.drafts
    assert (first.data, first.raw, first.metadata["fields"]) == ({"id": 7}, b'{"id": 7}', {"kind": "big"})
    assert second.data == "just text"
    (letter,) = bench.dead
    assert letter.reason == "the entry has no field 'order' (it has: kind); look at `field`"


@pytest.mark.proves("on.redis.format")
async def test_how_values_are_read(server, name):
    kinds = {form: make(server, stream=name, format=form, group=form) for form in ("auto", "json", "text", "binary")}
    async with kinds["auto"], kinds["json"], kinds["text"], kinds["binary"]:
        for bench in kinds.values():
            await armed_or_waiting(bench)
        server.do("XADD", name, "*", "n", "[7]")
        for bench in kinds.values():
            await count(bench, 1)
    found = {form: data(bench) for form, bench in kinds.items()}
    assert found == {"auto": ["[7]"], "json": [[7]], "text": ["[7]"], "binary": ["Wzdd"]}


async def test_an_entry_that_cannot_be_read_is_a_dead_letter_in_its_place_and_can_be_read_again(server, name):
    bench = make(server, stream=name)
    async with bench:
        await armed_or_waiting(bench)
        add(server, name, 1, b"\xff\x00", 3)
        await count(bench, 3)
        await acknowledged(bench, server, name)
    assert data(bench) == ["1", "3"]
    (letter,) = bench.dead
    assert letter.reason == ("field 'n': its value is not UTF-8 text (byte 0); say `format: binary` to take bytes")
    assert letter.metadata["stream"] == name
    redone = again(bench, stream=name, format="binary")
    assert (redone.data, redone.metadata) == ({"n": "/wA="}, letter.metadata)


async def test_an_event_that_the_door_refuses_does_not_block(server, name):
    bench = make(server, stream=name)
    bench.refuse = lambda draft: "it is too large" if draft.data["n"] == "2" else None
    async with bench:
        await armed_or_waiting(bench)
        add(server, name, 1, 2, 3)
        await count(bench, 3)
        await acknowledged(bench, server, name)
    assert data(bench) == ["1", "3"]
    assert [letter.reason for letter in bench.dead] == ["it is too large"]
