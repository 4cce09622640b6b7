"""What comes back: read within bounds, decompressed, decoded, and put into the shape of the step's output.

Sources: RFC 9110 §5.3 (repeated headers), RFC 8259 (JSON).
"""

from __future__ import annotations

import asyncio
import base64
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

import msgspec

from reactor.connectors.http.media import Decompressor, TooLarge, is_json, is_text, media_type
from reactor.connectors.http.wire import Wire
from reactor.sdk import PermanentError
from reactor.sdk.paths import inside_roots


class Reader:
    """Reads one answer. After `read` with `skip=False`, `output` is the step's output."""

    def __init__(
        self, *, limit: int, success: Sequence[tuple[int, int]], save_to: Path | None, raw: bool = False
    ) -> None:
        self._raw = raw
        self.output: dict[str, Any] = {}
        self._limit = limit
        self._success = success
        self._save_to = save_to

    async def read(self, connection: Wire) -> None:
        """The whole answer.

        Raises:
            TooLarge: over the limit, announced or met on the way.
            Damaged: its compression cannot be undone.
            WireError: it broke off.
        """
        status, names = connection.status, _joined(connection.headers)
        good = any(low <= status <= high for low, high in self._success)
        length = names.get("content-length", "")
        if isinstance(length, str) and length.isdigit() and int(length) > self._limit:
            raise TooLarge(f"the answer is {length} bytes, more than the {self._limit} allowed")
        self.output = {"status_code": status, "headers": names, "body": None, "success": good}
        decoder = Decompressor(str(names.get("content-encoding", "")), self._limit)
        if good and self._save_to is not None:
            self.output |= await _save(connection, decoder, self._save_to)
            return
        kept: list[bytes] = []
        while (chunks := await connection.chunks()) is not None:
            for chunk in chunks:
                kept.extend(decoder.feed(chunk))
        decoder.end()
        content_type = str(names.get("content-type", ""))
        body = kept[0] if len(kept) == 1 else b"".join(kept)
        encoding: str | None
        if self._raw:
            self.output["body"], encoding = base64.b64encode(body).decode(), "base64"
        else:
            self.output["body"], encoding = decode(body, content_type)
        if encoding is not None:
            self.output["encoding"] = encoding


def _joined(headers: list[tuple[bytes, bytes]]) -> dict[str, Any]:
    """Headers by lower-case name. Repeated ones are one list in HTTP's sense (joined by commas), except cookies."""
    names: dict[str, Any] = {}
    for raw, value in headers:
        name, text = raw.decode("latin-1"), value.decode("latin-1")
        if name not in names:
            names[name] = text
        elif name == "set-cookie":
            before = names[name]
            names[name] = [*before, text] if isinstance(before, list) else [before, text]
        else:
            names[name] = f"{names[name]}, {text}"
    return names


def decode(body: bytes, content_type: str) -> tuple[Any, str | None]:
    """The body as the output has it, and `base64` when it is no text."""
    if not body:
        return None if "json" in content_type else "", None
    kind, charset = media_type(content_type)
    if is_json(kind) or not kind:
        with suppress(msgspec.MsgspecError, UnicodeError, RecursionError):
            return msgspec.json.decode(body), None
    try:
        text = body.decode(charset or "utf-8")
    except (UnicodeError, LookupError):
        if not is_text(kind):
            return base64.b64encode(body).decode(), "base64"
        text = body.decode("utf-8", "replace")
    if "\x00" in text and not is_text(kind):
        return base64.b64encode(body).decode(), "base64"
    return text, None


# Into a file


def file_of(settings: Mapping[str, Any], name: str) -> Path:
    """The file that `save_to` names; a relative one is below the first root.

    Raises:
        PermanentError: kind `input`: flows may not write there, or it is a folder.
    """
    try:
        wanted = inside_roots(settings, name)
    except PermanentError as error:
        raise PermanentError(error.kind, f"save_to: {error.message}") from None
    if wanted.is_dir():
        raise PermanentError("input", f"save_to: {name!r} is a folder; name a file in it")
    return wanted


async def _save(connection: Wire, decoder: Decompressor, path: Path) -> dict[str, Any]:
    """Write the body beside the file and put it in its place when it is whole, so that nobody sees half of it."""
    loop = asyncio.get_running_loop()
    partial = path.with_name(f".{path.name}.{os.urandom(4).hex()}.part")
    written = 0
    try:
        file: IO[bytes] = await loop.run_in_executor(None, _create, partial)
        try:
            while (chunks := await connection.chunks()) is not None:
                for piece in _pieces(decoder, chunks):
                    written += await loop.run_in_executor(None, file.write, piece)
            decoder.end()
        finally:
            await loop.run_in_executor(None, file.close)
        await loop.run_in_executor(None, os.replace, partial, path)
    except OSError as error:
        raise PermanentError("file", f"save_to: {path.name} cannot be written: {error.strerror}") from None
    finally:
        with suppress(OSError):
            partial.unlink(missing_ok=True)
    return {"path": str(path), "size": written}


def _create(path: Path) -> IO[bytes]:
    path.parent.mkdir(parents=True, exist_ok=True)
    return path.open("xb")


def _pieces(decoder: Decompressor, chunks: list[bytes]) -> Iterator[bytes]:
    for chunk in chunks:
        yield from decoder.feed(chunk)
