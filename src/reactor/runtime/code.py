"""Flows that are Python code, on the interpreter of all flows: a list of steps that is made while it is walked.

Code stands wherever a list of steps may stand (`Body`): a flow, a branch, the body of a loop. It asks its `Place` for
one step after another; each is a step of the model, done by the same interpreter, journaled under its path. Replay runs
the code again, and what it asks for has to be what the journal says that it asked for then.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import re
import traceback
from collections.abc import Callable, Coroutine, Generator
from typing import Any, Self, cast

from reactor.language.expressions import to_json_value
from reactor.language.keys import STEP_NAME
from reactor.model.errors import ErrorInfo, PermanentError, ReactorError, StepError
from reactor.model.flow import Flow, Step
from reactor.model.journal import Entry
from reactor.model.states import RunStatus
from reactor.runtime import restoring
from reactor.runtime.bodies import Body
from reactor.runtime.durable import Durable
from reactor.runtime.frames import Frame
from reactor.runtime.interpreter import Interpreter, RunEnd
from reactor.runtime.signals import Failure
from reactor.sdk.action import Action

RETRIED = "#retry"
"""A person had the run retried: what failed is done again, so its code may go another way from there."""
_PATIENCE = 10
"""So often code may be told that it waits for something strange, before it is stopped."""


class CodeBody(Body):
    """A function of a `Place`."""

    function: Code
    source: str
    """Of a flow: the text of its version."""

    def __new__(cls, function: Code, source: str = "") -> Self:
        """Wrap it."""
        made = super().__new__(cls)
        made.function, made.source = function, source
        return made

    async def walk(self, it: CodeInterpreter, prefix: str, frame: Frame) -> Any:
        """See `Body`.

        Raises:
            Failure: the code raised an error.
        """
        place = Place(it, prefix, frame)
        try:
            output = to_json_value(await _Driven(self.function(place), place))
        except StepError as error:
            place.ended()
            raise Failure(error.info(), error.output) from None
        except Exception as error:
            place.ended()
            raise Failure(_bug(error)) from error
        if place.cancelled:
            raise asyncio.CancelledError  # code cannot go on when its run is cancelled, whatever it catches
        place.ended()
        return output

    def collect(self, it: CodeInterpreter, prefix: str, frame: Frame) -> None:
        """See `Body`. What the journal has an outcome of does not wait, so the code comes to its end at once."""
        work = self.function(Place(it, prefix, frame, collecting=True))
        with contextlib.suppress(StopIteration, Exception, asyncio.CancelledError, _Unknown):
            work.send(None)
        with contextlib.suppress(RuntimeError, _Unknown):
            work.close()


class FailedStep(StepError):
    """A step has failed, all its attempts included. Code may catch it; else the run fails with it."""

    def __init__(self, error: ErrorInfo, output: Any = None) -> None:
        super().__init__(error.kind, error.message, data=error.data, output=output, retry_after=error.retry_after)
        self.error = error
        self.step = error.step
        self.retryable = error.retryable

    def info(self, step: str | None = None) -> ErrorInfo:
        """As it was recorded."""
        del step
        return self.error


class Misused(PermanentError):
    """The code of a flow does what it must not do."""

    def __init__(self, message: str) -> None:
        super().__init__("bug", message)


class Diverged(BaseException):
    """Code asked for something else than the journal says that it did: the run ends, and no code may go on."""

    def __init__(self, error: ErrorInfo) -> None:
        super().__init__(error.message)
        self.error = error


class _Unknown(BaseException):
    """The journal knows no more: code that is only collected stops here."""


class Place:
    """Where code runs: one path of one run. It asks for one step at a time."""

    def __init__(self, interpreter: CodeInterpreter, prefix: str, frame: Frame, *, collecting: bool = False) -> None:
        self.interpreter = interpreter
        self.prefix = prefix
        self.frame = frame
        self.collecting = collecting
        """Only what is known counts; nothing new is begun."""
        self.task = asyncio.current_task()
        self.busy: str | None = None
        """The step that it waits for."""
        self.cancelled = False
        self._recorded = interpreter.recorded(prefix)
        self._strict = not interpreter.retried
        self._asked: dict[str, str] = {}
        self._draws: dict[str, int] = {}

    @property
    def scope(self) -> dict[str, Any]:
        """What expressions would see here."""
        return self.frame.scope

    @property
    def replaying(self) -> bool:
        """What comes next was done before, in another life of the run."""
        if self._strict:
            return len(self._asked) < len(self._recorded)
        return any(name not in self._asked for name, _ in self._recorded)

    def name(self, kind: str) -> str:
        """The name of a step that was given none: its kind, or the kind and a number."""
        name, number = kind, 1
        while name in self._asked:
            number += 1
            name = f"{kind}-{number}"
        return name

    async def do(self, step: Step, kind: str, detail: str = "") -> Any:
        """One step, done or taken from the journal; its output.

        Raises:
            FailedStep: it failed. Misused: it must not be asked for here. Diverged: the journal says otherwise.
        """
        self._ask(step.name, kind, detail)
        if self.collecting and self.interpreter.outcome(step, self.prefix + step.name) is None:
            raise _Unknown
        self.busy = step.name
        try:
            await self.interpreter.steps((step,), self.prefix, self.frame)
            return self.frame.steps[step.name]["output"]
        except Failure as failure:
            raise FailedStep(failure.error, failure.output) from None
        except asyncio.CancelledError:
            self.cancelled = True
            raise
        finally:
            self.busy = None

    def _ask(self, name: str, kind: str, detail: str) -> None:
        durable = self.interpreter.durable
        if durable.evicting:
            raise asyncio.CancelledError
        self._check_use(name)
        path, position = self.prefix + name, len(self._asked)
        self._asked[name] = kind
        before = self._recorded[position] if self._strict and position < len(self._recorded) else None
        known = self.interpreter.known_kind(path) if before is None else None
        if before is not None and (before[0], _kind(before[1])) != (name, kind):
            raise self._diverged(before, f"the code now asks for {_step(name, kind)}")
        if known is not None and _kind(known) != kind:
            raise self._diverged((name, known), f"the code now asks for {_step(name, kind)}")
        if before is None and known is None:
            if self.collecting:
                raise _Unknown
            durable.record(Entry(path + "#kind", durable.now(), value=f"{kind} {detail}".strip()))

    def _check_use(self, name: str) -> None:
        if not STEP_PATTERN.fullmatch(name):
            raise Misused(f"a step cannot be named {name!r}; a name has letters, digits, - and _ only")
        if self.busy is not None:
            raise Misused(
                f"step {name!r} was asked for while step {self.prefix + self.busy!r} is under way; for steps side by "
                "side there is run.gather, and in a branch or loop use the `run` that its function is given"
            )
        if self.task is not None and self.task is not asyncio.current_task():
            raise Misused(
                f"step {name!r} was asked for in a task of its own; for steps side by side there is run.gather"
            )
        if name in self._asked:
            raise Misused(
                f"there is a step {name!r} already at this place of the run; each needs a name of its own: in a loop "
                f'use run.map, or number them, as in f"{name}-{{n}}"'
            )

    def _diverged(self, before: tuple[str, str], now: str) -> Diverged:
        recorded = f"the journal says that {_step(before[0], *before[1].split(' ', 1))} came next"
        return self.interpreter.diverged(self.prefix + before[0], f"{recorded}, {now}")

    def ended(self) -> None:
        """The code has come to its end.

        Raises:
            Diverged: it did not ask for what it asked for before.
        """
        if self._strict and self.replaying and not self.cancelled:
            raise self._diverged(self._recorded[len(self._asked)], "the code now ends without it")

    def keep(self, name: str, action: Action) -> None:
        """Let steps of this run call an action that was made for it, also later."""
        self.interpreter.made[name] = action

    async def calling(self, name: str, action: Action | None, step: Step, kind: str, detail: str) -> Any:
        """As `do`, with an action that was made for this step."""
        made = self.interpreter.made
        if action is not None:
            made[name] = action
        try:
            return await self.do(step, kind, detail)
        finally:
            made.pop(name, None)

    def draw(self, what: str) -> Any:
        """`now`, `uuid` or `random`: the same at each replay."""
        number = self._draws[what] = self._draws.get(what, 0) + 1
        return self.interpreter.drawn(self.prefix.rstrip("."), f"{what}{number}.", what)

    def read(self, what: str, read: Callable[[], Any]) -> Any:
        """What something is now; the same at each replay."""
        number = self._draws[what] = self._draws.get(what, 0) + 1
        durable, key = self.interpreter.durable, f"{self.prefix.rstrip('.')}#draw.{what}{number}"
        known = durable.recall(key)
        if known is not None:
            return known.value
        value = read()
        durable.record(Entry(key, durable.now(), value=value))
        return value

    def taken(self, event: str) -> bool:
        """Whether a step of this place (of any round, in a loop) has taken this event."""
        here = restoring.place(self.prefix).rstrip(".")
        return any(event in ids for path, ids in self.interpreter.taken.items() if path.rpartition(".")[0] == here)

    def patched(self, name: str) -> bool:
        """Whether the run may go the new way of a change to its code: not when it has passed here on the old one."""
        durable, key = self.interpreter.durable, f"{self.prefix.rstrip('.')}#patch.{name}"
        if durable.recall(key) is not None:
            return True
        if self.replaying:
            return False
        if key not in self.interpreter.patches:
            self.interpreter.patches.add(key)
            durable.record(Entry(key, durable.now()))
        return True


Code = Callable[[Place], Coroutine[Any, Any, Any]]
STEP_PATTERN = re.compile(STEP_NAME)


class CodeInterpreter(Interpreter):
    """The interpreter, for flows with code in them."""

    def __init__(self, flow: Flow, durable: Durable, **given: Any) -> None:
        self.made: dict[str, Action] = {}
        """Actions that were made for steps of this run, by what the steps call them."""
        super().__init__(flow, cast("Durable", _Finding(durable, self.made)), **given)
        self.patches: set[str] = set()
        self.retried = durable.recall(RETRIED) is not None
        self._stale = flow.code is not None and flow.source != flow.code.source
        self._recorded: dict[str, list[tuple[str, str]]] | None = None

    async def run(self) -> RunEnd:
        """See `Interpreter.run`. A run whose code does not fit its journal ends as it is: nothing is undone."""
        try:
            return await super().run()
        except Diverged as diverged:
            end = RunEnd(RunStatus.FAILED, error=diverged.error)
            self.durable.record(Entry("", self.durable.now(), end.status.value, None, end.error))
            return end

    async def steps(self, steps: tuple[Step, ...], prefix: str, frame: Frame) -> Any:
        """A list of steps, or code in place of one."""
        if isinstance(steps, Body):
            return await steps.walk(self, prefix, frame)
        return await super().steps(steps, prefix, frame)

    def holds_undo(self) -> bool:
        """See `Interpreter`: only the code knows."""
        return True

    # --- what the journal says of the code -----------------------------------------------------------------------

    def recorded(self, prefix: str) -> list[tuple[str, str]]:
        """(name, kind) of the steps that code asked for here in earlier lives, in order."""
        if not self.resumed:
            return []
        if self._recorded is None:
            self._recorded = {}
            for entry in self.durable.known():
                path, mark, what = entry.key.partition("#")
                if what == "kind" and mark and self.durable.recall(entry.key) is not None:
                    dot = path.rfind(".") + 1
                    self._recorded.setdefault(path[:dot], []).append((path[dot:], str(entry.value)))
        return self._recorded.get(prefix, [])

    def known_kind(self, path: str) -> str | None:
        """What stands in the journal at a path."""
        known = self.durable.recall(path + "#kind") if self.resumed else None
        return None if known is None else str(known.value)

    def drawn(self, path: str, slot: str, what: str) -> Any:
        """See `Place.draw`."""
        self._draws.at(path, slot)
        return self._draws.functions[what]()

    def diverged(self, path: str, what: str) -> Diverged:
        """The error of code that does not fit its journal."""
        version = f"version {self.flow.version} of flow {self.flow.name!r}"
        if self._stale:
            why = (
                f"the run began with {version}, and the code has changed since; put the former code back (or keep it "
                "for such runs with run.patched) and retry the run, or fork it from an earlier step (reactor runs fork)"
            )
        else:
            why = (
                f"the code of {version} is as it was, so what it does hangs on something that is not recorded: time, "
                "chance, what it reads outside of steps, or other functions that it calls; take these from run.now(), "
                "run.random() and run.step, and retry the run"
            )
        return Diverged(ErrorInfo("nondeterminism", f"{what}: {why}", path, retryable=False))


def interpreter(flow: Flow, durable: Durable, **given: Any) -> Interpreter:
    """What runs this flow. `given`: see `Interpreter`."""
    return Interpreter(flow, durable, **given) if flow.code is None else CodeInterpreter(flow, durable, **given)


class _Finding:
    """A `Durable` that also finds the actions that the code of a run has made."""

    def __init__(self, durable: Durable, made: dict[str, Action]) -> None:
        self._durable = durable
        self._made = made

    def __getattr__(self, name: str) -> Any:
        return getattr(self._durable, name)

    def find(self, action: str) -> Action | None:
        return self._made.get(action) or self._durable.find(action)


class _Driven:
    """Runs the coroutine of a flow, and tells it when it waits for anything but the step that it asked for: that would
    be lost in a crash, and could go another way in a replay.
    """

    def __init__(self, work: Coroutine[Any, Any, Any], place: Place) -> None:
        self._work = work
        self._place = place

    def __await__(self) -> Generator[Any, Any, Any]:
        work, told = self._work, 0
        error: BaseException | None = None
        while True:
            try:
                waits = work.send(None) if error is None else work.throw(error)
            except StopIteration as stop:
                return stop.value
            error = None
            if self._place.busy is None:
                told += 1
                error = strange = self._strange()
                if told > _PATIENCE:
                    work.close()
                    raise strange
                continue
            try:
                yield waits
            except BaseException as thrown:  # noqa: BLE001 - a cancellation, mostly: it is the work's
                error = thrown

    def _strange(self) -> Misused:
        line = ""
        frame = getattr(self._work, "cr_frame", None)
        if frame is not None:
            line = f" (line {frame.f_lineno} of {frame.f_code.co_filename})"
        return Misused(
            f"the code of the flow waits for something that is no step{line}; what takes time or touches the world "
            "belongs into a function behind run.step, a pause is run.sleep, and steps side by side are run.gather"
        )


def _kind(recorded: str) -> str:
    return recorded.partition(" ")[0]


def _step(name: str, kind: str, detail: str = "") -> str:
    return f"step {name!r} ({kind}{' ' if detail else ''}{detail})"


def _bug(error: Exception) -> ErrorInfo:
    if isinstance(error, ReactorError):
        return ErrorInfo("bug", str(error), retryable=False)
    frames = traceback.extract_tb(error.__traceback__)
    theirs = [frame for frame in frames if not frame.filename.startswith(_HERE)]
    place = f" ({theirs[-1].filename.rpartition('/')[2]}:{theirs[-1].lineno})" if theirs else ""
    return ErrorInfo("bug", f"the flow raised {type(error).__name__}: {error}{place}", retryable=False)


_HERE = inspect.getfile(Interpreter).rpartition("/runtime/")[0]
