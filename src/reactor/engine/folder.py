"""The folder of flows: read at start, followed while the engine runs.

What the operating system says of changes is only a hint; the truth is a comparison of the whole folder every few
seconds. A file that is broken, or cannot be read for now, leaves the flow as it was; one that is gone takes its
flow along.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
import os
from collections.abc import Callable
from pathlib import Path

import msgspec

from reactor.engine.flows import FlowBook
from reactor.language.folder import is_flow_file
from reactor.language.loader import Loaded
from reactor.language.problems import Problem
from reactor.model.errors import InvalidError, ReactorError, StoreError
from reactor.model.flow import Flow

_log = logging.getLogger("reactor.flows")
LARGEST = 2 << 20
"""Bytes of one file."""
MOST = 100_000
"""Files; more are a mistake, such as a link to the root of the disk."""
_SETTLE = 0.1
"""Seconds within which a file must not change before it is read: editors and copies write in pieces."""
_ROUNDS = 10
_SHARE = 100
"""A comparison takes at most this share (one hundredth) of the time."""
_AT_ONCE = 256
_LONGEST_TURN = 0.02
"""Seconds of compiling before others get their turn."""

Sign = tuple[int, int, int, int]
"""Modification time, change time, size, inode: equal signs, same content."""


class _Source(msgspec.Struct):
    """One file as last read."""

    sign: Sign
    digest: bytes = b""
    name: str | None = None
    """Of its flow; of the last good one when it is broken now."""
    flow: Flow | None = None
    problems: list[Problem] = msgspec.field(default_factory=list)
    calls: list[tuple[str, Problem]] = msgspec.field(default_factory=list)
    """Flows that it calls, each with what is to be said when there is no such flow."""


class _Scan(msgspec.Struct):
    files: dict[str, Sign] = msgspec.field(default_factory=dict)
    unread: dict[str, str] = msgspec.field(default_factory=dict)
    """Folders that cannot be read, and why."""

    def hides(self, file: str) -> bool:
        """Whether the file may be there, out of sight."""
        return any(file.startswith(folder + os.sep) for folder in self.unread)


class Folder:
    """Keeps a flow book like a folder."""

    def __init__(
        self,
        root: Path,
        book: FlowBook,
        load: Callable[[str, str], Loaded],
        *,
        shown: str | None = None,
        every: float = 3.0,
        told: Callable[[], None] = lambda: None,
    ) -> None:
        """`shown`: how the folder is spelt in messages; `every`: seconds between comparisons; `told`: called when what
        is wrong in files may be other than it was.
        """
        self._told = told
        self.root = root
        self.shown = shown if shown is not None else str(root)
        self._book = book
        self._load = load
        self._every = every
        self._pause = every
        self._sources: dict[str, _Source] = {}
        self._placed: dict[str, str] = {}
        """Flow → the file it came from."""
        self._clashes: dict[str, Problem] = {}
        self._unread: dict[str, Problem] = {}
        self._failed: Problem | None = None
        self._hint = asyncio.Event()
        self._busy = asyncio.Lock()
        self._tasks: list[asyncio.Task[None]] = []
        self._inode: int | None = None
        self._listened: int | None = None
        self._replaced = asyncio.Event()
        self.listening = False
        """The operating system tells of changes (else only the comparison finds them)."""

    # --- for the others ----------------------------------------------------------------------------------------------

    @property
    def problems(self) -> list[Problem]:
        """Everything that is wrong now, by file."""
        found = [self._failed] if self._failed is not None else []
        found += [self._unread[name] for name in sorted(self._unread)]
        for file in sorted({*self._sources, *self._clashes}):
            source = self._sources.get(file)
            if source is not None:
                found += source.problems
                found += [problem for name, problem in source.calls if name not in self._book.current]
            found += [self._clashes[file]] if file in self._clashes else []
        return found

    @property
    def files(self) -> int:
        """How many files of flows there are."""
        return len(self._sources)

    def file_of(self, name: str) -> str | None:
        """A file that holds a flow of this name, or held it before it was broken."""
        return next((file for file in sorted(self._sources) if self._sources[file].name == name), None)

    async def open(self) -> None:
        """Read the folder for the first time.

        Raises:
            InvalidError: there is no such folder, or it cannot be read.
            StoreError: a flow could not be kept.
        """
        try:
            scan = await asyncio.to_thread(self._scan)
        except OSError as error:
            raise InvalidError(f"the folder of flows {self.shown} {_why(error)}; make it, or name another") from None
        for name, flow in self._book.current.items():
            if flow.file is not None and flow.code is None:
                self._placed[name] = flow.file
        await self._take_in(scan, [*scan.files], [])

    def start(self) -> None:
        """Follow the folder from now on."""
        loop = asyncio.get_running_loop()
        self._tasks = [loop.create_task(self._follow()), loop.create_task(self._listen())]

    async def stop(self) -> None:
        """Follow it no more. Safe to call twice."""
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    async def sync(self) -> None:
        """Compare the folder with what is known, and take over what has changed."""
        async with self._busy:
            try:
                scan, changed, gone = await self._settled()
            except OSError as error:
                self._replaced.set()
                self._lost(error)
                return
            if self._inode != self._listened:
                self._replaced.set()
            if self._failed is not None:
                _log.info("the folder of flows %s can be read again", self.shown)
                self._failed = None
                self._told()
            if changed or gone or scan.unread.keys() != self._unread.keys():
                await self._take_in(scan, changed, gone)

    # --- looking -----------------------------------------------------------------------------------------------------

    async def _settled(self) -> tuple[_Scan, list[str], list[str]]:
        """A look at the folder while nothing moves in it, with the files that changed and those that went away."""
        scan = await self._timed_scan()
        changed, gone = self._compared(scan)
        moving: set[str] = set()
        for _ in range(_ROUNDS):
            if not (changed or gone):
                return scan, [], []
            await asyncio.sleep(_SETTLE)
            again = await self._timed_scan()
            if again.files == scan.files:
                return again, changed, gone
            moving = {file for file, sign in again.files.items() if scan.files.get(file) != sign}
            scan = again
            changed, gone = self._compared(scan)
        # Something is written without end: it waits, the rest does not.
        self._hint.set()
        return scan, [file for file in changed if file not in moving], [] if moving - self._sources.keys() else gone

    def _compared(self, scan: _Scan) -> tuple[list[str], list[str]]:
        known = self._sources
        changed = [file for file, sign in scan.files.items() if file not in known or known[file].sign != sign]
        gone = [file for file in known if file not in scan.files and not scan.hides(file)]
        return changed, gone

    async def _timed_scan(self) -> _Scan:
        loop = asyncio.get_running_loop()
        before = loop.time()
        scan = await asyncio.to_thread(self._scan)
        self._pause = max(self._every, (loop.time() - before) * _SHARE)
        return scan

    def _scan(self) -> _Scan:
        """Every file of a flow. Raises OSError when the folder itself cannot be read."""
        stat = self.root.stat()
        self._inode = stat.st_ino
        scan = _Scan()
        self._scan_into(scan, self.root, self.shown, {(stat.st_dev, stat.st_ino)})
        return scan

    def _scan_into(self, scan: _Scan, folder: Path | str, shown: str, above: set[tuple[int, int]]) -> None:
        below: list[tuple[str, str]] = []
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.name.startswith((".", "_")):
                    continue
                path = os.path.join(shown, entry.name)  # noqa: PTH118 - ten thousand of them, every few seconds
                with contextlib.suppress(FileNotFoundError):  # gone between the two calls, or a link into nothing
                    if entry.is_dir():
                        below.append((entry.path, path))
                    elif is_flow_file(entry.name):
                        stat = entry.stat()
                        if len(scan.files) >= MOST:
                            raise OSError(f"it has more than {MOST} flows")
                        scan.files[path] = (stat.st_mtime_ns, stat.st_ctime_ns, stat.st_size, stat.st_ino)
        for real, path in sorted(below):
            try:
                stat = os.stat(real)  # noqa: PTH116
                place = (stat.st_dev, stat.st_ino)
                if place not in above:  # a link back up
                    self._scan_into(scan, real, path, above | {place})
            except FileNotFoundError:
                continue
            except OSError as error:
                scan.unread[path] = _why(error)

    def _lost(self, error: OSError) -> None:
        if self._failed is None:
            message = f"the folder of flows {self.shown} {_why(error)}; the flows stay as they were until it is back"
            self._failed = Problem(rule="folder", file=self.shown, message=message)
            _log.error("%s", message)
            self._told()

    # --- taking over -------------------------------------------------------------------------------------------------

    async def _take_in(self, scan: _Scan, changed: list[str], gone: list[str]) -> None:
        self._unread = {
            name: Problem(rule="unreadable", file=name, message=f"it {why}; what is in it stays as it was")
            for name, why in scan.unread.items()
        }
        for at in range(0, len(changed), _AT_ONCE):
            part = changed[at : at + _AT_ONCE]
            contents = await asyncio.to_thread(lambda files: [self._content(file) for file in files], part)
            await self._read(scan, part, contents)
        for file in gone:
            del self._sources[file]
        await self._place(scan)
        self._told()

    def _content(self, file: str) -> bytes | str:
        """What is in a file, or (as text) why it cannot be read."""
        path = self.root / os.path.relpath(file, self.shown)
        try:
            if not path.is_file():
                return "is no plain file"
            with path.open("rb") as handle:
                data = handle.read(LARGEST + 1)
        except OSError as error:
            return _why(error)
        return data if len(data) <= LARGEST else f"is larger than {LARGEST >> 20} MB"

    async def _read(self, scan: _Scan, files: list[str], contents: list[bytes | str]) -> None:
        loop = asyncio.get_running_loop()
        turn = loop.time()
        for file, content in zip(files, contents, strict=True):
            self._read_one(file, scan.files[file], content)
            if loop.time() - turn > _LONGEST_TURN:
                await asyncio.sleep(0)
                turn = loop.time()

    def _read_one(self, file: str, sign: Sign, content: bytes | str) -> None:
        source = self._sources.get(file)
        if source is None:
            name = next((name for name, placed in self._placed.items() if placed == file), None)
            source = self._sources[file] = _Source(sign, name=name)
        source.sign = sign
        if isinstance(content, str):
            source.problems = [Problem(rule="unreadable", file=file, message=f"it {content}")]
            source.digest = b""
            self._tell(source)
            return
        digest = hashlib.blake2b(content, digest_size=16).digest()
        if digest == source.digest:
            return
        source.digest = digest
        try:
            taken = self._load(content.decode("utf-8-sig"), file)
        except UnicodeDecodeError as error:
            source.problems = [
                Problem(rule="unreadable", file=file, message=f"it is not UTF-8 text (byte {error.start})")
            ]
        else:
            source.problems = taken.problems
            if taken.flow is not None:
                source.flow, source.name, source.calls = taken.flow, taken.flow.name, _calls(taken)
                return
            source.name = source.name or taken.name
        self._tell(source)

    def _tell(self, source: _Source) -> None:
        stays = f"; flow {source.name} stays as it was" if source.name is not None else ""
        for problem in source.problems:
            if problem.severity == "error":
                _log.error("%s: %s%s", problem.place, problem.message, stays)

    async def _place(self, scan: _Scan) -> None:
        """Let the book have exactly one flow a name, from the file that owns the name."""
        owners: dict[str, list[str]] = {}
        for file, source in self._sources.items():
            if source.name is not None:
                owners.setdefault(source.name, []).append(file)
        before, self._clashes = self._clashes, {}
        chosen = {name: owner for name, files in owners.items() if (owner := self._owner(name, files)) is not None}
        for clash in self._clashes.values():
            if clash.file not in before:
                _log.error("%s: %s", clash.file, clash.message)
        ready = [(name, file) for name, file in sorted(chosen.items()) if self._sources[file].flow is not None]
        for at in range(0, len(ready), _AT_ONCE):
            await asyncio.gather(*(self._take(name, file) for name, file in ready[at : at + _AT_ONCE]))
        for name, placed in list(self._placed.items()):
            if name not in chosen and not scan.hides(placed):
                await self._book.forget(name)
                del self._placed[name]
                _log.info("flow %s went away with %s; runs under way go on", name, placed)

    def _owner(self, name: str, files: list[str]) -> str | None:
        """The file that a flow comes from: where it has been, or the only one. Everybody else is refused."""
        placed = self._placed.get(name)
        known = self._book.current.get(name)
        if placed is None and known is not None and (known.file is None or known.code is not None):
            made = (
                "was made through the API; remove it there" if known.code is None else f"is Python code ({known.file})"
            )
            for file in files:
                self._refuse(file, f"flow {name!r} {made}, or rename this one")
            return None
        if len(files) == 1:
            return files[0]
        owner = placed if placed in files else None
        for file in files:
            if file != owner:
                others = ", ".join(other for other in sorted(files) if other != file)
                kept = f"; {owner} stays the one" if owner is not None else "; neither is taken"
                self._refuse(file, f"flow {name!r} is also in {others}{kept}: give one of them another name")
        return owner

    def _refuse(self, file: str, message: str) -> None:
        self._clashes[file] = Problem(rule="duplicate-name", file=file, message=message)

    async def _take(self, name: str, file: str) -> None:
        source = self._sources[file]
        flow = source.flow
        if flow is None:
            return
        old = self._book.current.get(name)
        try:
            new = await self._book.take(flow)
        except StoreError as error:
            if not self._tasks:
                raise
            # Read again at the next comparison.
            source.sign, source.digest = (0, 0, 0, 0), b""
            _log.error("flow %s could not be taken over and stays as it was: %s", name, error)
            return
        self._placed[name] = file
        if self._tasks and (old is None or new.version != old.version):
            _log.info("flow %s is now version %d, from %s", name, new.version, file)

    # --- following ---------------------------------------------------------------------------------------------------

    async def _follow(self) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._pause):
                    await self._hint.wait()
            self._hint.clear()
            try:
                await self.sync()
            except ReactorError as error:
                _log.error("the folder of flows could not be compared, trying again: %s", error)
            except Exception:  # noqa: BLE001 - whatever it is, the folder is followed on
                _log.exception("the folder of flows could not be compared, trying again")

    async def _listen(self) -> None:
        """Hints from the operating system. A folder that was replaced goes silent, so its inode is watched, too."""
        from watchfiles import awatch  # noqa: PLC0415 - not before everything runs

        while True:
            self._listened, self._replaced = self._inode, asyncio.Event()
            try:
                self.listening = True
                async for _ in awatch(self.root, watch_filter=None, debounce=200, step=100, stop_event=self._replaced):
                    self._hint.set()
            except (OSError, RuntimeError) as error:
                _log.debug("no word of changes in %s: %s", self.shown, error)
            finally:
                self.listening = False
            self._hint.set()
            await asyncio.sleep(self._every)


def _calls(taken: Loaded) -> list[tuple[str, Problem]]:
    found = []
    for call in taken.calls:
        message = f"there is no flow `{call.flow}` to call"
        found.append((call.flow, taken.source.problem("unknown-flow", message, call.at, severity="warning")))
    return found


def _why(error: OSError) -> str:
    if isinstance(error, FileNotFoundError):
        return "is not there"
    if isinstance(error, NotADirectoryError):
        return "is not a folder"
    if isinstance(error, PermissionError):
        return "may not be read by this user"
    return f"cannot be read ({error.strerror or error})"
