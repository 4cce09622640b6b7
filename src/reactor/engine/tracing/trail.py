"""What a run in memory remembers for its trace: when its steps began, failed and ended. The journal says the same, so
it is made again from that when a run comes back.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import msgspec

from reactor.model import traces
from reactor.model.clock import Instant
from reactor.model.event import Event
from reactor.model.journal import Entry, Run
from reactor.model.traces import TraceContext

CALLED = "#trace"
"""Key of the entry that says where a run stands that a step has called, or what it was forked from."""
RETRIED = "#retry"
_KEPT = frozenset({"", "set", "started", "attempt", "kind", "timer", "child", "pause"})
MOST = 20_000
"""Notes of one run; what comes after them is not in its trace."""


class Note(msgspec.Struct, frozen=True, gc=False):
    """One entry of the journal without what it holds."""

    path: str
    what: str
    at: Instant
    started: Instant
    status: str
    attempt: int
    value: Instant | str | None
    kind: str | None
    message: str


class Trail:
    """Of one run."""

    def __init__(self, run: str, record: Run, event: Event | None, salt: bytes, share: float) -> None:
        self.run = run
        self.salt = salt
        self._created = record.created_at
        given = traces.of_metadata(event.metadata) if event is not None else None
        self.context = given or traces.begun(run, salt, share)
        self.link: TraceContext | None = None
        self.notes: list[Note] = []
        self.left_out = 0
        self.first = 0
        """Notes before this one are of a life that ended before the run was retried; its trace has been told."""
        self._times: Counter[str] = Counter()

    def take(self, entries: Sequence[Entry]) -> None:
        """What the journal says of the run so far. What a fork has taken over is the other run's."""
        for entry in entries:
            if entry.at >= self._created or entry.key == CALLED:
                self.note(entry)

    def note(self, entry: Entry) -> None:
        """The run has written this down."""
        path, mark, what = entry.key.partition("#")
        if not path:
            self._of_run(entry, mark + what)
        elif what in _KEPT and entry.status != "reset":
            if what in ("", "set"):
                self._times[path] += 1
            if len(self.notes) < MOST:
                self.notes.append(_noted(path, what, entry))
            else:
                self.left_out += 1

    def _of_run(self, entry: Entry, what: str) -> None:
        if what == CALLED:
            self.link = traces.parse(entry.value.get("link"))
            self.context = traces.parse(entry.value.get("parent"), entry.value.get("state")) or self.context
        elif what == RETRIED:
            self.first = len(self.notes)
            self._times[""] += 1

    def nth(self, path: str) -> int:
        """How often the step has been done before."""
        return self._times[path]

    def at(self, path: str, attempt: int = 0) -> TraceContext:
        """The place of what happens in this step now (the empty path: in the run): goes out with its calls."""
        return self.context.at(traces.span_id(self.salt, self.run, path, self._times[path], attempt))


def _noted(path: str, what: str, entry: Entry) -> Note:
    error = entry.error
    value = entry.value if what in ("attempt", "kind") and isinstance(entry.value, (int, str)) else None
    return Note(
        path=path,
        what=what,
        at=entry.at,
        started=entry.started,
        status=entry.status,
        attempt=entry.attempt,
        value=value,
        kind=error.kind if error is not None else None,
        message=error.message[:1_000] if error is not None else "",
    )
