"""The messages of pgoutput, version 1: what a walsender tells of a transaction. Pure.

https://www.postgresql.org/docs/current/protocol-logicalrep-message-formats.html
"""

from __future__ import annotations

import struct

import msgspec

UNCHANGED = object()
"""Value of a column that was stored apart (TOAST) and did not change: it is not sent again."""
Tuple = list[object]
"""Column by column: text, None, or `UNCHANGED`."""
_EPOCH = 946_684_800_000
"""2000-01-01 in milliseconds since 1970."""
_BEGIN = struct.Struct("!qqI")
_COMMIT = struct.Struct("!bqqq")
_U32 = struct.Struct("!I")
_I16 = struct.Struct("!h")
_COLUMN = struct.Struct("!II")


class Begin(msgspec.Struct, frozen=True):
    """A transaction begins; it has been committed already."""

    lsn: int
    """Of its commit record: grows from one transaction to the next."""
    time: int
    """Of the commit, in milliseconds since 1970."""
    transaction: int


class Commit(msgspec.Struct, frozen=True):
    """A transaction ends."""

    lsn: int
    end: int
    """Where the log goes on after it: to be confirmed."""


class Column(msgspec.Struct, frozen=True):
    """One column of a table, as it was when the changes were made."""

    name: str
    type: int
    """OID."""
    key: bool
    """Part of the replica identity."""


class Relation(msgspec.Struct, frozen=True):
    """A table, as it was when the changes that follow were made."""

    id: int
    table: str
    """schema.table"""
    identity: str
    """d default, n nothing, f full, i index."""
    columns: tuple[Column, ...]


class Change(msgspec.Struct, frozen=True):
    """One row."""

    operation: str
    relation: int
    new: Tuple | None = None
    old: Tuple | None = None
    whole: bool = False
    """`old` is the whole row, not only its key."""


class Truncate(msgspec.Struct, frozen=True):
    """All rows of these tables are gone."""

    relations: tuple[int, ...]


Message = Begin | Commit | Relation | Change | Truncate


def lsn_text(lsn: int) -> str:
    """`16/B374D848`, as PostgreSQL writes it."""
    return f"{lsn >> 32:X}/{lsn & 0xFFFFFFFF:X}"


def lsn_number(text: str) -> int:
    """The other way round."""
    high, _, low = text.partition("/")
    return (int(high, 16) << 32) | int(low, 16)


def decode(message: bytes) -> Message | None:
    """One message; None: of a kind that tells no change (types, origins).

    Raises:
        struct.error, IndexError, UnicodeDecodeError: it is none of version 1.
    """
    kind = message[:1]
    if kind == b"I":
        new, _ = _tuple(message, 6)
        return Change("insert", _U32.unpack_from(message, 1)[0], new)
    if kind in {b"U", b"D"}:
        return _changed(message)
    if kind == b"B":
        lsn, micros, transaction = _BEGIN.unpack_from(message, 1)
        return Begin(lsn, _millis(micros), transaction)
    if kind == b"C":
        _, lsn, end, _ = _COMMIT.unpack_from(message, 1)
        return Commit(lsn, end)
    if kind == b"R":
        return _relation(message)
    if kind == b"T":
        (count,) = _U32.unpack_from(message, 1)
        return Truncate(struct.unpack_from(f"!{count}I", message, 6))
    return None


def _changed(message: bytes) -> Change:
    (relation,) = _U32.unpack_from(message, 1)
    old, at, whole = None, 5, False
    if message[at : at + 1] in {b"K", b"O"}:
        whole = message[at : at + 1] == b"O"
        old, at = _tuple(message, at + 1)
    if message[:1] == b"D":
        return Change("delete", relation, None, old, whole)
    new, _ = _tuple(message, at + 1)
    return Change("update", relation, new, old, whole)


def _tuple(message: bytes, at: int) -> tuple[Tuple, int]:
    (count,) = _I16.unpack_from(message, at)
    at += 2
    values: Tuple = []
    for _ in range(count):
        kind = message[at]
        at += 1
        if kind == 0x74:  # t: text
            end = at + 4 + _U32.unpack_from(message, at)[0]
            values.append(message[at + 4 : end].decode())
            at = end
        else:
            values.append(None if kind == 0x6E else UNCHANGED)  # n: null, u: unchanged
    return values, at


def _relation(message: bytes) -> Relation:
    (number,) = _U32.unpack_from(message, 1)
    schema, at = _text(message, 5)
    name, at = _text(message, at)
    identity = chr(message[at])
    (count,) = _I16.unpack_from(message, at + 1)
    at += 3
    columns = []
    for _ in range(count):
        key = bool(message[at] & 1)
        column, at = _text(message, at + 1)
        type_, _ = _COLUMN.unpack_from(message, at)
        at += 8
        columns.append(Column(column, type_, key))
    return Relation(number, f"{schema or 'pg_catalog'}.{name}", identity, tuple(columns))


def _text(message: bytes, at: int) -> tuple[str, int]:
    end = message.index(b"\0", at)
    return message[at:end].decode(), end + 1


def _millis(micros: int) -> int:
    return _EPOCH + micros // 1000


# ---------------------------------------------------------------- around it: the walsender's own messages


class Data(msgspec.Struct, frozen=True):
    """A message of pgoutput."""

    payload: bytes


class Keepalive(msgspec.Struct, frozen=True):
    """The server is there, and has told all up to `end`."""

    end: int
    reply: bool


def unwrap(message: bytes) -> Data | Keepalive:
    """What is in a message of the copy stream.

    Raises:
        ValueError: it is neither.
    """
    if message[:1] == b"w":
        return Data(message[25:])
    if message[:1] == b"k":
        end, _, reply = struct.unpack_from("!qqb", message, 1)
        return Keepalive(end, bool(reply))
    raise ValueError(f"the server sent a message {message[:1]!r} that is not known in its stream")


def status(confirmed: int, received: int, now: int, *, reply: bool = False) -> bytes:
    """Tell the server how far we are.

    Args:
        confirmed: up to here everything is committed by us: the server may forget it.
        received: up to here it has reached us.
        now: in milliseconds since 1970.
        reply: whether the server is to answer at once.
    """
    received = max(received, confirmed)
    return struct.pack("!cqqqqb", b"r", received, confirmed, confirmed, (now - _EPOCH) * 1000, reply)
