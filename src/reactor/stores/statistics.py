"""The port of statistics: what `Batch.tallies` and `Batch.samples` have left, added up."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import msgspec

from reactor.model.journal import Run


class TallyFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which tallies are added up, and how finely."""

    since: int
    """Minute."""
    until: int
    """Minute, not included."""
    step: int
    """Minutes that are added up into one slot."""
    flow: str | None = None
    trigger: str | None = None
    by_flow: bool = False
    """Each flow for itself; else all in one."""
    durations: bool = True
    """By buckets of durations; else all in bucket 0."""


class Tallied(msgspec.Struct, frozen=True):
    """A sum."""

    slot: int
    """`(minute - since) // step`."""
    flow: str
    """Empty unless each flow was asked for."""
    what: str
    bucket: int
    count: int
    total: int


class Statistics(Protocol):
    """Sums of tallies, and samples."""

    async def tallied(self, wanted: TallyFilter) -> list[Tallied]:
        """The sums, in no particular order; none where nothing was counted. Minutes that were rolled up count as the
        first minute of their hour.
        """
        ...

    async def samples(self, since: int, until: int) -> list[tuple[int, bytes]]:
        """(minute, JSON), rising, of minutes from `since` on, below `until`."""
        ...

    async def unfinished(self) -> dict[str, int]:
        """How many runs there are in each state that is not the end; cheap, however many have ended."""
        ...

    async def newest_runs(self, flows: Sequence[str]) -> list[Run]:
        """The newest run of each of these flows that has any."""
        ...

    async def roll(self, before: int) -> bool:
        """Add up by the hour some of the tallies of minutes before that one (a full hour); whether there may be more.
        One call holds up commits for some 10 ms at most.
        """
        ...

    async def forget_statistics(self, tallies: int, samples: int) -> None:
        """Remove tallies and samples of minutes before these."""
        ...
