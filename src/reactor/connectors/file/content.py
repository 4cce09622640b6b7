"""What an event tells about a file: names that are safe as JSON, and its content within bounds."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import os
import stat as st
from typing import Any

import msgspec

from reactor.connectors.file.changes import Change
from reactor.connectors.file.scan import Stat
from reactor.model.clock import to_iso
from reactor.sdk import JSON

LIMIT = 1_048_576
"""The most bytes of a file that an event carries."""
OPERATIONS = {"created": "CREATE", "modified": "WRITE", "deleted": "REMOVE", "moved": "RENAME"}
"""What the older Go engine called them (`metadata.operation`)."""


def shown(path: str) -> str:
    r"""The path as text; bytes that are no UTF-8 become `\xff`."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def key(path: str) -> str:
    """A path as a key of the saved snapshot: itself, or `=` and base 64 when it is no UTF-8."""
    raw = os.fsencode(path)
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return "=" + base64.b64encode(raw).decode()


def path_of(saved: str) -> str:
    """The opposite of `key`."""
    return os.fsdecode(base64.b64decode(saved[1:])) if saved.startswith("=") else saved


def describe(change: Change) -> dict[str, JSON]:
    """`event.data` without the content."""
    folder, _, name = shown(change.path).rpartition("/")
    data: dict[str, JSON] = {
        "path": shown(change.path),
        "name": name,
        "dir": folder or "/",
        "extension": os.path.splitext(name)[1],  # noqa: PTH122
        "size": change.stat[1],
        "modified": when(change.stat[0]),
        "change": change.kind,
    }
    if change.old_path is not None:
        data["old_path"] = shown(change.old_path)
    if data["path"] != change.path or "\\" in change.path:
        data["path_bytes"] = base64.b64encode(os.fsencode(change.path)).decode()
    return data


def when(mtime_ns: int) -> str | None:
    """A modification time as ISO 8601; None when no calendar has it."""
    try:
        return to_iso(mtime_ns // 1_000_000)
    except (ValueError, OverflowError, OSError):
        return None


def event_id(trigger: str, change: Change) -> str:
    """The same change of the same file has the same id whoever sees it.

    The ctime is part of it: a file that is put back with its old mtime is a new one.
    """
    parts = (change.kind, change.path, change.old_path or "", *map(str, change.stat))
    digest = hashlib.sha256("\0".join(parts).encode("utf-8", "surrogateescape")).hexdigest()
    return f"{trigger}/{digest[:32]}"


class ContentError(Exception):
    """The content cannot be told; the message says why."""


def load(path: str, stat: Stat, how: str) -> Any:
    """The content of a file that was seen, as text, JSON or rows of CSV.

    Raises:
        ContentError: too large, gone, another file by now, or not of that format.
    """
    if stat[1] > LIMIT:
        raise ContentError(f"{stat[1]} bytes; an event carries at most {LIMIT}: use file.read")
    try:
        # The inode that was seen is checked after opening, so a link or pipe put in its place is not read.
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with open(handle, "rb") as file:  # noqa: PTH123 - a descriptor, not a path
            now = os.fstat(file.fileno())
            if now.st_ino != stat[2] or not st.S_ISREG(now.st_mode):
                raise ContentError("it has been replaced since")
            raw = file.read(LIMIT + 1)
    except OSError as error:
        raise ContentError(error.strerror or str(error)) from error
    if len(raw) > LIMIT:
        raise ContentError(f"more than {LIMIT} bytes by now: use file.read")
    return decode(raw, how)


def decode(raw: bytes, how: str, encoding: str = "utf-8") -> Any:
    """Bytes as `text`, `json`, `csv` (a list of maps by the first row) or `base64`.

    Raises:
        ContentError: they are not of that format.
    """
    if how == "base64":
        return base64.b64encode(raw).decode()
    try:
        text = raw.decode("utf-8-sig" if encoding.lower() in {"utf-8", "utf8"} else encoding)
    except (UnicodeDecodeError, LookupError) as error:
        raise ContentError(f"not {encoding} text: {error}") from error
    try:
        text.encode()
        if how == "json":
            return msgspec.json.decode(text)
        if how == "csv":
            return _rows(text)
    except (msgspec.DecodeError, csv.Error, RecursionError, UnicodeEncodeError) as error:
        raise ContentError(f"not {how}: {error}") from error
    return text


def _rows(text: str) -> list[dict[str, Any]]:
    """Rows as maps by the names in the first row; surplus values are a list under `_more`."""
    return list(csv.DictReader(io.StringIO(text, newline=""), restkey="_more", strict=True))
