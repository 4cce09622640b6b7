"""Decisions of the gates, written down: where a run waits, why an event has none, who is cancelled for whom."""

from __future__ import annotations

import asyncio
import copy
import logging
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import msgspec

from reactor.engine.flowcontrol import words
from reactor.model import ids
from reactor.model.errors import ConflictError, ErrorInfo, NotFoundError, StoreBusyError, StoreError
from reactor.model.event import Event
from reactor.model.journal import Controlled, Run
from reactor.stores.port import Batch, Verdict

if TYPE_CHECKING:
    from reactor.engine.executor import Executor

_log = logging.getLogger("reactor.engine")
_AGAIN = 1.0
"""Seconds until a cancellation that the store could not write is tried again."""


class Decisions:
    """See the module. Nobody waits for what is written here: until it is on disk, the next start decides again."""

    def __init__(self, executor: Executor) -> None:
        self._executor = executor
        self.cancel: Callable[[int, str], Awaitable[None]] = _nobody
        """Cancels a run; set by the engine."""
        self.counts: Counter[str] = Counter()
        """Rule → events that started no run by it; `hold` and `error`: runs that were held, or failed for their key."""
        self.tasks: set[asyncio.Task[None]] = set()
        self._cancelling: set[int] = set()

    def commit(self, batch: Batch) -> None:
        """With the next commit."""
        self._executor.committer.add(batch).add_done_callback(_heard)

    def stage(self, run: Run, stage: str) -> None:
        """Where a run waits."""
        run.control = msgspec.structs.replace(run.control or Controlled(), stage=stage)
        if stage in words.STAGES:
            run.waiting_for = words.STAGES[stage]
        self.commit(Batch(runs={run.key: copy.copy(run)}))

    def drop(self, run: Run, rule: str, reason: str, other: int | None = None) -> None:
        """An event's run goes away before it started."""
        self.counts[rule] += 1
        self._executor.ends.unexpect([run.key])
        self.commit(Batch(gone=[run.key], verdicts=self._verdicts(run, rule, reason, other)))

    def deduped(self, run: Run, rule: str, reason: str) -> None:
        """An event's run that its claim has kept from being."""
        self.counts[rule] += 1
        self._executor.ends.unexpect([run.key])
        self.commit(Batch(verdicts=self._verdicts(run, rule, reason, None)))

    def _verdicts(self, run: Run, rule: str, reason: str, other: int | None) -> list[Verdict]:
        if run.event_key is None:
            return []
        return [self.verdict(run.event_key, run.flow, rule, reason, other)]

    def verdict(self, event_key: int, flow: str, rule: str, reason: str, run_key: int | None) -> Verdict:
        """What is kept with an event."""
        at = self._executor.clock.now()
        return Verdict(event_key=event_key, flow=flow, at=at, rule=rule, reason=reason, run_key=run_key)

    def fail(self, run: Run, event: Event | None) -> None:
        """A run of which a key cannot be evaluated ends as failed: it can be seen, and retried with a better flow."""
        message = run.control.error if run.control is not None else ""
        _log.error("run %s of flow %s fails: %s", ids.to_text("run", run.key), run.flow, message)
        self.counts["error"] += 1
        self._executor.fail(run, event, ErrorInfo("expression", message, retryable=False))

    def cancel_later(self, key: int, reason: str) -> None:
        """Cancel a run, beside the rest. One that is being cancelled already is let be: in a flood every new run wants
        the end of all before it.
        """
        if key in self._cancelling:
            return
        self._cancelling.add(key)
        task = asyncio.get_running_loop().create_task(self._cancel(key, reason))
        self.tasks.add(task)
        task.add_done_callback(lambda done: self._cancelled(key, done))

    def _cancelled(self, key: int, task: asyncio.Task[None]) -> None:
        self._cancelling.discard(key)
        self.tasks.discard(task)

    async def _cancel(self, key: int, reason: str) -> None:
        while not self._executor.stopping:
            try:
                await self.cancel(key, reason)
            except (NotFoundError, ConflictError):
                return
            except StoreBusyError as error:
                _log.error("run %s cannot be cancelled, trying again: %s", ids.to_text("run", key), error)
                await asyncio.sleep(_AGAIN)
            except StoreError as error:
                _log.error("run %s cannot be cancelled: %s", ids.to_text("run", key), error)
                return
            else:
                return


async def _nobody(_key: int, _reason: str) -> None:
    raise NotFoundError("nobody cancels runs here")


def _heard(done: asyncio.Future[None]) -> None:
    """A broken store tells everybody itself."""
    if not done.cancelled():
        done.exception()
