"""The trigger `nats` on subjects, the connection type and the actions, at a real server."""

import asyncio
import base64
import binascii
import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from reactor.connectors.nats import connector
from reactor.connectors.nats.nkey import NKey
from reactor.connectors.nats.settings import NATS
from reactor.sdk import ConnectionContext, PermanentError, StepError, TransientError
from reactor.sdk.connection import converted
from reactor.testing.actions import action_context, call
from reactor.testing.servers import Nats, Wire, certificate_files, free_port
from tests.integration.nats_kit import armed, bench, close, drained, lost, other

PUBLISH, REQUEST = connector.actions


@pytest.fixture(scope="module")
def server():
    with Nats() as running:
        yield running


@pytest.fixture
async def someone(server, anyio_backend):
    async with other(server) as client:
        yield client


@pytest.fixture(autouse=True)
async def _closed(anyio_backend):
    yield
    await close()


def context(port: int, **given):
    connections = {"nats": {"type": "nats", "servers": f"127.0.0.1:{port}", **given.pop("connection", {})}}
    return action_context(connections=connections, **given)


async def failure(action, params, ctx) -> StepError:
    with pytest.raises(StepError) as caught:
        await call(action, params, ctx)
    return caught.value


async def described(server, **given) -> str:
    settings = converted(NATS, "mine", {"type": "nats", "servers": server.servers, **given})
    ctx = ConnectionContext(name="mine", settings={}, log=action_context().log)
    assert NATS.test is not None
    return await NATS.test(ctx, settings)


# ---------------------------------------------------------------- subjects


@pytest.mark.proves("on.nats.subject")
async def test_messages_on_subjects(server, someone):
    one, rest = bench(server, "orders.*"), bench(server, {"subject": "orders.>"})
    async with one, rest:
        await armed(one)
        await armed(rest)
        await someone.publish("orders.new", {"n": 1}, headers={"Kind": "k"})
        await someone.publish("orders.new.eu", {"n": 2})
        await someone.publish("other", {"n": 3})
        await someone.client.publish("orders.last", b"text", reply="answers.here")
        assert await drained(rest, 3) == [{"n": 1}, {"n": 2}, "text"]
        assert await drained(one, 2) == [{"n": 1}, "text"]
    first, last = one.drafts
    assert (first.type, first.subject, first.raw) == ("nats.message", "orders.new", b'{"n": 1}')
    assert first.metadata == {"subject": "orders.new", "headers": {"Kind": "k"}}
    assert last.metadata["reply"] == "answers.here"


@pytest.mark.proves("on.nats.queue")
async def test_members_of_a_queue_group_share_the_messages(server, someone):
    config = {"subject": "work", "queue": "workers"}
    one, two, alone = bench(server, config), bench(server, config, key="flow/1"), bench(server, "work")
    async with one, two, alone:
        for running in (one, two, alone):
            await armed(running)
        await someone.publish("work", *range(100))
        await drained(alone, 100)
        await one.until(lambda _: len(one.drafts) + len(two.drafts) == 100)
    assert sorted(draft.data for draft in [*one.drafts, *two.drafts]) == list(range(100))
    assert one.drafts
    assert two.drafts


@pytest.mark.proves("on.nats.{pending,batch}")
async def test_messages_that_are_too_many_are_told(server, someone):
    running = bench(server, {"subject": "flood", "pending": 20, "batch": 5})
    async with running:
        await armed(running)
        running.busy = 10_000
        await someone.publish("flood", *range(100))
        await running.until(lambda it: it.gaps)
        running.busy = 0
        data = await drained(running, 20)
        await someone.publish("flood", "after")
        await running.until(lambda it: it.drafts[-1].data == "after")
    (gap,) = running.gaps
    assert int(gap.split()[0]) == 100 - (len(running.drafts) - 1)
    assert "messages on flood were dropped between 20" in gap
    assert data[:20] == list(range(20))
    assert max(number for _, number in running.emitted) == 5


async def test_messages_that_wait_when_it_is_stopped_are_told(server, someone):
    running = bench(server, "stopped")
    async with running:
        await armed(running)
        running.busy = 10_000
        await someone.publish("stopped", *range(300))
        await running.until(lambda it: it.behind == 50)
    (gap,) = running.gaps
    assert gap.startswith("50 messages on stopped were dropped")


async def test_an_id_of_the_message_counts_once(server, someone):
    async with bench(server, "ids") as running:
        await armed(running)
        await someone.publish("ids", 1, 2, headers={"Nats-Msg-Id": "x"})
        await someone.publish("ids", 3, headers={"Nats-Msg-Id": "y" * 600})
        await someone.publish("ids", 4)
        assert await drained(running, 2) == [1, 4]
    assert [draft.data for draft in running.duplicates] == [2]
    assert "an event's id has 1 to 512 characters" in running.dead[0].reason


@pytest.mark.proves("on.nats.format")
@pytest.mark.parametrize(
    ("form", "expected"),
    [
        ("auto", [{"n": 1}, "text", "dead", {"a": "b"}]),
        ("json", [{"n": 1}, "dead", "dead", "dead"]),
        ("text", ['{"n": 1}', "text", "dead", "a=b"]),
        ("binary", ["eyJuIjogMX0=", "dGV4dA==", "//4=", "YT1i"]),
    ],
)
async def test_how_messages_are_read(server, someone, form, expected):
    async with bench(server, {"subject": "forms", "format": form}) as running:
        await armed(running)
        await someone.publish("forms", {"n": 1}, b"text", b"\xff\xfe")
        await someone.publish("forms", b"a=b", headers={"Content-Type": "application/x-www-form-urlencoded"})
        await running.until(lambda it: len(it.drafts) + len(it.dead) == 4)
    assert [draft.data for draft in running.drafts] == [one for one in expected if one != "dead"]
    assert len(running.dead) == expected.count("dead")


async def test_a_subject_that_is_not_permitted():
    users = [{"user": "some", "password": "p", "permissions": {"subscribe": ["_INBOX.>", "open"]}}]
    with Nats(authorization={"users": users}) as own:
        login = {"user": "some", "password": "p"}
        allowed, refused = bench(own, "open", connection=login), bench(own, "secret", connection=login)
        queued = bench(own, {"subject": "secret", "queue": "q"}, connection=login)
        async with allowed, refused, queued:
            assert 'does not permit us subscription to "secret"' in await lost(refused)
            assert "secret" in await lost(queued)
            await armed(allowed)
            assert allowed.state() == "armed"


async def test_a_connection_that_is_cut(server, someone):
    with Wire(server.port) as wire:
        async with bench(wire, "cut") as running:
            await armed(running)
            wire.cut()
            assert f"the connection to 127.0.0.1:{wire.port} is lost" in await lost(running)
            wire.mend()
            await armed(running)
            await someone.publish("cut", 1)
            assert await drained(running, 1) == [1]
    (gap,) = running.gaps
    assert gap.startswith("messages on cut between 20")
    assert running.saved() == {}


async def test_a_server_that_does_not_answer(server):
    with Wire(server.port) as wire:
        async with bench(wire, "cut") as running:
            await armed(running)
            wire.stall()
            begun = asyncio.get_running_loop().time()
            await lost(running, 12)
            assert asyncio.get_running_loop().time() - begun < 10
            wire.mend()
            await armed(running)


# ---------------------------------------------------------------- connections


@pytest.mark.proves("on.nats.connection")
async def test_the_connection_that_is_named(server, someone):
    running = bench(server, {"subject": "named", "connection": "second"})
    running.connections = {
        "nats": {"type": "nats", "servers": f"127.0.0.1:{free_port()}"},
        "second": running.connections["nats"],
    }
    async with running:
        await armed(running)
        await someone.publish("named", 1)
        assert await drained(running, 1) == [1]


async def test_nobody_there(server):
    port = free_port()
    async with bench(server, "x", connection={"servers": f"127.0.0.1:{port}"}) as running:
        reason = await lost(running)
    assert reason.startswith(f"NATS cannot be reached (127.0.0.1:{port}: ")
    assert "is it running, and is `servers` right?" in reason


@pytest.mark.proves("connection.nats.servers")
async def test_several_servers_are_tried(server):
    found = await described(server, servers=[f"127.0.0.1:{free_port()}", server.servers])
    assert found.endswith(f"at {server.servers}, with JetStream")


@pytest.mark.proves("connection.nats.{user,password,token}")
@pytest.mark.parametrize(
    ("options", "right", "wrong"),
    [
        (
            {"user": "ann", "password": "s3cret"},
            {"user": "ann", "password": "s3cret"},
            {"user": "ann", "password": "x7"},
        ),
        ({"token": "t0ken"}, {"token": "t0ken"}, {"token": "x7"}),
    ],
)
async def test_credentials(options, right, wrong):
    with Nats(**options) as own:
        assert (await described(own, **right)).startswith("NATS 2.")
        async with bench(own, "x", connection=wrong) as running:
            reason = await lost(running)
            assert "refuses" in reason
            assert "x7" not in reason
        with pytest.raises(PermanentError, match="wants credentials; give the connection `user`") as caught:
            await described(own)
        assert caught.value.kind == "nats.login"


@pytest.mark.proves("connection.nats.nkey")
async def test_an_nkey():
    seed = "SUACSSL3UAHUDXKFSNVUZRF5UHPMWZ6BFDTJ7M6USDXIEDNPPQYYYCU3VY"  # of the NATS documentation
    with Nats(authorization={"users": [{"nkey": NKey(seed).public}]}) as own:
        assert (await described(own, nkey=seed)).startswith("NATS 2.")
        async with bench(own, "x", connection={"nkey": seed}) as running:
            await armed(running)
        with pytest.raises(PermanentError, match="refuses the token of the connection"):
            await described(own, token="t0ken")


@pytest.mark.proves("connection.nats.creds")
async def test_credentials_of_a_file():
    """What `nsc` makes: an operator signs an account, the account a user."""
    operator, account, user = (Signer(kind) for kind in "OAU")
    options = {
        "operator": operator.jwt("operator", operator),
        "resolver": "MEMORY",
        "resolver_preload": {account.public: operator.jwt("account", account, limits=UNLIMITED)},
    }
    text = (
        f"-----BEGIN NATS USER JWT-----\n{account.jwt('user', user, **UNLIMITED)}\n------END NATS USER JWT------\n\n"
        f"-----BEGIN USER NKEY SEED-----\n{user.seed}\n------END USER NKEY SEED------\n"
    )
    with Nats(jetstream=False, **options) as own:
        assert "without JetStream for this user" in await described(own, creds=text)
        other_user = text.replace(user.seed, Signer("U").seed)
        with pytest.raises(PermanentError, match="refuses the credentials of the connection"):
            await described(own, creds=other_user)


UNLIMITED = {
    "subs": -1,
    "data": -1,
    "payload": -1,
    "conn": -1,
    "leaf": -1,
    "imports": -1,
    "exports": -1,
    "wildcards": True,
}


class Signer:
    """An NKey of any kind, that signs JWTs."""

    def __init__(self, kind):
        self.key = Ed25519PrivateKey.generate()
        prefix = {"O": 14 << 3, "A": 0, "U": 20 << 3}[kind]
        self.public = written(bytes([prefix]) + self.key.public_key().public_bytes_raw())
        head = bytes([(18 << 3) | (prefix >> 5), (prefix & 31) << 3])
        self.seed = written(head + self.key.private_bytes_raw())

    def jwt(self, kind, subject, **claims):
        """`subject`, as this one says it is."""
        parts = [
            {"typ": "JWT", "alg": "ed25519-nkey"},
            {
                "jti": "x",
                "iat": 1_700_000_000,
                "iss": self.public,
                "sub": subject.public,
                "name": kind,
                "nats": {"type": kind, "version": 2, **claims},
            },
        ]
        text = ".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts)
        return f"{text}.{base64.urlsafe_b64encode(self.key.sign(text.encode())).decode().rstrip('=')}"


def written(raw):
    return base64.b32encode(raw + binascii.crc_hqx(raw, 0).to_bytes(2, "little")).decode().rstrip("=")


@pytest.mark.proves("connection.nats.tls", "connection.nats.tls.{ca,verify}")
async def test_tls():
    certificate, key = certificate_files()
    with Nats(tls=(certificate, key)) as own:
        ca = {"tls": {"ca": certificate}}
        assert (await described(own, **ca)).startswith("NATS 2.")
        assert (await described(own, tls={"verify": False})).startswith("NATS 2.")
        async with bench(own, "x", connection=ca) as running:
            await armed(running)
        refused: list[dict[str, Any]] = [{}, {"tls": {}}]
        for given in refused:
            with pytest.raises(TransientError, match="check `tls` of the connection"):
                await described(own, **given)


@pytest.mark.proves("connection.nats.tls.{cert,key}")
async def test_a_certificate_says_who_we_are():
    server, ours = certificate_files(), certificate_files()
    with Nats(tls=server, clients=ours[0]) as own:
        tls = {"ca": server[0], "cert": ours[0], "key": ours[1]}
        assert (await described(own, tls=tls)).startswith("NATS 2.")
        for wrong in ({"ca": server[0]}, tls | dict(zip(("cert", "key"), certificate_files(), strict=True))):
            with pytest.raises(StepError):
                await described(own, tls=wrong)


async def test_no_credentials_are_sent_in_the_clear(server):
    seen = []

    async def take(reader, writer):
        writer.write(b'INFO {"server_id":"x","version":"2.9.0","max_payload":1000,"headers":true}\r\n')
        seen.append(await reader.read())
        writer.close()

    listener = await asyncio.start_server(take, "127.0.0.1", 0)
    port = listener.sockets[0].getsockname()[1]
    try:
        with pytest.raises(TransientError, match="secure connection not available"):
            await described(server, servers=f"127.0.0.1:{port}", user="ann", password="s3cret", tls={})
    finally:
        listener.close()
        await listener.wait_closed()
    assert seen == [b""]


@pytest.mark.proves("connection.nats.name")
async def test_it_shows_its_name(server, someone):
    seen = await described(server, name="shop")
    assert seen.startswith("NATS 2.")
    with Nats(http=f"127.0.0.1:{free_port()}") as own:
        async with bench(own, "x", connection={"name": "shop"}) as running:
            await armed(running)
            assert [one["name"] for one in await _connections(own)] == ["shop"]


async def _connections(own):
    host, _, port = own.options["http"].partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(b"GET /connz HTTP/1.0\r\n\r\n")
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    return json.loads(answer.partition(b"\r\n\r\n")[2])["connections"]


@pytest.mark.proves("connection.nats.inbox_prefix")
async def test_an_inbox_of_ones_own():
    users = [{"user": "some", "password": "p", "permissions": {"subscribe": ["_INBOX_mine.>"]}}]
    with Nats(authorization={"users": users}) as own:
        login = {"user": "some", "password": "p"}
        assert "with JetStream" in await described(own, **login, inbox_prefix="_INBOX_mine")
        assert "without JetStream for this user" in await described(own, **login)


# ---------------------------------------------------------------- actions


@pytest.mark.proves("nats.publish.{subject,data,headers,format,connection}")
@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"data": "text"}, b"text"),
        ({"data": {"n": 1}}, b'{"n":1}'),
        ({"data": None}, b""),
        ({"data": "text", "format": "json"}, b'"text"'),
        ({"data": "AP8=", "format": "base64"}, b"\x00\xff"),
        ({"data": "text", "format": "text"}, b"text"),
    ],
)
async def test_publish(server, someone, given, expected):
    took = await someone.client.subscribe("out.x")
    await someone.client.flush()
    output = await call(
        PUBLISH,
        {"subject": "out.x", "connection": "nats", "headers": {"Kind": "k", "n": 1}, **given},
        context(server.port),
    )
    message = await took.next_msg(5)
    assert output == {"subject": "out.x"}
    assert message.data == expected
    assert message.headers == {"Nats-Msg-Id": "run/step", "Kind": "k", "n": "1"}


@pytest.mark.proves("nats.publish.{jetstream,stream}")
async def test_publish_into_a_stream(server, someone):
    await someone.stream("OUT", "stored.>")
    params = {"subject": "stored.x", "data": 1, "jetstream": True}
    ctx = context(server.port)
    first = await call(PUBLISH, params, ctx)
    again = await call(PUBLISH, params | {"stream": "OUT"}, ctx)
    assert first == {"subject": "stored.x", "stream": "OUT", "seq": 1, "duplicate": False}
    assert again == first | {"duplicate": True}
    other_step = await call(PUBLISH, params, context(server.port, idempotency_key="other"))
    assert other_step["seq"] == 2
    error = await failure(PUBLISH, params | {"stream": "ELSE"}, context(server.port, idempotency_key="third"))
    assert (error.kind, type(error)) == ("nats.refused", PermanentError)
    error = await failure(PUBLISH, params | {"subject": "nowhere"}, ctx)
    assert (error.kind, type(error)) == ("nats.no_stream", TransientError)


@pytest.mark.proves("nats.publish.timeout", "nats.request.timeout")
async def test_a_service_that_does_not_answer(server, someone):
    await someone.client.subscribe("silent")
    await someone.client.flush()
    for action, more in ((PUBLISH, {"jetstream": True}), (REQUEST, {})):
        begun = asyncio.get_running_loop().time()
        error = await failure(action, {"subject": "silent", "timeout": "200ms", **more}, context(server.port))
        assert (error.kind, type(error)) == ("nats.timeout", TransientError)
        assert 0.15 < asyncio.get_running_loop().time() - begun < 3


@pytest.mark.proves("nats.request.{subject,data,headers,format,connection,reply_format}")
async def test_request(server, someone):
    async def answer(message):
        assert message.headers["Nats-Msg-Id"] == "run/step"
        await someone.client.publish(message.reply, message.data, headers={"Echo": message.headers["Kind"]})

    await someone.client.subscribe("echo", cb=answer)
    await someone.client.flush()
    params = {"subject": "echo", "headers": {"Kind": "k"}, "connection": "nats"}
    ctx = context(server.port)
    assert await call(REQUEST, params | {"data": {"n": 1}}, ctx) == {"data": {"n": 1}, "headers": {"Echo": "k"}}
    bytes_ = {"data": base64.b64encode(b"\xff").decode(), "format": "base64"}
    assert (await call(REQUEST, params | bytes_ | {"reply_format": "binary"}, ctx))["data"] == "/w=="
    error = await failure(REQUEST, params | bytes_, ctx)
    assert (error.kind, type(error)) == ("nats.answer", PermanentError)


async def test_nobody_answers(server):
    error = await failure(REQUEST, {"subject": "nobody"}, context(server.port))
    assert (error.kind, type(error)) == ("nats.no_responders", TransientError)
    assert "nobody answers on 'nobody'" in error.message


async def test_what_the_server_does_not_take():
    users = [{"user": "some", "password": "p", "permissions": {"publish": ["open"]}}]
    with Nats(authorization={"users": users}, max_payload=1000) as own:
        ctx = context(own.port, connection={"user": "some", "password": "p"})
        for action, more in ((PUBLISH, {}), (PUBLISH, {"jetstream": True}), (REQUEST, {})):
            error = await failure(action, {"subject": "secret", **more}, ctx)
            assert (error.kind, type(error)) == ("nats.denied", PermanentError)
            assert 'publish to "secret"' in error.message
        error = await failure(PUBLISH, {"subject": "open", "data": "x" * 2000}, ctx)
        assert (error.kind, type(error)) == ("nats.too_large", PermanentError)
        assert await call(PUBLISH, {"subject": "open", "data": "x"}, ctx) == {"subject": "open"}


async def test_an_action_finds_the_server_again(server, someone):
    with Wire(server.port) as wire:
        ctx = context(wire.port)
        await call(PUBLISH, {"subject": "again"}, ctx)
        wire.cut()
        error = await failure(PUBLISH, {"subject": "again"}, ctx)
        assert (error.kind, type(error)) == ("nats.connection", TransientError)
        wire.mend()
        await call(PUBLISH, {"subject": "again"}, ctx)
