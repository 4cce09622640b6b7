"""Content types and codings, for what comes in by either way.

Sources: RFC 9110 §8.3–8.4 (content type and coding), RFC 1950–1952 (zlib, deflate, gzip).
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Generator, Iterator
from typing import Any

_PIECE = 256 * 1024
_CHARSET = re.compile(r";\s*charset\s*=\s*(?:\"([^\"]*)\"|([^\s;]+))", re.IGNORECASE)
_TEXT = (
    "text/",
    "application/javascript",
    "application/x-ndjson",
    "application/x-www-form-urlencoded",
    "application/xml",
    "application/yaml",
)
CODINGS = frozenset({"gzip", "x-gzip", "deflate"})
"""Content codings that are undone."""


class TooLarge(Exception):
    """The body is over its limit."""


class Damaged(Exception):
    """The body's compression cannot be undone."""


def media_type(content_type: str) -> tuple[str, str | None]:
    """`Text/HTML; charset="UTF-8"` → (`text/html`, `UTF-8`)."""
    kind = content_type.partition(";")[0].strip().lower()
    found = _CHARSET.search(content_type)
    return kind, (found[1] or found[2]) if found else None


def is_json(kind: str) -> bool:
    """Whether a media type is JSON (RFC 6839 §3.1: `+json`)."""
    return kind.endswith(("/json", "+json"))


def is_text(kind: str) -> bool:
    """Whether a media type is text that people read."""
    return kind.startswith(_TEXT) or kind.endswith("+xml") or is_json(kind)


class Decompressor:
    """Undoes a content coding piece by piece and counts what comes out: a bomb stops at the limit, not in memory."""

    def __init__(self, coding: str, limit: int) -> None:
        self._coding = coding.strip().lower().removeprefix("x-")
        self._limit = limit
        self._left = limit
        self._zlib: Any = None

    def feed(self, data: bytes) -> Iterator[bytes]:
        """What `data` adds, in pieces of at most 256 KiB when it is compressed.

        Raises:
            TooLarge: more came out than the limit.
            Damaged: it is not what its coding says.
        """
        if self._coding not in CODINGS:
            yield self._count(data)
            return
        while data:
            data = yield from self._step(data)

    def _step(self, data: bytes) -> Generator[bytes, None, bytes]:
        if self._zlib is None:
            self._zlib = zlib.decompressobj(self._bits(data))
        try:
            piece = self._zlib.decompress(data, _PIECE)
        except zlib.error as error:
            raise Damaged(f"the {self._coding} body is damaged: {error}") from None
        if piece:
            yield self._count(piece)
        if not self._zlib.eof:
            return self._zlib.unconsumed_tail  # type: ignore[no-any-return] # zlib's objects have no public type
        # gzip may have several members (RFC 1952 §2.2); what follows deflate belongs to nobody.
        rest = self._zlib.unused_data if self._coding == "gzip" else b""
        self._zlib = None
        return rest

    def _bits(self, data: bytes) -> int:
        if self._coding == "gzip":
            return 16 + zlib.MAX_WBITS
        # "deflate" is zlib by the letter, and bare deflate from some servers: the first byte tells.
        return zlib.MAX_WBITS if data[0] & 0x0F == 8 else -zlib.MAX_WBITS

    def end(self) -> None:
        """Say that there is no more.

        Raises:
            Damaged: but there should be.
        """
        if self._zlib is not None:
            raise Damaged(f"the {self._coding} body ends in the middle")

    def _count(self, piece: bytes) -> bytes:
        self._left -= len(piece)
        if self._left < 0:
            raise TooLarge(f"the body is over the {self._limit} bytes allowed")
        return piece
