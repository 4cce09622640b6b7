"""Writing files so that nobody ever sees half of one. Everything here blocks."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import stat as st
from collections.abc import Callable

from reactor.connectors.file.confine import Place
from reactor.connectors.file.content import shown
from reactor.connectors.file.pattern import OWN_PREFIX, OWN_SUFFIX
from reactor.sdk import PermanentError

_NO_LINKS = {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK, errno.EACCES}
CHUNK = 1_048_576


def put(target: Place, fill: Callable[[int], None], *, key: str, overwrite: bool, mode: int | None = None) -> None:
    """Make a file whole or not at all: a temporary one beside it, fsync, rename, fsync of the folder.

    `fill` writes into a descriptor. The temporary name is made of `key`, so the next attempt of the same step replaces
    what a crash left behind.

    Raises:
        FileExistsError: it is there and may not be overwritten.
    """
    before = target.stat()
    if before is not None:
        if not overwrite:
            raise FileExistsError(errno.EEXIST, "exists", target.path)
        if not st.S_ISREG(before.st_mode):
            raise PermanentError("file.not_a_file", f"{shown(target.path)} is no plain file")
    temporary = Place(target.path, target.folder, f"{OWN_PREFIX}{key}{OWN_SUFFIX}", target.real)
    _discard(temporary)
    try:
        handle = temporary.open(os.O_WRONLY | os.O_CREAT | os.O_EXCL)
        try:
            if before is not None or mode is not None:
                os.fchmod(handle, st.S_IMODE(before.st_mode if before is not None else mode or 0))
            fill(handle)
            os.fsync(handle)
        finally:
            os.close(handle)
        settle(temporary, target, overwrite=overwrite)
    finally:
        _discard(temporary)
    target.sync()


def settle(source: Place, target: Place, *, overwrite: bool) -> None:
    """Give a file its name in one step.

    Without `overwrite` a hard link is made, as it fails when the name is taken; on disks without links the name is
    looked at before, and another program might take it in between.
    """
    if not overwrite:
        if _link(source, target):
            os.unlink(source.name, dir_fd=source.folder)
            return
        if target.stat() is not None:
            raise FileExistsError(errno.EEXIST, "exists", target.path)
    os.rename(source.name, target.name, src_dir_fd=source.folder, dst_dir_fd=target.folder)


def _link(source: Place, target: Place) -> bool:
    """Whether the hard link could be made; a name that is taken is an error."""
    try:
        os.link(
            source.name,
            target.name,
            src_dir_fd=source.folder,
            dst_dir_fd=target.folder,
            follow_symlinks=False,
        )
    except OSError as error:
        if error.errno in _NO_LINKS:
            return False
        raise
    return True


def _discard(temporary: Place) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.unlink(temporary.name, dir_fd=temporary.folder)


def write_all(handle: int, raw: bytes) -> None:
    """All of the bytes, however little the disk takes at once."""
    view = memoryview(raw)
    while view:
        view = view[os.write(handle, view) :]


def pour(source: int, target: int) -> None:
    """All of one file into another."""
    with open(source, "rb", buffering=0, closefd=False) as old, open(target, "wb", buffering=0, closefd=False) as new:
        shutil.copyfileobj(old, new, CHUNK)


def duplicate(source: Place, target: Place, *, key: str, overwrite: bool) -> None:
    """Copy a plain file with its rights."""
    handle = source.open(os.O_RDONLY)
    try:
        mode = os.fstat(handle).st_mode
        put(target, lambda into: pour(handle, into), key=key, overwrite=overwrite, mode=mode)
    finally:
        os.close(handle)


def relocate(source: Place, target: Place, *, key: str, overwrite: bool) -> None:
    """Move a file, link or folder; between disks files only, by copy and delete."""
    found = source.stat()
    if found is None:
        raise FileNotFoundError(errno.ENOENT, "missing", source.path)
    there = target.stat()
    if there is not None and os.path.samestat(found, there):
        # The same file under both names (a crash between link and unlink leaves that), or moved to where it is.
        if source.name != target.name or not os.path.samestat(os.fstat(source.folder), os.fstat(target.folder)):
            os.unlink(source.name, dir_fd=source.folder)
        return
    if there is not None and not overwrite:
        raise FileExistsError(errno.EEXIST, "exists", target.path)
    try:
        if st.S_ISDIR(found.st_mode) or overwrite:
            os.rename(source.name, target.name, src_dir_fd=source.folder, dst_dir_fd=target.folder)
        else:
            settle(source, target, overwrite=False)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        if not st.S_ISREG(found.st_mode):
            raise PermanentError(
                "file.not_a_file", f"{shown(source.path)} is no plain file: it cannot be moved to another disk"
            ) from error
        duplicate(source, target, key=key, overwrite=overwrite)
        os.unlink(source.name, dir_fd=source.folder)
    target.sync()
    source.sync()
