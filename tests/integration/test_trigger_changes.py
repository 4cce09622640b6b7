"""A trigger is stopped or begins anew while it hands messages over: none starts nothing, none is taken twice."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from reactor.model.errors import BusyError
from reactor.model.states import TriggerState
from tests.integration.test_trigger_truth import Rig, bad, good, running

pytestmark = pytest.mark.anyio


def slow(it: Rig, monkeypatch: pytest.MonkeyPatch, name: str) -> tuple[asyncio.Event, asyncio.Event]:
    """The store takes its time with one kind of work: (it was asked, it may go on)."""
    asked, free = asyncio.Event(), asyncio.Event()
    store = it.engine.executor.store
    work = getattr(store, name)

    async def waiting(*args: object, **more: object) -> object:
        asked.set()
        await free.wait()
        return await work(*args, **more)

    monkeypatch.setattr(store, name, waiting)
    return asked, free


async def test_nothing_is_taken_for_a_flow_that_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    async with running() as it:
        asked, free = slow(it, monkeypatch, "add_version")
        going = asyncio.create_task(it.engine.book.forget("taker"))
        await asked.wait()
        with pytest.raises(BusyError, match="is being stopped"):
            await it.ctx.emit([good(1)], save={"at": 1})
        with pytest.raises(BusyError, match="is being stopped"):
            await it.ctx.emit([], dead=[bad()])
        await it.ctx.emit([], save={"at": 0})  # a position alone starts nothing, and may be kept
        free.set()
        await going
        assert (await it.reactor.get("/events"))["items"] == []


async def test_handed_over_in_the_moment_when_the_flow_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is routed later than it is handed over, when there is no flow any more."""
    async with running() as it:
        asked, free = slow(it, monkeypatch, "add_version")
        handing = asyncio.create_task(it.ctx.emit([good(1)], save={"at": 1}))
        going = asyncio.create_task(it.engine.book.forget("taker"))
        with pytest.raises(BusyError, match="is being stopped"):
            await handing
        free.set()
        await going
        assert asked.is_set()
        assert (await it.reactor.get("/events"))["items"] == []


async def test_who_listens_next_waits_for_all_before_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two changes, one right after the other, while a commit of the first listener is under way."""
    async with running() as it:
        asked, free = slow(it, monkeypatch, "commit")
        handing = asyncio.create_task(it.ctx.emit([good(1)], save={"at": 1}))
        await asked.wait()
        flow = it.engine.book.current["taker"]
        for name in ("b", "c"):
            spec = msgspec.structs.replace(flow.triggers[0], config={"": name})
            it.engine.triggers.changed("taker", msgspec.structs.replace(flow, triggers=(spec,)))
            await asyncio.sleep(0.05)
        assert len(it.feed.contexts) == 1
        free.set()
        await handing
        await it.until(lambda: len(it.feed.contexts) == 2)
        assert it.ctx.config.name == "c"
        assert it.ctx.saved() == {"at": 1}
        await it.until(lambda: it.status.state is TriggerState.ARMED)


async def test_a_letter_counts_though_its_trigger_was_stopped_meanwhile(monkeypatch: pytest.MonkeyPatch) -> None:
    async with running() as it:
        asked, free = slow(it, monkeypatch, "commit")
        handing = asyncio.create_task(it.ctx.emit([], dead=[bad()]))
        await asked.wait()
        handing.cancel()
        free.set()
        await it.until(lambda: it.status.letters == 1)
        assert len((await it.reactor.get("/dead-letters"))["items"]) == 1
