"""`singleton`: which unfinished runs there are for each key."""

from __future__ import annotations

from collections.abc import Iterable

from reactor.model.journal import Run

Name = tuple[str, str]


class Singles:
    """Unfinished runs by flow and key, oldest first; sets of runs, so nothing can be counted wrong."""

    def __init__(self) -> None:
        self._unfinished: dict[Name, dict[int, None]] = {}
        self._names: dict[int, Name] = {}

    def add(self, run: Run) -> None:
        """This run is one."""
        if run.key not in self._names:
            self._names[run.key] = name = name_of(run)
            self._unfinished.setdefault(name, {})[run.key] = None

    def others(self, run: Run) -> list[int]:
        """The other unfinished runs of the same key."""
        return [key for key in self._unfinished.get(name_of(run), ()) if key != run.key]

    def of(self, flow: str) -> list[tuple[str, list[int]]]:
        """(key, unfinished runs) of a flow."""
        return [(name[1], list(runs)) for name, runs in self._unfinished.items() if name[0] == flow]

    def ended(self, key: int) -> Iterable[int]:
        """This run is none any more; those that are left of its key."""
        name = self._names.pop(key, None)
        if name is None:
            return ()
        left = self._unfinished[name]
        del left[key]
        if not left:
            del self._unfinished[name]
        return list(left)


def name_of(run: Run) -> Name:
    """Flow and key."""
    return run.flow, run.control.keys.get("singleton", "") if run.control is not None else ""
