"""Paths within the allowed folders, and nowhere else.

A path is resolved first (links, `..`), held against the rule of `reactor.sdk.paths`, and then opened again from the
allowed folder down, one folder after the other, without following links (`openat` with `O_NOFOLLOW`, open(2)). So a
folder or file that is swapped for a link in between is refused, not followed. What is left: a hard link to a file
outside is that file, and a folder that somebody moves out of the allowed one while an action works in it takes the
action along.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat as st
from collections.abc import Iterator, Mapping
from types import TracebackType
from typing import Any, Self

from reactor.connectors.file.content import shown, when
from reactor.connectors.file.pattern import under
from reactor.sdk import JSON, PermanentError, StepError, TransientError
from reactor.sdk.paths import Bounds

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_KINDS: dict[int, tuple[str, str]] = {
    errno.ENOENT: ("file.not_found", "does not exist"),
    errno.ENOTDIR: ("file.not_found", "does not exist: part of the path is no folder"),
    errno.EEXIST: ("file.exists", "exists already"),
    errno.ENOTEMPTY: ("file.exists", "exists already and is not empty"),
    errno.EACCES: ("file.denied", "permission denied"),
    errno.EPERM: ("file.denied", "not permitted"),
    errno.EROFS: ("file.denied", "is on a read-only disk"),
    errno.ELOOP: ("file.outside", "has become a link, or links go in circles"),
    errno.EISDIR: ("file.not_a_file", "is a folder"),
    errno.ENAMETOOLONG: ("file.invalid", "is too long a name"),
    errno.EINVAL: ("file.invalid", "cannot be used so"),
    errno.EFBIG: ("file.too_large", "would be larger than this disk allows"),
}


class Place:
    """A name in an opened folder within an allowed one. Close it, or use it as a context manager."""

    def __init__(self, path: str, folder: int, name: str, real: str) -> None:
        self.path = path
        """As asked for, absolute."""
        self.real = real
        """Resolved, as it was when the folder was opened."""
        self.folder = folder
        """Descriptor of the folder; everything is done relative to it."""
        self.name = name

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self.folder)

    def stat(self) -> os.stat_result | None:
        """What is there, links not followed; None for nothing."""
        try:
            return os.stat(self.name, dir_fd=self.folder, follow_symlinks=False)
        except FileNotFoundError:
            return None

    def open(self, flags: int, mode: int = 0o666) -> int:
        """A descriptor of the plain file there; never waits for the other end of a pipe.

        Raises:
            PermanentError: it is no plain file.
        """
        handle = os.open(self.name, flags | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, mode, dir_fd=self.folder)
        if not st.S_ISREG(os.fstat(handle).st_mode):
            os.close(handle)
            raise PermanentError("file.not_a_file", f"{shown(self.path)} is no plain file")
        return handle

    def sync(self) -> None:
        """Make the folder's names last (fsync)."""
        os.fsync(self.folder)

    def about(self, found: os.stat_result) -> dict[str, JSON]:
        """`path size modified`."""
        return {"path": shown(self.path), "size": found.st_size, "modified": when(found.st_mtime_ns)}


def place(settings: Mapping[str, Any], text: str, *, follow: bool = True, make: bool = False) -> Place:
    """Resolve a path and open its folder.

    `follow`: a link at the end means its target (else itself); `make`: missing folders are made.

    Raises:
        PermanentError: it is not allowed, or is no path at all.
        OSError: the folder is not there or may not be entered.
    """
    if "\0" in text or not text.strip():
        raise PermanentError("file.outside", "a path has at least one character, and no NUL")
    try:
        os.fsencode(text)
    except UnicodeEncodeError as error:
        raise PermanentError("file.invalid", "the path is no text that a disk can take") from error
    path = os.path.join(os.getcwd(), text)  # noqa: PTH109, PTH118 - pathlib changes paths on the way
    real = _resolve(path, follow=follow)
    bounds = Bounds(settings)
    root = bounds.root_of(real)
    if root is None:
        raise PermanentError("file.outside", bounds.refusal(text, real))
    parts = [part for part in real[len(under(root)) :].split("/") if part]
    folder = _descend(root, parts[:-1], make=make)
    return Place(os.path.normpath(path), folder, parts[-1] if parts else ".", real)


def _resolve(path: str, *, follow: bool) -> str:
    head, _, tail = path.rstrip("/").rpartition("/")
    if follow or tail in {"", ".", ".."}:
        return os.path.realpath(path)
    return under(os.path.realpath(head or "/")) + tail


def _descend(root: str, parts: list[str], *, make: bool) -> int:
    """Open a folder below the root, following no link."""
    if make:
        os.makedirs(root, exist_ok=True)  # noqa: PTH103
    folder = os.open(root, _FOLDER)
    for part in parts:
        try:
            folder, before = _enter(folder, part, make=make), folder
        except OSError:
            os.close(folder)
            raise
        os.close(before)
    return folder


def _enter(folder: int, part: str, *, make: bool) -> int:
    try:
        return os.open(part, _FOLDER, dir_fd=folder)
    except FileNotFoundError:
        if not make:
            raise
    with contextlib.suppress(FileExistsError):
        os.mkdir(part, dir_fd=folder)
    return os.open(part, _FOLDER, dir_fd=folder)


@contextlib.contextmanager
def errors(text: str) -> Iterator[None]:
    """What the operating system refuses, as a step's error: `file.io` is worth another try, all else is not."""
    try:
        yield
    except StepError:
        raise
    except OSError as error:
        name = shown(text) if "\0" not in text else "the path"
        kind, what = _KINDS.get(error.errno or 0, ("file.io", error.strerror or str(error)))
        message = f"{name} {what}" if kind != "file.io" else f"{name}: {what}"
        if kind == "file.io":
            raise TransientError(kind, message, data={"errno": error.errno}) from error
        raise PermanentError(kind, message) from error
