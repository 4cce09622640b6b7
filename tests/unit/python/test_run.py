"""What the code of a flow can do: each step once, errors that can be caught, misuse that is told."""

from __future__ import annotations

import asyncio
import dataclasses
import datetime as dt
import threading
from typing import Any

import msgspec
import pytest

from reactor import ActionContext, Event, PermanentError, Reactor, Run, StepError, Trial
from reactor.runtime.virtual import VirtualRuntime


class Receipt(msgspec.Struct):
    """What a charge gives."""

    id: str
    at: dt.datetime


@dataclasses.dataclass
class Order:
    """What is charged."""

    id: int
    total: float


async def one() -> int:
    """A step."""
    return 1


async def tried(function: Any, event: Any = None, **more: Any) -> Trial:
    """A function as the only flow of a program, run once."""
    app = Reactor()
    return await app.test(app.flow(on="thing.happened")(function), event or {"data": {"id": 7}}, **more)


async def test_a_step_gives_its_output_as_the_type_that_it_names() -> None:
    made = Receipt("r-7", dt.datetime(2026, 1, 1, tzinfo=dt.UTC))

    async def charge(order: Order) -> Receipt:
        assert order == Order(7, 2.5)
        return made

    async def flow(run: Run, event: Event[Any]) -> Any:
        receipt = await run.step("charge", charge, Order(event.data["id"], 2.5))
        assert receipt == made
        return receipt

    done = await tried(flow)
    assert (done.status, done.output) == ("completed", {"id": "r-7", "at": "2026-01-01T00:00:00Z"})


async def test_the_data_of_the_event_can_have_a_type() -> None:
    async def flow(run: Run, event: Event[Order]) -> float:
        return event.data.total + (run.event.data.total if run.event else 0)

    assert (await tried(flow, {"data": {"id": 7, "total": 2.5}})).output == 5.0
    wrong = await tried(flow, {"data": {"id": 7}})
    assert wrong.error is not None
    assert (wrong.error.kind, "missing required field `total`" in wrong.error.message) == ("input", True)


async def test_attempts_know_their_number_and_key() -> None:
    seen = []

    async def flaky(word: str, ctx: ActionContext) -> str:
        seen.append((ctx.attempt, ctx.idempotency_key))
        if ctx.attempt < 3:
            raise ConnectionError("no luck")
        return word

    async def flow(run: Run) -> str:
        return await run.step(
            "flaky", flaky, "hello", retry={"max": 3, "delay": "10m", "jitter": 0, "backoff": "fixed"}
        )

    done = await tried(flow)
    assert (done.output, done.seconds) == ("hello", 1200)
    assert seen == [(1, "test:flaky"), (2, "test:flaky"), (3, "test:flaky")]


async def test_a_failure_can_be_caught_and_keeps_its_kind() -> None:
    async def refuse() -> None:
        raise PermanentError("card.refused", "no money", data={"left": 3})

    async def flow(run: Run) -> Any:
        try:
            await run.step("charge", refuse, retry=1)
        except StepError as error:
            return [error.kind, error.message, error.data]

    done = await tried(flow)
    assert (done.status, done.output) == ("completed", ["card.refused", "no money", {"left": 3}])
    assert done.errors["charge"].step == "charge"


async def test_a_failure_that_nobody_catches_is_the_runs() -> None:
    async def broken(_word: str) -> None:
        raise KeyError("nothing there")

    async def flow(run: Run) -> None:
        await run.step("read", broken, "x")

    done = await tried(flow)
    assert done.error is not None
    assert (done.status, done.error.kind, done.error.step) == ("failed", "KeyError", "read")
    assert "broken raised KeyError: 'nothing there'" in done.error.message


async def test_the_flow_fails_as_it_says_and_as_it_raises() -> None:
    async def on_purpose(run: Run) -> None:
        run.fail("order.refused", "too expensive", {"total": 3})

    async def by_mistake(run: Run) -> None:
        raise ZeroDivisionError(f"in {run.flow}")

    refused = (await tried(on_purpose)).error
    assert refused is not None
    assert (refused.kind, refused.message, refused.data) == ("order.refused", "too expensive", {"total": 3})
    bug = (await tried(by_mistake)).error
    assert bug is not None
    assert bug.kind == "bug"
    assert "ZeroDivisionError: in by-mistake (test_run.py:" in bug.message


async def test_a_plain_function_may_block_in_a_thread() -> None:
    def where() -> bool:
        return threading.current_thread() is threading.main_thread()

    async def flow(run: Run) -> bool:
        return await run.step("where", where)

    assert (await tried(flow)).output is False


async def test_time_chance_and_sleep_are_the_runs_own() -> None:
    async def flow(run: Run) -> Any:
        first, before = run.uuid(), run.now()
        await run.sleep("3d")
        await run.sleep(dt.timedelta(hours=1))
        await run.wait_until(run.now() + dt.timedelta(hours=1), name="a-bit")
        return [first != run.uuid(), 0 <= run.random() < 1, (run.now() - before).total_seconds()]

    done = await tried(flow)
    assert done.output == [True, True, 3 * 86_400 + 7200]
    assert done.steps == ["sleep", "sleep-2", "a-bit"]


async def test_events_and_other_flows() -> None:
    async def flow(run: Run) -> Any:
        sent = await run.emit("order.done", {"n": 1}, subject="7")
        return [sent, await run.call("invoice", {"n": 1})]

    done = await tried(flow, mocks={"invoice": lambda n: {"invoice": n}})
    assert done.output == ["evt_test.emit", {"invoice": 1}]
    assert done.emitted == [{"type": "order.done", "data": {"n": 1}, "subject": "7"}]


async def test_an_action_by_name_and_the_secrets_in_it_are_masked() -> None:
    app = Reactor()
    seen = []

    @app.action("door.open", retry=2)
    async def door(ctx: ActionContext, code: str, floor: int = 0) -> str:
        seen.append((code, floor, ctx.attempt))
        if ctx.attempt == 1:
            raise ValueError(f"{code} is wrong")
        return f"opened with {code}"

    async def knock(code: Any, times: list[Any]) -> list[Any]:
        return [code, times]

    @app.flow()
    async def visit(run: Run) -> Any:
        first = await run.step("by-name", "door.open", code=run.secret("code"), floor="3")
        second = await run.step("by-function", door, run.secret("code"))
        return [first, second, await run.step("knock", knock, run.secret("code"), times=[1, run.secret("code")])]

    catalog_flow = app.flows(_catalog(app))[0]
    runtime = VirtualRuntime(actions=_catalog(app).actions)
    end = await runtime.play(catalog_flow, secret={"code": "hunter2"}.get)
    assert end.output == ["opened with ***", "opened with ***", ["***", [1, "***"]]]
    assert seen == [("hunter2", 3, 1), ("hunter2", 3, 2), ("hunter2", 0, 1), ("hunter2", 0, 2)]
    assert "hunter2" not in repr(runtime.committed)
    started = next(entry for entry in runtime.committed if entry.key == "knock#started")
    assert started.value == {"code": "***", "times": [1, "***"]}


async def test_arguments_that_are_no_data_are_passed_as_they_are() -> None:
    class Client:
        async def get(self) -> int:
            return 5

    async def ask(client: Client, word: str) -> int:
        return await client.get() + len(word)

    async def flow(run: Run) -> int:
        return await run.step("ask", ask, Client(), word="ab") + await run.step("method", Client().get)

    app = Reactor()
    made = app.flow()(flow).load(_catalog(app))
    runtime = VirtualRuntime(actions={})
    assert (await runtime.play(made)).output == 12
    started = next(entry for entry in runtime.committed if entry.key == "ask#started")
    assert started.value["word"] == "ab"
    assert started.value["client"].endswith("Client>")


async def _sleeps(_run: Run) -> None:
    await asyncio.sleep(0.01)


async def _gathers(run: Run) -> None:
    await asyncio.gather(run.sleep(1), run.sleep(2))


async def _task(run: Run) -> None:
    await asyncio.ensure_future(run.sleep(1))


async def _twice(run: Run) -> None:
    for _ in range(2):
        await run.step("poll", one)


async def _name(run: Run) -> None:
    await run.step("a b", one)


async def _no_function(run: Run) -> None:
    await run.step("a", 5)  # type: ignore[call-overload]


async def _builtin(run: Run) -> None:
    await run.step("a", str, 5)


async def _by_position(run: Run) -> None:
    await run.step("a", "http.request", "http://x")  # type: ignore[call-overload]


async def _delivery(run: Run) -> None:
    await run.step("a", one, delivery="maybe")


async def _naive(run: Run) -> None:
    await run.wait_until(dt.datetime(2026, 1, 1))


async def _stubborn(_run: Run) -> None:
    while True:
        try:
            await asyncio.sleep(0.01)
        except StepError:
            continue


@pytest.mark.parametrize(
    ("function", "told"),
    [
        (_sleeps, "the code of the flow waits for something that is no step (line"),
        (_gathers, "steps side by side are run.gather"),
        (_task, "steps side by side are run.gather"),
        (
            _twice,
            "there is a step 'poll' already at this place of the run; each needs a name of its own: in a loop use",
        ),
        (_name, "a step cannot be named 'a b'"),
        (_builtin, "cannot be read, wrap it in a function of yours"),
        (_no_function, "run.step calls a function or an action, not a int"),
        (_by_position, "the parameters of action 'http.request' are given by name"),
        (_delivery, "delivery is at_least_once or at_most_once, not 'maybe'"),
        (_naive, "knows its time zone"),
        (_stubborn, "the code of the flow waits for something that is no step"),
    ],
)
async def test_misuse_is_told(function: Any, told: str) -> None:
    done = await tried(function)
    assert done.error is not None
    assert done.error.kind == "bug"
    assert told in done.error.message


async def _too_few(run: Run) -> None:
    await run.step("a", tried)


async def _no_duration(run: Run) -> None:
    await run.sleep("soon")


async def _retry(run: Run) -> None:
    await run.step("a", one, retry={"maximum": 3})  # type: ignore[call-overload]


async def _never_tried(run: Run) -> None:
    await run.step("a", one, retry=0)


@pytest.mark.parametrize(
    ("function", "told"),
    [
        (_too_few, "missing a required argument: 'function'"),
        (_no_duration, "'soon' is not a duration"),
        (_retry, "maximum"),
        (_never_tried, "max is 1 or more"),
    ],
)
async def test_arguments_that_do_not_fit_are_told(function: Any, told: str) -> None:
    done = await tried(function)
    assert done.error is not None
    assert done.error.kind == "input"
    assert told in done.error.message


async def test_an_output_that_is_no_data_fails_the_step() -> None:
    async def thing() -> object:
        return object()

    async def number() -> Receipt:
        return 5  # type: ignore[return-value]

    async def flow(run: Run) -> Any:
        kinds = []
        for name, function in (("thing", thing), ("number", number)):
            try:
                await run.step(name, function)
            except StepError as error:
                kinds.append(error.kind)
        return kinds

    assert (await tried(flow)).output == ["output", "output"]


async def test_mocks_stand_for_steps_actions_and_functions() -> None:
    async def charge(total: int) -> str:
        raise AssertionError(total)

    async def flow(run: Run) -> Any:
        first = await run.step("first", charge, 1)
        try:
            await run.step("second", charge, 2)
        except StepError as error:
            return [first, error.kind, await run.step("third", charge, 3)]

    done = await tried(flow, mocks={"first": "one", "second": OSError("gone"), "charge": lambda total: f"m{total}"})
    assert done.output == ["one", "OSError", "m3"]
    with pytest.raises(Exception, match="no step asked for the mocks forth"):
        await tried(flow, mocks={"charge": "x", "second": OSError(), "forth": 1})


async def test_the_trace_is_kept_for_a_step_that_was_not_reached() -> None:
    async def flow(run: Run) -> None:
        await run.step("a", one)
        run.fail("mine", "stop")

    done = await tried(flow)
    assert (done.steps, done.outputs) == (["a"], {"a": 1})


def _catalog(app: Reactor) -> Any:
    from reactor.app import catalog_of

    return catalog_of(app)[0]
