"""Hints from the operating system that something changed. Never the truth: they come late, twice, or not at all.

watchfiles is used through its Rust class (https://watchfiles.helpmanual.io/api/rust_backend/) on a thread of our own:
`awatch` takes one of AnyIO's forty threads for each watched folder.

Two things to know of it. A name that is no UTF-8 ends the hints; they are opened again, and everything is looked at.
And while hints are opened for a tree it holds the interpreter for about 3 µs a file (measured: 0.27 s for 100,000
files).
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from watchfiles._rust_notify import RustNotify

MOST = 10_000
"""More paths than this are not kept: everything is looked at instead."""
T = TypeVar("T")
_STEP, _DEBOUNCE, _TIMEOUT = 50, 200, 2_000


class Hints:
    """Collects paths that may have changed."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stop = threading.Event()
        self._paths: set[str] = set()
        self._flood = False
        self.changed = asyncio.Event()
        self.broken: str | None = None
        """Why nothing more will come, or None."""

    async def start(self, roots: Sequence[str], *, recursive: bool) -> None:
        """Begin. Afterwards nothing that changes goes unnoticed until `broken` is set."""
        try:
            notify = await asyncio.to_thread(_open, list(roots), recursive)
        except Exception as error:  # noqa: BLE001 - the library names no classes; whatever it is, there are no hints
            self._break(str(error))
            return
        threading.Thread(target=self._listen, args=(notify,), name="reactor-file-hints", daemon=True).start()

    def stop(self) -> None:
        """End within a moment."""
        self._stop.set()

    def take(self) -> tuple[set[str], bool]:
        """The paths so far, and whether there were too many to name."""
        paths, flood = self._paths, self._flood
        self._paths, self._flood = set(), False
        self.changed.clear()
        return paths, flood

    def _listen(self, notify: RustNotify) -> None:
        reason = None
        try:
            while not self._stop.is_set():
                found = notify.watch(_DEBOUNCE, _STEP, _TIMEOUT, self._stop)
                if isinstance(found, set):
                    self._post(self._add, {path for _, path in found})
        except Exception as error:  # noqa: BLE001 - as above; a name that is no UTF-8 is enough
            reason = str(error)
        finally:
            notify.close()
        self._post(self._break, reason or "stopped")

    def _post(self, function: Callable[[T], None], value: T) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody listens
            self._loop.call_soon_threadsafe(function, value)

    def _add(self, paths: set[str]) -> None:
        if len(self._paths) + len(paths) > MOST:
            self._paths, self._flood = set(), True
        else:
            self._paths |= paths
        self.changed.set()

    def _break(self, reason: str) -> None:
        self.broken = reason
        self.changed.set()


def _open(roots: list[str], recursive: bool) -> RustNotify:  # noqa: FBT001
    from watchfiles._rust_notify import RustNotify  # noqa: PLC0415 - only flows with file triggers pay for it

    return RustNotify(roots, False, False, 0, recursive, True)
