"""The gates of flow control with a clock of their own: the same code that decides in the engine, and nothing of it
reaches a store or a run.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable
from typing import Any

from reactor.engine.flowcontrol import words
from reactor.engine.flowcontrol.decisions import Decisions
from reactor.engine.flowcontrol.gates import FlowControl
from reactor.engine.simulation.outcomes import DROPPED, HELD, LATE, MERGED, QUEUED, STARTED, Fate
from reactor.engine.texts import encode
from reactor.model.clock import Instant
from reactor.model.errors import StepError
from reactor.model.event import Event
from reactor.model.flow import Flow
from reactor.model.journal import Run
from reactor.model.states import RunStatus
from reactor.stores.port import Batch

_MERGING = ("batch", "debounce")


class VirtualGates:
    """One flow's gates. A simulated run bears the number of its event."""

    def __init__(self, flow: Flow, lasting: Callable[[int], tuple[int, int]]) -> None:
        """`lasting`: number of the event → milliseconds from its run's start to its end, and those of them in which it
        holds a slot (they are taken to be the first).
        """
        self._flow = flow
        self._lasting = lasting
        self._world = _World(flow)
        self._gates = FlowControl(self._world)  # type: ignore[arg-type]
        self._gates.decisions = _Told(self._world, self._cancelled)
        self._world.gates = self._gates
        self._world.begun = self._begun
        self._claims: dict[str, Instant] = {}
        self._runs: dict[int, Run] = {}
        self._started: dict[int, Instant] = {}
        self._dropped: dict[int, Fate] = {}

    def take(self, event: Event, at: Instant) -> None:
        """An event that the conditions let pass arrives. Instants do not fall."""
        self._world.advance(at)
        reason = self._deduped(event, at)
        if reason:
            self._dropped[event.key] = Fate(outcome=DROPPED, rule="dedupe", reason=reason)
            return
        control = self._gates.new(self._flow, event, None, asked=False)
        run = Run(
            key=event.key,
            flow=self._flow.name,
            version=self._flow.version,
            status=RunStatus.PENDING,
            event_key=event.key,
            created_at=at,
            control=control,
        )
        self._runs[event.key] = run
        if control is None:
            self._begun(run.key)
        else:
            self._gates.accepted(run, event, self._flow)

    def _deduped(self, event: Event, at: Instant) -> str:
        part = self._flow.dedupe
        if part is None:
            return ""
        try:
            key = encode(part.key.evaluate({"event": event.view()})).decode()
        except StepError:
            return ""
        if self._claims.get(key, 0) > at:
            return words.dedupe(self._flow, event)
        self._claims[key] = at + part.for_
        return ""

    def pass_time(self, most: int) -> bool:
        """Let the next things happen, at most so many. Whether there are more."""
        return self._world.run_out(most)

    def fate(self, key: int) -> Fate:
        """What has become of an event that was taken; when all time has passed."""
        told = self._dropped.get(key) or self._world.verdicts.get(key)
        if told is not None:
            return told
        # A run that collects is the run of the last event that went into it.
        owner = self._world.owners.get(key, key)
        run, started = self._runs[owner], self._started.get(owner)
        if run.control is not None and run.control.error:
            return Fate(outcome=STARTED, rule="error", reason=run.control.error, starts_at=run.created_at)
        if started is None:
            held = run.control is not None and run.control.stage == "hold"
            rule = "hold" if held else self._rule(run)
            return Fate(outcome=HELD if held else QUEUED, rule=rule, reason=run.waiting_for)
        if started - run.created_at < LATE:
            return Fate(outcome=STARTED, rule="matched", starts_at=started)
        wait = f"it begins {(started - run.created_at) / 1000:.1f} s after its event"
        return Fate(outcome=QUEUED, rule=self._rule(run), reason=wait, starts_at=started)

    def _rule(self, run: Run) -> str:
        """The control that lets a run wait."""
        return self._world.waited.get(run.key) or rule_of(self._flow)

    def _begun(self, key: int) -> None:
        if key in self._started:
            return
        self._started[key] = self._world.now()
        whole, active = self._lasting(key)
        now = self._world.now()
        if active < whole:
            self._world.call_at(now + max(0, active), lambda: self._gates.left(key))
        self._world.call_at(now + max(0, whole), lambda: self._gates.ended(key))

    def _cancelled(self, key: int) -> None:
        self._world.call_at(self._world.now(), lambda: self._end(key))

    def _end(self, key: int) -> None:
        self._gates.withdraw(key)
        self._gates.ended(key)


def rule_of(flow: Flow | None) -> str:
    """The first control of a flow that lets runs wait."""
    control = flow.control if flow is not None else None
    names = ("batch", "debounce", "singleton", "throttle", "concurrency")
    return next((name for name in names if getattr(control, name, None) is not None), "")


class _World:
    """What the gates need of an executor."""

    def __init__(self, flow: Flow) -> None:
        self.clock = self
        self.timers = self
        self.book = self
        self.ends = self
        self.current = {flow.name: flow}
        self.live: dict[int, Any] = {}
        self.gates: FlowControl
        self.begun: Callable[[int], None]
        self.verdicts: dict[int, Fate] = {}
        self.owners: dict[int, int] = {}
        """Event → the run that it went into, where that is not its own."""
        self.waited: dict[int, str] = {}
        """Run → the control at which it waited last."""
        self._now: Instant = 0
        self._due: list[tuple[Instant, int, Callable[[], None]]] = []
        self._count = itertools.count()

    def now(self) -> Instant:
        """The time of the simulation."""
        return self._now

    def call_at(self, instant: Instant, callback: Callable[[], None]) -> None:
        """Later, or as soon as time moves."""
        heapq.heappush(self._due, (max(instant, self._now), next(self._count), callback))

    def advance(self, until: Instant) -> None:
        """Time passes, and what is due by then happens."""
        while self._due and self._due[0][0] <= until:
            self._one()
        self._now = max(self._now, until)

    def run_out(self, most: int) -> bool:
        """What is due next, at most so many. Whether there is more."""
        for _ in range(most):
            if not self._due:
                return False
            self._one()
        return bool(self._due)

    def _one(self) -> None:
        self._now, _, callback = heapq.heappop(self._due)
        callback()

    def wake(self, keys: list[int]) -> None:
        """These may run now."""
        for key in keys:
            self.begun(key)

    def launch(self, record: Run, _event: Event, _flow: Flow) -> None:
        """This one may run now."""
        self.begun(record.key)

    def unexpect(self, _keys: list[int]) -> None:
        """Nobody waits for ends here."""

    def version(self, _name: str, _number: int) -> Flow | None:
        """There is only the one."""
        return None


class _Told(Decisions):
    """Keeps what was decided."""

    def __init__(self, world: _World, cancelled: Callable[[int], None]) -> None:
        super().__init__(world)  # type: ignore[arg-type]
        self._world = world
        self._ended = cancelled

    def commit(self, batch: Batch) -> None:
        """Nothing is written."""
        for one in batch.verdicts:
            outcome = MERGED if one.rule in _MERGING else DROPPED
            self._world.verdicts[one.event_key] = Fate(outcome=outcome, rule=one.rule, reason=one.reason)
        for run in batch.runs.values():
            if run.event_key is not None and run.event_key != run.key:
                self._world.owners[run.event_key] = run.key
            stage = run.control.stage if run.control is not None else ""
            if stage in (*_MERGING, "singleton"):
                self._world.waited[run.key] = stage
            elif stage == "queue":
                why = self._world.gates.why(run.key) or ""
                self._world.waited[run.key] = "throttle" if why.startswith("`throttle`") else "concurrency"

    def fail(self, run: Run, event: Event | None) -> None:
        """A run of which a key cannot be evaluated."""

    def cancel_later(self, key: int, reason: str) -> None:
        """A run makes room for another."""
        self._ended(key)
