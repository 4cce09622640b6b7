"""The replication slot: where the server remembers how far we are, and keeps its log for us."""

from __future__ import annotations

import asyncio
import hashlib
import re

import msgspec

from reactor.connectors.cdc.postgres.link import Link, Refused
from reactor.connectors.cdc.postgres.pgoutput import lsn_number
from reactor.connectors.cdc.postgres.publication import quoted
from reactor.connectors.cdc.postgres.refusals import told
from reactor.sdk import TriggerContext, TriggerLost

_FIND = """
SELECT s.plugin, s.database, current_database(), s.active_pid::text, coalesce(s.confirmed_flush_lsn::text, ''),
    coalesce(to_jsonb(s)->>'wal_status', ''), coalesce(to_jsonb(s)->>'invalidation_reason', ''),
    coalesce(a.application_name, ''), coalesce(host(a.client_addr), 'the server itself')
FROM pg_replication_slots s LEFT JOIN pg_stat_activity a ON a.pid = s.active_pid WHERE s.slot_name = $1
"""
_PATIENCE = 8.0
_LEAVE = 5.0
"""Seconds that an earlier connection of ours has to let go of the slot."""


class Slot(msgspec.Struct, frozen=True):
    """A slot as it is now."""

    name: str
    plugin: str | None
    pid: str | None
    """The server's process that uses it."""
    confirmed: int
    status: str
    """`reserved`, `extended`, `unreserved`, `lost`; empty before PostgreSQL 13."""
    reason: str
    """Why it is lost, where the server tells."""
    user: str
    """The application's name of who uses it, and from where."""
    host: str

    @property
    def lost(self) -> bool:
        """Whether the server has thrown away what it was to keep."""
        return self.status == "lost" or bool(self.reason)


def name_for(key: str) -> str:
    """A name for slot and publication of a trigger: the same each time, and no other trigger's."""
    readable = re.sub(r"[^a-z0-9_]+", "_", key.lower()).strip("_")[:40]
    return f"reactor_{readable}_{hashlib.blake2b(key.encode(), digest_size=4).hexdigest()}"


async def find(link: Link, name: str) -> Slot | None:
    """The slot of this name.

    Raises:
        TriggerLost: there is one, but not such as we need.
    """
    rows = await link.soon(_FIND, name)
    if not rows:
        return None
    plugin, database, here, pid, confirmed, status, reason, user, host = rows[0]
    if plugin != "pgoutput" or database != here:
        what = f"of the plugin {plugin}" if plugin != "pgoutput" else f"of the database {database}"
        raise TriggerLost(f"replication slot {name!r} is there already, but {what}; name another in `slot`")
    return Slot(
        name,
        plugin,
        pid,
        lsn_number(confirmed) if confirmed else 0,
        str(status),
        str(reason),
        str(user),
        str(host),
    )


async def free(link: Link, slot: Slot, ours: str) -> None:
    """Make sure that nobody uses it: an earlier connection of ours, which the server still takes for open, is ended.

    Raises:
        TriggerLost: somebody else reads it.
    """
    if slot.pid is None:
        return
    if slot.user != ours:
        raise TriggerLost(
            f"replication slot {slot.name!r} is in use by pid {slot.pid} ({slot.user or 'unknown'}, from "
            f"{slot.host}); stop "
            "that reader, or name another slot in `slot`"
        )
    await link.soon("SELECT pg_terminate_backend($1::int)", slot.pid)
    try:
        async with asyncio.timeout(_LEAVE):
            while (now := await find(link, slot.name)) is not None and now.pid == slot.pid:  # noqa: ASYNC110 - the server's
                await asyncio.sleep(0.05)
    except TimeoutError:
        raise TriggerLost(
            f"an earlier connection of ours (pid {slot.pid}) does not let go of replication slot {slot.name!r}; it "
            "is tried "
            "again"
        ) from None


async def create(
    ctx: TriggerContext, stream: Link, name: str, *, snapshot: bool = False, temporary: bool = False
) -> int:
    """Make a slot. With `snapshot` a transaction is begun that sees the tables as they are where the slot begins.

    Returns:
        where it begins: all that is committed from here on will be told.

    Raises:
        TriggerLost: it cannot be made.
    """
    if snapshot:
        await stream.query("BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
    waits = asyncio.get_running_loop().call_later(
        _PATIENCE,
        ctx.error,
        "PostgreSQL makes the replication slot only when the transactions that run now have ended; see SELECT pid, "
        "xact_start, query FROM pg_stat_activity WHERE xact_start IS NOT NULL ORDER BY 2",
    )
    try:
        rows = await stream.query(
            f"CREATE_REPLICATION_SLOT {quoted(name)}{' TEMPORARY' if temporary else ''} LOGICAL pgoutput "
            f"{'USE_SNAPSHOT' if snapshot else 'NOEXPORT_SNAPSHOT'}"
        )
    except Refused as error:
        raise told(error, f"make replication slot {name!r}") from None
    finally:
        waits.cancel()
    return lsn_number(str(rows[0][1]))


async def drop(link: Link, name: str) -> None:
    """Let the server forget it.

    Raises:
        TriggerLost: it does not.
    """
    try:
        await link.soon("SELECT pg_drop_replication_slot($1)", name)
    except Refused as error:
        raise told(error, f"drop replication slot {name!r}") from None
