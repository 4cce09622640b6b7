"""Random flows × random crashes × random outcomes: the same final journal as a run that was never interrupted."""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reactor.model.errors import ErrorInfo
from reactor.model.flow import (
    ActionStep,
    BlockStep,
    CallStep,
    EmitStep,
    FailStep,
    Flow,
    Retry,
    ReturnStep,
    SetStep,
    Step,
    WaitStep,
)
from reactor.model.journal import ActionCall, Entry, FlowCall, Outcome
from reactor.model.states import RunStatus
from reactor.runtime.virtual import Crash, VirtualRuntime
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


durations = st.sampled_from([0, 10, 1_000, 3_600_000])
retries = st.none() | st.builds(
    lambda times, backoff: Retry(max=times, backoff=backoff, delay=100, jitter=0.0),
    st.integers(1, 3),
    st.sampled_from(["fixed", "linear", "exponential"]),
)


@st.composite
def lists(draw: st.DrawFn, depth: int = 2, least: int = 1, prefix: str = "s") -> tuple[Step, ...]:
    """A list of steps with handlers, blocks, retries and timers."""
    return tuple(draw(step(depth, f"{prefix}{n}")) for n in range(draw(st.integers(least, 3))))


@st.composite
def step(draw: st.DrawFn, depth: int, name: str) -> Step:
    """One step of any kind."""
    common: dict[str, Any] = {"name": name, "continue_on_error": draw(st.booleans())}
    if draw(st.integers(0, 5)) == 0:
        common["if_"] = Given(lambda scope: len(scope["vars"]) % 2 == 0)
    if depth > 0 and draw(st.integers(0, 3)) == 0:
        common["on_error"] = draw(lists(depth - 1, prefix="h"))
    if depth > 0 and draw(st.integers(0, 3)) == 0:
        common["finally_"] = draw(lists(depth - 1, prefix="f"))
    kind = draw(st.sampled_from(["act", "act", "act", "set", "wait", "emit", "call", "block", "return", "fail"]))
    if kind == "act":
        common |= {"retry": draw(retries), "deadline": draw(st.none() | st.just(150))}
        return ActionStep(
            action=draw(st.sampled_from(sorted(ACTIONS))), params=plain({"x": draw(st.integers(0, 9))}), **common
        )
    if kind == "set":
        return SetStep(values=Given(lambda scope: {name: len(scope["vars"])}), **common)
    if kind == "wait":
        return WaitStep(for_=draw(durations), **common)
    if kind == "emit":
        return EmitStep(event=plain({"type": "done", "data": name}), **common)
    if kind == "call":
        return CallStep(flow=name, params=plain({"a": 1}), **common)
    if kind == "block" and depth > 0:
        limit = draw(st.none() | st.sampled_from([50, 2_000]))
        return BlockStep(steps=draw(lists(depth - 1, prefix=name + "b")), timeout=limit, **common)
    if kind == "return" and draw(st.booleans()):
        return ReturnStep(value=Given(lambda scope: dict(scope["vars"])), **common)
    return FailStep(error=plain({"kind": "mine", "message": "on purpose"}), **common)


@st.composite
def flows(draw: st.DrawFn) -> Flow:
    """A flow."""
    return Flow(
        name="f",
        source="",
        digest="",
        steps=draw(lists()),
        on_failure=draw(st.just(()) | lists(1, prefix="of")),
        timeout=draw(st.none() | st.sampled_from([500, 10_000_000])),
    )


def outcomes(journal: list[Entry]) -> dict[str, Any]:
    """What the journal says in the end of every step; times and attempts' bookkeeping left out."""
    known = {}
    for entry in journal:
        if "#" not in entry.key or entry.key.endswith("#set"):
            known[entry.key] = (entry.status, entry.value, entry.error.kind if entry.error else None)
    return known


async def play(flow: Flow, world: World, runtime: VirtualRuntime) -> RunStatus | None:
    """Play until the end or the crash (None)."""
    try:
        return (await runtime.play(flow)).status
    except Crash:
        return None


def runtime(world: World, journal: list[Entry] = [], clock: Any = None, crash_at: int | None = None) -> VirtualRuntime:  # noqa: B006
    """A runtime that goes on from a journal."""
    return VirtualRuntime(
        actions=ACTIONS, journal=journal, clock=clock, mock=world.act, child=world.child, crash_at=crash_at
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

    journal: list[Entry] = []
    clock, effects, lost, again = None, [], 0, None
    for crash_at in [*crashes, None]:
        part = runtime(world, journal, clock, crash_at)
        done_before = {e.key for e in journal if "#" not in e.key and e.key}
        again = await play(flow, world, part)
        assert not [path for path, _ in part.effects if path in done_before], "a finished step was done again"
        effects += part.effects
        journal, clock = part.committed, part.clock
        if again is not None:
            break
        lost += 1
    assert again is status
    assert outcomes(journal) == outcomes(whole.committed)
    assert len(effects) - len(set(effects)) <= lost, "only the attempt in flight at a crash may be made twice"
    assert set(effects) == set(whole.effects)
