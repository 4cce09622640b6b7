"""A trigger's work with one PostgreSQL: what is needed is made or found, then rows that are there, then the stream."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import Coroutine
from typing import Any

import psycopg

from reactor.connectors.cdc.config import CdcConfig
from reactor.connectors.cdc.postgres import publication, slot, snapshot
from reactor.connectors.cdc.postgres.address import Address
from reactor.connectors.cdc.postgres.beginning import Beginning
from reactor.connectors.cdc.postgres.link import Link, Refused, linked
from reactor.connectors.cdc.postgres.plan import Plan
from reactor.connectors.cdc.postgres.position import Position
from reactor.connectors.cdc.postgres.refusals import told, unreachable
from reactor.connectors.cdc.postgres.stream import Stream
from reactor.connectors.cdc.postgres.tables import checked, fields, full_name, kinds
from reactor.connectors.cdc.postgres.watch import Watch
from reactor.connectors.cdc.progress import Progress
from reactor.sdk import TriggerContext, TriggerLost
from reactor.sdk.databases import ServerSettings
from reactor.sdk.delivery import deliver

_STATE = """
SELECT current_setting('wal_level'), pg_is_in_recovery()::text, current_setting('server_version_num')
"""


async def follow(ctx: TriggerContext, settings: ServerSettings) -> None:
    """Until cancelled.

    Raises:
        TriggerLost: it cannot listen.
    """
    client = ctx.saved().get("client")
    if client is None:
        client = secrets.token_hex(4)
        await deliver(ctx, [], save={"client": client})
    address = Address(settings, ctx.settings, f"reactor {client}")
    async with contextlib.AsyncExitStack() as stack:
        links = []
        for replication in (False, True):
            try:
                link = await stack.enter_async_context(linked(address, replication=replication))
            except psycopg.OperationalError as error:
                raise unreachable(error, replication=replication) from None
            links.append(link)
        side, stream = links
        await _Following(ctx, side, stream, address.name).run()


class _Following:
    """Of one pair of connections: one for questions, one for the stream."""

    def __init__(self, ctx: TriggerContext, side: Link, stream: Link, name: str) -> None:
        self._ctx, self._side, self._stream, self._name = ctx, side, stream, name
        self._config: CdcConfig = ctx.config
        self._watch = Watch(ctx, side)

    async def run(self) -> None:
        await _first(self._work(), self._watch.run())

    async def _work(self) -> None:
        try:
            plan, added = await self._planned()
            beginning = Beginning(self._ctx, self._side, self._stream, plan, self._name)
            position = await beginning.position(added)
            if self._config.snapshot:
                await self._snapshot(plan, beginning, position)
        except Refused as error:
            raise told(error, "begin") from None
        stream = Stream(self._ctx, self._stream, self._side, plan, position)
        self._watch.begin(stream, plan, self._stream.pid)
        await stream.run()

    async def _planned(self) -> tuple[Plan, list[str]]:
        """What is followed, and the tables that are published only from now on."""
        await self._able()
        config, default = self._config, slot.name_for(self._ctx.key)
        wanted = config.wanted()
        names = [full_name(name) for name in config.names()]
        found = await checked(self._side, names, wanted)
        plan = Plan(config.slot or default, config.publication or default, found, await kinds(self._side))
        added: list[str] = []
        if config.publication is None:
            added = await publication.own(self._side, plan.publication, found, wanted)
        else:
            given = await publication.given(self._side, plan.publication, found, wanted)
            if not names:
                plan.tables = await checked(self._side, sorted(given.members), wanted)
                plan.everything = True
        await self._known_columns(plan)
        return plan, added

    async def _able(self) -> None:
        level, standby, version = (await self._side.soon(_STATE))[0]
        if int(version or 0) < 120_000:
            raise TriggerLost("this PostgreSQL is older than 12; changes are read from 12 on")
        if standby == "true":
            raise TriggerLost("this PostgreSQL is a standby; point the connection at the primary")
        if level != "logical":
            raise TriggerLost(
                f"the server's wal_level is {level}, so its log does not tell changes; run: ALTER SYSTEM SET "
                "wal_level = "
                "'logical', and restart it"
            )

    async def _known_columns(self, plan: Plan) -> None:
        if not self._config.columns or not plan.tables:
            return
        known = set[str]()
        for table in plan.tables.values():
            known |= {each.name for each in await fields(self._side, table)}
        if strange := [name for name in self._config.columns if name not in known]:
            raise TriggerLost(
                f"no table of `tables` has a column {', '.join(strange)} (there is: {', '.join(sorted(known))}); "
                "mend `columns`"
            )

    async def _snapshot(self, plan: Plan, beginning: Beginning, position: Position) -> None:
        saved: Any = self._ctx.saved().get("snapshot")
        if saved is None:  # there was a slot before there was a wish for a snapshot
            return
        plan.progress = Progress(saved)
        sources = await snapshot.prepare(plan, self._side)
        plan.orders = {name: source.order for name, source in sources.items()}
        if plan.progress.done:
            return
        passing, lsn = "", beginning.sees
        if lsn is None:
            passing, lsn = await snapshot.again(self._ctx, self._stream, plan.slot)
        await snapshot.Snapshot(self._ctx, self._stream, plan, position).read(sources, lsn)
        if passing:
            await self._stream.query(f"DROP_REPLICATION_SLOT {publication.quoted(passing)}")


async def _first(*works: Coroutine[Any, Any, None]) -> None:
    """Until the first of these ends; the others are stopped. What it failed with is raised."""
    tasks = [asyncio.get_running_loop().create_task(work) for work in works]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    for task in done:
        task.result()
