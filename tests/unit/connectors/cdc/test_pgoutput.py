"""Messages of PostgreSQL's stream."""

import struct

import pytest

from reactor.connectors.cdc.postgres import pgoutput
from reactor.connectors.cdc.postgres.pgoutput import UNCHANGED, Change, Column, decode, unwrap


def row(*values):
    made = struct.pack("!h", len(values))
    for value in values:
        if value is None:
            made += b"n"
        elif value is UNCHANGED:
            made += b"u"
        else:
            made += b"t" + struct.pack("!I", len(value.encode())) + value.encode()
    return made


def test_a_transaction():
    begin = decode(b"B" + struct.pack("!qqI", 0x1_0000_0002, 1_500_000, 77))
    assert begin == pgoutput.Begin(0x1_0000_0002, 946_684_801_500, 77)
    commit = decode(b"C" + struct.pack("!bqqq", 0, 5, 9, 0))
    assert commit == pgoutput.Commit(5, 9)
    assert decode(b"Y" + struct.pack("!I", 1)) is None


def test_a_relation():
    columns = b"\1id\0" + struct.pack("!II", 23, 0) + b"\0note\0" + struct.pack("!II", 25, 0)
    found = decode(b"R" + struct.pack("!I", 7) + b"shop\0orders\0" + b"f" + struct.pack("!h", 2) + columns)
    assert found == pgoutput.Relation(
        7, "shop.orders", "f", (Column("id", 23, key=True), Column("note", 25, key=False))
    )


def test_rows():
    head = struct.pack("!I", 7)
    assert decode(b"I" + head + b"N" + row("1", None, "é")) == Change("insert", 7, ["1", None, "é"])
    assert decode(b"U" + head + b"N" + row("1", UNCHANGED)) == Change("update", 7, ["1", UNCHANGED])
    assert decode(b"U" + head + b"K" + row("1", None) + b"N" + row("2", "a")) == Change(
        "update", 7, ["2", "a"], ["1", None]
    )
    assert decode(b"D" + head + b"O" + row("1", "a")) == Change("delete", 7, None, ["1", "a"], whole=True)
    assert decode(b"T" + struct.pack("!IbII", 2, 0, 7, 8)) == pgoutput.Truncate((7, 8))


def test_what_is_around_it():
    assert unwrap(b"w" + bytes(24) + b"B") == pgoutput.Data(b"B")
    assert unwrap(b"k" + struct.pack("!qqb", 9, 0, 1)) == pgoutput.Keepalive(9, reply=True)
    with pytest.raises(ValueError, match="not known"):
        unwrap(b"x")
    told = pgoutput.status(5, 3, 946_684_801_000, reply=True)
    assert struct.unpack("!cqqqqb", told) == (b"r", 5, 5, 5, 1_000_000, 1)


def test_places_in_the_log():
    assert pgoutput.lsn_number("16/B374D848") == 0x16_B374_D848
    assert pgoutput.lsn_text(0x16_B374_D848) == "16/B374D848"
