"""From a message as it came to an event. Pure; whatever is in a message, nothing but `UnreadableError` comes out of it.

Messages are written by strangers: what a header decodes to has no line breaks, names of files have no folders, texts
are Unicode whatever charset they claim, and structures that exist to keep a reader busy are refused before they are
parsed.
"""

from __future__ import annotations

import base64
import datetime as dt
import email
import email.errors
import email.policy
import email.utils
import itertools
import re
from collections.abc import Iterator
from email.header import decode_header
from email.message import EmailMessage, Message
from typing import Any

from reactor.connectors.email.config import EmailConfig, size
from reactor.model.event import JSON
from reactor.sdk import DeadLetter, EventDraft
from reactor.sdk.content import MalformedError

TYPE = "email.received"
MULTIPARTS = 100
"""Boundaries in one message; each line is compared with all that are open."""
PARTS = 1_000
HEADERS = 500
HEADER = 65_536
"""Bytes of one header field."""
HEAD = 1_048_576
"""Bytes of all of them."""
NAME = 255
"""Characters of an attachment's name."""
_CUT = 2_000
"""Characters of a field that says how a part is to be read."""
# What the standard library's parser raises on texts that are no mail, beside what it means to raise.
_SLIPS = (
    AttributeError,
    AssertionError,
    LookupError,
    TypeError,
    ValueError,
    RecursionError,
    email.errors.MessageError,
)
_BOUNDARY = re.compile(rb"boundary\s*(?:\*\d*\*?)?\s*=", re.IGNORECASE)
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
_UNSAFE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]+")
_SURROGATES = re.compile(r"[\ud800-\udfff]+")
_PLAIN_NAME = re.compile(r"[^()<>@,:;\\\".\[\]]*")
_TEXTS = ("text/plain", "text/html")
_TRUNCATED = "truncated"


class _Policy(email.policy.EmailPolicy):
    """The default one, but it hands out fields as they are, cut short. The library's full parser of fields takes
    minutes for 64 KB of quotation marks; what reads content types and names of files from plain texts does not.
    """

    def header_fetch_parse(self, name: str, value: str) -> str:
        del name
        return re.sub(r"[\r\n]+", "", value[:_CUT])


_POLICY = _Policy()


class UnreadableError(Exception):
    """Why a message makes no event, in one sentence."""


def draft(raw: bytes, config: EmailConfig, metadata: dict[str, JSON], arrived: dt.datetime | None) -> EventDraft:
    """The event of a message.

    Raises:
        UnreadableError: it cannot be read.
    """
    data = read(raw, config)
    return EventDraft(
        type=TYPE,
        data=data,
        subject=data["subject"][:NAME] or None,
        time=None if arrived is None else int(arrived.timestamp() * 1000),
        metadata=metadata,
    )


def unreadable(reason: str, payload: bytes, metadata: dict[str, JSON], *, truncated: bool = False) -> DeadLetter:
    """A message that makes no event; `truncated`: the payload is only its beginning."""
    return DeadLetter(
        reason=reason, payload=payload, metadata={**metadata, _TRUNCATED: True} if truncated else metadata
    )


def again(config: EmailConfig, letter: DeadLetter) -> EventDraft:
    """Read a dead letter with the configuration as it is now.

    Raises:
        MalformedError: it still cannot be read.
    """
    if letter.metadata.get(_TRUNCATED):
        where = f"message {letter.metadata.get('uid')} of {letter.metadata.get('folder')}"
        raise MalformedError(400, f"only the headers of it were kept; the whole of it is {where}, in the mailbox")
    if len(letter.payload) > size(config.max_size):
        raise MalformedError(400, f"it has {len(letter.payload)} bytes, and `max_size` is {config.max_size}")
    try:
        return draft(letter.payload, config, dict(letter.metadata), None)
    except UnreadableError as error:
        raise MalformedError(400, str(error)) from error


def read(raw: bytes, config: EmailConfig) -> dict[str, Any]:
    """The data of a message.

    Raises:
        UnreadableError: it cannot be read.
    """
    _refuse_traps(raw)
    try:
        message = email.message_from_bytes(raw, policy=_POLICY)
        return _data(message, config)
    except _SLIPS as error:
        raise UnreadableError(f"the message cannot be parsed: {type(error).__name__}") from error


def _refuse_traps(raw: bytes) -> None:
    head = re.search(rb"\r?\n\r?\n", raw[: HEAD + 4])
    if head is None and len(raw) > HEAD:
        raise UnreadableError(f"its headers have more than {HEAD} bytes")
    if next(itertools.islice(_BOUNDARY.finditer(raw), MULTIPARTS, None), None) is not None:
        raise UnreadableError(f"it has more than {MULTIPARTS} multiparts")


def _data(message: Message, config: EmailConfig) -> dict[str, Any]:
    fields = _fields(message)
    texts: dict[str, list[str]] = {"plain": [], "html": []}
    attachments: list[dict[str, JSON]] = []
    for part in _parts(message):
        kind = _kind(part)
        placed = _disposition(part)
        name = _file_name(part)
        if kind in _TEXTS and not name and placed != "attachment":
            texts[kind.removeprefix("text/")].append(_text(part))
        elif config.attachments != "none":
            attachments.append(_attachment(part, (kind, name, placed), config))
    return {
        "from": next(iter(_addresses(message, "from")), ""),
        "to": _addresses(message, "to"),
        "cc": _addresses(message, "cc"),
        "reply_to": _addresses(message, "reply-to"),
        "subject": _first(fields.get("subject")),
        "date": _date(message),
        "message_id": _first(fields.get("message-id")) or None,
        "text": "\n".join(texts["plain"]) if texts["plain"] else None,
        "html": "\n".join(texts["html"]) if texts["html"] else None,
        "attachments": attachments,
        "headers": fields,
    }


# ---------------------------------------------------------------- headers


def _fields(message: Message) -> dict[str, Any]:
    """Header fields by their name in small letters; one that is there several times is a list."""
    found: dict[str, list[str]] = {}
    for count, (name, value) in enumerate(message.raw_items()):
        if count >= HEADERS:
            raise UnreadableError(f"it has more than {HEADERS} header fields")
        if len(value) > HEADER:
            raise UnreadableError(f"its header field {_line(name)[:60]} has more than {HEADER} bytes")
        found.setdefault(_line(name).lower(), []).append(_decoded(str(value)))
    return {name: values[0] if len(values) == 1 else values for name, values in found.items()}


def _decoded(value: str) -> str:
    """The text of a field: encoded words (RFC 2047) read, on one line."""
    if "=?" not in value:
        return _line(value)
    # Line ends between two encoded words belong to neither.
    unfolded = re.sub(r"\r?\n[ \t]*", " ", value)
    try:
        pieces = decode_header(unfolded)
    except _SLIPS:
        return _line(value)
    return _line("".join(_from_charset(piece, charset) for piece, charset in pieces))


def _from_charset(piece: bytes | str, charset: str | None) -> str:
    if isinstance(piece, str):
        return piece
    if charset is None:  # what stands between encoded words
        return piece.decode("utf-8", "replace")
    return _characters(piece, charset)


def _line(value: str) -> str:
    """On one line, without control characters and halves of surrogate pairs."""
    return _CONTROL.sub(" ", _whole(value)).strip()


def _whole(value: str) -> str:
    """Bytes that came in where only ASCII may stand are read as UTF-8; what is none becomes a replacement mark."""
    if not _SURROGATES.search(value):
        return value
    return value.encode("utf-8", "surrogateescape" if _escaped(value) else "replace").decode("utf-8", "replace")


def _escaped(value: str) -> bool:
    return all("\udc80" <= character <= "\udcff" for found in _SURROGATES.findall(value) for character in found)


def _first(value: Any) -> str:
    """Of a field that is there several times, the first."""
    found = value[0] if isinstance(value, list) else value
    return found or ""


def _addresses(message: Message, field: str) -> list[str]:
    """`Ann <ann@example.org>`, or the address alone where there is no name."""
    found: list[str] = []
    for name, value in message.raw_items():
        if name.lower() == field:
            found += _of_field(_unfolded(str(value)))
    return found


def _of_field(value: str) -> list[str]:
    if "@" not in value:  # a name alone, a local user, or a group of nobody
        text = _decoded(value)
        return [text] if text.strip("<>") and not text.endswith(":;") else []
    try:
        pairs = email.utils.getaddresses([value])
    except _SLIPS:
        return [_line(value)]
    return [shown for name, address in pairs if (shown := _address(_decoded(name), address))]


def _unfolded(value: str) -> str:
    return re.sub(r"[\r\n]+", "", value)


def _address(name: str, address: str) -> str:
    name, address = _line(name), _line(address)
    if not name or not address or address == "<>":
        return "" if address == "<>" else address or name
    if not _PLAIN_NAME.fullmatch(name):
        name = '"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return f"{name} <{address}>"


def _date(message: Message) -> str | None:
    """In UTC, as RFC 3339."""
    value = next((str(value) for name, value in message.raw_items() if name.lower() == "date"), "")
    try:
        found = email.utils.parsedate_to_datetime(value)
        if found.tzinfo is None:  # `-0000`: UTC, from nobody knows where
            found = found.replace(tzinfo=dt.UTC)
        return found.astimezone(dt.UTC).isoformat().replace("+00:00", "Z")
    except (*_SLIPS, OverflowError):
        return None


# ---------------------------------------------------------------- parts


def _parts(message: Message) -> Iterator[Message]:
    """All that is no container, in order. A message within the message is one of them."""
    left: list[Message] = [message]
    count = 0
    while left:
        part = left.pop()
        count += 1
        if count > PARTS:
            raise UnreadableError(f"it has more than {PARTS} parts")
        inner = part.get_payload()
        if isinstance(inner, list) and not _kind(part).startswith("message/"):
            left += [each for each in reversed(inner) if isinstance(each, Message)]
        else:
            yield part


def _kind(part: Message) -> str:
    try:
        return part.get_content_type()
    except _SLIPS:
        return "application/octet-stream"


def _disposition(part: Message) -> str:
    try:
        return part.get_content_disposition() or ""
    except _SLIPS:
        return ""


def _file_name(part: Message) -> str:
    """Its name without folders; empty: it has none."""
    try:
        name = part.get_filename() or ""
    except _SLIPS:
        return ""
    if "=?" in name:  # not allowed there (RFC 2231), and common
        name = _decoded(name)
    name = _UNSAFE.sub(" ", _whole(name)).replace("\\", "/").rpartition("/")[2].strip()
    return "" if name in {".", ".."} else name[:NAME]


def _text(part: Message) -> str:
    content = _content(part)
    try:
        charset = part.get_content_charset() or ""
    except _SLIPS:
        charset = ""
    return _characters(content, charset).replace("\r\n", "\n")


def _characters(content: bytes, charset: str) -> str:
    """As text, by its charset where that is known and true, else as UTF-8, else as the bytes that they are."""
    for name in (charset, "utf-8"):
        try:
            return _SURROGATES.sub("\ufffd", content.decode(name)).replace("\x00", "\ufffd")
        except (LookupError, ValueError):  # unknown, no charset of texts (`hex`), or not true
            continue
    return content.decode("latin-1").replace("\x00", "\ufffd")


def _content(part: Message) -> bytes:
    """Its bytes, decoded as far as they can be."""
    inner = part.get_payload()
    if isinstance(inner, list):  # a message in the message
        return b"".join(each.as_bytes(policy=email.policy.SMTP) for each in inner if isinstance(each, EmailMessage))
    found = part.get_payload(decode=True)
    return found if isinstance(found, bytes) else b""


def _attachment(part: Message, known: tuple[str, str, str], config: EmailConfig) -> dict[str, JSON]:
    kind, name, placed = known
    content = _content(part)
    identity = _line(str(part.get("content-id") or "")).strip("<>")
    about: dict[str, JSON] = {
        "name": name or None,
        "type": kind,
        "size": len(content),
        "inline": placed == "inline",
        "content_id": identity or None,
    }
    if config.attachments == "content":
        fits = len(content) <= size(config.max_attachment)
        about["content"] = base64.b64encode(content).decode() if fits else None
    return about
