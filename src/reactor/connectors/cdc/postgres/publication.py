"""The publication: which tables the server tells of."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from reactor.connectors.cdc.postgres.link import Link, Refused
from reactor.connectors.cdc.postgres.refusals import told
from reactor.connectors.cdc.postgres.tables import Table
from reactor.sdk import TriggerLost

_FIND = """
SELECT puballtables, pubinsert, pubupdate, pubdelete, pubtruncate FROM pg_publication WHERE pubname = $1
"""
_MEMBERS = "SELECT schemaname || '.' || tablename FROM pg_publication_tables WHERE pubname = $1 ORDER BY 1"
OPERATIONS = ("insert", "update", "delete", "truncate")


class Publication(msgspec.Struct, frozen=True):
    """A publication as it is now."""

    everything: bool
    operations: frozenset[str]
    members: frozenset[str]


def quoted(name: str) -> str:
    """A name in SQL."""
    return '"' + name.replace('"', '""') + '"'


async def find(link: Link, name: str) -> Publication | None:
    """The publication of this name."""
    rows = await link.soon(_FIND, name)
    if not rows:
        return None
    everything, *flags = rows[0]
    members = await link.soon(_MEMBERS, name)
    told_ = frozenset(what for what, flag in zip(OPERATIONS, flags, strict=True) if flag == "t")
    return Publication(everything == "t", told_, frozenset(str(row[0]) for row in members))


async def given(link: Link, name: str, tables: Mapping[str, Table], wanted: frozenset[str]) -> Publication:
    """One that is named in the flow, checked; it is not changed. Made when there is none.

    Raises:
        TriggerLost: it tells less than is wanted; with the SQL that mends it.
    """
    found = await find(link, name)
    if found is None:
        if not tables:
            raise TriggerLost(
                f"there is no publication {name!r}; run: CREATE PUBLICATION {quoted(name)} FOR TABLE …, or name "
                "`tables`"
            )
        await _create(link, name, tables, wanted)
        return Publication(everything=False, operations=wanted, members=frozenset(tables))
    lacking = sorted(set(tables) - found.members)
    if lacking:
        listed = ", ".join(tables[each].quoted for each in lacking)
        raise TriggerLost(
            f"publication {name!r} does not hold {', '.join(lacking)}; run: ALTER PUBLICATION {quoted(name)} ADD TABLE "
            f"{listed}"
        )
    if missing := wanted - found.operations:
        raise TriggerLost(
            f"publication {name!r} does not publish {', '.join(sorted(missing))}; run: ALTER PUBLICATION "
            f"{quoted(name)} "
            f"SET (publish = '{', '.join(sorted(wanted | found.operations))}')"
        )
    return found


async def own(link: Link, name: str, tables: Mapping[str, Table], wanted: frozenset[str]) -> list[str]:
    """Ours, made or brought up to date.

    Returns:
        the tables that it has held only from now on; empty: it is as it was.

    Raises:
        TriggerLost: we may not; with the SQL that does it.
    """
    found = await find(link, name)
    if found is None:
        await _create(link, name, tables, wanted)
        return sorted(tables)
    added = sorted(set(tables) - found.members)
    if set(tables) != found.members:
        await _run(link, f"ALTER PUBLICATION {quoted(name)} SET TABLE {_listed(tables)}")
    if wanted != found.operations:
        await _run(link, f"ALTER PUBLICATION {quoted(name)} SET (publish = '{_publish(wanted)}')")
    return added


async def _create(link: Link, name: str, tables: Mapping[str, Table], wanted: frozenset[str]) -> None:
    version = int(_only(await link.soon("SHOW server_version_num")))
    root = ", publish_via_partition_root = true" if version >= 130_000 else ""
    sql = f"CREATE PUBLICATION {quoted(name)} FOR TABLE {_listed(tables)} WITH (publish = '{_publish(wanted)}'{root})"
    await _run(link, sql)


async def _run(link: Link, sql: str) -> None:
    try:
        await link.soon(sql)
    except Refused as error:
        if error.state == "42501":
            raise TriggerLost(
                f"the user of the connection may not do what has to be done ({error.message}); run as the owner of the "
                f"tables: {sql}"
            ) from None
        raise told(error, "publish the tables") from None


def _listed(tables: Mapping[str, Table]) -> str:
    return ", ".join(table.quoted for _, table in sorted(tables.items()))


def _publish(wanted: frozenset[str]) -> str:
    return ", ".join(each for each in OPERATIONS if each in wanted)


def _only(rows: list[tuple[str | None, ...]]) -> str:
    return str(rows[0][0])
