"""What the runs of one flow test share: the virtual clock and its timers, the events that come, what was done so far.

Nothing real passes: when no run can move any more, the clock jumps to whatever is due next.
"""

from __future__ import annotations

import asyncio
import functools
import heapq
import itertools
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import msgspec

from reactor.language.case import Answer, Case, Decision, Mock, fits
from reactor.language.inputs import check_inputs
from reactor.model.clock import Instant
from reactor.model.event import Event
from reactor.model.journal import Entry, Wanted
from reactor.runtime.people import DECIDED
from reactor.runtime.virtual import START, VirtualClock, is_wanted

_SETTLE = 30
"""Turns of the loop without progress after which every task is known to wait."""
_PATIENCE = 0.002
"""Seconds of real time between two looks at actions that really run."""
_INDEX = re.compile(r"(?<!\.cases)\[\d+\]")


class Step(msgspec.Struct):
    """How one step stands."""

    status: str
    output: Any = None


class Trouble(msgspec.Struct, frozen=True):
    """Why the test cannot go on, whatever the flow would do next."""

    path: str
    message: str


def template(path: str) -> str:
    """A step's path with every number of an iteration left open: `each[3].charge` → `each[].charge`."""
    return _INDEX.sub("[]", path)


class Mocks:
    """What steps are said to give, and how often each was asked."""

    def __init__(self, mocks: Iterable[Mock]) -> None:
        self._mocks = {mock.at: mock for mock in mocks}
        self._asked_for = dict.fromkeys(self._mocks, 0)

    def answer(self, path: str) -> Answer | None:
        """What this call gives; None when nothing is said of it. The longest name that fits wins."""
        at = max((key for key in self._mocks if fits(key, path)), key=len, default=None)
        if at is None:
            return None
        self._asked_for[at] += 1
        return self._mocks[at].answer(self._asked_for[at] - 1)

    @property
    def unused(self) -> list[str]:
        """Mocks that nobody asked."""
        return [at for at, count in self._asked_for.items() if not count]


def _form(asked: Mapping[str, Any], decision: Decision) -> tuple[Any, str | None]:
    """The form as it is taken, and what is wrong with it."""
    schema = asked.get("form")
    if schema is None:
        return None, "there is no form to fill in" if decision.form else None
    if decision.decision == "reject" and not decision.form:
        return None, None
    values, problems = check_inputs(schema, decision.form or {})
    return values, f"the form: {'; '.join(problems)}" if problems else None


class CaseWorld:
    """One flow test under way."""

    def __init__(self, case: Case, flow: str) -> None:
        """`flow`: the name of the flow that is tested."""
        self.clock = VirtualClock(START if case.now is None else case.now)
        self.mocks = Mocks(case.mock)
        self._decisions = case.approve
        self.state: dict[str, dict[str, Any]] = {flow: dict(case.state)}
        self.called: dict[str, bool] = {}
        """Steps that called something, in the order of their first attempts → whether that touches nothing and is not
        mocked."""
        self.emitted: list[dict[str, Any]] = []
        self.steps: dict[str, Step] = {}
        self.seen: dict[str, dict[str, set[str]]] = {}
        """By flow: what was recorded of each of its paths, for coverage."""
        self._handled: set[str] = set()
        self._entered: set[str] = set()
        self._approvals: dict[str, dict[str, Any]] = {}
        """Approval id → what is asked."""
        self.refused: list[tuple[int, str]] = []
        """Decisions of the test, by their number, that nobody would have taken, and why."""
        self.paused: str | None = None
        self.trouble: Trouble | None = None
        self.background: list[asyncio.Task[Any]] = []
        """Runs that nobody waits for."""
        self.busy = 0
        """Actions that really run now."""
        self._turn = 0
        self._timers: list[tuple[Instant, int, Callable[[], None], asyncio.Future[Any] | None]] = []
        self._count = itertools.count()
        self._events: list[dict[str, Any]] = []
        self._waits: list[tuple[Wanted, asyncio.Future[dict[str, Any]]]] = []

    # --- what runs tell ------------------------------------------------------------------------------------------

    def moved(self) -> None:
        """Something happened: others may be able to go on."""
        self._turn += 1

    def note(self, flow: str, prefix: str, entry: Entry) -> None:
        """An entry of a journal, for expectations and coverage."""
        self.moved()
        path, _, what = entry.key.partition("#")
        place = prefix + path
        marks = self.seen.setdefault(flow, {}).setdefault(template(path), set())
        marks.add(what or entry.status)
        if what == "case":
            marks.add(f"case {entry.value}")
        elif what == "event" and entry.status != "timeout":
            marks.add("taken")
        elif what == "body" and entry.status == "failed":
            self._handled.add(place)
        elif what == "asked" and isinstance(entry.value, dict):
            self._asked(place, entry.value)
        if place.endswith("]"):
            self._entered.add(place.rpartition("[")[0])
        if path and what in ("", "set"):
            self.steps[place] = Step(entry.status, entry.value)
            if place not in self._entered:
                marks.add("empty")
            if place not in self._handled:
                marks.add("unhandled")

    def _asked(self, path: str, asked: dict[str, Any]) -> None:
        """People are asked: those of the test will answer. Those who are asked later are in a second entry."""
        id_ = str(asked.get("id"))
        begun = id_ in self._approvals
        self._approvals[id_] = asked
        for number, decision in enumerate(self._decisions):
            if not begun and (decision.step is None or fits(decision.step, path)):
                tell = functools.partial(self._decided, id_, path, number, decision)
                self.at(self.clock.now() + decision.after, tell)

    def _decided(self, id_: str, path: str, number: int, decision: Decision) -> None:
        """Somebody decides, as at the real door: whoever is not asked, or fills in what does not fit, is refused."""
        asked = self._approvals[id_]
        by = decision.by or (asked.get("people") or ["tester"])[0]
        form, why = _form(asked, decision)
        if asked.get("people") and by not in asked["people"]:
            why = f"{by} is not asked; those who may decide then are {', '.join(asked['people'])}"
        if why is not None:
            self.refused.append((number, f"the decision on `{path}` is refused: {why}"))
            self.moved()
            return
        data = {"approval": id_, "decision": decision.decision, "by": by, "form": form}
        self.arrive({"type": DECIDED, "data": data, "subject": id_, "source": "reactor/approvals"})

    def call(self, path: str, *, pure: bool) -> None:
        """A step calls something. Attempts after the first are the same call."""
        self.moved()
        self.called.setdefault(path, pure)

    async def stuck(self, path: str, message: str) -> None:
        """The test is over, because of this; the run stays where it is."""
        if self.trouble is None:
            self.trouble = Trouble(path, message)
        self.moved()
        await asyncio.get_running_loop().create_future()

    # --- events --------------------------------------------------------------------------------------------------

    def arrive(self, given: Mapping[str, Any]) -> None:
        """An event comes to the door now."""
        number = len(self._events) + 2
        event = Event(
            key=number,
            id=str(given.get("id") or f"evt_{number}"),
            type=str(given["type"]),
            source=str(given.get("source") or "reactor/tests"),
            subject=given.get("subject"),
            time=self.clock.now(),
            data=given.get("data"),
            metadata=given.get("metadata") or {},
        )
        view = event.view()
        self._events.append(view)
        self.moved()
        for wanted, future in list(self._waits):
            if not future.done() and is_wanted(wanted, view):
                future.set_result(view)

    def arrived(self, wanted: Wanted, since: int) -> dict[str, Any] | None:
        """The oldest event of those behind number `since` that fits."""
        return next((view for view in self._events[since:] if is_wanted(wanted, view)), None)

    def waits_for(self) -> str:
        """What runs wait for, in words."""
        return ", ".join(dict.fromkeys(wanted.what or f"an event {wanted.type}" for wanted, _ in self._waits))

    @property
    def events(self) -> int:
        """How many events have come so far."""
        return len(self._events)

    async def wait_for(self, wanted: Wanted, until: Instant | None) -> dict[str, Any] | None:
        """The next event that fits, or None when it is `until` first."""
        future: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        wait = (wanted, future)
        self._waits.append(wait)
        if until is not None:
            self.at(until, lambda: future.set_exception(TimeoutError()), future)
        try:
            return await future
        except TimeoutError:
            return None
        finally:
            self._waits.remove(wait)
            self.moved()

    # --- time ----------------------------------------------------------------------------------------------------

    def at(self, instant: Instant, do: Callable[[], None], waits: asyncio.Future[Any] | None = None) -> None:
        """Do it when the clock gets there, unless `waits` is done by then."""
        heapq.heappush(self._timers, (instant, next(self._count), do, waits))

    async def sleep(self, until: Instant) -> None:
        """Until the clock shows this."""
        if until > self.clock.now():
            future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self.at(until, lambda: future.set_result(None), future)
            await future
        self.moved()

    def _due(self) -> Instant | None:
        """When the next thing is to be done."""
        while self._timers and (waits := self._timers[0][3]) is not None and waits.done():
            heapq.heappop(self._timers)
        return self._timers[0][0] if self._timers else None

    async def drive(self, tasks: list[asyncio.Task[Any]], until: Instant | None) -> None:
        """Let runs go on until all have ended, nothing can move, or the clock would pass `until`."""
        while not self.trouble:
            await self._settle(tasks)
            due = self._due()
            if self.trouble or all(task.done() for task in (*tasks, *self.background)):
                return
            if due is None or (until is not None and due > until):
                self.clock.set(until or 0)
                return
            self.clock.set(due)
            # One thing at a time, so that what it sets off comes before what is due at the same moment.
            heapq.heappop(self._timers)[2]()

    async def _settle(self, tasks: list[asyncio.Task[Any]]) -> None:
        still, seen = 0, self._turn
        while still < _SETTLE and not all(task.done() for task in (*tasks, *self.background)):
            await asyncio.sleep(_PATIENCE if self.busy and still == _SETTLE - 1 else 0)
            if self._turn != seen or (self.busy and still == _SETTLE - 1):
                still, seen = 0, self._turn
            else:
                still += 1
