"""email.send: what a message looks like, and what is refused before anybody is asked."""

import email.policy
from email.message import EmailMessage

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reactor.connectors.email import connector, message, transport
from reactor.connectors.email.actions import SendParams, Smtp
from reactor.sdk import Effect, PermanentError
from reactor.testing.actions import action_context, call

(SEND,) = connector.actions
SMTP = {"smtp": {"host": "h"}}


def built(ctx=None, **params) -> EmailMessage:
    given = {"to": "bob@example.org", "from": "Ann <ann@example.org>", **SMTP, **params}
    letter = message.build(ctx or action_context(), msgspec.convert(given, SendParams), None)
    parsed = email.message_from_bytes(bytes(letter.message), policy=email.policy.default)
    assert isinstance(parsed, EmailMessage)
    return parsed


def recipients(**params) -> list[str]:
    given = {"from": "ann@example.org", **SMTP, **params}
    return message.build(action_context(), msgspec.convert(given, SendParams), None).recipients


def refused(**params) -> str:
    with pytest.raises(PermanentError) as caught:
        built(**params)
    assert caught.value.kind == "input"
    return caught.value.message


def test_it_writes_and_is_tried_again_by_default():
    assert SEND.effect is Effect.WRITE
    assert SEND.retry is not None


@pytest.mark.parametrize(
    ("params", "says"),
    [
        ({}, "nobody to send to"),
        ({"to": "a@b.c"}, "no connection of type smtp"),
        ({"to": "a@b.c", "connection": "x", **SMTP}, "either `connection`"),
        ({"to": "a@b.c", **SMTP, "headers": {"To": "x"}}, "set by Reactor"),
        ({"to": "a@b.c", **SMTP, "headers": {"content-TYPE": "x"}}, "set by Reactor"),
        ({"to": "a@b.c", **SMTP, "headers": {"X:Y": "x"}}, "not the name of a header"),
        ({"to": "a@b.c", **SMTP, "headers": {"X-A\r\nBcc": "x"}}, "not the name of a header"),
        ({"to": "a@b.c", **SMTP, "attachments": [{"name": "x"}]}, "exactly one of"),
        ({"to": "a@b.c", **SMTP, "attachments": [{"content": "x"}]}, "needs a `name`"),
        ({"to": "a@b.c", **SMTP, "subjct": "x"}, "subjct"),
        ({"to": "a@b.c", **SMTP, "timeout": "long"}, "not a duration"),
        ({"to": "a@b.c", "smtp": {"host": "a b"}}, "blanks"),
        ({"to": "a@b.c", "smtp": {"host": "h", "tls": "maybe"}}, "tls"),
    ],
)
async def test_wrong_parameters(params, says):
    with pytest.raises(PermanentError) as caught:
        await call(SEND, params)
    assert caught.value.kind == "input"
    assert says in caught.value.message


@pytest.mark.proves("email.send.{reply_to,headers}")
def test_a_plain_message():
    ctx = action_context()
    got = built(ctx, subject="Grüße", text="Hällo\n", headers={"X-Order": "7"}, reply_to="sales@example.org")
    assert got["From"] == "Ann <ann@example.org>"
    assert got["Subject"] == "Grüße"
    assert got["X-Order"] == "7"
    assert got["Reply-To"] == "sales@example.org"
    assert got["Date"].datetime.timestamp() * 1000 == ctx.clock.now()
    assert got.get_content().replace("\r\n", "\n") == "Hällo\n"


@pytest.mark.proves("email.send.html")
def test_text_and_html():
    got = built(text="plain", html="<b>rich</b>")
    assert got.get_content_type() == "multipart/alternative"
    assert [part.get_content_type() for part in got.iter_parts()] == ["text/plain", "text/html"]
    assert built(html="<b>only</b>").get_content_type() == "text/html"


def test_people_in_all_ways_of_writing():
    assert recipients(to=["Bob <bob@example.org>, c@example.org", "d@example.org"]) == [
        "bob@example.org",
        "c@example.org",
        "d@example.org",
    ]
    assert recipients(to="a@example.org", cc="b@example.org", bcc=["a@example.org", "z@example.org"]) == [
        "a@example.org",
        "b@example.org",
        "z@example.org",
    ]
    assert recipients(to='"Bob, the Builder" <bob@example.org>') == ["bob@example.org"]
    assert recipients(to="info@müller.example") == ["info@xn--mller-kva.example"]


def test_blind_copies_are_not_told():
    assert "secret" not in str(built(bcc="secret@example.org"))


def test_the_message_id_is_the_same_for_every_attempt():
    first, again = (built(action_context(idempotency_key="r1/charge", attempt=n)) for n in (1, 2))
    other = built(action_context(idempotency_key="r2/charge"))
    assert first["Message-ID"] == again["Message-ID"] != other["Message-ID"]
    assert first["Message-ID"].endswith("@example.org>")


def test_the_sender_may_be_the_connections():
    params = msgspec.convert({"to": "b@example.org", **SMTP}, SendParams)
    assert message.build(action_context(), params, "shop@example.org").sender == "shop@example.org"
    with pytest.raises(PermanentError, match="from"):
        message.build(action_context(), params, None)


@pytest.mark.parametrize("break_", ["\r\n", "\n", "\r", "\x00", "\x0b", "\u2028"])
def test_no_value_adds_a_header(break_):
    hostile = f"x{break_}Bcc: victim@example.org"
    refused(subject=hostile)
    refused(headers={"X-A": hostile})
    refused(to=f"bob@example.org{break_}Bcc: victim@example.org")
    refused(**{"from": hostile})
    refused(reply_to=hostile)
    refused(attachments=[{"name": hostile, "content": "x"}])


@pytest.mark.parametrize(
    "address",
    [
        "",
        "bob",
        "@example.org",
        "bob@",
        "a b@example.org",
        "<>",
        "bob@example.org>",
        "a@b@c",
        "bob@exa mple.org",
        ",",
        "x;y",
        "(",
        "[" * 50,
    ],
)
def test_what_is_no_address(address):
    assert "to:" in refused(to=["ok@example.org", address])


def test_one_sender_only():
    assert "one address" in refused(**{"from": "a@example.org, b@example.org"})


@settings(deadline=None, max_examples=150)
@given(st.text(max_size=40))
def test_whatever_the_text_it_is_refused_or_stays_one_header(text):
    try:
        got = built(subject=text, headers={"X-A": text})
    except PermanentError:
        return
    assert set(got.keys()) <= {
        *("From", "To", "Subject", "Date", "Message-ID", "X-A"),
        *("MIME-Version", "Content-Type", "Content-Transfer-Encoding"),
    }


@settings(deadline=None, max_examples=150)
@given(st.text(alphabet='ab@<>"\\,;:()[]. é', max_size=25))
def test_whatever_the_address_it_is_refused_or_reads_back_as_it_was(text):
    try:
        found = recipients(to=[text])
    except PermanentError:
        return
    assert [address.addr_spec for address in built(to=[text])["To"].addresses][: len(found)] == found


@pytest.mark.proves("email.send.attachments", "email.send.attachments.{path,content,base64,name,type}")
def test_attachments(tmp_path):
    (tmp_path / "bill.pdf").write_bytes(b"%PDF")
    ctx = action_context(settings={"file_roots": (str(tmp_path),)})
    got = built(
        ctx,
        text="see",
        attachments=[
            {"path": "bill.pdf"},
            {"path": str(tmp_path / "bill.pdf"), "name": "ünder.pdf"},
            {"name": "note.txt", "content": "häh"},
            {"name": "raw", "base64": "AAEC"},
            {"name": "mail.eml", "content": "From: x", "type": "message/rfc822"},
        ],
    )
    parts = [
        (part.get_filename(), part.get_content_type(), part.get_payload(decode=True)) for part in got.iter_attachments()
    ]
    assert parts == [
        ("bill.pdf", "application/pdf", b"%PDF"),
        ("ünder.pdf", "application/pdf", b"%PDF"),
        ("note.txt", "text/plain", "häh".encode()),
        ("raw", "application/octet-stream", b"\0\1\2"),
        ("mail.eml", "application/octet-stream", b"From: x"),
    ]


def test_attachments_stay_inside_the_roots(tmp_path):
    roots = tmp_path / "roots"
    roots.mkdir()
    (tmp_path / "secret").write_text("x")
    (roots / "link").symlink_to(tmp_path / "secret")
    ctx = action_context(settings={"file_roots": (str(roots),)})
    for path in ("../secret", str(tmp_path / "secret"), "link", "/etc/passwd", "a\0b"):
        assert "secret" not in refused(ctx=ctx, attachments=[{"path": path}]).replace(path, "").replace(repr(path), "")
    assert "is not a file" in refused(ctx=ctx, attachments=[{"path": "."}])
    assert "is not a file" in refused(ctx=ctx, attachments=[{"path": "absent"}])
    assert "REACTOR_FILE_ROOTS" in refused(attachments=[{"path": "/etc/passwd"}])


def test_attachments_are_not_taken_from_the_data_folder(tmp_path):
    data = tmp_path / ".reactor"
    (data / "files").mkdir(parents=True)
    (data / "token").write_text("t0k3n")
    (data / "files" / "a").write_text("open")
    (tmp_path / "key").symlink_to(data / "token")
    (tmp_path / "way").symlink_to(data)
    closed = {"file_roots": (str(tmp_path),), "data_dir": data}
    for path in (".reactor/token", "x/../.reactor//token", str(data / "token"), "key", "way/token", "way/files/a"):
        told = refused(ctx=action_context(settings=closed), attachments=[{"path": path}])
        assert "data folder" in told
        assert "REACTOR_FILE_ROOTS" in told
        assert "t0k3n" not in told
    opened = action_context(settings={**closed, "file_roots": (str(tmp_path), str(data / "files"))})
    assert built(opened, text="see", attachments=[{"path": "way/files/a"}]) is not None
    assert "data folder" in refused(ctx=opened, attachments=[{"path": ".reactor/files/../token"}])


def test_attachments_that_cannot_be(monkeypatch):
    monkeypatch.setattr(message, "ATTACHMENTS_LIMIT", 10)
    assert "more than 10 bytes" in refused(
        attachments=[{"name": "a", "content": "x" * 6}, {"name": "b", "content": "x" * 6}]
    )
    assert "not base64" in refused(attachments=[{"name": "a", "base64": "?"}])
    assert "media type" in refused(attachments=[{"name": "a", "content": "", "type": "x\r\ny: z"}])


def server(**saved) -> transport.Server:
    ctx = action_context(connections={"mail": {"type": "smtp", **saved}, "db": {"type": "postgres"}})
    return transport.server_of(ctx, msgspec.convert({"to": "a@b.c", "connection": "mail"}, SendParams))


def test_connections_by_url():
    smtp = server(url="smtps://u%40x:p%3Aw@mail.example.org:4650").smtp
    assert (smtp.host, smtp.port, smtp.user, smtp.password, smtp.tls) == (
        "mail.example.org",
        4650,
        "u@x",
        "p:w",
        "implicit",
    )
    assert server(url="smtp://h").smtp.tls == "auto"
    assert server(url="smtp://h?tls=starttls").smtp.tls == "starttls"
    assert server(url="smtp://h", **{"from": "a@b.c"}).sender == "a@b.c"


@pytest.mark.parametrize("url", ["", "http://h", "smtp://", "smtp://h?tls=no", "smtp://u:hunter2@h:x", "smtp://[::"])
def test_urls_that_are_refused_without_showing_the_password(url):
    with pytest.raises(PermanentError, match="connection 'mail'") as caught:
        server(url=url)
    assert "hunter2" not in str(caught.value)


def test_connections_that_are_not_there():
    ctx = action_context(connections={"db": {"type": "postgres"}})
    for name, says in (("mail", "no connection 'mail'"), ("db", "type 'postgres'")):
        with pytest.raises(PermanentError, match=says):
            transport.server_of(ctx, msgspec.convert({"to": "a@b.c", "connection": name}, SendParams))


@pytest.mark.parametrize(
    ("smtp", "port"),
    [
        ({}, 25),
        ({"user": "u"}, 587),
        ({"tls": "implicit"}, 465),
        ({"port": 465}, 465),
        ({"tls": "none", "port": 2525}, 2525),
    ],
)
def test_ports(smtp, port):
    client = transport._client(msgspec.convert({"host": "h", **smtp}, Smtp), 1)
    assert client.port == port
    assert client.use_tls == (port == 465)
