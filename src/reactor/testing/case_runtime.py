"""The runtime of flow tests: a run in memory on the virtual clock, its actions mocked, its sub-flows really run."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from reactor.language.case import Answer
from reactor.language.expressions import to_json_value
from reactor.language.inputs import check_inputs
from reactor.model.clock import Instant, to_iso
from reactor.model.errors import ErrorInfo, StepError
from reactor.model.flow import Flow
from reactor.model.journal import ActionCall, Entry, FlowCall, Outcome, StateChange, Wanted
from reactor.model.states import RunStatus
from reactor.runtime import values
from reactor.runtime.interpreter import Hands, Interpreter, RunEnd
from reactor.runtime.virtual import VirtualRuntime
from reactor.sdk.action import Action, ActionContext, Effect
from reactor.testing.case_world import CaseWorld

_RETRYABLE = ("timeout", "connection", "http.5", "http.429", "http.408")
"""Beginnings of the kinds of errors that actions themselves call worth another try."""
RUN_ID = "run_test"
_log = logging.getLogger("reactor.test")
_log.addHandler(logging.NullHandler())  # what flows log is not what a test has to say


class Surroundings(msgspec.Struct, kw_only=True):
    """What all runs of a test know."""

    world: CaseWorld
    actions: Mapping[str, Action]
    flows: Mapping[str, Flow]
    """Those that may be called: the others of the folder."""
    settings: Mapping[str, Any] = msgspec.field(default_factory=dict)
    env: Mapping[str, str] = msgspec.field(default_factory=dict)
    secret: Callable[[str], str | None] = lambda name: f"secret {name}"
    runtimes: list[CaseRuntime] = msgspec.field(default_factory=list)
    """Of every run of the test."""


class CaseRuntime(VirtualRuntime):
    """A `Durable` for one run of a test."""

    def __init__(self, around: Surroundings, flow: Flow, prefix: str = "") -> None:
        """`prefix`: where the run stands in the test: empty, or the path of the step that called it, and a dot."""
        super().__init__(actions=around.actions, clock=around.world.clock)
        self.around = around
        self.world = around.world
        self.flow = flow
        self.prefix = prefix
        self.run_id = RUN_ID + ("" if not prefix else "_" + prefix.rstrip(".").replace(".", "_"))
        self.interpreter: Interpreter | None = None
        self._since = self.world.events
        around.runtimes.append(self)

    def begin(self, event: Mapping[str, Any] | None, inputs: Any) -> asyncio.Task[RunEnd]:
        """Start the run; it is driven by the world."""
        around = self.around
        self.interpreter = Interpreter(
            self.flow,
            self,
            event=None if event is None else dict(event),
            run={"id": self.run_id, "started_at": to_iso(self.now()), "version": self.flow.version},
            inputs=inputs,
            events=None if event is None or not is_batched(self.flow) else [dict(event)],
            hands=Hands(env=around.env, state=self.world.state.setdefault(self.flow.name, {}), secret=around.secret),
        )
        return asyncio.get_running_loop().create_task(self.interpreter.run())

    async def leave(self, tasks: list[asyncio.Task[Any]]) -> None:
        """The test is over: what has not ended stays where it is, without its handlers."""
        for runtime in self.around.runtimes:
            runtime.evicting = True
        left = [task for task in tasks if not task.done()]
        for task in left:
            task.cancel()
        if left:
            await asyncio.wait(left)

    # --- Durable -------------------------------------------------------------------------------------------------

    def record(self, entry: Entry) -> None:
        """See `Durable.record`."""
        super().record(entry)
        self.world.note(self.flow.name, self.prefix, entry)

    async def turn(self, path: str) -> None:
        """See `Durable.turn`."""
        self.world.moved()
        await asyncio.sleep(0)

    async def act(self, path: str, call: ActionCall, action: Action, params: Any) -> Outcome:
        """The mock's answer; what touches nothing and has no mock is really done."""
        where = self.prefix + path
        effect = action.effect_of(params)
        answer = self.world.mocks.answer(where)
        if answer is None and path.rpartition(".")[2] == "undo" and effect is not Effect.PURE:
            answer = Answer()
        self.world.call(where, pure=effect is Effect.PURE and answer is None)
        if answer is not None:
            return await self._mocked(answer, call.timeout)
        if effect is not Effect.PURE:
            await self.world.stuck(where, _unmocked(where, action, effect))
        return await self._done(path, call, action, params)

    async def _mocked(self, answer: Answer, timeout: int | None) -> Outcome:
        if timeout is not None and answer.after > timeout:
            await self.world.sleep(self.now() + timeout)
            return Outcome(error=ErrorInfo("timeout", f"the attempt took longer than {timeout} ms"))
        await self.world.sleep(self.now() + answer.after)
        return outcome_of(answer)

    async def _done(self, path: str, call: ActionCall, action: Action, params: Any) -> Outcome:
        ctx = ActionContext(
            run_id=self.run_id,
            flow=self.flow.name,
            step=path,
            attempt=call.attempt,
            idempotency_key=f"{self.run_id}:{path}",
            log=logging.LoggerAdapter(_log, {"step": path}),
            clock=self.world.clock,
            settings=self.around.settings,
            secrets=call.secrets,
        )
        self.world.busy += 1
        try:
            made = action.handler(ctx, params)
            return Outcome(to_json_value(await made if action.is_async else made))
        except StepError as error:
            return Outcome(error.output, error.info())
        except Exception as error:  # noqa: BLE001 - a connector may raise anything; it becomes the step's failure
            text = f"{action.name} raised {type(error).__name__}: {error}"
            return Outcome(error=ErrorInfo("bug", text, retryable=False))
        finally:
            self.world.busy -= 1
            self.world.moved()

    async def sleep(self, path: str, until: Instant) -> None:
        """See `Durable.sleep`."""
        await self.world.sleep(until)

    async def emit(self, path: str, event: dict[str, Any], entry: Entry) -> dict[str, Any]:
        """The event is noted, and comes to whoever waits for it."""
        self.world.emitted.append(event)
        self.world.arrive(event)
        return {"event_id": f"evt_test.{self.prefix}{path}"}

    async def child(self, path: str, call: FlowCall) -> Outcome:
        """The mock's answer, or that of the called flow, which runs on the same clock with the same mocks."""
        where = self.prefix + path
        self.record(Entry(path + "#child", self.now(), value=0))
        answer = self.world.mocks.answer(where)
        self.world.call(where, pure=False)
        if answer is not None:
            return await self._mocked(answer, None)
        flow = self.around.flows.get(call.flow)
        if flow is None or call.version is not None:
            await self.world.stuck(where, _missing_flow(where, call))
            raise AssertionError
        inputs, problems = check_inputs(flow.inputs, call.params) if flow.inputs is not None else (call.params, [])
        if problems:
            text = f"inputs of flow {flow.name!r}: {'; '.join(problems)}"
            return Outcome(error=ErrorInfo("input", text, retryable=False))
        runtime = CaseRuntime(self.around, flow, where + ".")
        event = None if self.interpreter is None else self.interpreter.root.scope["event"]
        task = runtime.begin(event, inputs)
        if not call.wait:
            self.world.background.append(task)
            return Outcome({"run_id": runtime.run_id})
        return await self._joined(task, runtime)

    async def _joined(self, task: asyncio.Task[RunEnd], runtime: CaseRuntime) -> Outcome:
        """The end of a called flow; a cancel goes down to it."""
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError:
            runtime.evicting = runtime.evicting or self.evicting
            task.cancel()
            await asyncio.wait([task])
            raise
        end = task.result()
        if end.status is RunStatus.COMPLETED:
            return Outcome(end.output)
        error = end.error or ErrorInfo("cancelled", f"flow {runtime.flow.name!r} was cancelled")
        return Outcome(end.output, msgspec.structs.replace(error, retryable=False))

    async def receive(self, path: str, wanted: Wanted, until: Instant | None) -> dict[str, Any] | None:
        """See `Durable.receive`."""
        found = self.world.arrived(wanted, self._since)
        if found is not None:
            return found
        if until is not None and until <= self.now():
            return None
        return await self.world.wait_for(wanted, until)

    async def state(self, path: str, change: StateChange) -> Any:
        """See `Durable.state`."""
        self.world.moved()
        return values.changed(self.world.state.setdefault(self.flow.name, {}), change)

    async def pause(self, path: str, reason: str) -> None:
        """A person is needed: nobody is there."""
        self.world.paused = f"{self.prefix}{path}: {reason}"
        await asyncio.get_running_loop().create_future()


def is_batched(flow: Flow) -> bool:
    """Whether its runs know `events`: here the list of the one event of the test."""
    return flow.control is not None and flow.control.batch is not None


def outcome_of(answer: Answer) -> Outcome:
    """What a mock gives, as the outcome of an attempt."""
    failure = answer.error
    if failure is None:
        return Outcome(answer.output)
    kind = failure.kind or "failed"
    return Outcome(answer.output, ErrorInfo(kind, failure.message or f"{kind} (mocked)", retryable=_may_retry(kind)))


def _may_retry(kind: str) -> bool:
    return kind.startswith(_RETRYABLE)


def _unmocked(path: str, action: Action, effect: Effect) -> str:
    does = "changes" if effect is Effect.WRITE else "reads"
    return (
        f"step `{path}` calls `{action.name}`, which {does} something outside, and the test has no mock for it; "
        f"add\n      mock: {{{_key(path)}: {{output: {{}}}}}}"
    )


def _missing_flow(path: str, call: FlowCall) -> str:
    why = "which is in none of these files; test its folder, or "
    if call.version is not None:
        why = f"version {call.version}, and files have no versions; "
    return f"step `{path}` calls the flow `{call.flow}`, {why}add\n      mock: {{{_key(path)}: {{output: {{}}}}}}"


def _key(path: str) -> str:
    return f"'{path}'" if "[" in path else path
