"""Alerts on a real engine and store, with a clock that is moved by hand."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from reactor.engine.engine import Engine, Parts
from reactor.engine.limits import Limits
from reactor.engine.statistics.machine import Machine, Usage
from reactor.model.clock import SystemEntropy
from reactor.model.errors import ConflictError, InvalidError, NotFoundError, StoreBusyError
from reactor.model.flow import Flow
from reactor.model.states import TriggerState
from reactor.sdk.manifest import Catalog
from reactor.stores.port import Batch, EventFilter, Tally
from reactor.stores.sqlite.store import SqliteStore
from reactor.testing.actions import StillClock
from tests.integration.server_kit import flow
from tests.integration.test_engine import Passive

MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000
NOTIFIER = flow("mail", "test.none", on=[{"kind": "event", "config": {"": "reactor.alert.*"}}])


class Disk(Machine):
    """A machine whose disk is as full as the test says."""

    usage = Usage(disk_free=50, disk_size=100)

    def look(self) -> Usage:
        return self.usage


class Watched:
    """An engine that is looked after, and its clock."""

    def __init__(self, folder: Path, flows: tuple[Flow, ...], clock: StillClock) -> None:
        self.flows, self.clock, self.machine = flows, clock, Disk()
        self.store = SqliteStore(folder / "reactor.db", clock=clock, durability="process")
        catalog = Catalog()
        catalog.triggers["event"] = Passive()  # type: ignore[assignment]
        known = {one.source: one for one in flows}
        self.engine = Engine(
            Parts(
                store=self.store, history=self.store, statistics=self.store, letters=self.store, log=self.store,
                machine=self.machine, alerts=True, catalog=catalog, clock=clock, entropy=SystemEntropy(),
                limits=Limits(drain=100), http=None, compile=lambda text, _: known.get(text),  # type: ignore[arg-type]
                check_inputs=lambda _schema, values: (dict(values), []), action_settings={}, env={},
                secret=lambda _name: None,
            )
        )  # fmt: skip

    async def start(self) -> None:
        await self.engine.open()
        for one in self.flows:
            await self.engine.book.take(one)
        await self.engine.start()
        await self.engine.alerts.stop()  # the test says when it is looked
        await self.engine.sampling.stop()
        await self.engine.triggers.watch.stop()

    @property
    def alerts(self) -> Any:
        return self.engine.alerts

    async def only(self, **rule: Any) -> None:
        """This rule and no other."""
        for name in list(self.alerts.rules):
            await self.alerts.remove_rule(name)
        await self.alerts.put_rule({"name": "r", **rule}, "me")

    async def ends(self, name: str, completed: int = 0, failed: int = 0, ago: int = 0, took: int = 5) -> None:
        """Runs that ended."""
        minute, total = (self.clock.now() - ago) // MINUTE, (took, took)
        counts = [("completed", completed), ("failed", failed)]
        tallies = [Tally(minute, name, f"{name}/0", what, total[0], count, took * count) for what, count in counts]
        await self.store.commit(Batch(tallies=[one for one in tallies if one.count]))

    async def after(self, millis: int = 10_000) -> list[tuple[str, str]]:
        """Look again after that time; (subject, state) of what is not resolved."""
        self.clock.time += millis
        await self.alerts.tick()
        return sorted((one.subject, one.state) for one in self.alerts.active.values())

    async def told(self) -> list[tuple[str, str | None]]:
        """The events of alerts, oldest first."""
        await self.engine.executor.committer.flush()
        rows = await self.store.events(EventFilter(limit=1000))
        return [(one.type.rpartition(".")[2], one.subject) for one in reversed(rows) if "alert" in one.type]

    def trigger(self, key: str, state: TriggerState, reason: str = "") -> None:
        """A trigger as its connector would show it."""
        status = next(one for one in self.engine.triggers.status() if one.key == key)
        self.engine.triggers.state(status, state, reason)


@asynccontextmanager
async def watched(folder: Path, *flows: Flow, clock: StillClock | None = None) -> AsyncIterator[Watched]:
    made = Watched(folder, flows, clock or StillClock())
    await made.start()
    try:
        yield made
    finally:
        await made.engine.stop()


async def test_a_failing_flow_fires_and_is_resolved(tmp_path: Path) -> None:
    async with watched(tmp_path, flow("a"), flow("b"), NOTIFIER) as it:
        await it.only(kind="failure_rate", threshold=0.5, window="15m", min_runs=4)
        await it.ends("a", completed=2, failed=3)
        await it.ends("b", completed=9, failed=1)
        assert await it.after() == [("a", "firing")]
        [alert] = it.alerts.active.values()
        assert (alert.value, alert.flow, "3 of 5 runs failed" in alert.reason) == (0.6, "a", True)
        assert await it.told() == [("firing", "a")]
        assert await it.after() == [("a", "firing")]
        await it.ends("a", completed=50)
        assert await it.after() == [("a", "firing")]  # well, but not long enough
        assert await it.after(70_000) == []
        assert await it.told() == [("firing", "a"), ("resolved", "a")]
        [past] = it.alerts.past.values()
        assert past.state == "resolved"


async def test_few_runs_are_no_alert_and_that_is_said(tmp_path: Path) -> None:
    async with watched(tmp_path, flow("a")) as it:
        await it.only(kind="failure_rate", min_runs=5)
        await it.ends("a", failed=4)
        assert await it.after() == []
        [reading] = await it.alerts.readings.read(it.alerts.rules["r"], it.clock.now())
        assert (reading.value, "too few to tell" in reading.reason) == (None, True)


async def test_all_flows_together_and_flows_by_their_labels(tmp_path: Path) -> None:
    one, two = flow("a", labels={"team": "x"}), flow("b", labels={"team": "y"})
    async with watched(tmp_path, one, two, NOTIFIER) as it:
        await it.only(kind="failure_rate", by="all", min_runs=1)
        await it.ends("a", failed=3)
        await it.ends("b", completed=2)
        await it.ends("mail", failed=50)
        assert await it.after() == [("", "firing")]
        assert next(iter(it.alerts.active.values())).value == 0.6
        await it.only(kind="failure_rate", labels={"team": "y"}, min_runs=1)
        assert await it.after() == []
        await it.only(kind="failure_rate", flow="a*", min_runs=1)
        assert await it.after() == [("a", "firing")]


async def test_slow_runs(tmp_path: Path) -> None:
    async with watched(tmp_path, flow("a")) as it:
        await it.only(kind="latency", threshold="1s", percentile="p95", min_runs=10)
        minute = it.clock.now() // MINUTE
        slow = [Tally(minute, "a", "a/0", "completed", 3, 90, 270), Tally(minute, "a", "a/0", "failed", 90, 10, 30_000)]
        await it.store.commit(Batch(tallies=slow))
        assert await it.after() == [("a", "firing")]
        assert "p95 of the durations is" in next(iter(it.alerts.active.values())).reason


async def test_a_drop_is_against_the_same_time_of_the_days_before(tmp_path: Path) -> None:
    async with watched(tmp_path, flow("a")) as it:
        await it.only(kind="throughput_drop", threshold=0.7, window="1h", min_runs=20)
        for day in (1, 2):
            await it.ends("a", completed=100, ago=day * DAY + 10 * MINUTE)
        assert await it.after() == []
        [reading] = await it.alerts.readings.read(it.alerts.rules["r"], it.clock.now())
        assert "too few to compare with" in reading.reason
        for day, count in ((3, 100), (4, 5_000), (5, 100), (8, 1)):
            await it.ends("a", completed=count, ago=day * DAY + 10 * MINUTE)
        assert await it.after(6 * MINUTE) == [("", "firing")]
        await it.ends("a", completed=60)
        await it.after()
        assert await it.after(90_000) == []


async def test_queues(tmp_path: Path) -> None:
    async with watched(tmp_path, flow("a")) as it:
        await it.only(kind="queue_depth", queue="events", threshold=10)
        it.engine.executor.committer._queued = 11
        assert await it.after() == [("", "firing")]
        it.engine.executor.committer._queued = 0
        await it.only(kind="queue_depth", queue="lag", threshold=100)
        next(one for one in it.engine.triggers.status() if one.key == "a/0").lag = 101
        assert await it.after() == [("a/0", "firing")]
        await it.only(kind="queue_depth", queue="runs", threshold=1)
        it.engine.executor.flow_control.waiting_by_flow = lambda: {"a": 2, "b": 1}  # type: ignore[method-assign]
        assert await it.after() == [("a", "firing")]


async def test_triggers_that_do_not_listen_or_hear_nothing(tmp_path: Path) -> None:
    quiet = flow("q", on=[{"kind": "event", "config": {"": "q"}, "expect": 5 * MINUTE}])
    async with watched(tmp_path, flow("a"), quiet, NOTIFIER) as it:
        await it.only(kind="trigger_failed", **{"for": "30s"})
        it.trigger("a/0", TriggerState.FAILED, "the broker is gone")
        assert await it.after() == [("a/0", "pending")]
        assert await it.after(30_000) == [("a/0", "firing")]
        assert next(iter(it.alerts.active.values())).reason == "the broker is gone"
        it.trigger("a/0", TriggerState.ARMING)
        await it.after(2 * MINUTE)
        assert await it.after(2 * MINUTE) == [("a/0", "firing")]  # it is not known yet
        it.trigger("a/0", TriggerState.ARMED)
        await it.after()
        assert await it.after(2 * MINUTE) == []
        await it.only(kind="silent_trigger", clear="10s")
        await it.after()
        assert await it.after(6 * MINUTE) == [("q/0", "firing")]
        next(one for one in it.engine.triggers.status() if one.key == "q/0").last_event_at = it.clock.now()
        await it.after()
        assert await it.after() == []
        assert await it.told() == [(change, key) for key in ("a/0", "q/0") for change in ("firing", "resolved")]


async def test_dead_letters_and_runs_that_cannot_be_read(tmp_path: Path) -> None:
    async with watched(tmp_path, flow("a")) as it:
        await it.only(kind="dead_letters", threshold=1)
        it.engine.letters.counts["a/0"] = 1
        assert await it.after() == []
        it.engine.letters.counts["a/0"] = 2
        assert await it.after() == [("a/0", "firing")]
        await it.only(kind="run_stuck")
        it.engine.executor.unreadable[7] = "its journal is damaged"
        assert await it.after() == [("", "firing")]


async def test_the_disk_and_the_store(tmp_path: Path) -> None:
    async with watched(tmp_path, flow("a")) as it:
        await it.only(kind="disk", threshold="10%", clear="10s")
        assert await it.after() == []
        it.machine.usage = Usage(disk_free=9, disk_size=100)
        await it.engine.sampling.look()
        assert await it.after() == [("", "firing")]
        it.machine.usage = Usage()
        await it.engine.sampling.look()
        await it.after()
        assert await it.after(MINUTE) == [("", "firing")]  # it could not be looked at
        it.machine.usage = Usage(disk_free=11, disk_size=100)
        await it.engine.sampling.look()
        await it.after()
        assert await it.after() == []
        await it.only(kind="store_trouble")
        it.engine.executor.committer.trouble = "no space left"
        with pytest.raises(Exception, match="no space left"):
            await it.after()
        assert [one.state for one in it.alerts.list()][:1] == ["firing"]  # shown, though nothing can be written
        it.engine.executor.committer.trouble = None
        assert await it.after() == [("", "firing")]


async def test_long_running_runs(tmp_path: Path) -> None:
    async with watched(tmp_path, flow("a")) as it:
        await it.only(kind="long_running", threshold="1h")
        run = it.engine.executor.new_run(it.engine.book.get("a"), None, "a/0")
        await it.store.commit(Batch(runs={run.key: run}))
        assert await it.after(59 * MINUTE) == []
        assert await it.after(2 * MINUTE) == [("a", "firing")]
        assert "run_" in next(iter(it.alerts.active.values())).reason


async def test_a_restart_forgets_nothing_and_tells_nothing_twice(tmp_path: Path) -> None:
    team = {"team": "x"}
    clock, flows = StillClock(), (flow("a", labels=team), flow("b", labels=team), NOTIFIER)
    async with watched(tmp_path, *flows, clock=clock) as it:
        await it.only(kind="failure_rate", min_runs=1, labels=team, **{"for": "1m"})
        await it.ends("a", failed=3)
        await it.after()
        await it.after(MINUTE)
        await it.ends("b", failed=3)
        assert await it.after() == [("a", "firing"), ("b", "pending")]
        [a] = [one for one in it.alerts.active.values() if one.subject == "a"]
        await it.alerts.acknowledge(a.key, "ann", "looking")
        await it.alerts.put_silence({"flow": "b", "until": clock.now() + HOUR, "reason": "known"}, "ann")
    async with watched(tmp_path, *flows, clock=clock) as it:
        assert set(it.alerts.rules) == {"r"}  # the rules of the first start do not come back
        assert sorted(one.state for one in it.alerts.list()) == ["firing", "pending"]
        assert await it.after(MINUTE) == [("a", "firing"), ("b", "firing")]
        states = {one.subject: one for one in it.alerts.active.values()}
        assert states["a"].acknowledged.by == "ann"
        assert states["b"].untold == "it is silenced"
        assert await it.told() == [("firing", "a"), ("acknowledged", "a")]
        await it.ends("a", completed=9)
        await it.after()
        await it.after(2 * MINUTE)
    async with watched(tmp_path, *flows, clock=clock) as it:
        assert [one.subject for one in it.alerts.past.values()] == ["a"]
        await it.after()
        assert await it.told() == [("firing", "a"), ("acknowledged", "a"), ("resolved", "a")]


async def test_what_could_not_be_written_is_told_once_it_can(tmp_path: Path, monkeypatch: Any) -> None:
    async with watched(tmp_path, flow("a"), NOTIFIER) as it:
        await it.only(kind="failure_rate", min_runs=1)
        await it.ends("a", failed=3)
        real = it.engine.intake.accept

        async def busy(*_: Any, **__: Any) -> Any:
            raise StoreBusyError("locked")

        monkeypatch.setattr(it.engine.intake, "accept", busy)
        with pytest.raises(StoreBusyError):
            await it.after()
        assert await it.told() == []
        monkeypatch.setattr(it.engine.intake, "accept", real)
        assert await it.after() == [("a", "firing")]
        assert await it.told() == [("firing", "a")]


async def test_silences_end_and_what_still_fires_is_told_then(tmp_path: Path) -> None:
    async with watched(tmp_path, flow("a", labels={"team": "x"}), flow("b"), NOTIFIER) as it:
        await it.only(kind="failure_rate", min_runs=1, window="1d")
        silence = await it.alerts.put_silence({"labels": {"team": "x"}, "until": it.clock.now() + HOUR}, "ann")
        await it.ends("a", failed=3)
        await it.ends("b", failed=3)
        assert await it.after() == [("a", "firing"), ("b", "firing")]
        assert await it.told() == [("firing", "b")]
        await it.after(HOUR)
        assert await it.told() == [("firing", "b"), ("firing", "a")]
        assert silence.key in it.alerts.silences
        await it.after(25 * HOUR)
        assert silence.key not in it.alerts.silences


async def test_a_silence_that_is_taken_away_early(tmp_path: Path) -> None:
    async with watched(tmp_path, flow("a"), NOTIFIER) as it:
        await it.only(kind="failure_rate", min_runs=1)
        silence = await it.alerts.put_silence({"rule": "r*", "until": it.clock.now() + HOUR}, "ann")
        await it.ends("a", failed=3)
        await it.after()
        assert await it.told() == []
        await it.alerts.remove_silence(silence.key)
        assert await it.told() == [("firing", "a")]
        with pytest.raises(NotFoundError):
            await it.alerts.remove_silence(silence.key)


async def test_what_comes_and_goes_is_told_a_few_times_a_day(tmp_path: Path) -> None:
    async with watched(tmp_path, flow("a"), NOTIFIER) as it:
        await it.only(kind="dead_letters", clear="10s")
        for _ in range(12):
            it.engine.letters.counts["a/0"] = 1
            await it.after()
            it.engine.letters.counts["a/0"] = 0
            await it.after()
            await it.after(20_000)
        told = await it.told()
        assert [change for change, _ in told] == ["firing", "resolved"] * 6
        it.engine.letters.counts["a/0"] = 1
        await it.after()
        assert "6 times within a day" in next(iter(it.alerts.active.values())).untold


async def test_a_flow_that_notifies_and_fails_goes_in_no_circle(tmp_path: Path) -> None:
    async with watched(tmp_path, flow("a"), NOTIFIER) as it:
        await it.only(kind="failure_rate", min_runs=1, window="1m")
        await it.ends("a", failed=3)
        await it.after()
        for _ in range(5):
            await it.ends("mail", failed=2)  # each time it is told, it fails
            await it.after()
        assert ("mail", "firing") in await it.after()
        assert await it.told() == [("firing", "a")]
        [mail] = [one for one in it.alerts.active.values() if one.subject == "mail"]
        assert "in a circle" in mail.untold


async def test_a_thousand_failing_flows_are_no_storm(tmp_path: Path) -> None:
    async with watched(tmp_path, NOTIFIER) as it:
        await it.only(kind="failure_rate", min_runs=1)
        minute = it.clock.now() // MINUTE
        tallies = [Tally(minute, f"f{n}", "", "failed", 3, 5, 15) for n in range(1_000)]
        await it.store.commit(Batch(tallies=tallies))
        assert len(await it.after()) == 50
        assert it.alerts.overflow["r"] == 950
        assert len(await it.told()) == 50


async def test_hostile_names_stay_text(tmp_path: Path) -> None:
    names = ["<script>alert(1)</script>", "a\n\rb", "x" * 3_000, "{{ secrets.x }}", "nul\0", "ünï\u202e"]
    async with watched(tmp_path, NOTIFIER) as it:
        await it.only(kind="failure_rate", min_runs=1)
        for name in names:
            await it.ends(name, failed=1)
        assert len(await it.after()) == len(names)
        assert sorted(one.flow for one in it.alerts.active.values()) == sorted(names)
        assert {subject for _, subject in await it.told()} == set(names)


async def test_rules_that_go_take_their_alerts_along(tmp_path: Path) -> None:
    async with watched(tmp_path, flow("a"), NOTIFIER) as it:
        await it.only(kind="failure_rate", min_runs=1)
        await it.ends("a", failed=3)
        await it.after()
        await it.alerts.put_rule({"name": "r", "kind": "failure_rate", "min_runs": 1, "enabled": False}, "ann")
        assert await it.after() == []
        assert next(iter(it.alerts.past.values())).reason == "the rule is switched off"
        assert await it.told() == [("firing", "a"), ("resolved", "a")]
        with pytest.raises(NotFoundError, match="there is no rule 's'"):
            await it.alerts.remove_rule("s")
        with pytest.raises(ConflictError):
            await it.alerts.put_rule({"name": "r", "kind": "disk"}, "ann", new=True)


async def test_only_what_fires_is_acknowledged(tmp_path: Path) -> None:
    async with watched(tmp_path, flow("a")) as it:
        await it.only(kind="failure_rate", min_runs=1, **{"for": "1m"})
        await it.ends("a", failed=3)
        await it.after()
        [alert] = it.alerts.active.values()
        with pytest.raises(ConflictError, match="is pending"):
            await it.alerts.acknowledge(alert.key, "ann")
        with pytest.raises(NotFoundError):
            await it.alerts.acknowledge(1, "ann")
        await it.after(MINUTE)
        with pytest.raises(InvalidError):
            await it.alerts.acknowledge(alert.key, "ann", "x" * 2_001)
        await it.alerts.acknowledge(alert.key, "ann", "looking")
        assert it.alerts.counts()["acknowledged", "warning"] == 1
        assert alert.untold == "no flow listens for reactor.alert.firing"


async def test_the_past_is_bounded(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr("reactor.engine.alerts.alerts.MOST_PAST", 3)
    clock = StillClock()
    async with watched(tmp_path, flow("a"), clock=clock) as it:
        await it.only(kind="dead_letters", clear="0s")
        for _ in range(6):
            it.engine.letters.counts["a/0"] = 1
            await it.after()
            it.engine.letters.counts["a/0"] = 0
            await it.after()
        assert len(it.alerts.past) == 3
    async with watched(tmp_path, flow("a"), clock=clock) as it:
        assert len(it.alerts.past) == 3


async def test_own_changes_are_told_to_who_listens(tmp_path: Path) -> None:
    listener = flow("own", "test.none", on=[{"kind": "event", "config": {"": "reactor.**"}}])
    async with watched(tmp_path, flow("a"), listener) as it:

        async def told() -> list[str]:
            for _ in range(50):
                await asyncio.sleep(0.005)
            rows = await it.store.events(EventFilter(limit=100))
            return [one.type.removeprefix("reactor.") for one in reversed(rows)]

        assert await told() == ["instance.started"]
        it.trigger("a/0", TriggerState.FAILED, "gone")
        for state in (TriggerState.ARMED, TriggerState.FAILED, TriggerState.ARMED, TriggerState.FAILED):
            it.engine.own_events.look()
            it.trigger("a/0", state)
            it.clock.time += 1_000
        assert await told() == ["instance.started", "trigger.failed"]
        it.trigger("a/0", TriggerState.ARMED)
        it.clock.time += MINUTE
        it.engine.own_events.look()
        assert (await told())[-1] == "trigger.armed"
        await it.engine.book.enable("a", False)
        it.engine.own_events.look()
        await it.engine.book.enable("a", True)
        it.engine.own_events.look()
        await it.engine.book.take(flow("c"))
        it.engine.own_events.look()
        await it.engine.book.forget("c")
        it.engine.own_events.look()
        wanted = ["flow.disabled", "flow.enabled", "flow.changed", "flow.removed"]
        assert (await told())[3:] == wanted
        it.engine.executor.committer.trouble = "locked"
        it.engine.own_events.look()
        it.engine.executor.committer.trouble = None
        it.engine.own_events.look()
        assert (await told())[-1] == "store.recovered"
        for n in range(150):
            await it.engine.book.take(flow(f"many{n}"))
        it.engine.own_events.look()
        assert (await told())[8:] == ["flow.changed"]


async def test_nobody_is_told_what_nobody_listens_for(tmp_path: Path) -> None:
    async with watched(tmp_path, flow("a")) as it:
        await it.only(kind="failure_rate", min_runs=1)
        await it.ends("a", failed=3)
        await it.after()
        it.trigger("a/0", TriggerState.FAILED, "gone")
        it.engine.own_events.look()
        await asyncio.sleep(0.05)
        assert await it.store.events(EventFilter(limit=9)) == []
        await it.engine.book.take(NOTIFIER)
        await it.after()
        assert await it.told() == [("firing", "a")]
