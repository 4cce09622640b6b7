"""The flow of `shop.py`, tried without a server. Run it with pytest; seven days take no time."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
import shop

from reactor import Trial

LINES = [{"sku": "tea", "count": 2}, {"sku": "cups"}]
SENT = ("1d", {"type": "parcel.sent", "data": {"order": 7, "code": "RX1"}})


@pytest.fixture(autouse=True)
def book(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The book of the shop, new for each test."""
    monkeypatch.setattr(shop, "BOOK", tmp_path / "shop.log")
    return tmp_path / "shop.log"


def tried(order: dict[str, Any], **more: Any) -> Trial:
    """One order."""
    return asyncio.run(shop.app.test(shop.big_order, {"data": order}, **more))


def test_an_order_is_charged_picked_and_sent(book: Path) -> None:
    done = tried({"id": 7, "total": 250, "lines": LINES}, later=[SENT])
    assert done.status == "completed"
    assert done.output == {"receipt": "ch-7", "picked": ["2 tea", "1 cups"], "parcel": "RX1"}
    assert done.emitted == [{"type": "order.shipped", "data": {"id": 7}, "subject": "7"}]
    assert done.seconds == 86_400
    charged, *reserved = book.read_text().splitlines()
    assert charged == "charge 7 250.0 test:charge"
    assert sorted(reserved) == ["reserve 1 cups", "reserve 2 tea"]  # side by side, in no order


def test_what_cannot_be_picked_is_paid_back(book: Path) -> None:
    done = tried({"id": 7, "total": 250, "lines": [{"sku": "gold"}]})
    assert done.error is not None
    assert (done.status, done.error.kind, done.error.step) == ("failed", "stock.empty", "pick[0].reserve")
    assert book.read_text().splitlines()[-1] == "refund ch-7"


def test_a_parcel_that_never_comes_is_told_and_paid_back(book: Path) -> None:
    done = tried({"id": 7, "total": 250})
    assert done.error is not None
    assert (done.error.kind, done.seconds) == ("timeout", 7 * 86_400)
    assert book.read_text().splitlines()[-2:] == ["ORDER 7 IS LATE", "refund ch-7"]


@pytest.mark.parametrize(("decision", "status"), [("approve", "completed"), ("reject", "failed")])
def test_people_decide_about_very_big_orders(decision: str, status: str) -> None:
    done = tried({"id": 7, "total": 5_000}, later=[SENT], decisions={"approve": decision})
    assert done.status == status


def test_steps_can_be_mocked(book: Path) -> None:
    done = tried({"id": 7, "total": 250}, later=[SENT], mocks={"charge": {"id": "ch-mock", "total": 1}})
    assert done.output["receipt"] == "ch-mock"
    assert not book.exists()
