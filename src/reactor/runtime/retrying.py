"""Whether and when another attempt follows, asked of the flow; and the attempts of steps that are no actions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from reactor.language.expressions import truth
from reactor.model.clock import Instant
from reactor.model.errors import ErrorInfo, StepError
from reactor.model.flow import Retry, Step
from reactor.model.journal import RESET, Entry
from reactor.model.states import StepStatus
from reactor.runtime import retry, timeouts, undoing
from reactor.runtime.frames import Frame
from reactor.runtime.signals import Failure

if TYPE_CHECKING:
    from reactor.runtime.interpreter import Interpreter


class Series(msgspec.Struct):
    """The attempts of one step: where they stand, and when they have to end."""

    it: Interpreter
    step: Step
    path: str
    frame: Frame
    policy: Retry
    explicit: bool
    """The policy is written in the flow."""
    started: Instant
    attempt: int = 1
    end: Instant | None = None
    base: int = 0
    """Attempts before a person resumed the run."""

    async def begin(self) -> None:
        """Find out the deadline, and how far the journal says it came; sleep what was left of a pause."""
        if self.step.deadline is not None:
            self.end = self.started + self.it.delay(self.step.deadline, self.frame, self.path, "deadline")
        last = self.it.durable.recall(self.path + "#attempt") if self.it.resumed else None
        if last is not None:
            self.frame.alive()
            await self.it.durable.sleep(self.path, int(last.value))
            self.attempt = last.attempt + 1

    def limit(self, default: int | None = None) -> int | None:
        """Milliseconds of this attempt; None: as long as it takes.

        Raises:
            Failure: kind `deadline`: no time is left.
        """
        timeout = default
        if self.step.timeout is not None:
            timeout = self.it.delay(self.step.timeout, self.frame, self.path, "timeout")
        if self.end is None:
            return timeout
        left = self.end - self.it.durable.now()
        if left <= 0:
            error = ErrorInfo("deadline", "the step's deadline has passed", self.path, retryable=False)
            raise Failure(error, None, self.attempt)
        return left if timeout is None else min(timeout, left)

    async def another(self, error: ErrorInfo) -> Instant | None:
        """When the next attempt is due after this failure, or None; waits for a person where the policy says so."""
        durable, policy = self.it.durable, self.policy
        pause = self._pause(error)
        if pause is None:
            once_more = Retry(max=self.attempt + 1)
            if policy.then != "pause" or not retry.wanted(once_more, error, self.attempt, explicit=True):
                return None
            await durable.pause(self.path, error.message)
            self.base, pause = self.attempt, 0
        return durable.now() + pause

    def note(self, error: ErrorInfo, again: Instant) -> None:
        """The attempt failed and another follows."""
        durable = self.it.durable
        durable.record(
            Entry(self.path + "#attempt", durable.now(), StepStatus.FAILED.value, again, error, self.attempt)
        )

    def _pause(self, error: ErrorInfo) -> int | None:
        """Milliseconds to the next attempt, or None when there is none."""
        it, policy, attempt = self.it, self.policy, self.attempt - self.base
        if not retry.wanted(policy, error, attempt, explicit=self.explicit):
            return None
        slot = f"retry{attempt}."
        if policy.if_ is not None and not truth(
            it.evaluate(policy.if_, self.frame, self.path, slot, error=error.view(), attempt=attempt)
        ):
            return None
        pause = retry.delay(
            policy,
            attempt,
            base=it.delay(policy.delay, self.frame, self.path, slot),
            longest=it.delay(policy.max_delay, self.frame, self.path, slot),
            chance=float(it.durable.draw("random")),
            asked=error.retry_after,
        )
        return None if self.end is not None and it.durable.now() + pause >= self.end else pause


async def perform(it: Interpreter, step: Step, path: str, frame: Frame, started: Instant) -> Entry:
    """A step that is no action, within its limits, as often as its policy wants.

    What a failed attempt has completed is undone before the next one, which begins with nothing.
    """
    begun = it.enter(path, started)
    policy = step.retry or retry.ONCE
    series = Series(it, step, path, frame, policy, step.retry is not None, begun)
    await series.begin()
    while True:
        inner = frame.attempt()
        try:
            return await _attempted(series, inner)
        except _Again as due:
            again = due.instant
        finally:
            frame.keep(inner.undos)
        await it.durable.sleep(path, again)
        series.attempt += 1


class _Again(Exception):
    """The attempt failed, and another is due."""

    def __init__(self, instant: Instant) -> None:
        super().__init__()
        self.instant = instant


async def _attempted(series: Series, frame: Frame) -> Entry:
    it, path = series.it, series.path
    try:
        entry: Entry = await _once(series, frame)
    except (Failure, StepError) as failed:
        error = _error_of(failed, path)
        again = await series.another(error)
        if again is None:
            raise Failure(error, getattr(failed, "output", None), series.attempt) from None
        await undoing.undo(it, frame.undos, error)
        it.durable.record(Entry(path, it.durable.now(), RESET))
        it.durable.record(Entry(path + "#started", series.started))
        series.note(error, again)
        raise _Again(again) from None
    return msgspec.structs.replace(entry, attempt=series.attempt, started=series.started)


def _error_of(failed: Failure | StepError, path: str) -> ErrorInfo:
    return failed.error if isinstance(failed, Failure) else failed.info(path)


async def _once(series: Series, frame: Frame) -> Any:
    it, step, path = series.it, series.step, series.path
    what = f"step {path!r}"
    known = it.durable.recall(path + "#timeout") if it.resumed else None
    if known is not None and known.status == timeouts.OVER:
        frame.dead = True
        return await timeouts.unwound(it.durable, it.kind(step, path, frame, series.started), path, what)
    if known is not None:
        # Not asked again: taken up at the very instant, its time would be over before it is told that it was.
        until = int(known.value)
    else:
        limit = series.limit()
        if limit is None:
            return await it.kind(step, path, frame, series.started)
        until = it.durable.now() + limit
        it.durable.record(Entry(path + "#timeout", it.durable.now(), value=until))
    work = it.kind(step, path, frame, series.started)
    return await timeouts.limited(it.durable, work, path, until, what)
