"""Who goes next: runs that wait for a slot of `concurrency` or for the next start of `throttle`.

Runs of one flow with the same keys wait in one lane. Among the lanes that wait for the same slots, the one whose first
run has the highest priority goes first; among equals the one that was served longest ago, so every key gets its turn;
within a lane the older run. A lane is in one place at a time: at its slots, or, when it has a slot but no start, at
its meter. A slot is the key of a run in a set: nothing is counted, so nothing can leak.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable, Iterator

import msgspec

from reactor.engine.flowcontrol.windows import Windows
from reactor.model.clock import Instant

_Order = tuple[float, int, int]
_Heap = list[tuple[_Order, int, "Lane"]]
SHARED = "\0"
"""What the name of a set of slots begins with that several flows share."""


class Terms(msgspec.Struct, frozen=True):
    """What a run needs to start, by the flow as it is now."""

    lane: str
    flow: str
    slot: str | None = None
    """Name of the set of slots that it needs one of."""
    limit: int = 0
    meter: str | None = None
    """Key of the throttle that it has to pass."""
    max: int = 0
    per: int = 0


class Lane:
    """Runs with the same terms."""

    __slots__ = ("heap", "served", "stamp", "terms")

    def __init__(self, terms: Terms, served: int) -> None:
        self.terms = terms
        self.heap: list[tuple[float, int]] = []
        self.served = served
        self.stamp = 0
        """Raised whenever it is put somewhere: an older entry of it counts no more."""


class _Slots:
    __slots__ = ("heap", "holders")

    def __init__(self) -> None:
        self.holders: set[int] = set()
        self.heap: _Heap = []


class _Meter:
    __slots__ = ("due", "heap", "name")

    def __init__(self, name: tuple[str, str]) -> None:
        self.name = name
        self.heap: _Heap = []
        self.due: Instant = 0
        """When it looks again; 0: nobody waits at it."""


class Lanes:
    """See the module."""

    def __init__(
        self,
        now: Callable[[], Instant],
        windows: Windows,
        call_at: Callable[[Instant, Callable[[], None]], object],
        granted: Callable[[int], None],
    ) -> None:
        """`granted`: told of a run that waited and may start now; its slot is taken already."""
        self._now = now
        self._windows = windows
        self._call_at = call_at
        self._granted = granted
        self._slots: dict[str, _Slots] = {}
        self._meters: dict[tuple[str, str], _Meter] = {}
        self._lanes: dict[str, Lane] = {}
        self._waiting: dict[int, Lane] = {}
        self._held: dict[int, str] = {}
        self._turn = 0
        self._count = itertools.count()

    def __contains__(self, key: int) -> bool:
        return key in self._waiting

    def __len__(self) -> int:
        return len(self._waiting)

    # --- coming, going -------------------------------------------------------------------------------------------

    def offer(self, key: int, priority: float, terms: Terms) -> bool:
        """True: the run may start now, and has its slot. False: it waits (and `granted` will be told)."""
        if self.take(key, terms):
            return True
        lane = self._lanes.get(terms.lane)
        if lane is None:
            lane = self._lanes[terms.lane] = Lane(terms, self._turn)
        heapq.heappush(lane.heap, (-priority, key))
        self._waiting[key] = lane
        self._place(lane)
        return False

    def take(self, key: int, terms: Terms) -> bool:
        """Start at once if nobody is before it and there is room."""
        if terms.lane in self._lanes:
            return False
        meter = self._meters.get((terms.flow, terms.meter)) if terms.meter is not None else None
        if meter is not None and meter.heap:
            self._pump_meter(meter)
        if not self._room(terms) or self._full_until(terms) is not None:
            return False
        self._take(key, terms)
        return True

    def pump(self) -> None:
        """Limits have changed: let go whoever can go."""
        for name in list(self._slots):
            if name in self._slots:
                self._pump_slots(name)

    def hold(self, key: int, slot: str | None) -> None:
        """This run runs, whatever the limit says."""
        self._leave_slot(key)
        if slot is not None:
            self._held[key] = slot
            self._slots.setdefault(slot, _Slots()).holders.add(key)

    def free(self, key: int) -> None:
        """This run runs no more."""
        name = self._leave_slot(key)
        if name is not None:
            self._pump_slots(name)

    def _leave_slot(self, key: int) -> str | None:
        """The name of the slots if somebody may wait for one."""
        name = self._held.pop(key, None)
        if name is None:
            return None
        slots = self._slots[name]
        slots.holders.discard(key)
        if slots.heap:
            return name
        if not slots.holders:
            del self._slots[name]
        return None

    def withdraw(self, key: int) -> bool:
        """This run does not wait any more. Whether it did."""
        lane = self._waiting.pop(key, None)
        if lane is None:
            return False
        self._head(lane)
        return True

    # --- asking --------------------------------------------------------------------------------------------------

    def holders(self, slot: str) -> list[int]:
        """Runs that hold a slot of this name."""
        slots = self._slots.get(slot)
        return sorted(slots.holders) if slots is not None else []

    def slots_of(self, flow: str) -> Iterator[tuple[str, list[int]]]:
        """(name, holders) of every set of slots of this flow that is in use, and of those that flows share."""
        for name, slots in self._slots.items():
            if name.startswith((f"{flow}\0", SHARED)):
                yield name, sorted(slots.holders)

    def lanes_of(self, flow: str) -> Iterator[tuple[Terms, int, Instant | None]]:
        """(terms, runs that wait, when the throttle lets the next one through if it is that) of a flow's lanes."""
        for lane in self._lanes.values():
            if lane.terms.flow == flow:
                waiting = sum(self._waiting.get(key) is lane for _, key in lane.heap)
                yield lane.terms, waiting, None if not self._room(lane.terms) else self._full_until(lane.terms)

    def blocked_by(self, key: int) -> tuple[Terms, Instant | None, int]:
        """(terms, when the throttle lets the next one through if it is that, runs of the same keys ahead of it)."""
        lane = self._waiting[key]
        own = next(entry for entry in lane.heap if entry[1] == key)
        ahead = sum(entry < own and self._waiting.get(entry[1]) is lane for entry in lane.heap)
        return lane.terms, None if not self._room(lane.terms) else self._full_until(lane.terms), ahead

    def _room(self, terms: Terms) -> bool:
        if terms.slot is None:
            return True
        slots = self._slots.get(terms.slot)
        return slots is None or len(slots.holders) < max(1, terms.limit)

    def _full_until(self, terms: Terms) -> Instant | None:
        if terms.meter is None:
            return None
        window = self._windows.get("throttle", terms.flow, terms.meter)
        return window.full_until(self._now(), terms.max, terms.per)

    # --- moving --------------------------------------------------------------------------------------------------

    def _take(self, key: int, terms: Terms) -> None:
        self.hold(key, terms.slot)
        if terms.meter is not None:
            self._windows.get("throttle", terms.flow, terms.meter).add(self._now())

    def _head(self, lane: Lane) -> _Order | None:
        """The order of the lane's first run; None, and the lane is gone, when nobody waits in it."""
        while lane.heap and self._waiting.get(lane.heap[0][1]) is not lane:
            heapq.heappop(lane.heap)
        if not lane.heap:
            lane.stamp = -1
            if self._lanes.get(lane.terms.lane) is lane:
                del self._lanes[lane.terms.lane]
            return None
        priority, key = lane.heap[0]
        return priority, lane.served, key

    def _place(self, lane: Lane) -> None:
        """Put a lane where it waits, and let go whoever can go there."""
        order = self._head(lane)
        if order is None:
            return
        terms = lane.terms
        if terms.slot is not None and (terms.meter is None or not self._room(terms)):
            slots = self._slots.setdefault(terms.slot, _Slots())
            self._push(slots.heap, order, lane)
            if self._room(terms):
                self._pump_slots(terms.slot)
        else:
            meter = self._meter(terms)
            self._push(meter.heap, order, lane)
            self._pump_meter(meter)

    def _meter(self, terms: Terms) -> _Meter:
        name = (terms.flow, terms.meter or "")
        meter = self._meters.get(name)
        if meter is None:
            meter = self._meters[name] = _Meter(name)
        return meter

    def _push(self, heap: _Heap, order: _Order, lane: Lane) -> None:
        lane.stamp = next(self._count)
        heapq.heappush(heap, (order, lane.stamp, lane))

    def _first(self, heap: _Heap) -> Lane | None:
        """Take the lane whose turn it is."""
        while heap:
            order, stamp, lane = heapq.heappop(heap)
            if lane.stamp != stamp:
                continue
            now = self._head(lane)
            if now == order:
                return lane
            if now is not None:
                self._push(heap, now, lane)
        return None

    def _grant(self, lane: Lane) -> _Order | None:
        """The lane's first run may start; the order of the next one."""
        _, key = heapq.heappop(lane.heap)
        del self._waiting[key]
        self._turn += 1
        lane.served = self._turn
        self._take(key, lane.terms)
        self._granted(key)
        return self._head(lane)

    def _pump_slots(self, name: str) -> None:
        slots = self._slots[name]
        full: list[Lane] = []
        while (lane := self._first(slots.heap)) is not None:
            if not self._room(lane.terms):
                full.append(lane)
                if not name.startswith(SHARED):
                    # One flow, one limit: nobody behind can go either.
                    break
            elif self._full_until(lane.terms) is not None:
                self._place(lane)
            else:
                order = self._grant(lane)
                if order is not None:
                    self._push(slots.heap, order, lane)
        for lane in full:
            order = self._head(lane)
            if order is not None:
                self._push(slots.heap, order, lane)
        if not slots.holders and not slots.heap:
            self._slots.pop(name, None)

    def _pump_meter(self, meter: _Meter) -> None:
        while (lane := self._first(meter.heap)) is not None:
            until, order = self._full_until(lane.terms), self._head(lane)
            if until is not None and order is not None:
                self._push(meter.heap, order, lane)
                self._arm(meter, until)
                return
            if self._room(lane.terms):
                order = self._grant(lane)
                if order is not None:
                    self._push(meter.heap, order, lane)
            elif lane.terms.slot is not None and order is not None:
                self._push(self._slots[lane.terms.slot].heap, order, lane)
        if meter.due == 0:
            self._meters.pop(meter.name, None)

    def _arm(self, meter: _Meter, until: Instant) -> None:
        if meter.due and meter.due <= until:
            return
        meter.due = until

        def fire() -> None:
            if meter.due == until:
                meter.due = 0
                self._pump_meter(meter)

        self._call_at(until, fire)
