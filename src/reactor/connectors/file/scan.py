"""Looking at folders. Everything here blocks: the trigger calls it in threads, slice by slice.

Only plain files count. Folders behind symbolic links are not entered (so there are no loops); a link to a file counts
when its target lies in the watched folder. Reactor's data folder is passed over, whatever the patterns say.
"""

from __future__ import annotations

import os
import stat as st
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from reactor.connectors.file.pattern import Pattern, under
from reactor.sdk.paths import Bounds, within

Stat = tuple[int, int, int, int]
"""mtime in ns, size, inode, ctime in ns."""
SLICE = 2_000
"""So many entries are looked at in one go."""


class Unreadable(Exception):
    """It cannot be seen whether the file is there; the message says why."""


class Area:
    """One watched folder and the patterns below it."""

    def __init__(self, root: str, patterns: Sequence[Pattern], bounds: Bounds) -> None:
        self.root = root
        self.prefix = under(root)
        self.real = os.path.realpath(root)
        self.bounds = bounds
        self._data: str | None = None
        """The data folder as it is called here, if it is below."""
        if bounds.data is not None and within(bounds.data, self.real):
            self._data = self.prefix + bounds.data[len(under(self.real)) :]
        self._patterns = patterns
        depths = [pattern.depth for pattern in patterns]
        self.depth = None if None in depths else max(depth for depth in depths if depth is not None)

    def matches(self, path: str) -> bool:
        """Whether an absolute path is meant."""
        if not path.startswith(self.prefix) or self._in_data(path):
            return False
        relative = path[len(self.prefix) :]
        return any(pattern.matches(relative) for pattern in self._patterns)

    def enters(self, folder: str) -> bool:
        """Whether something in that folder could be meant."""
        deep = self.depth is None or folder[len(self.prefix) :].count("/") < self.depth
        return deep and not self._in_data(folder)

    def _in_data(self, path: str) -> bool:
        return self._data is not None and within(path, self._data)

    def stat(self, path: str) -> Stat | None:
        """The file at this path, if it is one that is meant and its folders are no links.

        Raises:
            Unreadable: that cannot be told.
        """
        if not self.matches(path):
            return None
        try:
            folder = os.path.dirname(path)  # noqa: PTH120
            relative = folder[len(self.prefix) :]
            real = os.path.realpath(folder)
            if (relative and real != under(self.real) + relative) or self.bounds.private(real):
                return None
            return self._plain(path, os.lstat(path))
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise Unreadable(error.strerror or str(error)) from error

    def _plain(self, path: str, found: os.stat_result) -> Stat | None:
        if st.S_ISLNK(found.st_mode):
            target = os.path.realpath(path)
            if not target.startswith(under(self.real)) or self.bounds.private(target):
                return None
            found = os.stat(target, follow_symlinks=False)  # noqa: PTH116
        if not st.S_ISREG(found.st_mode):
            return None
        return found.st_mtime_ns, found.st_size, found.st_ino, found.st_ctime_ns


class Walk:
    """All files that are meant in a folder and below, found step by step."""

    def __init__(self, area: Area, start: str | None = None) -> None:
        self._area = area
        self._start = start or area.root
        self._entries = self._visit()
        self.found: dict[str, Stat] = {}
        self.unreadable: dict[str, str] = {}
        """Folder or file → why it could not be looked at."""

    def step(self) -> bool:
        """Look at the next slice; False when all is done."""
        return sum(1 for _ in zip(range(SLICE), self._entries, strict=False)) == SLICE

    def _visit(self) -> Iterator[None]:
        stack = [self._start]
        while stack:
            folder = stack.pop()
            try:
                with os.scandir(folder) as entries:
                    for entry in entries:
                        self._entry(entry, stack)
                        yield
            except (FileNotFoundError, NotADirectoryError):
                continue
            except OSError as error:
                self.unreadable[folder] = error.strerror or str(error)

    def _entry(self, entry: os.DirEntry[str], stack: list[str]) -> None:
        path = entry.path
        try:
            if entry.is_dir(follow_symlinks=False):
                if self._area.enters(path) and not self._is_data(entry):
                    stack.append(path)
            elif self._area.matches(path):
                found = self._area._plain(path, entry.stat(follow_symlinks=False))  # noqa: SLF001 - one mind with Area
                if found:
                    self.found[path] = found
        except (FileNotFoundError, NotADirectoryError):
            pass
        except OSError as error:
            self.unreadable[path] = error.strerror or str(error)

    def _is_data(self, entry: os.DirEntry[str]) -> bool:
        """Whether it is the data folder, by whatever name."""
        data = self._area.bounds.data_identity
        return data is not None and entry.inode() == data[1] and entry.stat(follow_symlinks=False).st_dev == data[0]


class Glimpse:
    """What is at some paths now."""

    def __init__(self) -> None:
        self.files: dict[str, Stat | None] = {}
        """Path → the file there, None when there is none."""
        self.folders: list[str] = []
        self.unreadable: dict[str, str] = {}


def glimpse(areas: Sequence[Area], paths: Iterable[str]) -> Glimpse:
    """Look at single paths."""
    seen = Glimpse()
    for path in paths:
        try:
            seen.files[path] = next((found for area in areas if (found := area.stat(path))), None)
            if seen.files[path] is None and _is_folder(areas, path):
                seen.folders.append(path)
        except Unreadable as error:
            seen.files.pop(path, None)
            seen.unreadable[path] = str(error)
    return seen


def _is_folder(areas: Sequence[Area], path: str) -> bool:
    """Whether it is a folder to look into, reached without links."""
    for area in areas:
        if path.startswith(area.prefix) and area.enters(path):
            try:
                if st.S_ISDIR(os.lstat(path).st_mode):
                    return os.path.realpath(path) == under(area.real) + path[len(area.prefix) :]
            except OSError:
                return False
    return False


def areas_of(patterns: Sequence[Pattern], bounds: Bounds) -> list[Area]:
    """The folders to watch, each once."""
    roots = dict.fromkeys(pattern.root for pattern in patterns)
    return [Area(root, [pattern for pattern in patterns if pattern.root == root], bounds) for root in roots]


def identity(root: str) -> tuple[int, int]:
    """Device and inode of a folder that can be read.

    Raises:
        OSError: it is not there, is no folder or cannot be read.
    """
    found = os.stat(root)  # noqa: PTH116
    with os.scandir(root) as entries:
        next(entries, None)
    return found.st_dev, found.st_ino


def is_empty(root: str) -> bool:
    """Whether a folder has no entries at all."""
    with os.scandir(root) as entries:
        return next(entries, None) is None


def is_folder(path: str) -> bool:
    """For `pattern.parse`."""
    return Path(path).is_dir()
