"""Where files may be: in the folders that the operator named (`file_roots`), and never among Reactor's own.

The rule, the same for whatever a flow does with files: a path is allowed when it is inside a root and not inside the
data folder. A root that itself lies inside the data folder (such as its `files`) opens what is in that root.

Links and `..` are resolved first. Folders are compared by name and by what they are on the disk, so another spelling
that the disk takes for the same (case, accents) or a second mount of the data folder does not lead into it. A hard link
is not seen: it is the file.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from reactor.model.errors import PermanentError

Identity = tuple[int, int]
"""Device and inode."""


class Bounds:
    """The folders open to flows, and the data folder. All paths are text, absolute and resolved.

    Looks at the disk: use it off the loop when the disk may be slow.
    """

    def __init__(self, settings: Mapping[str, Any]) -> None:
        """`settings`: `file_roots` (none: nothing is allowed) and `data_dir`."""
        self.roots = [os.path.realpath(root) for root in settings.get("file_roots") or ()]
        data = settings.get("data_dir")
        self.data = None if data is None else os.path.realpath(data)
        self.data_identity = None if self.data is None else _identity(self.data)
        """To know the data folder when it is met; None: there is none."""
        self._opened = [root for root in self.roots if root != self.data and self._in_data(os.path.dirname(root))]  # noqa: PTH120

    def root_of(self, real: str) -> str | None:
        """The innermost root that the path is in; None: the path is not allowed."""
        roots = self._opened if self._in_data(real) else self.roots
        return max((root for root in roots if within(real, root)), key=len, default=None)

    def private(self, real: str) -> bool:
        """Whether it is one of Reactor's own files or folders."""
        return self._in_data(real) and not any(within(real, root) for root in self._opened)

    def holds_data(self, real: str) -> bool:
        """Whether the data folder is this folder, or lies in it: whoever moves it moves the data folder."""
        if self.data is None:
            return False
        found = _identity(real)
        return any(real == folder or (found and found == _identity(folder)) for folder in _upwards(self.data))

    def refusal(self, path: str, real: str) -> str:
        """Why a path, as it was asked for and resolved, is not allowed, and what to do."""
        if self.private(real):
            return (
                f"{path!r} is in Reactor's data folder, which is closed to flows; use another folder, or open a folder "
                "within it in REACTOR_FILE_ROOTS"
            )
        if not self.roots:
            return f"{path!r}: no folder is open to flows; name some in REACTOR_FILE_ROOTS"
        return (
            f"{path!r} is outside the folders open to flows ({', '.join(self.roots)}); use one of them, or add its "
            "folder to REACTOR_FILE_ROOTS"
        )

    def _in_data(self, real: str) -> bool:
        if self.data is None:
            return False
        if within(real, self.data):
            return True
        mark = self.data_identity
        return mark is not None and any(_identity(folder) == mark for folder in _upwards(real))


def within(path: str, folder: str) -> bool:
    """Whether a path is a folder or in it, by their names."""
    return path == folder or path.startswith(folder if folder.endswith("/") else f"{folder}/")


def inside_roots(settings: Mapping[str, Any], path: str) -> Path:
    """The real path, links followed, if it is allowed; a relative one starts at the first of the `file_roots`.

    Looks at the disk: call it off the loop when the disk may be slow.

    Raises:
        PermanentError: kind `input`: it is not allowed (see above), or is no path at all.
    """
    bounds = Bounds(settings)
    try:
        real = str(Path(bounds.roots[0] if bounds.roots else "/", path).resolve())
    except (OSError, ValueError, RuntimeError) as error:  # a NUL in it, or links in a circle
        raise PermanentError("input", f"{path!r} is not a path: {error}") from error
    if bounds.root_of(real) is None:
        raise PermanentError("input", bounds.refusal(path, real))
    return Path(real)


def _identity(path: str) -> Identity | None:
    """None: there is nothing, or it cannot be seen."""
    try:
        found = os.lstat(path)
    except (OSError, ValueError):
        return None
    return found.st_dev, found.st_ino


def _upwards(path: str) -> Iterator[str]:
    """The path, and all folders that it is in."""
    yield path
    while (folder := os.path.dirname(path)) != path:  # noqa: PTH120
        yield (path := folder)
