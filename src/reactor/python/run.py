"""`run`: what the code of a flow has in hand. Each of its calls is a step, done once and then in the journal."""

from __future__ import annotations

import datetime as dt
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any, NoReturn, TypeVar, cast, overload

import msgspec

from reactor.language.expressions import ExpressionSyntaxError, compile_condition, truth
from reactor.model.errors import ErrorInfo, PermanentError
from reactor.model.flow import (
    ActionStep,
    ApproveStep,
    Branch,
    CallStep,
    EmitStep,
    Escalation,
    Expr,
    ForEachStep,
    Join,
    ParallelStep,
    Retry,
    Step,
    WaitForStep,
    WaitStep,
)
from reactor.python import functions
from reactor.python.event import Event, seen
from reactor.python.log import RunLog
from reactor.python.state import State
from reactor.python.values import Computed, Duration, RetryOptions, Secret, as_type, constant, millis, plain, policy
from reactor.runtime.code import CodeBody, FailedStep, Misused, Place
from reactor.sdk import Effect

T = TypeVar("T")
I = TypeVar("I")  # noqa: E741 - an item
Match = str | Callable[[Event[Any]], bool]
"""An expression that sees the event as `received`, or a function of it. Quick, and without effects."""


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """What people have decided."""

    decision: str
    """approved | rejected"""
    by: str | list[str] | None = None
    at: str | None = None
    form: Any = None

    @property
    def approved(self) -> bool:
        """Whether they said yes."""
        return self.decision == "approved"


class Run:
    """One run of a flow, at one place of its code: the flow itself, a branch, or one round of a loop.

    Steps at one place come one after another; for steps side by side there are `gather`, `race` and `map`, whose
    functions are given a `Run` of their own. A step that fails raises `StepError`.
    """

    def __init__(self, place: Place, wanted: Any = None) -> None:
        """`wanted`: the annotation of the flow's event."""
        self.place = place
        """For Reactor itself."""
        self._wanted = wanted
        scope = place.scope
        self.id: str = scope["run"]["id"]
        self.flow: str = scope["flow"]["name"]
        self.version: int = scope["flow"]["version"]
        """Of the flow when the run began."""
        self.inputs: dict[str, Any] = scope["inputs"]
        self.log = RunLog(place, {"run": self.id, "flow": self.flow, "step": place.prefix.rstrip(".")})
        """Says nothing of what is only replayed."""
        self.state = State(self)

    @property
    def event(self) -> Event[Any] | None:
        """The event that started the run; None: it was called by another one."""
        return seen(self.place.scope["event"], self._wanted)

    @property
    def events(self) -> list[Event[Any]]:
        """The events of a `batch`; without one the event alone."""
        views = self.place.scope.get("events") or [self.place.scope["event"]]
        return [event for event in (seen(view, self._wanted) for view in views) if event is not None]

    @property
    def started_at(self) -> str:
        """ISO 8601."""
        return str(self.place.scope["run"]["started_at"])

    @property
    def env(self) -> Mapping[str, str]:
        """The environment variables that `env_allow` lets flows read."""
        found: Mapping[str, str] = self.place.scope["env"]
        return found

    # --- steps -----------------------------------------------------------------------------------------------------

    @overload
    async def step(
        self,
        name: str,
        function: Callable[..., Awaitable[T]],
        /,
        *args: Any,
        retry: int | Retry | RetryOptions | None = ...,
        timeout: Duration | None = ...,
        deadline: Duration | None = ...,
        undo: Callable[..., Any] | None = ...,
        delivery: str = ...,
        effect: str = ...,
        secret_output: bool = ...,
        **kwargs: Any,
    ) -> T: ...

    @overload
    async def step(
        self,
        name: str,
        function: Callable[..., T],
        /,
        *args: Any,
        retry: int | Retry | RetryOptions | None = ...,
        timeout: Duration | None = ...,
        deadline: Duration | None = ...,
        undo: Callable[..., Any] | None = ...,
        delivery: str = ...,
        effect: str = ...,
        secret_output: bool = ...,
        **kwargs: Any,
    ) -> T: ...

    @overload
    async def step(
        self,
        name: str,
        function: str,
        /,
        *,
        retry: int | Retry | RetryOptions | None = ...,
        timeout: Duration | None = ...,
        deadline: Duration | None = ...,
        undo: Callable[..., Any] | None = ...,
        delivery: str = ...,
        effect: str = ...,
        secret_output: bool = ...,
        **kwargs: Any,
    ) -> Any: ...

    async def step(  # noqa: PLR0913 - the keys of a step
        self,
        name: str,
        function: Any,
        /,
        *args: Any,
        retry: int | Retry | RetryOptions | None = None,
        timeout: Duration | None = None,
        deadline: Duration | None = None,
        undo: Callable[..., Any] | None = None,
        delivery: str = "at_least_once",
        effect: str = "write",
        secret_output: bool = False,
        **kwargs: Any,
    ) -> Any:
        """Call a function, or an action by its name, once: its output is in the journal then, and comes from there.

        The output is JSON data, as the type that the function's annotation names. Arguments are journaled where they
        are data, with secrets masked. A function without `async` runs in a thread. A parameter annotated
        `ActionContext` is filled in: it knows the idempotency key, the attempt and a log.

        Args:
            name: of the step, unique at this place of the run.
            function: a function, or `"http.request"`, with its parameters by name.
            retry: attempts in all, or options as in YAML. Without it an action keeps its own, a function has one try.
            timeout: of one attempt. A thread cannot be stopped: its result is only no longer waited for.
            deadline: of all attempts together.
            undo: called with the output when the run fails or is cancelled later; last step first.
            delivery: at_least_once, or at_most_once: after a crash during the call it is not called again but fails.
            effect: of a function: write, read or pure; a write is not begun before all that led to it is on disk.
            secret_output: the output is sealed in the journal and shown as `***`.

        Raises:
            StepError: its last attempt failed. The kind of an exception that is no StepError is its class's name.
        """
        path = self.place.prefix + name
        call = functions.call(function, path, args, kwargs, _effect(effect))
        back: Step | None = None
        if undo is not None:
            self.place.keep(f"{path}.undo", functions.undo(undo, path, call.output))
            done = Computed(lambda scope: {"output": scope["output"]}, "output")
            back = ActionStep(name="undo", action=f"{path}.undo", params=done, retry=policy(retry))
        step = ActionStep(
            name=name,
            action=call.action,
            params=call.params,
            retry=policy(retry),
            timeout=millis(timeout),
            deadline=millis(deadline),
            delivery=_one_of(delivery, "delivery", "at_least_once", "at_most_once"),
            undo=back,
            secret_output=secret_output,
        )
        output = await self.place.calling(call.action, call.made, step, "step", call.shown)
        return as_type(output, call.output, f"the output of step {path!r}")

    async def sleep(self, duration: Duration, *, name: str | None = None) -> None:
        """Let time pass. The run leaves memory meanwhile, and a restart does not begin the pause anew."""
        await self.do(WaitStep(name=self.step_name("sleep", name), for_=millis(duration)), "sleep")

    async def wait_until(self, time: dt.datetime | str, *, name: str | None = None) -> None:
        """Sleep until a point in time: a datetime with a zone, or ISO 8601."""
        if isinstance(time, dt.datetime) and time.tzinfo is None:
            raise Misused("run.wait_until wants a datetime that knows its time zone")
        step = WaitStep(name=self.step_name("wait", name), until=Computed(lambda _: time, str(time)))
        await self.do(step, "sleep")

    async def wait_for(
        self,
        type: str,
        *,
        match: Match | None = None,
        source: str | None = None,
        timeout: Duration | None = None,
        name: str | None = None,
    ) -> Event[Any]:
        """The oldest event of this type (a pattern, `order.*`) since the run began that matches, once there is one.

        One that was taken at this place before is not given again. An error of `match` is a no.

        Raises:
            StepError: kind `timeout`.
        """
        step = WaitForStep(
            name=self.step_name("wait-for", name),
            event=type,
            source=source,
            accept=self._accept(match),
            limit=millis(timeout),
        )
        found = seen(await self.do(step, "wait_for", type))
        if found is None:
            raise PermanentError("timeout", f"no event {type!r} came in time")
        return found

    def _accept(self, match: Match | None) -> Expr:
        """A condition on events: that match, and were not taken here before."""
        condition: Expr | None = None
        if isinstance(match, str):
            try:
                condition = compile_condition(match)
            except ExpressionSyntaxError as error:
                raise Misused(f"match={match!r}: {error}") from None

        def accept(scope: Mapping[str, Any]) -> bool:
            received = scope["received"]
            if self.place.taken(received["id"]):
                return False
            if condition is not None:
                return truth(condition.evaluate(scope))
            try:
                return match is None or bool(cast("Callable[[Event[Any]], bool]", match)(_event(received)))
            except Exception as error:  # an event that the function cannot read is none of its own
                raise PermanentError("expression", f"match: {type(error).__name__}: {error}") from error

        return Computed(accept, match if isinstance(match, str) else "match", "received")

    async def emit(
        self,
        type: str,
        data: Any = None,
        *,
        subject: str | None = None,
        name: str | None = None,
    ) -> str:
        """Hand an event to the door, once; its id. The flows that it starts begin with it."""
        event = {"type": type, "data": data, **({} if subject is None else {"subject": subject})}
        step = EmitStep(name=self.step_name("emit", name), event=constant(event, f"the data of event {type!r}"))
        return str((await self.do(step, "emit", type))["event_id"])

    async def call(
        self,
        flow: Any,
        inputs: Mapping[str, Any] | msgspec.Struct | None = None,
        *,
        wait: bool = True,
        version: int | None = None,
        name: str | None = None,
    ) -> Any:
        """Run another flow, of code or of YAML, and wait for its output; with `wait=False` give `{run_id}` at once.

        Raises:
            StepError: it failed, with its error.
        """
        called = str(getattr(flow, "name", flow))
        step = CallStep(
            name=self.step_name("call", name),
            flow=called,
            params=constant(inputs if inputs is not None else {}, f"the inputs of flow {called!r}"),
            version=version,
            wait=wait,
        )
        return await self.do(step, "call", called)

    async def approve(
        self,
        title: str,
        *,
        by: str | Sequence[str] | None = None,
        quorum: int = 1,
        form: dict[str, Any] | None = None,
        timeout: Duration | None = None,
        on_timeout: str | None = None,
        escalate: Sequence[tuple[Duration, str | Sequence[str]]] = (),
        name: str | None = None,
    ) -> Decision:
        """Wait until people have decided.

        Args:
            title: what they are asked.
            by: who may decide; None: whoever may act on runs.
            quorum: so many have to approve; one rejection rejects.
            form: JSON Schema of what they fill in.
            timeout: how long they may take.
            on_timeout: approve or reject: what counts then. None: the step fails with kind `timeout`.
            escalate: (after, people) who are asked too after so long.

        Raises:
            StepError: kind `timeout`.
        """
        step = ApproveStep(
            name=self.step_name("approve", name),
            title=constant(title, "a title"),
            by=None if by is None else constant(by, "the people"),
            quorum=quorum,
            form=form,
            limit=millis(timeout),
            on_timeout=None if on_timeout is None else _one_of(on_timeout, "on_timeout", "approve", "reject"),
            escalate=tuple(
                Escalation(after=millis(after) or 0, to=constant(people, "the people")) for after, people in escalate
            ),
        )
        return msgspec.convert(await self.do(step, "approve", title), Decision)

    # --- side by side ----------------------------------------------------------------------------------------------

    async def gather(
        self,
        name: str,
        /,
        *,
        max_parallel: int | None = None,
        fail_fast: bool = True,
        **branches: Callable[[Run], Awaitable[Any]],
    ) -> dict[str, Any]:
        """Run functions side by side, each with a `Run` of its own; their outputs by name.

        Paths: `NAME.branches.BRANCH.STEP`.

        Raises:
            StepError: one of them failed; with `fail_fast` the others are stopped, and undone.
        """
        made = await self._parallel(name, branches, Join(), max_parallel, fail_fast=fail_fast)
        return {branch: end["output"] for branch, end in made["branches"].items()}

    async def race(
        self, name: str, /, *, succeed: bool = False, **branches: Callable[[Run], Awaitable[Any]]
    ) -> tuple[str, Any]:
        """(name, output) of the first function that ends, or with `succeed` that succeeds.

        The others are stopped, and undone.

        Raises:
            StepError: the first one failed; with `succeed`: all of them.
        """
        made = await self._parallel(name, branches, Join(mode="first" if succeed else "any"), None, fail_fast=False)
        winner = made["winner"]
        end = made["branches"][winner]
        if end["error"] is not None:
            error = end["error"]
            raise FailedStep(ErrorInfo(error["kind"], error["message"], error.get("step"), error.get("data")))
        return winner, end["output"]

    async def _parallel(
        self,
        name: str,
        branches: Mapping[str, Callable[[Run], Awaitable[Any]]],
        join: Join,
        max_parallel: int | None,
        *,
        fail_fast: bool,
    ) -> Any:
        if not branches:
            raise Misused(f"step {name!r} has no branches; give functions by name, as in sms=send_sms")
        step = ParallelStep(
            name=name,
            branches=tuple(Branch(name=branch, steps=self._body(work)) for branch, work in branches.items()),
            join=join,
            max_parallel=max_parallel,
            fail_fast=fail_fast,
        )
        return await self.do(step, "gather", join.mode)

    async def map(
        self,
        name: str,
        items: Iterable[I],
        function: Callable[[Run, I], Awaitable[T]],
        *,
        max_parallel: int = 1,
    ) -> list[T]:
        """Call `async def function(run, item)` for each item; the outputs in the order of the items.

        Paths: `NAME[N].STEP`.

        Raises:
            StepError: a call failed.
        """
        given = list(items)
        body = CodeBody(lambda place: _returned(function(Run(place, self._wanted), given[place.scope["index"]])))
        shown = plain(given, f"the items of step {name!r}", "input")
        step = ForEachStep(name=name, items=constant(shown, "the items"), max_parallel=max_parallel, steps=body)
        made: list[T] = await self.do(step, "map", getattr(function, "__qualname__", ""))
        return made

    def _body(self, work: Callable[[Run], Awaitable[Any]]) -> CodeBody:
        return CodeBody(lambda place: _returned(work(Run(place, self._wanted))))

    # --- what needs no waiting -------------------------------------------------------------------------------------

    def now(self) -> dt.datetime:
        """The time, in UTC; the same at each replay."""
        made: dt.datetime = self.place.draw("now")
        return made

    def uuid(self) -> str:
        """A random id; the same at each replay."""
        return str(self.place.draw("uuid"))

    def random(self) -> float:
        """A random number from 0 to 1; the same at each replay."""
        return float(self.place.draw("random"))

    def secret(self, name: str) -> Secret:
        """A secret, to be passed to a step: only the step sees its value; journal, API and UI show `***`."""
        return Secret(name)

    def fail(self, kind: str, message: str, data: Any = None) -> NoReturn:
        """End the run as failed.

        Raises:
            PermanentError: always.
        """
        raise PermanentError(kind, message, data=plain(data, "the data of a failure"))

    def patched(self, change: str) -> bool:
        """Whether to go the new way of a change to the code: False in runs that came past here before the change.

        ```python
        if run.patched("fraud-check"):
            await run.step("check", check, order)
        ```
        """
        return self.place.patched(change)

    def step_name(self, kind: str, given: str | None) -> str:
        """The name that was given, or the kind and a number."""
        return self.place.name(kind) if given is None else given

    async def do(self, step: Step, kind: str, detail: str = "") -> Any:
        """One step of the model."""
        return await self.place.do(step, kind, detail)


async def _returned(work: Awaitable[Any]) -> Any:
    return plain(await work, "what the code returned")


def _event(view: Mapping[str, Any]) -> Event[Any]:
    found = seen(view)
    assert found is not None  # noqa: S101 - for the types
    return found


def _effect(name: str) -> Effect:
    return Effect(_one_of(name, "effect", *[effect.value for effect in Effect]))


def _one_of(given: str, what: str, *allowed: str) -> str:
    if given not in allowed:
        raise Misused(f"{what} is {', '.join(allowed[:-1])} or {allowed[-1]}, not {given!r}")
    return given
