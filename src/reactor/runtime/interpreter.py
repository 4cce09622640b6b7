"""ONE interpreter of flows. It walks a flow as ordinary async Python over a `Durable` and knows no runtime.

Rules it keeps, so that a run can be taken up again at any commit:
- what has an outcome in the journal is never done again: its output is taken from there;
- every decision that something durable may hang on is an entry (`journal`), so a replay by path gives the same run;
- it uses plain asyncio tasks, `wait` and cancellation only, which every runtime's loop has.

What the kinds of steps do is in `kinds`, `branches`, `loops` and `people`; attempts are in `attempts` and `retrying`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import msgspec

from reactor.language.expressions import truth
from reactor.model.clock import Instant
from reactor.model.errors import ErrorInfo, PermanentError, StepError
from reactor.model.flow import (
    ActionStep,
    ApproveStep,
    BlockStep,
    BreakStep,
    Delay,
    Expr,
    Flow,
    ForEachStep,
    LoopStep,
    Number,
    ParallelStep,
    ReturnStep,
    SetStep,
    Step,
    SwitchStep,
    WaitForStep,
    all_steps,
)
from reactor.model.journal import Entry
from reactor.model.states import RunStatus, StepStatus
from reactor.runtime import (
    branches,
    cleaning,
    kinds,
    loops,
    people,
    restoring,
    retrying,
    streams,
    timeouts,
    undoing,
    values,
)
from reactor.runtime.attempts import Attempts
from reactor.runtime.durable import Durable
from reactor.runtime.frames import Frame
from reactor.runtime.scope import Secrets, Viewed, step_view
from reactor.runtime.signals import Broke, Failure, Interrupted, Returned, failure_of

COMPLETED, FAILED, SKIPPED, CANCELLED = (
    StepStatus.COMPLETED.value,
    StepStatus.FAILED.value,
    StepStatus.SKIPPED.value,
    StepStatus.CANCELLED.value,
)
_HOLDERS = (BlockStep, ParallelStep, ForEachStep, LoopStep, SwitchStep, WaitForStep, ApproveStep)
_BEGUN = ("#started", "#body", "#attempt", "#timer", "#child", "#case", "#asked")
"""Marks of a step that has begun: its conditions are not asked a second time."""


class RunEnd(msgspec.Struct, frozen=True):
    """How a run ended."""

    status: RunStatus
    output: Any = None
    error: ErrorInfo | None = None


class Hands(msgspec.Struct, frozen=True, kw_only=True):
    """What a run gets from outside, beside its `Durable`."""

    env: Mapping[str, str] = {}
    state: Mapping[str, Any] = {}
    """The flow's durable state as it is now."""
    secret: Callable[[str], str | None] = lambda _name: None
    """Reads one secret, or None."""
    seal: Callable[[Any], Any] = lambda value: value
    """Makes of a secret output what may be journaled."""
    unseal: Callable[[Any], Any] = lambda value: value
    """The other way; any other value comes back as it is."""
    link: Callable[[str, str], str] = lambda approval, person: f"approval:{approval}?person={person}"
    """(approval id, person) → the address where that person decides."""


class Interpreter:
    """Runs one run of one flow once, from its beginning or from what its journal says."""

    def __init__(
        self,
        flow: Flow,
        durable: Durable,
        *,
        event: dict[str, Any] | None,
        run: dict[str, Any],
        inputs: Any = None,
        events: list[dict[str, Any]] | None = None,
        hands: Hands = Hands(),  # noqa: B008 - frozen
    ) -> None:
        """`event`: its view; `events`: those of a batch; `run`: `{id, started_at, …}` as expressions see it."""
        self.flow = flow
        self.durable = durable
        self.hands = hands
        self.resumed = bool(durable.known())
        self.secrets = Secrets(hands.secret)
        self.vars: dict[str, Any] = {}
        self.taken: dict[str, set[str]] = {}
        """Place of a `wait_for` step (without numbers of iterations) → ids of the events it has taken."""
        self.streams: list[Any] = []  # that actions of this run have opened
        self._draws, self.attempts = values.Draws(durable), Attempts(self)
        scope = {
            "event": event,
            "inputs": inputs if inputs is not None else {},
            "vars": self.vars,
            "run": run,
            "flow": {"name": flow.name, "version": flow.version, "labels": flow.labels},
            "env": hands.env,
            "state": hands.state,
            **self._draws.functions,
        }
        if events is not None:
            scope["events"] = events
        elif flow.control is not None and flow.control.batch is not None:
            scope["events"] = [event]
        if flow.legacy:
            scope["response"] = {}
        self.root = Frame(scope)
        self.undone: set[str] = set()
        """Steps that were undone in this life of the run."""
        self.orders = restoring.Orders(durable)
        self.undoes = flow.undo != "never" and self.resumed and self.holds_undo()
        """Whether a resumed run has to look for what it may have to undo."""

    # --- the run -------------------------------------------------------------------------------------------------

    async def run(self) -> RunEnd:
        """Walk to the end. The end is recorded under the empty key and returned.

        Raises:
            asyncio.CancelledError: the run leaves memory (`Durable.evicting`).
        """
        try:
            end = await self._whole()
        except asyncio.CancelledError:
            if self.durable.evicting:
                raise
            end = await self._cancelled()
        self.durable.record(Entry("", self.durable.now(), end.status.value, end.output, end.error))
        return end

    async def _whole(self) -> RunEnd:
        if self.resumed:
            restoring.restore_run(self)
            body = self.durable.recall("#body")
            if body is not None:
                return await (self._cancelled() if body.error is None else self._failed(body.error))
        try:
            output = await self._walked()
            restoring.go_on(self)
        except Failure as failure:
            return await self._failed(failure.error)
        except StepError as error:
            return await self._failed(error.info())
        return RunEnd(RunStatus.COMPLETED, output)

    async def _walked(self) -> Any:
        if self.flow.vars is not None and self.durable.recall("#set") is None:
            kinds.set_vars(self, "", self.evaluate(self.flow.vars, self.root, "", "vars"))
        if self.flow.timeout is None:
            output = await self.body(self.flow.steps, "", self.root)
        else:
            output = await self._in_time(self.flow.timeout)
        if self.flow.outputs is not None:
            output = self.evaluate(self.flow.outputs, self.root, "", "outputs")
        return output

    async def _in_time(self, limit: Delay) -> Any:
        known = self.durable.recall("#timeout") if self.resumed else None
        if known is not None and known.status == timeouts.OVER:
            frame = self.root.attempt()
            frame.dead = True
            try:
                await timeouts.unwound(self.durable, self.body(self.flow.steps, "", frame), "", "the run")
            finally:
                self.root.keep(frame.undos)
        until = int(known.value) if known else self.durable.now() + self.delay(limit, self.root, "", "timeout")
        if known is None:
            self.durable.record(Entry("#timeout", self.durable.now(), value=until))
        return await timeouts.limited(self.durable, self.body(self.flow.steps, "", self.root), "", until, "the run")

    async def _failed(self, error: ErrorInfo) -> RunEnd:
        """Undo, then `on_failure`."""
        restoring.unwalked(self)
        if self.flow.on_failure or self.root.undos:
            self.durable.record(Entry("#body", self.durable.now(), FAILED, None, error))
            error = undoing.with_failed(error, await undoing.undo(self, self.root.undos, error))
            restoring.go_on(self)
            error = await self._told(self.flow.on_failure, "on_failure", error)
        return RunEnd(RunStatus.FAILED, error=error)

    async def _cancelled(self) -> RunEnd:
        """Undo, then `on_cancel`."""
        error = ErrorInfo("cancelled", "the run was cancelled", retryable=False)
        restoring.unwalked(self)
        if self.flow.on_cancel or self.root.undos:
            self.durable.record(Entry("#body", self.durable.now(), CANCELLED))
            failed = await undoing.undo(self, self.root.undos, error)
            error = await self._told(self.flow.on_cancel, "on_cancel", undoing.with_failed(error, failed))
        return RunEnd(RunStatus.CANCELLED, error=error)

    async def _told(self, steps: tuple[Step, ...], name: str, error: ErrorInfo) -> ErrorInfo:
        """The steps that a flow has for its bad ends; the error, with what went wrong in them."""
        try:
            await self.body(steps, name + ".", self.root.inner(error=error.view()))
        except Failure as second:
            message = f"{error.message}; then {name} failed too: {second.error.message}"
            return msgspec.structs.replace(error, message=message)
        return error

    async def body(self, steps: tuple[Step, ...], prefix: str, frame: Frame) -> Any:
        """A whole body (run, branch, iteration, handler of the run): `return` ends it here."""
        try:
            return await self.steps(steps, prefix, frame)
        except Returned as returned:
            return returned.value

    async def steps(self, steps: tuple[Step, ...], prefix: str, frame: Frame) -> Any:
        """One list of steps; the output of the last one that ran (a secret one is handed on by its name only)."""
        output = None
        for step in steps:
            path = prefix + step.name
            before = output
            if self.resumed and (known := self.outcome(step, path)) is not None:
                output = self._restore(step, path, known, frame, before)
            else:
                output = await self._step(step, path, frame, before)
            if step.secret_output:
                output = before
        return output

    def holds_undo(self) -> bool:
        """Whether something in this flow can be undone."""
        return any(step.undo is not None for _, step in all_steps(self.flow))

    def outcome(self, step: Step, path: str) -> Entry | None:
        """The step's outcome, if the journal has it."""
        key = outcome_key(step, path)
        return self.durable.recall(key) or (self.durable.recall(path) if key is not path else None)

    # --- one step ------------------------------------------------------------------------------------------------

    async def _step(self, step: Step, path: str, frame: Frame, before: Any) -> Any:
        """Do a step that has no outcome yet. `before`: the output of the step before it, kept when this one is
        skipped.
        """
        if (step.if_ is not None or step.unless is not None) and not self._goes(step, path, frame):
            frame.steps[step.name] = step_view(SKIPPED)
            self.durable.record(Entry(path, self.durable.now(), SKIPPED))
            return before
        started = self.durable.now()
        try:
            return await self._handled(step, path, frame, started)
        except Interrupted:
            raise asyncio.CancelledError from None
        except asyncio.CancelledError:
            if not self.durable.evicting:
                self.durable.record(Entry(path, self.durable.now(), CANCELLED, started=started))
            raise

    def _goes(self, step: Step, path: str, frame: Frame) -> bool:
        if self.resumed and any(self.durable.recall(path + mark) is not None for mark in _BEGUN):
            return True
        try:
            if step.if_ is not None and not truth(self.evaluate(step.if_, frame, path, "if")):
                return False
            return step.unless is None or not truth(self.evaluate(step.unless, frame, path, "unless"))
        except Failure as failure:
            error = failure.error
            self.durable.record(Entry(path, self.durable.now(), FAILED, None, error))
            frame.steps[step.name] = step_view(FAILED, None, error.view())
            raise

    async def _handled(self, step: Step, path: str, frame: Frame, started: Instant) -> Any:
        """Perform, then the step's handlers, then conclude."""
        entry = await self._body_of(step, path, frame, started)
        done = entry.status == COMPLETED
        if entry.status == FAILED and step.on_error:
            entry = await cleaning.on_error(self, step, path, frame, entry)
        late = await cleaning.finally_(self, step, path, frame, entry, done=done)
        if entry.status == CANCELLED:
            raise asyncio.CancelledError
        self._conclude(step, path, frame, entry)
        if done and step.undo is not None:
            undoing.register(self, step, path, frame, self.orders.next())
        if late:
            raise Interrupted
        if entry.status == FAILED and not step.continue_on_error:
            raise failure_of(step, entry, path, entry.value)
        if done:
            _signal(step, entry.value)
        return entry.value

    async def _body_of(self, step: Step, path: str, frame: Frame, started: Instant) -> Entry:
        """The outcome of the step itself. Where steps of its own follow (`on_error`, `finally`) it is recorded
        before them, so that a crash among those does not do it again.
        """
        if self.resumed and (known := self.durable.recall(path + "#body")) is not None:
            restoring.inside(self, step, path, frame)
            return msgspec.structs.replace(known, key=path, value=self.opened(step, known.value))
        try:
            entry = await self._perform(step, path, frame, started)
            if step.output is not None and entry.status == COMPLETED:
                entry = self._reshaped(step, path, frame, entry)
        except Failure as failure:
            entry = Entry(path, self.durable.now(), FAILED, failure.output, failure.error, failure.attempts, started)
        except StepError as error:
            entry = Entry(path, self.durable.now(), FAILED, error.output, error.info(path), 1, started)
        except (Returned, Broke):
            # The block has no outcome of its own then: a replay walks into it and meets the `return` again.
            if await cleaning.finally_(self, step, path, frame, Entry(path, self.durable.now(), COMPLETED)):
                raise asyncio.CancelledError from None
            raise
        except asyncio.CancelledError:
            if self.durable.evicting or not step.finally_:
                raise
            entry = Entry(path, self.durable.now(), CANCELLED, None, None, 0, started)
        if step.finally_ or (step.on_error and entry.status == FAILED):
            self.durable.record(msgspec.structs.replace(self.sealed(step, entry), key=path + "#body"))
        return entry

    def _reshaped(self, step: Step, path: str, frame: Frame, entry: Entry) -> Entry:
        assert step.output is not None  # noqa: S101 - asked by the caller
        seen = self._seen(step, entry.value)
        try:
            value = self.evaluate(step.output, frame, path, "output", output=seen)
        except Failure as failure:
            return msgspec.structs.replace(entry, status=FAILED, error=failure.error)
        return msgspec.structs.replace(entry, value=value)

    def sealed(self, step: Step, entry: Entry) -> Entry:
        """As the journal keeps it, and what becomes of a part of this step."""
        if not step.secret_output or entry.value is None:
            return entry
        self.secrets.hide(entry.value)
        return msgspec.structs.replace(entry, value=self.hands.seal(entry.value))

    def _conclude(self, step: Step, path: str, frame: Frame, entry: Entry) -> None:
        if entry.status != COMPLETED or not outcome_key(step, path).endswith("#set"):
            self.durable.record(self.sealed(step, entry))
        frame.steps[step.name] = self.view(step, entry)
        self._respond(step, frame, entry)

    def _respond(self, step: Step, frame: Frame, entry: Entry) -> None:
        """`.response` of flows of the older engine: the output of the last `http.request`."""
        if self.flow.legacy and type(step) is ActionStep and step.action == "http.request":
            self.root.scope["response"] = frame.scope["response"] = entry.value or {}

    def _restore(self, step: Step, path: str, known: Entry, frame: Frame, before: Any) -> Any:
        """Take a step's outcome from the journal, and go on as it went on then."""
        restoring.inside(self, step, path, frame)
        value = self.remember(step, path, known, frame)
        if known.status == SKIPPED:
            return before
        if known.status == CANCELLED:
            raise asyncio.CancelledError
        if known.status == FAILED and not step.continue_on_error and known.error is not None:
            raise failure_of(step, known, path, value)
        if known.status == COMPLETED and not restoring.was_handled(self, path):
            _signal(step, value)
        return value

    def remember(self, step: Step, path: str, known: Entry, frame: Frame) -> Any:
        """Put an outcome under its step's name, and what may be undone of it aside; the output."""
        value = self.opened(step, known.value)
        if value is not known.value:
            self.secrets.hide(value)
            known = msgspec.structs.replace(known, value=value)
        frame.steps[step.name] = self.view(step, known)
        self._respond(step, frame, known)
        if step.undo is not None and (self.durable.recall(path + "#body") or known).status == COMPLETED:
            undoing.register(self, step, path, frame, self.orders.of(known.key))
        return value

    def opened(self, step: Step, value: Any) -> Any:
        """What the journal holds of a step, unsealed where the step seals: elsewhere what looks sealed is data."""
        return self.hands.unseal(value) if step.secret_output else value

    def view(self, step: Step, entry: Entry) -> dict[str, Any]:
        """A step as `steps.NAME` shows it."""
        error = entry.error.view() if entry.error is not None else None
        return step_view(entry.status, self._seen(step, entry.value), error, entry.attempt)

    def _seen(self, step: Step, output: Any) -> Any:
        """The output with the views that its action offers."""
        if type(step) is ActionStep and isinstance(output, dict):
            action = self.durable.find(step.action)
            if action is not None and action.views:
                return Viewed(output, action.views)
        return output

    # --- kinds of steps ------------------------------------------------------------------------------------------

    async def _perform(self, step: Step, path: str, frame: Frame, started: Instant) -> Entry:
        kind = type(step)
        if frame.dead and not self._is_inside(step, path):
            raise asyncio.CancelledError
        if kind is SetStep:
            return kinds.set_(self, step, path, frame, started)  # type: ignore[arg-type]
        if kind is ActionStep:
            return await self.attempts.of(step, path, frame, started)  # type: ignore[arg-type]
        if step.retry is None and step.timeout is None and step.deadline is None:
            return await KINDS[kind](self, step, path, frame, started)
        return await retrying.perform(self, step, path, frame, started)

    def _is_inside(self, step: Step, path: str) -> bool:
        """Whether a step holds others, and had been entered: then it is these that unwind."""
        return isinstance(step, _HOLDERS) and any(self.durable.recall(path + mark) is not None for mark in _BEGUN)

    async def kind(self, step: Step, path: str, frame: Frame, started: Instant) -> Entry:
        """What the step's kind does, once and without limits."""
        return await KINDS[type(step)](self, step, path, frame, started)

    # --- tools of the kinds --------------------------------------------------------------------------------------

    def enter(self, path: str, started: Instant) -> Instant:
        """Note that a step has begun, once; its beginning."""
        known = self.durable.recall(path + "#started") if self.resumed else None
        if known is not None:
            return known.at
        self.durable.record(Entry(path + "#started", started))
        return started

    def delay(self, value: Delay, frame: Frame, path: str, slot: str) -> int:
        """A duration in milliseconds."""
        if isinstance(value, int):
            return value
        return values.as_millis(self.evaluate(value, frame, path, slot), path)

    def number(self, value: Number, frame: Frame, path: str, slot: str) -> int:
        """A whole number from 1."""
        if isinstance(value, int):
            return value
        return values.as_count(self.evaluate(value, frame, path, slot), path, slot)

    def evaluate(self, expr: Expr, frame: Frame, path: str, slot: str, **extra: Any) -> Any:
        """The value of an expression here; what it draws (`now()` …) is recorded under the slot.

        Raises:
            Failure: it cannot be evaluated.
        """
        self._draws.at(path, slot)
        scope = frame.scope if not extra else {**frame.scope, **extra}
        try:
            return expr.evaluate(scope)
        except PermanentError as error:
            raise Failure(error.info(path or None)) from None

    def with_secrets(self, expr: Expr, frame: Frame, path: str) -> tuple[Any, tuple[str, ...]]:
        """Parameters of an action, and the secret values that may be among them."""
        if "approval" in expr.names:
            frame = people.with_links(self, frame)
        if "secrets" in expr.names:
            value = self.evaluate(expr, frame, path, "with", secrets=self.secrets)
        else:
            value = self.evaluate(expr, frame, path, "with")
        shown = self.secrets.hidden and not expr.names.isdisjoint(_PLACES)
        return value, self.secrets.used() if shown or not expr.names.isdisjoint(("secrets", "approval")) else ()


_PLACES = ("steps", "vars", "item", "output")
"""Names behind which an output that is secret can stand."""


def outcome_key(step: Step, path: str) -> str:
    """Where a step's outcome stands: what a `set` did is its outcome, unless it is reshaped or more follows."""
    return path + "#set" if type(step) is SetStep and not step.finally_ and step.output is None else path


def _signal(step: Step, value: Any) -> None:
    """`return` and `break` end more than themselves."""
    if type(step) is ReturnStep:
        raise Returned(value)
    if type(step) is BreakStep:
        raise Broke


Kind = Callable[[Interpreter, Any, str, Frame, Instant], Awaitable[Entry]]
KINDS: dict[type[Step], Kind] = {**kinds.KINDS, **branches.KINDS, **loops.KINDS, **streams.KINDS, **people.KINDS}
