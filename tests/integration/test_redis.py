"""Redis, the real server: channels, lists, connections, and servers that go away."""

import asyncio
import logging
import secrets
import threading

import msgspec
import pytest

from reactor.connectors.redis import channels, connection, connector, lists, streams
from reactor.connectors.redis.config import RedisConfig
from reactor.connectors.redis.connection import REDIS
from reactor.model.errors import StepError
from reactor.sdk import ConnectionContext, TriggerLost
from reactor.testing.servers import Redis, Wire, certificate_files, free_port
from tests.integration.redis_kit import add, again, armed, count, data, lost, make, pending

READER = "on >pw ~s* &* +@stream +@transaction +@connection"


@pytest.fixture(scope="module")
def server():
    users = {"reader": READER, "nobody": "on >pw ~* &* +@connection", "looker": f"{READER} -xack"}
    with Redis(users=users) as running:
        yield running


@pytest.fixture(scope="module")
def durable():
    with Redis(durable=True) as running:
        yield running


@pytest.fixture
def name():
    """Of a stream, channel or list that nobody else has."""
    return f"s{secrets.token_hex(4)}"


@pytest.fixture
def quick(monkeypatch):
    """A server that hangs is noticed sooner than a person would need."""
    for place in ("connection.WITHIN", "channels.WITHIN", "channels._PING", "streams.BLOCK", "lists.BLOCK"):
        monkeypatch.setattr(f"reactor.connectors.redis.{place}", 1.0)


async def ready(bench):
    await bench.until(lambda b: b.state() in {"armed", "lagging"})


# ---------------------------------------------------------------- channels


@pytest.mark.proves("on.redis.{channel,pattern}")
async def test_messages_of_channels_and_patterns(server, name):
    bench = make(server, channel=[f"{name}.a", f"{name}.b"], pattern=f"{name}.x.*")
    async with bench:
        await armed(bench)
        assert server.do("PUBLISH", f"{name}.a", '{"n": 1}') == 1
        server.do("PUBLISH", f"{name}.b", "text")
        server.do("PUBLISH", f"{name}.x.7", "[]")
        server.do("PUBLISH", f"{name}.c", "not for us")
        await count(bench, 3)
    assert [(draft.data, draft.metadata) for draft in bench.drafts] == [
        ({"n": 1}, {"channel": f"{name}.a"}),
        ("text", {"channel": f"{name}.b"}),
        ([], {"channel": f"{name}.x.7", "pattern": f"{name}.x.*"}),
    ]


async def test_a_flood_on_a_channel_comes_in_order_and_a_busy_door_stops_the_reading(server, name):
    bench = make(server, channel=name)
    async with bench:
        await armed(bench)
        bench.busy = 3
        server.do("EVAL", "for n = 0, 1499 do redis.call('PUBLISH', KEYS[1], n) end", 1, name)
        await count(bench, 1500)
    assert [draft.data for draft in bench.drafts] == list(range(1500))
    assert max(many for _, many in bench.emitted) <= 500


async def test_a_message_that_cannot_be_read_is_a_dead_letter(server, name):
    async with make(server, channel=name) as bench:
        await armed(bench)
        server.do("PUBLISH", name, b"\xff")
        server.do("PUBLISH", name, "next")
        await count(bench, 2)
    assert [draft.data for draft in bench.drafts] == ["next"]
    (letter,) = bench.dead
    assert (letter.payload, letter.metadata) == (b"\xff", {"channel": name})
    assert again(bench, channel=name, format="binary").data == "/w=="


async def test_what_was_published_while_redis_was_lost_is_told_as_a_gap(server, name):
    with Wire(server.port) as wire:
        async with make(wire, channel=name) as bench:
            await armed(bench)
            server.do("PUBLISH", name, 1)
            await count(bench, 1)
            assert bench.gaps == []
            wire.cut()
            await lost(bench, "cannot be reached")
            wire.mend()
            await bench.until(lambda b: b.gaps)
            server.do("PUBLISH", name, 2)
            await count(bench, 2)
    assert [draft.data for draft in bench.drafts] == [1, 2]
    assert "while Redis was lost to us" in bench.gaps[0]
    assert "lost" not in bench.saved()


# ---------------------------------------------------------------- lists


@pytest.mark.proves("on.redis.{list,take}")
async def test_elements_of_a_list_are_taken_once_from_the_end_that_is_said(server, name):
    server.do("RPUSH", name, *range(100))
    server.do("LPUSH", f"{name}r", *range(100))
    async with make(server, list=name) as bench, make(server, list=f"{name}r", take="right", batch=9) as right:
        await count(bench, 100)
        await count(right, 100)
        server.do("RPUSH", name, '{"n": 100}')
        await count(bench, 101)
    assert [draft.data for draft in bench.drafts] == [*range(100), {"n": 100}]
    assert [draft.data for draft in right.drafts] == [*range(100)]
    assert max(many for _, many in right.emitted) <= 9
    assert bench.drafts[0].metadata == {"list": name}
    assert bench.behind == 0


@pytest.mark.parametrize("where", ["before_commit", "after_commit"])
async def test_elements_survive_a_crash_around_the_commit_and_come_once(server, name, where):
    bench = make(server, list=name)
    crashed: list[int] = []

    def crash(drafts):
        if drafts and not crashed:
            crashed.append(len(drafts))
            raise TriggerLost("cut off here")

    setattr(bench, where, crash)
    async with bench:
        await armed(bench)
        server.do("RPUSH", name, 1, 2, 3)
        await lost(bench, "cut off")
        server.do("RPUSH", name, 4)
        await count(bench, 4)
        async with asyncio.timeout(10):
            while server.do("KEYS", f"{name}*"):
                await asyncio.sleep(0.01)
    assert [draft.data for draft in bench.drafts] == [1, 2, 3, 4]


async def test_a_trigger_that_is_changed_to_another_list_and_back_finds_what_it_had_in_hand(server, name):
    bench = make(server, list=name)

    def fail(drafts):
        raise TriggerLost("cut off here")

    async with bench:
        await armed(bench)
        bench.before_commit = lambda drafts: fail(drafts) if drafts else None
        server.do("RPUSH", name, 1)
        await lost(bench, "cut off")
        await bench.stop()
    other = bench.again(msgspec.convert({"list": f"{name}x"}, RedisConfig))
    async with other:
        await armed(other)
    async with other.again(bench.config) as third:
        await count(third, 1)
    assert [draft.data for draft in third.drafts] == [1]


# ---------------------------------------------------------------- servers that go away


@pytest.mark.parametrize("kind", ["stream", "channel", "list"])
async def test_a_server_that_hangs_is_told_and_found_again(quick, server, name, kind):
    async with make(server, **{kind: name}) as bench:
        await ready(bench)
        server.hang()
        try:
            await lost(bench, "has not answered within")
        finally:
            server.wake()
        await bench.until(lambda b: b.states[-1][0] in {"armed", "lagging"})


def test_a_server_that_hangs_is_told_within_ten_seconds():
    for silence in (streams.BLOCK, lists.BLOCK, channels._PING):
        assert silence + connection.WITHIN < 10


async def test_a_server_that_is_killed_and_comes_back(durable, name):
    async with make(durable, stream=name) as bench:
        await ready(bench)
        add(durable, name, *range(5))
        await count(bench, 5)
        killed: list[int] = []

        def kill(drafts):
            if drafts and not killed:
                killed.append(len(drafts))
                durable.kill()

        bench.before_commit = kill
        add(durable, name, 5)
        await lost(bench, "Redis at 127.0.0.1:")
        bench.before_commit = None
        await asyncio.to_thread(durable.start)
        add(durable, name, 6)
        await count(bench, 7)
        async with asyncio.timeout(10):
            while pending(durable, name):
                await asyncio.sleep(0.01)
    assert data(bench) == [str(n) for n in range(7)]
    assert bench.gaps == []


async def test_a_wire_that_is_cut_again_and_again_loses_and_doubles_nothing(server, name):
    with Wire(server.port) as wire:
        async with make(wire, stream=name) as bench:
            await ready(bench)
            for round_ in range(5):
                add(server, name, *range(round_ * 40, round_ * 40 + 40))
                wire.reset()
            await count(bench, 200)
            async with asyncio.timeout(10):
                while pending(server, name):
                    await asyncio.sleep(0.01)
    assert data(bench) == [str(n) for n in range(200)]
    assert bench.duplicates == []


async def test_a_server_that_is_still_loading_says_so(name):
    with Redis(durable=True) as server:
        server.do("XADD", name, "*", "n", 0)
        server.do("EVAL", "for i = 1, 5000 do redis.call('SET', 'key' .. i, string.rep('x', 100)) end", 0)
        server.stop()  # events are looked at every 1,024 commands
        server.options = {"key-load-delay": "300"}
        starting = threading.Thread(target=server.start)
        starting.start()
        try:
            async with make(server, stream=name, start="earliest") as bench:
                await lost(bench, "is loading its data")
                await count(bench, 1)
        finally:
            starting.join()


# ---------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    ("login", "words"),
    [
        ({"user": "reader", "password": "wrong-pw"}, ("does not let us in", "look at `user` and `password`")),
        ({"user": "nobody", "password": "pw"}, ("no permissions", "ACL SETUSER")),
        ({"user": "looker", "password": "pw"}, ("'xack'", "ACL SETUSER")),
        ({"url": "redis://127.0.0.1:1"}, ("127.0.0.1:1/0 cannot be reached",)),
        ({"db": 99}, ("DB index is out of range",)),
    ],
)
async def test_why_it_cannot_listen(server, name, login, words):
    async with make(server, stream=name, login=login) as bench:
        why = await lost(bench, *words)
    assert "\n" not in why
    assert "wrong-pw" not in why


@pytest.mark.proves("connection.redis.password")
async def test_a_server_with_a_password(name):
    with Redis(password="geheim") as server:
        async with make(server, channel=name) as bench:
            await lost(bench, "give the connection a `password`")
        async with make(server, channel=name, login={"password": "wrong-pw"}) as bench:
            assert "wrong-pw" not in await lost(bench, "look at `user` and `password`")
        async with make(server, channel=name, login={"password": "geheim"}) as bench:
            await armed(bench)


async def test_a_replica_takes_no_writes_and_says_so_until_it_is_the_primary(server, name):
    with Redis() as other:
        other.do("REPLICAOF", server.host, server.port)
        async with make(other, stream=name) as bench:
            await lost(bench, "is a replica and takes no writes")
            other.do("REPLICAOF", "NO", "ONE")
            await ready(bench)


async def test_no_leave_to_read_the_channel():
    with Redis(users={"deaf": "on >pw ~* resetchannels +@all"}) as server:
        async with make(server, channel="news", login={"user": "deaf", "password": "pw"}) as bench:
            await lost(bench, "no permissions", "ACL SETUSER")


@pytest.mark.parametrize("kind", ["stream", "list"])
async def test_a_key_that_holds_something_else(server, name, kind):
    server.do("SET", name, "text")
    async with make(server, **{kind: name}) as bench:
        await lost(bench, "the key holds another kind of value", "use another key")


@pytest.mark.proves("connection.redis.{user,password}")
async def test_a_user_who_may_read_streams_and_no_more(server, name):
    async with make(server, stream=name, login={"user": "reader", "password": "pw"}) as bench:
        await ready(bench)
        add(server, name, 1)
        await count(bench, 1)
    assert not [state for state in bench.states if state[0] == "lost"]


@pytest.mark.parametrize(
    ("config", "problem"),
    [
        ({}, "nothing to listen to: give `stream`, `channel`, `pattern` or `list`"),
        ({"stream": "a", "list": "b"}, "`stream` and `list` do not go together; write a trigger for each"),
        ({"channel": ["a", ""]}, "a channel or pattern is empty"),
        ({"channel": "a", "group": "g"}, "group belongs to `stream`"),
        ({"stream": "a", "start": "last"}, "start: 'last' is neither `new`, `earliest` nor an id such as"),
        ({"stream": "a", "claim_after": "soon"}, "claim_after: 'soon' is not a duration"),
        ({"stream": "a", "claim_after": "10ms"}, "claim_after is at least 1s"),
        ({"stream": "a", "batch": 501}, "batch is 1 to 500"),
        ({"stream": "a", "take": "right"}, "take belongs to `list`"),
    ],
)
def test_what_cannot_be(config, problem):
    (trigger,) = connector.triggers
    found = trigger.check(msgspec.convert(config, trigger.config))
    assert [text for text in found if text.startswith(problem)], found


# ---------------------------------------------------------------- the connection


async def told_by_test(settings):
    context = ConnectionContext(name="redis", settings={}, log=logging.getLogger("test"))
    assert REDIS.test is not None
    return await REDIS.test(context, msgspec.convert(settings, REDIS.settings))


@pytest.mark.proves("connection.redis.url")
async def test_a_connection_is_told_by_test(server):
    found = await told_by_test({"url": f"redis://reader:pw@{server.host}:{server.port}/2"})
    assert found == f"Redis at 127.0.0.1:{server.port}/2"
    found = await told_by_test({"url": server.url()})
    assert found.startswith("Redis 7.")
    with pytest.raises(StepError, match="does not let us in"):
        await told_by_test({"url": server.url(), "user": "reader", "password": "other"})
    with pytest.raises(StepError, match="url cannot be read"):
        await told_by_test({"url": "redis://user:secret@[broken"})


async def test_a_unix_socket(tmp_path, name):
    with Redis({"unixsocket": str(tmp_path / "s")}) as server:
        login = {"url": f"unix://{tmp_path}/s"}
        async with make(server, channel=name, login=login) as bench:
            await armed(bench)
            server.do("PUBLISH", name, 1)
            await count(bench, 1)


@pytest.mark.proves("connection.redis.tls", "connection.redis.tls.{ca,cert,key,verify}")
async def test_tls(tmp_path, name):
    certificate, key = certificate_files()
    (tmp_path / "cert.pem").write_text(certificate)
    (tmp_path / "key.pem").write_text(key)
    client = certificate_files()
    (tmp_path / "client.pem").write_text(client[0])
    port = free_port()
    files = {f"tls-{name}-file": str(tmp_path / f"{name}.pem") for name in ("cert", "key")}
    files["tls-ca-cert-file"] = str(tmp_path / "client.pem")
    with Redis({"tls-port": str(port), "tls-auth-clients": "no", **files}) as server:
        url = f"rediss://127.0.0.1:{port}"
        with pytest.raises(StepError, match=r"cannot be reached \(.*certificate verify failed"):
            await told_by_test({"url": url})
        for login in (
            {"url": url, "tls": {"ca": certificate}},
            {"url": url.replace("ss:", "s:"), "tls": {"verify": False}},
        ):
            assert (await told_by_test(login)).startswith("Redis 7.")
        server.do("CONFIG", "SET", "tls-auth-clients", "yes")
        ours = {"ca": certificate, "cert": client[0], "key": client[1]}
        assert (await told_by_test({"url": url, "tls": ours})).startswith("Redis 7.")
        with pytest.raises(StepError):
            await told_by_test({"url": url, "tls": {"ca": certificate}})
