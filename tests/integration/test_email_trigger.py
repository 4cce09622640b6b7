"""The trigger `email` on a real IMAP server."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import socket
from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path

import pytest
from imapclient import IMAPClient

from reactor.connectors.email import connector, imap
from reactor.connectors.email.connections import IMAP
from reactor.model.errors import StepError
from reactor.sdk import ConnectionContext, PermanentError
from reactor.sdk.connection import converted
from reactor.testing.servers import Dovecot, Wire, certificate_files, free_port
from reactor.testing.servers.dovecot import PASSWORD
from reactor.testing.triggers import TriggerBench

(TRIGGER,) = connector.triggers
_users = itertools.count()


@pytest.fixture(scope="module")
def server() -> Iterator[Dovecot]:
    with Dovecot() as running:
        yield running


@pytest.fixture
def box(server: Dovecot) -> Iterator[Box]:
    """A mailbox of a user of its own."""
    user = f"user{next(_users)}"
    made = Box(server, user)
    try:
        yield made
    finally:
        made.close()


class Box:
    """What the tests do to a mailbox, over IMAP as a mail program would."""

    def __init__(self, server: Dovecot, user: str) -> None:
        self.server, self.user = server, user
        self.client = IMAPClient(server.host, server.port, ssl=False, timeout=10)
        self.client.login(user, PASSWORD)

    def put(self, *subjects: str, folder: str = "INBOX") -> None:
        for subject in subjects:
            self.client.append(folder, mail(subject))

    def subjects(self, folder: str = "INBOX", criteria: str = "ALL") -> list[str]:
        self.client.select_folder(folder, readonly=True)
        found = self.client.fetch(self.client.search(criteria), ["BODY.PEEK[HEADER.FIELDS (SUBJECT)]"])
        return [value[b"BODY[HEADER.FIELDS (SUBJECT)]"].decode().partition(": ")[2].strip() for value in found.values()]

    def bench(
        self, port: int | None = None, settings: dict[str, object] | None = None, **config: object
    ) -> TriggerBench:
        url = self.server.url(self.user, port=port)
        mail_ = {"type": "imap", "url": url, "starttls": False, **(settings or {})}
        return TriggerBench(TRIGGER, config, connections={"mail": mail_})

    def close(self) -> None:
        with contextlib.suppress(OSError, IMAPClient.Error):
            self.client.logout()


def mail(subject: str, text: str = "Hello") -> bytes:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "Ann <ann@example.org>", "bob@example.org", subject
    message.set_content(text)
    return message.as_bytes()


def subjects(bench: TriggerBench) -> list[str]:
    return [draft.data["subject"] for draft in bench.drafts]


async def armed(bench: TriggerBench, seconds: float = 10) -> None:
    await bench.until(lambda it: it.state() == "armed", seconds)


async def lost(bench: TriggerBench, seconds: float = 10) -> str:
    await bench.until(lambda it: it.state() == "lost", seconds)
    return [why for name, why in bench.states if name == "lost"][-1]


# ---------------------------------------------------------------- what comes


@pytest.mark.proves("on.email", "on.email.{folder,connection}")
async def test_messages_come_as_events(box):
    box.client.create_folder("Orders")
    async with box.bench(folder="Orders", connection="mail") as bench:
        await armed(bench)
        box.put("elsewhere")
        box.put("one", "two", folder="Orders")
        await bench.until(lambda it: len(it.drafts) == 2, 3)
    first = bench.drafts[0]
    assert first.type == "email.received"
    assert first.id is None
    assert first.subject == "one"
    assert first.data["from"] == "Ann <ann@example.org>"
    assert first.data["to"] == ["bob@example.org"]
    assert first.data["text"] == "Hello\n"
    assert first.metadata["folder"] == "Orders"
    assert first.metadata["uid"] == 1
    assert subjects(bench) == ["one", "two"]
    assert box.subjects("Orders", "UNSEEN") == ["one", "two"]  # `mark: none` changes nothing
    assert bench.behind == 0


async def test_a_mail_server_delivers_into_the_folder(server, box):
    async with box.bench() as bench:
        await armed(bench)
        server.deliver(mail("delivered"), user=box.user)
        await bench.until(lambda it: it.drafts, 5)


@pytest.mark.proves("on.email.existing")
async def test_what_is_there_already(box):
    box.put("old")
    async with box.bench() as ignoring, box.bench(existing="process") as processing:
        await armed(ignoring)
        await processing.until(lambda it: it.drafts, 5)
        box.put("new")
        await ignoring.until(lambda it: it.drafts, 5)
        await processing.until(lambda it: len(it.drafts) == 2, 5)
    assert subjects(ignoring) == ["new"]
    assert subjects(processing) == ["old", "new"]


@pytest.mark.proves("on.email.search")
async def test_only_what_the_server_finds(box):
    async with box.bench(search='SUBJECT "big order"') as bench, box.bench(search='SUBJECT "größer"') as umlauts:
        await armed(bench)
        await armed(umlauts)
        box.put("a big order", "small order", "größer", "a big order again")
        await bench.until(lambda it: len(it.drafts) == 2, 5)
        await umlauts.until(lambda it: it.drafts, 5)
    assert subjects(bench) == ["a big order", "a big order again"]
    assert subjects(umlauts) == ["größer"]


async def test_a_search_that_the_server_does_not_understand(box):
    async with box.bench(search="SUBJECT") as bench:
        assert "does not understand `search`" in await lost(bench)


@pytest.mark.proves("on.email.mark")
@pytest.mark.parametrize(
    ("mark", "left", "seen", "moved"),
    [
        ("seen", ["one", "two"], ["one", "two"], []),
        ("delete", [], [], []),
        ("move Done", [], [], ["one", "two"]),
    ],
)
async def test_marking(box, mark, left, seen, moved):
    box.client.create_folder("Done")
    async with box.bench(mark=mark) as bench:
        await armed(bench)
        box.put("one", "two")
        await bench.until(lambda it: len(it.drafts) == 2 and "marks" not in it.saved(), 5)
    assert box.subjects() == left
    assert box.subjects(criteria="SEEN") == seen
    assert box.subjects("Done") == moved


async def test_nothing_is_marked_before_the_commit(box):
    seen: list[list[str]] = []
    bench = box.bench(mark="delete")
    async with bench:
        await armed(bench)
        bench.before_commit = lambda drafts: seen.append(box.subjects()) if drafts else None
        box.put("one")
        await bench.until(lambda it: it.drafts and "marks" not in it.saved(), 5)
    assert seen == [["one"]]
    assert box.subjects() == []


async def test_marks_are_made_up_for_after_a_death(box):
    bench = box.bench(mark="seen")

    def die(_: object) -> None:
        raise RuntimeError("power cut")

    async with bench:
        await armed(bench)
        bench.after_commit = lambda drafts: die(drafts) if drafts else None
        box.put("one")
        with pytest.raises(RuntimeError, match="power cut"):
            await bench.until(lambda _: False, 5)
    assert box.subjects(criteria="UNSEEN") == ["one"]
    async with bench.again() as again:
        await armed(again)
    assert box.subjects(criteria="SEEN") == ["one"]
    assert again.drafts == again.duplicates == []


async def test_a_folder_to_move_to_that_is_not_there(box):
    async with box.bench(mark="move Nowhere") as bench:
        assert "no folder 'Nowhere'" in await lost(bench)


@pytest.mark.proves("on.email.{attachments,max_attachment}")
async def test_attachments(box):
    message = EmailMessage()
    message["Subject"] = "files"
    message.set_content("see there")
    message.add_attachment(b"%PDF" * 10, maintype="application", subtype="pdf", filename="../../etc/Rechnung für.pdf")
    message.add_attachment("a,b\r\n" * 800, subtype="csv", filename="big.csv")
    ways = [
        box.bench(attachments="none"),
        box.bench(),
        box.bench(attachments="content", max_attachment="1KB"),
    ]
    async with ways[0], ways[1], ways[2]:
        for bench in ways:
            await armed(bench)
        box.client.append("INBOX", message.as_bytes())
        for bench in ways:
            await bench.until(lambda it: it.drafts, 5)
    none, about, content = (bench.drafts[0].data["attachments"] for bench in ways)
    assert none == []
    assert [(each["name"], each["type"], each["size"]) for each in about] == [
        ("Rechnung für.pdf", "application/pdf", 40),
        ("big.csv", "text/csv", 4000),
    ]
    assert "content" not in about[0]
    assert content[0]["content"].startswith("JVBERiVQREYl")
    assert content[1]["content"] is None


# ---------------------------------------------------------------- poison


@pytest.mark.proves("on.email.max_size")
async def test_a_message_over_the_limit_does_not_block(box):
    async with box.bench(max_size="5KB", mark="delete") as bench:
        await armed(bench)
        box.client.append("INBOX", mail("huge", "x" * 70 + "\n" + "y" * 50_000))
        box.put("small")
        await bench.until(lambda it: it.drafts and it.dead and "marks" not in it.saved(), 5)
    (letter,) = bench.dead
    assert "`max_size` is 5KB" in letter.reason
    assert b"Subject: huge" in letter.payload
    assert len(letter.payload) < 5_000
    assert subjects(bench) == ["small"]
    assert box.subjects() == ["huge"]  # nowhere else is the whole of it


async def test_a_message_that_cannot_be_read_does_not_block(box):
    trap = b"Subject: trap\r\n" + b"".join(
        b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (n, n) for n in range(500)
    )
    async with box.bench() as bench:
        await armed(bench)
        box.client.append("INBOX", trap)
        box.put("good")
        await bench.until(lambda it: it.drafts and it.dead, 5)
    assert bench.dead[0].payload == trap
    assert "multiparts" in bench.dead[0].reason
    assert subjects(bench) == ["good"]


async def test_an_event_that_the_door_refuses(box):
    bench = box.bench()
    bench.refuse = lambda draft: "too large" if draft.data and draft.data["subject"] == "bad" else None
    async with bench:
        await armed(bench)
        box.put("a", "bad", "b")
        await bench.until(lambda it: len(it.drafts) == 2, 5)
    assert subjects(bench) == ["a", "b"]
    assert [letter.reason for letter in bench.dead] == ["too large"]


# ---------------------------------------------------------------- restarts


async def test_nothing_is_lost_or_told_twice_over_restarts(box):
    bench = box.bench(batch=3)
    sent: list[str] = []
    told: list[str] = []
    for turn in range(4):
        async with bench:
            await armed(bench)
            for n in range(5):
                sent.append(f"{turn}.{n}")
                box.put(sent[-1])
            await bench.until(lambda it: len(it.drafts) >= (2 if turn < 3 else 5), 5)  # noqa: B023
        told += subjects(bench)
        bench = bench.again()
        sent.append(f"{turn}.down")
        box.put(sent[-1])
    async with bench:
        await bench.until(lambda _: len(told) + len(bench.drafts) == len(sent), 5)
    assert told + subjects(bench) == sent
    assert bench.duplicates == []


async def test_a_start_that_saw_nothing_remembers_where_it_began(box):
    async with box.bench() as bench:
        await armed(bench)
    box.put("while it was down")
    async with bench.again() as again:
        await again.until(lambda it: it.drafts, 5)


async def test_another_folder_is_begun_afresh(box):
    box.client.create_folder("Other")
    box.put("old", folder="Other")
    async with box.bench() as bench:
        await armed(bench)
    async with bench.again({"folder": "Other"}) as again:
        await armed(again)
        box.put("new", folder="Other")
        await again.until(lambda it: it.drafts, 5)
    assert subjects(again) == ["new"]
    assert again.gaps == []


@pytest.mark.proves("on.email.batch")
async def test_a_batch_is_bounded(box):
    box.put(*(str(n) for n in range(10)))
    async with box.bench(existing="process", batch=4) as bench:
        await bench.until(lambda it: len(it.drafts) == 10, 5)
    assert [count for _, count in bench.emitted] == [4, 4, 2]


async def test_a_busy_door_is_waited_for(box):
    box.put("one", "two")
    bench = box.bench(existing="process", batch=1)
    bench.busy = 3
    async with bench:
        await bench.until(lambda it: len(it.drafts) == 2, 5)
    assert subjects(bench) == ["one", "two"]


async def test_a_folder_that_was_made_anew_is_a_gap(box):
    box.client.create_folder("F")
    bench = box.bench(folder="F")
    async with bench:
        await armed(bench)
        box.put("old", folder="F")
        await bench.until(lambda it: it.drafts, 5)
    box.client.delete_folder("F")
    box.client.create_folder("F")
    box.put("new", folder="F")
    async with bench.again() as again:
        await again.until(lambda it: it.drafts, 5)
        box.put("newer", folder="F")
        await again.until(lambda it: len(it.drafts) == 2, 5)
    assert subjects(again) == ["new", "newer"]
    (gap,) = again.gaps
    assert "UIDVALIDITY" in gap
    async with again.again() as third:
        await armed(third)
    assert third.gaps == []
    assert third.drafts == []


async def test_old_messages_of_a_restored_folder_are_passed_over(box):
    import datetime as dt

    box.client.create_folder("F")
    bench = box.bench(folder="F")
    async with bench:
        await armed(bench)
        box.put("old", folder="F")
        await bench.until(lambda it: it.drafts, 5)
    box.client.delete_folder("F")
    box.client.create_folder("F")
    box.client.append("F", mail("restored"), msg_time=dt.datetime(2020, 1, 1, tzinfo=dt.UTC))
    box.put("new", folder="F")
    async with bench.again() as again:
        await again.until(lambda it: it.drafts, 5)
    assert subjects(again) == ["new"]


async def test_a_folder_that_is_deleted_under_it_and_made_anew(box):
    box.client.create_folder("F")
    async with box.bench(folder="F") as bench:
        await armed(bench)
        box.put("old", folder="F")
        await bench.until(lambda it: it.drafts, 5)
        box.client.delete_folder("F")
        assert await lost(bench, 10)
        box.client.create_folder("F")
        box.put("new", folder="F")
        await bench.until(lambda it: len(it.drafts) == 2, 10)
    assert subjects(bench) == ["old", "new"]
    assert len(bench.gaps) == 1


async def test_a_big_mailbox_in_bounded_memory(server, box):
    one = mail("N", "x" * 60_000)
    server.deliver(*(one.replace(b"Subject: N", b"Subject: %d" % n) for n in range(400)), user=box.user)
    bench = box.bench(existing="process", batch=20)
    uids: list[int] = []
    memory: list[int] = []

    def taken(_: object) -> None:
        uids.extend(draft.metadata["uid"] for draft in bench.drafts)
        bench.drafts.clear()
        memory.append(resident())

    bench.after_commit = taken
    async with bench:
        await bench.until(lambda _: len(uids) == 400, 60)
    assert uids == list(range(1, 401))
    assert max(memory) - memory[2] < 10_000_000  # the mailbox has 25 MB


def resident() -> int:
    """Bytes of memory that this process has now."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


# ---------------------------------------------------------------- troubles


async def test_a_wrong_password(box):
    async with box.bench(settings={"password": "hunter2"}) as bench:
        why = await lost(bench)
    assert f"refuses the login of '{box.user}'" in why
    assert "hunter2" not in why


async def test_an_unknown_folder(box):
    box.client.create_folder("Orders")
    async with box.bench(folder="Oders") as bench:
        why = await lost(bench)
    assert "'Oders' cannot be opened" in why
    assert "Orders" in why


async def test_a_port_where_nobody_listens(box):
    async with box.bench(port=free_port()) as bench:
        assert "refuses connections" in await lost(bench)


async def test_no_connection_of_that_name(box):
    async with box.bench(connection="nobody") as bench:
        assert "there is no connection 'nobody'" in await lost(bench)


@pytest.mark.proves("connection.imap.starttls")
async def test_no_password_goes_over_the_wire_in_the_clear(box):
    async with box.bench(settings={"starttls": True}) as bench:
        assert "no password is sent" in await lost(bench)


async def test_the_connection_is_cut(box):
    with Wire(box.server.port) as wire:
        async with box.bench(port=wire.port) as bench:
            await armed(bench)
            wire.cut()
            assert await lost(bench, 2)
            box.put("meanwhile")
            wire.mend()
            await bench.until(lambda it: it.drafts, 5)
    assert subjects(bench) == ["meanwhile"]


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server is asked soon whether it is there; `tests/sources` sees how long it takes without this."""
    monkeypatch.setattr(imap, "BEAT", 0.5)
    monkeypatch.setattr(imap, "PATIENCE", 0.5)


@pytest.mark.usefixtures("hasty")
async def test_the_line_goes_dead_without_a_word(box):
    with Wire(box.server.port) as wire:
        async with box.bench(port=wire.port) as bench:
            await armed(bench)
            wire.stall()
            assert "does not answer" in await lost(bench, 10)
            wire.mend()
            await armed(bench)


async def test_cancellation_while_the_line_is_dead(box):
    with Wire(box.server.port) as wire:
        async with box.bench(port=wire.port) as bench:
            await armed(bench)
            wire.stall()
            async with asyncio.timeout(1):
                await bench.stop()


@pytest.mark.usefixtures("hasty")
async def test_the_server_hangs_dies_and_comes_back():
    with Dovecot() as server:
        box = Box(server, "ann")
        async with box.bench() as bench:
            await armed(bench)
            server.hang()
            assert "does not answer" in await lost(bench, 10)
            server.wake()
            await armed(bench)
            box.put("one")
            await bench.until(lambda it: it.drafts, 5)
            server.kill()
            box.client.shutdown()
            assert await lost(bench, 10)
            server.start()
            server.deliver(mail("two"))
            await bench.until(lambda it: len(it.drafts) == 2, 10)
    assert subjects(bench) == ["one", "two"]


@pytest.mark.proves("on.email.every")
async def test_a_server_without_idle_is_asked(monkeypatch):
    with Dovecot(options={"imap_capability": "IMAP4rev1 UIDPLUS AUTH=PLAIN"}) as server:
        box = Box(server, "ann")
        async with box.bench(every="200ms") as bench:
            await armed(bench)
            box.put("one")
            await bench.until(lambda it: it.drafts, 2)
        monkeypatch.setattr(imap, "BEAT", 0.5)  # asked without `every`, too
        async with box.bench(mark="move Done") as bench:  # without MOVE: COPY and EXPUNGE
            box.client.create_folder("Done")
            await armed(bench)
            box.put("two")
            await bench.until(lambda it: it.drafts and "marks" not in it.saved(), 10)
        assert box.subjects("Done") == ["two"]
        box.close()


# ---------------------------------------------------------------- connections


@pytest.fixture(scope="module")
def secure() -> Iterator[Dovecot]:
    with Dovecot(tls=True) as running:
        yield running


async def connection_tested(**settings: object) -> str:
    import logging

    assert IMAP.test is not None
    ctx = ConnectionContext(name="mail", settings={}, log=logging.getLogger("test"))
    return await IMAP.test(ctx, converted(IMAP, "mail", {"type": "imap", **settings}))


@pytest.mark.proves("connection.imap.{url,user,password,tls,starttls}", "connection.imap.tls.{ca,verify}")
async def test_tls(secure):
    url = f"imaps://{secure.host}:{secure.tls_port}"
    trusted = {"user": "ann", "password": PASSWORD, "tls": {"ca": secure.ca}}
    assert "folders for ann" in await connection_tested(url=url, **trusted)
    assert "folders for ann" in await connection_tested(
        url=secure.url(), tls={"ca": secure.ca}
    )  # STARTTLS, as it is offered
    connection = {"type": "imap", "url": url, **trusted}
    async with TriggerBench(TRIGGER, {}, connections={"mail": connection}) as bench:
        await armed(bench)
        secure.deliver(mail("secret"))
        await bench.until(lambda it: it.drafts, 5)
    assert "for ann" in await connection_tested(url=secure.url(), tls={"verify": False})
    assert "for ann" in await connection_tested(url=secure.url(), starttls=False)


@pytest.mark.proves("connection.imap.tls.{cert,key}")
async def test_a_certificate_says_who_we_are():
    cert, key = certificate_files()
    asked = {"auth_ssl_require_client_cert": "yes", "ssl_verify_client_cert": "yes", "ssl_require_crl": "no"}
    server = Dovecot(tls=True, options=asked)
    server.options["ssl_ca"] = f"<{server.folder}/clients.pem"
    (server.folder / "clients.pem").write_text(cert)
    with server:
        url = server.url(port=server.tls_port).replace("imap:", "imaps:")
        tls = {"ca": server.ca, "cert": cert, "key": key}
        assert "for ann" in await connection_tested(url=url, tls=tls)
        other = dict(zip(("cert", "key"), certificate_files(), strict=True))
        for refused in ({"ca": server.ca}, tls | other):
            with pytest.raises(StepError):
                await connection_tested(url=url, tls=refused)


@pytest.mark.proves("connection.imap.token")
async def test_a_token_in_place_of_a_password():
    """Dovecot asks an authority about it; we are that."""
    asked = []

    async def authority(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = (await reader.readuntil(b"\r\n\r\n")).decode()
        asked.append(request.partition("\r\n")[0])
        known = b'{"active": true, "sub": "ann"}' if "t0k3n" in request else b'{"active": false}'
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\n")
        writer.write(b"content-length: %d\r\n\r\n%b" % (len(known), known))
        writer.close()
        await writer.wait_closed()

    async with await asyncio.start_server(authority, "127.0.0.1", 0) as listening:
        port = listening.sockets[0].getsockname()[1]
        with Dovecot(tokens=f"http://127.0.0.1:{port}/about?token=") as server:
            url = f"imap://{server.host}:{server.port}"
            assert "for ann" in await connection_tested(url=url, user="ann", token="t0k3n", starttls=False)
            with pytest.raises(PermanentError, match="user and token"):
                await connection_tested(url=url, user="ann", token="other", starttls=False)
    assert any("t0k3n" in line for line in asked)


@pytest.mark.proves("connection.imap.timeout")
async def test_how_long_a_server_may_be_silent():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"imap://ann:pw@127.0.0.1:{silent.getsockname()[1]}"
        begun = asyncio.get_running_loop().time()
        with pytest.raises(StepError, match="does not answer"):
            await connection_tested(url=url, timeout="300ms")
        assert 0.25 < asyncio.get_running_loop().time() - begun < 3


@pytest.mark.parametrize(
    ("settings", "kind", "why"),
    [
        ({}, "connection", "certificate is not trusted"),
        ({"tls": {"verify": False}, "password": "no"}, "email.refused", "refuses the login"),
        ({"tls": {"verify": False}, "token": "t0k3n"}, "email.refused", "token"),
        ({"url": "http://ann:pw@x"}, "input", "the url should be"),
        ({"url": "imap://x"}, "input", "are missing"),
        ({"url": "imap://ann:pw@no-such-host.invalid"}, "connection", "no host of that name"),
        ({"timeout": "0s"}, "input", "timeout"),
    ],
)
async def test_connections_that_fail(secure, settings, kind, why):
    with pytest.raises(StepError) as caught:
        await connection_tested(**{"url": secure.url(), **settings})
    assert caught.value.kind == kind
    assert why in caught.value.message
    assert "t0k3n" not in caught.value.message


async def test_user_and_password_may_stand_in_the_url_encoded(server):
    url = server.url("a@b.example")
    assert "%40" in url
    assert "folders for a@b.example" in await connection_tested(url=url, starttls=False)
