"""Orders in Python: a charge that is taken back when the order fails, a payment that is waited for, people who decide.

    .venv/bin/reactor run --app shop:app          (in this folder)
    .venv/bin/reactor events send order.created '{"id": 7, "total": 250, "lines": [{"sku": "tea", "count": 2}]}'
    .venv/bin/reactor events send parcel.sent '{"order": 7, "code": "RX1"}'

`test_shop.py` beside it tries the flow without a server, on a clock that jumps.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from reactor import ActionContext, Event, PermanentError, Reactor, Run, StepError

app = Reactor()
BOOK = Path("shop.log")


class Line(msgspec.Struct):
    """One line of an order."""

    sku: str
    count: int = 1


class Order(msgspec.Struct):
    """The data of `order.created`."""

    id: int
    total: float
    lines: list[Line] = []


class Receipt(msgspec.Struct):
    """What a charge gives."""

    id: str
    total: float


def write(line: str) -> None:
    """Stands for another system."""
    with BOOK.open("a", encoding="utf-8") as book:
        book.write(line + "\n")


async def charge(order: Order, ctx: ActionContext) -> Receipt:
    """Charge a card. The idempotency key is the same for every attempt, also after a crash."""
    if order.total > 10_000:
        raise PermanentError("card.refused", f"{order.total} is over the limit of the card")
    write(f"charge {order.id} {order.total} {ctx.idempotency_key}")
    return Receipt(id=f"ch-{order.id}", total=order.total)


async def refund(receipt: Receipt) -> None:
    """Take a charge back."""
    write(f"refund {receipt.id}")


def reserve(sku: str, count: int) -> str:
    """Reserve goods: a plain function, run in a thread."""
    if sku == "gold":
        raise PermanentError("stock.empty", f"there is no {sku}")
    write(f"reserve {count} {sku}")
    return f"{count} {sku}"


@app.action("shop.say")
async def say(ctx: ActionContext, text: str, *, loud: bool = False) -> str:
    """Write a line into the book of the shop. Flows in YAML call it as `action: shop.say`."""
    ctx.log.info("said %s", text)
    write(text.upper() if loud else text)
    return text


async def pick(run: Run, line: Line) -> str:
    """One round of the loop over the lines, with a run of its own."""
    return await run.step("reserve", reserve, line.sku, line.count, retry=3)


@app.flow(on="order.created", if_="event.data.total > 100", timeout="30d", labels={"team": "sales"})
async def big_order(run: Run, event: Event[Order]) -> dict[str, object]:
    """Charges, reserves and ships big orders."""
    order = event.data
    if order.total > 1_000:
        decision = await run.approve(f"Order {order.id} of {order.total}?", timeout="2d", on_timeout="reject")
        if not decision.approved:
            run.fail("order.refused", "nobody wanted it")
    receipt = await run.step("charge", charge, order, retry={"max": 5, "delay": "2s"}, undo=refund)
    picked = await run.map("pick", order.lines, pick, max_parallel=3)
    try:
        sent = await run.wait_for("parcel.sent", match=lambda parcel: parcel.data["order"] == order.id, timeout="7d")
    except StepError as error:
        if error.kind != "timeout":
            raise
        await run.step("complain", say, f"order {order.id} is late", loud=True)
        raise
    await run.emit("order.shipped", {"id": order.id}, subject=str(order.id))
    return {"receipt": receipt.id, "picked": picked, "parcel": sent.data["code"]}


if __name__ == "__main__":
    app.run()
