"""`for_each`, `while` and `until`: iterations at `PATH[N]`, each with a frame and an outcome of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import msgspec

from reactor.language.expressions import truth
from reactor.model.clock import Instant
from reactor.model.errors import ErrorInfo
from reactor.model.flow import ForEachStep, LoopStep
from reactor.model.journal import Entry
from reactor.model.states import StepStatus
from reactor.runtime import restoring, timeouts
from reactor.runtime.frames import Frame
from reactor.runtime.signals import Broke, Failure

if TYPE_CHECKING:
    from reactor.runtime.interpreter import Interpreter

COMPLETED, FAILED, CANCELLED = StepStatus.COMPLETED.value, StepStatus.FAILED.value, StepStatus.CANCELLED.value
_CHANGING = frozenset({"vars", "state", "env"})
"""Names that may give something else when they are read again: what depends on them is recorded."""
TURN = 50
"""Iterations after which others get the loop."""
MOST = 500
"""So many iterations at a time, whatever `max_parallel` says: each is a task, and each end is looked at by all."""


class _Left(Exception):
    """The iteration was ended by `break`."""


# --- one iteration -----------------------------------------------------------------------------------------------


async def iteration(it: Interpreter, step: ForEachStep | LoopStep, key: str, frame: Frame) -> Any:
    """The output of one iteration, done or known.

    Raises:
        _Left: `break`. Failure: a step has failed.
    """
    if it.resumed and (known := it.durable.recall(key)) is not None:
        return _known(it, step, key, known, frame)
    try:
        output = await it.body(step.steps, key + ".", frame)
    except Broke:
        it.durable.record(Entry(key + "#break", it.durable.now()))
        it.durable.record(Entry(key, it.durable.now(), COMPLETED))
        raise _Left from None
    except Failure as failure:
        entry = Entry(key, it.durable.now(), FAILED, failure.output, failure.error, failure.attempts)
        it.durable.record(it.sealed(step, entry))
        raise
    except asyncio.CancelledError:
        if not it.durable.evicting:
            it.durable.record(Entry(key, it.durable.now(), CANCELLED))
        raise
    it.durable.record(it.sealed(step, Entry(key, it.durable.now(), COMPLETED, output)))
    return output


def _known(it: Interpreter, step: ForEachStep | LoopStep, key: str, known: Entry, frame: Frame) -> Any:
    if it.undoes or isinstance(step, LoopStep):
        restoring.collect(it, step.steps, key + ".", frame)
    if known.status == FAILED and known.error is not None:
        raise Failure(known.error, it.opened(step, known.value), known.attempt)
    if known.status == CANCELLED:
        raise asyncio.CancelledError
    if it.durable.recall(key + "#break") is not None:
        raise _Left
    value = it.opened(step, known.value)
    if step.secret_output:
        it.secrets.hide(value)
    return value


# --- for_each ----------------------------------------------------------------------------------------------------


def frame_of(step: ForEachStep, frame: Frame, item: Any, number: int) -> Frame:
    """What one iteration sees."""
    if step.as_ is None:
        return frame.inner(item=item, index=number)
    return frame.inner(item=item, index=number, **{step.as_: item})


def items_of(it: Interpreter, step: ForEachStep, path: str, frame: Frame) -> Any:
    """What the loop goes over, batches made: a list, or a stream `{"$stream": …}`.

    Raises:
        Failure: kind `input`: it is neither list nor map.
    """
    known = it.durable.recall(path + "#items") if it.resumed else None
    if known is not None:
        return known.value
    items = it.evaluate(step.items, frame, path, "for_each")
    if isinstance(items, dict) and "$stream" in items:
        return items  # `streams` looks whether it is one
    if isinstance(items, dict):
        items = [{"key": key, "value": value} for key, value in items.items()]
    if not isinstance(items, list):
        what = "nothing" if items is None else f"a {type(items).__name__}"
        raise Failure(ErrorInfo("input", f"`for_each` goes over a list or a map, not {what}", path, retryable=False))
    items = batched(it, step, path, frame, items)
    if not step.items.names.isdisjoint(_CHANGING) or (step.batch is not None and not isinstance(step.batch, int)):
        it.durable.record(Entry(path + "#items", it.durable.now(), value=items))
    return items


def batched(it: Interpreter, step: ForEachStep, path: str, frame: Frame, items: list[Any]) -> list[Any]:
    """The items of the iterations: each alone, or so many together."""
    if step.batch is None:
        return items
    size = it.number(step.batch, frame, path, "batch")
    return [items[start : start + size] for start in range(0, len(items), size)]


class Outputs(msgspec.Struct):
    """What the iterations gave so far."""

    values: list[Any]
    left: bool = False
    """`break` was reached."""


async def over(it: Interpreter, step: ForEachStep, path: str, frame: Frame, items: list[Any], first: int) -> Outputs:
    """The iterations over these items, of which the first has this number."""
    side_by_side = min(it.number(step.max_parallel, frame, path, "max_parallel"), len(items), MOST)
    if side_by_side > 1:
        return await _Workers(it, step, path, frame, items, first).run(side_by_side)
    outputs = Outputs([])
    for number, item in enumerate(items, first):
        try:
            inner = frame_of(step, frame, item, number)
            outputs.values.append(await iteration(it, step, f"{path}[{number}]", inner))
        except _Left:
            outputs.left = True
            break
        if number % TURN == TURN - 1:
            await it.durable.turn(path)
    return outputs


class _Workers:
    """Iterations side by side: so many tasks, each takes the next item."""

    def __init__(
        self, it: Interpreter, step: ForEachStep, path: str, frame: Frame, items: list[Any], first: int
    ) -> None:
        self._it = it
        self._step = step
        self._path = path
        self._frame = frame
        self._items = items
        self._first = first
        self._next = 0
        self._turn = TURN
        self._outputs: dict[int, Any] = {}
        self._failed: dict[int, Failure] = {}
        self._left = False

    async def run(self, count: int) -> Outputs:
        """All of them; the failure of the first item (by its number) that failed.

        Raises:
            Failure: an iteration has failed; those under way were cancelled.
        """
        self._known_failures()
        if self._failed:
            await self._settle()
        else:
            await self._work(count)
        if self._failed:
            raise self._failed[min(self._failed)]
        return Outputs([self._outputs[number] for number in sorted(self._outputs)], self._left)

    def _key(self, number: int) -> str:
        return f"{self._path}[{self._first + number}]"

    def _known_failures(self) -> None:
        """Whether the journal says that this loop has failed already: then nothing new begins."""
        for number in range(len(self._items)) if self._it.resumed else ():
            known = self._it.durable.recall(self._key(number))
            if known is not None and known.status == FAILED and known.error is not None:
                value = self._it.opened(self._step, known.value)
                self._failed[number] = Failure(known.error, value, known.attempt)

    async def _settle(self) -> None:
        """Iterations that were being cancelled go on unwinding; what the others have done can still be undone."""
        begun = timeouts.begun(self._it.durable, self._path + "[")
        for number, item in enumerate(self._items):
            key = self._key(number)
            frame = frame_of(self._step, self._frame, item, self._first + number)
            if key in begun and self._it.durable.recall(key) is None:
                frame.dead = True
                await timeouts.settle(iteration(self._it, self._step, key, frame))
                if self._it.durable.evicting:
                    raise asyncio.CancelledError
            elif self._it.undoes:
                restoring.collect(self._it, self._step.steps, key + ".", frame)

    async def _work(self, count: int) -> None:
        # All that are ready run before the loop looks at anything else: together they do what one would.
        self._turn = max(1, TURN // count)
        tasks = [asyncio.ensure_future(self._worker()) for _ in range(count)]
        pending = tasks
        try:
            while pending and not self._failed:
                await timeouts.first(pending)
                pending = [task for task in pending if not task.done()]
        finally:
            await timeouts.stop_all(tasks)

    async def _worker(self) -> None:
        done = 0
        while self._next < len(self._items) and not self._left:
            number, self._next = self._next, self._next + 1
            inner = frame_of(self._step, self._frame, self._items[number], self._first + number)
            try:
                self._outputs[number] = await iteration(self._it, self._step, self._key(number), inner)
            except _Left:
                self._left = True
            except Failure as failure:
                self._failed[number] = failure
                return
            done += 1
            if done % self._turn == 0:
                await self._it.durable.turn(self._path)


# --- while, until ------------------------------------------------------------------------------------------------


def entered(it: Interpreter, path: str) -> Iterator[int]:
    """Numbers of the iterations that a loop has gone into."""
    number = 0
    while it.durable.recall(f"{path}[{number}]#started") is not None:
        yield number
        number += 1


async def loop(it: Interpreter, step: LoopStep, path: str, frame: Frame, started: Instant) -> Entry:
    """`while:` and `until:`."""
    begun = it.enter(path, started)
    most = it.number(step.max, frame, path, "max")
    number, last = 0, None
    inner = frame.inner(index=0)
    while await _goes_on(it, step, path, inner, number, most):
        inner = frame.inner(index=number)
        try:
            last = await iteration(it, step, f"{path}[{number}]", inner)
        except _Left:
            number += 1
            break
        number += 1
        if number % TURN == 0:
            await it.durable.turn(path)
    return Entry(path, it.durable.now(), COMPLETED, {"count": number, "last": last}, None, 1, begun)


async def _goes_on(it: Interpreter, step: LoopStep, path: str, frame: Frame, number: int, most: int) -> bool:
    """Whether the loop goes into iteration `number`; that it does is recorded. `frame`: of the iteration before it."""
    key = f"{path}[{number}]"
    if it.resumed and it.durable.recall(key + "#started") is not None:
        return True
    frame.alive()
    frame.scope["index"] = number if step.while_ is not None else max(number - 1, 0)
    if step.while_ is not None:
        if not truth(it.evaluate(step.while_, frame, key, "while")):
            return False
    elif number and step.until is not None and truth(it.evaluate(step.until, frame, key, "until")):
        return False
    if number >= most:
        error = ErrorInfo("loop.limit", f"the loop would go on after {most} iterations (`max`)", path, retryable=False)
        raise Failure(error, {"count": number}, 1)
    if number and step.every is not None:
        await _pause(it, step, frame, key)
    it.durable.record(Entry(key + "#started", it.durable.now()))
    return True


async def _pause(it: Interpreter, step: LoopStep, frame: Frame, key: str) -> None:
    timer = it.durable.recall(key + "#timer") if it.resumed else None
    if timer is None:
        assert step.every is not None  # noqa: S101 - asked by the caller
        until = it.durable.now() + it.delay(step.every, frame, key, "every")
        it.durable.record(Entry(key + "#timer", it.durable.now(), value=until))
    else:
        until = int(timer.value)
    await it.durable.sleep(key, until)


KINDS: dict[Any, Any] = {LoopStep: loop}
