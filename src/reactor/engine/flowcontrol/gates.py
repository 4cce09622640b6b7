"""What every run of a flow with flow control passes before it starts, in this order: rate_limit, batch, debounce, hold,
singleton, throttle, concurrency (`dedupe` comes before, with the commit of the event; `priority` orders who waits).

An event is decided when it is on disk, together with a pending run of its own: so there is nothing to take back when
the event was a duplicate, and what had not been decided when the process died is decided after the next start.
"""

from __future__ import annotations

import copy
import logging
from collections import Counter
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from reactor.engine.flowcontrol import collecting, keys, shown, terms, words
from reactor.engine.flowcontrol.collecting import BATCH, Collecting, Collection
from reactor.engine.flowcontrol.decisions import Decisions
from reactor.engine.flowcontrol.lanes import Lanes
from reactor.engine.flowcontrol.singles import Singles
from reactor.engine.flowcontrol.windows import Windows
from reactor.engine.texts import encode
from reactor.model import ids
from reactor.model.clock import Instant
from reactor.model.event import Event
from reactor.model.flow import Control, Flow
from reactor.model.journal import Controlled, Entry, Run
from reactor.model.states import RunStatus
from reactor.stores.port import Batch, Loaded

if TYPE_CHECKING:
    from reactor.engine.executor import Executor

_NAMED = 20
"""Runs that an answer names."""
_log = logging.getLogger("reactor.engine")
Start = Callable[[], None] | None
"""Starts the run from memory; None: it is woken, and read from the store."""


class FlowControl:
    """The gates of all flows. Made by the executor."""

    def __init__(self, executor: Executor) -> None:
        self._executor = executor
        self._now = executor.clock.now
        self.windows = Windows(self._now)
        self.lanes = Lanes(self._now, self.windows, executor.timers.call_at, self._granted)
        self.singles = Singles()
        self.collection = Collection()
        self.decisions = Decisions(executor)
        self._queued: dict[int, Run] = {}
        """Runs that wait in a lane."""
        self._parked: dict[int, Run] = {}
        """Runs that wait for the end of those that `singleton` cancels for them."""
        self._held: dict[int, Run] = {}
        """Runs that have started, or are about to, and have not left memory."""
        self._controls: dict[str, Control | None] = {}

    # --- runs that come in ---------------------------------------------------------------------------------------

    def new(self, flow: Flow, event: Event | None, inputs: Any, *, asked: bool) -> Controlled | None:
        """What a new run keeps; `asked`: a person, a call or a fork starts it, and nothing can drop it."""
        if flow.control is None:
            return None
        scope = {"event": event.view() if event is not None else None, "inputs": inputs if inputs is not None else {}}
        return keys.controlled(flow.control, scope, asked=asked)

    def early(self, run: Run, flow: Flow) -> bool:
        """Whether it may start before its event is on disk: it only needs a turn, and has it. If it does not come to
        be, `forget` gives that back.
        """
        control, info = flow.control, run.control
        if control is None or info is None or info.error or info.stage != "queue":
            return control is None
        if control.singleton is not None or not self.lanes.take(run.key, terms.terms_of(run, control)):
            return False
        self._held[run.key] = run
        return True

    def accepted(self, run: Run, event: Event, flow: Flow) -> int | None:
        """A run of a flow with control is on disk with its event: let it start, wait, or go. The key of the run that
        the event is in; None: it is dropped.
        """
        info, control = run.control, self.control_of(run)
        if info is not None and info.error:
            self.decisions.fail(run, event)
            return run.key
        return self._ask(run, control, lambda: self._executor.launch(run, event, flow))

    def begin(self, run: Run, start: Start) -> bool:
        """A run that nothing can drop: it starts, or waits for its turn. Whether it started."""
        control = self.control_of(run)
        if control is not None and control.singleton is not None:
            self.singles.add(run)
        return self._offer(run, control, start)

    def child(self, run: Run) -> bool:
        """As `begin`; the caller starts it."""
        return self.begin(run, _already)

    def deduped(self, run: Run, event: Event, flow: Flow) -> None:
        """An event that had lost its claim to an earlier one of the same key."""
        self.decisions.deduped(run, "dedupe", words.dedupe(flow, event))

    def _ask(self, run: Run, control: Control | None, start: Start) -> int | None:
        if control is None:
            self._offer(run, control, start)
            return run.key
        rate = control.rate_limit
        if rate is not None:
            key = run.control.keys.get("rate_limit", "") if run.control is not None else ""
            window = self.windows.get("rate_limit", run.flow, key)
            until = window.full_until(run.created_at, rate.max, rate.per)
            if until is not None:
                self.decisions.drop(run, "rate_limit", words.rate_limit(run, rate, until))
                return None
            window.add(run.created_at)
        part = collecting.part_of(control)
        if part is not None:
            return self._collect(run, *part)
        return self._from_hold(run, control, start)

    def _from_hold(self, run: Run, control: Control | None, start: Start) -> int | None:
        hold = control.hold if control is not None else None
        if hold is not None:
            fresh = run.control is None or run.control.stage == ""
            at = run.created_at if fresh else self._now()
            window = self.windows.get("hold", run.flow, "")
            over = window.full_until(at, hold.over, hold.per) is not None
            window.add(at, hold.over)
            if over:
                self.decisions.counts["hold"] += 1
                run.status, run.wake_at, run.waiting_for = RunStatus.PAUSED, None, words.held(hold)
                self.decisions.stage(run, "hold")
                return run.key
        return self._from_singleton(run, control, start)

    def _from_singleton(self, run: Run, control: Control | None, start: Start) -> int | None:
        single = control.singleton if control is not None else None
        if single is None:
            self._offer(run, control, start)
            return run.key
        others = self.singles.others(run)
        if others and single.on_conflict == "skip":
            reason = words.singleton(run, others[0])
            if run.control is None or run.control.stage == "":
                self.decisions.drop(run, "singleton", reason, others[0])
                return None
            self.decisions.cancel_later(run.key, reason)
            return run.key
        self.singles.add(run)
        if others:
            self._parked[run.key] = run
            self.decisions.stage(run, "singleton")
            for key in others:
                self.decisions.cancel_later(key, f"`singleton`: {ids.to_text('run', run.key)} takes its place")
            return run.key
        self._offer(run, control, start)
        return run.key

    def _offer(self, run: Run, control: Control | None, start: Start) -> bool:
        if control is None or self.lanes.offer(run.key, _priority(run), terms.terms_of(run, control)):
            self._held[run.key] = run
            if start is None:
                self._executor.wake([run.key])
            else:
                start()
            return True
        self._queued[run.key] = run
        if start is not _already and (run.control is None or run.control.stage != "queue"):
            self.decisions.stage(run, "queue")
        return False

    def _granted(self, key: int) -> None:
        run = self._queued.pop(key)
        self._held[key] = run
        self._executor.wake([key])

    # --- events that start no run of their own ---------------------------------------------------------------------

    def _collect(self, run: Run, kind: str, part: Any) -> int:
        key = run.control.keys.get(kind, "") if run.control is not None else ""
        name = (run.flow, kind, key)
        into = self.collection.into(name)
        if into is not None:
            return self._merge(run, into, part)
        one = Collecting(name, run, collecting.until(part, run.created_at, run.created_at))
        self.collection.add(one)
        if collecting.is_full(part, 1):
            self._release(one)
            return run.key
        run.wake_at = one.until
        run.waiting_for = f"`{kind}`"
        self.decisions.stage(run, kind)
        self.collect_until(one)
        return run.key

    def _merge(self, run: Run, into: Collecting, part: Any) -> int:
        """The event goes into a run that collects; the run that came with it goes."""
        kind, whole, before = into.name[1], into.record, into.record.event_key
        into.count += 1
        into.until = collecting.until(part, whole.created_at, run.created_at)
        whole.event_key, whole.wake_at = run.event_key, into.until
        self.decisions.counts[kind] += 1
        self._executor.ends.unexpect([run.key])
        batch = Batch(runs={whole.key: copy.copy(whole)}, gone=[run.key])
        if before is not None:
            reason = collecting.merged(kind, part, whole, run.event_key or 0)
            batch.verdicts.append(self.decisions.verdict(before, run.flow, kind, reason, whole.key))
            if kind == "batch":
                batch.journal.append((whole.key, encode([Entry(f"{BATCH}{before}", self._now(), value=before)])))
        self.decisions.commit(batch)
        if collecting.is_full(part, into.count):
            self._release(into)
        return whole.key

    def collect_until(self, one: Collecting) -> None:
        """Look at a run that collects when its time is up; the time may move meanwhile."""

        def look() -> None:
            if self.collection.get(one.record.key) is not one:
                return
            if one.until > self._now():
                self.collect_until(one)
            else:
                self._release(one)

        self._executor.timers.call_at(one.until, look)

    def _release(self, one: Collecting) -> None:
        """A run has collected what it was to: it goes on to the next gate."""
        self.collection.remove(one)
        run = one.record
        run.wake_at = None
        self._from_hold(run, self.control_of(run), None)

    # --- runs that come into memory, and leave it ------------------------------------------------------------------

    def admit(self, loaded: Loaded) -> bool:
        """Whether a run that is about to come into memory may; if not, it waits for its turn, and is woken then."""
        run = loaded.run
        if run.key in self._held:
            self._held[run.key] = run
            return True
        control = self.control_of(run)
        if control is None and run.control is None:
            return True
        if any(entry.key == "#cancel" for entry in loaded.journal):
            # Whoever is cancelled cleans up at once, and nobody waits for a slot for that.
            self._held[run.key] = run
            return True
        if self.inside(run.key):
            return False
        if run.control is None or run.control.error:
            run.control = self._again(loaded, control)
            if run.control is not None and run.control.error:
                self.decisions.fail(run, loaded.event)
                return False
        return self._come(run, control)

    def _come(self, run: Run, control: Control | None) -> bool:
        single = control is not None and control.singleton is not None
        if single and run.control is not None and run.control.stage == "hold" and run.started_at is None:
            run.status = RunStatus.PENDING
            self.decisions.stage(run, "released")
            self._from_singleton(run, control, None)
            return run.key in self._held
        if single:
            self.singles.add(run)
        if self._offer(run, control, _already):
            return True
        run.status, run.wake_at = RunStatus.PENDING, None
        self.decisions.stage(run, "queue")
        return False

    def _again(self, loaded: Loaded, control: Control | None) -> Controlled | None:
        """The keys of a run that has none yet, or of which one could not be evaluated, by the flow as it is now."""
        if control is None:
            return None
        inputs: Any = next((entry.value for entry in loaded.journal if entry.key == "#inputs"), {})
        scope = {"event": loaded.event.view() if loaded.event is not None else None, "inputs": inputs}
        return keys.controlled(control, scope, asked=True)

    async def batches(self, found: list[Loaded]) -> dict[int, list[Event]]:
        """The events of batches but their last, by run.

        Raises:
            StoreError: the store cannot be read.
        """
        batches: dict[int, list[Event]] = {}
        for loaded in found:
            if loaded.run.control is not None:
                wanted = dict.fromkeys(entry.value for entry in loaded.journal if entry.key.startswith(BATCH))
                if wanted:
                    batches[loaded.run.key] = await self._executor.history.read(list(wanted))
        return batches

    def left(self, key: int) -> None:
        """A run has left memory, and holds no slot."""
        if self._held.pop(key, None) is not None:
            self.lanes.free(key)

    def ended(self, key: int) -> None:
        """A run has ended, or never came to be."""
        self.left(key)
        rest = self.singles.ended(key)
        for other in rest:
            run = self._parked.get(other)
            if run is not None and not [key for key in self.singles.others(run) if key not in self._parked]:
                del self._parked[other]
                self._offer(run, self.control_of(run), None)
                break

    def withdraw(self, key: int) -> None:
        """Somebody takes a run out of the gates, to cancel or to pause it."""
        self._queued.pop(key, None)
        self._parked.pop(key, None)
        self.lanes.withdraw(key)
        one = self.collection.get(key)
        if one is not None:
            self.collection.remove(one)

    def inside(self, key: int) -> bool:
        """Whether it waits at a gate."""
        return key in self._queued or key in self._parked or self.collection.get(key) is not None

    def control_of(self, run: Run) -> Control | None:
        """The control that counts for a run: of the flow as it is now, also while it is disabled; when its file has
        gone, of the run's own version.
        """
        flow = self._executor.book.current.get(run.flow) or self._executor.book.version(run.flow, run.version)
        return flow.control if flow is not None else None

    # --- flows that change ---------------------------------------------------------------------------------------

    def changed(self, name: str, _flow: Flow | None = None) -> None:
        """A flow has another version: its limits count at once for whatever waits. Runs that run are left alone."""
        flow = self._executor.book.current.get(name)
        control = flow.control if flow is not None else None
        known = self._controls.get(name)
        if control is known or flow is None:
            return
        self._controls[name] = control
        waiting = sorted((run for run in self._queued.values() if run.flow == name), key=lambda run: run.key)
        for run in waiting:
            self.lanes.withdraw(run.key)
            del self._queued[run.key]
        self._hold_again(name, control)
        for run in waiting:
            self._offer(run, control, None)
        for one in self.collection.of(name):
            part = collecting.part_of(control) if control is not None else None
            if part is None or part[0] != one.name[1] or collecting.is_full(part[1], one.count):
                self._release(one)
        if control is None or control.singleton is None:
            for run in [run for run in self._parked.values() if run.flow == name]:
                del self._parked[run.key]
                self._offer(run, control, None)
        self.lanes.pump()

    def _hold_again(self, name: str, control: Control | None) -> None:
        """Runs that run hold the slots that the flow has now, also those that began before it had any."""
        if control is not None and control.concurrency is not None:
            for live in self._executor.live.values():
                if live.record_.flow == name:
                    live.record_.control = live.record_.control or Controlled(stage="queue")
                    self._held.setdefault(live.key, live.record_)
        for key, run in self._held.items():
            if run.flow == name:
                self.lanes.hold(key, terms.slot_of(run, control) if control is not None else None)

    # --- asking, writing ---------------------------------------------------------------------------------------------

    def why(self, key: int) -> str | None:
        """What a run waits for at the gates, in words; None: it is not there."""
        one = self.collection.get(key)
        if one is not None:
            control = self.control_of(one.record)
            part = collecting.part_of(control) if control is not None else None
            return collecting.waiting(one.name[1], one, part[1] if part is not None else None)
        run = self._parked.get(key)
        if run is not None:
            return words.parked(run, self.singles.others(run))
        run = self._queued.get(key)
        if run is None or key not in self.lanes:
            return None
        found, until, ahead = self.lanes.blocked_by(key)
        return words.queued(run, found, until, ahead, self.lanes.holders(found.slot) if found.slot is not None else [])

    def until(self, key: int) -> tuple[Instant | None, dict[str, Any]]:
        """When what `why` tells ends by itself, if that is known, and the runs and numbers behind it."""
        one = self.collection.get(key)
        if one is not None:
            return one.until, {"events": one.count}
        run = self._parked.get(key)
        if run is not None:
            return None, {"runs": [ids.to_text("run", other) for other in self.singles.others(run)]}
        if key not in self.lanes:
            return None, {}
        found, until, ahead = self.lanes.blocked_by(key)
        holders = self.lanes.holders(found.slot) if found.slot is not None else []
        named = [ids.to_text("run", other) for other in holders[:_NAMED]]
        return until, {"ahead": ahead, "taken": len(holders), "limit": found.limit or None, "runs": named}

    def state(self, name: str) -> dict[str, Any]:
        """What the gates of a flow hold now (see `shown.of`)."""
        flow = self._executor.book.current.get(name)
        control = flow.control if flow is not None else None
        if control is None:
            return {}
        waiting = [run for run in (*self._queued.values(), *self._parked.values()) if run.flow == name]
        return shown.of(name, control, self, waiting, self._now())

    @property
    def waiting(self) -> int:
        """Runs that wait at the gates."""
        return len(self._queued) + len(self._parked)

    def waiting_by_flow(self) -> dict[str, int]:
        """How many runs of each flow wait at the gates."""
        return dict(Counter(run.flow for held in (self._queued, self._parked) for run in held.values()))

    def held(self, run: Run, *, waiting: bool) -> None:
        """A run of before the start: it runs, or waits in a lane or for those that it replaces."""
        control = self.control_of(run)
        if waiting:
            self._offer(run, control, None)
            return
        self._held[run.key] = run
        self.lanes.hold(run.key, terms.slot_of(run, control) if control is not None else None)

    def ask_again(self, run: Run) -> None:
        """A run of before the start that had not been decided."""
        control = self.control_of(run)
        if run.control is not None and run.control.error:
            self.decisions.fail(run, None)
        elif run.control is not None and run.control.stage in ("hold", "singleton", "released"):
            self._from_singleton(run, control, None)
        else:
            self._ask(run, control, None)

    def forget(self, gone: Iterable[int]) -> None:
        """These runs will never be in the store."""
        for key in gone:
            self.withdraw(key)
            self.ended(key)


def _priority(run: Run) -> float:
    return run.control.priority if run.control is not None else 0


def _already() -> None:
    """The caller starts the run."""
