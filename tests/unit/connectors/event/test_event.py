"""The event trigger: what is a pattern, and arming."""

import asyncio
from typing import Any

import msgspec
import pytest

from reactor.connectors.event import connector
from reactor.connectors.event.trigger import EventConfig, EventTrigger

TRIGGER = EventTrigger()


class Armable:
    """As much of a trigger context as the event trigger touches."""

    def __init__(self) -> None:
        self.is_armed = asyncio.Event()

    def armed(self, *, next_at: int | None = None) -> None:
        self.is_armed.set()


def check(**config: Any) -> list[str]:
    return TRIGGER.check(msgspec.convert(config, EventConfig))


@pytest.mark.parametrize(
    "pattern", ["order.created", "order.*", "order.**", "**", "*", "a", "a-b.c_d", "**.x.*", "zamówienie.nowe"]
)
def test_patterns_that_are_taken(pattern):
    assert check(event=pattern) == []


@pytest.mark.parametrize(
    ("pattern", "says"),
    [
        ("", "is empty"),
        ("order.", "nothing between two dots"),
        (".order", "nothing between two dots"),
        ("a..b", "nothing between two dots"),
        ("order*", "whole segment"),
        ("order.***", "whole segment"),
        ("order created", "characters other than"),
        ("a\nb", "characters other than"),
        ("{{ x }}", "characters other than"),
        ("a.b\n", "characters other than"),
        ("a." * 200 + "a", "at most 255"),
    ],
)
def test_patterns_that_are_refused_with_a_reason(pattern, says):
    (problem,) = check(event=pattern)
    assert says in problem


def test_an_empty_source_is_a_problem():
    assert "leave it out" in check(event="a", source=" ")[0]
    assert check(event="a", source="https://shop.example/*") == []


def test_unknown_keys_are_errors():
    with pytest.raises(msgspec.ValidationError, match="sauce"):
        check(event="a", sauce="b")


def test_the_short_form_fills_the_event():
    assert TRIGGER.short == "event"
    assert connector.triggers[0].kind == "event"


async def test_it_arms_at_once_and_listens_until_cancelled():
    context = Armable()
    listening = asyncio.create_task(TRIGGER.run(context))  # type: ignore[arg-type]  # as much as it touches
    await asyncio.wait_for(context.is_armed.wait(), 5)
    await asyncio.sleep(0)
    assert not listening.done()
    listening.cancel()
    with pytest.raises(asyncio.CancelledError):
        await listening
