"""One running file trigger: hints and looks on one side, the door on the other."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from reactor.connectors.file import content, scan
from reactor.connectors.file.changes import Change, Table
from reactor.connectors.file.config import FileConfig
from reactor.connectors.file.pattern import parse, under
from reactor.connectors.file.scan import Area, Stat, Walk
from reactor.connectors.file.watch import Hints
from reactor.model.errors import BusyError
from reactor.sdk import JSON, EventDraft, TriggerContext, TriggerLost
from reactor.sdk.paths import Bounds

RECONCILE = 180.0
"""Seconds between two looks at everything."""
ROOT_CHECK = 2.0
"""Seconds between two looks at the watched folders themselves."""
ANSWER = 6.0
"""Seconds in which a watched folder has to answer."""
WITHOUT_HINTS = 5.0
"""Seconds between two looks at everything while the operating system gives no hints."""
REOPEN = 2.0
"""Seconds between two tries to get hints again."""
BATCH, BATCH_BYTES = 50, 4_194_304
"""An `emit` has at most so many events, or about so many bytes of content."""
SAVE_BATCH = 1_000
MARK = "snapshot"
"""The saved key beside the paths: there is a snapshot, of these patterns, on these devices."""
BUSY_FIRST, BUSY_MOST = 0.1, 5.0
FEW = 50

T = TypeVar("T")


class Watching:
    """The state of one running file trigger."""

    def __init__(self, ctx: TriggerContext) -> None:
        self._ctx = ctx
        self._config: FileConfig = ctx.config
        if problems := self._config.problems():
            raise TriggerLost("; ".join(problems))
        self._areas: list[Area] = []
        self._identities: dict[str, tuple[int, int]] = {}
        self._table = Table({}, self._config.settle_seconds())
        self._hints: Hints | None = None
        self._no_hints: str | None = None
        self._reopen_at = 0.0
        self._check_at = 0.0
        self._reconcile_at = 0.0
        self._complained: set[str] = set()

    async def run(self) -> None:
        """Watch until cancelled.

        Raises:
            TriggerLost: a watched folder is not there, not the one it was, or one of Reactor's own.
        """
        self._areas = await asyncio.to_thread(_areas, self._config.texts(), self._ctx.settings)
        await asyncio.to_thread(_refuse_private, self._areas)
        await self._check_roots()
        try:
            await self._open_hints()
            await self._begin()
            self._say()
            while True:
                await self._turn()
        finally:
            if self._hints is not None:
                self._hints.stop()

    # ------------------------------------------------------------ one turn

    async def _turn(self) -> None:
        await self._rest()
        now = _now()
        if now >= self._check_at:
            await self._check_roots()
        hints, flood = self._hints.take() if self._hints is not None else (set(), False)
        if self._hints is None or self._hints.broken is not None:
            flood = await self._without_hints() or flood
        if flood or now >= self._reconcile_at:
            await self._reconcile()
        elif hints:
            await self._follow(hints)
        await self._settle()

    async def _rest(self) -> None:
        """Until there is something to do."""
        times = [self._check_at, self._reconcile_at]
        if (due := self._table.due()) is not None:
            times.append(due)
        if self._hints is None:
            times.append(self._reopen_at)
        left = max(0.0, min(times) - _now())
        if self._hints is None:
            await asyncio.sleep(left)
            return
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._hints.changed.wait(), left)

    async def _open_hints(self) -> None:
        """Ask the operating system for hints; without them everything is looked at often."""
        hints = Hints()
        await hints.start([area.root for area in self._areas], recursive=any(area.depth != 0 for area in self._areas))
        self._reopen_at = _now() + REOPEN
        self._hints = hints if hints.broken is None else None
        self._no_hints = hints.broken

    def _say(self) -> None:
        """How well it listens."""
        if self._no_hints is None:
            self._ctx.armed()
            return
        self._ctx.lagging(
            f"no hints from the operating system ({self._no_hints}); everything is looked at every "
            f"{WITHOUT_HINTS:g} s. On Linux raise fs.inotify.max_user_watches and max_user_instances"
        )

    async def _without_hints(self) -> bool:
        """Hints have ended: open them again. Whether everything has to be looked at now."""
        ended = self._hints is not None
        if self._hints is not None:
            self._ctx.log.info("hints ended: %s", self._hints.broken)
            self._hints.stop()
            self._hints = None
        if _now() >= self._reopen_at:
            await self._open_hints()
            self._say()
            if self._no_hints is None:
                return True
        self._reconcile_at = min(self._reconcile_at, _now() + WITHOUT_HINTS)
        return ended

    async def _check_roots(self) -> None:
        """The watched folders are there, readable, and the same as before.

        Raises:
            TriggerLost: one is not.
        """
        for area in self._areas:
            root = content.shown(area.root)
            try:
                found = await asyncio.wait_for(asyncio.to_thread(scan.identity, area.root), ANSWER)
            except FileNotFoundError:
                raise TriggerLost(f"{root} does not exist; create it") from None
            except NotADirectoryError:
                raise TriggerLost(f"{root} is not a folder") from None
            except TimeoutError:
                raise TriggerLost(f"{root} does not answer within {ANSWER:g} s; is its disk or server there?") from None
            except OSError as error:
                raise TriggerLost(f"{root} cannot be read: {error.strerror or error}; check its rights") from None
            if self._identities.setdefault(area.root, found) != found:
                raise TriggerLost(f"{root} was replaced by another folder, or something was mounted there or unmounted")
        self._check_at = _now() + ROOT_CHECK

    # ------------------------------------------------------------ looking

    async def _walk(self, area: Area, start: str | None = None) -> Walk:
        walk = Walk(area, start)
        while await asyncio.to_thread(walk.step):
            pass
        return walk

    async def _look_at_all(self) -> tuple[dict[str, Stat], dict[str, str]]:
        found: dict[str, Stat] = {}
        unreadable: dict[str, str] = {}
        for area in self._areas:
            walk = await self._walk(area)
            found.update(walk.found)
            unreadable.update(walk.unreadable)
        await self._check_roots()  # else an unmounted folder would look like an emptied one
        self._complain(unreadable)
        self._reconcile_at = _now() + RECONCILE
        return found, unreadable

    async def _reconcile(self) -> None:
        found, unreadable = await self._look_at_all()
        await self._compare(found, list(self._table.known), unreadable)

    async def _compare(self, found: Mapping[str, Stat], known: Iterable[str], unreadable: Iterable[str]) -> None:
        """Whatever differs waits to settle. `known` are the paths that `found` would hold if they were still there."""
        now = _now()
        hidden = tuple(under(path) for path in unreadable)
        for some in _slices(found.items(), SAVE_BATCH):
            for path, stat in some:
                self._table.see(path, stat, now)
            await asyncio.sleep(0)
        for names in _slices(known, SAVE_BATCH):
            for path in names:
                if path not in found and not under(path).startswith(hidden):
                    self._table.see(path, None, now)
            await asyncio.sleep(0)

    async def _follow(self, hints: set[str]) -> None:
        """Look at the paths that were hinted at."""
        if any(area.root in hints for area in self._areas):
            await self._check_roots()
        folders: set[str] = set()
        folders_known = self._table.folders()
        for paths in _slices(sorted(hints), SAVE_BATCH):
            seen = await asyncio.to_thread(scan.glimpse, self._areas, paths)
            self._complain(seen.unreadable)
            now = _now()
            for path, stat in seen.files.items():
                if stat is None and path not in self._table.known and path in folders_known:
                    folders.add(path)  # it was one
                self._table.see(path, stat, now)
            folders.update(seen.folders)
        if len(folders) > FEW:
            await self._reconcile()
        elif folders:
            await self._follow_folders(folders)

    async def _follow_folders(self, folders: set[str]) -> None:
        """Folders that appeared, vanished or were hinted at: nobody lists their files for us."""
        found: dict[str, Stat] = {}
        unreadable: dict[str, str] = {}
        for folder in folders:
            for area in self._areas:
                if folder == area.root or (folder.startswith(area.prefix) and area.enters(folder)):
                    walk = await self._walk_real(area, folder)
                    found.update(walk.found)
                    unreadable.update(walk.unreadable)
        self._complain(unreadable)
        prefixes = tuple(under(folder) for folder in folders)
        known = [path for path in self._table.known if path.startswith(prefixes)]
        await self._compare(found, known, unreadable)

    async def _walk_real(self, area: Area, folder: str) -> Walk:
        """Walk a folder, unless a link leads to it."""
        real = await asyncio.to_thread(os.path.realpath, folder)
        if folder != area.root and real != under(area.real) + folder[len(area.prefix) :]:
            return Walk(area, folder)
        return await self._walk(area, folder)

    def _complain(self, unreadable: Mapping[str, str]) -> None:
        """Say once what cannot be read; a thousand at most are remembered."""
        for path, reason in unreadable.items():
            if path not in self._complained:
                if len(self._complained) >= SAVE_BATCH:
                    self._complained.clear()
                self._complained.add(path)
                self._ctx.error(f"{content.shown(path)} cannot be read: {reason}")

    # ------------------------------------------------------------ telling

    async def _settle(self) -> None:
        ripe = self._table.ripe(_now())
        for paths in _slices(ripe, SAVE_BATCH):
            seen = await asyncio.to_thread(scan.glimpse, self._areas, paths)
            now = _now()
            for path, stat in seen.files.items():
                self._table.see(path, stat, now)
            for path in seen.unreadable:
                self._table.forget(path)
        if not ripe:
            return
        changes = await asyncio.to_thread(self._table.settled, _now())  # nobody else has the table meanwhile
        if any(change.kind in {"deleted", "moved"} for change in changes):
            await self._check_roots()
        for some in _slices(changes, BATCH):
            if _now() >= self._check_at:
                await self._check_roots()
            await self._tell(some)

    async def _tell(self, changes: list[Change]) -> None:
        """Commit events and the snapshot's part that they are about."""
        wanted = self._config.wanted()
        drafts: list[EventDraft] = []
        done: list[Change] = []
        size = 0
        for change in changes:
            for told in _split(change, wanted):
                draft = await self._draft(told)
                drafts.append(draft)
                size += told.stat[1] if "content" in draft.data else 0
            done.append(change)
            if size > BATCH_BYTES:
                await self._commit(drafts, done)
                drafts, done, size = [], [], 0
        await self._commit(drafts, done)

    async def _commit(self, drafts: Sequence[EventDraft], changes: Sequence[Change]) -> None:
        save: dict[str, JSON] = {}
        for change in changes:
            if change.old_path is not None and self._table.is_at(change.old_path, change.stat):
                save.setdefault(content.key(change.old_path), None)
            save[content.key(change.path)] = None if change.kind == "deleted" else list(change.stat)
        if changes:
            await self._emit(drafts, save)
            self._table.commit(changes)

    async def _draft(self, change: Change) -> EventDraft:
        about = content.describe(change)
        data: dict[str, Any] = dict(about)
        how = self._config.content
        if how != "none" and change.kind != "deleted":
            data["content"] = None
            try:
                data["content"] = await asyncio.to_thread(content.load, change.path, change.stat, how)
            except content.ContentError as error:
                data["content_error"] = str(error)
                self._ctx.error(f"{about['path']}: {error}")
        return EventDraft(
            type=f"file.{change.kind}",
            source="file",
            id=content.event_id(self._ctx.key, change),
            subject=str(about["path"]),
            data=data,
            metadata={**about, "operation": content.OPERATIONS[change.kind]},
        )

    async def _emit(self, drafts: Sequence[EventDraft], save: Mapping[str, JSON]) -> None:
        """Commit; while the door is busy, try again."""
        wait, stuck = BUSY_FIRST, False
        while True:
            try:
                await self._ctx.emit(drafts, save=save)
            except BusyError as error:
                stuck = True
                self._ctx.lagging("the door is busy; changes of files wait")
                await asyncio.sleep(max(wait, (error.retry_after or 0) / 1000))
                wait = min(wait * 2, BUSY_MOST)
            else:
                break
        if stuck:
            self._say()

    # ------------------------------------------------------------ starting

    async def _begin(self) -> None:
        """Take the snapshot up again, or take the first one."""
        saved = self._ctx.saved()
        mark = saved.get(MARK)
        known = await asyncio.to_thread(_read, dict(saved))
        found, unreadable = await self._look_at_all()
        if mark is None:
            await self._first(known, found)
        else:
            await self._resume(mark, known, found, unreadable)

    async def _first(self, left: Iterable[str], found: dict[str, Stat]) -> None:
        """The very first start. `left`: what an interrupted first start has saved."""
        ignore = self._config.existing == "ignore"
        await self._save({path: None for path in left if path not in found or not ignore})
        if ignore:
            await self._save(found)
            await self._take_up(found)
        await self._emit((), {MARK: self._mark()})
        if not ignore:
            await self._compare(found, (), ())

    async def _resume(
        self, mark: Any, known: dict[str, Stat], found: dict[str, Stat], unreadable: Mapping[str, str]
    ) -> None:
        await self._refuse_unmounted(mark, known, found)
        if mark["paths"] != self._config.texts():
            # Files that only the new patterns mean were there before, for all that we know.
            before = await asyncio.to_thread(_areas, mark["paths"], self._ctx.settings)
            if self._config.existing == "ignore":
                fresh = {
                    path: stat
                    for path, stat in found.items()
                    if path not in known and not any(area.matches(path) for area in before)
                }
                await self._save(fresh)
                known.update(fresh)
        if mark != (now := self._mark()):
            dropped = await asyncio.to_thread(_strangers, known, self._areas)
            await self._save(dict.fromkeys(dropped))
            for path in dropped:
                del known[path]
            await self._emit((), {MARK: now})
        await self._take_up(known)
        await self._compare(found, list(known), unreadable)

    async def _take_up(self, known: dict[str, Stat]) -> None:
        self._table = await asyncio.to_thread(Table, known, self._config.settle_seconds())

    async def _refuse_unmounted(self, mark: Any, known: Mapping[str, Stat], found: Mapping[str, Stat]) -> None:
        for area in self._areas:
            device = mark["devices"].get(area.root)
            if device is None or device == self._identities[area.root][0]:
                continue
            had = any(path.startswith(area.prefix) for path in known)
            has = any(path.startswith(area.prefix) for path in found)
            if had and not has and await asyncio.to_thread(scan.is_empty, area.root):
                raise TriggerLost(
                    f"{content.shown(area.root)} is empty and on another disk than before: is it mounted? "
                    "If it is meant to be empty, put any file there"
                )

    def _mark(self) -> dict[str, JSON]:
        devices = {area.root: self._identities[area.root][0] for area in self._areas}
        closed = sorted({content.key(area.bounds.data) for area in self._areas if area.bounds.data is not None})
        return {"paths": list(self._config.texts()), "devices": devices, "closed": list(closed)}

    async def _save(self, entries: Mapping[str, Stat | None]) -> None:
        """Change the saved snapshot without telling anything."""
        for some in _slices(entries.items(), SAVE_BATCH):
            await self._emit((), {content.key(path): None if stat is None else list(stat) for path, stat in some})


def _areas(texts: Sequence[str], settings: Mapping[str, Any]) -> list[Area]:
    """The folders that the patterns are about."""
    base = os.getcwd()  # noqa: PTH109
    return scan.areas_of([parse(text, base, scan.is_folder) for text in texts], Bounds(settings))


def _refuse_private(areas: Iterable[Area]) -> None:
    for area in areas:
        if area.bounds.private(area.real):
            raise TriggerLost(area.bounds.refusal(content.shown(area.root), area.real))


def _read(saved: Mapping[str, Any]) -> dict[str, Stat]:
    """The saved snapshot."""
    return {content.path_of(name): _stat(value) for name, value in saved.items() if name != MARK}


def _strangers(known: Iterable[str], areas: Sequence[Area]) -> list[str]:
    """Known paths that the patterns do not mean (any more)."""
    return [path for path in known if not any(area.matches(path) for area in areas)]


def _split(change: Change, wanted: set[str]) -> Iterator[Change]:
    """The changes as they are told: a move that nobody wants as such is a deletion and a creation."""
    if change.kind == "moved" and "moved" not in wanted and change.old_path is not None:
        parts: tuple[Change, ...] = (
            Change("deleted", change.old_path, change.stat),
            Change("created", change.path, change.stat),
        )
    else:
        parts = (change,)
    return (part for part in parts if part.kind in wanted)


def _stat(value: Any) -> Stat:
    mtime, size, inode, ctime = value
    return mtime, size, inode, ctime


def _slices(values: Iterable[T], size: int) -> Iterator[list[T]]:
    some: list[T] = []
    for value in values:
        some.append(value)
        if len(some) == size:
            yield some
            some = []
    if some:
        yield some


def _now() -> float:
    """Monotonic seconds: settling must not depend on the wall clock."""
    return asyncio.get_running_loop().time()
