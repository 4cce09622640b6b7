"""The default store: one SQLite file in WAL mode, a writer thread, a reader thread, blob files beside it."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any, Literal

from reactor.model.clock import Clock, Instant
from reactor.model.errors import StoreBrokenError, StoreBusyError
from reactor.model.event import Event
from reactor.model.journal import Run
from reactor.model.lines import LogLine
from reactor.model.states import RunStatus
from reactor.stores.blobs import Blobs
from reactor.stores.port import (
    Batch,
    Committed,
    EventFilter,
    EventRow,
    FlowVersion,
    KeyState,
    Letter,
    Loaded,
    RunFilter,
    Verdict,
)
from reactor.stores.sqlite import purge, queries, rows, schema, statistics
from reactor.stores.sqlite.access import AccessTables
from reactor.stores.sqlite.faults import translated
from reactor.stores.sqlite.inbox import Cargo, Origins
from reactor.stores.sqlite.reader import Reader
from reactor.stores.sqlite.writer import Writer
from reactor.stores.statistics import Tallied, TallyFilter

_ALL = Committed()
OPEN_SECONDS, _AGAIN = 10.0, 0.1
"""How long, and how often, opening waits for a lock of somebody else."""
STATE_MEMORY = 7 * 86_400_000
"""Milliseconds after which a key's state that was due, and that nobody took up, is dropped: its trigger is gone."""


class SqliteStore(AccessTables):
    """All ports of stores on one file. The folder belongs to one process at a time (a lock on the file `lock` in it).

    A commit that failed as busy may be given again as it is: claims know their owner, records are replaced, and an
    entry that stands in a journal twice says the same.
    """

    def __init__(
        self,
        path: Path | str,
        *,
        clock: Clock,
        durability: Literal["full", "process"] = "full",
        blobs: Path | str | None = None,
        blob_limit: int = 65_536,
    ) -> None:
        """`durability`: `full` flushes each commit to the disk, `process` survives our end but not the machine's.

        `blobs`: the folder for payloads larger than `blob_limit` bytes; by default `blobs` beside the file.
        """
        self._path = Path(path)
        self._clock = clock
        self._durability = durability
        self._blob_limit = blob_limit
        folder = self._path.parent / "blobs" if blobs is None else Path(blobs)
        self._blobs = Blobs(folder, sync=durability == "full")
        self._lock = schema.FolderLock(self._path.parent / "lock")
        self._origins = Origins()
        self._writer: Writer | None = None
        self._reader: Reader | None = None
        self._versions: list[FlowVersion] = []
        self._adding: asyncio.Task[None] | None = None

    async def open(self) -> None:
        if self._writer is not None:
            raise StoreBrokenError(f"{self._path} is open already")
        with translated(self._path):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._lock.take()
        self._origins = Origins()
        self._writer = Writer(self._path, self._durability, self._blobs)
        self._reader = Reader(self._path, self._blobs, self._origins)
        self._writer.start()
        self._reader.start()
        try:
            await self._prepared()
        except BaseException:
            await self.close()
            raise

    async def _prepared(self) -> None:
        """Somebody else's lock is waited for: a backup that runs while Reactor starts is no reason not to."""
        until = time.monotonic() + OPEN_SECONDS
        while True:
            try:
                return await self._write.call(self._prepare)
            except StoreBusyError:
                if time.monotonic() > until:
                    raise
                await asyncio.sleep(_AGAIN)

    def _prepare(self, connection: sqlite3.Connection) -> None:
        schema.prepare(connection, self._path, self._clock.now(), "local")
        statistics.count_again(connection, self._clock.now())
        for number, flow, trigger in connection.execute(queries.ORIGINS).fetchall():
            self._origins.add(number, (rows.to_text(flow), rows.to_text(trigger)))

    async def close(self) -> None:
        writer, reader = self._writer, self._reader
        self._writer = self._reader = None
        if writer is not None and reader is not None:
            # The writer last: closing the last connection moves the log into the database.
            await asyncio.to_thread(_stop, reader, writer)
            self._lock.release()

    @property
    def _write(self) -> Writer:
        if self._writer is None:
            raise StoreBrokenError(f"{self._path} is not open")
        return self._writer

    @property
    def _read(self) -> Reader:
        if self._reader is None:
            raise StoreBrokenError(f"{self._path} is not open")
        return self._reader

    async def commit(self, batch: Batch) -> Committed:
        """See `Store.commit`.

        The rows are made here, on the loop's thread: the writer's thread is left with next to no Python to run.
        """
        writer = self._write
        cargo = Cargo(batch, self._origins, self._clock.now(), self._blob_limit)
        if not cargo.values:
            return _ALL
        committed = await writer.commit(cargo)
        self._origins.written(cargo.origins)
        return committed

    async def load(self, keys: Sequence[int]) -> list[Loaded]:
        return await self._read.load(keys)

    async def due(self, before: Instant, after: tuple[Instant, int], limit: int) -> list[tuple[Instant, int]]:
        return await self._read.due(before, after, limit)

    async def live(self, status: Sequence[RunStatus], after: int, limit: int) -> list[int]:
        return await self._read.live(status, after, limit)

    async def children(self, parent: int) -> list[Run]:
        return await self._read.children(parent)

    async def saved(self, trigger: str) -> dict[str, Any]:
        return await self._read.saved(trigger)

    async def versions(self, flow: str | None = None) -> list[FlowVersion]:
        return await self._read.versions(flow)

    async def version(self, flow: str, version: int) -> FlowVersion | None:
        return await self._read.version(flow, version)

    async def add_version(self, version: FlowVersion) -> None:
        """See `Store.add_version`. A version that becomes current takes that from the others of its flow.

        Those that are added in one turn of the loop share a transaction: a folder of 10,000 flows costs a few.
        """
        self._versions.append(version)
        if self._adding is None or self._adding.done():
            self._adding = asyncio.ensure_future(self._add_versions())
        await asyncio.shield(self._adding)

    async def _add_versions(self) -> None:
        # All who are ready in this turn add theirs before the batch is taken.
        await asyncio.sleep(0)
        versions, self._versions, self._adding = self._versions, [], None
        await self._write.call(lambda connection: _keep_versions(connection, versions))

    async def purge(self, before: Instant, limit: int, *, flow: str | None = None, but: Collection[str] = ()) -> int:
        """See `Store.purge`. One call holds the writer for about 20 µs a row: 500 at a time do not disturb commits.

        A finished run stays while the run that called it lives. Ages: a run's end, an event's arrival.
        """
        gone = await self._write.call(
            lambda connection: purge.purge_rows(connection, self._blobs, before, limit, flow, but)
        )
        if gone >= limit or flow is not None:
            return gone
        now = self._clock.now()
        over = await self._read.call(lambda connection: purge.claims_over(connection, now, limit - gone))
        if over:
            gone += await self._write.call(lambda connection: purge.drop_claims(connection, over, now))
        border = now - STATE_MEMORY
        stale = await self._read.call(lambda connection: purge.states_over(connection, border, max(limit - gone, 0)))
        if stale:
            gone += await self._write.call(lambda connection: purge.drop_states(connection, stale, border))
        if gone == 0:
            stray = await self._read.call(lambda connection: purge.strays(connection, self._blobs, limit))
            if stray:
                await self._write.call(lambda connection: purge.remove_unnamed(connection, self._blobs, stray))
        return gone

    async def lines(self, run: int) -> list[LogLine]:
        return await self._read.lines(run)

    async def run(self, key: int) -> Run | None:
        return await self._read.run(key)

    async def runs(self, wanted: RunFilter) -> list[Run]:
        """See `History.runs`. `since` and `until` (exclusive) mean when the run was made, as its key tells."""
        return (await self._read.page(wanted))[0]

    async def look_for_runs(self, wanted: RunFilter, look: int) -> tuple[list[Run], int]:
        return await self._read.page(wanted, look)

    async def count_runs(self, wanted: RunFilter, most: int, look: int) -> tuple[int, bool]:
        return await self._read.count(wanted, most, look)

    async def event(self, key: int) -> Event | None:
        return await self._read.event(key)

    async def event_by_id(self, id: str) -> Event | None:
        return await self._read.event_by_id(id)

    async def events(self, wanted: EventFilter) -> list[EventRow]:
        """See `History.events`. `since` and `until` (exclusive) mean when the event arrived, as its key tells."""
        return await self._read.event_page(wanted)

    async def started(self, keys: Sequence[int]) -> dict[int, list[Run]]:
        return await self._read.started(keys)

    async def read(self, keys: Sequence[int]) -> list[Event]:
        return await self._read.read(keys)

    async def events_after(
        self, key: int, below: int, limit: int, types: Sequence[str] | None = None
    ) -> tuple[list[Event], int]:
        return await self._read.events_after(key, below, limit, types)

    async def count_after(self, key: int, below: int, most: int) -> int:
        return await self._read.count_after(key, below, most)

    async def key_states(self, owner: int, keys: Sequence[str]) -> list[KeyState]:
        return await self._read.key_states(owner, keys)

    async def states_due(self, owner: int, before: Instant, limit: int) -> list[KeyState]:
        return await self._read.states_due(owner, before, limit)

    async def verdicts(self, event_key: int) -> list[Verdict]:
        return await self._read.verdicts(event_key)

    async def letters(self, trigger: str | None, below: int | None, limit: int) -> list[Letter]:
        return await self._read.letters(trigger, below, limit)

    async def letter(self, key: int) -> Letter | None:
        return await self._read.letter(key)

    async def letter_counts(self) -> dict[str, int]:
        return await self._read.letter_counts()

    async def counts(self) -> dict[str, int]:
        """See `History.counts`. All numbers are exact; about 20 ms for a million runs and as many events."""
        return await self._read.counts()

    async def tallied(self, wanted: TallyFilter) -> list[Tallied]:
        origins = None
        if wanted.flow is not None or wanted.trigger is not None:
            origins = self._origins.matching(wanted.flow, wanted.trigger)
        flows = self._origins.flows() if wanted.by_flow else {}
        return await self._read.call(lambda connection: statistics.sums(connection, wanted, origins, flows))

    async def unfinished(self) -> dict[str, int]:
        return await self._read.call(statistics.unfinished)

    async def samples(self, since: int, until: int) -> list[tuple[int, bytes]]:
        return await self._read.call(lambda connection: statistics.samples(connection, since, until))

    async def newest_runs(self, flows: Sequence[str]) -> list[Run]:
        names, wanted = self._origins.flows(), set(flows)
        origins = [number for number, flow in names.items() if flow in wanted]
        newest: dict[str, int] = {}
        for origin, key in await self._read.call(lambda connection: statistics.newest(connection, origins)):
            newest[names[origin]] = max(key, newest.get(names[origin], 0))
        return await self._read.runs(list(newest.values()))

    async def roll(self, before: int) -> bool:
        found = await self._read.call(lambda connection: statistics.fine(connection, before))
        if found is None:
            return False
        hour, origins = found
        some = origins[: statistics.ORIGINS_AT_ONCE]
        await self._write.call(lambda connection: statistics.roll(connection, hour, some))
        return True

    async def forget_statistics(self, tallies: int, samples: int) -> None:
        await self._write.call(lambda connection: statistics.forget(connection, tallies, samples))


def _stop(reader: Reader, writer: Writer) -> None:
    reader.stop()
    writer.stop()


def _keep_versions(connection: sqlite3.Connection, versions: Sequence[FlowVersion]) -> None:
    connection.execute("BEGIN IMMEDIATE")
    for version in versions:
        _keep_version(connection, version)
    connection.execute("COMMIT")


def _keep_version(connection: sqlite3.Connection, version: FlowVersion) -> None:
    flow = rows.from_text(version.flow)
    file = None if version.file is None else rows.from_text(version.file)
    connection.execute(queries.KEEP_FLOW, (flow, version.enabled))
    if version.current:
        connection.execute(queries.RETIRE_VERSIONS, (flow, version.version))
    source = rows.from_text(version.source)
    values = (flow, version.version, version.digest, source, file, version.created_at, version.current)
    connection.execute(queries.KEEP_VERSION, values)
