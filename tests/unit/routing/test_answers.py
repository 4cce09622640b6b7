"""The rules of a trigger and a flow, one after the other."""

from __future__ import annotations

from typing import Any

from reactor.language.expressions import compile_expression
from reactor.model.event import Event
from reactor.model.flow import Flow, TriggerSpec
from reactor.routing.answers import answers, values_of


def event(type_: str = "go", data: Any = None, **more: Any) -> Event:
    return Event(
        **{"key": 1, "id": "e", "type": type_, "source": "shop", "subject": None, "time": 0, "data": data, **more}
    )


def asked(flow: Flow, given: Event) -> list[tuple[str, str]]:
    found = answers(flow, flow.triggers[0], given, {"event": given.view(), "env": {}})
    return [(answer.rule, answer.result) for answer in found]


def made(kind: str = "event", config: Any = None, if_: str | None = None, **more: Any) -> Flow:
    spec = TriggerSpec(
        key="f/0", kind=kind, config=config or {"event": "go"}, if_=compile_expression(if_) if if_ else None
    )
    given: dict[str, Any] = {name: compile_expression(text) for name, text in more.items()}
    return Flow(name="f", source="", digest="", triggers=(spec,), **given)


def test_all_that_passed_and_the_first_that_did_not() -> None:
    flow = made(if_="event.data.a > 0", unless="event.data.c > 0")
    assert asked(flow, event(data={"a": 1, "c": 0})) == [
        ("type", "passed"),
        ("trigger.if", "passed"),
        ("unless", "passed"),
    ]
    assert asked(flow, event(data={"a": 0, "c": 0})) == [
        ("type", "passed"), ("trigger.if", "stopped"), ("unless", "not_asked"),
    ]  # fmt: skip
    assert asked(flow, event("other", {"a": 1})) == [
        ("type", "stopped"), ("trigger.if", "not_asked"), ("unless", "not_asked"),
    ]  # fmt: skip
    assert asked(flow, event(data=5))[1] == ("trigger.if", "error")


def test_sources_and_addresses() -> None:
    flow = made(config={"event": "go", "source": "bank/*"})
    assert asked(flow, event()) == [("type", "passed"), ("source", "stopped")]
    assert asked(flow, event(source="bank/7")) == [("type", "passed"), ("source", "passed")]
    assert asked(flow, event("other", to=("f/0",))) == [("address", "passed")]
    assert asked(made("webhook", {"": "/x"}), event()) == [("address", "stopped")]


def test_values_are_plain_and_short() -> None:
    scope = {"event": {"data": {"text": "x" * 999, "list": [1], "n": None}}}
    condition = compile_expression("event.data.text == event.data.n and event.data.list")
    assert values_of(condition, scope) == {"event.data.text": "x" * 200, "event.data.n": None}
