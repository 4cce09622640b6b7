"""Bodies of webhooks → `event.data`, by content type, within bounds.

Sources: RFC 8259 (JSON), RFC 7578 and RFC 2046 §5.1 (multipart/form-data),
https://url.spec.whatwg.org/#application/x-www-form-urlencoded.
"""

from __future__ import annotations

import base64
import re
from typing import Any
from urllib.parse import parse_qsl

import msgspec

from reactor.connectors.http.media import CODINGS, Damaged, Decompressor, TooLarge, is_json, is_text, media_type

DEPTH = 100
"""Levels of lists and maps in JSON."""
_LIMIT = 10 * 1024 * 1024
_FIELDS = 1000
_BOM = b"\xef\xbb\xbf"
_DEEPER = frozenset({dict, list})
_BYTE = re.compile(r"\(byte (\d+)\)")
_PARAMETER = re.compile(r";\s*([a-z-]+\*?)\s*=\s*(?:\"((?:[^\"\\]|\\.)*)\"|([^\s;]+))", re.IGNORECASE)
_decode = msgspec.json.Decoder().decode


class BadBody(Exception):
    """The body is not what its headers say. `line` and `column` count from 1; `status` is the answer's."""

    def __init__(self, detail: str, *, line: int | None = None, column: int | None = None, status: int = 400) -> None:
        super().__init__(detail)
        self.detail = detail
        self.line = line
        self.column = column
        self.status = status


class Body(msgspec.Struct, frozen=True):
    """What was in it."""

    data: Any
    raw: bytes | None = None
    """The JSON text, when the body was one."""
    encoding: str | None = None
    """`base64`: data is that, because it is no text."""


_EMPTY = Body(None, b"null")


def read(body: bytes, content_type: str, coding: str = "") -> Body:
    """The content of a body.

    Raises:
        BadBody: it is not what its headers say, or over a bound.
    """
    if coding and coding.lower() != "identity":
        body = _decompressed(body, coding)
    if not body:
        return _EMPTY
    kind, charset = media_type(content_type)
    if is_json(kind):
        return _json(_utf8(body, charset))
    if kind == "application/x-www-form-urlencoded":
        return _form(body)
    if kind == "multipart/form-data":
        return Body(_multipart(body, content_type))
    if is_text(kind):
        return Body(_text(body, charset))
    return _guess(body) or Body(base64.b64encode(body).decode(), encoding="base64")


def read_json(body: bytes) -> Any:
    """JSON in UTF-8, of at most `DEPTH` levels.

    Raises:
        BadBody: it is not.
    """
    try:
        data = _decode(body)
    except RecursionError:
        raise BadBody(f"the JSON is more than {DEPTH} levels deep") from None
    except UnicodeDecodeError:
        raise BadBody("the JSON is not valid UTF-8") from None
    except msgspec.MsgspecError as error:
        raise _located(body, str(error)) from None
    # So many brackets are needed to be so deep: nearly every body is through here with two quick counts.
    if body.count(b"[") + body.count(b"{") > DEPTH:
        _measure(data)
    return data


def _measure(data: Any) -> None:
    level = [data]
    for _ in range(DEPTH):
        level = [
            inner
            for value in level
            for inner in (value.values() if type(value) is dict else value)
            if type(inner) in _DEEPER
        ]
        if not level:
            return
    raise BadBody(f"the JSON is more than {DEPTH} levels deep")


def _located(body: bytes, message: str) -> BadBody:
    found = _BYTE.search(message)
    offset = min(int(found[1]), len(body)) if found else len(body)
    if "trailing characters" in message:
        offset -= 1  # of this one msgspec tells the place behind it
    before = body[:offset]
    column = len(before[before.rfind(b"\n") + 1 :].decode("utf-8", "replace")) + 1
    reason = _BYTE.sub("", message).removeprefix("JSON is malformed: ").strip()
    if reason == "Input data was truncated":
        # msgspec says so of half a surrogate pair too, wherever it stands.
        reason = "it ends too early, or holds half of a surrogate pair"
    return BadBody(f"the body is not valid JSON: {reason}", line=before.count(b"\n") + 1, column=column)


def _json(body: bytes) -> Body:
    body = body.removeprefix(_BOM)  # RFC 8259 §8.1: may be ignored
    return Body(read_json(body), body)


def _utf8(body: bytes, charset: str | None) -> bytes:
    if charset is None or charset.lower() in {"utf-8", "utf8", "us-ascii"}:
        return body
    return _text(body, charset).encode()


def _text(body: bytes, charset: str | None) -> str:
    try:
        return body.removeprefix(_BOM).decode(charset or "utf-8")
    except LookupError:
        raise BadBody(f"the charset {charset!r} is not known", status=415) from None
    except UnicodeError:
        raise BadBody(f"the body is not valid {charset or 'utf-8'}; say its charset in Content-Type") from None


def _guess(body: bytes) -> Body | None:
    """JSON under another or no content type."""
    try:
        return _json(body)
    except BadBody:
        return None


def _form(body: bytes) -> Body:
    if body.lstrip()[:1] in {b"{", b"["} and (found := _guess(body)):
        # `curl -d '{"id": 7}'` says "form" of its JSON. In a real form these brackets would be percent-encoded.
        return found
    try:
        pairs = parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=_FIELDS, errors="strict")
    except UnicodeError:
        raise BadBody("the form is not valid UTF-8") from None
    except ValueError:
        raise BadBody(f"the form has more than {_FIELDS} fields") from None
    return Body(gather(pairs))


def gather(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A map of names; a name that is there several times has the list of its values."""
    found: dict[str, Any] = {}
    several: set[str] = set()
    for name, value in pairs:
        if name not in found:
            found[name] = value
        elif name in several:
            found[name].append(value)
        else:
            several.add(name)
            found[name] = [found[name], value]
    return found


def _decompressed(body: bytes, coding: str) -> bytes:
    if coding.strip().lower() not in CODINGS:
        raise BadBody(f"the content coding {coding[:40]!r} is not understood; gzip and deflate are", status=415)
    unpacker = Decompressor(coding, _LIMIT)
    try:
        whole = b"".join(unpacker.feed(body))
        unpacker.end()
    except TooLarge as error:
        raise BadBody(str(error), status=413) from None
    except Damaged as error:
        raise BadBody(str(error)) from None
    return whole


# multipart/form-data


def _multipart(body: bytes, content_type: str) -> dict[str, Any]:
    boundary = _parameters(content_type).get("boundary", "")
    if not 1 <= len(boundary) <= 70:
        raise BadBody("multipart/form-data needs a boundary of 1 to 70 characters")
    pieces = (b"\r\n" + body).split(b"\r\n--" + boundary.encode("latin-1"), _FIELDS + 2)
    if len(pieces) > _FIELDS + 2:
        raise BadBody(f"the form has more than {_FIELDS} parts")
    if len(pieces) < 2 or not pieces[-1].startswith(b"--"):
        raise BadBody("the multipart body ends too early: its closing boundary is missing")
    return gather([_part(piece) for piece in pieces[1:-1]])


def _part(piece: bytes) -> tuple[str, Any]:
    padding, _, rest = piece.partition(b"\r\n")
    head, blank, content = rest.partition(b"\r\n\r\n")
    if padding.strip(b" \t") or not blank:
        raise BadBody("a part of the multipart body has no headers")
    headers = {}
    for line in head.decode("utf-8", "replace").split("\r\n"):
        name, _, value = line.partition(":")
        headers[name.strip().lower()] = value.strip()
    disposition = _parameters(headers.get("content-disposition", ""))
    if "name" not in disposition:
        raise BadBody("a part of the multipart body has no name")
    kind, charset = media_type(headers.get("content-type", ""))
    if "filename" not in disposition:
        return disposition["name"], _text(content, charset)
    file: dict[str, Any] = {
        "filename": disposition["filename"],
        "content_type": kind or "application/octet-stream",
        "size": len(content),
    }
    if is_text(kind):
        try:
            return disposition["name"], file | {"text": content.decode(charset or "utf-8")}
        except (UnicodeError, LookupError):
            pass  # not the text it says it is: then as bytes
    return disposition["name"], file | {"base64": base64.b64encode(content).decode()}


def _parameters(header: str) -> dict[str, str]:
    """`form-data; name="a"; filename="b.txt"` → its parameters. Browsers write `"` as `%22`."""
    found = {}
    for name, quoted, plain in _PARAMETER.findall(header):
        found[name.lower()] = quoted.replace("%22", '"').replace('\\"', '"') if quoted else plain
    return found
