"""Sends the traces of runs that have ended, from a thread of its own behind a bounded queue: who takes them may be
away, slow or wrong, and no run waits for that.
"""

from __future__ import annotations

import logging
import threading
from collections import Counter, deque
from collections.abc import Callable, Sequence
from typing import Protocol

from reactor.engine.tracing.spans import Span, spans
from reactor.engine.tracing.trail import CALLED, Trail
from reactor.model import ids
from reactor.model.clock import Instant
from reactor.model.errors import ErrorInfo
from reactor.model.event import Event
from reactor.model.flow import Flow
from reactor.model.journal import Entry, Run
from reactor.sdk.action import Action

_log = logging.getLogger("reactor.traces")
MOST_WAITING = 20_000
"""Spans that wait to be sent; a run whose spans find no room is not told of."""
_BATCH = 512
_PAUSE = 0.5
"""Seconds that spans are gathered."""
EXPORTED, FAILED, DROPPED = "exported", "failed", "dropped"


class Exporter(Protocol):
    """Hands spans over. Called from one thread."""

    def export(self, found: Sequence[Span]) -> str | None:
        """Send them; why that failed, or None."""
        ...

    def close(self) -> None:
        """Try nothing again, and come back from `export` soon."""
        ...


class Tracer:
    """Of one engine."""

    def __init__(self, exporter: Callable[[], Exporter], salt: bytes, share: float) -> None:
        """`exporter`: made in the thread, with the first spans, since its library takes a while to load."""
        self._make = exporter
        self._exporter: Exporter | None = None
        self._salt = salt
        self._share = share
        self._waiting: deque[Span] = deque()
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._closing = False
        self._trouble = False
        self.spans: Counter[str] = Counter()
        """By what became of them."""

    @property
    def waiting(self) -> int:
        """Spans in the queue."""
        return len(self._waiting)

    def trail(self, record: Run, event: Event | None, journal: Sequence[Entry]) -> Trail:
        """What a run that comes into memory remembers for its trace."""
        trail = Trail(ids.to_text("run", record.key), record, event, self._salt, self._share)
        trail.take(journal)
        return trail

    def forked(self, record: Run, event: Event | None, journal: Sequence[Entry], now: Instant) -> Entry:
        """What a fork of this run takes along: where it stands, and that it comes from there."""
        link = self.trail(record, event, journal).at("").headers()["traceparent"]
        given: dict[str, str] = next((entry.value for entry in reversed(journal) if entry.key == CALLED), {})
        return Entry(CALLED, now, value={**given, "link": link})

    def ended(
        self,
        trail: Trail,
        run: Run,
        event: Event | None,
        flow: Flow | None,
        error: ErrorInfo | None,
        find: Callable[[str], Action | None],
    ) -> None:
        """A run has ended, and that is on disk."""
        if not trail.context.sampled:
            return
        found = spans(trail, run, event, flow, error, find)
        with self._changed:
            if self._closing or len(self._waiting) + len(found) > MOST_WAITING:
                self.spans[DROPPED] += len(found)
                return
            idle = not self._waiting
            self._waiting.extend(found)
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="traces", daemon=True)
                self._thread.start()
            elif idle or len(self._waiting) >= _BATCH:
                self._changed.notify_all()

    def close(self, patience: float = 3.0) -> None:
        """Send what waits, for so many seconds at most. Blocks."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join(patience)
            if self._thread.is_alive() and self._exporter is not None:
                self._exporter.close()
            with self._changed:
                self.spans[DROPPED] += len(self._waiting)
                self._waiting.clear()

    # --- in the thread -----------------------------------------------------------------------------------------------

    def _work(self) -> None:
        while batch := self._next():
            try:
                if self._exporter is None:
                    self._exporter = self._make()
                reason = self._exporter.export(batch)
            except Exception as error:  # noqa: BLE001 - whatever is wrong there, the next batch is tried
                reason = f"{type(error).__name__}: {error}"
            self.spans[EXPORTED if reason is None else FAILED] += len(batch)
            self._tell(reason)
        if self._exporter is not None:
            self._exporter.close()

    def _next(self) -> list[Span]:
        """What is sent next; waits for it. Empty: it is over."""
        with self._changed:
            while not self._closing and not self._waiting:
                self._changed.wait()
            if not self._closing and len(self._waiting) < _BATCH:
                self._changed.wait(_PAUSE)
            return [self._waiting.popleft() for _ in range(min(_BATCH, len(self._waiting)))]

    def _tell(self, reason: str | None) -> None:
        if reason is not None and not self._trouble:
            _log.warning("spans cannot be sent: %s; they are lost, and counted, until that is mended", reason)
        elif reason is None and self._trouble:
            _log.info("spans are sent again")
        self._trouble = reason is not None
