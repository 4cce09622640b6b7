"""The record and the journal of a run in memory: what is known of it, and what is still to be written."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from reactor.engine.saying import Saying
from reactor.engine.texts import encode
from reactor.engine.tracing.trail import Trail
from reactor.model import ids
from reactor.model.clock import Instant
from reactor.model.errors import ErrorInfo
from reactor.model.journal import RESET, Entry, Run, forget, index
from reactor.model.states import RunStatus
from reactor.runtime.interpreter import RunEnd

if TYPE_CHECKING:
    from reactor.engine.executor import Executor


class Written:
    """What one run reads and writes. See `committer.Dirty`."""

    def __init__(self, executor: Executor, record: Run, journal: Sequence[Entry]) -> None:
        self.executor = executor
        self.record_ = record
        self.key = record.key
        self.id = ids.to_text("run", record.key)
        self.dropped = False
        self._known = list(journal)
        self._index = index(journal)
        self._fresh: list[Entry] = []
        self._changed = False
        self._let_go = False
        self._turns = 0
        self._saying: Saying | None = None
        self.trail: Trail | None = None
        """What it remembers for its trace, if there are traces."""

    def take(self) -> tuple[Run | None, bytes | None]:
        """See `committer.Dirty`."""
        record = copy.copy(self.record_) if self._changed else None
        self._changed = False
        segment = None
        if self._fresh:
            fresh, self._fresh = self._fresh, []
            try:
                segment = encode(fresh)
            except Exception as error:  # noqa: BLE001 - one run's odd value must not keep the others from the disk
                segment = self._unwritable(fresh, error)
                record = copy.copy(self.record_)
                self._changed = False
        return record, segment

    @property
    def saying(self) -> Saying:
        """Where what its actions say is kept."""
        if self._saying is None:
            self._saying = Saying(self, self.executor)
        return self._saying

    def said(self) -> bytes | None:
        """See `committer.Dirty`."""
        return None if self._saying is None else self._saying.take()

    def _unwritable(self, fresh: list[Entry], error: Exception) -> bytes:
        """The run ends at the entry that cannot be written. No effect can have followed that: it would still wait."""
        kept: list[Entry] = []
        for entry in fresh:
            try:
                encode(entry)
            except Exception:  # noqa: BLE001 - see `take`
                what = f"what {entry.key!r} gave cannot be written as JSON: {type(error).__name__}: {error}"
                info = ErrorInfo("output", what, entry.key.partition("#")[0] or None, retryable=False)
                kept.append(Entry("", self.now(), RunStatus.FAILED.value, None, info))
                self._spoilt(RunEnd(RunStatus.FAILED, error=info))
                break
            kept.append(entry)
        return encode(kept)

    def _spoilt(self, end: RunEnd) -> None:
        """The run cannot go on, and ends so."""
        raise NotImplementedError

    def status(self, status: RunStatus, **changes: Any) -> None:
        """Change the record; it is written with the next commit."""
        if self.dropped:
            return
        self.record_.status = status
        for name, value in changes.items():
            setattr(self.record_, name, value)
        self._changed = True
        self.executor.committer.touch(self)

    def recall(self, key: str) -> Entry | None:
        """See `Record.recall`."""
        return self._index.get(key)

    def known(self) -> Sequence[Entry]:
        """See `Record.known`."""
        return self._known

    def record(self, entry: Entry) -> None:
        """See `Record.record`."""
        if self._let_go:
            return
        self._turns += 1
        self._fresh.append(entry)
        if entry.status == RESET:
            forget(self._index, entry)
        self.executor.recorded(self, entry)

    def now(self) -> Instant:
        """See `Record.now`."""
        return self.executor.clock.now()

    def draw(self, what: str) -> Any:
        """See `Record.draw`."""
        return self.executor.entropy.uuid() if what == "uuid" else self.executor.entropy.random()
