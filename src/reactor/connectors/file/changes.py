"""What changed between what is known (and was told) and what is seen. Pure: it is told the time and touches no file.

A path that looks different waits until it has looked the same for `settle`; then it is a change. A file that vanished
and one that appeared are one move when inode, size and mtime are the same (the inode alone is not enough: file systems
give the inode of a deleted file to the next one).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

from reactor.connectors.file.scan import Stat


class Change(NamedTuple):
    """One thing to tell."""

    kind: str
    """created modified deleted moved"""
    path: str
    stat: Stat
    """As the file is; of a deleted one as it was."""
    old_path: str | None = None


class Waiting(NamedTuple):
    """How a path looks since when."""

    stat: Stat | None
    since: float


class Table:
    """The snapshot, and what differs from it but has not settled."""

    def __init__(self, known: dict[str, Stat], settle: float) -> None:
        """`settle` in seconds."""
        self.known = known
        self._folders = Counter(path.rpartition("/")[0] for path in known)
        self._settle = settle
        self._waiting: dict[str, Waiting] = {}  # oldest first

    def folders(self) -> set[str]:
        """Every folder that holds a known file, and those above."""
        found: set[str] = set()
        for folder in self._folders:
            above = folder
            while above and above not in found:
                found.add(above)
                above = above.rpartition("/")[0]
        return found

    def _keep(self, path: str, stat: Stat) -> None:
        if path not in self.known:
            self._folders[path.rpartition("/")[0]] += 1
        self.known[path] = stat

    def _drop(self, path: str) -> None:
        if self.known.pop(path, None) is not None:
            folder = path.rpartition("/")[0]
            self._folders[folder] -= 1
            if not self._folders[folder]:
                del self._folders[folder]

    def see(self, path: str, stat: Stat | None, now: float) -> None:
        """A path looks like this now (None: there is no file)."""
        if _same(self.known.get(path), stat):
            self._waiting.pop(path, None)
            return
        waiting = self._waiting.get(path)
        if waiting is None or not _same(waiting.stat, stat):
            self._waiting.pop(path, None)
            self._waiting[path] = Waiting(stat, now)

    def forget(self, path: str) -> None:
        """It cannot be seen how this path looks."""
        self._waiting.pop(path, None)

    def due(self) -> float | None:
        """When the next waiting path will have settled."""
        for waiting in self._waiting.values():
            return waiting.since + self._settle
        return None

    def ripe(self, now: float) -> list[str]:
        """Paths that have looked the same long enough; look once more, `see`, then ask `settled`."""
        paths = []
        for path, waiting in self._waiting.items():
            if waiting.since + self._settle > now:
                break
            paths.append(path)
        return paths

    def settled(self, now: float) -> list[Change]:
        """The changes that can be told now; they stay until `commit`."""
        ripe = self.ripe(now)
        if not ripe:
            return []
        left = {
            self.known[path][:3]: path
            for path, waiting in self._waiting.items()
            if path in self.known and not _same(waiting.stat, self.known[path])
        }
        expected = {waiting.stat[:3] for path, waiting in self._waiting.items() if waiting.stat}
        changes: list[Change] = []
        moved: set[str] = set()
        for path in ripe:
            stat = self._waiting[path].stat
            old = left.get(stat[:3]) if stat else None
            if stat and old is not None and old != path and old not in moved:
                moved.add(old)
                changes.append(Change("moved", path, stat, old))
        told = {change.path for change in changes}
        for path in ripe:
            if path not in told:
                change = self._plain(path, expected, moved)
                if change:
                    changes.append(change)
                elif path not in moved:
                    self._waiting[path] = Waiting(self._waiting.pop(path).stat, now)  # its new place has not settled
        return changes

    def _plain(self, path: str, expected: set[tuple[int, int, int]], moved: set[str]) -> Change | None:
        """A change of one path alone; None when it is part of a move, or of one that has not settled."""
        stat, known = self._waiting[path].stat, self.known.get(path)
        if stat is not None:
            return Change("created" if known is None or path in moved else "modified", path, stat)
        if known is None or path in moved or known[:3] in expected:
            return None
        return Change("deleted", path, known)

    def is_at(self, path: str, stat: Stat) -> bool:
        """Whether this very file is what is known at that path."""
        return _same(self.known.get(path), stat)

    def commit(self, changes: Iterable[Change]) -> None:
        """These have been told."""
        for change in changes:
            if change.old_path is not None:
                if self.is_at(change.old_path, change.stat):  # else something else has moved there
                    self._drop(change.old_path)
                waiting = self._waiting.get(change.old_path)
                if waiting is not None and waiting.stat is None:
                    self._waiting.pop(change.old_path)
            if change.kind == "deleted":
                self._drop(change.path)
            else:
                self._keep(change.path, change.stat)
            waiting = self._waiting.get(change.path)
            if waiting is not None and _same(waiting.stat, self.known.get(change.path)):
                self._waiting.pop(change.path)


def _same(one: Stat | None, other: Stat | None) -> bool:
    """Equal but for ctime: a change of rights or names is no change of the file."""
    if one is None or other is None:
        return one is other
    return one[:3] == other[:3]
