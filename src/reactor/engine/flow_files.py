"""Files of flows, written: whole or not at all, inside their folder only, and never over what somebody else has saved.
Everything here blocks.
"""

from __future__ import annotations

import contextlib
import os
import re
from pathlib import Path

from reactor.engine.folder import LARGEST
from reactor.language.folder import is_flow_file
from reactor.model.errors import ConflictError, InvalidError, NotFoundError

_PART = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_DEEPEST = 8
_BOM = b"\xef\xbb\xbf"


class FlowFiles:
    """The files of one folder. Names are as the folder shows them: `examples/orders/order.yaml`."""

    def __init__(self, root: Path, shown: str) -> None:
        self._root = root
        self._shown = shown

    def named(self, name: str) -> str:
        """A file's name below the folder, as it is shown.

        Raises:
            InvalidError: it leads out of the folder, is hidden, or is no name of a flow's file.
        """
        parts = name.split("/")
        if not all(_PART.fullmatch(part) for part in parts) or len(parts) > _DEEPEST:
            raise InvalidError(
                f"{name[:100]!r} cannot be the file of a flow: a name below the folder such as orders/order.yaml, "
                f"of letters, digits, . _ and -, at most {_DEEPEST} deep, nothing hidden"
            )
        if not is_flow_file(parts[-1]):
            raise InvalidError(f"{name[:100]!r} is no file of a flow: it ends in .yaml or .yml, and not in .test.yaml")
        return os.path.join(self._shown, *parts)  # noqa: PTH118 - as the folder itself spells its files

    def read(self, file: str) -> str:
        """What the file holds.

        Raises:
            NotFoundError: it is gone. ConflictError: it cannot be read.
        """
        try:
            with self._path(file).open("rb") as handle:
                data = handle.read(LARGEST + 1)
        except FileNotFoundError:
            raise NotFoundError(f"{file} is gone") from None
        except OSError as error:
            raise ConflictError(f"{file} cannot be read: {error.strerror or error}") from None
        if len(data) > LARGEST:
            raise ConflictError(f"{file} is larger than {LARGEST >> 20} MB")
        try:
            return data.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise ConflictError(f"{file} is not UTF-8 text (byte {error.start}); mend it where it is") from None

    def why_not(self, file: str) -> str:
        """Why the file cannot be written; empty: it can."""
        path = self._path(file)
        try:
            real = path.resolve(strict=True)
        except OSError as error:
            return f"{file} cannot be found: {error.strerror or error}"
        if not real.is_relative_to(self._root.resolve()):
            return f"{file} leads to a place outside the folder of flows; change it there"
        if not os.access(real.parent, os.W_OK | os.X_OK):
            return f"the folder of {file} may not be written by the user that Reactor runs as"
        return ""

    def create(self, file: str, text: str) -> None:
        """A new file, and the folders above it.

        Raises:
            ConflictError: there is one, or it cannot be written. InvalidError: it leads out of the folder.
        """
        path = self._path(file)
        root = self._root.resolve()
        above = path.parent
        while not above.exists():
            above = above.parent
        if not above.resolve().is_relative_to(root):
            raise InvalidError(f"{file} leads to a place outside the folder of flows")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            new = _written(path, text.encode())
            try:
                os.link(new, path)  # unlike a rename it never takes the place of another file
            finally:
                new.unlink(missing_ok=True)
            _sync(path.parent)
        except FileExistsError:
            raise ConflictError(f"there is a file {file} already; name another with `file`") from None
        except OSError as error:
            raise ConflictError(f"{file} cannot be written: {error.strerror or error}") from None

    def write(self, file: str, text: str, before: str) -> None:
        """Another text in the place of `before`. A link stays a link.

        Raises:
            ConflictError: the file holds another text by now, or it cannot be written.
        """
        real = self._real(file, before)
        try:
            stat, bom = real.stat(), real.read_bytes()[:3] == _BOM
            new = _written(real, (_BOM if bom else b"") + text.encode())
            try:
                new.chmod(stat.st_mode & 0o7777)
                with contextlib.suppress(OSError):
                    os.chown(new, stat.st_uid, stat.st_gid)  # another's file stays another's, where we may
                self._real(file, before)
                new.replace(real)
            finally:
                new.unlink(missing_ok=True)
            _sync(real.parent)
        except OSError as error:
            raise ConflictError(f"{file} cannot be written: {error.strerror or error}") from None

    def remove(self, file: str, before: str) -> None:
        """Take the file away; of a link the link alone.

        Raises:
            ConflictError: it holds another text by now, or cannot be taken away.
        """
        self._real(file, before)
        path = self._path(file)
        try:
            path.unlink()
            _sync(path.parent)
        except OSError as error:
            raise ConflictError(f"{file} cannot be taken away: {error.strerror or error}") from None

    def _path(self, file: str) -> Path:
        return self._root / os.path.relpath(file, self._shown)

    def _real(self, file: str, before: str) -> Path:
        why = self.why_not(file)
        if why:
            raise ConflictError(why)
        try:
            same = self.read(file) == before
        except NotFoundError as error:
            raise ConflictError(error.message) from None
        if not same:
            raise ConflictError(f"{file} was changed by somebody else at this moment; nothing was written")
        return self._path(file).resolve()


def _written(path: Path, data: bytes) -> Path:
    """The data in a hidden file beside the path, safe on the disk."""
    new = path.with_name(f".{path.name}.{os.getpid()}.new")
    handle = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
    except BaseException:
        new.unlink(missing_ok=True)
        raise
    return new


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
