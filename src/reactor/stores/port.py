"""The store port: one atomic commit, and the reads that the engine and the doors need. Stores hold no policy.

Four protocols: `Store` is what the engine lives on, `History` what lists and pages are made of (it reads no payloads
but those of events that are asked for), `EventLog` the events in their order for those who follow them, with what these
know of each key, `LetterBox` the messages that made no event.
Keys are integers (`model.ids`); whoever shows them makes text of them. All reads see every commit that has returned.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, Protocol

import msgspec

from reactor.model.clock import Instant
from reactor.model.event import Event
from reactor.model.journal import Entry, Run
from reactor.model.lines import LogLine
from reactor.model.states import RunStatus


class Claim(msgspec.Struct, frozen=True):
    """A key that only one may have: an event's (source, id), or a flow's `dedupe` key."""

    key: bytes
    """16 bytes, a digest."""
    until: Instant
    """When it may be claimed again."""


class KeyState(msgspec.Struct, frozen=True):
    """What a trigger that watches many keys knows of one of them."""

    owner: int
    """Whose it is: a positive number of 63 bits."""
    key: str
    """Within the owner; JSON in ASCII or UTF-8 without lone surrogates."""
    due: Instant
    """When somebody has to look at it again. A week after it the store may drop it."""
    value: bytes | None
    """JSON; None in a batch removes it."""


class Acceptance(msgspec.Struct, frozen=True, kw_only=True):
    """An event with the runs that it starts. Each is written only if its claim is won; a lost event takes its runs
    along.
    """

    event: Event
    claim: Claim | None = None
    runs: tuple[Run, ...] = ()
    run_claims: tuple[Claim | None, ...] = ()
    """One a run (or empty for none at all)."""


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """Why an event started no run of its own of a flow, as it was decided. One for each event and flow."""

    event_key: int
    flow: str
    at: Instant
    rule: str
    """`dedupe`, `rate_limit`, `batch`, `debounce`, `singleton`."""
    reason: str
    """A sentence with the values that decided."""
    run_key: int | None = None
    """The run that it went into, or that stood in its way."""


class Letter(msgspec.Struct, frozen=True, kw_only=True):
    """A message that made no event, as it is kept until somebody decides."""

    key: int
    """As an event's: it rises with time."""
    trigger: str
    """Key of the trigger that took it."""
    reason: str
    payload: bytes | None
    """As it came; None in lists."""
    size: int
    more: bytes
    """JSON of what the engine knows beside it; the store does not look inside."""


class Tally(msgspec.Struct, frozen=True):
    """So many things that happened within one minute, to be added to what is counted there already."""

    minute: int
    """Since 1970."""
    flow: str
    trigger: str
    """Flow and trigger of runs; both empty for events."""
    what: str
    """`completed`, `failed`, `cancelled`: ends of runs; `started`: runs that began; `event`: events taken in."""
    bucket: int
    """Of the duration (`model.histogram`)."""
    count: int
    """May be negative: something was counted that did not come to be."""
    total: int = 0
    """Sum of the durations in milliseconds."""


class Batch(msgspec.Struct, kw_only=True):
    """What one transaction writes. Order inside: claims, events, runs, journal, saved, states, gone, verdicts, letters,
    answered, tallies, samples.
    """

    accepted: list[Acceptance] = msgspec.field(default_factory=list)
    runs: dict[int, Run] = msgspec.field(default_factory=dict)
    """Records to insert or replace, by key; the newest state of each. May contain runs of `accepted`: then this
    state is
    the one that is written, still subject to the claim. A stored run with a higher `epoch` is left as it is."""
    journal: list[tuple[int, bytes]] = msgspec.field(default_factory=list)
    """(run key, JSON list of entries): appended. Segments of runs whose claim was lost are dropped."""
    lines: list[tuple[int, bytes]] = msgspec.field(default_factory=list)
    """(run key, JSON list of `LogLine`): appended to what the run's actions have said, as with `journal`."""
    saved: list[tuple[str, str, bytes | None]] = msgspec.field(default_factory=list)
    """(trigger key, name, JSON) to keep; None removes."""
    states: list[KeyState] = msgspec.field(default_factory=list)
    """States of keys to keep or to remove, in this order."""
    gone: list[int] = msgspec.field(default_factory=list)
    """Keys of runs to remove. They are stored, were never started and have no journal."""
    verdicts: list[Verdict] = msgspec.field(default_factory=list)
    """To keep, in place of an earlier one of the same event and flow."""
    letters: list[Letter] = msgspec.field(default_factory=list)
    """To keep; one that is there already stays as it is."""
    answered: list[int] = msgspec.field(default_factory=list)
    """Keys of letters to remove."""
    tallies: list[Tally] = msgspec.field(default_factory=list)
    samples: list[tuple[int, bytes]] = msgspec.field(default_factory=list)
    """(minute, JSON) of how the machine was; one that is there already is replaced."""


class Committed(msgspec.Struct, frozen=True):
    """What a commit could not give: lost claims."""

    duplicates: dict[int, int] = msgspec.field(default_factory=dict)
    """Key of a lost event → key of the event that had claimed first."""
    dropped: frozenset[int] = frozenset()
    """Keys of runs that were not written (their own claim, or their event's, was lost)."""
    fenced: frozenset[int] = frozenset()
    """Keys of runs left as they were, because another instance has taken them (higher `epoch`)."""


class Loaded(msgspec.Struct, frozen=True):
    """A run with all that is needed to go on with it."""

    run: Run
    event: Event | None
    journal: list[Entry]


class FlowVersion(msgspec.Struct, frozen=True, kw_only=True):
    """One registered version of a flow."""

    flow: str
    version: int
    digest: str
    source: str
    file: str | None
    created_at: Instant
    enabled: bool = True
    """Of the flow, not of the version."""
    current: bool = True
    """The newest version, and its file has not gone away."""


class Store(Protocol):
    """What the engine lives on."""

    async def open(self) -> None:
        """Open or make the store, and migrate it forward. Takes the lock or lease of its instance.

        Raises:
            StoreBrokenError: corrupt, newer than this program, or another instance uses it; the message says what to
            do. StoreBusyError: locked or out of space.
        """
        ...

    async def close(self) -> None:
        """Give everything back. A second call does nothing."""
        ...

    async def commit(self, batch: Batch) -> Committed:
        """Write all of it in one transaction and return when it is as durable as the settings ask. Calls do not
        overlap.

        Raises:
            StoreBusyError: nothing was written; try again later.
            StoreBrokenError: nothing was written; do not try again.
        """
        ...

    async def load(self, keys: Sequence[int]) -> list[Loaded]:
        """Runs with event and journal, in the order of the keys; missing ones are left out."""
        ...

    async def due(self, before: Instant, after: tuple[Instant, int], limit: int) -> list[tuple[Instant, int]]:
        """(`wake_at`, key) of waiting runs that wake at or before `before`, in that order, beyond the pair `after`."""
        ...

    async def live(self, status: Sequence[RunStatus], after: int, limit: int) -> list[int]:
        """Keys of unfinished runs in these states, rising, above `after`."""
        ...

    async def children(self, parent: int) -> list[Run]:
        """Runs started by `call` from this run, oldest first."""
        ...

    async def saved(self, trigger: str) -> dict[str, Any]:
        """What a trigger keeps."""
        ...

    async def versions(self, flow: str | None = None) -> list[FlowVersion]:
        """All versions of one flow, or the current version of every flow, oldest first."""
        ...

    async def version(self, flow: str, version: int) -> FlowVersion | None:
        """One version."""
        ...

    async def add_version(self, version: FlowVersion) -> None:
        """Keep a new version, or change `enabled`, `current`, `file` and `source` of one that is there."""
        ...

    async def purge(self, before: Instant, limit: int, *, flow: str | None = None, but: Collection[str] = ()) -> int:
        """Remove up to `limit` finished runs older than `before` with their journals, then events of that age
        without runs (their own, or one that a verdict names), claims that are over and blobs that nothing names. How
        many rows went; 0: nothing more to do.

        With `flow` only the runs of that flow go, and their journals. Runs of the flows in `but` stay.
        """
        ...


class RunFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which runs a list shows, newest first."""

    flow: str | None = None
    flows: tuple[str, ...] | None = None
    """One of these flows."""
    status: tuple[RunStatus, ...] = ()
    error: str | None = None
    """Only runs that failed with this kind of error; `http.*`: any that begins so."""
    text: str | None = None
    """Stands in the name of the flow, in the error, or in what the run waits for; capitals do not matter."""
    event_key: int | None = None
    parent_key: int | None = None
    trigger: str | None = None
    since: Instant | None = None
    until: Instant | None = None
    finished_since: Instant | None = None
    """Only runs that have ended, at this time or later."""
    finished_until: Instant | None = None
    """Only runs that have ended, before this time."""
    least: int | None = None
    """Keys that are this or greater."""
    below: int | None = None
    """Cursor: keys smaller than this."""
    limit: int = 100


class EventFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which events a list shows: the newest first, or with `above` the oldest first."""

    type: str | None = None
    prefix: str | None = None
    """What the type begins with."""
    subject: str | None = None
    above: int | None = None
    """Cursor of a list from the oldest on: keys greater than this."""
    source: str | None = None
    since: Instant | None = None
    until: Instant | None = None
    below: int | None = None
    limit: int = 100


class EventRow(msgspec.Struct, frozen=True, kw_only=True):
    """An event without its payload."""

    key: int
    id: str
    type: str
    source: str
    subject: str | None
    time: Instant
    size: int
    """Bytes of its data as JSON."""


class History(Protocol):
    """What lists and pages are made of."""

    async def run(self, key: int) -> Run | None:
        """One run's record."""
        ...

    async def runs(self, wanted: RunFilter) -> list[Run]:
        """A page of runs, newest first."""
        ...

    async def look_for_runs(self, wanted: RunFilter, look: int) -> tuple[list[Run], int]:
        """As `runs`, but where no index knows the filter at most `look` runs of each kind are looked at; and the key
        above which all were looked at (0: there are no more). A page may so be short though more follow.
        """
        ...

    async def count_runs(self, wanted: RunFilter, most: int, look: int) -> tuple[int, bool]:
        """How many runs a list has, counted up to `most`, looking as far as `look_for_runs`; and whether these are
        all.
        """
        ...

    async def event(self, key: int) -> Event | None:
        """One event with its data."""
        ...

    async def event_by_id(self, id: str) -> Event | None:
        """The newest event with that id of a source."""
        ...

    async def events(self, wanted: EventFilter) -> list[EventRow]:
        """A page of events, in the filter's order."""
        ...

    async def started(self, keys: Sequence[int]) -> dict[int, list[Run]]:
        """The runs that these events have started, oldest first, by the event's key: not those that others called."""
        ...

    async def read(self, keys: Sequence[int]) -> list[Event]:
        """These events with their data, in the order of the keys; missing ones are left out."""
        ...

    async def verdicts(self, event_key: int) -> list[Verdict]:
        """What was decided of an event, by flow."""
        ...

    async def lines(self, run: int) -> list[LogLine]:
        """What the actions of a run have said, in the order in which it was written. It goes with the run."""
        ...

    async def counts(self) -> dict[str, int]:
        """Live runs by status, and `events`, `runs` in all (from row-id ranges or statistics where exact is dear)."""
        ...


class EventLog(Protocol):
    """The events in the order of their keys, and states of keys for those who follow them."""

    async def events_after(
        self, key: int, below: int, limit: int, types: Sequence[str] | None = None
    ) -> tuple[list[Event], int]:
        """Looks at up to `limit` events with greater keys, below `below`: those of the types (None: all), rising, and
        the key up to which it has looked (`below - 1` when that was all).
        """
        ...

    async def count_after(self, key: int, below: int, most: int) -> int:
        """How many events there are with keys between the two, counted up to `most`."""
        ...

    async def read(self, keys: Sequence[int]) -> list[Event]:
        """See `History.read`."""
        ...

    async def key_states(self, owner: int, keys: Sequence[str]) -> list[KeyState]:
        """The states of these keys, as far as there are any."""
        ...

    async def states_due(self, owner: int, before: Instant, limit: int) -> list[KeyState]:
        """States of an owner that are due at or before `before`, the earliest first."""
        ...


class LetterBox(Protocol):
    """The messages that made no event."""

    async def letters(self, trigger: str | None, below: int | None, limit: int) -> list[Letter]:
        """A page, the newest first, without payloads: of one trigger or of all, with keys below `below`."""
        ...

    async def letter(self, key: int) -> Letter | None:
        """One with its payload."""
        ...

    async def letter_counts(self) -> dict[str, int]:
        """How many there are of each trigger that has any."""
        ...
