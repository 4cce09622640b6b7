"""The attempts of one action step: parameters, timeout, deadline, retries, and what may be journaled of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from reactor.model.clock import Instant
from reactor.model.errors import ErrorInfo, PermanentError
from reactor.model.flow import ActionStep
from reactor.model.journal import ActionCall, Entry, Outcome
from reactor.model.states import StepStatus
from reactor.runtime import retry, streams
from reactor.runtime.retrying import Series
from reactor.runtime.scope import mask
from reactor.runtime.signals import Failure
from reactor.sdk.action import Action, Effect

if TYPE_CHECKING:
    from reactor.runtime.frames import Frame
    from reactor.runtime.interpreter import Interpreter

_COMPLETED, _FAILED = StepStatus.COMPLETED.value, StepStatus.FAILED.value


def bind(action: Action, params: dict[str, Any]) -> Any:
    """The parameters as the action's own struct.

    Raises:
        PermanentError: kind `input`: unknown, missing or of the wrong type; the message names the parameter.
    """
    fields = action.params.__struct_fields__
    if action.open_params is not None:
        extra = {name: value for name, value in params.items() if name not in fields}
        params = {name: value for name, value in params.items() if name in fields}
        params[action.open_params] = {**params.get(action.open_params, {}), **extra}
    try:
        return msgspec.convert(params, action.params, strict=False)
    except msgspec.ValidationError as error:
        raise PermanentError("input", f"{action.name}: {error}") from None


class Attempts:
    """Makes the attempts of action steps for one interpreter."""

    def __init__(self, interpreter: Interpreter) -> None:
        self._it = interpreter
        self._durable = interpreter.durable

    async def of(self, step: ActionStep, path: str, frame: Frame, started: Instant) -> Entry:
        """All attempts of a step; the outcome of the last, which may be a failure.

        Raises:
            Failure: the parameters cannot be made, or there is no such action.
        """
        action = self._durable.find(step.action)
        if action is None:
            raise self._failure("action", f"there is no action {step.action!r} here (is its plugin installed?)", path)
        params, secrets = self._it.with_secrets(step.params, frame, path)
        try:
            bound = bind(action, params or {})
        except PermanentError as error:
            raise self._failure("input", mask(error.message, secrets), path) from None
        effect = action.effect_of(bound)
        shown = mask(params, secrets)
        known = self._durable.recall(path + "#started") if self._it.resumed else None
        if known is not None:
            started = known.at
            if step.delivery == "at_most_once" and self._durable.recall(path + "#attempt") is None:
                lost = ErrorInfo(
                    "interrupted",
                    "the process died during the attempt, and delivery is at_most_once",
                    path,
                    retryable=False,
                )
                return Entry(path, self._durable.now(), _FAILED, None, lost, 1, started)
        elif effect is not Effect.PURE:
            self._durable.record(Entry(path + "#started", started, value=shown, attempt=1))
        make = _Making(self, step, path, frame, action, bound, shown, secrets, started)
        outcome, attempt = await make.until_done()
        if action.stream and isinstance(outcome.output, dict) and streams.MARK in outcome.output:
            streams.opened(self._it, path, outcome.output[streams.MARK])
        entry = Entry(
            path,
            self._durable.now(),
            _COMPLETED,
            outcome.output,
            outcome.error,
            attempt,
            started,
            shown if effect is Effect.PURE else None,
        )
        return entry if outcome.error is None else msgspec.structs.replace(entry, status=_FAILED)

    def _failure(self, kind: str, message: str, path: str) -> Failure:
        return Failure(ErrorInfo(kind, message, path, retryable=False))


class _Making(msgspec.Struct):
    """The attempts of one step, under way."""

    of: Attempts
    step: ActionStep
    path: str
    frame: Any
    action: Action
    bound: Any
    shown: Any
    secrets: tuple[str, ...]
    started: Instant

    async def until_done(self) -> tuple[Outcome, int]:
        """Attempt after attempt, until one succeeds or no other is due."""
        it, step = self.of._it, self.step  # noqa: SLF001 - one thing in two classes
        policy = step.retry or self.action.retry or retry.ONCE
        series = Series(it, step, self.path, self.frame, policy, step.retry is not None, self.started)
        await series.begin()
        while True:
            outcome = await self._once(series)
            if outcome.error is None:
                return outcome, series.attempt
            again = await series.another(outcome.error)
            if again is None:
                return outcome, series.attempt
            series.note(outcome.error, again)
            await it.durable.sleep(self.path, again)
            series.attempt += 1

    async def _once(self, series: Series) -> Outcome:
        durable = self.of._it.durable  # noqa: SLF001
        try:
            timeout = series.limit(self.action.timeout)
        except Failure as failure:
            return Outcome(error=failure.error)
        call = ActionCall(
            action=self.action.name,
            params={},
            shown=self.shown,
            attempt=series.attempt,
            timeout=timeout,
            delivery=self.step.delivery,
            secrets=self.secrets,
            secret_output=self.step.secret_output,
            line=self.step.line,
        )
        outcome = await durable.act(self.path, call, self.action, self.bound)
        if outcome.error is not None and outcome.error.step is None:
            outcome = Outcome(outcome.output, msgspec.structs.replace(outcome.error, step=self.path))
        if self.step.secret_output and outcome.error is not None and outcome.output is not None:
            outcome = _hushed(outcome)
        return self._masked(outcome) if self.secrets else outcome

    def _masked(self, outcome: Outcome) -> Outcome:
        error = outcome.error
        if error is not None:
            error = msgspec.structs.replace(
                error, message=mask(error.message, self.secrets), data=mask(error.data, self.secrets)
            )
        return Outcome(mask(outcome.output, self.secrets), error)


def _hushed(outcome: Outcome) -> Outcome:
    """A failure that gave a secret output: what it says of itself often quotes that (the last line of a command)."""
    assert outcome.error is not None  # noqa: S101 - asked by the caller
    message = "it failed; what it says is as secret as its output (`secret_output`)"
    return Outcome(outcome.output, msgspec.structs.replace(outcome.error, message=message, data=None))
