"""The dry run: what a run would do, without doing it. The same interpreter, on a `Durable` that plans.

What touches nothing is done. Writes, events, changes of state and questions to people are planned: told in their order
with what they would be given. Reads are done where that is allowed, else planned like writes. Time passes at once. What
a step would have given is `Unknown`: it may stand in values and texts, but nothing can be decided by it; where that is
needed, the plan ends and says so.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import msgspec

from reactor.language.expressions import MARK, Unknown
from reactor.language.inputs import check_inputs
from reactor.model.clock import Clock, Instant, to_iso
from reactor.model.errors import ErrorInfo, PermanentError
from reactor.model.flow import Delay, Expr, Flow
from reactor.model.journal import ActionCall, Entry, FlowCall, Outcome, StateChange, Wanted
from reactor.runtime import attempts, people
from reactor.runtime.frames import Frame
from reactor.runtime.interpreter import Hands, Interpreter, RunEnd
from reactor.runtime.scope import mask
from reactor.sdk.action import Action, Effect

Perform = Callable[[str, ActionCall, Action, Any], Awaitable[Outcome]]
"""(path, call, action, converted parameters) → the outcome of really doing it."""
Answers = Callable[[str], Outcome | None]
"""(path) → what a step is said to give; None: nothing is said of it."""
_GIVEN = "given_as_they_are"
_VALUES = frozenset({"with", "set", "vars", "emit", "return", "outputs", "output", "fail", "value", "title"})
"""What may hold something unknown; everything else decides."""


class _Params(msgspec.Struct, frozen=True):
    given_as_they_are: dict[str, Any] = {}


class Planned(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that the run would do."""

    path: str
    kind: str
    """action | emit | call | state | approve | wait | wait_for"""
    what: str
    """The action's name, the event's type, the flow …"""
    effect: str = "write"
    """write | read | none"""
    params: Any = None
    """What it would be given, as JSON; secrets masked, what is unknown as `<charge.output.id>`."""


class Ended(msgspec.Struct, frozen=True):
    """Where the plan ends because a real run is needed to know more."""

    path: str
    needs: str
    """What is not known: `steps.charge.output.ok`."""
    where: str
    """In which key of the step."""


class Plan(msgspec.Struct, kw_only=True):
    """What a run would do."""

    planned: list[Planned] = msgspec.field(default_factory=list)
    done: list[str] = msgspec.field(default_factory=list)
    """Steps that were really done: reads, where they are allowed, and what touches nothing."""
    end: RunEnd | None = None
    """None: the plan ends before the run does."""
    ended: Ended | None = None


class Needed(BaseException):
    """Something unknown would have to decide. No handler of the flow may take it for a failure of its own."""

    def __init__(self, ended: Ended) -> None:
        super().__init__(ended.needs)
        self.ended = ended


class _State(dict[str, Any]):
    """Durable state: what it holds is not known."""

    def __missing__(self, key: str) -> Unknown:
        return Unknown(f"state.{key}")


class _Planner(Interpreter):
    """Ends the plan where something unknown would decide."""

    def evaluate(self, expr: Expr, frame: Frame, path: str, slot: str, **extra: Any) -> Any:
        """See `Interpreter.evaluate`.

        Raises:
            Needed: the value is not known, and something hangs on it.
        """
        value = unknown_in(super().evaluate(expr, frame, path, slot, **extra))
        if slot not in _VALUES and isinstance(value, Unknown):
            prefix = getattr(self.durable, "prefix", "")
            raise Needed(Ended(prefix + path, value.label, slot.rstrip("0123456789.")))
        return value

    def delay(self, value: Delay, frame: Frame, path: str, slot: str) -> int:
        """See `Interpreter.delay`: time passes at once, however long it is."""
        try:
            return super().delay(value, frame, path, slot)
        except Needed:
            return 0


def unknown_in(value: Any) -> Any:
    """The value, with `Unknown` in place of every text that holds something unknown."""
    if isinstance(value, str):
        return Unknown(value.replace(MARK, ""), value) if MARK in value else value
    if isinstance(value, dict):
        return {key: unknown_in(item) for key, item in value.items()}
    if isinstance(value, list):
        return [unknown_in(item) for item in value]
    return value


def has_unknown(value: Any) -> bool:
    """Whether anything in it is not known."""
    if isinstance(value, dict):
        return any(map(has_unknown, value.values()))
    if isinstance(value, list):
        return any(map(has_unknown, value))
    return isinstance(value, Unknown)


def shown(value: Any, secrets: tuple[str, ...] = ()) -> Any:
    """The value as JSON: what is unknown as a text in `< >`, secrets masked."""
    if isinstance(value, Unknown):
        return mask(value.text, secrets)
    if isinstance(value, dict):
        return {str(key).replace(MARK, ""): shown(item, secrets) for key, item in value.items()}
    if isinstance(value, list):
        return [shown(item, secrets) for item in value]
    return mask(value, secrets)


class Around(msgspec.Struct, kw_only=True):
    """What all runs of a plan have in common."""

    actions: Mapping[str, Action]
    clock: Clock
    perform: Perform
    flows: Mapping[str, Flow] = msgspec.field(default_factory=dict)
    """Those that may be called: their plan is part of the plan."""
    reads: bool = False
    """Whether reads are done."""
    answers: Answers = lambda _path: None
    hands: Hands = msgspec.field(default_factory=Hands)


class DryRun:
    """A `Durable` that plans."""

    def __init__(self, around: Around, flow: Flow, plan: Plan, prefix: str = "", ahead: int = 0) -> None:
        """`prefix`: path of the step that calls this flow, and a dot; `ahead`: milliseconds that have passed."""
        self.around = around
        self.flow = flow
        self.plan = plan
        self.prefix = prefix
        self.evicting = False
        self._ahead = ahead
        self._now: Instant = around.clock.now()
        self._random = random.Random(0)  # noqa: S311 - a plan shows examples
        self._found: dict[str, Action] = {}
        self._timers: set[str] = set()
        self._event: dict[str, Any] | None = None

    async def run(self, event: dict[str, Any] | None, inputs: Any) -> RunEnd:
        """Plan the whole run.

        Raises:
            Needed: the plan ends before.
        """
        self._event = event
        hands = msgspec.structs.replace(self.around.hands, state=_State())
        run = {"id": "run_dry", "started_at": to_iso(self.now()), "version": self.flow.version}
        batched = event is not None and self.flow.control is not None and self.flow.control.batch is not None
        events = [event] if event is not None and batched else None
        planner = _Planner(self.flow, self, event=event, run=run, inputs=inputs, events=events, hands=hands)
        return await planner.run()

    # --- Record --------------------------------------------------------------------------------------------------

    def recall(self, key: str) -> Entry | None:
        """See `Durable.recall`: nothing is ever taken up again."""
        return None

    def known(self) -> Sequence[Entry]:
        """See `Durable.known`."""
        return ()

    def record(self, entry: Entry) -> None:
        """Nothing is kept, but which sleeps are steps that wait."""
        if entry.key.endswith("#timer"):
            self._timers.add(entry.key.removesuffix("#timer"))

    def now(self) -> Instant:
        """See `Durable.now`."""
        return self._now + self._ahead

    def draw(self, what: str) -> Any:
        """See `Durable.draw`."""
        return f"{self._random.getrandbits(128):032x}" if what == "uuid" else self._random.random()

    # --- Durable -------------------------------------------------------------------------------------------------

    def find(self, action: str) -> Action | None:
        """The action, with parameters that may be unknown: they are checked when all are known."""
        if action not in self._found:
            real = self.around.actions.get(action)
            if real is None:
                return None
            self._found[action] = msgspec.structs.replace(
                real, params=_Params, open_params=_GIVEN, effect=lambda params: _effect(real, params.given_as_they_are)
            )
        return self._found[action]

    async def act(self, path: str, call: ActionCall, action: Action, params: Any) -> Outcome:
        """Do what may be done, plan the rest."""
        real, given = self.around.actions[action.name], params.given_as_they_are
        answer = self.around.answers(self.prefix + path)
        effect, bound = action.effect_of(params), None
        if not has_unknown(given):
            try:
                bound = attempts.bind(real, given)
            except PermanentError as error:
                message = mask(error.message, call.secrets)
                return Outcome(error=ErrorInfo(error.kind, message, path, retryable=False))
        if bound is not None and answer is None and (effect is Effect.PURE or (effect is Effect.READ and self._reads)):
            self.plan.done.append(self.prefix + path)
            return await self.around.perform(path, call, real, bound)
        if effect is not Effect.PURE and call.attempt == 1:
            self._plan(path, "action", real.name, effect.value, shown(given, call.secrets))
        return answer or Outcome(Unknown(f"{self.prefix}{path}.output"))

    @property
    def _reads(self) -> bool:
        return self.around.reads

    def _plan(self, path: str, kind: str, what: str, effect: str, params: Any) -> None:
        self.plan.planned.append(Planned(path=self.prefix + path, kind=kind, what=what, effect=effect, params=params))

    async def sleep(self, path: str, until: Instant) -> None:
        """Time passes at once; a limit of time is never reached."""
        if "#" in path:
            await asyncio.get_running_loop().create_future()
        if path in self._timers:
            self._plan(path, "wait", f"until {to_iso(until)}", "none", None)
        self._ahead += max(0, until - self.now())

    async def emit(self, path: str, event: dict[str, Any], entry: Entry) -> dict[str, Any]:
        """See `Durable.emit`."""
        given = shown(event)
        self._plan(path, "emit", str(given.get("type")), "write", {k: v for k, v in given.items() if k != "type"})
        return {"event_id": Unknown(f"{self.prefix}{path}.output.event_id")}

    async def child(self, path: str, call: FlowCall) -> Outcome:
        """The called flow's plan is part of this one."""
        where, answer = self.prefix + path, self.around.answers(self.prefix + path)
        flow = self.around.flows.get(call.flow)
        self._plan(path, "call", call.flow, "write" if flow is None else "none", shown(call.params))
        if answer is not None:
            return answer
        if flow is None:
            return Outcome(Unknown(f"{where}.output"))
        inputs = call.params
        if flow.inputs is not None and not has_unknown(inputs):
            inputs, problems = check_inputs(flow.inputs, inputs)
            if problems:
                text = f"inputs of flow {flow.name!r}: {'; '.join(problems)}"
                return Outcome(error=ErrorInfo("input", text, retryable=False))
        run = DryRun(self.around, flow, self.plan, where + ".", self._ahead)
        end = await run.run(self._event, inputs)
        self._ahead = max(self._ahead, run._ahead) if call.wait else self._ahead
        if not call.wait:
            return Outcome({"run_id": Unknown(f"{where}.output.run_id")})
        return Outcome(end.output, end.error)

    async def receive(self, path: str, wanted: Wanted, until: Instant | None) -> dict[str, Any] | None:
        """The event comes at once, and people approve."""
        if wanted.type == people.DECIDED:
            return self._approved(path, wanted)
        event = {name: Unknown(f"{self.prefix}{path}.output.{name}") for name in ("subject", "data", "metadata")}
        answer = self.around.answers(self.prefix + path)
        self._plan(path, "wait_for", wanted.type, "none", None if until is None else {"until": to_iso(until)})
        if answer is not None and isinstance(answer.output, dict):
            event |= answer.output
        return {"id": "evt_dry", "type": wanted.type, "source": "", "time": to_iso(self.now())} | event

    def _approved(self, path: str, wanted: Wanted) -> dict[str, Any]:
        answer = self.around.answers(self.prefix + path)
        data: dict[str, Any] = {"decision": "approve", "by": Unknown(f"{self.prefix}{path}.output.by")}
        data["form"] = Unknown(f"{self.prefix}{path}.output.form")
        if answer is not None and isinstance(answer.output, dict):
            data |= answer.output
        self._plan(path, "approve", wanted.what.replace(MARK, ""), "write", None)
        return {"id": "evt_dry", "type": wanted.type, "subject": wanted.key, "time": to_iso(self.now()), "data": data}

    async def state(self, path: str, change: StateChange) -> Any:
        """See `Durable.state`."""
        params = {"key": shown(change.key), "value": shown(change.value)}
        self._plan(path, "state", change.op, "write", params)
        if change.op == "add":
            return Unknown(f"{self.prefix}{path}.output")
        return change.value if change.op == "set" else None

    async def turn(self, path: str) -> None:
        """See `Durable.turn`."""
        await asyncio.sleep(0)

    async def pause(self, path: str, reason: str) -> None:
        """A real run would wait for a person here."""
        raise Needed(Ended(self.prefix + path, f"a person, because of: {reason}", "retry"))


def _effect(real: Action, given: dict[str, Any]) -> Effect:
    """What a call would do; where that hangs on parameters that are not known, the worst."""
    if isinstance(real.effect, Effect):
        return real.effect
    if has_unknown(given):
        return Effect.WRITE
    try:
        return real.effect_of(attempts.bind(real, given))
    except PermanentError:
        return Effect.PURE


async def plan(around: Around, flow: Flow, event: dict[str, Any] | None, inputs: Any) -> Plan:
    """What a run of this flow would do."""
    made = Plan()
    asyncio.get_running_loop().set_exception_handler(_quiet)
    try:
        made.end = await DryRun(around, flow, made).run(event, inputs)
    except Needed as needed:
        made.ended = needed.ended
    return made


def _quiet(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """A branch that ended the plan is not asked by anybody."""
    if not isinstance(context.get("exception"), Needed):
        loop.default_exception_handler(context)
