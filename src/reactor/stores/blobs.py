"""Blob files: payloads too large for the database, named by the SHA-256 of their content.

A blob is on disk before the transaction that names it, so a row never points into nothing; the other way round a crash
may leave a file that no row names, which `purge` sweeps away.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

from reactor.model.errors import StoreBrokenError
from reactor.model.failpoints import reach


class Blobs:
    """Content-addressed files in two levels of folders (`ab/cd/abcd…`). Used from the store's threads only."""

    def __init__(self, folder: Path, *, sync: bool = True) -> None:
        """`sync`: flush files and folders to the disk, for stores that must survive a power cut."""
        self._folder = folder
        self._sync = sync

    def put(self, data: bytes) -> str:
        """Keep the data and return its name.

        Raises:
            OSError: no space, or no permission.
        """
        name = hashlib.sha256(data).hexdigest()
        path = self._path(name)
        self._make_folders(path.parent)
        if not path.exists():
            self._write(path, data)
            Path(f"{path}.new").replace(path)
        # Also when it was there: an earlier process may have died between its rename and this flush.
        self._flush_folder(path.parent)
        reach("blob.written")
        return name

    def get(self, name: str) -> bytes:
        """The data behind a name.

        Raises:
            StoreBrokenError: the file is gone or is not what its name says.
        """
        try:
            data = self._path(name).read_bytes()
        except FileNotFoundError as error:
            raise StoreBrokenError(
                f"the blob {name} is missing in {self._folder}; restore that folder from a backup"
            ) from error
        if hashlib.sha256(data).hexdigest() != name:
            raise StoreBrokenError(f"the blob {name} in {self._folder} is damaged; restore it from a backup")
        return data

    def remove(self, name: str) -> None:
        """Forget the data. Nothing happens if it is not there."""
        self._path(name).unlink(missing_ok=True)

    def names(self) -> Iterator[str]:
        """Everything that is kept, and rests of interrupted writes (their names end in `.new`)."""
        for path in self._folder.glob("??/??/*"):
            yield path.name

    def _path(self, name: str) -> Path:
        return self._folder / name[:2] / name[2:4] / name

    def _write(self, path: Path, data: bytes) -> None:
        with Path(f"{path}.new").open("wb") as file:
            file.write(data)
            if self._sync:
                file.flush()
                os.fsync(file.fileno())

    def _make_folders(self, folder: Path) -> None:
        for part in (self._folder, folder.parent, folder):
            try:
                part.mkdir()
            except FileExistsError:
                continue
            self._flush_folder(part.parent)

    def _flush_folder(self, folder: Path) -> None:
        if not self._sync:
            return
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
