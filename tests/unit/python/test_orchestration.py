"""Side by side, loops, waits, people, state and undo in Python flows."""

from __future__ import annotations

from typing import Any

import pytest

from reactor import Event, Reactor, Run, StepError, Trial


async def tried(function: Any, **more: Any) -> Trial:
    """A function as the only flow of a program, run once."""
    app = Reactor()
    return await app.test(app.flow()(function), {"data": {"id": 7}}, **more)


async def send(word: str) -> str:
    """A step."""
    return f"sent {word}"


async def fail(word: str) -> str:
    """A step that fails."""
    raise ValueError(word)


async def test_branches_have_a_run_and_paths_of_their_own() -> None:
    async def branch(run: Run) -> str:
        await run.sleep("1h")
        return await run.step("send", send, "x")

    async def flow(run: Run) -> Any:
        return await run.gather("notify", sms=branch, mail=branch)

    done = await tried(flow)
    assert done.output == {"sms": "sent x", "mail": "sent x"}
    assert {"notify.branches.sms.send", "notify.branches.mail.sleep", "notify.branches.mail", "notify"} <= set(
        done.steps
    )
    assert done.seconds == 3600


async def test_the_first_failure_stops_the_others_and_they_are_undone() -> None:
    undone = []

    async def back(output: str) -> None:
        undone.append(output)

    async def good(run: Run) -> None:
        await run.step("send", send, "good", undo=back)
        await run.sleep("1d")

    async def bad(run: Run) -> None:
        await run.sleep("1h")
        await run.step("send", fail, "bad")

    async def flow(run: Run) -> Any:
        try:
            await run.gather("both", good=good, bad=bad)
        except StepError as error:
            return [error.kind, list(undone)]

    done = await tried(flow)
    assert (done.output, done.seconds) == (["ValueError", ["sent good"]], 3600)


async def test_the_first_of_a_race_wins() -> None:
    async def slow(run: Run) -> str:
        await run.sleep("1d")
        return "slow"

    async def quick(run: Run) -> str:
        await run.sleep("1m")
        return "quick"

    async def broken(run: Run) -> str:
        return await run.step("send", fail, "broken")

    async def flow(run: Run) -> Any:
        first = await run.race("first", slow=slow, quick=quick)
        good = await run.race("good", succeed=True, broken=broken, quick=quick)
        try:
            await run.race("any", slow=slow, broken=broken)
        except StepError as error:
            return [*first, *good, error.kind]

    done = await tried(flow)
    assert (done.output, done.seconds) == (["quick", "quick", "quick", "quick", "ValueError"], 120)


@pytest.mark.parametrize("side_by_side", [1, 3])
async def test_a_map_calls_once_for_each_item(side_by_side: int) -> None:
    async def each(run: Run, item: dict[str, int]) -> int:
        await run.sleep("1h")
        return len(await run.step("send", send, str(item["n"])))

    async def flow(run: Run) -> list[int]:
        return await run.map("each", [{"n": n} for n in (1, 10, 100)], each, max_parallel=side_by_side)

    done = await tried(flow)
    assert (done.output, done.seconds) == ([6, 7, 8], 3600 * 3 / side_by_side)
    assert "each[2].send" in done.steps


async def test_the_run_of_the_flow_is_not_for_branches() -> None:
    async def flow(run: Run) -> Any:
        async def branch(_mine: Run) -> None:
            await run.step("send", send, "x")

        await run.gather("both", one=branch)

    done = await tried(flow)
    assert done.error is not None
    assert "in a branch or loop use the `run` that its function is given" in done.error.message


async def test_waiting_for_events() -> None:
    async def flow(run: Run) -> Any:
        first = await run.wait_for("order.paid", match=lambda event: event.data["id"] == 7, timeout="2h")
        second = await run.wait_for("order.*", match="received.data.id == event.data.id")
        try:
            await run.wait_for("order.*", match=lambda event: event.data["id"] == 7, timeout="1d")
        except StepError as error:
            return [first.data["n"], second.data["n"], second.type, error.kind]

    events = [
        ("1m", {"type": "order.paid", "data": None}),
        ("2m", {"type": "order.paid", "data": {"id": 7, "n": 1}}),
        ("3m", {"type": "order.sent", "data": {"id": 7, "n": 2}}),
    ]
    done = await tried(flow, later=events)
    assert done.output == [1, 2, "order.sent", "timeout"]


async def test_an_event_is_taken_once_by_a_loop() -> None:
    async def flow(run: Run) -> list[int]:
        return [(await run.wait_for("ping")).data for _ in range(3)]

    events = [(f"{n}m", {"type": "ping", "data": n}) for n in (1, 2, 3)]
    assert (await tried(flow, later=events)).output == [1, 2, 3]


async def test_people_decide() -> None:
    async def flow(run: Run) -> Any:
        first = await run.approve("Ship it?", by=["ann"])
        second = await run.approve("Really?", timeout="1d", on_timeout="reject")
        try:
            await run.approve("Still there?", timeout="1d", name="last")
        except StepError as error:
            return [first.approved, first.by, second.approved, error.kind]

    done = await tried(flow, decisions={"approve": "approve"})
    assert done.output == [True, "somebody", False, "timeout"]


async def test_the_state_of_a_flow_is_shared_by_its_runs() -> None:
    async def flow(run: Run) -> Any:
        before = run.state.get("count", 0)
        after = await run.state.add("count")
        await run.state.set("last", {"id": 7}, name="keep")
        await run.state.delete("gone")
        return [before, after, run.state.get("last"), run.state.get("none", "nothing")]

    done = await tried(flow, state={"count": 4, "gone": 1})
    assert done.output == [4, 5, {"id": 7}, "nothing"]
    assert done.state == {"count": 5, "last": {"id": 7}}


async def test_what_was_done_is_undone_last_first() -> None:
    undone = []

    async def back(output: str) -> None:
        undone.append(output)
        if len(undone) == 1:
            raise ConnectionError("not yet")

    def plain_back() -> None:
        undone.append("plain")

    async def inner(run: Run, item: int) -> None:
        await run.step("send", send, str(item), undo=back)

    async def flow(run: Run, event: Event[Any]) -> None:
        await run.step("first", send, "first", undo=plain_back)
        await run.map("each", [1, 2], inner)
        await run.step("second", send, "second", undo=back)
        await run.step("third", fail, "third", undo=back)

    done = await tried(flow)
    assert done.error is not None
    assert (done.status, done.error.kind) == ("failed", "ValueError")
    assert undone == ["sent second", "sent second", "sent 2", "sent 1", "plain"]
    assert "second.undo" in done.steps


async def test_a_secret_output_stays_secret() -> None:
    async def token() -> str:
        return "hunter2-token"

    async def use(token: str) -> str:
        assert token == "hunter2-token"
        return f"used {token}"

    async def flow(run: Run) -> Any:
        made = await run.step("token", token, secret_output=True)
        return await run.step("use", use, made)

    assert (await tried(flow)).output == "used ***"
