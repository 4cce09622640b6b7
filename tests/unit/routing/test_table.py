"""The route table: every way to match, every reason not to."""

from __future__ import annotations

from typing import Any

import pytest

from reactor.model.errors import PermanentError
from reactor.model.event import Event
from reactor.model.flow import Flow, TriggerSpec
from reactor.routing.table import NonMatch, RouteTable
from tests.property.values import Given


def flow(name: str, *patterns: str, **more: Any) -> Flow:
    """A flow with one `event` trigger a pattern."""
    own = more.pop("trigger", {})
    triggers = tuple(
        TriggerSpec(key=f"{name}/{n}", kind="event", config={"event": p, **more.pop("config", {})}, **own)
        for n, p in enumerate(patterns)
    )
    return Flow(name=name, source="", digest="", triggers=triggers, **more)


def event(type_: str, **more: Any) -> Event:
    """An event."""
    fields: dict[str, Any] = {"key": 1, "id": "e", "source": "", "subject": None, "time": 0, "data": None}
    return Event(type=type_, **(fields | more))


def started(table: RouteTable, one: Event) -> list[str]:
    """Names of the flows that start."""
    return [match.flow.name for match in table.match(one)[0]]


@pytest.mark.parametrize(
    ("pattern", "type_", "fits"),
    [
        ("a.b", "a.b", True),
        ("a.b", "a.b.c", False),
        ("a.*", "a.b", True),
        ("a.*", "a", False),
        ("a.*", "a.b.c", False),
        ("*.b", "a.b", True),
        ("a.**", "a.b.c.d", True),
        ("a.**", "a", True),
        ("**", "anything.at.all", True),
        ("**.z", "a.b.z", True),
        ("**.z", "z", True),
        ("a.**.z", "a.z", True),
        ("a.**.z", "a.b.c.z", True),
        ("a.**.z", "a.b.c", False),
        ("a.*.c", "a.b.c", True),
    ],
)
def test_patterns(pattern: str, type_: str, fits: bool) -> None:
    assert bool(started(RouteTable([flow("f", pattern)]), event(type_))) is fits


def test_a_flow_starts_once_though_several_triggers_fit() -> None:
    assert started(RouteTable([flow("f", "a.b", "a.*", "**", "**")]), event("a.b")) == ["f"]


def test_a_flow_that_was_replaced_or_removed_is_not_asked() -> None:
    table = RouteTable([flow("f", "old", "o.*")])
    table.add(flow("f", "new"))
    assert started(table, event("old")) == []
    assert started(table, event("o.x")) == []
    assert started(table, event("new")) == ["f"]
    table.remove("f")
    assert started(table, event("new")) == []


def test_an_event_for_one_trigger_starts_its_flow_and_who_listens_for_its_type() -> None:
    hook = Flow(name="hook", source="", digest="", triggers=(TriggerSpec(key="hook/0", kind="webhook", config={}),))
    other = Flow(name="other", source="", digest="", triggers=(TriggerSpec(key="other/0", kind="webhook", config={}),))
    table = RouteTable([hook, other, flow("bus", "http.request")])
    assert sorted(started(table, event("http.request", to=("hook/0",)))) == ["bus", "hook"]
    assert started(table, event("http.request")) == ["bus"]


@pytest.mark.parametrize(
    ("more", "rule"),
    [
        ({"if_": Given(lambda _s: False)}, "if"),
        ({"unless": Given(lambda _s: True)}, "unless"),
        ({"trigger": {"if_": Given(lambda _s: False)}}, "trigger.if"),
        ({"config": {"source": "shop/*"}}, "source"),
    ],
)
def test_reasons(more: dict[str, Any], rule: str) -> None:
    matches, misses = RouteTable([flow("f", "a", **more)]).match(event("a", source="elsewhere"))
    assert matches == []
    assert [miss.rule for miss in misses] == [rule]
    assert misses[0].reason


def test_a_condition_that_cannot_be_evaluated_is_a_reason() -> None:
    def broken(_scope: Any) -> Any:
        raise PermanentError("expression", "`event.data` has no `total`")

    _, [miss] = RouteTable([flow("f", "a", if_=Given(broken))]).match(event("a"))
    assert miss.rule == "error"
    assert "has no `total`" in miss.reason


def test_explain_speaks_of_every_flow() -> None:
    silent = Flow(name="silent", source="", digest="")
    hook = Flow(name="hook", source="", digest="", triggers=(TriggerSpec(key="hook/0", kind="webhook", config={}),))
    verdicts = RouteTable([flow("yes", "a"), flow("no", "b"), silent, hook]).explain(event("a"))
    rules = {v.flow: v.rule for v in verdicts if isinstance(v, NonMatch)}
    assert rules == {"no": "type", "silent": "enabled", "hook": "address"}
