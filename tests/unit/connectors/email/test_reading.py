"""What a message becomes, and that no message of a stranger does anything else."""

from __future__ import annotations

import datetime as dt
import json
import random
import time
from email.message import EmailMessage
from typing import Any

import pytest

from reactor.connectors.email import connector, reading
from reactor.connectors.email.config import EmailConfig, size
from reactor.sdk import DeadLetter
from reactor.sdk.content import MalformedError

TRIGGER: Any = connector.triggers[0]
CONFIG = EmailConfig(attachments="content")


def read(*lines: str | bytes, config: EmailConfig = CONFIG) -> dict[str, Any]:
    raw = b"\r\n".join(line.encode() if isinstance(line, str) else line for line in lines)
    data = reading.read(raw, config)
    json.dumps(data).encode()  # no halves of surrogate pairs, no bytes
    return data


def test_all_of_a_common_message():
    data = read(
        "From: Ann Bell <ann@example.org>",
        'To: bob@example.org, "Carl, the Great" <carl@example.org>',
        "Cc: Team: dora@example.org, eve@example.org;",
        "Reply-To: <reply@example.org>",
        "Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?= from =?iso-8859-1?b?wPDgIA==?=",
        "Date: Fri, 21 Nov 2025 10:00:00 +0100",
        "Message-ID: <1@example.org>",
        "Received: one",
        "Received: two",
        "MIME-Version: 1.0",
        'Content-Type: multipart/alternative; boundary="b"',
        "",
        "--b",
        "Content-Type: text/plain; charset=utf-8",
        "",
        "Grüße",
        "--b",
        "Content-Type: text/html; charset=iso-8859-1",
        "Content-Transfer-Encoding: quoted-printable",
        "",
        "<b>Gr=FC=DFe</b>",
        "--b--",
    )
    assert data["from"] == "Ann Bell <ann@example.org>"
    assert data["to"] == ["bob@example.org", '"Carl, the Great" <carl@example.org>']
    assert data["cc"] == ["dora@example.org", "eve@example.org"]
    assert data["reply_to"] == ["reply@example.org"]
    assert data["subject"] == "Grüße from Àðà"
    assert data["date"] == "2025-11-21T09:00:00Z"
    assert data["message_id"] == "<1@example.org>"
    assert data["text"] == "Grüße"
    assert data["html"] == "<b>Grüße</b>"
    assert data["attachments"] == []
    assert data["headers"]["received"] == ["one", "two"]
    assert data["headers"]["mime-version"] == "1.0"


def test_an_empty_message():
    data = read("")
    assert data == {
        "from": "",
        "to": [],
        "cc": [],
        "reply_to": [],
        "subject": "",
        "date": None,
        "message_id": None,
        "text": "",
        "html": None,
        "attachments": [],
        "headers": {},
    }


@pytest.mark.parametrize(
    ("charset", "content", "text"),
    [
        ("utf-8", b"\xc3\xa4", "ä"),
        ("iso-8859-1", b"\xe4", "ä"),
        ("windows-1252", b"\x80", "€"),
        ("x-unknown", b"\xc3\xa4", "ä"),
        ("x-unknown", b"\xe4", "ä"),
        ("utf-8", b"\xe4", "ä"),
        ("us-ascii", b"\xc3\xa4", "ä"),
        ("hex", b"6162", "6162"),
        ("utf-7", b"+2AA-", "\ufffd"),
        ("idna", b"xn--4ca", "ä"),
        ("utf-8", b"a\x00b", "a\ufffdb"),
        ("", b"plain", "plain"),
    ],
)
def test_charsets(charset, content, text):
    kind = f"Content-Type: text/plain; charset={charset}" if charset else "Content-Type: text/plain"
    assert read(kind, "Content-Transfer-Encoding: 8bit", "", content)["text"] == text


@pytest.mark.parametrize(
    ("header", "shown"),
    [
        ("From: =?utf-8?q?J=C3=BCrgen?= <j@example.org>", "Jürgen <j@example.org>"),
        ("From: =?utf-8?q?Evil=0D=0ABcc=3A_x=40y=2Ez?= <j@example.org>", '"Evil Bcc: x@y.z" <j@example.org>'),
        ("From: =?utf-8?q?boss=40example=2Eorg?= <j@example.org>", '"boss@example.org" <j@example.org>'),
        ('From: "a\\"b" <j@example.org>', '"a\\"b" <j@example.org>'),
        ("From: j@example.org (Jane)", "Jane <j@example.org>"),
        ("From: no address at all", "no address at all"),
        ("From: Cron Daemon <root>", "Cron Daemon <root>"),
        ("From: undisclosed:;", ""),
        ("From: <>", ""),
        ("From: @", ""),
        ("From: =?x-unknown?q?J=E4n?= <j@example.org>", "Jän <j@example.org>"),
    ],
)
def test_who_it_is_from(header, shown):
    assert read(header, "")["from"] == shown


def test_bytes_in_headers_that_are_ascii_only():
    data = read("Subject: Grüße".encode(), b"X-Latin: Gr\xfc\xdfe", "")
    assert data["subject"] == "Grüße"
    assert data["headers"]["x-latin"] == "Gr\ufffd\ufffde"


def test_no_header_adds_another():
    data = read("Subject: =?utf-8?b?YQ0KWC1FdmlsOiBi?=", "X-Folded: a", " b", "")
    assert data["subject"] == "a X-Evil: b"
    assert data["headers"]["x-folded"] == "a  b"
    assert "x-evil" not in data["headers"]


@pytest.mark.parametrize(
    ("disposition", "name"),
    [
        ('attachment; filename="a.pdf"', "a.pdf"),
        ("attachment; filename*=utf-8''Gr%C3%BC%C3%9Fe.pdf", "Grüße.pdf"),
        ('attachment; filename="=?utf-8?q?Gr=C3=BC=C3=9Fe=2Epdf?="', "Grüße.pdf"),
        ('attachment; filename="../../etc/passwd"', "passwd"),
        ('attachment; filename="C:\\\\temp\\\\a.exe"', "a.exe"),
        ('attachment; filename=".."', None),
        ("attachment; filename*=utf-8''a%0D%0AX.pdf", "a X.pdf"),
        ("attachment; filename*=utf-8''invoice%E2%80%AEfdp.exe", "invoice fdp.exe"),
        ("attachment; filename*=x-none''a.pdf", "a.pdf"),
        ('attachment; filename="' + "a" * 1000 + '"', "a" * 255),
        ("attachment", None),
        ("attachment; filename*0=a; filename*1=b.pdf", "ab.pdf"),
    ],
)
def test_names_of_attachments(disposition, name):
    data = read(f"Content-Disposition: {disposition}", "Content-Type: application/pdf", "", "x")
    (attachment,) = data["attachments"]
    assert attachment["name"] == name
    assert data["text"] is None


def test_attachments():
    message = EmailMessage()
    message.set_content("body")
    message.add_related(b"GIF", maintype="image", subtype="gif", cid="<pic@x>", disposition="inline")
    message.add_attachment("text that is a file", filename="notes.txt")
    inner = EmailMessage()
    inner["Subject"] = "the one before"
    inner.set_content("inner text")
    message.add_attachment(inner)
    data = reading.read(message.as_bytes(), CONFIG)
    assert data["text"] == "body\n"
    assert [(each["name"], each["type"], each["inline"], each["content_id"]) for each in data["attachments"]] == [
        (None, "image/gif", True, "pic@x"),
        ("notes.txt", "text/plain", False, None),
        (None, "message/rfc822", False, None),
    ]
    assert data["attachments"][0]["content"] == "R0lG"
    assert data["attachments"][2]["size"] > 50


@pytest.mark.parametrize(
    "lines",
    [
        ("Content-Type: multipart/mixed", "", "no boundary"),
        ("Content-Type: multipart/mixed; boundary=b", "", "never begins"),
        ("Content-Type: multipart/mixed; boundary=b", "", "--b", "", "never ends"),
        ("Content-Type: text/plain; charset", "", "x"),
        ("Content-Type: ;;;=", "", "x"),
        ("Content-Type: text/plain", "Content-Transfer-Encoding: base64", "", "%%%not base64"),
        ("Content-Transfer-Encoding: uuencode", "", "begin 666 x", "M", "end"),
        ("Content-Type: message/rfc822", "", "Subject: inner", "", "text"),
        ("Content-Type: message/partial", "", "x"),
        ("Date: yesterday", "Date: Fri, 99 Foo 99999999999 99:99:99 +9999", "", "x"),
        ("To: " + "(" * 5_000, "", "x"),
        ("To: " + '"' * 5_001 + "@", "", "x"),
        ("no header at all", "x"),
        (": empty name", "", "x"),
        ("Subject: =?utf-8?b?!!!!?=", "", "x"),
        ("Subject: =?utf-8?q?" + "=C3" * 10_000 + "?=", "", "x"),
        ("Content-Disposition: attachment; filename*=utf-8'", "", "x"),
        (b"\xff\xfe\x00\x01",),
    ],
)
def test_broken_messages_are_read_as_far_as_they_can_be(lines):
    data = read(*lines)
    assert isinstance(data["headers"], dict)


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"".join(b"Content-Type: multipart/mixed; boundary=%d\n\n--%d\n" % (n, n) for n in range(900)), "multiparts"),
        (b"Content-Type: message/rfc822\n\n" * 5_000, "parsed"),
        (b"Content-Type: multipart/mixed; boundary=b\n\n" + b"--b\n\nx\n" * 5_000, "parts"),
        (b"X: y\n" * 5_000 + b"\n", "header fields"),
        (b"X: " + b"y" * 100_000 + b"\n\n", "header field X"),
        (b"X: y\n" * 500_000, "headers have more"),
    ],
)
def test_messages_that_exist_to_keep_us_busy_are_refused(raw, reason):
    begun = time.process_time()
    with pytest.raises(reading.UnreadableError, match=reason):
        reading.read(raw, CONFIG)
    assert time.process_time() - begun < 5


@pytest.mark.parametrize("field", ["To", "Content-Type", "Content-Disposition", "Date", "Subject"])
@pytest.mark.parametrize("filling", ['"', "(", "\\", "a@b,", "=?", ";a*0=b", "a/"])
def test_no_field_takes_long(field, filling):
    begun = time.process_time()
    read(f"{field}: {(filling * 64_000)[:64_000]}", "", "text")
    assert time.process_time() - begun < 2


def test_noise_never_raises_anything_else():
    chance = random.Random(7)
    seed = _seed()
    for _ in range(300):
        raw = bytearray(seed)
        for _ in range(chance.randint(1, 30)):
            at = chance.randrange(len(raw))
            raw[at : at + chance.randint(0, 4)] = bytes(chance.randrange(256) for _ in range(chance.randint(0, 4)))
        try:
            json.dumps(reading.read(bytes(raw), CONFIG)).encode()
        except reading.UnreadableError:
            continue


def _seed() -> bytes:
    message = EmailMessage()
    message["From"], message["Subject"] = "Jürgen <j@example.org>", "Grüße an alle"
    message.set_content("Grüße")
    message.add_alternative("<p>Grüße</p>", subtype="html")
    message.add_attachment(b"x" * 100, maintype="application", subtype="pdf", filename="Rechnung für Ann.pdf")
    return message.as_bytes()


def test_a_dead_letter_is_read_again():
    letter = DeadLetter(reason="x", payload=b"Subject: hi\r\n\r\ntext", metadata={"uid": 7, "folder": "INBOX"})
    draft = TRIGGER.redo(EmailConfig(), letter)
    assert (draft.type, draft.subject, draft.data["text"]) == ("email.received", "hi", "text")
    assert draft.metadata["uid"] == 7


@pytest.mark.parametrize(
    ("letter", "why"),
    [
        (reading.unreadable("big", b"Subject: x\r\n\r\n", {"uid": 7, "folder": "A"}, truncated=True), "message 7 of A"),
        (DeadLetter(reason="x", payload=b"x" * 2_000), "`max_size` is 1KB"),
        (DeadLetter(reason="x", payload=b"boundary=" * 101), "multiparts"),
    ],
)
def test_a_dead_letter_that_can_still_not_be_read(letter, why):
    with pytest.raises(MalformedError, match=why):
        TRIGGER.redo(EmailConfig(max_size="1KB"), letter)


def test_the_time_is_when_it_arrived():
    arrived = dt.datetime(2025, 11, 21, 10, tzinfo=dt.UTC)
    assert reading.draft(b"", CONFIG, {}, arrived).time == int(arrived.timestamp() * 1000)


@pytest.mark.parametrize(
    ("config", "problem"),
    [
        ({}, None),
        ({"mark": "move Done"}, None),
        ({"mark": "move"}, "mark"),
        ({"mark": "move INBOX"}, "come again for ever"),
        ({"mark": "read"}, "none of none, seen, delete"),
        ({"mark": "move a\r\nb"}, "mark"),
        ({"folder": ""}, "folder"),
        ({"folder": "a\r\nx LOGOUT"}, "folder"),
        ({"search": "ALL\r\nx DELETE INBOX"}, "search"),
        ({"search": " "}, "search"),
        ({"every": "1ms"}, "every"),
        ({"every": "soon"}, "every"),
        ({"batch": 0}, "batch"),
        ({"max_size": "much"}, "max_size"),
        ({"max_size": "1000MB"}, "max_size"),
        ({"max_attachment": 0}, "max_attachment"),
    ],
)
def test_configurations(config, problem):
    found = TRIGGER.check(EmailConfig(**config))
    assert found == [] if problem is None else problem in found[0]


@pytest.mark.parametrize(("text", "number"), [(7, 7), ("7", 7), ("2KB", 2048), ("2 kib", 2048), ("1M", 1048576)])
def test_sizes(text, number):
    assert size(text) == number
