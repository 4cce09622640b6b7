"""A file page after page: lines, rows of CSV or lines of JSON, from a byte on. Everything here blocks."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterator
from typing import Any, BinaryIO

import msgspec

from reactor.connectors.file.actions import Cursor, Lines, Output
from reactor.connectors.file.confine import Place, errors, place
from reactor.connectors.file.content import ContentError, shown
from reactor.sdk import ActionContext, PermanentError

LONGEST = 1_048_576
"""The most bytes of a line, and of the lines of a page before its last."""
_UTF8 = frozenset({"utf-8", "utf8", "utf_8"})
_NOTHING = object()
_BOM = b"\xef\xbb\xbf"


def read(ctx: ActionContext, params: Lines) -> Output:
    """Without a cursor open the stream, with one give the page from there on.

    Raises:
        StepError: it cannot be read, is not of that format, or is another file by now.
    """
    with errors(params.path), place(ctx.settings, params.path) as source:
        encoding = _encoding(params.encoding)
        handle = source.open(os.O_RDONLY)
        with open(handle, "rb") as file:  # noqa: PTH123 - a descriptor, not a path
            if params.cursor is None:
                return _opened(source, params, os.fstat(handle))
            _same(params, params.cursor, os.fstat(handle))
            try:
                return _page(file, params, params.cursor, encoding)
            except (ContentError, csv.Error, UnicodeError) as error:
                raise PermanentError("file.content", f"{shown(params.path)}: {error}") from error


def _encoding(name: str) -> str:
    try:
        if "\n".encode(name) == b"\n":
            return "utf-8" if name.lower() in _UTF8 else name
    except LookupError as error:
        raise PermanentError("input", f"file.lines: {error}") from error
    raise PermanentError("input", f"file.lines: in {name} a line does not end with one byte; use file.read")


def _opened(source: Place, params: Lines, found: os.stat_result) -> Output:
    start = Cursor(file=f"{found.st_dev}:{found.st_ino}")
    asked = {"path": params.path, "format": params.format, "encoding": params.encoding, "size": params.size}
    stream = {"action": "file.lines", "with": asked, "cursor": msgspec.to_builtins(start)}
    return {**source.about(found), "$stream": stream}


def _same(params: Lines, cursor: Cursor, found: os.stat_result) -> None:
    if cursor.file != f"{found.st_dev}:{found.st_ino}" or found.st_size < cursor.at:
        message = f"{shown(params.path)} has been replaced or cut before line {cursor.line + 1} was read"
        raise PermanentError("file.changed", message)


class _Reader:
    """The lines from a byte on, and how far they have been read."""

    def __init__(self, file: BinaryIO, cursor: Cursor, encoding: str) -> None:
        file.seek(cursor.at)
        self._file = file
        self._encoding = encoding
        self.at = cursor.at
        self.line = cursor.line
        self.ended = False

    def __iter__(self) -> Iterator[str]:
        while raw := self._file.readline(LONGEST + 1):
            if len(raw) > LONGEST:
                raise ContentError(f"line {self.line + 1} is longer than {LONGEST} bytes")
            start = len(_BOM) if self.at == 0 and self._encoding == "utf-8" and raw.startswith(_BOM) else 0
            self.at += len(raw)
            self.line += 1
            yield self._text(raw[start:])
        self.ended = True

    def _text(self, raw: bytes) -> str:
        try:
            text = raw.decode(self._encoding)
            text.encode()
        except UnicodeError as error:
            raise ContentError(f"line {self.line} is not {self._encoding} text: {error}") from error
        return text


def _page(file: BinaryIO, params: Lines, cursor: Cursor, encoding: str) -> Output:
    reader = _Reader(file, cursor, encoding)
    names = cursor.names
    values: Iterator[Any] = iter(reader)
    if params.format == "csv":
        values = iter(csv.reader(values, strict=True))
        if names is None:
            names = next((row for row in values if row), [])
    items: list[Any] = []
    while len(items) < params.size and reader.at - cursor.at < LONGEST:
        value = next(values, None)
        if value is None:
            break
        item = _item(params, value, names, reader)
        if item is not _NOTHING:
            items.append(item)
    rest = None if reader.ended else Cursor(file=cursor.file, at=reader.at, line=reader.line, names=names)
    return {"items": items, "cursor": msgspec.to_builtins(rest)}


def _item(params: Lines, value: Any, names: list[str] | None, reader: _Reader) -> Any:
    """What one line or row is; `_NOTHING`: the line is empty."""
    if params.format == "text":
        return value.removesuffix("\n").removesuffix("\r")
    if params.format == "csv":
        return _row(names or [], value) if value else _NOTHING
    if not value.strip():
        return _NOTHING
    try:
        return msgspec.json.decode(value)
    except (msgspec.DecodeError, RecursionError) as error:
        raise ContentError(f"line {reader.line} is not JSON: {error}") from error


def _row(names: list[str], values: list[str]) -> dict[str, Any]:
    """As `file.read` gives it: surplus values are a list under `_more`, missing ones null."""
    row: dict[str, Any] = dict.fromkeys(names)
    row.update(zip(names, values, strict=False))
    if len(values) > len(names):
        row["_more"] = values[len(names) :]
    return row
