"""Takes changes from the stream, hands them over in batches, and confirms to the server what is committed."""

from __future__ import annotations

import asyncio
import struct

import msgspec

from reactor.connectors.cdc.change import chooser, draft
from reactor.connectors.cdc.config import CdcConfig
from reactor.connectors.cdc.postgres import pgoutput
from reactor.connectors.cdc.postgres.link import Link, Refused
from reactor.connectors.cdc.postgres.plan import Plan
from reactor.connectors.cdc.postgres.position import WHOLE, Position
from reactor.connectors.cdc.postgres.publication import quoted
from reactor.connectors.cdc.postgres.refusals import told
from reactor.connectors.cdc.postgres.shapes import Shape
from reactor.connectors.cdc.postgres.tables import kinds, tables
from reactor.connectors.cdc.postgres.values import builtin
from reactor.model import failpoints
from reactor.model.clock import to_iso
from reactor.sdk import JSON, EventDraft, TriggerContext, TriggerLost
from reactor.sdk.delivery import deliver

_HEAVY = 4 * 1024 * 1024
"""Bytes of changes that are handed over at most at once."""
_STEP = 1024 * 1024
"""Bytes of log without a change for us after which that is saved and confirmed."""
_BREATH = 256
"""Messages after which others have their turn."""


class Stream:
    """The stream of one slot."""

    def __init__(self, ctx: TriggerContext, link: Link, side: Link, plan: Plan, position: Position) -> None:
        self._ctx, self._link, self._side, self._plan = ctx, link, side, plan
        config: CdcConfig = ctx.config
        self._wanted = config.wanted()
        self._most = config.batch
        self._choose = chooser(config.columns)
        self._start = position
        """What is at or below it was taken before."""
        self._position = position
        self._saved = position.confirmed
        self._amidst = position.index != WHOLE
        """Whether what is saved is amidst a transaction."""
        self._shapes: dict[int, Shape] = {}
        self._relations: dict[int, pgoutput.Relation] = {}
        self._begun: pgoutput.Begin | None = None
        self._index = WHOLE
        self._batch: list[EventDraft] = []
        self._weight = 0
        self._handing = False
        self.running = False
        self.received = position.confirmed
        """All up to here has reached us."""

    async def run(self) -> None:
        """Until cancelled.

        Raises:
            TriggerLost: it cannot go on.
        """
        names = quoted(self._plan.publication).replace("'", "''")
        options = f"proto_version '1', publication_names '{names}'"
        start = pgoutput.lsn_text(self._start.confirmed)
        try:
            await self._link.begin_copy(
                f"START_REPLICATION SLOT {quoted(self._start.slot)} LOGICAL {start} ({options})"
            )
            self.running = True
            self._ctx.armed()
            await self._pump()
        except Refused as error:
            raise self._ended(error) from None

    @property
    def reached(self) -> int:
        """All up to here has been dealt with."""
        idle = self._begun is None and not self._batch and not self._handing
        return self.received if idle else self._saved

    def tell(self, *, reply: bool = False) -> None:
        """Tell the server how far we are; it takes a silent reader for a dead one."""
        self._link.tell(pgoutput.status(self._saved, self.received, self._ctx.clock.now(), reply=reply))

    async def _pump(self) -> None:
        count = 0
        while True:
            message = self._link.taken()
            if message is None:
                # Whole transactions: what is missing of one is on its way.
                if self._begun is None and (self._batch or self._amidst):
                    await self._deliver()
                else:
                    await self._link.more()
                continue
            await self._take(bytes(message))
            count += 1
            if count % _BREATH == 0:
                await asyncio.sleep(0)

    async def _take(self, message: bytes) -> None:
        found = pgoutput.unwrap(message)
        if isinstance(found, pgoutput.Keepalive):
            await self._kept(found)
            return
        try:
            change = pgoutput.decode(found.payload)
        except (struct.error, IndexError, ValueError) as error:
            raise TriggerLost(f"a message of PostgreSQL's stream cannot be read: {error}; please report it") from error
        if isinstance(change, pgoutput.Change | pgoutput.Truncate):
            self._weight += len(message)
            self._note(change)
            if len(self._batch) >= self._most or (self._batch and self._weight >= _HEAVY):
                await self._deliver()
        elif isinstance(change, pgoutput.Begin):
            self._begun, self._index = change, WHOLE
        elif isinstance(change, pgoutput.Commit):
            self._begun = None
            self.received = max(self.received, change.end)
            if change.lsn >= self._position.lsn:
                self._position = msgspec.structs.replace(
                    self._position, lsn=change.lsn, index=WHOLE, confirmed=max(change.end, self._position.confirmed)
                )
        elif change is not None:
            await self._shaped(change)

    async def _kept(self, found: pgoutput.Keepalive) -> None:
        """The server has told all up to there; what is not ours must not hold back its log."""
        self.received = max(self.received, found.end)
        if self._begun is None and not self._batch and found.end > self._position.confirmed:
            self._position = msgspec.structs.replace(self._position, confirmed=found.end)
            if found.end - self._saved >= _STEP:
                await self._deliver()
        if found.reply:
            self.tell()

    async def _deliver(self) -> None:
        items, self._batch, self._weight = self._batch, [], 0
        position = self._position
        if self._begun is not None:  # amidst a large transaction: what was taken of it, but none of it is confirmed
            position = msgspec.structs.replace(position, lsn=self._begun.lsn, index=self._index)
        self._handing, self._amidst = True, self._begun is not None
        await deliver(self._ctx, items, save={"position": position.saved()})
        self._saved, self._handing = position.confirmed, False
        self.tell()
        failpoints.reach("source.acknowledged")

    def _note(self, change: pgoutput.Change | pgoutput.Truncate) -> None:
        self._index += 1
        begun = self._begun
        if begun is None:
            raise TriggerLost("PostgreSQL's stream tells a change outside of a transaction; please report it")
        if self._start.has(begun.lsn, self._index):
            return
        operation = change.operation if isinstance(change, pgoutput.Change) else "truncate"
        if operation not in self._wanted:
            return
        metadata: dict[str, JSON] = {
            "lsn": pgoutput.lsn_text(begun.lsn),
            "index": self._index,
            "transaction": begun.transaction,
            "committed_at": to_iso(begun.time),
        }
        if isinstance(change, pgoutput.Truncate):
            names = [self._shapes[each].table for each in change.relations if each in self._shapes]
            self._batch += [
                draft(operation=operation, table=name, new=None, old=None, key=None, time=begun.time, metadata=metadata)
                for name in names
                if self._plan.follows(name)
            ]
            return
        shape = self._shapes[change.relation]
        if self._plan.follows(shape.table) and not self._plan.seen(shape, change, begun.lsn):
            self._batch.append(self._draft(shape, change, begun, metadata))

    def _draft(
        self, shape: Shape, change: pgoutput.Change, begun: pgoutput.Begin, metadata: dict[str, JSON]
    ) -> EventDraft:
        new, old, missing = shape.read(change)
        if missing:
            metadata["unchanged"] = missing
        return draft(
            operation=change.operation,
            table=shape.table,
            new=self._choose(new),
            old=self._choose(old),
            key=shape.key_of(new, old),
            time=begun.time,
            metadata=metadata,
        )

    async def _shaped(self, relation: pgoutput.Relation) -> None:
        """A table is told of, for the first time or with another shape than before."""
        before = self._relations.get(relation.id)
        if before == relation:
            return
        strange = {each.type for each in relation.columns if not builtin(each.type)} - self._plan.asked
        if strange:
            self._plan.kinds |= await kinds(self._side)
            self._plan.asked |= strange
        if before is not None and self._plan.follows(relation.table):
            self._ctx.log.info("table %s has another shape from here on", relation.table)
            self._plan.tables |= await tables(self._side, [relation.table])
        known = self._plan.tables.get(relation.table)
        self._relations[relation.id] = relation
        self._shapes[relation.id] = Shape(relation, known.key if known else (), self._plan.kinds)

    def _ended(self, error: Refused) -> TriggerLost:
        slot = self._start.slot
        if error.state == "42704" and "publication" in error.message:
            return TriggerLost(
                f"publication {self._plan.publication!r} was not there when changes were made that have not been "
                "read yet; to "
                f"give them up and go on from now, run: SELECT pg_drop_replication_slot('{slot}')"
            )
        return told(error, f"read replication slot {slot!r}")
