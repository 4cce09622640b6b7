"""Random flows × random crashes × random outcomes: the same final journal as a run that was never interrupted."""

from __future__ import annotations

import hashlib
from contextvars import ContextVar
from typing import Any

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reactor.model.errors import ErrorInfo
from reactor.model.flow import (
    ActionStep,
    BlockStep,
    Branch,
    BreakStep,
    CallStep,
    Case,
    EmitStep,
    FailStep,
    Flow,
    ForEachStep,
    Join,
    LoopStep,
    ParallelStep,
    Retry,
    ReturnStep,
    SetStep,
    StateStep,
    Step,
    SwitchStep,
    WaitForStep,
    WaitStep,
)
from reactor.model.journal import RESET, ActionCall, Entry, FlowCall, Outcome, index
from reactor.model.states import RunStatus
from reactor.runtime.virtual import START, Crash, VirtualRuntime
from reactor.sdk.action import Action, Effect
from tests.property.values import Given, plain


class Params(msgspec.Struct):
    """Parameters of the mocked actions."""

    x: int = 0


async def _never(_ctx: Any, _params: Params) -> None:
    raise AssertionError("actions are mocked here")


ACTIONS = {
    name: Action(name=name, handler=_never, params=Params, effect=effect)
    for name, effect in (("write", Effect.WRITE), ("read", Effect.READ), ("pure", Effect.PURE))
}


def chance(*parts: object) -> float:
    """A number in [0, 1) that hangs on the parts alone."""
    return hashlib.blake2b(repr(parts).encode(), digest_size=4).digest()[0] / 256


class World:
    """Answers of the mocked actions: the same for the same path and attempt, whatever happened before."""

    def __init__(self, seed: int, failing: float) -> None:
        self.seed, self.failing = seed, failing

    def act(self, path: str, call: ActionCall, params: Params) -> Outcome:
        """One attempt."""
        if chance(self.seed, path, call.attempt) < self.failing:
            return Outcome(error=ErrorInfo("http.503", f"no luck {call.attempt}"))
        return Outcome({"path": path, "x": params.x})

    def child(self, call: FlowCall) -> Outcome:
        """One sub-flow."""
        if chance(self.seed, "child", call.flow) < self.failing:
            return Outcome(error=ErrorInfo("failed", "the child failed"))
        return Outcome({"child": call.params})


AT_ONCE = 9
"""Attempts that can be in flight at one crash: three branches with three iterations each."""
durations = st.sampled_from([0, 10, 1_000, 3_600_000])
retries = st.none() | st.builds(
    lambda times, backoff: Retry(max=times, backoff=backoff, delay=100, jitter=0.0),
    st.integers(1, 3),
    st.sampled_from(["fixed", "linear", "exponential"]),
)


@st.composite
def lists(draw: st.DrawFn, depth: int = 2, least: int = 1, prefix: str = "s", beside: bool = False) -> tuple[Step, ...]:
    """A list of steps with handlers, blocks, retries and timers. `beside`: others run beside it, so that it must not
    look at what they change: a crash may change the order in which they do.
    """
    return tuple(draw(step(depth, f"{prefix}{n}", beside)) for n in range(draw(st.integers(least, 3))))


RACES: ContextVar[bool] = ContextVar("races", default=False)
"""Whether branches may win against each other: then a crash can make another one the first."""
JOINS = [
    Join(),
    Join(mode="any"),
    Join(mode="first"),
    Join(mode="count", count=2),
    Join(mode="until", until=Given(lambda scope: scope["branches"]["a"]["status"] == "completed")),
]
KINDS = ["act", "act", "act", "set", "wait", "emit", "call", "block", "return", "fail", "state", "wait_for"]
INSIDE = ["parallel", "parallel", "for_each", "loop", "switch"]


@st.composite
def step(draw: st.DrawFn, depth: int, name: str, beside: bool) -> Step:
    """One step of any kind."""
    common: dict[str, Any] = {"name": name, "continue_on_error": draw(st.booleans())}
    if draw(st.integers(0, 5)) == 0:
        common["if_"] = plain(draw(st.booleans())) if beside else Given(lambda scope: len(scope["vars"]) % 2 == 0)
    if depth > 0 and draw(st.integers(0, 3)) == 0:
        common["on_error"] = draw(lists(depth - 1, prefix="h", beside=beside))
    if depth > 0 and draw(st.integers(0, 3)) == 0:
        common["finally_"] = draw(lists(depth - 1, prefix="f", beside=beside))
    if draw(st.integers(0, 3)) == 0:
        common["undo"] = ActionStep(name="undo", action="write", params=plain({"x": 1}))
    kind = draw(st.sampled_from([*KINDS, *(INSIDE if depth > 0 else ())]))
    if kind == "act":
        common |= {"retry": draw(retries), "deadline": draw(st.none() | st.just(150))}
        return ActionStep(
            action=draw(st.sampled_from(sorted(ACTIONS))), params=plain({"x": draw(st.integers(0, 9))}), **common
        )
    if kind in INSIDE or kind == "block":
        return (
            draw(holding(depth, name, kind, common, beside))
            if depth > 0
            else EmitStep(event=plain({"type": "x"}), **common)
        )
    return draw(alone(name, kind, common, beside))


@st.composite
def alone(draw: st.DrawFn, name: str, kind: str, common: dict[str, Any], beside: bool) -> Step:
    """A step without others in it."""
    if kind == "set":
        return SetStep(values=plain({name: 1}) if beside else Given(lambda scope: {name: len(scope["vars"])}), **common)
    if kind == "wait":
        return WaitStep(for_=draw(durations), **common)
    if kind == "emit":
        return EmitStep(event=plain({"type": "done", "data": name}), **common)
    if kind == "call":
        return CallStep(flow=name, params=plain({"a": 1}), wait=draw(st.booleans()), **common)
    if kind == "state":
        return StateStep(key=plain(name), op=draw(st.sampled_from(["add", "set"])), value=plain(2), **common)
    if kind == "wait_for":
        late = draw(st.none() | st.just(()) | st.just((SetStep(name=name + "late", values=plain({"late": 1})),)))
        return WaitForStep(
            event="never" if beside else draw(st.sampled_from(["ping", "never"])),
            limit=1_500,
            on_timeout=late,
            **common,
        )
    if kind == "return" and draw(st.booleans()):
        return ReturnStep(value=plain(name) if beside else Given(lambda scope: dict(scope["vars"])), **common)
    return FailStep(error=plain({"kind": "mine", "message": "on purpose"}), **common)


@st.composite
def holding(draw: st.DrawFn, depth: int, name: str, kind: str, common: dict[str, Any], beside: bool) -> Step:
    """A step with lists of steps in it."""
    most = draw(st.integers(1, 3)) if kind == "for_each" else 1
    inner = lists(depth - 1, prefix=name + "b", beside=beside or most > 1)
    common["timeout"] = draw(st.none() | st.none() | st.sampled_from([50, 2_000]))
    common["retry"] = draw(st.none() | st.none() | st.just(Retry(max=2, delay=100, jitter=0.0)))
    if kind == "parallel":
        names = "abc"[: draw(st.integers(1, 3))]
        return ParallelStep(
            branches=tuple(
                Branch(name=one, steps=draw(lists(depth - 1, prefix=name + one, beside=True))) for one in names
            ),
            join=draw(st.sampled_from(JOINS)) if RACES.get() else Join(),
            max_parallel=draw(st.none() | st.just(1) | st.just(2)),
            fail_fast=RACES.get() and draw(st.booleans()),
            **common,
        )
    if kind == "for_each":
        items = Given(lambda _scope: list(range(4)))
        body = draw(inner)
        if most > 1 and not RACES.get():
            # An iteration that fails stops the others, wherever they are.
            body = tuple(msgspec.structs.replace(one, continue_on_error=True) for one in body)
        ends = draw(breaks) if most == 1 else ()
        return ForEachStep(items=items, max_parallel=most, steps=body + ends, **common)
    if kind == "loop":
        stop = Given(lambda scope: scope["index"] >= 2)
        go = Given(lambda scope: scope["index"] < 2)
        up = draw(st.booleans())
        return LoopStep(
            while_=go if up else None,
            until=None if up else stop,
            steps=draw(inner) + draw(breaks),
            max=5,
            every=draw(st.none() | st.just(30)),
            **common,
        )
    if kind == "switch":
        odd_ = plain(draw(st.booleans())) if beside else Given(lambda scope: len(scope["vars"]) % 2 == 1)
        odd = Case(if_=odd_, steps=draw(inner))
        rest = (Case(steps=draw(inner)),) if draw(st.booleans()) else ()
        return SwitchStep(cases=(odd, *rest), **common)
    return BlockStep(steps=draw(inner), **common)


breaks = st.just(()) | st.just((BreakStep(name="br", if_=Given(lambda scope: scope["index"] == 1)),))


@st.composite
def flows(draw: st.DrawFn, races: bool = False) -> Flow:
    """A flow."""
    RACES.set(races)
    return Flow(
        name="f",
        source="",
        digest="",
        steps=draw(lists()),
        on_failure=draw(st.just(()) | lists(1, prefix="of")),
        undo=draw(st.sampled_from(["on_failure", "on_failure", "never"])),
        # After a crash several timeouts can be over at once, and the outer one comes first then.
        timeout=draw(st.none() | st.sampled_from([500, 10_000_000] if races else [10_000_000])),
    )


def outcomes(journal: list[Entry]) -> dict[str, Any]:
    """What the journal says in the end of every step; times and attempts' bookkeeping left out."""
    known = {}
    for entry in index(journal).values():
        if "#" not in entry.key or entry.key.endswith(("#set", "#case")):
            known[entry.key] = (entry.status, _timeless(entry.value), entry.error.kind if entry.error else None)
    return known


def _timeless(value: Any) -> Any:
    """A value without the instants of timers in it: a crash takes time."""
    if isinstance(value, dict):
        return {name: "a time" if name == "until" else _timeless(item) for name, item in value.items()}
    return [_timeless(item) for item in value] if isinstance(value, list) else value


async def play(flow: Flow, world: World, runtime: VirtualRuntime) -> RunStatus | None:
    """Play until the end or the crash (None)."""
    try:
        return (await runtime.play(flow)).status
    except Crash:
        return None


PINGS = [
    (START + after, {"id": f"p{after}", "type": "ping", "subject": None, "source": "", "time": "", "data": after})
    for after in (490, 1_210)
]


def runtime(world: World, before: VirtualRuntime | None = None, crash_at: int | None = None) -> VirtualRuntime:
    """A runtime that goes on from where another has crashed."""
    return VirtualRuntime(
        actions=ACTIONS,
        journal=before.committed if before else [],
        clock=before.clock if before else None,
        state=before.committed_state if before else None,
        mock=world.act,
        child=world.child,
        crash_at=crash_at,
        inbox=PINGS,
    )


@settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(flows(), st.integers(0, 1_000), st.sampled_from([0.0, 0.3, 0.7]), st.lists(st.integers(1, 12), max_size=4))
async def test_a_crashed_run_ends_as_an_uninterrupted_one(
    flow: Flow, seed: int, failing: float, crashes: list[int]
) -> None:
    world = World(seed, failing)
    whole = runtime(world)
    status = await play(flow, world, whole)
    assert status is not None

    part: VirtualRuntime | None = None
    effects: list[tuple[str, int]] = []
    lost, again = 0, None
    for crash_at in [*crashes, None]:
        journal = part.committed if part else []
        done_before = {e.key for e in index(journal).values() if "#" not in e.key and e.key and e.status != "cancelled"}
        part = runtime(world, part, crash_at)
        again = await play(flow, world, part)
        begun_again = {e.key for e in part.committed if e.status == RESET}
        assert not [
            path
            for path, _ in part.effects
            if path in done_before and not any(path.startswith((p + ".", p + "[")) for p in begun_again)
        ], "a finished step was done again"
        effects += part.effects
        if again is not None:
            break
        lost += 1
    assert part is not None
    assert again is status
    assert outcomes(part.committed) == outcomes(whole.committed)
    assert len(effects) - len(whole.effects) <= lost * AT_ONCE, "only attempts in flight at a crash may be made twice"
    assert set(effects) == set(whole.effects)
    assert part.state_ == whole.state_


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(flows(races=True), st.integers(0, 1_000), st.sampled_from([0.0, 0.3]), st.lists(st.integers(1, 12), max_size=4))
async def test_a_crash_may_change_who_wins_and_nothing_else(
    flow: Flow, seed: int, failing: float, crashes: list[int]
) -> None:
    world = World(seed, failing)
    part: VirtualRuntime | None = None
    effects: list[tuple[str, int]] = []
    lost, end = 0, None
    for crash_at in [*crashes, None]:
        before = index(part.committed) if part else {}
        part = runtime(world, part, crash_at)
        end = await play(flow, world, part)
        after = index(part.committed)
        reset = {entry.key for entry in part.committed if entry.status == RESET}
        for key, entry in before.items():
            if key.endswith("#join") and not _is_below(key, reset):
                assert after[key].value == entry.value, "a decision was changed"
            if "#" not in key and key and entry.status == "completed" and not _is_below(key, reset):
                assert after[key].status in ("completed", "cancelled"), "an outcome was changed"
                assert all(path != key for path, _ in part.effects), "a finished step was done again"
        effects += part.effects
        if end is not None:
            break
        lost += 1
    assert part is not None
    assert end is not None
    assert len(effects) - len(set(effects)) <= (lost + _attempts_of_blocks(part)) * AT_ONCE


def _is_below(key: str, paths: set[str]) -> bool:
    return any(key == path or key.startswith((path + ".", path + "[", path + "#")) for path in paths)


def _attempts_of_blocks(runtime: VirtualRuntime) -> int:
    return sum(entry.status == RESET for entry in runtime.committed)
