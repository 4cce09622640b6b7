"""email.send against a real SMTP server on the loopback."""

import asyncio
import email
import email.policy
import logging
import socket

import pytest

from reactor.connectors.email import connector
from reactor.connectors.email.connections import SMTP
from reactor.sdk import ConnectionContext, PermanentError, StepError, TransientError
from reactor.sdk.connection import converted
from reactor.testing.actions import action_context, call
from reactor.testing.servers import certificate_files, free_port, smtp_server

(SEND,) = connector.actions


@pytest.fixture
def server():
    with smtp_server() as running:
        yield running


async def send(server, /, *, ctx=None, smtp=None, **params):
    given = {"from": "ann@example.org", "to": "bob@example.org", "subject": "Hi", "text": "Hello"}
    host = {"host": server.host, "port": server.port, "tls": "none", **(smtp or {})}
    return await call(SEND, {**given, "smtp": host, **params}, ctx)


async def failure(server, /, **params) -> StepError:
    with pytest.raises(StepError) as caught:
        await send(server, **params)
    return caught.value


@pytest.mark.proves("email.send.{to,cc,bcc,subject,text,from}", "email.send.smtp", "email.send.smtp.{host,port}")
async def test_a_message_arrives(server):
    output = await send(server, cc="carl@example.org", bcc="dora@example.org", subject="Grüße", text=".\nÄ\n.\n")
    (message,) = server.messages
    assert output["accepted"] == ["bob@example.org", "carl@example.org", "dora@example.org"]
    assert output["rejected"] == []
    assert (message.sender, message.recipients) == ("ann@example.org", tuple(output["accepted"]))
    parsed = email.message_from_bytes(message.content, policy=email.policy.default)
    assert parsed["Message-ID"] == output["message_id"]
    assert parsed["Subject"] == "Grüße"
    assert parsed["Bcc"] is None
    assert parsed.get_content().replace("\r\n", "\n") == ".\nÄ\n.\n"


async def test_a_second_attempt_has_the_same_message_id(server):
    ids = [(await send(server, ctx=action_context(idempotency_key="k", attempt=n)))["message_id"] for n in (1, 2)]
    assert ids[0] == ids[1]


@pytest.mark.proves("email.send.connection", "connection.smtp.{url,from}")
async def test_by_connection(server):
    url = f"smtp://{server.host}:{server.port}"
    ctx = action_context(connections={"mail": {"type": "smtp", "url": url, "from": "Shop <shop@example.org>"}})
    await call(SEND, {"to": "bob@example.org", "connection": "mail"}, ctx)
    assert server.messages[0].sender == "shop@example.org"


async def test_the_only_smtp_connection_is_meant(server):
    url = f"smtp://{server.host}:{server.port}"
    ctx = action_context(connections={"a": {"type": "smtp", "url": url}, "b": {"type": "imap", "url": "imap://x"}})
    await call(SEND, {"from": "ann@example.org", "to": "bob@example.org"}, ctx)
    assert len(server.messages) == 1


@pytest.mark.proves("connection.smtp.{url,user,password,ca}")
async def test_by_connection_over_starttls():
    with smtp_server(tls=True, users={"a@b": "p@ss"}) as server:
        saved = {"type": "smtp", "ca": server.ca, "from": "ann@example.org"}
        url = f"{server.host}:{server.port}?tls=starttls"
        beside = {"user": "a@b", "password": "p@ss"}
        ways = ({"url": f"smtp://a%40b:p%40ss@{url}"}, {"url": f"smtp://{url}"} | beside)
        for who in (*ways, {"url": f"smtp://eve:no@{url}"} | beside):
            await call(SEND, {"to": "bob@example.org"}, action_context(connections={"mail": {**saved, **who}}))
        assert [(message.encrypted, message.user) for message in server.messages] == [(True, "a@b")] * 3
        unknown = {**saved, **ways[1], "ca": certificate_files()[0]}
        with pytest.raises(PermanentError, match="not trusted"):
            await call(SEND, {"to": "bob@example.org"}, action_context(connections={"mail": unknown}))


async def connection_tested(**settings):
    ctx = ConnectionContext(name="mail", settings={}, log=logging.getLogger("test"))
    assert SMTP.test is not None
    return await SMTP.test(ctx, converted(SMTP, "mail", {"type": "smtp", **settings}))


async def test_a_connection_is_tested_and_nothing_is_sent():
    with smtp_server(tls=True, users={"ann": "hunter2"}) as server:
        url = f"smtp://{server.host}:{server.port}"
        login = {"url": url, "ca": server.ca, "user": "ann"}
        assert await connection_tested(**login, password="hunter2") == "SMTP, encrypted, logged in as ann (250)"
        with pytest.raises(PermanentError) as caught:
            await connection_tested(**login, password="hunter3")
        assert server.messages == []
    assert caught.value.kind == "email.refused"
    assert "hunter3" not in caught.value.message


@pytest.mark.parametrize(
    ("settings", "kind"),
    [
        ({"url": f"smtp://127.0.0.1:{free_port()}"}, "connection"),
        ({"url": "http://x"}, "input"),
        ({"url": "smtp://x", "hots": "y"}, "input"),
        ({}, "input"),
    ],
)
async def test_connections_that_fail(settings, kind):
    with pytest.raises(StepError) as caught:
        await connection_tested(**settings)
    assert caught.value.kind == kind


async def test_some_recipients_are_refused(server):
    server.refuse["bob@example.org"] = "550 no such user"
    output = await send(server, to=["bob@example.org", "carl@example.org"])
    assert output["accepted"] == ["carl@example.org"]
    assert output["rejected"] == [{"address": "bob@example.org", "code": 550, "message": "no such user"}]


async def test_all_recipients_are_refused(server):
    server.refuse["bob@example.org"] = "550 no such user"
    error = await failure(server)
    assert (error.kind, type(error)) == ("email.refused", PermanentError)
    assert "bob@example.org: 550 no such user" in error.message
    assert server.messages == []


async def test_one_of_all_is_refused_for_now_only(server):
    server.refuse |= {"bob@example.org": "550 no such user", "carl@example.org": "451 greylisted"}
    error = await failure(server, to="bob@example.org, carl@example.org")
    assert (error.kind, type(error)) == ("email.temporary", TransientError)
    assert [entry["code"] for entry in error.data] == [550, 451]


@pytest.mark.parametrize(
    ("answer", "kind", "type_"),
    [("452 full", "email.temporary", TransientError), ("554 spam", "email.refused", PermanentError)],
)
async def test_the_message_itself_is_refused(server, answer, kind, type_):
    server.answer = answer
    error = await failure(server)
    assert (error.kind, type(error), error.data) == (kind, type_, {"code": int(answer[:3])})


async def test_the_sender_is_refused(server):
    server.refuse["ann@example.org"] = "553 not here"
    assert (await failure(server)).kind == "email.refused"


async def test_nobody_listens():
    class Nowhere:
        host, port = "127.0.0.1", free_port()

    error = await failure(Nowhere)
    assert (error.kind, type(error)) == ("connection", TransientError)


async def test_a_host_that_does_not_exist(server):
    assert (await failure(server, smtp={"host": "no-such-host.invalid"})).kind == "connection"


@pytest.mark.proves("email.send.timeout")
async def test_a_server_that_says_nothing():
    with socket.create_server(("127.0.0.1", 0)) as silent:

        class Silent:
            host, port = silent.getsockname()

        error = await failure(Silent, timeout="200ms")
    assert (error.kind, type(error)) == ("timeout", TransientError)


async def test_a_server_that_hangs_up():
    async def hang_up(_reader, writer):
        writer.write(b"220 hello\r\n")
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(hang_up, "127.0.0.1", 0) as rude:

        class Rude:
            host, port = rude.sockets[0].getsockname()

        assert (await failure(Rude)).kind == "connection"


async def test_a_server_that_speaks_nonsense():
    async def babble(_reader, writer):
        writer.write(b"\xff\x00 nonsense\r\n" * 3)
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(babble, "127.0.0.1", 0) as strange:

        class Strange:
            host, port = strange.sockets[0].getsockname()

        assert (await failure(Strange, timeout="2s")).kind in {"connection", "email.refused", "timeout"}


async def test_cancellation_leaves_no_connection():
    closed = asyncio.Event()

    async def wait_for_end(reader, writer):
        await reader.read()
        closed.set()
        writer.close()

    async with await asyncio.start_server(wait_for_end, "127.0.0.1", 0) as slow:

        class Slow:
            host, port = slow.sockets[0].getsockname()

        sending = asyncio.create_task(send(Slow))
        await asyncio.sleep(0.1)
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending
        await asyncio.wait_for(closed.wait(), 5)


@pytest.mark.proves("email.send.smtp.{user,password,tls,ca}")
async def test_login_over_starttls():
    with smtp_server(tls=True, users={"ann": "hunter2"}) as server:
        login = {"tls": "starttls", "ca": server.ca, "user": "ann", "password": "hunter2"}
        await send(server, smtp=login)
        await send(server, smtp=login | {"tls": "auto"})
        assert [(message.encrypted, message.user) for message in server.messages] == [(True, "ann"), (True, "ann")]
        error = await failure(server, smtp=login | {"password": "hunter3"})
        assert (error.kind, error.data) == ("email.refused", {"code": 535})
        assert "hunter3" not in error.message


async def test_a_certificate_that_nobody_knows():
    with smtp_server(tls=True) as server:
        error = await failure(server, smtp={"tls": "starttls"})
    assert (error.kind, type(error)) == ("connection", PermanentError)
    assert "not trusted" in error.message


async def test_no_password_without_encryption():
    with smtp_server(users={"ann": "hunter2"}) as server:
        login = {"user": "ann", "password": "hunter2"}
        assert "no password is sent" in (await failure(server, smtp=login | {"tls": "auto"})).message
        assert (await failure(server, smtp=login | {"tls": "starttls"})).kind == "email.refused"
        await send(server, smtp=login | {"tls": "none"})
        assert server.messages[0].user == "ann"


async def test_addresses_that_are_not_ascii(server):
    await send(server, to="jürgen@example.org", subject="x")
    assert server.messages[0].recipients == ("jürgen@example.org",)


async def test_ca_that_is_none(server):
    assert (await failure(server, smtp={"tls": "starttls", "ca": "no certificate"})).kind == "input"
