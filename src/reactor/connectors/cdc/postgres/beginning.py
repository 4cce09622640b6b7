"""Where to begin: the slot is found or made, and what was lost meanwhile is named."""

from __future__ import annotations

import msgspec

from reactor.connectors.cdc.config import CdcConfig
from reactor.connectors.cdc.postgres import slot as slots
from reactor.connectors.cdc.postgres.link import Link
from reactor.connectors.cdc.postgres.pgoutput import lsn_text
from reactor.connectors.cdc.postgres.plan import Plan
from reactor.connectors.cdc.postgres.position import WHOLE, Position, loaded
from reactor.connectors.cdc.postgres.slot import Slot
from reactor.connectors.cdc.progress import Progress
from reactor.sdk import JSON, TriggerContext, TriggerLost
from reactor.sdk.delivery import deliver


class Beginning:
    """Of one trigger."""

    def __init__(self, ctx: TriggerContext, side: Link, stream: Link, plan: Plan, name: str) -> None:
        """`name`: the application's name of our connections."""
        self._ctx, self._side, self._stream, self._plan, self._name = ctx, side, stream, plan, name
        self._config: CdcConfig = ctx.config
        self.sees: int | None = None
        """Where the transaction sees the tables that was begun with the slot, if it was."""

    async def position(self, added: list[str]) -> Position:
        """Where the stream begins; saved. `added`: tables that are published only from now on.

        Raises:
            TriggerLost: there is no way to begin; with what to do.
        """
        system = str((await self._stream.query("IDENTIFY_SYSTEM"))[0][0])
        known = loaded(self._ctx.saved())
        found = await slots.find(self._side, self._plan.slot)
        if found is not None:
            await slots.free(self._side, found, self._name)
        if known is None:
            position = await self._very_first(found, system)
        elif known.system != system or known.slot != self._plan.slot:
            position = await self._elsewhere(known, found, system)
        elif found is None or found.lost:
            position = await self._lost(known, found)
        else:
            position = await self._on(known, found)
        self._tell_new_tables(added, position)
        return await self._saved(position)

    async def _very_first(self, found: Slot | None, system: str) -> Position:
        name = self._plan.slot
        if not self._config.snapshot:
            return self._at(system, found.confirmed if found and not found.lost else await self._made(found))
        if found is not None and self._ctx.saved().get("making") != name:
            raise TriggerLost(
                f"replication slot {name!r} is there already, and a snapshot can be taken only where a slot begins; "
                "say "
                f"snapshot: false to read on from it, or drop it: SELECT pg_drop_replication_slot('{name}')"
            )
        # So that a slot which is there at the next start, without rows told, is known to be ours.
        await deliver(self._ctx, [], save={"making": name})
        lsn = self.sees = await self._made(found, snapshot=True)
        return self._at(system, lsn)

    async def _elsewhere(self, known: Position, found: Slot | None, system: str) -> Position:
        lsn = found.confirmed if found is not None and not found.lost else await self._made(found)
        if known.system != system:
            why = "the connection leads to another PostgreSQL cluster than before"
        else:
            why = (
                f"the replication slot is {self._plan.slot!r} now, not {known.slot!r}, which still holds the server's "
                f"log (drop it: SELECT pg_drop_replication_slot('{known.slot}'))"
            )
        self._gap(why, known.confirmed, lsn)
        return self._at(system, lsn)

    async def _lost(self, known: Position, found: Slot | None) -> Position:
        if found is None:
            why = f"replication slot {known.slot!r} was dropped"
        else:
            why = f"replication slot {known.slot!r} was invalidated ({found.reason or 'max_slot_wal_keep_size'})"
        lsn = await self._made(found)
        self._gap(f"{why} and is made anew", known.confirmed, lsn)
        return self._at(known.system, lsn)

    async def _on(self, known: Position, found: Slot) -> Position:
        if found.confirmed <= known.confirmed:
            return known
        self._gap(f"replication slot {known.slot!r} was moved on by somebody else", known.confirmed, found.confirmed)
        return msgspec.structs.replace(known, confirmed=found.confirmed)

    async def _made(self, old: Slot | None, *, snapshot: bool = False) -> int:
        name = self._plan.slot
        if old is not None:
            await slots.drop(self._side, name)
        lsn = await slots.create(self._ctx, self._stream, name, snapshot=snapshot)
        self._ctx.log.warning(
            "made replication slot %s at %s: from now on the server keeps its log until this trigger has read it; "
            "when the "
            "flow is removed for good, run: SELECT pg_drop_replication_slot('%s'); DROP PUBLICATION IF EXISTS \"%s\"",
            name,
            lsn_text(lsn),
            name,
            self._plan.publication,
        )
        return lsn

    def _at(self, system: str, lsn: int) -> Position:
        return Position(slot=self._plan.slot, system=system, lsn=0, index=WHOLE, confirmed=lsn)

    def _gap(self, why: str, since: int, until: int) -> None:
        tables = ", ".join(sorted(self._plan.tables))
        self._ctx.gap(
            f"{why}: changes of {tables} that were committed after {lsn_text(since)} and before {lsn_text(until)} "
            "are lost"
        )

    def _tell_new_tables(self, added: list[str], position: Position) -> None:
        """A table that was published before and is not the same any more was told of only until it was dropped."""
        before = self._ctx.saved().get("tables") or {}
        for name in sorted(self._plan.tables):
            oid = self._plan.tables[name].oid
            if name not in before or (before[name] == oid and name not in added):
                continue
            what = "taken out of the publication" if before[name] == oid else "dropped and made anew"
            self._ctx.gap(
                f"the table {name} was {what}: its changes are told again only from "
                f"{lsn_text(position.confirmed)} on, when it was published again"
            )

    async def _saved(self, position: Position) -> Position:
        save: dict[str, JSON] = {
            "position": position.saved(),
            "tables": {name: table.oid for name, table in self._plan.tables.items()},
            "making": None,
        }
        if self.sees is not None:
            save["snapshot"] = Progress().saved()
        await deliver(self._ctx, [], save=save)
        return position
