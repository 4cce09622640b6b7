"""Python flows do the same in memory and on the engine."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from reactor import ActionContext, Event, PermanentError, Reactor, Run, StepError

Play = Callable[[Callable[..., Any], Any], Awaitable[tuple[str, Any, str | None]]]


@pytest.fixture(params=["virtual", "engine"])
def play(request: pytest.FixtureRequest, tmp_path: Any) -> Play:
    """Runs a function as a flow: (status, output, kind of the error)."""

    async def played(function: Callable[..., Any], data: Any = None) -> tuple[str, Any, str | None]:
        app = Reactor(data=tmp_path / "data")
        flow = app.flow(on="thing.happened")(function)
        app.flow(name="twice")(twice)
        app.action("text.length", retry={"max": 2, "delay": "1ms"})(length)
        if request.param == "engine":
            end = await app.execute(flow, data)
            return end.status, end.output, end.error.kind if end.error else None
        mocks = {"twice": {"n": 14}} if function is calls else {}
        done = await app.test(flow, {"data": data}, mocks=mocks)
        return done.status, done.output, done.error.kind if done.error else None

    return played


BACK: list[Any] = []


async def length(ctx: ActionContext, text: str) -> int:
    """Fails once."""
    if ctx.attempt == 1:
        raise ConnectionError("no luck")
    return len(text)


async def twice(run: Run) -> Any:
    """A flow that is called."""
    return {"n": run.inputs["n"] * 2}


async def ok(value: Any = 1) -> Any:
    """A step."""
    return value


async def bad(kind: str) -> None:
    """A step that fails."""
    raise PermanentError(kind, "no")


async def steps(run: Run, event: Event[Any]) -> Any:
    """Steps one after another."""
    await run.sleep("1ms")
    return [await run.step("ok", ok, event.data), await run.step("length", "text.length", text="four")]


async def caught(run: Run) -> Any:
    """A failure that is caught."""
    try:
        await run.step("bad", bad, "mine")
    except StepError as error:
        return [error.kind, await run.step("ok", ok)]


async def uncaught(run: Run) -> Any:
    """A failure that is not."""
    await run.step("bad", bad, "mine")


async def wrong(run: Run) -> Any:
    """A bug."""
    return 1 / (len(run.flow) - len("wrong"))


async def calls(run: Run) -> Any:
    """Another flow."""
    return await run.call("twice", {"n": 7})


async def side_by_side(run: Run) -> Any:
    """Branches, rounds and a race."""

    async def each(mine: Run, item: int) -> int:
        return int(await mine.step("ok", ok, item * 2))

    async def slow(mine: Run) -> str:
        await mine.sleep("30s")
        return "slow"

    async def quick(mine: Run) -> str:
        return str(await mine.step("ok", ok, "quick"))

    return [
        await run.gather("both", a=quick, b=quick),
        await run.map("each", [1, 2, 3], each, max_parallel=2),
        await run.race("first", slow=slow, quick=quick),
    ]


async def undone(run: Run) -> Any:
    """What was done is undone, and tells so in the state."""

    async def back(output: int, ctx: ActionContext) -> None:
        BACK.append((output, ctx.step, ctx.attempt))

    BACK.clear()
    await run.step("ok", ok, undo=back)
    await run.step("bad", bad, "late")


async def remembers(run: Run) -> Any:
    """State, chance and time."""
    await run.state.add("count", 2)
    return [run.state.get("count"), run.uuid() != run.uuid(), 0 <= run.random() < 1, run.now().year > 2000]


async def timed_out(run: Run) -> Any:
    """An event that does not come."""
    await run.wait_for("never", timeout="5ms")


@pytest.mark.parametrize(
    ("function", "end"),
    [
        (steps, ("completed", [{"id": 7}, 4], None)),
        (caught, ("completed", ["mine", 1], None)),
        (uncaught, ("failed", None, "mine")),
        (wrong, ("failed", None, "bug")),
        (calls, ("completed", {"n": 14}, None)),
        (side_by_side, ("completed", [{"a": "quick", "b": "quick"}, [2, 4, 6], ["quick", "quick"]], None)),
        (undone, ("failed", None, "late")),
        (remembers, ("completed", [2, True, True, True], None)),
        (timed_out, ("failed", None, "timeout")),
    ],
)
async def test_both_do_the_same(play: Play, function: Any, end: Any) -> None:
    assert await play(function, {"id": 7}) == end
    if function is undone:
        assert BACK == [(1, "ok.undo", 1)]
