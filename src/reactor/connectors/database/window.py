"""What was delivered lately, so that rows which are committed out of order are found and no row is told twice.

The rows after `low` up to the position are read again from time to time; those whose mark is not here are late ones.
After `settle` the marks are forgotten and `low` moves on. Each batch is one bucket, kept under a key of its own in what
the trigger saves, so that a commit writes only what is new.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping

import msgspec

from reactor.connectors.database.cursor import Position, pack, pack_marks, unpack, unpack_marks
from reactor.sdk import JSON

MOST = 200_000
"""Rows that are remembered."""
_PREFIX = "window/"


class _Bucket(msgspec.Struct):
    name: str
    since: float
    position: Position
    """Where the reading had come to."""
    marks: list[int]


class Window:
    """The latest rows by their marks. Times are those of the event loop, in seconds."""

    def __init__(self, settle: float, low: Position | None) -> None:
        self.settle = settle
        self.low = low
        """Rows up to here are settled; None: none is."""
        self.cut = False
        """Whether it once had to forget rows too early."""
        self._buckets: deque[_Bucket] = deque()
        self._known: set[int] = set()
        self._number = 0

    def __len__(self) -> int:
        return len(self._known)

    def __contains__(self, mark: int) -> bool:
        return mark in self._known

    @property
    def open(self) -> bool:
        """Whether there are rows that others may still come before."""
        return bool(self._buckets)

    def restore(self, saved: Mapping[str, JSON], now: float) -> None:
        """Take in what an earlier process has saved; its time begins anew."""
        for name, value in sorted(saved.items(), key=lambda item: _number(item[0])):
            if name.startswith(_PREFIX) and isinstance(value, dict):
                self._take(_Bucket(name, now, unpack(value["position"]), unpack_marks(value["marks"])))
                self._number = max(self._number, _number(name) + 1)

    def add(self, position: Position, marks: Iterable[int], now: float) -> dict[str, JSON]:
        """Rows that are about to be delivered, the reading having come to `position`; what to save with them."""
        bucket = _Bucket(f"{_PREFIX}{self._number}", now, position, list(marks))
        self._number += 1
        self._take(bucket)
        save: dict[str, JSON] = {bucket.name: {"position": pack(position), "marks": pack_marks(bucket.marks)}}
        while len(self._known) > MOST and len(self._buckets) > 1:
            self.cut = True
            save |= self._settle()
        return save

    def settled(self, scanned: float) -> dict[str, JSON]:
        """All rows were looked through at this time, and what was late was delivered; what to save."""
        save: dict[str, JSON] = {}
        while self._buckets and self._buckets[0].since <= scanned - self.settle:
            save |= self._settle()
        return save

    def _settle(self) -> dict[str, JSON]:
        bucket = self._buckets.popleft()
        self._known.difference_update(bucket.marks)
        self.low = bucket.position
        return {bucket.name: None, "low": pack(bucket.position)}

    def _take(self, bucket: _Bucket) -> None:
        self._buckets.append(bucket)
        self._known.update(bucket.marks)


def forgotten(saved: Mapping[str, JSON]) -> dict[str, JSON]:
    """What to save so that nothing is left of a window."""
    return {name: None for name in saved if name.startswith(_PREFIX)}


def _number(name: str) -> int:
    text = name.removeprefix(_PREFIX)
    return int(text) if text.isdigit() else 0
