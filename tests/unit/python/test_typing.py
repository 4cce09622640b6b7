"""What type checkers see of Python flows: `make check` reads this file, and it runs, too."""

from __future__ import annotations

from typing import Any, assert_type

import msgspec

from reactor import ActionContext, Decision, Event, PythonFlow, Reactor, Run

app = Reactor()


class Order(msgspec.Struct):
    """Data of an event."""

    id: int


class Receipt(msgspec.Struct):
    """Output of a step."""

    id: str


async def charge(order: Order) -> Receipt:
    """A step."""
    return Receipt(f"ch-{order.id}")


def count(text: str) -> int:
    """A step in a thread."""
    return len(text)


@app.action("text.length")
async def length(ctx: ActionContext, text: str) -> int:
    """An action."""
    return len(text) + ctx.attempt


async def each(run: Run, item: int) -> str:
    """A round."""
    return str(item)


@app.flow(on="order.created")
async def typed(run: Run, event: Event[Order]) -> str:
    """Everything that has a type."""
    assert_type(event.data, Order)
    receipt = await run.step("charge", charge, event.data)
    assert_type(receipt, Receipt)
    assert_type(await run.step("count", count, receipt.id, retry=3), int)
    assert_type(await run.step("length", length, "text"), int)
    assert_type(await run.step("by-name", "text.length", text="text"), Any)
    assert_type(await run.map("each", [1, 2], each), list[str])
    if run.random() < 0:
        assert_type(await run.approve("Really?"), Decision)
        assert_type(await run.wait_for("order.paid"), Event[Any])
    return receipt.id


async def test_the_types_are_those_of_the_values() -> None:
    flow: PythonFlow[[Run, Event[Order]], str] = typed
    done = await app.test(flow, {"data": {"id": 7}})
    assert (done.status, done.output) == ("completed", "ch-7")
