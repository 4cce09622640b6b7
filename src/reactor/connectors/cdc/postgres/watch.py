"""Looks after a stream: whether the server is there, how far behind it is, whether the tables are there still."""

from __future__ import annotations

import asyncio
import itertools

from reactor.connectors.cdc.postgres.link import Link
from reactor.connectors.cdc.postgres.pgoutput import lsn_number
from reactor.connectors.cdc.postgres.plan import Plan
from reactor.connectors.cdc.postgres.stream import Stream
from reactor.connectors.cdc.postgres.tables import SEPARATOR
from reactor.sdk import TriggerContext, TriggerLost

_TELL = 1.0
"""Seconds between two messages to the server, also while the store is busy: silent readers are dead ones to it."""
_LOOK_EVERY = 3
"""Every so many of them it is asked; with `link.ANSWER_WITHIN` that is under the ten in which its death is told."""
_FAR = 64 * 1024 * 1024
"""Bytes of log that make it lag."""
_LONG = 10.0
"""Seconds for which it has to be so far behind."""
_MEBI = 1024 * 1024
_LOOK = """
SELECT pg_current_wal_flush_lsn()::text, coalesce(to_jsonb(s)->>'wal_status', ''), coalesce(s.active_pid::text, ''),
    (SELECT count(*) FROM pg_class WHERE oid = ANY (string_to_array($2, chr(1))::oid[]))::text
FROM pg_replication_slots s WHERE s.slot_name = $1
"""
_THERE = "SELECT oid::text FROM pg_class WHERE oid = ANY (string_to_array($1, chr(1))::oid[])"


class Watch:
    """Asks the server every few seconds, on a connection beside the stream's."""

    def __init__(self, ctx: TriggerContext, side: Link) -> None:
        self._ctx, self._side = ctx, side
        self._stream: Stream | None = None
        self._plan: Plan | None = None
        self._pid = 0
        self._end = 0
        """Where the log ended when it was last asked."""
        self._far_since: float | None = None
        self._lagging = False

    def begin(self, stream: Stream, plan: Plan, pid: int) -> None:
        """From now on look after this stream, which the server's process `pid` sends."""
        self._stream, self._plan, self._pid = stream, plan, pid

    async def run(self) -> None:
        """Until cancelled.

        Raises:
            TriggerLost: something is wrong; one sentence with what to do.
        """
        for count in itertools.count(1):
            await asyncio.sleep(_TELL)
            stream, plan, looks = self._stream, self._plan, count % _LOOK_EVERY == 0
            if stream is not None and plan is not None and stream.running:
                stream.tell(reply=looks)
                if looks:
                    await self._look(stream, plan)
            elif looks:
                await self._side.soon("SELECT 1")

    async def _look(self, stream: Stream, plan: Plan) -> None:
        oids = SEPARATOR.join(table.oid for table in plan.tables.values())
        rows = await self._side.soon(_LOOK, plan.slot, oids)
        if not rows:
            raise TriggerLost(f"replication slot {plan.slot!r} has been dropped; it is made anew")
        end, status, pid, there = rows[0]
        if status == "lost":
            raise TriggerLost(f"replication slot {plan.slot!r} has been invalidated by the server; it is made anew")
        if pid != str(self._pid):
            raise TriggerLost(f"the server no longer sends to us what is in replication slot {plan.slot!r}")
        if int(there or 0) < len(plan.tables):
            raise TriggerLost(await self._gone(plan, oids))
        self._behind(stream, lsn_number(str(end)))

    async def _gone(self, plan: Plan, oids: str) -> str:
        there = {str(row[0]) for row in await self._side.soon(_THERE, oids)}
        gone = ", ".join(name for name, table in plan.tables.items() if table.oid not in there)
        return f"the table {gone} has been dropped; take it out of `tables`, or make it again"

    def _behind(self, stream: Stream, end: int) -> None:
        """Rows that wait are counted by nobody; what is known is whether there are any, and the bytes of log."""
        behind = end - stream.reached
        caught_up = stream.reached >= self._end
        self._end = end
        now = asyncio.get_running_loop().time()
        if behind < _FAR:
            self._far_since = None
            if self._lagging:
                self._lagging = False
                self._ctx.armed()
        elif self._far_since is None:
            self._far_since = now
        elif now - self._far_since >= _LONG:
            self._lagging = True
            self._ctx.lagging(f"{behind // _MEBI} MiB of PostgreSQL's log are still to be read")
            return
        self._ctx.lag(0 if caught_up else None)
