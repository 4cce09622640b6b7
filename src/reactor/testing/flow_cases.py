"""One flow test: is the flow started, what does the run do, is it what is expected."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import Any

import msgspec

from reactor.language.case import Case, CaseEvent
from reactor.language.dialects.gotemplate import legacy_event_view
from reactor.language.inputs import check_inputs
from reactor.model.event import Event
from reactor.model.flow import Flow, TriggerSpec
from reactor.model.patterns import glob
from reactor.model.states import RunStatus
from reactor.routing.table import NonMatch, RouteTable
from reactor.runtime.interpreter import RunEnd
from reactor.sdk.manifest import Catalog
from reactor.testing.case_runtime import CaseRuntime, Surroundings
from reactor.testing.case_world import CaseWorld
from reactor.testing.expectations import Mismatch, Seen, compare

LONGEST = 30.0
"""Seconds of real time that one test may take."""
Marks = dict[str, dict[str, set[str]]]
"""Of coverage: flow → path → what was recorded of it."""


class CaseResult(msgspec.Struct, kw_only=True):
    """How one test went."""

    flow: str
    name: str
    file: str
    line: int
    mismatches: list[Mismatch]
    """Empty: it passed."""
    seconds: float = 0.0
    """Of real time."""
    marks: Marks = msgspec.field(default_factory=dict)

    @property
    def passed(self) -> bool:
        """Whether everything was as expected."""
        return not self.mismatches


class Bench(msgspec.Struct, kw_only=True):
    """What the tests of a folder have in common."""

    catalog: Catalog
    flows: Mapping[str, Flow]
    settings: Mapping[str, Any] = msgspec.field(default_factory=dict)
    """As `ActionContext.settings`, for the pure actions that are really done."""
    longest: float = LONGEST


async def run_case(bench: Bench, flow: Flow, case: Case) -> CaseResult:
    """Run one test. Never raises for what a flow or test does."""
    began = time.perf_counter()
    file = case.file or flow.file or ""
    result = CaseResult(flow=flow.name, name=case.name, file=file, line=case.line, mismatches=[])
    try:
        async with asyncio.timeout(bench.longest):
            await _run(bench, flow, case, result)
    except TimeoutError:
        message = f"the test took longer than {bench.longest:.0f} s; does the flow loop without a wait?"
        result.mismatches = [Mismatch(at=(), message=message)]
    result.seconds = time.perf_counter() - began
    return result


async def _run(bench: Bench, flow: Flow, case: Case, result: CaseResult) -> None:
    world = CaseWorld(case, flow.name)
    result.marks = world.seen
    event = _event(bench, flow, case, world.clock.now())
    if case.event is not None and flow.triggers and case.event.metadata.get("by") != "hand":
        no = _refusal(bench, flow, case, event)
        if no is None or no.rule != "error":
            world.seen.setdefault(flow.name, {}).setdefault("", set()).add("matched" if no is None else "refused")
        if no is not None:
            _refused(case, no, result)
            return
    if case.expect.matches is False:
        message = "expected that the event starts nothing, but it starts the flow"
        result.mismatches.append(Mismatch(at=("expect", "matches"), message=message))
        return
    if _only_matches(case):
        return
    inputs, wrong = _inputs(flow, case)
    if wrong:
        at = ("inputs",) if case.inputs is not None else ()
        result.mismatches.append(Mismatch(at=at, message=f"the inputs do not fit: {'; '.join(wrong)}"))
        return
    await _play(bench, flow, case, world, event, inputs, result)


def _only_matches(case: Case) -> bool:
    """Whether nothing but `matches: true` is asked, so that no run is needed."""
    expect = case.expect
    return expect.matches is True and msgspec.structs.replace(expect, matches=None) == type(expect)()


def _refused(case: Case, no: NonMatch, result: CaseResult) -> None:
    matches = case.expect.matches
    at: tuple[str | int, ...] = ("event",) if matches is None else ("expect", "matches")
    if matches is not False:
        result.mismatches.append(Mismatch(at=at, message=f"the event does not start the flow: {no.reason}"))
    elif no.rule == "error":
        message = f"the event starts nothing, but only because of an error: {no.reason}"
        result.mismatches.append(Mismatch(at=at, message=message))


def _inputs(flow: Flow, case: Case) -> tuple[Any, list[str]]:
    if flow.inputs is None:
        return case.inputs, []
    return check_inputs(flow.inputs, case.inputs or {})


# --- what starts it --------------------------------------------------------------------------------------------------


def _event(bench: Bench, flow: Flow, case: Case, now: int) -> Event:
    given = case.event or CaseEvent(metadata={"by": "hand"})
    trigger = flow.triggers[0] if flow.triggers else None
    return Event(
        key=1,
        id=given.id or "evt_1",
        type=given.type or _type_of(bench, trigger),
        source=given.source or ("reactor/tests" if case.event is not None else f"reactor/flows/{flow.name}"),
        subject=given.subject,
        time=now if given.time is None else given.time,
        data=given.data,
        metadata=given.metadata,
    )


def _type_of(bench: Bench, trigger: TriggerSpec | None) -> str:
    """The type of the events that a trigger gives."""
    if trigger is None:
        return "manual"
    if trigger.type is not None:
        return trigger.type
    if trigger.kind == "event":
        pattern = str(trigger.config.get("event", trigger.config.get("", "")))
        return pattern if pattern and "*" not in pattern else "manual"
    if trigger.kind == "run":
        return f"run.{_ends(trigger)[0]}"
    kind = bench.catalog.triggers.get(trigger.kind)
    return kind.default_type if kind is not None else "manual"


def _refusal(bench: Bench, flow: Flow, case: Case, event: Event) -> NonMatch | None:
    """Why this event does not start the flow, or None. Triggers that are switched off are asked as well."""
    triggers = tuple(msgspec.structs.replace(trigger, enabled=True) for trigger in flow.triggers)
    table = RouteTable([msgspec.structs.replace(flow, triggers=triggers)], dict(case.env))
    to = tuple(trigger.key for trigger in triggers if _gives(bench, trigger, event))
    matches, misses = table.match(msgspec.structs.replace(event, to=to))
    if matches:
        return None
    if misses:
        return next((miss for miss in misses if miss.rule == "error"), misses[0])
    wanted = ", ".join(sorted({_shown(bench, trigger) for trigger in triggers}))
    reason = f"its type {event.type!r} does not fit {wanted}"
    return NonMatch(flow=flow.name, trigger="", rule="type", reason=reason)


def _shown(bench: Bench, trigger: TriggerSpec) -> str:
    if trigger.kind == "event":
        return repr(str(trigger.config.get("event", trigger.config.get("", ""))))
    if trigger.kind == "run":
        return f"the end of a run of {_flow(trigger)!r} ({', '.join(f'run.{status}' for status in _ends(trigger))})"
    return repr(_type_of(bench, trigger))


def _flow(trigger: TriggerSpec) -> str:
    """Whose runs a `run` trigger means."""
    return str(trigger.config.get("flow", trigger.config.get("", "*")))


def _ends(trigger: TriggerSpec) -> list[str]:
    """The ends that a `run` trigger means."""
    given = trigger.config.get("status") or ["completed", "failed", "cancelled"]
    return [given] if isinstance(given, str) else list(given)


def _gives(bench: Bench, trigger: TriggerSpec, event: Event) -> bool:
    """Whether this event comes from this trigger (those of `event` find their flows by themselves)."""
    if trigger.kind == "event":
        return False
    if trigger.kind == "run":
        name = event.data.get("flow") if isinstance(event.data, dict) else None
        fits = glob(_flow(trigger)).fullmatch(str(name)) is not None
        return fits and event.type in {trigger.type, *(f"run.{status}" for status in _ends(trigger))}
    usual = _type_of(bench, trigger)
    if trigger.type is not None or event.type == usual:
        return event.type == usual
    return event.type.startswith(usual.partition(".")[0] + ".")


# --- the run ---------------------------------------------------------------------------------------------------------


async def _play(
    bench: Bench, flow: Flow, case: Case, world: CaseWorld, event: Event, inputs: Any, result: CaseResult
) -> None:
    around = Surroundings(
        world=world,
        actions=bench.catalog.actions,
        flows=bench.flows,
        settings=bench.settings,
        env=case.env,
        secret=lambda name: case.secrets.get(name, f"secret {name}"),
    )
    runtime = CaseRuntime(around, flow)
    begin = world.clock.now()
    for sent in case.send:
        world.at(begin + sent.after, lambda sent=sent: world.arrive(msgspec.structs.asdict(sent)))  # type: ignore[misc]
    view = event.view()
    task = runtime.begin(legacy_event_view(view) if flow.legacy else view, inputs)
    try:
        await world.drive([task], None if case.advance is None else begin + case.advance)
        if world.trouble is not None:
            at = ("mock",) if case.mock else ()
            result.mismatches.append(Mismatch(at=at, message=world.trouble.message))
        else:
            result.mismatches += compare(case, _seen(runtime, task, world))
            result.mismatches += [Mismatch(at=("approve", at), message=message) for at, message in world.refused]
            result.mismatches += _unused(world, result)
    finally:
        await runtime.leave([task, *world.background])


def _unused(world: CaseWorld, result: CaseResult) -> list[Mismatch]:
    """Mocks that nobody asked make a failed test easier to understand; alone they are no failure."""
    if not result.mismatches:
        return []
    return [
        Mismatch(at=("mock", place), message=f"the mock of `{place}` was not asked: the step called nothing")
        for place in world.mocks.unused
    ]


def _seen(runtime: CaseRuntime, task: asyncio.Task[RunEnd], world: CaseWorld) -> Seen:
    end = task.result() if task.done() else None
    waits = ""
    if end is None:
        status = RunStatus.PAUSED if world.paused else RunStatus.WAITING
        waits = world.paused or world.waits_for()
    else:
        status = end.status
    interpreter = runtime.interpreter
    return Seen(
        status=status.value,
        output=None if end is None else end.output,
        error=None if end is None else end.error,
        waits=waits,
        steps=world.steps,
        called=world.called,
        emitted=world.emitted,
        vars={} if interpreter is None else interpreter.vars,
        state=world.state[runtime.flow.name],
    )
