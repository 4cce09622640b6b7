"""Patterns on the real engine and store: alarms from YAML, a clock that is moved, restarts, busy doors."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from reactor.engine.engine import Engine, Parts
from reactor.engine.limits import Limits
from reactor.engine.patterns import feed
from reactor.language import loader
from reactor.language.inputs import check_inputs
from reactor.model.clock import SystemEntropy
from reactor.model.errors import StoreBusyError
from reactor.model.event import Event, EventDraft
from reactor.model.ids import first_at
from reactor.model.states import TriggerState
from reactor.plugins import discovery
from reactor.stores.port import Acceptance, Batch, Committed, EventFilter
from reactor.stores.sqlite.store import SqliteStore
from reactor.testing.actions import StillClock
from reactor.testing.running import running_reactor

BRUTE = """\
name: brute
on:
  pattern: {by: event.data.user, within: 5m, count: {event: login.failed, if: event.data.code == 401, at_least: 3}}
steps:
  - {name: alarm, set: {who: "{{ event.data.by }}"}}
  - {return: event.data}
"""
BEAT = """\
name: beat
on: {pattern: {by: event.data.device, within: 1m, sequence: [{event: beat}, {absent: beat}]}}
steps: [{return: event.data}]
"""


class FlakyStore(SqliteStore):
    """Can be full."""

    full = False

    async def commit(self, batch: Batch) -> Committed:
        if self.full:
            raise StoreBusyError("the disk is full")
        return await super().commit(batch)


class Rig:
    """An engine on a folder whose clock is moved by hand."""

    def __init__(self, folder: Path, clock: StillClock, limits: Limits) -> None:
        self.clock = clock
        self.store = FlakyStore(folder / "reactor.db", clock=clock, durability="process")
        self._catalog, _ = discovery.discover()
        self.engine = Engine(
            Parts(
                store=self.store,
                history=self.store,
                log=self.store,
                catalog=self._catalog,
                clock=clock,
                entropy=SystemEntropy(),
                limits=limits,
                http=None,  # type: ignore[arg-type]
                compile=self.compiled,
                check_inputs=check_inputs,
                action_settings={},
                env={},
                secret=lambda _name: None,
            )
        )

    def compiled(self, text: str, file: str | None = None) -> Any:
        loaded = loader.load(text, file=file, catalog=self._catalog)
        assert loaded.flow is not None, loaded.problems
        return loaded.flow

    async def send(self, type_: str, *data: Any, **more: Any) -> None:
        await self.engine.intake.accept([EventDraft(type=type_, data=each, **more) for each in data])

    def status(self, key: str) -> Any:
        return next(status for status in self.engine.triggers.status() if status.key == key)

    async def told(self, number: int, flow: str | None = None) -> list[Any]:
        """The data of so many matches, oldest first, once they are there; and that there are no more."""
        wanted = EventFilter(type="pattern.matched", limit=2_000)
        async with asyncio.timeout(20):
            while len(await self.store.events(wanted)) < number:
                await asyncio.sleep(0.005)
        await self.quiet()
        found = [await self.store.event(row.key) for row in reversed(await self.store.events(wanted))]
        assert len(found) == number, found
        return [event.data for event in found if event and (flow is None or event.to == (f"{flow}/0",))]

    async def quiet(self) -> None:
        """Until every pattern has looked at everything, and at the clock."""
        watches = [state for state in self.engine.triggers.status() if state.kind == "pattern"]
        self.clock.time += 1
        await self.send("nobody.wants.this", None)
        followers = self.engine.triggers.runners["pattern"].__self__._feed._followers  # type: ignore[attr-defined]
        assert len(followers) == len([s for s in watches if s.state is not TriggerState.DISABLED])
        for follower in followers:
            follower.woken.set()
        await self.until(lambda: not any(follower.held or follower.woken.is_set() for follower in followers))
        await asyncio.sleep(0.05)

    async def until(self, wanted: Callable[[], bool]) -> None:
        async with asyncio.timeout(20):
            while not wanted():
                await asyncio.sleep(0.005)

    async def armed(self) -> None:
        await self.until(lambda: all(s.state is TriggerState.ARMED for s in self.engine.triggers.status()))


@asynccontextmanager
async def rig(folder: Path, *flows: str, clock: StillClock | None = None, **limits: Any) -> AsyncIterator[Rig]:
    it = Rig(folder, clock or StillClock(), Limits(**limits))
    await it.engine.open()
    try:
        for text in flows:
            await it.engine.book.take(it.compiled(text))
        await it.engine.start()
        yield it
    finally:
        await it.engine.stop()


@pytest.mark.proves("on.pattern", "on.pattern.{by,count}", "on.pattern.count.{event,if,at_least}")
async def test_a_brute_force_alarm_from_yaml() -> None:
    async with running_reactor({"brute": BRUTE}) as reactor:
        await reactor.armed()
        for at in range(4):
            await reactor.send("login.failed", {"user": "ann", "code": 401, "at": at})
            await reactor.send("login.failed", {"user": "bob", "code": 500, "at": at})
            await reactor.send("login.failed", {"user": f"user{at}", "code": 401, "at": at})
        async with asyncio.timeout(10):
            while not (runs := (await reactor.get("/runs"))["items"]):
                await asyncio.sleep(0.01)
        run = await reactor.finished(runs[0]["id"])
        data = run["output"]
        assert (data["pattern"], data["by"], data["count"]) == ("count", "ann", 3)
        assert [view["data"]["at"] for view in data["events"]] == [0, 1, 2]
        assert data["first_at"] <= data["last_at"]
        assert len((await reactor.get("/runs"))["items"]) == 1


@pytest.mark.proves("on.pattern.within", "on.pattern.sequence", "on.pattern.sequence.{event,absent}")
async def test_a_heartbeat_that_stays_out(tmp_path: Path) -> None:
    async with rig(tmp_path, BEAT) as it:
        await it.armed()
        for second in range(0, 200, 40):
            await it.send("beat", {"device": "a"})
            if second < 80:
                await it.send("beat", {"device": "b"})
            it.clock.time += 40_000
        # Device b was last heard at second 40; a at second 160, and it is 200 now.
        told = await it.told(1)
        assert (told[0]["by"], told[0]["pattern"], told[0]["count"]) == ("b", "sequence", 1)
        it.clock.time += 20_000
        assert [data["by"] for data in await it.told(2)] == ["b", "a"]
        it.clock.time += 600_000
        assert len(await it.told(2)) == 2


async def test_an_event_at_the_last_instant_of_the_window_counts(tmp_path: Path) -> None:
    async with rig(tmp_path, BEAT) as it:
        await it.armed()
        await it.send("beat", {"device": "a"})
        it.clock.time += 60_000
        await it.send("beat", {"device": "a"})
        await it.told(0)
        it.clock.time += 60_001
        assert (await it.told(1))[0]["first_at"] == (await it.told(1))[0]["last_at"]


async def test_times_of_the_sources_do_not_matter(tmp_path: Path) -> None:
    async with rig(tmp_path, BRUTE) as it:
        await it.armed()
        for time in (10**12, 1, 2 * 10**12):
            await it.send("login.failed", {"user": "ann", "code": 401}, time=time)
        assert (await it.told(1))[0]["count"] == 3


async def test_a_restart_in_the_middle_goes_on(tmp_path: Path) -> None:
    clock = StillClock()
    async with rig(tmp_path, BRUTE, BEAT, clock=clock) as it:
        await it.armed()
        await it.send("login.failed", *[{"user": "ann", "code": 401}] * 2, {"user": "bob", "code": 401})
        await it.send("beat", {"device": "a"})
        await it.quiet()
    clock.time += 50_000
    async with rig(tmp_path, BRUTE, BEAT, clock=clock) as it:
        await it.armed()
        await it.send("login.failed", {"user": "ann", "code": 401})
        assert (await it.told(1))[0]["by"] == "ann"
    clock.time += 50_000
    async with rig(tmp_path, BRUTE, BEAT, clock=clock) as it:
        # The absence became sure while nothing ran.
        assert [data["by"] for data in await it.told(2)] == ["ann", "a"]
        assert await it.store.states_due(1 << 62, 1 << 62, 10) == []


async def test_what_came_while_a_flow_was_off_is_caught_up(tmp_path: Path) -> None:
    async with rig(tmp_path, BRUTE) as it:
        await it.armed()
        await it.send("login.failed", {"user": "ann", "code": 401})
        await it.engine.book.enable("brute", enabled=False)
        for _ in range(3):
            await it.send("login.failed", {"user": "ann", "code": 401}, {"user": "bob", "code": 401})
        await it.engine.book.enable("brute", enabled=True)
        assert [(data["by"], data["count"]) for data in await it.told(2)] == [("ann", 3), ("bob", 3)]


async def test_the_same_pattern_in_a_new_version_keeps_its_state_and_another_begins_anew(tmp_path: Path) -> None:
    async with rig(tmp_path, BRUTE) as it:
        await it.armed()
        await it.send("login.failed", *[{"user": "ann", "code": 401}] * 2)
        await it.quiet()
        flow = await it.engine.book.take(it.compiled(BRUTE.replace("alarm", "alert").replace("5m", "300s")))
        assert flow.version == 2
        await it.armed()
        await it.send("login.failed", {"user": "ann", "code": 401})
        assert len(await it.told(1)) == 1
        await it.send("login.failed", *[{"user": "ann", "code": 401}] * 2)
        await it.quiet()
        await it.engine.book.take(it.compiled(BRUTE.replace("5m", "6m")))
        await it.armed()
        await it.send("login.failed", *[{"user": "ann", "code": 401}] * 2)
        await it.told(1)
        await it.send("login.failed", {"user": "ann", "code": 401})
        assert len(await it.told(2)) == 2


async def test_keys_that_fail_are_counted_and_stop_nobody(tmp_path: Path) -> None:
    async with rig(tmp_path, BRUTE) as it:
        await it.armed()
        wrong = [{"code": 401}, {"user": None, "code": 401}, {"user": "x" * 2_000, "code": 401}, {"user": "ann"}]
        await it.send("login.failed", *wrong, *[{"user": "ann", "code": 401}] * 3)
        assert len(await it.told(1)) == 1
        status = it.status("brute/0")
        assert (status.state, status.errors) == (TriggerState.ARMED, 4)
        assert "`count.if: event.data.code == 401` could not be evaluated" in status.last_error


async def test_more_than_fits_into_memory_is_read_from_the_store(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed, "HELD", 5)
    monkeypatch.setattr(feed, "LOOK", 7)
    async with rig(tmp_path, BRUTE) as it:
        await it.armed()
        sent = [{"user": f"u{at % 50}", "code": 401} for at in range(300)]
        await asyncio.gather(*(it.send("login.failed", *sent[at : at + 3]) for at in range(0, 300, 3)))
        told = await it.told(100)
        assert sorted(data["by"] for data in told) == sorted([f"u{at}" for at in range(50)] * 2)
        await it.armed()


async def test_matches_wait_for_a_store_that_is_full(tmp_path: Path) -> None:
    async with rig(tmp_path, BEAT) as it:
        await it.armed()
        await it.send("beat", {"device": "a"}, {"device": "b"})
        await it.quiet()
        it.store.full = True
        it.clock.time += 61_000
        await it.until(lambda: it.status("beat/0").state is TriggerState.LAGGING)
        assert "cannot be written" in it.status("beat/0").reason
        it.store.full = False
        assert sorted(data["by"] for data in await it.told(2)) == ["a", "b"]
        await it.armed()


async def test_a_backlog_is_shown_as_lag(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = StillClock()
    async with rig(tmp_path, BRUTE, clock=clock) as it:
        await it.armed()
        await it.engine.book.enable("brute", enabled=False)
        for _ in range(10):
            await it.send("login.failed", *[{"user": "ann", "code": 401}] * 300)
        monkeypatch.setattr(feed, "LOOK", 500)
        states: list[tuple[TriggerState, int | None]] = []
        triggers = it.engine.triggers
        before = triggers.state

        def state(status: Any, new: TriggerState, reason: str) -> None:
            states.append((new, status.lag))
            before(status, new, reason)

        monkeypatch.setattr(triggers, "state", state)
        await it.engine.book.enable("brute", enabled=True)
        await it.until(lambda: bool(states) and states[-1][0] is TriggerState.ARMED)
        first = states[0]
        assert first[0] is TriggerState.LAGGING
        assert first[1] is not None
        assert 2_000 < first[1] <= 3_100
        assert it.status("brute/0").lag is None
        assert len(await it.told(1_000)) == 1_000


async def test_triggering_oneself_comes_to_an_end(tmp_path: Path) -> None:
    text = """\
name: echo
on: {pattern: {within: 5m, count: {event: "**", at_least: 1}}}
steps: [{emit: {type: again}}]
"""
    async with rig(tmp_path, text, causes=6) as it:
        await it.armed()
        await it.send("go", None)
        await it.until(lambda: it.status("echo/0").errors > 0)
        assert "led to one another" in it.status("echo/0").last_error
        await it.quiet()


@pytest.mark.proves("on.pattern.{all,any}", "on.pattern.all.{event,if}", "on.pattern.any.event")
async def test_a_sequence_and_all_from_yaml(tmp_path: Path) -> None:
    paid = """\
name: unpaid
on:
  pattern:
    by: event.data.order
    within: 30m
    sequence: [{event: order.created}, {absent: order.paid}]
steps: [{return: event.data}]
"""
    both = """\
name: both
on: {pattern: {by: event.subject, within: 1h, all: [{event: door.*, if: event.data.open}, {event: alarm.on}]}}
steps: [{return: event.data}]
"""
    first = """\
name: first
on: {pattern: {within: 10s, any: [{event: alarm.on}, {event: smoke}]}}
steps: [{return: event.data}]
"""
    async with rig(tmp_path, paid, both, first) as it:
        await it.armed()
        await it.send("order.created", {"order": 1}, {"order": 2})
        await it.send("order.paid", {"order": 2})
        await it.send("alarm.on", None, None, subject="house")
        await it.send("door.front", {"open": False}, subject="house")
        assert [data["events"][0]["type"] for data in await it.told(1, "first")] == ["alarm.on"]
        await it.send("door.front", {"open": True}, subject="house")
        (data,) = await it.told(2, "both")
        assert (data["by"], [view["type"] for view in data["events"]]) == ("house", ["alarm.on", "door.front"])
        it.clock.time += 31 * 60_000
        (data,) = await it.told(3, "unpaid")
        assert data["by"] == 1


async def test_views_are_bounded(tmp_path: Path) -> None:
    text = "name: f\non: {pattern: {within: 1h, count: {event: t, at_least: 200}}}\nsteps: [{return: event.data}]\n"
    async with rig(tmp_path, text) as it:
        await it.armed()
        await it.send("t", *[{"at": at, "text": "x" * 10_000} for at in range(200)])
        (data,) = await it.told(1)
        assert (data["count"], len(data["events"])) == (200, 50)
        whole = [view["data"]["at"] for view in data["events"] if "cut" not in view]
        assert whole == list(range(200 - len(whole), 200))
        assert 10 < len(whole) < 30


async def test_an_event_that_is_late_into_the_store_is_not_passed_over(tmp_path: Path) -> None:
    """What runs emit overtakes what waits at the door: the smaller key is committed later."""
    text = "name: f\non: {pattern: {within: 1h, sequence: [{event: a}, {event: b}]}}\nsteps: [{return: event.data}]\n"
    async with rig(tmp_path, text) as it:
        await it.armed()
        committer = it.engine.executor.committer
        early, late = it.engine.executor.ids.next(), it.engine.executor.ids.next()

        def accepted(key: int, type_: str) -> Acceptance:
            return Acceptance(
                event=Event(key=key, id=str(key), type=type_, source="s", subject=None, time=0, data=None)
            )

        it.store.full = True
        waiting = committer.add(Batch(accepted=[accepted(early, "a")]))
        await asyncio.sleep(0.02)
        assert committer.lowest() == early
        # As if another commit had gone before: the follower is told of the greater key first.
        committer.followers([accepted(late, "b")], Committed())  # type: ignore[misc]
        await asyncio.sleep(0.05)
        it.store.full = False
        await waiting
        assert (await it.told(1))[0]["count"] == 2


async def test_ends_of_runs_are_told_to_patterns_that_ask_for_them(tmp_path: Path) -> None:
    bad = "name: bad\non: {event: go}\nsteps: [{fail: no}]\n"
    text = """\
name: often
on: {pattern: {by: event.data.flow, within: 1h, count: {event: run.failed, at_least: 3}}}
steps: [{return: event.data.by}]
"""
    async with rig(tmp_path, bad, text) as it:
        await it.armed()
        await it.send("go", 1, 2, 3)
        (data,) = await it.told(1)
        assert (data["by"], data["count"]) == ("bad", 3)


async def test_a_clock_that_is_set_back_over_a_restart_loses_nothing(tmp_path: Path) -> None:
    clock = StillClock()
    async with rig(tmp_path, BRUTE, clock=clock) as it:
        await it.armed()
        await it.send("login.failed", {"user": "ann", "code": 401})
        await it.quiet()
        # It has looked at all there was an hour later, when nothing had come any more; then the clock was mended.
        later = first_at(clock.now() + 3_600_000)
        await it.store.commit(Batch(saved=[("brute/0", "cursor", str(later).encode())]))
    async with rig(tmp_path, BRUTE, clock=clock) as it:
        await it.armed()
        await it.send("login.failed", *[{"user": "ann", "code": 401}] * 2)
        assert [data["count"] for data in await it.told(1)] == [3]


@pytest.mark.parametrize("most", [10 << 20, 2_000])
async def test_a_match_is_told_whatever_its_events_hold(tmp_path: Path, most: int) -> None:
    deep: Any = 1
    for _ in range(400):
        deep = [deep]
    hard = ["\ud800", deep, float("nan"), 2**70, "x" * 1_500]
    async with rig(tmp_path, BRUTE.replace("at_least: 3", "at_least: 5"), event_data=most) as it:
        await it.armed()
        for value in hard:
            raw = json.dumps({"user": "ann", "code": 401, "value": value}).encode().replace(b"NaN", b"null")
            await it.send("login.failed", json.loads(raw), raw=raw)
        (data,) = await it.told(1)
        assert (data["by"], data["count"]) == ("ann", 5)
        assert it.status("brute/0").state is TriggerState.ARMED
        assert len(data["events"]) == (5 if most > 10_000 else 0) or "cut" in data["events"][0]
