"""`batch` and `debounce`: runs that have not started yet and take in the events that come meanwhile."""

from __future__ import annotations

from collections.abc import Iterator

from reactor.model import durations, ids
from reactor.model.clock import Instant, to_iso
from reactor.model.flow import Control, Debounce, EventBatch
from reactor.model.journal import Run

Name = tuple[str, str, str]
BATCH = "#batch."
"""The journal's entries of the events of a batch but the last, which is the run's own."""


class Collecting:
    """One such run."""

    __slots__ = ("count", "name", "record", "until")

    def __init__(self, name: Name, record: Run, until: Instant, count: int = 1) -> None:
        self.name = name
        self.record = record
        self.until = until
        self.count = count


class Collection:
    """All of them, by flow, control and key."""

    def __init__(self) -> None:
        self._by_name: dict[Name, Collecting] = {}
        self._by_key: dict[int, Collecting] = {}

    def add(self, one: Collecting) -> None:
        """A run begins to collect."""
        self._by_name[one.name] = one
        self._by_key[one.record.key] = one

    def into(self, name: Name) -> Collecting | None:
        """The run that an event goes into."""
        return self._by_name.get(name)

    def get(self, key: int) -> Collecting | None:
        """By the key of the run."""
        return self._by_key.get(key)

    def remove(self, one: Collecting) -> None:
        """It takes in nothing any more."""
        self._by_key.pop(one.record.key, None)
        if self._by_name.get(one.name) is one:
            del self._by_name[one.name]

    def of(self, flow: str) -> Iterator[Collecting]:
        """Those of a flow."""
        return iter([one for one in self._by_key.values() if one.record.flow == flow])


def part_of(control: Control) -> tuple[str, EventBatch | Debounce] | None:
    """What the flow collects by. `batch` comes first, and a batch is not put off again."""
    if control.batch is not None:
        return "batch", control.batch
    if control.debounce is not None:
        return "debounce", control.debounce
    return None


def until(part: EventBatch | Debounce, first: Instant, last: Instant) -> Instant:
    """When the run goes on, by the first and the last event of it."""
    if isinstance(part, EventBatch):
        return first + part.for_
    again = last + part.for_
    return again if part.max is None else min(again, first + part.max)


def is_full(part: EventBatch | Debounce, count: int) -> bool:
    """Whether it goes on at once."""
    return isinstance(part, EventBatch) and count >= part.size


def merged(kind: str, part: EventBatch | Debounce, into: Run, later: int) -> str:
    """Why an event has no run of its own, in words."""
    run, event = ids.to_text("run", into.key), ids.to_text("evt", later)
    key = words_of_key(into, kind)
    if isinstance(part, EventBatch):
        most = f"up to {part.size} in {durations.show(part.for_)}"
        return f"collected by `batch`{key}: it is one of the `events` of {run} ({most})"
    silence = durations.show(part.for_)
    return f"replaced by `debounce`{key}: {event} came before {silence} of silence were over, and {run} has that"


def waiting(kind: str, one: Collecting, part: EventBatch | Debounce | None) -> str:
    """What a collecting run waits for, in words."""
    key, when = words_of_key(one.record, kind), to_iso(one.until)
    if isinstance(part, EventBatch):
        return f"`batch`{key}: {one.count} of {part.size} events; it starts when it has them, at the latest at {when}"
    return f"`debounce`{key} until {when}, and longer if more events come"


def words_of_key(run: Run, control: str) -> str:
    """` of key "a"`, or nothing where there is no key."""
    key = run.control.keys.get(control) if run.control is not None else None
    return "" if key is None else f" of key {key[:80]}"
