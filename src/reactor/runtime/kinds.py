"""What the simple kinds of steps do. Each function gives the step's outcome, or fails."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from reactor.language.expressions import correlations, truth
from reactor.model.clock import Instant, to_iso
from reactor.model.errors import ErrorInfo, StepError
from reactor.model.flow import (
    BlockStep,
    BreakStep,
    CallStep,
    EmitStep,
    FailStep,
    ReturnStep,
    SetStep,
    StateStep,
    SwitchStep,
    WaitForStep,
    WaitStep,
)
from reactor.model.journal import Entry, FlowCall, StateChange, Wanted
from reactor.model.states import StepStatus
from reactor.runtime import values
from reactor.runtime.frames import Frame
from reactor.runtime.restoring import place
from reactor.runtime.scope import mask
from reactor.runtime.signals import Failure

if TYPE_CHECKING:
    from reactor.runtime.interpreter import Interpreter

COMPLETED = StepStatus.COMPLETED.value
TIMEOUT = "timeout"
"""Status of `PATH#event` when none came in time."""
_LONGEST = 512
"""Characters of a text by which an event is looked up."""
_OPEN = frozenset({"event", "inputs", "run", "flow", "env"})
"""Names that hold no secret outputs: what is looked up stands in the run's record."""


def _done(it: Interpreter, path: str, value: Any, started: Instant) -> Entry:
    return Entry(path, it.durable.now(), COMPLETED, value, None, 1, started)


def set_(it: Interpreter, step: SetStep, path: str, frame: Frame, started: Instant) -> Entry:
    """`set:`."""
    value = it.evaluate(step.values, frame, path, "set")
    set_vars(it, path, value, secret=step.secret_output)
    return Entry(path, started, COMPLETED, value, None, 1, started)


def set_vars(it: Interpreter, path: str, value: dict[str, Any], *, secret: bool = False) -> None:
    """Variables of the run have these values from now on."""
    it.vars.update(value)
    if secret:
        it.secrets.hide(value)
        value = it.hands.seal(value)
    it.durable.record(Entry(path + "#set", it.durable.now(), COMPLETED, value, attempt=1))


async def block(it: Interpreter, step: BlockStep, path: str, frame: Frame, started: Instant) -> Entry:
    """`steps:`."""
    begun = it.enter(path, started)
    return _done(it, path, await it.steps(step.steps, path + ".", frame), begun)


async def switch(it: Interpreter, step: SwitchStep, path: str, frame: Frame, started: Instant) -> Entry:
    """`switch:` the first case that holds; which one is recorded."""
    known = it.durable.recall(path + "#case") if it.resumed else None
    chosen = int(known.value) if known is not None else _chosen(it, step, path, frame)
    if known is None:
        it.durable.record(Entry(path + "#case", started, value=chosen))
    if chosen < 0:
        return _done(it, path, None, started)
    output = await it.steps(step.cases[chosen].steps, f"{path}.cases[{chosen}].", frame)
    return _done(it, path, output, started)


def _chosen(it: Interpreter, step: SwitchStep, path: str, frame: Frame) -> int:
    for number, case in enumerate(step.cases):
        if case.if_ is None or truth(it.evaluate(case.if_, frame, path, f"case{number}.")):
            return number
    return -1


async def wait(it: Interpreter, step: WaitStep, path: str, frame: Frame, started: Instant) -> Entry:
    """`wait:`."""
    timer = it.durable.recall(path + "#timer") if it.resumed else None
    if timer is not None:
        until = int(timer.value)
    elif step.until is not None:
        until = values.as_instant(it.evaluate(step.until, frame, path, "until"), path, it.flow.timezone)
    else:
        until = started + it.delay(step.for_ or 0, frame, path, "wait")
    if timer is None:
        it.durable.record(Entry(path + "#timer", started, value=until))
    await it.durable.sleep(path, until)
    return _done(it, path, {"until": to_iso(until)}, started)


async def wait_for(it: Interpreter, step: WaitForStep, path: str, frame: Frame, started: Instant) -> Entry:
    """`wait_for:` the oldest fitting event since the run began that this step has not taken before."""
    begun = it.enter(path, started)
    late = it.durable.recall(path + "#event") if it.resumed else None
    taken = it.taken.setdefault(place(path), set())

    def accept(event: dict[str, Any]) -> bool:
        if event["id"] in taken:
            return False
        return step.accept is None or truth(it.evaluate(step.accept, frame, path, "accept", received=event))

    if late is None:
        frame.alive()
        until = _limit(it, step, path, frame, begun)
        what = f"an event {step.event!r}" + (f" with {step.accept.source}" if step.accept is not None else "")
        match = _match(it, step, frame)
        wanted = Wanted(type=step.event, match=match, source=step.source, accept=accept, what=what)
        event = await it.durable.receive(path, wanted, until)
        while event is not None and event["id"] in taken:
            # The same step in another branch or iteration was told of it in the same moment.
            event = await it.durable.receive(path, wanted, until)
        if event is not None:
            taken.add(event["id"])
            it.durable.record(Entry(path + "#event", it.durable.now(), value={"id": event["id"]}))
            return _done(it, path, event, begun)
        it.durable.record(Entry(path + "#event", it.durable.now(), TIMEOUT))
    if step.on_timeout is None:
        raise Failure(ErrorInfo(TIMEOUT, f"no event {step.event!r} came in time", path), attempts=1)
    await it.steps(step.on_timeout, path + ".on_timeout.", frame.inner())
    return _done(it, path, None, begun)


def _match(it: Interpreter, step: WaitForStep, frame: Frame) -> tuple[tuple[str, ...], Any] | None:
    """What its condition looks for at one place of an event, where it says so plainly."""
    if step.accept is None or it.flow.legacy:
        return None
    for place_, expr in correlations(step.accept.source, "received"):
        if it.secrets.hidden and not expr.names <= _OPEN:
            continue
        try:
            value = expr.evaluate(frame.scope)
        except StepError:
            continue
        if value is None or isinstance(value, int) or (isinstance(value, str) and len(value) <= _LONGEST):
            return place_, value
    return None


def _limit(it: Interpreter, step: WaitForStep, path: str, frame: Frame, begun: Instant) -> Instant | None:
    """When the wait is over; recorded, since its duration may be an expression."""
    if step.limit is None:
        return None
    timer = it.durable.recall(path + "#timer") if it.resumed else None
    if timer is not None:
        return int(timer.value)
    until = begun + it.delay(step.limit, frame, path, "limit")
    it.durable.record(Entry(path + "#timer", begun, value=until))
    return until


async def emit(it: Interpreter, step: Any, path: str, frame: Frame, started: Instant) -> Entry:
    """`emit:`."""
    event = it.evaluate(step.event, frame, path, "emit")
    entry = _done(it, path, None, started)
    try:
        value = await it.durable.emit(path, event, entry)
    except StepError as error:
        raise Failure(error.info(path)) from error
    return msgspec.structs.replace(entry, value=value)


async def state(it: Interpreter, step: StateStep, path: str, frame: Frame, started: Instant) -> Entry:
    """`state:` one change; its output is the value after it."""
    key = it.evaluate(step.key, frame, path, "key")
    value = None if step.value is None else it.evaluate(step.value, frame, path, "value")
    try:
        after = await it.durable.state(path, StateChange(key=str(key), op=step.op, value=value))
    except StepError as error:
        raise Failure(error.info(path)) from error
    return _done(it, path, after, started)


async def call(it: Interpreter, step: CallStep, path: str, frame: Frame, started: Instant) -> Entry:
    """`call:`."""
    params = it.evaluate(step.params, frame, path, "with") or {}
    wanted = FlowCall(flow=step.flow, params=params, version=step.version, wait=step.wait)
    outcome = await it.durable.child(path, wanted)
    if outcome.error is not None:
        raise Failure(msgspec.structs.replace(outcome.error, step=path), outcome.output, 1)
    return _done(it, path, outcome.output, started)


async def return_(it: Interpreter, step: ReturnStep, path: str, frame: Frame, started: Instant) -> Entry:
    """`return:`."""
    return _done(it, path, it.evaluate(step.value, frame, path, "return"), started)


async def break_(it: Interpreter, step: BreakStep, path: str, frame: Frame, started: Instant) -> Entry:
    """`break:`."""
    del step, frame
    return _done(it, path, None, started)


async def fail(it: Interpreter, step: FailStep, path: str, frame: Frame, started: Instant) -> Entry:
    """`fail:`."""
    del started
    # A message is for people.
    error = mask(it.evaluate(step.error, frame, path, "fail"), it.secrets.used())
    raise Failure(values.failure(error, path), attempts=1)


KINDS: dict[Any, Any] = {
    BlockStep: block,
    SwitchStep: switch,
    WaitStep: wait,
    WaitForStep: wait_for,
    EmitStep: emit,
    StateStep: state,
    CallStep: call,
    ReturnStep: return_,
    BreakStep: break_,
    FailStep: fail,
}
