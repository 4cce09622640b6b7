"""The replay runtime: a recorded run's answers against the same or another version of its flow. Touches nothing.

It shows where the other version would take another path. What came first then comes first now: an answer is given when
everything that the record has before it has been seen, or when nothing else can move any more. So joins, timeouts,
cancellations and loops side by side are decided anew, in the order of the record.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import msgspec

from reactor.model.clock import Instant
from reactor.model.flow import ActionStep, Branch, CallStep, Case, EmitStep, Flow, StateStep, Step, WaitForStep
from reactor.model.journal import RESET, ActionCall, Entry, FlowCall, Outcome, StateChange, Wanted
from reactor.model.states import StepStatus
from reactor.runtime.bodies import Body
from reactor.runtime.code import interpreter
from reactor.runtime.divergences import Divergence, Replayed, unmet
from reactor.runtime.interpreter import Hands, RunEnd
from reactor.runtime.kinds import TIMEOUT
from reactor.runtime.recorded import Recorded
from reactor.runtime.signals import Failure
from reactor.runtime.timeouts import OVER
from reactor.sdk.action import Action

_SETTLE = 30
"""Turns of the loop without progress after which every task is known to wait."""
_COMPARED = ("", "#set", "#case", "#join", "#break")
_SKIPPED, _CANCELLED = StepStatus.SKIPPED.value, StepStatus.CANCELLED.value
_ITERATION = re.compile(r"(?<!\.cases)\[\d+\]")
_NO_STEP = re.compile(r"\]$|\.branches\.[^.]+$")
_UUID = "00000000-0000-4000-8000-000000000000"


def _same(value: Any) -> Any:
    return value


class ReplayRuntime:
    """A `Durable` that answers from a journal. Outcomes of effects are taken from it; everything else is computed anew.

    One replay for each object.
    """

    def __init__(
        self,
        journal: Sequence[Entry],
        find: Callable[[str], Action | None],
        *,
        forced: Collection[str] = (),
        unseal: Callable[[Any], Any] = _same,
        state: Mapping[str, Any] | None = None,
    ) -> None:
        """`forced`: places (`[]` for any iteration) of steps that the record need not know: null is what they give.
        `state`: the flow's durable state as far as the record does not say it.
        """
        self._record = Recorded(journal)
        self._find = find
        self._forced = frozenset(forced)
        self._unseal = unseal
        self._state = dict(state or {})
        self._now: Instant = journal[0].at if journal else 0
        self._waiting: dict[asyncio.Future[None], tuple[str, int | None]] = {}
        """Who waits → the place, and the answer's position in the record; None: there is none."""
        self._decided: dict[str, int] = {}
        """Approval → decisions so far."""
        self._escalated: dict[str, int] = {}
        self._timed: set[str] = set()
        """Places whose outcome holds times of its own."""
        self._progress = 0
        self.evicting = False
        self.entries: list[Entry] = []
        self.asked: set[str] = set()
        self.diverged: list[Divergence] = []

    # --- Record --------------------------------------------------------------------------------------------------

    def recall(self, key: str) -> Entry | None:
        """What was drawn is known beforehand; all else is asked for as it comes."""
        return self._record.known.get(key) if "#draw." in key else None

    def known(self) -> Sequence[Entry]:
        """See `Durable.known`: a replay begins at the beginning."""
        return ()

    def record(self, entry: Entry) -> None:
        """Compare a decision or an outcome with the record."""
        if self.evicting:
            return
        self._progress += 1
        self.entries.append(entry)
        if entry.status == RESET:
            return
        path, mark, what = entry.key.partition("#")
        self.asked |= {entry.key, path}
        if what.startswith("asked"):
            self._escalated[path] = self._escalated.get(path, -1) + 1
        before = self._record.meet(entry.key) if what != "attempt" else None
        if before is not None:
            self._now = max(self._now, before.at)
            if mark + what in _COMPARED:
                self._compare(path, what, before, entry)
        elif mark + what in ("", "#set") and entry.status != _CANCELLED and self._is_extra(path):
            self._diverge(path, "extra", None, [entry.status, None])
        self._give()

    def _is_extra(self, path: str) -> bool:
        """Whether the record does not know this place at all, and goes on behind it."""
        record = self._record
        return bool(path) and not record.is_over and not _NO_STEP.search(path) and not record.names(path)

    def _compare(self, path: str, what: str, before: Entry, entry: Entry) -> None:
        opened = self._unseal(before.value)
        if path in self._timed and before.status == entry.status:
            return
        if (before.status, opened) == (entry.status, entry.value):
            return
        if what in ("case", "join"):
            self._diverge(path, what, before.value, entry.value)
        elif opened is not before.value:
            self._diverge(path, "changed", [before.status, "***"], [entry.status, "***"])
        else:
            self._diverge(path, "changed", [before.status, before.value], [entry.status, entry.value])

    def _diverge(self, path: str, kind: str, recorded: Any = None, replayed: Any = None) -> None:
        self.diverged.append(Divergence(path, kind, recorded, replayed, self._record.reached))

    def now(self) -> Instant:
        """See `Durable.now`."""
        return self._now

    def draw(self, what: str) -> Any:
        """See `Durable.draw`."""
        return _UUID if what == "uuid" else 0.5

    # --- answers -------------------------------------------------------------------------------------------------

    async def _turn_of(self, path: str, position: int | None) -> None:
        """Wait until it is the turn of this position of the record; for ever where there is none."""
        self._progress += 1
        self.asked.add(path)
        if position is None or not self._record.is_due(position):
            waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting[waiter] = (path, position)
            try:
                await waiter
            finally:
                self._waiting.pop(waiter, None)
        assert position is not None  # noqa: S101 - nobody is woken without
        self._now = max(self._now, self._record.pass_(position))
        self._give()

    def _give(self) -> None:
        """Wake whoever's turn it is."""
        for waiter, (_, position) in list(self._waiting.items()):
            if position is not None and not waiter.done() and self._record.is_due(position):
                waiter.set_result(None)

    def _give_next(self) -> bool:
        """Nothing moves: what the record has before the next answer is not seen any more. Whether there is one."""
        found = [(position, waiter) for waiter, (_, position) in self._waiting.items() if position is not None]
        if not found:
            return False
        position, waiter = min(found, key=lambda one: one[0])
        self._record.skip_to(position)
        if not waiter.done():
            waiter.set_result(None)
        return True

    async def _answer(self, path: str, attempt: int = 0) -> Entry:
        """The record's outcome of an effect at this place."""
        entry, position = self._record.outcome(path, attempt)
        if entry is None and self._is_forced(path):
            return Entry(path, self._now, StepStatus.COMPLETED.value)
        if entry is not None and entry.status == _SKIPPED:
            self._diverge(path, "changed", [_SKIPPED, None], ["running", None])
            position = None
        if position is None and self._is_forced(path):
            return Entry(path, self._now, StepStatus.COMPLETED.value)
        await self._turn_of(path, position)
        assert entry is not None  # noqa: S101 - it has a position
        return entry

    def _is_forced(self, path: str) -> bool:
        return path in self._forced or _ITERATION.sub("[]", path) in self._forced

    # --- Durable: see there --------------------------------------------------------------------------------------

    def find(self, action: str) -> Action | None:
        """See `Durable.find`."""
        return self._find(action)

    async def act(self, path: str, call: ActionCall, action: Action, params: Any) -> Outcome:
        """The recorded outcome of this attempt."""
        del params, action
        given = self._record.input(path)
        if call.attempt == 1 and given is not None and given != call.shown:
            self._diverge(path, "input", given, call.shown)
        entry = await self._answer(path, call.attempt)
        return Outcome(self._unseal(entry.value), entry.error)

    async def sleep(self, path: str, until: Instant) -> None:
        """Time passes when the record says so."""
        base = path.removesuffix("#timeout")
        if base != path:
            over = self._record.known.get(path)
            position = self._record.position(path) if over is not None and over.status == OVER else None
            await self._turn_of(path, position)
        else:
            self._timed.add(path)
            if not self._is_forced(path) or self._record.after_sleep(path) is not None:
                await self._turn_of(path, self._record.after_sleep(path))
        self._now = max(self._now, until)

    async def emit(self, path: str, event: dict[str, Any], entry: Entry) -> dict[str, Any]:
        """The recorded answer.

        Raises:
            Failure: it had failed.
        """
        del event, entry
        answer = await self._answer(path)
        if answer.error is not None:
            raise Failure(answer.error, attempts=1)
        return answer.value if isinstance(answer.value, dict) else {}

    async def child(self, path: str, call: FlowCall) -> Outcome:
        """The recorded outcome."""
        del call
        entry = await self._answer(path)
        return Outcome(self._unseal(entry.value), entry.error)

    async def receive(self, path: str, wanted: Wanted, until: Instant | None) -> dict[str, Any] | None:
        """The event that the step took then, or None when none came in time."""
        if wanted.key is not None:
            return await self._decision(path, wanted)
        taken = self._record.known.get(path + "#event")
        if taken is None:
            entry = await self._answer(path)
            return {"id": "", "value": entry.value}
        await self._turn_of(path, self._record.position(path + "#event"))
        if taken.status == TIMEOUT:
            self._timed.add(path)
            self._now = max(self._now, until or 0)
            return None
        entry = self._record.known.get(path) or self._record.known.get(path + "#body") or taken
        event = self._unseal(entry.value)
        if isinstance(event, dict) and "type" in event and event.get("id") == taken.value["id"]:
            if not _accepts(wanted, event):
                self._diverge(path, "changed", ["took", event["id"]], ["waiting", wanted.what])
                await self._turn_of(path, None)
            return event
        return {"id": taken.value["id"], "value": event}

    async def _decision(self, path: str, wanted: Wanted) -> dict[str, Any] | None:
        """The next decision of an approval, or None where people were asked again, or none came in time."""
        made = self._decided.get(path, 0)
        key = f"{path}#decision.{made}"
        decided = self._record.position(key)
        asked = self._record.asked(path, self._escalated.get(path, 0) + 1)
        if decided is None and asked is None:
            self._timed.add(path)
            await self._turn_of(path, self._record.late(path))
            return None
        if decided is None or (asked is not None and asked < decided):
            await self._turn_of(path, asked)
            return None
        await self._turn_of(path, decided)
        self._decided[path] = made + 1
        value = self._record.known[key].value
        data = {name: value[name] for name in ("by", "decision", "form")}
        return {"id": value["id"], "time": value["at"], "subject": wanted.key, "data": data}

    async def state(self, path: str, change: StateChange) -> Any:
        """The recorded answer.

        Raises:
            Failure: it had failed.
        """
        entry = await self._answer(path)
        if entry.error is not None:
            raise Failure(entry.error, attempts=1)
        value = self._unseal(entry.value)
        if change.op == "delete":
            self._state.pop(change.key, None)
        else:
            self._state[change.key] = value
        return value

    async def turn(self, path: str) -> None:
        """Others get the loop."""
        self._progress += 1
        await asyncio.sleep(0)

    async def pause(self, path: str, reason: str) -> None:
        """People are not asked twice; a run that was never resumed stands here."""
        del reason
        known = self._record.known.get(path + "#pause")
        if known is not None and known.status == "paused":
            await self._turn_of(path, None)

    # --- the whole -----------------------------------------------------------------------------------------------

    async def replay(
        self,
        flow: Flow,
        *,
        event: dict[str, Any] | None,
        inputs: Any = None,
        events: list[dict[str, Any]] | None = None,
        run: dict[str, Any] | None = None,
        env: Mapping[str, str] | None = None,
    ) -> Replayed:
        """Play the record against this version, as far as it goes. `run`: as expressions see it."""
        running = interpreter(
            unshaped(flow),
            self,
            event=event,
            run=run or {"id": "run_replay", "started_at": "", "version": flow.version},
            inputs=inputs,
            events=events,
            hands=Hands(env=env or {}, state=self._state, secret=lambda name: f"<{name}>"),
        )
        task = asyncio.get_running_loop().create_task(running.run())
        cancel = asyncio.get_running_loop().create_task(self._cancel(task))
        try:
            await self._drive(task)
            return self._end(task.result() if task.done() else None)
        finally:
            self.evicting = True
            cancel.cancel()
            task.cancel()
            await asyncio.wait({task, cancel})

    async def compare(
        self, flow: Flow, *, event: dict[str, Any] | None, inputs: Any = None, **more: Any
    ) -> list[Divergence]:
        """Where this version would take another path than the record. See `replay`."""
        return (await self.replay(flow, event=event, inputs=inputs, **more)).diverged

    async def _cancel(self, task: asyncio.Task[RunEnd]) -> None:
        """The run is cancelled when it was cancelled then."""
        position = self._record.position("#cancel")
        if position is not None:
            await self._turn_of("#cancel", position)
            task.cancel()

    async def _drive(self, task: asyncio.Task[RunEnd]) -> None:
        while not task.done():
            still, seen = 0, self._progress
            while still < _SETTLE and not task.done():
                await asyncio.sleep(0)
                still, seen = (still + 1, seen) if self._progress == seen else (0, self._progress)
            if not task.done() and not self._give_next():
                return

    def _end(self, end: RunEnd | None) -> Replayed:
        """What is to be said when nothing moves any more."""
        standing = sorted({path for path, _ in self._waiting.values() if "#" not in path})
        return unmet(self._record, self.diverged, self.asked, standing, end)


def _accepts(wanted: Wanted, event: dict[str, Any]) -> bool:
    try:
        return wanted.accept(event)
    except Failure:
        return False


def unshaped(flow: Flow) -> Flow:
    """The flow without `output:` on the steps that the record answers for: what it holds is shaped already."""
    bare: Flow = _unshaped(flow)
    return bare


def _unshaped(value: Any) -> Any:
    """Steps wherever they stand in the model: in lists, branches, cases and other steps."""
    if isinstance(value, Body):
        return value
    if isinstance(value, tuple):
        return tuple(_unshaped(item) for item in value)
    if not isinstance(value, _HOLDERS):
        return value
    changes = {}
    for name in value.__struct_fields__:
        inner = getattr(value, name)
        if isinstance(inner, (tuple, *_HOLDERS)):
            changes[name] = _unshaped(inner)
    if isinstance(value, _ANSWERED):
        changes["output"] = None
    return msgspec.structs.replace(value, **changes) if changes else value


_HOLDERS = (Flow, Step, Branch, Case)
_ANSWERED = (ActionStep, CallStep, EmitStep, StateStep, WaitForStep)
