"""Random Python flows × random crashes × random outcomes: the same end as a run that was never interrupted."""

from __future__ import annotations

from typing import Any, cast

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reactor import PermanentError, Run, StepError
from reactor.model.flow import Flow
from reactor.model.journal import ActionCall, Entry, Outcome
from reactor.model.states import RunStatus
from reactor.python.functions import Arguments
from reactor.python.values import RetryOptions
from reactor.runtime.code import CodeBody
from reactor.runtime.virtual import Crash, VirtualRuntime
from tests.property.test_crashes import World, outcomes

_REASONS = ("nondeterminism", "bug")
Plan = list[dict[str, Any]]


async def _never(path: str) -> Any:
    raise AssertionError("functions are mocked here")


class _World(World):
    def act(self, path: str, call: ActionCall, params: Any) -> Outcome:
        assert isinstance(params, Arguments)
        return super().act(path, call, type("P", (), {"x": 0})())


one = st.fixed_dictionaries(
    {
        "kind": st.sampled_from(["step", "step", "step", "read", "sleep", "emit", "call", "now", "fail"]),
        "retry": st.none() | st.integers(1, 3),
        "deadline": st.none() | st.just("150ms"),
        "catch": st.booleans(),
        "finally": st.booleans(),
        "chance": st.integers(0, 9).map(lambda number: number == 0),
        "undo": st.booleans(),
        "seconds": st.sampled_from([0, 0.01, 1, 3600]),
    }
)
flat = st.lists(one, min_size=1, max_size=3)
several = st.fixed_dictionaries(
    {
        "kind": st.sampled_from(["gather", "map", "race"]),
        "inner": flat,
        "other": flat,
        "max_parallel": st.integers(1, 2),
        "fail_fast": st.booleans(),
        "catch": st.booleans(),
        "finally": st.booleans(),
        "chance": st.just(value=False),
    }
)
plans = st.lists(one | several, min_size=1, max_size=5)


async def follow(run: Run, plan: Plan, prefix: str = "s") -> list[Any]:
    """A flow that does what the plan says, and takes other ways by what it gets."""
    seen: list[Any] = []
    for number, what in enumerate(plan):
        name = f"{prefix}{number}"
        if what["chance"] and run.random() < 0.5:
            continue
        try:
            seen.append(await _ask(run, name, what))
        except StepError as error:
            seen.append(error.kind)
            if not what["catch"]:
                raise
        finally:
            if what["finally"]:
                seen.append(await run.step(f"{name}-after", _never, name, retry=1))
    return seen


async def _ask(run: Run, name: str, what: dict[str, Any]) -> Any:
    kind = what["kind"]
    if kind in ("step", "read"):
        effect = "write" if kind == "step" else "read"
        options = {"max": what["retry"], "delay": "100ms", "jitter": 0} if what["retry"] else None
        return await run.step(
            name,
            _never,
            name,
            retry=cast("RetryOptions | None", options),
            deadline=what["deadline"],
            effect=effect,
            undo=_back if what["undo"] else None,
        )
    if kind in ("gather", "race"):
        return await _side_by_side(run, name, what)
    if kind == "map":
        return await run.map(
            name, [1, 2, 3], lambda mine, _item: follow(mine, what["inner"], "m"), max_parallel=what["max_parallel"]
        )
    if kind == "sleep":
        return await run.sleep(what["seconds"], name=name)
    if kind == "emit":
        return await run.emit("done", name, name=name)
    if kind == "call":
        return await run.call(name, {"a": 1}, name=name)
    if kind == "now":
        return len(run.uuid()) + run.now().year
    raise PermanentError("mine", "on purpose")


async def _side_by_side(run: Run, name: str, what: dict[str, Any]) -> Any:
    branches: dict[str, Any] = {
        "a": lambda mine: follow(mine, what["inner"], "a"),
        "b": lambda mine: follow(mine, what["other"], "b"),
    }
    if what["kind"] == "race":
        return await run.race(name, **branches)
    return await run.gather(name, fail_fast=what["fail_fast"], max_parallel=what["max_parallel"], **branches)


async def _back(_output: Any) -> None:
    raise AssertionError("functions are mocked here")


def flow_of(plan: Plan) -> Flow:
    """A flow with code in it."""

    async def code(place: Any) -> Any:
        return await follow(Run(place), plan)

    body = CodeBody(code)
    return Flow(name="f", source="", digest="", steps=body, code=body)


def runtime(world: World, journal: list[Entry], clock: Any = None, crash_at: int | None = None) -> VirtualRuntime:
    """A runtime that goes on from a journal."""
    return VirtualRuntime(
        actions={}, journal=journal, clock=clock, mock=world.act, child=world.child, crash_at=crash_at
    )


async def play(flow: Flow, runtime: VirtualRuntime) -> tuple[RunStatus, str | None] | None:
    """Play until the end or the crash (None)."""
    try:
        end = await runtime.play(flow)
    except Crash:
        return None
    return end.status, end.error.kind if end.error else None


def _by_chance(plan: Plan) -> bool:
    """Whether a crash may change what is done: by other random numbers, or by who fails first side by side."""
    return any(
        what["chance"]
        or what["kind"] in ("now", "race")
        or what.get("max_parallel", 1) > 1
        or _by_chance([*what.get("inner", ()), *what.get("other", ())])
        for what in plan
    )


@settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(plans, st.integers(0, 1_000), st.sampled_from([0.0, 0.3, 0.7]), st.lists(st.integers(1, 12), max_size=4))
async def test_a_crashed_run_of_code_ends_as_an_uninterrupted_one(
    plan: Plan, seed: int, failing: float, crashes: list[int]
) -> None:
    flow, world = flow_of(plan), _World(seed, failing)
    whole = runtime(world, [])
    end = await play(flow, whole)
    assert end is not None
    assert end[1] not in _REASONS

    journal: list[Entry] = []
    clock, effects, lost, again = None, [], 0, None
    for crash_at in [*crashes, None]:
        part = runtime(world, journal, clock, crash_at)
        done_before = {e.key for e in journal if "#" not in e.key and e.key}
        again = await play(flow, part)
        assert not [path for path, _ in part.effects if path in done_before], "a finished step was done again"
        effects += part.effects
        journal, clock = part.committed, part.clock
        if again is not None:
            break
        lost += 1
    assert again is not None
    assert again[1] not in _REASONS
    if not _by_chance(plan):
        assert again == end
        assert outcomes(journal) == outcomes(whole.committed)
        assert len(effects) - len(set(effects)) <= lost, "only the attempt in flight at a crash may be made twice"
        assert set(effects) == set(whole.effects)
