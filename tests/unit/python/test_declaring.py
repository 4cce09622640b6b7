"""`@app.flow` and `@app.action`: what they become, and what is refused."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from reactor import ActionContext, Event, PythonFlow, Reactor, Run
from reactor.app import catalog_of
from reactor.language.loader import load
from reactor.model.errors import InvalidError
from reactor.model.flow import Flow
from reactor.runtime.code import interpreter
from reactor.runtime.virtual import VirtualRuntime
from reactor.sdk import Effect

RUN = {"id": "run_1", "started_at": "", "version": 1}
VIEW: dict[str, Any] = {
    "id": "e",
    "type": "a.b",
    "source": "",
    "subject": None,
    "time": "2026-01-01T00:00:00Z",
    "metadata": {},
}


class Line(msgspec.Struct):
    """One line of an order."""

    sku: str
    count: int = 1


class Inputs(msgspec.Struct):
    """What is ordered."""

    lines: list[Line]
    note: str | None = None


async def plain(run: Run) -> None:
    """Does nothing.

    And says so.
    """


def loaded(app: Reactor) -> list[Flow]:
    """The flows of a program."""
    return app.flows(catalog_of(app)[0])


def test_options_are_the_keys_of_a_flow() -> None:
    app = Reactor()
    made = app.flow(
        on=["order.created", {"schedule": "0 8 * * *"}],
        if_="event.data.total > 100",
        unless="event.data.test",
        timeout="1d",
        labels={"team": "sales"},
        dedupe={"key": "event.data.id", "for": "1h"},
        on_failure=[{"action": "log.error", "message": "it failed"}],
    )(plain)
    (flow,) = loaded(app)
    assert isinstance(made, PythonFlow)
    assert (flow.name, flow.description, flow.timeout, flow.labels) == (
        "plain",
        "Does nothing.",
        86_400_000,
        {"team": "sales"},
    )
    assert [(t.kind, t.key) for t in flow.triggers] == [("event", "plain/0"), ("schedule", "plain/1")]
    assert flow.if_ is not None
    assert flow.if_.source == "event.data.total > 100"
    assert [step.name for step in flow.on_failure] != []
    assert flow.file == f"python:{__name__}:plain"
    assert 'if: "event.data.total > 100"' in flow.source
    assert "async def plain(run: Run)" in flow.source


def test_every_option_is_checked_as_in_yaml_all_at_once() -> None:
    app = Reactor()
    app.flow(on={"shedule": "* * * * *"}, if_="event.dta.total > 1", name="one")(plain)
    app.flow(timeout="soon", name="two")(plain)
    with pytest.raises(InvalidError) as caught:
        loaded(app)
    lines = caught.value.message.splitlines()
    assert [line.partition(":")[0] for line in lines] == [
        f"flow 'one' ({__name__}",
        f"flow 'one' ({__name__}",
        f"flow 'two' ({__name__}",
    ]
    assert "option on: " in lines[0]
    assert "option if_: `event` has no `dta`" in lines[1]
    assert "option timeout: " in lines[2]


def test_a_version_is_the_code_and_the_options() -> None:
    def version(function: Any, **options: Any) -> str:
        app = Reactor()
        app.flow(name="f", **options)(function)
        return loaded(app)[0].digest

    async def other(run: Run) -> None:
        """Another."""

    assert version(plain) == version(plain)
    assert len({version(plain), version(other), version(plain, if_="true"), version(plain, on="a.b")}) == 4


@pytest.mark.parametrize(
    "options",
    [
        {"concurrency": 1},
        {"concurrency": {"limit": 1, "key": "event.data.id"}},
        {"singleton": "event.data.id"},
        {"batch": {"size": 3, "for": "1s"}},
        {"throttle": {"max": 1, "per": "1m"}},
        {"rate_limit": {"max": 1, "per": "1m"}},
        {"debounce": {"for": "5s"}},
        {"hold": {"over": 3, "per": "1m"}},
        {"priority": "event.data.rank"},
    ],
)
def test_flow_control_is_that_of_yaml(options: dict[str, Any]) -> None:
    app = Reactor()
    app.flow(on="a.b", **options)(plain)
    (flow,) = loaded(app)
    assert flow.control is not None
    assert getattr(flow.control, next(iter(options))) is not None


async def test_a_batch_has_all_its_events() -> None:
    async def count(run: Run) -> list[int]:
        return [event.data for event in run.events]

    app = Reactor()
    made = app.flow(on="a.b", batch={"size": 2, "for": "1s"})(count)
    (flow,) = loaded(app)
    assert (await app.test(made, {"data": 1})).output == [1]
    views = [{**VIEW, "data": number} for number in (1, 2)]
    running = interpreter(flow, VirtualRuntime(actions={}), event=views[0], events=views, run=RUN)
    assert (await running.run()).output == [1, 2]


def test_code_without_text_has_a_version_too() -> None:
    def of(text: str) -> Flow:
        names: dict[str, Any] = {"__name__": "typed"}
        exec(text, names)
        app = Reactor()
        app.flow()(names["f"])
        return loaded(app)[0]

    assert of("async def f(run): return 1").digest == of("async def f(run): return 1").digest
    assert of("async def f(run): return 1").digest != of("async def f(run): return 2").digest
    assert "the text of typed.f is not here" in of("async def f(run): pass").source


async def test_inputs_have_the_schema_of_their_type() -> None:
    app = Reactor()

    @app.flow()
    async def order(run: Run, event: Event[Any] | None, inputs: Inputs) -> int:
        assert run.inputs["lines"]
        return sum(line.count for line in inputs.lines)

    (flow,) = loaded(app)
    assert flow.inputs is not None
    assert set(flow.inputs["properties"]) == {"lines", "note"}
    assert (await app.test(order, inputs={"lines": [{"sku": "a"}, {"sku": "b", "count": 4}]})).output == 5
    assert (await app.test(order, inputs=Inputs(lines=[]))).status == "failed"
    with pytest.raises(InvalidError, match="lines"):
        await app.test(order, inputs={"lines": [{"count": 1}]})


def _sync(run: Run) -> None:
    del run


async def _nothing() -> None:
    return


async def _strange(run: Run, order: dict[str, Any]) -> None:
    del run, order


@pytest.mark.parametrize(
    ("function", "told"),
    [
        (_sync, "is no `async def` function"),
        (_nothing, "takes no run; write `async def _nothing(run: Run, event: Event)`"),
        (_strange, "takes order; a flow takes run and, if wanted, event and inputs"),
    ],
)
def test_a_function_that_cannot_be_a_flow_is_refused(function: Any, told: str) -> None:
    with pytest.raises(InvalidError, match=told.replace("(", r"\(").replace(")", r"\)")):
        Reactor().flow()(function)


def test_a_name_is_given_once() -> None:
    app = Reactor()
    app.flow()(plain)
    with pytest.raises(InvalidError, match="flow 'plain' is declared twice"):
        app.flow()(plain)
    other = Reactor()
    other.flow()(plain)
    with pytest.raises(InvalidError, match="flow 'plain' is declared twice"):
        app.include(other)


async def test_programs_can_be_put_together() -> None:
    app, other = Reactor(), Reactor()
    made = other.flow()(plain)
    app.include(other)
    assert (await app.test(made)).status == "completed"


# --- actions ---


def _locating(app: Reactor) -> Any:
    @app.action("geo.lookup", effect="read", retry={"max": 5, "delay": "2s"}, timeout="10s")
    async def lookup(ctx: ActionContext, ip: str, deep: bool = False, tags: list[str] = []) -> dict[str, Any]:  # noqa: B006
        """Where an address is."""
        return {"ip": ip, "deep": deep, "tags": tags, "step": ctx.step}

    return lookup


def test_an_action_has_the_parameters_of_its_function() -> None:
    app = Reactor()
    _locating(app)
    action = catalog_of(app)[0].actions["geo.lookup"]
    assert (action.doc, action.effect, action.timeout) == ("Where an address is.", Effect.READ, 10_000)
    assert action.retry is not None
    assert (action.retry.max, action.retry.delay) == (5, 2_000)
    assert [field.name for field in msgspec.structs.fields(action.params)] == ["ip", "deep", "tags"]


def test_yaml_may_call_it_and_is_checked_against_its_types() -> None:
    app = Reactor()
    _locating(app)
    catalog = catalog_of(app)[0]
    good = load("name: a\nsteps:\n  - action: geo.lookup\n    ip: 1.2.3.4\n", catalog=catalog)
    assert good.problems == []
    bad = load("name: a\nsteps:\n  - action: geo.lookup\n    ip: [1]\n    depe: true\n", catalog=catalog)
    told = [str(problem) for problem in bad.problems]
    assert len(told) == 2
    assert "4:" in told[0]
    assert "did you mean `deep`" in told[1]


async def test_a_pure_action_is_a_plain_function() -> None:
    app = Reactor()

    @app.action("text.shout", effect="pure")
    def shout(_ctx: ActionContext, text: str) -> str:
        return text.upper()

    @app.flow()
    async def loud(run: Run) -> Any:
        return await run.step("shout", shout, "hi")

    assert (await app.test(loud)).output == "HI"
    assert not catalog_of(app)[0].actions["text.shout"].is_async


async def _no_context() -> None:
    return


async def _many(ctx: ActionContext, *ips: str) -> None:
    del ctx, ips


async def _object(ctx: ActionContext, app: Reactor) -> None:
    del ctx, app


@pytest.mark.parametrize(
    ("name", "function", "options", "told"),
    [
        ("geo.lookup", _no_context, {}, "takes no context"),
        ("geo.lookup", _many, {}, "has no name that a step could give"),
        ("geo.lookup", _object, {}, "is none that YAML can give"),
        ("lookup", _no_context, {}, "cannot be named 'lookup'"),
        ("geo.lookup", plain, {"effect": "none"}, "effect is pure, read or write, not 'none'"),
        ("geo.lookup", plain, {"timeout": "soon"}, "'soon' is not a duration"),
    ],
)
def test_a_function_that_cannot_be_an_action_is_refused(name: str, function: Any, options: Any, told: str) -> None:
    with pytest.raises(InvalidError, match=told):
        Reactor().action(name, **options)(function)


def test_an_action_of_another_connector_is_not_replaced() -> None:
    app = Reactor()

    async def info(ctx: ActionContext) -> None:
        del ctx

    app.action("log.info")(info)
    with pytest.raises(InvalidError, match=r"log\.info is there already"):
        catalog_of(app)
    with pytest.raises(InvalidError, match="declared twice"):
        app.action("log.info")(info)
