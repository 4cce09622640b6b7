"""ONE interpreter of flows. It walks a flow as ordinary async Python over a `Durable` and knows no runtime.

Rules it keeps, so that a run can be taken up again at any commit:
- what has an outcome in the journal is never done again: its output is taken from there;
- every decision that something durable may hang on is an entry (`journal`), so a replay by path gives the same run;
- it uses plain asyncio tasks, `wait` and cancellation only, which every runtime's loop has.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from typing import Any

import msgspec

from reactor.language.expressions import truth
from reactor.model.clock import Instant, to_iso
from reactor.model.errors import ErrorInfo, PermanentError, StepError
from reactor.model.flow import (
    ActionStep,
    BlockStep,
    CallStep,
    Delay,
    EmitStep,
    Expr,
    FailStep,
    Flow,
    ReturnStep,
    SetStep,
    Step,
    WaitStep,
)
from reactor.model.journal import Entry, FlowCall
from reactor.model.states import RunStatus, StepStatus
from reactor.runtime import timeouts, values
from reactor.runtime.attempts import Attempts
from reactor.runtime.durable import Durable
from reactor.runtime.scope import Secrets, Steps, Viewed, step_view
from reactor.runtime.signals import Failure, Returned

COMPLETED, FAILED, SKIPPED, CANCELLED = (
    StepStatus.COMPLETED.value,
    StepStatus.FAILED.value,
    StepStatus.SKIPPED.value,
    StepStatus.CANCELLED.value,
)


class RunEnd(msgspec.Struct, frozen=True):
    """How a run ended."""

    status: RunStatus
    output: Any = None
    error: ErrorInfo | None = None


class Frame:
    """One scope of names: the run's own list, or that of a handler."""

    __slots__ = ("base", "scope", "steps")

    def __init__(self, scope: dict[str, Any], outer: Steps | None = None) -> None:
        self.steps = Steps(outer)
        self.scope = scope
        scope["steps"] = self.steps

    def inner(self, **extra: Any) -> Frame:
        """A frame for a handler: it sees everything here, what it adds is not seen outside."""
        return Frame({**self.scope, **extra}, self.steps)


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
        env: Mapping[str, str] | None = None,
        secret: Callable[[str], str | None] = lambda _name: None,
    ) -> None:
        """`event`: its view; `run`: `{id, started_at, …}` as expressions see it; `secret`: reads one secret, or
        None.
        """
        self.flow = flow
        self.durable = durable
        self.resumed = bool(durable.known())
        self.secrets = Secrets(secret)
        self.vars: dict[str, Any] = {}
        self._draws = values.Draws(durable)
        self.attempts = Attempts(self)
        scope = {
            "event": event,
            "inputs": inputs if inputs is not None else {},
            "vars": self.vars,
            "run": run,
            "flow": {"name": flow.name, "version": flow.version, "labels": flow.labels},
            "env": env or {},
            **self._draws.functions,
        }
        if flow.legacy:
            scope["response"] = {}
        self.root = Frame(scope)

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
            error = ErrorInfo("cancelled", "the run was cancelled", retryable=False)
            end = RunEnd(RunStatus.CANCELLED, error=error)
        self.durable.record(Entry("", self.durable.now(), end.status.value, end.output, end.error))
        return end

    async def _whole(self) -> RunEnd:
        if self.resumed:
            for entry in self.durable.known():
                if entry.key.endswith("#set"):
                    self.vars.update(entry.value)
        if self.resumed and (known := self.durable.recall("#body")) is not None and known.error is not None:
            return await self._failed(known.error)
        try:
            if self.flow.vars is not None and self.durable.recall("#set") is None:
                self._set_vars("", self.evaluate(self.flow.vars, self.root, "", "vars"))
            walk = self._body(self.flow.steps, "", self.root)
            if self.flow.timeout is None:
                output = await walk
            else:
                output = await self._limited(walk, "", self.flow.timeout, self.root, "the run")
            if self.flow.outputs is not None:
                output = self.evaluate(self.flow.outputs, self.root, "", "outputs")
        except Failure as failure:
            return await self._failed(failure.error)
        except StepError as error:
            return await self._failed(error.info())
        return RunEnd(RunStatus.COMPLETED, output)

    async def _failed(self, error: ErrorInfo) -> RunEnd:
        if self.flow.on_failure:
            self.durable.record(Entry("#body", self.durable.now(), FAILED, None, error))
            try:
                await self._body(self.flow.on_failure, "on_failure.", self.root.inner(error=error.view()))
            except Failure as second:
                message = f"{error.message}; then on_failure failed too: {second.error.message}"
                error = msgspec.structs.replace(error, message=message)
        return RunEnd(RunStatus.FAILED, error=error)

    async def _body(self, steps: tuple[Step, ...], prefix: str, frame: Frame) -> Any:
        """A whole body (run, handler): `return` ends it here."""
        try:
            return await self.steps(steps, prefix, frame)
        except Returned as returned:
            return returned.value

    async def steps(self, steps: tuple[Step, ...], prefix: str, frame: Frame) -> Any:
        """One list of steps; the output of the last one that ran."""
        output = None
        for step in steps:
            path = prefix + step.name
            if self.resumed:
                known = self._known(step, path)
                if known is not None:
                    output = self._restore(step, path, known, frame, output)
                    continue
            output = await self._step(step, path, frame, output)
        return output

    def _known(self, step: Step, path: str) -> Entry | None:
        """The step's outcome, if the journal has it."""
        key = _outcome_key(step, path)
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
        except asyncio.CancelledError:
            if not self.durable.evicting:
                self.durable.record(Entry(path, self.durable.now(), CANCELLED, started=started))
            raise

    def _goes(self, step: Step, path: str, frame: Frame) -> bool:
        if self.resumed and any(
            self.durable.recall(path + mark) is not None for mark in ("#started", "#body", "#attempt")
        ):
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
        if entry.status == CANCELLED:
            await self._finally(step, path, frame, entry)
            raise asyncio.CancelledError
        if entry.status == FAILED and step.on_error:
            entry = await self._handle(step, path, frame, entry)
        await self._finally(step, path, frame, entry)
        self._conclude(step, path, frame, entry)
        if entry.status == FAILED and not step.continue_on_error:
            raise Failure(entry.error or ErrorInfo("failed", "the step failed", path), entry.value, entry.attempt)
        if type(step) is ReturnStep and entry.status == COMPLETED:
            raise Returned(entry.value)
        return entry.value

    async def _body_of(self, step: Step, path: str, frame: Frame, started: Instant) -> Entry:
        """The outcome of the step itself. Where steps of its own follow (`on_error`, `finally`) it is recorded
        before them, so that a crash among those does not do it again.
        """
        if self.resumed and (known := self.durable.recall(path + "#body")) is not None:
            return msgspec.structs.replace(known, key=path)
        try:
            entry = await self._perform(step, path, frame, started)
            if step.output is not None and entry.status == COMPLETED:
                entry = self._reshaped(step, path, frame, entry)
        except Failure as failure:
            entry = Entry(path, self.durable.now(), FAILED, failure.output, failure.error, failure.attempts, started)
        except StepError as error:
            entry = Entry(path, self.durable.now(), FAILED, error.output, error.info(path), 1, started)
        except Returned:
            # The block has no outcome of its own then: a replay walks into it and meets the `return` again.
            await self._finally(step, path, frame, Entry(path, self.durable.now(), COMPLETED))
            raise
        except asyncio.CancelledError:
            if self.durable.evicting or not step.finally_:
                raise
            entry = Entry(path, self.durable.now(), CANCELLED, None, None, 0, started)
        if step.finally_ or (step.on_error and entry.status == FAILED):
            self.durable.record(msgspec.structs.replace(entry, key=path + "#body"))
        return entry

    async def _finally(self, step: Step, path: str, frame: Frame, entry: Entry) -> None:
        """`finally` runs whatever happened, also when the run is being cancelled; not when it merely leaves memory."""
        if step.finally_:
            error = entry.error.view() if entry.error is not None else None
            await self.steps(step.finally_, path + ".finally.", frame.inner(error=error))

    def _reshaped(self, step: Step, path: str, frame: Frame, entry: Entry) -> Entry:
        assert step.output is not None  # noqa: S101 - asked by the caller
        seen = self._seen(step, entry.value)
        try:
            value = self.evaluate(step.output, frame, path, "output", output=seen)
        except Failure as failure:
            return msgspec.structs.replace(entry, status=FAILED, error=failure.error)
        return msgspec.structs.replace(entry, value=value)

    async def _handle(self, step: Step, path: str, frame: Frame, failed: Entry) -> Entry:
        """`on_error`: its end is the step's end."""
        error = failed.error.view() if failed.error is not None else None
        try:
            output = await self.steps(step.on_error, path + ".on_error.", frame.inner(error=error))
        except Failure as second:
            return msgspec.structs.replace(failed, at=self.durable.now(), error=second.error)
        return Entry(path, self.durable.now(), COMPLETED, output, None, failed.attempt, failed.started)

    def _conclude(self, step: Step, path: str, frame: Frame, entry: Entry) -> None:
        if entry.status != COMPLETED or not _outcome_key(step, path).endswith("#set"):
            self.durable.record(entry)
        frame.steps[step.name] = self._view(step, entry)
        if self.flow.legacy and type(step) is ActionStep and step.action == "http.request":
            self.root.scope["response"] = frame.scope["response"] = entry.value or {}

    def _restore(self, step: Step, path: str, known: Entry, frame: Frame, before: Any) -> Any:
        """Take a step's outcome from the journal, and go on as it went on then."""
        self._remember(step, path, known, frame)
        if known.status == SKIPPED:
            return before
        if known.status == CANCELLED:
            raise asyncio.CancelledError
        if known.status == FAILED and not step.continue_on_error and known.error is not None:
            raise Failure(known.error, known.value, known.attempt)
        if type(step) is ReturnStep and known.status == COMPLETED:
            raise Returned(known.value)
        return known.value

    def _remember(self, step: Step, path: str, known: Entry, frame: Frame) -> None:
        """Put an outcome, and those inside a block, under their names."""
        for inner in step.steps if type(step) is BlockStep else ():
            key = f"{path}.{inner.name}"
            entry = self._known(inner, key)
            if entry is not None:
                self._remember(inner, key, entry, frame)
        frame.steps[step.name] = self._view(step, known)
        if self.flow.legacy and type(step) is ActionStep and step.action == "http.request":
            self.root.scope["response"] = frame.scope["response"] = known.value or {}

    def _view(self, step: Step, entry: Entry) -> dict[str, Any]:
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
        if kind is SetStep:
            return self._set(step, path, frame, started)  # type: ignore[arg-type]
        if kind is ActionStep:
            return await self.attempts.of(step, path, frame, started)  # type: ignore[arg-type]
        return await _PERFORM[kind](self, step, path, frame, started)

    def _set(self, step: SetStep, path: str, frame: Frame, started: Instant) -> Entry:
        value = self.evaluate(step.values, frame, path, "set")
        self._set_vars(path, value)
        return Entry(path, started, COMPLETED, value, None, 1, started)

    def _set_vars(self, path: str, value: dict[str, Any]) -> None:
        self.vars.update(value)
        self.durable.record(Entry(path + "#set", self.durable.now(), COMPLETED, value, attempt=1))

    async def _block(self, step: BlockStep, path: str, frame: Frame, started: Instant) -> Entry:
        begun = self._enter(path, started)
        walk = self.steps(step.steps, path + ".", frame)
        limit = step.deadline if step.timeout is None else step.timeout
        if limit is None:
            output = await walk
        else:
            output = await self._limited(walk, path, limit, frame, f"block {path!r}")
        return Entry(path, self.durable.now(), COMPLETED, output, None, 1, begun)

    async def _wait(self, step: WaitStep, path: str, frame: Frame, started: Instant) -> Entry:
        timer = self.durable.recall(path + "#timer") if self.resumed else None
        if timer is not None:
            until = int(timer.value)
        elif step.until is not None:
            until = values.as_instant(self.evaluate(step.until, frame, path, "until"), path)
        else:
            until = started + self.delay(step.for_ or 0, frame, path, "wait")
        if timer is None:
            self.durable.record(Entry(path + "#timer", started, value=until))
        await self.durable.sleep(path, until)
        return Entry(path, self.durable.now(), COMPLETED, {"until": to_iso(until)}, None, 1, started)

    async def _emit(self, step: EmitStep, path: str, frame: Frame, started: Instant) -> Entry:
        event = self.evaluate(step.event, frame, path, "emit")
        entry = Entry(path, self.durable.now(), COMPLETED, None, None, 1, started)
        try:
            value = await self.durable.emit(path, event, entry)
        except StepError as error:
            raise Failure(error.info(path)) from error
        return msgspec.structs.replace(entry, value=value)

    async def _call(self, step: CallStep, path: str, frame: Frame, started: Instant) -> Entry:
        params = self.evaluate(step.params, frame, path, "with") or {}
        outcome = await self.durable.child(path, FlowCall(flow=step.flow, params=params))
        if outcome.error is not None:
            raise Failure(msgspec.structs.replace(outcome.error, step=path), outcome.output, 1)
        return Entry(path, self.durable.now(), COMPLETED, outcome.output, None, 1, started)

    async def _return(self, step: ReturnStep, path: str, frame: Frame, started: Instant) -> Entry:
        value = self.evaluate(step.value, frame, path, "return")
        return Entry(path, self.durable.now(), COMPLETED, value, None, 1, started)

    async def _fail(self, step: FailStep, path: str, frame: Frame, started: Instant) -> Entry:
        raise Failure(values.failure(self.evaluate(step.error, frame, path, "fail"), path), attempts=1)

    # --- tools of the kinds --------------------------------------------------------------------------------------

    def _enter(self, path: str, started: Instant) -> Instant:
        """Note that a step has begun, once; its beginning."""
        known = self.durable.recall(path + "#started") if self.resumed else None
        if known is not None:
            return known.at
        self.durable.record(Entry(path + "#started", started))
        return started

    async def _limited(self, work: Coroutine[Any, Any, Any], path: str, limit: Delay, frame: Frame, what: str) -> Any:
        """Do the work within a limit of time that is kept in the journal."""
        known = self.durable.recall(path + "#timeout") if self.resumed else None
        until = int(known.value) if known else self.durable.now() + self.delay(limit, frame, path, "timeout")
        if known is None:
            self.durable.record(Entry(path + "#timeout", self.durable.now(), value=until))
        over = known is not None and known.status == timeouts.OVER
        return await timeouts.limited(self.durable, work, path, until, what, over=over)

    def delay(self, value: Delay, frame: Frame, path: str, slot: str) -> int:
        """A duration in milliseconds."""
        if isinstance(value, int):
            return value
        return values.as_millis(self.evaluate(value, frame, path, slot), path)

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
        """Parameters of an action, and the secret values among them."""
        if "secrets" not in expr.names:
            return self.evaluate(expr, frame, path, "with"), ()
        value = self.evaluate(expr, frame, path, "with", secrets=self.secrets)
        return value, self.secrets.used()


def _outcome_key(step: Step, path: str) -> str:
    """Where a step's outcome stands: what a `set` did is its outcome, unless steps of its own follow."""
    return path + "#set" if type(step) is SetStep and not step.finally_ else path


_PERFORM: dict[type[Step], Callable[..., Awaitable[Entry]]] = {
    BlockStep: Interpreter._block,  # noqa: SLF001 - the table of kinds belongs to the class
    WaitStep: Interpreter._wait,  # noqa: SLF001
    EmitStep: Interpreter._emit,  # noqa: SLF001
    CallStep: Interpreter._call,  # noqa: SLF001
    ReturnStep: Interpreter._return,  # noqa: SLF001
    FailStep: Interpreter._fail,  # noqa: SLF001
}
