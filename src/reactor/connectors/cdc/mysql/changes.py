"""A trigger's work with one MariaDB or MySQL: a thread reads, the loop delivers."""

from __future__ import annotations

import asyncio
import functools
import secrets
import threading
import time
from typing import Any

import pymysql

from reactor.connectors.cdc.config import CdcConfig
from reactor.connectors.cdc.mysql.binlog import Binlog, begun_anew
from reactor.connectors.cdc.mysql.handover import Handover, Item, Stopped
from reactor.connectors.cdc.mysql.plan import Plan
from reactor.connectors.cdc.mysql.position import Position, loaded
from reactor.connectors.cdc.mysql.refusals import is_gap, told
from reactor.connectors.cdc.mysql.server import Server
from reactor.connectors.cdc.mysql.snapshot import Snapshot
from reactor.connectors.cdc.progress import Progress
from reactor.model import failpoints
from reactor.sdk import JSON, DeadLetter, EventDraft, TriggerContext, TriggerLost
from reactor.sdk.databases import ServerSettings
from reactor.sdk.delivery import deliver

_SAVE_EVERY = 10.0
"""Seconds after which a position without events of ours is saved."""
_REPORT_EVERY = 2.0
"""Seconds between two reports of how far it is behind."""
_LATE = 10_000
"""Milliseconds after a commit from which on we are behind."""


async def follow(ctx: TriggerContext, settings: ServerSettings) -> None:
    """Until cancelled.

    Raises:
        TriggerLost: it cannot listen.
    """
    config: CdcConfig = ctx.config
    server_id = config.server_id or ctx.saved().get("server_id")
    if server_id is None:
        server_id = secrets.randbelow(2**31) + 2**31
        await deliver(ctx, [], save={"server_id": server_id})
    server = Server(settings, ctx.settings)
    handover = Handover(config.batch)
    reading = _Reading(ctx, server, handover, int(server_id))
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()

    def read() -> None:
        reading.run()
        loop.call_soon_threadsafe(ended.set)

    thread = threading.Thread(target=read, name=f"cdc {ctx.key}", daemon=True)
    thread.start()
    try:
        await _Delivering(ctx, handover, reading).run()
    finally:
        handover.stop()
        server.cut()
        await ended.wait()
        thread.join()


class _Reading:
    """In the thread."""

    def __init__(self, ctx: TriggerContext, server: Server, handover: Handover, server_id: int) -> None:
        self._ctx, self._server, self._handover, self._server_id = ctx, server, handover, server_id
        self._config: CdcConfig = ctx.config
        self._saved: dict[str, Any] = dict(ctx.saved())
        self._late = False

    @property
    def mariadb(self) -> bool:
        """Whether the server is one."""
        return self._server.mariadb

    def run(self) -> None:
        """Until stopped; how it ended is handed over."""
        error: BaseException | None = None
        try:
            self._follow()
        except Stopped:
            pass
        except pymysql.MySQLError as refused:
            error = told(refused, self._server.where)
        except OSError as lost:
            error = TriggerLost(f"the connection to {self._server.where} is lost: {lost}")
        except BaseException as other:  # noqa: BLE001 - it is raised where the items are taken
            error = other
        finally:
            self._server.close()
        self._handover.end(error)

    def _follow(self) -> None:
        side = self._server.connect()
        self._server.check(side)
        if self._server_id == self._server.id:
            raise TriggerLost(f"server_id {self._server_id} is the server's own; set another `server_id`")
        names = [self._full(name) for name in self._config.names()]
        if not names:
            raise TriggerLost("`tables` is missing; a publication is PostgreSQL's")
        plan = Plan(self._config, self._server.tables(side, names), self._server, side, self._ctx.gap)
        self._known_columns(plan)
        plan.progress = Progress(self._saved.get("snapshot"))
        position = self._known(plan, side, loaded(self._saved, mariadb=self._server.mariadb))
        position = self._snapshot(plan, position)
        if position is None:
            position = Position(self._server.executed(side))
            self._handover.put(self._at(position))
        try:
            self._stream(plan, position)
        except pymysql.MySQLError as error:
            if not is_gap(error):
                raise
            now = Position(self._server.executed(self._server.connect()))
            reason = (
                f"the server no longer has its binlog from {position.executed.text or 'its beginning'} on: changes of "
                f"{', '.join(plan.names)} up to {now.executed.text} are lost"
            )
            self._handover.put(Item(note=functools.partial(self._ctx.gap, reason)))
            self._handover.put(self._at(now))
            self._stream(plan, now)

    def _known(self, plan: Plan, side: Any, position: Position | None) -> Position | None:
        """The position, if it is one of this server's history; else a gap, and what is there now."""
        if position is None and "binlog" not in self._saved:
            return None
        now = self._server.executed(side)
        if position is not None and position.executed.within(now) and self._server.knows(side, position):
            return position
        before = str(self._saved["binlog"]["gtid"])
        self._handover.put(Item(note=functools.partial(self._ctx.gap, begun_anew(before, plan.names))))
        anew = Position(now)
        self._handover.put(self._at(anew))
        return anew

    def _full(self, name: str) -> str:
        if "." in name:
            return name
        if self._server.database is None:
            raise TriggerLost(f"write database.{name} in `tables`, or name a database in the connection's url")
        return f"{self._server.database}.{name}"

    def _known_columns(self, plan: Plan) -> None:
        known = {name for table in plan.tables.values() for name, _ in table.columns}
        if strange := [name for name in self._config.columns if name not in known]:
            raise TriggerLost(
                f"no table of `tables` has a column {', '.join(strange)} (there is: {', '.join(sorted(known))}); mend "
                "`columns`"
            )

    def _at(self, position: Position, **save: JSON) -> Item:
        return Item(position=position, save={**save})

    def _snapshot(self, plan: Plan, position: Position | None) -> Position | None:
        """Tell the rows that are there, if that is wanted and was not done; where the stream begins."""
        if not self._config.snapshot or (position is not None and self._saved.get("snapshot") is None):
            return position
        plan.ordered()
        if plan.progress.done:
            return position
        snapshot = Snapshot(self._server, plan)
        mark = snapshot.begin()
        if position is None:
            position = Position(mark)
            self._handover.put(self._at(position, snapshot=plan.progress.saved()))
        for item in snapshot.items(mark):
            self._handover.put(item)
        return position

    def _stream(self, plan: Plan, position: Position) -> None:
        binlog = Binlog(self._server, plan, position, self._server_id)
        reported: float | None = None
        for item in binlog.items():
            if item is not None:
                self._handover.put(item)
            if reported is None:
                self._handover.put(Item(note=self._ctx.armed))
            if reported is None or time.monotonic() - reported > _REPORT_EVERY:
                reported = time.monotonic()
                self._handover.put(Item(note=functools.partial(self.behind, binlog.time, caught_up=item is None)))

    def behind(self, committed: int, *, caught_up: bool) -> None:
        """In the loop: say how far we are behind. Nobody counts the changes that wait."""
        late = self._ctx.clock.now() - committed
        if caught_up:
            if self._late:
                self._late = False
                self._ctx.armed()
            self._ctx.lag(0)
        elif committed and late > _LATE:
            self._late = True
            self._ctx.lagging(f"changes are told {late // 1000} s after they were committed")
        else:
            self._ctx.lag(None)


class _Delivering:
    """In the loop."""

    def __init__(self, ctx: TriggerContext, handover: Handover, reading: _Reading) -> None:
        self._ctx, self._handover, self._reading = ctx, handover, reading
        self._position: Position | None = None
        self._saved_at = 0.0

    async def run(self) -> None:
        """Until the reader ends; raises what it ended with."""
        while True:
            drafts: list[EventDraft | DeadLetter] = []
            save: dict[str, JSON] = {}
            for item in await self._handover.take():
                if item.note is not None:
                    await self._deliver(drafts, save)
                    drafts, save = [], {}
                    item.note()
                if item.draft is not None:
                    drafts.append(item.draft)
                if item.position is not None:
                    self._position = item.position
                if item.save is not None:
                    save |= item.save
                    if item.position is not None:
                        save |= self._place()
            await self._deliver(drafts, save)

    async def _deliver(self, drafts: list[EventDraft | DeadLetter], save: dict[str, JSON]) -> None:
        """What has no event for us is saved now and then only."""
        now = asyncio.get_running_loop().time()
        if not drafts and not save and (self._position is None or now - self._saved_at < _SAVE_EVERY):
            return
        await deliver(self._ctx, drafts, save={**save, **self._place()})
        self._saved_at = now
        failpoints.reach("source.acknowledged")

    def _place(self) -> dict[str, JSON]:
        if self._position is None:
            return {}
        return {"binlog": self._position.saved(mariadb=self._reading.mariadb)}
