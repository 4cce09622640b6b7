"""Who goes next: slots, starts in time, priority, turns of keys."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable
from typing import Any

import msgspec
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from reactor.engine.flowcontrol.lanes import SHARED, Lanes, Terms
from reactor.engine.flowcontrol.windows import Window, Windows


class Time:
    """A clock with timers."""

    def __init__(self) -> None:
        self.now = 1_000
        self.count = itertools.count()
        self.timers: list[tuple[int, int, Callable[[], None]]] = []

    def call_at(self, instant: int, callback: Callable[[], None]) -> None:
        heapq.heappush(self.timers, (instant, next(self.count), callback))

    def forward(self, milliseconds: int) -> None:
        self.now += milliseconds
        while self.timers and self.timers[0][0] <= self.now:
            heapq.heappop(self.timers)[2]()


def lanes(time: Time, granted: Callable[[int], None]) -> Lanes:
    return Lanes(lambda: time.now, Windows(lambda: time.now), time.call_at, granted)


def one(name: str = "", **more: Any) -> Terms:
    """Terms of a flow with one slot."""
    values: dict[str, Any] = {"lane": f"f/{name}", "flow": "f", "slot": "f\0", "limit": 1}
    return Terms(**(values | more))


def test_keys_take_turns_and_an_empty_lane_comes_back_at_the_end() -> None:
    got: list[int] = []
    it = lanes(Time(), got.append)
    assert it.offer(1, 0, one("x"))
    for key in (2, 3, 4):
        assert not it.offer(key, 0, one("x"))
    for key in (5, 6):
        assert not it.offer(key, 0, one("y"))
    running, order = 1, []
    for number in range(6):
        it.free(running)
        running = got[-1] if got else 0
        order.append(running)
        got.clear()
        # A key that always has exactly one more waiting does not come before those that wait longer.
        assert not it.offer(100 + number, 0, one("z"))
    assert order == [2, 5, 3, 100, 6, 4]


def test_priority_goes_before_turns_and_age() -> None:
    got: list[int] = []
    it = lanes(Time(), got.append)
    assert it.offer(1, 0, one("x"))
    assert not it.offer(2, 0, one("x"))
    assert not it.offer(3, 1, one("y"))
    assert not it.offer(4, 2, one("x"))
    for key in (1, 4, 3):
        it.free(key)
    assert got == [4, 3, 2]


def test_flows_that_share_slots_have_limits_of_their_own() -> None:
    got: list[int] = []
    it = lanes(Time(), got.append)
    wide = one("wide", slot=SHARED, limit=2, flow="g")
    narrow = one("narrow", slot=SHARED, limit=1)
    assert it.offer(1, 0, wide)
    assert not it.offer(2, 9, narrow)
    assert it.offer(3, 0, wide), "the narrow one cannot go in any case"
    it.free(1)
    assert not got
    it.free(3)
    assert got == [2]


def test_who_is_withdrawn_is_not_granted_and_leaves_nothing() -> None:
    got: list[int] = []
    time = Time()
    it = lanes(time, got.append)
    terms = one("x", meter="", max=1, per=10)
    assert it.offer(1, 0, terms)
    for key in (2, 3, 4):
        assert not it.offer(key, 0, terms)
    assert it.withdraw(2)
    assert not it.withdraw(2)
    it.free(1)
    assert not got
    time.forward(10)
    assert got == [3]
    assert it.withdraw(4)
    it.free(3)
    time.forward(1_000)
    assert (it._lanes, it._slots, it._meters, it._waiting, it._held) == ({}, {}, {}, {}, {})


def test_windows_are_bounded_and_forgotten() -> None:
    now = 0
    windows = Windows(lambda: now)
    for key in range(5_000):
        now += 1
        window = windows.get("rate_limit", "f", str(key))
        assert window.full_until(now, 3, 100) is None
        window.add(now)
    assert len(windows) < 2_500
    windows.remember(("throttle", "f", "of before"), now - 10, 1_000_000)
    for key in range(5_000):
        windows.get("rate_limit", "f", f"new {key}")
    assert windows.get("throttle", "f", "of before").times, "what was read from the store is kept like the rest"
    window = Window()
    for at in range(10_000):
        window.add(at, 5)
    assert len(window.times) == 5
    assert window.full_until(10_000, 5, 10) == 10_005
    assert window.full_until(10_004, 5, 10) == 10_005
    assert window.full_until(10_005, 5, 10) is None


class Turns(RuleBasedStateMachine):
    """Against a list of what waits, searched from the front each time."""

    def __init__(self) -> None:
        super().__init__()
        self.time = Time()
        self.lanes = lanes(self.time, self.granted)
        self.next = 1
        self.waiting: dict[int, tuple[float, Terms]] = {}
        self.running: dict[int, Terms] = {}
        self.starts: list[int] = []

    @initialize(limit=st.integers(1, 3), most=st.integers(1, 3), by_slot=st.booleans(), by_meter=st.booleans())
    def choose(self, limit: int, most: int, by_slot: bool, by_meter: bool) -> None:
        self.limit, self.most, self.by_slot, self.by_meter = limit, most, by_slot, by_meter

    def terms(self, name: str, again: bool) -> Terms:
        meter = None if again else name if self.by_meter else ""
        slot = f"f\0{name if self.by_slot else ''}"
        return Terms(f"{name}{again}", "f", slot, self.limit, meter, self.most, 100)

    def room(self, terms: Terms) -> bool:
        return sum(t.slot == terms.slot for t in self.running.values()) < self.limit

    def started(self, key: int, terms: Terms) -> None:
        assert self.room(terms), "more than the limit"
        if terms.meter is not None:
            latest = [at for at, meter in self.log if meter == terms.meter and at > self.time.now - 100]
            assert len(latest) < self.most, "more than the throttle"
            self.log.append((self.time.now, terms.meter))
        self.running[key] = terms

    log: list[tuple[int, str]]

    @initialize()
    def empty(self) -> None:
        self.log = []

    def granted(self, key: int) -> None:
        priority, terms = self.waiting.pop(key)
        same = [(-p, k) for k, (p, t) in self.waiting.items() if t == terms]
        assert not same or (-priority, key) < min(same), "somebody of the same keys was before it"
        self.started(key, terms)

    @rule(name=st.sampled_from("xyz"), priority=st.sampled_from([0, 0, 0, 1, 2]), again=st.booleans())
    def offer(self, name: str, priority: int, again: bool) -> None:
        key, self.next = self.next, self.next + 1
        terms = self.terms(name, again)
        self.waiting[key] = (priority, terms)
        if self.lanes.offer(key, priority, terms):
            del self.waiting[key]
            assert not [k for k, (_, t) in self.waiting.items() if t == terms], "it overtook one of the same keys"
            self.started(key, terms)

    @precondition(lambda self: self.running)
    @rule(data=st.data())
    def free(self, data: st.DataObject) -> None:
        key = data.draw(st.sampled_from(sorted(self.running)))
        del self.running[key]
        self.lanes.free(key)

    @precondition(lambda self: self.waiting)
    @rule(data=st.data())
    def withdraw(self, data: st.DataObject) -> None:
        key = data.draw(st.sampled_from(sorted(self.waiting)))
        del self.waiting[key]
        assert self.lanes.withdraw(key)

    @rule(milliseconds=st.integers(1, 120))
    def forward(self, milliseconds: int) -> None:
        self.time.forward(milliseconds)

    @rule(limit=st.integers(1, 3), most=st.integers(1, 3))
    def change(self, limit: int, most: int) -> None:
        """As `FlowControl.changed` does it."""
        self.limit, self.most = limit, most
        waiting, self.waiting = self.waiting, {}
        for key in sorted(waiting):
            assert self.lanes.withdraw(key)
        for key in sorted(waiting):
            priority, terms = waiting[key]
            terms = msgspec.structs.replace(terms, limit=limit, max=most)
            self.waiting[key] = (priority, terms)
            if self.lanes.offer(key, priority, terms):
                del self.waiting[key]
                self.started(key, terms)
        self.lanes.pump()

    @invariant()
    def nobody_waits_for_nothing(self) -> None:
        assert len(self.lanes) == len(self.waiting)
        for key, (_, terms) in self.waiting.items():
            latest = [at for at, meter in self.log if meter == terms.meter and at > self.time.now - 100]
            free = terms.meter is None or len(latest) < self.most
            assert not (self.room(terms) and free), f"{key} could go"

    def teardown(self) -> None:
        for _ in range(1_000):
            if not self.waiting and not self.running:
                break
            for key in list(self.running):
                del self.running[key]
                self.lanes.free(key)
            self.time.forward(100)
        assert not self.waiting, "starved"
        self.time.forward(1_000)
        assert (self.lanes._lanes, self.lanes._slots, self.lanes._meters, self.lanes._held) == ({}, {}, {}, {})


TestTurns = Turns.TestCase
TestTurns.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
