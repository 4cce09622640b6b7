"""What the store's suite works with: an open store with its clock, and values that are hard to keep."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Protocol

import msgspec

from reactor.model.event import Event
from reactor.model.ids import IdMaker, to_text
from reactor.model.journal import Entry, Run
from reactor.model.states import RunStatus
from reactor.stores.access import AuditLog, CredentialStore, UserStore
from reactor.stores.port import Acceptance, Batch, Claim, Committed, EventLog, History, LetterBox, RunFilter, Store
from reactor.stores.statistics import Statistics
from reactor.testing.actions import StillClock

BLOB_LIMIT = 4_096
"""What the store under test is opened with."""
HARD_TEXTS = (
    "",
    "plain",
    "nul\0inside",
    "ünïcödé 🎉 ﷽",
    "quote\" back\\slash 'single'",
    "line\nbreak\u2028",
    "lone\ud800",
)
HARD_DATA: tuple[Any, ...] = (
    None,
    True,
    0,
    -1,
    2**53 + 1,
    2**63,
    -(2**70),
    1.5,
    1e-300,
    "",
    [],
    {},
    {"": {"nested": [1, [2, [3, None]]]}},
    *HARD_TEXTS,
)


class WholeStore(Store, History, EventLog, LetterBox, Statistics, UserStore, CredentialStore, AuditLog, Protocol):
    """All ports in one."""


class Opened:
    """A store under test with its clock, and short ways to make what it keeps."""

    def __init__(self, store: WholeStore, clock: StillClock) -> None:
        self.store = store
        self.clock = clock
        self.ids = IdMaker(clock)

    def event(self, **given: Any) -> Event:
        """An event that is told apart by its key."""
        key = given.pop("key", None) or self.ids.next()
        values = {"id": to_text("evt", key), "type": "t", "source": "/s", "subject": None, "time": self.clock.now()}
        return Event(key=key, **(values | {"data": {"n": key}} | given))

    def run(self, event: Event | None = None, **given: Any) -> Run:
        """A running run of an event."""
        values: dict[str, Any] = {"key": self.ids.next(), "flow": "f", "version": 1, "status": RunStatus.RUNNING}
        values |= {"trigger": "f/0", "created_at": self.clock.now(), "epoch": 1, "owner": 1}
        return Run(**(values | {"event_key": event.key if event else None} | given))

    def claim(self, name: str, seconds: int = 3600) -> Claim:
        """A claim of that name, from now on."""
        return Claim(name.encode().ljust(16, b"\0"), self.clock.now() + seconds * 1000)

    async def accept(self, *accepted: Acceptance, journal: Iterable[tuple[int, bytes]] = ()) -> Committed:
        """Commit these."""
        return await self.store.commit(Batch(accepted=list(accepted), journal=list(journal)))

    async def keep(self, *runs: Run) -> Committed:
        """Commit these records."""
        return await self.store.commit(Batch(runs={run.key: run for run in runs}))

    async def keys(self, **given: Any) -> list[int]:
        """Keys of a page of runs."""
        return [run.key for run in await self.store.runs(RunFilter(**given))]


def segment(*entries: Entry) -> bytes:
    """A journal segment as the engine writes it."""
    return msgspec.json.encode(entries)


def same(found: Any, wanted: Any) -> None:
    """Fail with both when they differ."""
    if found != wanted:
        raise AssertionError(f"\nfound  {found!r}\nwanted {wanted!r}")
