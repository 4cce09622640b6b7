"""Taking up a run that has a past: names, variables, taken events, and what may have to be undone of it."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from reactor.model.flow import (
    ApproveStep,
    BlockStep,
    ForEachStep,
    LoopStep,
    ParallelStep,
    Step,
    SwitchStep,
    WaitForStep,
    all_steps,
)
from reactor.model.states import StepStatus
from reactor.runtime import loops
from reactor.runtime.bodies import Body
from reactor.runtime.durable import Record
from reactor.runtime.frames import Frame
from reactor.runtime.signals import Failure

if TYPE_CHECKING:
    from reactor.runtime.interpreter import Interpreter

_NUMBER = re.compile(r"\[\d+\]")


class Orders:
    """In which order steps have completed: by the journal, then as they come."""

    def __init__(self, record: Record) -> None:
        self._record = record
        self._places: dict[str, int] | None = None
        self._count = 0

    def next(self) -> int:
        """The place of a step that completes now."""
        if not self._count:
            self._count = len(self._record.known())
        self._count += 1
        return self._count

    def of(self, key: str) -> int:
        """The place of an outcome in the journal."""
        if self._places is None:
            self._places = {entry.key: place for place, entry in enumerate(self._record.known())}
        return self._places.get(key, 0)


def place(path: str) -> str:
    """A path without the numbers of its iterations."""
    return _NUMBER.sub("[]", path)


def restore_run(it: Interpreter) -> None:
    """Variables, the streams that were opened, and the events that `wait_for` steps have taken."""
    seals: set[str] | None = None
    for entry in it.durable.known():
        if entry.key.endswith("#set"):
            seals = _seals(it) if seals is None else seals
            sealed = place(entry.key.removesuffix("#set")) in seals
            it.vars.update(it.hands.unseal(entry.value) if sealed else entry.value)
        elif entry.key.endswith("#stream"):
            it.streams.append(entry.value)
        elif entry.key.endswith("#event") and isinstance(entry.value, dict):
            it.taken.setdefault(place(entry.key.removesuffix("#event")), set()).add(entry.value["id"])


def go_on(it: Interpreter) -> None:
    """A run that was cancelled behind its last border, or before it came back into memory, does not end otherwise.

    Raises:
        asyncio.CancelledError: it was cancelled.
    """
    if it.durable.recall("#cancel") is not None:
        raise asyncio.CancelledError


def was_handled(it: Interpreter, path: str) -> bool:
    """Whether a completed step owes that to its `on_error`."""
    body = it.durable.recall(path + "#body")
    return body is not None and body.status == StepStatus.FAILED.value


def unwalked(it: Interpreter) -> None:
    """Names, and what may have to be undone, of places that a run which came back into memory to end did not walk
    past.
    """
    if it.resumed:
        frame = it.root.attempt()
        collect(it, it.flow.steps, "", frame)
        it.root.keep([one for one in frame.undos if one.path not in it.undone])


def _seals(it: Interpreter) -> set[str]:
    """The places of steps whose outputs are sealed: what looks sealed elsewhere is data."""
    return {place(path) for path, step in all_steps(it.flow) if step.secret_output}


def inside(it: Interpreter, step: Step, path: str, frame: Frame) -> None:
    """A step that the journal has an outcome of: names inside it that are known outside, and what is to be undone."""
    kind = type(step)
    if kind is BlockStep or kind is SwitchStep or it.undoes or (kind is ParallelStep and it.flow.legacy):
        for prefix, steps, inner in _lists(it, step, path, frame):
            collect(it, steps, prefix, inner)


def collect(it: Interpreter, steps: tuple[Step, ...], prefix: str, frame: Frame) -> None:
    """Everything that the journal knows of a list of steps and all below it, done as far as it was."""
    if isinstance(steps, Body):
        steps.collect(it, prefix, frame)
        return
    for step in steps:
        path = prefix + step.name
        inside(it, step, path, frame)
        known = it.outcome(step, path)
        if known is None and step.undo is not None and it.durable.recall(path + "#body") is not None:
            known = it.durable.recall(path + "#body")  # its `finally` has failed
        if known is not None:
            it.remember(step, path, known, frame)


Lists = Iterator[tuple[str, tuple[Step, ...], Frame]]


def _lists(it: Interpreter, step: Step, path: str, frame: Frame) -> Lists:
    """The lists inside a step that have been entered, with the frames they had."""
    yield from _known_by_name(it, step, path, frame)
    if not it.undoes:
        return
    if isinstance(step, ParallelStep) and not it.flow.legacy:
        for branch in step.branches:
            key = f"{path}.branches.{branch.name}"
            known = it.durable.recall(key)
            if known is None or known.status != StepStatus.CANCELLED:
                yield key + ".", branch.steps, frame.inner()
    elif isinstance(step, (ForEachStep, LoopStep)):
        yield from _iterations(it, step, path, frame)
    elif isinstance(step, (WaitForStep, ApproveStep)) and isinstance(step.on_timeout, tuple):
        yield path + ".on_timeout.", step.on_timeout, frame.inner()
    yield from _handlers(it, step, path, frame)


def _known_by_name(it: Interpreter, step: Step, path: str, frame: Frame) -> Lists:
    """Those whose steps are known by name around the step."""
    if isinstance(step, BlockStep):
        yield path + ".", step.steps, frame
    elif isinstance(step, SwitchStep):
        chosen = it.durable.recall(path + "#case")
        if chosen is not None and 0 <= int(chosen.value) < len(step.cases):
            yield f"{path}.cases[{chosen.value}].", step.cases[int(chosen.value)].steps, frame
    elif isinstance(step, ParallelStep) and it.flow.legacy:
        for branch in step.branches:
            yield f"{path}.branches.{branch.name}.", branch.steps, frame


def _iterations(it: Interpreter, step: ForEachStep | LoopStep, path: str, frame: Frame) -> Lists:
    if isinstance(step, LoopStep):
        for number in loops.entered(it, path):
            yield f"{path}[{number}].", step.steps, frame.inner(index=number)
        return
    if it.durable.recall(path + "#started") is None:
        return
    try:
        items = loops.items_of(it, step, path, frame)
    except Failure:
        return
    for number, item in enumerate(items if isinstance(items, list) else ()):
        yield f"{path}[{number}].", step.steps, loops.frame_of(step, frame, item, number)


def _handlers(it: Interpreter, step: Step, path: str, frame: Frame) -> Lists:
    body = it.durable.recall(path + "#body")
    if body is not None:
        error = body.error.view() if body.error is not None else None
        yield path + ".on_error.", step.on_error, frame.inner(error=error)
        yield path + ".finally.", step.finally_, frame.inner(error=error)
