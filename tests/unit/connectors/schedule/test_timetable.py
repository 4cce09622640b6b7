"""When schedules are due, above all around changes of the clocks."""

import datetime as dt
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reactor.connectors.schedule.config import CatchUp, ExceptRange, ScheduleConfig
from reactor.connectors.schedule.timetable import delay
from reactor.model.clock import from_iso

MINUTE = 60_000
# A day with a change of the clocks in each zone, and the instant of the change.
CHANGES = {
    "Berlin forward": ("Europe/Berlin", "2026-03-29T01:00Z"),
    "Berlin back": ("Europe/Berlin", "2026-10-25T01:00Z"),
    "New York forward": ("America/New_York", "2026-03-08T07:00Z"),
    "New York back": ("America/New_York", "2026-11-01T06:00Z"),
    "Lord Howe forward": ("Australia/Lord_Howe", "2026-10-03T15:30Z"),
    "Lord Howe back": ("Australia/Lord_Howe", "2026-04-04T15:00Z"),
}


def ticks(cron_or_config, zone, after, count=6):
    config = cron_or_config if isinstance(cron_or_config, ScheduleConfig) else ScheduleConfig(cron=cron_or_config)
    assert config.problems() == []
    plan = config.plan(zone)
    found: list[str] = []
    following = plan.next(from_iso(after))
    while len(found) < count and following is not None:
        found.append(local(following, zone))
        following = plan.next(following)
    return found


def local(instant, zone):
    return dt.datetime.fromtimestamp(instant / 1000, ZoneInfo(zone)).isoformat(timespec="minutes")


@pytest.mark.parametrize(
    ("line", "zone", "after", "expected"),
    [
        # A time that does not exist: right after the gap, once.
        ("30 2 * * *", "Europe/Berlin", "2026-03-28T12:00Z", ["2026-03-29T03:00+02:00", "2026-03-30T02:30+02:00"]),
        ("0,30 2 * * *", "Europe/Berlin", "2026-03-28T12:00Z", ["2026-03-29T03:00+02:00", "2026-03-30T02:00+02:00"]),
        ("0 30 2 * * *", "Europe/Berlin", "2026-03-28T12:00Z", ["2026-03-29T03:00+02:00", "2026-03-30T02:30+02:00"]),
        ("15 2 * * *", "America/New_York", "2026-03-07T12:00Z", ["2026-03-08T03:00-04:00", "2026-03-09T02:15-04:00"]),
        (
            "15 2 * * *",
            "Australia/Lord_Howe",
            "2026-10-03T00:00Z",
            ["2026-10-04T02:30+11:00", "2026-10-05T02:15+11:00"],
        ),
        # The tick right after the gap is not doubled by the one that moved there.
        ("30 2,3 * * *", "Europe/Berlin", "2026-03-28T12:00Z", ["2026-03-29T03:00+02:00", "2026-03-29T03:30+02:00"]),
        ("0 2,3 * * *", "Europe/Berlin", "2026-03-28T12:00Z", ["2026-03-29T03:00+02:00", "2026-03-30T02:00+02:00"]),
        # A time that comes twice: the first time only.
        ("30 2 * * *", "Europe/Berlin", "2026-10-24T12:00Z", ["2026-10-25T02:30+02:00", "2026-10-26T02:30+01:00"]),
        ("30 2 * * *", "Europe/Berlin", "2026-10-25T00:40Z", ["2026-10-26T02:30+01:00"]),
        ("30 1 * * *", "America/New_York", "2026-10-31T12:00Z", ["2026-11-01T01:30-04:00", "2026-11-02T01:30-05:00"]),
        (
            "45 1 * * *",
            "Australia/Lord_Howe",
            "2026-04-04T00:00Z",
            ["2026-04-05T01:45+11:00", "2026-04-06T01:45+10:30"],
        ),
        # Every so often: goes with the wall.
        (
            "*/30 * * * *",
            "Europe/Berlin",
            "2026-03-29T00:00Z",
            ["2026-03-29T01:30+01:00", "2026-03-29T03:00+02:00", "2026-03-29T03:30+02:00"],
        ),
        (
            "*/30 2 * * *",
            "Europe/Berlin",
            "2026-10-24T12:00Z",
            ["2026-10-25T02:00+02:00", "2026-10-25T02:30+02:00", "2026-10-25T02:00+01:00", "2026-10-25T02:30+01:00"],
        ),
        ("*/30 2 * * *", "Europe/Berlin", "2026-03-28T12:00Z", ["2026-03-30T02:00+02:00"]),
        (
            "*/15 * * * *",
            "Australia/Lord_Howe",
            "2026-04-04T14:40Z",
            ["2026-04-05T01:45+11:00", "2026-04-05T01:30+10:30", "2026-04-05T01:45+10:30", "2026-04-05T02:00+10:30"],
        ),
        (
            "0 * * * *",
            "Australia/Lord_Howe",
            "2026-10-03T14:00Z",
            ["2026-10-04T01:00+10:30", "2026-10-04T03:00+11:00"],
        ),
    ],
)
def test_changes_of_the_clocks(line, zone, after, expected):
    assert ticks(line, zone, after, len(expected)) == expected


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe"])
def test_ten_seconds_stay_ten_seconds_all_night(zone):
    for name, instant in CHANGES.values():
        if name != zone:
            continue
        plan = ScheduleConfig(cron="*/10 * * * * *").plan(zone)
        now = from_iso(instant) - 3_600_000
        for _ in range(720):
            following = plan.next(now)
            assert following == now + 10_000
            now = following


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("0 9 * * 1-5", ["2026-01-01T09:00+00:00", "2026-01-02T09:00+00:00", "2026-01-05T09:00+00:00"]),
        ("0 9 * * MON-FRI", ["2026-01-01T09:00+00:00", "2026-01-02T09:00+00:00", "2026-01-05T09:00+00:00"]),
        ("0 0 * * sat-sun", ["2026-01-03T00:00+00:00", "2026-01-04T00:00+00:00", "2026-01-10T00:00+00:00"]),
        ("0 0 15W * ?", ["2026-01-15T00:00+00:00", "2026-02-16T00:00+00:00", "2026-03-16T00:00+00:00"]),
        ("0 0 1W 8 *", ["2026-08-03T00:00+00:00", "2027-08-02T00:00+00:00"]),
        ("0 0 31W 5 *", ["2026-05-29T00:00+00:00", "2027-05-31T00:00+00:00"]),
        ("0 0 L * *", ["2026-01-31T00:00+00:00", "2026-02-28T00:00+00:00"]),
        ("0 0 L-3 * *", ["2026-01-28T00:00+00:00", "2026-02-25T00:00+00:00"]),
        ("0 0 LW * *", ["2026-01-30T00:00+00:00", "2026-02-27T00:00+00:00"]),
        ("0 0 ? * 5L", ["2026-01-30T00:00+00:00", "2026-02-27T00:00+00:00"]),
        ("0 0 * * FRIL", ["2026-01-30T00:00+00:00", "2026-02-27T00:00+00:00"]),
        ("0 0 * * MON#2", ["2026-01-12T00:00+00:00", "2026-02-09T00:00+00:00"]),
        ("0 0 29 2 *", ["2028-02-29T00:00+00:00", "2032-02-29T00:00+00:00"]),
        ("0 0 13 * FRI", ["2026-01-02T00:00+00:00", "2026-01-09T00:00+00:00", "2026-01-13T00:00+00:00"]),
        ("0 0 1 JAN,JUL *", ["2026-07-01T00:00+00:00", "2027-01-01T00:00+00:00"]),
        ("@yearly", ["2027-01-01T00:00+00:00"]),
        ("@monthly", ["2026-02-01T00:00+00:00"]),
        ("@weekly", ["2026-01-04T00:00+00:00"]),
        ("@daily", ["2026-01-02T00:00+00:00"]),
        ("@midnight", ["2026-01-02T00:00+00:00"]),
        ("@hourly", ["2026-01-01T01:00+00:00"]),
        ("@every 90m", ["2026-01-01T01:30+00:00", "2026-01-01T03:00+00:00"]),
    ],
)
def test_what_a_line_means(line, expected):
    assert ticks(line, "UTC", "2026-01-01T00:00Z", len(expected)) == expected


def test_seconds_come_first():
    plan = ScheduleConfig(cron="5,10 0 12 * * *").plan("UTC")
    noon = from_iso("2026-01-01T12:00Z")
    assert plan.next(noon) == noon + 5_000
    assert plan.next(noon + 5_000) == noon + 10_000


@pytest.mark.parametrize(
    ("config", "part"),
    [
        ({"cron": "0 0 30 2 *"}, "never fires"),
        ({"cron": "0 0 31 4,6 *"}, "never fires"),
        ({"cron": "0 0 31W 2 *"}, "never fires"),
        ({"cron": "0 0 25 12 *", "except_": ["12-25"]}, "never fires"),
        ({"cron": "61 * * * *"}, "minute cannot be '61'"),
        ({"cron": "* * 0W * *"}, "day-of-month cannot be '0W'"),
        ({"cron": "* * *"}, "has 3 fields"),
        ({"cron": ""}, "has 0 fields"),
        ({"cron": "* * * * * * 2026"}, "has 7 fields"),
        ({"cron": "@reboot"}, "@hourly and @every 5m"),
        ({"cron": "@every"}, "not a duration"),
        ({"cron": "*," * 300 + "* * * * *"}, "more than 500"),
        ({"every": "10ms"}, "shortest interval is 100ms"),
        ({"every": "soon"}, "not a duration"),
        ({"at": "noon"}, "is not a time"),
        ({"at": []}, "empty list"),
        ({}, "one of cron, every and at"),
        ({"cron": "@daily", "every": "5m"}, "not cron and every"),
        ({"cron": "@daily", "timezone": "Europe/Berln"}, "did you mean Europe/Berlin"),
        ({"cron": "@daily", "timezone": "../etc/passwd"}, "no time zone"),
        ({"cron": "@daily", "except_": ["Christmas"]}, "is not a day"),
        ({"cron": "@daily", "except_": ["2026-02-30"]}, "is not a day"),
        ({"cron": "@daily", "except_": ["2026-02-03..2026-02-01"]}, "ends before it starts"),
        ({"cron": "@daily", "jitter": "a bit"}, "jitter: 'a bit' is not a duration"),
        ({"cron": "@daily", "catch_up": CatchUp(5_000)}, "catch_up.max"),
    ],
)
def test_what_check_refuses(config, part):
    problems = ScheduleConfig(**config).problems()
    assert len(problems) == 1
    assert part in problems[0]


def test_every_is_aligned_to_the_epoch():
    plan = ScheduleConfig(every="7m").plan("Europe/Berlin")
    tick = plan.next(from_iso("2026-05-05T05:05:05Z"))
    assert tick is not None
    assert tick % (7 * MINUTE) == 0
    assert plan.next(tick - 1) == tick


def test_at_is_local_unless_it_says_otherwise():
    config = ScheduleConfig(at=["2026-12-24T18:00", "2026-03-29T02:30", "2026-12-24T18:00:00+00:00"])
    assert ticks(config, "Europe/Berlin", "2026-01-01T00:00Z") == [
        "2026-03-29T03:00+02:00",
        "2026-12-24T18:00+01:00",
        "2026-12-24T19:00+01:00",
    ]


@pytest.mark.proves("on.schedule.except", "on.schedule.except.{from,to}")
def test_excluded_days_are_local():
    config = ScheduleConfig(
        cron="0 */12 * * *", except_=["2026-01-02", ExceptRange("2026-01-04", "2026-01-05"), "12-24..01-01"]
    )
    assert ticks(config, "Europe/Berlin", "2025-12-23T12:00Z", 5) == [
        "2026-01-03T00:00+01:00",
        "2026-01-03T12:00+01:00",
        "2026-01-06T00:00+01:00",
        "2026-01-06T12:00+01:00",
        "2026-01-07T00:00+01:00",
    ]


def test_jitter_is_the_same_everywhere_and_spread():
    delays = {delay(f"flow{number}/0", 1_000_000, 60_000) for number in range(200)}
    assert delay("flow/0", 5, 60_000) == delay("flow/0", 5, 60_000)
    assert len(delays) > 190
    assert 0 <= min(delays) < max(delays) <= 60_000
    assert delay("flow/0", 5, 0) == 0


# ---------------------------------------------------------------- brute force


def fields(low, high):
    number = st.integers(low, high)
    spread = st.tuples(number, number).map(lambda ends: f"{min(ends)}-{max(ends)}")
    steps = st.integers(1, max(2, (high - low) // 2)).map(lambda step: f"*/{step}")
    lists = st.lists(number, min_size=1, max_size=4).map(lambda numbers: ",".join(map(str, numbers)))
    return st.one_of(st.just("*"), lists, spread, steps)


def values(text, low, high):
    """What a generated field matches, worked out without the code under test."""
    found = set()
    for part in text.split(","):
        if part == "*":
            found |= set(range(low, high + 1))
        elif part.startswith("*/"):
            found |= set(range(low, high + 1, int(part[2:])))
        else:
            start, _, end = part.partition("-")
            found |= set(range(int(start), int(end or start) + 1))
    return found


def expected_ticks(line, zone, start, end):
    """All ticks in [start, end): by looking at every minute on the wall."""
    minute, hour, day, month, weekday = line.split()
    allowed = [values(minute, 0, 59), values(hour, 0, 23), values(day, 1, 31), values(month, 1, 12)]
    weekdays = {number % 7 for number in values(weekday, 0, 6)}
    both = day.startswith("*") or weekday.startswith("*")

    def matches(wall):
        days = (wall.day in allowed[2], wall.isoweekday() % 7 in weekdays)
        return (
            wall.minute in allowed[0]
            and wall.hour in allowed[1]
            and wall.month in allowed[3]
            and (all(days) if both else any(days))
        )

    walls = [
        (instant, dt.datetime.fromtimestamp(instant / 1000, ZoneInfo(zone)).replace(tzinfo=None))
        for instant in range(start, end, MINUTE)
    ]
    if minute.startswith("*") or hour.startswith("*"):
        return [instant for instant, wall in walls if matches(wall)]
    found, seen = set(), set()
    for (_, before), (instant, wall) in zip([(0, walls[0][1]), *walls], walls, strict=False):
        skipped = before + dt.timedelta(minutes=1)
        while skipped < wall:  # on the wall these minutes never were
            if matches(skipped):
                found.add(instant)
            skipped += dt.timedelta(minutes=1)
        if matches(wall) and wall not in seen:
            found.add(instant)
        seen.add(wall)
    return sorted(found)


@settings(max_examples=80, deadline=None)
@given(
    change=st.sampled_from(sorted(CHANGES)),
    line=st.tuples(fields(0, 59), fields(0, 23), fields(1, 31), fields(1, 12), fields(0, 6)).map(" ".join),
)
def test_next_equals_brute_force_and_only_goes_forward(change, line):
    zone, instant = CHANGES[change]
    start, end = from_iso(instant) - 30 * 60 * MINUTE, from_iso(instant) + 18 * 60 * MINUTE
    config = ScheduleConfig(cron=line)
    if config.problems():
        return  # no such day
    plan = config.plan(zone)
    found, now = [], start - 1
    while (following := plan.next(now)) is not None and following < end:
        assert following > now
        found.append(following)
        now = following
    assert found == [tick for tick in expected_ticks(line, zone, start - 180 * MINUTE, end) if tick >= start]


@settings(max_examples=60, deadline=None)
@given(
    line=st.sampled_from(["*/7 * * * *", "0 9 * * 1-5", "@yearly", "*/10 * * * * *", "0 0 29 2 *", "30 2 * * *"]),
    before=st.integers(from_iso("2025-01-01T00:00Z"), from_iso("2027-01-01T00:00Z")),
)
def test_previous_is_the_opposite_of_next(line, before):
    plan = ScheduleConfig(cron=line).plan("Europe/Berlin")
    earlier = plan.previous(before)
    assert earlier is not None
    following = plan.next(earlier)
    assert following is not None
    assert earlier < before <= following


def test_there_is_nothing_before_the_first_single_time():
    plan = ScheduleConfig(at="2026-01-01T00:00").plan("UTC")
    tick = from_iso("2026-01-01T00:00Z")
    assert plan.previous(tick) is None
    assert plan.previous(tick + 1) == tick
    assert plan.next(tick) is None
