"""What the database says of the tables: columns, primary keys, replica identity, types."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from reactor.connectors.cdc.postgres.link import Link
from reactor.connectors.cdc.postgres.values import Kind
from reactor.sdk import TriggerLost

_TABLES = """
SELECT n.nspname || '.' || c.relname, c.oid::text, c.relkind, c.relpersistence, c.relreplident,
    format('%I.%I', n.nspname, c.relname),
    coalesce((SELECT string_agg(a.attname, chr(1) ORDER BY array_position(i.indkey::int2[], a.attnum))
        FROM pg_index i JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = ANY (i.indkey)
        WHERE i.indrelid = c.oid AND i.indisprimary), '')
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname || '.' || c.relname = ANY (string_to_array($1, chr(1)))
"""
_COLUMNS = """
SELECT a.attname, a.atttypid::text FROM pg_attribute a
WHERE a.attrelid = $1::oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = '' ORDER BY a.attnum
"""
_KINDS = """
SELECT t.oid::text, t.typtype, t.typcategory, t.typbasetype::text, t.typelem::text FROM pg_type t
WHERE t.typtype = 'd' OR (t.typcategory = 'A' AND t.typelem <> 0 AND t.oid >= 16384)
"""
_NAMES = """
SELECT n.nspname || '.' || c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p') AND n.nspname NOT IN ('pg_catalog', 'information_schema') ORDER BY 1 LIMIT 200
"""
SEPARATOR = "\1"
"""Between names in a list that goes through one text."""


class Table(msgspec.Struct, frozen=True):
    """A table as it is now."""

    name: str
    """schema.table"""
    oid: str
    kind: str
    """r table, p partitioned, v view, …"""
    persistence: str
    """p permanent, u unlogged, t temporary."""
    identity: str
    """Replica identity: d default, n nothing, f full, i index."""
    quoted: str
    """For SQL."""
    key: tuple[str, ...]
    """Columns of the primary key, in its order."""

    def tells_old(self) -> bool:
        """Whether updates and deletions can be published."""
        return self.identity in "fi" or (self.identity == "d" and bool(self.key))


class Field(msgspec.Struct, frozen=True):
    """A column as it is now."""

    name: str
    type: int


def full_name(name: str) -> str:
    """`orders` is `public.orders`."""
    return name if "." in name else f"public.{name}"


async def tables(link: Link, names: Iterable[str]) -> dict[str, Table]:
    """Those of these tables that there are, by name."""
    found = await link.soon(_TABLES, SEPARATOR.join(names))
    return {
        str(name): Table(str(name), str(oid), str(kind), str(stays), str(identity), str(quoted), _split(key))
        for name, oid, kind, stays, identity, quoted, key in found
    }


async def fields(link: Link, table: Table) -> list[Field]:
    """The columns of a table that the stream tells, in their order."""
    return [Field(str(name), int(type_ or 0)) for name, type_ in await link.soon(_COLUMNS, table.oid)]


async def kinds(link: Link) -> dict[int, Kind]:
    """Domains, and arrays of what was made in this database, by OID."""
    return {
        int(oid or 0): Kind(int(base or 0), array=False) if kind == "d" else Kind(int(element or 0), array=True)
        for oid, kind, _, base, element in await link.soon(_KINDS)
    }


async def checked(link: Link, names: list[str], wanted: frozenset[str]) -> dict[str, Table]:
    """The tables that are to be followed.

    Raises:
        TriggerLost: one is missing, or cannot be followed.
    """
    found = await tables(link, names)
    for name in names:
        if name not in found:
            raise TriggerLost(await _missing(link, name))
        if (reason := _unfit(found[name], wanted)) is not None:
            raise TriggerLost(reason)
    return found


async def _missing(link: Link, name: str) -> str:
    known = [str(row[0]) for row in await link.soon(_NAMES)]
    near = [each for each in known if each.rpartition(".")[2] == name.rpartition(".")[2]] or known[:10]
    there = f"there is: {', '.join(near)}" if near else "there is none at all"
    return f"there is no table {name} in this database ({there}); mend `tables`, or make it"


def _unfit(table: Table, wanted: frozenset[str]) -> str | None:
    if table.kind not in {"r", "p"}:
        return f"{table.name} is no table; only tables tell their changes: name those behind it"
    if table.persistence != "p":
        what = "unlogged" if table.persistence == "u" else "temporary"
        return f"{table.name} is {what}, so its changes are in no log; run: ALTER TABLE {table.quoted} SET LOGGED"
    if wanted & {"update", "delete"} and not table.tells_old():
        return (
            f"{table.name} has nothing that tells its rows apart, and PostgreSQL would refuse UPDATE and DELETE on "
            "it once "
            f"they are published; run: ALTER TABLE {table.quoted} REPLICA IDENTITY FULL (or add a primary key), or say "
            "operations: [insert]"
        )
    return None


def _split(text: str | None) -> tuple[str, ...]:
    return tuple(text.split(SEPARATOR)) if text else ()
