"""Patterns of types mean the same everywhere."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reactor.model.event import Event
from reactor.model.flow import Flow, TriggerSpec
from reactor.model.patterns import fits
from reactor.routing.table import RouteTable

SEGMENT = st.sampled_from(["a", "b", "*", "**"])


@pytest.mark.parametrize(
    ("pattern", "name", "holds"),
    [
        ("a.b", "a.b", True),
        ("a.b", "a.bc", False),
        ("a.*", "a.b", True),
        ("a.*", "a", False),
        ("a.*", "a.b.c", False),
        ("a.**", "a", True),
        ("a.**", "a.b.c", True),
        ("**.c", "a.b.c", True),
        ("**", "anything", True),
        ("a.**.**.z", "a.z", True),
    ],
)
def test_stars(pattern: str, name: str, holds: bool) -> None:
    assert fits(pattern, name) is holds


@given(st.lists(SEGMENT, min_size=1, max_size=5), st.lists(st.sampled_from("ab"), min_size=1, max_size=5))
def test_as_the_route_table_sees_them(pattern: list[str], name: list[str]) -> None:
    text, type_ = ".".join(pattern), ".".join(name)
    spec = TriggerSpec(key="f/0", kind="event", config={"event": text})
    table = RouteTable([Flow(name="f", source="", digest="", triggers=(spec,))])
    event = Event(key=1, id="e", type=type_, source="", subject=None, time=0, data=None)
    assert fits(text, type_) is bool(table.starts(event))


def test_many_stars_take_no_longer() -> None:
    assert not fits(".".join(["**"] * 60 + ["z"]), ".".join("a" * 120))
