"""From parameters to a message. Nothing in a value can add a header or a recipient."""

from __future__ import annotations

import base64
import binascii
import datetime as dt
import email.errors
import email.policy
import hashlib
import mimetypes
import re
from collections.abc import Iterable
from email.headerregistry import Address
from email.message import EmailMessage

import msgspec

from reactor.connectors.email.actions import Attachment, Scalar, SendParams
from reactor.sdk import ActionContext, PermanentError
from reactor.sdk.paths import inside_roots

ATTACHMENTS_LIMIT = 25 * 1024 * 1024
"""Bytes of all attachments together; few servers take more."""
ADDRESSES_LIMIT = 10_000
"""Characters of one text of addresses."""
# What the standard library's parser raises on texts that are no addresses, beside what it means to raise.
_SLIPS = (AttributeError, LookupError, TypeError, ValueError, RecursionError, email.errors.MessageError)
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_MEDIA_TYPE = re.compile(r"[\w.+-]+/[\w.+-]+", re.ASCII)
_POLICY = email.policy.SMTP.clone(raise_on_defect=False)


class Letter(msgspec.Struct, frozen=True):
    """A message with its envelope."""

    id: str
    sender: str
    recipients: list[str]
    message: EmailMessage


def build(ctx: ActionContext, params: SendParams, default_sender: str | None) -> Letter:
    """The message and whom it is for. Reads attachments from the disk.

    Raises:
        PermanentError: kind `input`: a line break in a header, an address that is none, an attachment that cannot be.
    """
    if not (params.from_ or default_sender):
        raise PermanentError("input", "from: is missing, and the connection has no `from` either")
    (sender,) = _addresses("from", params.from_ or default_sender or "", one=True)
    to, cc, bcc = (_addresses(name, getattr(params, name)) for name in ("to", "cc", "bcc"))
    message = EmailMessage(policy=_POLICY)
    message["From"] = sender
    for name, people in (("To", to), ("Cc", cc), ("Reply-To", _addresses("reply_to", params.reply_to))):
        if people:
            message[name] = people
    message["Subject"] = _plain("subject", params.subject)
    message["Date"] = dt.datetime.fromtimestamp(ctx.clock.now() / 1000, dt.UTC)
    message["Message-ID"] = _message_id(ctx.idempotency_key, sender.domain)
    for name, value in params.headers.items():
        message[name] = _plain(f"headers.{name}", value)
    _fill(message, params)
    _attach(ctx, message, params.attachments)
    recipients = list(dict.fromkeys(address.addr_spec for address in (*to, *cc, *bcc)))
    return Letter(message["Message-ID"], sender.addr_spec, recipients, message)


def _fill(message: EmailMessage, params: SendParams) -> None:
    text, html = (None if part is None else _encodable(part) for part in (params.text, params.html))
    if text is not None or html is None:
        message.set_content(text or "")
        if html is not None:
            message.add_alternative(html, subtype="html")
    else:
        message.set_content(html, subtype="html")


def _attach(ctx: ActionContext, message: EmailMessage, attachments: Iterable[Attachment]) -> None:
    room = ATTACHMENTS_LIMIT
    for attachment in attachments:
        content, name = _content(ctx, attachment, room)
        room -= len(content)
        if room < 0:
            raise PermanentError("input", f"attachments: more than {ATTACHMENTS_LIMIT} bytes together")
        name = _plain("attachments.name", attachment.name or name)
        kind = attachment.type or mimetypes.guess_type(name)[0] or "application/octet-stream"
        if not _MEDIA_TYPE.fullmatch(kind):
            raise PermanentError("input", f"attachments: {kind!r} is not a media type such as application/pdf")
        maintype, _, subtype = kind.partition("/")
        if maintype in {"multipart", "message"}:  # would be read as structure, not as a file
            maintype, subtype = "application", "octet-stream"
        message.add_attachment(content, maintype=maintype, subtype=subtype, filename=name)


def _content(ctx: ActionContext, attachment: Attachment, room: int) -> tuple[bytes, str]:
    if attachment.content is not None:
        return _encodable(attachment.content).encode(), ""
    if attachment.base64 is not None:
        try:
            return base64.b64decode(attachment.base64, validate=True), ""
        except (binascii.Error, ValueError) as error:
            raise PermanentError("input", f"attachments: {attachment.name!r} is not base64: {error}") from error
    path = inside_roots(ctx.settings, attachment.path or "")
    try:
        if not path.is_file():
            raise PermanentError("input", f"attachments: {attachment.path!r} is not a file")
        with path.open("rb") as file:
            return file.read(room + 1), path.name
    except OSError as error:
        raise PermanentError("input", f"attachments: {attachment.path!r} cannot be read: {error.strerror}") from error


def _addresses(name: str, given: str | list[str], *, one: bool = False) -> list[Address]:
    """Each text may hold several addresses with commas between them, `Ann <ann@example.org>` or bare."""
    found: list[Address] = []
    for text in [given] if isinstance(given, str) else given:
        found += _parse(name, _plain(name, text))
    if one and len(found) != 1:
        raise PermanentError("input", f"{name}: {given!r} should be one address")
    return found


def _parse(name: str, text: str) -> list[Address]:
    if len(text) > ADDRESSES_LIMIT:
        raise PermanentError("input", f"{name}: a text of {len(text)} characters; give a list of addresses")
    try:
        header = _POLICY.header_factory("to", text)
        addresses = header.addresses
        # The server is asked whether it takes those that are not ASCII.
        defects = [each for each in header.defects if not isinstance(each, email.errors.NonASCIILocalPartDefect)]
    except _SLIPS as error:
        raise PermanentError("input", f"{name}: {text[:200]!r} is not an address") from error
    if defects or not addresses or not all(address.username and address.domain for address in addresses):
        raise PermanentError(
            "input", f"{name}: {text[:200]!r} is not an address; write ann@example.org or Ann <ann@example.org>"
        )
    return [_ascii_domain(name, address) for address in addresses]


def _ascii_domain(name: str, address: Address) -> Address:
    try:
        domain = address.domain.encode("idna").decode()
    except UnicodeError as error:
        raise PermanentError("input", f"{name}: {address.domain!r} is not a domain") from error
    return Address(address.display_name, address.username, domain)


def _plain(name: str, value: Scalar) -> str:
    """A value for one header line; a line break in it would start another header."""
    value = str(value)
    if _CONTROL.search(value):
        raise PermanentError("input", f"{name}: line breaks and control characters are not allowed here")
    return _encodable(value)


def _encodable(text: Scalar) -> str:
    """As text; half a surrogate pair cannot be sent and becomes a question mark."""
    return str(text).encode("utf-8", "replace").decode()


def _message_id(key: str, domain: str) -> str:
    return f"<{hashlib.sha256(key.encode('utf-8', 'surrogatepass')).hexdigest()[:40]}@{domain}>"
