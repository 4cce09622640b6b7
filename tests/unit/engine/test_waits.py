"""The index of who waits: it finds those whom an event concerns, and only them, also among very many."""

import asyncio
import time
from types import SimpleNamespace
from typing import Any

import pytest

from reactor.engine.waits import Waits
from reactor.model.event import Event
from reactor.model.journal import EventWait, Run, Wanted
from reactor.model.states import RunStatus

pytestmark = pytest.mark.anyio


class Around:
    """As much of an executor as the index touches."""

    def __init__(self) -> None:
        self.woken: list[int] = []
        self.ids = SimpleNamespace(newest=1_000)

    def comes(self, key: int) -> bool:
        return False

    def wake(self, keys: Any) -> None:
        self.woken += list(keys)


def event(type_: str, subject: str | None = None, source: str = "/s", data: Any = None) -> Event:
    return Event(key=2_000, id="e", type=type_, source=source, subject=subject, time=0, data=data)


def waiting(key: int, *waits: EventWait) -> Run:
    return Run(key=key, flow="f", version=1, status=RunStatus.WAITING, waits=waits)


def made(*runs: Run) -> tuple[Waits, Around]:
    around = Around()
    waits = Waits(around)  # type: ignore[arg-type]
    for run in runs:
        waits._restored(run, 0)
    return waits, around


async def test_types_subjects_sources_and_patterns():
    waits, around = made(
        waiting(1, EventWait("a.b")),
        waiting(2, EventWait("a.b", "x")),
        waiting(3, EventWait("a.*")),
        waiting(4, EventWait("**", "y")),
        waiting(5, EventWait("a.b", None, "shop/*")),
        waiting(6, EventWait("a.b", "x"), EventWait("c")),
        waiting(7, EventWait("m", match=(("data", "id"), 5)), EventWait("m.*", match=(("data",), None))),
    )
    for given, woken in (
        (event("a.b"), {1, 3}),
        (event("a.b", "x"), {1, 2, 3, 6}),
        (event("a.c", "y"), {3, 4}),
        (event("a.b", None, "shop/1"), {1, 3, 5}),
        (event("c"), {6}),
        (event("d"), set()),
        (event("m", data={"id": 5}), {7}),
        (event("m", data={"id": 5.0}), {7}),
        (event("m", data={"id": "5"}), set()),
        (event("m", data={"id": [5]}), set()),
        (event("m", data=[5]), set()),
        (event("m", data={}), set()),
        (event("m.x"), {7}),
        (event("m.x", data=0), set()),
    ):
        around.woken.clear()
        waits.arrived(given)
        assert set(around.woken) == woken, given
    assert [waits.listens(type_) for type_ in ("a.b", "a.z", "c", "d")] == [True, True, True, False]
    assert waits.subjects("a.b") == [(2, "x"), (6, "x")]


async def test_a_hundred_thousand_waits_are_not_all_asked():
    waits, around = made(*[waiting(key, EventWait("paid", f"s{key}")) for key in range(100_000)])
    before = time.perf_counter()
    for key in range(0, 100_000, 100):
        waits.arrived(event("paid", f"s{key}"))
    assert around.woken == list(range(0, 100_000, 100))
    # 1,000 events at some microseconds each; looking at all of the waits would take minutes.
    assert time.perf_counter() - before < 1
    for key in range(100_000):
        waits.forget(key)
    assert (waits._exact, waits._patterns, waits._runs) == ({}, {}, {})


async def test_what_is_not_delivered_yet_is_not_counted_as_seen():
    waits, _ = made()
    live: Any = SimpleNamespace(key=5, moved=lambda: None)
    wanted = Wanted(type="t", accept=lambda _event: True)
    waits.begin(live, "w", wanted)
    assert waits.left(5, asleep=True) == (EventWait("t", None, None, 1_000, "w"),)
    first, second = (Event(key=k, id="e", type="t", source="", subject=None, time=0, data=None) for k in (900, 950))
    waits.coming([first, second])
    waits.arrived(second)
    waits.begin(live, "w2", wanted)
    assert waits.left(5, asleep=True)[0].seen == 899
    waits.gone([first])
    assert waits.left(5, asleep=True)[0].seen == 1_000


async def test_who_is_paused_is_not_woken():
    waits, around = made()
    live: Any = SimpleNamespace(key=5, moved=lambda: None)
    wanted = Wanted(type="t", accept=lambda _event: True)
    waits.begin(live, "w", wanted)
    assert waits.left(5, asleep=False) == ()
    waits.arrived(event("t"))
    await asyncio.sleep(0)
    assert around.woken == []
