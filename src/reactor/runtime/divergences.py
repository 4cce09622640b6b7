"""What a replay found: where another version takes another path, and where the record itself stands."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Any

import msgspec

from reactor.model.states import StepStatus
from reactor.runtime.interpreter import RunEnd
from reactor.runtime.recorded import Recorded

_CANCELLED = StepStatus.CANCELLED.value


SAME_PATH = frozenset({"input", "extra"})
"""Kinds that leave the path as it is."""


class Divergence(msgspec.Struct, frozen=True):
    """A place where the replay and the record differ."""

    path: str
    kind: str
    """`new` (the record has no answer) | `missing` (recorded, not asked for) | `changed` (another outcome: `[status,
    value]`) | `case` (of a `switch`) | `join` (of a `parallel`) | `input` (the same step with other parameters) |
    `extra` (a step that the record does not know and that touches nothing): these two leave the path as it is."""
    recorded: Any = None
    replayed: Any = None
    at: int = 0
    """Position in the record."""


class Replayed(msgspec.Struct, frozen=True):
    """How a replay went."""

    diverged: list[Divergence]
    """In the order of the record."""
    steps: frozenset[str]
    """Places that the replay came to."""
    next: tuple[str, ...]
    """Where it stands: where the record is at its end, too, or the first steps that the record has no answer for."""
    end: RunEnd | None
    """None: it did not come to an end."""

    @property
    def same(self) -> bool:
        """Whether it took the path of the record."""
        return all(one.kind in SAME_PATH for one in self.diverged)


def unmet(
    record: Recorded, found: Sequence[Divergence], asked: Collection[str], standing: Sequence[str], end: RunEnd | None
) -> Replayed:
    """Add what was recorded and not asked for, and what was asked for and is not in the record.

    A run that has not ended may go on anywhere beyond its record: that is no divergence.
    """
    over = "" in record.known
    gone = _gone(record, asked, over=over)
    new: list[Divergence] = []
    for path in standing:
        known = record.known.get(path)
        told = any(one.path == path and one.kind == "changed" for one in found)
        if known is not None and known.status == _CANCELLED and not told:
            if over:
                new.append(Divergence(path, "changed", [_CANCELLED, None], ["running", None], record.first(path)))
        elif not told and not _begun(record, path) and (over or gone):
            new.append(Divergence(path, "new", at=record.reached))
    ordered = sorted([*found, *new, *gone], key=lambda one: one.at)
    return Replayed(ordered, frozenset(asked), tuple(standing), end)


def _begun(record: Recorded, path: str) -> bool:
    return any(key.startswith(path + "#") for key in record.known)


def _gone(record: Recorded, asked: Collection[str], *, over: bool) -> list[Divergence]:
    """Recorded places that were not asked for; what is inside of one is not told again."""
    places = {key.partition("#")[0] for key in record.known if not over or "#" not in key or key.endswith("#set")}
    lost = places - {""} - set(asked)
    shown = [path for path in sorted(lost) if not any(around in lost for around in _around(path))]
    return [Divergence(path, "missing", at=record.first(path)) for path in shown]


def _around(path: str) -> Iterator[str]:
    """The places around a path."""
    return (path[:at] for at, letter in enumerate(path) if letter in ".[")
