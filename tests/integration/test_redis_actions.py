"""The actions of Redis, on the real server."""

import contextlib
import secrets

import pytest

from reactor.connectors.redis import connector
from reactor.connectors.redis.connection import clients
from reactor.sdk import PermanentError, StepError, TransientError
from reactor.testing.actions import action_context, call
from reactor.testing.servers import Redis, Wire

ACTIONS = {action.name: action for action in connector.actions}


@pytest.fixture(scope="module")
def server():
    users = {"nobody": "on >pw ~* &* +@connection", "plain": "on >pw ~* &* +@all -eval"}
    with Redis(users=users) as running:
        yield running


@pytest.fixture
def name():
    """Of a key that nobody else has."""
    return f"k{secrets.token_hex(4)}"


@pytest.fixture(autouse=True)
async def closed():
    yield
    await clients.close()


async def do(server, name, /, step="run/step", login=None, **params):
    url = f"redis://{server.host}:{server.port}"
    connections = {
        "main": {"type": "redis", "url": url, **(login or {})},
        "other": {"type": "redis", "url": f"{url}/5"},
    }
    context = action_context(connections=connections, idempotency_key=step)
    return await call(ACTIONS[name], {"connection": "main", **params}, context)


async def failure(server, name, /, **params) -> StepError:
    with pytest.raises(StepError) as caught:
        await do(server, name, **params)
    return caught.value


@pytest.mark.proves("connection.redis.{url,db}")
async def test_the_database_of_a_connection(server, name):
    await do(server, "redis.set", key=name, value="nine", login={"db": 9})
    await do(server, "redis.set", key=name, value="five", connection="other")
    assert server.do("GET", name) is None
    assert [await do(server, "redis.get", key=name, login={"db": db}) for db in (9, 5)] == [
        {"value": "nine", "found": True},
        {"value": "five", "found": True},
    ]


@pytest.mark.proves("redis.publish.{channel,message,connection}")
async def test_publish(server, name):
    from redis import Redis as Client

    with Client(server.host, server.port) as client, client.pubsub() as listening:
        listening.subscribe(name)
        assert listening.get_message(timeout=5)["type"] == "subscribe"
        assert await do(server, "redis.publish", channel=name, message="Grüße") == {"receivers": 1}
        assert await do(server, "redis.publish", channel=name, message={"n": [1]}, connection="other") == {
            "receivers": 1
        }
        told = [listening.get_message(timeout=5)["data"] for _ in range(2)]
    assert told == ["Grüße".encode(), b'{"n":[1]}']
    assert await do(server, "redis.publish", channel=name, message=None) == {"receivers": 0}


@pytest.mark.proves("redis.add.{stream,fields,data,id,connection}")
async def test_add(server, name):
    fields = {"text": "Grüße", "number": 1.5, "none": None, "list": ["a"]}
    first = await do(server, "redis.add", stream=name, fields=fields, step="a")
    second = await do(server, "redis.add", stream=name, data={"n": "x"}, id="9999999999999-3", step="b")
    assert second == {"id": "9999999999999-3"}
    entries = server.do("XRANGE", name, "-", "+")
    assert entries == [
        [first["id"].encode(), [b"text", "Grüße".encode(), b"number", b"1.5", b"none", b"null", b"list", b'["a"]']],
        [b"9999999999999-3", [b"data", b'{"n":"x"}']],
    ]
    await do(server, "redis.add", stream=name, data=1, connection="other")
    assert server.do("XLEN", name) == 2


@pytest.mark.proves("redis.add.maxlen")
async def test_a_stream_is_kept_short(server, name):
    for n in range(400):
        await do(server, "redis.add", stream=name, data=n, maxlen=100, step=f"run/{n}")
    assert 100 <= server.do("XLEN", name) <= 200


@pytest.mark.proves("redis.add.once")
async def test_another_attempt_adds_nothing_again_unless_that_is_wanted(server, name):
    made = [await do(server, "redis.add", stream=name, data=1, step="run/a") for _ in range(2)]
    assert made[0] == made[1]
    await do(server, "redis.add", stream=name, data=1, step="run/b")
    assert server.do("XLEN", name) == 2
    left = server.do("PTTL", f"reactor:once:{{{name}}}:run/a")
    assert 86_000_000 < left <= 86_400_000
    for _ in range(2):
        await do(server, "redis.add", stream=name, data=1, step="run/a", once=False)
    assert server.do("XLEN", name) == 4


@pytest.mark.proves("redis.get.{key,format,connection}")
async def test_get(server, name):
    server.do("SET", name, '{"n": 1}')
    assert await do(server, "redis.get", key=name) == {"value": {"n": 1}, "found": True}
    assert await do(server, "redis.get", key=name, format="text") == {"value": '{"n": 1}', "found": True}
    assert await do(server, "redis.get", key=name, format="binary") == {"value": "eyJuIjogMX0=", "found": True}
    assert await do(server, "redis.get", key=f"{name}?") == {"value": None, "found": False}
    assert await do(server, "redis.get", key=name, connection="other") == {"value": None, "found": False}
    server.do("SET", name, "{")
    error = await failure(server, "redis.get", key=name, format="json")
    assert (error.kind, error.retryable) == ("input", False)


@pytest.mark.proves("redis.set.{key,value,ttl,only_if,previous,connection}")
async def test_set(server, name):
    assert await do(server, "redis.set", key=name, value={"n": 1}) == {"set": True}
    assert server.do("GET", name) == b'{"n":1}'
    assert server.do("PTTL", name) == -1
    changed = await do(server, "redis.set", key=name, value="text", ttl="1m", previous=True)
    assert changed == {"set": True, "previous": {"n": 1}}
    assert 50_000 < server.do("PTTL", name) <= 60_000
    assert await do(server, "redis.set", key=name, value="x", only_if="absent") == {"set": False}


async def test_set_only_if(server, name):
    params = {"value": "new", "previous": True}
    assert await do(server, "redis.set", step="a", key=name, only_if="present", **params) == {
        "set": False,
        "previous": None,
    }
    assert await do(server, "redis.set", step="b", key=name, only_if="absent", **params) == {
        "set": True,
        "previous": None,
    }
    assert await do(server, "redis.set", step="c", key=name, only_if="absent", **params) == {
        "set": False,
        "previous": "new",
    }
    assert await do(server, "redis.set", step="d", key=name, only_if="present", **params) == {
        "set": True,
        "previous": "new",
    }


async def test_a_lock_that_was_taken_stays_taken_by_the_step_when_it_is_tried_again(server, name):
    assert await do(server, "redis.set", step="run/a", key=name, value="1", only_if="absent") == {"set": True}
    assert await do(server, "redis.set", step="run/b", key=name, value="2", only_if="absent") == {"set": False}
    assert await do(server, "redis.set", step="run/a", key=name, value="1", only_if="absent") == {"set": True}
    assert server.do("GET", name) == b"1"


@pytest.mark.parametrize(
    ("name", "params"),
    [
        ("redis.add", {"stream": "s"}),
        ("redis.add", {"stream": "s", "fields": {}}),
        ("redis.add", {"stream": "s", "fields": {"a": 1}, "data": 1}),
        ("redis.add", {"stream": "s", "data": 1, "maxlen": 0}),
        ("redis.set", {"key": "k", "value": 1, "ttl": 0}),
        ("redis.set", {"key": "k", "value": 1, "ttl": "soon"}),
    ],
)
async def test_what_cannot_be(server, name, params):
    error = await failure(server, name, **params)
    assert (error.kind, error.retryable) == ("input", False)


async def test_what_the_server_refuses(server, name):
    server.do("RPUSH", name, 1)
    for action, params in {"redis.get": {"key": name}, "redis.add": {"stream": name, "data": 1}}.items():
        error = await failure(server, action, **params)
        assert (error.kind, error.retryable) == ("redis.type", False)
    server.do("XADD", f"{name}s", "5-5", "a", 1)
    error = await failure(server, "redis.add", stream=f"{name}s", data=1, id="1-1")
    assert (error.kind, error.retryable) == ("redis.refused", False)
    denied = {"login": {"user": "nobody", "password": "pw"}}
    error = await failure(server, "redis.get", key=name, **denied)
    assert (error.kind, error.retryable) == ("redis.denied", False)
    error = await failure(server, "redis.get", key=name, login={"user": "nobody", "password": "geheim"})
    assert (error.kind, error.retryable) == ("redis.login", False)
    assert "geheim" not in error.message
    plain = {"login": {"user": "plain", "password": "pw"}}
    error = await failure(server, "redis.add", stream=f"{name}t", data=1, **plain)
    assert "eval" in error.message
    assert "once: false" in error.message
    assert (await do(server, "redis.add", stream=f"{name}t", data=1, once=False, **plain))["id"]


async def test_a_server_that_is_gone_is_tried_again(server, name, monkeypatch):
    monkeypatch.setattr("reactor.connectors.redis.connection.WITHIN", 0.3)
    with Wire(server.port) as wire:
        await do(wire, "redis.set", key=name, value=1)
        wire.reset()
        with contextlib.suppress(TransientError):  # it may be seen before the command or after it
            await do(wire, "redis.set", key=name, value=2)
        await do(wire, "redis.set", key=name, value=2)
        wire.stall()
        error = await failure(wire, "redis.set", key=name, value=3)
        assert (error.kind, type(error)) == ("redis.connection", TransientError)
        wire.cut()
        error = await failure(wire, "redis.set", key=name, value=3)
        assert (error.kind, type(error)) == ("redis.connection", TransientError)
        wire.mend()
        await do(wire, "redis.set", key=name, value=4)
    assert server.do("GET", name) == b"4"


async def test_a_url_that_cannot_be(server):
    error = await failure(server, "redis.get", key="k", login={"url": "http://somewhere"})
    assert (error.kind, type(error)) == ("input", PermanentError)
