"""Undo: what completed steps have done is taken back in reverse order of their completion."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import msgspec

from reactor.model.errors import ErrorInfo
from reactor.model.flow import ActionStep, Retry, Step
from reactor.model.journal import RESET, Entry
from reactor.model.states import StepStatus
from reactor.runtime.frames import Frame, Undo
from reactor.runtime.signals import Broke, Failure, Returned
from reactor.runtime.timeouts import undisturbed

if TYPE_CHECKING:
    from reactor.runtime.interpreter import Interpreter

_POLICY = Retry(max=5, delay=1_000, max_delay=60_000)
"""Of an `undo` action that names none: taking back is worth more than one attempt."""


def register(it: Interpreter, step: Step, path: str, frame: Frame, order: int) -> None:
    """A step with `undo` has completed."""
    if step.undo is not None and it.flow.undo != "never":
        output = (frame.steps.get(step.name) or {}).get("output")
        frame.undos.append(Undo(order, path, step.undo, frame, output))


async def undo(it: Interpreter, undos: list[Undo], error: ErrorInfo | None) -> list[ErrorInfo]:
    """Undo all of these, whatever becomes of each; what failed. The list is empty afterwards.

    An undo that the journal knows is not done again.

    Raises:
        asyncio.CancelledError: somebody cancelled us meanwhile; all are undone even so, unless the run leaves memory.
    """
    failed: list[ErrorInfo] = []
    late = undos and await undisturbed(it.durable, _undo(it, undos, error, failed))
    undos.clear()
    if late:
        raise asyncio.CancelledError
    return failed


async def _undo(it: Interpreter, undos: list[Undo], error: ErrorInfo | None, failed: list[ErrorInfo]) -> None:
    # A handler that is walked again after a crash has told of its steps twice.
    each = {one.path: one for one in reversed(undos)}.values()
    for one in sorted(each, key=lambda u: u.order, reverse=True):
        _again(it, one)
        frame = one.frame.last(error=error.view() if error is not None else None, output=one.output)
        try:
            await it.steps((_patient(one.step),), one.path + ".", frame)
        except Failure as failure:
            failed.append(failure.error)
        except (Returned, Broke):
            pass
        it.undone.add(one.path)


def _again(it: Interpreter, one: Undo) -> None:
    """An undo that was cancelled on its way (with a loser, or by a timeout) has not taken anything back for certain."""
    key = f"{one.path}.{one.step.name}"
    known = it.outcome(one.step, key)
    if known is not None and known.status == StepStatus.CANCELLED:
        it.durable.record(Entry(key, it.durable.now(), RESET))


def _patient(step: Step) -> Step:
    if type(step) is ActionStep and step.retry is None:
        return msgspec.structs.replace(step, retry=_POLICY)
    return step


def with_failed(error: ErrorInfo, failed: list[ErrorInfo]) -> ErrorInfo:
    """The error of a run of which something could not be undone."""
    if not failed:
        return error
    told = "; ".join(f"{one.step or 'undo'} failed too: {one.message}" for one in failed)
    return msgspec.structs.replace(error, message=f"{error.message}; {told}")
