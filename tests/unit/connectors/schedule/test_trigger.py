"""The schedule trigger on a bench with a virtual clock."""

import asyncio
import subprocess
import sys

import pytest

from reactor.connectors.schedule import connector
from reactor.connectors.schedule.trigger import ScheduleTrigger
from reactor.model.clock import from_iso, to_iso
from reactor.sdk import TriggerLost
from reactor.testing.triggers import START, TriggerBench

SECOND, MINUTE, HOUR, DAY = 1_000, 60_000, 3_600_000, 86_400_000


def make(config, **more):
    return TriggerBench(ScheduleTrigger(), config, virtual=True, **more)


def fired(bench):
    return [draft.data["scheduled_at"][5:16] for draft in bench.drafts]


@pytest.mark.proves("on.schedule", "on.schedule.cron")
async def test_ticks_are_events_with_neighbours_and_a_unique_id():
    async with make("*/10 * * * *", key="report/0") as bench:
        await bench.advance(25 * MINUTE)
    first, second = bench.drafts
    assert (first.type, first.source, first.id) == ("schedule", "schedule", "report/0/2026-01-01T00:10:00.000Z")
    assert first.time == START + 10 * MINUTE
    assert second.data == {
        "scheduled_at": "2026-01-01T00:20:00.000Z",
        "previous": "2026-01-01T00:10:00.000Z",
        "next": "2026-01-01T00:30:00.000Z",
    }
    assert second.metadata == {**second.data, "timezone": "UTC"}
    assert [when for when, _ in bench.emitted] == [START + 10 * MINUTE, START + 20 * MINUTE]
    assert bench.states == [("armed", START + minutes * MINUTE) for minutes in (10, 20, 30)]
    assert bench.saved()["last"] == "2026-01-01T00:20:00.000Z"


async def test_the_first_start_fires_nothing_of_the_past():
    async with make({"cron": "@hourly", "catch_up": "all"}, start=START + 1) as bench:
        await bench.advance(MINUTE)
    assert bench.drafts == []
    assert bench.saved()["last"] == to_iso(START + 1)


@pytest.mark.proves("on.schedule.catch_up", "on.schedule.catch_up.max")
@pytest.mark.parametrize(
    ("policy", "made_up"),
    [
        ("none", []),
        ("one", ["01-01 05:00"]),
        ("all", ["01-01 01:00", "01-01 02:00", "01-01 03:00", "01-01 04:00", "01-01 05:00"]),
        ({"max": 2}, ["01-01 04:00", "01-01 05:00"]),
        ({"max": 0}, []),
        ({"max": 99}, ["01-01 01:00", "01-01 02:00", "01-01 03:00", "01-01 04:00", "01-01 05:00"]),
    ],
)
async def test_catch_up_after_downtime(policy, made_up):
    bench = make({"cron": "@hourly", "catch_up": policy})
    async with bench:
        await bench.advance(MINUTE)
    bench.virtual.instant += 5 * HOUR
    later = bench.again()
    async with later:
        assert fired(later) == [text.replace(" ", "T") for text in made_up]
        assert all(draft.metadata["caught_up"] for draft in later.drafts)
        await later.advance(HOUR)
    assert fired(later)[len(made_up) :] == ["01-01T06:00"]
    async with later.again() as third:
        assert third.drafts == []


@pytest.mark.parametrize("policy", ["one", "none", {"max": 3}])
async def test_a_year_of_missed_seconds_is_no_work(policy):
    bench = make({"cron": "* * * * * *", "catch_up": policy})
    async with bench:
        await bench.advance(SECOND)
    bench.virtual.instant += 365 * DAY
    async with asyncio.timeout(5), bench.again() as later:
        await later.advance(1)
    late = [draft for draft in later.drafts if "caught_up" not in draft.metadata]
    assert len(late) == 10  # those of the last ten seconds are late, not missed
    assert len(later.drafts) == 10 + {"one": 1, "none": 0}.get(str(policy), 3)


async def test_a_tick_of_a_quick_restart_is_late_not_missed():
    bench = make("@hourly")
    async with bench:
        await bench.advance(HOUR - 2 * SECOND)
    bench.virtual.instant += 5 * SECOND
    async with bench.again() as later:
        assert fired(later) == ["01-01T01:00"]
        assert "caught_up" not in later.drafts[0].metadata


async def test_a_leap_of_the_clock_is_downtime():
    async with make("*/10 * * * *") as bench:
        await bench.jump(65 * MINUTE)
        assert bench.drafts == []
        await bench.advance(5 * MINUTE)
        assert fired(bench) == ["01-01T01:10"]


async def test_a_changed_schedule_makes_up_nothing():
    bench = make({"cron": "@daily", "catch_up": "all"})
    async with bench:
        await bench.advance(DAY + HOUR)
    changed = bench.again({"cron": "30 0 * * *", "catch_up": "all"})
    async with changed:
        await changed.advance(MINUTE)
        assert changed.drafts == []
        await changed.advance(DAY)
        assert fired(changed) == ["01-03T00:30"]


async def test_a_clock_set_back_fires_nothing_twice_and_does_not_wait_for_ever():
    bench = make("@hourly")
    async with bench:
        await bench.advance(3 * HOUR)
    assert fired(bench) == ["01-01T01:00", "01-01T02:00", "01-01T03:00"]
    bench.virtual.instant -= 30 * MINUTE
    async with bench.again() as little:
        await little.advance(2 * HOUR)
    assert fired(little) == ["01-01T04:00"]
    assert little.duplicates == []
    little.virtual.instant -= 30 * DAY
    async with little.again() as much:
        await much.advance(HOUR)
        assert fired(much) == ["12-02T05:00"]
        much.virtual.instant = START + 30 * MINUTE
        async with much.again() as back:
            await back.advance(4 * HOUR)
    assert fired(back) == []
    assert len(back.duplicates) == 4  # the door knows 01:00 to 04:00


async def test_a_busy_door_loses_no_tick():
    async with make("*/10 * * * * *") as bench:
        bench.busy = 12
        await bench.advance(60 * SECOND)
        assert bench.state() in {"lagging", "armed"}
        await bench.advance(60 * SECOND)
    assert [draft.time for draft in bench.drafts] == [START + 10 * SECOND * n for n in range(1, 13)]
    assert ("lagging", "the door is busy; the tick waits and is tried again") in bench.states
    assert bench.state() == "armed"


@pytest.mark.proves("on.schedule.overlap")
async def test_overlap_skip_saves_and_counts():
    async with make({"cron": "* * * * *", "overlap": "skip"}) as bench:
        bench.hold = True
        await bench.advance(3 * MINUTE)
        assert fired(bench) == ["01-01T00:01"]
        assert bench.saved()["skipped"] == 2
        assert bench.saved()["last"] == "2026-01-01T00:03:00.000Z"
        bench.runs.clear()
        await bench.advance(MINUTE)
    assert fired(bench) == ["01-01T00:01", "01-01T00:04"]


@pytest.mark.proves("on.schedule.overlap")
async def test_overlap_queue_keeps_one_also_over_a_restart():
    bench = make({"cron": "* * * * *", "overlap": "queue"})
    async with bench:
        bench.hold = True
        await bench.advance(3 * MINUTE + SECOND)
        assert fired(bench) == ["01-01T00:01"]
        assert bench.saved()["queued"] == "2026-01-01T00:02:00.000Z"
    async with bench.again() as later:
        await later.advance(10 * SECOND)
        assert later.drafts == []
        later.runs.clear()
        await later.advance(SECOND)
        assert fired(later) == ["01-01T00:02"]
        assert "queued" not in later.saved()
        await later.advance(MINUTE)
        assert later.saved()["queued"] == "2026-01-01T00:04:00.000Z"
        later.runs.clear()
        await later.advance(SECOND)
    assert fired(later) == ["01-01T00:02", "01-01T00:04"]


@pytest.mark.proves("on.schedule.overlap")
async def test_overlap_cancel_asks_the_earlier_run_to_stop():
    async with make({"cron": "* * * * *", "overlap": "cancel"}) as bench:
        bench.hold = True
        await bench.advance(3 * MINUTE)
    assert len(bench.drafts) == 3
    assert len(bench.cancelled) == 2
    assert len(bench.runs) == 1


async def test_overlap_allow_asks_nobody():
    async with make({"cron": "* * * * *", "overlap": "allow"}) as bench:
        bench.hold = True
        await bench.advance(3 * MINUTE)
    assert len(bench.runs) == 3


@pytest.mark.proves("on.schedule.jitter")
async def test_jitter_delays_but_the_tick_keeps_its_name():
    config = {"cron": "@hourly", "jitter": "10m"}
    async with make(config, key="a/0") as one, make(config, key="b/0") as other:
        await one.advance(3 * HOUR)
        await other.advance(3 * HOUR)
    assert fired(one)[:2] == ["01-01T01:00", "01-01T02:00"]
    lates = [when - (draft.time or 0) for (when, _), draft in zip(one.emitted, one.drafts, strict=True)]
    assert all(0 <= late <= 10 * MINUTE for late in lates)
    assert [when for when, _ in one.emitted] != [when for when, _ in other.emitted]


@pytest.mark.proves("on.schedule.at")
async def test_single_times_end():
    async with make({"at": ["2026-01-01T00:05", "2025-01-01T00:00"]}) as bench:
        await bench.advance(HOUR)
        assert fired(bench) == ["01-01T00:05"]
        assert bench.drafts[0].data["next"] is None
        assert bench.states[-1] == ("armed", None)


@pytest.mark.proves("on.schedule.timezone")
async def test_the_time_zone_is_the_flows_unless_said():
    async with make("0 9 * * *", timezone="Europe/Berlin") as bench:
        await bench.advance(DAY)
    assert fired(bench) == ["01-01T08:00"]
    assert bench.drafts[0].metadata["timezone"] == "Europe/Berlin"
    async with make({"cron": "0 9 * * *", "timezone": "Asia/Tokyo"}, timezone="Europe/Berlin") as bench:
        await bench.advance(DAY)
    assert fired(bench) == ["01-02T00:00"]


async def test_a_crash_after_the_commit_doubles_nothing():
    bench = make("@hourly")

    def crash(drafts):
        if drafts:
            raise RuntimeError("power cut")

    bench.after_commit = crash
    with pytest.raises(RuntimeError, match="power cut"):
        async with bench:
            await bench.advance(HOUR)
    async with bench.again() as later:
        await later.advance(HOUR)
    assert fired(bench) + fired(later) == ["01-01T01:00", "01-01T02:00"]
    assert later.duplicates == []


async def test_a_crash_before_the_commit_loses_nothing():
    bench = make("@hourly")

    def crash(drafts):
        if drafts:
            raise RuntimeError("power cut")

    bench.before_commit = crash
    with pytest.raises(RuntimeError, match="power cut"):
        async with bench:
            await bench.advance(HOUR)
    async with bench.again() as later:
        assert fired(later) == ["01-01T01:00"]


async def test_a_wrong_time_zone_of_the_flow_is_said():
    with pytest.raises(TriggerLost, match="no time zone"):
        await ScheduleTrigger().run(make("@daily", timezone="Mars/Base"))


@pytest.mark.proves("on.schedule.every")
async def test_real_ticks_are_on_time():
    async with TriggerBench(ScheduleTrigger(), {"every": "200ms"}) as bench:
        await bench.until(lambda b: len(b.drafts) >= 4)
    late = [when - (draft.time or 0) for (when, _), draft in zip(bench.emitted, bench.drafts, strict=True)]
    assert max(late) < 100
    assert min(late) >= 0


def test_the_connector_is_cheap_to_import():
    code = (
        "import sys, reactor.sdk, logging\n"
        "import reactor.connectors.schedule as it\n"
        "assert it.connector.name == 'schedule'\n"
        "assert not any(name.startswith('cronsim') for name in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    assert connector.triggers[0].check(connector.triggers[0].config(cron="@daily")) == []
    assert from_iso("2026-01-01T00:00Z") == START


@pytest.mark.proves("on.schedule.after")
async def test_after_starts_one_run_after_another():
    bench = make({"after": "10m"})
    bench.hold = True
    async with bench:
        await bench.advance(HOUR)
        assert fired(bench) == ["01-01T00:00"]
        bench.runs.clear()
        await bench.advance(9 * MINUTE)
        assert len(bench.drafts) == 1
        await bench.advance(2 * MINUTE)
        assert fired(bench) == ["01-01T00:00", "01-01T01:10"]
    assert bench.drafts[1].data["previous_ended_at"].startswith("2026-01-01T01:00")
    later = bench.again()
    later.runs = ["run_1"]
    async with later:
        await later.advance(HOUR)
        assert later.drafts == []
        later.runs.clear()
        await later.advance(11 * MINUTE)
        assert len(later.drafts) == 1


async def test_after_goes_on_with_the_pause_it_was_in():
    bench = make({"after": "1h"})
    async with bench:
        await bench.advance(20 * MINUTE)
    assert len(bench.drafts) == 1
    bench.virtual.instant += 10 * MINUTE
    async with bench.again() as later:
        await later.advance(29 * MINUTE)
        assert later.drafts == []
        await later.advance(2 * MINUTE)
        assert fired(later) == ["01-01T01:00"]


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"after": "10m", "every": "1m"}, "every: does not go with `after`"),
        ({"after": "10m", "overlap": "skip"}, "overlap: does not go with `after`"),
        ({"after": "10m", "except": ["2026-01-01"]}, "except: does not go with `after`"),
        ({"after": "1ms"}, "after: 1ms is too short"),
        ({"after": "soon"}, "is not a duration"),
    ],
)
def test_what_does_not_go_with_after(config, message):
    assert any(message in problem for problem in make(config).problems)
