"""What follows a step: its handlers. `finally` and `undo` come to their end, whatever is cancelled around them."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING

import msgspec

from reactor.model.flow import Step
from reactor.model.journal import Entry
from reactor.model.states import StepStatus
from reactor.runtime import undoing
from reactor.runtime.frames import Frame
from reactor.runtime.signals import Broke, Failure, Returned
from reactor.runtime.timeouts import undisturbed

if TYPE_CHECKING:
    from reactor.runtime.interpreter import Interpreter

_CLEANING = re.compile(r"(^on_cancel|\.finally)\.|\.undo(?![^.#\[])")


def cleans(path: str) -> bool:
    """Whether a step at this path cleans up: a run that is cancelled goes on there."""
    return _CLEANING.search(path) is not None


async def finally_(it: Interpreter, step: Step, path: str, frame: Frame, entry: Entry, *, done: bool = False) -> bool:
    """`finally` runs whatever happened, also when the run is being cancelled; not when it merely leaves memory. Whether
    somebody cancelled the step while it ran. `done`: the step itself has completed.

    Raises:
        Failure: a step in it has failed. What the step itself has done can be undone even so.
    """
    if not step.finally_:
        return False
    error = entry.error.view() if entry.error is not None else None
    try:
        return await undisturbed(it.durable, _steps(it, step.finally_, path + ".finally.", frame.last(error=error)))
    except (Failure, Returned, Broke):
        if entry.status == StepStatus.CANCELLED.value:
            return True  # whatever goes wrong in it: who is cancelled does not go on
        if done:
            frame.steps[step.name] = it.view(step, entry)
            undoing.register(it, step, path, frame, it.orders.next())
        raise


async def on_error(it: Interpreter, step: Step, path: str, frame: Frame, failed: Entry) -> Entry:
    """`on_error`: its end is the step's end."""
    error = failed.error.view() if failed.error is not None else None
    try:
        output = await it.steps(step.on_error, path + ".on_error.", frame.inner(error=error))
    except Failure as second:
        return msgspec.structs.replace(failed, at=it.durable.now(), error=second.error)
    except asyncio.CancelledError:
        if it.durable.evicting or not step.finally_:
            raise
        return msgspec.structs.replace(failed, status=StepStatus.CANCELLED.value)
    return Entry(path, it.durable.now(), StepStatus.COMPLETED.value, output, None, failed.attempt, failed.started)


async def _steps(it: Interpreter, steps: tuple[Step, ...], prefix: str, frame: Frame) -> None:
    await it.steps(steps, prefix, frame)
